//! The mapper's word to the operator, in the status of each chunk: which of its devices are driven, at which generation, and
//! which were let go of. Channels stand in chunk 0. A state that the API server has is not written again.
use super::{Access, Said, assemble::Own, watch::Map};
use crate::{DeviceView, Hub, Instant, report};
use kube::Resource;
use pollux_crds::{DeviceSlice, DeviceSliceSpec, DeviceSliceStatus, MAPPERS_NAMESPACE, SliceChannel, Uid};
use serde_json::json;
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};
use tokio::{sync::watch, time::sleep_until};

/// Changes that come together become one write; also how often a busy hub is looked at.
const GATHER: Duration = Duration::from_millis(250);
const RETRY: (Duration, Duration) = (Duration::from_secs(1), Duration::from_mins(1));

/// What is known of one chunk's status on the API server.
#[derive(Debug, Default)]
struct Known {
    seen: Option<Arc<super::watch::Seen>>,
    status: Option<DeviceSliceStatus>,
    not_before: Option<Instant>,
    failures: u32,
    said: Said,
}

/// Speaks for ever.
pub(super) async fn speak(access: &Access, own: &Own, hub: &Hub, mut chunks: watch::Receiver<Map>) {
    let client = access.own();
    let mut version = hub.watch();
    let mut known = BTreeMap::<usize, Known>::new();
    loop {
        // Also the first time: what drives the devices starts with us.
        tokio::time::sleep(GATHER).await;
        version.borrow_and_update();
        let map = chunks.borrow_and_update().clone();
        known.retain(|chunk, _| map.contains_key(chunk));
        let (devices, released, channels) = (hub.devices(), hub.released(), hub.channels());
        let mut retry: Option<Instant> = None;
        for (chunk, seen) in &map {
            let known = known.entry(*chunk).or_default();
            known.look(seen);
            let want = word(&seen.spec, &devices, &released, if *chunk == 0 { &channels } else { &[] });
            if known.status.as_ref() == Some(&want) {
                known.said.over("slice status is written again");
                continue;
            }
            if known.not_before.is_none_or(|at| at <= Instant::now()) {
                known.write(&client, &own.slice(*chunk), want).await;
            }
            retry = [retry, known.not_before].into_iter().flatten().min();
        }
        tokio::select! {
            Ok(()) = version.changed() => {}
            Ok(()) = chunks.changed() => {}
            () = at(retry) => {}
        }
    }
}

async fn at(instant: Option<Instant>) {
    match instant {
        Some(instant) => sleep_until(instant).await,
        None => std::future::pending().await,
    }
}

impl Known {
    /// A watch that lags behind our own write makes us write once more, which changes nothing.
    fn look(&mut self, seen: &Arc<super::watch::Seen>) {
        if !self.seen.as_ref().is_some_and(|old| Arc::ptr_eq(old, seen)) {
            self.status = Some(seen.status.clone());
            self.seen = Some(seen.clone());
        }
    }
    async fn write(&mut self, client: &kube::Client, name: &str, want: DeviceSliceStatus) {
        let url = DeviceSlice::url_path(&(), Some(MAPPERS_NAMESPACE));
        let body = json!({
            "apiVersion": DeviceSlice::api_version(&()),
            "kind": DeviceSlice::kind(&()),
            "metadata": {"namespace": MAPPERS_NAMESPACE, "name": name},
            "status": want,
        });
        match report::apply_status(client, &url, name, &body).await {
            Ok(()) => (self.status, self.failures, self.not_before) = (Some(want), 0, None),
            Err(refusal) => {
                self.failures = self.failures.saturating_add(1);
                let own = report::backoff(self.failures, RETRY.0, RETRY.1, fastrand::f64());
                self.not_before = Some(Instant::now() + own.max(refusal.after().unwrap_or_default()));
                self.said.warn(&format!("status of slice {name} not written, trying again"), &refusal);
            }
        }
    }
}

/// What is to be said of a chunk. A tombstone that is still driven is still taken: the operator lets it go when it is not.
fn word(
    spec: &DeviceSliceSpec,
    driven: &BTreeMap<String, Arc<DeviceView>>,
    released: &BTreeSet<String>,
    channels: &[SliceChannel],
) -> DeviceSliceStatus {
    let taken = spec.devices.iter().filter_map(|d| Some((d.uid.clone(), driven.get(&d.uid)?.device.generation)));
    let let_go =
        |d: &&pollux_crds::SliceDevice| d.released && released.contains(&d.uid) && !driven.contains_key(&d.uid);
    DeviceSliceStatus {
        taken: taken.collect(),
        released: spec.devices.iter().filter(let_go).map(|d| Uid(d.uid.clone())).collect(),
        channels: channels.to_vec(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use pollux_crds::{DeviceStatus, SliceDevice};

    fn entry(uid: &str, released: bool) -> SliceDevice {
        SliceDevice { uid: uid.into(), released, revision: "r".into(), ..SliceDevice::default() }
    }

    #[test]
    fn each_chunk_speaks_of_its_own_devices_and_a_driven_tombstone_is_not_let_go() {
        let spec = DeviceSliceSpec {
            devices: vec![entry("a", false), entry("b", false), entry("c", true), entry("d", true), entry("e", true)],
            ..DeviceSliceSpec::default()
        };
        let hub = Hub::default();
        for (uid, generation) in [("a", 3), ("d", 1), ("elsewhere", 9)] {
            let device = crate::report::testing::device(uid, generation);
            hub.publish(&device, DeviceStatus::default().into());
        }
        let released = ["c", "d", "x"].map(String::from).into();
        let word = word(&spec, &hub.devices(), &released, &[]);
        assert_eq!(word.taken, [("a".to_owned(), 3), ("d".to_owned(), 1)].into());
        assert_eq!(word.released, [Uid("c".into())]);
    }
}
