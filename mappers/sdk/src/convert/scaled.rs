//! A number in the property's own unit, not yet rounded to the decimal that is shown where its float tells it as well.
use super::{
    cell::{Cell, slack},
    number::{EXACT, exactly, shortest_single},
};
use std::sync::Arc;

/// raw × scale + offset, rounded as wire type and scale imply.
#[derive(Debug, Clone, Copy)]
pub(super) enum Scaled {
    Whole(i128),
    Real(f64),
    /// Finite, and not negative zero; it means its shortest decimal.
    Single(f32),
}

impl Scaled {
    /// As a 32-bit float has it, where it is in its range.
    #[expect(clippy::cast_possible_truncation, reason = "to round is the purpose")]
    pub(super) fn single(value: f64) -> Self {
        let single = value as f32;
        if single == 0.0 {
            Self::Single(0.0)
        } else if single.is_finite() {
            Self::Single(single)
        } else {
            Self::Real(value)
        }
    }
    pub(super) fn is_finite(&self) -> bool {
        match self {
            Self::Whole(_) | Self::Single(_) => true,
            Self::Real(real) => real.is_finite(),
        }
    }
    pub(super) fn double(self) -> f64 {
        match self {
            Self::Whole(whole) => whole as f64,
            Self::Real(real) => real,
            Self::Single(single) => shortest_single(single),
        }
    }
    pub(super) fn is_below(self, least: f64) -> bool {
        match self {
            Self::Single(single) if self.is_far_from(least) => f64::from(single) < least,
            _ => self.double() < least,
        }
    }
    pub(super) fn is_above(self, most: f64) -> bool {
        match self {
            Self::Single(single) if self.is_far_from(most) => f64::from(single) > most,
            _ => self.double() > most,
        }
    }
    /// Farther than rounding may reach.
    fn is_far_from(self, limit: f64) -> bool {
        matches!(self, Self::Single(single) if (f64::from(single) - limit).abs() > slack(single))
    }
    /// A whole number: digits in a string where doubles have holes.
    pub(super) fn integer(self) -> Option<Cell> {
        let whole = match self {
            Self::Whole(whole) => Some(whole),
            Self::Real(_) | Self::Single(_) => exactly(self.double()),
        }?;
        let small = i64::try_from(whole).ok().filter(|_| whole.abs() <= EXACT);
        Some(small.map_or_else(|| Cell::Other(Arc::new(whole.to_string().into())), Cell::Whole))
    }
    /// A number, whole ones without a point.
    pub(super) fn plain(self) -> Cell {
        match self {
            Self::Single(single) => Cell::Single(single),
            Self::Whole(_) | Self::Real(_) => Cell::plain(self.double()),
        }
    }
}
