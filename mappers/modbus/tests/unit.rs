//! What a device's configuration is refused for, before anything is sent.
mod common;

use common::{anywhere, bits, device, registers, unit};
use pollux_crds::{
    ByteOrder, ModbusBinding,
    ModbusDataType::{Float32, Int64, String as Text, Uint16},
    ModbusLimits,
    ModbusTable::{Coil, Discrete, Holding, Input},
    Span,
};
use pollux_mapper::{Exchange, Interval, Point, PointFault, Precision, Protocol, Slot, Value};
use pollux_modbus::{Modbus, plan::Range};
use std::time::Duration;

fn errors(bindings: &[(ModbusBinding, bool, Option<&str>)]) -> Vec<(Option<usize>, String)> {
    unit(1, bindings).err().unwrap_or_default().into_iter().map(|error| (error.point, error.text)).collect()
}

#[test]
fn all_errors_are_told_at_once_each_naming_its_field() {
    let text = |length| ModbusBinding { length, ..registers(Holding, 0, Text) };
    let bindings = [
        (registers(Holding, 70000, Uint16), false, None),
        (registers(Holding, 65533, Int64), false, None),
        (registers(Input, 0, Uint16), true, None),
        (bits(Discrete, 0), true, None),
        (ModbusBinding { bit: Some(16), ..bits(Holding, 0) }, false, None),
        (bits(Input, 0), false, None),
        (text(None), false, None),
        (text(Some(126)), false, None),
        (registers(Coil, 0, Uint16), false, None),
    ];
    let expected = [
        "binding of p0: address 70000 with 1 registers ends beyond 65535",
        "binding of p1: address 65533 with 4 registers ends beyond 65535",
        "binding of p2: table input cannot be written: access must be ReadOnly, or table coil or holding",
        "binding of p3: table discrete cannot be written: access must be ReadOnly, or table coil or holding",
        "binding of p4: bit must be from 0 to 15, is 16",
        "binding of p5: holding and input need dataType, or bit (0 to 15)",
        "binding of p6: length goes with dataType string or bytes, and only with them",
        "binding of p7: length must be from 1 to 125 registers",
        "binding of p8: coil and discrete take an address only, and count",
    ];
    let expected: Vec<_> = expected.iter().enumerate().map(|(at, text)| (Some(at), (*text).to_owned())).collect();
    assert_eq!(errors(&bindings), expected);
    let id = unit(256, &[]).err().unwrap_or_default();
    assert_eq!(id[0].text, "unitId is 256, must be 0..=255");
}

#[test]
fn a_read_group_is_one_request_or_refused_by_its_name() {
    let clock = Some("clock");
    let far = errors(&[(registers(Holding, 0, Uint16), false, clock), (registers(Holding, 125, Uint16), false, clock)]);
    assert_eq!(
        far,
        [(
            Some(0),
            "readGroup clock (p0, p1) spans 126 registers; one request reads at most 125 (limits.registers)".into()
        )]
    );
    let mixed = errors(&[(registers(Holding, 0, Uint16), false, clock), (registers(Input, 1, Uint16), false, clock)]);
    let text = "readGroup clock (p0, p1) spans tables holding and input; one request reads one table";
    assert_eq!(mixed, [(Some(0), text.into())]);
    let good = [
        (registers(Holding, 100, Uint16), false, clock),
        (registers(Holding, 110, Uint16), false, None),
        (registers(Holding, 200, Float32), false, clock),
    ];
    let unit = unit(1, &good).expect("one request");
    let whole = Range { table: Holding, start: 100, count: 102 };
    assert_eq!(Modbus.plan(&unit, &[0, 2]), [Exchange { points: vec![0, 2], request: whole }]);
    assert_eq!(Modbus.plan(&unit, &[0, 1, 2]), [Exchange { points: vec![0, 2, 1], request: whole }]);
    assert_eq!(Modbus.plan(&unit, &[2])[0].request, whole, "whole, even for one");
}

#[test]
fn a_read_group_reads_nothing_along_that_is_never_to_be() {
    let clock = Some("clock");
    let word = |at| registers(Holding, at, Uint16);
    let alone = |at| ModbusBinding { alone: Some(true), ..word(at) };
    let told = errors(&[(word(0), false, clock), (word(3), false, clock), (alone(1), false, None)]);
    assert_eq!(told, [(Some(0), "readGroup clock (p0, p1) would read p2 along, which is read alone".into())]);
    assert!(errors(&[(word(0), false, clock), (word(3), false, clock), (alone(4), false, None)]).is_empty());
    assert!(errors(&[(word(0), false, clock), (alone(1), false, clock)]).is_empty());
    let avoiding = |first, last| {
        let avoid = vec![pollux_crds::ModbusAvoid { table: Holding, first, last }];
        let config = pollux_crds::ModbusDevice { avoid, ..device(anywhere(), 1) };
        let two = [(word(0), false, clock), (word(3), false, clock)];
        common::unit_of(&config, &two).err().map(|errors| errors[0].text.clone())
    };
    let text = "readGroup clock (p0, p1) would read holding 1 to 2 along, which avoid forbids";
    assert_eq!(avoiding(1, 2).as_deref(), Some(text));
    assert_eq!([avoiding(4, 9), avoiding(3, 3)], [None, None], "a member that stands there is wanted");
}

/// The device's own limits, not the standard's; and where its map counts from 1.
#[test]
fn limits_and_offset_of_the_device_decide_what_can_be_read() {
    let prepare = |bindings: &[(ModbusBinding, Option<&str>)], tune: &dyn Fn(&mut pollux_crds::ModbusDevice)| {
        let mut device = device(anywhere(), 1);
        tune(&mut device);
        let points: Vec<Point<'_, ModbusBinding>> = bindings
            .iter()
            .zip(0..)
            .map(|((address, read_group), slot)| Point {
                slot: Slot(slot),
                name: "p",
                address,
                readable: true,
                writable: false,
                event: false,
                interval: Interval::OnConnect,
                read_group: *read_group,
            })
            .collect();
        Modbus.prepare(&device, &points).map_err(|errors| errors.into_iter().map(|e| e.text).collect::<Vec<_>>())
    };
    let limit = |registers, bits| ModbusLimits { registers, bits, ..ModbusLimits::default() };
    let small = |device: &mut pollux_crds::ModbusDevice| device.limits = Some(limit(Some(3), Some(7)));
    let told = |bindings: &[(ModbusBinding, Option<&str>)]| prepare(bindings, &small).err().unwrap_or_default();
    let clock = Some("clock");
    let (at, bit) = (|at| registers(Holding, at, Uint16), |at| bits(Coil, at));
    assert!(prepare(&[(at(0), clock), (at(2), clock), (bit(0), None), (bit(6), None)], &small).is_ok());
    assert_eq!(
        told(&[(at(0), clock), (at(3), clock)]),
        ["readGroup clock (p, p) spans 4 registers; one request reads at most 3 (limits.registers)"]
    );
    assert_eq!(
        told(&[(bit(0), clock), (bit(7), clock)]),
        ["readGroup clock (p, p) spans 8 bits; one request reads at most 7 (limits.bits)"]
    );
    assert_eq!(
        told(&[(registers(Holding, 0, Int64), None)]),
        ["binding of p: takes 4 registers, one request reads at most 3 (limits.registers)"]
    );
    let unit = prepare(&[(at(1), None), (at(2), None)], &|device| device.address_offset = Some(-1)).expect("valid");
    assert_eq!(Modbus.plan(&unit, &[0, 1])[0].request, Range { table: Holding, start: 0, count: 2 });
    let wrong = prepare(&[(at(0), None)], &|device| device.address_offset = Some(-1)).err().unwrap_or_default();
    assert_eq!(wrong, ["binding of p: address 0 with addressOffset -1 is -1, must be 0..=65535"]);
    let alone = ModbusBinding { alone: Some(true), ..at(1) };
    let unit = prepare(&[(at(0), None), (alone, None), (at(2), None)], &|_| {}).expect("valid");
    let asked: Vec<(u16, u16)> =
        Modbus.plan(&unit, &[0, 1, 2]).iter().map(|e| (e.request.start, e.request.count)).collect();
    assert_eq!(asked, [(0, 1), (2, 1), (1, 1)]);
    assert_eq!(Modbus.cost(&unit, &Modbus.plan(&unit, &[0])[0]), Some(Duration::from_micros(1002)));
}

#[test]
fn check_shows_the_requests_that_would_be_sent() {
    let float = registers(Holding, 0, Float32);
    let unit =
        unit(7, &[(float, true, None), (registers(Holding, 12, Uint16), false, None), (bits(Coil, 3), false, None)]);
    let unit = unit.expect("valid");
    let lines: Vec<_> = Modbus.plan(&unit, &[0, 1, 2]).iter().filter_map(|e| Modbus.describe(&unit, e)).collect();
    assert_eq!(lines, ["unit 7  fc 1 coil 3 (00004)  p2", "unit 7  fc 3 holding 0..12 (40001..40013)  p0, p1"]);
}

#[test]
fn desired_values_are_judged_in_the_devices_own_type() {
    let order = ModbusBinding { byte_order: Some(ByteOrder::Cdab), ..registers(Holding, 0, Float32) };
    let unit = unit(
        1,
        &[(order, true, None), (registers(Holding, 4, Uint16), true, None), (bits(Input, 0), false, None)]
            .map(|(b, w, g)| (if b.table == Some(Input) { registers(Input, 0, Uint16) } else { b }, w, g)),
    );
    let unit = unit.expect("valid");
    assert_eq!(Modbus.encoded(&unit, 0, &Value::Float(21.3)), Ok(Value::Float(f64::from(21.3_f32))));
    assert_eq!(Modbus.encoded(&unit, 1, &Value::Int(7)), Ok(Value::Uint(7)));
    let text = |result: Result<Value, PointFault>| result.map_err(|fault| fault.text.into_owned());
    let error = "65536 does not fit uint16: must be a number 0..=65535";
    assert_eq!(text(Modbus.encoded(&unit, 1, &Value::Int(65536))), Err(error.into()));
    assert_eq!(
        text(Modbus.encoded(&unit, 2, &Value::Int(1))),
        Err("only tables coil and holding can be written".into())
    );
    assert_eq!([0, 1].map(|point| Modbus.precision(&unit, point)), [Precision::Single, Precision::Integer]);
}

#[test]
fn devices_of_one_gateway_share_an_endpoint_unless_their_settings_differ() {
    let one = device(anywhere(), 1);
    let mut other = device(anywhere(), 2);
    let endpoint = |device: &pollux_crds::ModbusDevice| Modbus.endpoint(device).expect("valid");
    assert_eq!(endpoint(&one), endpoint(&other));
    other.connect_timeout = Some(Span::from_secs(9));
    assert_ne!(endpoint(&one), endpoint(&other));
    assert_eq!(endpoint(&one).to_string(), endpoint(&other).to_string(), "one resource: a conflict");
    assert_eq!(endpoint(&one).to_string(), "tcp://127.0.0.1:502");
    other.tcp = None;
    assert_eq!(
        Modbus.endpoint(&other).err().map(|e| e.text),
        Some("one of tcp, rtu, rtuOverTcp, tls must be set, or channel name a Channel".into())
    );
}
