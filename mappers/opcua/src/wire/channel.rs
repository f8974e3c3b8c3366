//! The handle of one open secure channel; its task is in `task`.
use super::{
    Limits, Own, Raw, Service,
    dial::dial,
    limits::{ASKS, CHUNK},
    opn::Renewal,
    service,
    task::{Ask, Task},
    unknown::Unknown,
};
use crate::error::{Error, Result};
use bytes::Bytes;
use opcua::{
    core::{
        comms::{
            buffer::SendBuffer,
            secure_channel::{Role, SecureChannel},
        },
        sync::RwLock,
    },
    crypto::{CertificateStore, KeySize, SecurityPolicy, X509},
    types::{
        CloseSecureChannelRequest, ContextOwned, DateTime, EndpointDescription, MessageSecurityMode, NamespaceMap,
        NodeId, ObjectId, RequestHeader,
    },
};
use std::{
    collections::HashMap,
    fmt,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicU32, AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};
use tokio::{
    sync::{mpsc, oneshot, watch},
    task::AbortHandle,
    time::{Instant, timeout_at},
};

/// A path where nothing is: keys never come from files.
const NOWHERE: &str = "/nonexistent";

/// What is opened, and how.
#[derive(Debug)]
pub(crate) struct Dial<'a> {
    /// Name or address.
    pub host: &'a str,
    /// TCP port.
    pub port: u16,
    /// What the server is told that we dialled.
    pub url: &'a str,
    /// Policy, mode and the server's certificate; already trusted.
    pub endpoint: &'a EndpointDescription,
    /// Ours; None only with policy None.
    pub own: Option<&'a Arc<Own>>,
    /// How much the server may send.
    pub limits: Limits,
    /// Lifetime of a token that is asked for.
    pub lifetime: Duration,
    /// For all of it.
    pub until: Instant,
}

/// One open channel. Dropped, its task and its connection end.
pub(crate) struct Wire {
    asks: mpsc::Sender<Ask>,
    context: Arc<RwLock<ContextOwned>>,
    policy: SecurityPolicy,
    mode: MessageSecurityMode,
    /// Of the session, in front of each request.
    token: RwLock<NodeId>,
    handle: AtomicU32,
    late: Arc<AtomicU64>,
    /// Why it ended. Its sender is the task's: gone without a word, the task was ended.
    end: watch::Receiver<Option<Error>>,
    task: AbortHandle,
}

impl fmt::Debug for Wire {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Wire({}, {:?}, dead: {})", self.policy.to_str(), self.mode, self.is_dead())
    }
}
impl Drop for Wire {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Wire {
    /// Dials, says Hello and opens the channel.
    pub(crate) async fn open(to: &Dial<'_>) -> Result<Self> {
        let policy = fits(to)?;
        let dialled = dial(to).await?;
        let mut context = ContextOwned::new_default(NamespaceMap::new(), to.limits.options());
        context.loaders_mut().add(Arc::new(Unknown));
        let context = Arc::new(RwLock::new(context));
        let channel = secured(to, policy, context.clone());
        let mut send = SendBuffer::new(CHUNK, to.limits.message, 0, policy.legacy_sequence_numbers());
        send.revise(dialled.chunk, dialled.message, dialled.chunks);
        let (asks, waiting) = mpsc::channel(ASKS);
        let (opened, ready) = oneshot::channel();
        let (ends, end) = watch::channel(None);
        let late = Arc::new(AtomicU64::new(0));
        let task = Task {
            read: dialled.read,
            write: dialled.write,
            buffer: dialled.buffer,
            send,
            asks: waiting,
            pending: HashMap::new(),
            held: 0,
            limits: to.limits,
            sequence: None,
            late: late.clone(),
            renewal: Renewal::new(to.lifetime),
            opened: Some(opened),
            sender: to.endpoint.server_certificate.as_ref().to_vec(),
            block: to.own.map_or(1, |own| own.key.size()),
            channel,
            policy,
            mode: to.endpoint.security_mode,
        };
        let task = tokio::spawn(async move {
            ends.send_replace(Some(task.run().await));
        })
        .abort_handle();
        let wire = Self {
            asks,
            context,
            policy,
            mode: to.endpoint.security_mode,
            token: RwLock::new(NodeId::null()),
            handle: AtomicU32::new(1),
            late,
            end,
            task,
        };
        match timeout_at(to.until, ready).await {
            Ok(Ok(())) => Ok(wire),
            Ok(Err(_)) => Err(wire.ended().await),
            Err(_) => Err(Error::Silent("OpenSecureChannel")),
        }
    }

    /// Header of a request that is answered by then.
    pub(crate) fn header(&self, until: Instant) -> RequestHeader {
        let wait = until.saturating_duration_since(Instant::now());
        let handle = self.handle.fetch_add(1, Relaxed);
        let mut header = RequestHeader::new(&self.token.read(), &DateTime::now(), handle);
        header.timeout_hint = u32::try_from(wait.as_millis()).unwrap_or(u32::MAX);
        header
    }
    /// From here on requests are of this session.
    pub(crate) fn set_token(&self, token: &NodeId) {
        *self.token.write() = token.clone();
    }
    /// A request that is bytes already, and its answer, whole.
    pub(crate) async fn raw(&self, raw: Raw, until: Instant) -> Result<Bytes> {
        let service = raw.service;
        let (reply, answer) = oneshot::channel();
        let done = async {
            if self.asks.send(Ask { raw, reply }).await.is_err() {
                return Err(self.ended().await);
            }
            match answer.await {
                Ok(answer) => answer,
                Err(_) => Err(self.ended().await),
            }
        };
        timeout_at(until, done).await.unwrap_or(Err(Error::Silent(service)))
    }
    /// Any service. What cannot be decoded fails this call alone.
    pub(crate) async fn call<S: Service>(&self, request: S, until: Instant) -> Result<S::Answer> {
        let raw = service::encode(&request, &self.context)?;
        drop(request);
        let answer = self.raw(raw, until).await?;
        service::decode::<S>(&answer, &self.context)
    }
    /// Says that the channel is used no more; there is no answer to it. Then drop it.
    pub(crate) async fn close(&self, until: Instant) {
        let request = CloseSecureChannelRequest { request_header: self.header(until) };
        let id = ObjectId::CloseSecureChannelRequest_Encoding_DefaultBinary;
        if let Ok(raw) = Raw::encoded(id, "CloseSecureChannel", &request, &self.context) {
            self.raw(raw, until).await.ok(); // the task ends once it is sent
        }
    }

    /// Ends it at once, for all who use it.
    pub(crate) fn end(&self) {
        self.task.abort();
    }
    /// Resolves when the channel is dead, and says why.
    pub(crate) async fn ended(&self) -> Error {
        let mut end = self.end.clone();
        match end.wait_for(Option::is_some).await {
            Ok(end) => end.clone().unwrap_or_else(stopped),
            Err(_) => stopped(),
        }
    }
    /// It is of no use any more.
    pub(crate) fn is_dead(&self) -> bool {
        self.task.is_finished()
    }
    /// Answers that came after their request was given up.
    pub(crate) fn late(&self) -> u64 {
        self.late.load(Relaxed)
    }
    /// Security policy.
    pub(crate) fn policy(&self) -> SecurityPolicy {
        self.policy
    }
    /// Namespaces and types by which values are decoded.
    pub(crate) fn context(&self) -> &Arc<RwLock<ContextOwned>> {
        &self.context
    }
}

/// Its task was ended from outside, or panicked: what a server sends must not do more than that.
fn stopped() -> Error {
    Error::Closed("its task ended".to_owned())
}

/// The policy; in that mode, and with what there is of ours, it can be opened.
fn fits(to: &Dial<'_>) -> Result<SecurityPolicy> {
    let policy = SecurityPolicy::from_uri(to.endpoint.security_policy_uri.as_ref());
    if policy == SecurityPolicy::Unknown {
        return Err(Error::Security(format!("policy {} is not known", to.endpoint.security_policy_uri)));
    }
    if policy != SecurityPolicy::None && to.own.is_none() {
        return Err(Error::Security(format!("policy {} needs a certificate of ours", policy.to_str())));
    }
    // What is left, Invalid, the crate does not expect.
    let goes = match to.endpoint.security_mode {
        MessageSecurityMode::None => policy == SecurityPolicy::None,
        MessageSecurityMode::Sign | MessageSecurityMode::SignAndEncrypt => policy != SecurityPolicy::None,
        MessageSecurityMode::Invalid => false,
    };
    // Of a chain the crate reads nothing, neither here nor in the answer that opens the channel.
    if goes && policy != SecurityPolicy::None && X509::from_byte_string(&to.endpoint.server_certificate).is_err() {
        let text = "the server shows a chain of certificates, which a channel is not opened with yet: let it show its own certificate alone";
        return Err(Error::Security(text.to_owned()));
    }
    if goes {
        return Ok(policy);
    }
    let mode = to.endpoint.security_mode;
    Err(Error::Security(format!("an endpoint of policy {} in mode {mode:?}", policy.to_str())))
}

/// The crate's channel, with keys from memory.
fn secured(to: &Dial<'_>, policy: SecurityPolicy, context: Arc<RwLock<ContextOwned>>) -> SecureChannel {
    let store = Arc::new(RwLock::new(CertificateStore::new(Path::new(NOWHERE))));
    let mut channel = SecureChannel::new(store, Role::Client, context);
    channel.set_cert(to.own.map(|own| own.cert.clone()));
    channel.set_private_key(to.own.map(|own| own.key.clone()));
    channel.set_security_policy(policy);
    channel.set_security_mode(to.endpoint.security_mode);
    channel.set_remote_cert(X509::from_byte_string(&to.endpoint.server_certificate).ok());
    channel
}
