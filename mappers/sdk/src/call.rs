//! A command as a driver carries it out.
use crate::Value;
use std::time::Duration;

/// A command of a model, for one device.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Call {
    /// Its name in the model.
    pub name: String,
    /// `commands[].<NAME>`, parameters filled in.
    pub binding: serde_json::Value,
    /// In the model's order, defaults filled in, of the types that the model says.
    pub arguments: Vec<(String, Value)>,
    /// What the model grants it; none: the device's own time-out.
    pub timeout: Option<Duration>,
}
