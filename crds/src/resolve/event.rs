//! What a property of kind Event cannot have: it is told by the device itself, each one counts, and none grows old.
use crate::{Access, BleNotify, OpcUaSampling, Property, PropertyKind};

const POLLED: &str = "must be State: what is polled has no events, for what happens between two readings is lost";

/// What is wrong with it, as (field below the property, message).
pub(super) fn check(property: &Property, access: Access) -> Vec<(&'static str, &'static str)> {
    if property.kind != Some(PropertyKind::Event) {
        return vec![];
    }
    let binding = property.binding.as_ref();
    let opcua = binding.and_then(|binding| binding.opcua.as_ref());
    let ble = binding.and_then(|binding| binding.ble.as_ref());
    let deadband = property.report.as_ref().is_some_and(|report| report.deadband.is_some());
    let flaws = [
        (access != Access::ReadOnly, ".access", "must be ReadOnly: an Event is what the device says by itself"),
        (property.expression.is_some(), ".kind", "must be State: an expression has no events"),
        (property.read_group.is_some(), ".readGroup", "goes with kind State: an Event is not read"),
        (property.stale_after.is_some(), ".staleAfter", "goes with kind State: an Event does not grow stale"),
        (deadband, ".report.deadband", "goes with kind State: each event counts"),
        (binding.is_some_and(|binding| binding.modbus.is_some()), ".kind", POLLED),
        (
            opcua.is_some_and(|opcua| opcua.sampling == Some(OpcUaSampling::Poll)),
            ".binding.opcua.sampling",
            "must be Subscribe for an Event: what happens between two readings is lost",
        ),
        (
            opcua.is_some_and(|opcua| opcua.deadband.is_some()),
            ".binding.opcua.deadband",
            "goes with kind State: each event counts",
        ),
        (
            ble.is_some_and(|ble| ble.notify == Some(BleNotify::Never)),
            ".binding.ble.notify",
            "must not be Never for an Event: what happens between two readings is lost",
        ),
        (
            ble.is_some_and(|ble| ble.about.is_some()),
            ".kind",
            "must be State: what the adapter knows of a device is no event",
        ),
    ];
    flaws.into_iter().filter(|(wrong, ..)| *wrong).map(|(_, field, message)| (field, message)).collect()
}
