//! Devices that come and go, what is asked for once, and how it ends.
use crate::common::{Run, device, ms, point, points};
use pollux_mapper::testing::scripted::{Answer, Device, Script, Scripted, Seen};
use pollux_mapper::*;
use std::{collections::BTreeSet, sync::Arc, time::Duration};
use tokio::{sync::oneshot, time::sleep};

fn named(name: &str) -> Device {
    Device { bus: "bus".into(), name: name.into() }
}
pub(crate) fn spec(name: &str, interval: u64, addresses: &[&str]) -> DeviceSpec<Scripted> {
    device(name, named(name), 500, addresses.iter().map(|a| point(a, (*a).to_owned(), interval)).collect())
}
pub(crate) fn script(specs: &[DeviceSpec<Scripted>]) -> Arc<Script> {
    let script = Arc::new(Script::default());
    for spec in specs {
        for point in &*spec.points {
            script.set(&spec.name, &point.address, 1.0);
        }
    }
    script
}
pub(crate) fn start(specs: Vec<DeviceSpec<Scripted>>) -> (Arc<Script>, Run<Scripted>) {
    let script = script(&specs);
    (script.clone(), Run::start(Scripted(script), specs))
}
fn reads_of(script: &Script, address: &str) -> usize {
    let reads = script.seen().into_iter().filter(|s| matches!(s, Seen::Read(_, a) if a.iter().any(|a| a == address)));
    reads.count()
}

#[tokio::test(start_paused = true)]
async fn devices_come_and_go_while_their_neighbours_go_on() {
    let (script, mut run) = start(vec![spec("a", 1_000, &["x"])]);
    run.connected(0, true).await;
    script.set("b", "x", 5.0);
    let layout = run.apply(7, spec("b", 1_000, &["x"])).await.unwrap();
    run.value(7, 0, Some(5.0)).await;
    run.connected(7, true).await;
    assert_eq!(*script.connects.lock().unwrap(), (1, 0), "on the same link");
    run.remove(7).await;
    let silent = script.seen().len();
    assert_eq!(script.seen().last(), Some(&Seen::Detach("b".into())), "answered when the wire is silent");
    sleep(ms(5_000)).await;
    let later = script.seen().split_off(silent);
    assert!(later.len() >= 5 && later.iter().all(|s| matches!(s, Seen::Read(d, _) if d == "a")), "{later:?}");
    assert_eq!(run.write(7, 0, 1.0).await, Wrote::Refused(PointFault::new(ErrorKind::Config, "no such point")));
    let again = run.apply(8, spec("b", 1_000, &["x"])).await.unwrap();
    assert_eq!((again.base, again.generation == layout.generation), (layout.base, false), "its rows are used again");
    run.value(8, 0, Some(5.0)).await;
    assert_eq!(run.stats.devices().iter().map(|(key, _)| key.0).collect::<Vec<_>>(), [0, 8]);
    run.remove(99).await; // nobody is there: answered at once
    run.stop().await;
}

/// By the real clock: planning takes time that no other clock shows.
#[tokio::test]
async fn what_comes_due_while_another_device_is_planned_for_is_not_forgotten() {
    let (script, mut run) = start(vec![spec("a", 100, &["x"])]);
    for (key, name, value) in [(1, "b", 11.0), (2, "c", 12.0), (3, "d", 13.0)] {
        script.mute.lock().unwrap().insert(name.into(), ms(250));
        script.set("a", "x", value);
        tokio::time::timeout(ms(20_000), run.value(0, 0, Some(value))).await.expect("a is read on");
        // Just read: it is next due while the other is planned for.
        run.apply(key, spec(name, 60_000, &["x"])).await.unwrap();
    }
    script.set("a", "x", 20.0);
    tokio::time::timeout(ms(20_000), run.value(0, 0, Some(20.0))).await.expect("a is read on");
    run.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_device_without_points_comes_and_goes_without_a_neighbours_values() {
    let (script, mut run) = start(vec![spec("a", 1_000, &["x"])]);
    run.connected(0, true).await;
    script.set("c", "x", 5.0);
    run.apply(1, spec("b", 1_000, &[])).await.unwrap();
    run.apply(2, spec("c", 1_000, &["x"])).await.unwrap();
    run.value(2, 0, Some(5.0)).await;
    run.remove(1).await;
    script.set("c", "x", 6.0);
    tokio::time::timeout(ms(60_000), run.value(2, 0, Some(6.0))).await.expect("c is heard on");
    run.stop().await;
}

#[tokio::test(start_paused = true)]
async fn removal_answers_what_waits_and_lets_end_what_is_under_way() {
    let (script, mut run) = start(vec![spec("a", 60_000, &["x", "y"])]);
    run.connected(0, true).await;
    script.answers.lock().unwrap().push_back(Answer::Late(ms(300)));
    let flying = run.ask(0, vec![(0, 2.0.into())]).await;
    let waiting = run.ask(0, vec![(1, 3.0.into())]).await;
    sleep(ms(1)).await;
    run.remove(0).await;
    assert_eq!(waiting.await.unwrap().values, [Wrote::NotSent]);
    assert_eq!(flying.await.unwrap().values, [Wrote::Done], "it was under way");
    assert_eq!(script.get("a", "y"), Some(1.0.into()));
    run.stop().await;
}

#[tokio::test(start_paused = true)]
async fn an_outdated_port_does_not_speak_for_who_took_its_number() {
    let (script, mut run) = start(vec![spec("a", 60_000, &["x"])]);
    run.connected(0, true).await;
    let old = script.ports.lock().unwrap()["a"].clone();
    run.remove(0).await;
    script.set("b", "x", 5.0);
    let layout = run.apply(1, spec("b", 60_000, &["x"])).await.unwrap();
    run.value(1, 0, Some(5.0)).await;
    old.put(layout.base, 66.0);
    old.down("I am gone");
    sleep(ms(100)).await;
    assert!(run.states().await.values().all(|up| *up), "b is there, whatever a says");
    assert_eq!(run.stop().await.columns().value(layout.base), Some(5.0.into()));
}

#[tokio::test(start_paused = true)]
async fn shutting_down_lets_end_what_is_under_way_and_sends_nothing_more() {
    let (script, mut run) = start(vec![spec("a", 100, &["x", "y"])]);
    run.connected(0, true).await;
    script.answers.lock().unwrap().push_back(Answer::Late(ms(400)));
    let flying = run.ask(0, vec![(0, 2.0.into())]).await;
    let waiting = run.ask(0, vec![(1, 3.0.into())]).await;
    while script.written().is_empty() {
        sleep(ms(1)).await;
    }
    run.stopper.cancel();
    let asked = Instant::now();
    assert_eq!(waiting.await.unwrap().why.unwrap().text, "shutting down");
    assert_eq!(asked.elapsed(), ms(0));
    let seen = script.seen().len();
    assert_eq!(flying.await.unwrap().values, [Wrote::Done]);
    run.stop().await;
    assert!(asked.elapsed() >= ms(300) && asked.elapsed() < ms(500), "{:?}", asked.elapsed());
    assert_eq!(script.seen().len(), seen, "not even a read-back");
}

#[tokio::test(start_paused = true)]
async fn the_drain_is_bounded() {
    let (script, mut run) = start(vec![DeviceSpec { timeout: ms(60_000), ..spec("a", 60_000, &["x"]) }]);
    run.connected(0, true).await;
    script.answers.lock().unwrap().push_back(Answer::Silent);
    let flying = run.ask(0, vec![(0, 2.0.into())]).await;
    sleep(ms(10)).await;
    run.stopper.cancel();
    let asked = Instant::now();
    run.stop().await;
    assert!(asked.elapsed() <= ms(5_001), "{:?}", asked.elapsed());
    assert_eq!(flying.await.unwrap().values, [Wrote::Unknown]);
}

#[tokio::test(start_paused = true)]
async fn a_write_whose_turn_does_not_come_is_not_sent() {
    let specs = vec![DeviceSpec { timeout: ms(60_000), ..spec("a", 60_000, &["x"]) }, spec("b", 60_000, &["x"])];
    let (script, mut run) = start(specs);
    run.all([0, 1].into_iter(), true).await;
    script.answers.lock().unwrap().push_back(Answer::Late(ms(15_000)));
    let slow = run.ask(0, vec![(0, 2.0.into())]).await;
    sleep(ms(10)).await;
    let asked = Instant::now();
    let reply = run.group(1, &[(0, 3.0)]).await;
    assert_eq!((reply.values, reply.why.unwrap().kind), (vec![Wrote::NotSent], ErrorKind::Timeout));
    assert!(asked.elapsed() >= ms(10_000) && asked.elapsed() < ms(10_100), "{:?}", asked.elapsed());
    assert_eq!(slow.await.unwrap().values, [Wrote::Done]);
    sleep(ms(1_000)).await;
    assert_eq!(script.written().len(), 1, "late, it is not sent after all");
    run.stop().await;
}

#[tokio::test(start_paused = true)]
async fn what_is_read_on_connect_is_read_once_for_each_connection_and_when_asked() {
    let mut device = spec("a", 1_000, &["x", "serial"]);
    points(&mut device)[1].interval = Interval::OnConnect;
    let (script, mut run) = start(vec![device]);
    run.value(0, 1, Some(1.0)).await;
    sleep(ms(60_000)).await;
    assert_eq!(reads_of(&script, "serial"), 1);
    script.set("a", "serial", 2.0);
    let readings = run.read_now(0, vec![1]).await.unwrap();
    assert_eq!(readings.iter().map(|r| (r.point, r.value.clone())).collect::<Vec<_>>(), [(1, Ok(2.0.into()))]);
    assert_eq!(reads_of(&script, "serial"), 2);
    script.cut();
    run.connected(0, false).await;
    run.connected(0, true).await;
    sleep(ms(60_000)).await;
    assert_eq!(reads_of(&script, "serial"), 3);
    run.stop().await;
}

#[tokio::test(start_paused = true)]
async fn what_is_read_on_connect_is_asked_again_until_it_is_there() {
    let mut device = spec("a", 1_000, &["serial"]);
    points(&mut device)[0].interval = Interval::OnConnect;
    let script = script(std::slice::from_ref(&device));
    script.answers.lock().unwrap().extend([Answer::Silent, Answer::Silent]); // two failures are not three
    let mut run = Run::start(Scripted(script.clone()), vec![device]);
    run.value(0, 0, Some(1.0)).await;
    assert_eq!(reads_of(&script, "serial"), 3);
    run.stop().await;
}

#[tokio::test(start_paused = true)]
async fn nobody_listens_to_a_device_that_is_being_removed() {
    let (script, mut run) = start(vec![spec("a", 60_000, &["x"])]);
    run.value(0, 0, Some(1.0)).await;
    let port = script.ports.lock().unwrap()["a"].clone();
    script.answers.lock().unwrap().push_back(Answer::Late(ms(300)));
    let flying = run.ask(0, vec![(0, 2.0.into())]).await;
    sleep(ms(1)).await;
    let (reply, _gone) = oneshot::channel();
    run.tell(Command::Remove { device: DeviceKey(0), reply }).await;
    sleep(ms(1)).await;
    let mut told = vec![];
    run.telemetry.next(&mut told).await;
    port.put(Slot(0), 66.0);
    assert_eq!(flying.await.unwrap().values, [Wrote::Done]);
    let more = tokio::time::timeout(ms(100), run.telemetry.next(&mut told)).await;
    assert!(more.is_err(), "{told:?}");
    run.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_reading_asked_for_is_new_even_if_one_is_under_way() {
    let (script, mut run) = start(vec![spec("a", 1_000, &["x"])]);
    script.limits.lock().unwrap().in_flight = 2;
    script.limits.lock().unwrap().per_unit = 2;
    run.connected(0, true).await;
    script.answers.lock().unwrap().push_back(Answer::Late(ms(200)));
    let before = reads_of(&script, "x");
    while reads_of(&script, "x") == before {
        sleep(ms(1)).await;
    }
    let readings = run.read_now(0, vec![]).await.unwrap();
    assert_eq!((readings.len(), reads_of(&script, "x")), (1, before + 2), "one of its own");
    let kind = |result: Result<Vec<Change>, PointFault>| result.unwrap_err().kind;
    assert_eq!(kind(run.read_now(0, vec![5]).await), ErrorKind::Config);
    assert_eq!(kind(run.read_now(9, vec![0]).await), ErrorKind::Config);
    script.silent.lock().unwrap().insert("a".into());
    assert_eq!(kind(run.read_now(0, vec![0]).await), ErrorKind::Timeout);
    script.cut();
    *script.offline.lock().unwrap() = true;
    run.connected(0, false).await;
    assert_eq!(kind(run.read_now(0, vec![0]).await), ErrorKind::Unreachable);
    run.stop().await;
}

#[tokio::test(start_paused = true)]
async fn members_of_a_read_group_are_read_together_whoever_asks() {
    let mut device = spec("a", 1_000, &["p", "high", "q", "r", "s", "low"]);
    for i in [1, 5] {
        points(&mut device)[i].read_group = Some("clock".into());
    }
    points(&mut device)[5].interval = Interval::Every(ms(7_000));
    let (script, mut run) = start(vec![device]);
    run.connected(0, true).await;
    sleep(ms(10_000)).await;
    run.read_now(0, vec![5]).await.unwrap();
    assert_eq!(run.write(0, 1, 4.0).await, Wrote::Done);
    sleep(ms(500)).await;
    let mut whole = 0;
    for seen in script.seen() {
        let Seen::Read(_, addresses) = seen else { continue };
        let members = addresses.iter().filter(|a| *a == "high" || *a == "low").count();
        assert_ne!(members, 1, "{addresses:?}");
        whole += members / 2;
    }
    assert!(whole >= 12, "at the shorter interval: {whole}");
    let mut big = spec("b", 1_000, &["a", "b", "c", "d", "e"]);
    for point in points(&mut big) {
        point.read_group = Some("all".into());
    }
    let errors = run.apply(1, big).await.unwrap_err();
    assert!(errors[0].text.contains("readGroup all"), "{errors:?}");
    run.stop().await;
}

#[tokio::test(start_paused = true)]
async fn what_is_only_written_is_never_read() {
    let mut device = spec("a", 1_000, &["x", "secret"]);
    points(&mut device)[1].readable = false;
    let (script, mut run) = start(vec![device]);
    run.connected(0, true).await;
    assert_eq!(run.write(0, 1, 4.0).await, Wrote::Done);
    sleep(ms(5_000)).await;
    assert_eq!((reads_of(&script, "secret"), script.get("a", "secret")), (0, Some(4.0.into())));
    assert_eq!(run.read_now(0, vec![]).await.unwrap().len(), 1);
    run.stop().await;
}

#[tokio::test(start_paused = true)]
async fn after_a_write_the_next_reading_is_told_even_if_nothing_changed() {
    let (script, mut run) = start(vec![spec("a", 1_000, &["x", "y"])]);
    run.value(0, 0, Some(1.0)).await;
    sleep(ms(5_000)).await;
    run.states().await;
    assert!(run.confirmed.is_empty(), "nothing was written");
    let read_before = run.apply(0, spec("a", 1_000, &["x", "y"])).await.unwrap().fresh.last(0).unwrap();
    assert_eq!(run.write(0, 0, 1.0).await, Wrote::Done); // the value it has
    while run.confirmed.is_empty() {
        run.more().await;
    }
    sleep(ms(5_000)).await;
    run.states().await;
    let confirmed: Vec<_> = run.confirmed.iter().map(|c| (c.device, c.point, c.value.clone())).collect();
    assert_eq!(confirmed, [(DeviceKey(0), 0, Ok(1.0.into()))], "once");
    let fresh = run.apply(0, spec("a", 1_000, &["x", "y"])).await.unwrap().fresh;
    assert!(fresh.last(0).unwrap() >= read_before + ms(5_000), "an unchanged reading is fresh");
    script.silent.lock().unwrap().insert("a".into());
    sleep(ms(5_000)).await;
    let heard = fresh.last(0).unwrap();
    sleep(ms(30_000)).await;
    assert_eq!(fresh.last(0).unwrap(), heard, "silence is not");
    assert_eq!(fresh.last(7), None);
    run.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_new_secret_dials_anew_after_what_is_under_way_and_no_device_blinks() {
    let (script, mut run) = start(vec![spec("a", 1_000, &["x"])]);
    *script.identity.lock().unwrap() = Some("8:64".into());
    run.connected(0, true).await;
    script.answers.lock().unwrap().push_back(Answer::Late(ms(300)));
    let flying = run.ask(0, vec![(0, 2.0.into())]).await;
    sleep(ms(1)).await;
    run.tell(Command::Context(Arc::new(Cx { rotation: 1, ..Cx::default() }))).await;
    run.tell(Command::Context(Arc::new(Cx { rotation: 1, ..Cx::default() }))).await; // no news
    assert_eq!(flying.await.unwrap().values, [Wrote::Done]);
    sleep(ms(3_000)).await;
    assert_eq!(*script.connects.lock().unwrap(), (2, 1));
    assert_eq!(run.states().await, [].into(), "it was Connected all the time");
    assert_eq!(run.link.back().unwrap().identity.as_deref(), Some("8:64"));
    run.stop().await;
}

#[tokio::test(start_paused = true)]
async fn the_link_says_how_it_is_and_each_device_why() {
    let (script, mut run) = start(vec![spec("a", 1_000, &["x"]), spec("b", 1_000, &["x"])]);
    run.all([0, 1].into_iter(), true).await;
    script.silent.lock().unwrap().insert("b".into());
    let down = run.turned(1, false).await;
    assert_eq!((down.kind, &*down.reason), (Some(ErrorKind::Timeout), "b: no answer"));
    script.cut();
    let down = run.turned(0, false).await;
    assert_eq!((down.kind, &*down.reason), (Some(ErrorKind::Unreachable), "link cut"));
    let states: Vec<_> = run.link.iter().map(|l| (l.up, l.kind)).collect();
    assert_eq!(states, [(true, None), (false, Some(ErrorKind::Unreachable))]);
    assert_eq!(run.turned(0, true).await.kind, None);
    run.stop().await;
}

#[tokio::test(start_paused = true)]
async fn what_is_said_of_a_device_follows_the_cause_but_not_every_word() {
    let (script, mut run) = start(vec![spec("a", 1_000, &["x"])]);
    run.connected(0, true).await;
    let refuses = |words: String| {
        let fault = PointFault::new(ErrorKind::Unreachable, words);
        *script.dial.lock().unwrap() = Answer::Refuse(fault);
    };
    refuses("no route to host".into());
    script.cut();
    assert_eq!(run.turned(0, false).await.reason, "link cut");
    assert_eq!(run.turned(0, false).await.reason, "no route to host", "of the same kind, and another cause");
    let told = Instant::now();
    for number in 0..120 {
        refuses(format!("refused, number {number}"));
        sleep(ms(1_000)).await;
    }
    let mut words = 0;
    while let Ok(down) = tokio::time::timeout(ms(1), run.turned(0, false)).await {
        assert!(down.reason.starts_with("refused, number"), "{}", down.reason);
        words += 1;
    }
    assert!((1..=4).contains(&words), "{words} in {:?}", told.elapsed());
    run.stop().await;
}

#[tokio::test(start_paused = true)]
async fn everything_is_counted() {
    let (script, mut run) = start(vec![spec("a", 1_000, &["x", "missing"])]);
    run.connected(0, true).await;
    assert_eq!(run.write(0, 0, 2.0).await, Wrote::Done);
    script.answers.lock().unwrap().push_back(Answer::Refuse(PointFault::new(ErrorKind::Denied, "no")));
    assert!(matches!(run.write(0, 0, 3.0).await, Wrote::Refused(_)));
    script.answers.lock().unwrap().push_back(Answer::Silent);
    assert_eq!(run.write(0, 0, 4.0).await, Wrote::Unknown);
    script.cut();
    run.connected(0, false).await;
    run.connected(0, true).await;
    let stats = run.stats.clone();
    let of_device = stats.devices().remove(0).1;
    for counters in [&of_device, &stats.total] {
        let writes =
            [&counters.writes_done, &counters.writes_refused, &counters.writes_not_sent, &counters.writes_unknown];
        assert_eq!(writes.map(Counter::get), [1, 1, 0, 1]);
        assert_eq!(counters.failed(ErrorKind::Timeout), 1);
        assert!(counters.answered.get() > 3);
    }
    assert_eq!((stats.connects.get(), stats.links_lost.get(), stats.connect_failures.get()), (2, 1, 0));
    script.cut();
    *script.offline.lock().unwrap() = true;
    sleep(ms(10_000)).await;
    assert!((3..10).contains(&stats.connect_failures.get()), "backing off: {}", stats.connect_failures.get());
    run.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_fault_of_a_megabyte_is_not_kept() {
    let (script, mut run) = start(vec![spec("a", 1_000, &["x"])]);
    let fault = PointFault::new(ErrorKind::Protocol, "ö".repeat(500_000));
    script.refused.lock().unwrap().insert(("a".into(), "x".into()), fault);
    run.value(0, 0, None).await;
    assert_eq!(run.stop().await.columns().fault_of(Slot(0)).unwrap().text.len(), 512);
}

#[tokio::test(start_paused = true)]
async fn cycles_of_many_devices_are_spread_and_the_first_reading_comes_at_once() {
    let specs: Vec<_> = (0..50).map(|i| spec(&format!("d{i}"), 10_000, &["x"])).collect();
    let script = script(&specs);
    script.limits.lock().unwrap().in_flight = 64;
    let run = Run::start(Scripted(script.clone()), specs);
    let started = Instant::now();
    sleep(ms(30_000)).await;
    let log = script.log.lock().unwrap().clone();
    let reads: Vec<Duration> =
        log.iter().filter(|(_, s)| matches!(s, Seen::Read(..))).map(|(at, _)| *at - started).collect();
    let first = reads.iter().filter(|at| **at < ms(20)).count();
    assert_eq!(first, 50, "all at once after connect");
    let seconds: BTreeSet<u64> = reads.iter().filter(|at| **at > ms(11_000)).map(|at| at.as_secs() % 10).collect();
    assert!(seconds.len() >= 9, "then all over the interval: {seconds:?}");
    let cycle = reads.iter().filter(|at| **at > ms(11_000) && **at <= ms(21_000)).count();
    assert_eq!(cycle, 50, "each once in its interval");
    run.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_thousand_devices_on_a_link_all_keep_their_cycles() {
    let specs: Vec<_> = (0..1_000).map(|i| spec(&format!("d{i}"), 10_000, &["x"])).collect();
    let (script, run) = start(specs);
    script.limits.lock().unwrap().in_flight = 4;
    sleep(ms(60_000)).await;
    let (missed, answered) = (run.stats.total.missed.get(), run.stats.total.answered.get());
    assert_eq!(missed, 0);
    assert!(answered >= 1_000 + 6_000, "{answered} answers");
    run.stop().await;
}

#[tokio::test(start_paused = true)]
async fn on_a_full_link_slow_points_are_read_beside_fast_ones() {
    let mut spec = spec("a", 15, &["f1", "f2", "f3", "f4", "f5", "slow"]); // 20 ms of requests, every 15 ms
    points(&mut spec)[5].interval = Interval::Every(ms(1_000));
    let (script, run) = start(vec![spec]);
    sleep(ms(100_000)).await;
    let slow = reads_of(&script, "slow");
    assert!((95..=102).contains(&slow), "{slow} of 100");
    assert!(run.stats.total.missed.get() > 0, "what the link cannot carry is counted");
    run.stop().await;
}

#[tokio::test(start_paused = true)]
async fn commands_are_answered_while_it_dials() {
    let (script, mut run) = start(vec![spec("a", 1_000, &["x"])]);
    run.connected(0, true).await;
    *script.offline.lock().unwrap() = true;
    script.cut();
    run.connected(0, false).await;
    let reply = run.group(0, &[(0, 1.0)]).await;
    assert_eq!(reply.values, [Wrote::NotSent]);
    let (reply, answer) = oneshot::channel();
    let call = Call { name: "reset".into(), ..Call::default() };
    run.tell(Command::Call { device: DeviceKey(0), call, reply }).await;
    assert!(matches!(answer.await.unwrap(), Err(CallError::NotSent(_))));
    assert!(run.apply(1, spec("b", 1_000, &["x"])).await.is_ok());
    run.remove(0).await;
    let elsewhere = device("c", Device { bus: "other".into(), name: "c".into() }, 500, vec![]);
    assert!(run.apply(2, elsewhere).await.unwrap_err()[0].text.contains("belongs to other"));
    script.set("b", "x", 1.0);
    *script.offline.lock().unwrap() = false;
    run.connected(1, true).await;
    assert!(!script.seen().iter().any(|s| matches!(s, Seen::Write(..) | Seen::Call(..))));
    run.stop().await;
}

#[tokio::test(start_paused = true)]
async fn what_waits_for_a_device_is_taken_back_when_it_is_configured_otherwise() {
    let (script, mut run) = start(vec![spec("a", 3_600_000, &["x"])]);
    run.connected(0, true).await;
    sleep(ms(500)).await; // it was read
    *script.cost.lock().unwrap() = ms(300);
    let (reply, read) = oneshot::channel();
    run.tell(Command::ReadNow { device: DeviceKey(0), points: vec![0], reply }).await;
    sleep(ms(10)).await; // it has the bus
    let (reply, answer) = oneshot::channel();
    let call = Call { name: "reset".into(), ..Call::default() };
    run.tell(Command::Call { device: DeviceKey(0), call, reply }).await;
    let written = run.ask(0, vec![(0, 1.0.into())]).await;
    let (reply, withdrawn) = oneshot::channel();
    run.tell(Command::Withdraw { device: DeviceKey(0), reply }).await;
    withdrawn.await.unwrap();
    assert!(matches!(answer.await.unwrap(), Err(CallError::NotSent(_))));
    assert_eq!(written.await.unwrap().values, [Wrote::NotSent]);
    assert!(read.await.unwrap().is_ok(), "what is under way goes on");
    sleep(ms(5_000)).await;
    assert!(!script.seen().iter().any(|seen| matches!(seen, Seen::Write(..) | Seen::Call(..))));
    run.stop().await;
}
