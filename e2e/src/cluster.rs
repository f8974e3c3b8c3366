//! The cluster, kubectl and helm.
use crate::{PATIENCE, bounded, until, within};
use anyhow::{Context, Result, bail, ensure};
use k8s_openapi::api::core::v1::Pod;
use kube::{
    Api, Client, Resource,
    runtime::wait::{Condition, await_condition},
};
use serde::de::DeserializeOwned;
use serde_json::Value as Json;
use std::{fmt::Debug, path::PathBuf, process::Stdio, time::Duration};
use tokio::{io::AsyncWriteExt, process::Command, sync::OnceCell};

/// Where Pollux is installed.
const SYSTEM: &str = "pollux-system";

/// The cluster that `KUBECONFIG` names.
#[derive(Clone)]
pub struct Cluster {
    /// As the administrator.
    pub client: Client,
}

impl Debug for Cluster {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Cluster")
    }
}

/// The repository.
pub(crate) fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// The cluster with Pollux installed by `helm install`, once for all stories of a process.
pub async fn installed() -> Result<Cluster> {
    static INSTALLED: OnceCell<()> = OnceCell::const_new();
    let cluster = Cluster::connect().await?;
    INSTALLED.get_or_try_init(|| cluster.install(&[])).await?;
    // A story that failed may have left the cable of a node unplugged.
    for node in ["node-1", "node-2"] {
        cluster.machine(&format!("heal {node}")).await?;
    }
    Ok(cluster)
}

impl Cluster {
    /// Connects as the administrator. Each story has a client of its own, because each has a runtime of its own.
    pub async fn connect() -> Result<Self> {
        ensure!(
            std::env::var_os("KUBECONFIG").is_some(),
            "KUBECONFIG is not set: run scripts/e2e, or make cluster-up first"
        );
        let mut config = kube::Config::infer().await.context("kubeconfig")?;
        config.read_timeout = Some(std::time::Duration::from_secs(295));
        Ok(Self { client: Client::try_from(config)? })
    }
    /// A client that shows this token and nothing else.
    pub async fn with_token(&self, token: &str) -> Result<Client> {
        let mut config = kube::Config::infer().await.context("kubeconfig")?;
        config.auth_info = kube::config::AuthInfo { token: Some(token.to_owned().into()), ..Default::default() };
        Ok(Client::try_from(config)?)
    }
    /// `helm upgrade --install` as the README says, with images that the nodes have.
    pub async fn install(&self, more: &[&str]) -> Result<()> {
        self.install_chart("charts/pollux", more).await
    }
    /// The same with another chart.
    pub async fn install_chart(&self, chart: &str, more: &[&str]) -> Result<()> {
        let base = ["upgrade", "--install", "pollux", chart, "--namespace", SYSTEM, "--create-namespace", "--wait"];
        let args: Vec<&str> = base.iter().chain(&["--timeout", "3m"]).chain(more).copied().collect();
        println!("{}", self.helm(&args).await?);
        Ok(())
    }
    /// helm, which has more time than it gives itself: killed, it would leave the release locked.
    pub async fn helm(&self, args: &[&str]) -> Result<String> {
        Box::pin(run_for(Duration::from_mins(4), "helm", args, None)).await
    }
    /// Writes of Devices' status that the API server has served so far.
    pub async fn status_writes(&self) -> Result<u64> {
        let metrics = self.kubectl("get --raw /metrics").await?;
        let ours = metrics.lines().filter(|l| {
            l.starts_with("apiserver_request_total{")
                && l.contains("resource=\"devices\"")
                && l.contains("subresource=\"status\"")
                && ["APPLY", "PATCH", "PUT"].iter().any(|verb| l.contains(&format!("verb=\"{verb}\"")))
        });
        Ok(ours.filter_map(|l| l.rsplit(' ').next()?.parse::<u64>().ok()).sum())
    }
    /// The metrics of a Pod, read by Prometheus' own parser: each family's name with the sum of its samples.
    pub async fn metrics(&self, pod: &Pod) -> Result<Json> {
        let address = pod.status.as_ref().and_then(|s| s.pod_ip.as_deref()).context("the Pod has an address")?;
        let port = self.machine(&format!("forward {address} 8080")).await?;
        let python = std::env::var("POLLUX_PYTHON").context("POLLUX_PYTHON is not set: see e2e/peers/venv")?;
        let url = format!("http://127.0.0.1:{}/metrics", port.trim());
        Ok(serde_json::from_str(&run(&python, &["e2e/peers/metrics.py", &url], None).await?)?)
    }
    /// kubectl, as a person types it.
    pub async fn kubectl(&self, line: &str) -> Result<String> {
        run("kubectl", &line.split_whitespace().collect::<Vec<_>>(), None).await
    }
    /// kubectl with an argument that has spaces.
    pub async fn kubectl_args(&self, args: &[&str]) -> Result<String> {
        run("kubectl", args, None).await
    }
    /// `kubectl apply -f -`.
    pub async fn apply(&self, yaml: &str) -> Result<String> {
        run("kubectl", &["apply", "-f", "-"], Some(yaml)).await
    }
    /// The same into a namespace.
    pub async fn apply_in(&self, namespace: &str, yaml: &str) -> Result<String> {
        run("kubectl", &["apply", "-n", namespace, "-f", "-"], Some(yaml)).await
    }
    /// What the API server, with the chart's policies, says to an object; nothing is changed.
    pub async fn dry_run(&self, yaml: &str) -> Result<String> {
        run("kubectl", &["apply", "--dry-run=server", "-f", "-"], Some(yaml)).await
    }
    /// The words with which an object is refused.
    pub async fn refused(&self, yaml: &str) -> Result<String> {
        match self.apply(yaml).await {
            Ok(taken) => bail!("should have been refused: {taken}"),
            Err(error) => Ok(format!("{error:#}")),
        }
    }
    /// `e2e/cluster/cluster`: the cables and sockets of the test cluster.
    pub async fn machine(&self, line: &str) -> Result<String> {
        run("e2e/cluster/cluster", &line.split_whitespace().collect::<Vec<_>>(), None).await
    }
    /// Waits until an object is as it should be.
    pub async fn wait<K>(&self, api: Api<K>, name: &str, what: &str, is: impl Condition<K>) -> Result<K>
    where
        K: Clone + Debug + Send + DeserializeOwned + Resource + 'static,
    {
        within(what, async { await_condition(api, name, is).await?.context("it is gone") }).await
    }
    /// Waits until a command line says something.
    pub async fn says(&self, line: &str, what: &str) -> Result<String> {
        until(&format!("`kubectl {line}` says {what}"), || async {
            Ok(self.kubectl(line).await.ok().filter(|said| said.contains(what)))
        })
        .await
    }
}

/// Runs a program in the repository; its error is what it said.
pub(crate) async fn run(program: &str, args: &[&str], input: Option<&str>) -> Result<String> {
    Box::pin(run_for(PATIENCE, program, args, input)).await
}

async fn run_for(limit: Duration, program: &str, args: &[&str], input: Option<&str>) -> Result<String> {
    let mut command = Command::new(program);
    command.args(args).current_dir(root()).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.kill_on_drop(true).spawn().with_context(|| format!("start {program}"))?;
    if let Some(mut stdin) = child.stdin.take() {
        stdin.write_all(input.unwrap_or_default().as_bytes()).await?;
    }
    let ended = bounded(limit, program, async { Ok(child.wait_with_output().await?) }).await?;
    let (out, err) = (String::from_utf8_lossy(&ended.stdout), String::from_utf8_lossy(&ended.stderr));
    ensure!(ended.status.success(), "{program} {}: {}{out}", args.join(" "), err.trim());
    Ok(out.into_owned())
}
