//! CP56Time2a (IEC 60870-5-4, 6.8; IEC 60870-5-101, 7.2.6.18). Most significant first, as Schneider Electric's meters have it
//! (their "TI081" or "DATETIME"): year from 2000; month, and day of the week with day; summer time with hour, invalid with
//! minute; milliseconds. The standard's own order of octets is DCBA, milliseconds in front CDAB.
//!
//! The device's local time: nothing in the format says where it stands, so the text has no zone. The bit of summer time and the
//! day of the week are not read, and written as 0, which means "not used".
use super::{garbled, refused, shown};
use jiff::civil::DateTime;
use pollux_mapper::{PointFault, Value};

const INVALID: u8 = 0x80;
const EPOCH: i16 = 2000;
const LAST: i16 = 2127;

pub(super) fn decode(bits: u64) -> Result<Value, PointFault> {
    let [_, year, month, day, hour, minute, high, low] = bits.to_be_bytes();
    if minute & INVALID != 0 {
        return Err(garbled("invalid time: the device says so".into()));
    }
    let milliseconds = i32::from(u16::from_be_bytes([high, low]));
    let (second, nanoseconds) = (milliseconds / 1000, milliseconds % 1000 * 1_000_000);
    let part = |byte: u8, mask: u8| i8::try_from(byte & mask).ok();
    let time = || {
        let year = EPOCH + i16::from(year & 0x7F);
        let (month, day, hour, minute) = (part(month, 0xF)?, part(day, 0x1F)?, part(hour, 0x1F)?, part(minute, 0x3F)?);
        DateTime::new(year, month, day, hour, minute, i8::try_from(second).ok()?, nanoseconds).ok()
    };
    let time = time().ok_or_else(|| garbled(format!("not a time: 0x{bits:016X}")))?;
    Ok(Value::from(format!("{time:.3}")))
}

pub(super) fn encode(value: &Value) -> Result<u64, PointFault> {
    let time = value.as_str().and_then(local).ok_or_else(|| {
        let allowed = "a local time without a zone, from 2000 to 2127, such as 2026-03-01T12:30:00.000";
        refused(format!("{} does not fit cp56: must be {allowed}", shown(value)))
    })?;
    let byte = |part: i8| u64::from(part.unsigned_abs());
    let milliseconds = u64::from(time.second().unsigned_abs()) * 1000 + u64::from(time.millisecond().unsigned_abs());
    let year = u64::from((time.year() - EPOCH).unsigned_abs());
    let parts = [(48, year), (40, byte(time.month())), (32, byte(time.day())), (24, byte(time.hour()))];
    let bits = parts.into_iter().fold(0, |bits, (shift, part)| bits | part << shift);
    Ok(bits | byte(time.minute()) << 16 | milliseconds)
}

fn local(text: &str) -> Option<DateTime> {
    let zone = text.contains(['Z', 'z', '+', '[']) || text.matches('-').count() != 2;
    let time = text.parse::<DateTime>().ok().filter(|_| !zone)?;
    (EPOCH..=LAST).contains(&time.year()).then_some(time)
}
