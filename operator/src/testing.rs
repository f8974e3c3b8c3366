//! For tests: an API server in memory, and a cluster of one operator and two nodes on it.
use crate::{
    Context, Error, device,
    events::Events,
    mapper,
    metrics::Metrics,
    owner::Ownership,
    world::{
        World,
        keys::{Id, MapperKey, id},
        views::NodeView,
    },
};
use http::{Method, Request, Response, StatusCode};
use kube::{Client, client::Body};
use pollux_crds::{DeviceSlice, MAPPERS_NAMESPACE, slice_name};
use serde::de::DeserializeOwned;
use serde_json::{Map, Value as Json, json};
use std::{
    collections::BTreeMap,
    convert::Infallible,
    sync::{Arc, Mutex},
};
use tokio::sync::Semaphore;

/// Objects by path. It keeps what the operator counts on: resource versions and their conflicts, uids, 404 and 409.
#[derive(Clone, Default)]
pub(crate) struct FakeApi(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    objects: BTreeMap<String, Json>,
    version: u64,
    /// Verb and path of each write, in order.
    writes: Vec<String>,
    fault: Option<Fault>,
    /// Entries and revisions in whose JSON this stands are refused, as a schema would.
    refused: Option<String>,
    held: Option<Hold>,
    /// All slices after each write of one.
    history: Vec<Slices>,
}

/// Calls whose verb and path begin alike, each of which waits for a permit.
#[derive(Clone)]
pub(crate) struct Hold {
    calls: String,
    /// Calls that wait.
    pub(crate) arrived: Arc<Semaphore>,
    pub(crate) permits: Arc<Semaphore>,
}

/// Slices by path.
pub(crate) type Slices = BTreeMap<String, DeviceSlice>;

/// One write that ends in an error.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Fault {
    /// Slice writes before it that go well.
    pub(crate) after: usize,
    /// Only the answer is lost.
    pub(crate) done: bool,
}

impl FakeApi {
    pub(crate) fn client(&self) -> Client {
        let api = self.clone();
        let answer = move |request: Request<Body>| {
            let api = api.clone();
            async move {
                let (parts, body) = request.into_parts();
                let bytes = body.collect_bytes().await.unwrap();
                let body = serde_json::from_slice(&bytes).unwrap_or_default();
                let merge = parts.headers.get("content-type").is_some_and(|t| t == "application/merge-patch+json");
                let call = format!("{} {}", parts.method, parts.uri.path());
                let held = api.0.lock().unwrap().held.clone().filter(|hold| call.starts_with(&hold.calls));
                if let Some(hold) = held {
                    hold.arrived.add_permits(1);
                    hold.permits.acquire().await.unwrap().forget();
                }
                let (status, json) = api.0.lock().unwrap().answer(&parts.method, parts.uri.path(), body, merge);
                let response = Response::builder().status(status).body(Body::from(json.to_string().into_bytes()));
                Ok::<_, Infallible>(response.unwrap())
            }
        };
        Client::new(tower::service_fn(answer), "default")
    }
    pub(crate) fn get(&self, path: &str) -> Option<Json> {
        self.0.lock().unwrap().objects.get(path).cloned()
    }
    pub(crate) fn put(&self, path: &str, object: Json) -> Json {
        let mut state = self.0.lock().unwrap();
        let stored = state.store(path, object).1;
        state.remember();
        stored
    }
    pub(crate) fn remove(&self, path: &str) {
        self.0.lock().unwrap().objects.remove(path);
    }
    /// A write of a slice fails, once.
    pub(crate) fn fail(&self, fault: Fault) {
        self.0.lock().unwrap().fault = Some(fault);
    }
    pub(crate) fn refuse(&self, needle: Option<&str>) {
        self.0.lock().unwrap().refused = needle.map(Into::into);
    }
    pub(crate) fn hold(&self, calls: &str) -> Hold {
        let closed = || Arc::new(Semaphore::new(0));
        let hold = Hold { calls: calls.into(), arrived: closed(), permits: closed() };
        self.0.lock().unwrap().held = Some(hold.clone());
        hold
    }
    pub(crate) fn take_history(&self) -> Vec<Slices> {
        std::mem::take(&mut self.0.lock().unwrap().history)
    }
    /// The objects of a collection.
    pub(crate) fn all(&self, path: &str) -> Vec<Json> {
        self.0.lock().unwrap().list(path)["items"].as_array().unwrap().clone()
    }
    pub(crate) fn take_writes(&self) -> Vec<String> {
        std::mem::take(&mut self.0.lock().unwrap().writes)
    }
}

fn refusal(code: StatusCode, reason: &str) -> (StatusCode, Json) {
    (code, json!({"kind": "Status", "status": "Failure", "reason": reason, "message": reason, "code": code.as_u16()}))
}

impl State {
    fn store(&mut self, path: &str, mut object: Json) -> (StatusCode, Json) {
        self.version += 1;
        object["metadata"]["resourceVersion"] = json!(self.version.to_string());
        self.objects.insert(path.into(), object.clone());
        (StatusCode::OK, object)
    }

    /// A collection's objects.
    fn list(&self, path: &str) -> Json {
        let within =
            |p: &str| p.strip_prefix(path).and_then(|rest| rest.strip_prefix('/')).is_some_and(|n| !n.contains('/'));
        let items: Vec<_> = self.objects.iter().filter(|(path, _)| within(path)).map(|(_, json)| json).collect();
        json!({"kind": "List", "apiVersion": "v1", "metadata": {}, "items": items})
    }

    fn answer(&mut self, method: &Method, path: &str, body: Json, merge: bool) -> (StatusCode, Json) {
        if let Some(refusal) = self.judge(method, path, &body) {
            return refusal;
        }
        if *method == Method::GET || !path.contains("/deviceslices") {
            return self.carry_out(method, path, body, merge);
        }
        let fault = self.fault.take();
        self.fault = fault.and_then(|f| f.after.checked_sub(1).map(|after| Fault { after, ..f }));
        let fails = fault.filter(|f| f.after == 0);
        let broken = || refusal(StatusCode::INTERNAL_SERVER_ERROR, "InternalError");
        if fails.is_some_and(|f| !f.done) {
            return broken();
        }
        let answer = self.carry_out(method, path, body, merge);
        self.remember();
        if fails.is_some() { broken() } else { answer }
    }

    fn judge(&self, method: &Method, path: &str, body: &Json) -> Option<(StatusCode, Json)> {
        let bad = |json: &Json| self.refused.as_ref().is_some_and(|needle| json.to_string().contains(needle));
        let cause = |field: String| json!({"reason": "FieldValueInvalid", "message": "not so", "field": field});
        let entries = body["spec"]["devices"].as_array().into_iter().flatten().enumerate();
        let causes: Vec<_> = match (method.as_str(), path) {
            ("POST", path) if path.ends_with("/devicemodelrevisions") && bad(body) => vec![cause("spec.x".into())],
            ("POST" | "PUT", path) if path.contains("/deviceslices") => {
                entries.filter(|(_, e)| bad(e)).map(|(i, _)| cause(format!("spec.devices[{i}].x"))).collect()
            }
            _ => vec![],
        };
        let (code, mut status) = refusal(StatusCode::UNPROCESSABLE_ENTITY, "Invalid");
        status["details"] = json!({ "causes": causes });
        (!causes.is_empty()).then_some((code, status))
    }

    fn remember(&mut self) {
        let slices = self.objects.iter().filter(|(path, _)| path.contains("/deviceslices/"));
        self.history.push(slices.map(|(path, json)| (path.clone(), typed(json))).collect());
    }

    fn carry_out(&mut self, method: &Method, path: &str, body: Json, merge: bool) -> (StatusCode, Json) {
        // Events are told in their own time.
        if method != Method::GET && !path.ends_with("/events") {
            self.writes.push(format!("{method} {path}"));
        }
        let object = path.strip_suffix("/status").unwrap_or(path);
        let old = self.objects.get(object).cloned();
        let named = |body: &Json| format!("{path}/{}", body["metadata"]["name"].as_str().unwrap());
        match (method.as_str(), old) {
            ("POST", _) if self.objects.contains_key(&named(&body)) => refusal(StatusCode::CONFLICT, "AlreadyExists"),
            ("POST", _) => self.store(&named(&body), body),
            ("GET", Some(old)) => (StatusCode::OK, old),
            ("DELETE", Some(old)) => {
                self.objects.remove(object);
                (StatusCode::OK, old)
            }
            ("PUT", Some(old)) if old["metadata"]["resourceVersion"] != body["metadata"]["resourceVersion"] => {
                refusal(StatusCode::CONFLICT, "Conflict")
            }
            ("PUT", Some(old)) => {
                let mut new = body;
                new["status"] = old["status"].clone(); // a PUT of the object leaves its status as it is
                self.store(object, new)
            }
            // Of a write to status nothing but status counts, a uid neither.
            ("PATCH", Some(mut old)) if object != path => {
                overlay(&mut old, json!({"status": body["status"]}));
                self.store(object, old)
            }
            ("PATCH", Some(old)) => {
                let uid = &body["metadata"]["uid"];
                if !uid.is_null() && *uid != old["metadata"]["uid"] {
                    return refusal(StatusCode::CONFLICT, "Conflict");
                }
                let mut new = old;
                // By server-side apply, what the only manager of data does not name any more is gone.
                if !merge && body.get("data").is_some() {
                    new["data"] = json!({});
                }
                overlay(&mut new, body);
                self.store(object, new)
            }
            ("PATCH", None) if !merge && object == path => self.store(object, body),
            _ => refusal(StatusCode::NOT_FOUND, "NotFound"),
        }
    }
}

fn overlay(old: &mut Json, new: Json) {
    match (old, new) {
        (Json::Object(old), Json::Object(new)) => {
            for (key, value) in new {
                if value.is_null() {
                    old.remove(&key);
                } else {
                    overlay(old.entry(key).or_insert_with(|| Json::Object(Map::new())), value);
                }
            }
        }
        (old, new) => *old = new,
    }
}

/// Path of what owns all that is made for mappers.
pub(crate) const OWNER: &str = "/api/v1/namespaces/pollux-mappers/configmaps/pollux-mappers";

/// Properties of the model wide.
pub(crate) const NOTES: usize = 44;

/// One operator, nodes a and b, class modbus, models m and wide in namespace n.
pub(crate) struct Plant {
    pub(crate) api: FakeApi,
    pub(crate) cx: Context,
}

fn typed<T: DeserializeOwned>(json: &Json) -> T {
    serde_json::from_value(json.clone()).unwrap()
}

impl Plant {
    /// With mappers that run where there is something to do.
    pub(crate) fn new() -> Self {
        let plant = Self::over(FakeApi::default(), MAPPERS_NAMESPACE);
        plant.install("chart");
        plant
    }
    /// Without the chart, by an operator that was told so.
    pub(crate) fn without_chart() -> Self {
        Self::over(FakeApi::default(), "")
    }
    /// The chart's `ConfigMap`, which owns what is made for mappers, is there.
    pub(crate) fn install(&self, uid: &str) {
        let owner = json!({"metadata": {"name": MAPPERS_NAMESPACE, "namespace": MAPPERS_NAMESPACE, "uid": uid}});
        self.api.put(OWNER, owner);
    }
    /// Another replica that begins to lead: it knows what the API server knows.
    pub(crate) fn successor(&self) -> Self {
        let next = self.unaware();
        for secret in self.api.all("/api/v1/namespaces/n/secrets") {
            next.cx.world.learn_secret(secret["metadata"]["name"].as_str().unwrap(), Some(typed(&secret)));
        }
        next
    }
    /// The same, which could not list the Secrets of people.
    pub(crate) fn unaware(&self) -> Self {
        let next = Self::over(self.api.clone(), MAPPERS_NAMESPACE);
        for name in
            ["ServiceAccount slice.modbus.a", "Role slice.modbus.a", "RoleBinding slice.modbus.a", "Secret modbus.a"]
        {
            let (kind, name) = name.split_once(' ').unwrap();
            let path = |plural: &str| format!("{plural}/{name}");
            let there =
                ["/api/v1/namespaces/pollux-mappers/secrets", "/api/v1/namespaces/pollux-mappers/serviceaccounts"];
            if there.iter().any(|plural| self.api.get(&path(plural)).is_some()) {
                next.cx.world.made_seen(kind, name, true);
            }
        }
        for node in ["a", "b"] {
            for (chunk, slice) in next.chunks(node).iter().enumerate() {
                next.cx.world.slice_seen(&MapperKey::new("modbus", node), chunk, Some(crate::mapper::fact(slice)));
            }
        }
        for name in self.names() {
            next.look_at_device(crate::world::keys::parts(&name).1);
        }
        next
    }
    fn over(api: FakeApi, owner: &str) -> Self {
        let client = api.client();
        let (world, metrics) = (Arc::new(World::new(vec![])), Arc::new(Metrics::default()));
        let events = Events::start(client.clone(), "test", metrics.clone(), tokio_util::sync::CancellationToken::new());
        let owner = Arc::new(Ownership::new(owner));
        let plant = Self { api, cx: Context { client, world, metrics, events, owner, budget: 200.0 } };
        let class = json!({"metadata": {"name": "modbus", "uid": "class"}, "spec": {"image": "i"}});
        plant.cx.world.learn_class(&"modbus".into(), typed(&class));
        let property = json!({"name": "setpoint", "type": "number", "access": "ReadWrite", "maximum": 100,
            "binding": {"modbus": {"table": "holding", "address": 0, "dataType": "float32"}}});
        let notes = (0..NOTES).map(|i| {
            json!({"name": format!("note{i}"), "type": "string", "access": "ReadWrite",
                "binding": {"modbus": {"table": "holding", "address": 200 * i, "dataType": "string", "length": 120}}})
        });
        for (name, properties) in [("m", vec![property]), ("wide", notes.collect())] {
            let model = json!({"metadata": {"name": name, "namespace": "n"}, "spec": {"properties": properties}});
            plant.cx.world.learn_model(&id("n", name), typed(&model));
        }
        for node in ["a", "b"] {
            plant.node(node, "True");
        }
        plant
    }
    pub(crate) fn node(&self, name: &str, ready: &str) {
        let path = format!("/api/v1/nodes/{name}");
        let old = self.api.get(&path).unwrap_or_else(|| json!({"metadata": {"name": name, "labels": {}}}));
        let node = json!({"metadata": old["metadata"], "status": {"conditions": [{"type": "Ready", "status": ready}]}});
        self.api.put(&path, node);
        self.look_at_node(name);
    }
    fn look_at_node(&self, name: &str) {
        let node: NodeView = typed(&self.api.get(&format!("/api/v1/nodes/{name}")).unwrap());
        self.cx.world.learn_node(&name.into(), node);
    }
    pub(crate) fn device_path(name: &str) -> String {
        format!("/apis/pollux.rs/v1alpha1/namespaces/n/devices/{name}")
    }
    /// A person makes or edits a Device.
    pub(crate) fn device(&self, name: &str, uid: &str, generation: i64, node: &str, setpoint: f64) {
        self.device_of("m", name, uid, generation, node, &json!({ "setpoint": setpoint }));
    }
    /// The same, with an entry of about a quarter of a KiB for each note; more of them than [`NOTES`] are refused.
    pub(crate) fn wide(&self, name: &str, generation: i64, node: &str, notes: usize) {
        let desired: Json = (0..notes).map(|i| (format!("note{i}"), json!("x".repeat(240)))).collect();
        self.device_of("wide", name, name, generation, node, &desired);
    }
    fn device_of(&self, model: &str, name: &str, uid: &str, generation: i64, node: &str, desired: &Json) {
        let path = Self::device_path(name);
        let old = self.api.get(&path).filter(|old| old["metadata"]["uid"] == uid).unwrap_or_else(|| {
            json!({"metadata": {"name": name, "namespace": "n", "uid": uid, "creationTimestamp": "2026-01-01T00:00:00Z"}})
        });
        let mut new = old;
        new["metadata"]["generation"] = json!(generation);
        new["spec"] = json!({"model": model, "nodeName": node, "desired": desired,
            "protocol": {"modbus": {"tcp": {"host": name}}}});
        self.api.put(&path, new);
        self.look_at_device(name);
    }
    /// A person edits a Device's spec.
    pub(crate) fn edit(&self, name: &str, generation: i64, change: impl FnOnce(&mut Json)) {
        let path = Self::device_path(name);
        let mut device = self.api.get(&path).unwrap();
        device["metadata"]["generation"] = json!(generation);
        change(&mut device["spec"]);
        self.api.put(&path, device);
        self.look_at_device(name);
    }
    /// The watch shows a Device as it was.
    pub(crate) fn see_old(&self, name: &str, device: &Json) {
        self.cx.world.learn_device(&id("n", name), Some(typed(device)));
    }
    pub(crate) fn annotate(&self, name: &str, key: &str, value: &str) {
        let path = Self::device_path(name);
        if let Some(mut device) = self.api.get(&path) {
            device["metadata"]["annotations"][key] = json!(value);
            self.api.put(&path, device);
            self.look_at_device(name);
        }
    }
    /// A person makes, edits or (None) deletes a Secret: its labels and keys.
    pub(crate) fn secret(&self, name: &str, secret: Option<(Json, &[(&str, &str)])>) {
        let path = format!("/api/v1/namespaces/n/secrets/{name}");
        let Some((labels, keys)) = secret else {
            self.api.remove(&path);
            return self.cx.world.learn_secret(name, None);
        };
        let content = |text: &str| k8s_openapi::ByteString(text.as_bytes().to_vec());
        let data: BTreeMap<_, _> = keys.iter().map(|(key, text)| (*key, content(text))).collect();
        let metadata = json!({"name": name, "namespace": "n", "labels": labels});
        let stored = self.api.put(&path, json!({"metadata": metadata, "data": data}));
        self.cx.world.learn_secret(name, Some(typed(&stored)));
    }
    /// What the mapper on a node gets of people's Secrets.
    pub(crate) fn copied(&self, node: &str) -> Vec<(String, String)> {
        let path = format!("/api/v1/namespaces/{MAPPERS_NAMESPACE}/secrets/modbus.{node}");
        let secret: Option<k8s_openapi::api::core::v1::Secret> = self.api.get(&path).map(|json| typed(&json));
        let data = secret.and_then(|secret| secret.data).unwrap_or_default();
        data.into_iter().map(|(key, value)| (key, String::from_utf8(value.0).unwrap())).collect()
    }
    pub(crate) fn delete_device(&self, name: &str) {
        self.api.remove(&Self::device_path(name));
        self.look_at_device(name);
    }
    pub(crate) fn look_at_device(&self, name: &str) {
        let device = self.api.get(&Self::device_path(name)).map(|json| typed(&json));
        self.cx.world.learn_device(&id("n", name), device);
    }
    fn slice_path(node: &str, chunk: usize) -> String {
        let name = slice_name("modbus", node, chunk);
        format!("/apis/pollux.rs/v1alpha1/namespaces/{MAPPERS_NAMESPACE}/deviceslices/{name}")
    }
    /// Chunk 0 of a node's slices.
    pub(crate) fn slice(&self, node: &str) -> Option<DeviceSlice> {
        self.chunks(node).into_iter().next()
    }
    /// Somebody takes the index out of a node's slice.
    pub(crate) fn forget_index(&self, node: &str) {
        let mut json = self.api.get(&Self::slice_path(node, 0)).unwrap();
        json["spec"].as_object_mut().unwrap().remove("index");
        self.api.put(&Self::slice_path(node, 0), json);
    }
    pub(crate) fn chunks(&self, node: &str) -> Vec<DeviceSlice> {
        (0..).map_while(|chunk| self.api.get(&Self::slice_path(node, chunk))).map(|json| typed(&json)).collect()
    }
    /// The mapper on a node looks at its slices and, if they are those of the index, lets go of tombstones, takes the rest,
    /// and says so.
    pub(crate) fn mapper_acts(&self, node: &str) {
        let chunks = self.chunks(node);
        let Some(index) = chunks.first().and_then(|first| first.spec.index.as_ref()) else { return };
        let told: Vec<_> = index.chunks.iter().map(|hash| hash.0.clone()).collect();
        let there: Vec<_> = chunks.iter().map(|chunk| pollux_crds::hash(&chunk.spec.devices)).collect();
        if !there.starts_with(&told) {
            return;
        }
        for (chunk, slice) in chunks.iter().enumerate() {
            let entries = slice.spec.devices.iter();
            let (gone, live): (Vec<_>, Vec<_>) = entries.map(|e| (&*e.uid, e.released)).partition(|(_, gone)| *gone);
            let uids = |all: Vec<(_, bool)>| all.into_iter().map(|(uid, _)| uid).collect::<Vec<_>>();
            self.says(node, chunk, &uids(live), &uids(gone));
        }
    }
    pub(crate) fn mapper_says(&self, node: &str, taken: &[&str], released: &[&str]) {
        self.says(node, 0, taken, released);
    }
    fn says(&self, node: &str, chunk: usize, taken: &[&str], released: &[&str]) {
        let path = Self::slice_path(node, chunk);
        let mut json = self.api.get(&path).unwrap();
        let slice: DeviceSlice = typed(&json);
        let generation = |uid: &str| slice.spec.devices.iter().find(|e| e.uid == uid).map_or(0, |e| e.generation);
        let taken: BTreeMap<_, _> = taken.iter().map(|uid| (*uid, generation(uid))).collect();
        json["status"] = json!({"taken": taken, "released": released});
        let stored = self.api.put(&path, json);
        self.cx.world.slice_seen(&MapperKey::new("modbus", node), chunk, Some(crate::mapper::fact(&typed(&stored))));
    }
    /// Everything is reconciled, as often as news could make it due.
    pub(crate) async fn settle(&self) -> Result<(), Error> {
        for _ in 0..3 {
            self.pass().await?;
        }
        Ok(())
    }
    /// Everything is reconciled once, or until something fails.
    pub(crate) async fn pass(&self) -> Result<(), Error> {
        for name in self.names() {
            device::reconcile(&self.cx, &name).await?;
            self.look_at_device(crate::world::keys::parts(&name).1);
        }
        for node in ["a", "b"] {
            mapper::reconcile(&self.cx, &MapperKey::new("modbus", node)).await?;
            self.look_at_node(node);
        }
        Ok(())
    }
    fn names(&self) -> Vec<Id> {
        self.cx.world.devices.ids()
    }
    /// A person makes or edits a Channel.
    pub(crate) fn channel(&self, name: &str, protocol: &Json) {
        let channel = json!({"metadata": {"name": name, "namespace": "n"}, "spec": {"protocol": protocol}});
        self.cx.world.learn_channel(&id("n", name), typed(&channel));
    }
    /// Status and reason of a Device's condition, and its generation.
    pub(crate) fn condition(&self, name: &str, type_: &str) -> (String, String, i64) {
        let found = self.condition_of(name, type_);
        let text = |key: &str| found[key].as_str().unwrap().to_owned();
        (text("status"), text("reason"), found["observedGeneration"].as_i64().unwrap())
    }
    pub(crate) fn condition_of(&self, name: &str, type_: &str) -> Json {
        let device = self.api.get(&Self::device_path(name)).unwrap();
        let conditions = device["status"]["conditions"].as_array().cloned().unwrap_or_default();
        conditions.into_iter().find(|c| c["type"] == type_).unwrap()
    }
    /// Entries of a node's slices: uid, generation, tombstone.
    pub(crate) fn entries(&self, node: &str) -> Vec<(String, i64, bool)> {
        let entries = self.chunks(node).into_iter().flat_map(|s| s.spec.devices);
        entries.map(|e| (e.uid, e.generation, e.released)).collect()
    }
}
