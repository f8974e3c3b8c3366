//! Several values of one kind in a record, as the sections of these characteristics in the GATT Specification Supplement have them: what a
//! value was over a time, between which two limits it lies, or in which part of the day. Each value is laid out as in its own characteristic.
use super::layout::{Item, Layout, exponential, number};
use crate::DataType::{Sint8, Sint16, Uint8, Uint16, Uint24};
use crate::NoValue::{NotKnown, NotValid};
use crate::number::Number;

const COUNT: Number = Number::new(Uint16).special(&[(0xFFFF, NotKnown)]);
const SECONDS: Number = COUNT;
const CURRENT: Number = Number::new(Uint16).scaled(1, -2, 0).special(&[(0xFFFF, NotKnown)]);
const VOLTAGE: Number = Number::new(Uint16).scaled(1, 0, -6).special(&[(0xFFFF, NotKnown)]);
const TEMPERATURE: Number = Number::new(Sint16).scaled(1, -2, 0).special(&[(0x8000, NotKnown)]).within(-273.15, 327.67);
const TEMPERATURE_8: Number = Number::new(Sint8).scaled(1, 0, -1).special(&[(0x7F, NotKnown)]);
const PERCENTAGE: Number = Number::new(Uint8).scaled(1, 0, -1).special(&[(0xFF, NotKnown)]).within(0.0, 100.0);
const ILLUMINANCE: Number = Number::new(Uint24).scaled(1, -2, 0).special(&[(0xFF_FFFF, NotKnown)]);
const FLUX: Number = Number::new(Uint16).special(&[(0xFFFF, NotKnown)]);
const ENERGY: Number = Number::new(Uint24).special(&[(0xFF_FFFF, NotKnown)]);
const HOUR: Number = Number::new(Uint8).scaled(1, -1, 0).special(&[(0xFF, NotKnown)]).within(0.0, 23.9);
const COORDINATE: Number = Number::new(Uint16).scaled(1, 0, -16);
const COLOR: Number = Number::new(Uint16).special(&[(0xFFFF, NotKnown)]).within(800.0, 65_534.0);
const DISTANCE: Number =
    Number::new(Sint16).scaled(1, -5, 0).special(&[(0x7FFF, NotValid), (0x7FFE, NotKnown)]).within(-0.05, 0.05);
const LEVEL: Number = Number::new(Uint16);

const SENSED: Item = exponential("sensingDuration");
const START: Item = number("startTime", "h", HOUR);
const END: Item = number("endTime", "h", HOUR);
const RELATIVE: Item = number("relativeValue", "%", PERCENTAGE);

const fn minimum(unit: &'static str, of: Number) -> Item {
    number("minimum", unit, of)
}
const fn maximum(unit: &'static str, of: Number) -> Item {
    number("maximum", unit, of)
}
const fn typical(unit: &'static str, of: Number) -> Item {
    number("typical", unit, of)
}
const fn average(unit: &'static str, of: Number) -> Item {
    number("average", unit, of)
}
const fn deviation(unit: &'static str, of: Number) -> Item {
    number("standardDeviation", unit, of)
}
const fn record(uuid: u16, items: &'static [Item]) -> Layout {
    Layout { uuid, flags: 0, items }
}

pub(super) const LAYOUTS: &[Layout] = &[
    record(0x2AE0, &[number("current", "A", CURRENT), SENSED]),
    record(0x2AE1, &[number("voltage", "V", VOLTAGE), SENSED]),
    record(0x2AE4, &[number("x", "", COORDINATE), number("y", "", COORDINATE)]),
    record(0x2AE5, &[number("correlatedColorTemperature", "K", COLOR), number("distanceFromPlanckian", "", DISTANCE)]),
    record(0x2AEF, &[minimum("A", CURRENT), maximum("A", CURRENT)]),
    record(0x2AF0, &[minimum("A", CURRENT), typical("A", CURRENT), maximum("A", CURRENT)]),
    record(
        0x2AF1,
        &[average("A", CURRENT), deviation("A", CURRENT), minimum("A", CURRENT), maximum("A", CURRENT), SENSED],
    ),
    record(0x2AF3, &[number("energy", "kW.h", ENERGY), START, END]),
    record(
        0x2AF4,
        &[
            number("numberOfEvents", "", COUNT),
            number("averageEventDuration", "s", SECONDS),
            exponential("timeElapsedSinceLastEvent"),
            SENSED,
        ],
    ),
    record(0x2B00, &[minimum("lm", FLUX), maximum("lm", FLUX)]),
    record(0x2B07, &[number("relativeRuntime", "%", PERCENTAGE), minimum("A", CURRENT), maximum("A", CURRENT)]),
    record(0x2B08, &[RELATIVE, minimum("", LEVEL), maximum("", LEVEL)]),
    record(0x2B09, &[RELATIVE, minimum("V", VOLTAGE), maximum("V", VOLTAGE)]),
    record(0x2B0A, &[RELATIVE, minimum("lx", ILLUMINANCE), maximum("lx", ILLUMINANCE)]),
    record(0x2B0B, &[RELATIVE, START, END]),
    record(0x2B0C, &[RELATIVE, minimum("Cel", TEMPERATURE), maximum("Cel", TEMPERATURE)]),
    record(0x2B0E, &[number("temperature", "Cel", TEMPERATURE_8), START, END]),
    record(
        0x2B0F,
        &[
            average("Cel", TEMPERATURE_8),
            deviation("Cel", TEMPERATURE_8),
            minimum("Cel", TEMPERATURE_8),
            maximum("Cel", TEMPERATURE_8),
            SENSED,
        ],
    ),
    record(0x2B10, &[minimum("Cel", TEMPERATURE), maximum("Cel", TEMPERATURE)]),
    record(
        0x2B11,
        &[
            average("Cel", TEMPERATURE),
            deviation("Cel", TEMPERATURE),
            minimum("Cel", TEMPERATURE),
            maximum("Cel", TEMPERATURE),
            SENSED,
        ],
    ),
    record(0x2B13, &[exponential("timeExponential8")]),
    record(0x2B19, &[minimum("V", VOLTAGE), typical("V", VOLTAGE), maximum("V", VOLTAGE)]),
    record(
        0x2B1A,
        &[average("V", VOLTAGE), deviation("V", VOLTAGE), minimum("V", VOLTAGE), maximum("V", VOLTAGE), SENSED],
    ),
];
