//! Generated tables, sorted by number, and what their rows are.
pub(crate) mod characteristics;
pub(crate) mod companies;
pub(crate) mod descriptors;
pub(crate) mod members;
pub(crate) mod services;

/// An assigned number with its name, and its identifier after `org.bluetooth.`.
#[derive(Debug)]
pub(crate) struct Row {
    pub(crate) number: u16,
    pub(crate) name: &'static str,
    pub(crate) identifier: &'static str,
}

const fn row(number: u16, name: &'static str, identifier: &'static str) -> Row {
    Row { number, name, identifier }
}
