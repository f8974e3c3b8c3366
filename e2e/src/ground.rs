//! The Bluetooth ground of `e2e/peers/bluez`: a real BlueZ in a guest, and sensors that are told what to do.
use crate::{cluster::run, within};
use anyhow::{Context, Result, ensure};
use serde_json::Value as Json;
use std::{
    path::{Path, PathBuf},
    process::Stdio,
};
use tokio::{
    io::{AsyncBufReadExt, BufReader},
    process::{Child, ChildStdin, Command},
};

/// It ends with us: we hold the other end of its input.
#[derive(Debug)]
pub struct Ground {
    child: Child,
    stdin: ChildStdin,
    folder: PathBuf,
}

impl Ground {
    /// Boots it; the system bus is `system_bus_socket` in that folder.
    pub async fn start(folder: &Path, options: &[&str]) -> Result<Self> {
        let mut command = Command::new(crate::cluster::root().join("e2e/peers/bluez/ground"));
        command.args(["start", "--dir"]).arg(folder).args(options);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).kill_on_drop(true);
        let mut child = command.spawn().context("start the Bluetooth ground")?;
        let stdin = child.stdin.take().context("its input")?;
        let mut lines = BufReader::new(child.stdout.take().context("its output")?).lines();
        let first = within("the Bluetooth ground is ready", async { Ok(lines.next_line().await?) }).await?;
        ensure!(first.as_deref().is_some_and(|line| line.starts_with("READY")), "the ground says {first:?}");
        Ok(Self { child, stdin, folder: folder.to_owned() })
    }
    /// Tells it something; what it answers.
    pub async fn ask(&self, what: &Json) -> Result<Json> {
        let folder = self.folder.to_str().context("a folder in UTF-8")?;
        Ok(serde_json::from_str(&run("e2e/peers/bluez/ground", &["ask", folder, &what.to_string()], None).await?)?)
    }
    /// Takes it down; its folder stays.
    pub async fn end(self) -> Result<()> {
        let Self { mut child, stdin, folder: _ } = self;
        drop(stdin);
        within("the ground has ended", async { Ok(child.wait().await?) }).await?;
        Ok(())
    }
}
