//! What a property of kind Event may be.
use super::*;
use crate::{Interval, PropertyKind};
use serde_json::{Value as Json, json};

fn object<T: serde::de::DeserializeOwned>(json: &Json) -> T {
    serde_json::from_value(json.clone()).unwrap()
}
/// A device with these properties, of a model whose defaults have a dead-band.
fn resolved(protocol: &Json, properties: &Json) -> Result<Resolved, Vec<FieldError>> {
    let defaults = json!({"interval": "2s", "report": {"deadband": {"absolute": 1}, "minInterval": "3s"}});
    let model: DeviceModel =
        object(&json!({"metadata": {"name": "m"}, "spec": {"properties": properties, "defaults": defaults}}));
    let device: Device = object(&json!({"metadata": {"name": "d", "namespace": "n", "uid": "u"},
        "spec": {"model": "m", "protocol": protocol}}));
    resolve(&device, Some(&model), None)
}
fn told(protocol: &Json, property: &Json) -> Vec<String> {
    let mut own = json!({"name": "p", "type": "integer", "kind": "Event"});
    own.as_object_mut().unwrap().extend(property.as_object().unwrap().clone());
    let other =
        json!({"name": "n", "type": "integer", "binding": own.get("binding").unwrap_or(&json!({"custom": {}}))});
    let said = resolved(protocol, &json!([own, other])).err().unwrap_or_default();
    let own = said.iter().map(ToString::to_string).filter(|line| line.contains("[p]"));
    own.map(|line| line.replace("DeviceModel m: spec.properties[p]", "")).collect()
}

#[test]
fn an_event_grows_not_stale_and_takes_no_dead_band_of_its_model() {
    let protocol = json!({"custom": {}});
    let press = json!({"name": "p", "type": "integer", "kind": "Event", "binding": {"custom": {"at": 1}}});
    let found =
        resolved(&protocol, &json!([press, {"name": "s", "type": "integer", "binding": {"custom": {"at": 1}}}]));
    let properties = found.unwrap().effective.properties;
    let of = |at: usize| {
        let p = &properties[at];
        (p.kind, p.stale_after.is_some(), p.report.deadband.to_bits(), p.interval)
    };
    let two = Interval::Every(crate::Span::from_secs(2));
    assert_eq!(of(0), (PropertyKind::Event, false, 0.0_f64.to_bits(), two));
    assert_eq!(of(1), (PropertyKind::State, true, 1.0_f64.to_bits(), two));
    let state = json!({"name": "p", "kind": "State"});
    let own: Device = object(&json!({"metadata": {"name": "d", "namespace": "n", "uid": "u"},
        "spec": {"model": "m", "protocol": protocol, "properties": [state]}}));
    let model: DeviceModel = object(&json!({"metadata": {"name": "m"}, "spec": {"properties": [press]}}));
    let found = resolve(&own, Some(&model), None).unwrap().effective;
    assert_eq!(found.properties[0].kind, PropertyKind::State, "what a Device says of its own counts");
}

#[test]
fn what_goes_not_with_an_event_is_said_at_its_field() {
    let custom = json!({"custom": {}});
    let binding = json!({"custom": {"at": 1}});
    for (more, says) in [
        (json!({"access": "ReadWrite"}), ".access: must be ReadOnly"),
        (json!({"staleAfter": "1m"}), ".staleAfter: goes with kind State"),
        (json!({"readGroup": "g"}), ".readGroup: goes with kind State"),
        (json!({"report": {"deadband": {"absolute": 1}}}), ".report.deadband: goes with kind State"),
    ] {
        let mut property = json!({"binding": binding});
        property.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        let said = told(&custom, &property);
        assert!(said.len() == 1 && said[0].starts_with(says), "{says}: {said:?}");
    }
    let said = told(&custom, &json!({"expression": "n + 1"}));
    assert_eq!(said, [".kind: must be State: an expression has no events"]);
    let modbus = json!({"modbus": {"tcp": {"host": "h"}, "unitId": 1}});
    let said = told(&modbus, &json!({"binding": {"modbus": {"table": "holding", "address": 1, "dataType": "uint16"}}}));
    assert!(said.len() == 1 && said[0].starts_with(".kind: must be State: what is polled"), "{said:?}");
    let opcua = json!({"opcua": {"url": "opc.tcp://h:4840"}});
    assert!(told(&opcua, &json!({"binding": {"opcua": {"nodeId": "ns=2;i=1"}}})).is_empty());
    let said = told(&opcua, &json!({"binding": {"opcua": {"nodeId": "ns=2;i=1", "sampling": "Poll"}}}));
    assert!(said.len() == 1 && said[0].starts_with(".binding.opcua.sampling: must be Subscribe"), "{said:?}");
    let deadband = json!({"nodeId": "ns=2;i=1", "deadband": {"absolute": 1}});
    let said = told(&opcua, &json!({"binding": {"opcua": deadband}}));
    assert_eq!(said, [".binding.opcua.deadband: goes with kind State: each event counts"]);
    let polled = json!({"opcua": {"url": "opc.tcp://h:4840", "subscription": {"mode": "Poll"}}});
    let said = told(&polled, &json!({"binding": {"opcua": {"nodeId": "ns=2;i=1"}}}));
    assert!(said.len() == 1 && said[0].starts_with(".kind: must be State where") && said[0].ends_with("mode Auto"));
}

#[test]
fn a_bluetooth_event_is_advertised_or_notified_on_a_connection_that_is_held() {
    let ble = |more: Json| {
        let mut block = json!({"name": "x"});
        block.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        json!({"ble": block})
    };
    let bound = |binding: Json| json!({"binding": {"ble": binding}});
    let raw = bound(json!({"advertisement": {"manufacturer": "0xFFFF"}, "dataType": "uint8"}));
    assert!(told(&ble(json!({})), &raw).is_empty());
    let level = |more: Json| {
        let mut binding = json!({"characteristic": "Battery Level"});
        binding.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        bound(binding)
    };
    assert!(told(&ble(json!({"connection": "Held"})), &level(json!({}))).is_empty());
    let said = told(&ble(json!({})), &level(json!({})));
    assert!(said.len() == 1 && said[0].starts_with(".kind: an Event of a characteristic needs"), "{said:?}");
    let said = told(&ble(json!({"connection": "Held"})), &level(json!({"notify": "Never"})));
    assert!(said.len() == 1 && said[0].starts_with(".binding.ble.notify: must not be Never"), "{said:?}");
    let said = told(&ble(json!({})), &bound(json!({"about": "Rssi"})));
    assert!(said.len() == 1 && said[0].starts_with(".kind: must be State: what the adapter knows"), "{said:?}");
    let press = json!([{"name": "p", "type": "integer", "kind": "Event", "binding": {"ble": {"characteristic": "Battery Level"}}}]);
    let model: DeviceModel = object(&json!({"metadata": {"name": "m"}, "spec": {"properties": press}}));
    assert_eq!(judge_model(&model), [], "how a Device reaches it is its own");
}

#[test]
fn nothing_is_computed_of_an_event() {
    let press = json!({"name": "press", "type": "integer", "kind": "Event", "binding": {"custom": {"at": 1}}});
    let sum = json!({"name": "sum", "type": "number", "expression": "press + 1"});
    let scaled =
        json!({"name": "s", "type": "integer", "scaleExponentFrom": "press", "binding": {"custom": {"at": 1}}});
    let said = resolved(&json!({"custom": {}}), &json!([press, sum, scaled])).err().unwrap();
    let said: Vec<_> = said.iter().map(ToString::to_string).collect();
    assert!(said[0].contains("[sum].expression: press is an Event"), "{said:?}");
    assert!(said[1].contains("[s].scaleExponentFrom: must name another property"), "{said:?}");
    assert_eq!(said.len(), 2);
}
