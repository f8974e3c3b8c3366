//! A unit on a real port that always answers later than its time-out: what its device says, and that no value of it is another's.
mod common;

use common::{cable::pty, device_on, registers, rtu};
use pollux_crds::{ModbusDataType::Uint16, ModbusTable::Holding};
use pollux_mapper::{
    Command, Connected, Cx, DeviceKey, DeviceSpec, Engine, Interval, News, OFFLINE_AFTER, PointSpec, Protocol, Status,
    Value, queue, telemetry,
};
use pollux_modbus::Modbus;
use std::{
    collections::VecDeque,
    os::fd::OwnedFd,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
    },
    thread,
    time::{Duration, Instant},
};
use tokio::{sync::oneshot, time::timeout};
use tokio_util::sync::CancellationToken;

const TIMEOUT: Duration = Duration::from_millis(100);
/// Too far apart for one request.
const ADDRESSES: [i32; 3] = [0, 100, 200];

/// Answers in order, each so many milliseconds after it began with it. What stands at an address is the address.
fn unit(far: &OwnedFd, takes: &AtomicU64, stop: &AtomicBool) {
    let (mut bytes, mut buffer, mut queue, mut free) = (vec![], [0; 512], VecDeque::new(), Instant::now());
    while !stop.load(Relaxed) {
        match rustix::io::read(far, &mut buffer[..]) {
            Ok(count) => bytes.extend_from_slice(&buffer[..count]),
            Err(_) => thread::sleep(Duration::from_millis(1)), // nothing there, or nobody has it open
        }
        if let Some(frame) = bytes.get(..8) {
            assert_eq!(frame, rtu(&frame[..6]), "a request");
            let count = u16::from_be_bytes([frame[4], frame[5]]);
            let data = (0..count).flat_map(|at| (u16::from_be_bytes([frame[2], frame[3]]) + at).to_be_bytes());
            let answer = match frame[1] {
                3 => [&[frame[0], 3, u8::try_from(count * 2).expect("short")][..], &data.collect::<Vec<u8>>()].concat(),
                function => vec![frame[0], function | 0x80, 1],
            };
            free = free.max(Instant::now()) + Duration::from_millis(takes.load(Relaxed));
            queue.push_back((free, rtu(&answer)));
            bytes.drain(..8);
        }
        if let Some((_, answer)) = queue.pop_front_if(|(at, _)| *at <= Instant::now()) {
            rustix::io::write(far, &answer).expect("it takes an answer");
        }
    }
}

/// Looks at all news until it says so of Connected, or of the number of values that are Good.
async fn until(status: &mut Status, what: &str, so: impl Fn(&Connected) -> bool, good: usize) {
    let mut values = [false; ADDRESSES.len()];
    let mut said = false;
    let looked = async {
        while !said || values.iter().filter(|good| **good).count() < good {
            let News { numbers, changes, connected, .. } = status.next().await.expect("it runs");
            for change in numbers.changes().chain(changes) {
                let at = change.point as usize;
                if let Ok(value) = &change.value {
                    assert_eq!(
                        *value,
                        Value::Uint(u64::try_from(ADDRESSES[at]).expect("small")),
                        "of another register"
                    );
                }
                values[at] = change.value.is_ok();
            }
            said |= connected.iter().any(&so);
        }
    };
    assert!(timeout(Duration::from_mins(1), looked).await.is_ok(), "{what}");
}

#[tokio::test]
async fn a_device_whose_answers_come_too_late_says_how_late_and_is_back_when_they_come_in_time() {
    let ((far, path), takes, stop) = (pty(), Arc::new(AtomicU64::new(250)), Arc::<AtomicBool>::default());
    let served = thread::spawn({
        let (takes, stop) = (takes.clone(), stop.clone());
        move || unit(&far, &takes, &stop)
    });
    let config = device_on(&path, 9);
    let endpoint = Modbus.endpoint(&config).expect("valid");
    let (engine, mut status) = Engine::new(Arc::new(Modbus), endpoint, telemetry(0).0);
    let (counted, cancel) = (engine.stats(), CancellationToken::new());
    let (commands, told) = queue(8);
    let engine = tokio::spawn(engine.run(told, Arc::new(Cx::default()), cancel.clone()));
    let point = |at: &i32| PointSpec {
        name: format!("register{at}"),
        address: registers(Holding, *at, Uint16),
        interval: Interval::Every(TIMEOUT * 3),
        readable: true,
        writable: false,
        event: false,
        read_group: None,
    };
    let spec = DeviceSpec {
        key: DeviceKey(1),
        name: "meter".into(),
        wiring: 1,
        config: pollux_crds::ModbusDevice { timeout: "100ms".parse().ok(), ..config },
        points: ADDRESSES.iter().map(point).collect(),
        timeout: TIMEOUT,
        offline_after: OFFLINE_AFTER,
    };
    let (reply, applied) = oneshot::channel();
    commands.send(Box::new(Command::Apply { spec: Box::new(spec), reply })).await.expect("it runs");
    applied.await.expect("answered").expect("valid");
    let late = |word: &Connected| !word.up && word.reason.ends_with("raise timeout");
    until(&mut status, "it says how late", late, 0).await;
    assert!(counted.late_answers.get() > 0, "counted");
    takes.store(5, Relaxed);
    until(&mut status, "it is back", |word| word.up, ADDRESSES.len()).await;
    cancel.cancel();
    assert!(engine.await.is_ok());
    stop.store(true, Relaxed);
    served.join().expect("it served");
}
