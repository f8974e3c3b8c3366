//! YAML as people write it here: objects in blocks, what fits on one line in braces, fields in the order of the reference pages.
use pollux_crds::Span;
use serde::Serialize;
use serde_json::{Map, Value as Json};
use std::{fmt::Write as _, net::Ipv4Addr};

/// Fields whose content stands in lines of its own.
const BLOCKS: [&str; 5] = ["metadata", "spec", "protocol", "properties", "commands"];
/// What is not here comes last.
const ORDER: &str = "apiVersion kind metadata spec value name manufacturer model nodeName mode type access enum unit description range minimum maximum \
    interval binding arguments opcua summary defaults protocol properties commands channel url root security identity policy insecure \
    certificate trust object method nodeId browsePath low high";

/// One document. What cannot be serialised is empty: our own types always can.
pub(super) fn document(object: &impl Serialize) -> String {
    let mut text = String::new();
    block(&serde_json::to_value(object).unwrap_or_default(), 0, &mut text);
    text
}

fn ordered(map: &Map<String, Json>) -> Vec<(&String, &Json)> {
    let rank = |name: &str| ORDER.split_whitespace().position(|known| known == name).unwrap_or(usize::MAX);
    let mut fields: Vec<(&String, &Json)> = map.iter().collect();
    fields.sort_by_key(|(name, _)| rank(name));
    fields
}

fn block(value: &Json, indent: usize, out: &mut String) {
    let Json::Object(map) = value else { return };
    for (name, value) in ordered(map) {
        let space = " ".repeat(indent);
        match value {
            Json::Object(_) if BLOCKS.contains(&name.as_str()) => {
                writeln!(out, "{space}{name}:").ok(); // a String takes it
                block(value, indent + 2, out);
            }
            Json::Array(list) if BLOCKS.contains(&name.as_str()) => {
                writeln!(out, "{space}{name}:").ok(); // a String takes it
                for item in list {
                    item_block(item, indent, out);
                }
            }
            _ => {
                writeln!(out, "{space}{name}: {}", flow(value)).ok();
            }
        }
    }
}

fn item_block(item: &Json, indent: usize, out: &mut String) {
    let mut lines = String::new();
    block(item, indent + 2, &mut lines);
    let Some((space, rest)) = lines.split_at_checked(indent + 2) else { return };
    out.push_str(space.get(2..).unwrap_or_default());
    out.push_str("- ");
    out.push_str(rest);
}

fn flow(value: &Json) -> String {
    match value {
        Json::Object(map) => {
            let fields: Vec<String> =
                ordered(map).into_iter().map(|(name, value)| format!("{}: {}", scalar(name), flow(value))).collect();
            format!("{{{}}}", fields.join(", "))
        }
        Json::Array(list) => format!("[{}]", list.iter().map(flow).collect::<Vec<_>>().join(", ")),
        Json::String(text) => scalar(text),
        Json::Number(number) => {
            let text = number.to_string();
            text.strip_suffix(".0").map(str::to_owned).unwrap_or(text)
        }
        other => other.to_string(),
    }
}

/// In quotes unless nobody could take it for anything but text, in a block or in braces.
fn scalar(text: &str) -> String {
    const WORDS: [&str; 11] = ["y", "n", "yes", "no", "on", "off", "true", "false", "null", "inf", "nan"];
    let plain = |c: char| {
        c.is_alphanumeric() || matches!(c, ' ' | '_' | '-' | '.' | '/' | '°' | '%' | '(' | ')' | ';' | '+' | '³' | '²')
    };
    let starts = text.starts_with(|c: char| c.is_alphabetic() || matches!(c, '_' | '/' | '°'));
    let safe =
        starts && text.chars().all(plain) && !text.ends_with(' ') && !WORDS.contains(&text.to_lowercase().as_str());
    let other = text.parse::<Span>().is_ok() || text.parse::<Ipv4Addr>().is_ok();
    if safe || other { text.to_owned() } else { quoted(text) }
}

/// As JSON has it, and without what YAML calls not printable.
fn quoted(text: &str) -> String {
    let json = Json::String(text.to_owned()).to_string();
    let escaped =
        |c: char| c.is_control() || matches!(c, '\u{2028}' | '\u{2029}' | '\u{feff}' | '\u{fffe}' | '\u{ffff}');
    let parts = json.chars().map(|c| if escaped(c) { format!("\\u{:04X}", u32::from(c)) } else { c.to_string() });
    parts.collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use pollux_crds::offline::yaml;
    use proptest::prelude::*;
    use serde_json::json;

    #[test]
    fn objects_look_as_people_write_them() {
        let object = json!({"kind": "DeviceModel", "apiVersion": "pollux.rs/v1alpha1", "metadata": {"name": "a"}, "spec": {
            "properties": [
                {"binding": {"opcua": {"nodeId": "ns=2;i=1"}}, "unit": "°C", "name": "t"},
                {"name": "u", "unit": "%", "description": "Valve: \"open\"", "interval": "10s"},
            ],
            "defaults": {"interval": "1s"},
        }});
        let expected = "\
apiVersion: pollux.rs/v1alpha1
kind: DeviceModel
metadata:
  name: a
spec:
  defaults: {interval: 1s}
  properties:
  - name: t
    unit: °C
    binding: {opcua: {nodeId: \"ns=2;i=1\"}}
  - name: u
    unit: \"%\"
    description: \"Valve: \\\"open\\\"\"
    interval: 10s
";
        assert_eq!(document(&object), expected);
        assert_eq!(yaml::read(expected).unwrap()[0].value, object);
    }

    proptest! {
        #[test]
        fn text_comes_back_as_it_went(text in "\\PC{0,12}|[yYnNoOfFxe0-9_.:+-]{0,6}|.{0,6}") {
            let object = json!({"spec": {"description": text, "properties": [{"name": text, "range": {"low": text}}]}});
            prop_assert_eq!(&yaml::read(&document(&object)).unwrap()[0].value, &object);
        }
    }
}
