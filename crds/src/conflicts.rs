//! Two who open one resource with different settings: the later is refused. Pure; the operator asks it for each mapper, and a
//! mapper for its files.
use crate::{Device, Resolved, Resource, resource_key, secrets::with_secrets};
use std::collections::BTreeMap;

/// Whose word the settings of a device are, and so who is earlier or later.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Opener {
    /// Time of creation, or place in the files.
    pub created: i64,
    /// namespace/name.
    pub name: String,
    /// Device or Channel.
    pub kind: &'static str,
}

/// A device that opens a resource. `K`: how the caller names devices.
#[derive(Clone, Debug)]
pub struct Opening<K> {
    /// The device.
    pub device: K,
    /// Who says how.
    pub opener: Opener,
    /// What is opened, and how.
    pub resource: Resource,
}

impl<K> Opening<K> {
    /// What a device opens; None where the YAML cannot tell. `own` and `channel` say when a Device or a Channel was there: a
    /// device that takes its Channel's settings is the Channel's, one that says otherwise speaks for itself.
    pub fn of(
        key: K,
        device: &Device,
        resolved: &Resolved,
        own: i64,
        channel: impl Fn(&str) -> Option<i64>,
    ) -> Option<Self> {
        let full = |name: &str| match resolved.device.namespace.as_str() {
            "" => name.to_owned(),
            namespace => format!("{namespace}/{name}"),
        };
        let resource = resource_key(&with_secrets(&resolved.device.protocol.0, full))?;
        let takes = device.spec.protocol.modbus.as_ref().is_none_or(|m| m.connect_timeout.is_none());
        let shared = resolved.device.channel.as_deref().filter(|_| takes).and_then(|name| Some((name, channel(name)?)));
        let opener = match shared {
            Some((name, created)) => Opener { created, name: full(name), kind: "Channel" },
            None => Opener { created: own, name: full(&resolved.device.name), kind: "Device" },
        };
        Some(Self { device: key, opener, resource })
    }
}

/// The devices that are refused, and why.
pub fn conflicts<K: Clone + Ord>(openings: &[Opening<K>]) -> BTreeMap<K, String> {
    let mut first: BTreeMap<&str, &Opening<K>> = BTreeMap::new();
    for opening in openings {
        let known = first.entry(&opening.resource.key).or_insert(opening);
        if opening.opener < known.opener {
            *known = opening;
        }
    }
    let refused = |opening: &Opening<K>| {
        let earlier = first.get(&*opening.resource.key)?;
        let differs = opening.resource.differs(&earlier.resource)?;
        let Opener { kind, name, .. } = &earlier.opener;
        let by = &opening.opener;
        let who = if by.kind == "Channel" { format!("Channel {} opens ", by.name) } else { String::new() };
        let message = format!(
            "{who}{}: {differs} as in {kind} {name}, which was there first and opens it too",
            opening.resource.key
        );
        Some((opening.device.clone(), message))
    };
    openings.iter().filter_map(refused).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn opening(device: &str, opener: (&'static str, &str, i64), host: &str, timeout: &str) -> Opening<String> {
        let (kind, name, created) = opener;
        let settings = [("connectTimeout", timeout.to_owned())].into();
        let resource = Resource { key: format!("modbus tcp {host}:502"), settings };
        Opening { device: device.into(), opener: Opener { created, name: name.into(), kind }, resource }
    }

    #[test]
    fn the_later_is_refused_and_told_by_whom_and_with_which_values() {
        let all = [
            opening("n/b", ("Device", "n/b", 2), "plc", "2s"),
            opening("n/a", ("Device", "n/a", 1), "plc", "5s"),
            opening("n/c", ("Device", "n/c", 3), "plc", "5s"),
            opening("n/d", ("Device", "n/d", 4), "other", "9s"),
        ];
        let refused = conflicts(&all);
        assert_eq!(refused.keys().collect::<Vec<_>>(), ["n/b"]);
        assert_eq!(
            refused["n/b"],
            "modbus tcp plc:502: connectTimeout 2s, not 5s as in Device n/a, which was there first and opens it too"
        );
    }

    #[test]
    fn of_the_same_age_the_name_decides_and_all_devices_of_a_channel_go_with_it() {
        let all = [
            opening("n/x", ("Channel", "n/two", 1), "plc", "2s"),
            opening("n/y", ("Channel", "n/two", 1), "plc", "2s"),
            opening("n/z", ("Channel", "n/one", 1), "plc", "5s"),
        ];
        let refused = conflicts(&all);
        assert_eq!(refused.keys().collect::<Vec<_>>(), ["n/x", "n/y"]);
        assert!(refused["n/x"].starts_with("Channel n/two opens modbus tcp plc:502: "), "{}", refused["n/x"]);
    }
}
