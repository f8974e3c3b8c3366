//! What a desired value is in the device's own format, and whether the device has it.
use super::{Facts, Goal, Wanted};
use crate::{ErrorKind, PointFault, Value, convert};
use pollux_crds::{EffectiveProperty, EffectiveVerify, check_desired_value};

impl Wanted {
    /// By the scale in force; what is being read back is compared by the one that it was written with.
    pub(super) fn goal(&mut self, facts: &Facts<'_>) -> Goal {
        if let Some((_, goal)) = self.written_as() {
            return goal.clone();
        }
        let scale = facts.scale.clone().map_err(|why| PointFault::new(ErrorKind::Config, why))?;
        if let Some((_, goal)) = self.goal.as_ref().filter(|(bits, _)| *bits == scale.to_bits()) {
            return goal.clone();
        }
        let goal = self.encoded(facts, scale);
        self.goal = Some((scale.to_bits(), goal.clone()));
        goal
    }
    /// What is being read back, as it was written.
    pub(super) fn written_as(&self) -> Option<&(u64, Goal)> {
        self.goal.as_ref().filter(|_| self.verifying())
    }
    fn encoded(&self, facts: &Facts<'_>, scale: f64) -> Goal {
        if facts.property.scale_exponent_from.is_some() {
            // Only now is it known what the wire can carry.
            let property = EffectiveProperty { scale, scale_exponent_from: None, ..facts.property.clone() };
            let judged = check_desired_value(facts.protocol, &property, &self.value);
            judged.map_err(|text| PointFault::new(ErrorKind::Config, text))?;
        }
        let raw = convert::to_raw_scaled(facts.property, &self.value, scale)?;
        let encoded = facts.format.encoded(facts.position, &raw)?;
        convert::within_limits(facts.property, &encoded, scale)?;
        Ok((raw, encoded))
    }
    /// Design §3.2: both encode to the same bits, or the difference is within the tolerance.
    pub(super) fn equal(&mut self, facts: &Facts<'_>) -> Result<bool, PointFault> {
        let (_, wanted) = self.goal(facts)?;
        let Some(raw) = facts.point.raw() else { return Ok(false) };
        if same_bits(&wanted, &raw) {
            return Ok(true);
        }
        if facts.format.encoded(facts.position, &raw).is_ok_and(|read| same_bits(&wanted, &read)) {
            return Ok(true);
        }
        let EffectiveVerify::ReadBack { tolerance, .. } = facts.property.verify else { return Ok(false) };
        if tolerance <= 0.0 {
            return Ok(false);
        }
        let Some(scale) = self.goal.as_ref().map(|(bits, _)| f64::from_bits(*bits)) else { return Ok(false) };
        let read = raw.as_f64().map(|raw| raw * scale + facts.property.offset);
        let near = |read: f64, wanted: f64| (read - wanted).abs() <= tolerance * (1.0 + 1e-9) + wanted.abs() * 1e-12;
        Ok(read.zip(convert::number_of(&self.value)).is_some_and(|(read, wanted)| near(read, wanted)))
    }
}

/// Equal in the device's own format: floats bit for bit, integers of either sign by value.
fn same_bits(a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::Float(a), Value::Float(b)) => a.to_bits() == b.to_bits(),
        (Value::Int(_) | Value::Uint(_) | Value::Float(_), Value::Int(_) | Value::Uint(_) | Value::Float(_)) => {
            a.as_i128().is_some() && a.as_i128() == b.as_i128()
        }
        (Value::Bool(on), number) | (number, Value::Bool(on)) if number.as_i128().is_some() => {
            number.as_i128() == Some(i128::from(*on))
        }
        (a, b) => a == b,
    }
}
