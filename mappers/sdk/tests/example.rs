//! The example as its user runs it: the program, a YAML file, and a peer on a socket.
use std::{
    collections::BTreeMap,
    io::{BufRead, BufReader, Write},
    net::{TcpListener, TcpStream},
    path::PathBuf,
    process::{Child, Command, Stdio},
    sync::{Arc, Mutex},
    thread,
};

type Values = Arc<Mutex<BTreeMap<String, String>>>;

const YAML: &str = "
apiVersion: pollux.rs/v1alpha1
kind: DeviceModel
metadata: {name: oven}
spec:
  summary: [temperature, setpoint]
  properties:
  - {name: temperature, type: number, interval: 200ms, binding: {custom: {name: t}}}
  - {name: setpoint, type: number, access: ReadWrite, interval: 200ms, binding: {custom: {name: s}}}
---
apiVersion: pollux.rs/v1alpha1
kind: Device
metadata: {name: oven-1}
spec:
  model: oven
  mapperClass: lines
  protocol: {custom: {address: 'ADDRESS', prefix: oven.}}
  desired: {setpoint: 180}
---
apiVersion: pollux.rs/v1alpha1
kind: Device
metadata: {name: of-another-protocol}
spec:
  model: oven
  mapperClass: other
  protocol: {custom: {}}
";

fn answer(line: &str, values: &mut BTreeMap<String, String>) -> String {
    match line.split(' ').collect::<Vec<_>>()[..] {
        ["get", ref names @ ..] => {
            names.iter().map(|name| values.get(*name).map_or("missing", |v| v)).collect::<Vec<_>>().join(" ")
        }
        ["set", name, value] => {
            values.insert(name.into(), value.into());
            "ok".into()
        }
        _ => "error".into(),
    }
}
fn serve(stream: TcpStream, values: &Values) {
    let mut out = stream.try_clone().expect("a socket");
    for line in BufReader::new(stream).lines().map_while(Result::ok) {
        let said = answer(&line, &mut values.lock().expect("values"));
        if writeln!(out, "{said}").is_err() {
            return;
        }
    }
}
fn peer(values: &Values) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("an address").to_string();
    let values = values.clone();
    thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            let values = values.clone();
            thread::spawn(move || serve(stream, &values));
        }
    });
    address
}

/// Ends with the test, however that ends.
struct Program(Child);
impl Drop for Program {
    fn drop(&mut self) {
        self.0.kill().ok();
        self.0.wait().ok();
    }
}
/// The example as a program: `cargo test` builds it beside the tests. (A cargo started in here would find another environment,
/// and build half of the workspace anew each time.)
fn example(name: &str) -> PathBuf {
    let tests = std::env::current_exe().expect("this test");
    let program = tests.parent().and_then(|deps| deps.parent()).expect("a target folder").join("examples").join(name);
    assert!(program.exists(), "not built by --test alone: cargo build -p pollux-mapper --example {name}");
    program
}

#[test]
fn the_example_drives_a_device_from_a_file_and_ends_in_order() {
    let values = Values::default();
    values.lock().expect("values").extend([("oven.t", "21.5"), ("oven.s", "20")].map(|(k, v)| (k.into(), v.into())));
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("oven.yaml");
    std::fs::write(&file, YAML.replace("ADDRESS", &peer(&values))).expect("a file");
    let mut command = Command::new(example("lines"));
    command.arg("--file").arg(&file).args(["--allow-writes", "--listen", "127.0.0.1:0", "--state-dir"]);
    command.arg(folder.path().join("state")).stdout(Stdio::piped()).stderr(Stdio::null());
    let mut program = Program(command.spawn().expect("it starts"));
    let lines = BufReader::new(program.0.stdout.take().expect("its output")).lines().map_while(Result::ok);
    let mut seen = vec![];
    let shown =
        lines.inspect(|line| seen.push(line.clone())).any(|line| line == "oven-1  temperature=21.5 setpoint=180");
    assert!(shown, "{seen:#?}");
    assert_eq!(values.lock().expect("values")["oven.s"], "180");
    let told = Command::new("kill").args(["-TERM", &program.0.id().to_string()]).status().expect("kill");
    assert!(told.success() && program.0.wait().expect("it ends").success());
}
