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

#[cfg(test)]
mod tests {
    use crate::testing::Plant;
    use serde_json::Value as Json;
    use std::time::Duration;

    const EVENTS: &str = "/apis/events.k8s.io/v1/namespaces/n/events";

    /// What was told, when nothing more comes: reason, note, type.
    async fn told(plant: &Plant) -> Vec<(String, String, String)> {
        // Of a clock that stands still until all tasks wait: every Event that was on its way has been published.
        tokio::time::sleep(Duration::from_mins(1)).await;
        let text = |event: &Json, key: &str| event[key].as_str().unwrap_or_default().to_owned();
        let events = plant.api.all(EVENTS);
        let mut told: Vec<_> = events.iter().map(|e| (text(e, "reason"), text(e, "note"), text(e, "type"))).collect();
        told.sort();
        told
    }

    #[tokio::test(start_paused = true)]
    async fn an_event_tells_each_transition_once_and_nothing_else_is_told() {
        let plant = Plant::new();
        plant.device("d", "u", 1, "a", 20.0);
        plant.settle().await.unwrap();
        let first = told(&plant).await;
        let valid = ("Valid".to_owned(), "Accepted is True".to_owned(), "Normal".to_owned());
        assert!(first.contains(&valid), "{first:?}");
        assert!(first.iter().any(|(reason, _, kind)| reason == "NoMapper" && kind == "Normal"), "{first:?}");
        // A mapper's words, and a new generation of what is valid, are no transitions.
        plant.device("d", "u", 2, "a", 21.0);
        plant.settle().await.unwrap();
        assert_eq!(told(&plant).await, first);
        plant.device("d", "u", 3, "a", 2_000.0);
        plant.settle().await.unwrap();
        let all = told(&plant).await;
        let news: Vec<_> = all.iter().filter(|event| !first.contains(event)).collect();
        let [(reason, note, kind)] = &news[..] else { panic!("{news:?}") };
        assert_eq!((reason.as_str(), kind.as_str()), ("LastValidKept", "Warning"));
        assert!(note.contains("generation 2 stays in force") && note.contains("setpoint"), "{note}");
    }

    #[tokio::test(start_paused = true)]
    async fn what_does_not_fit_is_counted_and_keeps_nobody_waiting() {
        let plant = Plant::new();
        let about = k8s_openapi::api::core::v1::ObjectReference { namespace: Some("n".into()), ..Default::default() };
        for number in 0..super::WAITING + 10 {
            let fact = crate::conditions::Fact::new(
                "Ready",
                crate::conditions::Truth::False,
                "Lost",
                format!("device {number}"),
                1,
            );
            plant.cx.events.tell(super::News::of(about.clone(), &fact));
        }
        assert_eq!(plant.cx.metrics.events_dropped.get(), 10);
    }
}
