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
        effective.config.value(),
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
        "spec.model: no DeviceModel \"boiler\" in namespace plant"
    );
    assert_eq!(
        resolve(&device(&spec), Some(&model(&good())), None).unwrap_err()[0].to_string(),
        "spec.protocol.modbus.channel: no Channel \"hall\" in namespace plant"
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
        (json!({"type": "string"}), "binding.modbus.dataType: type string needs dataType string or cp56, or enum"),
        (json!({"type": "bytes"}), "binding.modbus.dataType: type bytes needs dataType bytes"),
        (
            json!({"binding": {"modbus": {"table": "input", "address": 65535, "dataType": "float32"}}}),
            "binding.modbus.address: 65535 with 2 registers ends beyond 65535",
        ),
        (
            json!({"binding": {"modbus": {"table": "coil", "address": 1, "bit": 1}}}),
            "binding.modbus: coil and discrete take an address only, and count",
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
            "spec.protocol.modbus.timeout: must be from 10ms to 1m, is 2h",
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
    assert_eq!((resolved.class.as_str(), resolved.effective.config.value()), ("acme", json!({"url": "x://press"})));
    assert_eq!(resolved.effective.properties[0].source, Source::Binding(json!({"at": 40, "tag": "p.press.40"}).into()));
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

/// (table, address, dataType or nothing) of members of one group.
fn grouped(members: &[(&str, i32, Option<&str>)]) -> Json {
    let property = |(i, (table, address, type_)): (usize, &(&str, i32, Option<&str>))| {
        let mut binding = json!({"table": table, "address": address});
        let bits = type_.is_none();
        if let Some(type_) = type_ {
            binding["dataType"] = json!(type_);
        }
        json!({"name": format!("p{i}"), "type": if bits { "boolean" } else { "number" }, "readGroup": "clock",
            "binding": {"modbus": binding}})
    };
    let mut all: Vec<Json> = members.iter().enumerate().map(property).collect();
    all.push(good()[0].clone());
    Json::Array(all)
}

#[test]
fn a_read_group_is_one_request_or_no_read_group() {
    let word = Some("uint16");
    for fits in [
        grouped(&[("holding", 0, word), ("holding", 124, word)]),
        grouped(&[("holding", 0, word), ("holding", 123, Some("float32"))]),
        grouped(&[("coil", 0, None), ("coil", 1999, None)]),
    ] {
        assert!(resolve(&device(&json!({})), Some(&model(&fits)), Some(&channel())).is_ok(), "{fits}");
    }
    let table = [
        (
            grouped(&[("holding", 0, word), ("holding", 125, word)]),
            "spans 126 registers; one request reads at most 125 (limits.registers)",
        ),
        (
            grouped(&[("holding", 9, word), ("input", 9, word)]),
            "spans tables holding and input; one request reads one table",
        ),
        (
            grouped(&[("coil", 0, None), ("coil", 2000, None)]),
            "spans 2001 bits; one request reads at most 2000 (limits.bits)",
        ),
    ];
    for (properties, why) in table {
        let expected = format!("DeviceModel boiler: spec.properties[p0].readGroup: clock (p0, p1) {why}");
        assert_eq!(errors(&json!({}), &properties), [expected]);
    }
}

#[test]
fn a_read_group_reads_nothing_along_that_is_never_to_be() {
    let two = grouped(&[("holding", 0, Some("uint16")), ("holding", 9, Some("uint16"))]);
    let judged = |more: &Json, properties: &Json| {
        let mut spec = json!({"protocol": {"modbus": {"channel": "hall"}}});
        spec["protocol"]["modbus"].as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        let judged = resolve(&device(&spec), Some(&model(properties)), Some(&channel()));
        judged.err().unwrap_or_default().iter().map(ToString::to_string).collect::<Vec<_>>()
    };
    let wrong = |why: &str| vec![format!("DeviceModel boiler: spec.properties[p0].readGroup: clock (p0, p1) {why}")];
    let avoid = json!({"avoid": [{"table": "holding", "first": 4, "last": 5}]});
    assert_eq!(judged(&avoid, &two), wrong("would read holding 4 to 5 along, which avoid forbids"));
    let limits = json!({"limits": {"registers": 9}});
    assert_eq!(judged(&limits, &two), wrong("spans 10 registers; one request reads at most 9 (limits.registers)"));
    let mut three = two.clone();
    let modbus = json!({"table": "holding", "address": 3, "dataType": "uint16", "alone": true});
    // What is only written is not to be read along either.
    let latch = json!({"name": "latch", "type": "integer", "access": "WriteOnly", "binding": {"modbus": modbus}});
    three.as_array_mut().unwrap().push(latch);
    assert_eq!(judged(&json!({}), &three), wrong("would read latch along, which is read alone"));
    assert_eq!(judged(&json!({}), &two), Vec::<String>::new());
}

#[test]
fn a_device_that_breaks_a_read_group_by_its_own_property_is_told_so() {
    let own = json!({"properties": [{"name": "p1", "binding": {"modbus": {"table": "holding", "address": 300, "dataType": "uint16"}}}]});
    let two = grouped(&[("holding", 0, Some("uint16")), ("holding", 1, Some("uint16"))]);
    assert_eq!(
        errors(&own, &two),
        [
            "spec.properties[p1].readGroup: clock (p0, p1) spans 301 registers; one request reads at most 125 (limits.registers)"
        ]
    );
}

/// A writable property at holding 0, and a value that is desired of it.
fn wish(property: &Json, data_type: &str, value: &Json) -> Vec<String> {
    let mut wanted = json!({"name": "w", "type": "number", "access": "ReadWrite",
        "binding": {"modbus": {"table": "holding", "address": 0, "dataType": data_type}}});
    let length = property.get("length").cloned();
    wanted.as_object_mut().unwrap().extend(property.as_object().unwrap().clone());
    wanted.as_object_mut().unwrap().remove("length");
    if let Some(length) = length {
        wanted["binding"]["modbus"]["length"] = length;
    }
    let properties = json!([wanted, good()[0].clone()]);
    match resolve(&device(&json!({"desired": {"w": value}})), Some(&model(&properties)), Some(&channel())) {
        Ok(_) => vec![],
        Err(wrong) => wrong.iter().map(ToString::to_string).collect(),
    }
}

#[test]
fn a_desired_value_that_the_wire_cannot_carry_is_refused_in_the_propertys_unit() {
    let (number, integer) = (json!({}), json!({"type": "integer"}));
    let table = [
        (&integer, "uint16", json!(70000), "a whole number from 0 to 65535 (uint16), is 70000"),
        (&integer, "uint16", json!(-1), "a whole number from 0 to 65535 (uint16), is -1"),
        (&number, "int16", json!(32767.5), "a number from -32768 to 32767 in steps of 1 (int16), is 32767.5"),
        (
            &json!({"scale": 0.1}),
            "int16",
            json!(3276.75),
            "a number from -3276.8 to 3276.7 in steps of 0.1 (int16), is 3276.75",
        ),
        (
            &json!({"scale": 0.1}),
            "int16",
            json!(4000),
            "a number from -3276.8 to 3276.7 in steps of 0.1 (int16), is 4000",
        ),
        (
            &json!({"scale": -2.0, "offset": 5.0}),
            "uint16",
            json!(6),
            "a number from -131065 to 5 in steps of 2 (uint16), is 6",
        ),
        (
            &json!({"minimum": 10.0}),
            "uint16",
            json!(70000),
            "a number from 10 to 65535 in steps of 1 (uint16), is 70000",
        ),
        (
            &integer,
            "int64",
            json!("9223372036854775808"),
            "a whole number from -9223372036854775808 to 9223372036854775807 (int64), is \"9223372036854775808\"",
        ),
        (
            &number,
            "float32",
            json!(1e39),
            "a number from -3.40282346638529e38 to 3.40282346638529e38 (float32), is 1e+39",
        ),
        (
            &json!({"type": "string", "length": 2}),
            "string",
            json!("Köln!"),
            "text of at most 4 bytes without NUL (length 2), is \"Köln!\"",
        ),
        (
            &json!({"type": "string", "length": 2}),
            "string",
            json!("a\0b"),
            "text of at most 4 bytes without NUL (length 2), is \"a\\u0000b\"",
        ),
    ];
    for (property, data_type, value, message) in table {
        let found = wish(property, data_type, &value);
        assert_eq!(found, [format!("spec.desired.w: must be {message}")], "{property} {data_type}");
    }
}

#[test]
fn what_the_wire_can_carry_is_taken() {
    let (number, integer) = (json!({}), json!({"type": "integer"}));
    let fine = [
        (&integer, "uint16", json!(65535)),
        (&number, "int16", json!(-32768.0)),
        (&json!({"scale": 0.1}), "int16", json!(21.3)),
        (&json!({"scale": 0.1}), "int16", json!(-3276.8)),
        (&json!({"scale": 0.001, "offset": -40.0}), "uint16", json!(21.337)),
        (&integer, "uint64", json!("18446744073709551615")),
        (&integer, "int64", json!(i64::MIN)),
        (&number, "float32", json!(0.1)),
        (&number, "float64", json!(1e300)),
        (&json!({"type": "string", "length": 3}), "string", json!("Köln!")),
    ];
    for (property, data_type, value) in fine {
        assert_eq!(wish(property, data_type, &value), Vec::<String>::new(), "{property} {data_type} {value}");
    }
}

#[test]
fn a_name_stands_for_a_value_that_the_wire_can_carry() {
    let names =
        |value: i64| json!({"type": "string", "enum": [{"value": value, "name": "A"}, {"value": 0, "name": "B"}]});
    let of = "DeviceModel boiler: spec.properties[temperature].enum: value";
    let mut change = names(70000);
    change["binding"] = json!({"modbus": {"table": "input", "address": 0, "dataType": "uint16"}});
    assert_eq!(
        errors(&json!({}), &first(&change)),
        [format!("{of} 70000 does not fit uint16, must be from 0 to 65535")]
    );
    let mut change = names(2);
    change["binding"] = json!({"modbus": {"table": "coil", "address": 0}});
    assert_eq!(errors(&json!({}), &first(&change)), [format!("{of} 2 does not fit one bit, must be from 0 to 1")]);
}

#[test]
fn what_a_device_adds_counts_with_what_its_model_has() {
    let coil = |i: usize| json!({"name": format!("c{i}"), "type": "boolean", "binding": {"modbus": {"table": "coil", "address": i}}});
    let (model_s, own): (Vec<Json>, Vec<Json>) = ((0..600).map(coil).collect(), (600..1001).map(coil).collect());
    let mut model_s = model_s;
    model_s[0] = good()[0].clone();
    assert_eq!(
        errors(&json!({"properties": own}), &json!(model_s)),
        ["spec.properties: with the 600 of the model there are 1001, at most 1000 are allowed"]
    );
    let fits = device(&json!({"properties": own[1..]}));
    assert!(resolve(&fits, Some(&model(&json!(model_s))), Some(&channel())).is_ok());
}

#[test]
fn properties_that_one_object_cannot_hold_are_refused() {
    let wordy = |i: usize| {
        json!({"name": format!("c{i}"), "type": "boolean", "description": "x".repeat(1024),
        "expression": "y".repeat(1024).replace("yyyy", "a+b+"), "binding": null})
    };
    let mut all: Vec<Json> = (0..999).map(wordy).collect();
    all[0] = good()[0].clone();
    let found = errors(&json!({}), &json!(all));
    assert!(found[0].starts_with("spec.properties: compiled, the properties have 21"), "{}", found[0]);
    assert!(found[0].ends_with("at most 1048576 are allowed: shorten texts"), "{}", found[0]);
}

#[test]
fn a_long_reason_for_writing_anew_is_a_token_in_the_slice() {
    let rewrite = |text: &str| {
        let mut device = device(&json!({}));
        device.metadata.annotations = Some([(crate::REWRITE_ANNOTATION.to_owned(), text.to_owned())].into());
        resolve(&device, Some(&model(&good())), Some(&channel())).unwrap().device.rewrite.unwrap()
    };
    let long = "ü".repeat(254);
    assert_eq!(rewrite("once more"), "once more");
    assert_eq!(rewrite(&long[2..]), long[2..], "253 characters");
    assert_eq!(rewrite(&long).len(), 40);
    assert_ne!(rewrite(&long), rewrite(&format!("{long}!")));
}

#[test]
fn what_has_no_effect_is_refused() {
    let table = [
        (0, json!({"enforce": "Always"}), "enforce: goes with access ReadWrite or WriteOnly only"),
        (0, json!({"write": {"verify": {"within": "1s"}}}), "write: goes with access ReadWrite or WriteOnly only"),
        (
            3,
            json!({"report": {"deadband": {"absolute": 1.0}}}),
            "report.deadband: goes with type number or integer only",
        ),
        (3, json!({"range": {"low": 0.0, "high": 1.0}}), "range: goes with type number or integer only"),
        (3, json!({"invalid": [1.0]}), "invalid: goes with type number or integer, or with an enum"),
        (
            0,
            json!({"binding": null, "expression": "setpoint", "readGroup": "g"}),
            "readGroup: goes with a binding; an expression is not read",
        ),
        (0, json!({"staleAfter": "999999999h"}), "staleAfter: must be at most 240h, is 999999999h"),
        (0, json!({"report": {"minInterval": "25h"}}), "report.minInterval: must be at most 24h, is 25h"),
        (1, json!({"write": {"verify": {"within": "25h"}}}), "write.verify.within: must be at most 24h, is 25h"),
        (1, json!({"write": {"verify": {"delay": "25h"}}}), "write.verify.delay: must be at most 24h, is 25h"),
    ];
    for (position, change, message) in table {
        let mut properties = good();
        properties[position].as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
        let name = properties[position]["name"].as_str().unwrap().to_owned();
        let expected = format!("DeviceModel boiler: spec.properties[{name}].{message}");
        assert_eq!(errors(&json!({}), &properties), [expected], "{change}");
    }
}

#[test]
fn what_a_device_takes_away_takes_along_what_went_with_it() {
    let mut properties = good();
    let more = json!({"enforce": "Always", "readGroup": "g", "write": {"verify": {"within": "1s"}}});
    properties[1].as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    let mut model = model(&properties);
    model.spec.defaults = object(json!({"report": {"deadband": {"absolute": 0.5}}}));
    for own in [
        json!([{"name": "setpoint", "access": "ReadOnly"}]),
        json!([{"name": "setpoint", "access": "ReadOnly", "expression": "temperature"}]),
    ] {
        let resolved = resolve(&device(&json!({"properties": own})), Some(&model), Some(&channel()));
        let deadbands: Vec<f64> = resolved.unwrap().effective.properties.iter().map(|p| p.report.deadband).collect();
        assert_eq!(deadbands, [0.5, 0.5, 0.0, 0.0], "a default for numbers");
    }
}

#[test]
fn errors_of_desired_stand_beside_those_of_other_properties() {
    let spec = json!({"desired": {"setpoint": 95, "state": "Hot", "nothing": 1}, "parameters": {"lien": 1},
        "properties": [{"name": "state", "type": "integer"}]});
    let found = errors(&spec, &good());
    assert_eq!(
        found,
        [
            "spec.parameters.lien: no such parameter; there are: line",
            "spec.properties[state].type: must be string where there is an enum: desired and reported use the names",
            "spec.desired.nothing: no such property; writable are: setpoint, state",
            "spec.desired.setpoint: must be a number from 10 to 90, is 95",
        ]
    );
}

#[test]
fn what_a_missing_model_would_declare_is_not_guessed() {
    let wrong = resolve(&device(&json!({"parameters": {"line": "x"}})), None, None).unwrap_err();
    let found: Vec<String> = wrong.iter().map(ToString::to_string).collect();
    assert_eq!(
        found,
        [
            "spec.model: no DeviceModel \"boiler\" in namespace plant",
            "spec.protocol.modbus.channel: no Channel \"hall\" in namespace plant",
        ]
    );
}

#[test]
fn a_channels_time_is_the_channels_to_answer_for() {
    let mut channel = channel();
    let shared = channel.spec.protocol.modbus.as_mut().unwrap();
    (shared.timeout, shared.connect_timeout) = (Some(Span::from_secs(7200)), Some(Span::from_millis(1)));
    let device = |more: &Json| {
        let mut spec = json!({"protocol": {"modbus": {"channel": "hall"}}});
        spec["protocol"]["modbus"].as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        let wrong = resolve(&device(&spec), Some(&model(&good())), Some(&channel)).unwrap_err();
        wrong.iter().map(ToString::to_string).collect::<Vec<_>>()
    };
    let timeout = "Channel hall: spec.protocol.modbus.timeout: must be from 10ms to 1m, is 2h";
    let connect = "Channel hall: spec.protocol.modbus.connectTimeout: must be from 10ms to 1m, is 1ms";
    assert_eq!(device(&json!({})), [timeout, connect]);
    assert_eq!(device(&json!({"timeout": "1s"})), [connect]);
    assert_eq!(
        device(&json!({"timeout": "2m"})),
        ["spec.protocol.modbus.timeout: must be from 10ms to 1m, is 2m", connect]
    );
}

/// Objects that are older than the bounds in the schema.
#[test]
fn each_time_of_a_channel_and_a_device_has_its_bounds() {
    let span = |text: &str| Some(text.parse::<Span>().unwrap());
    let told = |shared: &dyn Fn(&mut crate::ModbusChannel), own: &Json| {
        let mut channel = channel();
        shared(channel.spec.protocol.modbus.as_mut().unwrap());
        let mut spec = json!({"protocol": {"modbus": {"channel": "hall"}}});
        spec["protocol"]["modbus"].as_object_mut().unwrap().extend(own.as_object().unwrap().clone());
        let judged = resolve(&device(&spec), Some(&model(&good())), Some(&channel));
        judged.err().unwrap_or_default().iter().map(ToString::to_string).collect::<Vec<_>>()
    };
    let own = [
        ("pacing", "afterConnect", "61s", "from 0s to 1m, is 1m1s"),
        ("pacing", "betweenRequests", "11s", "from 0s to 10s, is 11s"),
        ("pacing", "closeAfterIdle", "999ms", "from 1s to 24h, is 999ms"),
        ("busyRetry", "delay", "9ms", "from 10ms to 10s, is 9ms"),
    ];
    for (block, field, value, why) in own {
        let wrong = [format!("spec.protocol.modbus.{block}.{field}: must be {why}")];
        assert_eq!(told(&|_| (), &json!({block: {field: value}})), wrong);
    }
    let busy = |shared: &mut crate::ModbusChannel| {
        shared.busy_retry = Some(crate::ModbusBusyRetry { times: None, delay: span("11s") });
    };
    let wrong = ["Channel hall: spec.protocol.modbus.busyRetry.delay: must be from 10ms to 10s, is 11s"];
    assert_eq!(told(&busy, &json!({})), wrong);
    assert_eq!(told(&busy, &json!({"busyRetry": {"times": 1}})), Vec::<String>::new(), "the Device has its own");
}

/// What is acknowledged is kept under this hash: a field that is added to a binding must not change it where it is not set, or
/// every device would be told that its binding changed.
#[test]
fn wiring_stays_over_versions() {
    let resolved = resolve(&device(&json!({})), Some(&model(&good())), Some(&channel())).unwrap();
    let wirings: Vec<&str> = resolved.effective.properties.iter().map(|p| p.wiring.as_str()).collect();
    assert_eq!(wirings, ["f5dae18477c8cc29", "a5c08fdea0bb11f9", "9b254dc86f6fd3fa", "eeb038c08d2d8389"]);
}

/// Errors of a device whose only property is this one, beside what `extra` adds to the protocol block.
fn on(extra: &Json, property: &Json) -> Vec<String> {
    let mut p = json!({"name": "p"});
    p.as_object_mut().unwrap().extend(property.as_object().unwrap().clone());
    let mut block = json!({"channel": "hall"});
    block.as_object_mut().unwrap().extend(extra.as_object().unwrap().clone());
    let properties = json!([p, good()[0].clone()]);
    match resolve(&device(&json!({"protocol": {"modbus": block}})), Some(&model(&properties)), Some(&channel())) {
        Ok(_) => vec![],
        Err(wrong) => wrong.iter().map(ToString::to_string).collect(),
    }
}
fn modbus(type_: &str, binding: &Json) -> Json {
    json!({"type": type_, "binding": {"modbus": binding}})
}

#[test]
fn a_type_goes_with_the_forms_that_carry_it() {
    let holding = |data_type: &str| json!({"table": "holding", "address": 0, "dataType": data_type});
    let bits = json!({"table": "holding", "address": 0, "bit": 2, "bits": 3});
    let array = json!({"table": "holding", "address": 0, "dataType": "int16", "count": 4});
    let names = |binding: &Json| json!({"type": "string", "enum": [{"value": 0, "name": "A"}, {"value": 7, "name": "B"}], "binding": {"modbus": binding}});
    for fine in [
        modbus("integer", &holding("int8h")),
        modbus("number", &holding("float16")),
        modbus("integer", &holding("bcd64")),
        modbus("integer", &holding("m10k48")),
        modbus("number", &holding("signmagnitude32")),
        modbus("string", &holding("cp56")),
        modbus("integer", &bits),
        modbus("json", &array),
        modbus("json", &json!({"table": "coil", "address": 0, "count": 8})),
        modbus("boolean", &json!({"register": "10017"})),
        names(&bits),
        names(&holding("uint8l")),
    ] {
        assert_eq!(on(&json!({}), &fine), Vec::<String>::new(), "{fine}");
    }
    let at = "DeviceModel boiler: spec.properties[p].binding.modbus";
    for (wrong, message) in [
        (modbus("boolean", &bits), ".dataType: type boolean needs a coil, a discrete input or a bit of a register"),
        (modbus("integer", &array), ".count: needs type json: the value is an array"),
        (modbus("json", &holding("int16")), ".count: type json needs count: an array of values"),
        (modbus("bytes", &holding("int16")), ".dataType: type bytes needs dataType bytes"),
        (
            modbus("string", &json!({"table": "holding", "address": 0, "dataType": "bytes", "length": 1})),
            ".dataType: type string needs dataType string or cp56, or enum",
        ),
        (
            modbus("number", &holding("cp56")),
            ".dataType: type number and integer need a numeric dataType, or bit and bits",
        ),
        (names(&holding("float16")), ".dataType: enum needs an integer dataType, a coil or bits"),
        (modbus("string", &holding("int16")), ".dataType: type string needs dataType string or cp56, or enum"),
        (
            modbus("json", &json!({"table": "holding", "address": 0, "dataType": "float64", "count": 32})),
            ".count: takes 128 registers; one value takes at most 125",
        ),
    ] {
        assert_eq!(on(&json!({}), &wrong), [format!("{at}{message}")], "{wrong}");
    }
    let bytes = json!({"type": "json", "access": "ReadWrite", "binding": {"modbus": {"table": "holding", "address": 0, "dataType": "int8l", "count": 2}}});
    assert_eq!(
        on(&json!({}), &bytes),
        [format!("{at}.count: an array of single bytes cannot be written; access must be ReadOnly")]
    );
    let mut names = names(&bits);
    names["enum"][1]["value"] = json!(8);
    assert_eq!(
        on(&json!({}), &names),
        ["DeviceModel boiler: spec.properties[p].enum: value 8 does not fit 3 bits, must be from 0 to 7"]
    );
}

#[test]
fn a_property_goes_with_the_settings_of_its_device() {
    let float = json!({"type": "number", "access": "ReadWrite", "binding": {"modbus": {"register": "40005", "dataType": "float32"}}});
    assert_eq!(on(&json!({"addressOffset": 65530}), &float), Vec::<String>::new());
    let at = "DeviceModel boiler: spec.properties[p].binding.modbus.dataType: takes 2 registers;";
    for (block, message) in [
        (
            json!({"addressOffset": 65531}),
            "spec.protocol.modbus.addressOffset: p would stand at 65535, must be from 0 to 65535 with all of its 2"
                .to_owned(),
        ),
        (json!({"limits": {"registers": 1}}), format!("{at} limits of the device allow 1 in one request")),
        (json!({"limits": {"writeRegisters": 1}}), format!("{at} one write carries 1: access must be ReadOnly")),
        (json!({"writeFunction": "Single"}), format!("{at} writeFunction Single writes one: access must be ReadOnly")),
    ] {
        let found = on(&block, &float);
        assert!(found.contains(&message), "{block}: {found:#?}");
    }
    // What is never read is not bound by what can be read at once.
    let mut unread = float.clone();
    unread["access"] = json!("WriteOnly");
    let found = on(&json!({"limits": {"registers": 1}}), &unread);
    assert!(!found.iter().any(|wrong| wrong.contains("[p]")), "{found:?}");
    let below = on(&json!({"addressOffset": -5}), &float);
    assert!(
        below.contains(
            &"spec.protocol.modbus.addressOffset: p would stand at -1, must be from 0 to 65535 with all of its 2"
                .to_owned()
        ),
        "{below:?}"
    );
}

#[test]
fn behind_a_serial_line_the_units_and_the_pipeline_are_those_of_a_line() {
    let line: Channel = serde_json::from_value(json!({
        "apiVersion": "pollux.rs/v1alpha1", "kind": "Channel", "metadata": {"name": "hall"},
        "spec": {"protocol": {"modbus": {"rtuOverTcp": {"host": "h", "port": 4001}}}}
    }))
    .unwrap();
    let errors = |block: Json| -> Vec<String> {
        let found = resolve(&device(&json!({"protocol": {"modbus": block}})), Some(&model(&good())), Some(&line));
        found.err().unwrap_or_default().iter().map(ToString::to_string).collect()
    };
    assert_eq!(errors(json!({"channel": "hall", "unitId": 247})), Vec::<String>::new());
    assert_eq!(
        errors(json!({"channel": "hall", "unitId": 248, "pipeline": 2})),
        [
            "spec.protocol.modbus.unitId: must be 1 to 247, for Channel hall is a serial line, is 248",
            "spec.protocol.modbus.pipeline: must be 1, for Channel hall is a serial line: it carries one request at a time"
        ]
    );
}

#[test]
fn an_exponent_is_another_integer_off_the_wire() {
    let at = "DeviceModel boiler: spec.properties[p].scaleExponentFrom:";
    let wanted =
        "must name another property of type integer with a binding, that is read and has no exponent of its own";
    let sf = |name: &str| json!({"name": name, "type": "integer", "binding": {"modbus": {"table": "holding", "address": 9, "dataType": "int16"}}});
    let errors = |from: &str, type_: &str, others: Vec<Json>| -> Vec<String> {
        let p = json!({"name": "p", "type": type_, "scaleExponentFrom": from, "binding": {"modbus": {"table": "holding", "address": 0, "dataType": "int16"}}});
        let properties: Vec<Json> = [p, good()[0].clone()].into_iter().chain(others).collect();
        let found = resolve(&device(&json!({})), Some(&model(&json!(properties))), Some(&channel()));
        found.err().unwrap_or_default().iter().map(ToString::to_string).collect()
    };
    assert_eq!(errors("W_SF", "number", vec![sf("W_SF")]), Vec::<String>::new());
    assert_eq!(errors("SF", "number", vec![sf("W_SF")]), [format!("{at} {wanted}, is SF; there are: W_SF")]);
    assert_eq!(errors("p", "integer", vec![]), [format!("{at} {wanted}, is p; there is none")]);
    let mut chained = sf("W_SF");
    chained["scaleExponentFrom"] = json!("X_SF");
    assert_eq!(
        errors("W_SF", "number", vec![chained, sf("X_SF")]),
        [format!("{at} {wanted}, is W_SF; there are: X_SF")]
    );
    let float = json!({"name": "F", "type": "number", "binding": {"modbus": {"table": "holding", "address": 9, "dataType": "float32"}}});
    assert_eq!(errors("F", "number", vec![float]), [format!("{at} {wanted}, is F; there is none")]);
    let wiring = |exponent: Option<&str>| {
        let mut p = json!({"name": "p", "type": "number", "binding": {"modbus": {"table": "holding", "address": 0, "dataType": "int16"}}});
        if let Some(exponent) = exponent {
            p["scaleExponentFrom"] = json!(exponent);
        }
        let properties = json!([p, good()[0].clone(), sf("A"), sf("B")]);
        resolve(&device(&json!({})), Some(&model(&properties)), Some(&channel())).unwrap().effective.properties[0]
            .wiring
            .clone()
    };
    assert_ne!(wiring(None), wiring(Some("A")));
    assert_eq!(wiring(Some("A")), wiring(Some("B")), "another name for the same register");
}

#[test]
fn wiring_changes_with_the_register_of_its_exponent_and_with_the_shift_of_addresses() {
    let wirings = |shift: Option<i32>, exponent: &Json| {
        let mut sf = json!({"name": "SF", "type": "integer", "binding": {"modbus": {"table": "holding", "address": 40085, "dataType": "int16"}}});
        sf.as_object_mut().unwrap().extend(exponent.as_object().unwrap().clone());
        let p = json!({"name": "p", "type": "number", "scaleExponentFrom": "SF", "binding": {"modbus": {"table": "holding", "address": 10, "dataType": "int16"}}});
        let properties = json!([p, good()[0].clone(), sf]);
        let mut block = json!({"channel": "hall"});
        if let Some(shift) = shift {
            block["addressOffset"] = json!(shift);
        }
        let spec = json!({"protocol": {"modbus": block}, "properties": [{"name": "temperature", "binding": {"modbus": {"table": "input", "address": 9, "dataType": "float32"}}}]});
        let resolved = resolve(&device(&spec), Some(&model(&properties)), Some(&channel())).unwrap();
        resolved.effective.properties.iter().map(|p| p.wiring.clone()).take(2).collect::<Vec<_>>()
    };
    let plain = wirings(None, &json!({}));
    assert_eq!(wirings(Some(0), &json!({})), plain);
    assert_eq!(wirings(None, &json!({"unit": "x", "interval": "OnConnect"})), plain);
    let shifted = wirings(Some(-1), &json!({}));
    assert!(shifted.iter().zip(&plain).all(|(a, b)| a != b && a.len() == 16), "{shifted:?} {plain:?}");
    for exponent in [
        json!({"binding": {"modbus": {"table": "holding", "address": 40090, "dataType": "int16"}}}),
        json!({"scale": -1.0}),
        json!({"offset": 1.0}),
    ] {
        let other = wirings(None, &exponent);
        assert!(other[0] != plain[0] && other[1] == plain[1], "{exponent}");
    }
}

#[test]
fn what_a_value_is_rounded_to_must_not_leave_its_limits() {
    for (limits, data_type, value, told) in [
        (json!({"maximum": 25.0, "scale": 10.0}), "uint16", json!(25), Some("30, which is above maximum 25")),
        (json!({"maximum": 25.0, "scale": 10.0}), "uint16", json!(24), None),
        (json!({"minimum": 14.0, "scale": 10.0}), "uint16", json!(14), Some("10, which is below minimum 14")),
        (json!({"minimum": 14.0, "scale": -10.0, "offset": 5.0}), "int16", json!(14), None),
        (json!({"maximum": 2.4}), "uint16", json!(2.4), None),
        (json!({"maximum": 2.5}), "uint16", json!(2.5), Some("3, which is above maximum 2.5")),
        (json!({"maximum": 0.25, "scale": 0.1}), "bcd16", json!(0.25), Some("0.3, which is above maximum 0.25")),
        (json!({"maximum": 100.0, "scale": 100.0 / 255.0}), "uint16", json!(100), None),
        (json!({"maximum": 25.0, "scale": 10.0}), "float32", json!(25), None),
    ] {
        let wanted: Vec<String> = told
            .map(|told| format!("spec.desired.w: would be written as the nearest step, {told}"))
            .into_iter()
            .collect();
        assert_eq!(wish(&limits, data_type, &value), wanted, "{limits} {value}");
    }
}

#[test]
fn desired_arrays_and_times_are_judged_by_their_elements() {
    let array = |data_type: &str| json!({"type": "json", "access": "ReadWrite", "binding": {"modbus": {"table": "holding", "address": 0, "dataType": data_type, "count": 2}}});
    let time = json!({"type": "string", "access": "ReadWrite", "binding": {"modbus": {"table": "holding", "address": 0, "dataType": "cp56"}}});
    let coils = json!({"type": "json", "access": "ReadWrite", "binding": {"modbus": {"table": "coil", "address": 0, "count": 2}}});
    for (property, value, message) in [
        (array("uint16"), json!([1, 65535.4]), ""),
        (array("uint16"), json!([1]), "must be an array of 2 values"),
        (array("uint16"), json!([1, 70000]), "element 1 must be a number from 0 to 65535 (uint16), is 70000"),
        (array("float16"), json!([1, 70000]), "element 1 must be a number from -65504 to 65504 (float16), is 70000"),
        (coils.clone(), json!([true, false]), ""),
        (coils, json!([true, 1]), "element 1 must be true or false, is 1"),
        (time.clone(), json!("2026-03-01T12:30:00"), ""),
        (
            time,
            json!("2026-03-01T12:30:00Z"),
            "must be a local time without a zone, from 2000 on, such as 2026-03-01T12:30:00.000, is \"2026-03-01T12:30:00Z\"",
        ),
    ] {
        let mut wanted = json!({"name": "w"});
        wanted.as_object_mut().unwrap().extend(property.as_object().unwrap().clone());
        let properties = json!([wanted, good()[0].clone()]);
        let found = resolve(&device(&json!({"desired": {"w": value}})), Some(&model(&properties)), Some(&channel()));
        let found: Vec<String> = found.err().unwrap_or_default().iter().map(ToString::to_string).collect();
        let expected: Vec<String> =
            [message].iter().filter(|m| !m.is_empty()).map(|m| format!("spec.desired.w: {m}")).collect();
        assert_eq!(found, expected, "{value}");
    }
}

#[test]
fn the_euro_is_one_byte_in_gbk() {
    let text = |value: &str| {
        let name = json!({"name": "w", "type": "string", "access": "ReadWrite", "binding": {"modbus":
            {"table": "holding", "address": 0, "dataType": "string", "length": 1, "encoding": "gbk"}}});
        let (spec, properties) = (json!({"desired": {"w": value}}), json!([name, good()[0].clone()]));
        resolve(&device(&spec), Some(&model(&properties)), Some(&channel())).is_ok()
    };
    assert!(text("5€") && text("\u{4e2d}") && !text("5\u{4e2d}"));
}

#[test]
fn a_block_of_registers_is_written_whole() {
    let block = |more: &Json, value: &Json| {
        let mut binding = json!({"table": "holding", "address": 0, "dataType": "bytes", "length": 2});
        binding.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        let property = json!({"type": "bytes", "access": "ReadWrite", "binding": {"modbus": binding}});
        let judged = resolve(
            &device(&json!({"desired": {"temperature": value}})),
            Some(&model(&first(&property))),
            Some(&channel()),
        );
        judged.err().unwrap_or_default().iter().map(ToString::to_string).collect::<Vec<_>>()
    };
    assert_eq!(block(&json!({}), &json!("AQL/AA==")), Vec::<String>::new());
    assert_eq!(block(&json!({"byteOrder": "BADC", "length": 3}), &json!("AQL/AAAB")), Vec::<String>::new());
    let wrong = |text: &str| vec![format!("spec.desired.temperature: must be {text}")];
    for (value, shown) in [("AQL/", "\"AQL/\""), ("AQL/AAA=", "\"AQL/AAA=\""), ("", "\"\"")] {
        assert_eq!(
            block(&json!({}), &json!(value)),
            wrong(&format!("exactly 4 bytes in base64 (length 2), is {shown}"))
        );
    }
    // The last letter has bits that no byte takes.
    for value in ["AQL/AB==", "AQL/A===", "AQL/A-==", "AQL"] {
        assert_eq!(block(&json!({}), &json!(value)), wrong(&format!("bytes in base64, is {value:?}")));
    }
    let most = "DeviceModel boiler: spec.properties[temperature].binding.modbus.dataType: takes 124 registers; one write carries \
                123: access must be ReadOnly";
    assert_eq!(block(&json!({"length": 124}), &json!("AQL/AA=="))[0], most);
}
