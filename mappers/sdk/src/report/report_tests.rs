use super::*;
use crate::report::testing::{device, status};
use axum::{
    Router,
    body::to_bytes,
    extract::{Request, State},
    http::StatusCode,
    response::{IntoResponse, Response},
};
use tokio::sync::mpsc;

/// What reached the API server.
#[derive(Debug)]
struct Arrived {
    path: String,
    query: String,
    body: Json,
}
impl Arrived {
    fn temperature(&self) -> String {
        self.body["status"]["reported"]["temperature"].to_string()
    }
}

type Answer = Arc<dyn Fn(&Arrived) -> Option<Response> + Send + Sync>;

/// A server that answers by a rule, or not at all where the rule says None. What arrived, arrived, whoever gave up waiting.
async fn handle(State((arrived, rule)): State<(mpsc::UnboundedSender<Arrived>, Answer)>, request: Request) -> Response {
    let (path, query) = (request.uri().path().to_owned(), request.uri().query().unwrap_or_default().to_owned());
    let body = to_bytes(request.into_body(), usize::MAX).await.unwrap();
    let request = Arrived { path, query, body: serde_json::from_slice(&body).unwrap() };
    let answer = rule(&request);
    arrived.send(request).ok();
    match answer {
        Some(answer) => answer,
        None => std::future::pending().await,
    }
}

struct Bench {
    hub: Arc<Hub>,
    stats: Arc<ReportStats>,
    arrived: mpsc::UnboundedReceiver<Arrived>,
    stop: CancellationToken,
    task: tokio::task::JoinHandle<()>,
    _config: watch::Sender<Arc<NodeConfig>>,
}

impl Bench {
    fn new(rule: impl Fn(&Arrived) -> Option<Response> + Send + Sync + 'static) -> Self {
        let (sender, arrived) = mpsc::unbounded_channel();
        let rule: Answer = Arc::new(rule);
        let client = Client::new(Router::new().fallback(handle).with_state((sender, rule)), "default");
        let (hub, stats, stop) = (Arc::<Hub>::default(), Arc::<ReportStats>::default(), CancellationToken::new());
        let config = NodeConfig { writes_per_second: 100.0, ..NodeConfig::default() };
        let (set, config) = watch::channel(Arc::new(config));
        let with = Reporting { client, hub: hub.clone(), config, stats: stats.clone(), node: "edge-1".into() };
        let task = tokio::spawn(run(with, stop.clone()));
        Self { hub, stats, arrived, stop, task, _config: set }
    }
    fn publish(&self, uid: &str, value: f64) {
        self.hub.publish(&device(uid, 1), status(value, "True").into());
    }
    async fn arrives(&mut self) -> Arrived {
        tokio::time::timeout(Duration::from_mins(5), self.arrived.recv()).await.expect("within five minutes").unwrap()
    }
    /// What arrives until nothing has for a while.
    async fn all(&mut self, quiet: Duration) -> Vec<Arrived> {
        let mut all = vec![];
        while let Ok(Some(one)) = tokio::time::timeout(quiet, self.arrived.recv()).await {
            all.push(one);
        }
        all
    }
}

fn taken(_: &Arrived) -> Response {
    "{}".into_response()
}
fn refused(code: StatusCode, message: &str) -> Response {
    (code, axum::Json(json!({"kind": "Status", "message": message}))).into_response()
}

#[tokio::test(start_paused = true)]
async fn one_forced_apply_of_the_mappers_whole_part_and_of_nothing_else() {
    let mut bench = Bench::new(|one| Some(taken(one)));
    let mut said = status(21.5, "True");
    said.conditions.push(pollux_crds::Condition { type_: "Ready".into(), ..said.conditions[0].clone() });
    (said.node_name, said.observed_generation) = (Some("edge-1".into()), Some(7));
    bench.hub.publish(&device("a", 1), said.into());
    let one = bench.arrives().await;
    assert_eq!(one.path, "/apis/pollux.rs/v1alpha1/namespaces/plant/devices/device-a/status");
    let query: Vec<_> = one.query.split('&').filter(|q| !q.is_empty()).collect();
    assert!(query.contains(&"fieldManager=pollux-mapper") && query.contains(&"force=true"), "{query:?}");
    assert_eq!(one.body["metadata"], json!({"namespace": "plant", "name": "device-a"}));
    assert_eq!(one.body["status"]["uid"], "a", "of whom it speaks");
    let status = one.body["status"].as_object().unwrap();
    assert_eq!(status.keys().collect::<Vec<_>>(), ["conditions", "reported", "timestamps", "uid"]);
    assert_eq!(status["conditions"].as_array().unwrap().len(), 1, "Ready is the operator's");
    assert!(bench.all(Duration::from_mins(10)).await.is_empty(), "an idle device costs no write");
    assert_eq!(bench.stats.writes(), [("ok", 1)].into());
}

#[tokio::test(start_paused = true)]
async fn a_write_that_hangs_holds_up_no_other_and_is_given_up_for_the_newest_state() {
    let mut bench =
        Bench::new(
            |one| if one.path.contains("device-a") && one.temperature() == "1.0" { None } else { Some(taken(one)) },
        );
    bench.publish("a", 1.0);
    bench.publish("b", 1.0);
    let first = [bench.arrives().await.path, bench.arrives().await.path];
    assert!(first[0].contains("device-a") && first[1].contains("device-b"), "{first:?}");
    let began = Instant::now();
    for value in [2.0, 3.0] {
        bench.publish("a", value);
        bench.publish("b", value);
        let next = bench.arrives().await;
        assert!(next.path.contains("device-b"), "{next:?}");
    }
    assert!(began.elapsed() < Duration::from_secs(1));
    let again = bench.arrives().await;
    assert!(again.path.contains("device-a"));
    assert_eq!(again.temperature(), "3.0", "2.0 was overtaken");
    assert!(began.elapsed() >= Duration::from_secs(14), "the server had its time");
}

#[tokio::test(start_paused = true)]
async fn a_device_placed_elsewhere_is_left_alone_and_its_neighbours_are_not() {
    let no = "not placed here: token is of node edge-1, object is on edge-2";
    let mut bench = Bench::new(move |one| {
        if one.path.contains("device-a") { Some(refused(StatusCode::FORBIDDEN, no)) } else { Some(taken(one)) }
    });
    for value in 0..60 {
        bench.publish("a", f64::from(value));
        bench.publish("b", f64::from(value));
        tokio::time::sleep(Duration::from_secs(10)).await;
    }
    let all = bench.all(Duration::from_secs(1)).await;
    let of = |name: &str| all.iter().filter(|one| one.path.contains(name)).count();
    assert_eq!(of("device-b"), 60);
    assert!((2..=12).contains(&of("device-a")), "{}", of("device-a"));
}

#[tokio::test(start_paused = true)]
async fn a_server_that_is_away_gets_no_queue_of_old_states_when_it_is_back() {
    let away = Arc::new(std::sync::atomic::AtomicBool::new(true));
    let gone = away.clone();
    let mut bench = Bench::new(move |one| {
        if gone.load(std::sync::atomic::Ordering::Relaxed) {
            Some(refused(StatusCode::SERVICE_UNAVAILABLE, "away"))
        } else {
            Some(taken(one))
        }
    });
    for value in 0..600 {
        bench.publish("a", f64::from(value));
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    let tried = bench.all(Duration::from_millis(1)).await.len();
    assert!((10..40).contains(&tried), "{tried}");
    away.store(false, std::sync::atomic::Ordering::Relaxed);
    let after = bench.all(Duration::from_mins(5)).await;
    assert_eq!(after.iter().map(Arrived::temperature).collect::<Vec<_>>(), ["599.0"]);
}

#[tokio::test(start_paused = true)]
async fn the_last_words_are_said_and_a_server_that_hangs_cannot_hold_the_process() {
    let mut bench = Bench::new(|one| if one.path.contains("device-b") { None } else { Some(taken(one)) });
    bench.publish("a", 1.0);
    bench.arrives().await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    bench.publish("a", 2.0);
    bench.stop.cancel();
    assert_eq!(bench.arrives().await.temperature(), "2.0");
    bench.task.await.unwrap();

    let bench = Bench::new(|_| None);
    bench.publish("b", 1.0);
    tokio::time::sleep(Duration::from_secs(1)).await;
    let began = Instant::now();
    bench.stop.cancel();
    bench.task.await.unwrap();
    assert!(began.elapsed() <= Duration::from_millis(2100), "{:?}", began.elapsed());
}
