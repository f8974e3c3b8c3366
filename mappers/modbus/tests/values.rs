//! Registers as data sheets and standards print them, against the codec. The expected bytes are written by hand, or computed by
//! an oracle that reads the letters of the order's name and knows nothing of the code.
#![allow(clippy::panic, clippy::unwrap_used, reason = "a test")]
use pollux_crds::ByteOrder::{self, Abcd, AbcdEfgh, Badc, BadcFehg, Cdab, Dcba, GhefCdab, HgfeDcba};
use pollux_crds::{ModbusEncoding as Encoding, ModbusTrim as Trim};
use pollux_mapper::Value;
use pollux_modbus::values::{Encoded, Field, Format, Number, One, Text};
use proptest::prelude::*;
use serde_json::{Value as Json, json};
use std::sync::Arc;

const ORDERS: [ByteOrder; 4] = [Abcd, Badc, Cdab, Dcba];
const NUMBERS: [Number; 17] = [
    Number::Int16,
    Number::Uint16,
    Number::Int32,
    Number::Uint32,
    Number::Int64,
    Number::Uint64,
    Number::Float16,
    Number::Float32,
    Number::Float64,
    Number::Bcd16,
    Number::Bcd32,
    Number::Bcd64,
    Number::M10k32,
    Number::M10k48,
    Number::M10k64,
    Number::SignMagnitude16,
    Number::SignMagnitude32,
];

fn bytes(words: &[u16]) -> Vec<u8> {
    words.iter().flat_map(|word| [u8::try_from(word >> 8).unwrap(), u8::try_from(word & 0xFF).unwrap()]).collect()
}
fn words(format: Format, value: &Value) -> Vec<u16> {
    match format.encode(value) {
        Ok(Encoded::Words(words)) => words,
        other => panic!("{format:?} {value:?}: {other:?}"),
    }
}
fn text(registers: u16) -> Text {
    Text { registers, ..Text::default() }
}
fn json(value: Json) -> Value {
    Value::Json(Arc::new(value))
}

#[test]
fn registers_of_a_data_sheet_are_the_value_it_prints_and_back() {
    use Number::*;
    let table: [(Number, ByteOrder, &[u16], Value); 38] = [
        (Int16, Abcd, &[0xFF85], Value::Int(-123)),
        (Int16, Badc, &[0x85FF], Value::Int(-123)),
        (Int16, Cdab, &[0xFF85], Value::Int(-123)),
        (Int16, Dcba, &[0x85FF], Value::Int(-123)),
        (Uint16, Abcd, &[0xFFFF], Value::Uint(65535)),
        (Uint32, Abcd, &[0x1234, 0x5678], Value::Uint(0x1234_5678)),
        (Uint32, Badc, &[0x3412, 0x7856], Value::Uint(0x1234_5678)),
        (Uint32, Cdab, &[0x5678, 0x1234], Value::Uint(0x1234_5678)),
        (Uint32, Dcba, &[0x7856, 0x3412], Value::Uint(0x1234_5678)),
        (Int32, Cdab, &[0xFFFE, 0xFFFF], Value::Int(-2)),
        // 21.5 is 0x41AC0000, 123.456 is 0x42F6E979
        (Float32, Abcd, &[0x41AC, 0x0000], Value::Float(21.5)),
        (Float32, Cdab, &[0xE979, 0x42F6], Value::Float(f64::from(123.456_f32))),
        (Float32, Badc, &[0xF642, 0x79E9], Value::Float(f64::from(123.456_f32))),
        (Float32, Dcba, &[0x79E9, 0xF642], Value::Float(f64::from(123.456_f32))),
        (Uint64, Abcd, &[0x0102, 0x0304, 0x0506, 0x0708], Value::Uint(0x0102_0304_0506_0708)),
        (Uint64, AbcdEfgh, &[0x0102, 0x0304, 0x0506, 0x0708], Value::Uint(0x0102_0304_0506_0708)),
        (Uint64, BadcFehg, &[0x0201, 0x0403, 0x0605, 0x0807], Value::Uint(0x0102_0304_0506_0708)),
        (Uint64, GhefCdab, &[0x0708, 0x0506, 0x0304, 0x0102], Value::Uint(0x0102_0304_0506_0708)),
        (Uint64, HgfeDcba, &[0x0807, 0x0605, 0x0403, 0x0201], Value::Uint(0x0102_0304_0506_0708)),
        (Int64, Abcd, &[0xFFFF, 0xFFFF, 0xFFFF, 0xFFFD], Value::Int(-3)),
        // 1.5 is 0x3FF8000000000000
        (Float64, Abcd, &[0x3FF8, 0, 0, 0], Value::Float(1.5)),
        (Float64, Dcba, &[0, 0, 0, 0xF83F], Value::Float(1.5)),
        // IEEE 754: 1.5 is 0x3E00, -2 is 0xC000, the greatest is 0x7BFF
        (Float16, Abcd, &[0x3E00], Value::Float(1.5)),
        (Float16, Badc, &[0x003E], Value::Float(1.5)),
        (Float16, Abcd, &[0xC000], Value::Float(-2.0)),
        (Float16, Abcd, &[0x7BFF], Value::Float(65_504.0)),
        (Bcd16, Abcd, &[0x1234], Value::Uint(1234)),
        (Bcd32, Abcd, &[0x0012, 0x3456], Value::Uint(123_456)),
        (Bcd32, Cdab, &[0x3456, 0x0012], Value::Uint(123_456)),
        (Bcd64, Abcd, &[0x9876, 0x5432, 0x1098, 0x7654], Value::Uint(9_876_543_210_987_654)),
        // Modulo 10,000, the greater register first (ION); the smaller first (PM800, after its register list) is CDAB
        (M10k32, Abcd, &[121, 9440], Value::Int(1_219_440)),
        (M10k32, Cdab, &[9440, 121], Value::Int(1_219_440)),
        // Both of Schneider Electric, "Modbus Protocol for ION 7500, ION 7600 and ION 8000 series", page 13.
        (M10k32, Abcd, &[0x04D2, 0x162E], Value::Int(12_345_678)),
        (M10k32, Abcd, &[0xFB2E, 0xE9D2], Value::Int(-12_345_678)),
        (M10k48, Abcd, &[1, 2, 3], Value::Int(100_020_003)),
        (M10k64, Cdab, &[4, 3, 2, 1], Value::Int(1_000_200_030_004)),
        (SignMagnitude16, Abcd, &[0x8005], Value::Int(-5)),
        (SignMagnitude32, Cdab, &[0x0005, 0x8000], Value::Int(-5)),
    ];
    for (number, order, words, value) in table {
        let format = Format::from(number).with(order);
        assert_eq!(format.decode(&bytes(words), 0), Ok(value.clone()), "{number:?} {order:?}");
        assert_eq!(format.encode(&value), Ok(Encoded::Words(words.to_vec())), "{number:?} {order:?}");
        assert_eq!(usize::from(format.width()), words.len());
    }
}

/// Where the byte that a letter names stands: ABCD is the value from its most significant byte on, in whatever width. Of four
/// letters every pair of bytes is arranged as the pairs of the name are, and the pairs as they follow in it.
fn oracle(order: ByteOrder, plain: &[u8]) -> Vec<u8> {
    let name = match order {
        Abcd | AbcdEfgh => "ABCDEFGH",
        Badc | BadcFehg => "BADCFEHG",
        Cdab | GhefCdab => "GHEFCDAB",
        Dcba | HgfeDcba => "HGFEDCBA",
    };
    let last = char::from(b'A' + u8::try_from(plain.len()).unwrap());
    name.chars().filter(|letter| *letter < last).map(|letter| plain[usize::from(letter as u8 - b'A')]).collect()
}

/// Every format × every order × every width, from the wire and onto it.
#[test]
fn every_format_in_every_order_both_ways() {
    let mut seen = 0;
    for number in NUMBERS {
        let plain = Format::from(number);
        for value in [1.0, 1234.0, 2048.0] {
            let big_endian = bytes(&words(plain, &Value::Float(value)));
            for order in ORDERS.into_iter().chain([AbcdEfgh, BadcFehg, GhefCdab, HgfeDcba]) {
                let (format, wire) = (plain.with(order), oracle(order, &big_endian));
                let read = format.decode(&wire, 0).unwrap();
                assert_eq!(read.as_f64(), Some(value), "{number:?} {order:?} from {wire:02X?}");
                assert_eq!(bytes(&words(format, &read)), wire, "{number:?} {order:?}");
                let behind = [&[0xEE, 0xEE, 0xEE, 0xEE], wire.as_slice(), &[0xEE; 3]].concat();
                assert_eq!(format.decode(&behind, 2), Ok(read), "in the midst of an answer");
                seen += 1;
            }
        }
    }
    assert_eq!(seen, 17 * 3 * 8);
}

#[test]
fn bytes_of_a_register_and_fields_of_bits() {
    let field = |low, bits| Field::new(low, bits).unwrap();
    for (format, word, value, set, clear) in [
        (Format::from(Field::INT8_L), 0x12FE, Value::Int(-2), 0x00FE, 0x0001),
        (Format::from(Field::INT8_H), 0xFE12, Value::Int(-2), 0xFE00, 0x0100),
        (Format::from(Field::UINT8_L), 0x12FE, Value::Uint(254), 0x00FE, 0x0001),
        (Format::from(Field::UINT8_H), 0xFE12, Value::Uint(254), 0xFE00, 0x0100),
        (Format::from(Field::INT8_L).with(Badc), 0xFE12, Value::Int(-2), 0xFE00, 0x0100),
        (field(4, 3).into(), 0b0101_0000, Value::Uint(5), 0b0101_0000, 0b0010_0000),
        (field(0, 16).into(), 0xABCD, Value::Uint(0xABCD), 0xABCD, 0x5432),
        (field(15, 1).into(), 0x8000, Value::Bool(true), 0x8000, 0),
        (field(3, 1).into(), 0xFFF7, Value::Bool(false), 0, 0x0008),
        (Format::from(field(0, 1)).with(Dcba), 0x0100, Value::Bool(true), 0x0100, 0),
    ] {
        assert_eq!(format.decode(&bytes(&[word]), 0), Ok(value.clone()), "{format:?}");
        assert_eq!(format.encode(&value), Ok(Encoded::Field { set, clear }), "{format:?}");
        assert_eq!(format.round_trip(&value), Ok(value));
    }
    assert_eq!((Field::new(10, 7), Field::new(3, 0), Field::new(255, 255)), (None, None, None));
}

#[test]
fn text_in_every_encoding_and_trim() {
    let of = |encoding, trim, registers| Format::from(Text { registers, encoding, trim });
    // GB 2312 has 中 as D6D0 and 国 as B9FA; UTF-16 has them as 4E2D and 56FD
    for (format, wire, value) in [
        (of(Encoding::Utf8, Trim::End, 4), b"SN-1\0\0\0\0".as_slice(), "SN-1"),
        (of(Encoding::Utf8, Trim::End, 4), b"SN-1    ", "SN-1"),
        (of(Encoding::Utf8, Trim::End, 4), b"A\0junk\xFF\x03", "A"),
        (of(Encoding::Utf8, Trim::End, 4), "Größ\0\0".as_bytes(), "Größ"),
        (of(Encoding::Utf8, Trim::End, 1), b"\0\0", ""),
        (of(Encoding::Utf8, Trim::End, 2), b"  A ", "  A"),
        (of(Encoding::Utf8, Trim::Both, 2), b"  A ", "A"),
        (of(Encoding::Utf8, Trim::None, 3), b" A\0B \0", " A\0B "),
        (of(Encoding::Ascii, Trim::End, 1), b"ok", "ok"),
        (of(Encoding::Latin1, Trim::End, 2), b"K\xF6ln", "Köln"),
        (of(Encoding::Gbk, Trim::End, 3), b"\xD6\xD0\xB9\xFA1\0", "中国1"),
        (of(Encoding::Utf16, Trim::End, 4), b"\x4E\x2D\x56\xFD\0\x31\0\0", "中国1"),
        (of(Encoding::Utf16, Trim::End, 2), b"\xD8\x3D\xDE\x00", "😀"),
        (of(Encoding::Utf8, Trim::End, 2).with(Badc), b"NS1-", "SN-1"),
        (of(Encoding::Utf16, Trim::End, 1).with(Badc), b"\x2D\x4E", "中"),
    ] {
        assert_eq!(format.decode(wire, 0), Ok(Value::from(value)), "{format:?}");
        if !value.contains('\0') {
            let back = format.round_trip(&Value::from(value));
            assert_eq!(back, Ok(Value::from(value)), "{format:?}");
        }
    }
    assert_eq!(Format::from(text(3)).encode(&Value::from("ABC")), Ok(Encoded::Words(vec![0x4142, 0x4300, 0])));
    let gbk = of(Encoding::Gbk, Trim::End, 2);
    assert_eq!(gbk.encode(&Value::from("中国")), Ok(Encoded::Words(vec![0xD6D0, 0xB9FA])));
    assert_eq!(Format::from(text(1)).decode(b"ABCD", 0), Ok(Value::from("AB")), "its own registers only");
}

/// The word layout of Schneider Electric's meters ("Date and time, TI081 format"), and the octets of the standard.
#[test]
fn time_as_iec_60870_has_it() {
    // 24 December 2015 (a Thursday, 5), 13:25:36.789 in summer time
    let words = [0x000F, 0x0CB8, 0x8D19, 0x8FB5];
    let time = Value::from("2015-12-24T13:25:36.789");
    let format = Format::from(One::Time);
    assert_eq!(format.decode(&bytes(&words), 0), Ok(time.clone()));
    assert_eq!(format.encode(&time), Ok(Encoded::Words(vec![0x000F, 0x0C18, 0x0D19, 0x8FB5])), "unused parts are 0");
    let octets = [0xB5, 0x8F, 0x19, 0x0D, 0x18, 0x0C, 0x0F, 0x00];
    assert_eq!(format.with(Dcba).decode(&octets, 0), Ok(time.clone()), "milliseconds first, low octet first");
    assert_eq!(format.with(Cdab).decode(&bytes(&[0x8FB5, 0x0D19, 0x0C18, 0x000F]), 0), Ok(time.clone()));
    for wrong in [[0x000F, 0x0C18, 0x0D99, 0x8FB5], [0, 0, 0, 0], [0x000F, 0x0D18, 0, 0], [0x000F, 0x0C18, 0, 60_000]] {
        let fault = format.decode(&bytes(&wrong), 0).unwrap_err();
        assert!(fault.text.starts_with("invalid time") || fault.text.starts_with("not a time: 0x"), "{}", fault.text);
    }
    assert_eq!(format.round_trip(&Value::from("2015-12-24 13:25")), Ok(Value::from("2015-12-24T13:25:00.000")));
    for refused in
        ["2015-12-24T13:25:36Z", "2015-12-24T13:25:36+02:00", "2015-12-24T13:25:36-02", "1999-12-31T00:00:00", "noon"]
    {
        let fault = format.encode(&Value::from(refused)).unwrap_err();
        assert!(fault.text.contains("must be a local time without a zone"), "{}", fault.text);
    }
}

#[test]
fn arrays_are_read_and_written_whole() {
    let array = |one: Format, count| Format { count: Some(count), ..one };
    let floats = array(Format::from(Number::Float32).with(Cdab), 2);
    let wire = bytes(&[0, 0x41AC, 0xE979, 0x42F6]);
    assert_eq!(floats.decode(&wire, 0), Ok(json(json!([21.5, 123.456]))));
    assert_eq!(floats.encode(&json(json!([21.5, 123.456]))), Ok(Encoded::Words(vec![0, 0x41AC, 0xE979, 0x42F6])));
    assert_eq!(floats.width(), 4);
    let coils = array(One::Coil.into(), 10);
    assert_eq!(
        coils.decode(&[0b1010_0100, 0b0000_1101, 0xFF], 2).unwrap(),
        json(json!([true, false, false, true, false, true, true, false, true, true]))
    );
    let some = json(json!([true, false, true, false, false, false, false, false, true, true]));
    let Ok(Encoded::Coils(bits)) = coils.encode(&some) else { panic!("refused") };
    assert_eq!(bits, [true, false, true, false, false, false, false, false, true, true]);
    assert_eq!(coils.round_trip(&some), Ok(some));
    let big = array(Number::Uint64.into(), 2);
    let value = json(json!(["18446744073709551615", 7]));
    assert_eq!(big.round_trip(&value), Ok(value));
    let names = array(text(1).into(), 2);
    assert_eq!(names.decode(b"ABC ", 0), Ok(json(json!(["AB", "C"]))));
    let bytes = array(Field::UINT8_L.into(), 2);
    assert_eq!(bytes.decode(&[9, 1, 9, 2], 0), Ok(json(json!([1, 2]))));
    for (format, value, expected) in [
        (array(Number::Uint16.into(), 2), json!([1]), "must be an array of 2 values"),
        (array(Number::Uint16.into(), 2), json!({"0": 1}), "must be an array of 2 values"),
        (array(Number::Uint16.into(), 2), json!([1, 70000]), "element 1: 70000 does not fit uint16"),
        (array(Number::Uint16.into(), 2), json!([[1], 2]), "element 0: is no value by itself"),
        (bytes, json!([1, 2]), "cannot be written"),
    ] {
        let fault = format.encode(&json(value)).unwrap_err();
        assert!(fault.text.contains(expected), "{}", fault.text);
    }
    let nan = floats.decode(&[0, 0, 0x7F, 0xC0, 0, 0, 0, 0], 0).unwrap_err();
    assert_eq!(nan.text, "element 0: NotFinite");
    assert!(coils.decode(&[0], 0).is_err(), "an answer that is too short");
}

#[test]
fn what_lies_between_two_steps_is_written_as_the_nearer_one() {
    for (number, value, expected) in [
        (Number::Int16, 213.4, 213),
        (Number::Int16, -213.6, -214),
        (Number::Uint16, 65_535.4, 65_535),
        (Number::Bcd16, 12.5, 13),
        (Number::M10k32, 9999.6, 10_000),
        (Number::SignMagnitude16, -0.6, -1),
    ] {
        let back = Format::from(number).round_trip(&Value::Float(value)).unwrap();
        assert_eq!(back.as_i128(), Some(expected), "{number:?} {value}");
    }
    let fault = Format::from(Number::Uint16).encode(&Value::Float(65_535.5)).unwrap_err();
    assert!(fault.text.contains("must be a number 0..=65535"), "{}", fault.text);
}

#[test]
fn what_the_format_cannot_hold_is_refused_with_what_it_can() {
    use Number::*;
    let table: [(Format, Value, &str); 17] = [
        (Uint16.into(), Value::Int(70000), "70000 does not fit uint16: must be a number 0..=65535"),
        (Uint16.into(), Value::Int(-1), "-1 does not fit uint16: must be a number 0..=65535"),
        (Int16.into(), Value::Float(32767.5), "32767.5 does not fit int16: must be a number -32768..=32767"),
        (Uint64.into(), Value::Float(1e20), "does not fit uint64: must be a number 0..=18446744073709551615"),
        (Int32.into(), Value::from("7"), "\"7\" does not fit int32"),
        (Int16.into(), Value::Float(f64::NAN), "does not fit int16"),
        (Float16.into(), Value::Float(65_520.0), "65520 does not fit float16: must be a number within ±6.5504e4"),
        (Float32.into(), Value::Float(1e39), "does not fit float32: must be a number within ±3.4028234663852886e38"),
        (Float32.into(), Value::Float(f64::NAN), "NaN does not fit float32"),
        (Float64.into(), Value::Bool(true), "true does not fit float64: must be a finite number"),
        (Bcd16.into(), Value::Int(10_000), "10000 does not fit bcd16: must be a number 0..=9999"),
        (M10k48.into(), Value::Float(1e12), "does not fit m10k48: must be a number -999999999999..=999999999999"),
        (SignMagnitude16.into(), Value::Int(-32768), "must be a number -32767..=32767"),
        (One::Coil.into(), Value::Int(2), "2 does not fit one bit: must be true, false, 1 or 0"),
        (Field::INT8_L.into(), Value::Int(128), "128 does not fit int8: must be a number -128..=127"),
        (Field::new(2, 3).unwrap().into(), Value::Int(8), "8 does not fit 3 bits: must be a number 0..=7"),
        (
            text(1).into(),
            Value::from("abc"),
            "\"abc\" does not fit 1 registers: must be a text of at most 2 bytes in UTF-8, without NUL",
        ),
    ];
    for (format, value, expected) in table {
        let fault = format.encode(&value).unwrap_err();
        assert!(fault.text.contains(expected), "{} has not: {expected}", fault.text);
    }
    for (encoding, value) in
        [(Encoding::Ascii, "ö"), (Encoding::Latin1, "中"), (Encoding::Gbk, "😀"), (Encoding::Utf16, "ab")]
    {
        let format = Format::from(Text { encoding, ..text(1) });
        assert!(format.encode(&Value::from(value)).is_err(), "{encoding:?} {value}");
    }
}

#[test]
fn what_is_no_value_of_the_format_is_bad_and_shows_the_registers() {
    let of = |encoding| Format::from(Text { encoding, ..text(2) });
    for (format, wire, expected) in [
        (Number::Bcd16.into(), [0x12, 0x3A, 0, 0], "not BCD: 0x123A has a digit above 9"),
        (Number::Bcd32.into(), [0, 0x12, 0xF4, 0x56], "not BCD: 0x0012F456 has a digit above 9"),
        (Number::M10k32.into(), [0, 1, 0x27, 0x10], "not modulo 10,000: 0x2710 is 10000, must be -9999 to 9999"),
        (Number::M10k32.into(), [0, 1, 0xFF, 0xFF], "not modulo 10,000: 0x0001FFFF has registers of both signs"),
        (of(Encoding::Utf8), [0x41, 0xFF, 0xFE, 0x42], "not UTF-8: 0x41FFFE42"),
        (of(Encoding::Ascii), [0xC3, 0xB6, 0, 0], "not ASCII: 0xC3B6"),
        (of(Encoding::Gbk), [0xD6, 0x20, 0, 0], "not GBK: 0xD620"),
        (of(Encoding::Utf16), [0xD8, 0x00, 0, 0x41], "not UTF-16: 0xD8000041"),
        (Number::Uint64.into(), [1, 2, 3, 4], "the answer holds too few registers"),
    ] {
        assert_eq!(format.decode(&wire, 0).unwrap_err().text, expected);
    }
}

#[test]
fn equal_on_the_wire_is_equal() {
    let float = Format::from(Number::Float32).with(Cdab);
    assert_eq!(float.round_trip(&Value::Float(21.3)), Ok(Value::Float(f64::from(21.3_f32))));
    assert_eq!(Format::from(Number::Int16).with(Badc).round_trip(&Value::Float(7.0)), Ok(Value::Int(7)));
    assert_eq!(Format::from(text(4)).round_trip(&Value::from("ab  ")), Ok(Value::from("ab")));
    assert_eq!(Format::from(Field::new(3, 1).unwrap()).round_trip(&Value::Int(1)), Ok(Value::Bool(true)));
    let minus_zero = Format::from(Number::SignMagnitude16).decode(&[0x80, 0], 0);
    assert_eq!(minus_zero, Ok(Value::Int(0)), "minus zero is zero");
}

fn any_format() -> impl Strategy<Value = Format> {
    let text = (
        1_u16..8,
        prop::sample::select(&[Encoding::Ascii, Encoding::Utf8, Encoding::Latin1, Encoding::Gbk, Encoding::Utf16][..]),
        prop::sample::select(&[Trim::End, Trim::Both, Trim::None][..]),
    );
    let one = prop_oneof![
        prop::sample::select(&NUMBERS[..]).prop_map(One::Number),
        (0_u8..16, 1_u8..17).prop_filter_map("fits", |(low, bits)| Field::new(low, bits)).prop_map(One::Field),
        prop::sample::select(&[Field::INT8_L, Field::INT8_H][..]).prop_map(One::Field),
        text.prop_map(|(registers, encoding, trim)| One::Text(Text { registers, encoding, trim })),
        Just(One::Time),
        Just(One::Coil),
    ];
    let orders = [Abcd, Badc, Cdab, Dcba, AbcdEfgh, BadcFehg, GhefCdab, HgfeDcba];
    (one, prop::sample::select(orders.to_vec()), prop::option::of(2_u16..9)).prop_map(|(one, order, count)| Format {
        one,
        order,
        count,
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4096))]

    /// Whatever a device sends is a value or a reason, and a value goes back as the same value.
    #[test]
    fn any_bytes_are_a_value_or_a_reason_and_a_value_survives(format in any_format(), data in prop::collection::vec(any::<u8>(), 0..140), offset in 0_usize..80) {
        let Ok(value) = format.decode(&data, offset) else { return Ok(()) };
        let finite = value.as_f64().is_none_or(f64::is_finite);
        let writable = !(format.count.is_some() && matches!(format.one, One::Field(_)));
        let plain = value.as_str().is_none_or(|text| !text.contains('\0')) && !matches!((format.one, format.count), (One::Text(_), Some(_)));
        if finite && writable && plain {
            prop_assert_eq!(format.round_trip(&value), Ok(value));
        }
    }

    /// Registers that hold a number hold the same after they were read and written, but for minus zero.
    #[test]
    fn numbers_keep_their_bits(number in prop::sample::select(&NUMBERS[..]), order in prop::sample::select(&ORDERS[..]), raw in any::<[u16; 4]>()) {
        let format = Format::from(number).with(order);
        let registers = &raw[..usize::from(format.width())];
        let Ok(value) = format.decode(&bytes(registers), 0) else { return Ok(()) };
        if value.as_f64().is_some_and(|v| v.is_finite() && v != 0.0) {
            prop_assert_eq!(words(format, &value), registers);
        }
    }

    #[test]
    fn whole_numbers_survive_or_are_refused_never_bent(v in any::<i64>(), shift in 0_u32..64, number in prop::sample::select(&NUMBERS[..])) {
        let v = v >> shift;
        let (low, high): (i128, i128) = match number {
            Number::Int16 => (-32_768, 32_767),
            Number::Uint16 => (0, 65_535),
            Number::Int32 => (-2_147_483_648, 2_147_483_647),
            Number::Uint32 => (0, 4_294_967_295),
            Number::Int64 => (i64::MIN.into(), i64::MAX.into()),
            Number::Uint64 => (0, u64::MAX.into()),
            Number::Bcd16 => (0, 9_999),
            Number::Bcd32 => (0, 99_999_999),
            Number::Bcd64 => (0, 9_999_999_999_999_999),
            Number::M10k32 => (-99_999_999, 99_999_999),
            Number::M10k48 => (-999_999_999_999, 999_999_999_999),
            Number::M10k64 => (-9_999_999_999_999_999, 9_999_999_999_999_999),
            Number::SignMagnitude16 => (-32_767, 32_767),
            Number::SignMagnitude32 => (-2_147_483_647, 2_147_483_647),
            Number::Float16 | Number::Float32 | Number::Float64 => return Ok(()),
        };
        let back = Format::from(number).round_trip(&Value::Int(v)).ok().and_then(|value| value.as_i128());
        prop_assert_eq!(back, (low..=high).contains(&i128::from(v)).then_some(i128::from(v)));
    }

    #[test]
    fn text_that_fits_survives(value in "[ -~äöü漢]{0,20}", registers in 1_u16..40) {
        let back = Format::from(text(registers)).round_trip(&Value::from(value.as_str())).ok();
        let fits = value.len() <= usize::from(registers) * 2;
        prop_assert_eq!(back, fits.then(|| Value::from(value.trim_end_matches(' '))));
    }

    #[test]
    fn nothing_that_is_desired_panics(format in any_format(), number in any::<f64>(), word in ".{0,40}", list in prop::collection::vec(any::<f64>(), 0..9)) {
        for value in [Value::Float(number), Value::from(word.as_str()), json(json!(list)), json(json!([word, null, number, true]))] {
            drop(format.encode(&value));
        }
    }
}

#[test]
fn bytes_are_registers_as_they_stand() {
    let block = |order| Format::from(One::Bytes(2)).with(order);
    let value = |bytes: [u8; 4]| Value::Bytes(bytes.into());
    let data = [9, 9, 0x01, 0x02, 0xFF, 0x00, 7];
    assert_eq!(block(Abcd).decode(&data, 1), Ok(value([0x01, 0x02, 0xFF, 0x00])), "from the second register");
    assert_eq!(block(Badc).decode(&data, 1), Ok(value([0x02, 0x01, 0x00, 0xFF])));
    assert_eq!(words(block(Abcd), &value([0x01, 0x02, 0xFF, 0x00])), [0x0102, 0xFF00]);
    assert_eq!(words(block(Badc), &value([0x01, 0x02, 0xFF, 0x00])), [0x0201, 0x00FF]);
    assert!(block(Abcd).decode(&data, 2).is_err(), "too short");
    let told = |value: Value| block(Abcd).encode(&value).unwrap_err().text.into_owned();
    let three: [u8; 3] = [1, 2, 3];
    assert_eq!(told(Value::Bytes(three.into())), "a value of 3 bytes does not fit: must be exactly 4 bytes");
    assert_eq!(told(Value::from("abcd")), "\"abcd\" does not fit: must be exactly 4 bytes");
}
