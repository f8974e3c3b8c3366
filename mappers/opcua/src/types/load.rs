//! Data types read from a server: what stands above each, its definition, its encoding, its names (Part 3, 5.8; Part 5, 11 to 12).
use super::{
    Defined, Definitions,
    definition::{names_of, names_of_strings, names_of_values},
};
use crate::{
    browse::{along, attribute, browse, read},
    error::Result,
    session::Session,
    values::string,
};
use opcua::types::{
    AttributeId, BrowseDirection, DataValue, EnumDefinition, NodeId, ReferenceDescription, ReferenceTypeId,
    StructureDefinition, Variant,
};
use pollux_mapper::Instant;
use std::collections::BTreeMap;

/// Data types of one device, at most: a server could have no end of them.
const MOST: usize = 5000;
/// Rounds: each reads what the one before has named.
const ROUNDS: usize = 64;

/// What must be known of these types, and of those that they are made of. What the server does not say stays away.
pub(crate) async fn load(session: &Session, wanted: &[NodeId], until: Instant) -> Result<Definitions> {
    let (mut known, mut count) = (Definitions::default(), 0_usize);
    for _ in 0..ROUNDS {
        let mut missing = known.missing(wanted);
        missing.truncate(MOST.saturating_sub(count));
        if missing.is_empty() {
            break;
        }
        count += missing.len();
        let mut types = described(session, &missing, until).await?;
        name_encodings_and_values(session, &missing, &mut types, until).await?;
        for (id, defined) in missing.into_iter().zip(types) {
            known.insert(id, defined);
        }
    }
    Ok(known)
}

/// Name, definition and parent.
async fn described(session: &Session, ids: &[NodeId], until: Instant) -> Result<Vec<Defined>> {
    let attributes = [AttributeId::BrowseName, AttributeId::DataTypeDefinition];
    let asked: Vec<_> = ids.iter().flat_map(|id| attributes.map(|one| attribute(id, one))).collect();
    let said = read(session, &asked, until).await?;
    let parents: Vec<_> =
        ids.iter().map(|id| along(id, ReferenceTypeId::HasSubtype, BrowseDirection::Inverse)).collect();
    let parents = browse(session, &parents, until).await?;
    let one = |(said, parents): (&[DataValue], crate::browse::References)| {
        let [name, definition] = said else { return Defined::default() };
        let mut defined = Defined { name: browse_name(name), ..Defined::default() };
        if let Some(parent) = parents.ok().and_then(|all| all.into_iter().next()) {
            defined.parent = parent.node_id.node_id;
        }
        if let Some(Variant::ExtensionObject(object)) = &definition.value {
            defined.structure = object.inner_as::<StructureDefinition>().cloned();
            defined.names = object.inner_as::<EnumDefinition>().map(names_of).unwrap_or_default();
        }
        defined
    };
    Ok(said.chunks(attributes.len()).zip(parents).map(one).collect())
}

fn browse_name(said: &DataValue) -> String {
    match &said.value {
        Some(Variant::QualifiedName(name)) => string(&name.name).to_owned(),
        _ => String::new(),
    }
}

/// What their definition leaves out: the id of the binary encoding, and names that stand in a property, as before 1.04.
async fn name_encodings_and_values(
    session: &Session,
    ids: &[NodeId],
    types: &mut [Defined],
    until: Instant,
) -> Result<()> {
    let (mut asked, mut of) = (vec![], vec![]);
    for (at, (id, defined)) in ids.iter().zip(types.iter()).enumerate() {
        match &defined.structure {
            Some(structure) if !structure.default_encoding_id.is_null() => continue,
            Some(_) => asked.push(along(id, ReferenceTypeId::HasEncoding, BrowseDirection::Forward)),
            None if defined.names.is_empty() => {
                asked.push(along(id, ReferenceTypeId::HasProperty, BrowseDirection::Forward));
            }
            None => continue,
        }
        of.push(at);
    }
    let (mut properties, mut owners) = (vec![], vec![]);
    for (at, references) in of.into_iter().zip(browse(session, &asked, until).await?) {
        let Some(defined) = types.get_mut(at) else { continue };
        for reference in references.unwrap_or_default() {
            match (&mut defined.structure, string(&reference.browse_name.name)) {
                (Some(structure), "Default Binary") => structure.default_encoding_id = target(reference),
                (None, "EnumStrings" | "EnumValues") => {
                    properties.push(attribute(&reference.node_id.node_id, AttributeId::Value));
                    owners.push(at);
                }
                _ => {}
            }
        }
    }
    for (at, said) in owners.into_iter().zip(read(session, &properties, until).await?) {
        let (Some(defined), Some(Variant::Array(array))) = (types.get_mut(at), said.value) else { continue };
        let names: BTreeMap<i64, String> = match array.values.first() {
            Some(Variant::LocalizedText(_)) => names_of_strings(&array.values),
            _ => names_of_values(&array.values),
        };
        defined.names.extend(names);
    }
    Ok(())
}

fn target(reference: ReferenceDescription) -> NodeId {
    reference.node_id.node_id
}
