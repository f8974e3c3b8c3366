//! Eddystone's frames (github.com/google/eddystone, protocol-specification.md and the page of each frame). Numbers have the most significant
//! byte first. The power is that at 0 m.
use super::place::{Place, number, other};
use crate::DataType::{Sint8, Sint16, Uint16, Uint32};
use crate::NoValue::{NotKnown, NotValid};
use crate::number::Number;
use crate::value::hex;
use crate::{Decoded, Value, ValueKind};

const POWER: Place = number("txPower", "dB{mW}", 1, Number::new(Sint8));

pub(super) const UID: &[Place] = &[
    POWER,
    other(("namespace", "", ValueKind::Text), 2, |rest| hex(rest.iter().take(10), "").into()),
    other(("instance", "", ValueKind::Text), 12, |rest| hex(rest.iter().take(6), "").into()),
];

pub(super) const URL: &[Place] = &[POWER, other(("url", "", ValueKind::Text), 2, url)];

pub(super) const TLM: &[Place] = &[
    number("batteryVoltage", "V", 2, Number::new(Uint16).big().scaled(1, -3, 0).special(&[(0, NotKnown)])),
    // 8.8 fixed point.
    number("temperature", "Cel", 4, Number::new(Sint16).big().scaled(1, 0, -8).special(&[(0x8000, NotKnown)])),
    number("advertisements", "", 6, Number::new(Uint32).big()),
    number("uptime", "s", 10, Number::new(Uint32).big().scaled(1, -1, 0)),
];

const SCHEMES: [&str; 4] = ["http://www.", "https://www.", "http://", "https://"];
const ENDINGS: [&str; 14] = [
    ".com/", ".org/", ".edu/", ".net/", ".info/", ".biz/", ".gov/", ".com", ".org", ".edu", ".net", ".info", ".biz",
    ".gov",
];

fn url(rest: &[u8]) -> Decoded {
    let Some((scheme, rest)) = rest.split_first() else { return NotValid.into() };
    let Some(scheme) = SCHEMES.get(usize::from(*scheme)) else { return NotValid.into() };
    let mut text = (*scheme).to_owned();
    for byte in rest {
        match (ENDINGS.get(usize::from(*byte)), byte) {
            (Some(ending), _) => text.push_str(ending),
            (None, 0x21..=0x7E) => text.push(char::from(*byte)),
            _ => return NotValid.into(),
        }
    }
    Value::Text(text.into()).into()
}
