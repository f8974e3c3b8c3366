//! Two who open one resource with different settings: the later is refused. Pure.
use crate::world::{Conflicts, keys::Id};
use pollux_crds::Resource;
use std::collections::BTreeMap;

/// Whose word the settings of a device are, and so who is earlier or later.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Opener {
    /// Time of creation.
    pub(crate) created: i64,
    /// namespace/name.
    pub(crate) name: Id,
    /// Device or Channel.
    pub(crate) kind: &'static str,
}

/// A device that opens a resource.
#[derive(Clone, Debug)]
pub(crate) struct Opening {
    pub(crate) device: Id,
    pub(crate) opener: Opener,
    pub(crate) resource: Resource,
}

/// The devices that are refused, and why.
pub(crate) fn conflicts(openings: &[Opening]) -> Conflicts {
    let mut first: BTreeMap<&str, &Opening> = BTreeMap::new();
    for opening in openings {
        let known = first.entry(&opening.resource.key).or_insert(opening);
        if opening.opener < known.opener {
            *known = opening;
        }
    }
    let refused = |opening: &Opening| {
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

    fn opening(device: &str, opener: (&'static str, &str, i64), host: &str, timeout: &str) -> Opening {
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
        assert_eq!(refused.keys().map(|id| &**id).collect::<Vec<_>>(), ["n/b"]);
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
        assert_eq!(refused.keys().map(|id| &**id).collect::<Vec<_>>(), ["n/x", "n/y"]);
        assert!(refused["n/x"].starts_with("Channel n/two opens modbus tcp plc:502: "), "{}", refused["n/x"]);
    }
}
