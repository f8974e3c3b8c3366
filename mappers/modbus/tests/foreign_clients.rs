//! The local API read by clients that share no code with us: Prometheus' parser, schemathesis, a listener to server-sent events.
//! `POLLUX_PYTHON` is a Python that has them (`$(e2e/peers/venv)/bin/python`); `scripts/test clients` runs them, and says so where
//! there is none. The mapper is the real program, with the example of the README.
#![allow(clippy::panic, clippy::unwrap_in_result, reason = "a test")]
use pollux_sim::{Line, serve};
use serde_json::Value as Json;
use std::{
    collections::{BTreeMap, BTreeSet},
    ffi::OsString,
    fs,
    io::{BufRead, BufReader, Write},
    path::{Path, PathBuf},
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
    thread,
};
use tempfile::TempDir;
use tokio::net::TcpListener;

const EXAMPLE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../examples/boiler");
const CLIENTS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../e2e/peers/api.py");
const REFERENCE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/reference/metrics.md");

fn python() -> OsString {
    std::env::var_os("POLLUX_PYTHON").expect("POLLUX_PYTHON is set")
}

/// Ends with the test, however that ends.
struct Program(Child);
impl Drop for Program {
    fn drop(&mut self) {
        self.0.kill().ok(); // it may have ended by itself
        self.0.wait().ok();
    }
}

/// The mapper with the boilers of the example, which stand still unless they are written.
struct Mapper {
    folder: TempDir,
    _state: TempDir,
    url: String,
    _program: Program,
}

impl Mapper {
    fn start() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        for name in ["model.yaml", "devices.yaml"] {
            fs::copy(Path::new(EXAMPLE).join(name), folder.path().join(name)).expect("the example");
        }
        edit(&folder.path().join("devices.yaml"), "port: 5020", &format!("port: {}", boilers()));
        let mut command = Command::new(env!("CARGO_BIN_EXE_pollux-modbus"));
        command.arg("--file").arg(folder.path()).args(["--allow-writes", "--listen", "127.0.0.1:0", "--state-dir"]);
        let state = tempfile::tempdir().expect("a folder");
        command.arg(state.path()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut program = Program(command.spawn().expect("it starts"));
        let mut lines = BufReader::new(program.0.stdout.take().expect("its output")).lines().map_while(Result::ok);
        let welcome = lines.next().expect("a line");
        let url = welcome.strip_prefix("local API on ").and_then(|rest| rest.strip_suffix("/v1/devices"));
        let url = url.unwrap_or_else(|| panic!("{welcome}")).to_owned();
        assert!(!url.ends_with(":0"), "{url} is no address to ask at");
        thread::spawn(move || lines.for_each(drop)); // else it would wait for us
        Self { folder, _state: state, url, _program: program }
    }
    fn devices(&self) -> PathBuf {
        self.folder.path().join("devices.yaml")
    }
}

/// The port of a gateway with three boilers.
fn boilers() -> u16 {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
    let port = listener.local_addr().expect("bound").port();
    listener.set_nonblocking(true).expect("as tokio wants it");
    thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        runtime.block_on(async {
            let listener = TcpListener::from_std(listener).expect("a listener");
            serve(listener, Line::new(1, 0.0, |_| {})).await.expect("serves");
        });
    });
    port
}

/// As an editor saves it: whole, or not at all.
fn edit(file: &Path, old: &str, new: &str) {
    let text = fs::read_to_string(file).expect("readable");
    assert!(text.contains(old), "{old} is not in {}", file.display());
    let next = file.with_extension("new");
    fs::write(&next, text.replace(old, new)).expect("writable");
    fs::rename(next, file).expect("in one folder");
}

/// Runs a client to its end; what it says.
fn client(python: &OsString, words: &[&str]) -> Json {
    let done = Command::new(python).arg(CLIENTS).args(words).output().expect("POLLUX_PYTHON starts");
    let said = String::from_utf8_lossy(&done.stdout);
    let answer: Json = serde_json::from_str(said.trim()).unwrap_or_default();
    if let Some(wrong) = answer["wrong"].as_array() {
        panic!("{words:?}: {}", wrong.iter().filter_map(Json::as_str).collect::<Vec<_>>().join("\n"));
    }
    assert!(done.status.success(), "{words:?}: {said}{}", String::from_utf8_lossy(&done.stderr));
    answer
}

/// A listener to events, by whatever path an event came.
struct Listener {
    input: ChildStdin,
    output: BufReader<ChildStdout>,
    _program: Program,
}

impl Listener {
    fn start(python: &OsString, url: &str) -> Self {
        let mut command = Command::new(python);
        command.arg(CLIENTS).args(["events", &format!("{url}/v1/events")]).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut program = Program(command.spawn().expect("POLLUX_PYTHON starts"));
        let input = program.0.stdin.take().expect("piped");
        let output = BufReader::new(program.0.stdout.take().expect("piped"));
        Self { input, output, _program: program }
    }
    fn tell(&mut self, words: &str) -> Json {
        writeln!(self.input, "{words}").expect("it listens");
        let mut line = String::new();
        self.output.read_line(&mut line).expect("readable");
        serde_json::from_str(&line).unwrap_or_else(|error| panic!("{words}: {error}: {line:?}"))
    }
    /// Until each boiler is as the example wants it.
    fn settled(&mut self) {
        let mut open = BTreeMap::from([("boiler-1", 60.0), ("boiler-2", 65.0), ("boiler-3", 60.0)]);
        while !open.is_empty() {
            let told = self.tell("next");
            open.retain(|device, value| {
                told["data"]["metadata"]["name"] != *device || !setpoint(*value)(&told["data"])
            });
        }
    }
    /// Its id, once an event of this device is such; and whom else something was told of.
    fn until(&mut self, event: &str, device: &str, is: impl Fn(&Json) -> bool) -> (String, BTreeSet<String>) {
        let mut others = BTreeSet::new();
        loop {
            let told = self.tell("next");
            let name = told["data"]["metadata"]["name"].as_str().expect("a name");
            if told["event"] == event && name == device && is(&told["data"]) {
                return (told["id"].as_str().expect("an id").to_owned(), others);
            }
            others.insert(name.to_owned());
        }
    }
}

fn in_sync(device: &Json) -> bool {
    let conditions = device["status"]["conditions"].as_array().into_iter().flatten();
    conditions.filter(|c| c["type"] == "InSync").any(|c| c["status"] == "True")
}
fn setpoint(value: f64) -> impl Fn(&Json) -> bool {
    move |device| device["status"]["reported"]["setpoint"] == value && in_sync(device)
}

#[test]
#[ignore = "a part of its own: needs POLLUX_PYTHON"]
fn prometheus_parser_reads_every_metric_as_documented() {
    let python = python();
    let mapper = Mapper::start();
    let mut listener = Listener::start(&python, &mapper.url);
    listener.tell("listen");
    listener.settled();
    let page = client(&python, &["metrics", &format!("{}/metrics", mapper.url), "--reference", REFERENCE]);
    let names: Vec<_> = page["names"].as_array().expect("names").iter().filter_map(Json::as_str).collect();
    for name in
        ["pollux_devices", "pollux_device_connected", "pollux_endpoint_connects_total", "pollux_device_writes_total"]
    {
        assert!(names.contains(&name), "{name}: {names:?}");
    }
}

#[test]
#[ignore = "a part of its own: needs POLLUX_PYTHON"]
fn schemathesis_finds_nothing_that_the_document_does_not_say() {
    let python = python();
    let mapper = Mapper::start();
    let mut listener = Listener::start(&python, &mapper.url);
    listener.tell("listen");
    listener.settled();
    let document = client(&python, &["openapi", &mapper.url, "default/boiler-1"]);
    assert!(document["paths"].as_array().is_some_and(|paths| paths.len() >= 8), "{document}");
}

#[test]
#[ignore = "a part of its own: needs POLLUX_PYTHON"]
fn a_listener_hears_what_is_there_what_changes_what_it_missed_and_what_goes() {
    let python = python();
    let mapper = Mapper::start();
    let mut listener = Listener::start(&python, &mapper.url);
    listener.tell("listen");
    listener.settled();
    edit(&mapper.devices(), "setpoint: 60 ", "setpoint: 61 ");
    let (last, _) = listener.until("device", "boiler-1", setpoint(61.0));
    listener.tell("close");
    edit(&mapper.devices(), "setpoint: 65", "setpoint: 66");
    // Another listener sees when the change is there, so that the first has missed it.
    let mut other = Listener::start(&python, &mapper.url);
    other.tell("listen");
    other.until("device", "boiler-2", setpoint(66.0));
    listener.tell(&format!("listen {last}"));
    let (_, others) = listener.until("device", "boiler-2", setpoint(66.0));
    assert!(!others.contains("boiler-3"), "what did not change is not told again: {others:?}");
    let text = fs::read_to_string(mapper.devices()).expect("readable");
    let third = text.find("---\napiVersion: pollux.rs/v1alpha1\nkind: Device\nmetadata:\n  name: boiler-3");
    edit(&mapper.devices(), &text[third.expect("boiler-3")..], "");
    listener.until("gone", "boiler-3", |_| true);
}
