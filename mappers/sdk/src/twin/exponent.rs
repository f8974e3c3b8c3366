//! Properties whose decimal exponent another property holds, as SunSpec's scale factors do: value = raw × 10^exponent × scale +
//! offset. Without a good exponent the value is not known, and nothing is written.
use super::Twin;
use pollux_crds::{EffectiveDevice, EffectiveProperty};
use std::ops::RangeInclusive;

/// SunSpec Information Model, type sunssf.
const EXPONENTS: RangeInclusive<f64> = -10.0..=10.0;

/// What raw values are multiplied with, or why that is not known, naming the exponent.
pub(super) type Scale = Result<f64, String>;

/// By position, where the exponent of a property stands. Empty where no property has one.
#[derive(Debug, Default)]
pub(super) struct Exponents(Vec<Option<usize>>);

impl Exponents {
    /// Finds for each property the one that holds its exponent.
    pub(super) fn all(device: &EffectiveDevice) -> Self {
        let holder = |property: &EffectiveProperty| Some(device.property(property.scale_exponent_from.as_ref()?)?.0);
        let all: Vec<Option<usize>> = device.properties.iter().map(holder).collect();
        if all.iter().any(Option::is_some) { Self(all) } else { Self::default() }
    }
    /// The position of the property that holds it.
    pub(super) fn of(&self, position: usize) -> Option<usize> {
        self.0.get(position).copied().flatten()
    }
    /// The positions of all that hold one.
    pub(super) fn holders(&self) -> impl Iterator<Item = usize> + '_ {
        self.0.iter().copied().flatten()
    }
}

impl Twin {
    /// The scale that is in force for a property.
    pub(super) fn scale(&self, position: usize) -> Scale {
        let property = self.device.properties.get(position);
        let Some((property, name)) = property.and_then(|p| Some((p, p.scale_exponent_from.as_ref()?))) else {
            return Ok(property.map_or(1.0, |p| p.scale));
        };
        let holder = self.exponents.of(position).and_then(|at| self.points.get(at).zip(self.device.properties.get(at)));
        let why = match holder {
            None => "NotRead".to_owned(),
            Some((holder, _)) if !holder.grade().is_good() => holder.reason().to_owned(),
            Some((holder, its)) => {
                let exponent = holder.value(its).number();
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
    pub(super) fn decidable_scale(&self, position: usize, up: bool) -> Scale {
        let scale = self.scale(position)?;
        let holder = self.exponents.of(position).and_then(|at| self.points.get(at));
        match (self.device.properties.get(position).and_then(|p| p.scale_exponent_from.as_ref()), holder) {
            (Some(name), Some(holder)) if holder.decidable(up, self.epoch).is_none() => Err(format!("{name}: NotRead")),
            _ => Ok(scale),
        }
    }
    /// The exponent at this position is another one, or better or worse known: what it scales is converted anew.
    pub(super) fn rescale(&mut self, position: usize) {
        for (point, _) in self.points.iter_mut().zip(&self.exponents.0).filter(|(_, at)| **at == Some(position)) {
            (point.outdated, self.outdated) = (true, true);
        }
    }
}

/// The double of the shifted decimal: 0.1 by -1 is 0.01, not 0.010000000000000002.
fn shifted(scale: f64, exponent: f64) -> Option<f64> {
    format!("{scale}e{exponent}").parse().ok().filter(|scale: &f64| scale.is_finite() && *scale != 0.0)
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
