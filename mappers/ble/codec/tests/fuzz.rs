//! Whatever comes over the air, or is written by a user: no decoder panics, and what it gives is bounded by what it was given. Short in the
//! normal run; `cargo test --release -p pollux-ble-codec --test fuzz -- --ignored` tries 10⁶ inputs of each.
use pollux_ble_codec::advert::{self, bthome};
use pollux_ble_codec::assigned::Kind;
use pollux_ble_codec::{Bits, ByteOrder, Company, DataType, Decoded, Format, Uuid, Value, characteristic};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestCaseResult, TestRunner};

const SHORT: u32 = 500;
const LONG: u32 = 1_000_000;

fn run<S: Strategy>(cases: u32, strategy: &S, test: impl Fn(S::Value) -> TestCaseResult) {
    let config = Config { cases, failure_persistence: None, ..Config::default() };
    TestRunner::new(config).run(strategy, test).expect("what is asserted holds for any input");
}

fn data() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![4 => prop::collection::vec(any::<u8>(), 0..64), 1 => prop::collection::vec(any::<u8>(), 0..600)]
}

fn size(decoded: &Decoded) -> usize {
    match decoded {
        Decoded::Value(Value::Text(text)) => text.len(),
        Decoded::Value(Value::Bytes(bytes)) => bytes.len(),
        _ => 0,
    }
}

fn finite(decoded: &Decoded) -> bool {
    !matches!(decoded, Decoded::Value(Value::Float(number)) if !number.is_finite())
}

fn settings() -> impl Strategy<Value = Format> {
    let bits = prop::option::of((0_u32..70, 0_u32..70).prop_map(|(first, count)| Bits { first, count }));
    let lengths = (prop::option::of(0_usize..520), prop::option::of(0_usize..520));
    let data_type = prop::sample::select(DataType::ALL.to_vec());
    (data_type, any::<bool>(), lengths, bits, prop::option::of(any::<u64>())).prop_map(
        |(data_type, big, (offset, length), bits, not_known)| {
            let byte_order = if big { ByteOrder::Big } else { ByteOrder::Little };
            Format { data_type, byte_order, offset, length, bits, not_known }
        },
    )
}

fn value() -> impl Strategy<Value = Value> {
    prop_oneof![
        any::<bool>().prop_map(Value::Bool),
        any::<i64>().prop_map(Value::Int),
        any::<u64>().prop_map(Value::UInt),
        any::<f64>().prop_map(Value::Float),
        ".{0,20}".prop_map(|text: String| Value::Text(text.into())),
        data().prop_map(Value::Bytes),
    ]
}

fn formats(cases: u32) {
    run(cases, &(settings(), data(), value()), |(format, bytes, value)| {
        if let Ok(decoded) = format.decode(&bytes) {
            // One unit of UTF-16 is three bytes of UTF-8 at most.
            prop_assert!(size(&decoded) <= bytes.len() * 2 && finite(&decoded));
        }
        let mut changed = bytes.clone();
        if format.encode_into(&mut changed, &value).is_err() {
            prop_assert_eq!(&changed, &bytes, "what is refused changes nothing");
        } else {
            prop_assert!(format.decode(&changed).is_ok(), "what is written can be read");
        }
        if let Ok(encoded) = format.encode(&value) {
            prop_assert!(encoded.len() <= 512);
        }
        Ok(())
    });
}

fn characteristics(cases: u32) {
    let layouts: Vec<_> = characteristic::all().collect();
    run(cases, &(prop::sample::select(layouts), data(), value()), |(layout, bytes, value)| {
        for field in layout.fields() {
            if let Ok(decoded) = layout.decode(field.name, &bytes) {
                prop_assert!(size(&decoded) <= bytes.len() * 3 && finite(&decoded));
            }
            if let Ok(encoded) = layout.encode(field.name, &value, &bytes) {
                prop_assert!(layout.decode(field.name, &encoded).is_ok());
            }
        }
        Ok(())
    });
}

fn adverts(cases: u32) {
    let key: bthome::Key = "231d39c1d7cc1ab1aee224cd096db932".parse().expect("of 32 digits");
    // Each format's own first bytes, else most inputs are refused at once.
    let starts: Vec<&[u8]> = vec![&[], &[0x40], &[0x41], &[5], &[6], &[0xE1], &[2, 0x15], &[0], &[0x10], &[0x20, 0]];
    run(cases, &(prop::sample::select(starts), data()), |(start, rest)| {
        let bytes = [start, &rest].concat();
        for format in advert::Format::ALL {
            let (mut readings, mut total, mut all_finite) = (0, 0, true);
            let result = format.decode(&bytes, &mut |reading| {
                readings += 1;
                total += size(&reading.value);
                all_finite &= finite(&reading.value);
            });
            prop_assert!(result.is_ok() || readings == 0, "what is malformed gives nothing");
            prop_assert!(readings <= bytes.len().max(16) && total <= 64 + bytes.len() * 20 && all_finite);
        }
        prop_assert!(key.open([1, 2, 3, 4, 5, 6], &bytes).is_err(), "a forged tag: 1 in 4·10⁹");
        Ok(())
    });
}

fn texts(cases: u32) {
    run(cases, &(".{0,40}", any::<u128>()), |(text, bits)| {
        let found = [Kind::Service, Kind::Characteristic, Kind::Descriptor].map(|kind| kind.find(&text));
        for error in found.into_iter().filter_map(Result::err) {
            prop_assert!(error.to_string().len() < 1_000);
        }
        prop_assert!(text.parse::<DataType>().map_or_else(|error| error.to_string(), |t| t.to_string()).len() < 1_000);
        prop_assert!(text.parse::<bthome::Key>().is_err() && text.parse::<advert::Format>().is_err());
        for uuid in [Uuid::from_u128(bits), Uuid::medium((bits & 0xFFFF_FFFF) as u32)] {
            prop_assert_eq!(uuid.to_string().parse(), Ok(uuid));
            prop_assert_eq!(uuid.in_full().parse(), Ok(uuid));
        }
        Ok(())
    });
    // Four thousand names each: a few are enough.
    run(cases / 1000 + 20, &".{0,40}", |text| {
        let shown = text.parse::<Company>().map_or_else(|error| error.to_string(), |company| company.to_string());
        prop_assert!(shown.len() < 1_000);
        Ok(())
    });
}

#[test]
fn formats_take_anything() {
    formats(SHORT);
}
#[test]
fn characteristics_take_anything() {
    characteristics(SHORT);
}
#[test]
fn adverts_take_anything() {
    adverts(SHORT);
}
#[test]
fn texts_take_anything() {
    texts(SHORT / 10);
}

#[test]
#[ignore = "minutes"]
fn formats_take_a_million() {
    formats(LONG);
}
#[test]
#[ignore = "minutes"]
fn characteristics_take_a_million() {
    characteristics(LONG);
}
#[test]
#[ignore = "minutes"]
fn adverts_take_a_million() {
    adverts(LONG);
}
#[test]
#[ignore = "minutes"]
fn texts_take_a_hundred_thousand() {
    texts(LONG / 10);
}
