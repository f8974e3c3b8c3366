//! Commands of a model, judged for one device.
use super::{FieldError, Origin, opcua};
use crate::{DeviceModelRevisionSpec, EffectiveCommand, ModelCommand};
use serde_json::Value as Json;
use std::collections::{BTreeMap, BTreeSet};

/// All that are right; what is wrong with the others goes to `errors`.
pub(super) fn judge_all(
    revision: &DeviceModelRevisionSpec,
    protocol: &str,
    values: &BTreeMap<&str, &Json>,
    origin: &Origin<'_>,
    errors: &mut Vec<FieldError>,
) -> Vec<EffectiveCommand> {
    let mut seen = BTreeSet::new();
    let one = |command: &ModelCommand| {
        let field = format!("{}spec.commands[{}]", origin.model.as_deref().unwrap_or_default(), command.name);
        let mut flaws = flaws(command);
        if !seen.insert(command.name.clone()) {
            flaws.push((String::new(), "stands there twice".to_owned()));
        }
        let binding = match command.protocol() {
            Some(found) if found == protocol => opcua::command(command, values)
                .map_err(|(field, message)| flaws.push((format!(".{found}{field}"), message)))
                .ok(),
            Some(found) => {
                flaws.push((String::new(), format!("is for protocol {found}, the device's protocol is {protocol}")));
                None
            }
            None => {
                flaws.push((String::new(), "opcua must be set: the method that is called".to_owned()));
                None
            }
        };
        let right = flaws.is_empty();
        errors.extend(flaws.into_iter().map(|(at, message)| FieldError::new(format!("{field}{at}"), message)));
        binding.filter(|_| right).map(|block| EffectiveCommand { command: command.clone(), binding: block.into() })
    };
    revision.commands.iter().filter_map(one).collect()
}

/// What does not go together, whatever the device, as (field below the command, message).
fn flaws(command: &ModelCommand) -> Vec<(String, String)> {
    let mut flaws = vec![];
    if !crate::is_property_name(&command.name) {
        flaws.push((String::new(), "not a name: letters, digits and _, not a digit first, at most 63, and no word that YAML reads as boolean or null".to_owned()));
    }
    let mut seen = BTreeSet::new();
    for argument in &command.arguments {
        let at = |field: &str| format!(".arguments[{}]{field}", argument.name);
        if !seen.insert(&argument.name) {
            flaws.push((at(""), "stands there twice".to_owned()));
        }
        if let Some(message) = argument.default.as_ref().and_then(|value| argument.refuse(value)) {
            flaws.push((at(".default"), message));
        }
    }
    if let Some(message) = command.timeout.and_then(ModelCommand::refuse_timeout) {
        flaws.push((".timeout".to_owned(), message));
    }
    flaws
}
