//! For the driver's own commands (scan, probe, discover): how they end, and how what they found is shown.
pub mod names;
pub mod table;
pub mod yaml;

use crate::{Exit, Out};
use std::io::Write;

/// Ends with a remark.
pub fn end(out: &mut Out, exit: Exit, text: &str) -> Exit {
    out.remark(text);
    exit
}

/// Prints; a reader that has left ends the command.
pub fn print(out: &mut Out, text: &str) -> Exit {
    write!(out, "{text}").and_then(|()| out.flush()).map_or(Exit::Fault, |()| Exit::Ok)
}

/// A remark that may stand among YAML, on a line of its own: the log of a Pod can be applied as it is.
pub fn note(out: &mut Out, text: &str) {
    out.remark(&format!("# {}", crate::printable(text)));
}
