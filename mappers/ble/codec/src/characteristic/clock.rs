//! Dates and times (GATT Specification Supplement: Date Time, Day Date Time, Exact Time 256, Current Time), and Appearance.
use super::layout::{Layout, date_time, number, plain};
use crate::format::{ByteOrder, unsigned};
use crate::number::Number;
use crate::{DataType, Decoded, NoValue, Value};

const NOT_KNOWN: &[(u64, NoValue)] = &[(0, NoValue::NotKnown)];

pub(super) const LAYOUTS: &[Layout] = &[
    Layout { uuid: 0x2A01, flags: 0, items: &[plain("appearance", "", DataType::Uint16)] },
    Layout { uuid: 0x2A08, flags: 0, items: &[date_time("dateTime")] },
    Layout {
        uuid: 0x2A0A,
        flags: 0,
        items: &[date_time("dateTime"), number("dayOfWeek", "", Number::new(DataType::Uint8).special(NOT_KNOWN))],
    },
    Layout {
        uuid: 0x2A0C,
        flags: 0,
        items: &[
            date_time("dateTime"),
            number("dayOfWeek", "", Number::new(DataType::Uint8).special(NOT_KNOWN)),
            number("fraction", "s", Number::new(DataType::Uint8).scaled(1, 0, -8)),
        ],
    },
    Layout {
        uuid: 0x2A2B,
        flags: 0,
        items: &[
            date_time("dateTime"),
            number("dayOfWeek", "", Number::new(DataType::Uint8).special(NOT_KNOWN)),
            number("fraction", "s", Number::new(DataType::Uint8).scaled(1, 0, -8)),
            plain("adjustReason", "", DataType::Uint8),
        ],
    },
];

/// `2026-11-26T18:20:36`, without a zone, since it is sent without one. Year, month and day may be "not known", which is 0.
pub(super) fn decode(bytes: &[u8]) -> Decoded {
    let [low, high, month, day, hours, minutes, seconds] = bytes else { return NoValue::NotValid.into() };
    let year = unsigned(&[*low, *high], ByteOrder::Little);
    if year == 0 || *month == 0 || *day == 0 {
        return NoValue::NotKnown.into();
    }
    if !(1582..=9999).contains(&year) || *month > 12 || *day > 31 || *hours > 23 || *minutes > 59 || *seconds > 59 {
        return NoValue::NotValid.into();
    }
    Value::Text(format!("{year:04}-{month:02}-{day:02}T{hours:02}:{minutes:02}:{seconds:02}").into()).into()
}
