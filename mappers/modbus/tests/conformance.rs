//! The contract of every driver, tried with Modbus against tokio-modbus' server.
mod common;

use common::{device, registers};
use pollux_crds::{ModbusBinding, ModbusDataType::Uint16, ModbusDevice, ModbusTable::Holding};
use pollux_mapper::{
    Interval, PointSpec, Value,
    testing::conformance::{Harness, Peer, check},
};
use pollux_modbus::Modbus;
use std::{
    collections::BTreeMap,
    future,
    net::SocketAddr,
    sync::{Arc, Mutex},
    time::Duration,
};
use tokio::{net::TcpListener, task::JoinHandle};
use tokio_modbus::{
    ExceptionCode, Request, Response, SlaveRequest,
    server::{
        Service,
        tcp::{Server, accept_tcp_connection},
    },
};

/// Registers of all units, and what the peer does.
#[derive(Debug)]
struct Device {
    registers: BTreeMap<(u8, u16), u16>,
    peer: Peer,
}

#[derive(Debug, Clone)]
struct Devices(Arc<Mutex<Device>>);

impl Device {
    fn answer(&mut self, unit: u8, request: &Request<'_>) -> Result<Option<Response>, ExceptionCode> {
        let first = match request {
            Request::ReadHoldingRegisters(at, _)
            | Request::WriteSingleRegister(at, _)
            | Request::WriteMultipleRegisters(at, _) => *at,
            _ => return Err(ExceptionCode::IllegalFunction),
        };
        match self.peer {
            Peer::Silent => return Ok(None),
            Peer::Refusing if first == 0 => return Err(ExceptionCode::IllegalDataAddress),
            _ => {}
        }
        Ok(Some(match request {
            Request::ReadHoldingRegisters(at, count) => {
                let register = |at| self.registers.get(&(unit, at)).copied().unwrap_or(0);
                Response::ReadHoldingRegisters((*at..at + count).map(register).collect())
            }
            Request::WriteSingleRegister(at, word) => {
                self.registers.insert((unit, *at), *word);
                Response::WriteSingleRegister(*at, *word)
            }
            Request::WriteMultipleRegisters(at, words) => {
                self.registers.extend((*at..).zip(words.iter()).map(|(at, word)| ((unit, at), *word)));
                Response::WriteMultipleRegisters(*at, u16::try_from(words.len()).unwrap_or(0))
            }
            _ => return Err(ExceptionCode::IllegalFunction),
        }))
    }
}

impl Service for Devices {
    type Request = SlaveRequest<'static>;
    type Response = Option<Response>;
    type Exception = ExceptionCode;
    type Future = future::Ready<Result<Option<Response>, ExceptionCode>>;

    fn call(&self, SlaveRequest { slave, request }: Self::Request) -> Self::Future {
        future::ready(self.0.lock().expect("not poisoned").answer(slave, &request))
    }
}

struct Gateway {
    address: SocketAddr,
    devices: Devices,
    server: tokio::sync::Mutex<Option<JoinHandle<()>>>,
}

impl Gateway {
    async fn new() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("bound");
        let devices = Devices(Arc::new(Mutex::new(Device { registers: BTreeMap::new(), peer: Peer::Serving })));
        let server = tokio::sync::Mutex::new(Some(serve(listener, devices.clone())));
        Self { address, devices, server }
    }
}

fn serve(listener: TcpListener, devices: Devices) -> JoinHandle<()> {
    tokio::spawn(async move {
        let service = |_| Ok(Some(devices.clone()));
        let connected = |stream, peer| future::ready(accept_tcp_connection(stream, peer, service));
        Server::new(listener).serve(&connected, |_| {}).await.expect("serves");
    })
}

impl Harness for Gateway {
    type Protocol = Modbus;

    fn protocol(&self) -> Modbus {
        Modbus
    }
    fn device(&self, number: usize) -> ModbusDevice {
        device(self.address, if number == 0 { 1 } else { 2 })
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
        self.devices.0.lock().expect("not poisoned").peer = peer;
        let mut server = self.server.lock().await;
        match (peer, server.is_some()) {
            (Peer::Cut, true) => {
                let server = server.take().expect("just seen");
                server.abort();
                assert!(server.await.is_err_and(|end| end.is_cancelled()));
            }
            (Peer::Serving | Peer::Silent | Peer::Refusing, false) => {
                let listener = TcpListener::bind(self.address).await.expect("its own port");
                *server = Some(serve(listener, self.devices.clone()));
            }
            _ => {}
        }
    }
}

#[tokio::test]
async fn modbus_keeps_the_contract_of_a_driver() {
    assert_eq!(check(&Gateway::new().await).await, Vec::<String>::new());
}
