//! Whether the property that another names as its decimal exponent can be one.
use crate::{Access, Property, PropertyKind, PropertyType, parameters::list};
use std::collections::BTreeMap;

/// What is wrong: it must be an integer off the wire, as it stands there, and a state.
pub(super) fn check(property: &Property, known: &BTreeMap<&str, &Property>) -> Option<String> {
    let name = property.scale_exponent_from.as_ref()?;
    if !matches!(property.type_, Some(PropertyType::Integer | PropertyType::Number)) {
        return Some("goes with type number or integer only".into());
    }
    if property.expression.is_some() {
        return Some("goes with a binding; an expression is not scaled".into());
    }
    let fits = |p: &Property| {
        p.name != property.name
            && p.type_ == Some(PropertyType::Integer)
            && p.binding.is_some()
            && p.access != Some(Access::WriteOnly)
            && p.kind != Some(PropertyKind::Event)
            && p.scale_exponent_from.is_none()
    };
    if known.get(name.as_str()).is_some_and(|p| fits(p)) {
        return None;
    }
    let names: Vec<&str> = known.values().filter(|p| fits(p)).map(|p| p.name.as_str()).collect();
    let there = if names.is_empty() { "there is none".to_owned() } else { format!("there are: {}", list(&names)) };
    let wanted = "another property of type integer with a binding, that is read and has no exponent of its own";
    Some(format!("must name {wanted}, is {name}; {there}"))
}
