//! Time Exponential 8 (GATT Specification Supplement): 1.1^(N - 64) seconds, 0 being none at all.
use crate::{Decoded, Error, NoValue, Value};

const BASE: f64 = 1.1;
const ZERO: f64 = 64.0;
/// The greatest that is a time; beyond it are the whole life of the device, and "not known".
const MOST: u8 = 0xFD;

fn seconds(code: u8) -> f64 {
    BASE.powf(f64::from(code) - ZERO)
}

pub(super) fn decode(part: &[u8]) -> Decoded {
    match part {
        [0] => 0.0.into(),
        [0xFE] => NoValue::WholeLife.into(),
        [0xFF] => NoValue::NotKnown.into(),
        [code] => seconds(*code).into(),
        _ => NoValue::NotValid.into(),
    }
}

/// The nearest step.
pub(super) fn encode(value: &Value) -> Result<u8, Error> {
    let given = value.type_name();
    let number = value.as_f64().ok_or(Error::WrongType { what: "Time Exponential 8", wanted: "a number", given })?;
    let nearest = || (1..=MOST).find(|code| seconds(*code) * BASE.sqrt() >= number);
    match number {
        0.0 => Ok(0),
        number if number > 0.0 => nearest().ok_or_else(|| out_of_range(number)),
        number => Err(out_of_range(number)),
    }
}
fn out_of_range(number: f64) -> Error {
    let (value, min, max) = (number.to_string(), "0".to_owned(), seconds(MOST).to_string());
    Error::OutOfRange { value, what: "Time Exponential 8", min, max }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_time_comes_back_from_its_own_code_and_one_between_from_the_nearest() {
        for code in 0..=MOST {
            let Decoded::Value(value) = decode(&[code]) else { panic!("{code} is none") };
            assert_eq!(encode(&value), Ok(code), "{value:?}");
        }
        assert_eq!(decode(&[64]), 1.0.into());
        assert_eq!(decode(&[0xFE]), NoValue::WholeLife.into());
        assert_eq!(decode(&[0xFF]), NoValue::NotKnown.into());
        assert_eq!(decode(&[]), NoValue::NotValid.into());
        assert_eq!([1.04, 1.06].map(|number| encode(&Value::Float(number))), [Ok(64), Ok(65)]);
        for wrong in [-1.0, 1e9, f64::NAN, f64::INFINITY] {
            assert!(encode(&Value::Float(wrong)).is_err(), "{wrong}");
        }
        assert!(encode(&Value::Bool(true)).is_err());
    }
}
