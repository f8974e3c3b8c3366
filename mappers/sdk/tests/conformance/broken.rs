//! The suite catches what it is there for: a driver with one slip breaks one rule, and is told by its name.
use crate::{BrokerHarness, points};
use pollux_mapper::{
    ConfigError, Point, PointSpec, Value,
    prelude::*,
    testing::{
        Harness, Peer, conformance,
        memory::{self, Broker, Memory, Session, Unit},
    },
};
use std::{sync::Arc, time::Duration};

/// What is wrong with the driver.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Slip {
    Nothing,
    PlanLosesAPoint,
    GroupIsTorn,
    EncodingAddsUp,
    ValuesAreMixedUp,
    NothingAtOnce,
    SilenceIsWaitedOut,
    RefusalKillsTheLink,
    DoneBeforeTheAnswer,
    SendsTheImpossible,
    DoneThoughCut,
    PushesAfterDetach,
}
use Slip::*;

/// The pushing driver, whose values are texts and nothing else, with a slip.
struct Broken(Memory, Slip);
struct Line(Session, Slip);

fn not_a_text(value: &Value) -> Option<PointFault> {
    (!matches!(value, Value::Text(_))).then(|| PointFault::new(ErrorKind::Config, "must be a text"))
}
fn sent(value: &Value, slip: Slip) -> Value {
    match value {
        Value::Text(text) if slip == EncodingAddsUp => Value::Text(format!("{text}'").into()),
        _ => value.clone(),
    }
}

impl Protocol for Broken {
    const NAME: &'static str = "broken";
    type Device = memory::Device;
    type Address = String;
    type Endpoint = String;
    type Unit = Unit;
    type Request = ();
    type Error = memory::Error;
    type Link = Line;

    fn endpoint(&self, device: &memory::Device) -> Result<String, ConfigError> {
        self.0.endpoint(device)
    }
    fn prepare(&self, device: &memory::Device, points: &[Point<'_, String>]) -> Result<Unit, Vec<ConfigError>> {
        self.0.prepare(device, points)
    }
    fn plan(&self, unit: &Unit, due: &[usize]) -> Vec<Exchange<()>> {
        match self.1 {
            PlanLosesAPoint if due.len() == points().len() => self.0.plan(unit, &due[..due.len() - 1]),
            GroupIsTorn => due.iter().flat_map(|point| self.0.plan(unit, &[*point])).collect(),
            _ => self.0.plan(unit, due),
        }
    }
    fn encoded(&self, _: &Unit, _: usize, value: &Value) -> Result<Value, PointFault> {
        not_a_text(value).map_or_else(|| Ok(sent(value, self.1)), Err)
    }
    async fn connect(&self, endpoint: &String, cx: &Cx) -> Result<Line, memory::Error> {
        Ok(Line(self.0.connect(endpoint, cx).await?, self.1))
    }
}

impl Link<Broken> for Line {
    fn limits(&self) -> Limits {
        if self.1 == NothingAtOnce { Limits::at_once(0) } else { self.0.limits() }
    }
    async fn attach(&self, unit: &Arc<Unit>, port: Port, until: Instant) -> Result<(), Fault<memory::Error>> {
        self.0.attach(unit, port, until).await
    }
    async fn detach(&self, unit: &Arc<Unit>, until: Instant) {
        if self.1 != PushesAfterDetach {
            self.0.detach(unit, until).await;
        }
    }
    async fn read(
        &self,
        unit: &Unit,
        exchange: &Exchange<()>,
        until: Instant,
        out: &mut Samples,
    ) -> Result<Done, Fault<memory::Error>> {
        let done = self.0.read(unit, exchange, until, out).await;
        if self.1 == SilenceIsWaitedOut && matches!(done, Err(Fault::Device(_))) {
            tokio::time::sleep(Duration::from_secs(2)).await;
        }
        if self.1 == RefusalKillsTheLink && out.readings().any(|(_, value, _)| value.is_err()) {
            return Err(memory::Error::Lost.into());
        }
        done
    }
    async fn write(
        &self,
        unit: &Unit,
        values: &[(usize, Value)],
        until: Instant,
        out: &mut Written,
    ) -> Result<(), Fault<memory::Error>> {
        if let Some(fault) = values.iter().find_map(|(_, value)| not_a_text(value))
            && self.1 != SendsTheImpossible
        {
            return Err(Fault::Point(fault));
        }
        let mut group: Vec<(usize, Value)> =
            values.iter().map(|(point, value)| (*point, sent(value, self.1))).collect();
        if let ([(_, one), (_, other)], ValuesAreMixedUp) = (&mut group[..], self.1) {
            std::mem::swap(one, other);
        }
        let done = self.0.write(unit, &group, until, out).await;
        match (&done, self.1) {
            (Err(Fault::Device(_)), DoneBeforeTheAnswer) | (Err(Fault::Link(_)), DoneThoughCut) => out.done(0),
            _ => {}
        }
        done
    }
    async fn run(&self) -> memory::Error {
        self.0.run().await
    }
}

struct BrokenHarness(BrokerHarness, Slip);
impl Harness for BrokenHarness {
    type Protocol = Broken;
    fn protocol(&self) -> Broken {
        Broken(self.0.protocol(), self.1)
    }
    fn device(&self, number: usize) -> memory::Device {
        self.0.device(number)
    }
    fn points(&self) -> Vec<PointSpec<String>> {
        points()
    }
    fn value(&self, number: u8) -> Value {
        self.0.value(number)
    }
    fn impossible(&self) -> Option<Value> {
        Some(Value::Bool(true))
    }
    async fn set(&self, peer: Peer) {
        self.0.set(peer).await;
    }
    fn push(&self) -> bool {
        self.0.push()
    }
}

#[tokio::test(start_paused = true)]
async fn each_slip_is_told_by_the_rule_that_it_breaks_and_no_other() {
    for (slip, rule) in [
        (Nothing, ""),
        (PlanLosesAPoint, "a plan covers each due point exactly once, and is always the same"),
        (GroupIsTorn, "a read group is read in one request or refused by name"),
        (EncodingAddsUp, "encoding twice changes nothing"),
        (ValuesAreMixedUp, "what is written is read back, on its own device"),
        (NothingAtOnce, "limits are at least one, and as many exchanges fit at once"),
        (SilenceIsWaitedOut, "a silent peer ends a read by its time, as a fault"),
        (RefusalKillsTheLink, "a point refused leaves the link usable"),
        (DoneBeforeTheAnswer, "writes tell the truth of each value"),
        (SendsTheImpossible, "what cannot be encoded is refused before it is sent"),
        (DoneThoughCut, "a cut link is told, and what was not acknowledged is not done"),
        (PushesAfterDetach, "detach silences the port, and attach brings it back"),
    ] {
        let harness = BrokenHarness(BrokerHarness(Arc::new(Broker::default())), slip);
        for device in ["d0", "d1"] {
            for point in points() {
                harness.0.0.publish(device, &point.address, "");
            }
        }
        let told = conformance::check(&harness).await;
        let rules: Vec<&str> = told.iter().filter_map(|line| Some(line.split_once(": ")?.0)).collect();
        let expected: Vec<&str> = if rule.is_empty() { vec![] } else { vec![rule] };
        assert_eq!(rules, expected, "{slip:?}: {told:#?}");
    }
}
