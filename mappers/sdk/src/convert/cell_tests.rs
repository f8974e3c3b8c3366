use super::{
    Cell,
    by_text::{self, Wire},
    cell, from_raw,
};
use crate::{Precision, Value, report::testing::property};
use pollux_crds::EffectiveProperty;
use proptest::prelude::*;
use serde_json::json;

fn scaled(scale: f64, offset: f64) -> EffectiveProperty {
    EffectiveProperty { scale, offset, maximum: None, ..property("p") }
}
fn of(raw: Wire) -> (Value, Precision) {
    match raw {
        Wire::Whole(whole) => (Value::Int(whole), Precision::Integer),
        Wire::Single(single) => (single.into(), Precision::Single),
        Wire::Double(double) => (double.into(), Precision::Double),
    }
}
fn made(property: &EffectiveProperty, raw: Wire) -> Result<Cell, String> {
    let (value, precision) = of(raw);
    cell(property, &value, precision, property.scale).map_err(|reason| reason.to_string())
}
/// The JSON text, or the reason.
fn told(property: &EffectiveProperty, raw: Wire) -> String {
    made(property, raw).map_or_else(|reason| reason, |cell| cell.value().expect("it has a value").0.to_string())
}
/// What is to be told.
fn expected(property: &EffectiveProperty, raw: Wire) -> String {
    let Some(shown) = by_text::shown(raw, property.scale, property.offset) else { return "NotFinite".into() };
    let below = property.minimum.is_some_and(|least| shown < least);
    if below || property.maximum.is_some_and(|most| shown > most) {
        return "OutOfRange".into();
    }
    by_text::json(shown)
}

/// Every exponent as often as any other.
fn singles() -> impl Strategy<Value = f32> {
    prop_oneof![
        any::<u32>().prop_map(f32::from_bits),
        (-40_000_i32..40_000, 0_i32..5).prop_map(|(n, digits)| n as f32 / 10_f32.powi(digits)),
        (0_u32..1 << 26).prop_map(|n| n as f32),
        Just(0.0),
        Just(-0.0),
        Just(f32::MAX),
        Just(f32::MIN_POSITIVE),
        Just(f32::from_bits(1)),
    ]
}
fn wires() -> impl Strategy<Value = Wire> {
    prop_oneof![
        singles().prop_map(Wire::Single),
        any::<u64>().prop_map(|bits| Wire::Double(f64::from_bits(bits))),
        (-1e6..1e6_f64).prop_map(Wire::Double),
        any::<i64>().prop_map(Wire::Whole),
        any::<i16>().prop_map(|whole| Wire::Whole(whole.into())),
    ]
}
fn factors() -> impl Strategy<Value = f64> {
    let decimal = (-99_999_i32..99_999, 0_i32..13).prop_map(|(n, digits)| f64::from(n) / 10_f64.powi(digits));
    let wild = any::<f64>().prop_filter("finite, and a scale", |n| n.is_finite());
    prop_oneof![3 => Just(1.0), 3 => decimal, 1 => wild, 1 => -1e6..1e6_f64]
        .prop_map(|factor| if factor == 0.0 { 0.1 } else { factor })
}

/// Sixteen digits, whose product with a power of ten rounds to the whole number beside them.
#[test]
fn decimals_are_counted_also_where_a_double_has_no_room_for_more() {
    let (property, raw) = (scaled(1.0, -4_417.826_444_856_292), Wire::Whole(-3_295_827_360_703_077_633));
    assert_eq!(told(&property, raw), expected(&property, raw));
    assert_eq!(told(&property, raw), "-3.2958273607030825e+18");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn a_number_is_shown_as_it_is_when_decimals_are_printed_and_read(
        raw in wires(), scale in factors(), offset in prop_oneof![Just(0.0), factors()],
    ) {
        let property = scaled(scale, offset);
        prop_assert_eq!(told(&property, raw), expected(&property, raw), "{:?} × {} + {}", raw, scale, offset);
    }
    /// Limits are those of the decimal that is shown, not of the float; also where the two differ.
    #[test]
    fn a_limit_is_judged_as_on_the_decimal(raw in singles(), near in -3..=3_i32, minimum in any::<bool>()) {
        let Some(shown) = by_text::shown(Wire::Single(raw), 1.0, 0.0) else { return Ok(()) };
        for limit in [shown, f64::from(raw), f64::from(f32::from_bits(raw.to_bits().wrapping_add_signed(near)))] {
            for limit in [limit.next_down(), limit, limit.next_up()] {
                let limits = if minimum { (Some(limit), None) } else { (None, Some(limit)) };
                let property = EffectiveProperty { minimum: limits.0, maximum: limits.1, ..scaled(1.0, 0.0) };
                prop_assert_eq!(told(&property, Wire::Single(raw)), expected(&property, Wire::Single(raw)));
            }
        }
    }
    /// So are dead-bands.
    #[test]
    fn a_dead_band_is_judged_as_on_the_decimals(a in singles(), b in singles(), near in -40..=40_i32) {
        let shown = |raw| by_text::shown(Wire::Single(raw), 1.0, 0.0);
        let beside = f32::from_bits(a.to_bits().wrapping_add_signed(near));
        for b in [b, beside] {
            let (Some(x), Some(y)) = (shown(a), shown(b)) else { continue };
            let property = scaled(1.0, 0.0);
            let [old, new] = [a, b].map(|raw| made(&property, Wire::Single(raw)).unwrap());
            let distance = (x - y).abs();
            for deadband in [distance, distance.next_down(), distance.next_up(), 0.5, f64::from((a - b).abs())] {
                let wanted = if deadband > 0.0 { distance > deadband } else { by_text::json(x) != by_text::json(y) };
                prop_assert_eq!(old.beyond(&new, deadband), wanted, "{} {} {}", a, b, deadband);
            }
        }
    }
    /// Two cells are equal where what is shown is, whatever they came from.
    #[test]
    fn cells_are_equal_where_their_json_is(a in wires(), b in wires(), single in singles()) {
        let property = scaled(1.0, 0.0);
        let same = Wire::Double(by_text::shown(Wire::Single(single), 1.0, 0.0).unwrap_or_default());
        for (a, b) in [(a, b), (Wire::Single(single), same), (a, a)] {
            let (Ok(x), Ok(y)) = (made(&property, a), made(&property, b)) else { continue };
            prop_assert_eq!(x == y, told(&property, a) == told(&property, b), "{:?} {:?}", a, b);
            let json = x.value().unwrap().0;
            prop_assert_eq!(Cell::from(json.clone()).value().unwrap().0, json.clone());
            prop_assert_eq!(x.number(), json.as_f64());
            prop_assert!(x == Cell::from(json));
        }
    }
}

#[test]
fn where_scale_and_offset_cancel_noise_is_rounded_as_print_does_it() {
    let (property, raw) = (scaled(1e-12, -1e5), Wire::Whole(100_000_000_122_070_313));
    assert_eq!(told(&property, raw), expected(&property, raw));
    assert_eq!(told(&property, raw), "0.000122070312", "2^-13 lies in the middle");
}

#[test]
fn what_is_no_number_is_kept_whole() {
    for json in [json!(true), json!("a"), json!([1, 2.5]), json!({"a": null}), json!(u64::MAX), json!(-3), json!(2.5)] {
        assert_eq!(Cell::from(json.clone()).value().map(|value| value.0), Some(json));
    }
    assert!(Cell::None == Cell::None && Cell::None != Cell::Whole(0) && Cell::None.value().is_none());
    let digits = from_raw(
        &EffectiveProperty { type_: pollux_crds::PropertyType::Integer, ..scaled(1.0, 0.0) },
        &Value::Uint(u64::MAX),
        Precision::Integer,
    )
    .unwrap();
    assert_eq!(Cell::from(digits.0).number(), Some(u64::MAX as f64));
}
