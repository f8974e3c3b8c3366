use super::*;
use crate::report::testing::{device, status};
use pollux_crds::{DeviceStatus, EffectiveDevice};
use proptest::prelude::*;

/// The pacer, and a hub of which it sees the newest.
struct Bench {
    pacer: Pacer,
    views: BTreeMap<String, Arc<DeviceView>>,
    start: Instant,
    now: Instant,
}

impl Bench {
    fn new(rate: f64) -> Self {
        let start = Instant::now();
        Self { pacer: Pacer::new(rate, start), views: BTreeMap::new(), start, now: start }
    }
    fn publish(&mut self, uid: &str, generation: i64, status: DeviceStatus) {
        let device: Arc<EffectiveDevice> = device(uid, generation);
        let version = self.views.values().map(|v| v.version).max().unwrap_or(0) + 1;
        self.views.insert(uid.into(), Arc::new(DeviceView { device, snapshot: status.into(), version }));
        self.pacer.observe(&self.views, self.now);
    }
    /// A device whose state the server has.
    fn reported(&mut self, uid: &str) {
        self.publish(uid, 1, status(0.0, "True"));
        assert_eq!(self.sends(), [uid]);
        self.done(uid, Ok(()));
    }
    fn next(&mut self) -> Step {
        self.pacer.next(self.now)
    }
    /// uids of what is sent now.
    fn sends(&mut self) -> Vec<String> {
        let mut sent = vec![];
        while let Step::Send(view) = self.next() {
            sent.push(view.device.uid.clone());
        }
        sent
    }
    fn done(&mut self, uid: &str, result: Result<(), &Refusal>) -> Option<String> {
        self.pacer.done(uid, result, self.now, 1.0)
    }
    fn pass(&mut self, seconds: f64) {
        self.now += Duration::from_secs_f64(seconds);
    }
    /// Seconds from now until it wants to be asked again.
    fn waits(&mut self) -> Option<u64> {
        let Step::Wait(until) = self.next() else { panic!("it sends") };
        until.map(|at| at.duration_since(self.now).as_secs())
    }
}

fn busy(seconds: u64) -> Refusal {
    Refusal::Busy { after: Some(Duration::from_secs(seconds)), text: "busy".into() }
}
fn away() -> Refusal {
    Refusal::Unreachable { after: None, text: "away".into() }
}

#[test]
fn what_was_overtaken_is_never_sent_and_what_is_equal_neither() {
    let mut bench = Bench::new(10.0);
    bench.publish("a", 1, status(1.0, "True"));
    assert_eq!(bench.sends(), ["a"]);
    bench.publish("a", 1, status(2.0, "True"));
    bench.publish("a", 1, status(3.0, "True"));
    assert!(bench.sends().is_empty(), "one is under way");
    bench.done("a", Ok(()));
    let Step::Send(view) = bench.next() else { panic!() };
    assert_eq!(view.snapshot, status(3.0, "True").into());
    bench.publish("a", 2, status(3.0, "True"));
    bench.done("a", Ok(()));
    assert!(bench.sends().is_empty(), "a new generation with an equal status");
    assert_eq!(bench.pacer.waiting(), (0, None));
}

#[test]
fn a_state_that_came_back_while_another_was_refused_is_not_sent_again() {
    let mut bench = Bench::new(10.0);
    bench.reported("a");
    bench.publish("a", 1, status(2.0, "True"));
    assert_eq!(bench.sends(), ["a"]);
    bench.publish("a", 1, status(0.0, "True"));
    bench.done("a", Err(&Refusal::Invalid { code: 422, text: "no".into() }));
    bench.pass(600.0);
    assert!(bench.sends().is_empty());
}

#[test]
fn a_change_of_health_goes_before_older_changes_of_values_but_not_for_ever() {
    let mut bench = Bench::new(0.1);
    for uid in ["a", "b", "c", "d"] {
        bench.reported(uid);
    }
    assert_eq!(bench.publish_and_take(&[("a", "True"), ("b", "False")]), ["b"], "the last token of the burst");
    bench.done("b", Ok(()));
    for flap in 0..3 {
        bench.pass(10.01);
        bench.publish("c", 1, status(5.0, if flap % 2 == 0 { "False" } else { "True" }));
        let sent = bench.sends();
        let expected = if flap < 2 { "c" } else { "a" };
        assert_eq!(sent, [expected], "{flap}");
        bench.done(expected, Ok(()));
    }
}
impl Bench {
    fn publish_and_take(&mut self, changes: &[(&str, &str)]) -> Vec<String> {
        for (uid, connected) in changes {
            self.publish(uid, 1, status(1.0, connected));
        }
        self.sends()
    }
}

#[test]
fn a_busy_server_is_left_alone_as_long_as_it_asked_then_asked_once() {
    let mut bench = Bench::new(100.0);
    for uid in ["a", "b", "c"] {
        bench.publish(uid, 1, status(1.0, "True"));
    }
    assert_eq!(bench.sends().len(), 3);
    for uid in ["a", "b", "c"] {
        bench.done(uid, Err(&busy(20)));
    }
    assert_eq!(bench.waits(), Some(25), "a quarter more at the most");
    bench.pass(25.1);
    assert_eq!(bench.sends().len(), 1, "a probe");
    let probe = ["a", "b", "c"].into_iter().find(|uid| bench.pacer.devices[*uid].flying.is_some()).unwrap();
    bench.done(probe, Ok(()));
    assert_eq!(bench.sends().len(), 2, "and the rest at once");
}

#[test]
fn three_writes_that_fail_together_are_one_failure_and_failures_in_a_row_wait_longer() {
    let mut bench = Bench::new(100.0);
    for uid in ["a", "b", "c"] {
        bench.publish(uid, 1, status(1.0, "True"));
    }
    bench.sends();
    for uid in ["a", "b", "c"] {
        bench.done(uid, Err(&away()));
    }
    let mut waits = vec![];
    for _ in 0..8 {
        waits.push(bench.waits().unwrap());
        bench.pass(61.0);
        let uid = bench.sends().pop().unwrap();
        bench.done(&uid, Err(&away()));
    }
    assert_eq!(waits, [1, 2, 4, 8, 16, 32, 60, 60]);
}

#[test]
fn a_device_that_is_not_ours_waits_longer_and_longer_alone_until_the_slice_changes() {
    let mut bench = Bench::new(100.0);
    bench.publish("a", 1, status(1.0, "True"));
    let mut waits = vec![];
    for _ in 0..11 {
        assert_eq!(bench.sends(), ["a"]);
        bench.done("a", Err(&Refusal::Forbidden("not placed here".into())));
        waits.push(bench.waits().unwrap());
        bench.reported(&format!("neighbour-{}", waits.len()));
        bench.pass(600.0);
    }
    assert_eq!(waits, [2, 4, 8, 16, 32, 64, 128, 256, 512, 600, 600]);
    assert_eq!(bench.sends(), ["a"]);
    bench.done("a", Err(&Refusal::Forbidden("not placed here".into())));
    assert!(bench.sends().is_empty());
    bench.publish("a", 2, status(1.0, "True"));
    assert_eq!(bench.sends(), ["a"]);
}

#[test]
fn a_trouble_is_told_once_and_so_is_its_end() {
    let mut bench = Bench::new(100.0);
    bench.publish("a", 1, status(1.0, "True"));
    let mut told = vec![];
    for refusal in [Some(away()), Some(away()), Some(Refusal::NotFound("gone".into())), None] {
        bench.sends();
        let result = refusal.as_ref().map_or(Ok(()), Err);
        told.push(bench.done("a", result).is_some());
        bench.pass(100.0);
    }
    assert_eq!(told, [true, false, true, true]);
}

#[test]
fn last_words_are_what_is_not_sent_urgent_first_whatever_the_budget() {
    let mut bench = Bench::new(0.001);
    for uid in ["a", "b", "c"] {
        bench.reported(uid);
    }
    for (uid, connected) in [("a", "True"), ("b", "True"), ("c", "False")] {
        bench.publish(uid, 1, status(9.0, connected));
    }
    let words: Vec<_> = bench.pacer.last_words().iter().map(|view| view.device.uid.clone()).collect();
    assert_eq!(words, ["c", "a", "b"]);
}

#[derive(Debug, Clone)]
enum Move {
    Publish(u8, u8),
    Remove(u8),
    Pass(u16),
    Send,
    Answer(u8, u8),
}

fn moves() -> impl Strategy<Value = Vec<Move>> {
    let one = prop_oneof![
        4 => (0..5_u8, 0..4_u8).prop_map(|(d, v)| Move::Publish(d, v)),
        1 => (0..5_u8).prop_map(Move::Remove),
        2 => (0..20_000_u16).prop_map(Move::Pass),
        5 => Just(Move::Send),
        5 => (0..5_u8, 0..6_u8).prop_map(|(n, r)| Move::Answer(n, r)),
    ];
    prop::collection::vec(one, 1..200)
}

fn answer(kind: u8) -> Result<(), Refusal> {
    match kind {
        0 | 1 => Ok(()),
        2 => Err(busy(3)),
        3 => Err(away()),
        4 => Err(Refusal::Forbidden("no".into())),
        _ => Err(Refusal::Invalid { code: 422, text: "no".into() }),
    }
}

proptest! {
    /// Whatever the server answers: a write carries the newest state, a device has one under way at most, the budget holds,
    /// and once the server takes everything it ends up with the newest state of all.
    #[test]
    fn the_server_ends_up_with_the_newest_state_within_the_budget(moves in moves()) {
        let rate = 2.0;
        let mut bench = Bench::new(rate);
        let mut flying: Vec<Arc<DeviceView>> = vec![];
        let mut server: BTreeMap<String, DeviceStatus> = BTreeMap::new();
        let mut sent: u32 = 0;
        for step in moves {
            match step {
                Move::Publish(d, v) => bench.publish(&d.to_string(), 1, status(f64::from(v), "True")),
                Move::Remove(d) => {
                    bench.views.remove(&d.to_string());
                    bench.pacer.observe(&bench.views, bench.now);
                }
                Move::Pass(ms) => bench.pass(f64::from(ms) / 1000.0),
                Move::Send => if let Step::Send(view) = bench.next() {
                    sent += 1;
                    prop_assert_eq!(&view.snapshot, &bench.views[&view.device.uid].snapshot);
                    let again = flying.iter().any(|f| f.device.uid == view.device.uid);
                    prop_assert!(!again, "two writes of one device under way");
                    prop_assert!(flying.len() < IN_FLIGHT);
                    flying.push(view);
                },
                Move::Answer(n, kind) => if usize::from(n) < flying.len() {
                    let view = flying.remove(n.into());
                    let result = answer(kind);
                    if result.is_ok() {
                        server.insert(view.device.uid.clone(), view.status());
                    }
                    bench.done(&view.device.uid, result.as_ref().copied());
                },
            }
            let seconds = bench.now.duration_since(bench.start).as_secs_f64();
            prop_assert!(f64::from(sent) <= 10.0 + rate * seconds + 0.01);
        }
        for _ in 0..2_000 {
            for view in flying.drain(..) {
                server.insert(view.device.uid.clone(), view.status());
                bench.done(&view.device.uid, Ok(()));
            }
            match bench.next() {
                Step::Send(view) => flying.push(view),
                Step::Wait(Some(at)) => bench.now = at,
                Step::Wait(None) => break,
            }
        }
        for (uid, view) in &bench.views {
            prop_assert_eq!(server.get(uid), Some(&view.status()));
        }
    }
}
