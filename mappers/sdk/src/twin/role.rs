//! Who wants to know of each value of a property: where only reports do, it is converted when one is made.
use super::{Twin, summary::Shows};
use crate::value::Kind;
use pollux_crds::{EffectiveProperty, PropertyType, Source, Span};

/// Beyond it, scaling might leave what is finite.
const LARGEST: f64 = 1e100;
/// Whole numbers up to here times one of 64 bits stay exact.
const EXACT: f64 = 9_007_199_254_740_992.0; // 2^53

/// What a property is to others, and to what kind of readings it gives a good value whatever they are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Role {
    /// Any number is a good value, and only reports want to know.
    Measured,
    /// The same, and the value is the reading itself.
    Plain,
    /// Any whole number is.
    Counted,
    /// A value may be none that is good, or something hangs on each.
    Watched,
    /// It holds the exponent of others.
    Exponent,
}

impl Role {
    /// Whether such a reading can wait for the next report.
    #[inline]
    pub(super) fn takes(self, kind: Kind, bits: u64) -> bool {
        match self {
            Self::Measured | Self::Plain => kind != Kind::Float || f64::from_bits(bits).abs() <= LARGEST,
            Self::Counted => kind != Kind::Float,
            Self::Watched | Self::Exponent => false,
        }
    }
    pub(super) fn is_plain(self) -> bool {
        self == Self::Plain
    }
    /// Its value goes into reports, whatever it is.
    pub(super) fn is_reported(self) -> bool {
        matches!(self, Self::Measured | Self::Plain | Self::Counted)
    }
    /// By itself.
    fn of(property: &EffectiveProperty) -> Self {
        let limits = property.minimum.is_some() || property.maximum.is_some() || !property.invalid.is_empty();
        let bound = matches!(property.source, Source::Binding(_)) && property.scale_exponent_from.is_none();
        let factors = [property.scale, property.offset];
        match property.type_ {
            _ if limits || !bound || !property.is_reported() || property.is_event() => Self::Watched,
            PropertyType::Number if (property.scale, property.offset) == (1.0, 0.0) => Self::Plain,
            PropertyType::Number if factors.iter().all(|f| f.abs() <= LARGEST) => Self::Measured,
            PropertyType::Integer if factors.iter().all(|f| f.fract() == 0.0 && f.abs() <= EXACT) => Self::Counted,
            _ => Self::Watched,
        }
    }
}

impl Twin {
    /// Gives each property its role; call when the configuration is another one.
    pub(super) fn cast(&mut self) {
        for (point, property) in self.points.iter_mut().zip(&self.device.properties) {
            point.role = Role::of(property);
        }
        let desired = self.wanted.iter().map(|wanted| wanted.property);
        let inputs = self.formulas.iter().flat_map(|formula| formula.inputs().iter().copied());
        let watched = desired.chain(inputs).map(|at| (at, Role::Watched));
        let all: Vec<(usize, Role)> = watched.chain(self.exponents.holders().map(|at| (at, Role::Exponent))).collect();
        for (at, role) in all {
            if let Some(point) = self.points.get_mut(at) {
                point.role = role;
            }
        }
        let stale = self.device.properties.iter().filter_map(|property| property.stale_after);
        self.soonest_stale = stale.map(Span::duration).min();
        let reported = self.device.properties.iter().filter(|property| property.is_reported());
        self.reporter.soonest =
            reported.map(|property| property.report.min_interval.duration()).min().unwrap_or_default();
    }
}
