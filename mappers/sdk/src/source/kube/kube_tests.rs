//! The source against an API server in memory: LIST, WATCH with bookmarks and an end, tokens that end, rights that come later.
use super::{
    assemble::tests::{entry, judge, nowhere, revision, slices},
    *,
};
use crate::{Origin, report::testing};
use axum::{
    Router,
    body::{Body, to_bytes},
    extract::{Request, State},
    http::{Method, StatusCode},
    response::{IntoResponse, Response},
};
use futures_util::stream;
use pollux_crds::{DeviceModelRevisionSpec, DeviceSliceSpec, SliceDevice};
use serde_json::{Value as Json, json};
use std::{
    collections::{BTreeMap, BTreeSet},
    convert::Infallible,
    sync::{Mutex, MutexGuard},
    time::Duration,
};
use tokio::{
    sync::broadcast,
    time::{Instant, sleep, timeout},
};

const SLICES: &str = "/apis/pollux.rs/v1alpha1/namespaces/pollux-mappers/deviceslices";
const REVISIONS: &str = "/apis/pollux.rs/v1alpha1/namespaces/pollux-mappers/devicemodelrevisions/";
const SECRETS: &str = "/api/v1/namespaces/pollux-mappers/secrets";
const TOKEN: &str = "/api/v1/namespaces/pollux-mappers/serviceaccounts/slice.custom.edge-1/token";

#[derive(Clone)]
struct Server(Arc<Mutex<Inner>>);
struct Inner {
    version: u64,
    slices: BTreeMap<String, Json>,
    revisions: BTreeMap<String, Json>,
    minted: Vec<(Instant, Json)>,
    valid: BTreeSet<String>,
    readable: bool,
    away: bool,
    /// What a LIST takes.
    slow: Duration,
    /// Watches say nothing, not even bookmarks, and do not end: the cable is cut.
    mute: bool,
    lists: usize,
    changes: broadcast::Sender<(String, Json)>,
}

impl Server {
    fn new() -> Self {
        let (changes, _) = broadcast::channel(100);
        let inner = Inner {
            version: 1,
            slices: BTreeMap::new(),
            revisions: BTreeMap::new(),
            minted: vec![],
            valid: BTreeSet::new(),
            readable: true,
            away: false,
            slow: Duration::ZERO,
            mute: false,
            lists: 0,
            changes,
        };
        Self(Arc::new(Mutex::new(inner)))
    }
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap()
    }
    fn access(&self) -> Access {
        let client = |server: Server, token: String| {
            ::kube::Client::new(Router::new().fallback(handle).with_state((server, token)), "default")
        };
        let server = self.clone();
        Access::custom(client(self.clone(), "own".into()), move |token| Ok(client(server.clone(), token.to_owned())))
    }
    fn add(&self, model: &DeviceModelRevisionSpec) {
        let object = json!({
            "apiVersion": "pollux.rs/v1alpha1", "kind": "DeviceModelRevision",
            "metadata": {"name": model.hash()}, "spec": model,
        });
        self.lock().revisions.insert(model.hash(), object);
    }
    fn put(&self, chunk: usize, spec: &DeviceSliceSpec) {
        let name = format!("custom.edge-1.{chunk}");
        let status = self.lock().slices.get(&name).map_or(json!({}), |s| s["status"].clone());
        self.store(&name, json!({"spec": spec, "status": status}));
    }
    /// The operator fills the mapper's Secret.
    fn copy(&self, password: &str) {
        let data = json!({"plant.s.password": k8s_openapi::ByteString(password.as_bytes().to_vec())});
        self.keep("custom.edge-1", "v1", "Secret", json!({"data": data}));
    }
    fn operator_writes(&self, chunks: &[Vec<SliceDevice>]) {
        for (n, spec) in slices(chunks).iter().enumerate() {
            self.put(n, spec);
        }
    }
    fn store(&self, name: &str, object: Json) {
        self.keep(name, "pollux.rs/v1alpha1", "DeviceSlice", object);
    }
    fn keep(&self, name: &str, version: &str, kind: &str, mut object: Json) {
        let mut inner = self.lock();
        inner.version += 1;
        object["apiVersion"] = version.into();
        object["kind"] = kind.into();
        object["metadata"] =
            json!({"name": name, "namespace": "pollux-mappers", "resourceVersion": inner.version.to_string()});
        let type_ = if inner.slices.contains_key(name) { "MODIFIED" } else { "ADDED" };
        inner.slices.insert(name.to_owned(), object.clone());
        inner.changes.send((name.to_owned(), json!({"type": type_, "object": object}))).ok();
    }
    fn taken(&self, chunk: usize) -> Json {
        self.lock().slices[&format!("custom.edge-1.{chunk}")]["status"]["taken"].clone()
    }
    fn watch(&self, name: String, seconds: u64) -> Response {
        let (server, changes) = (self.clone(), self.lock().changes.subscribe());
        let end = Instant::now() + Duration::from_secs(seconds);
        let lines = stream::unfold((server, changes, name), move |(server, mut changes, name)| async move {
            loop {
                if server.lock().mute {
                    return std::future::pending().await;
                }
                let next = timeout(Duration::from_mins(1).min(end - Instant::now()), changes.recv()).await;
                let line = match next {
                    _ if server.lock().mute => continue,
                    Ok(Ok((of, event))) if of == name => event,
                    Ok(_) => continue,
                    Err(_) if Instant::now() >= end => return None,
                    Err(_) => bookmark(server.lock().version),
                };
                return Some((Ok::<_, Infallible>(format!("{line}\n")), (server, changes, name)));
            }
        });
        Body::from_stream(lines).into_response()
    }
}
fn bookmark(version: u64) -> Json {
    json!({"type": "BOOKMARK", "object": {
        "apiVersion": "pollux.rs/v1alpha1", "kind": "DeviceSlice", "metadata": {"resourceVersion": version.to_string()},
    }})
}

fn refuse(code: StatusCode) -> Response {
    let status = json!({"kind": "Status", "apiVersion": "v1", "status": "Failure", "code": code.as_u16(), "message": "no", "reason": "No"});
    (code, axum::Json(status)).into_response()
}

async fn handle(State((server, token)): State<(Server, String)>, request: Request) -> Response {
    if server.lock().away {
        return refuse(StatusCode::SERVICE_UNAVAILABLE);
    }
    let (method, uri) = (request.method().clone(), request.uri().clone());
    let query: BTreeMap<_, _> =
        uri.query().unwrap_or_default().split('&').filter_map(|pair| pair.split_once('=')).collect();
    if method == Method::POST && uri.path() == TOKEN {
        return mint(&server, request).await;
    }
    if method == Method::PATCH && token == "own" {
        let name = uri.path().strip_prefix(SLICES).unwrap().trim_matches('/').trim_end_matches("/status").to_owned();
        let body: Json = serde_json::from_slice(&to_bytes(request.into_body(), 1 << 20).await.unwrap()).unwrap();
        let spec = server.lock().slices[&name]["spec"].clone();
        server.store(&name, json!({"spec": spec, "status": body["status"]}));
        return axum::Json(json!({})).into_response();
    }
    if !server.lock().valid.contains(&token) {
        return refuse(StatusCode::UNAUTHORIZED);
    }
    if !server.lock().readable {
        return refuse(StatusCode::FORBIDDEN);
    }
    if let Some(name) = uri.path().strip_prefix(REVISIONS) {
        let found = server.lock().revisions.get(name).cloned();
        return found.map_or_else(|| refuse(StatusCode::NOT_FOUND), |found| axum::Json(found).into_response());
    }
    assert!([SLICES, SECRETS].contains(&uri.path()), "by name and nothing else: {uri}");
    let name = query["fieldSelector"].strip_prefix("metadata.name%3D").expect("by name").to_owned();
    if let Some(seconds) = query.get("timeoutSeconds") {
        return server.watch(name, seconds.parse().unwrap());
    }
    let slow = server.lock().slow;
    sleep(slow).await;
    let mut inner = server.lock();
    inner.lists += usize::from(uri.path() == SLICES);
    let items: Vec<_> = inner.slices.get(&name).into_iter().cloned().collect();
    let meta = json!({"resourceVersion": inner.version.to_string()});
    axum::Json(json!({"apiVersion": "pollux.rs/v1alpha1", "kind": "DeviceSliceList", "metadata": meta, "items": items}))
        .into_response()
}

async fn mint(server: &Server, request: Request) -> Response {
    let body: Json = serde_json::from_slice(&to_bytes(request.into_body(), 1 << 20).await.unwrap()).unwrap();
    let mut inner = server.lock();
    let token = format!("token-{}", inner.minted.len());
    inner.valid.insert(token.clone());
    inner.minted.push((Instant::now(), body.clone()));
    let ends = k8s_openapi::jiff::Timestamp::now() + Duration::from_hours(1);
    let status = json!({"token": token, "expirationTimestamp": ends.to_string()});
    axum::Json(json!({"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": body["spec"], "status": status}))
        .into_response()
}

struct Bench {
    source: KubeSource,
    hub: Arc<Hub>,
    stop: CancellationToken,
}

impl Bench {
    fn new(access: Option<Access>, store: Arc<Store>) -> Self {
        let (hub, stop) = (Arc::<Hub>::default(), CancellationToken::new());
        let (class, node) = ("custom".into(), "edge-1".into());
        let options = Options { class, node, access, store, hub: hub.clone(), judge: judge() };
        Self { source: start(options, stop.clone()), hub, stop }
    }
    fn on(server: &Server) -> Self {
        Self::new(Some(server.access()), Arc::new(Store::ephemeral()))
    }
    fn devices(&self) -> Vec<(String, i64)> {
        self.source.config.borrow().devices.iter().map(|d| (d.uid.clone(), d.generation)).collect()
    }
    /// Generation and reason of an edit that is not in force.
    fn refusal(&self, uid: &str) -> String {
        self.source
            .config
            .borrow()
            .refusals
            .get(uid)
            .map(|r| format!("{}: {}", r.generation, r.message))
            .unwrap_or_default()
    }
    /// Waits until these devices are configured; how long that took.
    async fn becomes(&mut self, devices: &[(&str, i64)]) -> Duration {
        let began = Instant::now();
        let wanted: Vec<_> = devices.iter().map(|(uid, generation)| ((*uid).to_owned(), *generation)).collect();
        let is = |config: &Arc<NodeConfig>| {
            config.devices.iter().map(|d| (d.uid.clone(), d.generation)).collect::<Vec<_>>() == wanted
        };
        let seen = timeout(Duration::from_mins(30), self.source.config.wait_for(is)).await.map(drop);
        assert!(seen.is_ok(), "{wanted:?} never came, there is {:?}", self.devices());
        began.elapsed()
    }
    async fn end(self) {
        self.stop.cancel();
        timeout(Duration::from_secs(5), self.source.task).await.expect("it ends").unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn from_nothing_to_a_configuration_and_edits_follow_at_once() {
    let (server, model) = (Server::new(), revision(1.0));
    let mut bench = Bench::on(&server);
    sleep(Duration::from_mins(1)).await;
    assert!(!*bench.source.ready.borrow(), "the slice is not there yet");
    server.add(&model);
    server.operator_writes(&[vec![entry("a", 1, &model)]]);
    bench.becomes(&[("a", 1)]).await;
    assert!(*bench.source.ready.borrow());
    server.operator_writes(&[vec![entry("a", 2, &model)], vec![entry("b", 1, &model)]]);
    bench.becomes(&[("a", 2), ("b", 1)]).await;
    server.operator_writes(&[vec![entry("a", 3, &model)], vec![entry("b", 1, &model)]]);
    assert!(bench.becomes(&[("a", 3), ("b", 1)]).await < Duration::from_secs(1));
    server.operator_writes(&[vec![entry("a", 3, &model)]]);
    assert!(bench.becomes(&[("a", 3)]).await < Duration::from_secs(1));
    bench.end().await;
}

#[tokio::test(start_paused = true)]
async fn half_an_edit_is_not_taken() {
    let (server, model) = (Server::new(), revision(1.0));
    server.add(&model);
    server.operator_writes(&[vec![entry("a", 1, &model)], vec![entry("b", 1, &model)]]);
    let mut bench = Bench::on(&server);
    bench.becomes(&[("a", 1), ("b", 1)]).await;
    let new = slices(&[vec![], vec![entry("b", 1, &model), entry("a", 2, &model)]]);
    server.put(0, &new[0]);
    sleep(Duration::from_mins(10)).await;
    assert_eq!(bench.devices(), [("a".to_owned(), 1), ("b".to_owned(), 1)], "a would have been let go of");
    server.put(1, &new[1]);
    bench.becomes(&[("a", 2), ("b", 1)]).await;
}

#[tokio::test(start_paused = true)]
async fn a_revision_that_is_missing_is_waited_for() {
    let (server, old, new) = (Server::new(), revision(1.0), revision(2.0));
    server.add(&old);
    server.operator_writes(&[vec![entry("a", 1, &old), entry("b", 1, &old)]]);
    let mut bench = Bench::on(&server);
    bench.becomes(&[("a", 1), ("b", 1)]).await;
    server.operator_writes(&[vec![entry("a", 2, &new), entry("b", 2, &old)]]);
    bench.becomes(&[("a", 1), ("b", 2)]).await;
    assert_eq!(bench.source.stats.missing_revisions(), 1);
    assert_eq!(bench.refusal("a"), format!("2: revision {} is not there", new.hash()));
    sleep(Duration::from_mins(5)).await;
    server.add(&new);
    assert!(bench.becomes(&[("a", 2), ("b", 2)]).await <= Duration::from_mins(1));
    assert_eq!(bench.source.stats.missing_revisions(), 0);
}

#[tokio::test(start_paused = true)]
async fn only_what_can_be_driven_is_kept_on_disk() {
    let folder = tempfile::tempdir().unwrap();
    let (server, old, new) = (Server::new(), revision(1.0), revision(2.0));
    let open = || Arc::new(Store::open(folder.path()).unwrap());
    server.add(&old);
    server.operator_writes(&[vec![entry("a", 1, &old), entry("b", 1, &old), entry("c", 1, &old)]]);
    let mut bench = Bench::new(Some(server.access()), open());
    bench.becomes(&[("a", 1), ("b", 1), ("c", 1)]).await;
    server.operator_writes(&[vec![entry("a", 2, &new), entry("b", 2, &old), nowhere(entry("c", 2, &old))]]);
    bench.becomes(&[("a", 1), ("b", 2), ("c", 1)]).await;
    bench.end().await;
    // The cable is cut before the revision of a is there; c waits for somebody to mend it.
    let mut bench = Bench::new(None, open());
    bench.becomes(&[("a", 1), ("b", 2), ("c", 1)]).await;
    bench.end().await;
    server.add(&new);
    let mut bench = Bench::new(Some(server.access()), open());
    bench.becomes(&[("a", 2), ("b", 2), ("c", 1)]).await;
    assert_eq!(bench.refusal("c"), "2: spec.protocol.custom: host: is nowhere");
    bench.end().await;
}

#[tokio::test(start_paused = true)]
async fn what_could_not_be_saved_is_saved_later_without_an_edit() {
    let folder = tempfile::tempdir().unwrap();
    let (server, model) = (Server::new(), revision(1.0));
    let open = || Arc::new(Store::open(folder.path()).unwrap());
    server.add(&model);
    server.operator_writes(&[vec![entry("a", 1, &model)]]);
    let mut bench = Bench::new(Some(server.access()), open());
    bench.becomes(&[("a", 1)]).await;
    let (cache, away) = (folder.path().join("cache"), folder.path().join("away"));
    std::fs::rename(&cache, &away).unwrap(); // the disk says no
    server.operator_writes(&[vec![entry("a", 2, &model)]]);
    bench.becomes(&[("a", 2)]).await;
    sleep(Duration::from_mins(5)).await;
    std::fs::rename(&away, &cache).unwrap();
    sleep(Duration::from_mins(2)).await;
    bench.end().await;
    let mut bench = Bench::new(None, open());
    bench.becomes(&[("a", 2)]).await;
    assert_eq!(bench.source.config.borrow().origin, Origin::Disk);
    bench.end().await;
}

#[tokio::test(start_paused = true)]
async fn with_the_api_server_in_reach_its_word_is_waited_for_but_not_for_ever() {
    let folder = tempfile::tempdir().unwrap();
    let (server, model) = (Server::new(), revision(1.0));
    let open = || Arc::new(Store::open(folder.path()).unwrap());
    server.add(&model);
    server.operator_writes(&[vec![entry("a", 1, &model)]]);
    let mut bench = Bench::new(Some(server.access()), open());
    bench.becomes(&[("a", 1)]).await;
    bench.end().await;
    server.operator_writes(&[vec![entry("a", 2, &model)]]); // while no mapper ran
    server.lock().slow = Duration::from_secs(2);
    let mut bench = Bench::new(Some(server.access()), open());
    let first = timeout(Duration::from_mins(1), bench.source.config.changed()).await;
    assert!(first.is_ok(), "nothing came");
    assert_eq!(bench.devices(), [("a".to_owned(), 2)], "what was edited meanwhile was overlooked");
    assert_eq!(bench.source.config.borrow().origin, Origin::Server(["a".to_owned()].into()));
    bench.end().await;
    server.operator_writes(&[vec![entry("a", 3, &model)]]);
    server.lock().slow = Duration::from_mins(1);
    let mut bench = Bench::new(Some(server.access()), open());
    let waited = bench.becomes(&[("a", 2)]).await;
    assert!((Duration::from_secs(9)..Duration::from_secs(12)).contains(&waited), "{waited:?}");
    assert_eq!(bench.source.config.borrow().origin, Origin::Disk);
    server.lock().slow = Duration::ZERO;
    bench.becomes(&[("a", 3)]).await;
    bench.end().await;
}

#[tokio::test(start_paused = true)]
async fn secrets_come_before_the_devices_follow_each_rotation_and_survive_a_start_without_the_api_server() {
    let folder = tempfile::tempdir().unwrap();
    let (server, model) = (Server::new(), revision(1.0));
    let open = || Arc::new(Store::open(folder.path()).unwrap());
    server.add(&model);
    server.operator_writes(&[vec![entry("a", 1, &model)]]);
    server.copy("one");
    let mut bench = Bench::new(Some(server.access()), open());
    let password = |bench: &Bench| bench.source.secrets.borrow().get("plant.s.password").map(<[u8]>::to_vec);
    bench.becomes(&[("a", 1)]).await;
    assert_eq!(password(&bench), Some(b"one".to_vec()), "a device is driven before its secret is there");
    bench.source.secrets.mark_unchanged();
    server.copy("two");
    timeout(Duration::from_secs(5), bench.source.secrets.changed()).await.expect("at once").unwrap();
    assert_eq!(password(&bench), Some(b"two".to_vec()));
    sleep(Duration::from_secs(10)).await;
    let mode = std::os::unix::fs::MetadataExt::mode(&std::fs::metadata(folder.path().join("cache/secrets")).unwrap());
    assert_eq!(mode & 0o777, 0o600);
    bench.end().await;
    let mut bench = Bench::new(None, open());
    bench.becomes(&[("a", 1)]).await;
    assert_eq!(password(&bench), Some(b"two".to_vec()));
    assert!(!format!("{:?}", bench.source.secrets).contains("two"));
    bench.end().await;
}

#[tokio::test(start_paused = true)]
async fn it_starts_from_disk_without_the_api_server_and_catches_up_when_it_is_back() {
    let folder = tempfile::tempdir().unwrap();
    let (server, model, new) = (Server::new(), revision(1.0), revision(2.0));
    let open = || Arc::new(Store::open(folder.path()).unwrap());
    server.add(&model);
    server.operator_writes(&[vec![entry("a", 1, &model)], vec![entry("b", 1, &model)]]);
    let mut bench = Bench::new(Some(server.access()), open());
    bench.becomes(&[("a", 1), ("b", 1)]).await;
    server.add(&new);
    server.operator_writes(&[vec![entry("a", 2, &new)], vec![entry("b", 1, &model)]]);
    bench.becomes(&[("a", 2), ("b", 1)]).await;
    let on_disk = std::fs::read_to_string(folder.path().join("cache/slices")).unwrap();
    assert!(on_disk.contains(&new.hash()), "on the disk before it is acted upon");
    bench.end().await;

    server.lock().away = true;
    let mut bench = Bench::new(None, open());
    bench.becomes(&[("a", 2), ("b", 1)]).await;
    bench.end().await;

    let mut bench = Bench::new(Some(server.access()), open());
    bench.becomes(&[("a", 2), ("b", 1)]).await;
    sleep(Duration::from_mins(30)).await;
    server.operator_writes(&[vec![entry("a", 3, &new)], vec![entry("b", 1, &model)]]);
    server.lock().away = false;
    assert!(bench.becomes(&[("a", 3), ("b", 1)]).await < Duration::from_secs(95), "after the longest pauses in a row");
    bench.end().await;
}

#[tokio::test(start_paused = true)]
async fn a_watch_that_died_silently_hides_an_edit_for_a_minute_or_two() {
    let (server, model) = (Server::new(), revision(1.0));
    server.add(&model);
    server.operator_writes(&[vec![entry("a", 1, &model)]]);
    let mut bench = Bench::on(&server);
    bench.becomes(&[("a", 1)]).await;
    sleep(Duration::from_secs(10)).await;
    server.lock().mute = true;
    server.operator_writes(&[vec![entry("a", 2, &model)]]);
    let hidden = bench.becomes(&[("a", 2)]).await;
    assert!((Duration::from_secs(30)..Duration::from_mins(2)).contains(&hidden), "{hidden:?}");
}

#[tokio::test(start_paused = true)]
async fn an_idle_mapper_asks_once_in_a_few_minutes() {
    let (server, model) = (Server::new(), revision(1.0));
    server.add(&model);
    server.operator_writes(&[vec![entry("a", 1, &model)]]);
    let mut bench = Bench::on(&server);
    bench.becomes(&[("a", 1)]).await;
    sleep(Duration::from_hours(10)).await;
    let lists = server.lock().lists;
    assert!((118..=152).contains(&lists), "one in 240 to 300 s: {lists}");
    let minted = server.lock().minted.len();
    assert!((12..=15).contains(&minted), "one in 42 to 48 min: {minted}");
    assert_eq!(u64::try_from(lists), Ok(bench.source.stats.watch_restarts() + 1));
}

#[tokio::test(start_paused = true)]
async fn the_token_asked_for_is_what_policy_allows_and_one_that_is_refused_is_replaced() {
    let (server, model) = (Server::new(), revision(1.0));
    server.add(&model);
    server.operator_writes(&[vec![entry("a", 1, &model)]]);
    server.lock().readable = false;
    let mut bench = Bench::on(&server);
    sleep(Duration::from_mins(3)).await;
    let asked = server.lock().minted[0].1["spec"].clone();
    let bound = json!({"apiVersion": "v1", "kind": "Node", "name": "edge-1"});
    assert_eq!((&asked["boundObjectRef"], &asked["expirationSeconds"]), (&bound, &json!(3600)));
    server.lock().readable = true;
    assert!(bench.becomes(&[("a", 1)]).await <= Duration::from_secs(30), "rights that come later are found");
    server.lock().valid.clear();
    server.operator_writes(&[vec![entry("a", 2, &model)]]);
    bench.becomes(&[("a", 2)]).await; // the watch that is open goes on
    server.lock().mute = true;
    server.operator_writes(&[vec![entry("a", 3, &model)]]);
    assert!(bench.becomes(&[("a", 3)]).await < Duration::from_mins(3));
    assert_eq!(server.lock().minted.len(), 2);
}

#[tokio::test(start_paused = true)]
async fn the_operator_is_told_what_is_driven_and_nothing_twice() {
    let (server, model) = (Server::new(), revision(1.0));
    server.add(&model);
    server.operator_writes(&[vec![entry("a", 1, &model)], vec![entry("b", 1, &model)]]);
    let mut bench = Bench::on(&server);
    bench.becomes(&[("a", 1), ("b", 1)]).await;
    bench.hub.publish(&testing::device("a", 1), testing::status(1.0, "True").into());
    sleep(Duration::from_secs(1)).await;
    assert_eq!((server.taken(0), server.taken(1)), (json!({"a": 1}), Json::Null));
    let version = server.lock().version;
    for value in 0..100 {
        bench.hub.publish(&testing::device("a", 1), testing::status(f64::from(value), "True").into());
        sleep(Duration::from_millis(500)).await;
    }
    assert_eq!(server.lock().version, version, "values are no news here");
    bench.hub.publish(&testing::device("b", 1), testing::status(1.0, "True").into());
    bench.hub.release("a");
    sleep(Duration::from_secs(1)).await;
    assert_eq!((server.taken(0), server.taken(1)), (Json::Null, json!({"b": 1})));
    bench.end().await;

    let version = server.lock().version;
    let again = Bench::on(&server);
    again.hub.publish(&testing::device("b", 1), testing::status(1.0, "True").into());
    sleep(Duration::from_mins(1)).await;
    assert_eq!(server.lock().version, version, "what the server has is not written again after a restart");
}
