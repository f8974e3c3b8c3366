use super::*;
use pollux_crds::{Access, EffectiveReport, EffectiveVerify, Enforce, EnumValue, Interval, Source, Span};
use proptest::prelude::*;
use serde_json::json;
use std::sync::Arc;

fn property(type_: PropertyType) -> EffectiveProperty {
    EffectiveProperty {
        name: "p".into(),
        type_,
        kind: pollux_crds::PropertyKind::State,
        access: Access::ReadWrite,
        unit: None,
        minimum: None,
        maximum: None,
        enum_: vec![],
        interval: Interval::Every(Span::from_secs(1)),
        read_group: None,
        report: EffectiveReport { never: false, deadband: 0.0, min_interval: Span::from_secs(1) },
        invalid: vec![],
        scale: 1.0,
        offset: 0.0,
        scale_exponent_from: None,
        source: Source::Binding(json!({}).into()),
        stale_after: None,
        enforce: Enforce::OnChange,
        verify: EffectiveVerify::Acknowledgement,
        wiring: "w".into(),
    }
}
fn scaled(type_: PropertyType, scale: f64, offset: f64) -> EffectiveProperty {
    EffectiveProperty { scale, offset, ..property(type_) }
}
fn names() -> EffectiveProperty {
    let item = |value, name: &str| EnumValue { value, name: name.into() };
    EffectiveProperty { enum_: vec![item(0, "Off"), item(1, "Auto")], ..property(PropertyType::String) }
}
fn read(property: &EffectiveProperty, raw: impl Into<Value>, precision: Precision) -> Json {
    match from_raw(property, &raw.into(), precision) {
        Ok(value) => value.0,
        Err(reason) => format!("Bad: {reason}").into(),
    }
}

#[test]
fn numbers_are_printed_as_a_person_would_write_them() {
    use Precision::{Double, Integer, Single};
    use PropertyType::Number;
    for (scale, offset, raw, precision, wanted) in [
        (1.0, 0.0, Value::from(21.3_f32), Single, json!(21.3)),
        (1.0, 0.0, Value::from(21.0_f32), Single, json!(21)),
        (1.0, 0.0, Value::from(21.3), Double, json!(21.3)),
        (0.1, 0.0, Value::Uint(213), Integer, json!(21.3)),
        (0.1, -40.0, Value::Int(613), Integer, json!(21.3)),
        (0.01, 0.0, Value::Int(-1), Integer, json!(-0.01)),
        (0.1, 0.0, Value::from(3.0), Double, json!(0.3)),
        (0.1, 0.0, Value::from(213.0_f32), Single, json!(21.3)),
        (1.0 / 3.0, 0.0, Value::Int(3), Integer, json!(1)),
        (-0.1, 0.0, Value::Int(0), Integer, json!(0)),
        (1.0, 0.0, Value::from(f64::NAN), Double, json!("Bad: NotFinite")),
        (1.0, 0.0, Value::from(f64::NEG_INFINITY), Single, json!("Bad: NotFinite")),
        (1e300, 0.0, Value::from(1e300), Double, json!("Bad: NotFinite")),
        (1.0, 0.0, Value::from("x"), Double, json!("Bad: WrongType(text, not number)")),
    ] {
        assert_eq!(
            read(&scaled(Number, scale, offset), raw.clone(), precision),
            wanted,
            "{raw:?} × {scale} + {offset}"
        );
    }
}

#[test]
fn integers_stay_exact() {
    let plain = property(PropertyType::Integer);
    for (raw, wanted) in [
        (Value::Int(1 << 53), json!(9_007_199_254_740_992_i64)),
        (Value::Int((1 << 53) + 1), json!("9007199254740993")),
        (Value::Uint(u64::MAX), json!("18446744073709551615")),
        (Value::Int(i64::MIN), json!("-9223372036854775808")),
        (Value::Float(3.0), json!(3)),
        (Value::Float(3.5), json!("Bad: NotAnInteger(3.5)")),
        (Value::Bool(true), json!(1)),
    ] {
        assert_eq!(read(&plain, raw, Precision::Integer), wanted);
    }
    assert_eq!(read(&scaled(PropertyType::Integer, 0.1, 0.0), 213_i64, Precision::Integer), "Bad: NotAnInteger(21.3)");
    assert_eq!(read(&scaled(PropertyType::Integer, 0.1, 0.0), 210_i64, Precision::Integer), 21);
    for (digits, raw) in
        [("9007199254740993", Value::Int((1 << 53) + 1)), ("18446744073709551615", Value::Uint(u64::MAX))]
    {
        assert_eq!(to_raw(&plain, &digits.into()), Ok(raw), "{digits}");
    }
}

#[test]
fn invalid_is_compared_on_the_raw_value() {
    let limited = EffectiveProperty { invalid: vec![32768.0, 1e-3, 0.1], ..scaled(PropertyType::Number, 0.1, 0.0) };
    assert_eq!(read(&limited, 32768_i64, Precision::Integer), "Bad: NotAvailable");
    assert_eq!(read(&limited, 0.1_f32, Precision::Single), "Bad: NotAvailable");
    assert_eq!(read(&limited, 32767_i64, Precision::Integer), 3276.7);
}

#[test]
fn names_booleans_limits_and_the_rest() {
    let bytes: Arc<[u8]> = Arc::from([1_u8, 2, 255]);
    let hot = EffectiveProperty { minimum: Some(10.0), maximum: Some(90.0), ..property(PropertyType::Number) };
    for (property, raw, wanted) in [
        (names(), Value::Uint(1), json!("Auto")),
        (names(), Value::Bool(false), json!("Off")),
        (names(), Value::Int(7), json!("Bad: UnknownEnumValue(7)")),
        (names(), Value::Float(0.5), json!("Bad: WrongType(0.5, not whole number)")),
        (property(PropertyType::Boolean), Value::Bool(true), json!(true)),
        (property(PropertyType::Boolean), Value::Int(0), json!(false)),
        (property(PropertyType::Boolean), Value::Int(2), json!("Bad: WrongType(2, not boolean)")),
        (hot.clone(), Value::Int(9), json!("Bad: OutOfRange")),
        (hot.clone(), Value::Float(90.5), json!("Bad: OutOfRange")),
        (hot, Value::Int(90), json!(90)),
        (property(PropertyType::String), Value::from("hé"), json!("hé")),
        (property(PropertyType::String), Value::from("x".repeat(5000)), json!("Bad: TooLong(5000)")),
        (property(PropertyType::String), Value::Int(1), json!("Bad: WrongType(1, not text)")),
        (property(PropertyType::Bytes), Value::Bytes(bytes), json!("AQL/")),
        (property(PropertyType::Json), Value::Json(Arc::new(json!({"a": [1]}))), json!({"a": [1]})),
        (property(PropertyType::Json), Value::Json(Arc::new(Json::Null)), json!("Bad: NotAvailable")),
        (property(PropertyType::Json), Value::Float(f64::NAN), json!("Bad: NotFinite")),
    ] {
        assert_eq!(read(&property, raw.clone(), Precision::Double), wanted, "{raw:?}");
    }
}

#[test]
fn desired_values_become_raw_ones() {
    use PropertyType::{Boolean, Bytes, Integer, Number, String};
    for (property, value, wanted) in [
        (scaled(Number, 0.1, 0.0), json!(21.3), Value::Float(213.0)),
        (scaled(Number, 0.1, -40.0), json!(21.3), Value::Float(613.0)),
        (scaled(Number, 0.1, 0.0), json!(21.34), Value::Float(213.4)),
        (property(Number), json!(22.0), Value::Int(22)),
        (property(Number), json!(22.5), Value::Float(22.5)),
        (scaled(Integer, 10.0, 5.0), json!(215), Value::Int(21)),
        (property(Boolean), json!(true), Value::Bool(true)),
        (names(), json!("Auto"), Value::Int(1)),
        (property(String), json!("on"), Value::from("on")),
        (property(Bytes), json!("AQL/"), Value::Bytes(Arc::from([1_u8, 2, 255]))),
    ] {
        assert_eq!(to_raw(&property, &value.clone().into()), Ok(wanted), "{value}");
    }
    let refused = to_raw(&names(), &"On".into()).unwrap_err();
    assert_eq!(refused.text, "must be one of Off, Auto, is \"On\"");
}

#[test]
fn equal_values_are_equal_however_they_are_written() {
    for (a, b, wanted) in [
        (json!(22), json!(22.0), true),
        (json!("9007199254740993"), json!(9_007_199_254_740_993_i64), true),
        (json!(0.1), json!(0.2), false),
        (json!("a"), json!(1), false),
        (json!(true), json!(true), true),
    ] {
        assert_eq!(same(&Twin(a.clone()), &Twin(b.clone())), wanted, "{a} {b}");
    }
}

proptest! {
    /// What a 16-bit register holds is printed, desired again and sent as the same register.
    #[test]
    fn registers_survive_the_way_there_and_back(raw in any::<i16>(), decimals in 0_i32..4, offset in -400_i32..400) {
        let property = scaled(PropertyType::Number, 10_f64.powi(-decimals), f64::from(offset) / 10.0);
        let value = from_raw(&property, &Value::Int(raw.into()), Precision::Integer).unwrap();
        let back = to_raw(&property, &value).unwrap();
        prop_assert_eq!(back.as_i128(), Some(raw.into()));
        let length = value.0.to_string().len();
        prop_assert!(length <= 9, "{}", value.0);
    }
    /// A 32-bit float is printed in at most nine digits that mean the same float.
    #[test]
    fn single_floats_survive(raw in any::<f32>().prop_filter("finite", |f| f.is_finite())) {
        let value = from_raw(&property(PropertyType::Number), &raw.into(), Precision::Single).unwrap();
        let Value::Float(back) = to_raw(&property(PropertyType::Number), &value).unwrap() else { return Ok(()) };
        #[allow(clippy::cast_possible_truncation)]
        let back = back as f32;
        prop_assert_eq!(back.to_bits() << 1, raw.to_bits() << 1); // -0 is printed as 0
    }
    #[test]
    fn integers_of_64_bits_survive(raw in any::<i64>()) {
        let value = from_raw(&property(PropertyType::Integer), &raw.into(), Precision::Integer).unwrap();
        prop_assert_eq!(to_raw(&property(PropertyType::Integer), &value), Ok(Value::Int(raw)));
    }
    #[test]
    fn no_float_panics(raw in any::<f64>(), scale in any::<f64>(), offset in any::<f64>()) {
        for type_ in [PropertyType::Number, PropertyType::Integer, PropertyType::Json] {
            for precision in [Precision::Single, Precision::Double, Precision::Integer] {
                drop(from_raw(&scaled(type_, scale, offset), &raw.into(), precision));
            }
        }
        drop(to_raw(&scaled(PropertyType::Number, scale, offset), &raw.into()));
    }
}

proptest! {
    /// Whatever a step of the device is: what is written is read as a value within the limits, or refused.
    #[test]
    fn rounding_leaves_no_limit(
        raw in -30_000.0..30_000.0f64,
        (scale, offset) in (prop_oneof![Just(0.1), Just(10.0), Just(-2.5), Just(100.0 / 255.0), 0.001..50.0f64], -40..40i32),
        (below, above) in (prop_oneof![Just(0.0), 0.0..2.0f64], prop_oneof![Just(0.0), 0.0..2.0f64]),
    ) {
        let value = tidy(raw * scale + f64::from(offset));
        let (minimum, maximum) = (Some(value - below * scale.abs()), Some(value + above * scale.abs()));
        let property = EffectiveProperty { minimum, maximum, ..scaled(PropertyType::Number, scale, offset.into()) };
        let exact = to_raw(&property, &json!(value).into()).unwrap().as_f64().unwrap();
        #[expect(clippy::cast_possible_truncation, reason = "rounded, and small")]
        let encoded = Value::Int(exact.round() as i64);
        let fits = within_limits(&property, &encoded, scale).is_ok();
        prop_assert_eq!(fits, from_raw(&property, &encoded, Precision::Integer).is_ok());
        prop_assert!(fits || below < 0.5 || above < 0.5, "the nearest step is half a step away at most");
    }
}
