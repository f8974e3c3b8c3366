//! The cluster, kubectl and helm.
use crate::{until, within};
use anyhow::{Context, Result, bail, ensure};
use kube::{
    Api, Client, Resource,
    runtime::wait::{Condition, await_condition},
};
use serde::de::DeserializeOwned;
use std::{fmt::Debug, path::PathBuf, process::Stdio};
use tokio::{io::AsyncWriteExt, process::Command, sync::OnceCell};

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
        let base = [
            "upgrade",
            "--install",
            "pollux",
            "charts/pollux",
            "--namespace",
            "pollux-system",
            "--create-namespace",
            "--wait",
            "--timeout",
            "3m",
        ];
        let args: Vec<&str> = base.iter().chain(more).copied().collect();
        println!("{}", run("helm", &args, None).await?);
        Ok(())
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
    let mut command = Command::new(program);
    command.args(args).current_dir(root()).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.kill_on_drop(true).spawn().with_context(|| format!("start {program}"))?;
    if let Some(mut stdin) = child.stdin.take() {
        stdin.write_all(input.unwrap_or_default().as_bytes()).await?;
    }
    let ended = within(program, async { Ok(child.wait_with_output().await?) }).await?;
    let (out, err) = (String::from_utf8_lossy(&ended.stdout), String::from_utf8_lossy(&ended.stderr));
    ensure!(ended.status.success(), "{program} {}: {}{out}", args.join(" "), err.trim());
    Ok(out.into_owned())
}
