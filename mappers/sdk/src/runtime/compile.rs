//! An effective device becomes what the engine takes: typed configuration, points, and one hash of all that `prepare` sees.
use super::points::Points;
use crate::{DeviceKey, DeviceSpec, Interval, Point, PointSpec, Protocol, Slot};
use pollux_crds::{Access, EffectiveDevice, EffectiveProperty, Properties, Source, hash};
use serde::de::DeserializeOwned;
use serde_json::Value as Json;
use std::{
    collections::HashMap,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
    time::Duration,
};

/// Time-out of one exchange where neither Device nor Channel gives one.
const TIMEOUT: Duration = Duration::from_secs(1);
/// Characters of a block that a message repeats.
const BRIEF: usize = 120;

/// The points of lists of properties, made while several devices are compiled: devices that share their list share these.
#[derive(Debug)]
pub(crate) struct Specs<A>(HashMap<usize, Listed<A>>);

/// A list by where it is kept, and its points.
type Listed<A> = (Properties, Arc<[PointSpec<A>]>);

impl<A> Default for Specs<A> {
    fn default() -> Self {
        Self(HashMap::new())
    }
}
impl<A: DeserializeOwned> Specs<A> {
    fn of(&mut self, properties: &Properties) -> Result<Arc<[PointSpec<A>]>, Vec<String>> {
        let list = properties.as_ptr().addr(); // kept beside it, so that no other can be there
        if let Some((_, specs)) = self.0.get(&list) {
            return Ok(specs.clone());
        }
        let specs: Arc<[PointSpec<A>]> = bindings(properties)?.into();
        self.0.insert(list, (properties.clone(), specs.clone()));
        Ok(specs)
    }
}

/// What one device is to the engine.
pub(crate) struct Compiled<P: Protocol> {
    pub(crate) endpoint: P::Endpoint,
    pub(crate) spec: Box<DeviceSpec<P>>,
    pub(super) points: Points,
}

/// The driver's word on a device's configuration.
pub(crate) fn judge<P: Protocol>(protocol: &P, device: &EffectiveDevice) -> Result<(), String> {
    compile(protocol, DeviceKey(0), device, &mut Specs::default()).map(drop).map_err(|errors| errors.join("; "))
}
/// As [`typed`]. A driver that panics over a configuration refuses it: no input may end the process.
pub(crate) fn compile<P: Protocol>(
    protocol: &P,
    key: DeviceKey,
    device: &EffectiveDevice,
    specs: &mut Specs<P::Address>,
) -> Result<Compiled<P>, Vec<String>> {
    caught(device, || {
        let compiled = typed(protocol, key, device, specs)?;
        rehearse(protocol, device, &compiled)?;
        Ok(compiled)
    })
}
/// As [`compile`], of what that has judged: it is not prepared for a try again.
pub(super) fn compile_again<P: Protocol>(
    protocol: &P,
    key: DeviceKey,
    device: &EffectiveDevice,
    specs: &mut Specs<P::Address>,
) -> Result<Compiled<P>, Vec<String>> {
    caught(device, || typed(protocol, key, device, specs))
}
fn caught<T>(device: &EffectiveDevice, judge: impl FnOnce() -> Result<T, Vec<String>>) -> Result<T, Vec<String>> {
    let judged = catch_unwind(AssertUnwindSafe(judge));
    judged.unwrap_or_else(|_| Err(vec![format!("spec.protocol.{}: the driver failed over it", device.protocol)]))
}

/// All that only the driver can judge is judged here, before anything of the device is touched: a configuration that it
/// refuses leaves the last valid one in force. Errors name the field, in the driver's words.
fn typed<P: Protocol>(
    protocol: &P,
    key: DeviceKey,
    device: &EffectiveDevice,
    specs: &mut Specs<P::Address>,
) -> Result<Compiled<P>, Vec<String>> {
    let block = format!("spec.protocol.{}", device.protocol);
    let config: P::Device = parse(&block, &device.config.value()).map_err(|error| vec![error])?;
    let endpoint = protocol.endpoint(&config).map_err(|error| vec![format!("{block}: {}", error.text)])?;
    let spec = DeviceSpec {
        key,
        name: device.key(),
        wiring: wiring(device),
        config,
        points: specs.of(&device.properties)?,
        timeout: device.timeout.map_or(TIMEOUT, pollux_crds::Span::duration),
        offline_after: device.offline_after,
    };
    Ok(Compiled { endpoint, spec: Box::new(spec), points: Points::of(device) })
}

/// The driver's errors, each with the field that it is about.
pub(super) fn named(device: &EffectiveDevice, points: &Points, errors: Vec<crate::ConfigError>) -> Vec<String> {
    let property = |point: Option<usize>| device.properties.get(points.property(point?)?);
    let name = |error: crate::ConfigError| match property(error.point) {
        Some(property) => format!("{}: {}", field_of(property), error.text),
        None => format!("spec.protocol.{}: {}", device.protocol, error.text),
    };
    errors.into_iter().map(name).collect()
}

fn rehearse<P: Protocol>(protocol: &P, device: &EffectiveDevice, compiled: &Compiled<P>) -> Result<(), Vec<String>> {
    let specs = compiled.spec.points.iter().zip(0..);
    let points: Vec<_> = specs.map(|(spec, slot)| as_driver_sees(spec, Slot(slot))).collect();
    let prepared = protocol.prepare(&compiled.spec.config, &points);
    prepared.map(drop).map_err(|errors| named(device, &compiled.points, errors))
}
fn as_driver_sees<A>(spec: &PointSpec<A>, slot: Slot) -> Point<'_, A> {
    Point {
        slot,
        name: &spec.name,
        address: &spec.address,
        readable: spec.readable,
        writable: spec.writable,
        event: spec.event,
        interval: spec.interval,
        read_group: spec.read_group.as_deref(),
    }
}

fn bindings<A: DeserializeOwned>(properties: &Properties) -> Result<Vec<PointSpec<A>>, Vec<String>> {
    let (mut points, mut errors) = (vec![], vec![]);
    for property in properties {
        let Source::Binding(json) = &property.source else { continue };
        match parse(&field_of(property), &json.value()) {
            Ok(address) => points.push(point(property, address)),
            Err(error) => errors.push(error),
        }
    }
    if errors.is_empty() { Ok(points) } else { Err(errors) }
}
fn field_of(property: &EffectiveProperty) -> String {
    format!("spec.properties[{}].binding", property.name)
}
fn parse<T: DeserializeOwned>(field: &str, json: &Json) -> Result<T, String> {
    let brief = || json.to_string().chars().take(BRIEF).collect::<String>();
    T::deserialize(json).map_err(|error| format!("{field}: {error}, is {}", brief()))
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
        event: property.is_event(),
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
    let events: Vec<_> = device.properties.iter().filter(|p| p.is_event()).map(|p| &p.name).collect();
    // Without events it is what it was before there were any: what was learned by it is kept.
    let text =
        if events.is_empty() { hash(&(&device.config, points)) } else { hash(&(&device.config, points, events)) };
    u64::from_str_radix(text.get(..16).unwrap_or_default(), 16).unwrap_or_default()
}
