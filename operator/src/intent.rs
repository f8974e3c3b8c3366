//! What shall become of one device: whether its spec is accepted, and where it belongs. Pure; both the Device's status and
//! the mappers' slices follow from this one answer, so they cannot disagree.
use crate::{
    conditions::cut,
    place::{Obstacle, Wish, place},
    world::{
        Guarded, World,
        index::{Held, Nodes, class_of},
        keys::{Id, MapperKey, id},
    },
};
use kube::{Resource, ResourceExt};
use pollux_crds::{
    CUSTOM, Channel, Device, DeviceModel, FORCE_RELEASE_ANNOTATION, FieldError, MapperClass, Resolved, resolve,
};
use std::sync::Arc;

/// Why a spec is refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// One word.
    pub reason: &'static str,
    /// All that is wrong, in one sentence.
    pub message: String,
}
impl Refusal {
    /// A refusal.
    pub fn new(reason: &'static str, message: impl Into<String>) -> Self {
        Self { reason, message: message.into() }
    }
}

/// What one device is judged by.
#[derive(Debug)]
pub struct Case<'a> {
    /// Its id.
    pub id: &'a Id,
    /// The Device.
    pub device: &'a Guarded<Device>,
    /// The model that it names, if there is one.
    pub model: Option<Arc<Guarded<DeviceModel>>>,
    /// The Channel that it names, if there is one.
    pub channel: Option<Arc<Guarded<Channel>>>,
    /// The class that it asks for, if there is one.
    pub class: Option<MapperClass>,
    /// Names of all classes.
    pub classes: Vec<Id>,
    /// Every slice that holds it.
    pub held: Vec<Held>,
}

/// What shall become of a device.
#[derive(Debug)]
pub struct Intent {
    /// What a mapper can drive, or why not.
    pub accepted: Result<Box<Resolved>, Refusal>,
    /// Mapper in whose slice it shall stand.
    pub target: Option<MapperKey>,
    /// Mapper that must let go of it before.
    pub waiting_for: Option<MapperKey>,
    /// Why it is not where its spec wants it.
    pub obstacle: Option<Obstacle>,
    /// Where status says it is.
    pub shown: Option<MapperKey>,
    /// Its entry in force, where there is one.
    pub home: Option<Held>,
    /// Node whose hold a person has declared void.
    pub forced: Option<String>,
}

impl<'a> Case<'a> {
    /// Everything known of a device.
    pub fn of(world: &World, id: &'a Id, device: &'a Guarded<Device>) -> Self {
        let spec = device.0.as_ref().ok().map(|d| &d.spec);
        let namespace = device.meta().namespace.clone().unwrap_or_default();
        let named = |name: Option<&str>| name.map(|name| crate::world::keys::id(&namespace, name));
        let channel = spec.and_then(|s| s.protocol.modbus.as_ref()).and_then(|m| m.channel.as_deref());
        Self {
            id,
            device,
            model: named(spec.and_then(|s| s.model.as_deref())).and_then(|id| world.models.get(&id)),
            channel: named(channel).and_then(|id| world.channels.get(&id)),
            class: device.0.as_ref().ok().and_then(class_of).and_then(|class| world.class(class)),
            classes: world.class_names(),
            held: world.held(id),
        }
    }

    /// What shall become of it. `conflict` says what it would open that another one has open, on a given mapper.
    pub fn judge(&self, nodes: &Nodes, conflict: impl Fn(&MapperKey) -> Option<String>) -> Intent {
        let uid = self.device.meta().uid.as_deref().unwrap_or_default();
        let home = self.held.iter().find(|h| h.uid == uid && !h.tombstone).cloned();
        let forced = self.device.annotations().get(FORCE_RELEASE_ANNOTATION).cloned();
        let mut accepted = self.accept();
        let wanted = self.place(nodes, home.as_ref());
        if let (Ok(key), true) = (&wanted, accepted.is_ok())
            && let Some(conflict) = conflict(key)
        {
            accepted = Err(Refusal::new("EndpointConflict", conflict));
        }
        // Refused as a whole: what is in force stays where it is. A place that does not exist moves nothing either.
        let stay = home.as_ref().filter(|_| accepted.is_err() || wanted.is_err()).map(|h| h.mapper.clone());
        let (target, obstacle) = match (stay, wanted) {
            (Some(home), wanted) => (Some(home), wanted.err()),
            (None, Ok(key)) => (Some(key), None),
            (None, Err(obstacle)) => (None, Some(obstacle)),
        };
        let foreign = self.foreign(target.as_ref(), forced.as_deref());
        let shown = match foreign {
            None => target.clone(),
            Some(held) => (held.uid == uid).then(|| held.mapper.clone()),
        };
        let waiting_for = foreign.map(|held| held.mapper.clone());
        Intent { accepted, target, waiting_for, obstacle, shown, home, forced }
    }

    /// Who else holds it, and has not let go.
    fn foreign(&self, target: Option<&MapperKey>, forced: Option<&str>) -> Option<&Held> {
        let target = target?;
        self.held.iter().find(|h| h.mapper != *target && !h.let_go && forced != Some(&*h.mapper.node))
    }

    fn place(&self, nodes: &Nodes, home: Option<&Held>) -> Result<MapperKey, Obstacle> {
        let Ok(device) = &self.device.0 else {
            return home.map(|h| h.mapper.clone()).ok_or_else(unknown_place);
        };
        let status = device.status.as_ref().and_then(|s| s.node_name.as_deref()).filter(|n| !n.is_empty());
        let wish = Wish {
            class: class_of(device).unwrap_or_default(),
            spec: self.class.as_ref(),
            node: device.spec.node_name.as_deref(),
            now: home.map(|h| &*h.mapper.node).or(status),
        };
        place(&wish, &self.classes, nodes)
    }

    fn accept(&self) -> Result<Box<Resolved>, Refusal> {
        let device =
            self.device.0.as_ref().map_err(|e| Refusal::new("CannotDecode", format!("cannot decode: {}", e.error)))?;
        let namespace = device.namespace().unwrap_or_default();
        let model = decoded(self.model.as_deref(), "DeviceModel", device.spec.model.as_deref(), &namespace)?;
        let channel = device.spec.protocol.modbus.as_ref().and_then(|m| m.channel.as_deref());
        let channel = decoded(self.channel.as_deref(), "Channel", channel, &namespace)?;
        if let Some(class) = &self.class {
            speaks(class, device)?;
        }
        let resolved = resolve(device, model, channel).map_err(|errors| Refusal::new("Invalid", sentence(&errors)))?;
        let size = serde_json::to_vec(&resolved.device).map_or(usize::MAX, |json| json.len());
        if size > crate::mapper::chunks::MAX_ENTRY {
            let most = crate::mapper::chunks::MAX_ENTRY;
            let message =
                format!("spec: compiled, the device has {size} bytes; {most} are allowed: shorten desired values");
            return Err(Refusal::new("TooLarge", message));
        }
        Ok(Box::new(resolved))
    }
}

fn unknown_place() -> Obstacle {
    Obstacle { reason: "NotAccepted", message: "the Device cannot be decoded".into() }
}

/// The object that a Device names; None only where it names none.
fn decoded<'a, T>(
    object: Option<&'a Guarded<T>>,
    kind: &str,
    name: Option<&str>,
    namespace: &str,
) -> Result<Option<&'a T>, Refusal> {
    let Some(name) = name else { return Ok(None) };
    match object.map(|o| &o.0) {
        Some(Ok(object)) => Ok(Some(object)),
        Some(Err(invalid)) => {
            let message = format!("{kind} {}: cannot decode: {}", id(namespace, name), cut(&invalid.error, 500));
            Err(Refusal::new("CannotDecode", message))
        }
        None if kind == "DeviceModel" => {
            Err(Refusal::new("ModelMissing", format!("spec.model: no DeviceModel {name:?} in namespace {namespace}")))
        }
        None => {
            let field = "spec.protocol.modbus.channel";
            Err(Refusal::new("ChannelMissing", format!("{field}: no Channel {name:?} in namespace {namespace}")))
        }
    }
}

/// Protocols that have a field of their own in a Device; a class of another name speaks `custom`.
const BUILT_IN: [&str; 1] = ["modbus"];

/// Whether the mappers of a class speak the Device's protocol: only an edit of one of them can mend it.
fn speaks(class: &MapperClass, device: &Device) -> Result<(), Refusal> {
    let asked = device.spec.protocol.name().unwrap_or_default();
    let name = class.name_any();
    let spoken = class.spec.protocol.as_deref().unwrap_or(&name);
    let fits = if asked == CUSTOM { !BUILT_IN.contains(&spoken) } else { asked == spoken };
    if fits {
        return Ok(());
    }
    let message = format!("spec.mapperClass: class {name:?} speaks {spoken}, and spec.protocol is {asked}");
    Err(Refusal::new("ProtocolMismatch", message))
}

/// All errors, up to ten, in one sentence.
fn sentence(errors: &[FieldError]) -> String {
    let shown = errors.iter().take(10).map(ToString::to_string).collect::<Vec<_>>().join("; ");
    let more = errors.len().saturating_sub(10);
    if more == 0 { shown } else { format!("{shown}; and {more} more") }
}
