//! Arguments, and the help that teaches them.
use clap::{Args, Command, Parser, Subcommand, ValueEnum};
use std::{net::SocketAddr, path::PathBuf};

const AFTER: &str = "\
Examples:
  {bin} check examples/boiler                        judge the files as a cluster would, show the requests
  {bin} read  examples/boiler                        connect once, print all values
  {bin} read  examples/boiler boiler-1               ... of one device
  {bin} write examples/boiler boiler-1 setpoint=22   show old and new, ask, write, read back
  {bin} call  examples/boiler boiler-1 reset code=1  a command of its model: show, ask, send once
  {bin} forget boiler-1                              a running mapper forgets what it learned of a device
  {bin} --file examples/boiler                       run without a cluster; edits are picked up; reads only
  {bin} --file examples/boiler --allow-writes        ... and brings devices to their desired values
  {bin} --state-dir DIR                              in a cluster (POLLUX_CLASS and NODE_NAME are set by the operator)
{more}
Exit codes:
  0  all is well
  1  a fault on the wire, of a device, or of the machine
  2  wrong usage, or invalid YAML

The level of the log is RUST_LOG (default info), such as RUST_LOG=debug.";

/// What holds for the mapper as a whole.
#[derive(Debug, Clone, Args)]
pub(super) struct Options {
    /// Run without a cluster: DeviceModel, Channel, Device and Secret from YAML files, or folders of them
    #[arg(long = "file", value_name = "PATH", num_args = 1..)]
    pub(super) files: Vec<PathBuf>,
    /// With --file: write desired values to devices (without it they are only read)
    #[arg(long, requires = "files")]
    pub(super) allow_writes: bool,
    /// Where the local API, /metrics, /healthz and /readyz listen
    #[arg(long, value_name = "ADDRESS:PORT", default_value = "127.0.0.1:8080")]
    pub(super) listen: SocketAddr,
    /// What must survive a restart: acknowledged values, cached configuration. One mapper per folder
    /// [default with --file: $XDG_STATE_HOME/pollux/<protocol>]
    #[arg(long, value_name = "DIR")]
    pub(super) state_dir: Option<PathBuf>,
    /// text for people, json for machines
    #[arg(long, value_enum, default_value_t, global = true)]
    pub(super) log_format: LogFormat,
    /// The MapperClass; set by the operator
    #[arg(long, env = "POLLUX_CLASS", hide = true)]
    pub(super) class: Option<String>,
    /// The node; set by the operator
    #[arg(long, env = "NODE_NAME", hide = true)]
    pub(super) node: Option<String>,
}

/// Form of the log.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub(super) enum LogFormat {
    #[default]
    Text,
    Json,
}

/// Commands that run once.
#[derive(Debug, Clone, Subcommand)]
pub(super) enum Commands {
    /// Judge files as a cluster would, and show the requests that would be sent
    Check {
        /// YAML files, or folders of them
        #[arg(required = true, value_name = "PATH")]
        paths: Vec<PathBuf>,
    },
    /// Connect once and print a table of values; exits with 1 on any fault
    Read {
        /// YAML files or folders, then names of devices (default: all)
        #[arg(required = true, value_names = ["PATH", "DEVICE"], num_args = 1..)]
        targets: Vec<String>,
    },
    /// Write properties of one device: shows old and new, asks, writes, reads back
    Write {
        /// YAML files or folders, the name of a device, and property=value (the value in YAML)
        #[arg(required = true, value_names = ["PATH", "DEVICE", "PROPERTY=VALUE"], num_args = 1..)]
        targets: Vec<String>,
        /// Do not ask
        #[arg(long)]
        yes: bool,
    },
    /// Carry out a command of a device's model: shows it, asks, sends it once, prints what it gave
    Call {
        /// YAML files or folders, the name of a device, the name of a command, and argument=value (the value in YAML)
        #[arg(required = true, value_names = ["PATH", "DEVICE", "COMMAND", "ARGUMENT=VALUE"], num_args = 1..)]
        targets: Vec<String>,
        /// Do not ask
        #[arg(long)]
        yes: bool,
    },
    /// Forget what was learned of devices (addresses that they refuse, how much they give at once): it is found out again at once
    Forget {
        /// Names of devices, or namespace/name (default: all of which something was learned)
        #[arg(value_name = "DEVICE")]
        devices: Vec<String>,
        /// Where the local API of the running mapper listens
        #[arg(long, value_name = "ADDRESS:PORT", default_value = "127.0.0.1:8080", conflicts_with = "state_dir")]
        api: SocketAddr,
        /// State folder of a mapper that does not run: all of it is forgotten
        #[arg(long, value_name = "DIR", conflicts_with = "devices")]
        state_dir: Option<PathBuf>,
    },
    /// Give the state folder to the mapper's user; run by the operator before the mapper starts
    #[command(hide = true)]
    InitState {
        #[arg(long)]
        dir: PathBuf,
        #[arg(long)]
        uid: u32,
        #[arg(long)]
        gid: u32,
    },
}

#[derive(Debug, Parser)]
#[command(version, args_conflicts_with_subcommands = true)]
struct Whole {
    #[command(flatten)]
    options: Options,
    #[command(subcommand)]
    command: Option<Commands>,
}

/// The command line of the mapper of a protocol, with the driver's own examples: words, and what they do.
pub(super) fn command(protocol: &str, examples: &[(String, String)]) -> Command {
    let name = format!("pollux-{protocol}");
    // One column for what fits, as in the lines above.
    let more: Vec<String> = examples.iter().map(|(words, what)| format!("  {name} {words:<43} {what}\n")).collect();
    let after = AFTER.replace("{more}", &more.concat()).replace("{bin}", &name);
    let about = format!(
        "Pollux mapper for {protocol}: mirrors field devices into Kubernetes, or runs from the same YAML files"
    );
    <Whole as clap::CommandFactory>::command().name(name.clone()).bin_name(name).about(about).after_help(after)
}
