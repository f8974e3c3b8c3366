//! Each case says what a person wrote wrong, and what they read then.
use super::*;
use crate::{Interval, Mode, Source, Span};
use serde_json::json;

fn model(properties: &Json) -> DeviceModel {
    object(
        json!({"apiVersion": "pollux.rs/v1alpha1", "kind": "DeviceModel", "metadata": {"name": "boiler", "namespace": "plant"},
        "spec": {"summary": ["temperature"], "parameters": [{"name": "line", "type": "string", "default": "L1"}],
            "defaults": {"interval": "2s"}, "properties": properties}}),
    )
}
fn good() -> Json {
    json!([
        {"name": "temperature", "type": "number", "binding": {"modbus": {"table": "input", "address": 0, "dataType": "float32"}}},
        {"name": "setpoint", "type": "number", "access": "ReadWrite", "minimum": 10.0, "maximum": 90.0, "interval": "10s",
            "binding": {"modbus": {"table": "holding", "address": 0, "dataType": "float32"}}},
        {"name": "state", "type": "string", "access": "ReadWrite", "enum": [{"value": 0, "name": "Off"}, {"value": 1, "name": "Auto"}],
            "binding": {"modbus": {"table": "holding", "address": 2, "dataType": "uint16"}}},
        {"name": "pump", "type": "boolean", "binding": {"modbus": {"table": "coil", "address": 0}}},
    ])
}
fn device(spec: &Json) -> Device {
    let mut base = json!({"model": "boiler", "protocol": {"modbus": {"channel": "hall"}}});
    base.as_object_mut().unwrap().extend(spec.as_object().unwrap().clone());
    object(json!({"apiVersion": "pollux.rs/v1alpha1", "kind": "Device",
        "metadata": {"name": "boiler-1", "namespace": "plant", "uid": "u1", "generation": 4}, "spec": base}))
}
fn channel() -> Channel {
    object(
        json!({"apiVersion": "pollux.rs/v1alpha1", "kind": "Channel", "metadata": {"name": "hall", "namespace": "plant"},
        "spec": {"protocol": {"modbus": {"tcp": {"host": "10.0.0.5", "port": 1502}, "timeout": "2s", "offlineAfter": 5}}}}),
    )
}
fn object<T: serde::de::DeserializeOwned>(json: Json) -> T {
    serde_json::from_value(json).unwrap()
}
fn errors(spec: &Json, properties: &Json) -> Vec<String> {
    let wrong = resolve(&device(spec), Some(&model(properties)), Some(&channel())).unwrap_err();
    wrong.iter().map(ToString::to_string).collect()
}
/// The first property of the good ones with some fields changed.
fn first(change: &Json) -> Json {
    let mut properties = good();
    properties[0].as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
    properties
}

#[test]
fn a_device_takes_what_its_model_and_channel_say() {
    let spec = json!({"desired": {"setpoint": 21.5, "state": "Auto"}, "mode": "Monitor",
        "properties": [{"name": "setpoint", "maximum": 60.0}, {"name": "pump", "disabled": true}]});
    let resolved = resolve(&device(&spec), Some(&model(&good())), Some(&channel())).unwrap();
    let effective = &resolved.effective;
    assert_eq!(resolved.class, "modbus");
    assert_eq!(
        effective.config,
        json!({"tcp": {"host": "10.0.0.5", "port": 1502}, "unitId": 1, "timeout": "2s", "offlineAfter": 5})
    );
    assert_eq!(
        (effective.timeout, effective.offline_after, effective.mode),
        (Some(Span::from_secs(2)), 5, Mode::Monitor)
    );
    assert_eq!(effective.channel.as_deref(), Some("hall"));
    let names: Vec<&str> = effective.properties.iter().map(|p| p.name.as_str()).collect();
    assert_eq!(names, ["temperature", "setpoint", "state"]);
    let setpoint = effective.property("setpoint").unwrap().1;
    assert_eq!((setpoint.minimum, setpoint.maximum), (Some(10.0), Some(60.0)));
    assert_eq!(effective.properties[0].interval, Interval::Every(Span::from_secs(2)), "the model's default");
    assert_eq!(effective.properties[0].stale_after, Some(Span::from_secs(6)));
    assert_eq!(setpoint.interval, Interval::Every(Span::from_secs(10)), "its own");
    assert_eq!(effective.summary, [0]);
}

#[test]
fn what_the_mapper_makes_of_a_slice_is_what_the_operator_saw() {
    let resolved =
        resolve(&device(&json!({"desired": {"setpoint": 30}})), Some(&model(&good())), Some(&channel())).unwrap();
    let wire = serde_json::to_string(&(&resolved.device, &resolved.revision)).unwrap();
    let (entry, revision): (SliceDevice, DeviceModelRevisionSpec) = serde_json::from_str(&wire).unwrap();
    assert_eq!(revision.hash(), resolved.revision.hash());
    assert_eq!(effective(&entry, &revision).unwrap(), resolved.effective);
}

#[test]
fn a_name_that_nothing_has_is_an_error_that_says_where() {
    let spec = json!({});
    assert_eq!(
        resolve(&device(&spec), None, Some(&channel())).unwrap_err()[0].to_string(),
        "spec.model: there is no DeviceModel boiler in namespace plant"
    );
    assert_eq!(
        resolve(&device(&spec), Some(&model(&good())), None).unwrap_err()[0].to_string(),
        "spec.protocol.modbus.channel: there is no Channel hall in namespace plant"
    );
}

#[test]
fn desired_values_are_judged_by_name_access_type_and_range() {
    let spec = json!({"desired": {"setpiont": 1, "temperature": 5, "setpoint": 95, "state": false}});
    assert_eq!(
        errors(&spec, &good()),
        [
            "spec.desired.setpiont: no such property; writable are: setpoint, state",
            "spec.desired.setpoint: must be a number from 10 to 90, is 95",
            "spec.desired.state: must be one of Off, Auto, is false; quote it where YAML reads it as a boolean",
            "spec.desired.temperature: is ReadOnly; writable are: setpoint, state",
        ]
    );
    let good_values = json!({"desired": {"setpoint": 90, "state": "Off"}});
    assert!(resolve(&device(&good_values), Some(&model(&good())), Some(&channel())).is_ok());
}

#[test]
fn each_nonsense_in_a_model_has_its_own_words() {
    let table = [
        (json!({"type": null}), "type: required: boolean, integer, number, string, bytes or json"),
        (json!({"binding": null}), ": needs a binding (where it stands on the wire) or an expression"),
        (json!({"binding": {"custom": {}}}), "binding: is for protocol custom, the device's protocol is modbus"),
        (
            json!({"access": "ReadWrite"}),
            "binding.modbus.table: this table cannot be written; writable are: coil, holding",
        ),
        (
            json!({"type": "boolean"}),
            "binding.modbus.dataType: type boolean needs a coil, a discrete input or a bit of a register",
        ),
        (json!({"type": "string"}), "binding.modbus.dataType: type string needs dataType string, or enum"),
        (json!({"type": "bytes"}), "binding.modbus.dataType: Modbus carries boolean, integer, number and string"),
        (
            json!({"binding": {"modbus": {"table": "input", "address": 65535, "dataType": "float32"}}}),
            "binding.modbus.address: 65535 with 2 registers ends beyond 65535",
        ),
        (
            json!({"binding": {"modbus": {"table": "coil", "address": 1, "bit": 1}}}),
            "binding.modbus: coil and discrete take an address only",
        ),
        (
            json!({"binding": {"modbus": {"table": "input", "address": 1}}}),
            "binding.modbus: holding and input need dataType, or bit (0 to 15)",
        ),
        (json!({"scale": 0.0}), "scale: must not be 0"),
        (json!({"minimum": 5.0, "maximum": 1.0}), "minimum: must not be above maximum (1), is 5"),
        (json!({"range": {"low": 5.0, "high": 5.0}}), "range: low must be below high, is 5 and 5"),
        (json!({"interval": "1ms"}), "interval: must be from 10ms to 24h, or OnConnect, is 1ms"),
        (
            json!({"interval": "1m", "staleAfter": "5s"}),
            "staleAfter: must not be shorter than the interval (1m), is 5s",
        ),
        (
            json!({"report": {"deadband": {"percent": 1.0}}}),
            "report.deadband.percent: needs range (low and high), which it is a percentage of",
        ),
        (json!({"report": {"deadband": {}}}), "report.deadband: exactly one of absolute, percent must be set"),
        (
            json!({"enum": [{"value": 1, "name": "A"}, {"value": 1, "name": "A"}], "type": "string",
            "binding": {"modbus": {"table": "input", "address": 0, "dataType": "int16"}}}),
            "enum: value 1 stands there twice",
        ),
        (
            json!({"write": {"verify": {"tolerance": -1.0}}}),
            "write.verify.tolerance: must be a finite number, not negative",
        ),
    ];
    for (change, message) in table {
        let separator = if message.starts_with(':') { "" } else { "." };
        let expected = format!("DeviceModel boiler: spec.properties[temperature]{separator}{message}");
        let found = errors(&json!({}), &first(&change));
        assert!(found.contains(&expected), "{change}\n expected {expected}\n found {found:#?}");
    }
}

#[test]
fn all_errors_come_at_once_and_name_their_object() {
    let spec = json!({"parameters": {"lien": "x"}, "protocol": {"modbus": {"channel": "hall", "timeout": "2h"}}});
    let found = errors(&spec, &good());
    assert_eq!(
        found,
        [
            "spec.parameters.lien: no such parameter; there are: line",
            "spec.protocol.modbus.timeout: must be from 10ms to 1m"
        ]
    );
    let own = json!({"properties": [{"name": "level", "type": "number"}, {"name": "setpoint", "scale": 0.0}]});
    assert_eq!(
        errors(&own, &first(&json!({"interval": "1ms"}))),
        [
            "DeviceModel boiler: spec.properties[temperature].interval: must be from 10ms to 24h, or OnConnect, is 1ms",
            "spec.properties[setpoint].scale: must not be 0",
            "spec.properties[level]: needs a binding (where it stands on the wire) or an expression",
        ]
    );
}

#[test]
fn a_property_that_stands_twice_is_refused_and_a_summary_of_nothing_too() {
    let mut properties = good();
    properties.as_array_mut().unwrap().push(good()[0].clone());
    assert_eq!(
        errors(&json!({}), &properties),
        ["DeviceModel boiler: spec.properties[temperature]: stands there twice"]
    );
    let only = json!([good()[1]]);
    assert_eq!(
        errors(&json!({}), &only),
        ["DeviceModel boiler: spec.summary: temperature: no such property; there are: setpoint"]
    );
    let disabled = json!({"properties": [{"name": "temperature", "disabled": true}]});
    assert!(resolve(&device(&disabled), Some(&model(&good())), Some(&channel())).is_ok());
}

#[test]
fn parameters_reach_custom_bindings_with_their_type() {
    let device: Device = object(
        json!({"metadata": {"name": "press", "namespace": "plant"}, "spec": {"model": "m", "mapperClass": "acme",
        "parameters": {"base": 40}, "protocol": {"custom": {"url": "x://${name}"}}}}),
    );
    let model: DeviceModel = object(
        json!({"metadata": {"name": "m"}, "spec": {"parameters": [{"name": "base", "type": "integer"}],
        "properties": [{"name": "force", "type": "number", "binding": {"custom": {"at": "${base}", "tag": "p.${name}.${base}"}}}]}}),
    );
    let resolved = resolve(&device, Some(&model), None).unwrap();
    assert_eq!((resolved.class.as_str(), &resolved.effective.config), ("acme", &json!({"url": "x://press"})));
    assert_eq!(resolved.effective.properties[0].source, Source::Binding(json!({"at": 40, "tag": "p.press.40"})));
}

#[test]
fn wiring_changes_with_binding_scale_and_format_and_with_nothing_else() {
    let wiring = |change: &Json| {
        let spec = json!({});
        resolve(&device(&spec), Some(&model(&first(change))), Some(&channel())).unwrap().effective.properties[0]
            .wiring
            .clone()
    };
    let plain = wiring(&json!({}));
    for same in
        [json!({"interval": "3s"}), json!({"unit": "K"}), json!({"maximum": 5.0}), json!({"report": {"when": "Never"}})]
    {
        assert_eq!(wiring(&same), plain, "{same}");
    }
    for other in [
        json!({"scale": 0.1}),
        json!({"offset": 1.0}),
        json!({"type": "integer"}),
        json!({"binding": {"modbus": {"table": "input", "address": 0, "dataType": "float32", "byteOrder": "CDAB"}}}),
    ] {
        assert_ne!(wiring(&other), plain, "{other}");
    }
}
