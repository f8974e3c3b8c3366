//! The judged properties of a device, kept once for all devices that have equal ones.
use crate::{EffectiveProperty, EffectiveReport};
use std::{
    collections::HashMap,
    hash::{DefaultHasher, Hash, Hasher},
    ops::{Deref, DerefMut},
    sync::{Arc, Weak},
};

/// Every property of a device, in the model's order. A clone shares them; who changes one copies them first.
#[derive(Clone, Debug)]
pub struct Properties(Arc<[EffectiveProperty]>);

impl Properties {
    /// Both are the same list, not only equal ones.
    pub fn is_shared_with(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
    /// What two lists that are equal have in common. What devices of one model may each have of their own is in it, or all of them
    /// would be compared with one another.
    fn key(&self) -> u64 {
        let mut hasher = DefaultHasher::new();
        self.0.len().hash(&mut hasher);
        for property in &*self.0 {
            let EffectiveReport { never, deadband, min_interval } = property.report;
            (&property.name, &property.wiring, &property.unit, property.interval, property.kind).hash(&mut hasher);
            (&property.read_group, property.stale_after, never, min_interval).hash(&mut hasher);
            let limits = [property.minimum, property.maximum, Some(deadband)].map(|limit| limit.map(bits));
            (limits, property.invalid.iter().copied().map(bits).collect::<Vec<_>>()).hash(&mut hasher);
        }
        hasher.finish()
    }
}

/// The same for equal numbers: for both zeros.
fn bits(number: f64) -> u64 {
    (number + 0.0).to_bits()
}

impl Default for Properties {
    fn default() -> Self {
        Self(Arc::new([]))
    }
}
impl From<Vec<EffectiveProperty>> for Properties {
    fn from(properties: Vec<EffectiveProperty>) -> Self {
        Self(properties.into())
    }
}
impl FromIterator<EffectiveProperty> for Properties {
    fn from_iter<I: IntoIterator<Item = EffectiveProperty>>(properties: I) -> Self {
        Self(properties.into_iter().collect())
    }
}
impl<'a> IntoIterator for &'a Properties {
    type Item = &'a EffectiveProperty;
    type IntoIter = std::slice::Iter<'a, EffectiveProperty>;
    fn into_iter(self) -> Self::IntoIter {
        self.0.iter()
    }
}
impl Deref for Properties {
    type Target = [EffectiveProperty];
    fn deref(&self) -> &Self::Target {
        &self.0
    }
}
impl DerefMut for Properties {
    fn deref_mut(&mut self) -> &mut Self::Target {
        Arc::make_mut(&mut self.0)
    }
}
/// Looked at only where they are not the same list.
impl PartialEq for Properties {
    fn eq(&self, other: &Self) -> bool {
        self.is_shared_with(other) || self.0 == other.0
    }
}

/// The lists in use: whoever makes a device takes its properties through here, and equal ones are kept once. What they depend on
/// (model, parameters, protocol) need not be known.
#[derive(Debug, Default)]
pub struct SharedProperties(HashMap<u64, Vec<Weak<[EffectiveProperty]>>>);

impl SharedProperties {
    /// The list that is in use already, where there is an equal one.
    pub fn share(&mut self, properties: Properties) -> Properties {
        let known = self.0.entry(properties.key()).or_default();
        let mut in_use = known.iter().filter_map(Weak::upgrade).map(Properties);
        if let Some(shared) = in_use.find(|shared| *shared == properties) {
            return shared;
        }
        known.push(Arc::downgrade(&properties.0));
        properties
    }
    /// Forgets those that no device has any more: until then their room is not given back.
    pub fn sweep(&mut self) {
        self.0.retain(|_, known| {
            known.retain(|list| list.strong_count() > 0);
            !known.is_empty()
        });
        self.0.shrink_to_fit();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Device, DeviceModel, Interval, Span, resolve};
    use serde_json::json;

    /// The properties of a device of a model with these names; the register of each has its position.
    fn properties(names: &[&str], scale: f64) -> Properties {
        let one = |(at, name): (usize, &&str)| {
            json!({"name": name, "type": "number", "scale": scale,
                "binding": {"modbus": {"table": "holding", "address": at, "dataType": "uint16"}}})
        };
        let model = json!({"metadata": {"name": "m"}, "spec": {"properties": names.iter().enumerate().map(one).collect::<Vec<_>>()}});
        let device = json!({"metadata": {"name": "d", "namespace": "n"},
            "spec": {"model": "m", "protocol": {"modbus": {"tcp": {"host": "h"}, "unitId": 1}}}});
        let model: DeviceModel = serde_json::from_value(model).unwrap();
        let device: Device = serde_json::from_value(device).unwrap();
        resolve(&device, Some(&model), None).unwrap().effective.properties
    }

    #[test]
    fn equal_lists_become_one_and_others_stay_apart() {
        let mut shared = SharedProperties::default();
        let first = shared.share(properties(&["a", "b"], 1.0));
        let second = shared.share(properties(&["a", "b"], 1.0));
        assert!(first.is_shared_with(&second));
        for other in [properties(&["a"], 1.0), properties(&["b", "a"], 1.0), properties(&["a", "b"], 2.0)] {
            assert!(!shared.share(other).is_shared_with(&first));
        }
        // Of the same names and wiring, and not the same for all that.
        let mut named = properties(&["a", "b"], 1.0);
        named[1].unit = Some("K".into());
        let named = shared.share(named);
        assert!(!named.is_shared_with(&first));
        assert_ne!(named, first);
    }

    #[test]
    fn what_a_device_may_have_of_its_own_is_told_without_comparing() {
        let plain = properties(&["a", "b"], 1.0);
        let edits: [fn(&mut EffectiveProperty); 10] = [
            |p| p.unit = Some("K".into()),
            |p| p.kind = crate::PropertyKind::Event,
            |p| p.minimum = Some(1.0),
            |p| p.maximum = Some(1.0),
            |p| p.interval = Interval::OnConnect,
            |p| p.read_group = Some("g".into()),
            |p| p.report.deadband += 0.5,
            |p| p.report.min_interval = Span::from_secs(77),
            |p| p.stale_after = Some(Span::from_secs(77)),
            |p| p.invalid = vec![-1.0],
        ];
        for (at, edit) in edits.into_iter().enumerate() {
            let mut edited = plain.clone();
            edit(&mut edited[1]);
            assert_ne!(edited.key(), plain.key(), "edit {at}");
        }
        let [mut zero, mut minus] = [plain.clone(), plain];
        (zero[0].minimum, minus[0].minimum) = (Some(0.0), Some(-0.0));
        assert_eq!((zero.key(), &zero), (minus.key(), &minus));
    }

    #[test]
    fn what_nobody_has_any_more_is_forgotten() {
        let mut shared = SharedProperties::default();
        let kept = shared.share(properties(&["a"], 1.0));
        drop(shared.share(properties(&["b"], 1.0)));
        shared.sweep();
        assert_eq!(shared.0.len(), 1);
        assert!(shared.share(properties(&["a"], 1.0)).is_shared_with(&kept));
    }

    #[test]
    fn a_change_copies_and_leaves_the_others_as_they_were() {
        let first = properties(&["a", "b"], 1.0);
        let mut second = first.clone();
        second[0].unit = Some("K".into());
        assert!(!second.is_shared_with(&first));
        assert_eq!((first[0].unit.as_deref(), second[0].unit.as_deref()), (None, Some("K")));
        assert_eq!(first[1], second[1]);
    }
}
