//! Events, on transitions only, and never in the way: what does not fit is dropped and counted.
use crate::{
    FIELD_MANAGER,
    conditions::{Fact, Truth, cut},
    metrics::Metrics,
};
use k8s_openapi::api::core::v1::ObjectReference;
use kube::{
    Client,
    runtime::events::{Event, EventType, Recorder, Reporter},
};
use std::{sync::Arc, time::Duration};
use tokio::{sync::mpsc, time::Instant};
use tokio_util::sync::CancellationToken;

/// Events that may wait: a node that is lost takes all its devices with it.
const WAITING: usize = 1_000;
/// Least time between two: 20 a second.
const SPACING: Duration = Duration::from_millis(50);

/// One Event.
pub struct News {
    about: ObjectReference,
    event: Event,
}
impl std::fmt::Debug for News {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "News({:?}, {})", self.about.name, self.event.reason)
    }
}

impl News {
    /// That a condition changed.
    pub fn of(about: ObjectReference, fact: &Fact) -> Self {
        let bad = fact.status != Truth::True;
        let note = match fact.message.as_str() {
            "" => format!("{} is {}", fact.type_, fact.status.as_str()),
            message => format!("{} is {}: {message}", fact.type_, fact.status.as_str()),
        };
        // What is on its way is no warning: every device starts like that.
        let usual = ["Starting", "NoMapper", "NoReport", "Releasing"].contains(&fact.reason.as_str());
        let event = Event {
            type_: if bad && !usual { EventType::Warning } else { EventType::Normal },
            reason: fact.reason.clone(),
            note: Some(cut(&note, 1_000)),
            action: format!("{}Changed", fact.type_),
            secondary: None,
        };
        Self { about, event }
    }
}

/// Where Events are told.
#[derive(Debug, Clone)]
pub struct Events {
    sender: mpsc::Sender<News>,
    metrics: Arc<Metrics>,
}

impl Events {
    /// Tells one, if there is room.
    pub fn tell(&self, news: News) {
        if self.sender.try_send(news).is_err() {
            self.metrics.events_dropped.inc();
        }
    }
    /// Where Events are told, and what publishes them until `stop`.
    pub fn start(client: Client, identity: &str, metrics: Arc<Metrics>, stop: CancellationToken) -> Self {
        let (sender, mut receiver) = mpsc::channel::<News>(WAITING);
        let reporter = Reporter { controller: FIELD_MANAGER.into(), instance: Some(identity.into()) };
        let recorder = Recorder::new(client, reporter);
        tokio::spawn(async move {
            let mut next = Instant::now();
            loop {
                let news = tokio::select! {
                    () = stop.cancelled() => return,
                    news = receiver.recv() => news,
                };
                let Some(News { about, event }) = news else { return };
                tokio::time::sleep_until(next).await;
                next = Instant::now() + SPACING;
                if let Err(error) = recorder.publish(&event, &about).await {
                    tracing::debug!(%error, name = about.name, "event not published");
                }
            }
        });
        Self { sender, metrics }
    }
}
