//! Who is meant, among those who were heard. Pure.
use super::discover::{Ended, KEY_VARIABLE};
use crate::{
    Address,
    air::{Air, Heard},
};
use pollux_crds::Span;

/// Names that are told of where nobody has the one that was asked for.
const NAMES: usize = 10;

/// Nobody else has its name, and it can stand in a Device.
pub(super) fn is_alone(air: &Air, heard: &Heard) -> bool {
    let Some(name) = heard.name.as_deref().filter(|name| !name.is_empty() && !name.contains("${")) else {
        return false;
    };
    air.all().filter(|(_, other)| other.name.as_deref() == Some(name)).count() == 1
}

/// Whether its fields are known.
pub(super) fn readable(heard: &Heard, has_key: bool) -> Result<(), String> {
    for (format, spoken) in heard.formats.values().filter(|(_, spoken)| spoken.fields.is_empty()) {
        match &spoken.flaw {
            Some(pollux_ble_codec::Error::Encrypted) if !has_key => {
                return Err(format!(
                    "it encrypts what it advertises: set {KEY_VARIABLE} to its key of 32 hexadecimal digits, so that its fields are known"
                ));
            }
            Some(error) => return Err(format!("{format}: {error}")),
            None => {}
        }
    }
    Ok(())
}

/// Who is meant.
#[derive(Debug, Clone)]
pub(super) enum Whom {
    Address(Address),
    Name(String),
}

impl Whom {
    pub(super) fn of(text: &str) -> Self {
        text.parse().map_or_else(|_| Self::Name(text.to_owned()), Self::Address)
    }
    pub(super) fn is(&self, address: Address, heard: &Heard) -> bool {
        match self {
            Self::Address(own) => *own == address,
            Self::Name(own) => heard.name.as_ref() == Some(own),
        }
    }
    pub(super) fn all<'a>(&self, air: &'a Air) -> Vec<(Address, &'a Heard)> {
        air.all().filter(|(address, heard)| self.is(*address, heard)).collect()
    }
    pub(super) fn one(&self, air: &Air, time: Span) -> Result<(Address, Heard), Ended> {
        match (self.all(air).as_slice(), self) {
            ([(address, heard)], _) => Ok((*address, (*heard).clone())),
            ([], Self::Address(address)) => Err(Ended::Fault(format!(
                "{address} was not heard within {time}: it is out of reach, sends less often (--for), or is connected to somebody"
            ))),
            ([], Self::Name(name)) => {
                let mut heard: Vec<&str> = air.all().filter_map(|(_, heard)| heard.name.as_deref()).collect();
                heard.sort_unstable();
                heard.dedup();
                let more = if heard.len() > NAMES { ", …" } else { "" };
                heard.truncate(NAMES);
                let names: Vec<String> = heard.iter().map(|name| format!("{name:?}")).collect();
                let names = if names.is_empty() { "no name".to_owned() } else { names.join(", ") };
                Err(Ended::Fault(format!("nobody called {name:?} was heard within {time}; heard: {names}{more}")))
            }
            (several, _) => {
                let addresses: Vec<String> = several.iter().map(|(address, _)| address.to_string()).collect();
                Err(Ended::Fault(format!("several have that name, give an address: {}", addresses.join(", "))))
            }
        }
    }
}
