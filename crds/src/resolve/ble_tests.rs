use super::*;
use serde_json::{Value as Json, json};

fn object<T: serde::de::DeserializeOwned>(json: &Json) -> T {
    serde_json::from_value(json.clone()).unwrap()
}
fn model(properties: &Json) -> DeviceModel {
    object(&json!({"metadata": {"name": "sensor"}, "spec": {"properties": properties,
        "parameters": [{"name": "tail", "type": "string", "default": "11:22"}, {"name": "size", "type": "integer", "default": 5}]}}))
}
fn channel(ble: &Json) -> Channel {
    object(&json!({"metadata": {"name": "hall", "namespace": "plant"}, "spec": {"protocol": {"ble": ble}}}))
}
fn device(ble: &Json, desired: &Json) -> Device {
    object(&json!({"metadata": {"name": "lobby", "namespace": "plant", "uid": "u", "generation": 1},
        "spec": {"model": "sensor", "protocol": {"ble": ble}, "desired": desired}}))
}
fn told<T>(found: Result<T, Vec<FieldError>>) -> Vec<String> {
    found.err().unwrap_or_default().iter().map(ToString::to_string).collect()
}
fn rssi() -> Json {
    json!([{"name": "rssi", "type": "integer", "binding": {"ble": {"about": "Rssi"}}}])
}
/// What is said of a device's block.
fn of_device(ble: &Json) -> Vec<String> {
    told(resolve(&device(ble, &json!({})), Some(&model(&rssi())), None))
}
/// What is said of one property, the model's name taken away.
fn of_property(property: &Json) -> Vec<String> {
    let mut own = json!({"name": "p"});
    own.as_object_mut().unwrap().extend(property.as_object().unwrap().clone());
    let told = told(resolve(&device(&json!({"name": "lobby"}), &json!({})), Some(&model(&json!([own]))), None));
    told.into_iter().map(|line| line.replace("DeviceModel sensor: spec.properties[p]", "")).collect()
}
fn of_binding(type_: &str, binding: &Json) -> Vec<String> {
    of_property(&json!({"type": type_, "binding": {"ble": binding}}))
}

#[test]
fn a_device_takes_what_its_channel_says_and_keeps_what_is_its_own() {
    let own = json!({"channel": "hall", "address": "A4:C1:38:00:${tail}", "timeout": "2s", "connection": "Held"});
    let shared =
        json!({"adapter": "hci1", "connections": 3, "timeout": "1s", "connectTimeout": "9s", "offlineAfter": 7});
    let found = resolve(&device(&own, &json!({})), Some(&model(&rssi())), Some(&channel(&shared))).unwrap();
    let effective = found.effective;
    assert_eq!(
        effective.config.value(),
        json!({"adapter": "hci1", "connections": 3, "timeout": "2s", "connectTimeout": "9s", "offlineAfter": 7,
            "address": "A4:C1:38:00:11:22", "connection": "Held"})
    );
    let time = effective.timeout.map(|time| time.to_string());
    assert_eq!((effective.protocol, time.as_deref(), effective.offline_after), ("ble", Some("2s"), 7));
    assert_eq!((found.class.as_str(), effective.channel.as_deref()), ("ble", Some("hall")));
    let alone = resolve(&device(&json!({"name": "x"}), &json!({})), Some(&model(&rssi())), None).unwrap().effective;
    assert_eq!((alone.timeout.map(|time| time.to_string()).as_deref(), alone.offline_after), (Some("5s"), 3));
}

#[test]
fn what_is_wrong_with_a_device_is_said_at_its_field() {
    let block = "spec.protocol.ble";
    for (ble, said) in [
        (json!({"name": "x"}), vec![]),
        (json!({"name": "x", "address": "AA:BB:CC:DD:EE:FF"}), vec![": exactly one of address, name must be set"]),
        (
            json!({"name": "x", "adapter": "usb"}),
            vec![".adapter: must be hci0, hci1 and so on, or the adapter's address such as AA:BB:CC:DD:EE:FF"],
        ),
        (
            json!({"address": "AA:BB:CC:DD:${tail}:00"}),
            vec![".address: must be six bytes in hexadecimal digits with colons between, such as AA:BB:CC:DD:EE:FF"],
        ),
        (
            json!({"address": "${size}"}),
            vec![".address: must be six bytes in hexadecimal digits with colons between, such as AA:BB:CC:DD:EE:FF"],
        ),
        (json!({"name": "${size}"}), vec![".name: must be text"]),
        (
            json!({"name": "x", "connection": "Never", "pairing": "Required"}),
            vec![
                ".connection: pairing Required, passkeyFrom, timeout and connectTimeout need a connection: it must be WhenDue or Held",
            ],
        ),
        (
            json!({"name": "x", "pairing": "Never", "passkeyFrom": {"secret": "s", "key": "k"}}),
            vec![".passkeyFrom: passkeyFrom goes with pairing WhenAsked or Required"],
        ),
        (
            json!({"name": "x", "heardWithin": "1ms", "connectTimeout": "1h"}),
            vec![".connectTimeout: must be from 1s to 2m, is 1h", ".heardWithin: must be from 1s to 24h, is 1ms"],
        ),
        (json!({"name": "x", "channel": "hall"}), vec![".channel: no Channel \"hall\" in namespace plant"]),
        (
            json!({"name": "x", "channel": "hall", "connections": 5}),
            vec![": adapter and connections stand in the Channel: its devices share one adapter"],
        ),
    ] {
        let said: Vec<String> = said.into_iter().map(|said| format!("{block}{said}")).collect();
        assert_eq!(of_device(&ble), said, "{ble}");
    }
    assert!(is_channel_field("spec.protocol.ble.channel"));
}

#[test]
fn what_is_wrong_with_a_channel_is_the_channels() {
    let with =
        |ble: &Json, shared: &Channel| told(resolve(&device(ble, &json!({})), Some(&model(&rssi())), Some(shared)));
    let own = json!({"channel": "hall", "name": "x"});
    let of_channel = "Channel hall: spec.protocol.ble";
    assert_eq!(
        with(&own, &channel(&json!({"adapter": "usb"}))),
        [format!(
            "{of_channel}.adapter: must be hci0, hci1 and so on, or the adapter's address such as AA:BB:CC:DD:EE:FF"
        )]
    );
    let slow = channel(&json!({"timeout": "1h"}));
    assert_eq!(with(&own, &slow), [format!("{of_channel}.timeout: must be from 10ms to 1m, is 1h")]);
    assert_eq!(with(&json!({"channel": "hall", "name": "x", "timeout": "1s"}), &slow), Vec::<String>::new());
    let other: Channel =
        object(&json!({"metadata": {"name": "hall"}, "spec": {"protocol": {"modbus": {"tcp": {"host": "h"}}}}}));
    assert_eq!(with(&own, &other), ["spec.protocol.ble.channel: Channel hall is not one of protocol ble"]);
}

#[test]
fn names_that_nothing_has_are_refused_with_the_nearest() {
    for (type_, binding, said) in [
        (
            "number",
            json!({"characteristic": "Temprature"}),
            ".binding.ble.characteristic: \"Temprature\" is neither a UUID (4, 8 or, with dashes, 32 hexadecimal digits) nor the name of an assigned characteristic; the nearest name is \"Temperature\"",
        ),
        (
            "number",
            json!({"characteristic": "2A6E", "service": "Enviromental Sensing"}),
            ".binding.ble.service: \"Enviromental Sensing\" is neither a UUID (4, 8 or, with dashes, 32 hexadecimal digits) nor the name of an assigned service; the nearest name is \"Environmental Sensing\"",
        ),
        (
            "number",
            json!({"characteristic": "2A37", "field": "hartRate"}),
            ".binding.ble.field: there is no field \"hartRate\" in Heart Rate Measurement; the nearest name is \"heartRate\"",
        ),
        (
            "number",
            json!({"advertisement": {"format": "Ruuvi5", "field": "temprature"}}),
            ".binding.ble.advertisement.field: there is no field \"temprature\" in Ruuvi5; the nearest name is \"temperature\"",
        ),
        (
            "number",
            json!({"advertisement": {"manufacturer": "Ruvi Inovations Ltd."}, "dataType": "uint8"}),
            ".binding.ble.advertisement.manufacturer: \"Ruvi Inovations Ltd.\" is neither a company identifier (0 to 65535, or 0x0000 to 0xFFFF) nor the name of a company; the nearest name is \"Ruuvi Innovations Ltd.\"",
        ),
        (
            "number",
            json!({"characteristic": "${size}"}),
            ".binding.ble: with its parameters filled in: invalid type: integer `5`, expected a string; write \"…${name}…\" around it",
        ),
    ] {
        assert_eq!(of_binding(type_, &binding), [said], "{binding}");
    }
    for binding in [
        json!({"characteristic": "temperature"}),
        json!({"characteristic": "0x2A6E", "service": "181A"}),
        json!({"characteristic": "org.bluetooth.characteristic.temperature"}),
        json!({"characteristic": "f7826da6-4fa2-4e98-8024-bc5b71e0893e", "dataType": "sint16"}),
        json!({"advertisement": {"manufacturer": "0x0499"}, "dataType": "uint8"}),
        json!({"advertisement": {"service": "FCD2", "prefix": "40"}, "dataType": "uint8"}),
    ] {
        assert_eq!(of_binding("number", &binding), Vec::<String>::new(), "{binding}");
    }
}

#[test]
fn what_the_assigned_numbers_do_not_say_the_binding_must() {
    let one = |binding: &Json| of_binding("number", binding).join("\n");
    assert_eq!(
        one(&json!({"characteristic": "f7826da6-4fa2-4e98-8024-bc5b71e0893e"})),
        ".binding.ble.dataType: needed: how f7826da6-4fa2-4e98-8024-bc5b71e0893e is laid out is not known here"
    );
    let several = one(&json!({"characteristic": "Heart Rate Measurement"}));
    assert!(
        several.starts_with(".binding.ble.field: needed: Heart Rate Measurement has several: heartRate, "),
        "{several}"
    );
    let beyond = one(&json!({"characteristic": "2A6E", "dataType": "uint64", "byteOffset": 510}));
    assert_eq!(beyond, ".binding.ble.dataType: a value has 512 bytes at most");
}

#[test]
fn a_type_goes_with_the_values_that_carry_it() {
    let number = ".binding.ble.dataType: type number and integer need a value that is a number";
    let boolean = ".binding.ble.dataType: type boolean needs dataType boolean, or one bit of a number";
    let raw = |data_type: &str| json!({"characteristic": "2A6E", "dataType": data_type});
    let bit = json!({"characteristic": "2A6E", "dataType": "uint8", "bits": {"first": 7}});
    let text = ".binding.ble.dataType: type string needs text, or enum";
    for (type_, binding, said) in [
        ("number", json!({"characteristic": "Temperature"}), None),
        ("integer", json!({"characteristic": "2A37", "field": "heartRate"}), None),
        ("boolean", json!({"characteristic": "2A37", "field": "sensorContact"}), None),
        ("string", json!({"characteristic": "Serial Number String"}), None),
        ("string", json!({"advertisement": {"format": "BTHome", "field": "text"}}), None),
        ("number", raw("medfloat16"), None),
        ("boolean", raw("boolean"), None),
        ("boolean", bit.clone(), None),
        ("integer", bit, None),
        ("string", raw("utf16"), None),
        ("bytes", raw("bytes"), None),
        ("string", json!({"about": "LastSeen"}), None),
        ("integer", json!({"about": "Battery"}), None),
        ("number", raw("utf8"), Some(number)),
        (
            "number",
            json!({"about": "LocalName"}),
            Some(".binding.ble.about: type number and integer need a value that is a number"),
        ),
        (
            "string",
            json!({"characteristic": "Temperature"}),
            Some(".binding.ble.characteristic: type string needs text, or enum"),
        ),
        (
            "string",
            json!({"advertisement": {"format": "Ruuvi5", "field": "temperature"}}),
            Some(".binding.ble.advertisement.field: type string needs text, or enum"),
        ),
        ("boolean", raw("uint8"), Some(boolean)),
        ("string", raw("uint8"), Some(text)),
        ("bytes", raw("utf8"), Some(".binding.ble.dataType: type bytes needs dataType bytes")),
        ("json", raw("uint8"), Some(".binding.ble.dataType: type json cannot be read from one value")),
    ] {
        let said: Vec<String> = said.map(str::to_owned).into_iter().collect();
        assert_eq!(of_binding(type_, &binding), said, "{type_} {binding}");
    }
    let named = |value: i64| {
        of_property(&json!({"type": "string", "enum": [{"value": value, "name": "Eco"}],
            "binding": {"ble": {"characteristic": "2A6E", "dataType": "uint8"}}}))
    };
    assert_eq!(named(255), Vec::<String>::new());
    assert_eq!(named(256), [".enum: value 256: 256 does not fit uint8: 0 to 255"]);
}

#[test]
fn what_cannot_be_written_must_be_read_only() {
    let of = |binding: Json| {
        of_property(&json!({"type": "number", "access": "ReadWrite", "binding": {"ble": binding}})).join("\n")
    };
    let advertised =
        ".binding.ble: what is advertised, and what the adapter knows, cannot be written: access must be ReadOnly";
    assert_eq!(of(json!({"about": "Rssi"})), advertised);
    assert_eq!(of(json!({"advertisement": {"format": "Ruuvi5", "field": "temperature"}})), advertised);
    assert_eq!(of(json!({"advertisement": {"service": "FEAA"}, "dataType": "uint8"})), advertised);
    assert_eq!(of(json!({"characteristic": "Temperature"})), "");
    assert_eq!(
        of(json!({"characteristic": "2A37", "field": "heartRate"})),
        ".binding.ble.field: heartRate of Heart Rate Measurement cannot be written: access must be ReadOnly"
    );
}

#[test]
fn a_device_that_is_only_listened_to_has_no_characteristics() {
    let of = |ble: &Json, binding: Json| {
        let property = json!([{"name": "p", "type": "number", "binding": {"ble": binding}}]);
        told(resolve(&device(ble, &json!({})), Some(&model(&property)), None))
    };
    let (never, due) = (json!({"name": "x", "connection": "Never"}), json!({"name": "x"}));
    let said = [
        "DeviceModel sensor: spec.properties[p].binding.ble: needs a connection, and spec.protocol.ble.connection is Never: it must be WhenDue or Held",
    ];
    for binding in [json!({"characteristic": "2A6E"}), json!({"about": "Battery"})] {
        assert_eq!(of(&never, binding.clone()), said, "{binding}");
        assert_eq!(of(&due, binding), Vec::<String>::new());
    }
    assert_eq!(of(&never, json!({"about": "Rssi"})), Vec::<String>::new());
    let keyed = json!({"name": "x", "bindKeyFrom": {"secret": "s", "key": "k"}});
    let key = ["spec.protocol.ble.bindKeyFrom: goes with a property of format BTHome: nothing else is encrypted by it"];
    assert_eq!(of(&keyed, json!({"about": "Rssi"})), key);
    assert_eq!(of(&keyed, json!({"advertisement": {"format": "BTHome", "field": "battery"}})), Vec::<String>::new());
}

#[test]
fn a_read_group_is_one_characteristic_or_one_advertisement() {
    let group = |bindings: &[Json]| {
        let properties: Vec<Json> = bindings
            .iter()
            .enumerate()
            .map(|(at, binding)| json!({"name": format!("p{at}"), "type": "number", "readGroup": "g", "binding": {"ble": binding}}))
            .collect();
        told(resolve(&device(&json!({"name": "x"}), &json!({})), Some(&model(&json!(properties))), None))
    };
    let heart = |field: &str| json!({"characteristic": "2A37", "field": field});
    let full = json!({"characteristic": "Heart Rate Measurement", "dataType": "uint8", "byteOffset": 1});
    assert_eq!(group(&[heart("heartRate"), heart("energyExpended"), full]), Vec::<String>::new());
    let ruuvi = |field: &str| json!({"advertisement": {"format": "Ruuvi5", "field": field}});
    assert_eq!(group(&[ruuvi("temperature"), ruuvi("humidity")]), Vec::<String>::new());
    let said = [
        "DeviceModel sensor: spec.properties[p1].readGroup: members of a readGroup must stand in one characteristic, or in one advertisement",
    ];
    assert_eq!(group(&[heart("heartRate"), json!({"characteristic": "2A6E"})]), said);
    assert_eq!(group(&[ruuvi("temperature"), json!({"about": "Rssi"})]), said);
}

#[test]
fn desired_values_are_those_that_the_characteristic_can_carry() {
    let said_of = |property: Json, value: Json| {
        let mut own = json!({"name": "p", "type": "number", "access": "ReadWrite"});
        own.as_object_mut().unwrap().extend(property.as_object().unwrap().clone());
        let found = resolve(&device(&json!({"name": "x"}), &json!({"p": value})), Some(&model(&json!([own]))), None);
        told(found).join("\n").replace("spec.desired.p: ", "")
    };
    let raw = |data_type: &str| json!({"characteristic": "2A6E", "dataType": data_type});
    let property = |binding: Json, more: Json| {
        let mut property = json!({"binding": {"ble": binding}});
        property.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        property
    };
    for (property, value, said) in [
        (property(raw("uint8"), json!({})), json!(255), ""),
        (property(raw("uint8"), json!({})), json!(256), "256 does not fit uint8: 0 to 255"),
        (
            property(raw("uint8"), json!({"maximum": 2.5})),
            json!(2.5),
            "would be written as the nearest step, 3, which is above maximum 2.5",
        ),
        (property(raw("uint8"), json!({"scale": 0.1})), json!(25.5), ""),
        (
            property(raw("uint8"), json!({"scale": 0.1})),
            json!(25.6),
            "before scale and offset, 256 does not fit uint8: 0 to 255",
        ),
        (property(raw("uint64"), json!({"type": "integer"})), json!("18446744073709551615"), ""),
        (property(json!({"characteristic": "Temperature"}), json!({})), json!(21.53), ""),
        (
            property(json!({"characteristic": "Temperature"}), json!({})),
            json!(400),
            "400 does not fit sint16: -273.15 to 327.67",
        ),
        (
            property(json!({"characteristic": "Temperature"}), json!({})),
            json!(-327.68),
            "-327.68 does not fit sint16: -273.15 to 327.67",
        ),
        (property(raw("boolean"), json!({"type": "boolean"})), json!(true), ""),
        (
            property(json!({"characteristic": "2A6E", "dataType": "utf8", "length": 3}), json!({"type": "string"})),
            json!("abcd"),
            "4 bytes are too long: there is room for 3",
        ),
        (
            property(json!({"characteristic": "2A6E", "dataType": "bytes", "length": 2}), json!({"type": "bytes"})),
            json!("AQID"),
            "3 bytes are too long: there is room for 2",
        ),
        (
            property(
                json!({"characteristic": "2A6E", "dataType": "uint16", "byteOffset": 4, "bits": {"first": 4, "count": 3}}),
                json!({}),
            ),
            json!(8),
            "8 does not fit uint16: 0 to 7",
        ),
    ] {
        assert_eq!(said_of(property.clone(), value.clone()), said, "{property} {value}");
    }
}

#[test]
fn a_model_is_judged_without_a_device() {
    assert_eq!(judge_model(&model(&rssi())), []);
    let wrong = judge_model(&model(
        &json!([{"name": "p", "type": "number", "binding": {"ble": {"characteristic": "Xyzzyxyzzy"}}}]),
    ));
    assert_eq!(wrong.len(), 1);
    assert_eq!(wrong[0].field, "spec.properties[p].binding.ble.characteristic");
}
