//! Modbus.
use super::{Row, list};
use serde_json::{Value as Json, json};

/// Of a Device; all but those that `IS_DEVICES` names also of a Channel.
pub(crate) fn settings() -> Vec<Row> {
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
pub(crate) const IS_DEVICES: [&str; 6] = ["channel", "unitId", "writeFunction", "addressOffset", "avoid", "identify"];

/// Bindings, each as a whole.
#[allow(clippy::too_many_lines, reason = "a table")]
pub(crate) fn bindings() -> Vec<Row> {
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
pub(crate) fn block(field: &str, value: &Json) -> Json {
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
