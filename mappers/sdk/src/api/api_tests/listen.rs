//! Who listens.
use super::*;
use crate::Happening;

#[tokio::test(start_paused = true)]
async fn a_listener_hears_how_things_stand_then_every_change_then_that_a_device_is_gone() {
    let bench = Bench::new();
    bench.hub.publish(&device("a", 1), status(1.0, "True").into());
    let mut listener = bench.listen(None).await;
    assert_eq!(listener.told().await, ("device device-a".into(), json!(1.0)));
    for value in [2.0, 3.0] {
        bench.hub.publish(&device("a", 1), status(value, "True").into());
    }
    bench.hub.publish(&device("b", 1), status(4.0, "True").into());
    assert_eq!(listener.told().await, ("device device-a".into(), json!(2.0)));
    assert_eq!(listener.told().await, ("device device-a".into(), json!(3.0)));
    assert_eq!(listener.told().await, ("device device-b".into(), json!(4.0)));
    bench.hub.release("a");
    bench.hub.forget_released(&[]); // as with files, where nobody waits for it
    assert_eq!(listener.told().await, ("gone device-a".into(), Json::Null));
}

fn press(time_ms: i64) -> Happening {
    Happening::at(&device("a", 1), "button", json!("press").into(), time_ms)
}
/// Number and id of the next, which is an event of a device.
async fn pressed(listener: &mut Listener) -> (i64, String) {
    let (event, id, data) = listener.next().await;
    assert_eq!(event, "event", "{data}");
    let time: jiff::Timestamp = data["time"].as_str().unwrap().parse().unwrap();
    (time.as_millisecond(), id)
}

#[tokio::test(start_paused = true)]
async fn what_happens_while_a_listener_is_away_is_told_when_it_comes_back_in_order_and_once() {
    let bench = Bench::new();
    bench.hub.happened(press(1)); // of before
    bench.hub.publish(&device("a", 1), status(1.0, "True").into());
    let mut listener = bench.listen(None).await;
    let (_, first, _) = listener.next().await;
    drop(listener);
    (2..5).for_each(|time| bench.hub.happened(press(time)));
    bench.hub.publish(&device("a", 1), status(2.0, "True").into());
    let mut again = bench.listen(Some(&first)).await;
    let (time, last) = pressed(&mut again).await;
    assert_eq!(time, 2, "what happened after the first word that it heard");
    drop(again);
    bench.hub.happened(press(5));
    let mut again = bench.listen(Some(&last)).await;
    for time in 3..6 {
        assert_eq!(pressed(&mut again).await.0, time);
    }
    assert_eq!(again.told().await, ("device device-a".into(), json!(2.0)), "nor is a state lost with it");
    bench.hub.happened(press(6));
    let (time, last) = pressed(&mut again).await;
    assert_eq!(time, 6);
    // Of another process it has heard nothing of this one; a new listener nothing of before, whatever it says.
    let mut stranger = bench.listen(Some("0-999-999")).await;
    for time in 1..7 {
        assert_eq!(pressed(&mut stranger).await.0, time);
    }
    for id in ["x", "", "0-1", "0-1-2-3"] {
        let mut new = bench.listen(Some(id)).await;
        assert_eq!(new.next().await.0, "device", "{id:?}");
    }
    let ahead = last.rsplit_once('-').map(|(rest, _)| format!("{rest}-{}", u64::MAX)).unwrap();
    let mut ahead = bench.listen(Some(&ahead)).await;
    bench.hub.happened(press(7));
    assert_eq!(pressed(&mut ahead).await.0, 7);
}

#[tokio::test(start_paused = true)]
async fn a_listener_that_falls_behind_loses_no_event_that_is_kept_and_is_told_how_many_are_not() {
    let bench = Bench::new();
    bench.hub.publish(&device("a", 1), status(1.0, "True").into());
    let (mut slow, mut away) = (bench.listen(None).await, bench.listen(None).await);
    slow.told().await;
    let (_, id, _) = away.next().await;
    drop(away);
    (1..=3000).for_each(|time| bench.hub.happened(press(time)));
    let (event, _, data) = slow.next().await;
    assert_eq!((event.as_str(), &data["lost"]), ("lagged", &json!(0)), "it has not yet been told of states in between");
    for time in 1..=3000 {
        assert_eq!(pressed(&mut slow).await.0, time);
    }
    assert_eq!(slow.told().await, ("device device-a".into(), json!(1.0)));
    (3001..=5000).for_each(|time| bench.hub.happened(press(time)));
    let mut away = bench.listen(Some(&id)).await;
    let (event, id, data) = away.next().await;
    assert_eq!((event.as_str(), &data["lost"]), ("lagged", &json!(5000 - 4096)));
    drop(away);
    let mut away = bench.listen(Some(&id)).await;
    for time in 5000 - 4096 + 1..=5000 {
        assert_eq!(pressed(&mut away).await.0, time, "and that is not said again");
    }
}

#[tokio::test(start_paused = true)]
async fn a_listener_hears_each_event_once_also_those_equal_to_the_one_before() {
    let bench = Bench::new();
    bench.hub.happened(press(1)); // nobody listens
    bench.hub.publish(&device("a", 1), status(1.0, "True").into());
    let mut listener = bench.listen(None).await;
    let mut last = listener.next().await.1;
    (2000..2003).for_each(|time| bench.hub.happened(press(time)));
    for time in ["1970-01-01T00:00:02Z", "1970-01-01T00:00:02.001Z", "1970-01-01T00:00:02.002Z"] {
        let (event, id, data) = listener.next().await;
        let metadata = json!({"namespace": "plant", "name": "device-a", "uid": "a"});
        let wanted = json!({"metadata": metadata, "property": "button", "value": "press", "time": time});
        assert_eq!((event.as_str(), data), ("event", wanted));
        assert!(!id.is_empty() && id != last, "{id}");
        last = id;
    }
    bench.hub.publish(&device("a", 1), status(2.0, "True").into());
    assert_eq!(listener.told().await, ("device device-a".into(), json!(2.0)));
}

#[tokio::test(start_paused = true)]
async fn a_listener_that_comes_back_hears_only_what_it_missed() {
    let bench = Bench::new();
    for uid in ["a", "b"] {
        bench.hub.publish(&device(uid, 1), status(1.0, "True").into());
    }
    let mut listener = bench.listen(None).await;
    listener.next().await;
    let (_, last, _) = listener.next().await;
    drop(listener);
    bench.hub.publish(&device("a", 1), status(2.0, "True").into());
    let mut again = bench.listen(Some(&last)).await;
    assert_eq!(again.told().await, ("device device-a".into(), json!(2.0)));
    let mut of_another_process = bench.listen(Some("0-999-0")).await;
    assert_eq!(of_another_process.told().await, ("device device-b".into(), json!(1.0)));
}

#[tokio::test(start_paused = true)]
async fn a_listener_that_falls_behind_is_told_and_hears_the_newest() {
    let bench = Bench::new();
    bench.hub.publish(&device("a", 1), status(0.0, "True").into());
    let mut listener = bench.listen(None).await;
    listener.told().await;
    for value in 1..=3000 {
        bench.hub.publish(&device("a", 1), status(f64::from(value), "True").into());
    }
    assert_eq!(listener.next().await.0, "lagged");
    assert_eq!(listener.told().await, ("device device-a".into(), json!(3000.0)));
    bench.hub.publish(&device("a", 1), status(-1.0, "True").into());
    assert_eq!(listener.told().await, ("device device-a".into(), json!(-1.0)), "nothing older, and nothing twice");
}

#[tokio::test(start_paused = true)]
async fn listeners_are_bounded_and_give_their_place_back() {
    let bench = Bench::new();
    let mut listeners = vec![];
    for _ in 0..LISTENERS {
        listeners.push(bench.listen(None).await);
    }
    assert_eq!(bench.problem(Method::GET, "/v1/events").await.0, 503);
    listeners.pop();
    bench.listen(None).await;
}
