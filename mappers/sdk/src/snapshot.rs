//! The mapper's part of a device's status at one moment, as small as it can be kept: values by position, and what changes seldom
//! shared with the snapshot before. The status that people know is made of it when somebody wants it.
use crate::{Quality, convert::Cell};
use jiff::Timestamp;
use pollux_crds::{Applied, Condition, DeviceStatus, EffectiveDevice, EffectiveProperty, Note, Pending, Value};
use std::{borrow::Cow, collections::BTreeMap, sync::Arc};

/// What a device is, at one moment.
#[derive(Debug, Clone)]
pub struct Snapshot {
    /// Whose properties they are.
    device: Arc<EffectiveDevice>,
    head: Arc<Head>,
    values: Arc<[Shown]>,
    doubts: Arc<[Doubt]>,
    summary: Option<Arc<str>>,
}

/// All but the values and what is said of them.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Head {
    pub(crate) pending: BTreeMap<String, Pending>,
    pub(crate) applied: BTreeMap<String, Applied>,
    pub(crate) identification: BTreeMap<String, String>,
    pub(crate) learned: Vec<Note>,
    pub(crate) conditions: Arc<[Condition]>,
}

/// A value, and since when it holds.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Shown {
    pub(crate) value: Cell,
    pub(crate) since_ms: i64,
}

/// A property that is not Good.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Doubt {
    pub(crate) position: u32,
    pub(crate) quality: Quality,
    pub(crate) reason: Cow<'static, str>,
}

impl Snapshot {
    /// `values`: by position of the device's properties, none where nothing is to be reported. `doubts`: in that order.
    pub(crate) fn new(
        device: Arc<EffectiveDevice>,
        head: Arc<Head>,
        values: Arc<[Shown]>,
        doubts: Arc<[Doubt]>,
        summary: Option<Arc<str>>,
    ) -> Self {
        Self { device, head, values, doubts, summary }
    }
    /// As people know it: the mapper's part of status only (no nodeName, Accepted, Scheduled, Ready), ready to be applied.
    pub fn status(&self) -> DeviceStatus {
        let Head { pending, applied, identification, learned, conditions } = &*self.head;
        let mut status = DeviceStatus {
            uid: Some(self.device.uid.clone()),
            pending: pending.clone(),
            applied: applied.clone(),
            identification: identification.clone(),
            learned: learned.clone(),
            summary: self.summary().map(str::to_owned),
            conditions: conditions.to_vec(),
            ..DeviceStatus::default()
        };
        for (property, shown) in self.device.properties.iter().zip(&*self.values) {
            if let Some(value) = shown.value.value() {
                status.reported.insert(property.name.clone(), value);
                status.timestamps.insert(property.name.clone(), timestamp(shown.since_ms));
            }
        }
        for (name, doubt) in self.named_doubts() {
            let (quality, reason) = doubt.said();
            status.quality.insert(name.to_owned(), quality.to_owned());
            status.quality_reason.insert(name.to_owned(), reason);
        }
        status
    }
    /// The value that is reported of a property.
    pub fn value(&self, name: &str) -> Option<Value> {
        let (position, _) = self.device.property(name)?;
        self.values.get(position)?.value.value()
    }
    /// Connected, Healthy and InSync.
    pub fn conditions(&self) -> &[Condition] {
        &self.head.conditions
    }
    /// Desired values that are not confirmed yet.
    pub fn pending(&self) -> &BTreeMap<String, Pending> {
        &self.head.pending
    }
    /// Desired values that the device acknowledged.
    pub fn applied(&self) -> &BTreeMap<String, Applied> {
        &self.head.applied
    }
    /// The values of the model's summary in one line.
    pub fn summary(&self) -> Option<&str> {
        self.summary.as_deref()
    }
    /// How many properties are not Good.
    pub fn not_good(&self) -> usize {
        self.doubts.len()
    }
    /// How many values are reported.
    pub fn reported(&self) -> usize {
        self.values.iter().filter(|shown| shown.value.is_some()).count()
    }
    /// Each property: whether it has a value, and why it is not Good, if it is not.
    pub(crate) fn states(&self) -> impl Iterator<Item = (&EffectiveProperty, bool, Option<&str>)> {
        let mut doubts = self.doubts.iter().peekable();
        self.device.properties.iter().zip(&*self.values).enumerate().map(move |(position, (property, shown))| {
            let doubt = doubts.next_if(|doubt| doubt.position as usize == position);
            (property, shown.value.is_some(), doubt.map(|doubt| &*doubt.reason))
        })
    }
    pub(crate) fn head(&self) -> &Arc<Head> {
        &self.head
    }
    pub(crate) fn values(&self) -> &Arc<[Shown]> {
        &self.values
    }
    /// Whether the same is doubted for the same reasons, whatever positions the properties have.
    pub(crate) fn doubts_as(&self, other: &Self) -> bool {
        let named = |of: &Self| of.named_doubts().map(|(name, doubt)| (name.to_owned(), doubt.said())).collect();
        if Arc::ptr_eq(&self.device, &other.device) {
            return self.doubts == other.doubts;
        }
        let [mine, others]: [BTreeMap<_, _>; 2] = [named(self), named(other)];
        mine == others
    }
    fn named_doubts(&self) -> impl Iterator<Item = (&str, &Doubt)> {
        let name = |doubt: &Doubt| self.device.properties.get(doubt.position as usize).map(|p| p.name.as_str());
        self.doubts.iter().filter_map(move |doubt| Some((name(doubt)?, doubt)))
    }
}

impl Doubt {
    fn said(&self) -> (&'static str, String) {
        (word(self.quality), self.reason.clone().into_owned())
    }
}

/// Equal where the status is.
impl PartialEq for Snapshot {
    fn eq(&self, other: &Self) -> bool {
        if !Arc::ptr_eq(&self.device, &other.device) {
            return self.status() == other.status();
        }
        same_head(&self.head, &other.head)
            && self.summary == other.summary
            && self.values == other.values
            && self.doubts == other.doubts
    }
}

/// Compared only where it is not the same anyway.
pub(crate) fn same_head(a: &Arc<Head>, b: &Arc<Head>) -> bool {
    Arc::ptr_eq(a, b) || a == b
}
/// Compared only where it is not the same anyway.
pub(crate) fn same_device(a: &Arc<EffectiveDevice>, b: &Arc<EffectiveDevice>) -> bool {
    Arc::ptr_eq(a, b) || a == b
}

/// As it stands in status.
pub(crate) fn word(quality: Quality) -> &'static str {
    match quality {
        Quality::Good => "Good",
        Quality::Uncertain => "Uncertain",
        Quality::Bad => "Bad",
    }
}
/// RFC 3339.
pub(crate) fn timestamp(unix_ms: i64) -> String {
    Timestamp::from_millisecond(unix_ms).unwrap_or(Timestamp::UNIX_EPOCH).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::testing::{device, property, status};
    use proptest::prelude::*;

    fn of_three() -> Arc<EffectiveDevice> {
        let properties = ["a", "b", "c"].map(property).into_iter().collect();
        Arc::new(EffectiveDevice { properties, ..(*device("u", 1)).clone() })
    }
    fn shown() -> impl Strategy<Value = Shown> {
        let shown = |(value, since_ms): (u8, i64)| match value {
            0 => Shown::default(),
            1 => Shown { value: Cell::Whole(1), since_ms },
            2 => Shown { value: Cell::Single(0.1), since_ms },
            _ => Shown { value: Cell::Double(0.1), since_ms },
        };
        (0..4_u8, 0..2_i64).prop_map(shown)
    }
    fn doubt() -> impl Strategy<Value = Option<(Quality, &'static str)>> {
        let quality = prop_oneof![Just(Quality::Bad), Just(Quality::Uncertain)];
        prop::option::of((quality, prop_oneof![Just("Stale"), Just("no answer")]))
    }
    fn head() -> impl Strategy<Value = Head> {
        let head = |(connected, learned): (&str, bool)| Head {
            pending: BTreeMap::new(),
            applied: BTreeMap::new(),
            identification: BTreeMap::new(),
            learned: if learned { vec![Note("at most 60 registers".into())] } else { vec![] },
            conditions: status(0.0, connected).conditions.into(),
        };
        (prop_oneof![Just("True"), Just("False")], any::<bool>()).prop_map(head)
    }
    type Parts = (Head, Vec<Shown>, Vec<Option<(Quality, &'static str)>>, Option<&'static str>);
    fn parts() -> impl Strategy<Value = Parts> {
        let summary = prop_oneof![Just(None), Just(Some("a=1"))];
        (head(), prop::collection::vec(shown(), 3), prop::collection::vec(doubt(), 3), summary)
    }
    fn snapshot(device: &Arc<EffectiveDevice>, (head, values, doubts, summary): Parts) -> Snapshot {
        let doubts = (0..).zip(doubts).filter_map(|(position, doubt)| {
            let (quality, reason) = doubt?;
            Some(Doubt { position, quality, reason: reason.into() })
        });
        Snapshot::new(device.clone(), head.into(), values.into(), doubts.collect(), summary.map(Into::into))
    }
    /// One of the parts may be another one.
    fn pairs() -> impl Strategy<Value = (Parts, Parts)> {
        (parts(), parts(), 0..5_u8).prop_map(|(one, (head, values, doubts, summary), which)| {
            let mut other = one.clone();
            match which {
                0 => other.0 = head,
                1 => other.1 = values,
                2 => other.2 = doubts,
                3 => other.3 = summary,
                _ => {}
            }
            (one, other)
        })
    }

    proptest! {
        #[test]
        fn snapshots_are_equal_where_their_statuses_are_whether_or_not_they_share_a_device((one, other) in pairs()) {
            let (shared, own) = (of_three(), of_three());
            let (a, b) = (snapshot(&shared, one), snapshot(&shared, other));
            let c = Snapshot { device: own, ..b.clone() };
            let (old, new) = (a.status(), b.status());
            let doubted = (&old.quality, &old.quality_reason) == (&new.quality, &new.quality_reason);
            for other in [b, c] {
                prop_assert_eq!(a == other, old == new);
                prop_assert_eq!(a.doubts_as(&other), doubted);
            }
        }
    }
}
