//! A Device as the API server has or would have it.
use crate::DeviceView;
use kube::Resource;
use pollux_crds::{
    Deadband, Device, EffectiveDevice, EffectiveProperty, EffectiveReport, EffectiveVerify, JsonText, Property, Report,
    ReportWhen, Source, Verify, VerifyBy, WriteOptions,
};
use serde_json::{Value as Json, json};
use std::{collections::BTreeMap, sync::Arc};
use tokio::sync::watch;

/// Where the spec comes from that a Device is shown with.
#[derive(Debug, Clone)]
pub enum Specs {
    /// The files: each Device as it stands there, by uid.
    Files(watch::Receiver<Arc<BTreeMap<String, Arc<JsonText>>>>),
    /// The slices of a class on a node. They hold no Device, but what the operator made of one and its model.
    Slices {
        /// The MapperClass.
        class: String,
        /// The node.
        node: String,
    },
}

impl Specs {
    pub(super) fn device(&self, view: &DeviceView) -> Json {
        let device = &view.device;
        let own = match self {
            Self::Files(devices) => devices.borrow().get(&device.uid).cloned(),
            Self::Slices { .. } => None,
        };
        let own = own.map(|own| own.value());
        let told = own.as_ref().and_then(|own| own.pointer("/metadata/generation")?.as_i64());
        let generation = told.unwrap_or(device.generation);
        let spec = own.and_then(|mut own| Some(own.get_mut("spec")?.take())).unwrap_or_else(|| self.compiled(device));
        json!({
            "apiVersion": Device::api_version(&()),
            "kind": Device::kind(&()),
            "metadata": {
                "namespace": device.namespace,
                "name": device.name,
                "uid": device.uid,
                "generation": generation,
            },
            "spec": spec,
            "status": view.status(),
        })
    }
    /// A Device that says itself what its model and Channel said: valid, and the same to a mapper.
    fn compiled(&self, device: &EffectiveDevice) -> Json {
        let properties: Vec<Json> = device.properties.iter().map(|p| property(p, device.protocol)).collect();
        let mut spec = json!({
            "mode": device.mode,
            "protocol": {device.protocol: device.config},
            "properties": properties,
            "desired": device.desired,
        });
        if let Self::Slices { class, node } = self {
            (spec["mapperClass"], spec["nodeName"]) = (json!(class), json!(node));
        }
        spec
    }
}

/// As it would stand in `spec.properties`; what is as it would be anyway is left out.
fn property(property: &EffectiveProperty, protocol: &str) -> Json {
    let p = property.clone();
    let (binding, expression) = match p.source {
        Source::Binding(binding) => (Some(binding), None),
        Source::Expression(expression) => (None, Some(expression)),
    };
    let stated = Property {
        name: p.name,
        type_: Some(p.type_),
        kind: property.is_event().then_some(p.kind),
        access: Some(p.access),
        unit: p.unit,
        minimum: p.minimum,
        maximum: p.maximum,
        enum_: (!p.enum_.is_empty()).then_some(p.enum_),
        interval: Some(p.interval),
        read_group: p.read_group,
        report: Some(report(p.report)),
        invalid: (!p.invalid.is_empty()).then_some(p.invalid),
        scale: ((p.scale - 1.0).abs() > 0.0).then_some(p.scale),
        offset: (p.offset.abs() > 0.0).then_some(p.offset),
        expression,
        stale_after: p.stale_after,
        enforce: Some(p.enforce),
        write: property.is_written().then(|| WriteOptions { verify: Some(verify(p.verify)) }),
        ..Property::default()
    };
    let mut stated = json!(stated);
    if let Some(binding) = binding {
        stated["binding"] = json!({protocol: binding});
    }
    stated
}

fn report(EffectiveReport { never, deadband, min_interval }: EffectiveReport) -> Report {
    let absolute = |deadband| Deadband { absolute: Some(deadband), ..Deadband::default() };
    Report {
        when: never.then_some(ReportWhen::Never),
        deadband: (deadband > 0.0).then(|| absolute(deadband)),
        min_interval: Some(min_interval),
    }
}

fn verify(verify: EffectiveVerify) -> Verify {
    match verify {
        EffectiveVerify::Acknowledgement => Verify { by: Some(VerifyBy::Acknowledgement), ..Verify::default() },
        EffectiveVerify::ReadBack { tolerance, delay, within } => Verify {
            by: Some(VerifyBy::ReadBack),
            tolerance: Some(tolerance),
            delay: Some(delay),
            within: Some(within),
        },
    }
}
