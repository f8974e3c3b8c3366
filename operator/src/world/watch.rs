//! Lists and watches. A stream that ends is begun anew with a back-off; now and then each is listed afresh, so that nothing
//! that was missed stays missed.
use super::{World, keys::Id, made::Made, route};
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
use pollux_crds::MAPPERS_NAMESPACE;
use serde::de::DeserializeOwned;
use std::{collections::HashSet, fmt::Debug, sync::Arc, time::Duration};
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
}

/// Feeds a sink until `stop`; `ready` is called when the first list is complete.
pub async fn follow<K, S>(api: Api<K>, world: &World, mut sink: S, ready: impl Fn(), stop: CancellationToken)
where
    K: Resource<DynamicType = ()> + Clone + DeserializeOwned + Debug + Send + 'static,
    S: Sink<K>,
{
    while !stop.is_cancelled() {
        let round = consume(&api, world, &mut sink, &ready);
        let relist = RELIST.mul_f64(0.8 + fastrand::f64() * 0.4);
        tokio::select! {
            () = stop.cancelled() => return,
            () = round => {}
            () = tokio::time::sleep(relist) => {}
        }
    }
}

async fn consume<K, S>(api: &Api<K>, world: &World, sink: &mut S, ready: &impl Fn())
where
    K: Resource<DynamicType = ()> + Clone + DeserializeOwned + Debug + Send + 'static,
    S: Sink<K>,
{
    let config = watcher::Config::default().timeout(crate::client::WATCH_SECONDS);
    let events = watcher(api.clone(), config).default_backoff();
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
            Err(error) => tracing::warn!(kind = %K::kind(&()), %error, "watch failed; it is begun anew"),
        }
    }
}

fn id_of<K: Resource>(object: &K) -> Id {
    super::keys::id(object.namespace().as_deref().unwrap_or_default(), &object.name_any())
}

/// Begins all watches. What is given back names the lists that are not complete yet.
pub fn start(client: &Client, world: &Arc<World>, stop: &CancellationToken) -> watch::Receiver<Vec<&'static str>> {
    let starter = Starter { world: world.clone(), stop: stop.clone(), unready: watch::Sender::new(vec![]) };
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
    starter.unready.subscribe()
}

struct Starter {
    world: Arc<World>,
    stop: CancellationToken,
    unready: watch::Sender<Vec<&'static str>>,
}

impl Starter {
    fn follow<K, S>(&self, kind: &'static str, api: Api<K>, sink: S)
    where
        K: Resource<DynamicType = ()> + Clone + DeserializeOwned + Debug + Send + Sync + 'static,
        S: Sink<K>,
    {
        self.unready.send_modify(|list| list.push(kind));
        let (world, stop, unready) = (self.world.clone(), self.stop.clone(), self.unready.clone());
        let ready = move || {
            unready.send_if_modified(|list| {
                let before = list.len();
                list.retain(|k| *k != kind);
                list.len() != before
            });
        };
        tokio::spawn(async move { follow(api, &world, sink, ready, stop).await });
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
