//! The local API, as its callers see it.
#[path = "api_tests/listen.rs"]
mod listen;

use super::{routes::router, *};
use crate::{
    ControlError, Request as Asked, control,
    report::testing::{device, property, status},
};
use axum::{
    body::{Body, BodyDataStream, to_bytes},
    http::{HeaderMap, Method, Request, StatusCode},
    response::Response,
};
use futures_util::StreamExt;
use hyper_util::server::graceful::GracefulShutdown;
use serde_json::{Value as Json, json};
use std::time::Duration;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::mpsc,
    time::timeout,
};
use tokio_util::sync::CancellationToken;
use tower::ServiceExt;

struct Bench {
    api: Api,
    hub: Arc<Hub>,
    ready: watch::Sender<bool>,
    asked: Option<mpsc::Receiver<Asked>>,
}

impl Bench {
    fn new() -> Self {
        let (hub, (control, asked)) = (Arc::<Hub>::default(), control());
        let (ready, seen) = watch::channel(false);
        let specs = Specs::Slices { class: "toy".into(), node: "edge-3".into() };
        let api = Api::new(hub.clone(), specs, control, Metrics::new(vec![hub.clone()]), seen);
        Self { api, hub, ready, asked: Some(asked) }
    }
    async fn send(&self, method: Method, path: &str, headers: &[(&str, &str)]) -> Response {
        let mut request = Request::builder().method(method).uri(path);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        router(self.api.clone()).oneshot(request.body(Body::empty()).unwrap()).await.unwrap()
    }
    async fn ask(&self, method: Method, path: &str) -> (StatusCode, HeaderMap, String) {
        let (head, body) = self.send(method, path, &[]).await.into_parts();
        let body = to_bytes(body, 1 << 24).await.unwrap();
        (head.status, head.headers, String::from_utf8(body.to_vec()).unwrap())
    }
    async fn json(&self, path: &str) -> Json {
        let (status, _, body) = self.ask(Method::GET, path).await;
        assert_eq!(status, StatusCode::OK, "{body}");
        serde_json::from_str(&body).unwrap()
    }
    async fn problem(&self, method: Method, path: &str) -> (u16, String) {
        let (status, headers, body) = self.ask(method, path).await;
        let problem: Json = serde_json::from_str(&body).unwrap();
        assert_eq!(headers["content-type"], problem::CONTENT_TYPE);
        assert_eq!(problem["status"], status.as_u16());
        (status.as_u16(), problem["detail"].as_str().unwrap().to_owned())
    }
    /// A runtime that answers every read like this.
    fn reads(&mut self, answer: Result<(), ControlError>) {
        let (mut asked, hub) = (self.asked.take().unwrap(), self.hub.clone());
        tokio::spawn(async move {
            while let Some(Asked::Read { uid, reply }) = asked.recv().await {
                hub.publish(&device(&uid, 1), status(99.0, "True").into());
                reply.send(answer.clone()).ok();
            }
        });
    }
    /// Over a connection from this machine, with these lines in its head.
    async fn posts(&self, path: &str, lines: &str, body: &str) -> String {
        let place = server::Places::new(self.api.clone()).take().await.reached_from("127.0.0.1".parse().unwrap());
        let (ours, theirs) = tokio::io::duplex(1 << 20);
        let open = GracefulShutdown::new();
        server::connection(theirs, place, &open);
        let (mut answers, mut request) = tokio::io::split(ours);
        let length = body.len();
        let head =
            format!("POST {path} HTTP/1.1\r\n{lines}Connection: close\r\nContent-Length: {length}\r\n\r\n{body}");
        request.write_all(head.as_bytes()).await.unwrap();
        let mut said = String::new();
        answers.read_to_string(&mut said).await.unwrap();
        said
    }
    async fn listen(&self, last: Option<&str>) -> Listener {
        let headers: Vec<_> = last.map(|id| ("last-event-id", id)).into_iter().collect();
        let response = self.send(Method::GET, "/v1/events", &headers).await;
        assert_eq!(response.status(), StatusCode::OK);
        assert_eq!(response.headers()["content-type"], "text/event-stream");
        Listener { body: response.into_body().into_data_stream(), text: String::new() }
    }
}

/// Reads server-sent events as the specification has them.
struct Listener {
    body: BodyDataStream,
    text: String,
}
impl Listener {
    /// Event, id, data.
    async fn next(&mut self) -> (String, String, Json) {
        loop {
            if let Some((event, rest)) = self.text.clone().split_once("\n\n") {
                self.text = rest.to_owned();
                let field = |name: &str| {
                    let line = event.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "));
                    line.unwrap_or_default().to_owned()
                };
                if !event.starts_with(':') {
                    return (field("event"), field("id"), serde_json::from_str(&field("data")).unwrap());
                }
                continue;
            }
            let more = timeout(Duration::from_mins(1), self.body.next()).await.expect("an event").unwrap().unwrap();
            self.text.push_str(std::str::from_utf8(&more).unwrap());
        }
    }
    async fn told(&mut self) -> (String, Json) {
        let (event, _, data) = self.next().await;
        let value = data["status"]["reported"]["temperature"].clone();
        (format!("{event} {}", data["metadata"]["name"].as_str().unwrap_or("-")), value)
    }
}

#[tokio::test(start_paused = true)]
async fn a_device_is_shown_as_the_api_server_would_have_it() {
    let bench = Bench::new();
    let properties = vec![property("setpoint")].into();
    let known = pollux_crds::EffectiveDevice { properties, ..(*device("a", 4)).clone() };
    bench.hub.publish(&Arc::new(known), status(21.5, "True").into());
    let one = bench.json("/v1/devices/plant/device-a").await;
    assert_eq!((&one["apiVersion"], &one["kind"]), (&json!("pollux.rs/v1alpha1"), &json!("Device")));
    let metadata = json!({"namespace": "plant", "name": "device-a", "uid": "a", "generation": 4});
    assert_eq!(one["metadata"], metadata);
    let setpoint = json!({
        "name": "setpoint", "type": "number", "access": "ReadWrite", "unit": "°C", "maximum": 90.0, "interval": "1s",
        "report": {"deadband": {"absolute": 0.5}, "minInterval": "1s"}, "staleAfter": "5s", "enforce": "OnChange",
        "write": {"verify": {"by": "Acknowledgement"}}, "binding": {"custom": {"register": 7}},
    });
    let spec = json!({
        "mode": "Control", "protocol": {"custom": {"host": "10.0.0.5"}}, "desired": {"setpoint": 21.5},
        "mapperClass": "toy", "nodeName": "edge-3", "properties": [setpoint],
    });
    assert_eq!(one["spec"], spec);
    serde_json::from_value::<pollux_crds::DeviceSpec>(spec).expect("a Device to apply");
    assert_eq!(one["status"]["reported"], json!({"temperature": 21.5}));
    assert_eq!(bench.json("/v1/devices").await["items"], json!([one]));
}

#[tokio::test(start_paused = true)]
async fn with_files_a_device_is_shown_as_its_file_has_it() {
    let mut bench = Bench::new();
    bench.hub.publish(&device("a", 4), status(21.5, "True").into());
    let spec = json!({"model": "boiler", "protocol": {"modbus": {"channel": "line", "unitId": 1}}, "mode": "Control"});
    let mut own = pollux_crds::Device::new("device-a", serde_json::from_value(spec.clone()).unwrap());
    own.metadata.generation = Some(5); // refused, so that the mapper goes on by the one before
    let (specs, shown) = watch::channel(Arc::new([("a".to_owned(), Arc::new(json!(own).into()))].into()));
    bench.api.specs = Specs::Files(shown);
    let one = bench.json("/v1/devices/plant/device-a").await;
    assert_eq!((&one["spec"], &one["metadata"]["generation"]), (&spec, &json!(5)));
    specs.send_replace(Arc::default()); // the file is gone, the device not yet
    assert_eq!(bench.json("/v1/devices/plant/device-a").await["spec"]["desired"], json!({"setpoint": 21.5}));
}

#[tokio::test(start_paused = true)]
async fn refusals_are_problem_objects_that_say_what_is_wrong() {
    let bench = Bench::new();
    let no = (404, "no device plant/nobody on this mapper".to_owned());
    assert_eq!(bench.problem(Method::GET, "/v1/devices/plant/nobody").await, no);
    assert_eq!(bench.problem(Method::POST, "/v1/devices/plant/nobody/read").await, no);
    assert_eq!(bench.problem(Method::GET, "/v1/devices/plant/%ff").await.0, 400);
    assert_eq!(bench.problem(Method::GET, "/v2").await, (404, "nothing at /v2; see /openapi.json".into()));
    assert_eq!(bench.problem(Method::DELETE, "/v1/devices").await.0, 405);
    let (_, headers, _) = bench.ask(Method::PUT, "/v1/devices/plant/a/read").await;
    assert_eq!(headers["allow"], "POST");
}

#[tokio::test(start_paused = true)]
async fn read_answers_with_what_was_read_or_with_why_not() {
    for (answer, expected) in [
        (Err(ControlError::NotConnected("connection refused".into())), 502),
        (Err(ControlError::Busy), 503),
        (Err(ControlError::NoSuchDevice), 404),
    ] {
        let mut bench = Bench::new();
        bench.hub.publish(&device("a", 1), status(1.0, "True").into());
        bench.reads(answer);
        assert_eq!(bench.problem(Method::POST, "/v1/devices/plant/device-a/read").await.0, expected);
    }
    let mut bench = Bench::new();
    bench.hub.publish(&device("a", 1), status(1.0, "True").into());
    assert_eq!(bench.problem(Method::POST, "/v1/devices/plant/device-a/read").await.0, 504, "nobody answers");
    bench.reads(Ok(()));
    let (code, _, body) = bench.ask(Method::POST, "/v1/devices/plant/device-a/read").await;
    assert_eq!((code, body.contains("99.0")), (StatusCode::OK, true), "{body}");
}

#[tokio::test(start_paused = true)]
async fn probes_tell_living_from_ready() {
    let bench = Bench::new();
    assert_eq!(bench.ask(Method::GET, "/healthz").await.0, StatusCode::OK);
    assert_eq!(bench.problem(Method::GET, "/readyz").await, (503, "no configuration yet".into()));
    bench.ready.send_replace(true);
    assert_eq!(bench.ask(Method::GET, "/readyz").await.0, StatusCode::OK);
}

#[tokio::test(start_paused = true)]
async fn the_document_names_every_address_and_nothing_that_is_not_there() {
    let bench = Bench::new();
    let document = bench.json("/openapi.json").await;
    for (path, methods) in document["paths"].as_object().unwrap() {
        let path = path.replace("{namespace}", "plant").replace("{name}", "nobody");
        for method in methods.as_object().unwrap().keys().filter(|key| *key != "parameters") {
            let method = Method::from_bytes(method.to_uppercase().as_bytes()).unwrap();
            let status = bench.send(method.clone(), &path, &[]).await.status().as_u16();
            let documented = &document["paths"].as_object().unwrap();
            assert_ne!(status, 405, "{method} {path}");
            assert!(
                documented.values().any(|p| p.to_string().contains(&format!("\"{status}\""))),
                "{method} {path}: {status}"
            );
        }
    }
    assert!(!document.to_string().contains("#/$defs"), "a reference that leads nowhere");
}

/// Over a socket: one request, and the whole answer.
async fn get(at: std::net::SocketAddr, path: &str) -> String {
    ask(at, "GET", path).await
}
async fn ask(at: std::net::SocketAddr, method: &str, path: &str) -> String {
    let mut stream = TcpStream::connect(at).await.unwrap();
    stream
        .write_all(format!("{method} {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").as_bytes())
        .await
        .unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    answer
}

#[tokio::test]
async fn it_serves_on_a_port_until_it_is_told_to_stop_even_with_listeners() {
    let bench = Bench::new();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (at, stop) = (listener.local_addr().unwrap(), CancellationToken::new());
    let task = tokio::spawn(serve(listener, bench.api.clone(), stop.clone()));
    assert!(get(at, "/healthz").await.ends_with("ok\n"));
    let metrics = get(at, "/metrics").await;
    assert!(metrics.contains("content-type: text/plain; version=0.0.4; charset=utf-8\r\n"), "{metrics}");
    let mut open = TcpStream::connect(at).await.unwrap();
    open.write_all(b"GET /v1/events HTTP/1.1\r\nHost: x\r\n\r\n").await.unwrap();
    let mut head = [0; 12];
    open.read_exact(&mut head).await.unwrap();
    stop.cancel();
    timeout(Duration::from_secs(5), task).await.expect("it ends").unwrap();
    assert!(TcpStream::connect(at).await.is_err());
}

#[tokio::test]
async fn what_was_learned_is_forgotten_for_who_is_on_this_machine() {
    let mut bench = Bench::new();
    bench.hub.publish(&device("a", 1), status(0.0, "True").into());
    let mut asked = bench.asked.take().unwrap();
    let path = "/v1/devices/plant/device-a/learned";
    let (code, why) = bench.problem(Method::DELETE, path).await;
    assert_eq!((code, why.contains("the command forget")), (403, true), "{why}");
    assert!(asked.try_recv().is_err(), "nothing was forgotten");
    let (far, near) = ("10.0.0.7".parse().unwrap(), ["127.0.0.1", "::1", "::ffff:127.0.0.1"]);
    for (peer, expected) in near.map(|near| (near.parse().unwrap(), 204)).into_iter().chain([(far, 403)]) {
        let place = server::Places::new(bench.api.clone()).take().await.reached_from(peer);
        let (ours, theirs) = tokio::io::duplex(1 << 16);
        let open = GracefulShutdown::new();
        server::connection(theirs, place, &open);
        let (mut answers, mut request) = tokio::io::split(ours);
        let head = format!("DELETE {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
        request.write_all(head.as_bytes()).await.unwrap();
        let mut answer = String::new();
        let serve = async {
            if expected == 204 {
                let Some(Asked::Forget { uid, reply }) = asked.recv().await else { panic!("nothing was asked") };
                assert_eq!(uid, "a");
                reply.send(Ok(())).unwrap();
            }
        };
        tokio::join!(serve, async { answers.read_to_string(&mut answer).await.unwrap() });
        assert!(answer.starts_with(&format!("HTTP/1.1 {expected} ")), "{peer}: {answer}");
    }
}

#[tokio::test]
async fn probes_are_answered_where_all_places_are_taken_and_all_else_is_refused() {
    let bench = Bench::new();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let at = listener.local_addr().unwrap();
    tokio::spawn(serve(listener, bench.api.clone(), CancellationToken::new()));
    let mut idle = vec![];
    for _ in 0..server::CONNECTIONS {
        idle.push(TcpStream::connect(at).await.unwrap());
    }
    for _ in 0..2 * server::CONNECTIONS {
        assert!(get(at, "/healthz").await.ends_with("ok\n"));
    }
    let refused = get(at, "/v1/devices").await;
    assert!(refused.starts_with("HTTP/1.1 503 ") && refused.contains("too many connections"), "{refused}");
    drop(idle.pop());
    let served = async {
        while !get(at, "/v1/devices").await.starts_with("HTTP/1.1 200 ") {
            tokio::task::yield_now().await; // until the end of that connection was noticed
        }
    };
    timeout(Duration::from_secs(30), served).await.expect("a place that is given back is used");
}

#[tokio::test(start_paused = true)]
async fn a_listener_that_stops_reading_loses_its_place() {
    let bench = Bench::new();
    let (mut caller, stream) = tokio::io::duplex(1024);
    let (places, open) = (server::Places::new(bench.api.clone()), GracefulShutdown::new());
    server::connection(stream, places.take().await, &open);
    caller.write_all(b"GET /v1/events HTTP/1.1\r\nHost: x\r\n\r\n").await.unwrap();
    caller.read_exact(&mut [0; 12]).await.unwrap();
    assert_eq!(bench.api.listeners.available_permits(), LISTENERS - 1);
    let given_back = async {
        for value in 0.. {
            bench.hub.publish(&device("a", 1), status(f64::from(value), "True").into());
            tokio::time::sleep(Duration::from_secs(1)).await;
            if bench.api.listeners.available_permits() == LISTENERS {
                return;
            }
        }
    };
    timeout(Duration::from_mins(5), given_back).await.expect("its place is given back");
}

#[tokio::test]
async fn a_command_is_carried_out_for_who_is_on_this_machine() {
    let mut bench = Bench::new();
    bench.hub.publish(&device("a", 1), status(0.0, "True").into());
    let mut asked = bench.asked.take().unwrap();
    let path = "/v1/devices/plant/device-a/commands/reset";
    let (code, why) = bench.problem(Method::POST, path).await;
    assert_eq!((code, why.contains("own machine")), (403, true), "{why}");
    let large = format!("{{\"text\": \"{}\"}}", "x".repeat(70_000));
    let unknown = ControlError::Unknown("BadTimeout".into());
    let json = "Host: 127.0.0.1:8080\r\nContent-Type: application/json; charset=utf-8\r\n";
    let page = |line: &str| format!("{json}{line}\r\n");
    let foreign = "Host: plc.example\r\nContent-Type: application/json\r\n";
    let (origin, fetched) = (page("Origin: http://evil.example"), page("Sec-Fetch-Site: cross-site"));
    let text = "Host: localhost\r\nContent-Type: text/plain\r\n";
    for (head, code) in [(foreign, 403), (&*origin, 403), (&*fetched, 403), (text, 415), ("Host: [::1]:8080\r\n", 415)]
    {
        let said = bench.posts(path, head, "{}").await;
        assert!(said.starts_with(&format!("HTTP/1.1 {code} ")), "{head}: {said}");
    }
    assert!(asked.try_recv().is_err(), "nothing was called");
    for (body, answer, expected) in [
        ("{}", Some(Ok(json!(null))), (200, "{\"result\":null}")),
        ("", None, (400, "must be a JSON object of arguments by name")),
        ("{\"code\": 3}", Some(Ok(json!({"done": true}))), (200, "{\"result\":{\"done\":true}}")),
        ("[3]", None, (400, "must be a JSON object of arguments by name")),
        (large.as_str(), None, (413, "at most 65536 bytes")),
        ("{}", Some(Err(ControlError::Invalid("code: required: a number".into()))), (400, "code: required: a number")),
        ("{}", Some(Err(ControlError::Refused("mode is Monitor".into()))), (409, "mode is Monitor")),
        ("{}", Some(Err(ControlError::Failed("BadInvalidState".into()))), (502, "device refused: BadInvalidState")),
        ("{}", Some(Err(unknown)), (502, "unknown whether it was done: BadTimeout")),
    ] {
        let serve = async {
            if let Some(answer) = answer {
                let Some(Asked::Call { uid, command, arguments, reply }) = asked.recv().await else {
                    panic!("not asked")
                };
                let arguments = serde_json::to_value(arguments).unwrap();
                let given: Json = serde_json::from_str(body).unwrap();
                assert_eq!((uid.as_str(), command.as_str(), arguments), ("a", "reset", given));
                reply.send(answer).unwrap();
            }
        };
        let ((), said) = tokio::join!(serve, bench.posts(path, json, body));
        let (code, words) = expected;
        assert!(said.starts_with(&format!("HTTP/1.1 {code} ")) && said.contains(words), "{body:.20}: {said}");
    }
}
