//! One property of a device.
use crate::{Binding, Interval, Span, Value};
use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// One property: what it is, how often it is read, and where it stands on the wire. In a Device every field but `name` may be
/// left out: what is given replaces the model's field of that property.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, KubeSchema, Default)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("x-kubernetes-map-type" = "atomic"))]
#[x_kube(validation = Rule::new("!(has(self.binding) && has(self.expression))").message("binding and expression exclude each other"))]
#[x_kube(validation = Rule::new("!has(self.expression) || !has(self.access) || self.access == 'ReadOnly'").message("a property with an expression is ReadOnly"))]
#[x_kube(validation = Rule::new("!has(self.access) || self.access == 'ReadOnly' || !has(self.binding) || !has(self.binding.ble) || has(self.binding.ble.characteristic)").message("what a Bluetooth device advertises, and what the adapter knows of it, cannot be written: access must be ReadOnly").field_path(".access"))]
#[x_kube(validation = Rule::new("!has(self.kind) || self.kind != 'Event' || ((!has(self.access) || self.access == 'ReadOnly') && !has(self.expression))").message("an Event is what the device says by itself: access must be ReadOnly, and there is no expression").field_path(".kind"))]
#[x_kube(validation = Rule::new("!has(self.kind) || self.kind != 'Event' || !(has(self.staleAfter) || has(self.readGroup) || (has(self.report) && has(self.report.deadband)))").message("staleAfter, readGroup and report.deadband go with kind State: each event counts, and none grows old").field_path(".kind"))]
#[x_kube(validation = Rule::new("!has(self.kind) || self.kind != 'Event' || !has(self.binding) || !(has(self.binding.modbus) || (has(self.binding.opcua) && has(self.binding.opcua.sampling) && self.binding.opcua.sampling == 'Poll') || (has(self.binding.ble) && (has(self.binding.ble.about) || (has(self.binding.ble.notify) && self.binding.ble.notify == 'Never'))))").message("what is polled is a State, for what happens between two readings is lost: an Event needs what the device sends by itself, which Modbus has not").field_path(".kind"))]
#[x_kube(validation = Rule::new("!has(self.kind) || self.kind != 'Event' || !has(self.binding) || !has(self.binding.opcua) || !has(self.binding.opcua.deadband)").message("binding.opcua.deadband goes with kind State: each event counts").field_path(".kind"))]
#[x_kube(validation = Rule::new("!(has(self.enum) && (has(self.scale) || has(self.offset) || has(self.scaleExponentFrom)))").message("enum excludes scale, offset and scaleExponentFrom"))]
#[x_kube(validation = Rule::new("!(has(self.minimum) && has(self.maximum)) || self.minimum <= self.maximum").message("minimum must not be above maximum"))]
#[x_kube(validation = Rule::new("!(self.name.lowerAscii() in ['y', 'n', 'yes', 'no', 'on', 'off', 'true', 'false', 'null'])").message("name must not be one of y, n, yes, no, on, off, true, false, null, which YAML turns into something else").field_path(".name"))]
pub struct Property {
    /// Letters, digits and _, not a digit first, at most 63.
    #[schemars(length(min = 1, max = 63), regex(pattern = "^[A-Za-z_][A-Za-z0-9_]{0,62}$"))]
    pub name: String,
    /// Leaves the property out. In a Device it takes away a property of the model.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub disabled: Option<bool>,
    /// Type of the value in `desired` and `reported`.
    #[serde(rename = "type", default, skip_serializing_if = "Option::is_none")]
    pub type_: Option<PropertyType>,
    /// State or Event; default State. State: what it is now. Event: something that happened, such as a press: each counts, also one
    /// equal to that before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kind: Option<PropertyKind>,
    /// Whether it may be read, written or both; default ReadOnly.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub access: Option<Access>,
    /// Unit of the value, free text; UCUM is recommended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 32))]
    pub unit: Option<String>,
    /// What it is, for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 1024))]
    pub description: Option<String>,
    /// Engineering range: what a percent dead-band refers to. It limits nothing; `minimum` and `maximum` do.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub range: Option<Range>,
    /// Least value that may be written, and that is plausible when read (below it quality is Bad, OutOfRange).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub minimum: Option<f64>,
    /// Greatest value that may be written, and that is plausible when read (above it quality is Bad, OutOfRange).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub maximum: Option<f64>,
    /// Names of the values; `desired` and `reported` use the name. The type must be string.
    #[serde(rename = "enum", default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 256))]
    pub enum_: Option<Vec<EnumValue>>,
    /// How often it is read, such as 1s, from 10ms to 24h; or OnConnect: once after each connect. Default: the model's, else 10s.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub interval: Option<Interval>,
    /// Properties of one group are read in one request or not at all, such as the parts of a clock: they must fit into one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 63))]
    pub read_group: Option<String>,
    /// When a new value is worth a status write.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub report: Option<Report>,
    /// Raw values that mean "no value": quality Bad, NotAvailable.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 16))]
    pub invalid: Option<Vec<f64>>,
    /// Value = raw × scale + offset; default 1. Not 0.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scale: Option<f64>,
    /// Value = raw × scale + offset; default 0.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub offset: Option<f64>,
    /// Name of an integer property of the device that holds the exponent of this one, as SunSpec's scale factors do: value = raw ×
    /// 10^exponent × scale + offset.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 63))]
    pub scale_exponent_from: Option<String>,
    /// CEL over the other properties, all numbers being doubles, such as `flow * (supply - return) * 1.163`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 1024))]
    pub expression: Option<String>,
    /// Age without a reading at which quality becomes Bad, Stale; default 3 × interval, at least 5s. At most 240h.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stale_after: Option<Span>,
    /// Whether a desired value is written again when the device drifts; default OnChange.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub enforce: Option<Enforce>,
    /// How a write is done, where that differs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub write: Option<WriteOptions>,
    /// Where it stands on the wire.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub binding: Option<Binding>,
}

/// Type of the value in `desired` and `reported`; required, here or in the model. boolean: true or false. integer: a whole
/// number, beyond 2⁵³ a string of digits. number: a number. string: text, or a name of `enum`. bytes: in base64. json: any JSON.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum PropertyType {
    /// true or false.
    Boolean,
    /// A whole number; beyond 2⁵³ a string of digits.
    Integer,
    /// A number.
    Number,
    /// Text, or a name of `enum`.
    String,
    /// Bytes, in base64.
    Bytes,
    /// Any JSON.
    Json,
}

/// What its values are; default State. State: what it is now; a value that comes again is no news. Event: something that happened,
/// such as a press or an alarm: each counts and is told at `/v1/events`, status has the last one since the mapper started and its time,
/// and none grows stale. It is what the device says by itself: what is polled is a State.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema, Default)]
pub enum PropertyKind {
    /// What it is now.
    #[default]
    State,
    /// Something that happened: each counts.
    Event,
}

/// Whether it may be read, written or both; default ReadOnly. ReadOnly: read, never written. ReadWrite: read and written, and
/// a write is read back. WriteOnly: written, never read; the device's acknowledgement confirms.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema, Default)]
pub enum Access {
    /// Read, never written.
    #[default]
    ReadOnly,
    /// Read and written; a write is read back.
    ReadWrite,
    /// Written, never read; the acknowledgement confirms.
    WriteOnly,
}

/// Engineering range: what a percent dead-band refers to. It limits nothing; `minimum` and `maximum` do.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, KubeSchema)]
#[x_kube(validation = Rule::new("self.low < self.high").message("low must be below high"))]
pub struct Range {
    /// Lower end.
    pub low: f64,
    /// Upper end.
    pub high: f64,
}

/// The name of one value.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, KubeSchema)]
pub struct EnumValue {
    /// The raw value on the wire.
    pub value: i64,
    /// Its name; quote On, Off, Yes and No.
    #[schemars(length(min = 1, max = 63))]
    pub name: String,
}

/// When a new value is worth a status write.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, KubeSchema, Default)]
#[serde(rename_all = "camelCase")]
pub struct Report {
    /// OnChange (default), or Never: the value stays out of status.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub when: Option<ReportWhen>,
    /// Changes up to this are not reported.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deadband: Option<Deadband>,
    /// Least time between two status writes for this property's sake, at most 24h; default 1s.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub min_interval: Option<Span>,
}

/// Whether the value appears in status; default OnChange. OnChange: when it changed beyond its dead-band. Never: it stays out
/// of status.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema, Default)]
pub enum ReportWhen {
    /// When it changed.
    #[default]
    OnChange,
    /// Never.
    Never,
}

/// Changes up to this are not reported.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, KubeSchema, Default)]
#[x_kube(validation = Rule::new("[has(self.absolute), has(self.percent)].filter(x, x).size() == 1").message("exactly one of absolute, percent must be set"))]
pub struct Deadband {
    /// In the property's unit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0.0))]
    pub absolute: Option<f64>,
    /// In percent of `range`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0.0, max = 100.0))]
    pub percent: Option<f64>,
}

/// Whether a desired value is written again when the device drifts; default OnChange. OnChange: a new desired value is written
/// once. Always: it is written again whenever the device differs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema, Default)]
pub enum Enforce {
    /// A new desired value is written once.
    #[default]
    OnChange,
    /// Written again whenever the device differs.
    Always,
}

/// How a write is done, where that differs.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, KubeSchema, Default)]
pub struct WriteOptions {
    /// How a write is confirmed. Default: by reading the same property back, bit for bit, at once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub verify: Option<Verify>,
}

/// How a write is confirmed. Default: by reading the same property back, bit for bit, at once.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, KubeSchema, Default)]
#[x_kube(validation = Rule::new("!has(self.by) || self.by == 'ReadBack' || !(has(self.tolerance) || has(self.delay) || has(self.within))").message("tolerance, delay and within go with by: ReadBack"))]
pub struct Verify {
    /// ReadBack (default), or Acknowledgement: the device's answer to the write is enough.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<VerifyBy>,
    /// |read − desired| up to this counts as equal.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0.0))]
    pub tolerance: Option<f64>,
    /// Wait this long before the first read-back, at most 24h.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub delay: Option<Span>,
    /// Read again until this long after the write (at most 24h), for devices that move there slowly; else InSync is False, NotSticking.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub within: Option<Span>,
}

/// What confirms a write; default ReadBack. ReadBack: the value read back from the device. Acknowledgement: the device's answer
/// to the write is enough.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema, Default)]
pub enum VerifyBy {
    /// The value read back.
    #[default]
    ReadBack,
    /// The device's answer to the write.
    Acknowledgement,
}

/// A parameter of a model, filled in by each Device; `${name}` in strings of bindings.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, KubeSchema)]
#[schemars(extend("x-kubernetes-map-type" = "atomic"))]
#[x_kube(validation = Rule::new("!(self.name.lowerAscii() in ['name', 'y', 'n', 'yes', 'no', 'on', 'off', 'true', 'false', 'null'])").message("name must not be name, which is the Device's own, nor one of y, n, yes, no, on, off, true, false, null, which YAML turns into something else").field_path(".name"))]
pub struct Parameter {
    /// Letters, digits and _, not a digit first, at most 63. `name` is taken: it is the Device's own.
    #[schemars(length(min = 1, max = 63), regex(pattern = "^[A-Za-z_][A-Za-z0-9_]{0,62}$"))]
    pub name: String,
    /// boolean, integer, number or string; default string.
    #[serde(rename = "type", default = "default_parameter_type")]
    pub type_: ParameterType,
    /// Taken where a Device gives none; without it the Device must.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub default: Option<Value>,
}
fn default_parameter_type() -> ParameterType {
    ParameterType::String
}

/// Type of a parameter.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum ParameterType {
    /// true or false.
    Boolean,
    /// A whole number.
    Integer,
    /// A number.
    Number,
    /// Text.
    String,
}
