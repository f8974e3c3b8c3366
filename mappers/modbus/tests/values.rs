//! Registers as data sheets print them, against the codec. The expected bytes are written by hand, or computed by shifts
//! that know nothing of the code.
#![allow(clippy::unwrap_used, reason = "a test")]
use pollux_crds::ByteOrder::{self, Abcd, Badc, Cdab, Dcba};
use pollux_mapper::Value;
use pollux_modbus::values::{Encoded, Format, Number};
use proptest::prelude::*;

const ORDERS: [ByteOrder; 4] = [Abcd, Badc, Cdab, Dcba];

fn bytes(words: &[u16]) -> Vec<u8> {
    words.iter().flat_map(|word| [u8::try_from(word >> 8).unwrap(), u8::try_from(word & 0xFF).unwrap()]).collect()
}

#[test]
fn registers_of_a_data_sheet_are_the_value_it_prints_and_back() {
    use Number::*;
    let table: [(Number, ByteOrder, &[u16], Value); 21] = [
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
        (Uint64, Badc, &[0x0201, 0x0403, 0x0605, 0x0807], Value::Uint(0x0102_0304_0506_0708)),
        (Uint64, Cdab, &[0x0708, 0x0506, 0x0304, 0x0102], Value::Uint(0x0102_0304_0506_0708)),
        (Uint64, Dcba, &[0x0807, 0x0605, 0x0403, 0x0201], Value::Uint(0x0102_0304_0506_0708)),
        (Int64, Abcd, &[0xFFFF, 0xFFFF, 0xFFFF, 0xFFFD], Value::Int(-3)),
        // 1.5 is 0x3FF8000000000000
        (Float64, Abcd, &[0x3FF8, 0, 0, 0], Value::Float(1.5)),
        (Float64, Dcba, &[0, 0, 0, 0xF83F], Value::Float(1.5)),
    ];
    for (number, order, words, value) in table {
        let format = Format::Number(number, order);
        assert_eq!(format.decode(&bytes(words)), Ok(value.clone()), "{number:?} {order:?}");
        assert_eq!(format.encode(&value), Ok(Encoded::Words(words.to_vec())), "{number:?} {order:?}");
        assert_eq!(usize::from(format.width()), words.len());
    }
}

#[test]
fn text_ends_at_nul_and_loses_trailing_spaces() {
    for (raw, expected) in
        [("SN-1\0\0\0\0", "SN-1"), ("SN-1    ", "SN-1"), ("A\0junk\x01\x02\x03", "A"), ("\0\0", ""), ("Größ", "Größ")]
    {
        assert_eq!(Format::Text(4).decode(raw.as_bytes()), Ok(Value::from(expected)), "{raw:?}");
    }
    let fault = Format::Text(2).decode(&[0x41, 0xFF, 0xFE, 0x42]).unwrap_err();
    assert_eq!(fault.text, "not valid UTF-8");
    assert_eq!(Format::Text(3).encode(&Value::from("ABC")), Ok(Encoded::Words(vec![0x4142, 0x4300, 0])));
}

#[test]
fn a_bit_is_counted_from_the_least_significant() {
    for (bit, expected) in [(0, true), (1, false), (7, true), (8, false), (15, true)] {
        assert_eq!(Format::Bit(bit).decode(&[0x80, 0x81]), Ok(Value::Bool(expected)), "bit {bit}");
    }
}

#[test]
fn what_the_format_cannot_hold_is_refused_with_what_it_can() {
    use Number::*;
    let number = |kind| Format::Number(kind, Abcd);
    let table = [
        (number(Uint16), Value::Int(70000), "70000 does not fit uint16: must be a whole number 0..=65535"),
        (number(Uint16), Value::Int(-1), "-1 does not fit uint16: must be a whole number 0..=65535"),
        (number(Int16), Value::Float(1.5), "1.5 does not fit int16: must be a whole number -32768..=32767"),
        (number(Int16), Value::from("12"), "\"12\" does not fit int16: must be a whole number -32768..=32767"),
        (number(Float32), Value::Float(1e39), "within ±3.4028235e38"),
        (number(Float32), Value::Float(f64::NAN), "NaN does not fit float32: must be a finite number"),
        (number(Float64), Value::Bool(true), "true does not fit float64: must be a finite number"),
        (Format::Coil, Value::Int(2), "2 does not fit one bit: must be true, false, 1 or 0"),
        (
            Format::Text(1),
            Value::from("abc"),
            "\"abc\" does not fit 1 registers: must be a text of at most 2 bytes without NUL",
        ),
    ];
    for (format, value, expected) in table {
        let fault = format.encode(&value).unwrap_err();
        assert!(fault.text.contains(expected), "{} has not: {expected}", fault.text);
    }
}

#[test]
fn equal_on_the_wire_is_equal() {
    let float = Format::Number(Number::Float32, Cdab);
    assert_eq!(float.round_trip(&Value::Float(21.3)), Ok(Value::Float(f64::from(21.3_f32))));
    assert_eq!(Format::Number(Number::Int16, Badc).round_trip(&Value::Float(7.0)), Ok(Value::Int(7)));
    assert_eq!(Format::Text(4).round_trip(&Value::from("ab  ")), Ok(Value::from("ab")));
    assert_eq!(Format::Bit(3).round_trip(&Value::Int(1)), Ok(Value::Bool(true)));
}

/// Where byte `n` of a value (0 the most significant of `size`) stands on the wire: from the letters of the order's name.
fn place(n: usize, size: usize, order: ByteOrder) -> usize {
    match order.pattern() {
        Abcd => n,
        Badc => n ^ 1,
        Cdab => (size - 1 - n) ^ 1,
        _ => size - 1 - n,
    }
}

proptest! {
    #[test]
    fn every_64_bit_pattern_goes_to_the_wire_and_back_in_every_order(raw in any::<u64>(), order in prop::sample::select(&ORDERS)) {
        let mut wire = [0_u8; 8];
        for n in 0..8 {
            wire[place(n, 8, order)] = u8::try_from(raw >> (8 * (7 - n)) & 0xFF).unwrap();
        }
        let format = Format::Number(Number::Uint64, order);
        prop_assert_eq!(format.decode(&wire), Ok(Value::Uint(raw)));
        let Ok(Encoded::Words(words)) = format.encode(&Value::Uint(raw)) else { panic!("refused") };
        prop_assert_eq!(bytes(&words), wire);
    }

    #[test]
    fn every_32_bit_float_that_is_finite_survives(raw in any::<u32>(), order in prop::sample::select(&ORDERS)) {
        let value = f32::from_bits(raw);
        prop_assume!(value.is_finite());
        let value = Value::Float(value.into());
        prop_assert_eq!(Format::Number(Number::Float32, order).round_trip(&value), Ok(value));
    }

    #[test]
    fn integers_survive_or_are_refused_never_bent(v in any::<i64>(), kind in prop::sample::select(&[Number::Int16, Number::Uint16, Number::Int32, Number::Uint32, Number::Int64, Number::Uint64][..])) {
        let (low, high): (i128, i128) = match kind {
            Number::Int16 => (-32_768, 32_767),
            Number::Uint16 => (0, 65_535),
            Number::Int32 => (-2_147_483_648, 2_147_483_647),
            Number::Uint32 => (0, 4_294_967_295),
            Number::Int64 => (i64::MIN.into(), i64::MAX.into()),
            _ => (0, u64::MAX.into()),
        };
        let back = Format::Number(kind, Abcd).round_trip(&Value::Int(v)).ok().and_then(|value| value.as_i128());
        prop_assert_eq!(back, (low..=high).contains(&i128::from(v)).then_some(i128::from(v)));
    }

    #[test]
    fn text_that_fits_survives(text in "[ -~äöü漢]{0,20}", registers in 1_u16..40) {
        let format = Format::Text(registers);
        let back = format.round_trip(&Value::from(text.as_str())).ok();
        let fits = text.len() <= usize::from(registers) * 2;
        prop_assert_eq!(back, fits.then(|| Value::from(text.trim_end_matches(' '))));
    }

    #[test]
    fn no_bytes_panic(data in prop::collection::vec(any::<u8>(), 0..300), registers in 0_u16..130) {
        drop(Format::Text(registers).decode(&data));
        drop(Format::Bit(9).decode(&data));
        drop(Format::Number(Number::Float64, Dcba).decode(&data));
    }
}
