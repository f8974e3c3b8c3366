//! Characteristics of the Bluetooth SIG, by the field: those whose fields are always there from a generated table, the others by hand,
//! all after the GATT Specification Supplement (chapter 3), which has one section for each. A field has one unit: what a device may send in
//! either of two (°C or °F, kg or lb, mmHg or kPa) is converted to the first.
mod clock;
mod device;
mod exponential;
mod health;
mod layout;
mod numbers;
mod records;
mod sport;
#[cfg(test)]
mod tests;
mod walk;

pub use layout::Layout;

use crate::Uuid;

/// How a characteristic is laid out, if it is one that is known here.
pub fn of(uuid: Uuid) -> Option<&'static Layout> {
    let number = uuid.as_u16()?;
    all().find(|layout| layout.number() == number)
}

/// All that are known.
pub fn all() -> impl Iterator<Item = &'static Layout> {
    numbers::NUMBERS
        .iter()
        .chain(clock::LAYOUTS)
        .chain(device::LAYOUTS)
        .chain(health::LAYOUTS)
        .chain(sport::LAYOUTS)
        .chain(records::LAYOUTS)
}
