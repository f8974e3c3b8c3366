//! Namespaces of a server, which it may number anew at each of its starts (Part 3, 5.2.2).
use opcua::types::{NamespaceMap, Variant};

/// The standard's own, always the first.
const STANDARD: &str = "http://opcfoundation.org/UA/";

/// URIs by index.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Namespaces(Vec<String>);

impl Default for Namespaces {
    fn default() -> Self {
        Self(vec![STANDARD.to_owned()])
    }
}

impl Namespaces {
    /// As a server says them: an array of text. Anything else: only the standard's.
    pub(super) fn of(said: &Variant) -> Self {
        let Variant::Array(array) = said else { return Self::default() };
        let text = |one: &Variant| match one {
            Variant::String(text) => text.as_ref().to_owned(),
            _ => String::new(),
        };
        let mut all: Vec<String> = array.values.iter().take(usize::from(u16::MAX)).map(text).collect();
        match all.first_mut() {
            Some(first) => STANDARD.clone_into(first),
            None => return Self::default(),
        }
        Self(all)
    }
    /// Index of a namespace; of one that is there twice, the first.
    pub(crate) fn index(&self, uri: &str) -> Option<u16> {
        self.0.iter().position(|one| one == uri).and_then(|at| u16::try_from(at).ok())
    }
    /// Namespace of an index.
    pub(crate) fn uri(&self, index: u16) -> Option<&str> {
        self.0.get(usize::from(index)).map(String::as_str)
    }
    /// The same for the codec.
    pub(super) fn map(&self) -> NamespaceMap {
        let all = self.0.iter().enumerate().rev(); // so that of two the first stays
        NamespaceMap::new_full(all.filter_map(|(at, uri)| Some((uri.clone(), u16::try_from(at).ok()?))).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use opcua::types::{Array, VariantScalarTypeId};

    #[test]
    fn a_namespace_is_found_by_its_uri_whatever_else_is_said() {
        let said = |all: &[&str]| {
            let all: Vec<Variant> = all.iter().map(|uri| Variant::from(*uri)).collect();
            Namespaces::of(&Variant::from(Array::new(VariantScalarTypeId::String, all).unwrap()))
        };
        let found = said(&[STANDARD, "urn:server", "urn:plant", "urn:plant"]);
        assert_eq!((found.index("urn:plant"), found.uri(1)), (Some(2), Some("urn:server")));
        assert_eq!(found.map().get_index("urn:plant"), Some(2));
        assert_eq!((found.index("urn:other"), found.uri(4)), (None, None));
        // Whatever it calls the first, it is the standard's.
        assert_eq!(said(&["urn:strange", "urn:plant"]).index(STANDARD), Some(0));
        for nonsense in [Variant::Empty, Variant::from(7_u32)] {
            assert_eq!(Namespaces::of(&nonsense), Namespaces::default());
        }
        assert_eq!(said(&[]), Namespaces::default());
    }
}
