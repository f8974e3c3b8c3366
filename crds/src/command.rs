//! Commands: what a device can be told to do, which is no state.
use crate::{OpcUaMethod, Span, Value, span::Bounds};
use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// One command of a model.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, KubeSchema, Default)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("x-kubernetes-map-type" = "atomic"))]
#[x_kube(validation = Rule::new("has(self.opcua)").message("opcua must be set: the method that is called"))]
pub struct ModelCommand {
    /// Letters, digits and _, not a digit first, at most 63.
    #[schemars(length(min = 1, max = 63), regex(pattern = "^[A-Za-z_][A-Za-z0-9_]{0,62}$"))]
    pub name: String,
    /// What it does, for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 1024))]
    pub description: Option<String>,
    /// What it is given, in the order of the device's own arguments.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 32))]
    #[x_kube(merge_strategy = ListMerge::Atomic)]
    pub arguments: Vec<CommandArgument>,
    /// How long it may take, 10ms to 10m; default the device's timeout.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "timeout")]
    pub timeout: Option<Span>,
    /// The method of an OPC UA server that it calls.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub opcua: Option<OpcUaMethod>,
}

/// One argument of a command.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, KubeSchema, Default)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("!(has(self.minimum) || has(self.maximum)) || self.type in ['integer', 'number']").message("minimum and maximum go with type number or integer only"))]
#[x_kube(validation = Rule::new("!(has(self.minimum) && has(self.maximum)) || self.minimum <= self.maximum").message("minimum must not be above maximum"))]
pub struct CommandArgument {
    /// Letters, digits and _, not a digit first, at most 63.
    #[schemars(length(min = 1, max = 63), regex(pattern = "^[A-Za-z_][A-Za-z0-9_]{0,62}$"))]
    pub name: String,
    /// Type of its value. boolean: true or false. integer: a whole number. number: any number. string: text. json: an array or a
    /// structure.
    #[serde(rename = "type")]
    pub type_: ArgumentType,
    /// What it is, for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 1024))]
    pub description: Option<String>,
    /// Least value.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub minimum: Option<f64>,
    /// Greatest value.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub maximum: Option<f64>,
    /// Its value where none is given; default: it must be given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub default: Option<Value>,
}

/// Type of an argument. boolean: true or false. integer: a whole number. number: any number. string: text. json: an array or a
/// structure.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema, Default)]
#[serde(rename_all = "lowercase")]
pub enum ArgumentType {
    /// true or false.
    Boolean,
    /// A whole number.
    Integer,
    /// Any number.
    #[default]
    Number,
    /// Text.
    String,
    /// An array or a structure.
    Json,
}

const TIMEOUT: Bounds = Bounds(Span::from_millis(10), Span::from_secs(600));

fn timeout(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
    TIMEOUT.schema()
}

impl ModelCommand {
    /// Which member says how it is carried out.
    pub fn protocol(&self) -> Option<&'static str> {
        self.opcua.as_ref().map(|_| "opcua")
    }
    /// What is wrong with a time-out.
    pub(crate) fn refuse_timeout(time: Span) -> Option<String> {
        TIMEOUT.refuse(time)
    }
    /// The arguments in the command's order, defaults filled in: the values that are sent. An error names the argument and what is
    /// allowed.
    pub fn arguments(&self, given: &crate::Values) -> Result<Vec<(String, Value)>, String> {
        let known: Vec<&str> = self.arguments.iter().map(|argument| argument.name.as_str()).collect();
        if let Some(name) = given.keys().find(|name| !known.contains(&name.as_str())) {
            return Err(format!("{name}: {}", crate::parameters::unknown("argument", &known)));
        }
        let one = |argument: &CommandArgument| {
            let value = given.get(&argument.name).or(argument.default.as_ref());
            let value = value.ok_or_else(|| format!("{}: required: {}", argument.name, argument.allowed()))?;
            if let Some(message) = argument.refuse(value) {
                return Err(format!("{}: {message}", argument.name));
            }
            Ok((argument.name.clone(), value.clone()))
        };
        self.arguments.iter().map(one).collect()
    }
}

impl CommandArgument {
    /// What is wrong with a value, and what is allowed.
    pub(crate) fn refuse(&self, value: &Value) -> Option<String> {
        (!self.takes(value)).then(|| format!("must be {}, is {}", self.allowed(), value.short()))
    }
    fn takes(&self, Value(value): &Value) -> bool {
        let within = || {
            value.as_f64().is_some_and(|number| {
                self.minimum.is_none_or(|least| number >= least) && self.maximum.is_none_or(|most| number <= most)
            })
        };
        match self.type_ {
            ArgumentType::Boolean => value.is_boolean(),
            ArgumentType::Integer => (value.is_i64() || value.is_u64()) && within(),
            ArgumentType::Number => value.is_number() && within(),
            ArgumentType::String => value.is_string(),
            ArgumentType::Json => value.is_array() || value.is_object(),
        }
    }
    fn allowed(&self) -> String {
        let what = match self.type_ {
            ArgumentType::Boolean => "true or false",
            ArgumentType::Integer => "a whole number",
            ArgumentType::Number => "a number",
            ArgumentType::String => "text",
            ArgumentType::Json => "an array or a structure",
        };
        let least = self.minimum.map(|least| format!(" of at least {least}")).unwrap_or_default();
        let most = self.maximum.map(|most| format!(" of at most {most}")).unwrap_or_default();
        format!("{what}{least}{most}")
    }
}
