//! The other side: pymodbus in a process of its own, or our simulator in this one; and the ways there.
use crate::{
    common::{self, cable::Cable, peer::Peer},
    pki,
};
use pollux_crds::{ModbusDevice, ModbusTable};
use pollux_mapper::Cx;
use pollux_sim::{Framing, Registers, Table, WriteRecord, serve_registers};
use serde_json::Value as Json;
use std::{
    net::SocketAddr,
    path::Path,
    sync::{Arc, Mutex},
};
use tempfile::TempDir;
use tokio::{
    io::copy_bidirectional,
    net::{TcpListener, TcpStream},
};
use tokio_rustls::{TlsAcceptor, rustls::version::TLS13};

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Transport {
    Tcp,
    Rtu,
    RtuOverTcp,
    Tls,
}

pub(crate) enum Far {
    Pymodbus(Peer),
    Simulator(Registers, Arc<Mutex<Vec<u8>>>),
}

/// A device, and all that must live as long as it is talked to.
pub(crate) struct Way {
    pub(crate) device: ModbusDevice,
    pub(crate) cx: Cx,
    pub(crate) far: Far,
    /// What was written again.
    pub(crate) again: usize,
    _cable: Option<Cable>,
    _folder: Option<TempDir>,
}

impl Far {
    pub(crate) fn set(&mut self, table: ModbusTable, values: &[u16]) {
        match self {
            Self::Simulator(registers, _) => registers.set(of(table), 0, values),
            Self::Pymodbus(peer) => {
                let words: Vec<String> = values.iter().map(u16::to_string).collect();
                peer.command(&format!("set 1 {} 0 {}", name(table), words.join(" ")));
            }
        }
    }
    pub(crate) fn get(&mut self, table: ModbusTable, count: usize) -> Vec<u16> {
        let words = match self {
            Self::Simulator(registers, _) => return registers.get(of(table), 0, u16::try_from(count).expect("short")),
            Self::Pymodbus(peer) => peer.command(&format!("get 1 {} 0 {count}", name(table))),
        };
        let words = words["values"].as_array().cloned().unwrap_or_default();
        words.iter().map(|word| u16::try_from(word.as_u64().expect("a number")).expect("a register")).collect()
    }
    /// By which functions it was written, since this was asked last; all of them were done.
    pub(crate) fn functions(&mut self) -> Vec<u8> {
        match self {
            Self::Simulator(_, functions) => std::mem::take(&mut *functions.lock().expect("not poisoned")),
            Self::Pymodbus(peer) => {
                let log = peer.command("writes")["writes"].as_array().cloned().unwrap_or_default();
                peer.command("clear");
                assert!(log.iter().all(|write| write["exception"] == Json::Null), "{log:?}");
                let code = |write: &Json| write["function"].as_u64().and_then(|code| u8::try_from(code).ok());
                log.iter().map(|write| code(write).expect("a function")).collect()
            }
        }
    }
}

fn of(table: ModbusTable) -> Table {
    match table {
        ModbusTable::Coil => Table::Coil,
        ModbusTable::Discrete => Table::Discrete,
        ModbusTable::Input => Table::Input,
        ModbusTable::Holding => Table::Holding,
    }
}
fn name(table: ModbusTable) -> &'static str {
    match table {
        ModbusTable::Coil => "coil",
        ModbusTable::Discrete => "discrete",
        ModbusTable::Input => "input",
        ModbusTable::Holding => "holding",
    }
}

pub(crate) fn pymodbus(transport: Transport) -> Way {
    let (mut cx, mut cable, mut folder) = (Cx::default(), None, None);
    let (peer, device) = match transport {
        Transport::Tcp => {
            let peer = Peer::pymodbus(&[]);
            let device = common::device(peer.address(), 1);
            (peer, device)
        }
        Transport::RtuOverTcp => {
            let peer = Peer::pymodbus(&["--rtu"]);
            let device = common::device_of_rtu_over_tcp(peer.address(), 1);
            (peer, device)
        }
        Transport::Rtu => {
            let (joined, ours, theirs) = Cable::between_ports();
            cable = Some(joined);
            let path = theirs.to_str().expect("UTF-8");
            (Peer::by("pymodbus_server.py", &["--serial", path]), common::device_on(&ours, 1))
        }
        Transport::Tls => {
            let plant = pki::Authority::new("Plant");
            let kept = tempfile::tempdir().expect("a folder");
            let [certificate, key, ca] = secrets(&plant, kept.path());
            let peer = Peer::pymodbus(&["--tls", &certificate, &key, &ca]);
            cx = pki::cx(&plant.client(pki::NEVER, None), &plant);
            folder = Some(kept);
            let device = pki::device(peer.address());
            (peer, device)
        }
    };
    Way { device, cx, far: Far::Pymodbus(peer), again: 0, _cable: cable, _folder: folder }
}

/// Paths of certificate, key, and authority.
fn secrets(plant: &pki::Authority, folder: &Path) -> [String; 3] {
    let server = plant.server(pki::PEER, pki::NEVER);
    [("server.crt", &server.certificate), ("server.key", &server.key), ("ca.crt", &plant.pem)].map(|(name, text)| {
        let path = folder.join(name);
        std::fs::write(&path, text).expect("written");
        path.to_str().expect("UTF-8").to_owned()
    })
}

pub(crate) async fn simulator(transport: Transport) -> Way {
    let functions = Arc::<Mutex<Vec<u8>>>::default();
    let seen = functions.clone();
    let registers = Registers::new(move |write: WriteRecord| {
        assert_eq!(write.exception, None, "{write:?}");
        seen.lock().expect("not poisoned").push(write.function);
    });
    let framing = match transport {
        Transport::Tcp | Transport::Tls => Framing::Tcp,
        Transport::Rtu | Transport::RtuOverTcp => Framing::Rtu,
    };
    let (listener, address) = listen().await;
    tokio::spawn(serve_registers(listener, registers.clone(), framing));
    let (mut cx, mut cable) = (Cx::default(), None);
    let device = match transport {
        Transport::Tcp => common::device(address, 1),
        Transport::RtuOverTcp => common::device_of_rtu_over_tcp(address, 1),
        Transport::Rtu => {
            let (joined, port) = Cable::to(address);
            cable = Some(joined);
            common::device_on(&port, 1)
        }
        Transport::Tls => {
            let plant = pki::Authority::new("Plant");
            cx = pki::cx(&plant.client(pki::NEVER, None), &plant);
            pki::device(behind_tls(&plant, address).await)
        }
    };
    Way { device, cx, far: Far::Simulator(registers, functions), again: 0, _cable: cable, _folder: None }
}

async fn listen() -> (TcpListener, SocketAddr) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("bound");
    (listener, address)
}

/// Takes TLS off, and hands on what is inside.
async fn behind_tls(plant: &pki::Authority, plain: SocketAddr) -> SocketAddr {
    let config = pki::server(&plant.server(pki::PEER, pki::NEVER), plant, &TLS13);
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let (listener, address) = listen().await;
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let acceptor = acceptor.clone();
            tokio::spawn(async move {
                let mut secure = acceptor.accept(stream).await.expect("a client of the plant");
                let mut inside = TcpStream::connect(plain).await.expect("it listens");
                copy_bidirectional(&mut secure, &mut inside).await.ok(); // either side may leave
            });
        }
    });
    address
}
