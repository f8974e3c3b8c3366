//! Opening a channel, and renewing its token in time by our own clock (Part 4, 5.6.2; Part 6, 6.7.4).
use super::{
    frame::{self, MSG_BODY},
    raw::Raw,
    service,
    task::Task,
};
use crate::error::{Error, Result};
use opcua::{
    crypto::SecurityPolicy,
    types::{
        DateTime, NodeId, OpenSecureChannelRequest, OpenSecureChannelResponse, RequestHeader, SecurityTokenRequestType,
    },
};
use std::time::Duration;
use tokio::time::Instant;

/// Shortest life of a token that is taken: below, there would be nothing but renewals.
const SHORTEST: Duration = Duration::from_secs(1);
/// Longest wait for the answer to a renewal.
const PATIENCE: Duration = Duration::from_secs(10);

/// Where the channel's token stands.
#[derive(Debug)]
pub(super) struct Renewal {
    /// What is asked for.
    lifetime: Duration,
    /// Request that is to be answered; 0: none.
    asked: u32,
    /// When the next one is sent, or, where one is, until when it must be answered.
    due: Option<Instant>,
}

impl Renewal {
    pub(super) fn new(lifetime: Duration) -> Self {
        Self { lifetime, asked: 0, due: None }
    }
    /// When something is to be done about it.
    pub(super) fn due(&self) -> Option<Instant> {
        self.due
    }
}

impl Task {
    /// Sends the request for a token.
    pub(super) fn ask_for_token(&mut self, request_type: SecurityTokenRequestType) -> Result<()> {
        let client_nonce = self.policy.random_nonce();
        self.channel.set_local_nonce(client_nonce.as_ref());
        let request = OpenSecureChannelRequest {
            request_header: RequestHeader::new(&NodeId::null(), &DateTime::now(), 0),
            client_protocol_version: 0,
            request_type,
            security_mode: self.mode,
            client_nonce,
            requested_lifetime: u32::try_from(self.renewal.lifetime.as_millis()).unwrap_or(u32::MAX),
        };
        let raw: Raw = service::encode(&request, &self.channel.context_arc())?;
        self.renewal.asked = self.send.next_request_id();
        self.renewal.due = Some(Instant::now() + PATIENCE);
        self.put(self.renewal.asked, raw)
    }
    /// Its moment has come: the next request, or the end, for the one before was not answered.
    pub(super) fn token_is_due(&mut self) -> Result<()> {
        if self.renewal.asked != 0 {
            return Err(Error::Silent("OpenSecureChannel"));
        }
        self.ask_for_token(SecurityTokenRequestType::Renew)
    }
    /// The answer: of the request that was sent, of this channel, with a nonce of the policy's length.
    pub(super) fn take_token(&mut self, request: u32, body: &[u8]) -> Result<()> {
        if self.renewal.asked == 0 || request != self.renewal.asked {
            return Err(Error::Nonsense("an OPN answer that nobody asked for".to_owned()));
        }
        self.renewal.asked = 0;
        let context = self.channel.context_arc();
        let OpenSecureChannelResponse { mut security_token, server_nonce, .. } =
            service::decode::<OpenSecureChannelRequest>(body, &context)?;
        let known = self.channel.secure_channel_id();
        if known != 0 && known != security_token.channel_id {
            return Err(Error::Nonsense("the channel was renewed as another".to_owned()));
        }
        let lifetime = Duration::from_millis(u64::from(security_token.revised_lifetime));
        if lifetime < SHORTEST {
            return Err(Error::Nonsense(format!("a token that lives {} ms", lifetime.as_millis())));
        }
        security_token.created_at = DateTime::now(); // by our clock, for the server's may be wrong
        self.channel.set_security_token(security_token);
        if self.policy != SecurityPolicy::None {
            // Judged before the crate does: its own message holds the nonce, of which keys are made.
            if server_nonce.as_ref().len() != self.policy.secure_channel_nonce_length() {
                return Err(Error::Nonsense("a nonce of the wrong length".to_owned()));
            }
            let refused = |_| Error::Nonsense("a nonce that cannot be used".to_owned());
            self.channel.set_remote_nonce_from_byte_string(&server_nonce).map_err(refused)?;
            self.channel.derive_keys();
        }
        self.renewal.due = Some(Instant::now() + lifetime * 3 / 4);
        if let Some(opened) = self.opened.take() {
            opened.send(()).ok(); // who waited may have left
        }
        Ok(())
    }
    /// An OPN frame, its header already judged: where its body begins.
    pub(super) fn opn_body(&self, chunk: &opcua::core::comms::message_chunk::MessageChunk) -> Result<usize> {
        let info = chunk.chunk_info(&self.channel).map_err(|error| Error::Nonsense(error.to_string()))?;
        let start = info.body_offset;
        if start < MSG_BODY || frame::word(&chunk.data, start - 8).is_err() {
            return Err(Error::Nonsense("an OPN answer cut short".to_owned()));
        }
        Ok(start)
    }
}
