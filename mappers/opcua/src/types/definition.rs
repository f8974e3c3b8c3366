//! Definitions as servers give them, made into types. Pure: what must be read for it is asked for by [`Definitions::missing`].
use super::{Enumeration, Field, Kind, Presence, Structure};
use opcua::types::{
    DataTypeId, EnumDefinition, EnumValueType, NodeId, StructureDefinition, StructureField, StructureType, Variant,
    VariantScalarTypeId as Scalar,
};
use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::Arc,
};

/// Structures within structures, at most.
const DEEPEST: usize = 16;
/// Fields of one structure, and names of one enumeration, at most.
const MOST: usize = 1024;
/// Bytes of one of these names, at most: it stands in each value that has it.
const LONGEST: usize = 256;
/// Steps up a type tree, at most.
const HIGHEST: usize = 32;

/// What a server says of one data type.
#[derive(Debug, Clone, Default)]
pub(crate) struct Defined {
    /// Its browse name.
    pub name: String,
    /// The type above it; null: there is none, or it is not said.
    pub parent: NodeId,
    /// Its fields, where it has.
    pub structure: Option<StructureDefinition>,
    /// Its names, where it has; from whichever of the three places they stand in.
    pub names: BTreeMap<i64, String>,
}

/// What was read of data types so far.
#[derive(Debug, Clone, Default)]
pub(crate) struct Definitions(HashMap<NodeId, Defined>);

impl Definitions {
    /// Keeps what was read.
    pub(crate) fn insert(&mut self, id: NodeId, defined: Defined) {
        self.0.insert(id, defined);
    }
    /// What must be read before this type can be made: types above it up to a known one, and those of its fields.
    pub(crate) fn missing(&self, wanted: &[NodeId]) -> Vec<NodeId> {
        let (mut seen, mut out, mut rest) = (BTreeSet::new(), vec![], wanted.to_vec());
        while let Some(id) = rest.pop() {
            if built_in(&id).is_some() || id.is_null() || !seen.insert(id.to_string()) {
                continue;
            }
            let Some(known) = self.0.get(&id) else {
                out.push(id);
                continue;
            };
            rest.push(known.parent.clone());
            let fields = known.structure.iter().flat_map(|structure| structure.fields.iter().flatten());
            rest.extend(fields.map(|field| field.data_type.clone()));
        }
        out
    }
    /// The type of that id.
    pub(crate) fn kind(&self, id: &NodeId) -> Kind {
        Maker { known: self, above: vec![], made: HashMap::new() }.kind(id)
    }
    /// What stands above it in the tree of types.
    fn base(&self, id: &NodeId) -> Base {
        let mut at = id.clone();
        for _ in 0..HIGHEST {
            if let Some(scalar) = built_in(&at) {
                return match scalar {
                    Scalar::ExtensionObject => Base::Structure,
                    scalar => Base::Scalar(scalar),
                };
            }
            if at == DataTypeId::Enumeration {
                return Base::Enumeration;
            }
            let Some(known) = self.0.get(&at).filter(|known| !known.parent.is_null()) else { break };
            at = known.parent.clone();
        }
        match self.0.get(id) {
            // Its definition says what the tree does not.
            Some(known) if known.structure.is_some() => Base::Structure,
            Some(known) if !known.names.is_empty() => Base::Enumeration,
            _ => Base::Scalar(Scalar::Variant),
        }
    }
}

/// Makes one type. Each type is made once, however often it is used: else few definitions could make millions of fields.
struct Maker<'a> {
    known: &'a Definitions,
    above: Vec<NodeId>,
    made: HashMap<NodeId, Kind>,
}

impl Maker<'_> {
    fn kind(&mut self, id: &NodeId) -> Kind {
        if let Some(scalar) = built_in(id) {
            return Kind::BuiltIn(scalar);
        }
        if let Some(made) = self.made.get(id) {
            return made.clone();
        }
        let Some(known) = self.known.0.get(id) else { return Kind::BuiltIn(Scalar::Variant) };
        let kind = match self.known.base(id) {
            Base::Scalar(scalar) => Kind::BuiltIn(scalar),
            Base::Enumeration => {
                Kind::Enum(Arc::new(Enumeration { name: known.name.clone(), names: known.names.clone() }))
            }
            Base::Structure => match &known.structure {
                None => Kind::Opaque("DataTypeDefinitionMissing"),
                Some(_) if self.above.contains(id) => Kind::Opaque("DataTypeDefinitionCyclic"),
                Some(_) if self.above.len() == DEEPEST => Kind::Opaque("DataTypeDefinitionTooDeep"),
                Some(structure) => {
                    self.above.push(id.clone());
                    let made = self.structure(known, structure);
                    self.above.pop();
                    made.map_or_else(Kind::Opaque, |made| Kind::Structure(Arc::new(made)))
                }
            },
        };
        self.made.insert(id.clone(), kind.clone());
        kind
    }
    fn structure(&mut self, known: &Defined, structure: &StructureDefinition) -> Result<Structure, &'static str> {
        let fields = structure.fields.as_deref().unwrap_or_default();
        let (presence, subtyped) = match structure.structure_type {
            StructureType::Structure => (Presence::All, false),
            StructureType::StructureWithSubtypedValues => (Presence::All, true),
            StructureType::StructureWithOptionalFields => (Presence::Optional, false),
            StructureType::Union => (Presence::Union, false),
            StructureType::UnionWithSubtypedValues => (Presence::Union, true),
        };
        let optional = fields.iter().filter(|field| field.is_optional).count();
        let long = fields.iter().any(|field| !is_short(field.name.as_ref()));
        if long || fields.len() > MOST || (presence == Presence::Optional && optional > 32) {
            return Err("DataTypeDefinitionTooLarge");
        }
        let fields = fields.iter().map(|field| self.field(field, presence, subtyped)).collect::<Result<_, _>>()?;
        Ok(Structure { name: known.name.clone(), encoding: structure.default_encoding_id.clone(), presence, fields })
    }
    fn field(&mut self, field: &StructureField, presence: Presence, subtyped: bool) -> Result<Field, &'static str> {
        // That of a value that says for itself which of the subtypes it is (Part 3, 8.49: IsOptional means that there).
        let open = subtyped && field.is_optional;
        let kind = match self.kind(&field.data_type) {
            Kind::Structure(_) | Kind::Opaque(_) if open => Kind::BuiltIn(Scalar::ExtensionObject),
            Kind::BuiltIn(_) | Kind::Enum(_) if open => Kind::BuiltIn(Scalar::Variant),
            // Without its definition what follows it cannot be found.
            Kind::Opaque(why) => return Err(why),
            kind => kind,
        };
        Ok(Field {
            name: field.name.value().clone().unwrap_or_default(),
            kind,
            dimensions: match field.value_rank {
                0 => 1,
                rank => u32::try_from(rank).unwrap_or_default(),
            },
            optional: presence == Presence::Optional && field.is_optional,
        })
    }
}

enum Base {
    Scalar(Scalar),
    Enumeration,
    Structure,
}

/// The built-in type of that id, abstract ones of the standard too (Part 6, 5.1.2). Enumeration is none: below it are names.
fn built_in(id: &NodeId) -> Option<Scalar> {
    let number = id.as_data_type_id().ok()?;
    Some(match number {
        // Abstract ones, and Decimal, which is sent as an ExtensionObject of its own (Part 6, 5.1.10).
        DataTypeId::BaseDataType
        | DataTypeId::Number
        | DataTypeId::Integer
        | DataTypeId::UInteger
        | DataTypeId::Decimal => Scalar::Variant,
        // These every server uses, and small ones do not have among their types.
        DataTypeId::Duration => Scalar::Double,
        DataTypeId::UtcTime => Scalar::DateTime,
        DataTypeId::LocaleId => Scalar::String,
        other => {
            let number = other as u32;
            return if number <= 25 { Scalar::try_from(number).ok() } else { None };
        }
    })
}

/// Else its number says what it is.
fn is_short(name: &str) -> bool {
    name.len() <= LONGEST
}

/// Names of an EnumDefinition.
pub(crate) fn names_of(definition: &EnumDefinition) -> BTreeMap<i64, String> {
    let fields = definition.fields.iter().flatten().take(MOST);
    fields
        .map(|field| {
            let shown = field.display_name.text.value().clone().filter(|text| !text.is_empty());
            (field.value, field.name.value().clone().filter(|name| !name.is_empty()).or(shown).unwrap_or_default())
        })
        .filter(|(_, name)| !name.is_empty() && is_short(name))
        .collect()
}

/// Names of an EnumStrings property: the first is that of 0.
pub(crate) fn names_of_strings(values: &[Variant]) -> BTreeMap<i64, String> {
    let name = |value: &Variant| match value {
        Variant::LocalizedText(text) => text.text.value().clone().filter(|name| is_short(name)),
        _ => None,
    };
    (0..).zip(values.iter().take(MOST)).filter_map(|(number, value)| Some((number, name(value)?))).collect()
}

/// Names of an EnumValues property.
pub(crate) fn names_of_values(values: &[Variant]) -> BTreeMap<i64, String> {
    let one = |value: &Variant| match value {
        Variant::ExtensionObject(object) => {
            let known = object.inner_as::<EnumValueType>()?;
            let name = known.display_name.text.value().clone().filter(|name| is_short(name));
            Some((known.value, name?))
        }
        _ => None,
    };
    values.iter().take(MOST).filter_map(one).collect()
}
