//! A value as the twin keeps it: sixteen bytes, and no text before somebody reads it.
use super::number::{self, EXACT, exactly, shortest_single};
use super::scaled::Scaled;
use pollux_crds::Value as Twin;
use serde_json::Value as Json;
use std::sync::Arc;

/// The value of a property, or none. Its JSON is worked out when it is wanted; equal means that the JSON is.
#[derive(Debug, Clone, Default)]
pub(crate) enum Cell {
    #[default]
    None,
    Bool(bool),
    Whole(i64),
    /// Shown as the shortest decimal that means it.
    Single(f32),
    Double(f64),
    Other(Arc<Json>),
}
const _: () = assert!(size_of::<Cell>() == 16);

impl Cell {
    /// What a 32-bit float off the wire means, unscaled.
    #[inline]
    pub(crate) fn single(value: f64) -> Self {
        Scaled::single(value).plain()
    }
    #[inline]
    pub(crate) fn is_some(&self) -> bool {
        !matches!(self, Self::None)
    }
    pub(crate) fn value(&self) -> Option<Twin> {
        self.json().map(Twin)
    }
    fn json(&self) -> Option<Json> {
        match self {
            Self::None => None,
            Self::Bool(on) => Some((*on).into()),
            Self::Whole(whole) => Some((*whole).into()),
            Self::Single(single) => Some(number::plain(shortest_single(*single))),
            Self::Double(double) => Some((*double).into()),
            Self::Other(json) => Some(json.as_ref().clone()),
        }
    }
    /// The number that it is, for comparing with a tolerance.
    pub(crate) fn number(&self) -> Option<f64> {
        match self {
            Self::None | Self::Bool(_) => None,
            Self::Whole(whole) => Some(*whole as f64),
            Self::Single(single) => Some(shortest_single(*single)),
            Self::Double(double) => Some(*double),
            Self::Other(json) => number::number_of_json(json),
        }
    }
    /// About that number, and how far off that may be.
    fn near(&self) -> Option<(f64, f64)> {
        match self {
            Self::Single(single) => Some((f64::from(*single), slack(*single))),
            other => other.number().map(|number| (number, 0.0)),
        }
    }
    /// Whether the new value is another one, by more than the dead-band where there is one.
    pub(crate) fn beyond(&self, new: &Self, deadband: f64) -> bool {
        let (true, Some((a, off_a)), Some((b, off_b))) = (deadband > 0.0, self.near(), new.near()) else {
            return self != new;
        };
        let (distance, off) = ((a - b).abs(), off_a + off_b);
        if off == 0.0 || (distance - deadband).abs() > off {
            return distance > deadband;
        }
        self.number().zip(new.number()).is_some_and(|(a, b)| (a - b).abs() > deadband)
    }
    /// Characters of what is no number.
    pub(super) fn length(&self) -> usize {
        match self {
            Self::Other(json) => json.as_str().map_or_else(|| json.to_string().len(), str::len),
            _ => 0,
        }
    }
    /// A number, whole ones without a point: 21, not 21.0.
    pub(super) fn plain(value: f64) -> Self {
        let small = exactly(value).filter(|n| n.abs() <= EXACT).and_then(|n| i64::try_from(n).ok());
        small.map_or(Self::Double(value), Self::Whole)
    }
}

impl From<Json> for Cell {
    fn from(json: Json) -> Self {
        match &json {
            Json::Bool(on) => Self::Bool(*on),
            Json::Number(n) => match (n.as_i64(), n.as_f64()) {
                (Some(whole), _) => Self::Whole(whole),
                (None, Some(double)) if n.is_f64() => Self::Double(double),
                _ => Self::Other(Arc::new(json)),
            },
            _ => Self::Other(Arc::new(json)),
        }
    }
}

impl PartialEq for Cell {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::None, _) | (_, Self::None) => !self.is_some() && !other.is_some(),
            (Self::Bool(a), Self::Bool(b)) => a == b,
            (Self::Whole(a), Self::Whole(b)) => a == b,
            (Self::Single(a), Self::Single(b)) => a.to_bits() == b.to_bits(),
            (Self::Double(a), Self::Double(b)) => a.to_bits() == b.to_bits(),
            (Self::Other(a), Self::Other(b)) => a == b,
            _ => self.json() == other.json(),
        }
    }
}

/// How far the shortest decimal of a float may be from it at most, twice over: half of its last binary place.
pub(super) fn slack(single: f32) -> f64 {
    f64::from(single.abs()) * f64::from(f32::EPSILON) + f64::from(f32::MIN_POSITIVE) * f64::from(f32::EPSILON)
}
