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
    Channel, Device, DeviceModel, FORCE_RELEASE_ANNOTATION, MODEL_FIELD, MapperClass, Resolved, SliceDevice,
    check_secrets, is_channel_field, resolve, speaks,
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
    /// What is in force is newer than the Device that was judged: nothing may follow from it.
    pub behind: bool,
}

/// That the API server did not take the entry of a device, as it is now.
pub fn not_stored(world: &World, key: &MapperKey, entry: &SliceDevice) -> Option<Refusal> {
    world
        .refused
        .why(key, entry)
        .map(|why| Refusal::new("NotStored", format!("the API server does not take it: {why}")))
}

/// That a Secret which a device names is not there for mappers, or has not what is read of it.
pub fn lacks_secret(world: &World, device: &SliceDevice) -> Option<Refusal> {
    let wrong = check_secrets(device, |named| world.secrets.keys(&device.namespace, &named.name));
    let wrong: Vec<_> = wrong.iter().map(ToString::to_string).collect();
    (!wrong.is_empty()).then(|| Refusal::new("SecretMissing", sentence(&wrong)))
}

impl<'a> Case<'a> {
    /// Everything known of a device.
    pub fn of(world: &World, id: &'a Id, device: &'a Guarded<Device>) -> Self {
        let spec = device.0.as_ref().ok().map(|d| &d.spec);
        let namespace = device.meta().namespace.clone().unwrap_or_default();
        let named = |name: Option<&str>| name.map(|name| crate::world::keys::id(&namespace, name));
        let channel = spec.and_then(|s| s.protocol.channel());
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

    /// What shall become of it. `objection` says what speaks against its entry on a given mapper.
    pub fn judge(&self, nodes: &Nodes, objection: impl Fn(&MapperKey, &SliceDevice) -> Option<Refusal>) -> Intent {
        let uid = self.device.meta().uid.as_deref().unwrap_or_default();
        let home = self.held.iter().find(|h| h.uid == uid && !h.tombstone).cloned();
        let forced = self.device.annotations().get(FORCE_RELEASE_ANNOTATION).cloned();
        let mut accepted = self.accept();
        let wanted = self.place(nodes, home.as_ref());
        if let (Ok(key), Ok(resolved)) = (&wanted, &accepted)
            && let Some(refusal) = objection(key, &resolved.device)
        {
            accepted = Err(refusal);
        }
        let behind = home.as_ref().is_some_and(|h| Some(h.generation) > self.device.meta().generation);
        // Refused as a whole: what is in force stays where it is. A place that does not exist moves nothing either.
        let stay = home.as_ref().filter(|_| behind || accepted.is_err() || wanted.is_err()).map(|h| h.mapper.clone());
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
        Intent { accepted, target, waiting_for, obstacle, shown, home, forced, behind }
    }

    /// Who else holds it, and has not let go.
    fn foreign(&self, target: Option<&MapperKey>, forced: Option<&str>) -> Option<&Held> {
        let target = target?;
        self.held.iter().find(|h| h.bars(target, forced))
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
        let (mut broken, mut errors) = (vec![], vec![]);
        let model = decoded(self.model.as_deref(), &mut broken);
        let channel = decoded(self.channel.as_deref(), &mut broken);
        let resolved = resolve(device, model, channel).map_err(|wrong| errors.extend(wrong));
        // What cannot be decoded is there.
        errors.retain(|e| !(e.field == MODEL_FIELD && self.model.is_some()));
        errors.retain(|e| !(is_channel_field(&e.field) && self.channel.is_some() && channel.is_none()));
        let spoken = self.class.as_ref().and_then(|class| speaks(class, device).err());
        let reason = match &spoken {
            _ if !broken.is_empty() => "CannotDecode",
            _ if self.model.is_none() && device.spec.model.is_some() => "ModelMissing",
            _ if errors.iter().any(|e| is_channel_field(&e.field) && self.channel.is_none()) => "ChannelMissing",
            Some(_) => "ProtocolMismatch",
            None => "Invalid",
        };
        errors.extend(spoken);
        let told: Vec<String> = broken.into_iter().chain(errors.iter().map(ToString::to_string)).collect();
        let resolved = match resolved {
            Ok(resolved) if told.is_empty() => resolved,
            _ => return Err(Refusal::new(reason, sentence(&told))),
        };
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

/// The object that a Device names, if it is there and can be decoded; else what is wrong with it.
fn decoded<'a, T: Resource<DynamicType = ()>>(
    object: Option<&'a Guarded<T>>,
    broken: &mut Vec<String>,
) -> Option<&'a T> {
    let object = object?;
    match &object.0 {
        Ok(object) => Some(object),
        Err(invalid) => {
            let meta = object.meta();
            let of = |text: &Option<String>| text.clone().unwrap_or_default();
            let id = id(&of(&meta.namespace), &of(&meta.name));
            broken.push(format!("{} {id}: cannot decode: {}", T::kind(&()), cut(&invalid.error, 500)));
            None
        }
    }
}

/// All errors, up to ten, in one sentence.
fn sentence(errors: &[String]) -> String {
    let shown = errors.iter().take(10).map(String::as_str).collect::<Vec<_>>().join("; ");
    let more = errors.len().saturating_sub(10);
    if more == 0 { shown } else { format!("{shown}; and {more} more") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use kube::core::{DeserializeGuard, error_boundary::InvalidObject};
    use serde_json::json;

    fn told(model: Option<Guarded<DeviceModel>>) -> Refusal {
        let (id, device): (Id, Device) = ("plant/d".into(), {
            let spec = json!({"model": "m", "mapperClass": "acme", "protocol": {"modbus": {"channel": "hall"}}});
            serde_json::from_value(json!({"metadata": {"name": "d", "namespace": "plant"}, "spec": spec})).unwrap()
        });
        let device = DeserializeGuard(Ok(device));
        let class = serde_json::from_value(json!({"metadata": {"name": "acme"}, "spec": {"image": "x"}})).unwrap();
        let (model, class) = (model.map(Arc::new), Some(class));
        let case = Case { id: &id, device: &device, model, channel: None, class, classes: vec![], held: vec![] };
        case.accept().unwrap_err()
    }

    const REST: &str = "spec.protocol.modbus.channel: no Channel \"hall\" in namespace plant; spec.mapperClass: class \
                        \"acme\" speaks acme, and spec.protocol is modbus";

    #[test]
    fn all_that_is_wrong_is_told_at_once() {
        let message = format!("spec.model: no DeviceModel \"m\" in namespace plant; {REST}");
        assert_eq!(told(None), Refusal::new("ModelMissing", message));
    }

    #[test]
    fn what_cannot_be_decoded_is_not_said_to_be_missing() {
        let metadata = serde_json::from_value(json!({"name": "m", "namespace": "plant"})).unwrap();
        let model = DeserializeGuard(Err(InvalidObject { error: "unknown variant".into(), metadata }));
        let message = format!("DeviceModel plant/m: cannot decode: unknown variant; {REST}");
        assert_eq!(told(Some(model)), Refusal::new("CannotDecode", message));
    }
}
