//! How good a value is, and values that are made of others.
use super::point::{Point, bounded};
use crate::{Precision, Quality, Value, convert};
use pollux_crds::{EffectiveDevice, Expression, Source, Value as Twin};
use serde_json::Value as Json;
use std::borrow::Cow;

/// Quality, and the word that says why it is not Good.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Grade {
    pub(super) quality: Quality,
    pub(super) reason: Cow<'static, str>,
}

impl Grade {
    pub(super) const GOOD: Self = Self { quality: Quality::Good, reason: Cow::Borrowed("") };
    pub(super) fn bad(reason: impl Into<Cow<'static, str>>) -> Self {
        Self { quality: Quality::Bad, reason: reason.into() }
    }
    pub(super) fn is_good(&self) -> bool {
        self.quality == Quality::Good
    }
    fn rank(&self) -> u8 {
        match self.quality {
            Quality::Good => 0,
            Quality::Uncertain => 1,
            Quality::Bad => 2,
        }
    }
}

impl Default for Grade {
    fn default() -> Self {
        Self::bad("NotRead")
    }
}

pub(super) fn word(quality: Quality) -> &'static str {
    match quality {
        Quality::Good => "Good",
        Quality::Uncertain => "Uncertain",
        Quality::Bad => "Bad",
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
    pub(super) fn reads(&self, position: usize) -> bool {
        self.inputs.contains(&position)
    }
    /// Its value, if it has one, and its quality: that of its worst input.
    pub(super) fn evaluate(&mut self, device: &EffectiveDevice, points: &[Point]) -> (Option<Twin>, Grade) {
        self.due = false;
        let name = |input: usize| device.properties.get(input).map_or("", |p| p.name.as_str());
        let graded = self.inputs.iter().filter_map(|input| Some((*input, &points.get(*input)?.grade)));
        let worst = graded.max_by_key(|(_, grade)| grade.rank()).filter(|(_, grade)| !grade.is_good());
        let grade = worst.map_or(Grade::GOOD, |(input, grade)| Grade {
            quality: grade.quality,
            reason: bounded(&format!("{}: {}", name(input), grade.reason), 200).into(),
        });
        let Some(property) = device.properties.get(self.position).filter(|_| grade.quality != Quality::Bad) else {
            return (None, grade);
        };
        let get = |wanted: &str| {
            let input = self.inputs.iter().find(|input| name(**input) == wanted)?;
            points.get(*input)?.value.as_ref().map(|shown| shown.value.clone())
        };
        let result = match &self.expression {
            Ok(expression) => expression.evaluate(&get).map_err(|e| e.to_string()),
            Err(error) => Err(error.clone()),
        };
        let value = result.and_then(|value| {
            convert::from_raw(property, &raw(&value), Precision::Double).map_err(|reason| reason.to_string())
        });
        match value {
            Ok(value) => (Some(value), grade),
            Err(reason) => (None, Grade::bad(bounded(&reason, 200))),
        }
    }
}

fn raw(value: &Twin) -> Value {
    match &value.0 {
        Json::Bool(on) => Value::Bool(*on),
        Json::String(text) => Value::from(text.as_str()),
        other => Value::Float(other.as_f64().map_or(f64::NAN, convert::tidy)),
    }
}
