//! Apple's iBeacon (Proximity Beacon Specification, release R1): after 02 15 a UUID, major and minor, and the power measured at 1 m.
use super::place::{Place, number, other};
use crate::DataType::{Sint8, Uint16};
use crate::number::Number;
use crate::{Decoded, NoValue, Uuid, Value, ValueKind};

pub(super) const FIELDS: &[Place] = &[
    other(("uuid", "", ValueKind::Text), 2, uuid),
    number("major", "", 18, Number::new(Uint16).big()),
    number("minor", "", 20, Number::new(Uint16).big()),
    number("measuredPower", "dB{mW}", 22, Number::new(Sint8)),
];

/// In full, also where it could be written shorter: it is no attribute's.
fn uuid(rest: &[u8]) -> Decoded {
    let Some(bytes) = rest.first_chunk::<16>() else { return NoValue::NotKnown.into() };
    Value::Text(Uuid::from_u128(u128::from_be_bytes(*bytes)).in_full().into()).into()
}
