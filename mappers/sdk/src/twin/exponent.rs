//! Properties whose decimal exponent another property holds, as SunSpec's scale factors do: value = raw × 10^exponent × scale +
//! offset. Without a good exponent the value is not known, and nothing is written.
use super::{Twin, point::Point};
use crate::convert;
use pollux_crds::EffectiveDevice;
use std::ops::RangeInclusive;

/// SunSpec Information Model, type sunssf.
const EXPONENTS: RangeInclusive<f64> = -10.0..=10.0;

/// What raw values are multiplied with, or why that is not known, naming the exponent.
pub(super) type Scale = Result<f64, String>;

/// The scale that is in force for a property.
pub(super) fn scale(device: &EffectiveDevice, points: &[Point], position: usize) -> Scale {
    let property = device.properties.get(position);
    let Some((property, name)) = property.and_then(|p| Some((p, p.scale_exponent_from.as_ref()?))) else {
        return Ok(property.map_or(1.0, |p| p.scale));
    };
    let holder = points.get(position).and_then(|point| point.exponent).and_then(|at| points.get(at));
    let why = match holder {
        None => "NotRead".to_owned(),
        Some(holder) if !holder.grade.is_good() => holder.grade.reason.clone().into_owned(),
        Some(holder) => {
            let exponent = holder.value.as_ref().and_then(|shown| convert::number_of(&shown.value));
            let allowed = exponent.filter(|n| EXPONENTS.contains(n) && n.fract() == 0.0);
            match (allowed.and_then(|n| shifted(property.scale, n)), exponent) {
                (Some(scale), _) => return Ok(scale),
                (None, Some(exponent)) => format!("exponent {exponent} is not from -10 to 10"),
                (None, None) => "NotRead".to_owned(),
            }
        }
    };
    Err(format!("{name}: {why}"))
}

/// The scale that a write may be decided by: its exponent too was read since all is to be read first (design §3.1), for the
/// device may be another one by now.
pub(super) fn decidable(device: &EffectiveDevice, points: &[Point], position: usize, up: bool) -> Scale {
    let scale = scale(device, points, position)?;
    let holder = points.get(position).and_then(|point| points.get(point.exponent?));
    match (device.properties.get(position).and_then(|p| p.scale_exponent_from.as_ref()), holder) {
        (Some(name), Some(holder)) if holder.decidable(up).is_none() => Err(format!("{name}: NotRead")),
        _ => Ok(scale),
    }
}

/// The double of the shifted decimal: 0.1 by -1 is 0.01, not 0.010000000000000002.
fn shifted(scale: f64, exponent: f64) -> Option<f64> {
    format!("{scale}e{exponent}").parse().ok().filter(|scale: &f64| scale.is_finite() && *scale != 0.0)
}

impl Twin {
    /// Finds for each property the one that holds its exponent.
    pub(super) fn link_exponents(&mut self) {
        let device = self.device.clone();
        self.points.iter_mut().for_each(|point| (point.exponent, point.is_exponent) = (None, false));
        for (position, property) in device.properties.iter().enumerate() {
            let holder = property.scale_exponent_from.as_ref().and_then(|name| device.property(name));
            let Some((at, _)) = holder else { continue };
            if let Some(point) = self.points.get_mut(position) {
                point.exponent = Some(at);
            }
            if let Some(holder) = self.points.get_mut(at) {
                holder.is_exponent = true;
            }
        }
    }
    /// The exponent at this position is another one, or better or worse known: what it scales is converted anew.
    pub(super) fn rescale(&mut self, position: usize) {
        for point in self.points.iter_mut().filter(|point| point.exponent == Some(position)) {
            (point.outdated, self.outdated) = (true, true);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::shifted;

    #[test]
    fn a_shifted_scale_is_the_decimal_that_people_mean() {
        for (scale, exponent, wanted) in
            [(1.0, -1.0, 0.1), (0.1, -1.0, 0.01), (1.0, 3.0, 1000.0), (-2.5, -10.0, -2.5e-10), (1e-3, 3.0, 1.0)]
        {
            assert_eq!(shifted(scale, exponent), Some(wanted));
        }
        assert!(shifted(f64::MIN_POSITIVE, -10.0).is_some());
        assert_eq!((shifted(5e-324, -10.0), shifted(f64::MAX, 10.0)), (None, None));
    }
}
