//! Who we are to the server, as it wants to be told (Part 4, 7.40). A password is never sent readable.
use super::{contents::Contents, own};
use crate::{
    error::{Code, Error, Result},
    settings::Settings,
};
use opcua::{
    crypto::{PrivateKey, SecurityPolicy, X509, create_signature_data, legacy_encrypt_secret},
    types::{
        AnonymousIdentityToken, ByteString, ExtensionObject, MessageSecurityMode, SignatureData, UserNameIdentityToken,
        UserTokenPolicy, UserTokenType, X509IdentityToken,
    },
};
use pollux_crds::{PASSWORD, USER_NAME};
use pollux_mapper::Cx;
use std::fmt;

/// Who we are.
pub(crate) enum Identity {
    /// Nobody.
    Anonymous,
    /// Name and password.
    User(String, String),
    /// A certificate and its key.
    Certificate(Box<(X509, PrivateKey)>),
}
/// Never shows a secret.
impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Anonymous => f.write_str("anonymous"),
            Self::User(name, _) => write!(f, "user {name}"),
            Self::Certificate(own) => write!(f, "certificate {}", own.0.thumbprint().as_hex_string()),
        }
    }
}

impl Identity {
    /// As it is configured, from its Secret.
    pub(crate) fn of(settings: &Settings, cx: &Cx) -> Result<Self> {
        let Some(who) = &settings.identity else { return Ok(Self::Anonymous) };
        match (&who.user, &who.certificate) {
            (Some(user), None) => {
                let secret = Contents { name: &user.secret, cx };
                let (name, password) = (secret.text(USER_NAME)?, secret.text(PASSWORD)?);
                Ok(Self::User(name.to_owned(), password.to_owned()))
            }
            (None, Some(own)) => {
                let secret = Contents { name: &own.secret, cx };
                own::user(&secret).map(|own| Self::Certificate(Box::new(own)))
            }
            _ => Err(Error::Config("exactly one of user, certificate must be set in identity".to_owned())),
        }
    }
}

/// What the server said of itself when the session was created.
#[derive(Debug)]
pub(crate) struct Server {
    /// Its certificate, as it sent it.
    pub blob: ByteString,
    /// The same, read.
    pub cert: Option<X509>,
    /// How it takes identities.
    pub tokens: Vec<UserTokenPolicy>,
    /// Mode of the channel.
    pub mode: MessageSecurityMode,
    /// Policies that are deprecated may be used.
    pub insecure: bool,
}

/// The strongest first; None last. An unknown one is never taken: the crate does not expect it.
fn strength(policy: SecurityPolicy) -> u8 {
    match policy {
        SecurityPolicy::Aes256Sha256RsaPss => 5,
        SecurityPolicy::Basic256Sha256 => 4,
        SecurityPolicy::Aes128Sha256RsaOaep => 3,
        SecurityPolicy::Basic256 => 2,
        SecurityPolicy::Basic128Rsa15 => 1,
        SecurityPolicy::None | SecurityPolicy::Unknown => 0,
    }
}

/// The token and its signature.
pub(crate) fn token(
    identity: &Identity,
    server: &Server,
    channel: SecurityPolicy,
    nonce: &ByteString,
) -> Result<(ExtensionObject, SignatureData)> {
    let (kind, words) = match identity {
        Identity::Anonymous => (UserTokenType::Anonymous, "anonymous users: set identity"),
        Identity::User(..) => (UserTokenType::UserName, "users with a password"),
        Identity::Certificate(..) => (UserTokenType::Certificate, "users with a certificate"),
    };
    let policy_of = |token: &UserTokenPolicy| {
        let own = token.security_policy_uri.as_ref();
        if own.is_empty() { channel } else { SecurityPolicy::from_uri(own) }
    };
    let known = |token: &&UserTokenPolicy| token.token_type == kind && policy_of(token) != SecurityPolicy::Unknown;
    let secret = kind != UserTokenType::Anonymous;
    let strong = |token: &&UserTokenPolicy| !secret || server.insecure || !policy_of(token).is_deprecated();
    let best = server.tokens.iter().filter(known).filter(strong).max_by_key(|token| strength(policy_of(token)));
    let token = best.ok_or_else(|| {
        Error::Security(if server.tokens.iter().any(|token| known(&token)) {
            format!("the server's endpoint takes {words} by deprecated policies only, which need insecure: true")
        } else {
            format!("the server's endpoint takes no {words}")
        })
    })?;
    match identity {
        Identity::Anonymous => {
            let token = AnonymousIdentityToken { policy_id: token.policy_id.clone() };
            Ok((ExtensionObject::from_message(token), SignatureData::null()))
        }
        Identity::User(name, password) => user(name, password, server, channel, token, policy_of(token), nonce),
        Identity::Certificate(own) => {
            let (cert, key) = &**own;
            let failed = |error: opcua::types::Error| refused("sign as a user", &error);
            let signature = create_signature_data(key, policy_of(token), &server.blob, nonce).map_err(failed)?;
            let token =
                X509IdentityToken { policy_id: token.policy_id.clone(), certificate_data: cert.as_byte_string() };
            Ok((ExtensionObject::from_message(token), signature))
        }
    }
}

fn user(
    name: &str,
    password: &str,
    server: &Server,
    channel: SecurityPolicy,
    token: &UserTokenPolicy,
    policy: SecurityPolicy,
    nonce: &ByteString,
) -> Result<(ExtensionObject, SignatureData)> {
    if policy == SecurityPolicy::None && server.mode != MessageSecurityMode::SignAndEncrypt {
        let text = "the server would have the password readable, and it is not sent: use mode SignAndEncrypt, or give its tokens a policy";
        return Err(Error::Security(text.to_owned()));
    }
    // The crate takes it for granted.
    if policy != SecurityPolicy::None && server.cert.is_none() {
        let text = "the server shows no certificate to encrypt the password for";
        return Err(Error::Security(text.to_owned()));
    }
    let secret = legacy_encrypt_secret(channel, server.mode, token, nonce.as_ref(), &server.cert, password.as_bytes());
    let secret = secret.map_err(|error| refused("encrypt the password", &error))?;
    let token = UserNameIdentityToken {
        policy_id: secret.policy,
        user_name: name.into(),
        password: secret.secret,
        encryption_algorithm: secret.encryption_algorithm,
    };
    Ok((ExtensionObject::from_message(token), SignatureData::null()))
}

/// By its code alone: the crate's texts may hold what must not be seen.
fn refused(what: &str, error: &opcua::types::Error) -> Error {
    Error::Security(format!("cannot {what}: {}", Code::from(error.status())))
}
