//! More in the air than bluetoothd keeps up with: what the kernel tells it is lost, that a scan has ended among it.
use super::{
    Ground, Rig, address,
    process::{Mapper, folder, read},
    spec, thermometer,
};
use pollux_ble::bluez::BlueZ;
use serde_json::{Value as Json, json};
use std::time::{Duration, Instant};
use tokio::time::sleep;

/// Two long silences, on a machine with much to do.
const PATIENCE: Duration = Duration::from_mins(5);
/// The kernel ends a scan after ten seconds, and bluetoothd begins the next five seconds later.
const LOST: Duration = Duration::from_secs(30);
const MOST_LOST: usize = 3;

/// Flags, and a name of their own.
fn flood(ground: &Ground, count: usize, hz: f64) {
    let data = "0201060609783030{n}";
    ground.ask(&json!({"do": "advertisers", "count": count, "hz": hz, "data": data}));
}
fn is_scanning(ground: &Ground) -> bool {
    ground.ask(&json!({"do": "adapter", "how": "report"}))["scanning"] == true
}
async fn until(what: &str, mut is: impl FnMut() -> bool) {
    let began = Instant::now();
    while !is() {
        assert!(began.elapsed() < PATIENCE, "never: {what}");
        sleep(Duration::from_millis(100)).await;
    }
}
fn restart(ground: &Ground) {
    ground.ask(&json!({"do": "bluetoothd", "how": "kill"}));
    ground.ask(&json!({"do": "bluetoothd", "how": "start"}));
}
/// Until it is so. A bluetoothd that loses its scan meanwhile, as it may among so many, is restarted, as its user is told to do.
async fn until_beside_the_flood(ground: &Ground, what: &str, mut is: impl FnMut() -> bool) {
    let (mut scanned, mut lost) = (Instant::now(), 0);
    until(what, || {
        if is_scanning(ground) {
            scanned = Instant::now();
        } else if scanned.elapsed() > LOST {
            lost += 1;
            println!("{what}: bluetoothd has lost its scan, and is restarted");
            assert!(lost <= MOST_LOST, "nobody scans, however often bluetoothd is started");
            restart(ground);
            scanned = Instant::now();
        }
        is()
    })
    .await;
}
/// bluetoothd misses that its scan has ended, and begins no other.
async fn overrun(ground: &Ground) {
    for _ in 0..10 {
        ground.ask(&json!({"do": "bluetoothd", "how": "pause"}));
        flood(ground, 2_000, 2.0);
        until("the scan has ended", || !is_scanning(ground)).await;
        ground.ask(&json!({"do": "silence"}));
        ground.ask(&json!({"do": "bluetoothd", "how": "resume"}));
        // Had it been told, it would begin the next at once.
        let mut dead = true;
        for _ in 0..30 {
            sleep(Duration::from_millis(100)).await;
            dead &= !is_scanning(ground);
        }
        if dead {
            return;
        }
        until("it scans", || is_scanning(ground)).await;
    }
    panic!("bluetoothd was told each time");
}

async fn until_read_on(ground: &Ground, rig: &Rig<BlueZ>, number: usize) {
    let (sensor, began) = (format!("sensor-{number}"), Instant::now());
    let reads = || ground.count(&sensor, "2A6E", "reads");
    let before = reads();
    while reads() < before + 2 {
        let adapter = || ground.ask(&json!({"do": "adapter", "how": "report"}));
        assert!(began.elapsed() < PATIENCE, "{sensor} is not read; {:#?}; {}", rig.state(), adapter());
        sleep(Duration::from_millis(100)).await;
    }
}

#[tokio::test]
#[ignore = "needs the Bluetooth ground"]
async fn a_bluetoothd_that_has_lost_its_scan_is_found_out_and_said_until_it_is_restarted() {
    let ground = Ground::with(&json!([thermometer(0), thermometer(1)]));
    ground.sensor("sensor-1", "vanish");
    let device = |number: usize| json!({"address": address(number), "connections": 2, "connectTimeout": "5s"});
    let polled = || vec![("temperature", json!({"characteristic": "Temperature", "notify": "Never"}))];
    let rig = Rig::start(ground.stack(), vec![spec(device(0), polled()), spec(device(1), polled())]).await;
    rig.until_is(0, "temperature", 20.0).await;
    rig.until_down(1, "is not heard").await;
    overrun(&ground).await;
    ground.sensor("sensor-1", "appear");
    until("it is said", || rig.state().is_down(1, "systemctl restart bluetooth")).await;
    assert!(!is_scanning(&ground), "it cannot be mended from here");
    restart(&ground);
    for number in 0..2 {
        until_read_on(&ground, &rig, number).await;
    }
    rig.stop().await;
}

#[tokio::test]
#[ignore = "needs the Bluetooth ground"]
async fn among_ten_thousand_addresses_a_sensor_is_read_on_and_they_take_no_room() {
    let ground = Ground::with(&json!([thermometer(0)]));
    let folder = folder();
    // By its name: then each new device of BlueZ has to be looked at.
    let device: Json = json!({"name": "sensor-0"});
    let mapper = Mapper::start(&ground, folder.path(), "one", std::slice::from_ref(&device));
    let reads = || ground.count("sensor-0", "2A6E", "reads");
    until("it is read", || reads() >= 3).await;
    let before = mapper.memory();
    flood(&ground, 10_000, 0.1);
    let reports = ground.adapter("reports");
    until_beside_the_flood(&ground, "many were heard", || ground.adapter("reports") >= reports + 10_000).await;
    let during = mapper.memory();
    ground.ask(&json!({"do": "silence"}));
    let at = reads();
    until_beside_the_flood(&ground, "it is read on", || reads() >= at + 5).await;
    let after = mapper.memory();
    println!("resident: {before} KiB before, {during} KiB with ten thousand in the air, {after} KiB behind them");
    assert!(during.max(after) < before + 8 * 1024, "{before} KiB before, {during} KiB during, {after} KiB after");
    drop(mapper);

    // A single `read` among them.
    flood(&ground, 10_000, 0.1);
    let began = Instant::now();
    loop {
        let reports = ground.adapter("reports");
        let output = read(&ground, folder.path(), "alone", std::slice::from_ref(&device));
        let text = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
        println!("read: {:?} after {:?}", output.status.code(), began.elapsed());
        if output.status.success() {
            assert!(text.contains("20"), "{text}");
            break;
        }
        assert!(began.elapsed() < PATIENCE, "{text}");
        if ground.adapter("reports") == reports {
            println!("bluetoothd has lost its scan, and is restarted");
            restart(&ground);
        }
    }
}
