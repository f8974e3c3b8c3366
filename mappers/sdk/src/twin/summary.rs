//! The values of the model's summary in one line: `temperature=21.4 °C setpoint=21.5→22 °C`.
use super::point::{Point, bounded};
use crate::value::printable;
use pollux_crds::{EffectiveDevice, Value as Twin};
use serde_json::Value as Json;

/// Longest line, in characters.
const LONGEST: usize = 80;
/// Longest value in it.
const VALUE: usize = 24;

/// As it stands in a column: strings without quotes.
pub(super) fn text(value: &Twin) -> String {
    match &value.0 {
        Json::String(text) => printable(text),
        other => other.to_string(),
    }
}

/// `!`: not good; `→`: what it shall become. None: nothing is to be shown.
pub(super) fn line<'a>(
    device: &EffectiveDevice,
    points: &[Point],
    pending: impl Fn(usize) -> Option<&'a Twin>,
) -> Option<String> {
    let mut line = String::new();
    for position in &device.summary {
        let (Some(property), Some(point)) = (device.properties.get(*position), points.get(*position)) else { continue };
        let before = line.len();
        if before > 0 {
            line.push(' ');
        }
        line.extend([property.name.as_str(), "="]);
        match point.value(property).value() {
            Some(value) => line.push_str(&bounded(&text(&value), VALUE)),
            None => line.push('?'),
        }
        if let Some(value) = pending(*position) {
            line.extend(["→", &bounded(&text(value), VALUE)]);
        }
        if let Some(unit) = &property.unit {
            line.extend([" ", unit.as_str()]);
        }
        if !point.grade().is_good() && property.is_shown() {
            line.push('!');
        }
        if line.chars().count() > LONGEST {
            if before > 0 {
                line.truncate(before);
                line.push_str(" …");
            }
            return Some(bounded(&line, LONGEST));
        }
    }
    (!line.is_empty()).then_some(line)
}

/// What a property is to the status.
pub(super) trait Shows {
    /// It has a value that can be read, so its quality says something.
    fn is_shown(&self) -> bool;
    /// Its value goes into `reported`.
    fn is_reported(&self) -> bool;
}
impl Shows for pollux_crds::EffectiveProperty {
    fn is_shown(&self) -> bool {
        self.access != pollux_crds::Access::WriteOnly
    }
    /// Where the acknowledgement confirms, nothing is reported (design §1.2).
    fn is_reported(&self) -> bool {
        let acknowledged = self.is_written() && self.verify == pollux_crds::EffectiveVerify::Acknowledgement;
        self.is_shown() && !acknowledged && !self.report.never
    }
}
