//! Characteristics: worked examples of published sources where there are any, which are named; else the definition of the supplement.
use super::*;
use crate::{Decoded, Error, NoValue, Value, ValueKind};

fn bytes(hex: &str) -> Vec<u8> {
    let digits: Vec<char> = hex.chars().filter(|c| !c.is_whitespace()).collect();
    digits.chunks(2).map(|pair| u8::from_str_radix(&pair.iter().collect::<String>(), 16).unwrap()).collect()
}
fn layout(number: u16) -> &'static Layout {
    of(Uuid::short(number)).unwrap_or_else(|| panic!("{number:04X}"))
}
fn decode(number: u16, field: &str, hex: &str) -> Decoded {
    layout(number).decode(field, &bytes(hex)).unwrap_or_else(|error| panic!("{number:04X} {field}: {error}"))
}
fn float(number: f64) -> Decoded {
    Decoded::Value(Value::Float(number))
}
fn uint(number: u64) -> Decoded {
    Decoded::Value(Value::UInt(number))
}
fn text(text: &str) -> Decoded {
    Decoded::Value(Value::Text(text.to_owned().into()))
}
fn about(decoded: &Decoded, wanted: f64) -> bool {
    matches!(decoded, Decoded::Value(Value::Float(number)) if (number - wanted).abs() < 1e-9 * wanted.abs().max(1.0))
}

#[test]
fn the_table_has_all_its_rows_each_once_and_each_has_a_name() {
    assert_eq!((numbers::NUMBERS.len(), all().count()), (175, 218));
    let mut seen = std::collections::BTreeSet::new();
    for layout in all() {
        assert!(seen.insert(layout.number()), "{:04X} twice", layout.number());
        assert_ne!(layout.name(), "the characteristic", "{:04X} has no assigned name", layout.number());
        assert!(!layout.fields().is_empty());
        for field in layout.fields() {
            assert!(field.name.starts_with(|c: char| c.is_ascii_lowercase()), "{}", field.name);
            assert!(field.name.chars().all(|c| c.is_ascii_alphanumeric()), "{}", field.name);
            let same = layout.items.iter().map(super::layout::Item::info).filter(|other| other.name == field.name);
            assert!(same.clone().all(|other| other.unit == field.unit), "{}: one unit each", field.name);
        }
    }
}

/// Raw values, exponents and units after the section of each characteristic in the GATT Specification Supplement.
#[test]
fn numbers_have_the_scale_of_the_supplement() {
    for (number, field, hex, wanted) in [
        (0x2A6E, "temperature", "CA09", 25.06),
        (0x2A6E, "temperature", "4D95", -273.15),
        (0x2A6F, "humidity", "BF13", 50.55),
        (0x2A6D, "pressure", "DD750F00", 101_321.3),
        (0x2A6C, "elevation", "9CFFFF", -1.0),
        (0x2AFB, "illuminance", "138A14", 13_460.67),
        (0x2A77, "irradiance", "0100", 0.1),
        (0x2A78, "rainfall", "E803", 1.0),
        (0x2A70, "trueWindSpeed", "E803", 10.0),
        (0x2A73, "apparentWindDirection", "9F8C", 359.99),
        (0x2A2C, "magneticDeclination", "9F8C", 359.99),
        (0x2AEE, "current", "E204", 12.5),
        (0x2B18, "voltageValue", "8039", 230.0),
        (0x2B05, "power", "FDFFFF", 1_677_721.3),
        (0x2B04, "percentage8", "C8", 100.0),
        (0x2B1B, "volumeFlow", "0100", 0.001),
        (0x2A98, "weight", "803E", 80.0),
        (0x2BE0, "highVoltage", "400000", 1.0),
        (0x2B0D, "temperature8", "80", -64.0),
        (0x2A0E, "timeZone", "04", 60.0),
        (0x2BD6, "particulateMatterPm25Concentration", "0C80", 1.2e-7),
        (0x2AA1, "zAxis", "0000 0000 F401", 5e-5),
        (0x2B15, "timeMillisecond24", "E80300", 1.0),
    ] {
        assert_eq!(decode(number, field, hex), float(wanted), "{number:04X}");
    }
    assert_eq!(decode(0x2A19, "batteryLevel", "64"), uint(100));
    assert_eq!(decode(0x2AF2, "energy", "010203"), uint(0x03_0201));
    assert_eq!(decode(0x2B8C, "co2Concentration", "9001"), uint(400));
    assert_eq!(decode(0x2A7B, "dewPoint", "F6"), Decoded::Value(Value::Int(-10)));
    assert_eq!(decode(0x2A7A, "heatIndex", "28"), Decoded::Value(Value::Int(40)));
    assert_eq!(decode(0x2A07, "txPower", "EC"), Decoded::Value(Value::Int(-20)));
}

#[test]
fn patterns_for_a_missing_value_give_none_with_the_reason() {
    for (number, field, hex, reason) in [
        (0x2A6E, "temperature", "0080", NoValue::NotKnown),
        (0x2A6F, "humidity", "FFFF", NoValue::NotKnown),
        (0x2B05, "power", "FFFFFF", NoValue::NotKnown),
        (0x2B05, "power", "FEFFFF", NoValue::NotValid),
        (0x2B8C, "co2Concentration", "FEFF", NoValue::AboveRange),
        (0x2BD5, "particulateMatterPm1Concentration", "FF07", NoValue::NotANumber),
        (0x2BD7, "particulateMatterPm10Concentration", "0008", NoValue::NotAtThisResolution),
        (0x2BDF, "highTemperature", "0180", NoValue::NotValid),
        (0x2A9D, "weight", "00 FFFF", NoValue::NotValid),
        (0x2A19, "batteryLevel", "65", NoValue::NotValid),
        (0x2A6E, "temperature", "4C95", NoValue::NotValid),
        (0x2A71, "trueWindDirection", "A08C", NoValue::NotValid),
        (0x2C1D, "vectorX", "7E0000", NoValue::OutOfRange),
        (0x2A08, "dateTime", "0000 01 01 00 00 00", NoValue::NotKnown),
        (0x2A08, "dateTime", "EA07 0D 01 00 00 00", NoValue::NotValid),
    ] {
        assert_eq!(decode(number, field, hex), Decoded::None(reason), "{number:04X} {field}");
    }
}

/// The identifier is the example of the Device Information Service 1.2, 3.5: OUI 123456, FFFE, 9ABCDE, least significant byte first.
#[test]
fn a_device_says_who_it_is() {
    assert_eq!(decode(0x2A23, "eui64", "DE BC 9A FE FF 56 34 12"), text("123456FFFE9ABCDE"));
    assert_eq!(decode(0x2A29, "manufacturerName", "41 63 6D 65 00"), text("Acme"));
    let pnp = |field| decode(0x2A50, field, "01 0F00 3412 0201");
    assert_eq!(
        [pnp("vendorIdSource"), pnp("vendorId"), pnp("productId"), pnp("productVersion")],
        [1, 0x0F, 0x1234, 0x102].map(uint)
    );
    assert_eq!(decode(0x2A01, "appearance", "4005"), uint(0x0540));
}

#[test]
fn dates_and_times_are_text() {
    let now = |field| decode(0x2A2B, field, "EA07 0B 1A 12 14 24 04 80 02");
    assert_eq!((now("dateTime"), now("dayOfWeek")), (text("2026-11-26T18:20:36"), uint(4)));
    assert_eq!((now("fraction"), now("adjustReason")), (float(0.5), uint(2)));
}

/// 36.4 °C: Personal Health Devices Transcoding White Paper 1.6, 2.2.1. In °F it is 97.52.
#[test]
fn temperature_is_in_celsius_whatever_was_sent() {
    let measured = |field| decode(0x2A1C, field, "06 6C0100FF EA07 0B 1A 12 14 24 02");
    assert_eq!((measured("temperature"), measured("temperatureType")), (float(36.4), uint(2)));
    assert_eq!(measured("timestamp"), text("2026-11-26T18:20:36"));
    assert!(about(&decode(0x2A1C, "temperature", "01 182600FE"), 36.4));
    assert_eq!(decode(0x2A1C, "timestamp", "01 182600FE"), Decoded::None(NoValue::Absent));
    assert_eq!(decode(0x2A1E, "temperature", "00 FFFF7F00"), Decoded::None(NoValue::NotANumber));
}

/// 16485401EC02: the test of movisens/SmartGattLib (HeartRateMeasurementTest.java): 72, worn, 0.33203125 s and 0.73046875 s.
#[test]
fn heart_rate() {
    let worn = |field| decode(0x2A37, field, "16 48 5401 EC02");
    assert_eq!((worn("heartRate"), worn("rrInterval")), (uint(72), float(0.730_468_75)));
    assert_eq!(
        (worn("sensorContact"), worn("energyExpended")),
        (Decoded::Value(Value::Bool(true)), Decoded::None(NoValue::Absent))
    );
    let long = |field| decode(0x2A37, field, "09 2C01 E803");
    assert_eq!((long("heartRate"), long("energyExpended")), (uint(300), uint(1000)));
    assert_eq!(long("sensorContact"), Decoded::None(NoValue::Absent), "not supported");
}

#[test]
fn other_measurements_of_health() {
    let pressure = |field| decode(0x2A35, field, "1E 7800 5000 5D00 EA07 0B 1A 12 14 24 4800 FF 0400");
    assert_eq!([pressure("systolic"), pressure("diastolic"), pressure("pulseRate")], [120.0, 80.0, 72.0].map(float));
    assert_eq!((pressure("userId"), pressure("measurementStatus")), (Decoded::None(NoValue::NotKnown), uint(4)));
    assert!(about(&decode(0x2A35, "systolic", "01 A0F0 6BF0 7CF0"), 16.0 * 1000.0 / 133.322_387_415));
    let metric = |field| decode(0x2A9D, field, "0C 803E 01 E600 0807");
    assert_eq!([metric("weight"), metric("bmi"), metric("height")], [80.0, 23.0, 1.8].map(float));
    let imperial = |field| decode(0x2A9D, field, "09 1027 E600 BC02");
    assert!(about(&imperial("weight"), 45.359_237) && about(&imperial("height"), 1.778));
    let glucose = |field| decode(0x2A18, field, "03 0100 EA07 0B 1A 12 14 24 FBFF 5AB0 11");
    assert_eq!((glucose("timeOffset"), glucose("concentration")), (Decoded::Value(Value::Int(-5)), float(0.0009)));
    assert_eq!((glucose("type"), glucose("sampleLocation")), (uint(1), uint(1)));
    assert_eq!(glucose("molarConcentration"), Decoded::None(NoValue::Absent));
    let spot = |field| decode(0x2A5E, field, "18 6200 3C00 0FF0");
    assert_eq!([spot("spO2"), spot("pulseRate"), spot("pulseAmplitudeIndex")], [98.0, 60.0, 1.5].map(float));
    let continuous = |field| decode(0x2A5F, field, "03 6200 3C00 6100 3D00 6000 3E00");
    assert_eq!([continuous("spO2Fast"), continuous("pulseRateSlow")], [97.0, 62.0].map(float));
}

/// The angles are the example of the supplement: 0x123ABC has the maximum 0xABC and the minimum 0x123.
#[test]
fn measurements_of_sport() {
    let csc = |field| decode(0x2A5B, field, "03 01000000 0004 0200 0008");
    assert_eq!((csc("wheelRevolutions"), csc("lastWheelEvent")), (uint(1), float(1.0)));
    assert_eq!((csc("crankRevolutions"), csc("lastCrankEvent")), (uint(2), float(2.0)));
    let run = |field| decode(0x2A53, field, "07 0003 B4 7800 0A000000");
    assert_eq!([run("instantaneousSpeed"), run("strideLength"), run("totalDistance")], [3.0, 1.2, 1.0].map(float));
    assert_eq!((run("instantaneousCadence"), run("running")), (uint(180), Decoded::Value(Value::Bool(true))));
    let power = |field| decode(0x2A63, field, "3509 FA00 64 2000 01000000 0008 0200 0004 BC3A12 0700");
    assert_eq!(power("instantaneousPower"), Decoded::Value(Value::Int(250)));
    assert_eq!(
        [power("pedalPowerBalance"), power("accumulatedTorque"), power("lastWheelEvent")],
        [50.0, 1.0, 1.0].map(float)
    );
    assert_eq!([power("maximumAngle"), power("minimumAngle"), power("accumulatedEnergy")], [0xABC, 0x123, 7].map(uint));
    assert_eq!(power("topDeadSpotAngle"), Decoded::None(NoValue::Absent));
    let place = |field| decode(0x2A67, field, "8C00 00000000 80969800 9CFFFF");
    assert_eq!([place("latitude"), place("longitude"), place("elevation")], [0.0, 1.0, -1.0].map(float));
    assert_eq!(place("positionStatus"), uint(1));
}

/// As long as the sections of the supplement add up to, and each value where they have it.
#[test]
fn records_of_several_values() {
    assert_eq!(super::records::LAYOUTS.len(), 23);
    for (number, hex, field, wanted) in [
        (0x2AE0, "0A00 40", "current", 0.1),
        (0x2AE1, "C000 40", "voltage", 3.0),
        (0x2AE4, "0080 0040", "y", 0.25),
        (0x2AE5, "B80B 64 00", "distanceFromPlanckian", 0.001),
        (0x2AEF, "0100 0200", "maximum", 0.02),
        (0x2AF0, "0100 0200 0300", "typical", 0.02),
        (0x2AF1, "0100 0200 0300 0400 40", "maximum", 0.04),
        (0x2AF3, "010000 3C EF", "endTime", 23.9),
        (0x2AF4, "0100 0200 40 00", "timeElapsedSinceLastEvent", 1.0),
        (0x2AF4, "0100 0200 40 00", "sensingDuration", 0.0),
        (0x2B07, "64 0100 0200", "relativeRuntime", 50.0),
        (0x2B09, "64 4000 8000", "maximum", 2.0),
        (0x2B0A, "64 010000 020000", "maximum", 0.02),
        (0x2B0B, "64 0A 14", "startTime", 1.0),
        (0x2B0C, "64 9CFF 6400", "minimum", -1.0),
        (0x2B0E, "FE 00 0A", "temperature", -1.0),
        (0x2B0F, "02 04 06 08 41", "sensingDuration", 1.1),
        (0x2B10, "9CFF 6400", "minimum", -1.0),
        (0x2B11, "6400 C800 2C01 9001 40", "standardDeviation", 2.0),
        (0x2B13, "3F", "timeExponential8", 1.0 / 1.1),
        (0x2B19, "4000 8000 C000", "typical", 2.0),
        (0x2B1A, "4000 8000 C000 0001 40", "maximum", 4.0),
    ] {
        let found = decode(number, field, hex);
        assert!(about(&found, wanted), "{number:04X} {field} is {found:?}");
        let short = bytes(hex);
        let short = short.get(1..).unwrap_or_default();
        assert!(layout(number).decode(field, short).is_err(), "{number:04X} is longer");
    }
    assert_eq!(decode(0x2B00, "maximum", "0100 0200"), uint(2));
    assert_eq!(decode(0x2B08, "minimum", "64 0100 0200"), uint(1));
    assert_eq!(decode(0x2B11, "average", "0080 0080 0080 0080 FF"), Decoded::None(NoValue::NotKnown));
    let written = layout(0x2B11).encode("sensingDuration", &Value::Float(1.1), &bytes("6400 C800 2C01 9001 40"));
    assert_eq!(written, Ok(bytes("6400 C800 2C01 9001 41")));
}

#[test]
fn a_value_of_another_length_is_refused() {
    let error = |number, field, hex| layout(number).decode(field, &bytes(hex)).unwrap_err();
    let short = error(0x2A6E, "temperature", "CA").to_string();
    assert_eq!(short, "1 bytes are too few: Temperature needs 2");
    assert!(matches!(error(0x2A6E, "temperature", "CA0900"), Error::TooLong { needed: 2, got: 3, .. }));
    assert!(matches!(error(0x2A37, "heartRate", ""), Error::TooShort { needed: 1, .. }));
    assert!(matches!(error(0x2A37, "heartRate", "01 48"), Error::TooShort { needed: 3, .. }));
    assert!(matches!(error(0x2A37, "heartRate", "08 48 01"), Error::TooShort { .. }), "what comes later is cut short");
    assert!(matches!(error(0x2A37, "heartRate", "10 48"), Error::TooShort { .. }), "an interval at least");
    assert_eq!(decode(0x2A37, "heartRate", "00 48 AA"), uint(0x48), "a later revision may add to it");
    let typo = error(0x2A37, "hartRate", "00 48").to_string();
    assert!(typo.contains("\"hartRate\" in Heart Rate Measurement") && typo.ends_with("\"heartRate\""), "{typo}");
}

#[test]
fn the_only_field_needs_no_name_and_types_are_told() {
    assert_eq!(
        layout(0x2A6E).only().map(|field| (field.name, field.unit, field.kind)),
        Some(("temperature", "Cel", ValueKind::Float))
    );
    assert_eq!(layout(0x2A37).only(), None);
    let names: Vec<_> = layout(0x2A1C).fields().iter().map(|field| field.name).collect();
    assert_eq!(names, ["temperature", "timestamp", "temperatureType"]);
    assert!(of(Uuid::short(0x2A00)).is_none() && of(Uuid::from_u128(0x2A6E)).is_none());
}

#[test]
fn a_number_is_written_at_the_resolution_of_its_characteristic() {
    let encode = |number, field, value: Value| layout(number).encode(field, &value, &[]);
    assert_eq!(encode(0x2A6E, "temperature", Value::Float(25.06)).unwrap(), bytes("CA09"));
    assert_eq!(encode(0x2A6E, "temperature", Value::Float(25.064)).unwrap(), bytes("CA09"), "the nearest");
    assert_eq!(encode(0x2A98, "weight", Value::Int(80)).unwrap(), bytes("803E"));
    assert_eq!(encode(0x2B18, "voltageValue", Value::Float(230.0)).unwrap(), bytes("8039"));
    assert_eq!(encode(0x2A29, "manufacturerName", Value::Text("Acme".into())).unwrap(), b"Acme");
    let error = encode(0x2A6E, "temperature", Value::Float(400.0)).unwrap_err().to_string();
    assert_eq!(error, "400 does not fit sint16: -273.15 to 327.67");
    let error = encode(0x2AEE, "current", Value::Float(700.0)).unwrap_err().to_string();
    assert_eq!(error, "700 does not fit uint16: 0 to 655.35");
    assert!(matches!(encode(0x2AEE, "current", Value::Float(655.35)), Err(Error::Special { .. })));
    assert!(encode(0x2A6E, "temperature", Value::Float(f64::NAN)).is_err());
    let error = encode(0x2A19, "batteryLevel", Value::UInt(101)).unwrap_err().to_string();
    assert_eq!(error, "101 does not fit uint8: 0 to 100");
    assert_eq!(encode(0x2AE2, "boolean", Value::Bool(true)).unwrap(), [1]);
    assert!(matches!(encode(0x2A37, "heartRate", Value::UInt(60)), Err(Error::ReadOnly("heartRate"))));
    assert!(matches!(encode(0x2A08, "dateTime", Value::Text("2026".into())), Err(Error::ReadOnly(_))));
    let changed = layout(0x2A50).encode("productId", &Value::UInt(0xABCD), &bytes("01 0F00 3412 0201")).unwrap();
    assert_eq!(changed, bytes("01 0F00 CDAB 0201"));
    assert!(matches!(encode(0x2A50, "productId", Value::UInt(1)), Err(Error::TooShort { .. })));
}
