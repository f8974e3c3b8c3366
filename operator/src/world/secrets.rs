//! Which Secrets mappers may have, and what is in them: names of keys and their sizes, never a content. The Secrets of a namespace
//! are watched from when a Device or Channel there names one, and only those with the label. Whether the operator may is the
//! namespace's to say (chart value `secretNamespaces`).
use super::{
    World,
    keys::{Id, MapperKey, id, parts},
    shelf::Shelf,
    views::SecretView,
    watch::Sink,
};
use kube::{ResourceExt, core::Status, runtime::watcher};
use pollux_crds::{SecretKeys, channel_secrets, is_for_mappers, is_readable, no_secret};
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex, PoisonError},
};
use tokio::sync::watch;

/// So many lists fail before it is said, unless they are forbidden: an API server that is restarted is no news.
const PATIENCE: u32 = 5;

/// What is known of people's Secrets.
#[derive(Debug, Default)]
pub struct Secrets {
    facts: Shelf<SecretFact>,
    namespaces: watch::Sender<BTreeMap<Id, Reading>>,
    /// Secrets that the entries of a mapper name, those of edits that are refused not: what is in force may name others than spec.
    in_force: Mutex<BTreeMap<MapperKey, BTreeSet<Id>>>,
}

/// What is in a Secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SecretFact {
    /// Differs whenever it was written.
    pub version: String,
    /// Bytes of each key that a protocol may name.
    pub keys: SecretKeys,
}

/// How far the Secrets of a namespace are known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reading {
    /// They are being listed.
    Begun,
    /// They cannot be listed; how a sentence ends that says so.
    Failed(String),
    /// They are known.
    Listed,
}

/// Whether a Secret is there for mappers.
#[derive(Debug)]
pub enum Found {
    /// It is, with the label.
    There(Arc<SecretFact>),
    /// It is not, or has no label.
    Missing,
    /// Nobody knows; why, where that was told.
    Unread(Option<String>),
}

impl Secrets {
    /// Secrets of that namespace are named.
    pub fn follow(&self, namespace: &str) {
        self.namespaces.send_if_modified(|all| {
            let news = !all.contains_key(namespace);
            if news {
                all.insert(namespace.into(), Reading::Begun);
            }
            news
        });
    }
    /// The namespaces whose Secrets are named.
    pub fn namespaces(&self) -> watch::Receiver<BTreeMap<Id, Reading>> {
        self.namespaces.subscribe()
    }
    /// Waits until it is known of every namespace how it stands.
    pub async fn settled(&self) {
        let known = |all: &BTreeMap<Id, Reading>| all.values().all(|reading| *reading != Reading::Begun);
        self.namespaces().wait_for(known).await.expect("the sender is our own");
    }
    /// Whether a Secret is there for mappers.
    pub fn find(&self, namespace: &str, name: &str) -> Found {
        if let Some(fact) = self.facts.get(&id(namespace, name)) {
            return Found::There(fact);
        }
        match self.namespaces.borrow().get(namespace) {
            Some(Reading::Listed) => Found::Missing,
            Some(Reading::Failed(why)) => Found::Unread(Some(why.clone())),
            Some(Reading::Begun) | None => Found::Unread(None),
        }
    }
    /// What a Secret has, or why it cannot be had.
    pub fn keys(&self, namespace: &str, name: &str) -> Result<SecretKeys, String> {
        match self.find(namespace, name) {
            Found::There(fact) => Ok(fact.keys.clone()),
            Found::Missing => Err(no_secret(namespace, name)),
            Found::Unread(None) => Err(format!("the Secrets of namespace {namespace} are not read yet")),
            Found::Unread(Some(why)) => Err(format!("the operator cannot read Secrets of namespace {namespace}{why}")),
        }
    }
    /// The entries of a mapper name these.
    pub fn named_by(&self, mapper: &MapperKey, secrets: BTreeSet<Id>) {
        let mut all = self.in_force.lock().unwrap_or_else(PoisonError::into_inner);
        if secrets.is_empty() {
            all.remove(mapper);
        } else {
            all.insert(mapper.clone(), secrets);
        }
    }
    fn mappers_of(&self, which: impl Fn(&Id) -> bool) -> Vec<MapperKey> {
        let all = self.in_force.lock().unwrap_or_else(PoisonError::into_inner);
        all.iter().filter(|(_, secrets)| secrets.iter().any(&which)).map(|(mapper, _)| mapper.clone()).collect()
    }
    /// True: that is news.
    fn read(&self, namespace: &Id, now: Reading) -> bool {
        self.namespaces.send_if_modified(|all| {
            let old = all.get(namespace);
            // What was listed once is watched on: that a watch fails does not make it unknown.
            let news = old != Some(&now) && old != Some(&Reading::Listed);
            if news {
                all.insert(namespace.clone(), now);
            }
            news
        })
    }
}

impl World {
    /// Whether a Device names Secrets that are being listed right now: a moment later it is known whether they are there.
    pub fn awaits_secrets(&self, device: &Id) -> bool {
        let begun = || self.secrets.namespaces.borrow().get(parts(device).0) == Some(&Reading::Begun);
        let links = self.index().links(device).cloned().unwrap_or_default();
        let by_channel = || links.channel.as_ref().is_some_and(|channel| self.channel_names(channel, |_| true));
        (!links.secrets.is_empty() || by_channel()) && begun()
    }
    /// It cannot be had any more.
    pub fn secret_gone(&self, secret: &Id) {
        if self.secrets.facts.take(secret).is_some() {
            self.touch_secrets(parts(secret).0, |name| *name == **secret);
        }
    }
    /// The Secrets of a namespace are all known.
    pub fn secrets_listed(&self, namespace: &Id) {
        if self.secrets.read(namespace, Reading::Listed) {
            self.touch_secrets(namespace, |_| true);
        }
    }
    fn channel_names(&self, channel: &Id, which: impl Fn(&str) -> bool) -> bool {
        let channel = self.channels.get(channel);
        let spec = channel.as_ref().and_then(|channel| channel.0.as_ref().ok()).map(|channel| &channel.spec.protocol);
        spec.into_iter().flat_map(channel_secrets).any(|named| which(&named.name))
    }
    /// Devices that name such Secrets of a namespace are due, and their mappers, and those that name them by what is in force.
    fn touch_secrets(&self, namespace: &str, which: impl Fn(&str) -> bool) {
        let named = |name: &str| which(&id(namespace, name));
        let channels = self.channels.ids().into_iter().filter(|channel| parts(channel).0 == namespace);
        let channels: Vec<Id> = channels.filter(|channel| self.channel_names(channel, named)).collect();
        let devices: BTreeSet<Id> = {
            let index = self.index();
            let own = index.of_secrets(|secret| parts(secret).0 == namespace && which(secret));
            own.into_iter().chain(channels.iter().flat_map(|channel| index.of_channel(channel))).collect()
        };
        self.touch(devices, true);
        for mapper in self.secrets.mappers_of(|secret| parts(secret).0 == namespace && which(secret)) {
            self.touch_mapper(mapper);
        }
    }
}

/// The Secrets of one namespace that have the label.
#[derive(Debug)]
pub(super) struct Labelled {
    namespace: Id,
    /// Lists that failed.
    failures: u32,
}
impl Labelled {
    pub(super) fn new(namespace: Id) -> Self {
        Self { namespace, failures: 0 }
    }
}

impl Sink<SecretView> for Labelled {
    fn known(&self, world: &World) -> Vec<Id> {
        world.secrets.facts.ids().into_iter().filter(|secret| parts(secret).0 == &*self.namespace).collect()
    }
    fn changed(&mut self, world: &World, id: Id, object: SecretView) {
        if !is_for_mappers(object.labels()) {
            return self.gone(world, &id);
        }
        let version = object.resource_version().unwrap_or_default();
        let keys = object.data.unwrap_or_default().into_iter().filter(|(key, size)| is_readable(key, size.0));
        let fact = SecretFact { version, keys: keys.map(|(key, size)| (key, size.0)).collect() };
        let old = world.secrets.facts.put(id.clone(), fact.clone());
        if old.is_none_or(|old| *old != fact) {
            world.touch_secrets(&self.namespace, |name| *name == *id);
        }
    }
    fn gone(&mut self, world: &World, id: &Id) {
        world.secret_gone(id);
    }
    fn failed(&mut self, world: &World, error: &watcher::Error) {
        self.failures += 1;
        let status = status(error);
        let forbidden = status.is_some_and(|status| status.code == 403);
        if !forbidden && self.failures < PATIENCE {
            return;
        }
        let hint = if forbidden { " (chart value secretNamespaces)" } else { "" };
        let why = status.map_or_else(|| error.to_string(), |status| status.message.clone());
        let ending = format!("{hint}: {}", crate::conditions::cut(&why, 300));
        if world.secrets.read(&self.namespace, Reading::Failed(ending)) {
            world.touch_secrets(&self.namespace, |_| true);
        }
    }
}

/// The API server's own words, where it has any.
fn status(error: &watcher::Error) -> Option<&Status> {
    use watcher::Error::{InitialListFailed, WatchError, WatchFailed, WatchStartFailed};
    match error {
        InitialListFailed(error) | WatchStartFailed(error) | WatchFailed(error) => match error {
            kube::Error::Api(status) => Some(status),
            _ => None,
        },
        WatchError(status) => Some(status),
        watcher::Error::NoResourceVersion => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::world::watch::start;
    use http::{Request, Response, StatusCode, Uri};
    use kube::{Client, client::Body};
    use serde_json::{Value as Json, json};
    use std::{
        convert::Infallible,
        future::pending,
        sync::{
            Mutex,
            atomic::{AtomicBool, AtomicUsize, Ordering},
        },
        time::Duration,
    };
    use tokio_util::sync::CancellationToken;

    /// Namespaces plant, whose Devices name a Secret, and hall, whose Device does not.
    #[derive(Clone, Default)]
    struct Api {
        /// Whether the operator may read Secrets of plant.
        allowed: Arc<AtomicBool>,
        /// So many lists of Secrets fail.
        fail: Arc<AtomicUsize>,
        /// What was asked of Secrets of people.
        asked: Arc<Mutex<Vec<Uri>>>,
    }

    impl Api {
        fn client(&self) -> Client {
            let api = self.clone();
            let answer = move |request: Request<Body>| {
                let api = api.clone();
                async move {
                    let uri = request.uri().clone();
                    let (status, body) = api.answer(&uri);
                    if status == StatusCode::OK && uri.query().is_some_and(|q| q.contains("watch=true")) {
                        pending::<()>().await;
                    }
                    let body = Body::from(body.to_string().into_bytes());
                    Ok::<_, Infallible>(Response::builder().status(status).body(body).unwrap())
                }
            };
            Client::new(tower::service_fn(answer), "default")
        }
        fn answer(&self, uri: &Uri) -> (StatusCode, Json) {
            let of_people = uri.path().ends_with("/secrets") && !uri.path().contains("pollux-mappers");
            if of_people {
                self.asked.lock().unwrap().push(uri.clone());
            }
            let fewer = |left: usize| left.checked_sub(1);
            if of_people && self.fail.fetch_update(Ordering::SeqCst, Ordering::SeqCst, fewer).is_ok() {
                let status = json!({"kind": "Status", "status": "Failure", "message": "starting", "code": 503});
                return (StatusCode::SERVICE_UNAVAILABLE, status);
            }
            if of_people && !self.allowed.load(Ordering::SeqCst) {
                let status =
                    json!({"kind": "Status", "status": "Failure", "message": "secrets is forbidden", "code": 403});
                return (StatusCode::FORBIDDEN, status);
            }
            let device = |namespace: &str, transport: Json| json!({"metadata": {"name": "d", "namespace": namespace}, "spec": {"protocol": {"modbus": transport}}});
            let secret = json!({
                "metadata": {"name": "s", "namespace": "plant", "resourceVersion": "7", "labels": {"pollux.rs/for": "mappers"}},
                "data": {"tls.crt": "QUJD", "tls.key": "QQ==", "pin": "MTIzNDU2", "token.txt": "aHVudGVyMg=="},
            });
            let items = match uri.path().rsplit('/').next() {
                Some("devices") => vec![
                    device("plant", json!({"tls": {"host": "plc", "port": 802, "secret": "s"}})),
                    device("hall", json!({"tcp": {"host": "plc"}})),
                ],
                Some("secrets") if of_people => vec![secret],
                _ => vec![],
            };
            let list =
                json!({"apiVersion": "v1", "kind": "List", "metadata": {"resourceVersion": "1"}, "items": items});
            (StatusCode::OK, list)
        }
    }

    async fn until(what: &str, is: impl Fn() -> bool) {
        let wait = async {
            while !is() {
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        };
        tokio::time::timeout(Duration::from_mins(5), wait).await.unwrap_or_else(|_| panic!("{what}"));
    }

    #[tokio::test(start_paused = true)]
    async fn only_labelled_secrets_of_namespaces_that_name_one_are_asked_for_and_nobody_waits_for_them() {
        let (api, world, stop) = (Api::default(), Arc::new(World::default()), CancellationToken::new());
        let lists = start(&api.client(), &world, &stop);
        lists.complete().await;
        world.secrets.settled().await;
        let why =
            "the operator cannot read Secrets of namespace plant (chart value secretNamespaces): secrets is forbidden";
        until("that they cannot be read", || world.secrets.keys("plant", "s") == Err(why.into())).await;
        api.allowed.store(true, Ordering::SeqCst);
        let keys = [("tls.crt".to_owned(), 3), ("tls.key".to_owned(), 1), ("pin".to_owned(), 6)].into();
        until("that it is there", || world.secrets.keys("plant", "s") == Ok(SecretKeys::clone(&keys))).await;
        assert_eq!(world.secrets.keys("plant", "t"), Err(no_secret("plant", "t")));
        for uri in &*api.asked.lock().unwrap() {
            assert_eq!(uri.path(), "/api/v1/namespaces/plant/secrets");
            assert!(uri.query().is_some_and(|q| q.contains("labelSelector=pollux.rs%2Ffor%3Dmappers")), "{uri}");
        }
        assert!(!format!("{:?}", world.secrets).contains("aHVudGVyMg"), "no content is kept");
        stop.cancel();
    }

    /// What is said of the Secret while lists fail so often, until it is there.
    async fn said(fail: usize) -> BTreeSet<String> {
        let (api, world, stop) = (Api::default(), Arc::new(World::default()), CancellationToken::new());
        api.allowed.store(true, Ordering::SeqCst);
        api.fail.store(fail, Ordering::SeqCst);
        let lists = start(&api.client(), &world, &stop);
        lists.complete().await;
        let said = Mutex::new(BTreeSet::new());
        until("that it is there", || match world.secrets.keys("plant", "s") {
            Ok(_) => true,
            Err(why) => {
                said.lock().unwrap().insert(why);
                false
            }
        })
        .await;
        stop.cancel();
        said.into_inner().unwrap()
    }
    #[tokio::test(start_paused = true)]
    async fn a_list_that_fails_once_is_no_news_and_the_advice_is_only_for_who_may_not() {
        let unread = "the Secrets of namespace plant are not read yet".to_owned();
        let failed = "the operator cannot read Secrets of namespace plant: starting".to_owned();
        assert_eq!(said(3).await, [unread.clone()].into());
        assert_eq!(said(8).await, [unread, failed].into());
    }
}
