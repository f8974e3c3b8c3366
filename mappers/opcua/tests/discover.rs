//! `discover` as it is run, against a server in this process.
#![allow(clippy::unwrap_used, reason = "tests")]
mod liar;

use liar::Liar;
use std::process::Command;

/// What a Pod wrote is one stream: all of it is to be YAML.
#[tokio::test]
async fn what_is_logged_beside_the_yaml_is_a_remark_of_it() {
    let liar = Liar::honest().await;
    let (url, state) = (liar.url(), tempfile::tempdir().unwrap());
    let mut command = Command::new(env!("CARGO_BIN_EXE_pollux-opcua"));
    command.args(["discover", &url, "--insecure"]).env("XDG_STATE_HOME", state.path()).env("RUST_LOG", "trace");
    let output = tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success() && said.contains("TRACE"), "{said}");
    let other: Vec<&str> = said.lines().filter(|line| !line.starts_with("# ")).collect();
    assert!(other.is_empty(), "{other:#?}");
}
