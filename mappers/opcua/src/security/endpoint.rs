//! Which of a server's endpoints is used: by policy and mode, and how it takes us (Part 4, 5.5.4). The host that it advertises may be one
//! that cannot be reached from here, so what is dialled is what is configured, unless it is said otherwise.
use super::{
    trust::{Expected, Pin, Trust, trusted},
    words,
};
use crate::{
    error::{Error, Result},
    settings::Settings,
    wire::{Dial, Limits, Wire},
};
use opcua::{
    crypto::SecurityPolicy,
    types::{EndpointDescription, GetEndpointsRequest, MessageSecurityMode, UserTokenPolicy, UserTokenType},
};
use pollux_crds::{OpcUaEndpointUrl, OpcUaMode, OpcUaPolicy, host_and_port};
use pollux_mapper::Cx;
use std::{cmp::Reverse, time::Duration};
use tokio::time::Instant;

/// What the strongest is chosen of, strongest first.
const BEST: [SecurityPolicy; 3] =
    [SecurityPolicy::Aes256Sha256RsaPss, SecurityPolicy::Basic256Sha256, SecurityPolicy::Aes128Sha256RsaOaep];
/// Life of the token of a channel that asks one question.
const ONE_QUESTION: Duration = Duration::from_mins(1);
/// Offers that are told in a message.
const TOLD: usize = 12;

/// An endpoint that is used: chosen, trusted, and how it is reached.
#[derive(Debug, Clone)]
pub(crate) struct Found {
    /// Policy, mode, certificate, tokens.
    pub endpoint: EndpointDescription,
    /// All that the server offered, for the comparison with what it says when a session is created.
    pub offered: Vec<EndpointDescription>,
    /// What is dialled.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// What the server is told that we dialled.
    pub url: String,
    /// Its certificate is the first that it shows, and is trusted for that: to be kept once it has proven that the key is its own.
    pub first_use: bool,
}

impl Found {
    /// It has proven it.
    pub(crate) async fn keep(&self, settings: &Settings, cx: &Cx) -> Result<()> {
        if self.first_use { Trust::keep(settings, cx, &self.endpoint.server_certificate).await } else { Ok(()) }
    }
}

/// What the server at this address offers. Asked without security: nothing of it is believed until a session confirms it.
pub(crate) async fn offers(
    host: &str,
    port: u16,
    url: &str,
    limits: Limits,
    until: Instant,
) -> Result<Vec<EndpointDescription>> {
    let open = EndpointDescription {
        security_policy_uri: SecurityPolicy::None.to_uri().into(),
        security_mode: MessageSecurityMode::None,
        ..EndpointDescription::default()
    };
    let dial = Dial { host, port, url, endpoint: &open, own: None, limits, lifetime: ONE_QUESTION, until };
    let wire = Wire::open(&dial).await?;
    let request = GetEndpointsRequest {
        request_header: wire.header(until),
        endpoint_url: url.into(),
        locale_ids: None,
        profile_uris: None,
    };
    let answer = wire.call(request, until).await?;
    wire.close(until).await;
    Ok(answer.endpoints.unwrap_or_default())
}

/// The endpoint that is meant, trusted.
pub(crate) async fn find(settings: &Settings, cx: &Cx, until: Instant) -> Result<Found> {
    let trust = Trust::of(settings, cx).await?; // what is missing in a Secret is said before anybody is asked
    let Settings { host, port, url, .. } = settings;
    let offered = offers(host, *port, url, Limits::default(), until).await?;
    let mut found = choose(settings, offered)?;
    if must_be_trusted(settings, &found.endpoint) {
        let uri = found.endpoint.server.application_uri.as_ref();
        let check = settings.security.check_host_name != Some(false);
        let policy = SecurityPolicy::from_uri(found.endpoint.security_policy_uri.as_ref());
        let proves = policy != SecurityPolicy::None;
        let policy = if proves { policy } else { SecurityPolicy::Basic256Sha256 };
        let of = Expected { host: check.then_some(found.host.as_str()), uri, url, policy };
        let shown = &found.endpoint.server_certificate;
        found.first_use = trusted(shown, &of, &trust, jiff::Timestamp::now())? == Pin::First;
        if found.first_use && !proves {
            return Err(words::not_proven(shown, url));
        }
    }
    Ok(found)
}

/// Without security nobody is asked who he is, but a password is encrypted for whose certificate it is.
fn must_be_trusted(settings: &Settings, endpoint: &EndpointDescription) -> bool {
    let password = settings.identity.as_ref().is_some_and(|who| who.user.is_some());
    endpoint.security_mode != MessageSecurityMode::None || password
}

/// By policy and mode; of several, the one that takes us as who we are, and whose address is the one that is configured.
pub(super) fn choose(settings: &Settings, offered: Vec<EndpointDescription>) -> Result<Found> {
    let (policies, mode) = wanted(settings)?;
    let fits = |one: &&EndpointDescription| {
        let uri = settings.application_uri.as_deref();
        one.security_mode == mode
            && one.endpoint_url.as_ref().starts_with("opc.tcp://")
            && uri.is_none_or(|uri| one.server.application_uri.as_ref() == uri)
    };
    let of = |policy: &SecurityPolicy| {
        let all = offered.iter().filter(fits).filter(|one| one.security_policy_uri.as_ref() == policy.to_uri());
        all.min_by_key(|one| Reverse((takes_us(settings, one), is_here(settings, one), one.security_level)))
    };
    let Some(endpoint) = policies.iter().find_map(of) else { return Err(none_fits(settings, &offered)) };
    let advertised = endpoint.endpoint_url.as_ref();
    let (host, port, url) = match settings.endpoint_url {
        OpcUaEndpointUrl::Configured => (settings.host.clone(), settings.port, settings.url.clone()),
        OpcUaEndpointUrl::Dial => (settings.host.clone(), settings.port, advertised.to_owned()),
        OpcUaEndpointUrl::Advertised => {
            let wrong = || Error::Security(format!("the server advertises no usable address: {advertised:?}"));
            let (host, port, _) = host_and_port(advertised).ok_or_else(wrong)?;
            (host, port, advertised.to_owned())
        }
    };
    tracing::debug!(endpoint = told(endpoint), %url, "endpoint chosen");
    let endpoint = endpoint.clone();
    Ok(Found { endpoint, offered, host, port, url, first_use: false })
}

/// Policies in the order in which they are taken, and the mode.
fn wanted(settings: &Settings) -> Result<(Vec<SecurityPolicy>, MessageSecurityMode)> {
    let security = &settings.security;
    let policies = match security.policy.unwrap_or_default() {
        OpcUaPolicy::Best => BEST.to_vec(),
        OpcUaPolicy::Aes256Sha256RsaPss => vec![SecurityPolicy::Aes256Sha256RsaPss],
        OpcUaPolicy::Basic256Sha256 => vec![SecurityPolicy::Basic256Sha256],
        OpcUaPolicy::Aes128Sha256RsaOaep => vec![SecurityPolicy::Aes128Sha256RsaOaep],
        OpcUaPolicy::Basic256 => vec![SecurityPolicy::Basic256],
        OpcUaPolicy::Basic128Rsa15 => vec![SecurityPolicy::Basic128Rsa15],
        OpcUaPolicy::None => vec![SecurityPolicy::None],
    };
    let mode = match security.effective_mode() {
        OpcUaMode::SignAndEncrypt => MessageSecurityMode::SignAndEncrypt,
        OpcUaMode::Sign => MessageSecurityMode::Sign,
        OpcUaMode::None => MessageSecurityMode::None,
    };
    let weak = policies.iter().any(|policy| *policy == SecurityPolicy::None || policy.is_deprecated());
    if weak && security.insecure != Some(true) {
        return Err(Error::Config("policies None, Basic128Rsa15 and Basic256 need insecure: true".to_owned()));
    }
    if policies.contains(&SecurityPolicy::None) != (mode == MessageSecurityMode::None) {
        return Err(Error::Config("mode None goes with policy None, and only with it".to_owned()));
    }
    Ok((policies, mode))
}

fn takes_us(settings: &Settings, endpoint: &EndpointDescription) -> bool {
    let kind = match &settings.identity {
        Some(who) if who.user.is_some() => UserTokenType::UserName,
        Some(who) if who.certificate.is_some() => UserTokenType::Certificate,
        _ => UserTokenType::Anonymous,
    };
    endpoint.user_identity_tokens.iter().flatten().any(|token| token.token_type == kind)
}
fn is_here(settings: &Settings, endpoint: &EndpointDescription) -> bool {
    let here = (settings.host.as_str(), settings.port);
    host_and_port(endpoint.endpoint_url.as_ref()).is_some_and(|(host, port, _)| (host.as_str(), port) == here)
}

fn none_fits(settings: &Settings, offered: &[EndpointDescription]) -> Error {
    let security = &settings.security;
    let mut all: Vec<String> = offered.iter().map(told).collect();
    all.sort_unstable();
    all.dedup();
    all.truncate(TOLD);
    let offers = if all.is_empty() { "none at all".to_owned() } else { all.join(", ") };
    let (policy, mode) = (security.policy.unwrap_or_default(), security.effective_mode());
    let uri = settings.application_uri.as_ref().map(|uri| format!(", ApplicationUri {uri}")).unwrap_or_default();
    Error::Security(format!("the server has no endpoint of policy {policy:?}, mode {mode:?}{uri}; it offers {offers}"))
}
/// `Basic256Sha256/Sign`.
pub(crate) fn told(endpoint: &EndpointDescription) -> String {
    let policy = endpoint.security_policy_uri.as_ref();
    let policy = policy.rsplit_once('#').map_or(policy, |(_, name)| name);
    format!("{}/{:?}", super::certificate::shown(policy), endpoint.security_mode)
}

/// What is the matter, where the server, now that nobody in between can change it, offers what it did not offer before, or not any more what
/// was chosen: then somebody took the better ones away (Part 4, 5.7.2.1). Addresses and words may differ, and a server may leave out what
/// does not concern the address that it was asked by.
pub(crate) fn downgraded(found: &Found, said: &[EndpointDescription]) -> Option<String> {
    let ours = said.iter().filter(|one| one.endpoint_url.as_ref().starts_with("opc.tcp://"));
    let new = ours.clone().find(|one| !found.offered.iter().any(|other| same(one, other)));
    if let Some(new) = new {
        return Some(format!(
            "the server offers {}, which was not among its endpoints before: somebody may stand in between",
            told(new)
        ));
    }
    let gone = ours.clone().next().is_some() && !ours.clone().any(|one| same(one, &found.endpoint));
    gone.then(|| {
        format!("the server does not offer {} any more, by which this channel was opened", told(&found.endpoint))
    })
}
fn same(one: &EndpointDescription, other: &EndpointDescription) -> bool {
    one.security_policy_uri == other.security_policy_uri && one.security_mode == other.security_mode
}

/// How the server takes users at the endpoint that was chosen: by what it says now that it is signed. A server may leave it out; then by
/// what it said before.
pub(crate) fn tokens(found: &Found, said: &[EndpointDescription]) -> Vec<UserTokenPolicy> {
    let chosen = &found.endpoint;
    let told = |one: &&EndpointDescription| one.user_identity_tokens.iter().flatten().next().is_some();
    let signed = said.iter().filter(|one| same(one, chosen)).filter(told).max_by_key(|one| {
        (one.user_identity_tokens == chosen.user_identity_tokens, one.endpoint_url == chosen.endpoint_url)
    });
    let counts = signed.unwrap_or(chosen);
    if counts.user_identity_tokens != chosen.user_identity_tokens {
        tracing::warn!("the server takes users otherwise than its endpoints said before: what it signed counts");
    }
    counts.user_identity_tokens.clone().unwrap_or_default()
}
