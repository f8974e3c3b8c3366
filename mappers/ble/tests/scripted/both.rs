//! Devices that are connected and are heard in the air too, and those that share a name.
use crate::{
    byte, polled,
    rig::{Rig, Spec, spec},
    script::{Air, Device, NOTIFY, READ, address, device, place, uuid},
};
use pollux_ble::radio::Advert;
use pollux_mapper::{Cx, Value};
use serde_json::{Value as Json, json};
use std::time::Duration;
use tokio::time::{Instant, sleep};

const SECOND: Duration = Duration::from_secs(1);

fn rssi(rssi: i16) -> Advert {
    Advert { rssi: Some(rssi), ..Advert::default() }
}
fn called(name: &str, strength: i16) -> Advert {
    Advert { name: Some(name.to_owned()), ..rssi(strength) }
}
/// Read once an hour, and heard, on an adapter of one connection.
fn hourly(number: u8, more: &Json) -> Spec {
    let mut device = json!({"address": address(number).to_string(), "connections": 1});
    device.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    let points = vec![("p", polled(1)), ("rssi", json!({"about": "Rssi"}))];
    Spec { interval: Duration::from_hours(1), ..spec(device, points) }
}
/// Read each second.
fn busy(number: u8) -> Spec {
    Spec { interval: SECOND, points: vec![("p", polled(1))], ..hourly(number, &json!({})) }
}
fn sensor() -> Device {
    device(vec![place(1, READ, &[1])])
}

#[tokio::test(start_paused = true)]
async fn what_a_sensor_advertises_between_its_turns_is_heard_and_costs_no_turn() {
    let air = Air::with((0..3).map(|number| (number, sensor())));
    let rig = Rig::start(air.clone(), vec![hourly(0, &json!({})), busy(1), busy(2)]).await;
    rig.until_is(0, "p", 1_u64).await;
    rig.until("it has let go", |_| !air.world().held.contains(&address(0))).await;
    let (since, dials) = (Instant::now(), air.world().of(address(0)).dials);
    for strength in [-50, -60, -70] {
        air.advertise(0, rssi(strength));
        rig.until_is(0, "rssi", i64::from(strength)).await;
        sleep(5 * 60 * SECOND).await;
    }
    assert_eq!(air.world().of(address(0)).dials, dials, "it wants no connection for it");
    assert!(air.world().gap(1, since) <= 20 * SECOND, "its neighbours have the connection");
    assert!(rig.state().is_up(0), "nothing says that it is away");
    rig.stop().await;
}

#[tokio::test(start_paused = true)]
async fn what_it_advertised_before_it_was_connected_is_told_to_who_did_not_hear_it() {
    let silent = Device { advert: rssi(-50), ..sensor() };
    let air = Air::with([(0, silent)]);
    let held = hourly(0, &json!({"connection": "Held"}));
    let mut with = held.clone();
    with.points.push(("sends", json!({"about": "TxPower"})));
    let rig = Rig::start(air.clone(), vec![with]).await;
    rig.until_is(0, "p", 1_u64).await;
    rig.until_is(0, "rssi", -50_i64).await;
    // The edited one is another to the driver, and hears nothing while it is connected.
    air.advertise(0, rssi(-60));
    rig.until_is(0, "rssi", -60_i64).await;
    let told = rig.state().told(0, "rssi");
    rig.apply(0, held).await;
    rig.until("it is told again", |state| state.told(0, "rssi") > told).await;
    assert!(rig.state().is(0, "rssi", &Value::Int(-60)));
    assert_eq!(air.world().of(address(0)).dials, 2);
    rig.stop().await;
}

#[tokio::test(start_paused = true)]
async fn one_that_somebody_connected_before_it_was_heard_is_connected_anew_where_it_has_to_be_heard() {
    let heard = || Device { every: Some(SECOND), advert: rssi(-50), ..sensor() };
    let air = Air::with((0..2).map(|number| (number, heard())));
    air.turn(|world| world.held.extend([0, 1].map(address)));
    let held = json!({"connection": "Held", "connections": 2});
    let mut read = hourly(1, &held);
    read.points.pop();
    let rig = Rig::start(air.clone(), vec![hourly(0, &held), read]).await;
    rig.until_is(1, "p", 1_u64).await;
    rig.until_is(0, "p", 1_u64).await;
    rig.until_is(0, "rssi", -50_i64).await;
    let dials = |number| air.world().of(address(number)).dials;
    assert_eq!((dials(0), dials(1)), (1, 0), "whoever needs no word of it in the air is left connected");
    rig.stop().await;
}

#[tokio::test(start_paused = true)]
async fn beside_a_mapper_that_lives_its_connection_is_left_alone_whatever_was_not_heard() {
    let air = Air::with([(0, Device { every: Some(SECOND), advert: rssi(-50), ..sensor() })]);
    air.turn(|world| world.held.insert(address(0)));
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("ble")).unwrap();
    let its = std::fs::File::create(folder.path().join("ble/connected-00-00-00-00-00-01")).unwrap();
    its.try_lock().unwrap();
    let cx = Cx { state_dir: Some(folder.path().to_owned()), ..Cx::default() };
    let rig = Rig::start_with(air.clone(), vec![hourly(0, &json!({"connection": "Held"}))], cx).await;
    rig.until_is(0, "p", 1_u64).await;
    assert_eq!(air.world().of(address(0)).dials, 0);
    rig.stop().await;
}

#[tokio::test(start_paused = true)]
async fn one_with_a_bound_is_away_when_it_is_not_heard_for_that_time_whatever_its_last_connection_said() {
    let heard = || Device { every: Some(5 * SECOND), advert: rssi(-50), ..sensor() };
    let air = Air::with([(0, heard()), (1, sensor()), (2, heard())]);
    let bound = hourly(0, &json!({"heardWithin": "30s"}));
    let rig = Rig::start(air.clone(), vec![bound, busy(1), hourly(2, &json!({}))]).await;
    for number in 0..3 {
        rig.until_up(number).await;
    }
    sleep(120 * SECOND).await;
    assert_eq!(rig.state().downs(0), 0, "it is heard between its turns");
    air.turn(|world| [0, 2].into_iter().for_each(|number| world.of(address(number)).present = false));
    rig.until_down(0, "not heard for 30s").await;
    sleep(120 * SECOND).await;
    assert!(rig.state().is_up(2), "without a bound its last connection stands");
    air.device(0, |device| device.present = true);
    rig.until_up(0).await;
    rig.stop().await;
}

#[tokio::test(start_paused = true)]
async fn one_that_ends_each_connection_after_its_answer_is_there_all_the_same() {
    let air = Air::with([(0, Device { flees: true, ..sensor() })]);
    let mut spec = Spec { interval: 20 * SECOND, ..busy(0) };
    spec.device["connectTimeout"] = "3s".into();
    let rig = Rig::start(air.clone(), vec![spec]).await;
    sleep(120 * SECOND).await;
    let (downs, since) = (rig.state().downs(0), Instant::now());
    assert!(downs <= 1, "{downs}: the first end is one of a connection that was lost, for all that is known");
    sleep(600 * SECOND).await;
    assert_eq!(rig.state().downs(0), downs);
    assert!(
        air.world().gap(0, since) <= 25 * SECOND,
        "and it is read in each interval: {:?}",
        air.world().gap(0, since)
    );
    // Gone for good it is away, in its time.
    air.device(0, |device| device.present = false);
    rig.until_down(0, "").await;
    rig.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_stranger_of_the_same_name_takes_nothing_over() {
    let lamp = Device { name: Some("lamp".to_owned()), ..device(vec![place(1, NOTIFY, &[1])]) };
    let air = Air::with([(1, lamp), (2, sensor())]);
    let points = vec![("p", byte(1)), ("rssi", json!({"about": "Rssi"}))];
    let rig = Rig::start(air.clone(), vec![spec(json!({"name": "lamp"}), points)]).await;
    rig.until_is(0, "p", 1_u64).await;
    let told = air.world().told;
    air.advertise(2, called("lamp", -33));
    rig.until("the stranger is heard", |_| air.world().told > told).await;
    air.notify(1, 1, &[2]);
    rig.until_is(0, "p", 2_u64).await;
    assert_eq!(rig.state().told(0, "rssi"), 0, "what the stranger advertises is not the device's");
    air.drop_of(1);
    rig.until_down(0, "is not connected").await;
    rig.until_up(0).await;
    assert_eq!(air.world().held, [address(1)].into());
    rig.stop().await;
    assert_eq!(air.world().held.len(), 0, "it is the device that was let go");
}

#[tokio::test(start_paused = true)]
async fn of_two_devices_with_one_name_neither_is_connected() {
    let lamp = || Device { name: Some("lamp".to_owned()), ..sensor() };
    let air = Air::with([(1, lamp()), (2, lamp())]);
    let rig = Rig::start(air.clone(), vec![spec(json!({"name": "lamp"}), vec![("p", polled(1))])]).await;
    rig.until_down(0, "several devices are called \"lamp\"").await;
    assert!(air.world().devices.values().all(|device| device.dials == 0));
    air.device(2, |device| device.present = false);
    rig.until_is(0, "p", 1_u64).await;
    rig.stop().await;
}

#[tokio::test(start_paused = true)]
async fn of_two_devices_with_one_name_neither_is_listened_to() {
    let air = Air::with([(1, Device::default()), (2, Device::default())]);
    let listened = spec(json!({"name": "lamp", "heardWithin": "20s"}), vec![("rssi", json!({"about": "Rssi"}))]);
    let rig = Rig::start(air.clone(), vec![listened]).await;
    rig.until("it is watched", |_| !air.world().watched.names.is_empty()).await;
    air.advertise(1, called("lamp", -41));
    rig.until_is(0, "rssi", -41_i64).await;
    // Another that is heard while it is there, and it is heard again: these are two.
    for (number, strength) in [(2, -42), (1, -43)] {
        sleep(SECOND).await;
        air.advertise(number, called("lamp", strength));
    }
    rig.until_down(0, "several devices are called \"lamp\"").await;
    for strength in 44..60 {
        air.advertise(1 + u8::from(strength % 2 == 0), called("lamp", -strength));
        sleep(SECOND).await;
    }
    assert!(rig.state().is_down(0, "several") && rig.state().is(0, "rssi", &Value::Int(-41)), "neither is taken");
    // One goes: the other is it.
    for strength in 60..90 {
        air.advertise(2, called("lamp", -strength));
        sleep(SECOND).await;
    }
    assert!(rig.state().is_up(0) && rig.state().is(0, "rssi", &Value::Int(-89)), "{:?}", rig.state());
    rig.stop().await;
}

#[tokio::test(start_paused = true)]
async fn one_that_is_listened_to_by_its_name_may_change_its_address() {
    let air = Air::with([(1, Device::default()), (2, Device::default())]);
    let listened = spec(json!({"name": "lamp", "heardWithin": "20s"}), vec![("rssi", json!({"about": "Rssi"}))]);
    let rig = Rig::start(air.clone(), vec![listened]).await;
    rig.until("it is watched", |_| !air.world().watched.names.is_empty()).await;
    for number in [1, 2, 1, 2] {
        for _ in 0..30 {
            air.advertise(number, called("lamp", -40 - i16::from(number)));
            sleep(SECOND).await;
        }
        assert!(rig.state().is(0, "rssi", &Value::Int(-40 - i64::from(number))));
    }
    let downs = rig.state().downs(0);
    assert!(downs <= 1, "{downs}: it may be away before it is first heard, and not again");
    rig.stop().await;
}

#[tokio::test(start_paused = true)]
async fn two_names_of_one_characteristic_are_both_told() {
    let air = Air::with([(0, device(vec![place(1, NOTIFY, &[1])]))]);
    let in_service = json!({"characteristic": uuid(1), "service": "181A", "dataType": "uint8"});
    let never = json!({"characteristic": uuid(1), "handle": 1, "dataType": "uint8", "notify": "Never"});
    let points = vec![("one", byte(1)), ("two", in_service), ("never", never)];
    let rig = Rig::start(air.clone(), vec![spec(json!({"address": address(0).to_string()}), points)]).await;
    for point in ["one", "two", "never"] {
        rig.until_is(0, point, 1_u64).await;
    }
    air.notify(0, 1, &[2]);
    for point in ["one", "two", "never"] {
        rig.until_is(0, point, 2_u64).await;
    }
    rig.stop().await;
}
