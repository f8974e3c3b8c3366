//! Names of tags to names of properties: letters, digits and _. What was lost stays in the description.
use super::{Findings, Tag};
use std::collections::{BTreeMap, BTreeSet};

const MAX_NAME: usize = 63;
/// What YAML takes for something else.
const TAKEN: [&str; 9] = ["y", "n", "yes", "no", "on", "off", "true", "false", "null"];

/// Gives every tag the name of a property; two that have one name are refused with both lines.
pub(super) fn settle(tags: &mut [Tag], findings: &mut Findings) {
    let mut seen: BTreeMap<String, (u64, String)> = BTreeMap::new();
    exponents(tags, findings);
    for tag in tags {
        let original = std::mem::take(&mut tag.name);
        match property_name(&original) {
            Ok(name) => {
                if let Some((line, other)) = seen.get(&name) {
                    let names =
                        if *other == original { name.clone() } else { format!("{name} (of {other} and {original})") };
                    findings.errors.push((tag.line, format!("{names} stands in lines {line} and {}", tag.line)));
                } else {
                    seen.insert(name.clone(), (tag.line, original.clone()));
                }
                if name != original {
                    tag.description =
                        if tag.description.is_empty() { original } else { format!("{original}: {}", tag.description) };
                }
                tag.name = name;
            }
            Err(error) => {
                findings.errors.push((tag.line, error));
                tag.name = original;
            }
        }
    }
}

/// Names of tags that hold exponents follow them.
fn exponents(tags: &mut [Tag], findings: &mut Findings) {
    let names: BTreeSet<String> = tags.iter().map(|tag| tag.name.clone()).collect();
    for tag in tags.iter_mut().filter(|tag| !tag.exponent.is_empty()) {
        if !names.contains(&tag.exponent) {
            findings
                .errors
                .push((tag.line, format!("column scaleExponentFrom: no tag {:?} is in this list", tag.exponent)));
        } else if let Ok(name) = property_name(&tag.exponent) {
            tag.exponent = name;
        }
    }
}

fn property_name(text: &str) -> Result<String, String> {
    if text.is_empty() {
        return Err("it has no name".into());
    }
    let mut name: String = text.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '_' }).collect();
    if !name.contains(|c: char| c.is_ascii_alphanumeric()) {
        return Err(format!(
            "{text:?} has no letter or digit that a property's name can have (A-Z, a-z, 0-9): rename it"
        ));
    }
    if name.starts_with(|c: char| c.is_ascii_digit()) {
        name.insert(0, '_');
    }
    if TAKEN.contains(&name.to_ascii_lowercase().as_str()) {
        name.push('_');
    }
    if name.len() > MAX_NAME {
        return Err(format!("{text:?} is longer than {MAX_NAME} characters: shorten it"));
    }
    Ok(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_a_plant_become_names_of_properties() {
        for (text, name) in [
            ("TT-101", "TT_101"),
            ("Line 7.Pump.Speed", "Line_7_Pump_Speed"),
            ("2ndStage", "_2ndStage"),
            ("On", "On_"),
            ("Wärme", "W_rme"),
            ("already_fine", "already_fine"),
        ] {
            assert_eq!(property_name(text).as_deref(), Ok(name));
        }
        assert!(property_name("温度").unwrap_err().contains("rename it"));
        assert!(property_name(&"x".repeat(64)).unwrap_err().contains("shorten it"));
    }
}
