//! Whether a server is the one that is meant (Part 4, 6.1.3): its certificate can be read and is of a key that the policy takes, is
//! trusted, valid now, and is of that application and host.
use super::{
    certificate::{self, Certificate},
    contents::Contents,
    pin, words,
};
use crate::{
    error::{Error, Result},
    settings::Settings,
};
use jiff::Timestamp;
use opcua::{crypto::SecurityPolicy, types::ByteString};
use pollux_crds::AUTHORITY;
use pollux_mapper::Cx;
use std::path::PathBuf;

/// Most certificates between a server's and one that is trusted.
const LONGEST: usize = 4;

/// What the certificate must be of.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Expected<'a> {
    /// Host as it is dialled; None: any.
    pub host: Option<&'a str>,
    /// ApplicationUri that the server's description says.
    pub uri: &'a str,
    /// Where it is dialled, for messages.
    pub url: &'a str,
    /// Which keys are allowed.
    pub policy: SecurityPolicy,
}

/// By what a server is trusted.
#[derive(Debug, Default)]
pub(crate) struct Trust {
    /// Authorities, and servers themselves.
    pub known: Vec<Certificate>,
    /// SHA-1 or SHA-256, in small digits.
    pub thumbprints: Vec<String>,
    /// Whether the first that is shown is taken.
    pub first_use: bool,
    /// The one that was shown at first, as SHA-256, and where it is kept.
    pub pinned: Option<(String, PathBuf)>,
}

/// How a certificate is trusted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Pin {
    /// By what is configured, or as it was at first use.
    Known,
    /// It is the first; it is to be kept.
    First,
}

impl Trust {
    /// As it is configured, and as it was kept.
    pub(super) async fn of(settings: &Settings, cx: &Cx) -> Result<Self> {
        let Some(trust) = &settings.security.trust else { return Ok(Self::default()) };
        let secret = trust.secret.as_ref().map(|name| Contents { name, cx });
        let known = match secret {
            None => vec![],
            Some(secret) => {
                let read = |der: &Vec<u8>| {
                    Certificate::of(der).map_err(|what| secret.wrong(AUTHORITY, &format!("holds {what}")))
                };
                secret.certificates(AUTHORITY)?.iter().map(read).collect::<Result<_>>()?
            }
        };
        let first_use = trust.on_first_use == Some(true);
        let pinned = match &cx.state_dir {
            Some(folder) if first_use => {
                let (pin, file) = pin::kept(folder, &server(settings)).await?;
                pin.map(|pin| (pin, file))
            }
            None if first_use => {
                let text = "trust.onFirstUse needs a state folder (--state-dir), where the first certificate is kept";
                return Err(Error::Config(text.to_owned()));
            }
            _ => None,
        };
        let thumbprints = trust.thumbprints.iter().map(|print| print.0.to_ascii_lowercase()).collect();
        Ok(Self { known, thumbprints, first_use, pinned })
    }
    /// Keeps the first.
    pub(super) async fn keep(settings: &Settings, cx: &Cx, chain: &ByteString) -> Result<()> {
        let first = Certificate::of(certificate::leaf(chain.as_ref()));
        match (&cx.state_dir, first) {
            (Some(folder), Ok(first)) => pin::keep(folder, &server(settings), &first).await,
            _ => Ok(()),
        }
    }
    /// None: it is not.
    fn takes(&self, leaf: &Certificate, chain: &[u8], now: Timestamp) -> Result<Option<Pin>> {
        let prints = [leaf.sha1(), leaf.sha256()];
        let pinned = self.thumbprints.iter().any(|print| prints.contains(print));
        if pinned || self.known.iter().any(|one| one.der() == leaf.der()) {
            return Ok(Some(Pin::Known));
        }
        if leaf.is_for_servers() && self.vouches(leaf, &certificate::behind(chain), now) {
            return Ok(Some(Pin::Known));
        }
        let [_, sha256] = &prints;
        match &self.pinned {
            Some((pin, _)) if pin == sha256 => Ok(Some(Pin::Known)),
            Some((pin, file)) => Err(words::another(leaf, pin, file)),
            None if self.first_use => Ok(Some(Pin::First)),
            None => Ok(None),
        }
    }
    /// A path of signatures leads to an authority that is known.
    fn vouches(&self, leaf: &Certificate, between: &[Certificate], now: Timestamp) -> bool {
        let mut at = leaf;
        for depth in 0..=LONGEST {
            let signed = |one: &&Certificate| {
                one.is_authority()
                    && one.not_valid(now).is_none()
                    && one.path_length().is_none_or(|most| most >= depth)
                    && at.is_signed_by(one)
            };
            if self.known.iter().any(|one| signed(&one)) {
                return true;
            }
            let Some(next) = between.iter().find(signed) else { return false };
            at = next;
        }
        false
    }
}

/// For whom the first certificate is kept.
fn server(settings: &Settings) -> String {
    format!("opc.tcp://{}:{}{}", settings.host, settings.port, settings.path)
}

/// Whether this is the certificate of the server that is meant. Its application and host are checked in each case, its trust first: what is
/// not trusted is told with its thumbprint.
pub(crate) fn trusted(shown: &ByteString, of: &Expected<'_>, trust: &Trust, now: Timestamp) -> Result<Pin> {
    let wrong = |text: String| Err(Error::Security(text));
    if shown.is_null_or_empty() {
        return wrong("the server shows no certificate".to_owned());
    }
    let chain = shown.as_ref();
    let leaf = match Certificate::of(certificate::leaf(chain)) {
        Ok(leaf) => leaf,
        Err(what) => return wrong(format!("the server's certificate is {what}")),
    };
    let Some(bits) = leaf.rsa_bits() else {
        return wrong("the server's certificate is not of an RSA key, which the policy needs".to_owned());
    };
    if !of.policy.is_valid_keylength(bits) {
        let policy = of.policy.to_str();
        return wrong(format!(
            "the server's certificate is of a key of {bits} bits, which policy {policy} does not allow"
        ));
    }
    let Some(pin) = trust.takes(&leaf, chain, now)? else { return Err(words::not_trusted(&leaf, of.url)) };
    if let Some(what) = leaf.not_valid(now) {
        return wrong(format!("the server's certificate ({}) {what}: give the server a new one", leaf.subject()));
    }
    let uris = leaf.uris();
    // Without any it is of no application; one that says another is a copy of another server's (Part 4, 6.1.3, Table 101).
    if !uris.iter().any(|uri| uri == of.uri) {
        let said = if uris.is_empty() { "none".to_owned() } else { certificate::shown(&uris.join(", ")) };
        let uri = certificate::shown(of.uri);
        return wrong(format!(
            "the server says that its ApplicationUri is {uri}, and its certificate says {said}: give the server a certificate of its own"
        ));
    }
    match of.host {
        Some(host) if !leaf.is_of(host) => {
            let hosts = certificate::shown(&leaf.hosts().join(", "));
            let hosts = if hosts.is_empty() { "none".to_owned() } else { hosts };
            wrong(format!(
                "the server's certificate is for {hosts}, not for {host}: write one of them in url, or set security.checkHostName: false"
            ))
        }
        _ => Ok(pin),
    }
}
