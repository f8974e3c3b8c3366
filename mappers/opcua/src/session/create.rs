//! Creating a session, and activating it: at first, and again on each new channel (Part 4, 5.7.2 and 5.7.3). What is signed is the nonce
//! of the session's last answer, never the channel's.
use crate::{
    error::{Code, Error, Result},
    security::{
        Found, downgraded,
        identity::{Identity, Server, token},
        tokens,
    },
    wire::{Own, Wire},
};
use opcua::{
    crypto::{SecurityPolicy, X509, create_signature_data, random, verify_signature_data},
    types::{
        ActivateSessionRequest, ApplicationDescription, ApplicationType, ByteString, CloseSessionRequest,
        CreateSessionRequest, CreateSessionResponse, EndpointDescription, LocalizedText, NodeId, SignatureData,
        UAString, UserTokenPolicy,
    },
};
use std::{sync::Arc, time::Duration};
use tokio::time::Instant;

/// Bytes of a nonce, ours and theirs (Part 4, 7.43).
const NONCE: usize = 32;
const PRODUCT: &str = "urn:pollux.rs:mapper";

/// A session that the server has.
#[derive(Debug)]
pub(crate) struct Created {
    /// How long it lives without a word.
    pub timeout: Duration,
    token: NodeId,
    nonce: ByteString,
    server: Server,
}

/// What a session is created for.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Wanted<'a> {
    /// As it was chosen and trusted.
    pub found: &'a Found,
    /// Ours; None only with policy None.
    pub own: Option<&'a Arc<Own>>,
    /// For people who look at the server.
    pub name: &'a str,
    /// How long it shall live without a word.
    pub timeout: Duration,
    /// Bytes of one answer.
    pub message: usize,
    /// Identities may be sent by policies that are deprecated.
    pub insecure: bool,
}

impl Created {
    /// Creates it. The server proves by our nonce that it has the key of the endpoint's certificate.
    pub(crate) async fn new(wire: &Wire, wanted: &Wanted<'_>, until: Instant) -> Result<Self> {
        let nonce = random::byte_string(NONCE);
        let Wanted { found, own, name, timeout, message, insecure } = *wanted;
        let endpoint = &found.endpoint;
        let request = CreateSessionRequest {
            request_header: wire.header(until),
            client_description: ApplicationDescription {
                application_uri: own.map_or(PRODUCT, |own| &own.uri).into(),
                product_uri: PRODUCT.into(),
                application_name: LocalizedText::from("Pollux"),
                application_type: ApplicationType::Client,
                ..ApplicationDescription::default()
            },
            server_uri: UAString::null(),
            endpoint_url: found.url.as_str().into(),
            session_name: name.into(),
            client_nonce: nonce.clone(),
            client_certificate: own.map_or(ByteString::null(), |own| own.blob.clone()),
            requested_session_timeout: timeout.as_secs_f64() * 1e3,
            max_response_message_size: u32::try_from(message).unwrap_or(u32::MAX),
        };
        let answer = wire.call(request, until).await?;
        let cert = X509::from_byte_string(&endpoint.server_certificate).ok();
        let users = match users(&answer, wire.policy(), found, cert.as_ref(), own, &nonce) {
            Ok(users) => users,
            Err(error) => {
                wire.set_token(&answer.authentication_token);
                close(wire, true, until).await; // or it would count against the server's sessions
                return Err(error);
            }
        };
        let alive = answer.revised_session_timeout;
        let sane = alive.is_finite() && (1e3..=1e9).contains(&alive);
        Ok(Self {
            timeout: if sane { Duration::from_secs_f64(alive / 1e3) } else { timeout },
            token: answer.authentication_token,
            nonce: answer.server_nonce,
            server: Server {
                blob: endpoint.server_certificate.clone(),
                cert,
                tokens: users,
                mode: endpoint.security_mode,
                insecure,
            },
        })
    }
    /// At first, and on each new channel.
    pub(crate) async fn activate(
        &mut self,
        wire: &Wire,
        own: Option<&Arc<Own>>,
        identity: &Identity,
        until: Instant,
    ) -> Result<()> {
        let client_signature = match own {
            Some(own) if wire.policy() != SecurityPolicy::None => {
                let signature = create_signature_data(&own.key, wire.policy(), &self.server.blob, &self.nonce);
                signature.map_err(|error| Error::Security(format!("cannot sign: {}", Code::from(error.status()))))?
            }
            _ => SignatureData::null(),
        };
        let (user_identity_token, user_token_signature) = token(identity, &self.server, wire.policy(), &self.nonce)?;
        wire.set_token(&self.token);
        let request = ActivateSessionRequest {
            request_header: wire.header(until),
            client_signature,
            client_software_certificates: None,
            locale_ids: None,
            user_identity_token,
            user_token_signature,
        };
        self.nonce = wire.call(request, until).await?.server_nonce;
        Ok(())
    }
}

/// Ends the session of a channel, and the channel. `delete`: its subscriptions too; false where another session shall take them over.
pub(super) async fn close(wire: &Wire, delete: bool, until: Instant) {
    let request = CloseSessionRequest { request_header: wire.header(until), delete_subscriptions: delete };
    wire.call(request, until).await.ok(); // it ends by its time-out too
    wire.close(until).await;
}

/// How the server takes users, once it is proven who it is.
fn users(
    answer: &CreateSessionResponse,
    policy: SecurityPolicy,
    found: &Found,
    cert: Option<&X509>,
    own: Option<&Arc<Own>>,
    nonce: &ByteString,
) -> Result<Vec<UserTokenPolicy>> {
    if policy == SecurityPolicy::None {
        return Ok(tokens(found, &[]));
    }
    proven(answer, policy, &found.endpoint, cert, own, nonce)?;
    // Now that it is signed: whoever stood in between at GetEndpoints may have taken the better ones away (5.7.2.1).
    let said = answer.server_endpoints.as_deref().unwrap_or_default();
    match downgraded(found, said) {
        Some(text) => Err(Error::Security(text)),
        None => Ok(tokens(found, said)),
    }
}

fn proven(
    answer: &CreateSessionResponse,
    policy: SecurityPolicy,
    endpoint: &EndpointDescription,
    cert: Option<&X509>,
    own: Option<&Arc<Own>>,
    nonce: &ByteString,
) -> Result<()> {
    let wrong = |text: &str| Err(Error::Security(text.to_owned()));
    if answer.server_certificate != endpoint.server_certificate {
        return wrong("the server created the session with another certificate than its endpoint's");
    }
    if answer.server_nonce.as_ref().len() < NONCE {
        return wrong("the server's nonce is too short to sign");
    }
    let (Some(cert), Some(own)) = (cert, own) else { return wrong("there is no certificate to prove who is who") };
    let signature = verify_signature_data(&answer.server_signature, policy, cert, &own.cert, nonce.as_ref());
    signature.map_err(|_| Error::Security("the server cannot prove that it has the key of its certificate".to_owned()))
}
