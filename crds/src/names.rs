//! Names that operator, mappers and policies agree on. A class has no dots and a chunk is a number, so a node name with dots
//! is unambiguous between them.

/// Longest node name that fits into the names below.
pub const MAX_NODE_NAME: usize = 200;

/// Name of a DeviceSlice.
pub fn slice_name(class: &str, node: &str, chunk: usize) -> String {
    format!("{class}.{node}.{chunk}")
}
/// Name of the Secret into which the operator copies what the devices of a class on a node need.
pub fn secret_name(class: &str, node: &str) -> String {
    format!("{class}.{node}")
}
/// Name of the ServiceAccount, Role and RoleBinding by which a mapper reads its own slices and Secret.
pub fn reader_name(class: &str, node: &str) -> String {
    format!("slice.{class}.{node}")
}
/// Name of a class's DaemonSet and ServiceAccount.
pub fn mapper_name(class: &str) -> String {
    format!("pollux-mapper-{class}")
}
/// Label that a node carries while it has devices of a class; kubelets may not set labels of this kind on themselves.
pub fn node_label(class: &str) -> String {
    format!("pollux.node-restriction.kubernetes.io/{class}")
}
/// Whether a text is a DNS label of at most 40 characters, as names of classes are.
pub fn is_class_name(name: &str) -> bool {
    let inner = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    !name.is_empty() && name.len() <= 40 && name.chars().all(inner) && !name.starts_with('-') && !name.ends_with('-')
}

/// Words that YAML 1.1 turns into booleans or nothing: no property may have such a name.
pub const RESERVED_NAMES: [&str; 9] = ["y", "n", "yes", "no", "on", "off", "true", "false", "null"];

/// Whether a text may be the name of a property.
pub fn is_property_name(name: &str) -> bool {
    let mut chars = name.chars();
    let first = chars.next().is_some_and(|c| c.is_ascii_alphabetic() || c == '_');
    first
        && name.len() <= 63
        && chars.all(|c| c.is_ascii_alphanumeric() || c == '_')
        && !RESERVED_NAMES.contains(&name.to_ascii_lowercase().as_str())
}
