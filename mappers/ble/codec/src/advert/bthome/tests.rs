//! BTHome: the examples of bthome.io/format for every object, that of bthome.io/encryption, and what is malformed.
use super::super::tests::bytes;
use super::super::{Format, Reading};
use super::objects::OBJECTS;
use super::*;
use crate::{Decoded, NoValue, Value, ValueKind};
use Verdict::{New, Repeated, Replayed, Waiting};

fn readings(hex: &str) -> Vec<Reading> {
    let mut readings = Vec::new();
    read(&bytes(hex), &mut |reading| readings.push(reading)).unwrap_or_else(|error| panic!("{hex}: {error}"));
    readings
}
fn first(hex: &str) -> (&'static str, &'static str, Decoded) {
    let reading = readings(hex).swap_remove(0);
    (reading.field.name, reading.field.unit, reading.value)
}
fn text(text: &str) -> Decoded {
    Value::Text(text.to_owned().into()).into()
}

#[test]
fn the_list_has_all_its_objects() {
    assert_eq!((OBJECTS.len(), fields().len()), (95, 79));
    assert!(OBJECTS.is_sorted_by(|a, b| a.id < b.id));
    assert!(fields().len() <= super::object::NAMES, "else an index is lost");
    let temperature = fields().into_iter().find(|field| field.name == "temperature").unwrap();
    assert_eq!((temperature.unit, temperature.kind), ("Cel", ValueKind::Float));
    for object in OBJECTS {
        let same = OBJECTS.iter().filter(|other| other.name == object.name);
        assert!(same.clone().all(|other| other.unit == object.unit), "{}: one unit each", object.name);
    }
}

/// Example and result of every row of the table "Sensor data"; but of precipitation, where the page has a factor of 1 and the reference,
/// which is newer, 0.1.
#[test]
fn numbers_are_those_of_the_page() {
    for (hex, name, unit, result) in [
        ("518756", "acceleration", "m/s2", 22.151),
        ("434E34", "current", "A", 13.39),
        ("5D02EA", "current", "A", -5.63),
        ("08CA06", "dewPoint", "Cel", 17.38),
        ("414E00", "distance", "m", 7.8),
        ("424E3400", "duration", "s", 13.39),
        ("4D12138A14", "energy", "kW.h", 344_593.17),
        ("0A138A14", "energy", "kW.h", 1346.067),
        ("4B138A14", "gas", "m3", 1346.067),
        ("4C41018A01", "gas", "m3", 25_821.505),
        ("528756", "gyroscope", "deg/s", 22.151),
        ("03BF13", "humidity", "%", 50.55),
        ("05138A14", "illuminance", "lx", 13_460.67),
        ("065E1F", "mass", "kg", 80.3),
        ("073E1D", "massLb", "[lb_av]", 74.86),
        ("14020C", "moisture", "%", 30.74),
        ("0B021B00", "power", "W", 69.14),
        ("5C02FBFFFF", "power", "W", -12.78),
        ("04138A01", "pressure", "hPa", 1008.83),
        ("3F020C", "rotation", "deg", 307.4),
        ("444E34", "speed", "m/s", 133.9),
        ("58EA", "temperature", "Cel", -7.7),
        ("451101", "temperature", "Cel", 27.3),
        ("02CA09", "temperature", "Cel", 25.06),
        ("0C020C", "voltage", "V", 3.074),
        ("4A020C", "voltage", "V", 307.4),
        ("4E87562A01", "volume", "L", 19_551.879),
        ("478756", "volume", "L", 2215.1),
        ("5587562A01", "volumeStorage", "L", 19_551.879),
        ("49DC87", "volumeFlowRate", "m3/h", 34.78),
        ("4632", "uvIndex", "", 5.0),
        ("4F87562A01", "water", "L", 19_551.879),
        ("5E9F8C", "direction", "deg", 359.99),
        ("5FA00F", "precipitation", "mm", 400.0),
    ] {
        assert_eq!(first(hex), (name, unit, Value::Float(result).into()), "{hex}");
    }
}

/// As above, of the rows with a factor of 1, and of "Device" and "Misc data".
#[test]
fn whole_numbers_are_those_of_the_page() {
    for (hex, name, result) in [
        ("0161", "battery", 97),
        ("12E204", "co2", 1250),
        ("56E803", "conductivity", 1000),
        ("0960", "count", 96),
        ("3D0960", "count", 24_585),
        ("3E2A2C0960", "count", 1_611_213_866),
        ("400C00", "distanceMm", 12),
        ("2E23", "humidity", 35),
        ("2F23", "moisture", 35),
        ("0D120C", "pm25", 3090),
        ("0E021C", "pm10", 7170),
        ("133301", "tvoc", 307),
        ("48DC87", "volumeMl", 34_780),
        ("505D396164", "timestamp", 1_684_093_277),
        ("F00100", "deviceTypeId", 1),
        ("0009", "packetId", 9),
    ] {
        let (found, _, value) = first(hex);
        assert_eq!((found, value), (name, Value::UInt(result).into()), "{hex}");
    }
    for (hex, name, result) in [
        ("59EA", "count", -22),
        ("5AEAEA", "count", -5398),
        ("5BEA0234EA", "count", -365_690_134),
        ("57EA", "temperature", -22),
    ] {
        let (found, _, value) = first(hex);
        assert_eq!((found, value), (name, Value::Int(result).into()), "{hex}");
    }
}

/// Examples of the tables "Binary Sensor data", "Events" and "Device", and of text and raw.
#[test]
fn what_is_no_number_is_that_of_the_page() {
    for (hex, name, on) in
        [("1501", "batteryLow", true), ("1A00", "door", false), ("2101", "motion", true), ("2D01", "window", true)]
    {
        let (found, _, value) = first(hex);
        assert_eq!((found, value), (name, Value::Bool(on).into()));
    }
    let booleans =
        OBJECTS.iter().filter(|object| fields().iter().any(|f| f.name == object.name && f.kind == ValueKind::Bool));
    assert_eq!(booleans.count(), 28, "rows of the table of binary sensors");
    assert_eq!(first("530C48656C6C6F20576F726C6421").2, text("Hello World!"));
    assert_eq!(first("540C48656C6C6F20576F726C6421").2, Value::Bytes(b"Hello World!".to_vec()).into());
    assert_eq!((first("F100010204").2, first("F2000106").2), (text("4.2.1.0"), text("6.1.0")));
    for (hex, event) in [
        ("3A01", "press"),
        ("3A02", "double_press"),
        ("3A06", "long_triple_press"),
        ("3A80", "hold_press"),
        ("3A77", "0x77"),
    ] {
        assert_eq!(first(hex).2, text(event));
    }
    let dimmer = readings("3C0103");
    assert_eq!((dimmer[0].value.clone(), dimmer[1].value.clone()), (text("rotate_left"), Value::UInt(3).into()));
    assert_eq!(readings("3C020A")[0].value, text("rotate_right"));
    assert!(readings("3C0000").iter().all(|reading| reading.value == Decoded::None(NoValue::NoEvent)));
    for name in super::event::FIELDS {
        assert!(Format::BtHome.field(name).is_ok() && Format::BtHome.is_event(name), "{name}");
    }
    assert!(!Format::BtHome.is_event("temperature") && !Format::Ruuvi5.is_event("button"));
    let buttons = readings("3A003A01");
    assert_eq!((buttons[0].value.clone(), buttons[0].index), (Decoded::None(NoValue::NoEvent), 1));
    assert_eq!((buttons[1].value.clone(), buttons[1].index), (text("press"), 2));
    // Length 2 in the lower five bits, what to do, and two bytes of arguments.
    let command = readings("3B E2 02 0A0B 0161");
    assert_eq!(command.iter().map(|r| r.field.name).collect::<Vec<_>>(), ["command", "commandArguments", "battery"]);
    assert_eq!(
        (command[0].value.clone(), command[1].value.clone()),
        (text("toggle"), Value::Bytes(vec![10, 11]).into())
    );
}

#[test]
fn objects_of_one_name_are_told_apart_by_index_and_the_unknown_kept() {
    let many = readings("0009 02CA09 02CB09 03BF13 451101 99 0203");
    let found: Vec<_> = many.iter().map(|reading| (reading.field.name, reading.index)).collect();
    let wanted =
        [("packetId", 1), ("temperature", 1), ("temperature", 2), ("humidity", 1), ("temperature", 3), ("unknown", 1)];
    assert_eq!(found, wanted);
    assert_eq!(many[5].value, Value::Bytes(vec![0x99, 2, 3]).into());
    let presses = readings(&"3A01".repeat(300));
    assert_eq!((presses.len(), presses[254].index, presses[299].index), (300, 255, 255));
}

#[test]
fn a_payload_that_is_cut_short_gives_nothing() {
    for hex in ["02", "02CA", "0161 02CA", "53", "530561", "0161 3B", "3B0102", "3C01", "F10001", "5302FFFF"] {
        let mut count = 0;
        let error = read(&bytes(hex), &mut |_| count += 1).unwrap_err().to_string();
        assert_eq!(count, 0, "{hex}");
        assert!(error.contains("too few") || error.contains("UTF-8"), "{error}");
    }
    assert!(readings("").is_empty());
    assert_eq!(first("5300").2, text(""));
}

#[test]
fn the_first_byte_says_what_follows() {
    for (byte, encrypted, trigger_based) in
        [(0x40, false, false), (0x41, true, false), (0x44, false, true), (0x45, true, true)]
    {
        assert_eq!(Info::of(&[byte, 1]).unwrap(), (Info { encrypted, trigger_based }, [1].as_slice()));
    }
    for byte in [0x20, 0x60, 0xE1, 0x00] {
        assert!(Info::of(&[byte]).unwrap_err().to_string().contains("version is not 2"));
    }
    let mut found = Vec::new();
    // The example at the top of bthome.io/format.
    Format::BtHome.decode(&bytes("4002C40903BF13"), &mut |reading| found.push(reading.value)).unwrap();
    assert_eq!(found, [Value::Float(25.0).into(), Value::Float(50.55).into()]);
    let sealed = Format::BtHome.decode(&bytes("41E445F3C9962B332211006C7C4519"), &mut |_| {});
    assert_eq!(sealed, Err(Error::Encrypted));
}

const ADDRESS: [u8; 6] = [0x54, 0x48, 0xE6, 0x8F, 0x80, 0xA5];
fn key() -> Key {
    "231d39c1d7cc1ab1aee224cd096db932".parse().unwrap()
}

/// The first is the example of bthome.io/encryption, the second that of bthome-ble (test_bindkey_correct).
#[test]
fn the_published_examples_of_encryption_open() {
    for (hex, counter) in
        [("41E445F3C9962B332211006C7C4519", 0x0011_2233), ("41A47266C95F730011223378237214", 0x3322_1100)]
    {
        let opened = key().open(ADDRESS, &bytes(hex)).unwrap();
        assert_eq!((opened.counter, opened.payload()), (counter, bytes("02CA0903BF13").as_slice()));
        assert!(opened.info.encrypted && !opened.info.trigger_based);
    }
}

#[test]
fn whatever_is_changed_does_not_open() {
    let sealed = bytes("41E445F3C9962B332211006C7C4519");
    for bit in 0..8 * sealed.len() {
        let mut changed = sealed.clone();
        changed[bit / 8] ^= 1 << (bit % 8);
        let error = key().open(ADDRESS, &changed).unwrap_err();
        let wanted = match bit {
            0 => matches!(error, Error::NotEncrypted),
            5..=7 => matches!(error, Error::Other { .. }),
            _ => error == Error::Integrity,
        };
        assert!(wanted, "bit {bit}: {error}");
    }
    let mut other = ADDRESS;
    other[5] ^= 1;
    assert_eq!(key().open(other, &sealed).unwrap_err(), Error::Integrity);
    let wrong: Key = "231d39c1d7cc1ab1aee224cd096db933".parse().unwrap();
    assert_eq!(wrong.open(ADDRESS, &sealed).unwrap_err(), Error::Integrity);
    assert_eq!(key().open(ADDRESS, &bytes("4002CA09")).unwrap_err(), Error::NotEncrypted);
    for short in [1, 8, 9] {
        assert!(matches!(key().open(ADDRESS, &sealed[..short]), Err(Error::TooShort { needed: 10, .. })), "{short}");
    }
    let long: Vec<u8> = [0x41].into_iter().chain([0; 263]).collect();
    assert!(matches!(key().open(ADDRESS, &long), Err(Error::TooLong { .. })));
    assert_eq!(key().open(ADDRESS, &long[..263]).unwrap_err(), Error::Integrity, "the longest that may be");
}

#[test]
fn a_key_of_another_form_is_refused_and_none_is_shown() {
    let error = |text: &str| text.parse::<Key>().unwrap_err().to_string();
    assert!(error("231d39").contains("not 6 characters"));
    assert!(error(&"g".repeat(32)).contains("other characters"));
    assert!(error(&format!("+{}", "1".repeat(31))).contains("other characters"));
    assert!(!error("secretsecretsecretsecretsecretse").contains("secret"));
    assert_eq!(format!("{:?}", key()), "Key");
}

#[test]
fn only_greater_counters_are_new() {
    let mut replay = Replay::new(Some(1000));
    let verdicts = [1001, 1001, 1000, 500, 1002, u32::MAX, 100].map(|counter| replay.check(counter));
    assert_eq!(verdicts, [New, Repeated, Replayed, Replayed, New, New, Replayed]);
    assert_eq!(replay.last(), Some(u32::MAX));
    assert_eq!(Replay::default().check(5), New, "the first there is");
}

#[test]
fn a_changed_battery_is_believed_after_three_low_counters_in_a_row() {
    let judge = |counters: &[u32]| {
        let mut replay = Replay::new(Some(70_000));
        let verdicts: Vec<_> = counters.iter().map(|counter| replay.check(*counter)).collect();
        (verdicts, replay.last())
    };
    assert_eq!(judge(&[0, 1, 1, 2, 3]), (vec![Waiting, Waiting, Waiting, New, New], Some(3)));
    assert_eq!(judge(&[97, 98, 99, 100]).0, [Waiting, Waiting, New, New]);
    assert_eq!(judge(&[99, 100, 101, 102]).0, [Waiting, Replayed, Replayed, Replayed], "not low any more");
    // The device is still there: what was low in between was an old one.
    assert_eq!(judge(&[5, 6, 70_001, 7, 8]), (vec![Waiting, Waiting, New, Waiting, Waiting], Some(70_001)));
    assert_eq!(judge(&[9, 8, 7, 6]).0, [Waiting; 4], "not rising");
}

#[test]
fn a_packet_id_tells_what_was_sent_again() {
    let mut ids = PacketIds::default();
    let new = [Some(9), Some(9), Some(10), None, Some(10), Some(9)].map(|id| ids.is_new(id));
    assert_eq!(new, [true, false, true, true, false, true]);
}
