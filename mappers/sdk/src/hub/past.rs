//! What happened last at the devices, for listeners that were away.
use pollux_crds::{EffectiveDevice, Value};
use serde_json::Value as Json;
use std::{collections::VecDeque, mem::size_of, sync::Arc};

/// So many are kept at most, and so many bytes.
const MOST: usize = 4096;
const BYTES: usize = 4 * 1024 * 1024;

/// Something that happened at a device: a value of a property of kind Event.
#[derive(Debug, Clone, PartialEq)]
pub struct Happening {
    /// The how manieth of all that happened since the mapper started; the hub gives it.
    pub number: u64,
    /// Where. By its names alone: what it was configured as is not kept for that.
    pub namespace: String,
    /// Where.
    pub name: String,
    /// Where.
    pub uid: String,
    /// At which of its properties.
    pub property: String,
    /// What.
    pub value: Value,
    /// Unix ms: the device's own where it has one, else when it arrived.
    pub time_ms: i64,
}

impl Happening {
    /// At this device.
    pub fn at(device: &EffectiveDevice, property: &str, value: Value, time_ms: i64) -> Self {
        let (namespace, name, uid) = (device.namespace.clone(), device.name.clone(), device.uid.clone());
        Self { number: 0, namespace, name, uid, property: property.to_owned(), value, time_ms }
    }
    /// Bytes that it takes, about.
    fn size(&self) -> usize {
        let texts = [&self.namespace, &self.name, &self.uid, &self.property];
        size_of::<Self>() + texts.into_iter().map(String::len).sum::<usize>() + size(&self.value.0)
    }
}

/// What a value takes beside itself.
fn size(value: &Json) -> usize {
    const NODE: usize = 2 * size_of::<Json>(); // with what a map needs for it
    match value {
        Json::Null | Json::Bool(_) | Json::Number(_) => 0,
        Json::String(text) => text.len(),
        Json::Array(items) => items.iter().map(|item| NODE + size(item)).sum(),
        Json::Object(members) => members.iter().map(|(name, item)| 2 * NODE + name.len() + size(item)).sum(),
    }
}

/// What a listener has not heard.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Missed {
    /// In order.
    pub kept: Vec<Arc<Happening>>,
    /// So many before them are kept no longer.
    pub lost: u64,
}

#[derive(Debug, Default)]
pub(super) struct Past {
    kept: VecDeque<(Arc<Happening>, usize)>,
    bytes: usize,
    count: u64,
}

impl Past {
    pub(super) fn count(&self) -> u64 {
        self.count
    }
    pub(super) fn keep(&mut self, happening: Happening) -> Arc<Happening> {
        self.count += 1;
        let happening = Arc::new(Happening { number: self.count, ..happening });
        let size = happening.size();
        self.bytes += size;
        self.kept.push_back((happening.clone(), size));
        while self.kept.len() > MOST || self.bytes > BYTES {
            let Some((_, size)) = self.kept.pop_front() else { break };
            self.bytes -= size;
        }
        happening
    }
    pub(super) fn since(&self, count: u64) -> Missed {
        let first = self.count - self.kept.len() as u64; // before those that are kept
        let heard = usize::try_from(count.saturating_sub(first)).unwrap_or(usize::MAX);
        let kept = self.kept.iter().skip(heard).map(|(happening, _)| happening.clone()).collect();
        Missed { kept, lost: first.saturating_sub(count) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn press(value: Json) -> Happening {
        Happening::at(&crate::report::testing::device("a", 1), "button", value.into(), 7)
    }
    fn numbers(past: &Past, count: u64) -> (Vec<u64>, u64) {
        let Missed { kept, lost } = past.since(count);
        (kept.iter().map(|one| one.number).collect(), lost)
    }

    #[test]
    fn the_last_are_kept_by_count_and_by_bytes_and_how_many_are_gone_is_known() {
        let mut past = Past::default();
        assert_eq!(numbers(&past, 0), (vec![], 0));
        (0..3).for_each(|_| drop(past.keep(press(json!("press")))));
        assert_eq!(numbers(&past, 0), (vec![1, 2, 3], 0));
        assert_eq!(
            (numbers(&past, 2), numbers(&past, 3), numbers(&past, 99)),
            ((vec![3], 0), (vec![], 0), (vec![], 0))
        );
        (3..MOST + 10).for_each(|_| drop(past.keep(press(json!("press")))));
        let (kept, lost) = numbers(&past, 2);
        assert_eq!((kept.len(), kept[0], lost), (MOST, 11, 8));
        let large = json!({"text": "x".repeat(BYTES / 8), "list": vec![0; 10]});
        (0..100).for_each(|_| drop(past.keep(press(large.clone()))));
        assert!(past.bytes <= BYTES && past.kept.len() == 7, "{} of {} bytes", past.kept.len(), past.bytes);
        past.keep(press(json!("x".repeat(BYTES + 1))));
        assert_eq!((past.bytes, past.kept.len()), (0, 0), "one that is too large for that is told, and not kept");
        assert_eq!(numbers(&past, past.count() - 1), (vec![], 1));
        let numbers = json!([vec![0; 1000], {"a": 1}]);
        assert!(size(&numbers) >= 1001 * size_of::<Json>(), "numbers take more than their digits");
    }
}
