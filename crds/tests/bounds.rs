//! Every field of Modbus at its bounds and just outside, through the offline pipeline: what the reference promises, the schema holds.
#![cfg(feature = "offline")]
#![allow(clippy::unwrap_used)] // how a test fails

use pollux_crds::{manifests, offline};
use serde_json::{Value as Json, json};
use std::collections::BTreeSet;

/// A field, what is at its bounds, and what is just outside.
struct Row(&'static str, Vec<Json>, Vec<Json>);

macro_rules! row {
    ($field:literal, $inside:tt, $outside:tt) => {
        Row($field, list(json!($inside)), list(json!($outside)))
    };
}
fn list(json: Json) -> Vec<Json> {
    let Json::Array(items) = json else { return vec![] };
    items
}

/// Of a Device; all but those that `IS_DEVICES` names also of a Channel.
fn settings() -> Vec<Row> {
    let (name, long) = ("a".repeat(253), "a".repeat(254));
    let (secret, longer) = ("a".repeat(180), "a".repeat(181));
    let (path, longest) = (format!("/dev/{}", "a".repeat(250)), format!("/dev/{}", "a".repeat(251)));
    vec![
        row!("channel", ["a", name], ["", long]),
        row!("tcp.host", ["a", name, "2001:db8::5"], ["", long, "a b", "-a"]),
        row!("tcp.port", [1, 65535], [0, 65536, "502"]),
        row!("rtuOverTcp.host", ["a", name], ["", long]),
        row!("rtuOverTcp.port", [1, 65535], [0, 65536]),
        row!("tls.host", ["a", name], ["", long]),
        row!("tls.port", [1, 65535], [0, 65536]),
        row!("tls.secret", ["a", secret], ["", longer, "A", "-a"]),
        row!("tls.serverName", ["a", name], ["", long, "a_b"]),
        row!("tls.insecureSkipVerify", [true, false], [1, "true"]),
        row!("rtu.path", ["/dev/a", path], ["", longest, "ttyUSB0", "/dev/tty USB0"]),
        row!("rtu.baudRate", [300, 4_000_000], [299, 4_000_001]),
        row!("rtu.parity", ["None", "Even", "Odd"], ["even", "Mark"]),
        row!("rtu.stopBits", [1, 2], [0, 3]),
        row!("rtu.rs485.rts", ["High", "Low"], ["high", 1]),
        row!("rtu.rs485.delayBeforeSend", [0, 100], [-1, 101]),
        row!("rtu.rs485.delayAfterSend", [0, 100], [-1, 101, "5ms"]),
        row!("rtu.rs485.terminate", [true], ["yes"]),
        row!("unitId", [0, 255], [-1, 256]),
        row!("timeout", ["10ms", "1m", "60s"], ["9ms", "1m1ms", "0s", "1", "1.5s"]),
        row!("connectTimeout", ["10ms", "1m"], ["9ms", "60001ms"]),
        row!("offlineAfter", [1, 1000], [0, 1001]),
        row!("pipeline", [1, 64], [0, 65]),
        row!("pacing.afterConnect", ["0s", "1m"], ["1m1ms", "1h"]),
        row!("pacing.betweenRequests", ["0s", "10s"], ["10001ms"]),
        row!("pacing.closeAfterIdle", ["1s", "24h"], ["999ms", "24h1ms", "0s"]),
        row!("retries", [0, 10], [-1, 11]),
        row!("busyRetry.times", [0, 10], [-1, 11]),
        row!("busyRetry.delay", ["10ms", "10s"], ["9ms", "10001ms", "999999999h"]),
        row!("limits.registers", [1, 125], [0, 126]),
        row!("limits.bits", [1, 2000], [0, 2001]),
        row!("limits.writeRegisters", [1, 123], [0, 124]),
        row!("limits.writeBits", [1, 1968], [0, 1969]),
        row!("limits.gap", [0, 124], [-1, 125]),
        row!("cost.requestMicros", [1, 10_000_000], [0, 10_000_001]),
        row!("cost.registerMicros", [0, 1_000_000], [-1, 1_000_001]),
        row!("writeFunction", ["Auto", "Single", "Multiple"], ["auto"]),
        row!("addressOffset", [-65535, 65535], [-65536, 65536]),
        row!("avoid.table", ["coil", "discrete", "input", "holding"], ["Coil", "holdings"]),
        row!("avoid.first", [0, 65535], [-1, 65536]),
        row!("avoid.last", [0, 65535], [-1, 65536]),
        row!("identify", [true, false], [1]),
    ]
}
const IS_DEVICES: [&str; 6] = ["channel", "unitId", "writeFunction", "addressOffset", "avoid", "identify"];

/// Bindings, each as a whole.
#[allow(clippy::too_many_lines, reason = "a table")]
fn bindings() -> Vec<Row> {
    vec![
        row!("table", [
            {"table": "coil", "address": 0}, {"table": "discrete", "address": 0},
            {"table": "input", "address": 0, "bit": 0}, {"table": "holding", "address": 0, "bit": 0},
        ], [{"table": "holdings", "address": 0, "bit": 0}, {"address": 0, "bit": 0}]),
        row!("address", [{"table": "coil", "address": 65535}], [
            {"table": "coil", "address": 65536}, {"table": "coil", "address": -1}, {"table": "coil"},
            {"table": "holding", "address": 65535, "dataType": "uint32"},
            {"table": "holding", "address": 65533, "dataType": "uint64"},
            {"table": "holding", "address": 65534, "dataType": "m10k48"},
            {"table": "holding", "address": 65530, "dataType": "string", "length": 7},
            {"table": "holding", "address": 65530, "dataType": "bytes", "length": 7},
            {"table": "holding", "address": 65530, "dataType": "uint16", "count": 7},
            {"table": "coil", "address": 65534, "count": 3},
        ]),
        row!("register", [
            {"register": "40001", "bit": 0}, {"register": "465536", "bit": 0}, {"register": "00001"},
            {"register": "065536"}, {"register": "19999"}, {"register": "365536", "dataType": "int16"},
        ], [
            {"register": "40000", "bit": 0}, {"register": "465537", "bit": 0}, {"register": "4001", "bit": 0},
            {"register": "4000001", "bit": 0}, {"register": "20001", "bit": 0}, {"register": 40001, "bit": 0},
            {"register": "40001", "table": "holding", "address": 0, "bit": 0},
        ]),
        row!("dataType", [{"table": "input", "address": 0, "dataType": "float16"}], [
            {"table": "input", "address": 0, "dataType": "Float16"}, {"table": "input", "address": 0},
            {"table": "input", "address": 0, "dataType": "int16", "bit": 1},
            {"table": "coil", "address": 0, "dataType": "int16"},
        ]),
        row!("byteOrder", [
            {"table": "input", "address": 0, "dataType": "int16", "byteOrder": "DCBA"},
            {"table": "input", "address": 0, "dataType": "cp56", "byteOrder": "GHEFCDAB"},
            {"table": "input", "address": 0, "dataType": "string", "length": 1, "byteOrder": "BADC"},
            {"table": "input", "address": 0, "dataType": "bytes", "length": 1, "byteOrder": "BADC"},
            {"table": "input", "address": 0, "bit": 1, "byteOrder": "BADC"},
        ], [
            {"table": "input", "address": 0, "dataType": "int32", "byteOrder": "GHEFCDAB"},
            {"table": "input", "address": 0, "dataType": "int32", "byteOrder": "ABDC"},
            {"table": "input", "address": 0, "dataType": "string", "length": 1, "byteOrder": "CDAB"},
            {"table": "input", "address": 0, "dataType": "bytes", "length": 1, "byteOrder": "DCBA"},
            {"table": "input", "address": 0, "bit": 1, "byteOrder": "HGFEDCBA"},
            {"table": "coil", "address": 0, "byteOrder": "BADC"},
        ]),
        row!("bit", [{"table": "holding", "address": 0, "bit": 0}, {"table": "holding", "address": 0, "bit": 15}], [
            {"table": "holding", "address": 0, "bit": -1}, {"table": "holding", "address": 0, "bit": 16},
            {"table": "coil", "address": 0, "bit": 0},
        ]),
        row!("bits", [
            {"table": "holding", "address": 0, "bit": 0, "bits": 16}, {"table": "holding", "address": 0, "bit": 15, "bits": 1},
        ], [
            {"table": "holding", "address": 0, "bit": 0, "bits": 17}, {"table": "holding", "address": 0, "bit": 1, "bits": 16},
            {"table": "holding", "address": 0, "bit": 0, "bits": 0}, {"table": "holding", "address": 0, "bits": 2},
        ]),
        row!("length", [
            {"table": "holding", "address": 0, "dataType": "string", "length": 1},
            {"table": "holding", "address": 0, "dataType": "string", "length": 125},
            {"table": "holding", "address": 65411, "dataType": "bytes", "length": 125},
        ], [
            {"table": "holding", "address": 0, "dataType": "string", "length": 0},
            {"table": "holding", "address": 0, "dataType": "string", "length": 126},
            {"table": "holding", "address": 0, "dataType": "bytes", "length": 126},
            {"table": "holding", "address": 0, "dataType": "bytes"},
            {"table": "holding", "address": 0, "dataType": "string"},
            {"table": "holding", "address": 0, "dataType": "int16", "length": 1},
        ]),
        row!("encoding", [{"table": "holding", "address": 0, "dataType": "string", "length": 1, "encoding": "gbk"}], [
            {"table": "holding", "address": 0, "dataType": "string", "length": 1, "encoding": "GBK"},
            {"table": "holding", "address": 0, "dataType": "int16", "encoding": "gbk"},
            {"table": "holding", "address": 0, "dataType": "bytes", "length": 1, "encoding": "gbk"},
        ]),
        row!("trim", [{"table": "holding", "address": 0, "dataType": "string", "length": 1, "trim": "None"}], [
            {"table": "holding", "address": 0, "dataType": "string", "length": 1, "trim": "none"},
            {"table": "holding", "address": 0, "dataType": "int16", "trim": "Both"},
        ]),
        row!("count", [
            {"table": "coil", "address": 0, "count": 2}, {"table": "coil", "address": 0, "count": 680},
            {"table": "holding", "address": 0, "dataType": "uint16", "count": 125},
            {"table": "holding", "address": 0, "dataType": "uint64", "count": 31},
            {"table": "holding", "address": 0, "dataType": "string", "length": 5, "count": 25},
        ], [
            {"table": "coil", "address": 0, "count": 1}, {"table": "coil", "address": 0, "count": 681},
            {"table": "holding", "address": 0, "dataType": "uint16", "count": 126},
            {"table": "holding", "address": 0, "dataType": "m10k48", "count": 42},
            {"table": "holding", "address": 0, "dataType": "uint64", "count": 32},
            {"table": "holding", "address": 0, "dataType": "string", "length": 5, "count": 26},
            {"table": "holding", "address": 0, "bit": 1, "count": 2},
            {"table": "holding", "address": 0, "dataType": "bytes", "length": 2, "count": 2},
        ]),
        row!("alone", [{"table": "coil", "address": 0, "alone": true}], [{"table": "coil", "address": 0, "alone": "true"}]),
    ]
}

/// A block of Modbus with this field, and with what it needs beside.
fn block(field: &str, value: &Json) -> Json {
    let mut block = match field.split('.').next().unwrap_or_default() {
        "channel" => json!({}),
        "rtu" => json!({"rtu": {"path": "/dev/ttyS0"}}),
        "rtuOverTcp" => json!({"rtuOverTcp": {"host": "h", "port": 1}}),
        "tls" => json!({"tls": {"host": "h", "secret": "s"}}),
        _ => json!({"tcp": {"host": "h"}}),
    };
    match field.split_once('.') {
        Some(("cost", _)) => block["cost"] = json!({"requestMicros": 1, "registerMicros": 1}),
        Some(("avoid", part)) => {
            let bound = if part == "first" { 65535 } else { 0 };
            block["avoid"] = json!([{"table": "coil", "first": 0, "last": bound}]);
        }
        _ => {}
    }
    let parts = field.split('.').flat_map(|part| [Some(part), (part == "avoid").then_some("0")]).flatten();
    let place = parts.fold(&mut block, |place, part| match place {
        Json::Array(items) => &mut items[part.parse::<usize>().unwrap()],
        other => &mut other[part],
    });
    *place = value.clone();
    block
}
fn device(block: &Json) -> Json {
    json!({"apiVersion": "pollux.rs/v1alpha1", "kind": "Device", "metadata": {"name": "d"},
        "spec": {"protocol": {"modbus": block}}})
}
fn channel(block: &Json) -> Json {
    json!({"apiVersion": "pollux.rs/v1alpha1", "kind": "Channel", "metadata": {"name": "c"},
        "spec": {"protocol": {"modbus": block}}})
}
fn model(binding: &Json) -> Json {
    json!({"apiVersion": "pollux.rs/v1alpha1", "kind": "DeviceModel", "metadata": {"name": "m"},
        "spec": {"properties": [{"name": "p", "type": "json", "binding": {"modbus": binding}}]}})
}

/// Accepts what is at the bounds, and refuses the rest by the name of the field, or of one that it does not go with.
fn judge(field: &str, object: &Json, fits: bool, wrong: &mut Vec<String>) {
    let told = match offline::load(object) {
        Ok(_) if fits => return,
        Ok(_) => "was accepted".to_owned(),
        Err(errors) => errors.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"),
    };
    let last = field.rsplit('.').next().unwrap_or_default();
    if fits || !(told.contains(last) || told.contains("coil and discrete take an address only")) {
        wrong.push(format!("{field} of {object}: {told}"));
    }
}

#[test]
fn every_field_holds_its_bounds() {
    let mut wrong = vec![];
    for Row(field, inside, outside) in settings() {
        let values = || inside.iter().map(|value| (value, true)).chain(outside.iter().map(|value| (value, false)));
        let shared = !IS_DEVICES.iter().any(|own| field.split('.').next() == Some(own));
        for (value, fits) in values() {
            let block = block(field, value);
            judge(field, &device(&block), fits, &mut wrong);
            if shared {
                judge(field, &channel(&block), fits, &mut wrong);
            }
        }
    }
    for Row(field, inside, outside) in bindings() {
        for (binding, fits) in inside.iter().map(|b| (b, true)).chain(outside.iter().map(|b| (b, false))) {
            judge(field, &model(binding), fits, &mut wrong);
        }
    }
    assert!(wrong.is_empty(), "{}:\n{}", wrong.len(), wrong.join("\n"));
}

#[test]
fn no_field_is_left_out_here() {
    let leaves = |plural: &str, pointer: &str| {
        let crds = manifests();
        let (_, crd) = crds.iter().find(|(name, _)| *name == plural).unwrap();
        let mut found = BTreeSet::new();
        walk("", crd.pointer("/spec/versions/0/schema/openAPIV3Schema").unwrap().pointer(pointer).unwrap(), &mut found);
        found
    };
    let rows = |rows: Vec<Row>| rows.into_iter().map(|row| row.0.to_owned()).collect::<BTreeSet<_>>();
    assert_eq!(leaves("devices", "/properties/spec/properties/protocol/properties/modbus"), rows(settings()));
    let shared = rows(settings()).into_iter().filter(|field| !IS_DEVICES.iter().any(|own| field.starts_with(own)));
    assert_eq!(leaves("channels", "/properties/spec/properties/protocol/properties/modbus"), shared.collect());
    let binding = "/properties/spec/properties/properties/items/properties/binding/properties/modbus";
    assert_eq!(leaves("devicemodels", binding), rows(bindings()));
}

/// Fields without fields of their own.
fn walk(path: &str, schema: &Json, found: &mut BTreeSet<String>) {
    let inner = schema.get("items").unwrap_or(schema);
    match inner.get("properties").and_then(Json::as_object) {
        Some(fields) => fields.iter().for_each(|(name, field)| {
            let path = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
            walk(&path, field, found);
        }),
        None => _ = found.insert(path.to_owned()),
    }
}

/// What the schema of a Channel says of a field, that of a Device says too: both are written down.
#[test]
fn a_channels_fields_are_a_devices() {
    let block = |plural: &str| {
        let (_, crd) = manifests().into_iter().find(|(name, _)| *name == plural).unwrap();
        let schema = crd.pointer("/spec/versions/0/schema/openAPIV3Schema").unwrap();
        schema.pointer("/properties/spec/properties/protocol/properties/modbus/properties").unwrap().clone()
    };
    let (devices, channels) = (block("devices"), block("channels"));
    for (name, field) in channels.as_object().unwrap() {
        let plain = |field: &Json| {
            let mut field = field.clone();
            field.as_object_mut().unwrap().remove("description"); // there: default, or the Channel's
            field
        };
        assert_eq!(plain(field), plain(&devices[name]), "{name}");
    }
}
