//! What a whole mapper keeps, from YAML to status: for each connection, and for each property. Devices of one model share all that
//! is the model's.
#![allow(unsafe_code, reason = "an allocator that counts")]
#![allow(clippy::unwrap_used, reason = "a test")]
use pollux_mapper::Out;
use std::{
    alloc::{GlobalAlloc, Layout, System},
    fmt::Write as _,
    io::{Read, Write},
    net::{TcpListener, TcpStream},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    time::Duration,
};

struct Counting;
static LIVE: AtomicUsize = AtomicUsize::new(0);
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, memory: Layout) -> *mut u8 {
        LIVE.fetch_add(memory.size(), Relaxed);
        unsafe { System.alloc(memory) }
    }
    unsafe fn dealloc(&self, at: *mut u8, memory: Layout) {
        LIVE.fetch_sub(memory.size(), Relaxed);
        unsafe { System.dealloc(at, memory) }
    }
}
#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// Moments at which it is counted: the least is what is kept, the rest is what is under way.
const MOMENTS: usize = 50;

/// A plant of one model.
#[derive(Clone, Copy)]
struct Plant {
    connections: usize,
    /// On each connection.
    devices: usize,
    /// Of each device.
    properties: usize,
}

impl Plant {
    /// Requests that read all of it once: registers are read by 125.
    fn requests(self) -> usize {
        self.connections * self.devices * (2 * self.properties).div_ceil(124)
    }
}

const PROPERTIES: usize = 500;
/// Bytes for each property of one device more of a model: a row of the engine and its place in the driver, plan and schedule
/// (60), the twin's point (48), and the value as it was published and as it is (48).
const MOST: usize = 180;
/// Less than the value alone takes would be no count.
const LEAST: usize = 40;
/// And for each device, whatever it has.
const MOST_DEVICE: usize = 16 * 1024;
/// For a connection with one device of 30 properties, its object in the file among it. An unoptimised build has larger futures.
const MOST_CONNECTION: usize = 23 * 1024;
/// Of these for the device.
const MOST_OF_30: usize = 11 * 1024;

/// Answers each read of registers with other values than before.
fn answer(mut stream: TcpStream, answered: &AtomicUsize) {
    let mut request = [0; 12];
    while stream.read_exact(&mut request).is_ok() {
        let count = u16::from_be_bytes([request[10], request[11]]);
        let turn = u8::try_from(answered.fetch_add(1, Relaxed) % 100).unwrap();
        let bytes = u8::try_from(2 * count).unwrap();
        let mut reply = vec![request[0], request[1], 0, 0, 0, bytes + 3, request[6], request[7], bytes];
        (0..count / 2).for_each(|_| reply.extend([0x42, turn, 0, 0])); // 32 and more
        if stream.write_all(&reply).is_err() {
            return;
        }
    }
}

fn yaml(port: u16, plant: Plant) -> String {
    let mut out = "apiVersion: pollux.rs/v1alpha1\nkind: DeviceModel\nmetadata: {name: m}\nspec:\n".to_owned();
    out.push_str("  defaults: {interval: 300ms}\n  properties:\n");
    for n in 0..plant.properties {
        let binding = format!("{{modbus: {{table: holding, address: {}, dataType: float32}}}}", 2 * n);
        writeln!(out, "  - {{name: t{n}, type: number, binding: {binding}}}").unwrap();
    }
    for host in 1..=plant.connections {
        out.push_str("---\napiVersion: pollux.rs/v1alpha1\nkind: Channel\n");
        let way = format!("{{modbus: {{tcp: {{host: 127.0.0.{host}, port: {port}}}}}}}");
        writeln!(out, "metadata: {{name: c{host}}}\nspec: {{protocol: {way}}}").unwrap();
        for unit in 1..=plant.devices {
            let protocol = format!("{{modbus: {{channel: c{host}, unitId: {unit}}}}}");
            out.push_str("---\napiVersion: pollux.rs/v1alpha1\nkind: Device\n");
            writeln!(
                out,
                "metadata: {{name: d{host}-{unit}}}\nspec: {{model: m, mode: Monitor, protocol: {protocol}}}"
            )
            .unwrap();
        }
    }
    out
}

/// Of several moments, the least that is in use.
async fn least() -> usize {
    let mut least = LIVE.load(Relaxed);
    for _ in 0..MOMENTS {
        tokio::time::sleep(Duration::from_millis(10)).await;
        least = least.min(LIVE.load(Relaxed));
    }
    least
}

/// What is in use once what the mapper before this one leaves has gone: on a busy machine that takes its time.
async fn settled() -> usize {
    let (mut last, mut still, mut looks) = (least().await, 0, 0);
    while still < 3 {
        let now = least().await;
        still = if now + 1024 > last { still + 1 } else { 0 };
        last = last.min(now);
        looks += 1;
        assert!(looks < 100, "it still falls: {last}");
    }
    last
}

/// Bytes that a mapper keeps once all was read and published several times.
async fn kept(plant: Plant) -> usize {
    let listener = TcpListener::bind("0.0.0.0:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let answered = Arc::new(AtomicUsize::new(0));
    let counted = answered.clone();
    std::thread::spawn(move || {
        while let Ok((stream, _)) = listener.accept() {
            let counted = counted.clone();
            std::thread::spawn(move || answer(stream, &counted));
        }
    });
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("plant.yaml");
    std::fs::write(&file, yaml(port, plant)).unwrap();
    let before = settled().await;
    let (file, state) = (file.to_str().unwrap(), folder.path().join("state"));
    let state = state.to_str().unwrap();
    let words = ["pollux-modbus", "--listen", "127.0.0.1:0", "--state-dir", state, "--file", file];
    let out = Out::new(std::io::sink(), std::io::sink());
    let mapper = pollux_modbus::cli::app().run_in(words.map(Into::into), out);
    let read = async {
        while answered.load(Relaxed) < 10 * plant.requests() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        let used = least().await;
        assert!(used > before, "a mapper takes memory: {before} before, {used} with it");
        used - before
    };
    tokio::select! {
        exit = mapper => panic!("it ended: {exit:?}"),
        kept = tokio::time::timeout(Duration::from_mins(2), read) => kept.unwrap(),
    }
}

/// One after the other, for the allocator counts all of them.
#[tokio::test]
async fn more_of_a_plant_costs_its_values_and_not_its_model() {
    let one = Plant { connections: 1, devices: 1, properties: 30 };
    kept(one).await; // what is made once is there
    a_device_more_of_a_model_costs_its_values().await;
    a_connection_more_costs_little().await;
}

async fn a_device_more_of_a_model_costs_its_values() {
    let plant = |devices| Plant { connections: 1, devices, properties: PROPERTIES };
    let each = more(plant(2), plant(12), 10).await;
    println!("{each} bytes for each device of {PROPERTIES} properties: {}", each / PROPERTIES);
    let bounds = LEAST * PROPERTIES..=MOST * PROPERTIES + MOST_DEVICE;
    assert!(bounds.contains(&each), "{each} bytes for a device of {PROPERTIES} properties");
}

/// What is under way on a busy machine, or not yet given back, only adds: the least of some counts is what it costs.
async fn a_connection_more_costs_little() {
    const TIMES: usize = 4;
    let plant = |connections, devices| Plant { connections, devices, properties: 30 };
    let (mut each, mut device) = (usize::MAX, usize::MAX);
    for _ in 0..TIMES {
        each = each.min(more(plant(4, 1), plant(44, 1), 40).await);
        device = device.min(more(plant(2, 4), plant(2, 24), 40).await);
        if each <= MOST_CONNECTION && device <= MOST_OF_30 {
            break;
        }
    }
    println!("{each} bytes for each connection with a device of 30 properties, {device} for the device");
    assert!(each <= MOST_CONNECTION, "{each} bytes for a connection with a device of 30 properties");
    assert!(device <= MOST_OF_30, "{device} bytes for a device of 30 properties");
}

/// What each of so many more costs.
async fn more(few: Plant, many: Plant, by: usize) -> usize {
    let few = kept(few).await;
    kept(many).await.checked_sub(few).expect("more takes more") / by
}
