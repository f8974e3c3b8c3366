//! A Device's protocol block with its Channel merged in, and the block as a driver sees it.
use super::FieldError;
use crate::{Channel, ModbusDevice, Protocol, ResolvedProtocol, Span, parameters::substitute};
use kube::ResourceExt;
use serde_json::Value as Json;
use std::{collections::BTreeMap, time::Duration};

const OFFLINE_AFTER: u32 = 3;
const TIMEOUT: (Duration, Duration) = (Duration::from_millis(10), Duration::from_mins(1));

/// The Channel's fields where the Device gives none of its own; and the Channel's name.
pub(super) fn merge(
    namespace: &str,
    protocol: &Protocol,
    channel: Option<&Channel>,
) -> Result<(ResolvedProtocol, Option<String>), Vec<FieldError>> {
    if protocol.name().is_none() {
        return Err(vec![FieldError::new("spec.protocol", "exactly one of modbus, custom must be set")]);
    }
    let Some(modbus) = &protocol.modbus else {
        return Ok((ResolvedProtocol(protocol.clone()), None));
    };
    let Some(name) = &modbus.channel else {
        return match &modbus.tcp {
            Some(_) => Ok((ResolvedProtocol(protocol.clone()), None)),
            None => Err(vec![FieldError::new("spec.protocol.modbus", "exactly one of channel, tcp must be set")]),
        };
    };
    let field = "spec.protocol.modbus.channel";
    let Some(channel) = channel else {
        return Err(vec![FieldError::new(field, format!("there is no Channel {name} in namespace {namespace}"))]);
    };
    let Some(shared) = &channel.spec.protocol.modbus else {
        return Err(vec![FieldError::new(
            field,
            format!("Channel {} is not one of protocol modbus", channel.name_any()),
        )]);
    };
    let merged = ModbusDevice {
        channel: None,
        tcp: Some(shared.tcp.clone()),
        unit_id: modbus.unit_id,
        timeout: modbus.timeout.or(shared.timeout),
        connect_timeout: modbus.connect_timeout.or(shared.connect_timeout),
        offline_after: modbus.offline_after.or(shared.offline_after),
    };
    Ok((ResolvedProtocol(Protocol { modbus: Some(merged), custom: None }), Some(name.clone())))
}

/// What the engine takes from a protocol block; the rest is the driver's.
pub(super) struct Config {
    /// The block, parameters filled in.
    pub(super) json: Json,
    pub(super) timeout: Option<Span>,
    pub(super) offline_after: u32,
}

pub(super) fn config(protocol: &Protocol, values: &BTreeMap<&str, &Json>) -> Result<Config, Vec<FieldError>> {
    let Some(name) = protocol.name() else {
        return Err(vec![FieldError::new("spec.protocol", "exactly one of modbus, custom must be set")]);
    };
    let (block, timeout, connect_timeout, offline_after) = match (&protocol.modbus, &protocol.custom) {
        (Some(m), _) => (serde_json::to_value(m), m.timeout, m.connect_timeout, m.offline_after),
        (None, custom) => (serde_json::to_value(custom), None, None, None),
    };
    let json = block.map_err(|e| e.to_string()).and_then(|block| substitute(&block, values));
    let json = json.map_err(|message| vec![FieldError::new(format!("spec.protocol.{name}"), message)])?;
    let offline_after = offline_after.and_then(|n| u32::try_from(n).ok()).unwrap_or(OFFLINE_AFTER).max(1);
    for (field, span) in [("timeout", timeout), ("connectTimeout", connect_timeout)] {
        if span.is_some_and(|s| !(TIMEOUT.0..=TIMEOUT.1).contains(&s.duration())) {
            return Err(vec![FieldError::new(format!("spec.protocol.{name}.{field}"), "must be from 10ms to 1m")]);
        }
    }
    Ok(Config { json, timeout, offline_after })
}
