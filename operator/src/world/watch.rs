//! Lists and watches. A stream that ends is begun anew with a back-off; now and then each is listed afresh, so that nothing
//! that was missed stays missed.
use super::{World, keys::Id, made::Made, route, secrets::Labelled, views::SecretView};
use futures_util::{StreamExt, pin_mut};
use k8s_openapi::{
    NamespaceResourceScope,
    api::{
        apps::v1::DaemonSet,
        core::v1::{Secret, ServiceAccount},
        rbac::v1::{Role, RoleBinding},
    },
};
use kube::{
    Api, Client, Resource, ResourceExt,
    api::PartialObjectMeta,
    runtime::{
        WatchStreamExt,
        watcher::{self, Event, watcher},
    },
};
use pollux_crds::{MAPPERS_NAMESPACE, SECRET_LABEL, SECRET_LABEL_VALUE};
use serde::de::DeserializeOwned;
use std::{
    collections::{BTreeMap, HashSet},
    fmt::Debug,
    sync::Arc,
    time::Duration,
};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

const RELIST: Duration = Duration::from_mins(30);

/// What is done with the objects of one kind.
pub trait Sink<K>: Send + 'static {
    /// Ids of the objects that are known, so that those can be told that a list does not have any more.
    fn known(&self, world: &World) -> Vec<Id>;
    /// An object is new, or changed.
    fn changed(&mut self, world: &World, id: Id, object: K);
    /// An object is gone.
    fn gone(&mut self, world: &World, id: &Id);
    /// A list or watch failed; it is begun anew.
    fn failed(&mut self, _world: &World, _error: &watcher::Error) {}
}

/// Feeds a sink until `stop`. A new `epoch` ends the watch and lists again; `ready` is called with the epoch in which a list
/// began, when it is complete.
async fn follow<K, S>(
    (api, config): (Api<K>, watcher::Config),
    world: &World,
    mut sink: S,
    mut epoch: watch::Receiver<u64>,
    ready: impl Fn(u64),
    stop: CancellationToken,
) where
    K: Resource<DynamicType = ()> + Clone + DeserializeOwned + Debug + Send + 'static,
    S: Sink<K>,
{
    while !stop.is_cancelled() {
        let begun = *epoch.borrow_and_update();
        let round = consume((&api, &config), world, &mut sink, || ready(begun));
        let relist = RELIST.mul_f64(0.8 + fastrand::f64() * 0.4);
        tokio::select! {
            () = stop.cancelled() => return,
            Ok(()) = epoch.changed() => {}
            () = round => {}
            () = tokio::time::sleep(relist) => {}
        }
    }
}

async fn consume<K, S>((api, config): (&Api<K>, &watcher::Config), world: &World, sink: &mut S, ready: impl Fn())
where
    K: Resource<DynamicType = ()> + Clone + DeserializeOwned + Debug + Send + 'static,
    S: Sink<K>,
{
    let events = watcher(api.clone(), config.clone()).default_backoff();
    pin_mut!(events);
    let mut unseen: HashSet<Id> = HashSet::new();
    while let Some(event) = events.next().await {
        match event {
            Ok(Event::Init) => unseen = sink.known(world).into_iter().collect(),
            Ok(Event::InitApply(object)) => {
                let id = id_of(&object);
                unseen.remove(&id);
                sink.changed(world, id, object);
            }
            Ok(Event::InitDone) => {
                for id in unseen.drain() {
                    sink.gone(world, &id);
                }
                ready();
            }
            Ok(Event::Apply(object)) => sink.changed(world, id_of(&object), object),
            Ok(Event::Delete(object)) => sink.gone(world, &id_of(&object)),
            Err(error) => {
                tracing::warn!(kind = %K::kind(&()), %error, "watch failed; it is begun anew");
                sink.failed(world, &error);
            }
        }
    }
}

fn config() -> watcher::Config {
    watcher::Config::default().timeout(crate::client::WATCH_SECONDS)
}

fn id_of<K: Resource>(object: &K) -> Id {
    super::keys::id(object.namespace().as_deref().unwrap_or_default(), &object.name_any())
}

/// The lists behind the watches.
#[derive(Debug, Clone)]
pub struct Lists {
    epoch: watch::Sender<u64>,
    /// In which epoch the last complete list of each kind began; 0: there is none yet.
    complete: watch::Sender<BTreeMap<&'static str, u64>>,
}

impl Lists {
    /// Of nothing, and so complete.
    #[cfg(test)]
    pub(crate) fn none() -> Self {
        Self { epoch: watch::Sender::new(1), complete: watch::Sender::default() }
    }
    /// Waits until everything was listed once.
    pub async fn complete(&self) {
        self.since(1).await;
    }
    /// Lists everything anew, and waits for it: what a watch shows may be old where its connection died quietly.
    pub async fn renew(&self) {
        let mut now = 0;
        self.epoch.send_modify(|epoch| {
            *epoch += 1;
            now = *epoch;
        });
        self.since(now).await;
    }
    async fn since(&self, epoch: u64) {
        let mut complete = self.complete.subscribe();
        complete.wait_for(|all| all.values().all(|begun| *begun >= epoch)).await.expect("the sender is our own");
    }
    /// Kinds that were not listed yet.
    pub fn missing(&self) -> Vec<&'static str> {
        self.complete.borrow().iter().filter(|(_, begun)| **begun == 0).map(|(kind, _)| *kind).collect()
    }
}

/// Begins all watches.
pub fn start(client: &Client, world: &Arc<World>, stop: &CancellationToken) -> Lists {
    let lists = Lists { epoch: watch::Sender::new(1), complete: watch::Sender::default() };
    let starter = Starter { world: world.clone(), stop: stop.clone(), lists };
    let mappers = MAPPERS_NAMESPACE;
    starter.follow("Device", Api::all(client.clone()), route::Devices);
    starter.follow("DeviceModel", Api::all(client.clone()), route::Models);
    starter.follow("Channel", Api::all(client.clone()), route::Channels);
    starter.follow("MapperClass", Api::all(client.clone()), route::Classes);
    starter.follow("Node", Api::all(client.clone()), route::Nodes);
    starter.follow("Pod", Api::namespaced(client.clone(), mappers), route::Pods);
    starter.follow("DeviceSlice", Api::namespaced(client.clone(), mappers), route::Slices);
    starter.follow("ValidatingAdmissionPolicy", Api::all(client.clone()), route::Policies);
    starter.follow("ValidatingAdmissionPolicyBinding", Api::all(client.clone()), route::Bindings);
    starter.follow("DeviceModelRevision", Api::namespaced(client.clone(), mappers), route::Revisions);
    starter.made::<ServiceAccount>("ServiceAccount", client);
    starter.made::<Secret>("Secret", client);
    starter.made::<Role>("Role", client);
    starter.made::<RoleBinding>("RoleBinding", client);
    starter.made::<DaemonSet>("DaemonSet", client);
    starter.secrets(client);
    starter.lists
}

struct Starter {
    world: Arc<World>,
    stop: CancellationToken,
    lists: Lists,
}

impl Starter {
    fn follow<K, S>(&self, kind: &'static str, api: Api<K>, sink: S)
    where
        K: Resource<DynamicType = ()> + Clone + DeserializeOwned + Debug + Send + Sync + 'static,
        S: Sink<K>,
    {
        let (world, stop, complete) = (self.world.clone(), self.stop.clone(), self.lists.complete.clone());
        complete.send_modify(|all| {
            all.insert(kind, 0);
        });
        let ready = move |begun| {
            complete.send_modify(|all| {
                all.insert(kind, begun);
            });
        };
        let epoch = self.lists.epoch.subscribe();
        tokio::spawn(async move { follow((api, config()), &world, sink, epoch, ready, stop).await });
    }
    /// Secrets of people, in each namespace from when one is named there. Nobody waits for them to be listed: they may not be
    /// readable, and that concerns only who names them.
    fn secrets(&self, client: &Client) {
        let (world, stop, epoch) = (self.world.clone(), self.stop.clone(), self.lists.epoch.clone());
        let client = client.clone();
        tokio::spawn(async move {
            let (mut named, mut followed) = (world.secrets.namespaces(), HashSet::new());
            while !stop.is_cancelled() {
                let all: Vec<Id> = named.borrow_and_update().keys().cloned().collect();
                for namespace in all.into_iter().filter(|namespace| followed.insert(namespace.clone())) {
                    tokio::spawn(labelled(client.clone(), namespace, world.clone(), epoch.subscribe(), stop.clone()));
                }
                tokio::select! {
                    () = stop.cancelled() => {}
                    Ok(()) = named.changed() => {}
                }
            }
        });
    }
    /// Of what the operator makes, metadata is enough.
    fn made<K>(&self, kind: &'static str, client: &Client)
    where
        K: Resource<DynamicType = (), Scope = NamespaceResourceScope>
            + Clone
            + DeserializeOwned
            + Debug
            + Send
            + Sync
            + 'static,
    {
        let api: Api<PartialObjectMeta<K>> = Api::namespaced(client.clone(), MAPPERS_NAMESPACE);
        self.follow(kind, api, Made::<K>::default());
    }
}

/// The Secrets of one namespace that have the label: no other is asked for.
async fn labelled(
    client: Client,
    namespace: Id,
    world: Arc<World>,
    epoch: watch::Receiver<u64>,
    stop: CancellationToken,
) {
    let api: Api<SecretView> = Api::namespaced(client, &namespace);
    let config = config().labels(&format!("{SECRET_LABEL}={SECRET_LABEL_VALUE}"));
    let ready = |_| world.secrets_listed(&namespace);
    follow((api, config), &world, Labelled::new(namespace.clone()), epoch, ready, stop).await;
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::{Request, Response};
    use kube::client::Body;
    use serde_json::json;
    use std::{
        convert::Infallible,
        future::pending,
        sync::atomic::{AtomicI64, Ordering},
    };

    /// Lists one Device of that generation, and nothing else. Its watches hang, as on a connection that died.
    fn api(generation: Arc<AtomicI64>) -> Client {
        let answer = move |request: Request<Body>| {
            let generation = generation.clone();
            async move {
                let uri = request.uri().clone();
                if uri.query().is_some_and(|q| q.contains("watch=true")) {
                    pending::<()>().await;
                }
                let meta = json!({"name": "d", "namespace": "n", "generation": generation.load(Ordering::SeqCst)});
                let device = json!({"metadata": meta, "spec": {"protocol": {"modbus": {"tcp": {"host": "h"}}}}});
                let items = if uri.path().ends_with("/devices") { vec![device] } else { vec![] };
                let list =
                    json!({"apiVersion": "v1", "kind": "List", "metadata": {"resourceVersion": "1"}, "items": items});
                Ok::<_, Infallible>(Response::new(Body::from(list.to_string().into_bytes())))
            }
        };
        Client::new(tower::service_fn(answer), "default")
    }

    #[tokio::test]
    async fn who_begins_to_lead_lists_anew_what_a_hanging_watch_did_not_tell() {
        let (generation, stop) = (Arc::new(AtomicI64::new(1)), CancellationToken::new());
        let world = Arc::new(World::default());
        let known = || {
            let device = world.device("n/d")?;
            device.0.as_ref().ok()?.metadata.generation
        };
        let story = async {
            let lists = start(&api(generation.clone()), &world, &stop);
            assert_eq!(lists.missing().len(), 15);
            lists.complete().await;
            assert_eq!((lists.missing(), known()), (vec![], Some(1)));
            generation.store(2, Ordering::SeqCst);
            lists.renew().await;
            assert_eq!(known(), Some(2));
        };
        tokio::time::timeout(Duration::from_secs(20), story).await.expect("a list was not begun");
        stop.cancel();
    }
}
