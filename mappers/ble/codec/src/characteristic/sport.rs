//! Measurements of the sport profiles, after the GATT Specification Supplement. Times of events are those of the last turn; they run over
//! after 64 s (32 s for the wheel of a power meter).
use super::layout::{Layout, date_time, flag, flags, number, overlaid, plain};
use crate::DataType::{Sint16, Sint24, Sint32, Uint8, Uint16, Uint24, Uint32};
use crate::number::Number;

const SECOND_1024TH: Number = Number::new(Uint16).scaled(1, 0, -10);
const SECOND_2048TH: Number = Number::new(Uint16).scaled(1, 0, -11);
const TORQUE: Number = Number::new(Sint16).scaled(1, 0, -5);

pub(super) const LAYOUTS: &[Layout] = &[SPEED_AND_CADENCE, RUNNING, POWER, LOCATION];

const SPEED_AND_CADENCE: Layout = Layout {
    uuid: 0x2A5B,
    flags: 1,
    items: &[
        plain("wheelRevolutions", "", Uint32).if_set(1),
        number("lastWheelEvent", "s", SECOND_1024TH).if_set(1),
        plain("crankRevolutions", "", Uint16).if_set(1 << 1),
        number("lastCrankEvent", "s", SECOND_1024TH).if_set(1 << 1),
    ],
};

const RUNNING: Layout = Layout {
    uuid: 0x2A53,
    flags: 1,
    items: &[
        number("instantaneousSpeed", "m/s", Number::new(Uint16).scaled(1, 0, -8)),
        plain("instantaneousCadence", "/min", Uint8),
        number("strideLength", "m", Number::new(Uint16).scaled(1, -2, 0)).if_set(1),
        number("totalDistance", "m", Number::new(Uint32).scaled(1, -1, 0)).if_set(1 << 1),
        flag("running", 2),
    ],
};

const POWER: Layout = Layout {
    uuid: 0x2A63,
    flags: 2,
    items: &[
        plain("instantaneousPower", "W", Sint16),
        number("pedalPowerBalance", "%", Number::new(Uint8).scaled(1, 0, -1)).if_set(1),
        number("accumulatedTorque", "N.m", Number::new(Uint16).scaled(1, 0, -5)).if_set(1 << 2),
        plain("wheelRevolutions", "", Uint32).if_set(1 << 4),
        number("lastWheelEvent", "s", SECOND_2048TH).if_set(1 << 4),
        plain("crankRevolutions", "", Uint16).if_set(1 << 5),
        number("lastCrankEvent", "s", SECOND_1024TH).if_set(1 << 5),
        plain("maximumForce", "N", Sint16).if_set(1 << 6),
        plain("minimumForce", "N", Sint16).if_set(1 << 6),
        number("maximumTorque", "N.m", TORQUE).if_set(1 << 7),
        number("minimumTorque", "N.m", TORQUE).if_set(1 << 7),
        overlaid("maximumAngle", "deg", Number::new(Uint24).bits(0, 12)).if_set(1 << 8),
        number("minimumAngle", "deg", Number::new(Uint24).bits(12, 12)).if_set(1 << 8),
        plain("topDeadSpotAngle", "deg", Uint16).if_set(1 << 9),
        plain("bottomDeadSpotAngle", "deg", Uint16).if_set(1 << 10),
        plain("accumulatedEnergy", "kJ", Uint16).if_set(1 << 11),
        flags("balanceReference", 1, 1),
        flags("torqueSource", 3, 1),
    ],
};

/// Location and Speed.
const LOCATION: Layout = Layout {
    uuid: 0x2A67,
    flags: 2,
    items: &[
        number("instantaneousSpeed", "m/s", Number::new(Uint16).scaled(1, -2, 0)).if_set(1),
        number("totalDistance", "m", Number::new(Uint24).scaled(1, -1, 0)).if_set(1 << 1),
        number("latitude", "deg", Number::new(Sint32).scaled(1, -7, 0)).if_set(1 << 2),
        number("longitude", "deg", Number::new(Sint32).scaled(1, -7, 0)).if_set(1 << 2),
        number("elevation", "m", Number::new(Sint24).scaled(1, -2, 0)).if_set(1 << 3),
        number("heading", "deg", Number::new(Uint16).scaled(1, -2, 0)).if_set(1 << 4),
        plain("rollingTime", "s", Uint8).if_set(1 << 5),
        date_time("utcTime").if_set(1 << 6),
        flags("positionStatus", 7, 2),
    ],
};
