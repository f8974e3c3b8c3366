//! Names of what was found, fit for YAML and for Kubernetes.
use std::collections::BTreeSet;

/// Longest name of a property.
const LONGEST: usize = 63;
/// Words that YAML takes for something else.
const WORDS: [&str; 9] = ["y", "n", "yes", "no", "on", "off", "true", "false", "null"];

/// A property's or a command's name of any text: letters, digits and `_`, no digit first, at most 63.
pub fn property(text: &str) -> String {
    let fit: String = text.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '_' }).collect();
    let parts: Vec<&str> = fit.split('_').filter(|part| !part.is_empty()).collect();
    let mut name: String = parts.join("_");
    if name.starts_with(|c: char| c.is_ascii_digit()) || WORDS.contains(&name.to_lowercase().as_str()) {
        name.insert_str(0, "v_");
    }
    if name.is_empty() {
        name.push_str("value");
    }
    // The end says more than the beginning: it is the variable's own name.
    let cut = name.len().saturating_sub(LONGEST);
    let name = name.get(cut..).unwrap_or(&name).trim_start_matches(|c: char| c == '_' || c.is_ascii_digit());
    if name.is_empty() { "value".to_owned() } else { name.to_owned() }
}

/// A name that Kubernetes takes, of any text: lower case letters, digits and single dashes; at most `most`. None: nothing is left.
pub fn object(text: &str, most: usize) -> Option<String> {
    // BoilerType is boiler-type.
    let mut dashed = String::new();
    let mut before = ' ';
    for c in text.chars() {
        if c.is_ascii_uppercase() && before.is_ascii_lowercase() {
            dashed.push('-');
        }
        dashed.push(if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '-' });
        before = c;
    }
    let parts: Vec<&str> = dashed.split('-').filter(|part| !part.is_empty()).collect();
    let name: String = parts.join("-").chars().take(most).collect();
    let name = name.trim_end_matches('-');
    (!name.is_empty()).then(|| name.to_owned())
}

/// Refuses what Kubernetes would.
pub fn checked(option: &str, name: &str) -> Result<(), String> {
    let fit = object(name, LONGEST);
    if fit.as_deref() == Some(name) {
        return Ok(());
    }
    let other = fit.map_or(String::new(), |other| format!(", such as {other}"));
    Err(format!("{option} {name}: must be lower case letters, digits and single dashes, at most {LONGEST}{other}"))
}

/// The name, or one with a number behind it, that nobody has yet.
pub fn unique(name: &str, sign: char, taken: &mut BTreeSet<String>) -> String {
    let numbered = |number: usize| {
        let tail = format!("{sign}{number}");
        let head = name.get(..LONGEST.saturating_sub(tail.len()).min(name.len())).unwrap_or(name);
        format!("{head}{tail}")
    };
    let candidates = std::iter::once(name.to_owned()).chain((2..).map(numbered));
    let free = candidates.into_iter().find(|name| !taken.contains(name)).unwrap_or_default();
    taken.insert(free.clone());
    free
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_made_fit() {
        for (text, name) in [
            ("Boiler/Temp (°C)", "Boiler_Temp_C"),
            ("3rd", "v_3rd"),
            ("On", "v_On"),
            ("°°", "value"),
            ("__a__b", "a_b"),
        ] {
            assert_eq!(property(text), name);
        }
        let long = property(&format!("{}_1Temp", "a".repeat(80)));
        assert!(long.len() <= 63 && long.ends_with("_1Temp"));
        assert_eq!(property(&"1".repeat(80)), "value");
        assert_eq!((object("Line 7 / Boiler", 63).as_deref(), object("°", 63)), (Some("line-7-boiler"), None));
        assert_eq!(object("BoilerType2 PLC", 63).as_deref(), Some("boiler-type2-plc"));
        assert_eq!(object("abc-def", 4).as_deref(), Some("abc"));
        assert!(checked("--model", "line-7").is_ok());
        let told = checked("--model", "Line 7").unwrap_err();
        assert_eq!(
            told,
            "--model Line 7: must be lower case letters, digits and single dashes, at most 63, such as line-7"
        );
    }
    #[test]
    fn no_two_have_one_name() {
        let mut taken = BTreeSet::new();
        let names: Vec<String> = (0..3).map(|_| unique(&"a".repeat(63), '_', &mut taken)).collect();
        assert_eq!(names.iter().map(String::len).collect::<Vec<_>>(), [63, 63, 63]);
        assert!(names[1].ends_with("a_2") && names[2].ends_with("a_3"));
    }
}
