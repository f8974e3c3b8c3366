//! Every write on the wire leaves one record in the log.
use super::*;
use crate::testing::scripted::Answer;
use std::{collections::BTreeMap, fmt::Debug, sync::Mutex};
use tracing::{Event, Subscriber, field::Visit, subscriber::DefaultGuard};
use tracing_subscriber::{
    layer::{Context, Layer, SubscriberExt},
    util::SubscriberInitExt,
};

/// The audit records of this thread.
#[derive(Clone, Default)]
struct Audit(Arc<Mutex<Vec<Fields>>>);
#[derive(Default, Clone)]
struct Fields(BTreeMap<&'static str, String>);

impl Visit for Fields {
    fn record_debug(&mut self, field: &tracing::field::Field, value: &dyn Debug) {
        self.0.insert(field.name(), format!("{value:?}"));
    }
}
impl<S: Subscriber> Layer<S> for Audit {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        if event.metadata().target() == "pollux::audit" {
            let mut fields = Fields::default();
            event.record(&mut fields);
            self.0.lock().unwrap().push(fields);
        }
    }
}
impl Audit {
    fn listen() -> (Self, DefaultGuard) {
        let audit = Self::default();
        (audit.clone(), tracing_subscriber::registry().with(audit).set_default())
    }
    /// Device, property, old, new, result and generation of each.
    fn told(&self) -> Vec<String> {
        let told = self.0.lock().unwrap();
        let line = |f: &Fields| {
            ["device", "property", "old", "new", "result", "why", "generation"].map(|name| f.0[name].clone()).join(" ")
        };
        told.iter().map(line).collect()
    }
}

#[tokio::test(start_paused = true)]
async fn every_write_leaves_one_record() {
    let (audit, _guard) = Audit::listen();
    let script = script(&["a"]);
    let plant = Plant::new(&script, config([device("a")]));
    plant.until("a", reports("setpoint", 20.0)).await;
    script
        .refused
        .lock()
        .unwrap()
        .insert(("a".into(), "setpoint".into()), crate::PointFault::new(crate::ErrorKind::Denied, "exception 2"));
    plant.set(config([wants(22.0, device("a"))]));
    plant.poll("written", |plant| plant.setpoints().len() == 1).await;
    plant.pass(Duration::from_millis(100)).await;
    script.refused.lock().unwrap().clear();
    plant.until("a", is(pollux_crds::IN_SYNC, "True", "Confirmed")).await;
    plant.set(config([wants(23.0, wants(22.0, device("a")))]));
    plant.until("a", reports("setpoint", 23.0)).await;
    plant.end().await;
    let expected = [
        r#"plant/a "setpoint" 20 22 "refused" "exception 2" 2"#,
        r#"plant/a "setpoint" 20 22 "done" "" 2"#,
        r#"plant/a "setpoint" 22 23 "done" "" 3"#,
    ];
    assert_eq!(audit.told(), expected);
}

#[tokio::test(start_paused = true)]
async fn a_write_that_is_answered_late_while_it_stops_leaves_its_record_and_is_remembered() {
    for (answer, result, state) in [
        (Answer::Late(Duration::from_millis(4500)), r#""done" """#, "Acknowledged"),
        (Answer::Silent, r#""unknown" "a: no answer""#, "Sending"),
    ] {
        let (audit, _guard) = Audit::listen();
        let (folder, script) = (tempfile::tempdir().unwrap(), script(&["a"]));
        let slow = |device| EffectiveDevice { timeout: Some(Span::from_millis(4800)), ..device };
        let plant = Plant::at(folder.path(), &script, config([slow(device("a"))]));
        plant.until("a", reports("setpoint", 20.0)).await;
        plant.set(config([slow(wants(22.0, device("a")))]));
        script.answers.lock().unwrap().push_back(answer);
        plant.poll("sent", |plant| !plant.setpoints().is_empty()).await;
        plant.end().await;
        assert_eq!(audit.told(), [format!(r#"plant/a "setpoint" 20 22 {result} 2"#)]);
        let record = std::fs::read_to_string(folder.path().join("records/uid-a")).unwrap();
        assert!(record.contains(state), "{record}");
    }
}
