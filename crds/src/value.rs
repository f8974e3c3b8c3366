//! A value of a property as it stands in YAML and in status.
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};
use serde_json::Value as Json;
use std::{borrow::Cow, collections::BTreeMap};

/// One value: boolean, number, string (also base64 bytes and enum names), list or object. Its schema keeps whatever it is
/// given, because what is right depends on another object, the model; `resolve` judges it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, Default)]
#[serde(transparent)]
pub struct Value(pub Json);

/// Values by property name.
pub type Values = BTreeMap<String, Value>;

impl<T: Into<Json>> From<T> for Value {
    fn from(value: T) -> Self {
        Self(value.into())
    }
}
impl JsonSchema for Value {
    fn schema_name() -> Cow<'static, str> {
        "Value".into()
    }
    fn inline_schema() -> bool {
        true
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({"x-kubernetes-preserve-unknown-fields": true, "maxLength": 4096})
    }
}

/// A free-form object, such as a custom protocol's configuration; the driver judges it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, Default)]
#[serde(transparent)]
pub struct FreeForm(pub serde_json::Map<String, Json>);

impl JsonSchema for FreeForm {
    fn schema_name() -> Cow<'static, str> {
        "FreeForm".into()
    }
    fn inline_schema() -> bool {
        true
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({"type": "object", "x-kubernetes-preserve-unknown-fields": true})
    }
}
