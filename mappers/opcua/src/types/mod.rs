//! What a node's values are, by the server's own definitions (Part 3, 5.8.3 and 8.48 on): built-in types, enumerations and structures,
//! none of them known before they are read. Definitions are data: what does not fit them is refused, and they cannot contain themselves.
mod codec;
mod definition;
mod load;

pub(crate) use codec::{decoded, encoded};
pub(crate) use definition::{Defined, Definitions};
pub(crate) use load::load;
use opcua::types::{NodeId, VariantScalarTypeId as Scalar};
use pollux_mapper::Precision;
use std::{collections::BTreeMap, sync::Arc};

/// Bit of an access level: its value may be read now (Part 3, 8.57).
const READ: u8 = 1;
/// Its value may be written now.
const WRITE: u8 = 2;

/// What a variable's values are.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct NodeType {
    /// Of one value, or of one element.
    pub kind: Kind,
    /// -1: one value; 0: an array; n: an array of n dimensions; -2: any of these; -3: one value or an array of one dimension.
    pub rank: i32,
    /// What we may do with it, as the server says.
    pub access: u8,
    /// Only one element of it is meant, by an index range.
    pub element: bool,
}

/// Type of one value.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Kind {
    /// One of the 25 types of which all others are made; `Variant`: the type is abstract, each value says its own.
    BuiltIn(Scalar),
    /// A number that has a name.
    Enum(Arc<Enumeration>),
    /// Fields.
    Structure(Arc<Structure>),
    /// A structure whose definition cannot be used; why, in one word.
    Opaque(&'static str),
}

/// Numbers and their names.
#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) struct Enumeration {
    /// Its browse name.
    pub name: String,
    /// By number.
    pub names: BTreeMap<i64, String>,
}

/// Which fields are there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Presence {
    /// All.
    All,
    /// Those that are not optional, and what a bit mask says.
    Optional,
    /// One at most.
    Union,
}

/// A structure.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Structure {
    /// Its browse name.
    pub name: String,
    /// What its binary form is called; null: the server does not say.
    pub encoding: NodeId,
    /// Which fields are there.
    pub presence: Presence,
    /// In their order on the wire.
    pub fields: Vec<Field>,
}

/// One of its fields.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Field {
    /// Its name.
    pub name: String,
    /// Of one value, or of one element.
    pub kind: Kind,
    /// 0: one value; else the number of dimensions.
    pub dimensions: u32,
    /// It may be left out.
    pub optional: bool,
}

impl NodeType {
    /// One value of a built-in type, or an array of them by `rank`, to be read and written.
    #[cfg(test)]
    pub(crate) fn plain(scalar: Scalar, rank: i32) -> Self {
        Self { kind: Kind::BuiltIn(scalar), rank, access: READ | WRITE, element: false }
    }
    /// It may be read.
    pub(crate) fn is_readable(&self) -> bool {
        self.access & READ != 0
    }
    /// It may be written.
    pub(crate) fn is_writable(&self) -> bool {
        self.access & WRITE != 0
    }
    /// Its values are arrays, always.
    pub(crate) fn is_array(&self) -> bool {
        self.rank >= 0
    }
    /// How exact its numbers are.
    pub(crate) fn precision(&self) -> Precision {
        match &self.kind {
            Kind::BuiltIn(Scalar::Float) => Precision::Single,
            Kind::BuiltIn(scalar) if is_integer(*scalar) => Precision::Integer,
            Kind::Enum(_) => Precision::Integer,
            _ => Precision::Double,
        }
    }
}

impl Kind {
    /// For messages and tables.
    pub(crate) fn name(&self) -> String {
        match self {
            Self::BuiltIn(Scalar::Variant) => "BaseDataType".into(),
            Self::BuiltIn(Scalar::ExtensionObject) => "Structure".into(),
            Self::BuiltIn(scalar) => scalar.to_string(),
            Self::Enum(known) => known.name.clone(),
            Self::Structure(known) => known.name.clone(),
            Self::Opaque(why) => format!("Structure ({why})"),
        }
    }
    /// The type of its variants.
    pub(crate) fn scalar(&self) -> Scalar {
        match self {
            Self::BuiltIn(scalar) => *scalar,
            Self::Enum(_) => Scalar::Int32,
            Self::Structure(_) | Self::Opaque(_) => Scalar::ExtensionObject,
        }
    }
}

impl Enumeration {
    /// The number of that name; where two have it, the lesser.
    pub(crate) fn number(&self, name: &str) -> Option<i64> {
        self.names.iter().find(|(_, known)| *known == name).map(|(number, _)| *number)
    }
}

pub(crate) fn is_integer(scalar: Scalar) -> bool {
    matches!(
        scalar,
        Scalar::SByte
            | Scalar::Byte
            | Scalar::Int16
            | Scalar::UInt16
            | Scalar::Int32
            | Scalar::UInt32
            | Scalar::Int64
            | Scalar::UInt64
    )
}

#[cfg(test)]
mod tests;
