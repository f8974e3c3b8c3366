//! `--file`: no cluster.
use super::{
    Exit,
    cli::{LogFormat, Options},
    print, say, serve, signals,
    start::{Given, Parts, join},
};
use crate::{
    Protocol, Store, StoreError,
    api::Specs,
    source::file::{FileSource, Report},
};
use pollux_crds::{Writes, offline};
use std::{
    io::Write,
    path::{Path, PathBuf},
    sync::Arc,
};
use tokio::sync::watch;

pub(super) async fn run<P: Protocol>(protocol: Arc<P>, options: Options) -> Exit {
    let stop = match signals::stop() {
        Ok(stop) => stop,
        Err(error) => return say(&error.to_string(), Exit::Fault),
    };
    let store = match store::<P>(options.state_dir.as_deref()) {
        Ok(store) => Arc::new(store),
        Err(error @ StoreError::Locked(_)) => return say(&error.to_string(), Exit::Usage),
        Err(error) => return say(&error.to_string(), Exit::Fault),
    };
    let writes = if options.allow_writes { Writes::Enabled } else { Writes::Disabled };
    let (source, report) = FileSource::open(options.files, P::NAME, writes);
    offline::forget(); // before the devices need memory
    for problem in &report.problems {
        say(&problem.to_string(), Exit::Usage);
    }
    for note in &report.notes {
        tracing::info!("{note}");
    }
    if report.devices == 0 {
        return say(&format!("there is no device of protocol {} that could be driven", P::NAME), Exit::Usage);
    }
    let (listener, at) = match serve::bind(options.listen).await {
        Ok(bound) => bound,
        Err(message) => return say(&message, Exit::Usage),
    };
    let given = Given { config: source.config(), store, secrets: source.secrets(), node: String::new() };
    let parts = Parts::new();
    let (_set, ready) = watch::channel(true); // the files were read
    let serving = serve::start(listener, &parts, Specs::Files(source.devices()), vec![], ready, stop.clone());
    let mapper = parts.start(protocol, given, stop.clone());
    welcome(at, &report, options.allow_writes);
    let follow = tokio::spawn(source.follow(stop.clone(), tell));
    if options.log_format == LogFormat::Text {
        tokio::spawn(print::changes(mapper.hub.clone(), stop.clone()));
    }
    stop.cancelled().await;
    mapper.ended().await;
    join("files", follow).await;
    join("local API", serving).await;
    Exit::Ok
}

fn welcome(listen: std::net::SocketAddr, report: &Report, writes: bool) {
    let devices = report.devices;
    let what =
        if writes { "bringing them to their desired values" } else { "reading only; --allow-writes turns control on" };
    let lines = format!("local API on http://{listen}/v1/devices\n{devices} devices, {what}");
    writeln!(std::io::stdout(), "{lines}").ok(); // who reads may have left
}

/// What came of an edit.
fn tell(report: &Report) {
    for problem in &report.problems {
        tracing::error!("{problem}");
    }
    if report.problems.is_empty() {
        tracing::info!(devices = report.devices, "files read again");
    } else {
        tracing::warn!(errors = report.problems.len(), "what was valid last stays in force");
    }
}

fn store<P: Protocol>(given: Option<&Path>) -> Result<Store, StoreError> {
    let folder =
        given.map(Path::to_owned).or_else(|| default_folder(P::NAME, |name| std::env::var_os(name).map(PathBuf::from)));
    if let Some(folder) = folder {
        return Store::open(&folder);
    }
    tracing::warn!("no HOME and no --state-dir: what was acknowledged is forgotten at the end");
    Ok(Store::ephemeral())
}
/// XDG Base Directory: `$XDG_STATE_HOME`, else `~/.local/state`. Relative paths there are to be ignored.
pub(super) fn default_folder(protocol: &str, env: impl Fn(&str) -> Option<PathBuf>) -> Option<PathBuf> {
    let state = env("XDG_STATE_HOME").filter(|path| path.is_absolute());
    let home = || env("HOME").filter(|path| path.is_absolute()).map(|home| home.join(".local/state"));
    Some(state.or_else(home)?.join("pollux").join(protocol))
}
