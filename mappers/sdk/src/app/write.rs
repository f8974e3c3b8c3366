//! `write`: shows old and new, asks, writes only what was named, and says what the device said.
use super::{
    Exit,
    once::{Once, PATIENCE, Targets, was_read},
    print, say,
};
use crate::{DeviceView, Protocol, value::printable};
use pollux_crds::{
    EffectiveDevice, EffectiveProperty, EffectiveVerify, IN_SYNC, Mode, PropertyType, Value, Values,
    check_desired_value, condition, offline::yaml,
};
use std::{
    io::{BufRead, IsTerminal, Write, stdin, stdout},
    sync::Arc,
    time::Duration,
};

/// What a device says that no waiting mends.
const FINAL: [&str; 2] = ["Refused", "NotSticking"];

pub(super) async fn run<P: Protocol>(protocol: Arc<P>, words: &[String], yes: bool) -> Exit {
    let targets = match Targets::parse(words) {
        Ok(targets) if targets.devices.len() == 1 && !targets.values.is_empty() => targets,
        Ok(_) => return say("write takes a file, the name of one device, and property=value", Exit::Usage),
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
        Some(device) => match wishes(&device, &targets.values) {
            Ok(desired) => write(&once, &device, desired, yes).await,
            Err(message) => say(&message, Exit::Usage),
        },
        None => Exit::Usage,
    };
    once.end().await;
    exit
}

/// The values, each judged as one in `spec.desired` is.
fn wishes(device: &EffectiveDevice, given: &[(String, String)]) -> Result<Values, String> {
    if device.mode != Mode::Control {
        return Err(format!(
            "{}: its mode is {:?}; a device is written in mode Control only",
            device.name, device.mode
        ));
    }
    let writable = || device.properties.iter().filter(|p| p.is_written()).map(|p| p.name.as_str()).collect::<Vec<_>>();
    let mut desired = Values::new();
    for (name, text) in given {
        let Some((_, property)) = device.property(name).filter(|(_, p)| p.is_written()) else {
            return Err(format!("{name}: no such property to write; there are: {}", writable().join(", ")));
        };
        let value = value(property, text)?;
        check_desired_value(device.protocol, property, &value).map_err(|message| format!("{name}: {message}"))?;
        desired.insert(name.clone(), value);
    }
    Ok(desired)
}
/// Text is taken as it stands, anything else as YAML: `Off` is a name where names are wanted, and false where a boolean is.
fn value(property: &EffectiveProperty, text: &str) -> Result<Value, String> {
    if matches!(property.type_, PropertyType::String | PropertyType::Bytes) {
        return Ok(text.into());
    }
    let documents = yaml::read(text).map_err(|error| format!("{}: {error}", property.name))?;
    Ok(Value(documents.into_iter().next().map(|d| d.value).unwrap_or_default()))
}

async fn write(once: &Once, device: &EffectiveDevice, desired: Values, yes: bool) -> Exit {
    let views = once.until(PATIENCE, was_read).await;
    let Some(now) = views.first().filter(|view| was_read(view)) else {
        return say(&format!("{}: it could not be read in time; nothing was written", device.name), Exit::Fault);
    };
    if let Some(why) = gone(now) {
        return say(&format!("{}: {why}; nothing was written", device.name), Exit::Fault);
    }
    let mut out = stdout();
    for (name, new) in &desired {
        let old = now.snapshot.value(name).map_or("?".into(), |value| value.short());
        let unit = device.property(name).and_then(|(_, p)| p.unit.clone()).unwrap_or_default();
        let line = format!("{} {name}: {old} → {} {unit}", device.name, new.short());
        writeln!(out, "{}", printable(line.trim_end())).ok(); // the answer decides, not the show
    }
    match if yes { Some(true) } else { once.unless_stopped(asked("Write this?")).await } {
        None => return say("\nnothing was written", Exit::Fault),
        Some(false) => return say("nothing was written", Exit::Ok),
        Some(true) => {}
    }
    let generation = once.desire(device, desired.clone());
    let patience = PATIENCE
        + desired.keys().filter_map(|name| device.property(name)).map(|(_, p)| settling(p)).max().unwrap_or_default();
    let views = once.until(patience, |view| ended(view, generation)).await;
    match views.first() {
        Some(view) => tell(view, &desired, generation),
        None => say(&format!("{}: unknown whether written", device.name), Exit::Fault),
    }
}
/// Why it does not answer.
pub(super) fn gone(view: &DeviceView) -> Option<String> {
    let connected = condition(view.snapshot.conditions(), pollux_crds::CONNECTED);
    connected.filter(|connected| connected.status == "False").map(|connected| connected.message.clone())
}
/// On a thread of its own: while a person thinks, devices are served and signals are heard.
pub(super) async fn asked(question: &'static str) -> bool {
    let answer = tokio::task::spawn_blocking(move || {
        let mut answer = String::new();
        write!(stdout(), "{question} [y/N] ").and_then(|()| stdout().flush()).ok(); // no answer is a no
        stdin().lock().read_line(&mut answer).is_ok() && matches!(answer.trim(), "y" | "Y" | "yes")
    });
    answer.await.unwrap_or(false)
}
fn settling(property: &EffectiveProperty) -> Duration {
    match property.verify {
        EffectiveVerify::ReadBack { within, .. } => within.duration(),
        EffectiveVerify::Acknowledgement => Duration::ZERO,
    }
}
fn ended(view: &DeviceView, generation: i64) -> bool {
    condition(view.snapshot.conditions(), IN_SYNC)
        .filter(|c| c.observed_generation >= generation)
        .is_some_and(|c| c.status == "True" || FINAL.contains(&c.reason.as_str()))
}

fn tell(view: &DeviceView, desired: &Values, generation: i64) -> Exit {
    let mut exit = Exit::Ok;
    for (name, new) in desired {
        let pending = view.snapshot.pending().get(name);
        let acknowledged = view.snapshot.applied().contains_key(name);
        let confirmed = pending.is_none() && acknowledged && view.device.generation >= generation;
        let (text, ended) = match pending.map(|p| p.error.clone().unwrap_or_else(|| "not confirmed in time".into())) {
            Some(error) => (error, Exit::Fault),
            None if confirmed => (format!("{} confirmed", new.short()), Exit::Ok),
            None => (print::trouble(view).unwrap_or_else(|| "not confirmed in time".into()), Exit::Fault),
        };
        writeln!(stdout(), "{} {name}: {}", view.device.name, printable(&text)).ok(); // the exit code says it too
        if ended == Exit::Fault {
            exit = Exit::Fault;
        }
    }
    exit
}
