//! One write to the API server: bounded in time, and its refusal in the terms that a retry depends on.
use http::{HeaderMap, HeaderValue, StatusCode, header};
use kube::{
    Client,
    api::{Patch, PatchParams, Request},
    client::Body,
};
use serde_json::Value as Json;
use std::time::Duration;

/// The manager of everything that a mapper applies. Fixed, so that a new mapper takes over what the old one wrote.
pub const FIELD_MANAGER: &str = "pollux-mapper";
/// Longest that one write may take.
const TIMEOUT: Duration = Duration::from_secs(15);
/// Longest that a server's Retry-After is believed.
const LONGEST_WAIT: Duration = Duration::from_mins(5);
/// Longest text of a server that is kept.
const LONGEST_TEXT: usize = 1024;
/// The answer need not carry the whole object back.
const METADATA_ONLY: &str =
    "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1,application/json;as=PartialObjectMetadata;v=v1;q=0.9";

/// Why the API server did not take a write.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Refusal {
    /// 429: it has too much to do.
    #[error("the API server is busy: {text}")]
    Busy { after: Option<Duration>, text: String },
    /// Out of reach, no answer in time, ending, or our token is not (yet, or any more) known.
    #[error("the API server does not answer: {text}")]
    Unreachable { after: Option<Duration>, text: String },
    /// 403: not ours to write.
    #[error("refused: {0}")]
    Forbidden(String),
    /// 404: the object is gone.
    #[error("not found: {0}")]
    NotFound(String),
    /// Anything else: this content is not taken.
    #[error("not taken ({code}): {text}")]
    Invalid { code: u16, text: String },
}

impl Refusal {
    /// The word of the metric.
    pub(crate) fn result(&self) -> &'static str {
        match self {
            Self::Busy { .. } => "busy",
            Self::Unreachable { .. } => "unreachable",
            Self::Forbidden(_) => "forbidden",
            Self::NotFound(_) => "not_found",
            Self::Invalid { .. } => "invalid",
        }
    }
    /// It says nothing about the object that was to be written.
    pub(crate) fn is_the_servers(&self) -> bool {
        matches!(self, Self::Busy { .. } | Self::Unreachable { .. })
    }
    /// When the server wants to be asked again, where it said so.
    pub(crate) fn after(&self) -> Option<Duration> {
        match self {
            Self::Busy { after, .. } | Self::Unreachable { after, .. } => *after,
            Self::Forbidden(_) | Self::NotFound(_) | Self::Invalid { .. } => None,
        }
    }
    fn unreachable(text: &str) -> Self {
        Self::Unreachable { after: None, text: shorten(text) }
    }
}

/// The server's own words, or how far we came: the causes of an error, outermost first. (Its `Display` names the outermost only,
/// and shows a Status as a Rust value.)
pub(crate) fn explain(error: &kube::Error) -> String {
    if let kube::Error::Api(status) = error {
        return format!("{} ({})", status.message, status.code);
    }
    let causes = std::iter::successors(std::error::Error::source(error), |cause| cause.source());
    let causes: Vec<_> = causes.map(ToString::to_string).collect();
    if causes.is_empty() { error.to_string() } else { causes.join(": ") }
}

/// Applies `body` to the status of an object as [`FIELD_MANAGER`], forced: nobody else has a word in these fields.
pub(crate) async fn apply_status(client: &Client, url: &str, name: &str, body: &Json) -> Result<(), Refusal> {
    let params = PatchParams::apply(FIELD_MANAGER).force();
    let mut request = Request::new(url)
        .patch_subresource("status", name, &params, &Patch::Apply(body))
        .map_err(|error| Refusal::Invalid { code: 0, text: error.to_string() })?;
    request.headers_mut().insert(header::ACCEPT, HeaderValue::from_static(METADATA_ONLY));
    let answer = async {
        let response =
            client.send(request.map(Body::from)).await.map_err(|error| Refusal::unreachable(&explain(&error)))?;
        let (head, body) = response.into_parts();
        // Read to its end also where nothing is wrong: only then the connection can be used again.
        let body = body.collect_bytes().await.map_err(|error| Refusal::unreachable(&explain(&error)))?;
        judge(head.status, &head.headers, &body)
    };
    let late = || Refusal::unreachable(&format!("no answer within {} s", TIMEOUT.as_secs()));
    tokio::time::timeout(TIMEOUT, answer).await.unwrap_or_else(|_| Err(late()))
}

fn judge(status: StatusCode, headers: &HeaderMap, body: &[u8]) -> Result<(), Refusal> {
    if status.is_success() {
        return Ok(());
    }
    let (text, after) = (said(status, body), retry_after(headers));
    Err(match status {
        StatusCode::TOO_MANY_REQUESTS => Refusal::Busy { after, text },
        StatusCode::FORBIDDEN => Refusal::Forbidden(text),
        StatusCode::NOT_FOUND => Refusal::NotFound(text),
        StatusCode::UNAUTHORIZED
        | StatusCode::REQUEST_TIMEOUT
        | StatusCode::BAD_GATEWAY
        | StatusCode::SERVICE_UNAVAILABLE
        | StatusCode::GATEWAY_TIMEOUT => Refusal::Unreachable { after, text },
        _ => Refusal::Invalid { code: status.as_u16(), text },
    })
}
/// The message of a Kubernetes Status, or whatever a proxy on the way said.
fn said(status: StatusCode, body: &[u8]) -> String {
    let message = serde_json::from_slice::<Json>(body).ok().and_then(|s| Some(s.get("message")?.as_str()?.to_owned()));
    let text = message.unwrap_or_else(|| String::from_utf8_lossy(body).trim().to_owned());
    shorten(if text.is_empty() { status.as_str() } else { &text })
}
fn shorten(text: &str) -> String {
    text.chars().take(LONGEST_TEXT).collect()
}
/// RFC 9110 section 10.2.3, in seconds; the API server sends no dates.
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let seconds: u64 = headers.get(header::RETRY_AFTER)?.to_str().ok()?.trim().parse().ok()?;
    Some(Duration::from_secs(seconds).min(LONGEST_WAIT))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(code: u16, after: Option<&'static str>, body: &str) -> Refusal {
        let mut headers = HeaderMap::new();
        if let Some(after) = after {
            headers.insert(header::RETRY_AFTER, HeaderValue::from_static(after));
        }
        judge(StatusCode::from_u16(code).unwrap(), &headers, body.as_bytes()).unwrap_err()
    }

    #[test]
    fn each_code_says_how_to_go_on_and_the_text_is_the_servers() {
        let s = String::from;
        let status = r#"{"kind":"Status","message":"not placed here"}"#;
        assert_eq!(refusal(403, None, status), Refusal::Forbidden(s("not placed here")));
        assert_eq!(refusal(404, None, status), Refusal::NotFound(s("not placed here")));
        let busy = Refusal::Busy { after: Some(Duration::from_secs(7)), text: s("too many requests") };
        assert_eq!(refusal(429, Some("7"), "too many requests\n"), busy);
        for code in [401, 502, 503, 504] {
            assert_eq!(refusal(code, Some("soon"), "x"), Refusal::Unreachable { after: None, text: s("x") }, "{code}");
        }
        for code in [400, 409, 413, 422, 500] {
            assert_eq!(refusal(code, None, ""), Refusal::Invalid { code, text: code.to_string() });
        }
    }
    #[test]
    fn a_server_cannot_send_us_to_sleep_nor_fill_our_memory() {
        let Refusal::Busy { after, text } = refusal(429, Some("999999999"), &"é".repeat(100_000)) else { panic!() };
        assert_eq!((after, text.chars().count()), (Some(LONGEST_WAIT), LONGEST_TEXT));
    }
}
