//! What a twin costs: bytes of each property, and nothing allocated for a number that changed.
#![allow(unsafe_code, reason = "an allocator that counts")]
#![allow(clippy::unwrap_used)]
use pollux_crds::{
    Access, EffectiveDevice, EffectiveProperty, EffectiveReport, EffectiveVerify, Enforce, Interval, Mode,
    PropertyType, Source, Span, Writes,
};
use pollux_mapper::{
    ErrorKind, Hub, PointFault, Precision, Quality, Value,
    twin::{Format, Now, Raw, Twin},
};
use serde_json::json;
use std::{
    alloc::{GlobalAlloc, Layout, System},
    cell::Cell,
    collections::BTreeMap,
    sync::Arc,
    time::Duration,
};

struct Counting;
thread_local! {
    // Of this thread, for the harness allocates too.
    static ALLOCATIONS: Cell<usize> = const { Cell::new(0) };
    static BYTES: Cell<usize> = const { Cell::new(0) };
}
fn allocations() -> usize {
    ALLOCATIONS.get()
}
fn bytes() -> usize {
    BYTES.get()
}
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.set(ALLOCATIONS.get() + 1);
        BYTES.set(BYTES.get().wrapping_add(layout.size()));
        unsafe { System.alloc(layout) }
    }
    unsafe fn dealloc(&self, memory: *mut u8, layout: Layout) {
        BYTES.set(BYTES.get().wrapping_sub(layout.size()));
        unsafe { System.dealloc(memory, layout) }
    }
}
#[global_allocator]
static ALLOCATOR: Counting = Counting;

struct Wire(Precision);
impl Format for Wire {
    fn encoded(&self, _: usize, raw: &Value) -> Result<Value, PointFault> {
        Ok(raw.clone())
    }
    fn precision(&self, _: usize) -> Precision {
        self.0
    }
}

fn property(n: usize, scale: f64) -> EffectiveProperty {
    EffectiveProperty {
        name: format!("t{n}"),
        type_: PropertyType::Number,
        kind: pollux_crds::PropertyKind::State,
        access: Access::ReadOnly,
        unit: None,
        minimum: Some(-10.0),
        maximum: Some(1e6),
        enum_: vec![],
        interval: Interval::Every(Span::from_secs(1)),
        read_group: None,
        report: EffectiveReport { never: false, deadband: 0.1, min_interval: Span::from_secs(1) },
        invalid: vec![65_535.0],
        scale,
        offset: 0.0,
        scale_exponent_from: None,
        source: Source::Binding(json!({}).into()),
        stale_after: Some(Span::from_secs(60)),
        enforce: Enforce::OnChange,
        verify: EffectiveVerify::Acknowledgement,
        wiring: String::new(),
    }
}
fn device(scale: f64) -> EffectiveDevice {
    EffectiveDevice {
        namespace: "plant".into(),
        name: "meter".into(),
        uid: "uid".into(),
        generation: 1,
        mode: Mode::Control,
        protocol: "custom",
        config: json!({}).into(),
        timeout: None,
        offline_after: 3,
        channel: None,
        summary: vec![0, 1],
        properties: (0..PROPERTIES).map(|n| property(n, scale)).collect(),
        desired: BTreeMap::new(),
        applied: BTreeMap::new(),
        rewrite: None,
        commands: vec![],
    }
}

const PROPERTIES: usize = 1_000;
/// Of a point and of its place in the newest report.
const EACH: usize = 100;
/// Of the twin and of the head of its reports.
const ALL: usize = 8_000;
/// Of a report: its values, its head, its summary.
const REPORT: usize = 60;

fn now(second: u32) -> Now {
    Now { mono: Duration::from_secs(second.into()), unix_ms: 1_790_000_000_000 + i64::from(second) * 1000 }
}
fn read(twin: &mut Twin, wire: &Wire, second: u32, value: impl Fn(u32) -> Value) {
    for property in 0..PROPERTIES {
        let value = value(u32::try_from(property).unwrap() + second);
        let raw = Raw { value, quality: Quality::Good, reason: None, device_time_ms: 0 };
        twin.sample(property, Ok(raw), now(second).mono, wire, now(second));
    }
}
/// None of them could be read.
fn fail(twin: &mut Twin, wire: &Wire, second: u32) {
    for property in 0..PROPERTIES {
        let fault = PointFault::new(ErrorKind::Timeout, "no answer");
        twin.sample(property, Err(fault), now(second).mono, wire, now(second));
    }
}
/// Live bytes, allocations of ten seconds' readings and steps, and the most of one report.
fn cost(wire: &Wire, scale: f64, value: impl Fn(u32) -> Value) -> (usize, usize, usize) {
    let (device, hub) = (Arc::new(device(scale)), Hub::default());
    let before = bytes();
    let mut twin = Twin::new(device.clone(), None, Writes::Enabled, now(0));
    twin.connected(Ok(()), now(0));
    let (mut readings, mut most) = (0, 0);
    for second in 0..12 {
        if second == 1 {
            fail(&mut twin, wire, second); // once read again, that costs nothing any more
        }
        let start = allocations();
        read(&mut twin, wire, second, &value);
        let actions = twin.step(wire, now(second));
        let stepped = allocations();
        let snapshot = twin.report(now(second)).expect("each second has its report");
        assert_eq!(
            (snapshot.reported(), snapshot.not_good(), actions.len()),
            (PROPERTIES, 0, usize::from(second == 0))
        );
        hub.publish(&device, snapshot);
        if second > 1 {
            readings += stepped - start;
            most = most.max(allocations() - stepped);
        }
    }
    (bytes() - before, readings, most)
}

#[test]
fn a_property_takes_a_hundred_bytes_and_a_changed_number_none_of_the_allocators_time() {
    let wires = [(Wire(Precision::Single), 1.0), (Wire(Precision::Single), 0.1), (Wire(Precision::Integer), 0.1)];
    for (wire, scale) in wires {
        let (bytes, readings, report) = match wire.0 {
            Precision::Integer => cost(&wire, scale, |n| Value::Uint(u64::from(n) * 7)),
            _ => cost(&wire, scale, |n| Value::from(f32::from(u16::try_from(n).unwrap()) * 1.3)),
        };
        assert!(bytes <= EACH * PROPERTIES + ALL, "{bytes} bytes of {PROPERTIES} properties, {:?} × {scale}", wire.0);
        assert_eq!(readings, 0, "allocations for readings, {:?} × {scale}", wire.0);
        assert!(report <= REPORT, "{report} allocations of a report, {:?} × {scale}", wire.0);
    }
}
