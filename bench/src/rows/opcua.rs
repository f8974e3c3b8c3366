//! What the rows of OPC UA share: the mapper's YAML, and the other clients.
use super::Context;
use crate::{
    plant::Mapper,
    process::{self, Process},
    servers::Server,
};
use anyhow::{Context as _, Result, ensure};
use std::{fmt::Write as _, process::Command, process::Stdio};

pub(super) const C: &str = "open62541";
pub(super) const PYTHON: &str = "asyncua";
pub(super) const ENGINE: &str = "pollux engine alone";
pub(super) const MAPPER: &str = "pollux-opcua";

/// Why a row cannot be run here.
pub(super) fn missing(context: &Context) -> bool {
    let missing = context.open62541.is_none();
    if missing {
        println!("skipped: no open62541 (e2e/peers/open62541/build.sh makes it; needs cmake)");
    }
    missing
}

/// Servers of so many floats each.
pub(super) fn servers(context: &Context, count: usize, floats: usize, options: &[&str]) -> Result<Vec<Server>> {
    let folder = context.open62541.clone().unwrap_or_default();
    (0..count).map(|_| Server::start(&folder, 0, floats, options)).collect()
}

/// The client on open62541.
pub(super) fn c_client(context: &Context, arguments: &[&str]) -> Command {
    let folder = context.open62541.clone().unwrap_or_default();
    let mut command = process::on_core(process::CLIENT, folder.join("client"));
    command.args(arguments).stdout(Stdio::piped());
    command
}
/// Its line, when it has ended.
pub(super) fn c_says(client: Process) -> Result<serde_json::Value> {
    let out = client.output()?;
    let line = out.lines().last().context("the client on open62541 said nothing")?;
    Ok(serde_json::from_str(line)?)
}

/// Devices of one model, so many on each server.
#[derive(Debug, Clone, Copy)]
pub(super) struct Floats {
    pub(super) devices: usize,
    /// Properties of each: the first nodes of its server.
    pub(super) points: usize,
    pub(super) interval_ms: u64,
    pub(super) poll: bool,
}

impl Floats {
    pub(super) fn start(&self, servers: &[Server]) -> Result<Mapper> {
        Mapper::start("pollux-opcua", &self.yaml(servers)?)
    }
    fn yaml(&self, servers: &[Server]) -> Result<String> {
        let mut out =
            String::from("apiVersion: pollux.rs/v1alpha1\nkind: DeviceModel\nmetadata: {name: floats}\nspec:\n");
        writeln!(out, "  defaults: {{interval: {}ms}}\n  properties:", self.interval_ms)?;
        for node in 1..=self.points {
            let id = format!("\"nsu=urn:test;i={node}\"");
            writeln!(out, "  - {{name: t{node}, type: number, binding: {{opcua: {{nodeId: {id}}}}}}}")?;
        }
        let mode = if self.poll { "Poll" } else { "Auto" };
        for (at, server) in servers.iter().enumerate() {
            let url = server.url();
            writeln!(out, "---\napiVersion: pollux.rs/v1alpha1\nkind: Channel\nmetadata: {{name: c{at}}}")?;
            writeln!(out, "spec: {{protocol: {{opcua: {{url: \"{url}\", subscription: {{mode: {mode}}},")?;
            writeln!(out, "  security: {{policy: None, insecure: true}}}}}}}}")?;
            for device in 0..self.devices {
                writeln!(out, "---\napiVersion: pollux.rs/v1alpha1\nkind: Device\nmetadata: {{name: d{at}-{device}}}")?;
                writeln!(out, "spec: {{model: floats, mode: Monitor, protocol: {{opcua: {{channel: c{at}}}}}}}")?;
            }
        }
        Ok(out)
    }
    /// Each float of one device on each server stands where the server's own count says, or at most so many samples behind; how many
    /// were looked at. All floats are read together: one is as often as all of them, by their number.
    pub(super) fn verify(&self, mapper: &Mapper, servers: &mut [Server], behind: f64) -> Result<usize> {
        let mut seen = 0;
        for (at, server) in servers.iter_mut().enumerate() {
            let per_float = |server: &mut Server| Ok::<_, anyhow::Error>(server.seen()?.floats / self.points as f64);
            let before = per_float(server)?;
            let object = mapper.device(&format!("d{at}-0"))?;
            let after = per_float(server)?;
            let least = before - behind - 2.0;
            for node in 1..=self.points {
                let value = object.pointer(&format!("/status/reported/t{node}")).and_then(serde_json::Value::as_f64);
                let value = value.with_context(|| format!("d{at}-0 has no t{node}"))?;
                ensure!(
                    (least..=after + 2.0).contains(&value),
                    "d{at}-0 t{node} is {value}, and was sampled {before} to {after} times"
                );
                seen += 1;
            }
        }
        Ok(seen)
    }
}

/// What was lost, by the mapper's own counters.
pub(super) fn lost(mapper: &Mapper) -> Result<f64> {
    Ok(mapper.metric("pollux_endpoint_samples_lost_total")? + mapper.metric("pollux_endpoint_pushes_lost_total")?)
}
