//! Modbus/TCP Security (MODBUS/TCP Security V3.6): the same frames inside of TLS, each side with a certificate. What goes wrong is
//! said in words that name whose certificate it is and what is the matter with it.
mod certificate;
mod credentials;
mod session;
mod words;

pub use certificate::{Certificate, Role};

use crate::{
    endpoint::Host,
    error::Error,
    stream::{Dialled, tcp},
};
use credentials::Credentials;
use pollux_crds::ModbusTls;
use pollux_mapper::{ConfigError, Cx};
use session::Session;
use std::sync::Arc;
use tokio_rustls::{TlsConnector, rustls::pki_types::ServerName};
use tracing::{info, warn};
use words::Words;

/// A listener on TLS: by which Secret we come, and whom we take for the right one. Names, never contents.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Secure {
    pub host: Host,
    /// `namespace.name`, as the keys of its contents begin.
    pub secret: String,
    /// Name that the server's certificate must have.
    pub server: ServerName<'static>,
    /// Whoever answers is taken for the server.
    pub unverified: bool,
}

impl Secure {
    pub(crate) fn new(tls: &ModbusTls) -> Result<Self, ConfigError> {
        let host = Host::new("tls", &tls.host, tls.port)?;
        let (field, name) = match &tls.server_name {
            Some(name) => ("tls.serverName", name.to_ascii_lowercase()),
            // The zone of a link-local address is nobody's name.
            None => ("tls.host", host.name.split('%').next().unwrap_or_default().to_owned()),
        };
        let server = ServerName::try_from(name.clone())
            .map_err(|_| ConfigError::device(format!("{field} is {name}, must be a host name or an IP address")))?;
        Ok(Self { host, secret: tls.secret.clone(), server, unverified: tls.insecure_skip_verify.unwrap_or_default() })
    }
}

/// A connection, and the session above it.
pub(crate) async fn dial(to: &Secure, cx: &Cx) -> Result<Dialled, Error> {
    let Credentials { config, certificate } = Credentials::new(to, cx)?;
    let words = Words { ours: certificate.clone(), secret: credentials::shown(&to.secret) };
    let (stream, peer) = tcp(&to.host).await?;
    let connected = TlsConnector::from(Arc::new(config)).connect(to.server.clone(), stream).await;
    let mut stream = connected.map_err(|error| words.refusal(&error))?;
    session::first_word(&mut stream).await.map_err(|error| words.refusal(&error))?;
    tell(to, &certificate);
    Ok(Dialled { stream: Box::new(Session::new(stream, words)), peer })
}

fn tell(to: &Secure, ours: &Certificate) {
    let (host, until) = (&to.host, ours.not_after.as_deref().unwrap_or("(unknown)"));
    match &ours.role {
        Role::Is(role) => info!(%host, role, until, "TLS session; the server reads this role in our certificate"),
        Role::None => {
            warn!(%host, until, "TLS session; our certificate has no role: the server may refuse every request");
        }
        Role::Unreadable => {
            warn!(%host, until, "TLS session; the role in our certificate is no UTF8String: the server may refuse it");
        }
    }
    if to.unverified {
        warn!(%host, "insecureSkipVerify: whoever answers there is taken for the server");
    }
}
