//! Measurements of the health profiles. Flags and fields after the GATT Specification Supplement; those of pulse oximeters after the Pulse
//! Oximeter Service 1.0.1, 3.2 and 3.3.
use super::layout::{Layout, date_time, flag, last, number, overlaid, plain};
use crate::DataType::{Medfloat16, Medfloat32, Sint16, Uint8, Uint16, Uint24};
use crate::NoValue;
use crate::number::Number;

/// kPa in mmHg: 1 mmHg is 133.322387415 Pa.
const MMHG: f64 = 1000.0 / 133.322_387_415;
/// A pound in kilograms, by definition.
const POUND: f64 = 0.453_592_37;
/// An inch in metres, by definition.
const INCH: f64 = 0.0254;
const UNKNOWN_USER: &[(u64, NoValue)] = &[(0xFF, NoValue::NotKnown)];

const MED: Number = Number::new(Medfloat16);
const USER: Number = Number::new(Uint8).special(UNKNOWN_USER);

pub(super) const LAYOUTS: &[Layout] = &[
    TEMPERATURE,
    Layout { uuid: 0x2A1E, ..TEMPERATURE },
    BLOOD_PRESSURE,
    Layout { uuid: 0x2A36, ..BLOOD_PRESSURE },
    HEART_RATE,
    WEIGHT,
    GLUCOSE,
    SPOT_CHECK,
    CONTINUOUS,
];

/// Temperature Measurement, and Intermediate Temperature, which is laid out alike.
const TEMPERATURE: Layout = Layout {
    uuid: 0x2A1C,
    flags: 1,
    items: &[
        number("temperature", "Cel", Number::new(Medfloat32)).if_clear(1),
        number("temperature", "Cel", Number::new(Medfloat32).plus(-32.0).times(5.0 / 9.0)).if_set(1),
        date_time("timestamp").if_set(1 << 1),
        plain("temperatureType", "", Uint8).if_set(1 << 2),
    ],
};

/// Blood Pressure Measurement, and Intermediate Cuff Pressure, which is laid out alike.
const BLOOD_PRESSURE: Layout = Layout {
    uuid: 0x2A35,
    flags: 1,
    items: &[
        number("systolic", "mm[Hg]", MED).if_clear(1),
        number("diastolic", "mm[Hg]", MED).if_clear(1),
        number("meanArterialPressure", "mm[Hg]", MED).if_clear(1),
        number("systolic", "mm[Hg]", MED.times(MMHG)).if_set(1),
        number("diastolic", "mm[Hg]", MED.times(MMHG)).if_set(1),
        number("meanArterialPressure", "mm[Hg]", MED.times(MMHG)).if_set(1),
        date_time("timestamp").if_set(1 << 1),
        number("pulseRate", "{beat}/min", MED).if_set(1 << 2),
        number("userId", "", USER).if_set(1 << 3),
        plain("measurementStatus", "", Uint16).if_set(1 << 4),
    ],
};

const HEART_RATE: Layout = Layout {
    uuid: 0x2A37,
    flags: 1,
    items: &[
        plain("heartRate", "{beat}/min", Uint8).if_clear(1),
        plain("heartRate", "{beat}/min", Uint16).if_set(1),
        flag("sensorContact", 1).if_set(1 << 2),
        plain("energyExpended", "kJ", Uint16).if_set(1 << 3),
        last("rrInterval", "s", Number::new(Uint16).scaled(1, 0, -10)).if_set(1 << 4),
    ],
};

const WEIGHT: Layout = Layout {
    uuid: 0x2A9D,
    flags: 1,
    items: &[
        number("weight", "kg", Number::new(Uint16).scaled(5, -3, 0).special(&[(0xFFFF, NoValue::NotValid)]))
            .if_clear(1),
        number(
            "weight",
            "kg",
            Number::new(Uint16).scaled(1, -2, 0).times(POUND).special(&[(0xFFFF, NoValue::NotValid)]),
        )
        .if_set(1),
        date_time("timestamp").if_set(1 << 1),
        number("userId", "", USER).if_set(1 << 2),
        number("bmi", "kg/m2", Number::new(Uint16).scaled(1, -1, 0)).if_set(1 << 3),
        number("height", "m", Number::new(Uint16).scaled(1, -3, 0)).if_clear(1).if_set(1 << 3),
        number("height", "m", Number::new(Uint16).scaled(1, -1, 0).times(INCH)).if_set(1 | 1 << 3),
    ],
};

const GLUCOSE: Layout = Layout {
    uuid: 0x2A18,
    flags: 1,
    items: &[
        plain("sequenceNumber", "", Uint16),
        date_time("baseTime"),
        plain("timeOffset", "min", Sint16).if_set(1),
        number("concentration", "kg/L", MED).if_set(1 << 1).if_clear(1 << 2),
        number("molarConcentration", "mol/L", MED).if_set(1 << 1 | 1 << 2),
        overlaid("type", "", Number::new(Uint8).bits(0, 4)).if_set(1 << 1),
        number("sampleLocation", "", Number::new(Uint8).bits(4, 4)).if_set(1 << 1),
        plain("sensorStatus", "", Uint16).if_set(1 << 3),
        flag("contextFollows", 4),
    ],
};

const SPOT_CHECK: Layout = Layout {
    uuid: 0x2A5E,
    flags: 1,
    items: &[
        number("spO2", "%", MED),
        number("pulseRate", "{beat}/min", MED),
        date_time("timestamp").if_set(1),
        plain("measurementStatus", "", Uint16).if_set(1 << 1),
        plain("deviceAndSensorStatus", "", Uint24).if_set(1 << 2),
        number("pulseAmplitudeIndex", "%", MED).if_set(1 << 3),
        flag("clockNotSet", 4),
    ],
};

const CONTINUOUS: Layout = Layout {
    uuid: 0x2A5F,
    flags: 1,
    items: &[
        number("spO2", "%", MED),
        number("pulseRate", "{beat}/min", MED),
        number("spO2Fast", "%", MED).if_set(1),
        number("pulseRateFast", "{beat}/min", MED).if_set(1),
        number("spO2Slow", "%", MED).if_set(1 << 1),
        number("pulseRateSlow", "{beat}/min", MED).if_set(1 << 1),
        plain("measurementStatus", "", Uint16).if_set(1 << 2),
        plain("deviceAndSensorStatus", "", Uint24).if_set(1 << 3),
        number("pulseAmplitudeIndex", "%", MED).if_set(1 << 4),
    ],
};
