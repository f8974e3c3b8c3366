//! One link of a driver under test, with two units on it.
use super::conformance::{Harness, Peer};
use crate::{
    Cx, Done, Exchange, Fault, Instant, Link, Point, PointFault, Port, Protocol, Samples, Slot, Value, Written, Wrote,
    port::Inbox,
};
use std::{collections::BTreeMap, sync::Arc};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

const REPLANS: usize = 64;
const INBOX: usize = 4096;

/// What became of something that was asked of the link.
pub(super) type Outcome<T, P> = Result<T, Fault<<P as Protocol>::Error>>;

pub(super) struct Bench<'h, H: Harness> {
    pub harness: &'h H,
    pub protocol: H::Protocol,
    pub link: Arc<<H::Protocol as Protocol>::Link>,
    pub units: [Arc<<H::Protocol as Protocol>::Unit>; 2],
    pub inbox: Arc<Inbox>,
    points: u32,
    dead: CancellationToken,
    pump: JoinHandle<()>,
}

impl<H: Harness> Drop for Bench<'_, H> {
    fn drop(&mut self) {
        self.pump.abort();
    }
}

pub(super) type Prepared<H> = Arc<<<H as Harness>::Protocol as Protocol>::Unit>;

/// Compiles the harness's device, its first two points in a read group if `grouped`.
pub(super) fn prepare<H: Harness>(
    harness: &H,
    protocol: &H::Protocol,
    number: usize,
    grouped: bool,
) -> Result<Prepared<H>, Vec<crate::ConfigError>> {
    let specs = harness.points();
    let base = u32::try_from(specs.len() * number).unwrap_or(u32::MAX);
    let points = specs.iter().zip(base..).enumerate();
    let points: Vec<_> = points.map(|(i, (p, slot))| as_point(p, slot, grouped && i < 2)).collect();
    protocol.prepare(&harness.device(number), &points).map(Arc::new)
}

fn as_point<A>(spec: &crate::PointSpec<A>, slot: u32, grouped: bool) -> Point<'_, A> {
    Point {
        slot: Slot(slot),
        name: &spec.name,
        address: &spec.address,
        readable: spec.readable,
        writable: spec.writable,
        event: false,
        interval: spec.interval,
        read_group: if grouped { Some("pair") } else { None },
    }
}

impl<'h, H: Harness> Bench<'h, H> {
    /// The peer serves, and both units are attached.
    pub(super) async fn new(harness: &'h H) -> Result<Self, String> {
        harness.set(Peer::Serving).await;
        let bench = Self::connect(harness).await?;
        for number in 0..2 {
            bench.attach(number).await?;
        }
        Ok(bench)
    }
    pub(super) async fn connect(harness: &'h H) -> Result<Self, String> {
        // The pump of the link before ends only now: a port has one user at a time.
        tokio::task::yield_now().await;
        let protocol = harness.protocol();
        let device = harness.device(0);
        let endpoint = protocol.endpoint(&device).map_err(|e| format!("endpoint: {e}"))?;
        if protocol.endpoint(&harness.device(1)).ok().as_ref() != Some(&endpoint) {
            return Err("both devices of the harness must have one endpoint".into());
        }
        let unit = |n| prepare(harness, &protocol, n, false).map_err(|errors| format!("prepare: {errors:?}"));
        let units = [unit(0)?, unit(1)?];
        let link = protocol.connect(&endpoint, &Cx::default()).await.map_err(|e| format!("connect: {e}"))?;
        let (link, dead) = (Arc::new(link), CancellationToken::new());
        let (pumped, died) = (link.clone(), dead.clone());
        let pump = tokio::spawn(async move {
            drop(pumped.run().await);
            died.cancel();
        });
        let points = u32::try_from(harness.points().len()).map_err(|e| e.to_string())?;
        Ok(Self { harness, protocol, link, units, inbox: Inbox::new(INBOX), points, dead, pump })
    }
    pub(super) fn until(&self) -> Instant {
        Instant::now() + self.harness.timeout()
    }
    /// As the engine does: beside the pump, and given up when the link is dead.
    pub(super) async fn on_link<T>(&self, work: impl Future<Output = T>) -> Option<T> {
        tokio::select! {
            biased;
            done = work => Some(done),
            () = self.dead.cancelled() => None,
        }
    }
    pub(super) fn port(&self, number: u32) -> Port {
        Port { unit: number, epoch: 1, base: self.points * number, slots: self.points, inbox: self.inbox.clone() }
    }
    pub(super) async fn attach(&self, number: u32) -> Result<Port, String> {
        let port = self.port(number);
        let attach = self.link.attach(&self.units[number as usize], port.clone(), self.until());
        match self.on_link(attach).await {
            Some(Ok(())) => Ok(port),
            Some(Err(fault)) => Err(format!("attach: {}", fault.to_point())),
            None => Err("attach: the link died".into()),
        }
    }
    pub(super) async fn exchange(
        &self,
        number: usize,
        exchange: &Exchange<<H::Protocol as Protocol>::Request>,
        out: &mut Samples,
    ) -> Option<Outcome<Done, H::Protocol>> {
        self.on_link(self.link.read(&self.units[number], exchange, self.until(), out)).await
    }
    /// Reads these points; follows what the driver learns. Readings by point; Err: the device or the link failed.
    pub(super) async fn read(&self, number: usize, due: &[usize]) -> Result<Readings, String> {
        let (mut open, mut readings) = (due.to_vec(), Readings::new());
        for _ in 0..REPLANS {
            let mut again = vec![];
            for exchange in self.protocol.plan(&self.units[number], &open) {
                let mut out = Samples::default();
                let done = self.exchange(number, &exchange, &mut out).await;
                let base = self.points * u32::try_from(number).unwrap_or(u32::MAX);
                for (slot, value, _) in out.readings() {
                    readings.insert(slot.0.wrapping_sub(base) as usize, value);
                }
                match done {
                    None => return Err("the link died".into()),
                    Some(Ok(Done::Ok)) => {}
                    Some(Ok(Done::Replan)) => again.extend(exchange.points),
                    Some(Err(Fault::Point(fault))) => {
                        readings.extend(exchange.points.iter().map(|p| (*p, Err(fault.clone()))));
                    }
                    Some(Err(fault)) => return Err(fault.to_point().text.into()),
                }
            }
            if again.is_empty() {
                return Ok(readings);
            }
            again.sort_unstable();
            open = again;
        }
        Err(format!("{REPLANS} replans in a row"))
    }
    /// Results, and whether the link survived.
    pub(super) async fn write(&self, number: usize, values: &[(usize, Value)]) -> (Vec<Wrote>, bool) {
        let mut written = Written::new(values.len());
        written.start();
        let done = self.on_link(self.link.write(&self.units[number], values, self.until(), &mut written)).await;
        if let Some(Err(Fault::Point(fault))) = &done {
            written.refuse_pending(fault);
        }
        (written.results(), matches!(done, Some(Ok(()) | Err(Fault::Point(_) | Fault::Device(_)))))
    }
    /// Waits until something was pushed, or the time of one exchange is over.
    pub(super) async fn pushed(&self) -> bool {
        tokio::time::timeout_at(self.until(), self.inbox.some()).await.is_ok()
    }
}

/// What was read, by point.
pub(super) type Readings = BTreeMap<usize, Result<Value, PointFault>>;
