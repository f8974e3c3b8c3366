//! A Device's protocol block with its Channel merged in, and the block as a driver sees it.
use super::{FieldError, ble, opcua};
use crate::{
    Channel, ModbusChannel, ModbusDevice, Protocol, ResolvedProtocol, Span, parameters::substitute, secrets::qualified,
    span::Time,
};
use kube::ResourceExt;
use serde_json::Value as Json;
use std::collections::BTreeMap;

const OFFLINE_AFTER: u32 = 3;
/// Default of `timeout` of an OPC UA server, which may ask a PLC behind it first.
const OPCUA_TIMEOUT: Span = Span::from_secs(5);
/// Default of `timeout` of a Bluetooth device, which may sleep between two looks at its radio.
const BLE_TIMEOUT: Span = Span::from_secs(5);
const NO_PROTOCOL: &str = "exactly one of modbus, opcua, ble, custom must be set";

/// Field of the error that says that there is no such Channel, or that it is one of another protocol.
pub(super) const CHANNEL_FIELD: &str = "spec.protocol.modbus.channel";

/// The Channel's fields where the Device gives none of its own; and the Channel's name.
pub(super) fn merge(
    namespace: &str,
    protocol: &Protocol,
    channel: Option<&Channel>,
) -> Result<(ResolvedProtocol, Option<String>), Vec<FieldError>> {
    if protocol.name().is_none() {
        return Err(vec![FieldError::new("spec.protocol", NO_PROTOCOL)]);
    }
    if let Some(own) = &protocol.opcua {
        let (merged, name) = opcua::merge(namespace, own, channel)?;
        return Ok((ResolvedProtocol(Protocol { opcua: Some(merged), ..Protocol::default() }), name));
    }
    if let Some(own) = &protocol.ble {
        let (merged, name) = ble::merge(namespace, own, channel)?;
        return Ok((ResolvedProtocol(Protocol { ble: Some(merged), ..Protocol::default() }), name));
    }
    let Some(modbus) = &protocol.modbus else {
        return Ok((ResolvedProtocol(protocol.clone()), None));
    };
    let Some(name) = &modbus.channel else {
        return if modbus.transports() == 1 {
            in_bounds(&[("", modbus.times())]).map(|()| (ResolvedProtocol(protocol.clone()), None))
        } else {
            let message = "exactly one of channel, tcp, rtu, rtuOverTcp, tls must be set";
            Err(vec![FieldError::new("spec.protocol.modbus", message)])
        };
    };
    let Some(channel) = channel else {
        return Err(vec![FieldError::new(CHANNEL_FIELD, format!("no Channel {name:?} in namespace {namespace}"))]);
    };
    let Some(shared) = &channel.spec.protocol.modbus else {
        return Err(vec![FieldError::new(
            CHANNEL_FIELD,
            format!("Channel {} is not one of protocol modbus", channel.name_any()),
        )]);
    };
    // What the Device gives itself is not the Channel's to answer for.
    let of_channel = format!("Channel {}: ", channel.name_any());
    in_bounds(&[("", modbus.times()), (&of_channel, shared.times_for(modbus))])?;
    on_a_line(modbus, shared, &channel.name_any())?;
    let merged = merged(modbus.clone(), shared.clone());
    Ok((ResolvedProtocol(Protocol { modbus: Some(merged), ..Protocol::default() }), Some(name.clone())))
}

/// The Channel's fields where the Device gives none of its own.
fn merged(own: ModbusDevice, shared: ModbusChannel) -> ModbusDevice {
    // Each field by its name: a new one of a Channel must not be forgotten here.
    let ModbusChannel {
        tcp,
        rtu,
        rtu_over_tcp,
        tls,
        timeout,
        connect_timeout,
        offline_after,
        pipeline,
        pacing,
        retries,
        busy_retry,
        limits,
        cost,
    } = shared;
    ModbusDevice {
        channel: None,
        tcp,
        rtu,
        rtu_over_tcp,
        tls,
        timeout: own.timeout.or(timeout),
        connect_timeout: own.connect_timeout.or(connect_timeout),
        offline_after: own.offline_after.or(offline_after),
        pipeline: own.pipeline.or(pipeline),
        pacing: own.pacing.or(pacing),
        retries: own.retries.or(retries),
        busy_retry: own.busy_retry.or(busy_retry),
        limits: own.limits.or(limits),
        cost: own.cost.or(cost),
        unit_id: own.unit_id,
        write_function: own.write_function,
        address_offset: own.address_offset,
        avoid: own.avoid,
        identify: own.identify,
    }
}

/// What a Device may not have where its Channel is a serial line.
fn on_a_line(device: &ModbusDevice, shared: &ModbusChannel, channel: &str) -> Result<(), Vec<FieldError>> {
    if shared.rtu.is_none() && shared.rtu_over_tcp.is_none() {
        return Ok(());
    }
    let mut wrong = vec![];
    if !(1..=247).contains(&device.unit_id) {
        let message = format!("must be 1 to 247, for Channel {channel} is a serial line, is {}", device.unit_id);
        wrong.push(FieldError::new("spec.protocol.modbus.unitId", message));
    }
    if device.pipeline.is_some_and(|depth| depth > 1) {
        let message = format!("must be 1, for Channel {channel} is a serial line: it carries one request at a time");
        wrong.push(FieldError::new("spec.protocol.modbus.pipeline", message));
    }
    if wrong.is_empty() { Ok(()) } else { Err(wrong) }
}

/// Times by the object that gives them: each in bounds, or an error at its field.
fn in_bounds(times: &[(&str, Vec<Time>)]) -> Result<(), Vec<FieldError>> {
    let all = times.iter().flat_map(|(object, times)| times.iter().map(move |time| (object, time)));
    let wrong = all.filter_map(|(object, (field, time, bounds))| {
        Some(FieldError::new(format!("{object}spec.protocol.modbus.{field}"), bounds.refuse(*time)?))
    });
    let wrong: Vec<_> = wrong.collect();
    if wrong.is_empty() { Ok(()) } else { Err(wrong) }
}

/// What the engine takes from a protocol block; the rest is the driver's.
pub(super) struct Config {
    /// The block, parameters filled in.
    pub(super) json: Json,
    pub(super) timeout: Option<Span>,
    pub(super) offline_after: u32,
}

pub(super) fn config(
    namespace: &str,
    protocol: &Protocol,
    values: &BTreeMap<&str, &Json>,
) -> Result<Config, Vec<FieldError>> {
    let Some(name) = protocol.name() else {
        return Err(vec![FieldError::new("spec.protocol", NO_PROTOCOL)]);
    };
    let protocol = qualified(protocol, namespace);
    let (block, timeout, offline_after) = match &protocol {
        Protocol { modbus: Some(m), .. } => (serde_json::to_value(m), m.timeout, m.offline_after),
        Protocol { opcua: Some(o), .. } => {
            (serde_json::to_value(o), o.timeout.or(Some(OPCUA_TIMEOUT)), o.offline_after)
        }
        Protocol { ble: Some(b), .. } => (serde_json::to_value(b), b.timeout.or(Some(BLE_TIMEOUT)), b.offline_after),
        Protocol { custom, .. } => (serde_json::to_value(custom), None, None),
    };
    let json = block.map_err(|e| e.to_string()).and_then(|block| substitute(&block, values));
    let json = json.map_err(|message| vec![FieldError::new(format!("spec.protocol.{name}"), message)])?;
    let offline_after = offline_after.and_then(|n| u32::try_from(n).ok()).unwrap_or(OFFLINE_AFTER).max(1);
    Ok(Config { json, timeout, offline_after })
}
