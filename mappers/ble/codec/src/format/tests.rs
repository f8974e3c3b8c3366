//! Formats: worked values, limits, parts, and what is refused.
use super::*;
use DataType::*;
use NoValue::{MinusInfinity, NotANumber, NotAtThisResolution, PlusInfinity, Reserved};
use proptest::prelude::*;

fn decode(data_type: DataType, bytes: &[u8]) -> Decoded {
    Format::new(data_type).decode(bytes).unwrap()
}
fn value(value: Value) -> Decoded {
    Decoded::Value(value)
}
fn message(result: Result<impl std::fmt::Debug, Error>) -> String {
    result.unwrap_err().to_string()
}

#[test]
fn integers_are_read_in_both_orders_with_and_without_sign() {
    let bytes = [0xFE, 0xDC, 0xBA, 0x98, 0x76, 0x54, 0x32, 0x10];
    for (data_type, little, big) in [
        (Uint8, 0xFE, 0xFE),
        (Uint12, 0xCFE, 0xEDC),
        (Uint16, 0xDCFE, 0xFEDC),
        (Uint24, 0xBA_DCFE, 0xFE_DCBA),
        (Uint32, 0x98BA_DCFE, 0xFEDC_BA98),
        (Uint40, 0x76_98BA_DCFE, 0xFE_DCBA_9876),
        (Uint48, 0x5476_98BA_DCFE, 0xFEDC_BA98_7654),
        (Uint64, 0x1032_5476_98BA_DCFE, 0xFEDC_BA98_7654_3210),
    ] {
        let part = &bytes[..data_type.size().unwrap()];
        assert_eq!(decode(data_type, part), value(Value::UInt(little)), "{data_type}");
        let format = Format { byte_order: ByteOrder::Big, ..Format::new(data_type) };
        assert_eq!(format.decode(part).unwrap(), value(Value::UInt(big)), "{data_type}");
    }
    for (data_type, size) in [(Sint8, 1), (Sint16, 2), (Sint24, 3), (Sint32, 4), (Sint40, 5), (Sint48, 6), (Sint64, 8)]
    {
        assert_eq!(decode(data_type, &[0xFF; 8][..size]), value(Value::Int(-1)), "{data_type}");
        let mut least = vec![0; size];
        least[size - 1] = 0x80;
        let bits = u32::try_from(8 * size).unwrap();
        assert_eq!(decode(data_type, &least), value(Value::Int(i64::MIN >> (64 - bits))), "{data_type}");
    }
    assert_eq!(decode(Sint12, &[0x00, 0xF8]), value(Value::Int(-2048)), "the upper four bits are not its own");
    assert_eq!(decode(Sint12, &[0xFF, 0xF7]), value(Value::Int(2047)));
}

/// 36.4 and −1: Personal Health Devices Transcoding White Paper 1.6, 2.2.1; 114: the same, 2.2.2. The special patterns: IEEE 11073-20601, Annex F.
#[test]
fn decimal_floats_are_those_of_ieee_11073() {
    let med32 = |pattern: u32| decode(Medfloat32, &pattern.to_le_bytes());
    let med16 = |pattern: u16| decode(Medfloat16, &pattern.to_le_bytes());
    for (pattern, number) in
        [(0xFF00_016C, 36.4), (0x00FF_FFFF, -1.0), (0xFE00_0D97, 34.79), (0x0200_0003, 300.0), (0, 0.0)]
    {
        assert_eq!(med32(pattern), value(Value::Float(number)), "{pattern:X}");
        assert_eq!(Format::new(Medfloat32).encode(&Value::Float(number)).unwrap(), pattern.to_le_bytes(), "{number}");
    }
    for (pattern, number) in
        [(0x0072, 114.0), (0xF16C, 36.4), (0x0FFF, -1.0), (0x7001, 1e7), (0x8001, 1e-8), (0xF7FD, 204.5)]
    {
        assert_eq!(med16(pattern), value(Value::Float(number)), "{pattern:X}");
        assert_eq!(Format::new(Medfloat16).encode(&Value::Float(number)).unwrap(), pattern.to_le_bytes(), "{number}");
    }
    for (short, long, reason) in [
        (0x07FF, 0x007F_FFFF, NotANumber),
        (0x0800, 0x0080_0000, NotAtThisResolution),
        (0x07FE, 0x007F_FFFE, PlusInfinity),
        (0x0802, 0x0080_0002, MinusInfinity),
        (0x0801, 0x0080_0001, Reserved),
    ] {
        assert_eq!((med16(short), med32(long)), (Decoded::None(reason), Decoded::None(reason)));
    }
    assert_eq!(med16(0x17FF), value(Value::Float(20_470.0)), "special with exponent 0 only");
}

#[test]
fn binary_floats_booleans_and_text() {
    assert_eq!(decode(Float32, &25.5_f32.to_le_bytes()), value(Value::Float(25.5)));
    assert_eq!(decode(Float64, &(-0.1_f64).to_le_bytes()), value(Value::Float(-0.1)));
    assert_eq!(decode(Float32, &f32::NAN.to_le_bytes()), Decoded::None(NoValue::NotANumber));
    assert_eq!(decode(Float64, &f64::NEG_INFINITY.to_le_bytes()), Decoded::None(NoValue::MinusInfinity));
    for (byte, on) in [(0, false), (1, true), (0x80, true)] {
        assert_eq!(decode(Boolean, &[byte]), value(Value::Bool(on)));
    }
    assert_eq!(decode(Utf8, "Grüße\0\0".as_bytes()), value(Value::Text("Grüße".into())));
    assert_eq!(decode(Utf16, &[0x3D, 0xD8, 0x00, 0xDE]), value(Value::Text("😀".into())));
    let big = Format { byte_order: ByteOrder::Big, ..Format::new(Utf16) };
    assert_eq!(big.decode(&[0xD8, 0x3D, 0xDE, 0x00]).unwrap(), value(Value::Text("😀".into())));
    assert_eq!(decode(Bytes, &[1, 0]), value(Value::Bytes(vec![1, 0])));
    assert_eq!(decode(Utf8, &[]), value(Value::Text("".into())));
    for (data_type, bytes) in [(Utf8, vec![0xFF]), (Utf16, vec![0x3D, 0xD8]), (Utf16, vec![0])] {
        assert!(message(Format::new(data_type).decode(&bytes)).contains("UTF"), "{data_type}");
    }
}

#[test]
fn a_part_is_read_and_changed_without_touching_the_rest() {
    let bits = |first, count| Some(Bits { first, count });
    let cut = Format { offset: Some(1), bits: bits(4, 12), byte_order: ByteOrder::Big, ..Format::new(Uint16) };
    let mut bytes = [0xAA, 0x12, 0x34, 0xBB];
    assert_eq!(cut.decode(&bytes).unwrap(), value(Value::UInt(0x123)));
    cut.encode_into(&mut bytes, &Value::UInt(0xFED)).unwrap();
    assert_eq!(bytes, [0xAA, 0xFE, 0xD4, 0xBB]);

    let signed = Format { offset: Some(0), bits: bits(3, 3), ..Format::new(Sint8) };
    assert_eq!(signed.decode(&[0b0010_0000]).unwrap(), value(Value::Int(-4)));
    let mut byte = [0xFF];
    signed.encode_into(&mut byte, &Value::Int(-4)).unwrap();
    assert_eq!(byte, [0b1110_0111]);
    assert!(message(signed.encode_into(&mut byte, &Value::Int(4))).contains("4 does not fit sint8: -4 to 3"));

    let flag = Format { offset: Some(1), bits: bits(7, 1), ..Format::new(Boolean) };
    let mut bytes = [0, 0x7F];
    flag.encode_into(&mut bytes, &Value::Bool(true)).unwrap();
    assert_eq!((bytes, flag.decode(&bytes).unwrap()), ([0, 0xFF], value(Value::Bool(true))));

    let twelve = Format { offset: Some(0), ..Format::new(Uint12) };
    let mut bytes = [0, 0xF0];
    twelve.encode_into(&mut bytes, &Value::UInt(0xABC)).unwrap();
    assert_eq!(bytes, [0xBC, 0xFA]);

    let name = Format { offset: Some(1), length: Some(4), ..Format::new(Utf8) };
    let mut bytes = *b"<abcd>";
    name.encode_into(&mut bytes, &Value::Text("xy".into())).unwrap();
    assert_eq!((&bytes, name.decode(&bytes).unwrap()), (b"<xy\0\0>", value(Value::Text("xy".into()))));
}

#[test]
fn a_value_of_another_length_is_refused_unless_a_part_is_meant() {
    assert!(message(Format::new(Uint16).decode(&[1])).contains("1 bytes are too few: uint16 needs 2"));
    assert!(message(Format::new(Uint16).decode(&[1, 2, 3])).contains("3 bytes are too many: uint16 has 2"));
    let part = |offset| Format { offset: Some(offset), ..Format::new(Uint16) };
    assert_eq!(part(0).decode(&[1, 0, 3]).unwrap(), value(Value::UInt(1)));
    assert!(message(part(2).decode(&[1, 2, 3])).contains("uint16 needs 4"));
    let text = Format { offset: Some(4), ..Format::new(Utf8) };
    assert!(text.decode(&[1, 2, 3]).is_err());
    assert_eq!(text.decode(&[1, 2, 3, 4]).unwrap(), value(Value::Text("".into())));
    assert!(message(part(1).encode_into(&mut [0, 0], &Value::UInt(1))).contains("needs 3"));
    let odd = Format::new(Utf16).encode_into(&mut [0; 3], &Value::Text("a".into()));
    assert!(message(odd).contains("number is odd"), "it could not be read back");
}

#[test]
fn what_cannot_be_carried_is_refused_with_its_limits() {
    let encode = |data_type, value| Format::new(data_type).encode(&value);
    assert_eq!(encode(Uint16, Value::Float(513.0)).unwrap(), [1, 2]);
    assert_eq!(encode(Sint24, Value::Int(-2)).unwrap(), [0xFE, 0xFF, 0xFF]);
    assert_eq!(encode(Uint64, Value::UInt(u64::MAX)).unwrap(), [0xFF; 8]);
    assert_eq!(encode(Sint64, Value::Int(i64::MIN)).unwrap(), i64::MIN.to_le_bytes());
    for (data_type, value, text) in [
        (Uint16, Value::Int(70_000), "70000 does not fit uint16: 0 to 65535"),
        (Uint8, Value::Int(-1), "-1 does not fit uint8: 0 to 255"),
        (
            Sint64,
            Value::UInt(u64::MAX),
            "18446744073709551615 does not fit sint64: -9223372036854775808 to 9223372036854775807",
        ),
        (Sint12, Value::Int(2048), "2048 does not fit sint12: -2048 to 2047"),
        (Uint8, Value::Float(1.5), "1.5 is not a whole number"),
        (Uint8, Value::Float(f64::NAN), "NaN is not a whole number"),
        (Uint8, Value::Float(1e300), "does not fit uint8: 0 to 255"),
        (Uint8, Value::Text("1".into()), "uint8 takes a number, not text"),
        (Uint8, Value::Bool(true), "uint8 takes a number, not a boolean"),
        (Boolean, Value::UInt(1), "boolean takes a boolean, not a number"),
        (Float32, Value::Float(1e39), "does not fit float32"),
        (Float64, Value::Float(f64::INFINITY), "inf does not fit float64"),
        (Medfloat16, Value::Float(2.1e10), "21000000000 does not fit medfloat16: -20450000000 to 20450000000"),
        (Medfloat16, Value::Float(1e-9), "does not fit medfloat16"),
        (Medfloat32, Value::Float(f64::NAN), "NaN does not fit medfloat32"),
        (Utf8, Value::Bytes(vec![]), "utf8 takes text, not bytes"),
        (Bytes, Value::Text("".into()), "bytes takes bytes, not text"),
        (Bytes, Value::Bytes(vec![0; 513]), "513 bytes are too long: there is room for 512"),
    ] {
        let error = message(encode(data_type, value));
        assert!(error.contains(text), "{error}");
    }
}

#[test]
fn a_pattern_that_stands_for_no_value_is_none_and_is_not_written() {
    let format = Format { not_known: Some(0x8000), ..Format::new(Sint16) };
    assert_eq!(format.decode(&[0x00, 0x80]).unwrap(), Decoded::None(NoValue::NotKnown));
    assert!(message(format.encode(&Value::Int(-32768))).contains("missing value"));
    assert_eq!(format.decode(&format.encode(&Value::Int(-32767)).unwrap()).unwrap(), value(Value::Int(-32767)));
}

#[test]
fn settings_that_contradict_each_other_are_refused() {
    let bits = |data_type, first, count| Format { bits: Some(Bits { first, count }), ..Format::new(data_type) };
    let length = |data_type, length| Format { length: Some(length), ..Format::new(data_type) };
    for (format, text) in [
        (bits(Uint8, 1, 8), "uint8 has bits 0 to 7: 8 from bit 1 are not among them"),
        (bits(Uint64, u32::MAX, 2), "are not among them"),
        (bits(Uint8, 0, 0), "are not among them"),
        (bits(Boolean, 8, 1), "boolean has bits 0 to 7"),
        (bits(Boolean, 0, 2), "one bit"),
        (bits(Float32, 0, 1), "not from float32"),
        (bits(Utf8, 0, 1), "not from utf8"),
        (length(Uint8, 1), "uint8 has its own length"),
        (length(Utf8, 0), "1 at least"),
        (length(Utf16, 3), "3 bytes are none"),
        (length(Utf8, 513), "512 bytes at most"),
        (Format { offset: Some(usize::MAX), ..Format::new(Uint16) }, "512 bytes at most"),
        (Format { offset: Some(511), ..Format::new(Uint16) }, "512 bytes at most"),
        (Format { not_known: Some(256), ..Format::new(Uint8) }, "256 has more than 8 bits"),
        (Format { not_known: Some(0), ..Format::new(Utf8) }, "no pattern"),
    ] {
        let error = message(format.check());
        assert!(error.contains(text), "{error}");
        assert_eq!(format.decode(&[0; 8]).unwrap_err().to_string(), error, "decode asks too");
    }
    for part in [bits(Uint8, 0, 4), Format { offset: Some(0), ..Format::new(Uint8) }] {
        assert!(message(part.encode(&Value::UInt(1))).contains("read it first"));
    }
}

#[test]
fn names_are_read_as_they_are_shown_and_typos_answered() {
    for data_type in DataType::ALL {
        assert_eq!(data_type.to_string().parse::<DataType>().unwrap(), data_type);
        assert_eq!(data_type.width().is_some(), data_type.size().is_some());
    }
    assert_eq!("sfloat".parse::<DataType>().unwrap(), Medfloat16);
    assert_eq!("float".parse::<DataType>().unwrap(), Medfloat32);
    assert!(message("unit16".parse::<DataType>()).contains("the nearest name is \"uint16\""));
    for name in ByteOrder::NAMES {
        assert_eq!(name.parse::<ByteOrder>().unwrap().to_string(), name);
    }
    assert!("Big".parse::<ByteOrder>().is_err());
}

proptest! {
    /// Whatever is written is read back: of every integer type, in both orders, of all bits of it.
    #[test]
    fn what_is_encoded_is_decoded(pattern: u64, at in 0_usize..4, big: bool, which in 1_usize..17) {
        let data_type = DataType::ALL[which];
        let size = data_type.size().unwrap();
        let byte_order = if big { ByteOrder::Big } else { ByteOrder::Little };
        let format = Format { offset: Some(at), byte_order, ..Format::new(data_type) };
        let unused = 64 - data_type.width().unwrap();
        let signed = Value::Int(pattern.cast_signed() >> unused);
        let number = if data_type.is_signed() { signed } else { Value::UInt(pattern >> unused) };
        let mut bytes = [0x5A; 16];
        format.encode_into(&mut bytes, &number).unwrap();
        prop_assert_eq!(format.decode(&bytes).unwrap(), Decoded::Value(number));
        let around = bytes.iter().enumerate().filter(|(i, _)| !(at..at + size).contains(i));
        prop_assert!(around.map(|(_, byte)| *byte).all(|byte| byte == 0x5A));
    }

    /// A decimal float of few digits is written so that it reads the same.
    #[test]
    fn decimal_floats_survive(mantissa in -2045_i32..=2045, exponent in -8_i32..=7) {
        let number: f64 = format!("{mantissa}e{exponent}").parse().unwrap();
        for data_type in [Medfloat16, Medfloat32] {
            let bytes = Format::new(data_type).encode(&Value::Float(number)).unwrap();
            prop_assert_eq!(decode(data_type, &bytes), Decoded::Value(Value::Float(number)));
        }
    }
}
