//! Few connections, many devices, and what breaks at any moment.
use crate::{
    byte, polled,
    rig::{Rig, Spec, spec},
    script::{Air, Device, Dial, NOTIFY, READ, Say, address, device, place},
};
use pollux_ble::radio::Can;
use pollux_mapper::Value;
use serde_json::json;
use std::{collections::BTreeSet, time::Duration};
use tokio::time::{Instant, sleep};

const MINUTE: Duration = Duration::from_mins(1);

fn sensor() -> Device {
    device(vec![place(1, READ, &[1])])
}
/// Devices 0 and on, read each second, on so many connections.
fn specs(devices: u8, connections: usize) -> Vec<Spec> {
    let of = |number| {
        let device = json!({"address": address(number).to_string(), "connections": connections});
        Spec { interval: Duration::from_secs(1), ..spec(device, vec![("p", polled(1))]) }
    };
    (0..devices).map(of).collect()
}
fn all(devices: u8) -> BTreeSet<u8> {
    (0..devices).collect()
}

#[tokio::test(start_paused = true)]
async fn many_devices_share_few_connections_and_the_broken_delay_no_one_for_long() {
    let air = Air::with((0..12).map(|number| (number, sensor())));
    air.device(9, |device| device.mute = true);
    air.device(10, |device| device.present = false);
    air.device(11, |device| device.flees = true);
    let rig = Rig::start(air.clone(), specs(12, 3)).await;
    sleep(3 * MINUTE).await;
    let since = Instant::now();
    sleep(10 * MINUTE).await;
    for number in 0..9 {
        let gap = air.world().gap(number, since);
        // Three turns of five seconds at most, and a probe of those that do not answer.
        assert!(gap <= Duration::from_secs(45), "device {number} waited {gap:?}");
    }
    assert!(air.world().served(since).contains(&11), "one that breaks off after each read is read all the same");
    assert!(rig.state().is_down(9, "") && rig.state().is_down(10, ""));
    assert_eq!(air.world().most, 3);

    // Both are found when they mend.
    air.device(9, |device| device.mute = false);
    air.device(10, |device| device.present = true);
    rig.until("both are there", |state| state.is_up(9) && state.is_up(10)).await;
    rig.stop().await;
    assert_eq!(air.world().held.len(), 0, "nobody else could use them");
}

#[tokio::test(start_paused = true)]
async fn after_hundreds_of_faults_each_connection_is_accounted_for() {
    let notifying = || device(vec![place(1, NOTIFY, &[1])]);
    let air = Air::with((0..16).map(|number| (number, if number % 2 == 0 { sensor() } else { notifying() })));
    let mut specs = specs(16, 4);
    specs.iter_mut().skip(1).step_by(2).for_each(|spec| spec.points = vec![("p", byte(1))]);
    let rig = Rig::start(air.clone(), specs).await;
    let mut random = 7_u64;
    let mut dice = |sides: u64| {
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (random >> 33) % sides
    };
    for _ in 0..500 {
        let number = u8::try_from(dice(16)).unwrap();
        match dice(12) {
            0..=2 => air.drop_of(number),
            3 | 4 => air.device(number, |device| device.present = !device.present),
            5 => air.device(number, |device| device.dial = Dial::Hangs),
            6 => air.device(number, |device| device.dial = Dial::Refused),
            7 => air.device(number, |device| device.dial = Dial::Takes(Duration::from_millis(dice(4_000)))),
            8 => air.device(number, |device| device.mute = !device.mute),
            9 => air.device(number, |device| device.flees = !device.flees),
            10 => air.device(number, |device| device.breaks = 1),
            _ if dice(10) == 0 => {
                air.unplug();
                sleep(Duration::from_millis(dice(3_000))).await;
                air.plug();
            }
            _ => air.device(number, |device| device.place(1).says = Say::Drop),
        }
        sleep(Duration::from_millis(dice(900))).await;
        if dice(4) == 0 {
            air.device(number, |device| device.place(1).says = Say::Good);
        }
    }
    for number in 0..16 {
        air.device(number, |device| {
            *device = Device { subscribed: device.subscribed.clone(), dials: device.dials, ..sensor() };
            device.place(1).can = if number % 2 == 0 { READ } else { NOTIFY };
        });
        air.drop_of(number);
    }
    sleep(10 * MINUTE).await;
    let since = Instant::now();
    sleep(3 * MINUTE).await;
    assert_eq!(air.world().served(since), all(16), "all are served again");
    assert_eq!(air.world().most, 4, "never more than there may be, and all of them used");
    assert!((0..16).all(|device| rig.state().is_up(device)), "{:?}", rig.state().connected);
    rig.stop().await;
    assert_eq!(air.world().held.len(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_controller_that_carries_fewer_connections_than_configured_is_believed() {
    let air = Air::with((0..8).map(|number| (number, sensor())));
    air.turn(|world| world.limit = Some(2));
    let rig = Rig::start(air.clone(), specs(8, 6)).await;
    sleep(3 * MINUTE).await;
    let (since, refused) = (Instant::now(), air.world().refused);
    assert!(refused > 0);
    sleep(5 * MINUTE).await;
    assert_eq!(air.world().refused, refused, "it is not tried again and again");
    assert_eq!(air.world().served(since), all(8));
    assert_eq!(air.world().most, 2);

    // It carries more again (others of the host's had them), and that is found out when the refusal is forgotten.
    air.turn(|world| (world.limit, world.learned) = (None, None));
    sleep(MINUTE).await;
    assert_eq!(air.world().most, 6, "all that are configured are used");
    rig.stop().await;
}

#[tokio::test(start_paused = true)]
async fn one_that_is_held_keeps_its_connection_while_the_others_take_turns() {
    let air = Air::with((0..7).map(|number| (number, sensor())));
    let mut specs = specs(7, 2);
    specs[3].device["connection"] = "Held".into();
    let rig = Rig::start(air.clone(), specs).await;
    rig.until_up(3).await;
    let since = Instant::now();
    sleep(10 * MINUTE).await;
    assert_eq!(air.world().of(address(3)).dials, 1);
    assert!(air.world().gap(3, since) <= Duration::from_secs(2), "{:?}", air.world().gap(3, since));
    assert_eq!(air.world().served(since), all(7));
    assert!(air.world().of(address(2)).dials > 5, "the others come and go");
    // It is lost, and comes back for good.
    air.drop_of(3);
    rig.until("it is dialled again", |_| air.world().of(address(3)).dials == 2).await;
    sleep(5 * MINUTE).await;
    assert_eq!(air.world().of(address(3)).dials, 2);
    assert_eq!(air.world().most, 2);
    rig.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_connection_that_ends_while_it_is_set_up_is_made_again() {
    let only = Can { read: false, ..NOTIFY };
    let air = Air::with([(0, device(vec![place(1, only, &[0])]))]);
    air.device(0, |device| device.breaks = 1);
    let device = json!({"address": address(0).to_string()});
    let rig = Rig::start(air.clone(), vec![spec(device, vec![("p", byte(1))])]).await;
    rig.until("it is listened to", |_| !air.world().of(address(0)).subscribed.is_empty()).await;
    rig.until_up(0).await;
    air.notify(0, 1, &[7]);
    rig.until_is(0, "p", 7_u64).await;
    assert_eq!(air.world().of(address(0)).dials, 2);
    rig.stop().await;
}

#[tokio::test(start_paused = true)]
async fn the_end_of_a_connection_of_before_is_not_that_of_the_one_being_made() {
    let slow = Dial::Takes(Duration::from_secs(5));
    let air = Air::with([(0, Device { dial: slow, ..sensor() })]);
    let rig = Rig::start(air.clone(), specs(1, 1)).await;
    rig.until("it is being connected", |_| air.world().of(address(0)).dials == 1).await;
    air.turn(|world| world.events.push_back(pollux_ble::radio::Event::Disconnected(address(0))));
    rig.until_is(0, "p", 1_u64).await;
    sleep(MINUTE).await;
    assert!(rig.state().is_up(0), "{:?}", rig.state().connected);
    assert_eq!(air.world().of(address(0)).dials, 1);
    rig.stop().await;
}

#[tokio::test(start_paused = true)]
async fn an_adapter_that_is_pulled_and_plugged_in_serves_all_again() {
    let air = Air::with((0..4).map(|number| (number, sensor())));
    let rig = Rig::start(air.clone(), specs(4, 4)).await;
    for number in 0..4 {
        rig.until_up(number).await;
    }
    air.unplug();
    rig.until("the link is down", |state| (0..4).all(|number| state.is_down(number, "adapter hci0 was removed"))).await;
    air.device(1, |device| device.place(1).value = vec![9]);
    air.plug();
    rig.until_is(1, "p", Value::Uint(9)).await;
    for number in 0..4 {
        rig.until_up(number).await;
    }
    rig.stop().await;
    assert_eq!(air.world().held.len(), 0);
}
