//! One OPC UA server as one user: what devices share without saying so.
use super::{
    OpcUaDevice, OpcUaEndpointUrl, OpcUaIdentity, OpcUaLimits, OpcUaSecurity, OpcUaSession, OpcUaSubscription,
};
use crate::{Resource, Span, host_and_port};
use serde_json::{Value as Json, json};
use std::collections::BTreeMap;

/// Defaults of times, which `session.rs` documents.
const CONNECT_TIMEOUT: Span = Span::from_secs(10);

/// What a device with its Channel merged in opens: a server, as somebody. Another identity is another session, and no conflict.
pub(crate) fn resource(device: &OpcUaDevice) -> Option<Resource> {
    let (host, port, path) = host_and_port(device.url.as_deref()?)?;
    let host = if host.contains(':') { format!("[{host}]") } else { host };
    let identity = match &device.identity {
        Some(OpcUaIdentity { user: Some(user), .. }) => format!("user {}", user.secret),
        Some(OpcUaIdentity { certificate: Some(own), .. }) => format!("certificate {}", own.secret),
        _ => "anonymous".to_owned(),
    };
    Some(Resource { key: format!("opcua opc.tcp://{host}:{port}{path} as {identity}"), settings: settings(device) })
}

/// What must be equal; what is left out stands here with its default, in words.
fn settings(device: &OpcUaDevice) -> BTreeMap<&'static str, String> {
    let none = || "(none)".to_owned();
    let OpcUaSecurity { policy, insecure, certificate, trust, check_host_name, .. } =
        device.security.clone().unwrap_or_default();
    let OpcUaSession { timeout, heal_within } = device.session.clone().unwrap_or_default();
    let OpcUaSubscription { mode, min_publishing_interval, keep_alive, items, publish_requests } =
        device.subscription.clone().unwrap_or_default();
    let trust = trust.map_or_else(none, |trust| text(&json!(trust)));
    let span = |given: Option<Span>, default| given.unwrap_or(default).to_string();
    let number = |given: Option<i32>, default: i32| given.unwrap_or(default).to_string();
    let mut all = BTreeMap::from([
        ("endpointUrl", format!("{:?}", device.endpoint_url.unwrap_or(OpcUaEndpointUrl::Configured))),
        ("applicationUri", device.application_uri.clone().unwrap_or_else(|| "(any)".to_owned())),
        ("security.policy", text(&json!(policy.unwrap_or_default()))),
        ("security.mode", text(&json!(device.security.clone().unwrap_or_default().effective_mode()))),
        ("security.insecure", insecure.unwrap_or_default().to_string()),
        ("security.certificate", certificate.map_or_else(|| "one of the node".to_owned(), |own| own.secret)),
        ("security.trust", trust),
        ("security.checkHostName", check_host_name.unwrap_or(true).to_string()),
        ("connectTimeout", span(device.connect_timeout, CONNECT_TIMEOUT)),
        ("session.timeout", span(timeout, Span::from_secs(60))),
        ("session.healWithin", span(heal_within, Span::from_secs(30))),
        ("subscription.mode", format!("{:?}", mode.unwrap_or_default())),
        ("subscription.minPublishingInterval", span(min_publishing_interval, Span::from_millis(100))),
        ("subscription.keepAlive", span(keep_alive, Span::from_secs(5))),
        ("subscription.items", number(items, 5000)),
        ("subscription.publishRequests", number(publish_requests, 3)),
    ]);
    all.extend(limits(&device.limits.clone().unwrap_or_default()));
    all
}

fn limits(limits: &OpcUaLimits) -> [(&'static str, String); 7] {
    // Each field by its name: a new one must not be forgotten here.
    let OpcUaLimits { read, write, browse, monitored_items, array_length, string_length, message_size } = limits;
    let or = |given: &Option<i32>, default: i32| given.unwrap_or(default).to_string();
    [
        ("limits.read", or(read, 10_000)),
        ("limits.write", or(write, 1000)),
        ("limits.browse", or(browse, 1000)),
        ("limits.monitoredItems", or(monitored_items, 1000)),
        ("limits.arrayLength", or(array_length, 65_535)),
        ("limits.stringLength", or(string_length, 1_048_576)),
        ("limits.messageSize", or(message_size, 16_777_216)),
    ]
}

/// A word as YAML has it, or a block in one line.
fn text(json: &Json) -> String {
    json.as_str().map_or_else(|| json.to_string(), str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[allow(clippy::needless_pass_by_value)] // json!(…) is
    fn of(opcua: Json) -> Resource {
        resource(&serde_json::from_value(opcua).unwrap()).unwrap()
    }

    #[test]
    fn one_server_as_one_user_is_one_resource_and_what_differs_is_named() {
        let plain = of(json!({"url": "opc.tcp://PLC-1"}));
        let full =
            json!({"url": "opc.tcp://plc-1:4840", "security": {"mode": "SignAndEncrypt"}, "connectTimeout": "10s"});
        assert_eq!((plain.key.as_str(), &plain), ("opcua opc.tcp://plc-1:4840 as anonymous", &of(full)));
        assert_eq!(plain.endpoint(), "opc.tcp://plc-1:4840 as anonymous");
        let signed = of(json!({"url": "opc.tcp://plc-1", "security": {"mode": "Sign"}}));
        assert_eq!(signed.differs(&plain).as_deref(), Some("security.mode Sign, not SignAndEncrypt"));
        let user = of(json!({"url": "opc.tcp://[::1]:4841/ua", "identity": {"user": {"secret": "alice"}}}));
        assert_eq!(user.key, "opcua opc.tcp://[::1]:4841/ua as user alice");
    }
}
