//! Status codes as qualities (Part 4, 7.39; Part 8, 6.3).
use crate::Code;
use opcua::types::SubStatusCode;
use pollux_mapper::Quality;

/// What a code says of a value, and its name; info bits aside. One that the standard does not name has the name of its severity.
pub(crate) fn quality(status: u32) -> (Quality, &'static str) {
    let code = Code(status);
    let (quality, unnamed) = match (code.is_bad(), code.is_uncertain()) {
        (true, _) => (Quality::Bad, "Bad"),
        (_, true) => (Quality::Uncertain, "Uncertain"),
        _ => (Quality::Good, "Good"),
    };
    let named = SubStatusCode::from_value(status & 0xFFFF_0000).filter(|code| *code != SubStatusCode::Invalid);
    (quality, named.map_or(unnamed, |code| code.name()))
}
