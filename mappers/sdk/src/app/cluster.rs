//! In a cluster: slices from the API server, status to it. Without the API server it goes on with what its disk knows.
use super::{
    Exit,
    cli::Options,
    say, serve, signals,
    start::{Given, Parts, join},
};
use crate::{
    Hub, NodeConfig, Protocol, Store, StoreError,
    api::Specs,
    metrics::MetricsSource,
    report::{self, ReportStats, Reporting},
    source::kube::{self as source, Access, Judge},
};
use std::sync::Arc;
use tokio::{sync::watch, task::JoinHandle};
use tokio_util::sync::CancellationToken;

pub(super) async fn run<P: Protocol>(protocol: Arc<P>, options: Options) -> Exit {
    let (Some(class), Some(node)) = (options.class.clone(), options.node.clone()) else {
        let name = P::NAME;
        return say(
            &format!(
                "this is no mapper pod (POLLUX_CLASS and NODE_NAME are not set)\n\
                 to run without a cluster: pollux-{name} --file PATH [--allow-writes]\n\
                 more: pollux-{name} --help"
            ),
            Exit::Usage,
        );
    };
    let Some(folder) = &options.state_dir else {
        return say("in a cluster --state-dir is needed: what was written must survive a restart", Exit::Usage);
    };
    let store = match Store::open(folder) {
        Ok(store) => Arc::new(store),
        Err(error @ StoreError::Locked(_)) => return say(&error.to_string(), Exit::Usage),
        Err(error) => return say(&error.to_string(), Exit::Fault),
    };
    let (listener, at) = match serve::bind(options.listen).await {
        Ok(bound) => bound,
        Err(message) => return say(&message, Exit::Fault),
    };
    let stop = match signals::stop() {
        Ok(stop) => stop,
        Err(error) => return say(&error.to_string(), Exit::Fault),
    };
    tracing::info!(%class, %node, protocol = P::NAME, listen = %at, "starting");
    let parts = Parts::new();
    let (access, hub) = (access().await, parts.hub.clone());
    let specs = Specs::Slices { class: class.clone(), node: node.clone() };
    let with = source::Options {
        class,
        node: node.clone(),
        access: access.clone(),
        store: store.clone(),
        hub: hub.clone(),
        judge: Judge::new(protocol.clone()),
    };
    let follow = source::start(with, stop.clone());
    let (stats, quiet) = (Arc::<ReportStats>::default(), CancellationToken::new());
    let more: Vec<Arc<dyn MetricsSource>> = vec![follow.stats.clone(), stats.clone()];
    let serving = serve::start(listener, &parts, specs, more, follow.ready.clone(), stop.clone());
    let reporting = access.map(|access| reporting(&access, hub, follow.config.clone(), stats, &node, quiet.clone()));
    if configured(follow.ready.clone(), &stop).await {
        let given = Given { config: follow.config.clone(), store, secrets: follow.secrets.clone(), node };
        let mapper = parts.start(protocol, given, stop.clone());
        stop.cancelled().await;
        mapper.ended().await;
    }
    quiet.cancel(); // only now: the last words are the last
    for (part, task) in [("status", reporting), ("slices", Some(follow.task)), ("local API", Some(serving))] {
        if let Some(task) = task {
            join(part, task).await;
        }
    }
    Exit::Ok
}

/// True once it is known what is to be done; nothing of any device is said before. False: asked to stop.
async fn configured(mut ready: watch::Receiver<bool>, stop: &CancellationToken) -> bool {
    tokio::select! {
        () = stop.cancelled() => false,
        ready = ready.wait_for(|ready| *ready) => ready.is_ok(),
    }
}

fn reporting(
    access: &Access,
    hub: Arc<Hub>,
    config: watch::Receiver<Arc<NodeConfig>>,
    stats: Arc<ReportStats>,
    node: &str,
    stop: CancellationToken,
) -> JoinHandle<()> {
    let with = Reporting { client: access.own(), hub, config, stats, node: node.to_owned() };
    tokio::spawn(report::run(with, stop))
}

/// None where there is no API server to be found: the same binary and state folder run under systemd too.
async fn access() -> Option<Access> {
    let found = kube::Config::infer().await.map_err(|error| error.to_string());
    match found.and_then(|config| Access::new(config).map_err(|error| error.to_string())) {
        Ok(access) => Some(access),
        Err(error) => {
            tracing::warn!(error, "no way to an API server");
            None
        }
    }
}
