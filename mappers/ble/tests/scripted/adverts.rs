//! What is heard, and nobody is connected to for it.
use crate::{
    polled,
    rig::{Rig, Spec, spec},
    script::{Air, Device, NOTIFY, READ, address, device, place, uuid},
};
use pollux_ble::radio::{Advert, Can, Event, Watched};
use pollux_ble_codec::Uuid;
use pollux_mapper::{Cx, Value};
use serde_json::{Value as Json, json};
use std::time::Duration;
use tokio::time::sleep;

const KEY: &str = "231d39c1d7cc1ab1aee224cd096db932";

fn bytes(hex: &str) -> Vec<u8> {
    (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap()).collect()
}
fn bthome(hex: &str) -> Advert {
    Advert { service: vec![(Uuid::short(0xFCD2), bytes(hex))], ..rssi(-60) }
}
fn rssi(rssi: i16) -> Advert {
    Advert { rssi: Some(rssi), ..Advert::default() }
}
/// Heard so often, with its signal strength alone.
fn beacon(every: Duration) -> Device {
    Device { present: true, every: Some(every), advert: rssi(-50), ..Device::default() }
}
fn about() -> Json {
    json!({"about": "Rssi"})
}
fn temperature() -> Json {
    json!({"advertisement": {"format": "BTHome", "field": "temperature"}})
}
fn listened(number: u8, more: &Json, points: Vec<(&'static str, Json)>) -> Spec {
    let mut device = json!({"address": address(number).to_string(), "heardWithin": "10s"});
    device.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    spec(device, points)
}
/// Device 1, whose advertisements are sent by hand.
async fn thermometer(key: Option<&str>, asked: bool) -> (Air, Rig<Air>) {
    let air = Air::with([(1, Device::default())]);
    let more = if asked { json!({"bindKeyFrom": {"secret": "keys", "key": "sensor"}}) } else { json!({}) };
    let mut cx = Cx::default();
    cx.secrets.extend(key.map(|key| ("keys.sensor".to_owned(), key.as_bytes().to_vec())));
    let points = vec![
        ("temperature", temperature()),
        ("rssi", about()),
        (
            "button",
            json!({"advertisement": {"manufacturer": "0xFFFF", "prefix": "aa"}, "dataType": "uint8", "byteOffset": 1}),
        ),
    ];
    let rig = Rig::start_with(air.clone(), vec![listened(1, &more, points)], cx).await;
    (air, rig)
}

#[tokio::test(start_paused = true)]
async fn hundreds_that_are_not_there_do_not_keep_the_present_from_being_heard() {
    let second = Duration::from_secs(1);
    let absent = (5..=205).map(|number| (number, Device::default()));
    let mut there: Vec<(u8, Device)> = (0..5).map(|number| (number, beacon(second))).collect();
    there.push((250, device(vec![place(1, READ, &[9])])));
    let air = Air::with(absent.chain(there));
    let mut specs: Vec<Spec> =
        (5..=205).chain(0..5).map(|number| listened(number, &json!({}), vec![("p", about())])).collect();
    specs.push(listened(250, &json!({}), vec![("p", polled(1))]));
    let rig = Rig::start(air.clone(), specs).await;
    for device in 201..206 {
        rig.until_is(device, "p", -50_i64).await;
        rig.until_up(device).await;
    }
    rig.until_is(206, "p", 9_u64).await;
    rig.until("the others are away", |state| (0..201).all(|device| state.is_down(device, "not heard yet"))).await;
    assert_eq!(air.world().most, 1, "nobody is connected to but the one that is read");
    // They come, and need not be looked for.
    air.turn(|world| {
        world.devices.values_mut().filter(|one| one.places.is_empty()).for_each(|one| *one = beacon(second));
    });
    rig.until("all are there", |state| {
        (0..206).all(|device| state.is_up(device) && state.is(device, "p", &Value::Int(-50)))
    })
    .await;
    rig.stop().await;
}

#[tokio::test(start_paused = true)]
async fn one_that_falls_silent_is_away_after_its_time_and_back_with_the_next_word() {
    let air = Air::with([(0, beacon(Duration::from_secs(2)))]);
    let rig = Rig::start(air.clone(), vec![listened(0, &json!({}), vec![("p", about())])]).await;
    rig.until_is(0, "p", -50_i64).await;
    sleep(Duration::from_mins(2)).await;
    assert!(rig.state().is_up(0), "it is heard every two seconds");
    air.device(0, |device| device.present = false);
    sleep(Duration::from_secs(8)).await;
    assert!(rig.state().is_up(0), "not yet");
    rig.until_down(0, "not heard for 10s").await;
    sleep(Duration::from_mins(5)).await;
    air.device(0, |device| (device.present, device.advert) = (true, rssi(-70)));
    rig.until_up(0).await;
    rig.until_is(0, "p", -70_i64).await;
    rig.stop().await;
}

#[tokio::test(start_paused = true)]
async fn one_that_is_known_by_its_name_is_heard_by_it() {
    let named = |name: &str| Device { name: Some(name.to_owned()), ..beacon(Duration::from_secs(1)) };
    let air = Air::with([(0, named("other")), (1, Device { advert: rssi(-40), ..named("lamp") })]);
    let rig = Rig::start(air.clone(), vec![spec(json!({"name": "lamp"}), vec![("p", about())])]).await;
    rig.until_is(0, "p", -40_i64).await;
    sleep(Duration::from_secs(10)).await;
    assert!(rig.state().is(0, "p", &Value::Int(-40)));
    rig.stop().await;
}

/// The counters are 1000, 1001, 1001 again, 1000 again, 1002, and 1003 with another key; sealed for this address as the page of BTHome's
/// encryption has it, and its own example comes out the same way.
#[tokio::test(start_paused = true)]
async fn what_is_encrypted_is_taken_once_in_order_and_with_its_own_key_alone() {
    let (air, rig) = thermometer(Some(KEY), true).await;
    for (data, reads) in [
        ("41ec0fafe803000007c0bb7c", 20.0),
        ("4190eb51e9030000aa3998e5", 21.0),
        ("41904751e90300002538f5b1", 21.0),
        ("41ec23a0e80300008ae5c409", 21.0),
        ("4109f93bea030000dfdca062", 24.0),
    ] {
        let told = rig.state().told(0, "rssi");
        air.advertise(1, Advert { rssi: Some(i16::try_from(told).unwrap()), ..bthome(data) });
        rig.until("it is heard", |state| state.told(0, "rssi") > told).await;
        rig.until_is(0, "temperature", reads).await;
    }
    air.advertise(1, bthome("41707a31eb030000b1be4dbe"));
    rig.until_bad(0, "temperature", "integrity").await;
    // Anybody could have sent this.
    air.advertise(1, bthome("4002ca09"));
    rig.until_bad(0, "temperature", "not encrypted, though there is a key").await;
    assert!(rig.state().is(0, "rssi", &Value::Int(-60)), "what is not of the format is not touched");
    rig.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_key_that_is_missing_or_no_key_is_said() {
    let (_, rig) = thermometer(None, true).await;
    rig.until_down(0, "bindKeyFrom: there is no keys.sensor").await;
    rig.stop().await;
    let (_, rig) = thermometer(Some("231d"), true).await;
    rig.until_down(0, "a key has 32 hexadecimal digits").await;
    rig.stop().await;
    let (air, rig) = thermometer(None, false).await;
    air.advertise(1, bthome("41ec0fafe803000007c0bb7c"));
    rig.until_bad(0, "temperature", "a key is needed").await;
    rig.until_is(0, "rssi", -60_i64).await;
    rig.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_packet_that_comes_again_is_one_and_what_is_malformed_spoils_its_own_points_alone() {
    let (air, rig) = thermometer(None, false).await;
    for (data, reads) in
        [("40000102d007", 20.0), ("400001023408", 20.0), ("400002023408", 21.0), ("400001029808", 22.0)]
    {
        let told = rig.state().told(0, "rssi");
        air.advertise(1, Advert { rssi: Some(i16::try_from(told).unwrap()), ..bthome(data) });
        rig.until("it is heard", |state| state.told(0, "rssi") > told).await;
        rig.until_is(0, "temperature", reads).await;
    }
    let button = Advert { manufacturer: vec![(0xFFFF, vec![0xAA, 5])], ..rssi(-61) };
    air.advertise(1, button.clone());
    rig.until_is(0, "button", 5_u64).await;
    air.advertise(1, bthome("40000302d0"));
    rig.until_bad(0, "temperature", "").await;
    rig.until_is(0, "rssi", -60_i64).await;
    assert!(rig.state().is(0, "button", &Value::Uint(5)));
    // Too short, and not with its prefix.
    air.advertise(1, Advert { manufacturer: vec![(0xFFFF, vec![0xAA])], ..bthome("40000402d007") });
    rig.until_bad(0, "button", "too few").await;
    rig.until_is(0, "temperature", 20.0).await;
    air.advertise(1, button);
    rig.until_is(0, "button", 5_u64).await;
    air.advertise(1, Advert { manufacturer: vec![(0xFFFF, vec![0xBB, 6])], ..rssi(-62) });
    rig.until_is(0, "rssi", -62_i64).await;
    assert!(rig.state().is(0, "button", &Value::Uint(5)));
    rig.stop().await;
}

/// Advertised one after the other, each heard before the next; how many events came of it.
async fn presses(air: &Air, rig: &Rig<Air>, data: &[&str]) -> usize {
    let before = rig.state().told(0, "event");
    for hex in data {
        let told = rig.state().told(0, "rssi");
        air.advertise(1, Advert { rssi: Some(i16::try_from(told).unwrap()), ..bthome(hex) });
        rig.until("it is heard", |state| state.told(0, "rssi") > told).await;
    }
    rig.state().told(0, "event") - before
}
async fn button(more: Json, key: Option<&str>) -> (Air, Rig<Air>) {
    let air = Air::with([(1, Device::default())]);
    let mut cx = Cx::default();
    cx.secrets.extend(key.map(|key| ("keys.sensor".to_owned(), key.as_bytes().to_vec())));
    let second = json!({"advertisement": {"format": "BTHome", "field": "button", "index": 2}});
    let points = vec![
        ("event", json!({"advertisement": {"format": "BTHome", "field": "button"}})),
        ("event_2", second),
        ("rssi", about()),
    ];
    let rig = Rig::start_with(air.clone(), vec![listened(1, &more, points)], cx).await;
    (air, rig)
}

#[tokio::test(start_paused = true)]
async fn a_press_is_one_however_often_its_packet_is_heard_and_two_alike_are_two() {
    let (air, rig) = button(json!({}), None).await;
    // With packet ids 1, 1, 2, 2, 3 (of a button that is not pressed), 4: presses but one, of the second too.
    let sent = ["4400013a01", "4400013a01", "4400023a01", "4400023a01", "4400033a00", "4400043a013a04"];
    assert_eq!(presses(&air, &rig, &sent).await, 3);
    assert!(rig.state().is(0, "event", &Value::from("press")), "none is no press");
    assert!(rig.state().is(0, "event_2", &Value::from("long_press")) && rig.state().told(0, "event_2") == 1);
    rig.stop().await;
}

#[tokio::test(start_paused = true)]
async fn the_counter_of_a_press_is_kept_with_it_so_that_it_is_not_believed_again_after_a_restart() {
    let key = json!({"bindKeyFrom": {"secret": "keys", "key": "sensor"}});
    let (air, rig) = button(key, Some(KEY)).await;
    let kept =
        |counter: u64| rig.until("it is kept", move |state| state.kept.get(&0) == Some(&json!({"counter": counter})));
    // 20 °C, two presses, none, 20 °C: 1000 to 1004.
    assert_eq!(presses(&air, &rig, &["41ec0fafe803000007c0bb7c"]).await, 0);
    kept(1000).await;
    for (counter, press) in [(1001, "41a8dee90300000f340b76"), (1002, "413198ea030000d5cf2c22")] {
        assert_eq!(presses(&air, &rig, &[press, press]).await, 1);
        kept(counter).await;
    }
    assert_eq!(presses(&air, &rig, &["419fa4eb030000ee46435f", "41d58912ec030000f4a05411"]).await, 0);
    sleep(Duration::from_secs(5)).await;
    assert_eq!(rig.state().kept[&0], json!({"counter": 1002}), "nothing happened by the others");
    rig.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_press_without_a_packet_id_is_told_apart_by_its_value_its_end_and_a_silence() {
    let (air, rig) = button(json!({}), None).await;
    assert_eq!(presses(&air, &rig, &["443a01", "443a01", "443a02", "443a02", "443a00", "443a02"]).await, 3);
    sleep(Duration::from_secs(6)).await;
    assert_eq!(presses(&air, &rig, &["443a02", "443a02"]).await, 1, "it was silent in between");
    // One that advertises all the time does not say that it is silent.
    assert_eq!(presses(&air, &rig, &["403a03"]).await, 1);
    sleep(Duration::from_secs(6)).await;
    assert_eq!(presses(&air, &rig, &["403a03"]).await, 0);
    rig.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_press_that_could_not_be_heard_is_said_until_the_next_word_that_can_which_is_none() {
    let (air, rig) = button(json!({}), None).await;
    let (press, cut, warm) = ("4400013a01", "4400023a", "44000302d007");
    assert_eq!(presses(&air, &rig, &[press]).await, 1);
    for mends in [warm, "4400043a00", press] {
        let told = rig.state().told(0, "event");
        air.advertise(1, bthome(cut));
        rig.until_bad(0, "event", "").await;
        rig.until_bad(0, "event_2", "").await;
        air.advertise(1, bthome(mends));
        rig.until("mended", |state| !state.is_bad(0, "event", "") && !state.is_bad(0, "event_2", "")).await;
        assert!(rig.state().is(0, "event", &Value::from("press")), "what it said last stands: {mends}");
        assert_eq!(rig.state().told(0, "event"), told + 1, "the fault, and no press: {mends}");
        if mends == "4400043a00" {
            presses(&air, &rig, &[press]).await; // a newer packet, of which a copy comes next
        }
    }
    rig.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_fault_of_a_press_ends_when_the_stack_was_away_too() {
    let (air, rig) = button(json!({}), None).await;
    air.advertise(1, bthome("4400023a"));
    rig.until_bad(0, "event", "").await;
    air.unplug();
    rig.until_down(0, "").await;
    air.plug();
    rig.until("it is listened to again", |_| air.world().watched.addresses.contains(&address(1))).await;
    air.advertise(1, bthome("44000302d007"));
    rig.until("mended", |state| !state.is_bad(0, "event", "")).await;
    rig.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_press_that_is_in_the_air_when_the_stack_comes_back_is_not_another_one() {
    for press in ["4400013a01", "443a01"] {
        let (air, rig) = button(json!({}), None).await;
        assert_eq!(presses(&air, &rig, &[press]).await, 1, "{press}");
        air.unplug();
        rig.until_down(0, "").await;
        air.plug();
        rig.until("it is listened to again", |_| air.world().watched.addresses.contains(&address(1))).await;
        assert_eq!(presses(&air, &rig, &[&press.replace("44", "40")]).await, 0, "{press}");
        assert_eq!(presses(&air, &rig, &["4400023a01"]).await, 1);
        rig.stop().await;
    }
}

#[tokio::test(start_paused = true)]
async fn what_was_advertised_before_somebody_listened_is_no_press_and_what_goes_on_of_it_neither() {
    let (air, rig) = button(json!({}), None).await;
    air.turn(|world| {
        world.events.push_back(Event::Known(address(1), Advert { rssi: Some(-99), ..bthome("4400073a01") }));
    });
    rig.until_is(0, "rssi", -99_i64).await;
    assert_eq!(rig.state().told(0, "event"), 0);
    assert_eq!(presses(&air, &rig, &["4400073a01", "4400073a01", "4400083a01"]).await, 1);
    rig.stop().await;
}

#[tokio::test(start_paused = true)]
async fn what_is_notified_of_an_event_counts_each_time_and_what_stood_there_does_not() {
    let places = vec![place(1, Can { read: true, ..NOTIFY }, &[5]), place(2, READ, &[5])];
    let air = Air::with([(1, device(places))]);
    let of = |handle| json!({"characteristic": uuid(handle), "dataType": "uint8"});
    let points = vec![("event", of(1)), ("event_silent", of(2)), ("state", of(2)), ("event_absent", of(9))];
    let held = json!({"address": address(1).to_string(), "connection": "Held"});
    let rig = Rig::start(air.clone(), vec![spec(held, points)]).await;
    rig.until_is(0, "state", 5_u64).await;
    rig.until_bad(0, "event_silent", "does not notify of it").await;
    rig.until_bad(0, "event_absent", "no characteristic").await;
    assert_eq!(rig.state().told(0, "event"), 0);
    for count in 1..=3 {
        air.notify(1, 1, &[5]);
        rig.until("it is counted", |state| state.told(0, "event") == count).await;
    }
    sleep(Duration::from_mins(1)).await;
    assert_eq!(rig.state().told(0, "event"), 3, "nobody reads it");
    assert!(rig.state().is_bad(0, "event_silent", "does not notify of it"));
    rig.stop().await;
}

#[tokio::test(start_paused = true)]
async fn only_those_that_are_configured_are_listened_to() {
    let air = Air::with([(1, beacon(Duration::from_secs(1))), (2, device(vec![place(1, READ, &[9])]))]);
    let named = Device { name: Some("lamp".to_owned()), ..beacon(Duration::from_secs(1)) };
    air.turn(|world| world.devices.insert(address(3), named));
    let of = |device: Json, point: Json| spec(device, vec![("p", point)]);
    let specs = vec![
        listened(1, &json!({}), vec![("p", about())]),
        of(json!({"address": address(2).to_string()}), polled(1)),
        of(json!({"name": "lamp"}), about()),
    ];
    let rig = Rig::start(air.clone(), specs).await;
    for device in 0..3 {
        rig.until_up(device).await;
    }
    let whom =
        Watched { addresses: [address(1), address(2)].into(), names: [("lamp".to_owned(), 1)].into(), always: true };
    assert_eq!(air.world().watched, whom);
    rig.stop().await;
}
