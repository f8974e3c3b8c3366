//! The short way of numbers ends where the long one does.
use super::*;
use crate::{
    Precision, Quality, Slot, Snapshot,
    report::testing::{device, property},
    value::{Kind, join},
};
use pollux_crds::{Access, EffectiveProperty, EffectiveVerify, Span, Value as Wanted};
use proptest::prelude::*;
use serde_json::json;

/// How exact the numbers of each property are.
const PRECISIONS: [Precision; 5] =
    [Precision::Single, Precision::Double, Precision::Integer, Precision::Single, Precision::Single];

struct Wire;
impl Format for Wire {
    fn encoded(&self, property: usize, raw: &Value) -> Result<Value, PointFault> {
        let float = raw.as_f64().filter(|_| self.precision(property) != Precision::Integer);
        Ok(float.map_or_else(|| raw.clone(), Value::Float))
    }
    fn precision(&self, property: usize) -> Precision {
        PRECISIONS.get(property).copied().unwrap_or_default()
    }
}

fn plain(name: &str, stale_ms: Option<u64>) -> EffectiveProperty {
    let stale_after = stale_ms.map(Span::from_millis);
    EffectiveProperty { access: Access::ReadOnly, maximum: None, stale_after, ..property(name) }
}
/// Plain, scaled, counted, with a limit, without a dead-band.
fn meter(stale_ms: u64) -> Arc<EffectiveDevice> {
    let mut all = [
        plain("plain", Some(stale_ms)),
        EffectiveProperty { scale: 0.1, ..plain("scaled", Some(7_000)) },
        EffectiveProperty { type_: pollux_crds::PropertyType::Integer, scale: 3.0, ..plain("counted", None) },
        EffectiveProperty { maximum: Some(90.0), ..plain("limited", Some(60_000)) },
        plain("exact", Some(9_000)),
    ];
    all[1].report.min_interval = Span::from_millis(10_000);
    all[4].report.deadband = 0.0;
    Arc::new(EffectiveDevice { desired: [].into(), properties: all.into_iter().collect(), ..(*device("u", 1)).clone() })
}

#[derive(Debug, Clone)]
enum Event {
    Read { property: usize, kind: Kind, bits: u64, quality: Quality },
    Wait(u64),
    Connected(bool),
    Configured(u64),
}

fn event() -> impl Strategy<Value = Event> {
    let floats = prop::sample::select(vec![0.0, -0.0, 1.0, 1.5, -7.25, 89.75, 1e30, 1e200, f64::from(f32::MAX)]);
    let ints = prop::sample::select(vec![0_i64, -1, 7, (1 << 53) + 1, i64::MIN]);
    let number = prop_oneof![
        6 => floats.prop_map(|v: f64| (Kind::Float, v.to_bits())),
        2 => ints.prop_map(|v| (Kind::Int, v.cast_unsigned())),
        1 => Just((Kind::Uint, u64::MAX)),
    ];
    let quality = prop_oneof![9 => Just(Quality::Good), 1 => Just(Quality::Uncertain), 1 => Just(Quality::Bad)];
    let read = (0..PRECISIONS.len(), number, quality);
    prop_oneof![
        12 => read.prop_map(|(property, (kind, bits), quality)| Event::Read { property, kind, bits, quality }),
        4 => (1..4_000_u64).prop_map(Event::Wait),
        1 => any::<bool>().prop_map(Event::Connected),
        1 => (1_000..9_000_u64).prop_map(Event::Configured),
    ]
}

fn now(ms: u64) -> Now {
    let unix_ms = 1_790_000_000_000 + i64::try_from(ms).expect("little");
    Now { mono: Duration::from_millis(1_000 + ms), unix_ms }
}

/// What the runtime does after each input, and at each moment until then that the twin asked for: the reports that come of it.
fn runs(twin: &mut Twin, from: u64, until: u64) -> Vec<Snapshot> {
    let mut reports = vec![];
    let mut ms = from;
    for _ in 0..1_000 {
        twin.step(&Wire, now(ms));
        reports.extend(twin.report(now(ms)));
        match twin.wake().map(|wake| u64::try_from(wake.as_millis()).expect("little").saturating_sub(1_000)) {
            Some(wake) if wake <= until => ms = wake.max(ms + 1),
            _ => return reports,
        }
    }
    panic!("it is woken again and again");
}

proptest! {
    #[test]
    fn a_number_by_the_short_way_is_what_it_is_by_the_long_one(events in proptest::collection::vec(event(), 1..120)) {
        let mut ms = 0;
        let [mut short, mut long] = [0, 1].map(|_| Twin::new(meter(5_000), None, Writes::Enabled, now(0)));
        for event in events {
            let (at, mut until) = (now(ms), ms);
            match event {
                Event::Wait(more) => until = ms + more,
                Event::Read { property, kind, bits, quality } => {
                    let (value, time) = (join(kind, bits).expect("a number"), at.unix_ms - 3);
                    let raw = Raw { value, quality, reason: None, device_time_ms: time };
                    let number = Number { bits, time, slot: Slot(0), kind, quality };
                    let mut settled = short.is_settled();
                    if !short.number(property, &number, &Moment::new(at.mono, at), &mut settled) {
                        short.sample(property, Ok(raw.clone()), at.mono, &Wire, at);
                    }
                    short.look_for_stale(at);
                    long.sample(property, Ok(raw), at.mono, &Wire, at);
                }
                Event::Connected(up) => {
                    let word = || if up { Ok(()) } else { Err((ErrorKind::Timeout, "gone".to_owned())) };
                    for twin in [&mut short, &mut long] {
                        twin.connected(word(), at);
                    }
                }
                Event::Configured(stale_ms) => {
                    let other = meter(stale_ms);
                    for twin in [&mut short, &mut long] {
                        twin.configure(other.clone(), Writes::Enabled, at);
                    }
                }
            }
            prop_assert_eq!(runs(&mut short, ms, until), runs(&mut long, ms, until));
            prop_assert_eq!(short.snapshot(), long.snapshot());
            ms = until;
        }
    }
}

#[test]
fn the_usual_number_takes_the_short_way() {
    let mut twin = Twin::new(meter(5_000), None, Writes::Enabled, now(0));
    twin.connected(Ok(()), now(0));
    for at in 0..3 {
        let mut settled = twin.is_settled();
        let takes = [0, 1, 2, 3, 4].map(|property| {
            let (kind, bits) = if property == 2 { (Kind::Uint, at) } else { (Kind::Float, (at as f64).to_bits()) };
            let number = Number { bits, time: 0, slot: Slot(0), kind, quality: Quality::Good };
            let took = twin.number(property, &number, &Moment::new(now(at).mono, now(at)), &mut settled);
            if !took {
                let raw = Raw {
                    value: join(kind, bits).expect("a number"),
                    quality: Quality::Good,
                    reason: None,
                    device_time_ms: 0,
                };
                twin.sample(property, Ok(raw), now(at).mono, &Wire, now(at));
            }
            took
        });
        assert_eq!(
            takes,
            if at == 0 { [false; 5] } else { [true, true, true, false, true] },
            "what has a limit is looked at"
        );
    }
}

/// A device may hold −0, which JSON calls 0: what was written is read back bit by bit.
#[test]
fn a_zero_that_was_written_is_read_back_where_minus_zero_was() {
    let verify = EffectiveVerify::ReadBack { tolerance: 0.0, delay: Span::from_millis(0), within: Span::from_secs(10) };
    let properties = [EffectiveProperty { verify, ..property("setpoint") }].into_iter().collect();
    let desired = [("setpoint".to_owned(), Wanted(json!(0)))].into();
    let device = Arc::new(EffectiveDevice { desired, properties, ..(*device("u", 1)).clone() });
    let mut twin = Twin::new(device, None, Writes::Enabled, now(0));
    twin.connected(Ok(()), now(0));
    let read = |twin: &mut Twin, value: f64, ms: u64| {
        let raw = Raw { value: Value::Float(value), quality: Quality::Good, reason: None, device_time_ms: 0 };
        twin.sample(0, Ok(raw), now(ms).mono, &Wire, now(ms));
        twin.step(&Wire, now(ms))
    };
    let actions = read(&mut twin, -0.0, 10);
    let written = actions.iter().find_map(|action| match action {
        Action::Write { ticket, .. } => Some(*ticket),
        Action::Read { .. } | Action::Save { .. } => None,
    });
    let reply = WriteReply { values: vec![Wrote::Done], why: None };
    twin.wrote(written.expect("−0 is not the 0 that is wanted"), &reply, now(20));
    read(&mut twin, 0.0, 30);
    assert!(twin.snapshot().pending().is_empty(), "{:?}", twin.status());
}
