//! Words of a command line or a list of tags, to the terms of the schema.
use pollux_crds::{ByteOrder, ModbusDataType, ModbusEncoding, ModbusTable, ModbusTrim};
use serde::de::DeserializeOwned;
use serde_json::Value as Json;

const TYPES: &str = "int16, uint16, int32, uint32, int64, uint64, float16, float32, float64, int8l, int8h, uint8l, uint8h, bcd16, \
    bcd32, bcd64, m10k32, m10k48, m10k64, signmagnitude16, signmagnitude32, cp56, string, bytes";
/// What other tools call them.
const ALIASES: [(&str, &str); 10] = [
    ("float", "float32"),
    ("real", "float32"),
    ("double", "float64"),
    ("lreal", "float64"),
    ("word", "uint16"),
    ("short", "int16"),
    ("dword", "uint32"),
    ("dint", "int32"),
    ("udint", "uint32"),
    ("int", "int16"),
];

fn parse<T: DeserializeOwned>(word: &str) -> Option<T> {
    serde_json::from_value(Json::String(word.to_owned())).ok()
}

pub(super) fn data_type(word: &str) -> Result<ModbusDataType, String> {
    let lower = word.to_ascii_lowercase();
    let name = ALIASES.iter().find(|(alias, _)| *alias == lower).map_or(&*lower, |(_, name)| name);
    parse(name).ok_or_else(|| format!("{word:?} is no data type; there are: {TYPES}"))
}

/// As the schema has it.
pub(super) fn type_name(kind: ModbusDataType) -> String {
    serde_json::to_value(kind).ok().and_then(|word| word.as_str().map(str::to_owned)).unwrap_or_default()
}

pub(super) fn byte_order(word: &str) -> Result<ByteOrder, String> {
    parse(&word.to_ascii_uppercase())
        .ok_or_else(|| format!("{word:?} is no byte order; there are: ABCD, BADC, CDAB, DCBA, and their 64-bit forms"))
}

pub(super) fn encoding(word: &str) -> Result<ModbusEncoding, String> {
    parse(&word.to_ascii_lowercase())
        .ok_or_else(|| format!("{word:?} is no encoding; there are: ascii, utf8, latin1, gbk, utf16"))
}

pub(super) fn trim(word: &str) -> Result<ModbusTrim, String> {
    let known = ["End", "Both", "None"].into_iter().find(|known| known.eq_ignore_ascii_case(word));
    known.and_then(parse).ok_or_else(|| format!("{word:?} is no trim; there are: End, Both, None"))
}

pub(super) fn table(word: &str) -> Result<ModbusTable, String> {
    parse(&word.to_ascii_lowercase())
        .ok_or_else(|| format!("{word:?} is no table; there are: coil, discrete, input, holding"))
}

/// `0-200`, both ends included, or one number alone.
pub(super) fn span(word: &str, low: u16, high: u16) -> Result<(u16, u16), String> {
    let wrong = || format!("{word:?} must be FIRST-LAST within {low}-{high}, such as {low}-{}", high.min(200));
    let (first, last) = word.split_once('-').unwrap_or((word, word));
    let number = |text: &str| text.trim().parse::<u16>().ok().filter(|number| (low..=high).contains(number));
    let (first, last) = number(first).zip(number(last)).ok_or_else(wrong)?;
    if first <= last { Ok((first, last)) } else { Err(wrong()) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn a_message_names_every_type() {
        let (_, crd) = pollux_crds::manifests().into_iter().find(|(name, _)| *name == "devicemodels").unwrap();
        let schema = &crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"]["properties"];
        let binding = &schema["properties"]["items"]["properties"]["binding"]["properties"]["modbus"];
        let known = binding["properties"]["dataType"]["enum"].as_array().unwrap();
        let known: BTreeSet<&str> = known.iter().filter_map(Json::as_str).collect();
        assert_eq!(TYPES.split(", ").collect::<BTreeSet<_>>(), known);
        for (alias, name) in ALIASES {
            assert_eq!(data_type(&alias.to_uppercase()), data_type(name));
        }
        assert!(data_type("float33").unwrap_err().contains("float32"));
        assert_eq!(byte_order("ghefcdab").map(ByteOrder::pattern), Ok(ByteOrder::Cdab));
        assert!(byte_order("AB").is_err() && table("register").is_err());
    }

    #[test]
    fn spans_have_two_ends_in_order() {
        assert_eq!((span("1-247", 0, 255), span("7", 0, 255)), (Ok((1, 247)), Ok((7, 7))));
        for wrong in ["", "-", "9-1", "0-256", "a-b", "1-2-3", "-5"] {
            assert!(span(wrong, 0, 255).is_err(), "{wrong}");
        }
    }
}
