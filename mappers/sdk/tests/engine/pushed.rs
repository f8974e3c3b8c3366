//! What a port says beside single values: keep-alives, points that are polled again, whole answers.
use crate::bounds::scripted;
use crate::common::*;
use futures_util::FutureExt;
use pollux_mapper::*;
use std::sync::atomic::Ordering::SeqCst;
use tokio::time::{sleep, timeout};

#[tokio::test(start_paused = true)]
async fn a_keep_alive_makes_values_fresh_and_is_neither_news_nor_a_reading() {
    let (script, mut run) = scripted(vec![]);
    run.connected(0, true).await;
    let points = ["pushed", "faulty"].map(|name| PointSpec { event: true, ..point(name, 0, 3_600_000) });
    let layout = run.apply(1, device("e", true, 500, points.into())).await.unwrap();
    run.connected(1, true).await;
    let port = script.ports.lock().unwrap().last().unwrap().clone();
    let slot = |point: u32| Slot(layout.base.0 + point);
    (0..2).for_each(|point| port.pushes(slot(point)));
    sleep(ms(100)).await;
    port.put(slot(0), 5.0);
    port.fault(slot(1), PointFault::new(ErrorKind::Protocol, "BadWaitingForInitialData"));
    run.value(1, 0, Some(5.0)).await;
    let mut told = vec![];
    run.telemetry.next(&mut told).await;
    let (read, still) = (layout.fresh.last(0), layout.fresh.still(0));
    assert!(read.is_some() && still.is_none());

    sleep(ms(5_000)).await;
    port.alive((0..2).map(slot));
    sleep(ms(10)).await;
    assert_eq!(layout.fresh.last(0), read, "nobody read it");
    assert!(layout.fresh.still(0).is_some_and(|at| read.is_some_and(|read| at >= read + ms(5_000))));
    assert_eq!(layout.fresh.still(1), None, "a fault is none the better for it");
    assert_eq!(run.states().await, [].into(), "no news");
    port.put(slot(0), 6.0);
    run.value(1, 0, Some(6.0)).await;
    told.clear();
    run.telemetry.next(&mut told).await;
    let of_it: Vec<_> = told.iter().filter(|change| change.device == DeviceKey(1) && change.point == 0).collect();
    assert_eq!(of_it.len(), 1, "an event is counted when it comes, and not when it is so still: {of_it:?}");
    run.stop().await;
}

#[tokio::test(start_paused = true)]
async fn what_is_pushed_no_longer_is_read_at_once_and_then_in_its_interval() {
    let (script, mut run) = scripted(vec![point("x", 0, 10_000)]);
    run.value(0, 0, Some(1.0)).await;
    let port = script.ports.lock().unwrap()[0].clone();
    port.pushes(Slot(0));
    sleep(ms(60_000)).await;
    let before = script.reads.load(SeqCst);
    assert!(before <= 2, "{before}");
    *script.values.lock().unwrap() = vec![2.0.into()];
    port.polls(Slot(0));
    sleep(ms(100)).await;
    assert_eq!(script.reads.load(SeqCst), before + 1, "at once");
    run.value(0, 0, Some(2.0)).await;
    sleep(ms(60_000)).await;
    assert_eq!(script.reads.load(SeqCst), before + 7, "and no cycle of the time before is made up for");
    // The newer word counts, whichever it is.
    port.polls(Slot(0));
    port.pushes(Slot(0));
    sleep(ms(60_000)).await;
    assert_eq!(script.reads.load(SeqCst), before + 7);
    assert_eq!(run.stop().await.stats().total.missed.get(), 0);
}

/// When what was told, in ms: of this point until that value.
async fn told_of(run: &mut Run<impl Protocol>, began: Instant, point: u32, last: f64) -> Vec<(u128, f64)> {
    let mut told = vec![];
    while told.last().is_none_or(|(_, value)| *value < last) {
        let news = run.status.next().await.expect("the engine runs");
        let changes = news.numbers.changes().chain(news.changes).chain(news.happened);
        let values = changes.filter(|change| change.point == point).filter_map(|change| change.value.ok()?.as_f64());
        told.extend(values.map(|value| (began.elapsed().as_millis(), value)));
    }
    told
}

#[tokio::test(start_paused = true)]
async fn of_values_that_come_one_upon_the_other_the_first_is_told_at_once_and_the_newest_soon() {
    let (script, mut run) =
        scripted(vec![point("x", 0, 3_600_000), PointSpec { event: true, ..point("e", 1, 3_600_000) }]);
    run.value(0, 0, Some(1.0)).await;
    let port = script.ports.lock().unwrap()[0].clone();
    (0..2).for_each(|point| port.pushes(Slot(point)));
    sleep(ms(100)).await;
    for (point, least, most) in [(0, 3, 6), (1, 20, 20)] {
        while run.status.try_next().is_some() {}
        sleep(ms(100)).await;
        let began = Instant::now();
        let pushes = async {
            for n in 1..=20 {
                port.put(Slot(point), 100.0 + f64::from(n));
                sleep(ms(1)).await;
            }
        };
        let ((), told) = tokio::join!(pushes, told_of(&mut run, began, point, 120.0));
        assert!((least..=most).contains(&told.len()), "{told:?}");
        assert_eq!(told[0], (0, 101.0), "{told:?}");
        let far = |pair: &[(u128, f64)]| pair[1].0 - pair[0].0 >= 5;
        assert_eq!(told.windows(2).all(far), point == 0, "each event counts, and is told at once: {told:?}");
    }
    run.stop().await;
}

/// A reader is told of so much at once; nothing else may be needed for the rest to follow.
#[tokio::test(start_paused = true)]
async fn what_is_too_much_for_one_piece_follows_piece_by_piece() {
    const MANY: u32 = 3_000;
    let points = |event| (0..MANY).map(|n| PointSpec { event, ..point(&format!("p{n}"), 0, 3_600_000) }).collect();
    for event in [false, true] {
        let (script, mut run) = scripted(points(event));
        run.connected(0, true).await;
        let port = script.ports.lock().unwrap()[0].clone();
        (0..MANY).for_each(|point| port.pushes(Slot(point)));
        sleep(ms(1_000)).await;
        while run.status.try_next().is_some() {
            sleep(ms(10)).await;
        }
        let mut samples = Samples::default();
        (0..MANY).for_each(|point| samples.put(Slot(point), 7.5));
        assert_eq!(port.put_all(&mut samples), 0);
        let all = async {
            let mut told = 0;
            while told < MANY as usize {
                let news = run.status.next().await.expect("the engine runs");
                told += news.numbers.len() + news.changes.len() + news.happened.len();
            }
        };
        assert!(timeout(ms(100), all).await.is_ok(), "event: {event}");
        run.stop().await;
    }
}

#[tokio::test(start_paused = true)]
async fn an_answer_is_handed_over_whole_and_in_its_order() {
    let (script, mut run) = scripted(vec![PointSpec { event: true, ..point("x", 0, 3_600_000) }]);
    run.connected(0, true).await;
    let mut told = vec![];
    run.telemetry.next(&mut told).await; // that nobody pushes it
    let port = script.ports.lock().unwrap()[0].clone();
    port.pushes(Slot(0));
    sleep(ms(10)).await;
    let mut samples = Samples::default();
    samples.put(Slot(0), 2.0);
    samples.fault(Slot(0), PointFault::new(ErrorKind::Unreachable, "BadNoCommunication"));
    samples.put(Slot(0), "text");
    samples.put_at(Slot(0), 3.0, 7, Quality::Uncertain);
    samples.put(Slot(9), 9.0); // nobody's
    assert_eq!((port.put_all(&mut samples), samples.is_empty()), (0, true));
    port.put(Slot(0), 4.0);
    run.value(0, 0, Some(4.0)).await;
    told.clear();
    run.telemetry.next(&mut told).await;
    let told: Vec<_> =
        told.into_iter().map(|change| (change.value.map_err(|fault| fault.text), change.quality)).collect();
    let good = |value: f64| (Ok(Value::Float(value)), Quality::Good);
    let text = (Ok(Value::from("text")), Quality::Good);
    let gone = (Err("BadNoCommunication".into()), Quality::Bad);
    assert_eq!(told, [good(2.0), gone, text, (Ok(Value::Float(3.0)), Quality::Uncertain), good(4.0)]);
    // An answer is taken whole as long as there is room, else it is lost whole, and counted.
    for (value, lost) in [(5.0, 0), (6.0, 0), (7.0, 40_000)] {
        let room = port.room().now_or_never().is_some();
        assert_eq!(room, lost == 0, "who waits for room loses nothing");
        (0..40_000).for_each(|_| samples.put(Slot(0), value));
        assert_eq!((port.put_all(&mut samples), samples.is_empty()), (lost, true));
    }
    sleep(ms(10)).await;
    let engine = run.stop().await;
    // Of what was taken in, 4,096 events can wait for the status side; the others are lost to it, and counted too.
    let lost = 40_000 + 80_000 - 4_096;
    assert_eq!((engine.stats().lost_pushes.get(), engine.stats().pushes.get()), (lost, 80_005));
}

#[tokio::test(start_paused = true)]
async fn why_a_value_is_uncertain_is_told_in_the_protocols_word_and_another_word_is_news() {
    let (script, mut run) = scripted(vec![point("x", 0, 3_600_000)]);
    run.value(0, 0, Some(1.0)).await;
    let mut told = vec![];
    run.telemetry.next(&mut told).await;
    let port = script.ports.lock().unwrap()[0].clone();
    let mut said = async |put: &dyn Fn(&mut Samples)| {
        let mut samples = Samples::default();
        put(&mut samples);
        assert_eq!(port.put_all(&mut samples), 0);
        sleep(ms(10)).await;
        let mut told = vec![];
        tokio::time::timeout(ms(10), run.telemetry.next(&mut told)).await.ok();
        told.into_iter().map(|change| (change.value.ok(), change.quality, change.reason)).collect::<Vec<_>>()
    };
    let doubt = |value: f64, word: &'static str| {
        move |samples: &mut Samples| samples.put_with(Slot(0), value, 0, Quality::Uncertain, word)
    };
    let is = |value: f64, quality, word: Option<&'static str>| {
        vec![(Some(Value::Float(value)), quality, word.map(Into::into))]
    };
    assert_eq!(said(&doubt(1.0, "A")).await, is(1.0, Quality::Uncertain, Some("A")));
    assert_eq!(said(&doubt(1.0, "A")).await, []);
    assert_eq!(said(&doubt(1.0, "B")).await, is(1.0, Quality::Uncertain, Some("B")));
    assert_eq!(said(&|samples| samples.put(Slot(0), 1.0)).await, is(1.0, Quality::Good, None));
    assert_eq!(
        said(&|samples| samples.put_with(Slot(0), 2.0, 0, Quality::Good, "C")).await,
        is(2.0, Quality::Good, None)
    );
    run.stop().await;
}
