//! What is to become of each device. Pure but for the driver's word on its configuration.
use super::{Known, Place, Placement};
use crate::{
    NodeConfig, Protocol,
    runtime::compile::{Compiled, compile},
};
use pollux_crds::{EffectiveDevice, Mode};
use std::{
    collections::{BTreeMap, HashMap},
    fmt::Display,
    sync::Arc,
};

/// What is to become of a device.
pub(super) enum Goal<P: Protocol> {
    /// It is driven as it shall be.
    Stay(P::Endpoint),
    /// It is driven, and its newest configuration is invalid: the last valid one stays in force.
    Keep { endpoint: P::Endpoint, message: String },
    /// It shall be driven so.
    Drive(Compiled<P>),
    /// It shall not be driven.
    Park(Why),
}

impl<P: Protocol> Goal<P> {
    /// Where it shall be driven.
    pub(super) fn endpoint(&self) -> Option<&P::Endpoint> {
        match self {
            Self::Stay(endpoint) | Self::Keep { endpoint, .. } => Some(endpoint),
            Self::Drive(compiled) => Some(&compiled.endpoint),
            Self::Park(_) => None,
        }
    }
}

/// Why a device is not driven.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Why {
    /// Its mode says so.
    Off,
    /// Until its resource was let go by others.
    Waiting,
    /// It cannot be.
    Refused { reason: &'static str, message: String },
}

/// Who opens what: of two that want one resource with different settings, or by two names, the first gets it.
struct Claims<E> {
    identities: BTreeMap<String, String>,
    /// By resource: its settings, and who holds it.
    open: HashMap<String, (E, String)>,
    /// By identity: resource and holder.
    real: HashMap<String, (String, String)>,
}
impl<E: Clone + Eq + Display> Claims<E> {
    fn new(identities: BTreeMap<String, String>) -> Self {
        Self { identities, open: HashMap::new(), real: HashMap::new() }
    }
    fn claim(&mut self, endpoint: &E, device: &EffectiveDevice) -> Result<(), Why> {
        let conflict = |message: String| Err(Why::Refused { reason: "EndpointConflict", message });
        let resource = endpoint.to_string();
        if let Some((first, holder)) = self.open.get(&resource) {
            if first == endpoint {
                return Ok(());
            }
            return conflict(format!("{resource} is open for {holder} with other settings; give both the same"));
        }
        if let Some(identity) = self.identities.get(&resource) {
            if let Some((other, holder)) = self.real.get(identity) {
                return conflict(format!("{resource} is {other}, which is open for {holder}; give both the same name"));
            }
            self.real.insert(identity.clone(), (resource.clone(), device.key()));
        }
        self.open.insert(resource, (endpoint.clone(), device.key()));
        Ok(())
    }
}

impl<P: Protocol> Placement<P> {
    /// The goal of each device, in the order of the configuration.
    pub(super) fn goals(&self, config: &NodeConfig) -> Vec<(Arc<EffectiveDevice>, Goal<P>)> {
        let mut claims = Claims::new(self.shared.links.all());
        let goal = |device: &Arc<EffectiveDevice>| (device.clone(), self.goal(device, config, &mut claims));
        config.devices.iter().map(goal).collect()
    }
    fn goal(&self, device: &Arc<EffectiveDevice>, config: &NodeConfig, claims: &mut Claims<P::Endpoint>) -> Goal<P> {
        if device.mode == Mode::Off {
            return Goal::Park(Why::Off);
        }
        let Some(known) = self.known.get(&device.uid) else { return Goal::Park(Why::Waiting) };
        let goal = match &known.place {
            Place::At(endpoint) if known.is(device, config.writes) => Goal::Stay(endpoint.clone()),
            _ => self.judged(device, known),
        };
        let Some(endpoint) = goal.endpoint() else { return goal };
        match claims.claim(endpoint, device) {
            Err(why) => Goal::Park(why),
            Ok(()) if self.failed.contains(endpoint) => Goal::Park(Why::Refused {
                reason: "DriverFailed",
                message: format!("the driver of {endpoint} ended abnormally; it is started again in a while"),
            }),
            Ok(()) => goal,
        }
    }
    fn judged(&self, device: &EffectiveDevice, known: &Known<P>) -> Goal<P> {
        match (compile(&*self.shared.protocol, known.key, device), &known.place) {
            (Ok(compiled), _) => Goal::Drive(compiled),
            (Err(errors), Place::At(endpoint)) => Goal::Keep { endpoint: endpoint.clone(), message: errors.join("; ") },
            (Err(errors), _) => Goal::Park(Why::Refused { reason: "ConfigError", message: errors.join("; ") }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::runtime::tests::device;

    #[derive(Debug, Clone, PartialEq, Eq)]
    struct Port(&'static str, u32);
    impl Display for Port {
        fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.write_str(self.0)
        }
    }
    fn message(claim: Result<(), Why>) -> String {
        match claim {
            Err(Why::Refused { reason: "EndpointConflict", message }) => message,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn the_first_decides_on_the_settings_of_a_resource() {
        let mut claims = Claims::new(BTreeMap::new());
        assert_eq!(claims.claim(&Port("usb0", 9600), &device("a")), Ok(()));
        assert_eq!(claims.claim(&Port("usb0", 9600), &device("b")), Ok(()));
        assert_eq!(claims.claim(&Port("usb1", 19200), &device("c")), Ok(()));
        let refused = message(claims.claim(&Port("usb0", 19200), &device("d")));
        assert_eq!(refused, "usb0 is open for plant/a with other settings; give both the same");
    }
    #[test]
    fn two_names_of_one_resource_meet_by_what_it_really_is() {
        let real = [("usb0", "4:1"), ("by-id", "4:1"), ("usb1", "4:2")];
        let mut claims = Claims::new(real.map(|(name, id)| (name.to_owned(), id.to_owned())).into());
        assert_eq!(claims.claim(&Port("usb0", 1), &device("a")), Ok(()));
        assert_eq!(claims.claim(&Port("usb0", 1), &device("b")), Ok(()));
        assert_eq!(claims.claim(&Port("usb1", 1), &device("c")), Ok(()));
        let refused = message(claims.claim(&Port("by-id", 1), &device("d")));
        assert_eq!(refused, "by-id is usb0, which is open for plant/a; give both the same name");
    }
}
