//! A foreign peer of `e2e/peers` in a process of its own, for tests of what only this crate sees.
use serde_json::Value as Json;
use std::{
    io::{BufRead, BufReader, Write},
    path::{Path, PathBuf},
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
    sync::mpsc::{Receiver, channel},
    time::Duration,
};

/// Long: a machine with much to do.
const PATIENCE: Duration = Duration::from_mins(4);

/// Ends with the test, however that ends.
#[derive(Debug)]
pub(crate) struct Peer {
    child: Child,
    input: ChildStdin,
    output: Receiver<String>,
    /// Its first line.
    pub(crate) hello: Json,
}

impl Peer {
    /// asyncua, by the Python of `POLLUX_PYTHON` (`$(e2e/peers/venv)/bin/python`).
    pub(crate) fn asyncua(arguments: &[&str]) -> Self {
        Self::asyncua_at("0", arguments)
    }
    pub(crate) fn asyncua_at(port: &str, arguments: &[&str]) -> Self {
        let python = std::env::var_os("POLLUX_PYTHON").expect("POLLUX_PYTHON is set");
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../e2e/peers/opcua_server.py");
        Self::program(Command::new(python).arg(script).args(["127.0.0.1", port]).args(arguments))
    }
    /// open62541, by the programs of `POLLUX_OPEN62541` (`$(e2e/peers/open62541/build.sh)`).
    pub(crate) fn open62541(arguments: &[&str]) -> Self {
        let folder = std::env::var_os("POLLUX_OPEN62541").expect("POLLUX_OPEN62541 is set");
        let peer = Self::program(Command::new(PathBuf::from(folder).join("server")).args(["0", "10"]).args(arguments));
        assert_eq!(peer.hello["pid"], peer.child.id(), "two can listen on one port: ours must be the one that says so");
        peer
    }
    fn program(command: &mut Command) -> Self {
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("it starts");
        let input = child.stdin.take().expect("piped");
        let output = lines(child.stdout.take().expect("piped"));
        let mut peer = Self { child, input, output, hello: Json::Null };
        peer.hello = peer.line();
        assert_eq!(peer.hello["ready"], true, "{}", peer.hello);
        peer
    }
    fn line(&self) -> Json {
        let line = self.output.recv_timeout(PATIENCE).expect("it answers");
        serde_json::from_str(&line).expect("a line of JSON")
    }
    /// One of its commands, and what it answers.
    pub(crate) fn command(&mut self, words: &str) -> Json {
        writeln!(self.input, "{words}").expect("it listens");
        let answer = self.line();
        assert_eq!(answer["ok"], true, "{words}: {answer}");
        answer
    }
    pub(crate) fn url(&self) -> String {
        format!("opc.tcp://127.0.0.1:{}", self.hello["port"])
    }
}

/// Read beside the test, so that no wait for one is without end.
fn lines(output: ChildStdout) -> Receiver<String> {
    let (say, heard) = channel();
    std::thread::spawn(move || {
        for line in BufReader::new(output).lines().map_while(Result::ok) {
            if say.send(line).is_err() {
                break;
            }
        }
    });
    heard
}

impl Drop for Peer {
    fn drop(&mut self) {
        self.child.kill().ok(); // it may have ended by itself
        self.child.wait().ok();
    }
}
