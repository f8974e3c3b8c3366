//! A session against a server of which a test decides every byte.
mod laws;
mod peers;
mod proxy;
mod reconnect;
mod refused;
mod renewed;
mod subscription;

use super::*;
use crate::{
    liar::{Liar, PATIENCE, World},
    wire::Sample,
};
use opcua::types::{NumericRange, Variant};
use pollux_crds::{OpcUaDeadband, OpcUaDevice};
use serde_json::{Value as Json, json};
use std::{future::Future, pin::Pin};
use tokio::time::timeout;

/// Who is told, and what he was told.
#[derive(Debug, Default)]
struct Ear {
    told: std::sync::Mutex<Vec<Told>>,
    news: Notify,
    full: watch::Sender<bool>,
}
#[derive(Debug, Clone, PartialEq)]
enum Told {
    Value(u64, Variant, u32),
    Alive(Vec<u64>),
    Healing,
    Healed(bool),
    Gone(u64, Code),
    Undecodable(u64),
}
impl Ear {
    fn tell(&self, told: Told) {
        self.told.lock().unwrap().push(told);
        self.news.notify_waiters();
    }
    fn told(&self) -> Vec<Told> {
        self.told.lock().unwrap().clone()
    }
    fn values(&self, of: u64) -> Vec<Variant> {
        let value = |told| match told {
            Told::Value(key, value, _) if key == of => Some(value),
            _ => None,
        };
        self.told().into_iter().filter_map(value).collect()
    }
    async fn until(&self, what: &str, is: impl Fn(&[Told]) -> bool) {
        let wait = async {
            loop {
                let news = self.news.notified();
                if is(&self.told()) {
                    return;
                }
                news.await;
            }
        };
        let waited = timeout(PATIENCE, wait).await;
        assert!(waited.is_ok(), "never: {what}; told {:?}", self.told());
    }
    async fn until_value(&self, key: u64, value: impl Into<Variant>) {
        let value = value.into();
        self.until(&format!("{key} = {value:?}"), |told| {
            told.iter().any(|one| matches!(one, Told::Value(of, is, _) if (*of, is) == (key, &value)))
        })
        .await;
    }
}
impl Sink for Ear {
    fn samples(&self, batch: &mut dyn Iterator<Item = (u64, Sample)>) {
        batch.for_each(|(key, sample)| self.tell(Told::Value(key, sample.value, sample.status)));
    }
    fn alive(&self, keys: &[u64]) {
        self.tell(Told::Alive(keys.to_vec()));
    }
    fn healing(&self, why: &str) {
        eprintln!("healing: {why}");
        self.tell(Told::Healing);
    }
    fn healed(&self, kept: bool) {
        self.tell(Told::Healed(kept));
    }
    fn anew(&self, _: u64) {}
    fn gone(&self, key: u64, why: Code) {
        self.tell(Told::Gone(key, why));
    }
    fn undecodable(&self, key: u64) {
        self.tell(Told::Undecodable(key));
    }
    fn room(&self) -> Pin<Box<dyn Future<Output = ()> + Send + '_>> {
        let mut full = self.full.subscribe();
        Box::pin(async move { drop(full.wait_for(|full| !full).await) })
    }
}

fn settings(url: &str, more: &Json) -> Arc<Settings> {
    let mut device = json!({"url": url, "security": {"policy": "None", "insecure": true}, "subscription": {"minPublishingInterval": "20ms", "keepAlive": "1s"}});
    device.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    Arc::new(Settings::new(&serde_json::from_value::<OpcUaDevice>(device).unwrap()).unwrap())
}
async fn session(liar: &Liar, more: &Json) -> Arc<Session> {
    Arc::new(Session::connect(settings(&liar.url(), more), &Cx::default()).await.unwrap())
}
/// Polled in a task, as the engine does.
fn running(session: &Arc<Session>) -> tokio::task::JoinHandle<Error> {
    let session = session.clone();
    tokio::spawn(async move { session.run().await })
}
fn soon() -> Instant {
    Instant::now() + PATIENCE
}
fn item(key: u64, name: &str) -> Item {
    let (range, interval) = (NumericRange::None, Duration::from_millis(20));
    Item { key, node: World::id(name), range, interval, queue: None, deadband: None, each: false }
}
async fn watch(session: &Session, ear: &Arc<Ear>, items: Vec<Item>) -> Vec<Watched> {
    session.subscribe(items, ear.clone(), session.epoch(), soon()).await.unwrap()
}
