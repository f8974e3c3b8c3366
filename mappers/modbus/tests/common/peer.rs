//! A foreign peer of `e2e/peers` in a process of its own: commands on its input, a line of JSON for each on its output.
//! `POLLUX_PYTHON` is a Python that has what they need (`$(e2e/peers/venv)/bin/python`).
use serde_json::Value as Json;
use std::{
    ffi::OsString,
    io::{BufRead, BufReader, Write},
    net::SocketAddr,
    path::{Path, PathBuf},
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
};

pub(crate) fn python() -> OsString {
    std::env::var_os("POLLUX_PYTHON").expect("POLLUX_PYTHON is set")
}
pub(crate) fn script(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../e2e/peers").join(name)
}

/// Ends with the test, however that ends.
pub(crate) struct Peer {
    child: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
    /// Where it listens; nowhere on a serial port.
    pub(crate) address: Option<SocketAddr>,
}

impl Peer {
    pub(crate) fn pymodbus(arguments: &[&str]) -> Self {
        Self::by("pymodbus_server.py", &[&["127.0.0.1", "0"], arguments].concat())
    }
    pub(crate) fn by(name: &str, arguments: &[&str]) -> Self {
        Self::program(Command::new(python()).arg(script(name)).args(arguments))
    }
    pub(crate) fn program(command: &mut Command) -> Self {
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("it starts");
        let input = child.stdin.take().expect("piped");
        let output = BufReader::new(child.stdout.take().expect("piped"));
        let mut peer = Self { child, input, output, address: None };
        let port = peer.line()["port"].as_u64().and_then(|port| u16::try_from(port).ok());
        peer.address = port.map(|port| SocketAddr::from(([127, 0, 0, 1], port)));
        peer
    }
    fn line(&mut self) -> Json {
        let mut line = String::new();
        self.output.read_line(&mut line).expect("readable");
        serde_json::from_str(&line).expect("a line of JSON")
    }
    pub(crate) fn command(&mut self, words: &str) -> Json {
        writeln!(self.input, "{words}").expect("it listens");
        let answer = self.line();
        assert_eq!(answer["ok"], true, "{words}: {answer}");
        answer
    }
    pub(crate) fn address(&self) -> SocketAddr {
        self.address.expect("it listens on TCP")
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        self.child.kill().ok(); // it may have ended by itself
        self.child.wait().ok();
    }
}
