//! Which requests a group of values becomes, by what the device takes.
#![allow(clippy::panic, reason = "a test")]
mod common;

use common::{anywhere, bits, device, registers};
use pollux_crds::{
    ModbusBinding,
    ModbusDataType::{Float32, Uint8H, Uint16},
    ModbusDevice, ModbusLimits,
    ModbusTable::{Coil, Holding},
    WriteFunction,
};
use pollux_mapper::{Interval, Point, Protocol, Slot, Value};
use pollux_modbus::{
    Modbus, Unit,
    write::{Step, What, Writing, steps},
};
use std::time::Duration;
use tokio_modbus::Request;

fn unit(device: &ModbusDevice, bindings: &[ModbusBinding]) -> Result<Unit, Vec<String>> {
    let names: Vec<String> = (0..bindings.len()).map(|n| format!("p{n}")).collect();
    let point = |((address, name), slot): ((_, &String), u32)| -> Point<'_, ModbusBinding> {
        let (name, interval) = (name.clone().leak(), Interval::Every(Duration::from_secs(1)));
        Point {
            slot: Slot(slot),
            name,
            address,
            readable: true,
            writable: true,
            event: false,
            interval,
            read_group: None,
        }
    };
    let points: Vec<_> = bindings.iter().zip(&names).zip(0..).map(point).collect();
    Modbus.prepare(device, &points).map_err(|errors| errors.into_iter().map(|error| error.text).collect())
}

fn with(function: WriteFunction, limits: ModbusLimits) -> ModbusDevice {
    ModbusDevice { write_function: Some(function), limits: Some(limits), ..device(anywhere(), 1) }
}

/// What leaves for these values of p0, p1, …
fn sent(device: &ModbusDevice, bindings: &[ModbusBinding], values: &[Value]) -> Vec<Request<'static>> {
    let unit = unit(device, bindings).expect("valid");
    let group = unit.items().iter().zip(values).map(|(item, value)| (item, item.format.encode(value).expect("fits")));
    let requests =
        steps(group, unit.writing).into_iter().map(|step| step.what.request(0x00F0, unit.writing).into_owned());
    requests.collect()
}

#[test]
fn each_write_function_uses_its_own_codes_only() {
    use Request::{
        WriteMultipleCoils as Coils, WriteMultipleRegisters as Registers, WriteSingleCoil as OneCoil,
        WriteSingleRegister as One,
    };
    let plan = [registers(Holding, 0, Uint16), registers(Holding, 1, Uint16)];
    let words = [Value::Int(7), Value::Int(8)];
    let coils = [bits(Coil, 4), bits(Coil, 5)];
    let truths = [Value::Bool(true), Value::Bool(false)];
    let of = |function| with(function, ModbusLimits::default());
    let (auto, single, multiple) = (of(WriteFunction::Auto), of(WriteFunction::Single), of(WriteFunction::Multiple));
    assert_eq!(sent(&auto, &plan, &words), [Registers(0, vec![7, 8].into())]);
    assert_eq!(sent(&auto, &plan[..1], &words), [One(0, 7)]);
    assert_eq!(sent(&single, &plan, &words), [One(0, 7), One(1, 8)]);
    assert_eq!(sent(&multiple, &plan[..1], &words), [Registers(0, vec![7].into())]);
    assert_eq!(sent(&auto, &coils, &truths), [Coils(4, vec![true, false].into())]);
    assert_eq!(sent(&single, &coils, &truths), [OneCoil(4, true), OneCoil(5, false)]);
    assert_eq!(sent(&multiple, &coils[..1], &truths), [Coils(4, vec![true].into())]);
    let bit = [ModbusBinding { bit: Some(0), ..bits(Holding, 9) }];
    assert_eq!(sent(&multiple, &bit, &[Value::Bool(true)]), [Registers(9, vec![0x00F1].into())]);
    assert_eq!(sent(&single, &bit, &[Value::Bool(true)]), [One(9, 0x00F1)]);
}

#[test]
fn limits_of_the_device_part_what_would_be_one_request() {
    let plan = [0, 2, 4].map(|at| registers(Holding, at, Float32));
    let values = [Value::Float(0.0), Value::Float(0.0), Value::Float(0.0)];
    let limit =
        |write_registers| with(WriteFunction::Auto, ModbusLimits { write_registers, ..ModbusLimits::default() });
    let sizes = |device| -> Vec<usize> {
        let words = |request| if let Request::WriteMultipleRegisters(_, words) = request { words.len() } else { 0 };
        sent(&device, &plan, &values).into_iter().map(words).collect()
    };
    assert_eq!(sizes(limit(None)), [6]);
    assert_eq!(sizes(limit(Some(5))), [4, 2], "never within a value");
    assert_eq!(sizes(limit(Some(2))), [2, 2, 2]);
    let refused = unit(&limit(Some(1)), &plan[..1]).expect_err("two registers");
    assert_eq!(refused, ["binding of p0: takes 2 registers, one write carries 1: access must be ReadOnly"]);
    let refused = unit(&with(WriteFunction::Single, ModbusLimits::default()), &plan[..1]).expect_err("two registers");
    let text = "binding of p0: takes 2 registers, writeFunction Single writes one: access must be ReadOnly";
    assert_eq!(refused, [text]);
}

/// MODBUS Application Protocol V1.1b3, section 6.16: (current AND and) OR (or AND NOT and).
#[test]
fn bits_and_bytes_leave_the_rest_of_their_register_alone() {
    let field = ModbusBinding { bit: Some(4), bits: Some(3), ..bits(Holding, 9) };
    let plan = [field, ModbusBinding { data_type: Some(Uint8H), ..bits(Holding, 9) }];
    let unit = unit(&device(anywhere(), 1), &plan).expect("valid");
    let values = [Value::Int(5), Value::Int(0xA5)];
    let group: Vec<_> = unit
        .items()
        .iter()
        .zip(&values)
        .map(|(item, value)| (item, item.format.encode(value).expect("fits")))
        .collect();
    let steps = steps(group, Writing::default());
    let [Step { values, what }] = steps.as_slice() else { panic!("one register, one write: {steps:?}") };
    assert_eq!(values, &[0, 1]);
    let Some(Request::MaskWriteRegister(9, and, or)) = what.mask() else { panic!("{what:?}") };
    for current in [0x0000, 0xFFFF, 0x1234, 0x800F] {
        let expected = current & 0x008F | 0xA550;
        assert_eq!(current & and | or & !and, expected, "function 22 of {current:04X}");
        assert_eq!(what.request(current, Writing::default()), Request::WriteSingleRegister(9, expected));
    }
    assert_eq!(What::Words(0, vec![1]).mask(), None);
}
