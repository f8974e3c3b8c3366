//! A command as a driver carries it out.
use crate::Value;
use pollux_crds::{EffectiveCommand, EffectiveDevice, Span, Values};
use serde_json::Value as Json;
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

/// A value of YAML or JSON in a device's terms, as a driver that knows the device's own type takes it.
pub(crate) fn plain(json: &Json) -> Value {
    match json {
        Json::Bool(bit) => Value::Bool(*bit),
        Json::String(text) => Value::Text(text.as_str().into()),
        Json::Number(number) => match (number.as_i64(), number.as_u64(), number.as_f64()) {
            (Some(int), ..) => Value::Int(int),
            (None, Some(uint), _) => Value::Uint(uint),
            (None, None, float) => Value::Float(float.unwrap_or_default()), // finite, as JSON has no other
        },
        Json::Null | Json::Array(_) | Json::Object(_) => Value::Json(json.clone().into()),
    }
}

impl Call {
    /// One command of a device with these arguments; or what is wrong with them, and what is allowed.
    pub(crate) fn of(device: &EffectiveDevice, name: &str, given: &Values) -> Result<Self, String> {
        let found = device.commands.iter().find(|command| command.command.name == name);
        let Some(EffectiveCommand { command, binding }) = found else {
            let names: Vec<&str> = device.commands.iter().map(|command| command.command.name.as_str()).collect();
            let there =
                if names.is_empty() { "there are none".to_owned() } else { format!("there are: {}", names.join(", ")) };
            return Err(format!("{name}: no such command; {there}"));
        };
        let arguments = command.arguments(given)?.into_iter().map(|(name, value)| (name, plain(&value.0))).collect();
        let timeout = command.timeout.map(Span::duration);
        Ok(Self { name: command.name.clone(), binding: binding.value(), arguments, timeout })
    }
}
