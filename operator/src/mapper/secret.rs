//! What of people's Secrets a mapper gets. Pure. No protocol names a Secret yet, so `wanted` is empty and so is the copy; the
//! rule stands here because the account and the Secret are made from the first day.
use k8s_openapi::{ByteString, api::core::v1::Secret};
use kube::ResourceExt;
use pollux_crds::SECRET_LABEL;
use std::collections::BTreeMap;

/// The data of a mapper's Secret: each key of each Secret that its devices name, as `namespace.name.key`. One without the
/// label `pollux.rs/mapper-may-read: "true"` gives nothing, and is named in the second answer.
pub fn copy(named: &[Secret]) -> (BTreeMap<String, ByteString>, Vec<String>) {
    let (mut data, mut refused) = (BTreeMap::new(), vec![]);
    for secret in named {
        let (namespace, name) = (secret.namespace().unwrap_or_default(), secret.name_any());
        if secret.labels().get(SECRET_LABEL).map(String::as_str) != Some("true") {
            refused.push(format!("Secret {namespace}/{name} is not labelled {SECRET_LABEL}=true"));
            continue;
        }
        for (key, value) in secret.data.iter().flatten() {
            data.insert(format!("{namespace}.{name}.{key}"), value.clone());
        }
    }
    (data, refused)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn only_what_its_owner_has_labelled_is_copied() {
        let secret = |name: &str, label: Option<&str>| -> Secret {
            let labels = label.map(|l| json!({ SECRET_LABEL: l })).unwrap_or_default();
            let meta = json!({"name": name, "namespace": "plant", "labels": labels});
            serde_json::from_value(json!({"metadata": meta, "data": {"password": "c2VjcmV0"}})).unwrap()
        };
        let named = [secret("open", Some("true")), secret("shut", Some("false")), secret("bare", None)];
        let (data, refused) = copy(&named);
        assert_eq!(data.keys().collect::<Vec<_>>(), ["plant.open.password"]);
        assert_eq!(data["plant.open.password"].0, b"secret");
        assert_eq!(refused.len(), 2);
        assert_eq!(refused[0], "Secret plant/shut is not labelled pollux.rs/mapper-may-read=true");
    }
}
