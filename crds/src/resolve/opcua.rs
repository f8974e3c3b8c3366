//! crds/src/resolve/opcua.rs: a Device of OPC UA with its Channel merged in, and whether a binding can carry a property's type. What the
//! node's own type is only the server knows.
use super::{FieldError, Origin};
use crate::{
    Channel, EffectiveProperty, ModelCommand, OpcUaBinding, OpcUaDelivery, OpcUaDevice, OpcUaMethod, OpcUaNode,
    Property, PropertyType, parameters::substitute, span::Time,
};
use kube::ResourceExt;
use serde::Deserialize as _;
use serde_json::Value as Json;
use std::collections::BTreeMap;

const NUMERIC: &str = "goes with type number or integer, or with an enum, only";
const POLLED: &str = "must be State where spec.protocol.opcua.subscription.mode is Poll: what happens between two readings is lost, an Event needs mode Auto";
const URL: &str = "must be opc.tcp://HOST[:PORT][/PATH], such as opc.tcp://plc-1:4840";

/// Field of the error that says that there is no such Channel, or that it is one of another protocol.
pub(super) const CHANNEL_FIELD: &str = "spec.protocol.opcua.channel";

/// The Channel's fields where the Device gives none of its own; and the Channel's name.
pub(super) fn merge(
    namespace: &str,
    own: &OpcUaDevice,
    channel: Option<&Channel>,
) -> Result<(OpcUaDevice, Option<String>), Vec<FieldError>> {
    let wrong = |field: &str, message: String| Err(vec![FieldError::new(field, message)]);
    let (merged, name) = match (&own.channel, &own.url) {
        (None, Some(_)) => (own.clone(), None),
        (Some(name), None) => {
            let Some(found) = channel else {
                return wrong(CHANNEL_FIELD, format!("no Channel {name:?} in namespace {namespace}"));
            };
            let Some(shared) = &found.spec.protocol.opcua else {
                return wrong(CHANNEL_FIELD, format!("Channel {} is not one of protocol opcua", found.name_any()));
            };
            if own.is_beside_channel() {
                let message = "with channel only root, timeout and offlineAfter are the Device's own";
                return wrong("spec.protocol.opcua", message.to_owned());
            }
            in_bounds(&format!("Channel {}: ", found.name_any()), shared.times_for(own))?;
            (own.clone().in_channel(shared.clone()), Some(name.clone()))
        }
        _ => return wrong("spec.protocol.opcua", "exactly one of channel, url must be set".to_owned()),
    };
    in_bounds("", own.times())?;
    let object = name.as_ref().map(|name| format!("Channel {name}: ")).unwrap_or_default();
    let security = merged.security.iter().flat_map(crate::OpcUaSecurity::flaws);
    let security = security
        .map(|(field, message)| FieldError::new(format!("{object}spec.protocol.opcua.security{field}"), message));
    let url = merged.url.as_deref().and_then(host_and_port).is_none();
    let url = url.then(|| FieldError::new(format!("{object}spec.protocol.opcua.url"), URL));
    let wrong: Vec<_> = security.chain(url).collect();
    if wrong.is_empty() { Ok((merged, name)) } else { Err(wrong) }
}

fn in_bounds(object: &str, times: Vec<Time>) -> Result<(), Vec<FieldError>> {
    let wrong = times.into_iter().filter_map(|(field, time, bounds)| {
        Some(FieldError::new(format!("{object}spec.protocol.opcua.{field}"), bounds.refuse(time)?))
    });
    let wrong: Vec<_> = wrong.collect();
    if wrong.is_empty() { Ok(()) } else { Err(wrong) }
}

/// Host in small letters, port (4840 where none is given) and path of a server's address.
pub fn host_and_port(url: &str) -> Option<(String, u16, &str)> {
    let rest = url.strip_prefix("opc.tcp://")?;
    let (place, path) = rest.find('/').map_or((rest, ""), |at| rest.split_at(at));
    let (host, port) = match place.strip_prefix('[') {
        Some(rest) => {
            let (host, port) = rest.split_once(']')?;
            (host, if port.is_empty() { None } else { Some(port.strip_prefix(':')?) })
        }
        None => place.split_once(':').map_or((place, None), |(host, port)| (host, Some(port))),
    };
    let port = port.map_or(Some(4840), |port| port.parse().ok().filter(|port| *port > 0))?;
    (!host.is_empty()).then(|| (host.to_ascii_lowercase(), port, path))
}

/// What one property alone does not tell: how it goes with the device's settings.
pub(super) fn on_device(
    device: &OpcUaDevice,
    judged: &[EffectiveProperty],
    origin: &Origin<'_>,
    errors: &mut Vec<FieldError>,
) {
    let mode = device.subscription.as_ref().and_then(|subscription| subscription.mode);
    let polled = judged.iter().filter(|property| property.is_event() && mode == Some(OpcUaDelivery::Poll));
    errors.extend(polled.map(|property| FieldError::new(origin.field(&property.name, ".kind"), POLLED)));
}

/// What is wrong with a binding whose parameters are filled in, as (field below `binding.opcua`, message).
pub(super) fn check(block: &Json, property: &Property, type_: PropertyType) -> Vec<(&'static str, String)> {
    let binding = match OpcUaBinding::deserialize(block) {
        Ok(binding) => binding,
        // A parameter that is no text, where a text is needed.
        Err(error) => {
            return vec![("", format!("with its parameters filled in: {error}; write \"…${{name}}…\" around it"))];
        }
    };
    let mut flaws = binding.flaws();
    let numeric = matches!(type_, PropertyType::Integer | PropertyType::Number) || property.enum_.is_some();
    if binding.deadband.is_some() && !numeric {
        flaws.push((".deadband", NUMERIC.to_owned()));
    }
    flaws
}

/// What is wrong with the device's own names of nodes, parameters filled in.
pub(super) fn check_root(block: &Json) -> Option<FieldError> {
    let root = block.get("root")?;
    let field = "spec.protocol.opcua.root";
    let Some(text) = root.as_str() else { return Some(FieldError::new(field, "must be text")) };
    text.parse::<OpcUaNode>().err().map(|error| FieldError::new(field, error.to_string()))
}

/// A command's block with parameters filled in, as a driver gets it; or what is wrong, as (field below `opcua`, message).
pub(super) fn command(command: &ModelCommand, values: &BTreeMap<&str, &Json>) -> Result<Json, (&'static str, String)> {
    let block = serde_json::to_value(&command.opcua).map_err(|error| ("", error.to_string()))?;
    let block = substitute(&block, values).map_err(|message| ("", message))?;
    let method = OpcUaMethod::deserialize(&block).map_err(|error| ("", error.to_string()))?;
    let node = |field, text: &str| text.parse::<OpcUaNode>().map_err(|error| (field, error.to_string()));
    method.object.as_deref().map(|text| node(".object", text)).transpose()?;
    node(".method", &method.method)?;
    Ok(block)
}
