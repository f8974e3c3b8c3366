//! Addresses as they stand in YAML: by names and by URIs, which last longer than a server's own numbers.
use crate::{
    session::Namespaces,
    values::{named, string},
};
use opcua::types::{NodeId, QualifiedName};
use pollux_crds::{OpcUaNamespace, OpcUaStep};

/// By URI, which stays when the server numbers its namespaces anew.
fn space(index: u16, namespaces: &Namespaces) -> OpcUaNamespace {
    match namespaces.uri(index).filter(|uri| index != 0 && !uri.is_empty()) {
        Some(uri) => OpcUaNamespace::Uri(uri.to_owned()),
        None => OpcUaNamespace::Index(index),
    }
}
pub(super) fn steps(names: &[&QualifiedName], namespaces: &Namespaces) -> Vec<OpcUaStep> {
    let step = |name: &&QualifiedName| OpcUaStep {
        namespace: space(name.namespace_index, namespaces),
        name: string(&name.name).to_owned(),
    };
    names.iter().map(step).collect()
}
pub(super) fn lasting(id: &NodeId, namespaces: &Namespaces) -> String {
    let mut named = named(id);
    named.namespace = space(id.namespace, namespaces);
    named.to_string()
}
