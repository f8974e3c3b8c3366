//! Subscriptions that are refused for want of a pairing.
use crate::{
    byte,
    rig::{Rig, Spec, spec},
    script::{Air, NOTIFY, READ, Say, address, device, place},
};
use pollux_ble::radio::{Can, Event};
use serde_json::json;
use std::time::Duration;
use tokio::time::sleep;

const MINUTE: Duration = Duration::from_mins(1);
const SEALED: Say = Say::Refuse("it wants to be paired for that");

/// One that is connected all the time, and lets nobody read or subscribe to its first characteristic without a pairing.
async fn sealed() -> (Air, Rig<Air>) {
    let air = Air::with([(0, device(vec![place(1, Can { read: true, ..NOTIFY }, &[5]), place(2, READ, &[9])]))]);
    air.device(0, |device| device.place(1).says = SEALED);
    let held = json!({"address": address(0).to_string(), "connection": "Held"});
    let points = vec![("p", byte(1)), ("event", byte(1)), ("open", byte(2))];
    let rig = Rig::start(air.clone(), vec![Spec { interval: 60 * MINUTE, ..spec(held, points) }]).await;
    rig.until_is(0, "open", 9_u64).await;
    rig.until_bad(0, "p", "wants to be paired").await;
    rig.until_bad(0, "event", "wants to be paired").await;
    (air, rig)
}
fn asked(air: &Air) -> usize {
    air.world().of(address(0)).place(1).asked
}
/// Each value that it notifies is told.
async fn notifies(air: &Air, rig: &Rig<Air>) {
    assert_eq!(air.world().of(address(0)).subscribed, [1].into());
    for value in [6, 7] {
        air.notify(0, 1, &[value]);
        rig.until_is(0, "p", u64::from(value)).await;
        rig.until_is(0, "event", u64::from(value)).await;
    }
    assert_eq!(air.world().of(address(0)).dials, 1, "over the same connection");
}

#[tokio::test(start_paused = true)]
async fn what_is_refused_for_want_of_a_pairing_is_asked_for_again_ever_less_often() {
    let (air, rig) = sealed().await;
    assert_eq!(asked(&air), 1);
    sleep(2 * MINUTE).await;
    assert_eq!(asked(&air), 2);
    sleep(118 * MINUTE).await;
    assert!((5..=9).contains(&asked(&air)), "{}", asked(&air));
    assert!(rig.state().is_bad(0, "event", "wants to be paired"));
    air.device(0, |device| device.place(1).says = Say::Good);
    sleep(80 * MINUTE).await;
    notifies(&air, &rig).await;
    let before = asked(&air);
    sleep(120 * MINUTE).await;
    assert_eq!(asked(&air), before, "it notifies");
    rig.stop().await;
}

#[tokio::test(start_paused = true)]
async fn what_was_refused_is_asked_for_as_soon_as_it_is_paired() {
    let (air, rig) = sealed().await;
    sleep(40 * MINUTE).await;
    air.turn(|world| {
        world.of(address(0)).place(1).says = Say::Good;
        world.events.push_back(Event::Paired(address(0)));
    });
    rig.until("it is subscribed to", |_| !air.world().of(address(0)).subscribed.is_empty()).await;
    notifies(&air, &rig).await;
    rig.stop().await;
}

#[tokio::test(start_paused = true)]
async fn what_is_refused_for_another_reason_is_read_and_not_asked_for_again() {
    let air = Air::with([(0, device(vec![place(1, NOTIFY, &[5])]))]);
    air.device(0, |device| device.place(1).says = Say::Refuse("NotSupported"));
    let held = json!({"address": address(0).to_string(), "connection": "Held"});
    let rig = Rig::start(air.clone(), vec![spec(held, vec![("p", byte(1))])]).await;
    rig.until_bad(0, "p", "NotSupported").await;
    sleep(120 * MINUTE).await;
    assert_eq!(asked(&air), 1);
    rig.stop().await;
}
