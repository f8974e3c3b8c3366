//! A dial, an attach and a detach that take their time, or never end.
use crate::{
    common::{Run, ms},
    life::{script, spec, start},
};
use pollux_mapper::testing::scripted::{Answer, Script, Scripted, Seen};
use pollux_mapper::*;
use std::sync::Arc;
use tokio::time::sleep;

/// Nobody answers the dial.
fn hanging(specs: Vec<DeviceSpec<Scripted>>) -> (Arc<Script>, Run<Scripted>) {
    let script = script(&specs);
    *script.dial.lock().unwrap() = Answer::Silent;
    (script.clone(), Run::start(Scripted(script), specs))
}
fn connects(script: &Script) -> usize {
    script.connects.lock().unwrap().0
}

#[tokio::test(start_paused = true)]
async fn a_dial_that_hangs_is_given_up_told_and_dialled_anew() {
    let (script, mut run) = hanging(vec![spec("a", 1_000, &["x"])]);
    let began = Instant::now();
    let down = run.turned(0, false).await;
    assert_eq!((down.kind, &*down.reason), (Some(ErrorKind::Timeout), "no connection within 65 s"));
    assert!(began.elapsed() >= ms(60_000), "what a Device may grant comes first: {:?}", began.elapsed());
    assert_eq!((run.stats.connect_failures.get(), connects(&script)), (1, 0));
    *script.dial.lock().unwrap() = Answer::Late(ms(30_000));
    run.connected(0, true).await;
    assert_eq!(connects(&script), 1);
    run.stop().await;
}

/// A driver that waits for its link inside of its dial is not kept waiting outside of it as well.
#[tokio::test(start_paused = true)]
async fn a_dial_that_failed_late_is_followed_by_another_at_once() {
    let (script, run) = hanging(vec![spec("a", 1_000, &["x"])]);
    let refused = Answer::Refuse(PointFault::new(ErrorKind::Unreachable, "nobody there"));
    for (answer, lasts, soon) in [(Answer::Silent, ms(65_000), true), (refused, ms(0), false)] {
        assert_eq!(lasts >= LINK_LASTED, soon);
        *script.dial.lock().unwrap() = answer;
        sleep(ms(600_000)).await;
        let before = run.stats.connect_failures.get();
        sleep(ms(650_000)).await;
        let dials = u32::try_from(run.stats.connect_failures.get() - before).unwrap();
        let pause = (ms(650_000) / dials).saturating_sub(lasts);
        assert_eq!(pause < ms(10_000), soon, "{pause:?} between two of {dials} dials");
    }
    run.stop().await;
}

#[tokio::test(start_paused = true)]
async fn the_end_does_not_wait_for_a_dial() {
    let (_, run) = hanging(vec![spec("a", 1_000, &["x"])]);
    sleep(ms(5_000)).await;
    run.stopper.cancel();
    let asked = Instant::now();
    run.stop().await;
    assert_eq!(asked.elapsed(), ms(0));
}

#[tokio::test(start_paused = true)]
async fn commands_are_answered_at_once_while_a_dial_hangs() {
    let (script, mut run) = hanging(vec![spec("a", 1_000, &["x"])]);
    script.set("b", "x", 2.0);
    sleep(ms(1_000)).await;
    let asked = Instant::now();
    assert_eq!(run.group(0, &[(0, 7.0)]).await.values, [Wrote::NotSent]);
    assert_eq!(run.read_now(0, vec![]).await.unwrap_err().kind, ErrorKind::Unreachable);
    run.apply(1, spec("b", 1_000, &["x"])).await.unwrap();
    run.remove(0).await;
    assert_eq!((asked.elapsed(), connects(&script)), (ms(0), 0));
    *script.dial.lock().unwrap() = Answer::Normal; // the next dial
    run.value(1, 0, Some(2.0)).await;
    assert!(script.written().is_empty());
    run.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_new_secret_ends_a_dial_with_the_old_one() {
    let (script, mut run) = hanging(vec![spec("a", 1_000, &["x"])]);
    sleep(ms(1_000)).await;
    *script.dial.lock().unwrap() = Answer::Normal;
    let asked = Instant::now();
    run.tell(Command::Context(Arc::new(Cx { rotation: 7, ..Cx::default() }))).await;
    run.connected(0, true).await;
    assert_eq!(*script.connects.lock().unwrap(), (1, 7));
    assert!(asked.elapsed() < ms(1_000), "{:?}", asked.elapsed());
    run.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_device_that_cannot_be_attached_in_time_is_down_and_its_neighbour_goes_on() {
    let (script, mut run) = start(vec![spec("a", 1_000, &["x"])]);
    run.connected(0, true).await;
    *script.attaching.lock().unwrap() = Answer::Silent;
    script.set("b", "x", 2.0);
    run.apply(1, spec("b", 1_000, &["x"])).await.unwrap();
    let down = run.turned(1, false).await;
    assert_eq!((down.kind, &*down.reason), (Some(ErrorKind::Timeout), "b: no answer"));
    let (seen, reads) = (script.seen().len(), |seen: &Seen| matches!(seen, Seen::Read(name, _) if name == "a"));
    sleep(ms(60_000)).await;
    let of_a = script.seen().split_off(seen).iter().filter(|s| reads(s)).count();
    assert!(of_a >= 50, "{of_a} of 60");
    assert_eq!(connects(&script), 1);
    *script.attaching.lock().unwrap() = Answer::Late(ms(400)); // of 500
    run.connected(1, true).await;
    run.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_device_is_gone_when_it_is_detached_however_long_that_takes() {
    let (script, mut run) = start(vec![spec("a", 1_000, &["x"]), spec("b", 1_000, &["x"])]);
    run.all([0, 1].into_iter(), true).await;
    *script.detaching.lock().unwrap() = ms(300);
    let asked = Instant::now();
    run.remove(0).await;
    assert!(asked.elapsed() >= ms(300), "{:?}", asked.elapsed());
    *script.detaching.lock().unwrap() = ms(60_000); // it gives up by its time: the device goes all the same
    run.remove(1).await;
    assert_eq!(script.seen().last(), Some(&Seen::Detach("b".into())));
    run.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_write_of_several_requests_has_the_time_that_its_driver_asks_for() {
    let (script, mut run) = start(vec![spec("a", 60_000, &["x"])]);
    run.connected(0, true).await;
    for (requests, becomes) in [(0, Wrote::Unknown), (2, Wrote::Done)] {
        *script.requests.lock().unwrap() = requests;
        script.answers.lock().unwrap().push_back(Answer::Late(ms(800))); // of 500 for each
        assert_eq!(run.write(0, 0, 2.0).await, becomes, "{requests} requests");
    }
    run.stop().await;
}
