//! What a user may ask for of a layout or an advertisement.

/// Name, unit and type of one field. Names are in camelCase.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FieldInfo {
    /// As it is written in a DeviceModel.
    pub name: &'static str,
    /// UCUM; empty for none.
    pub unit: &'static str,
    /// Type of its values.
    pub kind: ValueKind,
}

/// Types of values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ValueKind {
    /// True or false.
    Bool,
    /// Signed.
    Int,
    /// Unsigned.
    UInt,
    /// With a fraction, or scaled.
    Float,
    /// UTF-8.
    Text,
    /// Raw.
    Bytes,
}

/// Each name once, as it is first met.
pub(crate) fn distinct(fields: impl Iterator<Item = FieldInfo>) -> Vec<FieldInfo> {
    let mut seen: Vec<FieldInfo> = Vec::new();
    for field in fields.filter(|field| !field.name.is_empty()) {
        if seen.iter().all(|other| other.name != field.name) {
            seen.push(field);
        }
    }
    seen
}
