//! An effective device becomes what the engine takes: typed configuration, points, and one hash of all that `prepare` sees.
use crate::{DeviceKey, DeviceSpec, Interval, PointSpec, Protocol};
use pollux_crds::{Access, EffectiveDevice, EffectiveProperty, Source, hash};
use serde_json::Value as Json;
use std::time::Duration;

/// Time-out of one exchange where neither Device nor Channel gives one.
const TIMEOUT: Duration = Duration::from_secs(1);

/// Positions of properties in the engine's points, and back: a property with an expression is no point.
#[derive(Debug, Clone, Default)]
pub(super) struct Points {
    property_of: Vec<usize>,
    point_of: Vec<Option<usize>>,
}
impl Points {
    fn of(device: &EffectiveDevice) -> Self {
        let mut points = Self::default();
        for (position, property) in device.properties.iter().enumerate() {
            let point = matches!(property.source, Source::Binding(_)).then_some(points.property_of.len());
            points.point_of.push(point);
            points.property_of.extend(point.map(|_| position));
        }
        points
    }
    pub(super) fn property(&self, point: usize) -> Option<usize> {
        self.property_of.get(point).copied()
    }
    pub(super) fn point(&self, property: usize) -> Option<usize> {
        self.point_of.get(property).copied().flatten()
    }
}

/// What one device is to the engine.
pub(super) struct Compiled<P: Protocol> {
    pub(super) endpoint: P::Endpoint,
    pub(super) spec: DeviceSpec<P>,
    pub(super) points: Points,
}

/// Errors name the field, in the driver's words: what only the driver can judge.
pub(super) fn compile<P: Protocol>(
    protocol: &P, key: DeviceKey, device: &EffectiveDevice,
) -> Result<Compiled<P>, String> {
    let block = |what: &str, json: &Json, error: serde_json::Error| format!("{what}: {error}, is {}", brief(json));
    let config: P::Device = serde_json::from_value(device.config.clone())
        .map_err(|error| block(&format!("spec.protocol.{}", device.protocol), &device.config, error))?;
    let endpoint = protocol.endpoint(&config).map_err(|error| format!("spec.protocol.{}: {}", device.protocol, error.text))?;
    let mut points = vec![];
    for property in &device.properties {
        let Source::Binding(json) = &property.source else { continue };
        let address: P::Address = serde_json::from_value(json.clone())
            .map_err(|error| block(&format!("spec.properties[{}].binding", property.name), json, error))?;
        points.push(point(property, address));
    }
    let spec = DeviceSpec {
        key,
        name: device.key(),
        wiring: wiring(device),
        config,
        points,
        timeout: device.timeout.map_or(TIMEOUT, pollux_crds::Span::duration),
        offline_after: device.offline_after,
    };
    Ok(Compiled { endpoint, spec, points: Points::of(device) })
}

fn point<A>(property: &EffectiveProperty, address: A) -> PointSpec<A> {
    PointSpec {
        name: property.name.clone(),
        address,
        interval: match property.interval {
            pollux_crds::Interval::Every(span) => Interval::Every(span.duration()),
            pollux_crds::Interval::OnConnect => Interval::OnConnect,
        },
        readable: property.access != Access::WriteOnly,
        writable: property.access != Access::ReadOnly,
        event: false,
        read_group: property.read_group.clone(),
    }
}

/// All that `prepare` sees: a desired value, a dead-band or a limit is not in it.
fn wiring(device: &EffectiveDevice) -> u64 {
    let points: Vec<_> = device
        .properties
        .iter()
        .filter_map(|p| match &p.source {
            Source::Binding(json) => Some((&p.name, json, p.interval, p.access, &p.read_group)),
            Source::Expression(_) => None,
        })
        .collect();
    let text = hash(&(&device.config, points));
    u64::from_str_radix(text.get(..16).unwrap_or_default(), 16).unwrap_or_default()
}

fn brief(json: &Json) -> String {
    json.to_string().chars().take(120).collect()
}
