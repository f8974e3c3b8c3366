//! One device, compiled: its nodes by name, and where their values go. What a name is at the server is found at each session anew.
use pollux_crds::{OpcUaBinding, OpcUaDeadband, OpcUaDevice, OpcUaNode, OpcUaSampling};
use pollux_mapper::{ConfigError, Interval, Point, Slot};
use std::time::Duration;

/// Sampling of what is read once: so seldom that it is a keep-alive at most.
const SELDOM: Duration = Duration::from_hours(1);
/// The Objects folder.
const OBJECTS: &str = "i=85";

/// One device.
#[derive(Debug)]
pub struct Unit {
    root: OpcUaNode,
    items: Vec<Item>,
}

/// One point of it.
#[derive(Debug, Clone, PartialEq)]
pub struct Item {
    /// Where its values go.
    pub slot: Slot,
    /// The property's name.
    pub name: String,
    /// The node.
    pub node: OpcUaNode,
    /// A part of it, where it is an array.
    pub index_range: Option<String>,
    /// How often it is sampled.
    pub interval: Duration,
    /// It is read, and not subscribed.
    pub polled: bool,
    /// What the server shall not send.
    pub deadband: Option<OpcUaDeadband>,
    /// Values that the server keeps.
    pub queue: Option<u32>,
    /// It is read at all.
    pub readable: bool,
    /// It may be written.
    pub writable: bool,
}

impl Unit {
    /// All errors at once.
    pub fn new(device: &OpcUaDevice, points: &[Point<'_, OpcUaBinding>]) -> Result<Self, Vec<ConfigError>> {
        let root = device.root.as_deref().unwrap_or(OBJECTS).parse::<OpcUaNode>();
        let root = root.map_err(|error| ConfigError::device(format!("root: {error}")));
        let (mut items, mut errors) = (vec![], vec![]);
        for (at, point) in points.iter().enumerate() {
            match item(point) {
                Ok(item) => items.push(item),
                Err(text) => errors.push(ConfigError::point(at, text)),
            }
        }
        match root {
            Ok(root) if errors.is_empty() => Ok(Self { root, items }),
            Ok(_) => Err(errors),
            Err(error) => Err(std::iter::once(error).chain(errors).collect()),
        }
    }
    /// Where browse paths begin.
    pub fn root(&self) -> &OpcUaNode {
        &self.root
    }
    /// By position in `points` of `prepare`.
    pub fn items(&self) -> &[Item] {
        &self.items
    }
}

fn item(point: &Point<'_, OpcUaBinding>) -> Result<Item, String> {
    let binding = point.address;
    if let Some((field, message)) = binding.flaws().into_iter().next() {
        return Err(format!("binding.opcua{field}: {message}"));
    }
    let node = binding.node().map_err(|(field, message)| format!("binding.opcua{field}: {message}"))?;
    Ok(Item {
        slot: point.slot,
        name: point.name.to_owned(),
        node,
        index_range: binding.index_range.clone(),
        interval: match point.interval {
            Interval::Every(interval) => interval,
            Interval::OnConnect => SELDOM,
        },
        // What is read once, or together with others, is read.
        polled: binding.sampling == Some(OpcUaSampling::Poll)
            || point.interval == Interval::OnConnect
            || point.read_group.is_some(),
        deadband: binding.deadband.clone(),
        queue: binding.queue_size.and_then(|size| u32::try_from(size).ok()),
        readable: point.readable,
        writable: point.writable,
    })
}
