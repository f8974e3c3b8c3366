//! What the operator is told when it starts.
use clap::{Parser, Subcommand, ValueEnum};
use std::{fmt, net::SocketAddr, path::PathBuf, str::FromStr};

const HELP: &str = "\
It reads Device, DeviceModel, Channel, MapperClass, Node, Pod and the labelled Secrets that devices name, and writes
  DeviceSlices   what one mapper on one node shall do        (kubectl -n pollux-mappers get dslice)
  revisions      properties of devices, which slices name    (kubectl -n pollux-mappers get dmr)
  DaemonSets     one per MapperClass, with its account, on nodes that have devices of it
  readers        account, Role and Secret by which one mapper on one node reads what is its own; in the Secret stand copies of
                 keys of Secrets that its devices name, with label pollux.rs/for=mappers, where the chart's secretNamespaces lets
                 the operator read
  node labels    pollux.node-restriction.kubernetes.io/CLASS, where a mapper of CLASS runs
  conditions     Accepted, Scheduled, Ready of each Device   (kubectl get device NAME -o yaml; MESSAGE of -o wide says the worst)
  MapperClasses  those of --classes, when it starts to lead
It never speaks to a device. Several replicas may run: one leads (Lease pollux-operator), the others wait.

Outside a cluster it takes $KUBECONFIG, as kubectl does:
  pollux-operator --classes classes.yaml --listen 127.0.0.1:8080

What it is doing:
  curl localhost:8080/metrics     reconciles, queue, leader, devices by condition
  RUST_LOG=pollux_operator=debug  one line per reconcile";

/// Turns Devices into mappers on nodes, and tells each mapper what it shall do.
#[derive(Debug, Clone, Parser)]
#[command(name = "pollux-operator", version, after_help = HELP)]
pub struct Args {
    /// What to do instead of running
    #[command(subcommand)]
    pub command: Option<Command>,
    /// Where /metrics, /healthz and /readyz are served
    #[arg(long, env = "POLLUX_LISTEN", default_value = "0.0.0.0:8080")]
    pub listen: SocketAddr,
    /// Namespace of the Lease by which replicas agree on a leader
    #[arg(long, env = "POD_NAMESPACE", default_value = "pollux-system")]
    pub namespace: String,
    /// Name of this replica in the Lease and in Events; default: the host's name and a random number
    #[arg(long, env = "POD_NAME")]
    pub identity: Option<String>,
    /// `MapperClasses` to apply when this replica starts to lead: a YAML list, or several documents
    #[arg(long, value_name = "FILE", env = "POLLUX_CLASSES")]
    pub classes: Option<PathBuf>,
    /// Status writes per second that all mappers together may spend
    #[arg(long, value_name = "N", env = "POLLUX_STATUS_WRITES_PER_SECOND", default_value_t = 200, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub status_writes_per_second: u32,
    /// Admission policies, each with a binding of the same name that denies, without which no mapper is started. Empty: none is
    /// asked for, and a node that is broken into may then harm the devices of other nodes
    #[arg(long, value_name = "NAMES", env = "POLLUX_REQUIRE_POLICIES", value_delimiter = ',', default_values_t = POLICIES.map(String::from))]
    pub require_policies: Vec<String>,
    /// `ConfigMap` in pollux-mappers that owns what is made for mappers, as the chart has one: deleted, as by uninstall, it takes all
    /// mappers along, and while it is not there none is started. Empty: nobody owns them, and they stay until they are deleted
    #[arg(long, value_name = "NAME", env = "POLLUX_OWNER", default_value = pollux_crds::MAPPERS_NAMESPACE)]
    pub owner: String,
    /// Reconciles that run at once
    #[arg(long, value_name = "N", default_value_t = 16, value_parser = clap::value_parser!(u16).range(1..=256))]
    pub concurrency: u16,
    /// Form of the log; RUST_LOG says how much
    #[arg(long, env = "POLLUX_LOG_FORMAT", value_enum, default_value_t = LogFormat::Text)]
    pub log_format: LogFormat,
}

/// What to do instead of running.
#[derive(Debug, Clone, Subcommand)]
pub enum Command {
    /// Whether all is in order, and what a device says right now: what `helm test` runs
    SelfTest(SelfTest),
}

/// What the self-test is told.
#[derive(Debug, Clone, clap::Args)]
pub struct SelfTest {
    /// How long to wait for all to be in order, in seconds, such as 60s
    #[arg(long, default_value = "60s")]
    pub timeout: pollux_crds::Span,
    /// The Device that must be Ready; default: any, if there is one
    #[arg(long, value_name = "NAMESPACE/NAME")]
    pub device: Option<DeviceName>,
}

/// `namespace/name` of a Device.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeviceName {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
}
impl FromStr for DeviceName {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        match text.split_once('/') {
            Some((namespace, name)) if !namespace.is_empty() && !name.is_empty() && !name.contains('/') => {
                Ok(Self { namespace: namespace.into(), name: name.into() })
            }
            _ => Err(format!("{text:?} is not NAMESPACE/NAME, such as default/boiler-1")),
        }
    }
}
impl fmt::Display for DeviceName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.namespace, self.name)
    }
}

/// Form of the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}

/// The policies that hold mappers and operator to what is theirs.
pub const POLICIES: [&str; 8] = [
    "pollux-mapper-fence",
    "pollux-mapper-devices",
    "pollux-mapper-slices",
    "pollux-mapper-tokens",
    "pollux-mapper-namespace",
    "pollux-operator-nodes",
    "pollux-property-names",
    "pollux-placement",
];

impl Args {
    /// The policies asked for, without what an empty list leaves behind.
    pub fn policies(&self) -> Vec<String> {
        self.require_policies.iter().filter(|name| !name.is_empty()).cloned().collect()
    }
    /// Name of this replica.
    pub fn identity(&self) -> String {
        let host = || std::env::var("HOSTNAME").unwrap_or_else(|_| "operator".into());
        self.identity.clone().unwrap_or_else(|| format!("{}-{:08x}", host(), fastrand::u32(..)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_self_test_runs_beside_the_default_run() {
        let parse = |args: &[&str]| Args::try_parse_from([&["pollux-operator"], args].concat());
        assert!(parse(&[]).unwrap().command.is_none());
        let args = parse(&["self-test", "--timeout=5s", "--device", "default/boiler-1"]).unwrap();
        let Some(Command::SelfTest(test)) = args.command else { panic!("no self-test") };
        assert_eq!(test.timeout, pollux_crds::Span::from_secs(5));
        assert_eq!(test.device.unwrap().to_string(), "default/boiler-1");
        for wrong in ["boiler-1", "/boiler-1", "default/", "a/b/c"] {
            assert!(parse(&["self-test", "--device", wrong]).is_err(), "{wrong}");
        }
    }
}
