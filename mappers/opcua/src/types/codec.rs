//! Structures as JSON and back, by their definition (Part 6, 5.2.6 and 5.2.7). What arrives is bounded by its own bytes, and by
//! what it takes as JSON: a map for each byte, if the server says so.
use super::{Field, Kind, Presence, Structure};
use crate::{
    error::Error,
    values::{Budget, nested, scalar_of, within},
    wire::{Cursor, RAW},
};
use opcua::types::{
    BinaryDecodable, BinaryEncodable, ByteString, Context, ContextOwned, DataValue, DateTime, DecodingOptions,
    DiagnosticInfo, ExpandedNodeId, Guid, LocalizedText, NamespaceMap, NodeId, QualifiedName, StatusCode, UAString,
    Variant, VariantScalarTypeId as Scalar, XmlElement,
};
use serde_json::{Map, Value as Json};
use std::sync::LazyLock;

type Result<T> = std::result::Result<T, String>;

/// The bytes are there already, and were bounded when they came: no limit of a part is needed beside its own length.
static CONTEXT: LazyLock<ContextOwned> = LazyLock::new(|| {
    const MOST: usize = 64 << 20;
    let options = DecodingOptions {
        max_string_length: MOST,
        max_byte_string_length: MOST,
        max_array_length: 1 << 20,
        ..DecodingOptions::default()
    };
    ContextOwned::new(NamespaceMap::new(), RAW.clone(), options)
});

/// A body as an object of its fields. Those that are not there are left out.
pub(crate) fn decoded(bytes: &[u8], structure: &Structure, budget: &mut Budget) -> Result<Json> {
    let context = CONTEXT.context();
    let cursor = Cursor::new(bytes, "a structure", &context);
    let mut input = Input { cursor, budget };
    let json = input.structure(structure)?;
    if input.cursor.left() == 0 { Ok(json) } else { Err(format!("{} bytes too many", input.cursor.left())) }
}

struct Input<'a> {
    /// It bounds how deep what it decodes may lie in itself, and how long objects are.
    cursor: Cursor<'a>,
    /// Structures without fields end by it too: they could lie in each other without end, and take no byte.
    budget: &'a mut Budget,
}

impl Input<'_> {
    fn structure(&mut self, structure: &Structure) -> Result<Json> {
        self.budget.pay(if structure.fields.is_empty() { 0 } else { Budget::FIELDS })?;
        let mut map = Map::new();
        match structure.presence {
            Presence::Union => {
                let selected = usize::try_from(self.take::<u32>()?).ok().and_then(|number| number.checked_sub(1));
                if let Some(at) = selected {
                    let field = structure.fields.get(at).ok_or_else(|| format!("a union of field {}", at + 1))?;
                    self.name(field)?;
                    map.insert(field.name.clone(), self.field(field)?);
                }
            }
            presence => {
                let mut mask = if presence == Presence::Optional { self.take::<u32>()? } else { 0 };
                for field in &structure.fields {
                    if field.optional {
                        let there = mask & 1 != 0;
                        mask >>= 1;
                        if !there {
                            continue;
                        }
                    }
                    self.name(field)?;
                    map.insert(field.name.clone(), self.field(field).map_err(|why| format!("{}: {why}", field.name))?);
                }
            }
        }
        Ok(Json::Object(map))
    }
    fn name(&mut self, field: &Field) -> Result<()> {
        self.budget.pay(Budget::NAME.saturating_add(field.name.len()))
    }
    fn field(&mut self, field: &Field) -> Result<Json> {
        match field.dimensions {
            0 => self.one(&field.kind),
            1 => {
                let Some(count) = self.count()? else { return Ok(Json::Null) };
                self.many(&field.kind, count).map(Json::Array)
            }
            _ => {
                let dimensions = self.count()?.unwrap_or_default();
                let sizes = (0..dimensions).map(|_| self.take::<u32>()).collect::<Result<Vec<u32>>>()?;
                let size =
                    |total: usize, size: &u32| usize::try_from(*size).ok().and_then(|size| total.checked_mul(size));
                let count = sizes.iter().try_fold(1, size).filter(|_| !sizes.is_empty()).unwrap_or_default();
                let count = self.bounded(count)?;
                nested(self.many(&field.kind, count)?, &sizes, self.budget)
            }
        }
    }
    fn many(&mut self, kind: &Kind, count: usize) -> Result<Vec<Json>> {
        (0..count).map(|_| self.one(kind)).collect()
    }
    fn one(&mut self, kind: &Kind) -> Result<Json> {
        match kind {
            Kind::Structure(inner) => {
                self.budget.pay(Budget::VALUE)?;
                self.structure(inner)
            }
            Kind::Opaque(why) => Err((*why).to_owned()),
            kind => {
                let variant = self.scalar(kind.scalar())?;
                within(&variant, kind, self.budget).map_err(|fault| fault.text.into_owned())
            }
        }
    }
    /// Number of elements; None: the array is null. Each takes a byte at least.
    fn count(&mut self) -> Result<Option<usize>> {
        match usize::try_from(self.take::<i32>()?) {
            Ok(count) => self.bounded(count).map(Some),
            Err(_) => Ok(None),
        }
    }
    fn bounded(&self, count: usize) -> Result<usize> {
        let left = self.cursor.left();
        if count <= left { Ok(count) } else { Err(format!("{count} elements in {left} bytes")) }
    }
    fn take<T: BinaryDecodable>(&mut self) -> Result<T> {
        self.cursor.decode().map_err(why)
    }
    fn scalar(&mut self, scalar: Scalar) -> Result<Variant> {
        Ok(match scalar {
            Scalar::Boolean => Variant::Boolean(self.take()?),
            Scalar::SByte => Variant::SByte(self.take()?),
            Scalar::Byte => Variant::Byte(self.take()?),
            Scalar::Int16 => Variant::Int16(self.take()?),
            Scalar::UInt16 => Variant::UInt16(self.take()?),
            Scalar::Int32 => Variant::Int32(self.take()?),
            Scalar::UInt32 => Variant::UInt32(self.take()?),
            Scalar::Int64 => Variant::Int64(self.take()?),
            Scalar::UInt64 => Variant::UInt64(self.take()?),
            Scalar::Float => Variant::Float(self.take()?),
            Scalar::Double => Variant::Double(self.take()?),
            Scalar::String => Variant::String(self.take::<UAString>()?),
            Scalar::DateTime => Variant::DateTime(Box::new(self.take::<DateTime>()?)),
            Scalar::Guid => Variant::Guid(Box::new(self.take::<Guid>()?)),
            Scalar::ByteString => Variant::ByteString(self.take::<ByteString>()?),
            Scalar::XmlElement => Variant::XmlElement(self.take::<XmlElement>()?),
            Scalar::NodeId => Variant::NodeId(Box::new(self.take::<NodeId>()?)),
            Scalar::ExpandedNodeId => Variant::ExpandedNodeId(Box::new(self.take::<ExpandedNodeId>()?)),
            Scalar::StatusCode => Variant::StatusCode(self.take::<StatusCode>()?),
            Scalar::QualifiedName => Variant::QualifiedName(Box::new(self.take::<QualifiedName>()?)),
            Scalar::LocalizedText => Variant::LocalizedText(Box::new(self.take::<LocalizedText>()?)),
            Scalar::ExtensionObject => Variant::ExtensionObject(self.cursor.object().map_err(why)?),
            Scalar::DataValue => Variant::DataValue(Box::new(self.take::<DataValue>()?)),
            Scalar::Variant => self.cursor.variant().map_err(why)?,
            Scalar::DiagnosticInfo => Variant::DiagnosticInfo(Box::new(self.take::<DiagnosticInfo>()?)),
        })
    }
}

/// Of what no service was asked for.
fn why(error: Error) -> String {
    match error {
        Error::Decode { why, .. } => why,
        error => error.to_string(),
    }
}

/// An object of fields as a body. Each that is not optional must be there, and no other.
pub(crate) fn encoded(json: &Json, structure: &Structure) -> Result<Vec<u8>> {
    let context = CONTEXT.context();
    let mut output = Output { bytes: vec![], context: &context };
    output.structure(json, structure)?;
    Ok(output.bytes)
}

struct Output<'a> {
    bytes: Vec<u8>,
    context: &'a Context<'a>,
}

impl Output<'_> {
    fn structure(&mut self, json: &Json, structure: &Structure) -> Result<()> {
        let map = json.as_object().ok_or_else(|| "an object of its fields is wanted".to_owned())?;
        let known = |name: &String| structure.fields.iter().any(|field| field.name == *name);
        if let Some(name) = map.keys().find(|name| !known(name)) {
            let names: Vec<&str> = structure.fields.iter().map(|field| field.name.as_str()).collect();
            return Err(format!("no field {name}; there are: {}", names.join(", ")));
        }
        match structure.presence {
            Presence::Union => return self.union(map, structure),
            Presence::Optional => {
                let optional = structure.fields.iter().filter(|field| field.optional).enumerate();
                let there = optional.filter(|(_, field)| map.contains_key(&field.name));
                let mask = there.fold(0_u32, |mask, (at, _)| {
                    mask | 1_u32.checked_shl(u32::try_from(at).unwrap_or(32)).unwrap_or(0)
                });
                self.put(&mask)?;
            }
            Presence::All => {}
        }
        for field in &structure.fields {
            match map.get(&field.name) {
                Some(value) => self.field(value, field).map_err(|why| format!("{}: {why}", field.name))?,
                None if field.optional => {}
                None => return Err(format!("field {} is missing", field.name)),
            }
        }
        Ok(())
    }
    fn union(&mut self, map: &Map<String, Json>, structure: &Structure) -> Result<()> {
        let mut given = structure.fields.iter().enumerate().filter(|(_, field)| map.contains_key(&field.name));
        match (given.next(), given.next()) {
            (None, _) => self.put(&0_u32),
            (Some((at, field)), None) => {
                self.put(&u32::try_from(at + 1).map_err(|error| error.to_string())?)?;
                self.field(map.get(&field.name).unwrap_or(&Json::Null), field)
            }
            _ => Err("one field at most is wanted".into()),
        }
    }
    fn field(&mut self, json: &Json, field: &Field) -> Result<()> {
        match (field.dimensions, json) {
            (0, json) => self.one(json, &field.kind),
            (_, Json::Null) => self.put(&-1_i32),
            (1, Json::Array(list)) => {
                self.length(list.len())?;
                list.iter().try_for_each(|item| self.one(item, &field.kind))
            }
            (dimensions, Json::Array(list)) => self.matrix(list, dimensions, &field.kind),
            _ => Err("a list is wanted".into()),
        }
    }
    fn matrix(&mut self, list: &[Json], dimensions: u32, kind: &Kind) -> Result<()> {
        let mut flat: Vec<&Json> = list.iter().collect();
        self.put(&i32::try_from(dimensions).map_err(|error| error.to_string())?)?;
        self.length(list.len())?;
        for _ in 1..dimensions {
            let inner = flat.iter().map(|item| item.as_array()).collect::<Option<Vec<_>>>();
            let inner = inner.ok_or_else(|| format!("lists within lists are wanted: {dimensions} dimensions"))?;
            let size = inner.first().map_or(0, |first| first.len());
            if inner.iter().any(|part| part.len() != size) {
                return Err("its lists are not all of one length".into());
            }
            self.length(size)?;
            flat = inner.into_iter().flatten().collect();
        }
        flat.into_iter().try_for_each(|item| self.one(item, kind))
    }
    fn one(&mut self, json: &Json, kind: &Kind) -> Result<()> {
        if let Kind::Structure(inner) = kind {
            return self.structure(json, inner);
        }
        match scalar_of(json, kind)? {
            // In a field of any type the value says its own.
            variant if kind.scalar() == Scalar::Variant => self.put(&variant),
            variant => self.scalar(&variant),
        }
    }
    fn length(&mut self, length: usize) -> Result<()> {
        self.put(&i32::try_from(length).map_err(|error| error.to_string())?)
    }
    fn put(&mut self, part: &impl BinaryEncodable) -> Result<()> {
        part.encode(&mut self.bytes, self.context).map_err(|error| error.to_string())
    }
    fn scalar(&mut self, variant: &Variant) -> Result<()> {
        match variant {
            Variant::Boolean(v) => self.put(v),
            Variant::SByte(v) => self.put(v),
            Variant::Byte(v) => self.put(v),
            Variant::Int16(v) => self.put(v),
            Variant::UInt16(v) => self.put(v),
            Variant::Int32(v) => self.put(v),
            Variant::UInt32(v) => self.put(v),
            Variant::Int64(v) => self.put(v),
            Variant::UInt64(v) => self.put(v),
            Variant::Float(v) => self.put(v),
            Variant::Double(v) => self.put(v),
            Variant::String(v) => self.put(v),
            Variant::DateTime(v) => self.put(v.as_ref()),
            Variant::Guid(v) => self.put(v.as_ref()),
            Variant::StatusCode(v) => self.put(v),
            Variant::ByteString(v) => self.put(v),
            Variant::XmlElement(v) => self.put(v),
            Variant::QualifiedName(v) => self.put(v.as_ref()),
            Variant::LocalizedText(v) => self.put(v.as_ref()),
            Variant::NodeId(v) => self.put(v.as_ref()),
            Variant::ExpandedNodeId(v) => self.put(v.as_ref()),
            Variant::ExtensionObject(v) => self.put(v),
            _ => Err("values of that type are not written".into()),
        }
    }
}
