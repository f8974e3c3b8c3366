//! What is to become of each device. Pure but for the driver's word on its configuration.
use super::{Known, Place, Placement};
use crate::{
    NodeConfig, Protocol,
    runtime::{
        compile::{Specs, compile},
        links::Identities,
    },
};
use pollux_crds::{EffectiveDevice, Mode, Writes};
use std::{collections::HashMap, fmt::Display, sync::Arc};

/// What is to become of a device, and in which form.
pub(super) struct Aim<P: Protocol> {
    /// The newest form, or the last valid one where the driver refuses that.
    pub(super) device: Arc<EffectiveDevice>,
    pub(super) goal: Goal<P>,
    /// Why a newer edit is not in force.
    pub(super) refused: Option<String>,
}

/// What is to become of a device.
pub(super) enum Goal<P: Protocol> {
    /// It is driven as it shall be.
    Stay(Arc<P::Endpoint>),
    /// It shall be driven so, there. What the engine takes is made again when its turn comes: of many devices it would take much room.
    Drive(Arc<P::Endpoint>),
    /// It shall not be driven.
    Park(Why),
}

impl<P: Protocol> Goal<P> {
    /// Where it shall be driven.
    pub(super) fn endpoint(&self) -> Option<&Arc<P::Endpoint>> {
        match self {
            Self::Stay(endpoint) | Self::Drive(endpoint) => Some(endpoint),
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
    identities: Identities,
    /// By resource: its settings, and who holds it.
    open: HashMap<String, (Arc<E>, String)>,
    /// By identity: resource and holder.
    real: HashMap<Arc<str>, (String, String)>,
}
impl<E: Eq + Display> Claims<E> {
    fn new(identities: Identities) -> Self {
        Self { identities, open: HashMap::new(), real: HashMap::new() }
    }
    fn claim(&mut self, endpoint: &Arc<E>, device: &EffectiveDevice) -> Result<(), Why> {
        let conflict = |message: String| Err(Why::Refused { reason: "EndpointConflict", message });
        let resource = endpoint.to_string();
        if let Some((first, holder)) = self.open.get(&resource) {
            if first == endpoint {
                return Ok(());
            }
            return conflict(format!("{resource} is open for {holder} with other settings; give both the same"));
        }
        if let Some(identity) = self.identities.get(&*resource) {
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
    /// What is to become of each device, in the order of the configuration.
    pub(super) fn goals(&mut self, config: &NodeConfig, specs: &mut Specs<P::Address>) -> Vec<Aim<P>> {
        let mut claims = Claims::new(self.shared.links.all());
        config.devices.iter().map(|device| self.aim(device, config, &mut claims, specs)).collect()
    }
    fn aim(
        &mut self,
        device: &Arc<EffectiveDevice>,
        config: &NodeConfig,
        claims: &mut Claims<P::Endpoint>,
        specs: &mut Specs<P::Address>,
    ) -> Aim<P> {
        let Some(known) = self.known.get_mut(&device.uid) else {
            return Aim { device: device.clone(), goal: Goal::Park(Why::Waiting), refused: None };
        };
        let mut aim = if device.mode == Mode::Off {
            Aim { device: device.clone(), goal: Goal::Park(Why::Off), refused: None }
        } else {
            judged(&*self.shared.protocol, device, known, config.writes, specs)
        };
        let of_source = || config.refusals.get(&device.uid).map(|r| kept(&aim.device, r.generation, &r.message));
        aim.refused = aim.refused.or_else(of_source);
        let Some(endpoint) = aim.goal.endpoint() else { return aim };
        match claims.claim(endpoint, &aim.device) {
            Err(why) => aim.goal = Goal::Park(why),
            Ok(()) if self.failed.contains(endpoint) => {
                let message = format!("the driver of {endpoint} ended abnormally; it is started again in a while");
                aim.goal = Goal::Park(Why::Refused { reason: "DriverFailed", message });
            }
            Ok(()) => {}
        }
        aim
    }
}

/// The driver's word on the newest form. Where it refuses that, the last valid one stays in force.
fn judged<P: Protocol>(
    protocol: &P,
    device: &Arc<EffectiveDevice>,
    known: &mut Known<P>,
    writes: Writes,
    specs: &mut Specs<P::Address>,
) -> Aim<P> {
    let refused_before = known.refused.as_ref().is_some_and(|(form, _)| form == device);
    if !refused_before {
        match goal(protocol, device, known, writes, specs) {
            Ok(goal) => {
                known.refused = None;
                return Aim { device: device.clone(), goal, refused: None };
            }
            Err(errors) => {
                let message = errors.join("; ");
                tracing::warn!(device = %device.key(), generation = device.generation, message, "edit refused");
                known.refused = Some((device.clone(), message));
            }
        }
    }
    let message = known.refused.as_ref().map(|(_, why)| why.clone()).unwrap_or_default();
    if let Some(valid) = known.valid.clone().filter(|valid| valid != device)
        && let Ok(goal) = goal(protocol, &valid, known, writes, specs)
    {
        let refused = Some(kept(&valid, device.generation, &message));
        return Aim { device: valid, goal, refused };
    }
    let goal = Goal::Park(Why::Refused { reason: "ConfigError", message });
    Aim { device: device.clone(), goal, refused: None }
}
fn goal<P: Protocol>(
    protocol: &P,
    form: &Arc<EffectiveDevice>,
    known: &Known<P>,
    writes: Writes,
    specs: &mut Specs<P::Address>,
) -> Result<Goal<P>, Vec<String>> {
    match &known.place {
        Place::At(endpoint) if known.is(form, writes) => Ok(Goal::Stay(endpoint.clone())),
        _ => compile(protocol, known.key, form, specs).map(|compiled| Goal::Drive(Arc::new(compiled.endpoint))),
    }
}
/// What is said of an edit that is not in force.
fn kept(in_force: &EffectiveDevice, refused: i64, why: &str) -> String {
    format!("generation {refused} is refused, generation {} stays in force: {why}", in_force.generation)
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
        let mut claims = Claims::new(Identities::new());
        assert_eq!(claims.claim(&Arc::new(Port("usb0", 9600)), &device("a")), Ok(()));
        assert_eq!(claims.claim(&Arc::new(Port("usb0", 9600)), &device("b")), Ok(()));
        assert_eq!(claims.claim(&Arc::new(Port("usb1", 19200)), &device("c")), Ok(()));
        let refused = message(claims.claim(&Arc::new(Port("usb0", 19200)), &device("d")));
        assert_eq!(refused, "usb0 is open for plant/a with other settings; give both the same");
    }
    #[test]
    fn two_names_of_one_resource_meet_by_what_it_really_is() {
        let real = [("usb0", "4:1"), ("by-id", "4:1"), ("usb1", "4:2")];
        let mut claims = Claims::new(real.map(|(name, id)| (name.into(), id.into())).into());
        assert_eq!(claims.claim(&Arc::new(Port("usb0", 1)), &device("a")), Ok(()));
        assert_eq!(claims.claim(&Arc::new(Port("usb0", 1)), &device("b")), Ok(()));
        assert_eq!(claims.claim(&Arc::new(Port("usb1", 1)), &device("c")), Ok(()));
        let refused = message(claims.claim(&Arc::new(Port("by-id", 1)), &device("d")));
        assert_eq!(refused, "by-id is usb0, which is open for plant/a; give both the same name");
    }
}
