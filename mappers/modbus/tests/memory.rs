//! What a whole mapper keeps for each property, from YAML to status: devices of one model share all that is the model's.
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

const PROPERTIES: usize = 500;
/// Registers are read by 125, so that a device is read whole by so many requests.
const REQUESTS: usize = (2 * PROPERTIES).div_ceil(124);
/// Bytes for each property of one device more of a model: a row of the engine and its place in the driver, plan and schedule
/// (100), the twin's point (72), and the value as it was published and as it is (48).
const MOST: usize = 220;
/// Less than the value alone takes would be no count.
const LEAST: usize = 40;
/// And for each device, whatever it has.
const MOST_DEVICE: usize = 16 * 1024;

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

fn yaml(port: u16, devices: usize) -> String {
    let mut out = "apiVersion: pollux.rs/v1alpha1\nkind: DeviceModel\nmetadata: {name: m}\nspec:\n".to_owned();
    out.push_str("  defaults: {interval: 300ms}\n  properties:\n");
    for n in 0..PROPERTIES {
        let binding = format!("{{modbus: {{table: holding, address: {}, dataType: float32}}}}", 2 * n);
        writeln!(out, "  - {{name: t{n}, type: number, binding: {binding}}}").unwrap();
    }
    for unit in 1..=devices {
        let protocol = format!("{{modbus: {{tcp: {{host: 127.0.0.1, port: {port}}}, unitId: {unit}}}}}");
        out.push_str("---\napiVersion: pollux.rs/v1alpha1\nkind: Device\n");
        writeln!(out, "metadata: {{name: d{unit}}}\nspec: {{model: m, mode: Monitor, protocol: {protocol}}}").unwrap();
    }
    out
}

/// Bytes that a mapper of so many devices keeps once all of them were read and published several times.
async fn kept(devices: usize) -> usize {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let answered = Arc::new(AtomicUsize::new(0));
    let counted = answered.clone();
    std::thread::spawn(move || {
        while let Ok((stream, _)) = listener.accept() {
            answer(stream, &counted);
        }
    });
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("plant.yaml");
    std::fs::write(&file, yaml(port, devices)).unwrap();
    let before = LIVE.load(Relaxed);
    let (file, state) = (file.to_str().unwrap(), folder.path().join("state"));
    let state = state.to_str().unwrap();
    let words = ["pollux-modbus", "--listen", "127.0.0.1:0", "--state-dir", state, "--file", file];
    let out = Out::new(std::io::sink(), std::io::sink());
    let mapper = pollux_modbus::cli::app().run_in(words.map(Into::into), out);
    let read = async {
        while answered.load(Relaxed) < 10 * devices * REQUESTS {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        LIVE.load(Relaxed).checked_sub(before).expect("a mapper takes memory")
    };
    tokio::select! {
        exit = mapper => panic!("it ended: {exit:?}"),
        kept = tokio::time::timeout(Duration::from_mins(2), read) => kept.unwrap(),
    }
}

#[tokio::test]
async fn a_device_more_of_a_model_costs_its_values_and_not_its_model() {
    const FEW: usize = 2;
    const MORE: usize = 10;
    kept(1).await; // what is made once is there
    let few = kept(FEW).await;
    let many = kept(FEW + MORE).await;
    let each = many.checked_sub(few).expect("more devices take more") / MORE;
    println!("{each} bytes for each device of {PROPERTIES} properties: {}", each / PROPERTIES);
    let bounds = LEAST * PROPERTIES..=MOST * PROPERTIES + MOST_DEVICE;
    assert!(bounds.contains(&each), "{each} bytes for a device of {PROPERTIES} properties");
}
