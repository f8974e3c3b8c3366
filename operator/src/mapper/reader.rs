//! By whom a mapper reads its slices: an account for this class on this node, which may read them by name and nothing else. Pure.
use super::build::secret;
use crate::{
    owner::Owner,
    world::{keys::MapperKey, made::MADE_LABEL},
};
use pollux_crds::{MAPPERS_NAMESPACE, reader_name, slice_name};
use serde_json::{Value as Json, json};

/// Annotation of chunk 0: which reader's objects were applied.
pub(crate) const READER_ANNOTATION: &str = "pollux.rs/reader";

/// Metadata of what one mapper reads, or reads by.
pub(crate) fn metadata(name: &str, owner: &Owner) -> Json {
    json!({
        "name": name, "namespace": MAPPERS_NAMESPACE,
        "labels": {(MADE_LABEL): crate::FIELD_MANAGER},
        "ownerReferences": owner.references(),
    })
}

/// Account, role and binding, in the order in which they are applied.
pub(crate) fn objects(key: &MapperKey, chunks: usize, owner: &Owner) -> Vec<Json> {
    let name = reader_name(&key.class, &key.node);
    let slices: Vec<_> = (0..chunks).map(|chunk| slice_name(&key.class, &key.node, chunk)).collect();
    let meta = |name: &str| metadata(name, owner);
    let verbs = ["get", "list", "watch"];
    vec![
        json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": meta(&name), "automountServiceAccountToken": false}),
        json!({"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "Role", "metadata": meta(&name), "rules": [
            {"apiGroups": ["pollux.rs"], "resources": ["deviceslices"], "verbs": verbs, "resourceNames": slices},
            {"apiGroups": [""], "resources": ["secrets"], "verbs": verbs, "resourceNames": [secret(key)]},
        ]}),
        json!({"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "RoleBinding", "metadata": meta(&name),
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": name},
            "subjects": [{"kind": "ServiceAccount", "name": name, "namespace": MAPPERS_NAMESPACE}],
        }),
    ]
}

/// Changes when the objects do.
pub(crate) fn hash(key: &MapperKey, chunks: usize, owner: &Owner) -> String {
    pollux_crds::hash(&objects(key, chunks, owner))
}
