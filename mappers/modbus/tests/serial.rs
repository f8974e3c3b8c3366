//! RTU on a serial port: a pty, whose far end is served by hand. The contract of every driver holds there too.
mod common;

use common::{cable::pty, device_on, registers, rtu};
use pollux_crds::{ModbusBinding, ModbusDataType::Uint16, ModbusDevice, ModbusRs485, ModbusTable::Holding};
use pollux_mapper::{
    Cx, DriverError, ErrorKind, Interval, Link as _, PointSpec, Protocol, Value,
    testing::conformance::{Harness, Peer, check},
};
use pollux_modbus::Modbus;
use std::{
    collections::BTreeMap,
    fs,
    os::fd::OwnedFd,
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    thread::{self, JoinHandle},
    time::Duration,
};

#[derive(Debug, Default)]
struct Devices {
    registers: BTreeMap<(u8, u16), u16>,
    peer: Option<Peer>,
}

impl Devices {
    /// The answer to a whole request, and its length; none while it is not whole.
    fn answer(&mut self, bytes: &[u8]) -> Option<(usize, Option<Vec<u8>>)> {
        let word = |at: usize| Some(u16::from_be_bytes([*bytes.get(at)?, *bytes.get(at + 1)?]));
        let (unit, function, first) = (*bytes.first()?, *bytes.get(1)?, word(2)?);
        let length = if function == 16 { 9 + usize::from(*bytes.get(6)?) } else { 8 };
        let request = bytes.get(..length)?;
        assert_eq!(request, rtu(&request[..length - 2]), "the CRC of a request");
        let body = match (self.peer, function) {
            (Some(Peer::Silent), _) => return Some((length, None)),
            (Some(Peer::Refusing), _) if first == 0 => vec![unit, function | 0x80, 2],
            (_, 3) => {
                let values = (first..first + word(4)?).map(|at| self.registers.get(&(unit, at)).copied().unwrap_or(0));
                let data: Vec<u8> = values.flat_map(u16::to_be_bytes).collect();
                [&[unit, 3, u8::try_from(data.len()).expect("short")], &data[..]].concat()
            }
            (_, 6) => {
                self.registers.insert((unit, first), word(4)?);
                request[..6].to_vec()
            }
            (_, 16) => {
                for (at, pair) in (first..).zip(request[7..length - 2].chunks(2)) {
                    self.registers.insert((unit, at), u16::from_be_bytes([pair[0], pair[1]]));
                }
                request[..6].to_vec()
            }
            _ => vec![unit, function | 0x80, 1],
        };
        Some((length, Some(rtu(&body))))
    }
}

/// A bus whose adapter is plugged in and out: a link to whatever port it has now, as in /dev/serial/by-id.
struct Bus {
    folder: tempfile::TempDir,
    devices: Arc<Mutex<Devices>>,
    plugged: Mutex<Option<(Arc<AtomicBool>, JoinHandle<()>)>>,
}

impl Bus {
    fn new() -> Self {
        let bus =
            Self { folder: tempfile::tempdir().expect("a folder"), devices: Arc::default(), plugged: Mutex::default() };
        bus.plug();
        bus
    }
    fn path(&self) -> PathBuf {
        self.folder.path().join("line")
    }
    fn plug(&self) {
        let ((far, name), stop, devices) = (pty(), Arc::<AtomicBool>::default(), self.devices.clone());
        fs::remove_file(self.path()).ok();
        std::os::unix::fs::symlink(name, self.path()).expect("linked");
        let stopped = stop.clone();
        let served = thread::spawn(move || serve(&far, &stopped, &devices));
        *self.plugged.lock().expect("not poisoned") = Some((stop, served));
    }
    fn unplug(&self) {
        if let Some((stop, served)) = self.plugged.lock().expect("not poisoned").take() {
            stop.store(true, Ordering::Relaxed);
            served.join().expect("it served");
            fs::remove_file(self.path()).expect("removed");
        }
    }
}

impl Drop for Bus {
    fn drop(&mut self) {
        self.unplug();
    }
}

fn serve(far: &OwnedFd, stop: &AtomicBool, devices: &Mutex<Devices>) {
    let (mut bytes, mut buffer) = (vec![], [0; 512]);
    while !stop.load(Ordering::Relaxed) {
        match rustix::io::read(far, &mut buffer[..]) {
            Ok(count) => bytes.extend_from_slice(&buffer[..count]),
            Err(_) => thread::sleep(Duration::from_millis(1)), // nothing there, or nobody has it open
        }
        let answer = devices.lock().expect("not poisoned").answer(&bytes);
        if let Some((length, answer)) = answer {
            bytes.drain(..length);
            if let Some(answer) = answer {
                rustix::io::write(far, &answer).expect("it takes an answer");
            }
        }
    }
}

impl Harness for Bus {
    type Protocol = Modbus;

    fn protocol(&self) -> Modbus {
        Modbus
    }
    fn device(&self, number: usize) -> ModbusDevice {
        device_on(&self.path(), if number == 0 { 1 } else { 2 })
    }
    fn points(&self) -> Vec<PointSpec<ModbusBinding>> {
        let point = |n: i32| PointSpec {
            name: format!("p{n}"),
            address: registers(Holding, n, Uint16),
            readable: true,
            writable: n < 2,
            event: false,
            interval: Interval::Every(Duration::from_secs(1)),
            read_group: None,
        };
        (0..4).map(point).collect()
    }
    fn value(&self, number: u8) -> Value {
        Value::Uint(number.into())
    }
    fn impossible(&self) -> Option<Value> {
        Some(Value::Uint(65536))
    }
    async fn set(&self, peer: Peer) {
        self.devices.lock().expect("not poisoned").peer = Some(peer);
        let plugged = self.plugged.lock().expect("not poisoned").is_some();
        match (peer, plugged) {
            (Peer::Cut, true) => self.unplug(),
            (Peer::Serving | Peer::Silent | Peer::Refusing, false) => self.plug(),
            _ => {}
        }
    }
}

#[tokio::test]
async fn modbus_keeps_the_contract_of_a_driver_on_a_serial_port() {
    assert_eq!(check(&Bus::new()).await, Vec::<String>::new());
}

async fn open(path: &Path) -> Result<pollux_modbus::Link, pollux_modbus::Error> {
    Modbus.connect(&Modbus.endpoint(&device_on(path, 1)).expect("valid"), &Cx::default()).await
}

#[tokio::test]
async fn a_port_that_cannot_be_opened_is_named_with_the_reason() {
    let bus = Bus::new();
    let error = open(&bus.folder.path().join("none")).await.expect_err("there is none");
    assert_eq!(error.kind(), ErrorKind::Unreachable);
    let words =
        "/none: no such file: is the adapter plugged in? In a Pod, hostDevices of the MapperClass must hold it too";
    assert!(error.to_string().ends_with(words), "{error}");
    let first = open(&bus.path()).await.expect("free");
    let error = open(&bus.path()).await.expect_err("taken");
    assert!(error.to_string().ends_with("/line: busy: another program has it open"), "{error}");
    drop(first);
    let file = bus.folder.path().join("file");
    fs::write(&file, "").expect("written");
    let error = open(&file).await.expect_err("no port");
    assert!(error.to_string().ends_with("/file: is no serial port"), "{error}");
}

/// As a pty cannot: it is not opened and then talked to with a transceiver that stays as it is.
#[tokio::test]
async fn a_port_that_cannot_switch_a_transceiver_is_not_used() {
    let bus = Bus::new();
    let mut device = device_on(&bus.path(), 1);
    device.rtu.as_mut().expect("a port").rs485 = Some(ModbusRs485::default());
    let opened = Modbus.connect(&Modbus.endpoint(&device).expect("valid"), &Cx::default()).await;
    let error = opened.expect_err("a pty has no transceiver");
    assert!(error.to_string().contains("/line: rs485: its driver cannot switch a transceiver: "), "{error}");
    assert!(open(&bus.path()).await.is_ok(), "and is given back");
}

#[tokio::test]
async fn two_names_of_one_port_are_one_resource() {
    let bus = Bus::new();
    let link = open(&bus.path()).await.expect("free");
    let first = Modbus.identity(&link);
    drop(link);
    let direct = fs::canonicalize(bus.path()).expect("a port");
    let told = |path: &Path| Modbus.recognize(&Modbus.endpoint(&device_on(path, 1)).expect("valid"));
    assert_eq!((told(&bus.path()), told(&direct)), (first.clone(), first.clone()), "told by its path, too");
    assert_eq!(told(Path::new("/dev/null/none")), None);
    let second = Modbus.identity(&open(&direct).await.expect("free again"));
    assert!(first.is_some() && first == second, "{first:?} {second:?}");
}

#[tokio::test]
async fn a_port_that_is_unplugged_ends_its_link_and_is_found_where_it_is_plugged_in_again() {
    let bus = Bus::new();
    let link = open(&bus.path()).await.expect("free");
    bus.unplug();
    let error = tokio::time::timeout(Duration::from_secs(10), link.run()).await.expect("noticed");
    assert_eq!(error.kind(), ErrorKind::Unreachable);
    drop(link);
    assert!(open(&bus.path()).await.is_err());
    bus.plug();
    assert!(open(&bus.path()).await.is_ok());
}
