//! Objects made of what was found: a model of each type, a device of each instance, a channel where they share a server. Pure.
use super::{
    YAML,
    names::{object, property, unique},
};
use crate::types::{Kind, NodeType, is_integer};
use opcua::types::VariantScalarTypeId as Scalar;
use pollux_crds::{
    Access, ArgumentType, Binding, CommandArgument, EnumValue, Interval, ModelCommand, OpcUaBinding, OpcUaDevice,
    OpcUaMethod, OpcUaPath, OpcUaStep, Property, PropertyType, Range,
};
use serde_json::{Map, Value as Json, json};
use std::collections::{BTreeMap, BTreeSet};

/// Properties and commands of one model, at most.
const MOST: (usize, usize) = (1000, 64);
/// Names of one enumeration, at most; bytes of a path, of a unit and of a description.
const NAMES: usize = 256;
const PATH: usize = 1024;
const UNIT: usize = 32;
const DESCRIPTION: usize = 1024;
/// Bytes of a device's name: what is made of it has something behind it.
const NAME: usize = 52;

/// A variable.
#[derive(Debug, Clone)]
pub(super) struct Variable {
    /// From its device on.
    pub(super) path: Vec<OpcUaStep>,
    /// For where its path would be too long, or leads to several.
    pub(super) id: String,
    pub(super) kind: NodeType,
    pub(super) description: String,
    pub(super) unit: String,
    /// Its ends.
    pub(super) range: Option<(f64, f64)>,
    /// It never changes, as a serial number.
    pub(super) constant: bool,
}

/// A method.
#[derive(Debug, Clone)]
pub(super) struct Method {
    /// From its device on, with its own name.
    pub(super) path: Vec<OpcUaStep>,
    pub(super) description: String,
    pub(super) arguments: Vec<(String, NodeType, String)>,
}

/// An instance of a type, or what is of none.
#[derive(Debug, Clone)]
pub(super) struct Found {
    pub(super) name: String,
    /// Where its paths begin; None: at the Objects folder.
    pub(super) root: Option<String>,
    /// The type's id and its name; None: it is the only one of its kind.
    pub(super) kind: Option<(String, String)>,
    pub(super) variables: Vec<Variable>,
    pub(super) methods: Vec<Method>,
}

/// Where it was found.
#[derive(Debug, Clone)]
pub(super) struct Server {
    /// How it is reached.
    pub(super) device: OpcUaDevice,
    /// What it is to be called.
    pub(super) name: String,
    /// From which node; None: the only one that there is.
    pub(super) node: Option<String>,
}

/// What is made, and what is to be said of it.
#[derive(Debug, Default)]
pub(super) struct Made {
    pub(super) documents: Vec<String>,
    pub(super) remarks: Vec<String>,
    pub(super) devices: usize,
    pub(super) properties: usize,
}

/// Everything.
pub(super) fn made(found: &[Found], server: &Server, interval: Interval) -> Made {
    let mut made = Made::default();
    let mut groups: BTreeMap<(usize, &str), Vec<&Found>> = BTreeMap::new();
    for (at, one) in found.iter().enumerate() {
        let first = |id: &str| found.iter().position(|other| other.kind.as_ref().is_some_and(|kind| kind.0 == id));
        let key = one.kind.as_ref().map_or((at, ""), |(id, _)| (first(id).unwrap_or(at), id.as_str()));
        groups.entry(key).or_default().push(one);
    }
    let shared = found.len() > 1;
    let channel = object(&server.name, NAME).unwrap_or_else(|| "server".to_owned());
    if shared {
        let block = json!({"protocol": {"opcua": server.device}});
        made.documents.push(YAML.object("Channel", &channel, &block));
    }
    let (mut models, mut devices) = (BTreeSet::new(), BTreeSet::new());
    let mut last = vec![];
    for instances in groups.values() {
        let Some(first) = instances.first() else { continue };
        let model = Model::of(instances, &mut made.remarks);
        if model.properties.is_empty() {
            made.remarks.push(format!("{}: nothing of it may be read or written: left out", first.name));
            continue;
        }
        let kind = first.kind.as_ref().map_or(&first.name, |(_, name)| name);
        let named = unique(&object(kind, NAME).unwrap_or_else(|| channel.clone()), '-', &mut models);
        made.documents.push(model.document(&named, interval));
        for instance in instances {
            let name = object(&instance.name, NAME).unwrap_or_else(|| channel.clone());
            let name = unique(&name, '-', &mut devices);
            let mut block = if shared { json!({"channel": channel}) } else { json!(server.device) };
            if let (Some(root), Json::Object(block)) = (&instance.root, &mut block) {
                block.insert("root".into(), root.as_str().into());
            }
            let mut spec = json!({"model": named, "mode": "Monitor", "protocol": {"opcua": block}});
            let own = model.differences(instance);
            if let Json::Object(spec) = &mut spec {
                spec.extend(server.node.as_deref().map(|node| ("nodeName".into(), node.into())));
                spec.extend((!own.is_empty()).then(|| ("properties".into(), Json::Array(own))));
            }
            last.push(YAML.object("Device", &name, &spec));
            made.devices += 1;
            made.properties += model.properties.len();
        }
    }
    made.documents.append(&mut last);
    made
}

/// A type: each property with the path by which instances have it.
struct Model {
    properties: Vec<(Vec<OpcUaStep>, Property)>,
    commands: Vec<ModelCommand>,
}

impl Model {
    fn of(instances: &[&Found], remarks: &mut Vec<String>) -> Self {
        let (mut properties, mut taken) = (vec![], BTreeSet::new());
        let mut seen: BTreeSet<&[OpcUaStep]> = BTreeSet::new();
        for instance in instances {
            let mut here = BTreeSet::new();
            for variable in &instance.variables {
                let again = !here.insert(variable.path.as_slice());
                if !seen.insert(&variable.path) && !again {
                    continue;
                }
                if again && instances.len() > 1 {
                    remarks.push(format!(
                        "{}: {} is there twice: the second is left out",
                        instance.name,
                        text(&variable.path)
                    ));
                } else if properties.len() == MOST.0 {
                    remarks.push(format!(
                        "{}: more than {} variables: the rest is left out, see --path",
                        instance.name, MOST.0
                    ));
                    break;
                } else if let Some(made) = property_of(variable, again, &mut taken) {
                    properties.push((variable.path.clone(), made));
                }
            }
        }
        let mut commands: Vec<ModelCommand> = vec![];
        let (mut known, mut taken) = (BTreeSet::new(), BTreeSet::new());
        for method in instances.iter().flat_map(|instance| &instance.methods) {
            if commands.len() < MOST.1 && known.insert(&method.path) {
                commands.extend(command(method, &mut taken));
            }
        }
        Self { properties, commands }
    }
    fn document(&self, name: &str, interval: Interval) -> String {
        let properties: Vec<&Property> = self.properties.iter().map(|(_, property)| property).collect();
        let mut spec = json!({"defaults": {"interval": interval}, "properties": properties});
        if let (false, Json::Object(spec)) = (self.commands.is_empty(), &mut spec) {
            spec.insert("commands".into(), json!(self.commands));
        }
        YAML.object("DeviceModel", name, &spec)
    }
    /// What one instance has otherwise than the model.
    fn differences(&self, instance: &Found) -> Vec<Json> {
        let of = |(path, model): &(Vec<OpcUaStep>, Property)| {
            let own = instance.variables.iter().find(|variable| variable.path == *path);
            let own = own.and_then(|own| property_of(own, false, &mut BTreeSet::new()));
            let Some(own) = own else { return Some(json!({"name": model.name, "disabled": true})) };
            // By its id: it is the only instance.
            let binding = model.binding.clone();
            let own = json!(Property { name: model.name.clone(), binding, ..own });
            let (Json::Object(own), Json::Object(model)) = (own, json!(model)) else { return None };
            let mut other: Map<String, Json> =
                own.into_iter().filter(|(field, value)| model.get(field) != Some(value)).collect();
            if other.is_empty() {
                return None;
            }
            other.insert("name".into(), model.get("name").cloned().unwrap_or_default());
            Some(Json::Object(other))
        };
        self.properties.iter().filter_map(of).collect()
    }
}

fn text(path: &[OpcUaStep]) -> String {
    OpcUaPath(path.to_vec()).to_string()
}
fn joined(path: &[OpcUaStep]) -> String {
    path.iter().map(|step| step.name.as_str()).collect::<Vec<_>>().join("_")
}
fn cut(words: &str, most: usize) -> Option<String> {
    let words: String = words.chars().filter(|c| !c.is_control()).take(most).collect();
    (!words.trim().is_empty()).then_some(words)
}

/// None: it may neither be read nor written.
fn property_of(variable: &Variable, by_id: bool, taken: &mut BTreeSet<String>) -> Option<Property> {
    let access = match (variable.kind.is_readable(), variable.kind.is_writable()) {
        (true, true) => Access::ReadWrite,
        (true, false) => Access::ReadOnly,
        (false, true) => Access::WriteOnly,
        (false, false) => return None,
    };
    let (type_, enum_) = type_of(&variable.kind);
    let path = text(&variable.path);
    let by_id = by_id || path.len() > PATH || variable.path.is_empty();
    let binding = OpcUaBinding {
        node_id: by_id.then(|| variable.id.clone()),
        browse_path: (!by_id).then_some(path),
        ..OpcUaBinding::default()
    };
    let is_number = matches!(type_, PropertyType::Integer | PropertyType::Number);
    let range = variable.range.filter(|(low, high)| is_number && low.is_finite() && high.is_finite() && low < high);
    let name = joined(&variable.path);
    Some(Property {
        name: unique(&property(&name), '_', taken),
        type_: Some(type_),
        enum_,
        access: (access != Access::ReadOnly).then_some(access),
        unit: cut(&variable.unit, UNIT),
        description: cut(&variable.description, DESCRIPTION),
        range: range.map(|(low, high)| Range { low, high }),
        interval: variable.constant.then_some(Interval::OnConnect),
        binding: Some(Binding { opcua: Some(binding), ..Binding::default() }),
        ..Property::default()
    })
}

/// The type that its values have for us, and their names.
fn type_of(node: &NodeType) -> (PropertyType, Option<Vec<EnumValue>>) {
    if node.rank != -1 {
        return (PropertyType::Json, None);
    }
    let scalar = match &node.kind {
        Kind::Enum(known) => {
            let distinct: BTreeSet<&String> = known.names.values().collect();
            let usable = !known.names.is_empty() && known.names.len() <= NAMES && distinct.len() == known.names.len();
            let fits = |name: &String| !name.is_empty() && name.chars().count() <= 63;
            if !usable || !distinct.iter().all(|name| fits(name)) {
                return (PropertyType::Integer, None);
            }
            let names = known.names.iter().map(|(value, name)| EnumValue { value: *value, name: name.clone() });
            return (PropertyType::String, Some(names.collect()));
        }
        Kind::Structure(_) | Kind::Opaque(_) => return (PropertyType::Json, None),
        Kind::BuiltIn(scalar) => *scalar,
    };
    let type_ = match scalar {
        Scalar::Boolean => PropertyType::Boolean,
        Scalar::Float | Scalar::Double => PropertyType::Number,
        Scalar::ByteString => PropertyType::Bytes,
        Scalar::Variant | Scalar::ExtensionObject | Scalar::DataValue | Scalar::DiagnosticInfo => PropertyType::Json,
        whole if is_integer(whole) => PropertyType::Integer,
        _ => PropertyType::String,
    };
    (type_, None)
}

/// None: it cannot be named.
fn command(method: &Method, taken: &mut BTreeSet<String>) -> Option<ModelCommand> {
    let (own, object) = method.path.split_last()?;
    let mut arguments = BTreeSet::new();
    let argument = |(name, kind, description): &(String, NodeType, String)| CommandArgument {
        name: unique(&property(name), '_', &mut arguments),
        type_: match type_of(kind) {
            (PropertyType::Boolean, _) => ArgumentType::Boolean,
            (PropertyType::Integer, _) => ArgumentType::Integer,
            (PropertyType::Number, _) => ArgumentType::Number,
            (PropertyType::String | PropertyType::Bytes, _) => ArgumentType::String,
            (PropertyType::Json, _) => ArgumentType::Json,
        },
        description: cut(description, DESCRIPTION),
        ..CommandArgument::default()
    };
    let opcua =
        OpcUaMethod { object: (!object.is_empty()).then(|| text(object)), method: text(std::slice::from_ref(own)) };
    Some(ModelCommand {
        name: unique(&property(&joined(&method.path)), '_', taken),
        description: cut(&method.description, DESCRIPTION),
        arguments: method.arguments.iter().take(32).map(argument).collect(),
        opcua: Some(opcua),
        ..ModelCommand::default()
    })
}

#[cfg(test)]
mod tests;
