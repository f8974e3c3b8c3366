//! Kubernetes Events: a condition of a device turned. Only transitions, only a few: an event lost is no state lost.
use super::bucket::Bucket;
use crate::{DeviceView, Hub, Instant, snapshot::Head};
use kube::{
    Client, Resource,
    runtime::events::{Event, EventType, Recorder, Reporter},
};
use pollux_crds::{CONNECTED, Condition, Device, HEALTHY, IN_SYNC, condition};
use std::{collections::BTreeMap, sync::Arc, time::Duration};
use tokio_util::sync::CancellationToken;

/// Events per second in the long run; a burst of five may go at once.
const PER_SECOND: f64 = 0.2;
/// Conditions are looked at no more often; what turned and turned back in between is not told.
const EVERY: Duration = Duration::from_secs(1);
/// Longest time for one event.
const TIMEOUT: Duration = Duration::from_secs(5);
/// Longest note, by the API's own limit.
const LONGEST_NOTE: usize = 1000;

/// The reason of `InSync` that every edit passes through.
const WRITING: &str = "Writing";
/// Name under which events are told.
const CONTROLLER: &str = "pollux.rs/mapper";

pub(super) struct Teller(Recorder);

impl Teller {
    pub(super) fn new(client: Client, node: String) -> Self {
        Self(Recorder::new(client, Reporter { controller: CONTROLLER.into(), instance: Some(node) }))
    }
    /// Tells until `stop`.
    pub(super) async fn run(&self, hub: Arc<Hub>, stop: CancellationToken) {
        let mut version = hub.watch();
        let mut bucket = Bucket::new(PER_SECOND, Instant::now());
        let mut known = BTreeMap::new();
        let listen = async {
            loop {
                version.borrow_and_update();
                let views = hub.devices();
                for (view, event) in turned(&mut known, &views) {
                    if bucket.take(1.0, Instant::now()).is_ok() {
                        self.tell(&view, event).await;
                    }
                }
                tokio::time::sleep(EVERY).await;
                if version.changed().await.is_err() {
                    return;
                }
            }
        };
        tokio::select! {
            () = stop.cancelled() => {}
            () = listen => {}
        }
    }
    async fn tell(&self, view: &DeviceView, event: Event) {
        let device = Device {
            metadata: kube::api::ObjectMeta {
                namespace: Some(view.device.namespace.clone()),
                name: Some(view.device.name.clone()),
                uid: Some(view.device.uid.clone()),
                ..Default::default()
            },
            ..Default::default()
        };
        let object = device.object_ref(&());
        let told = tokio::time::timeout(TIMEOUT, self.0.publish(&event, &object)).await;
        if let Ok(Err(error)) = told {
            tracing::debug!(device = view.device.key(), %error, "event not taken");
        }
    }
}

type Known = BTreeMap<String, Arc<Head>>;

/// What turned since the last look. A device seen first has not turned.
fn turned(known: &mut Known, views: &BTreeMap<String, Arc<DeviceView>>) -> Vec<(Arc<DeviceView>, Event)> {
    known.retain(|uid, _| views.contains_key(uid));
    let mut events = Vec::new();
    for (uid, view) in views {
        let new = view.snapshot.head();
        let old = match known.get_mut(uid) {
            Some(known) if Arc::ptr_eq(known, new) => continue,
            Some(known) => std::mem::replace(known, new.clone()),
            None => {
                known.insert(uid.clone(), new.clone());
                continue;
            }
        };
        let fresh = new.conditions.iter().filter_map(|c| event(condition(&old.conditions, &c.type_)?, c));
        events.extend(fresh.map(|event| (view.clone(), event)));
    }
    events
}

/// Bad news and their end: from or to False. What was never known is no transition.
fn event(old: &Condition, new: &Condition) -> Option<Event> {
    let bad = new.status == "False";
    if old.status == new.status || !(bad || old.status == "False") {
        return None;
    }
    let reason = match (new.type_.as_str(), new.status.as_str()) {
        (CONNECTED, "False") => "Disconnected",
        (CONNECTED, "True") => "Connected",
        (HEALTHY, "False") => "Unhealthy",
        (HEALTHY, "True") => "Healthy",
        (IN_SYNC, "True") if old.reason != WRITING => "InSync",
        (IN_SYNC, "False") if new.reason != WRITING => "OutOfSync",
        _ => return None,
    };
    let note = format!("{}: {}", new.reason, new.message).chars().take(LONGEST_NOTE).collect();
    let type_ = if bad { EventType::Warning } else { EventType::Normal };
    Some(Event { type_, reason: reason.into(), note: Some(note), action: new.type_.clone(), secondary: None })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn condition(type_: &str, status: &str, reason: &str) -> Condition {
        Condition {
            type_: type_.into(),
            status: status.into(),
            reason: reason.into(),
            message: "no answer".into(),
            observed_generation: 1,
            last_transition_time: String::new(),
        }
    }
    fn told(type_: &str, old: &str, new: &str, reason: &str) -> Option<String> {
        event(&condition(type_, old, if old == "False" { reason } else { "Was" }), &condition(type_, new, reason))
            .map(|e| e.reason)
    }

    #[test]
    fn bad_news_and_their_end_are_told_and_nothing_else() {
        assert_eq!(told(CONNECTED, "True", "False", "Timeout").as_deref(), Some("Disconnected"));
        assert_eq!(told(CONNECTED, "False", "True", "Answered").as_deref(), Some("Connected"));
        assert_eq!(told(CONNECTED, "Unknown", "False", "Timeout").as_deref(), Some("Disconnected"));
        assert_eq!(told(CONNECTED, "Unknown", "True", "Answered"), None);
        assert_eq!(told(CONNECTED, "False", "False", "Refused"), None);
        assert_eq!(told(IN_SYNC, "True", "False", "Writing"), None, "every edit passes here");
        assert_eq!(told(IN_SYNC, "False", "True", "Writing"), None);
        assert_eq!(told(IN_SYNC, "False", "True", "Refused").as_deref(), Some("InSync"));
        assert_eq!(told(IN_SYNC, "True", "False", "Refused").as_deref(), Some("OutOfSync"));
        assert_eq!(told(HEALTHY, "True", "Unknown", "Off"), None);
    }
}
