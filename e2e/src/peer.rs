//! Foreign devices in the field, driven by lines on their standard input.
use crate::{cluster::root, within};
use anyhow::{Context, Result, ensure};
use serde_json::Value as Json;
use std::process::Stdio;
use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines},
    process::{Child, ChildStdin, ChildStdout, Command},
};

/// A peer that runs in a network namespace of the cluster; it ends with us.
#[derive(Debug)]
pub struct Peer {
    child: Child,
    stdin: ChildStdin,
    lines: Lines<BufReader<ChildStdout>>,
}

impl Peer {
    /// Starts a script of `e2e/peers` in that place, and waits for its first word.
    pub async fn start(place: &str, script: &str, args: &[&str]) -> Result<Self> {
        let python = std::env::var("POLLUX_PYTHON").context("POLLUX_PYTHON is not set: see e2e/peers/venv")?;
        let script = root().join("e2e/peers").join(script);
        let mut command = Command::new(root().join("e2e/cluster/cluster"));
        command.args(["exec", place, "--", &python]).arg(script).args(args).current_dir(root());
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).kill_on_drop(true);
        let mut child = command.spawn().context("start the peer")?;
        let stdin = child.stdin.take().context("stdin of the peer")?;
        let lines = BufReader::new(child.stdout.take().context("stdout of the peer")?).lines();
        let mut peer = Self { child, stdin, lines };
        let first = peer.answer().await?;
        ensure!(first["ready"] == true, "the peer says {first}");
        Ok(peer)
    }
    /// One command, one answer.
    pub async fn ask(&mut self, line: &str) -> Result<Json> {
        self.stdin.write_all(format!("{line}\n").as_bytes()).await?;
        let answer = self.answer().await?;
        ensure!(answer.get("error").is_none(), "{line}: {answer}");
        Ok(answer)
    }
    async fn answer(&mut self) -> Result<Json> {
        let line = within("the peer's answer", async { Ok(self.lines.next_line().await?) }).await?;
        Ok(serde_json::from_str(&line.context("the peer ended")?)?)
    }
    /// Pulls its plug.
    pub async fn kill(mut self) -> Result<()> {
        Ok(self.child.kill().await?)
    }
}
