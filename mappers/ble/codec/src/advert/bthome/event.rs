//! Events: what was done to a button or a dimmer. An event that is not in the list is shown by its number.
use crate::{Decoded, NoValue, Value};

/// Fields that tell what happened, and not what is.
pub(super) const FIELDS: [&str; 5] = ["button", "command", "commandArguments", "dimmer", "dimmerSteps"];

pub(super) fn button(event: u8) -> Decoded {
    named(
        event,
        match event {
            0x00 => return NoValue::NoEvent.into(),
            0x01 => "press",
            0x02 => "double_press",
            0x03 => "triple_press",
            0x04 => "long_press",
            0x05 => "long_double_press",
            0x06 => "long_triple_press",
            0x80 => "hold_press",
            // Not on the page yet; bthome-ble 3.25.0 has it.
            0x81 => "hold_release",
            _ => "",
        },
    )
}

pub(super) fn dimmer(event: u8) -> Decoded {
    named(
        event,
        match event {
            0x00 => return NoValue::NoEvent.into(),
            0x01 => "rotate_left",
            0x02 => "rotate_right",
            _ => "",
        },
    )
}

/// Not on the page yet; bthome-ble 3.25.0 has them.
pub(super) fn command(event: u8) -> Decoded {
    named(
        event,
        match event {
            0x00 => "off",
            0x01 => "on",
            0x02 => "toggle",
            0x03 => "step_up",
            0x04 => "step_down",
            _ => "",
        },
    )
}

fn named(event: u8, name: &'static str) -> Decoded {
    match name {
        "" => Value::Text(format!("0x{event:02X}").into()).into(),
        name => Value::Text(name.into()).into(),
    }
}
