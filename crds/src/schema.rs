//! Manifests: the schemas as a real API server takes them.
use crate::{Channel, Device, DeviceModel, DeviceModelRevision, DeviceSlice, MapperClass};
use kube::CustomResourceExt;
use serde_json::{Value as Json, json};

/// Each kind's CustomResourceDefinition as JSON, with its plural, sorted by plural.
pub fn manifests() -> Vec<(&'static str, Json)> {
    vec![
        ("channels", crd::<Channel>()),
        ("devicemodelrevisions", crd::<DeviceModelRevision>()),
        ("devicemodels", crd::<DeviceModel>()),
        ("devices", crd::<Device>()),
        ("deviceslices", crd::<DeviceSlice>()),
        ("mapperclasses", crd::<MapperClass>()),
    ]
}

fn crd<K: CustomResourceExt>() -> Json {
    let mut json = serde_json::to_value(K::crd()).expect("a CRD is plain JSON");
    tidy(&mut json);
    json
}

/// Formats that the API server does not know (it warns on each), and descriptions folded to one line so that `kubectl explain`
/// wraps them itself.
fn tidy(json: &mut Json) {
    match json {
        Json::Object(map) => {
            let known = |f: &str| matches!(f, "int32" | "int64" | "float" | "double" | "date-time" | "date" | "byte");
            if map.get("format").and_then(Json::as_str).is_some_and(|f| !known(f)) {
                map.remove("format");
            }
            if let Some(Json::String(text)) = map.get("description") {
                let folded = text.split_whitespace().collect::<Vec<_>>().join(" ");
                map.insert("description".into(), json!(folded));
            }
            map.values_mut().for_each(tidy);
        }
        Json::Array(items) => items.iter_mut().for_each(tidy),
        _ => {}
    }
}
