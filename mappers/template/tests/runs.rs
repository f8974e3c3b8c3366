//! The template as its reader runs it: the program, its own `device.yaml`, and a peer on a socket.
use std::{
    collections::BTreeMap,
    io::{BufRead, BufReader, Read, Write},
    net::{TcpListener, TcpStream},
    path::Path,
    process::{Child, Command, Stdio},
    sync::{Arc, Mutex, mpsc},
    thread,
    time::Duration,
};

type Values = Arc<Mutex<BTreeMap<String, String>>>;

fn answer(line: &str, values: &mut BTreeMap<String, String>) -> String {
    match line.split(' ').collect::<Vec<_>>()[..] {
        ["get", name] => values.get(name).cloned().unwrap_or_else(|| "no such name".into()),
        ["set", name, value] => {
            values.insert(name.into(), value.into());
            "ok".into()
        }
        _ => "what?".into(),
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
/// An oven at 21.5 °C, set to 20; its address, and what stands in it.
fn oven() -> (String, Values) {
    let values = [("temperature", "21.5"), ("setpoint", "20")].map(|(name, value)| (name.into(), value.into()));
    let values = Values::new(Mutex::new(values.into()));
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let (address, served) = (listener.local_addr().expect("an address").to_string(), values.clone());
    thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            let values = served.clone();
            thread::spawn(move || serve(stream, &values));
        }
    });
    (address, values)
}
/// `device.yaml`, with the address of the peer.
fn file(folder: &Path, address: &str) -> std::path::PathBuf {
    let (file, yaml) = (folder.join("device.yaml"), include_str!("../device.yaml"));
    assert!(yaml.contains("127.0.0.1:7070"));
    std::fs::write(&file, yaml.replace("127.0.0.1:7070", address)).expect("a file");
    file
}
fn template() -> Command {
    Command::new(env!("CARGO_BIN_EXE_pollux-template"))
}

/// Ends with the test, however that ends.
struct Program(Child);
impl Drop for Program {
    fn drop(&mut self) {
        self.0.kill().ok();
        self.0.wait().ok();
    }
}

#[test]
fn it_brings_the_device_of_its_example_to_the_desired_value_and_ends_in_order() {
    let (folder, (address, values)) = (tempfile::tempdir().expect("a folder"), oven());
    let mut command = template();
    command.arg("--file").arg(file(folder.path(), &address)).args(["--allow-writes", "--listen", "127.0.0.1:0"]);
    command.arg("--state-dir").arg(folder.path().join("state")).stdout(Stdio::piped()).stderr(Stdio::null());
    let mut program = Program(command.spawn().expect("it starts"));
    let lines = BufReader::new(program.0.stdout.take().expect("its output")).lines().map_while(Result::ok);
    let mut seen = vec![];
    let goal = "oven-1  temperature=21.5 °C setpoint=180 °C";
    let shown = lines.inspect(|line| seen.push(line.clone())).any(|line| line == goal);
    assert!(shown, "{seen:#?}");
    assert_eq!(values.lock().expect("values")["setpoint"], "180");
    let told = Command::new("kill").args(["-TERM", &program.0.id().to_string()]).status().expect("kill");
    assert!(told.success() && program.0.wait().expect("it ends").success());
}

#[test]
fn at_the_question_of_write_an_interrupt_ends_it_and_nothing_is_written() {
    let (folder, (address, values)) = (tempfile::tempdir().expect("a folder"), oven());
    let path = file(folder.path(), &address);
    // `script` gives it a terminal to ask on.
    let line =
        format!("exec '{}' write '{}' oven-1 setpoint=180", env!("CARGO_BIN_EXE_pollux-template"), path.display());
    let mut command = Command::new("script");
    command.args(["-qefc", &line, "/dev/null"]).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
    let mut program = Program(command.spawn().expect("script of util-linux"));
    let (mut keys, mut shown) = (program.0.stdin.take().expect("keys"), program.0.stdout.take().expect("a screen"));
    let mut seen = Vec::new();
    while !seen.ends_with(b"[y/N] ") {
        let mut byte = [0];
        shown.read_exact(&mut byte).unwrap_or_else(|e| panic!("{e}: {}", String::from_utf8_lossy(&seen)));
        seen.push(byte[0]);
    }
    keys.write_all(b"\x03").expect("a key");
    let (ended, end) = mpsc::channel();
    thread::spawn(move || {
        let mut rest = String::new();
        shown.read_to_string(&mut rest).expect("text");
        ended.send((rest, program.0.wait().expect("it ends").code()))
    });
    let (rest, code) = end.recv_timeout(Duration::from_secs(30)).expect("it ends although nobody answered");
    assert_eq!((code, rest.contains("nothing was written")), (Some(1), true), "{rest}");
    assert_eq!(values.lock().expect("values")["setpoint"], "20");
    drop(keys);
}

#[test]
fn its_files_pass_check_and_what_it_cannot_parse_is_named() {
    let folder = tempfile::tempdir().expect("a folder");
    let good = file(folder.path(), "127.0.0.1:7070");
    let check = |path: &Path| {
        let done = template().arg("check").arg(path).output().expect("it runs");
        (done.status.success(), String::from_utf8_lossy(&done.stdout).into_owned())
    };
    let (ok, said) = check(&good);
    assert!(ok && said.contains("oven-1 at 127.0.0.1:7070"), "{said}");
    let class = folder.path().join("class.yaml");
    std::fs::write(&class, include_str!("../class.yaml")).expect("a file");
    let (ok, said) = check(folder.path());
    assert!(ok, "with its class: {said}");
    let bad = folder.path().join("device.yaml");
    let yaml = std::fs::read_to_string(&bad).expect("a file").replace("{address: \"127.0.0.1:7070\"}", "{adress: x}");
    std::fs::write(&bad, yaml).expect("a file");
    let (ok, said) = check(&bad);
    assert!(!ok && said.contains("spec.protocol.custom") && said.contains("address"), "{said}");
}
