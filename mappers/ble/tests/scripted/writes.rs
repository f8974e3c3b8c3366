//! What is written, how, and what is said of it when it does not go well.
use crate::{
    byte,
    rig::{Rig, Spec, spec},
    script::{Air, Dial, Place, READ, Say, WRITE, address, device, place, uuid},
};
use pollux_ble::radio::Can;
use pollux_mapper::{Value, Wrote};
use serde_json::{Value as Json, json};
use std::time::Duration;

const COMMAND: Can = Can { write: false, write_without_response: true, ..READ };
const BOTH: Can = Can { write_without_response: true, ..WRITE };
const BLIND: Can = Can { read: false, ..WRITE };

/// 1: two bytes, of which `low` is the first and `high` four bits of the second; 2: a byte.
fn lamp(places: Vec<Place>) -> Air {
    Air::with([(0, device(places))])
}
fn of(points: Vec<(&'static str, Json)>) -> Vec<Spec> {
    vec![spec(json!({"address": address(0).to_string(), "timeout": "2s"}), points)]
}
fn low() -> Json {
    json!({"characteristic": uuid(1), "dataType": "uint8", "byteOffset": 0})
}
fn high() -> Json {
    json!({"characteristic": uuid(1), "dataType": "uint8", "byteOffset": 1, "bits": {"first": 4, "count": 4}})
}
fn refused(wrote: &[Wrote], words: &str) {
    let said = |one: &Wrote| matches!(one, Wrote::Refused(why) if why.text.contains(words));
    assert!(wrote.iter().all(said), "{words}: {wrote:?}");
}

#[tokio::test(start_paused = true)]
async fn parts_of_a_value_leave_the_rest_of_it_as_it_is() {
    let air = lamp(vec![place(1, WRITE, &[0x11, 0x22]), place(2, WRITE, &[0])]);
    let rig = Rig::start(air.clone(), of(vec![("low", low()), ("high", high()), ("whole", byte(2))])).await;
    rig.until_up(0).await;

    let wrote = rig.write(0, &[("low", Value::Uint(0xAB)), ("high", Value::Uint(0xC))]).await;
    assert_eq!(wrote, [Wrote::Done, Wrote::Done]);
    assert_eq!(air.world().writes(0, 1), [(vec![0xAB, 0xC2], true)], "both at once, the four bits below kept");
    assert_eq!(rig.write(0, &[("low", Value::Uint(1))]).await, [Wrote::Done]);
    assert_eq!(air.world().writes(0, 1)[1..], [(vec![1, 0xC2], true)]);

    // What cannot be read first is not written; one that is whole need not be.
    air.device(0, |device| device.place(1).says = Say::Refuse("NotPermitted"));
    refused(&rig.write(0, &[("low", Value::Uint(2))]).await, "cannot be read first: NotPermitted");
    assert_eq!(air.world().writes(0, 1).len(), 2);
    air.device(0, |device| device.place(2).says = Say::Unreadable);
    assert_eq!(rig.write(0, &[("whole", Value::Uint(7))]).await, [Wrote::Done]);
    assert_eq!(air.world().writes(0, 2), [(vec![7], true)]);
    rig.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_write_is_answered_where_it_can_be_and_as_it_is_asked_for() {
    let told = |handle, kind: &str| json!({"characteristic": uuid(handle), "dataType": "uint8", "writeType": kind});
    let places = vec![
        place(1, BOTH, &[0]),
        place(2, COMMAND, &[0]),
        place(3, WRITE, &[0]),
        place(4, READ, &[0]),
        place(5, BLIND, &[0]),
    ];
    let air = lamp(places);
    let points = vec![
        ("both", byte(1)),
        ("quick", told(1, "WithoutResponse")),
        ("command", byte(2)),
        ("commandAnswered", told(2, "WithResponse")),
        ("requestQuick", told(3, "WithoutResponse")),
        ("fixed", byte(4)),
        ("blind", byte(5)),
    ];
    let rig = Rig::start(air.clone(), of(points)).await;
    rig.until_up(0).await;
    for (point, handle, answered) in [("both", 1, true), ("quick", 1, false), ("command", 2, false), ("blind", 5, true)]
    {
        assert_eq!(rig.write(0, &[(point, Value::Uint(9))]).await, [Wrote::Done], "{point}");
        let last = air.world().writes(0, handle).last().cloned();
        assert_eq!(last, Some((vec![9], answered)), "{point}");
    }
    refused(&rig.write(0, &[("commandAnswered", Value::Uint(1))]).await, "without a response only");
    refused(&rig.write(0, &[("requestQuick", Value::Uint(1))]).await, "with a response only");
    refused(&rig.write(0, &[("fixed", Value::Uint(1))]).await, "does not let it be written");
    refused(&rig.write(0, &[("both", Value::Uint(256))]).await, "");
    assert_eq!(air.world().writes(0, 3), []);
    assert_eq!(air.world().writes(0, 4), []);
    rig.stop().await;
}

#[tokio::test(start_paused = true)]
async fn what_became_of_a_write_is_said_as_it_is() {
    let air =
        lamp(vec![place(1, BLIND, &[0, 0]), place(2, BLIND, &[0]), place(3, READ, &[3]), place(4, WRITE, &[0, 0])]);
    let mut part = low();
    part["characteristic"] = uuid(4).into();
    let points = vec![
        ("first", json!({"characteristic": uuid(1), "dataType": "uint16"})),
        ("second", byte(2)),
        ("here", byte(3)),
        ("part", part),
    ];
    let rig = Rig::start(air.clone(), of(points)).await;
    rig.until_is(0, "here", 3_u64).await;
    let both = [("first", Value::Uint(1)), ("second", Value::Uint(2))];

    // No to one of them: the other is written.
    air.device(0, |device| device.place(1).says = Say::Refuse("Failed: ATT error 0x13"));
    let wrote = rig.write(0, &both).await;
    refused(&wrote[..1], "ATT error 0x13");
    assert_eq!(wrote[1], Wrote::Done);

    // It breaks when the first has left: nobody knows of that one, and the second stayed here.
    for (says, why) in [(Say::Drop, "the connection broke"), (Say::Hang, "no answer came")] {
        air.device(0, |device| device.place(1).says = says);
        assert_eq!(rig.write(0, &both).await, [Wrote::Unknown, Wrote::NotSent], "{why}");
        air.device(0, |device| device.place(1).says = Say::Good);
        rig.until_up(0).await;
    }
    // What had to be read first and was not has not left.
    for says in [Say::Drop, Say::Hang] {
        air.device(0, |device| device.place(4).says = says);
        assert_eq!(rig.write(0, &[("part", Value::Uint(1))]).await, [Wrote::NotSent], "{says:?}");
        air.device(0, |device| device.place(4).says = Say::Good);
        rig.until_up(0).await;
    }
    assert_eq!(air.world().writes(0, 4), []);
    // Nor what was never connected for.
    air.device(0, |device| (device.present, device.dial) = (false, Dial::Takes(Duration::ZERO)));
    air.drop_of(0);
    rig.until_down(0, "").await;
    assert_eq!(rig.write(0, &both).await, [Wrote::NotSent, Wrote::NotSent]);
    rig.stop().await;
}
