//! YAML as people write it here: objects in blocks, what fits on one line in braces, fields in the order of the reference pages.
use crate::value::is_unseen;
use pollux_crds::Span;
use serde::Serialize;
use serde_json::{Map, Value as Json, json};
use std::{fmt::Write as _, net::Ipv4Addr};

/// Fields whose content stands in lines of its own.
const BLOCKS: [&str; 5] = ["metadata", "spec", "protocol", "properties", "commands"];
/// Fields of every protocol.
const ORDER: &str = "apiVersion kind metadata spec value name manufacturer model nodeName mode type access enum unit description range minimum maximum \
    interval scale offset binding arguments summary defaults protocol properties commands channel";

/// How the objects of one protocol are written.
#[derive(Debug, Clone, Copy)]
pub struct Yaml(
    /// Its own fields in their order, with spaces between: they come behind those of every protocol, and before what is in neither.
    pub &'static str,
);

impl Yaml {
    /// One document. What cannot be serialised is empty: our own types always can.
    pub fn document(self, object: &impl Serialize) -> String {
        let mut text = String::new();
        self.block(&serde_json::to_value(object).unwrap_or_default(), 0, &mut text);
        text
    }
    /// One object of ours as a document.
    pub fn object(self, kind: &str, name: &str, spec: &impl Serialize) -> String {
        let spec = serde_json::to_value(spec).unwrap_or_default();
        self.document(
            &json!({"apiVersion": "pollux.rs/v1alpha1", "kind": kind, "metadata": {"name": name}, "spec": spec}),
        )
    }
    /// Items of a list, each with its dash at `indent`.
    pub fn items(self, list: &[impl Serialize], indent: usize) -> String {
        let mut text = String::new();
        for item in list {
            self.item_block(&serde_json::to_value(item).unwrap_or_default(), indent, &mut text);
        }
        text
    }

    fn ordered(self, map: &Map<String, Json>) -> Vec<(&String, &Json)> {
        let known = ORDER.split_whitespace().chain(self.0.split_whitespace());
        let rank = |name: &str| known.clone().position(|known| known == name).unwrap_or(usize::MAX);
        let mut fields: Vec<(&String, &Json)> = map.iter().collect();
        fields.sort_by_key(|(name, _)| rank(name));
        fields
    }
    fn block(self, value: &Json, indent: usize, out: &mut String) {
        let Json::Object(map) = value else { return };
        for (name, value) in self.ordered(map) {
            let space = " ".repeat(indent);
            match value {
                Json::Object(_) if BLOCKS.contains(&name.as_str()) => {
                    writeln!(out, "{space}{name}:").ok(); // a String takes it
                    self.block(value, indent + 2, out);
                }
                Json::Array(list) if BLOCKS.contains(&name.as_str()) => {
                    writeln!(out, "{space}{name}:").ok(); // a String takes it
                    for item in list {
                        self.item_block(item, indent, out);
                    }
                }
                _ => {
                    writeln!(out, "{space}{name}: {}", self.flow(value)).ok();
                }
            }
        }
    }
    fn item_block(self, item: &Json, indent: usize, out: &mut String) {
        let mut lines = String::new();
        self.block(item, indent + 2, &mut lines);
        let Some((space, rest)) = lines.split_at_checked(indent + 2) else { return };
        out.push_str(space.get(2..).unwrap_or_default());
        out.push_str("- ");
        out.push_str(rest);
    }
    fn flow(self, value: &Json) -> String {
        match value {
            Json::Object(map) => {
                let field = |(name, value): (&String, &Json)| format!("{}: {}", scalar(name), self.flow(value));
                let fields: Vec<String> = self.ordered(map).into_iter().map(field).collect();
                format!("{{{}}}", fields.join(", "))
            }
            Json::Array(list) => {
                let items: Vec<String> = list.iter().map(|item| self.flow(item)).collect();
                format!("[{}]", items.join(", "))
            }
            Json::String(text) => scalar(text),
            Json::Number(number) => {
                let text = number.to_string();
                text.strip_suffix(".0").map(str::to_owned).unwrap_or(text)
            }
            other => other.to_string(),
        }
    }
}

/// In quotes unless nobody could take it for anything but text, in a block or in braces.
fn scalar(text: &str) -> String {
    const WORDS: [&str; 11] = ["y", "n", "yes", "no", "on", "off", "true", "false", "null", "inf", "nan"];
    let plain = |c: char| {
        let sign = matches!(c, ' ' | '_' | '-' | '.' | '/' | '°' | '%' | '(' | ')' | ';' | '+' | '³' | '²');
        sign || c.is_alphanumeric() && !is_unseen(c) // some letters are not seen
    };
    let starts = text.starts_with(|c: char| c.is_alphabetic() || matches!(c, '_' | '/' | '°'));
    let safe =
        starts && text.chars().all(plain) && !text.ends_with(' ') && !WORDS.contains(&text.to_lowercase().as_str());
    let other = text.parse::<Span>().is_ok() || text.parse::<Ipv4Addr>().is_ok();
    if safe || other { text.to_owned() } else { quoted(text) }
}

/// As JSON has it, and without what YAML calls not printable, or people do not see.
fn quoted(text: &str) -> String {
    let json = Json::String(text.to_owned()).to_string();
    let escaped = |c: char| c.is_control() || is_unseen(c) || matches!(c, '\u{fffe}' | '\u{ffff}');
    let escape = |c: char| match u32::from(c) {
        code @ ..0x1_0000 => format!("\\u{code:04X}"),
        code => format!("\\U{code:08X}"), // \u takes four digits, and leaves the fifth in the text
    };
    json.chars().map(|c| if escaped(c) { escape(c) } else { c.to_string() }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use pollux_crds::offline::yaml;
    use proptest::prelude::*;

    const YAML: Yaml = Yaml("low high table address register");

    #[test]
    fn objects_look_as_people_write_them() {
        let object = json!({"kind": "DeviceModel", "apiVersion": "pollux.rs/v1alpha1", "metadata": {"name": "a"}, "spec": {
            "properties": [
                {"binding": {"modbus": {"address": 0, "table": "holding", "register": "40001"}}, "unit": "°C", "name": "t", "scale": 0.1},
                {"name": "u", "unit": "%", "offset": -40, "description": "Valve: \"open\"", "interval": "10s"},
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
    scale: 0.1
    binding: {modbus: {table: holding, address: 0, register: \"40001\"}}
  - name: u
    unit: \"%\"
    description: \"Valve: \\\"open\\\"\"
    interval: 10s
    offset: -40
";
        assert_eq!(YAML.document(&object), expected);
        assert_eq!(yaml::read(expected).unwrap()[0].value, object);
        assert_eq!(YAML.items(&[json!({"name": "a", "unit": "l"})], 2), "  - name: a\n    unit: l\n");
    }

    #[test]
    fn what_is_not_seen_is_written_by_its_number_and_comes_back() {
        let object = json!({"spec": {"description": "lamp\u{3164}\u{e0041}\u{fe0f}"}});
        let text = YAML.document(&object);
        assert!(text.contains(r#"description: "lamp\u3164\U000E0041\uFE0F""#), "{text}");
        assert_eq!(yaml::read(&text).unwrap()[0].value, object);
    }

    proptest! {
        #[test]
        fn text_comes_back_as_it_went(text in "\\PC{0,12}|[yYnNoOfFxe0-9_.:+-]{0,6}|.{0,6}") {
            let object = json!({"spec": {"description": text, "properties": [{"name": text, "range": {"low": text}}]}});
            prop_assert_eq!(&yaml::read(&YAML.document(&object)).unwrap()[0].value, &object);
        }
    }
}
