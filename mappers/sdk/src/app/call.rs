//! `call`: a command of a device's model, shown, asked for and sent once.
use super::{
    Exit,
    once::{Once, PATIENCE, Targets, was_read},
    say,
    write::{asked, gone},
};
use crate::{Call, ControlError, Protocol, value::printable};
use pollux_crds::{ArgumentType, EffectiveDevice, ModelCommand, Value, Values, offline::yaml};
use std::{
    io::{IsTerminal, Write, stdin, stdout},
    sync::Arc,
};

pub(super) async fn run<P: Protocol>(protocol: Arc<P>, words: &[String], yes: bool) -> Exit {
    let (targets, command) = match targets(words) {
        Ok(found) => found,
        Err(message) => return say(&message, Exit::Usage),
    };
    if !yes && !stdin().is_terminal() {
        return say("there is no terminal to ask on: repeat with --yes", Exit::Usage);
    }
    let once = match Once::start(protocol, &targets) {
        Ok(once) => once,
        Err(exit) => return exit,
    };
    let exit = match once.devices.first().cloned() {
        Some(device) => match arguments(&device, &command, &targets.values) {
            Ok(given) => call(&once, &device, &command, given, yes).await,
            Err(message) => say(&message, Exit::Usage),
        },
        None => Exit::Usage,
    };
    once.end().await;
    exit
}

/// The words, and the command, which stands after the device.
fn targets(words: &[String]) -> Result<(Targets, String), String> {
    let mut targets = Targets::parse(words)?;
    match &mut targets.devices[..] {
        [_, command] => {
            let command = std::mem::take(command);
            targets.devices.truncate(1);
            Ok((targets, command))
        }
        _ => Err("call takes a file, the name of one device, the name of a command, and argument=value".to_owned()),
    }
}

/// Each judged as the local API does.
fn arguments(device: &EffectiveDevice, command: &str, given: &[(String, String)]) -> Result<Values, String> {
    let known = device.commands.iter().map(|known| &known.command).find(|known| known.name == command);
    let values = given.iter().map(|(name, text)| Ok((name.clone(), value(known, name, text)?)));
    let values = values.collect::<Result<Values, String>>()?;
    Call::of(device, command, &values).map(|_| values)
}
/// Text is taken as it stands, anything else as YAML.
fn value(command: Option<&ModelCommand>, name: &str, text: &str) -> Result<Value, String> {
    let argument = command.and_then(|command| command.arguments.iter().find(|argument| argument.name == name));
    if argument.is_some_and(|argument| argument.type_ == ArgumentType::String) {
        return Ok(text.into());
    }
    let documents = yaml::read(text).map_err(|error| format!("{name}: {error}"))?;
    Ok(Value(documents.into_iter().next().map(|document| document.value).unwrap_or_default()))
}

async fn call(once: &Once, device: &EffectiveDevice, command: &str, given: Values, yes: bool) -> Exit {
    let views = once.until(PATIENCE, was_read).await;
    let why = match views.first().filter(|view| was_read(view)) {
        None => Some("it could not be read in time".to_owned()),
        Some(now) => gone(now),
    };
    if let Some(why) = why {
        return say(&format!("{}: {why}; nothing was sent", device.name), Exit::Fault);
    }
    let shown: Vec<String> = given.iter().map(|(name, value)| format!("{name}={}", value.short())).collect();
    let line = format!("{} {command}({})", device.name, shown.join(", "));
    writeln!(stdout(), "{}", printable(&line)).ok(); // the answer decides, not the show
    match if yes { Some(true) } else { once.unless_stopped(asked("Send this?")).await } {
        None => return say("\nnothing was sent", Exit::Fault),
        Some(false) => return say("nothing was sent", Exit::Ok),
        Some(true) => {}
    }
    // Nothing is desired of it; only that it may be told something.
    let generation = once.desire(device, Values::new());
    let ready = once.until(PATIENCE, |view| view.device.generation >= generation).await;
    if ready.first().is_none_or(|view| view.device.generation < generation) {
        return say(&format!("{}: it could not be readied in time; nothing was sent", device.name), Exit::Fault);
    }
    match once.unless_stopped(once.mapper.control.call(&device.uid, command, given)).await {
        None => say(&format!("{}: unknown whether it was done: asked to stop", device.name), Exit::Fault),
        Some(Ok(result)) => {
            writeln!(stdout(), "{}", printable(&result.to_string())).ok(); // the exit code says that it was done
            Exit::Ok
        }
        Some(Err(error @ (ControlError::Failed(_) | ControlError::Unknown(_)))) => {
            say(&format!("{}: {error}", device.name), Exit::Fault)
        }
        Some(Err(error)) => say(&format!("{}: {error}; nothing was sent", device.name), Exit::Fault),
    }
}
