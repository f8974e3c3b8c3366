//! What the operator would do: each device is resolved against its model and channel. One that does not resolve leaves its last
//! valid entry in force.
use super::{
    Problem, Report,
    accept::{Accepted, Key, World},
};
use crate::NodeConfig;
use pollux_crds::{Device, EffectiveDevice, Writes, hash, offline::Object, resolve};
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
}

impl Placed {
    pub(crate) fn new(protocol: &'static str, writes: Writes) -> Self {
        Self { protocol, writes, last: BTreeMap::new() }
    }
    pub(crate) fn update(&mut self, world: &World, report: &mut Report) -> NodeConfig {
        let mut last = std::mem::take(&mut self.last);
        let mut devices = vec![];
        let mut told = BTreeSet::new();
        for (key, accepted) in world.objects() {
            let Object::Device(device) = &accepted.object else {
                report.models += usize::from(matches!(accepted.object, Object::DeviceModel(_)));
                report.channels += usize::from(matches!(accepted.object, Object::Channel(_)));
                continue;
            };
            if let Some(protocol) = other_protocol(device, world, self.protocol) {
                report.notes.push(format!("{}: {key}: ignored, its protocol is {protocol}", accepted.file.display()));
                continue;
            }
            let before = last.remove(key);
            let entry = match judge((key, accepted), device, world, &mut told) {
                Ok(new) => Some(before.filter(|before| **before == new).unwrap_or_else(|| Arc::new(new))),
                Err(problems) => {
                    report.problems.extend(problems);
                    before
                }
            };
            if let Some(entry) = entry {
                devices.push((accepted.order, entry.clone()));
                self.last.insert(key.clone(), entry);
            }
        }
        devices.sort_by_key(|(order, _)| *order);
        let devices: Vec<_> = devices.into_iter().map(|(_, device)| device).collect();
        report.devices = devices.len();
        NodeConfig { devices, writes: self.writes, ..NodeConfig::default() }
    }
}

/// The device against its model and channel; errors of a model that were told already are not told again.
fn judge(
    (key, accepted): (&Key, &Accepted),
    device: &Device,
    world: &World,
    told: &mut BTreeSet<String>,
) -> Result<EffectiveDevice, Vec<Problem>> {
    let device = known(key, accepted, device);
    let resolved = resolve(&device, model(&device, key, world), channel(&device, key, world));
    resolved.map(|resolved| resolved.effective).map_err(|mut errors| {
        errors.retain(|e| !e.field.starts_with("DeviceModel ") || told.insert(e.to_string()));
        errors.iter().map(|error| Problem::at(&accepted.file, &key.to_string(), error)).collect()
    })
}

impl World {
    /// Every Device, by uid.
    pub(crate) fn devices(&self) -> BTreeMap<String, Arc<Device>> {
        let devices = self.objects().filter_map(|(key, accepted)| match &accepted.object {
            Object::Device(device) => Some((uid(key), Arc::new(known(key, accepted, device)))),
            _ => None,
        });
        devices.collect()
    }
}

/// With what an API server would have added.
fn known(key: &Key, accepted: &Accepted, device: &Device) -> Device {
    let mut device = device.clone();
    device.metadata.uid = Some(uid(key));
    device.metadata.generation = Some(accepted.generation);
    device
}

/// Stays the same for a device of the same name, whatever file it is in.
fn uid(key: &Key) -> String {
    const LENGTH: usize = 32;
    let hash: String = hash(&(&key.namespace, &key.name)).chars().take(LENGTH).collect();
    format!("file-{hash}")
}

fn model<'a>(device: &Device, key: &Key, world: &'a World) -> Option<&'a pollux_crds::DeviceModel> {
    let name = device.spec.model.as_ref()?;
    match &world.get("DeviceModel", &key.namespace, name)?.object {
        Object::DeviceModel(model) => Some(model),
        _ => None,
    }
}
fn channel<'a>(device: &Device, key: &Key, world: &'a World) -> Option<&'a pollux_crds::Channel> {
    let name = device.spec.protocol.modbus.as_ref()?.channel.as_ref()?;
    match &world.get("Channel", &key.namespace, name)?.object {
        Object::Channel(channel) => Some(channel),
        _ => None,
    }
}

/// The protocol of a device that is not this mapper's: its own, or for a custom one that of its class.
fn other_protocol(device: &Device, world: &World, ours: &str) -> Option<String> {
    let own = device.spec.protocol.name()?;
    let class = device.spec.mapper_class.as_deref();
    let protocol = match class.filter(|_| own == pollux_crds::CUSTOM) {
        None => own.to_owned(),
        Some(class) => match world.get("MapperClass", "", class).map(|accepted| &accepted.object) {
            Some(Object::MapperClass(found)) => found.spec.protocol.clone().unwrap_or_else(|| class.to_owned()),
            _ => class.to_owned(),
        },
    };
    (protocol != ours).then_some(protocol)
}
