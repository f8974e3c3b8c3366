//! Bluetooth LE.
use super::{Row, list};
use serde_json::{Value as Json, json};

/// Of a Device; all but those that `IS_DEVICES` names also of a Channel.
pub(crate) fn settings() -> Vec<Row> {
    let (name, long) = ("a".repeat(253), "a".repeat(254));
    let (local, longer) = ("a".repeat(248), "a".repeat(249));
    let (secret, longest) = ("a".repeat(120), "a".repeat(121));
    let (key, longest_key) = ("A_-9".repeat(15), "a".repeat(64));
    vec![
        row!("channel", ["a", name], ["", long]),
        row!(
            "adapter",
            ["hci0", "hci999", "aa:BB:cc:DD:ee:00"],
            ["hci", "hci1000", "usb0", "AA:BB:CC:DD:EE", "AA-BB-CC-DD-EE-FF", "AA:BB:CC:DD:EE:FG"]
        ),
        row!("connections", [1, 32], [0, 33, "5"]),
        row!(
            "address",
            ["AA:BB:CC:DD:EE:FF", "aa:bb:cc:dd:ee:ff", "${mac}", "AA:BB:CC:${tail}"],
            ["", "AABBCCDDEEFF", "AA:BB:CC:DD:EE:F", "AA:BB:CC:DD:EE:FF:00", "GA:BB:CC:DD:EE:FF", "AA:BB:CC:DD:EE:FF ",]
        ),
        row!("name", ["a", local, "Küche 1"], ["", longer, 7]),
        row!("pairing", ["Never", "WhenAsked", "Required"], ["required", true]),
        row!("passkeyFrom.secret", ["a", secret, "a-1"], ["", longest, "A", "-a", "a.b"]),
        row!("passkeyFrom.key", ["a", key], ["", longest_key, "a.b", "a b"]),
        row!("bindKeyFrom.secret", ["a", secret], ["", longest, "a.b"]),
        row!("bindKeyFrom.key", ["a", key], ["", longest_key, "tls.crt"]),
        row!("connection", ["WhenDue", "Held", "Never"], ["held", "Always"]),
        row!("timeout", ["10ms", "1m"], ["9ms", "1m1ms", "0s", "5"]),
        row!("connectTimeout", ["1s", "2m"], ["999ms", "120001ms"]),
        row!("offlineAfter", [1, 1000], [0, 1001]),
        row!("heardWithin", ["1s", "24h"], ["999ms", "24h1ms"]),
    ]
}
pub(crate) const IS_DEVICES: [&str; 8] =
    ["channel", "address", "name", "pairing", "passkeyFrom", "bindKeyFrom", "connection", "heardWithin"];

/// Bindings, each as a whole.
#[allow(clippy::too_many_lines, reason = "a table")]
pub(crate) fn bindings() -> Vec<Row> {
    let (name, long) = ("a".repeat(128), "a".repeat(129));
    let (field, longer) = ("a".repeat(64), "a".repeat(65));
    let (prefix, longest) = ("0aF9".repeat(16), "00".repeat(33));
    vec![
        row!("characteristic", [
            {"characteristic": "Temperature"}, {"characteristic": "2A6E"}, {"characteristic": "0x2a6e"}, {"characteristic": "${which}"},
            {"characteristic": "f7826da6-4fa2-4e98-8024-bc5b71e0893e"}, {"characteristic": name}, {"characteristic": "00002A6E"},
        ], [
            {"characteristic": ""}, {"characteristic": long}, {"characteristic": "2A6"}, {"characteristic": "2A6E0"}, {"characteristic": 2902},
            {"characteristic": "f7826da6-4fa2-4e98-8024-bc5b71e0893"}, {"characteristic": "f7826da64fa24e988024bc5b71e0893e"},
            {"characteristic": "Temperature", "about": "Rssi"}, {"service": "181A"},
        ]),
        row!("service", [
            {"characteristic": "2A6E", "service": "181A"}, {"characteristic": "2A6E", "service": "Environmental Sensing"},
            {"characteristic": "2A6E", "service": "f7826da6-4fa2-4e98-8024-bc5b71e0893e"},
        ], [
            {"characteristic": "2A6E", "service": ""}, {"characteristic": "2A6E", "service": "181"},
            {"characteristic": "2A6E", "service": long}, {"about": "Rssi", "service": "181A"},
        ]),
        row!("handle", [{"characteristic": "2A6E", "handle": 1}, {"characteristic": "2A6E", "handle": 65535}], [
            {"characteristic": "2A6E", "handle": 0}, {"characteristic": "2A6E", "handle": 65536}, {"about": "Rssi", "handle": 1},
        ]),
        row!("field", [{"characteristic": "2A37", "field": "heartRate"}, {"characteristic": "2A37", "field": field}], [
            {"characteristic": "2A37", "field": ""}, {"characteristic": "2A37", "field": longer}, {"characteristic": "2A37", "field": "heart rate"},
            {"characteristic": "2A37", "field": "a", "dataType": "uint8"}, {"about": "Rssi", "field": "a"},
        ]),
        row!("notify", [
            {"characteristic": "2A6E", "notify": "Auto"}, {"characteristic": "2A6E", "notify": "Never"}, {"characteristic": "2A6E", "notify": "Required"},
        ], [{"characteristic": "2A6E", "notify": "auto"}, {"characteristic": "2A6E", "notify": true}, {"about": "Rssi", "notify": "Auto"}]),
        row!("writeType", [
            {"characteristic": "2A6E", "writeType": "Auto"}, {"characteristic": "2A6E", "writeType": "WithResponse"},
            {"characteristic": "2A6E", "writeType": "WithoutResponse"},
        ], [{"characteristic": "2A6E", "writeType": "Command"}, {"about": "Rssi", "writeType": "Auto"}]),
        row!("about", [
            {"about": "Rssi"}, {"about": "TxPower"}, {"about": "Battery"}, {"about": "LastSeen"}, {"about": "LocalName"},
        ], [{"about": "RSSI"}, {"about": "Rssi", "advertisement": {"format": "Ruuvi5", "field": "temperature"}}]),
        row!("advertisement.format", [
            {"advertisement": {"format": "BTHome", "field": "a"}}, {"advertisement": {"format": "Ruuvi5", "field": "a"}},
            {"advertisement": {"format": "IBeacon", "field": "a"}}, {"advertisement": {"format": "EddystoneTLM", "field": "a"}},
        ], [
            {"advertisement": {"format": "bthome", "field": "a"}}, {"advertisement": {}},
            {"advertisement": {"format": "BTHome", "field": "a", "service": "FCD2"}},
        ]),
        row!("advertisement.field", [{"advertisement": {"format": "BTHome", "field": field}}], [
            {"advertisement": {"format": "BTHome", "field": ""}}, {"advertisement": {"format": "BTHome", "field": longer}},
            {"advertisement": {"format": "BTHome"}}, {"advertisement": {"service": "FCD2", "field": "a"}, "dataType": "uint8"},
        ]),
        row!("advertisement.index", [
            {"advertisement": {"format": "BTHome", "field": "a", "index": 1}}, {"advertisement": {"format": "BTHome", "field": "a", "index": 64}},
        ], [
            {"advertisement": {"format": "BTHome", "field": "a", "index": 0}}, {"advertisement": {"format": "BTHome", "field": "a", "index": 65}},
            {"advertisement": {"format": "Ruuvi5", "field": "a", "index": 1}},
        ]),
        row!("advertisement.manufacturer", [
            {"advertisement": {"manufacturer": "0x0499"}, "dataType": "uint8"}, {"advertisement": {"manufacturer": name}, "dataType": "uint8"},
            {"advertisement": {"manufacturer": "Ruuvi Innovations Ltd."}, "dataType": "uint8"}, {"advertisement": {"manufacturer": "${maker}"}, "dataType": "uint8"},
        ], [
            {"advertisement": {"manufacturer": ""}, "dataType": "uint8"}, {"advertisement": {"manufacturer": long}, "dataType": "uint8"},
            {"advertisement": {"manufacturer": "0x"}, "dataType": "uint8"}, {"advertisement": {"manufacturer": 1177}, "dataType": "uint8"},
            {"advertisement": {"manufacturer": "0x0499", "service": "FCD2"}, "dataType": "uint8"}, {"advertisement": {"manufacturer": "0x0499"}},
        ]),
        row!("advertisement.service", [
            {"advertisement": {"service": "FCD2"}, "dataType": "uint8"}, {"advertisement": {"service": name}, "dataType": "uint8"},
        ], [
            {"advertisement": {"service": ""}, "dataType": "uint8"}, {"advertisement": {"service": "FC1"}, "dataType": "uint8"},
            {"advertisement": {"service": long}, "dataType": "uint8"}, {"advertisement": {"service": "FCD2"}},
        ]),
        row!("advertisement.prefix", [
            {"advertisement": {"service": "FCD2", "prefix": "40"}, "dataType": "uint8"}, {"advertisement": {"manufacturer": "a", "prefix": prefix}, "dataType": "uint8"},
        ], [
            {"advertisement": {"service": "FCD2", "prefix": "4"}, "dataType": "uint8"}, {"advertisement": {"service": "FCD2", "prefix": "4g"}, "dataType": "uint8"},
            {"advertisement": {"service": "FCD2", "prefix": longest}, "dataType": "uint8"}, {"advertisement": {"format": "BTHome", "field": "a", "prefix": "40"}},
        ]),
        row!("dataType", [
            {"characteristic": "2A6E", "dataType": "sint16"}, {"characteristic": "2A6E", "dataType": "medfloat32"},
        ], [
            {"characteristic": "2A6E", "dataType": "int16"}, {"characteristic": "2A6E", "dataType": "Uint8"}, {"about": "Rssi", "dataType": "sint8"},
            {"advertisement": {"format": "BTHome", "field": "a"}, "dataType": "uint8"},
        ]),
        row!("byteOrder", [
            {"characteristic": "2A6E", "dataType": "uint16", "byteOrder": "LittleEndian"}, {"characteristic": "2A6E", "dataType": "float64", "byteOrder": "BigEndian"},
        ], [
            {"characteristic": "2A6E", "dataType": "uint16", "byteOrder": "big"}, {"characteristic": "2A6E", "dataType": "uint8", "byteOrder": "BigEndian"},
            {"characteristic": "2A6E", "dataType": "utf8", "byteOrder": "BigEndian"}, {"characteristic": "2A6E", "byteOrder": "BigEndian"},
        ]),
        row!("byteOffset", [
            {"characteristic": "2A6E", "dataType": "uint8", "byteOffset": 0}, {"characteristic": "2A6E", "dataType": "uint8", "byteOffset": 511},
        ], [
            {"characteristic": "2A6E", "dataType": "uint8", "byteOffset": -1}, {"characteristic": "2A6E", "dataType": "uint8", "byteOffset": 512},
            {"characteristic": "2A6E", "byteOffset": 0},
        ]),
        row!("length", [
            {"characteristic": "2A6E", "dataType": "utf8", "length": 1}, {"characteristic": "2A6E", "dataType": "bytes", "length": 512},
        ], [
            {"characteristic": "2A6E", "dataType": "utf8", "length": 0}, {"characteristic": "2A6E", "dataType": "bytes", "length": 513},
            {"characteristic": "2A6E", "dataType": "uint8", "length": 1}, {"characteristic": "2A6E", "length": 1},
        ]),
        row!("bits.first", [
            {"characteristic": "2A6E", "dataType": "uint8", "bits": {"first": 0}}, {"characteristic": "2A6E", "dataType": "uint64", "bits": {"first": 63}},
        ], [
            {"characteristic": "2A6E", "dataType": "uint8", "bits": {"first": -1}}, {"characteristic": "2A6E", "dataType": "uint64", "bits": {"first": 64}},
            {"characteristic": "2A6E", "dataType": "uint8", "bits": {"count": 1}},
        ]),
        row!("bits.count", [
            {"characteristic": "2A6E", "dataType": "uint8", "bits": {"first": 0, "count": 8}}, {"characteristic": "2A6E", "dataType": "uint64", "bits": {"first": 0, "count": 64}},
        ], [
            {"characteristic": "2A6E", "dataType": "uint8", "bits": {"first": 0, "count": 0}}, {"characteristic": "2A6E", "dataType": "uint64", "bits": {"first": 0, "count": 65}},
            {"characteristic": "2A6E", "dataType": "uint8", "bits": {"first": 4, "count": 5}},
            {"characteristic": "2A6E", "dataType": "sint8", "bits": {"first": 8, "count": 1}},
            {"characteristic": "2A6E", "dataType": "boolean", "bits": {"first": 0, "count": 2}}, {"characteristic": "2A6E", "dataType": "float32", "bits": {"first": 0, "count": 2}},
        ]),
    ]
}

/// A block with this field, and with what it needs beside.
pub(crate) fn block(field: &str, value: &Json, kind: &str) -> Json {
    let mut block =
        if kind == "Device" && field != "name" { json!({"address": "AA:BB:CC:DD:EE:FF"}) } else { json!({}) };
    if let Some((secret, _)) = field.split_once('.') {
        block[secret] = json!({"secret": "s", "key": "k"});
    }
    let place = field.split('.').fold(&mut block, |place, part| &mut place[part]);
    *place = value.clone();
    block
}
