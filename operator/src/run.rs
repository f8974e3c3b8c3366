//! The life of the process: watches and pages from the start, work while it leads, an orderly end on SIGTERM.
#[cfg(test)]
mod tests;

use crate::{
    Args, Context, Error, LogFormat, channel, class,
    client::connect,
    device,
    events::Events,
    http::{Pages, serve},
    leader::Elector,
    mapper,
    metrics::{ByKind, Kind, Metrics},
    owner::{self, Ownership},
    queue::Outcome,
    revisions,
    world::{
        World,
        index::Index,
        keys::{Task, parts},
        watch::{Lists, start},
    },
};
use anyhow::Context as _;
use kube::ResourceExt;
use std::{sync::Arc, time::Duration};
use tokio::{
    net::TcpListener,
    signal::unix::{SignalKind, signal},
    time::{Instant, interval, timeout},
};
use tokio_util::sync::CancellationToken;
use tracing_subscriber::EnvFilter;

/// How long reconciles that run may take to end.
const DRAIN: Duration = Duration::from_secs(6);
/// How long a new leader waits for Secrets that devices name; those that are unknown still are copied as they were.
const SECRETS: Duration = Duration::from_secs(10);
/// Everything is looked at once in this time, whatever the watches say.
const RESYNC: Duration = Duration::from_mins(10);
/// The owner of what is made for mappers has no watch: it is looked for once in this time.
const LOOK: Duration = Duration::from_mins(1);

/// Runs until SIGTERM or SIGINT.
pub async fn run(args: Args) -> anyhow::Result<()> {
    log(args.log_format);
    let stop = CancellationToken::new();
    let classes = args.classes.as_deref().map(class::built_in::read).transpose()?.unwrap_or_default();
    let clients = connect().await.context("no way to the API server")?;
    let listener = TcpListener::bind(args.listen).await.with_context(|| format!("--listen {}", args.listen))?;
    let world = Arc::new(World::new(args.policies()));
    let metrics = Arc::new(Metrics::default());
    on_signal(stop.clone())?;
    let lists = start(&clients.watches, &world, &stop);
    let pages = Pages { world: world.clone(), metrics: metrics.clone(), lists: lists.clone() };
    let http = tokio::spawn(serve(listener, pages, stop.clone()));
    tracing::info!(version = env!("CARGO_PKG_VERSION"), listen = %args.listen, "started");

    let identity = args.identity();
    let events = Events::start(clients.requests.clone(), &identity, metrics.clone(), stop.clone());
    let budget = f64::from(args.status_writes_per_second);
    let owner = Arc::new(Ownership::new(&args.owner));
    let cx = Context { client: clients.requests.clone(), world, metrics, events, owner, budget };
    let mut elector = Elector::new(clients.requests.clone(), &args.namespace, identity);
    lead_for_ever(&cx, &mut elector, &args, &classes, &lists, &stop).await;
    timeout(Duration::from_secs(2), http).await.ok(); // a client that does not hang up must not keep us
    tracing::info!("ended");
    Ok(())
}

async fn lead_for_ever(
    cx: &Context,
    elector: &mut Elector,
    args: &Args,
    classes: &[pollux_crds::MapperClass],
    lists: &Lists,
    stop: &CancellationToken,
) {
    while !stop.is_cancelled() {
        // Who knows nothing yet must not lead.
        tokio::select! {
            () = stop.cancelled() => return,
            () = lists.complete() => {}
        }
        let Some(renewed) = elector.acquire(stop).await else { return };
        tracing::info!("this replica leads");
        cx.metrics.leader.set(1);
        let term = CancellationToken::new();
        let concurrency = usize::from(args.concurrency);
        let mut work = tokio::spawn(work(cx.clone(), lists.clone(), classes.to_vec(), concurrency, term.clone()));
        let torn = tokio::select! {
            () = elector.keep(renewed, stop) => None,
            ended = &mut work => Some(ended),
        };
        term.cancel();
        cx.world.queue.open(false);
        cx.metrics.leader.set(0);
        match torn {
            Some(ended) => {
                tracing::error!(?ended, "the work ended by itself");
                tokio::select! {
                    () = stop.cancelled() => {}
                    () = tokio::time::sleep(Duration::from_secs(1)) => {}
                }
            }
            // An orderly end: what runs may end too, while the lease is still ours.
            None if stop.is_cancelled() => {
                if timeout(DRAIN, &mut work).await.is_err() {
                    tracing::warn!("reconciles did not end in time");
                }
            }
            // The lease may be another's soon: what runs is cut off, not waited for.
            None => tracing::warn!("this replica does not lead any more"),
        }
        work.abort();
        if stop.is_cancelled() {
            elector.release().await;
        }
    }
}

/// What the leader does until `term` ends.
async fn work(
    cx: Context,
    lists: Lists,
    classes: Vec<pollux_crds::MapperClass>,
    concurrency: usize,
    term: CancellationToken,
) {
    for class in &classes {
        if let Err(error) = class::built_in::apply(&cx.client, class).await {
            tracing::error!(%error, class = class.name_any(), "built-in class not applied");
        }
    }
    // The watches may be behind: neither an older spec, key switch or node may come into force again, nor a slice be written
    // over that the leader before wrote last.
    tokio::select! {
        () = term.cancelled() => return,
        () = lists.renew() => {}
    }
    // Nobody is told that his Secret is missing because it is not listed yet.
    timeout(SECRETS, cx.world.secrets.settled()).await.ok();
    // What was cut off with an earlier term is not on its way any more.
    cx.world.change(Index::unclaim_all);
    cx.world.refused.clear();
    cx.world.count_cost();
    cx.world.queue.open(true);
    cx.world.touch_all(Duration::from_millis(500));
    let panicked = |task: &Task| {
        tracing::error!(kind = task.kind(), key = %task, "a reconcile panicked");
        cx.metrics.reconciles.get_or_create(&ByKind { kind: task.kind(), result: "panic" }).inc();
    };
    let reconciles = cx.world.queue.run(concurrency, &term, |task| reconcile(cx.clone(), task), panicked);
    let upkeep = upkeep(&cx);
    tokio::pin!(reconciles);
    tokio::select! {
        () = &mut reconciles => return,
        () = upkeep => {}
        () = term.cancelled() => {}
    }
    reconciles.await;
}

async fn upkeep(cx: &Context) {
    let mut second = interval(Duration::from_secs(10));
    let (mut resynced, mut swept, mut looked) = (Instant::now(), Instant::now(), Instant::now());
    let mut level = 0.0_f64;
    loop {
        second.tick().await;
        let cost = cx.world.count_cost().max(1.0);
        let now = mapper::budget::level(cx.budget, cx.budget / cost);
        if (now - level).abs() > f64::EPSILON && level > 0.0 {
            let mappers = cx.world.index().mappers();
            cx.world.touch_mappers(mappers, Duration::from_secs(30));
        }
        level = now;
        if looked.elapsed() >= LOOK {
            looked = Instant::now();
            if let Err(error) = owner::look(cx).await {
                tracing::warn!(%error, "cannot look for the owner of what is made for mappers");
            }
        }
        if resynced.elapsed() >= RESYNC {
            resynced = Instant::now();
            cx.world.change(Index::tidy);
            // What refused an entry may have been a webhook or a policy that has gone.
            cx.world.refused.clear();
            cx.world.touch_all(RESYNC);
        }
        if swept.elapsed() >= RESYNC {
            swept = Instant::now();
            if let Err(error) = revisions::sweep(cx).await {
                tracing::warn!(%error, "revisions not swept");
            }
        }
    }
}

async fn reconcile(cx: Context, task: Task) -> Outcome {
    let began = Instant::now();
    let result = match &task {
        Task::Device(id) => device::reconcile(&cx, id).await,
        Task::Mapper(key) => mapper::reconcile(&cx, key).await,
        Task::Class(name) => class::reconcile(&cx, name).await,
        Task::Channel(id) => channel::reconcile(&cx, id).await,
    };
    let (kind, took) = (task.kind(), began.elapsed());
    cx.metrics.durations.get_or_create(&Kind { kind }).observe(took.as_secs_f64());
    let label = result.as_ref().err().map_or("ok", Error::result);
    cx.metrics.reconciles.get_or_create(&ByKind { kind, result: label }).inc();
    let (namespace, name) = match &task {
        Task::Device(id) | Task::Channel(id) => parts(id),
        _ => ("", ""),
    };
    match result {
        Ok(outcome) => {
            tracing::debug!(kind, key = %task, namespace, name, ?took, ?outcome, "reconciled");
            outcome
        }
        // Somebody else wrote meanwhile; the news of it is on its way.
        Err(error) if error.result() == "conflict" => {
            tracing::debug!(kind, key = %task, %error, "conflict");
            Outcome::Failed
        }
        Err(error) => {
            tracing::warn!(kind, key = %task, %error, "reconcile failed");
            Outcome::Failed
        }
    }
}

fn on_signal(stop: CancellationToken) -> anyhow::Result<()> {
    let (mut terminate, mut interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    tokio::spawn(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        tracing::info!("signal: this replica ends");
        stop.cancel();
    });
    Ok(())
}

fn log(format: LogFormat) {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info"));
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    let set = match format {
        LogFormat::Text => builder.try_init(),
        LogFormat::Json => builder.json().try_init(),
    };
    set.ok(); // a test has set one already
}
