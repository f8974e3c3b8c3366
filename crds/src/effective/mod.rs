//! A device as its mapper sees it: parameters filled in, defaults applied, every field judged.
mod properties;

use crate::{
    Access, Applied, Enforce, EnumValue, Interval, JsonText, Mode, ModelCommand, PropertyKind, PropertyType,
    SliceDevice, Span, Values,
};
pub use properties::{Properties, SharedProperties};
use std::collections::BTreeMap;

/// A device as its mapper sees it. Made by [`crate::effective`] only, so what stands here is valid.
#[derive(Clone, Debug, PartialEq)]
pub struct EffectiveDevice {
    /// Namespace of the Device.
    pub namespace: String,
    /// Name of the Device.
    pub name: String,
    /// uid of the Device; in `--file` mode made of namespace and name.
    pub uid: String,
    /// Generation of the spec.
    pub generation: i64,
    /// What the mapper may do.
    pub mode: Mode,
    /// Name of the protocol: `modbus`, `opcua`, `custom`.
    pub protocol: &'static str,
    /// The protocol's block, Channel merged in, parameters filled in, and `namespace.name` for each name of a Secret: what the keys
    /// of its contents begin with.
    pub config: JsonText,
    /// Time-out of one request; None: the driver's default.
    pub timeout: Option<Span>,
    /// Failures in a row until Connected is False.
    pub offline_after: u32,
    /// Name of the Channel that it shares.
    pub channel: Option<String>,
    /// Every property, in the model's order.
    pub properties: Properties,
    /// Positions in `properties` of what the summary shows.
    pub summary: Vec<usize>,
    /// What it shall be; each key names a writable property, each value fits it.
    pub desired: Values,
    /// Desired values acknowledged before, as the API server knows it.
    pub applied: BTreeMap<String, Applied>,
    /// Text of the annotation pollux.rs/rewrite.
    pub rewrite: Option<String>,
    /// What it can be told to do, in the model's order.
    pub commands: Vec<EffectiveCommand>,
}

/// One command, with nothing left to be looked up.
#[derive(Clone, Debug, PartialEq)]
pub struct EffectiveCommand {
    /// As the model has it.
    pub command: ModelCommand,
    /// The protocol's block, parameters filled in.
    pub binding: JsonText,
}

/// One property, with nothing left to be looked up.
#[derive(Clone, Debug, PartialEq)]
pub struct EffectiveProperty {
    /// Its name.
    pub name: String,
    /// Type in `desired` and `reported`.
    pub type_: PropertyType,
    /// Whether each of its values counts.
    pub kind: PropertyKind,
    /// Whether it may be read and written.
    pub access: Access,
    /// Unit, for people.
    pub unit: Option<String>,
    /// Least plausible value.
    pub minimum: Option<f64>,
    /// Greatest plausible value.
    pub maximum: Option<f64>,
    /// Names of values; empty: none.
    pub enum_: Vec<EnumValue>,
    /// How often it is read.
    pub interval: Interval,
    /// Read together with the others of this group.
    pub read_group: Option<String>,
    /// Whether and when it goes into status.
    pub report: EffectiveReport,
    /// Raw values that mean "no value".
    pub invalid: Vec<f64>,
    /// Value = raw × scale + offset. Finite, scale not 0.
    pub scale: f64,
    /// Value = raw × scale + offset.
    pub offset: f64,
    /// Name of the property that holds its decimal exponent.
    pub scale_exponent_from: Option<String>,
    /// Where its value comes from.
    pub source: Source,
    /// Age without a reading at which it is Stale; None: only the connection tells (`OnConnect`).
    pub stale_after: Option<Span>,
    /// Whether it is written again when the device drifts.
    pub enforce: Enforce,
    /// What confirms a write.
    pub verify: EffectiveVerify,
    /// Hash of type, enum, scale, offset and binding, those of its exponent, and the device's shift of addresses: what `applied.binding` is compared with (design §3.5).
    pub wiring: String,
}

/// Where a property's value comes from.
#[derive(Clone, Debug, PartialEq)]
pub enum Source {
    /// The wire: the protocol's binding, parameters filled in.
    Binding(JsonText),
    /// CEL over the other properties.
    Expression(String),
}

/// Whether and when a property goes into status.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct EffectiveReport {
    /// It stays out of status.
    pub never: bool,
    /// Changes up to this, in the property's unit, are not reported. Finite, not negative.
    pub deadband: f64,
    /// Least time between two status writes for its sake.
    pub min_interval: Span,
}

/// What confirms a write.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum EffectiveVerify {
    /// The value read back.
    ReadBack {
        /// |read − desired| up to this counts as equal; 0: bit for bit in the device's format.
        tolerance: f64,
        /// Wait before the first read-back.
        delay: Span,
        /// Read again until this long after the write.
        within: Span,
    },
    /// The device's answer.
    Acknowledgement,
}

impl EffectiveProperty {
    /// Whether a mapper polls or receives it: it has a binding and may be read.
    pub fn is_read(&self) -> bool {
        self.access != Access::WriteOnly && matches!(self.source, Source::Binding(_))
    }
    /// Each of its values is something that happened.
    pub fn is_event(&self) -> bool {
        self.kind == PropertyKind::Event
    }
    /// Whether a desired value may name it.
    pub fn is_written(&self) -> bool {
        self.access != Access::ReadOnly
    }
}

impl EffectiveDevice {
    /// `namespace/name`, as logs and messages say it.
    pub fn key(&self) -> String {
        format!("{}/{}", self.namespace, self.name)
    }
    /// The property of that name, with its position.
    pub fn property(&self, name: &str) -> Option<(usize, &EffectiveProperty)> {
        self.properties.iter().enumerate().find(|(_, p)| p.name == name)
    }
}

impl SliceDevice {
    /// `namespace/name`, as logs and messages say it.
    pub fn key(&self) -> String {
        format!("{}/{}", self.namespace, self.name)
    }
}
