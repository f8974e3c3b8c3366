//! What a number is to be shown as, worked out the plain way: by printing decimals and reading them. It knows nothing of how the
//! other modules do it.

#[derive(Debug, Clone, Copy)]
pub(super) enum Wire {
    Whole(i64),
    Single(f32),
    Double(f64),
}

/// The double that is shown of raw × scale + offset; none where it is not finite.
pub(super) fn shown(raw: Wire, scale: f64, offset: f64) -> Option<f64> {
    let real = match raw {
        Wire::Whole(whole) => whole as f64,
        Wire::Single(single) => f64::from(single),
        Wire::Double(double) => double,
    };
    let plain = scale.to_string() == "1" && offset == 0.0;
    let value = if plain { real } else { real * scale + offset };
    let text = match raw {
        Wire::Whole(whole) => match whole_result(whole, scale, offset) {
            Some(exact) => return Some(exact as f64),
            None => match (decimals(scale), decimals(offset)) {
                (Some(a), Some(b)) => format!("{value:.*}", a.max(b)),
                _ => format!("{value:.14e}"),
            },
        },
        #[expect(clippy::cast_possible_truncation)]
        Wire::Single(_) => (value as f32).to_string(),
        Wire::Double(_) if plain => return Some(value).filter(|n| n.is_finite()),
        Wire::Double(_) => format!("{value:.14e}"),
    };
    let again = text.parse::<f64>().ok().filter(|n| n.is_finite()).unwrap_or(value);
    Some(if again == 0.0 { 0.0 } else { again }).filter(|n| n.is_finite())
}

/// Whole numbers of both sorts are calculated exactly.
fn whole_result(raw: i64, scale: f64, offset: f64) -> Option<i128> {
    i128::from(raw).checked_mul(whole(scale)?)?.checked_add(whole(offset)?)
}
#[expect(clippy::cast_possible_truncation)]
fn whole(number: f64) -> Option<i128> {
    (number.fract() == 0.0 && number.abs() < 1.267e30).then_some(number as i128)
}

/// Up to twelve digits after the point.
fn decimals(number: f64) -> Option<usize> {
    let text = number.to_string();
    let count = text.split_once('.').map_or(0, |(_, fraction)| fraction.len());
    (count <= 12).then_some(count)
}

/// JSON of it, as people write it: whole numbers that are exact have no point.
pub(super) fn json(shown: f64) -> String {
    if shown.fract() == 0.0 && shown.abs() <= 9_007_199_254_740_992.0 {
        return format!("{shown:.0}").replace("-0", "0");
    }
    serde_json::Value::from(shown).to_string()
}
