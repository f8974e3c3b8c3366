//! What the operator would do: each device is resolved against its model and channel. One that does not resolve leaves its last
//! valid entry in force.
use super::{
    Problem, Report,
    accept::{Accepted, Key, World, uid},
    kept::Kept,
};
use crate::NodeConfig;
use pollux_crds::{
    Channel, Device, EffectiveDevice, JsonText, MapperClass, Opening, Resolved, SecretRef, SharedProperties, Writes,
    check_secrets, conflicts, judge_model, resolve, speaks,
};
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

/// The devices in force.
#[derive(Debug)]
pub(crate) struct Placed {
    protocol: &'static str,
    writes: Writes,
    last: BTreeMap<Key, Arc<EffectiveDevice>>,
    properties: SharedProperties,
}

impl Placed {
    pub(crate) fn new(protocol: &'static str, writes: Writes) -> Self {
        Self { protocol, writes, last: BTreeMap::new(), properties: SharedProperties::default() }
    }
    pub(crate) fn update(&mut self, world: &World, report: &mut Report) -> NodeConfig {
        let mut last = std::mem::take(&mut self.last);
        let (mut devices, mut kept) = (vec![], vec![]);
        for Judged { key, accepted, outcome } in self.judged(world, report) {
            let before = last.remove(key);
            let entry = match outcome {
                Ok(new) => Some(before.filter(|before| **before == new).unwrap_or_else(|| Arc::new(new))),
                Err(problems) => {
                    report.problems.extend(problems);
                    before
                }
            };
            if let Some(entry) = entry {
                devices.push((accepted.order, entry.clone()));
                kept.push((key.clone(), entry));
            }
        }
        self.last = kept.into_iter().collect();
        self.properties.sweep();
        devices.sort_by_key(|(order, _)| *order);
        let devices: Vec<_> = devices.into_iter().map(|(_, device)| device).collect();
        report.devices = devices.len();
        NodeConfig { devices, writes: self.writes, ..NodeConfig::default() }
    }

    /// Every device of this protocol, by itself and beside the others; and what is wrong with a model that none of them names.
    fn judged<'a>(&mut self, world: &'a World, report: &mut Report) -> Vec<Judged<'a>> {
        let mut judged = vec![];
        let mut openings = vec![];
        let mut told = BTreeSet::new();
        let mut named = BTreeSet::new();
        for (key, accepted) in world.objects() {
            let Some(device) = accepted.object.device() else {
                report.models += usize::from(matches!(accepted.object, Kept::DeviceModel(_)));
                report.channels += usize::from(matches!(accepted.object, Kept::Channel(_)));
                continue;
            };
            named.extend(device.spec.model.clone().map(|model| (&*key.namespace, model)));
            if let Some(protocol) = other_protocol(&device, world, self.protocol) {
                report.notes.push(format!("{}: {key}: ignored, its protocol is {protocol}", accepted.file.display()));
                continue;
            }
            let outcome = judge((key, accepted), &device, world, &mut told);
            // What is not shared goes before the next one is judged.
            let outcome = outcome.map(|resolved| {
                openings.extend(opening((key, accepted), &device, &resolved, world));
                let properties = self.properties.share(resolved.effective.properties);
                EffectiveDevice { properties, ..resolved.effective }
            });
            judged.push(Judged { key, accepted, outcome });
        }
        let mut refused = conflicts(&openings);
        for Judged { key, accepted, outcome } in &mut judged {
            if let Some(message) = refused.remove(*key) {
                *outcome = Err(vec![Problem::new(&accepted.file, key.to_string(), message)]);
            }
        }
        for (key, accepted) in world.objects() {
            if let Kept::DeviceModel(model) = &accepted.object
                && !named.contains(&(&*key.namespace, key.name.clone()))
            {
                let wrong = judge_model(model).into_iter();
                report.problems.extend(wrong.map(|error| Problem::at(&accepted.file, &key.to_string(), &error)));
            }
        }
        judged
    }
}

/// A device, and what came of it.
struct Judged<'a> {
    key: &'a Key,
    accepted: &'a Accepted,
    outcome: Result<EffectiveDevice, Vec<Problem>>,
}

/// The device against its model, channel and class; errors of a model that were told already are not told again.
fn judge(
    (key, accepted): (&Key, &Accepted),
    device: &Device,
    world: &World,
    told: &mut BTreeSet<String>,
) -> Result<Resolved, Vec<Problem>> {
    let resolved = resolve(device, model(device, key, world), channel(device, key, world).as_ref());
    let spoken = class(device, world).map_or(Ok(()), |class| speaks(class, device));
    let find = |named: &SecretRef| world.secret(&key.namespace, &named.name);
    let secrets = resolved.as_ref().map(|resolved| check_secrets(&resolved.device, find)).unwrap_or_default();
    let mut errors = match (resolved, spoken) {
        (Ok(resolved), Ok(())) if secrets.is_empty() => return Ok(resolved),
        (resolved, spoken) => {
            resolved.err().into_iter().flatten().chain(spoken.err()).chain(secrets).collect::<Vec<_>>()
        }
    };
    errors.retain(|e| !e.field.starts_with("DeviceModel ") || told.insert(e.to_string()));
    Err(errors.iter().map(|error| Problem::at(&accepted.file, &key.to_string(), error)).collect())
}

/// What the device opens. Who comes first in the files was there first.
fn opening<'a>(
    (key, accepted): (&'a Key, &Accepted),
    device: &Device,
    resolved: &Resolved,
    world: &World,
) -> Option<Opening<&'a Key>> {
    let place = |accepted: &Accepted| i64::try_from(accepted.order).unwrap_or(i64::MAX);
    let channel = |name: &str| world.get("Channel", &key.namespace, name).map(place);
    Opening::of(key, device, resolved, place(accepted), channel)
}

impl World {
    /// Every Device, by uid.
    pub(crate) fn devices(&self) -> BTreeMap<String, Arc<JsonText>> {
        let devices = self.objects().filter_map(|(key, accepted)| match &accepted.object {
            Kept::Device(device) => Some((uid(key), device.clone())),
            _ => None,
        });
        devices.collect()
    }
}

fn model<'a>(device: &Device, key: &Key, world: &'a World) -> Option<&'a pollux_crds::DeviceModel> {
    let name = device.spec.model.as_ref()?;
    match &world.get("DeviceModel", &key.namespace, name)?.object {
        Kept::DeviceModel(model) => Some(model),
        _ => None,
    }
}
fn channel(device: &Device, key: &Key, world: &World) -> Option<Channel> {
    let name = device.spec.protocol.channel()?;
    world.get("Channel", &key.namespace, name)?.object.channel()
}

/// The class that drives the device, where it is in the files.
fn class<'a>(device: &Device, world: &'a World) -> Option<&'a MapperClass> {
    let name = device.spec.mapper_class.as_deref().or(device.spec.protocol.name())?;
    match &world.get("MapperClass", "", name)?.object {
        Kept::MapperClass(class) => Some(class),
        _ => None,
    }
}

/// The protocol of a device that is not this mapper's: its own, or for a custom one that of its class.
fn other_protocol(device: &Device, world: &World, ours: &str) -> Option<String> {
    let own = device.spec.protocol.name()?;
    let named = device.spec.mapper_class.as_deref().filter(|_| own == pollux_crds::CUSTOM);
    let spoken = |class: &MapperClass| class.spec.protocol.clone();
    let protocol = match named {
        None => own.to_owned(),
        Some(named) => class(device, world).and_then(spoken).unwrap_or_else(|| named.to_owned()),
    };
    (protocol != ours).then_some(protocol)
}
