//! How good a value is, and values that are made of others.
use super::point::{Point, bounded};
use crate::{
    Precision, Quality, Value,
    convert::{self, Cell},
};
use pollux_crds::{EffectiveDevice, Expression, Source, Value as Twin};
use serde_json::Value as Json;
use std::borrow::Cow;

/// Longest reason, in characters.
const WORDS: usize = 200;

/// Quality, and why it is not Good; what needs words has them in its [`Point`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Grade {
    Good,
    /// The device itself is not sure.
    Uncertain,
    NotRead,
    Stale,
    Off,
    NotConnected,
    /// It could not be read.
    Fault,
    /// What was read is no good value.
    NoValue,
    /// It is computed, and not Good.
    Computed(Quality),
}

impl Grade {
    pub(super) fn is_good(self) -> bool {
        self == Self::Good
    }
    pub(super) fn quality(self) -> Quality {
        match self {
            Self::Good => Quality::Good,
            Self::Uncertain => Quality::Uncertain,
            Self::Computed(quality) => quality,
            _ => Quality::Bad,
        }
    }
    pub(super) fn has_words(self) -> bool {
        matches!(self, Self::Fault | Self::NoValue | Self::Computed(_) | Self::Uncertain)
    }
    /// Of those without words of their own.
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Uncertain => "Uncertain",
            Self::NotRead => "NotRead",
            Self::Stale => "Stale",
            Self::Off => "Off",
            Self::NotConnected => "NotConnected",
            Self::Good | Self::Fault | Self::NoValue | Self::Computed(_) => "",
        }
    }
    fn rank(self) -> u8 {
        match self.quality() {
            Quality::Good => 0,
            Quality::Uncertain => 1,
            Quality::Bad => 2,
        }
    }
}

/// A property that is computed of others.
#[derive(Debug)]
pub(super) struct Formula {
    pub(super) position: usize,
    inputs: Vec<usize>,
    expression: Result<Expression, String>,
    pub(super) due: bool,
}

impl Formula {
    pub(super) fn all(device: &EffectiveDevice) -> Vec<Self> {
        let of = |(position, property): (usize, &pollux_crds::EffectiveProperty)| {
            let Source::Expression(text) = &property.source else { return None };
            let expression = Expression::compile(text).map_err(|e| e.to_string());
            let names = expression.as_ref().map(|e| e.variables().to_vec()).unwrap_or_default();
            let inputs = names.iter().filter_map(|name| device.property(name)).map(|(input, _)| input).collect();
            Some(Self { position, inputs, expression, due: true })
        };
        device.properties.iter().enumerate().filter_map(of).collect()
    }
    pub(super) fn inputs(&self) -> &[usize] {
        &self.inputs
    }
    pub(super) fn reads(&self, position: usize) -> bool {
        self.inputs.contains(&position)
    }
    /// Its value, if it has one, its quality, which is that of its worst input, and why it is not Good.
    pub(super) fn evaluate(&mut self, device: &EffectiveDevice, points: &[Point]) -> (Option<Cell>, Grade, Reason) {
        self.due = false;
        let name = |input: usize| device.properties.get(input).map_or("", |p| p.name.as_str());
        let known = self.inputs.iter().filter_map(|input| Some((*input, points.get(*input)?)));
        let worst = known.max_by_key(|(_, point)| point.grade().rank()).filter(|(_, point)| !point.grade().is_good());
        let (grade, reason) = worst.map_or((Grade::Good, "".into()), |(input, point)| {
            let reason = bounded(&format!("{}: {}", name(input), point.reason()), WORDS);
            (Grade::Computed(point.grade().quality()), reason.into())
        });
        let Some(property) = device.properties.get(self.position).filter(|_| grade.quality() != Quality::Bad) else {
            return (None, grade, reason);
        };
        let get = |wanted: &str| {
            let input = self.inputs.iter().find(|input| name(**input) == wanted)?;
            points.get(*input)?.value(device.properties.get(*input)?).value()
        };
        let result = match &self.expression {
            Ok(expression) => expression.evaluate(&get).map_err(|e| e.to_string()),
            Err(error) => Err(error.clone()),
        };
        let value = result.and_then(|value| {
            let made = convert::cell(property, &raw(&value), Precision::Double, property.scale);
            made.map_err(|reason| reason.to_string())
        });
        match value {
            Ok(value) => (Some(value), grade, reason),
            Err(reason) => (None, Grade::Computed(Quality::Bad), bounded(&reason, WORDS).into()),
        }
    }
}

type Reason = Cow<'static, str>;

fn raw(value: &Twin) -> Value {
    match &value.0 {
        Json::Bool(on) => Value::Bool(*on),
        Json::String(text) => Value::from(text.as_str()),
        other => Value::Float(other.as_f64().map_or(f64::NAN, convert::tidy)),
    }
}
