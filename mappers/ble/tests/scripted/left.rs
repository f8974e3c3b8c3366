//! Connections that were left: by a mapper that was killed, and by one that gave up a stack that hung.
use crate::{
    byte,
    rig::{Rig, Spec, spec},
    script::{Air, Device, Dial, NOTIFY, address, device, place},
};
use pollux_mapper::Cx;
use serde_json::json;
use std::path::Path;

fn sensor() -> Device {
    device(vec![place(1, NOTIFY, &[1])])
}
fn held(number: u8) -> Spec {
    let device = json!({"address": address(number).to_string(), "connection": "Held", "connections": 2});
    spec(device, vec![("p", byte(1))])
}
fn keeping(folder: &Path) -> Cx {
    Cx { state_dir: Some(folder.to_owned()), ..Cx::default() }
}
/// Eight sensors, an adapter of three connections, one of which a stranger has.
fn plant() -> Air {
    let air = Air::with((0..8).map(|number| (number, sensor())));
    air.turn(|world| {
        world.limit = Some(3);
        world.held.insert(address(7))
    });
    air
}

#[tokio::test(start_paused = true)]
async fn connections_of_a_mapper_that_was_killed_are_ended_by_the_next_and_nobody_elses() {
    let (folder, air) = (tempfile::tempdir().unwrap(), plant());
    let rig = Rig::start_with(air.clone(), vec![held(0), held(1)], keeping(folder.path())).await;
    for device in 0..2 {
        rig.until_is(device, "p", 1_u64).await;
    }
    rig.kill().await;
    assert_eq!(air.world().held.len(), 3, "nobody has ended them");
    let rig = Rig::start_with(air.clone(), vec![held(2), held(3)], keeping(folder.path())).await;
    for device in 0..2 {
        rig.until_is(device, "p", 1_u64).await;
    }
    assert_eq!(air.world().held, [2, 3, 7].map(address).into());
    assert_eq!(air.world().refused, 0, "there was room at once");
    rig.stop().await;
    assert_eq!(air.world().held, [address(7)].into());

    // Who stopped in order has left nothing to be ended: what is connected now is somebody else's.
    air.turn(|world| world.held.insert(address(2)));
    let rig = Rig::start_with(air.clone(), vec![held(4)], keeping(folder.path())).await;
    rig.until_is(0, "p", 1_u64).await;
    assert_eq!(air.world().held, [2, 4, 7].map(address).into());
    rig.stop().await;
}

#[tokio::test(start_paused = true)]
async fn connections_of_a_mapper_that_runs_are_left_alone_by_another_beside_it() {
    let (folder, air) = (tempfile::tempdir().unwrap(), plant());
    let first = Rig::start_with(air.clone(), vec![held(0)], keeping(folder.path())).await;
    first.until_is(0, "p", 1_u64).await;
    let dials = air.world().of(address(0)).dials;
    // As `read` with the same folder does, and a second name of the adapter.
    let second = Rig::start_with(air.clone(), vec![held(1)], keeping(folder.path())).await;
    second.until_is(0, "p", 1_u64).await;
    assert_eq!(air.world().held, [0, 1, 7].map(address).into());
    second.stop().await;
    assert_eq!(air.world().held, [0, 7].map(address).into());
    assert_eq!((air.world().of(address(0)).dials, first.state().downs(0)), (dials, 0), "it was never cut");
    // Nor was forgotten what is to be ended after a kill.
    first.kill().await;
    let rig = Rig::start_with(air.clone(), vec![held(2)], keeping(folder.path())).await;
    rig.until_is(0, "p", 1_u64).await;
    assert_eq!(air.world().held, [2, 7].map(address).into());
    rig.stop().await;
}

#[tokio::test(start_paused = true)]
async fn connections_that_a_stack_holds_on_to_while_it_hangs_are_accounted_for() {
    let (folder, air) = (tempfile::tempdir().unwrap(), plant());
    air.device(1, |device| device.dial = Dial::Hangs); // what is under way when it hangs is left too
    let rig = Rig::start_with(air.clone(), vec![held(0), held(1)], keeping(folder.path())).await;
    rig.until_is(0, "p", 1_u64).await;
    rig.until("it is being connected", |_| air.world().held.contains(&address(1))).await;
    air.hang();
    rig.until_down(0, "bluetoothd does not answer").await;
    assert_eq!(air.world().held.len(), 3);
    air.device(1, |device| device.dial = sensor().dial);
    air.plug();
    for device in 0..2 {
        rig.until_is(device, "p", 1_u64).await;
        rig.until_up(device).await;
    }
    assert_eq!(air.world().held, [0, 1, 7].map(address).into());
    assert_eq!(air.world().refused, 0);
    rig.stop().await;
    assert_eq!(air.world().held, [address(7)].into());
}

#[tokio::test(start_paused = true)]
async fn a_connection_that_was_not_made_in_time_is_taken_back_before_another_has_its_place() {
    let air = Air::with((0..4).map(|number| (number, Device { dial: Dial::Hangs, ..sensor() })));
    air.turn(|world| world.limit = Some(2));
    let mut specs: Vec<Spec> = (0..4).map(held).collect();
    for spec in &mut specs {
        spec.device["connection"] = "WhenDue".into();
        spec.device["connectTimeout"] = "5s".into();
    }
    let rig = Rig::start(air.clone(), specs).await;
    rig.until("all were tried", |_| (0..4).all(|number| air.world().of(address(number)).dials >= 2)).await;
    assert_eq!(air.world().refused, 0, "no place was taken that was thought to be free");
    rig.stop().await;
}
