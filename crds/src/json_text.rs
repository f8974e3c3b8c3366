//! JSON that is kept for as long as a device is.
use serde::{Serialize, Serializer};
use serde_json::Value as Json;
use std::fmt;

/// A JSON value kept as its text: of a map of two keys that is a tenth of the memory, for what is looked into only when it is
/// configured. Equal values have equal texts, for maps are ordered.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct JsonText(Box<str>);

impl JsonText {
    /// The value.
    pub fn value(&self) -> Json {
        serde_json::from_str(&self.0).unwrap_or_default() // it was written from one
    }
    /// The text, without spaces.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}
impl From<&Json> for JsonText {
    fn from(value: &Json) -> Self {
        Self(value.to_string().into())
    }
}
impl From<Json> for JsonText {
    fn from(value: Json) -> Self {
        Self::from(&value)
    }
}
/// `null`.
impl Default for JsonText {
    fn default() -> Self {
        Self::from(Json::Null)
    }
}
impl fmt::Debug for JsonText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
/// As the value itself: also where a hash is taken of it.
impl Serialize for JsonText {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.value().serialize(serializer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hash;
    use proptest::{collection, prelude::*};
    use serde_json::json;

    fn any_json() -> impl Strategy<Value = Json> {
        let leaf = prop_oneof![
            Just(Json::Null),
            any::<bool>().prop_map(Json::from),
            any::<i64>().prop_map(Json::from),
            any::<u64>().prop_map(Json::from),
            any::<f64>().prop_map(Json::from),
            any::<String>().prop_map(Json::from),
        ];
        leaf.prop_recursive(4, 32, 4, |inner| {
            prop_oneof![
                collection::vec(inner.clone(), 0..4).prop_map(Json::from),
                collection::btree_map(any::<String>(), inner, 0..4)
                    .prop_map(|map| Json::Object(map.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn what_is_kept_is_the_value_and_so_is_its_hash(value in any_json(), other in any_json()) {
            let text = JsonText::from(&value);
            prop_assert_eq!(text.value(), value.clone());
            prop_assert_eq!(hash(&("x", &text)), hash(&("x", &value)));
            prop_assert_eq!(text == JsonText::from(&other), value == other);
        }
    }

    #[test]
    fn the_text_is_as_short_as_can_be() {
        let text = JsonText::from(json!({"table": "holding", "address": 7, "deep": [1.5, null]}));
        assert_eq!(text.as_str(), r#"{"address":7,"deep":[1.5,null],"table":"holding"}"#);
        assert_eq!(JsonText::default().value(), Json::Null);
    }
}
