//! From the wire to the readers: what a cycle allocates depends on its requests, not on their points.
#![allow(unsafe_code, reason = "an allocator that counts")]
#![allow(clippy::unwrap_used)]
use pollux_mapper::*;
use std::{
    alloc::{GlobalAlloc, Layout as Memory, System},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};
use tokio_util::sync::CancellationToken;

struct Counting;
static ALLOCATIONS: AtomicU64 = AtomicU64::new(0);
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Memory) -> *mut u8 {
        ALLOCATIONS.fetch_add(1, Relaxed);
        unsafe { System.alloc(layout) }
    }
    unsafe fn dealloc(&self, memory: *mut u8, layout: Memory) {
        unsafe { System.dealloc(memory, layout) }
    }
    unsafe fn realloc(&self, memory: *mut u8, layout: Memory, size: usize) -> *mut u8 {
        ALLOCATIONS.fetch_add(1, Relaxed);
        unsafe { System.realloc(memory, layout, size) }
    }
}
#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// A device whose values all change with each reading. It allocates nothing itself.
struct Counter(AtomicU64);
#[derive(Debug, thiserror::Error)]
#[error("none")]
struct Never;
impl DriverError for Never {
    fn kind(&self) -> ErrorKind {
        ErrorKind::Other
    }
}
impl Protocol for Counter {
    const NAME: &'static str = "counter";
    type Device = bool;
    type Address = u16;
    type Endpoint = u8;
    type Unit = Vec<Slot>;
    type Request = ();
    type Error = Never;
    type Link = Counter;
    fn endpoint(&self, _: &bool) -> Result<u8, ConfigError> {
        Ok(0)
    }
    fn prepare(&self, _: &bool, points: &[Point<'_, u16>]) -> Result<Vec<Slot>, Vec<ConfigError>> {
        Ok(points.iter().map(|p| p.slot).collect())
    }
    /// Always in eight requests.
    fn plan(&self, _: &Vec<Slot>, due: &[usize]) -> Vec<Exchange<()>> {
        due.chunks(due.len().div_ceil(REQUESTS)).map(|c| Exchange { points: c.to_vec(), request: () }).collect()
    }
    async fn connect(&self, _: &u8, _: &Cx) -> Result<Counter, Never> {
        Ok(Counter(AtomicU64::new(0)))
    }
}
impl Link<Counter> for Counter {
    async fn read(
        &self,
        unit: &Vec<Slot>,
        exchange: &Exchange<()>,
        _: Instant,
        out: &mut Samples,
    ) -> Result<Done, Fault<Never>> {
        let value = self.0.fetch_add(1, Relaxed);
        for point in &exchange.points {
            out.put(unit[*point], f64::from(u32::try_from(value).unwrap_or_default()));
        }
        Ok(Done::Ok)
    }
    async fn write(
        &self,
        _: &Vec<Slot>,
        _: &[(usize, Value)],
        _: Instant,
        _: &mut Written,
    ) -> Result<(), Fault<Never>> {
        Ok(())
    }
}

const REQUESTS: usize = 8;
const CYCLES: u64 = 100;

/// Allocations in so many cycles of a device with so many points, once all is warm; and how many values its readers had.
async fn cost(points: u16) -> (u64, u64) {
    let point = |n: u16| PointSpec {
        name: format!("p{n}"),
        address: n,
        interval: Interval::Every(Duration::from_secs(1)),
        readable: true,
        writable: false,
        event: false,
        read_group: None,
    };
    let spec = DeviceSpec {
        key: DeviceKey(1),
        name: "plant/d".into(),
        wiring: 0,
        config: true,
        points: (0..points).map(point).collect(),
        timeout: Duration::from_secs(1),
        offline_after: OFFLINE_AFTER,
    };
    let ((out, mut telemetry), (commands, receive)) = (telemetry(100_000), queue(1));
    let (mut engine, mut status) = Engine::new(Arc::new(Counter(AtomicU64::new(0))), 0, out);
    engine.add(&spec).unwrap();
    let engine = tokio::spawn(engine.run(receive, Arc::default(), CancellationToken::new()));
    let seen = Arc::new(AtomicU64::new(0));
    let counted = seen.clone();
    let reader = tokio::spawn(async move {
        while let Some(news) = status.next().await {
            counted.fetch_add((news.numbers.len() + news.changes.len()) as u64, Relaxed);
        }
    });
    let sink = tokio::spawn(async move {
        let mut batch = vec![];
        loop {
            telemetry.next(&mut batch).await;
        }
    });
    tokio::time::sleep(Duration::from_millis(20_500)).await;
    let (before, known) = (ALLOCATIONS.load(Relaxed), seen.load(Relaxed));
    tokio::time::sleep(Duration::from_secs(CYCLES)).await;
    let spent = (ALLOCATIONS.load(Relaxed) - before, seen.load(Relaxed) - known);
    drop(commands);
    engine.await.unwrap();
    reader.await.unwrap();
    sink.abort();
    spent
}

#[tokio::test(start_paused = true)]
async fn a_cycle_allocates_for_its_requests_and_not_for_its_points() {
    let (few, values) = cost(8).await;
    assert_eq!(values, 8 * CYCLES);
    let (many, values) = cost(1_000).await;
    assert_eq!(values, 1_000 * CYCLES, "every value came through");
    let requests = CYCLES * REQUESTS as u64;
    assert!(many <= few + CYCLES, "{many} allocations for 1,000 points, {few} for 8, in {CYCLES} cycles");
    assert!(few <= 4 * requests, "{few} allocations in {requests} requests");
}
