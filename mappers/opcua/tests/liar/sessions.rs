//! Who is there: endpoints, sessions, who they are and on which channel.
use super::{Heard, Shared, World, line::Line, line::fault};
use opcua::{
    core::{RequestMessage, ResponseMessage},
    crypto::{PrivateKey, SecurityPolicy, X509, X509Data, create_signature_data, random, verify_signature_data},
    types::{
        ActivateSessionRequest, ActivateSessionResponse, ApplicationDescription, ApplicationType, ByteString,
        CloseSessionResponse, CreateSessionRequest, CreateSessionResponse, EndpointDescription, ExtensionObject,
        GetEndpointsResponse, LocalizedText, MessageSecurityMode, NodeId, ResponseHeader, SignatureData, StatusCode,
        UAString, UserTokenPolicy, UserTokenType,
    },
};
use std::{
    collections::HashMap,
    sync::{Arc, OnceLock},
};

const URI: &str = "urn:liar";
const NONCE: usize = 32;
const POLICIES: [SecurityPolicy; 3] =
    [SecurityPolicy::Basic256Sha256, SecurityPolicy::Aes128Sha256RsaOaep, SecurityPolicy::Aes256Sha256RsaPss];

/// Certificate and key of every liar of this process, made once.
pub(crate) fn identity() -> &'static (X509, PrivateKey) {
    static MADE: OnceLock<(X509, PrivateKey)> = OnceLock::new();
    MADE.get_or_init(|| certificate(URI))
}

/// A certificate for an application, with its key.
pub(crate) fn certificate(uri: &str) -> (X509, PrivateKey) {
    let mut data = X509Data::sample_cert();
    data.alt_host_names.names.0.clear();
    data.alt_host_names.add_uri(uri);
    data.alt_host_names.add_ipv4(&std::net::Ipv4Addr::LOCALHOST);
    X509::cert_and_pkey(&data).expect("it can be made")
}

#[derive(Default)]
pub(crate) struct Sessions {
    by_token: HashMap<NodeId, Session>,
}

struct Session {
    id: NodeId,
    nonce: ByteString,
    client: Option<X509>,
    /// On which channel it was activated, and as whom.
    line: Option<Arc<Line>>,
    identity: ExtensionObject,
}

impl Sessions {
    pub(super) fn len(&self) -> usize {
        self.by_token.len()
    }
}

impl World {
    pub(super) fn not_in_session(&self, heard: &Heard, line: &Arc<Line>) -> Option<StatusCode> {
        let free = matches!(
            heard.request,
            RequestMessage::OpenSecureChannel(_)
                | RequestMessage::CloseSecureChannel(_)
                | RequestMessage::GetEndpoints(_)
                | RequestMessage::CreateSession(_)
        );
        if free || !self.sessions {
            return None;
        }
        let token = &heard.request.request_header().authentication_token;
        let Some(session) = self.active.by_token.get(token) else { return Some(StatusCode::BadSessionIdInvalid) };
        if matches!(heard.request, RequestMessage::ActivateSession(_) | RequestMessage::CloseSession(_)) {
            return None; // also of one that was never activated
        }
        match &session.line {
            None => Some(StatusCode::BadSessionNotActivated),
            Some(of) if Arc::ptr_eq(of, line) => None,
            Some(_) => Some(StatusCode::BadSecureChannelIdInvalid),
        }
    }
    /// The identity tokens with which sessions were activated last.
    pub(crate) fn identities(&self) -> Vec<ExtensionObject> {
        self.active.by_token.values().map(|session| session.identity.clone()).collect()
    }
    /// Its endpoints.
    pub(crate) fn endpoints(&self, shared: &Shared) -> Vec<EndpointDescription> {
        let secured = POLICIES.iter().flat_map(|policy| {
            [MessageSecurityMode::Sign, MessageSecurityMode::SignAndEncrypt].map(|mode| (*policy, mode))
        });
        let secured = secured.filter(|_| self.secured);
        let all = std::iter::once((SecurityPolicy::None, MessageSecurityMode::None)).chain(secured);
        all.map(|(policy, mode)| self.endpoint(shared, policy, mode)).collect()
    }
    fn endpoint(&self, shared: &Shared, policy: SecurityPolicy, mode: MessageSecurityMode) -> EndpointDescription {
        let token = |id: &str, token_type, of: SecurityPolicy| UserTokenPolicy {
            policy_id: id.into(),
            token_type,
            issued_token_type: UAString::null(),
            issuer_endpoint_url: UAString::null(),
            security_policy_uri: if of == SecurityPolicy::None { UAString::null() } else { of.to_uri().into() },
        };
        let mut tokens = vec![token("anonymous", UserTokenType::Anonymous, SecurityPolicy::None)];
        if self.secured {
            tokens.push(token("user", UserTokenType::UserName, SecurityPolicy::Basic256Sha256));
            tokens.push(token("certificate", UserTokenType::Certificate, SecurityPolicy::Basic256Sha256));
        }
        let here = format!("opc.tcp://{}", shared.address);
        EndpointDescription {
            endpoint_url: if self.endpoint_url.is_empty() { here } else { self.endpoint_url.clone() }.into(),
            server: ApplicationDescription {
                application_uri: URI.into(),
                product_uri: URI.into(),
                application_name: LocalizedText::from("Liar"),
                application_type: ApplicationType::Server,
                ..ApplicationDescription::default()
            },
            server_certificate: if self.secured { identity().0.as_byte_string() } else { ByteString::null() },
            security_mode: mode,
            security_policy_uri: policy.to_uri().into(),
            user_identity_tokens: Some(tokens),
            transport_profile_uri: "http://opcfoundation.org/UA-Profile/Transport/uatcp-uasc-uabinary".into(),
            security_level: u8::from(policy != SecurityPolicy::None)
                + u8::from(mode == MessageSecurityMode::SignAndEncrypt),
        }
    }
    pub(super) fn session(
        &mut self,
        shared: &Shared,
        heard: &Heard,
        line: &Arc<Line>,
        response_header: ResponseHeader,
    ) -> ResponseMessage {
        match &heard.request {
            RequestMessage::CreateSession(create) => self.created(shared, create, line, response_header).into(),
            RequestMessage::ActivateSession(activate) => match self.activated(activate, line) {
                Ok(server_nonce) => {
                    ActivateSessionResponse { response_header, server_nonce, results: None, diagnostic_infos: None }
                        .into()
                }
                Err(code) => fault(heard, code),
            },
            RequestMessage::CloseSession(close) => {
                let gone = self.active.by_token.remove(&close.request_header.authentication_token);
                if let Some(session) = gone {
                    self.subscriptions.left(&session.id, close.delete_subscriptions);
                }
                CloseSessionResponse { response_header }.into()
            }
            _ => GetEndpointsResponse { response_header, endpoints: Some(self.endpoints(shared)) }.into(),
        }
    }
    fn created(
        &mut self,
        shared: &Shared,
        create: &CreateSessionRequest,
        line: &Arc<Line>,
        response_header: ResponseHeader,
    ) -> CreateSessionResponse {
        let policy = line.channel().policy();
        let number = super::channel::Channel::number(shared);
        let (session_id, token) = (NodeId::new(1, number), NodeId::new(1, random::byte_string(NONCE)));
        let nonce = random::byte_string(NONCE);
        let server_signature = if policy == SecurityPolicy::None {
            SignatureData::null()
        } else {
            let signed = create_signature_data(&identity().1, policy, &create.client_certificate, &create.client_nonce);
            signed.expect("it can be signed")
        };
        let session = Session {
            id: session_id.clone(),
            nonce: nonce.clone(),
            client: X509::from_byte_string(&create.client_certificate).ok(),
            line: None,
            identity: ExtensionObject::null(),
        };
        self.active.by_token.insert(token.clone(), session);
        CreateSessionResponse {
            response_header,
            session_id,
            authentication_token: token,
            revised_session_timeout: create.requested_session_timeout,
            server_nonce: nonce,
            server_certificate: if self.secured { identity().0.as_byte_string() } else { ByteString::null() },
            server_endpoints: Some(self.endpoints(shared)),
            server_software_certificates: None,
            server_signature,
            max_request_message_size: 0,
        }
    }
    fn activated(&mut self, activate: &ActivateSessionRequest, line: &Arc<Line>) -> Result<ByteString, StatusCode> {
        let policy = line.channel().policy();
        let token = &activate.request_header.authentication_token;
        let session = self.active.by_token.get_mut(token).ok_or(StatusCode::BadSessionIdInvalid)?;
        if policy != SecurityPolicy::None {
            let client = session.client.as_ref().ok_or(StatusCode::BadCertificateInvalid)?;
            let (signature, nonce) = (&activate.client_signature, session.nonce.as_ref());
            verify_signature_data(signature, policy, client, &identity().0, nonce)
                .map_err(|_| StatusCode::BadApplicationSignatureInvalid)?;
        }
        session.line = Some(line.clone());
        session.identity = activate.user_identity_token.clone();
        session.nonce = random::byte_string(NONCE);
        Ok(session.nonce.clone())
    }
    /// Which session a request is of.
    pub(super) fn session_of(&self, heard: &Heard) -> NodeId {
        let token = &heard.request.request_header().authentication_token;
        self.active.by_token.get(token).map_or_else(NodeId::null, |session| session.id.clone())
    }
}
