//! Ruuvi, iBeacon and Eddystone.
use super::*;
use crate::{NoValue, Value, ValueKind};

pub(super) fn bytes(hex: &str) -> Vec<u8> {
    let digits: Vec<char> =
        hex.chars().filter(|c| !c.is_whitespace()).map(|c| if c == 'X' { 'F' } else { c }).collect();
    digits.chunks(2).map(|pair| u8::from_str_radix(&pair.iter().collect::<String>(), 16).unwrap()).collect()
}
fn decode(format: Format, hex: &str) -> Vec<(&'static str, Decoded)> {
    let mut readings = Vec::new();
    format.decode(&bytes(hex), &mut |reading| readings.push((reading.field.name, reading.value))).unwrap();
    readings
}
/// Every field in its order, numbers to their resolution.
fn check(format: Format, hex: &str, wanted: &[(&str, Decoded)]) {
    let found = decode(format, hex);
    assert_eq!(found.len(), wanted.len(), "{format}");
    for ((name, value), (wanted_name, wanted)) in found.iter().zip(wanted) {
        let same = match (value, wanted) {
            (Decoded::Value(Value::Float(value)), Decoded::Value(Value::Float(wanted))) => {
                (value - wanted).abs() < 1e-9
            }
            (value, wanted) => value == wanted,
        };
        assert!(name == wanted_name && same, "{format}: {name} is {value:?}, not {wanted_name} {wanted:?}");
    }
}
fn f(number: f64) -> Decoded {
    Value::Float(number).into()
}
fn u(number: u64) -> Decoded {
    Value::UInt(number).into()
}
fn b(on: bool) -> Decoded {
    Value::Bool(on).into()
}
fn t(text: &str) -> Decoded {
    Value::Text(text.to_owned().into()).into()
}
const NONE: Decoded = Decoded::None(NoValue::NotKnown);

fn format_5(values: [Decoded; 11]) -> Vec<(&'static str, Decoded)> {
    let names = ["temperature", "humidity", "pressure", "accelerationX", "accelerationY", "accelerationZ"];
    let rest = ["batteryVoltage", "txPower", "movementCounter", "sequence", "address"];
    names.into_iter().chain(rest).zip(values).collect()
}

/// The four test vectors of docs.ruuvi.com, "Data format 5 (RAWv2)".
#[test]
fn ruuvi_5_as_its_maker_tests_it() {
    let address = || t("CB:B8:33:4C:88:4F");
    let valid =
        [f(24.3), f(53.49), f(100_044.0), f(0.004), f(-0.004), f(1.036), f(2.977), f(4.0), u(66), u(205), address()];
    check(Format::Ruuvi5, "0512FC5394C37C0004FFFC040CAC364200CDCBB8334C884F", &format_5(valid));
    let g = || f(32.767);
    let most = [f(163.835), f(163.835), f(115_534.0), g(), g(), g(), f(3.646), f(20.0), u(254), u(65_534), address()];
    check(Format::Ruuvi5, "057FFFFFFEFFFE7FFF7FFF7FFFFFDEFEFFFECBB8334C884F", &format_5(most));
    let g = || f(-32.767);
    let least = [f(-163.835), f(0.0), f(50_000.0), g(), g(), g(), f(1.6), f(-40.0), u(0), u(0), address()];
    check(Format::Ruuvi5, "058001000000008001800180010000000000CBB8334C884F", &format_5(least));
    check(Format::Ruuvi5, "058000FFFFFFFF800080008000FFFFFFFFFFFFFFFFFFFFFF", &format_5([NONE; 11]));
}

/// The four test vectors of docs.ruuvi.com, "Data format 6", where XX is reserved, and the examples of its luminosity, but for
/// that of code 80, whose 244.06 lx do not follow from its formula, as those of all others do.
#[test]
fn ruuvi_6_as_its_maker_tests_it() {
    let names =
        ["temperature", "humidity", "pressure", "pm25", "co2", "vocIndex", "noxIndex", "illuminance", "sequence"];
    let row =
        |values: [Decoded; 11]| -> Vec<_> { names.into_iter().chain(["calibrating", "address"]).zip(values).collect() };
    let light = |code: f64| f((code * 65_536_f64.ln() / 254.0).exp() - 1.0);
    let address = || t("4C:88:4F");
    let valid =
        [f(29.5), f(55.3), f(101_102.0), f(11.2), u(201), u(10), u(2), light(217.0), u(205), b(false), address()];
    check(Format::Ruuvi6, "06170C5668C79E007000C90501D9XXCD004C884F", &row(valid));
    let most =
        [f(163.835), f(100.0), f(115_534.0), f(1000.0), u(40_000), u(500), u(500), light(254.0), u(255), b(true)];
    let most: [Decoded; 11] = most.into_iter().chain([t("4C:8F:4F")]).collect::<Vec<_>>().try_into().unwrap();
    check(Format::Ruuvi6, "067FFF9C40FFFE27109C40FAFAFEXXFF074C8F4F", &row(most));
    let least = [f(-163.835), f(0.0), f(50_000.0), f(0.0), u(0), u(0), u(0), f(0.0), u(0), b(false), address()];
    check(Format::Ruuvi6, "0680010000000000000000000000XX00004C884F", &row(least));
    let invalid = [NONE, NONE, NONE, NONE, NONE, NONE, NONE, NONE, u(255), b(true), NONE];
    check(Format::Ruuvi6, "068000FFFFFFFFFFFFFFFFFFFFFFXXFFFFFFFFFF", &row(invalid));
    for (code, lux) in [("01", "0.04"), ("10", "1.01"), ("FE", "65535.00"), ("D9", "13026.67")] {
        let data = format!("06170C5668C79E007000C90501{code}FFCD004C884F");
        let Some((_, Decoded::Value(Value::Float(found)))) = decode(Format::Ruuvi6, &data).into_iter().nth(7) else {
            panic!()
        };
        assert_eq!(format!("{found:.2}"), lux);
    }
}

/// All published vectors have both bits alike: bit 6 of the flags is the lowest of VOC, bit 7 that of NOX.
#[test]
fn the_ninth_bits_of_ruuvi_are_told_apart() {
    let six = |flags| format!("06170C5668C79E007000C90501D9FFCD{flags}4C884F");
    let e1 = |flags| format!("E1170C5668C79E0065007004BD11CA00C90501{}{flags}{}", "FF".repeat(9), "FF".repeat(11));
    for (flags, voc, nox) in [("00", 10, 2), ("40", 11, 2), ("80", 10, 3), ("3F", 10, 2)] {
        for (format, data) in [(Format::Ruuvi6, six(flags)), (Format::RuuviE1, e1(flags))] {
            let found = decode(format, &data);
            let value = |name| found.iter().find(|(other, _)| *other == name).map(|(_, value)| value.clone());
            assert_eq!((value("vocIndex"), value("noxIndex")), (Some(u(voc)), Some(u(nox))), "{format} {flags}");
        }
    }
}

/// Temperature, humidity, pressure, four sizes of particles; CO₂ and two indices; light; sequence; whether it calibrates; address.
fn format_e1(
    air: [f64; 7],
    gas: [u64; 3],
    light: f64,
    sequence: u64,
    calibrating: bool,
) -> Vec<(&'static str, Decoded)> {
    let numbers = ["temperature", "humidity", "pressure", "pm1", "pm25", "pm4", "pm10"].into_iter().zip(air.map(f));
    let gas = ["co2", "vocIndex", "noxIndex"].into_iter().zip(gas.map(u));
    let rest = [("illuminance", f(light)), ("sequence", u(sequence)), ("calibrating", b(calibrating))];
    numbers.chain(gas).chain(rest).chain([("address", t("CB:B8:33:4C:88:4F"))]).collect()
}

/// The four test vectors of docs.ruuvi.com, "Data format E1". It says of the first that calibration is in progress; its flags, 10, have bit 0
/// clear.
#[test]
fn ruuvi_e1_as_its_maker_tests_it() {
    let check = |hex: &str, wanted: &[_]| check(Format::RuuviE1, hex, wanted);
    let valid = [29.5, 55.3, 101_102.0, 10.1, 11.2, 121.3, 455.4];
    check(
        "E1170C5668C79E0065007004BD11CA00C90A0213E0ACXXXXXXDECDEE10XXXXXXXXXXCBB8334C884F",
        &format_e1(valid, [201, 20, 4], 13_027.0, 14_601_710, false),
    );
    let most = [163.835, 100.0, 115_534.0, 1000.0, 1000.0, 1000.0, 1000.0];
    check(
        "E17FFF9C40FFFE27102710271027109C40FAFADC28F0XXXXXXFFFFFE3FXXXXXXXXXXCBB8334C884F",
        &format_e1(most, [40_000, 500, 500], 144_284.0, 16_777_214, true),
    );
    check(
        "E1800100000000000000000000000000000000000000XXXXXX00000000XXXXXXXXXXCBB8334C884F",
        &format_e1([-163.835, 0.0, 50_000.0, 0.0, 0.0, 0.0, 0.0], [0; 3], 0.0, 0, false),
    );
    let mut invalid = format_e1([0.0; 7], [0; 3], 0.0, 0, false);
    invalid.iter_mut().filter(|(name, _)| *name != "calibrating").for_each(|(_, value)| *value = NONE);
    check("E18000FFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFXXXXXXFFFFFFFEXXXXXXXXXXFFFFFFFFFFFF", &invalid);
}

/// The UUID of Apple's AirLocate example, and its layout (Proximity Beacon Specification R1).
#[test]
fn ibeacon() {
    let wanted = [
        ("uuid", t("e2c56db5-dffb-48d2-b060-d0f5a71096e0")),
        ("major", u(1)),
        ("minor", u(258)),
        ("measuredPower", Value::Int(-59).into()),
    ];
    check(Format::IBeacon, "0215 E2C56DB5DFFB48D2B060D0F5A71096E0 0001 0102 C5", &wanted);
}

/// Powers and addresses of the pages of Eddystone's frames; the namespace is the example of Eddystone-UID.
#[test]
fn eddystone() {
    let power = |power| ("txPower", Value::Int(power).into());
    let uid = [power(-18), ("namespace", t("8B0CA750095477CB3E77")), ("instance", t("000000000001"))];
    check(Format::EddystoneUid, "00 EE 8B0CA750095477CB3E77 000000000001 0000", &uid);
    check(Format::EddystoneUid, "00 EE 8B0CA750095477CB3E77 000000000001", &uid);
    check(
        Format::EddystoneUrl,
        "10 12 03 676F6F2E676C2F417131387A46",
        &[power(18), ("url", t("https://goo.gl/Aq18zF"))],
    );
    check(Format::EddystoneUrl, "10 12 00 61 00 62", &[power(18), ("url", t("http://www.a.com/b"))]);
    // A scheme, and two characters, that are reserved.
    for hex in ["10 12 04 61", "10 12 00 0E", "10 12 00 7F"] {
        check(Format::EddystoneUrl, hex, &[power(18), ("url", Decoded::None(NoValue::NotValid))]);
    }
    let tlm = [("batteryVoltage", f(2.968)), ("temperature", f(-21.5)), ("advertisements", u(16)), ("uptime", f(25.6))];
    check(Format::EddystoneTlm, "20 00 0B98 EA80 00000010 00000100", &tlm);
    let none = [("batteryVoltage", NONE), ("temperature", NONE), ("advertisements", u(0)), ("uptime", f(0.0))];
    check(Format::EddystoneTlm, "20 00 0000 8000 00000000 00000000", &none);
}

#[test]
fn data_of_another_length_or_kind_is_refused_whole() {
    let refused = |format: Format, hex: &str| {
        let mut readings = 0;
        let error = format.decode(&bytes(hex), &mut |_| readings += 1).unwrap_err();
        assert_eq!(readings, 0);
        error.to_string()
    };
    assert!(refused(Format::Ruuvi5, "0512FC").contains("Ruuvi5 needs 24"));
    assert!(refused(Format::Ruuvi5, &"05".repeat(25)).contains("Ruuvi5 has 24"));
    assert!(refused(Format::Ruuvi5, "").contains("other bytes"));
    assert!(refused(Format::Ruuvi6, "05").contains("other bytes"));
    assert!(refused(Format::EddystoneTlm, "20 01 0000 8000 00000000 00000000").contains("version"));
    assert!(refused(Format::EddystoneUrl, "10 12").contains("needs 3"));
    assert!(refused(Format::IBeacon, "0215").contains("IBeacon needs 23"));
    assert!(refused(Format::BtHome, "").contains("BTHome needs 1"));
}

#[test]
fn the_format_of_data_is_found_and_names_are_read() {
    let ruuvi = Source::Company("Ruuvi Innovations Ltd.".parse().unwrap());
    for (source, data, format) in [
        (ruuvi, "05", Some(Format::Ruuvi5)),
        (ruuvi, "06", Some(Format::Ruuvi6)),
        (ruuvi, "E1", Some(Format::RuuviE1)),
        (ruuvi, "03", None),
        (Source::Company(Company(0x4C)), "0215", Some(Format::IBeacon)),
        (Source::Company(Company(0x4C)), "1005", None),
        (Source::Service(Uuid::short(0xFEAA)), "20", Some(Format::EddystoneTlm)),
        (Source::Service(bthome::UUID), "40", Some(Format::BtHome)),
        (Source::Service(Uuid::short(0x180F)), "64", None),
    ] {
        assert_eq!(Format::of(source, &bytes(data)), format, "{data}");
    }
    for format in Format::ALL {
        assert_eq!(format.name().to_lowercase().parse::<Format>().unwrap(), format);
        assert!(!format.fields().is_empty());
    }
    assert!("Ruuvi".parse::<Format>().unwrap_err().to_string().contains("Ruuvi5"));
    assert!(Format::Ruuvi5.field("temprature").unwrap_err().to_string().ends_with("\"temperature\""));
    assert_eq!(Format::Ruuvi5.field("pressure").unwrap().kind, ValueKind::Float);
}
