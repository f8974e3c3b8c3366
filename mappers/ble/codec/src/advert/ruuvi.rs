//! Ruuvi's data formats 5, 6 and E1, as Ruuvi's documentation has them (docs.ruuvi.com, communication/bluetooth-advertisements). All numbers
//! have the most significant byte first.
use super::place::{Place, address, number, other};
use crate::DataType::{Boolean, Sint16, Uint8, Uint16, Uint24};
use crate::NoValue::NotKnown;
use crate::number::Number;
use crate::{Decoded, Value, ValueKind};

const U8: Number = Number::new(Uint8).special(&[(0xFF, NotKnown)]);
const U16: Number = Number::new(Uint16).big().special(&[(0xFFFF, NotKnown)]);
const U24: Number = Number::new(Uint24).big().special(&[(0xFF_FFFF, NotKnown)]);
const S16: Number = Number::new(Sint16).big().special(&[(0x8000, NotKnown)]);

/// Bytes 1 to 6 are alike in all of them.
const TEMPERATURE: Place = number("temperature", "Cel", 1, S16.scaled(5, -3, 0));
const HUMIDITY: Place = number("humidity", "%", 3, U16.scaled(25, -4, 0));
const PRESSURE: Place = number("pressure", "Pa", 5, U16.plus(50_000.0));
const ACCELERATION: Number = S16.scaled(1, -3, 0);
const TENTHS: Number = U16.scaled(1, -1, 0);

pub(super) const FORMAT_5: &[Place] = &[
    TEMPERATURE,
    HUMIDITY,
    PRESSURE,
    number("accelerationX", "[g]", 7, ACCELERATION),
    number("accelerationY", "[g]", 9, ACCELERATION),
    number("accelerationZ", "[g]", 11, ACCELERATION),
    number("batteryVoltage", "V", 13, U16.bits(5, 11).special(&[(2047, NotKnown)]).plus(1600.0).scaled(1, -3, 0)),
    number("txPower", "dB{mW}", 13, U16.bits(0, 5).special(&[(31, NotKnown)]).plus(-20.0).scaled(2, 0, 0)),
    number("movementCounter", "", 15, U8),
    number("sequence", "", 16, U16),
    address("address", 18, 6),
];

pub(super) const FORMAT_6: &[Place] = &[
    TEMPERATURE,
    HUMIDITY,
    PRESSURE,
    number("pm25", "ug/m3", 7, TENTHS),
    number("co2", "[ppm]", 9, U16),
    other(("vocIndex", "", ValueKind::UInt), 11, |rest| index(rest, 5, 6)),
    other(("noxIndex", "", ValueKind::UInt), 12, |rest| index(rest, 4, 7)),
    other(("illuminance", "lx", ValueKind::Float), 13, logarithmic),
    number("sequence", "", 15, Number::new(Uint8)),
    number("calibrating", "", 16, Number::new(Boolean).bits(0, 1)),
    address("address", 17, 3),
];

pub(super) const FORMAT_E1: &[Place] = &[
    TEMPERATURE,
    HUMIDITY,
    PRESSURE,
    number("pm1", "ug/m3", 7, TENTHS),
    number("pm25", "ug/m3", 9, TENTHS),
    number("pm4", "ug/m3", 11, TENTHS),
    number("pm10", "ug/m3", 13, TENTHS),
    number("co2", "[ppm]", 15, U16),
    other(("vocIndex", "", ValueKind::UInt), 17, |rest| index(rest, 11, 6)),
    other(("noxIndex", "", ValueKind::UInt), 18, |rest| index(rest, 10, 7)),
    number("illuminance", "lx", 19, U24.scaled(1, -2, 0)),
    number("sequence", "", 25, U24),
    number("calibrating", "", 28, Number::new(Boolean).bits(0, 1)),
    address("address", 34, 6),
];

/// Nine bits: the first byte, and below it one bit of the flags, which are so many bytes further.
fn index(rest: &[u8], flags: usize, bit: u32) -> Decoded {
    let (Some(upper), Some(flags)) = (rest.first(), rest.get(flags)) else { return NotKnown.into() };
    match u64::from(*upper) << 1 | u64::from(flags >> bit & 1) {
        0x1FF => NotKnown.into(),
        index => Value::UInt(index).into(),
    }
}

/// Codes 0 to 254 for 0 to 65535 lx, logarithmic.
fn logarithmic(rest: &[u8]) -> Decoded {
    match rest.first() {
        None | Some(0xFF) => NotKnown.into(),
        Some(code) => (f64::from(*code) * 65_536_f64.ln() / 254.0).exp_m1().into(),
    }
}
