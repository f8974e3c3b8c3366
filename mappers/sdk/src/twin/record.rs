//! What a mapper must remember of a device's writes, so that nothing is written because something restarted.
use crate::convert::same;
use pollux_crds::{Access, Applied, EffectiveDevice, Value, hash};
use serde::{Deserialize, Serialize};
use std::{collections::BTreeMap, mem};

/// Texts of the annotation that are remembered: no copy of the slices is older than so many of them.
const TEXTS: usize = 16;

/// What is on the mapper's disk for one device. That there is one says that the mapper knew the device: a property without
/// an entry was then certainly never sent.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Record {
    /// By property.
    #[serde(default)]
    pub values: BTreeMap<String, Entry>,
    /// Last text of the annotation `pollux.rs/rewrite` that was acted upon.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rewrite: Option<String>,
    /// Hashes of the last texts before it: a copy of the slices that has one of them is an old one.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub rewritten: Vec<String>,
    /// The generation that was acted upon last: by an older one, such as an old copy of the slices, nothing is written.
    #[serde(default)]
    pub generation: i64,
    /// What the slice gave as acknowledged when the device was placed here.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub placed: BTreeMap<String, Applied>,
}

/// One desired value that was sent.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Entry {
    /// The value.
    pub value: Value,
    /// Hash of the wiring by which it went.
    pub wiring: String,
    /// How far it got.
    pub state: State,
}

impl Entry {
    pub(super) fn acknowledged(value: &Value, wiring: &str) -> Self {
        Self { value: value.clone(), wiring: wiring.to_owned(), state: State::Acknowledged }
    }
}

/// How far a value got.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum State {
    /// It may have left: this stands on the disk before the first byte does.
    Sending,
    /// The device acknowledged it, or was found to have it.
    Acknowledged,
}

impl Record {
    /// Where the disk has none: what the API server knows is taken; a value that cannot be read back counts as perhaps
    /// written, and the annotation as seen.
    pub(super) fn from_api(device: &EffectiveDevice) -> Self {
        let mut values = BTreeMap::new();
        for (name, value) in &device.desired {
            let Some((_, property)) = device.property(name) else { continue };
            let known = device.applied.get(name).filter(|a| same(&a.value, value));
            let entry = match known {
                Some(applied) => Some((applied.binding.clone(), State::Acknowledged)),
                None if property.access == Access::WriteOnly => Some((property.wiring.clone(), State::Sending)),
                None => None,
            };
            if let Some((wiring, state)) = entry {
                values.insert(name.clone(), Entry { value: value.clone(), wiring, state });
            }
        }
        Self { values, rewrite: device.rewrite.clone(), ..Self::default() }
    }
    /// The device was driven elsewhere since: what its slice gives as acknowledged only shrinks until it is placed anew.
    pub(super) fn is_outdated(&self, device: &EffectiveDevice) -> bool {
        let known = |(name, applied): (&String, &Applied)| {
            self.placed.get(name).is_some_and(|p| p.binding == applied.binding && same(&p.value, &applied.value))
        };
        !device.applied.iter().all(known)
    }
    /// This configuration is acted upon. True: that is news.
    pub(super) fn acts_upon(&mut self, device: &EffectiveDevice) -> bool {
        let news = self.generation != device.generation || self.placed != device.applied;
        self.generation = device.generation;
        self.placed.clone_from(&device.applied);
        news
    }
    /// Forgets what is not desired any more: set again, it is new.
    pub(super) fn prune(&mut self, device: &EffectiveDevice) -> bool {
        let before = self.values.len();
        self.values.retain(|name, entry| device.desired.get(name).is_some_and(|value| same(value, &entry.value)));
        self.values.len() != before
    }
    /// A new text means that every value is new.
    pub(super) fn rewrite(&mut self, device: &EffectiveDevice) -> bool {
        let new = device.rewrite.is_some() && device.rewrite != self.rewrite;
        if new {
            self.values.clear();
            let before = mem::replace(&mut self.rewrite, device.rewrite.clone());
            self.rewritten.extend(before.map(|text| hash(&text)));
            self.rewritten.drain(..self.rewritten.len().saturating_sub(TEXTS));
        }
        new
    }
    /// The text of the annotation, if a newer one than it was acted upon already. Only of a copy of the slices can that be said.
    pub(super) fn outlived(&self, device: &EffectiveDevice) -> Option<String> {
        let old = |text: &&String| self.rewrite.as_ref() != Some(*text) && self.rewritten.contains(&hash(text));
        device.rewrite.as_ref().filter(old).cloned()
    }
    /// Puts back what was there before a write that certainly was not done.
    pub(super) fn restore(&mut self, name: &str, prior: Option<Entry>) {
        match prior {
            Some(entry) => drop(self.values.insert(name.to_owned(), entry)),
            None => drop(self.values.remove(name)),
        }
    }
}
