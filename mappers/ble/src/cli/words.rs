//! Numbers of the standard, and what devices say, in words.
use pollux_ble_codec::{Uuid, ValueKind, assigned};
use pollux_crds::PropertyType;
use pollux_mapper::cli::names;

/// A unit as people here write it; the tables have those of UCUM.
pub(super) fn unit(ucum: &str) -> &str {
    match ucum {
        "Cel" => "°C",
        "deg" => "°",
        "[g]" => "g",
        "[ppm]" => "ppm",
        "[ppb]" => "ppb",
        "[lb_av]" => "lb",
        "mm[Hg]" => "mmHg",
        "dB{mW}" => "dBm",
        "dB[SPL]" => "dB",
        "ug/m3" => "µg/m³",
        "uS/cm" => "µS/cm",
        "kg/m3" => "kg/m³",
        "kg/m2" => "kg/m²",
        "W/m2" => "W/m²",
        "m/s2" => "m/s²",
        "m3/s" => "m³/s",
        "m3/h" => "m³/h",
        "m3" => "m³",
        "kW.h" => "kWh",
        "kV.A.h" => "kVAh",
        "V.A" => "VA",
        "N.m" => "Nm",
        "lm.h" => "lm h",
        "lx.h" => "lx h",
        "{beat}/min" | "{rev}/min" => "1/min",
        "{count}/m3" => "1/m³",
        other => other,
    }
}

pub(super) fn type_of(kind: ValueKind) -> PropertyType {
    match kind {
        ValueKind::Bool => PropertyType::Boolean,
        ValueKind::Int | ValueKind::UInt => PropertyType::Integer,
        ValueKind::Float => PropertyType::Number,
        ValueKind::Text => PropertyType::String,
        ValueKind::Bytes => PropertyType::Bytes,
    }
}

/// A service by its name, or by who holds its number.
pub(super) fn service(uuid: Uuid) -> String {
    let name = assigned::Kind::Service.name(uuid).or_else(|| assigned::holder(uuid));
    name.map_or_else(|| uuid.to_string(), str::to_owned)
}

/// As a binding names it: by its name, where that leads back to it.
pub(super) fn named(kind: assigned::Kind, uuid: Uuid) -> String {
    let name = kind.name(uuid).filter(|name| kind.find(name) == Ok(uuid));
    name.map_or_else(|| uuid.to_string(), str::to_owned)
}

/// A property's name of an assigned one: Battery Level is batteryLevel.
pub(super) fn camel(name: &str) -> String {
    let words = name.split(|c: char| !c.is_ascii_alphanumeric()).filter(|word| !word.is_empty());
    let text: String = words
        .enumerate()
        .map(|(at, word)| {
            let (first, rest) = word.split_at_checked(1).unwrap_or((word, ""));
            if at == 0 { word.to_ascii_lowercase() } else { first.to_ascii_uppercase() + rest }
        })
        .collect();
    names::property(&text)
}

/// At most so many characters.
pub(super) fn cut(text: &str, most: usize) -> String {
    if text.chars().count() <= most {
        return text.to_owned();
    }
    text.chars().take(most.saturating_sub(1)).chain(['…']).collect()
}
