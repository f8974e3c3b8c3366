//! The gateway: units behind tokio-modbus' server, and a record of every write that came in.
use crate::{Boiler, map};
use serde::Serialize;
use std::{
    collections::BTreeMap,
    fmt, future, io,
    net::SocketAddr,
    sync::{Arc, Mutex, PoisonError},
    time::Instant,
};
use tokio::net::{TcpListener, TcpStream};
use tokio_modbus::{
    ExceptionCode, Request, Response, SlaveRequest,
    server::{
        Service,
        tcp::{Server, accept_tcp_connection},
    },
};

/// How a dead unit looks from outside.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dead {
    /// Nothing is answered for it.
    Silent,
    /// The gateway answers for it: exception 11.
    Exception,
}

/// One write request, and what became of it: what a test may believe.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct WriteRecord {
    /// RFC 3339.
    pub time: String,
    pub unit: u8,
    pub function: u8,
    pub address: u16,
    /// Registers, or coils as 0 and 1.
    pub values: Vec<u16>,
    /// Number of the exception; none: done.
    pub exception: Option<u8>,
}

type OnWrite = Box<dyn FnMut(WriteRecord) + Send>;

/// The three boilers. Clones are the same line.
#[derive(Clone)]
pub struct Line {
    state: Arc<Mutex<State>>,
}

struct State {
    boilers: BTreeMap<u8, Boiler>,
    dead: BTreeMap<u8, Dead>,
    time_lapse: f64,
    last: Instant,
    on_write: OnWrite,
}

impl fmt::Debug for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Line").finish_non_exhaustive()
    }
}

impl Line {
    /// `time_lapse`: simulated seconds per second.
    pub fn new(seed: u64, time_lapse: f64, on_write: impl FnMut(WriteRecord) + Send + 'static) -> Self {
        let boilers = (1..=3).map(|unit| (unit, Boiler::new(unit, seed))).collect();
        let state =
            State { boilers, dead: BTreeMap::new(), time_lapse, last: Instant::now(), on_write: Box::new(on_write) };
        Self { state: Arc::new(Mutex::new(state)) }
    }

    /// Kills a unit, or (None) brings it back.
    pub fn set_dead(&self, unit: u8, how: Option<Dead>) {
        self.with(|state| match how {
            Some(how) => state.dead.insert(unit, how),
            None => state.dead.remove(&unit),
        });
    }

    fn with<T>(&self, use_it: impl FnOnce(&mut State) -> T) -> T {
        use_it(&mut self.state.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl State {
    fn answer(
        &mut self,
        SlaveRequest { slave, request }: &SlaveRequest<'_>,
    ) -> Result<Option<Response>, ExceptionCode> {
        let passed = self.last.elapsed().as_secs_f64() * self.time_lapse;
        self.last = Instant::now();
        for boiler in self.boilers.values_mut() {
            boiler.advance(passed);
        }
        match (self.dead.get(slave), self.boilers.get_mut(slave)) {
            (Some(Dead::Silent), _) => Ok(None),
            (None, Some(boiler)) => {
                let answer = map::answer(boiler, request);
                self.record(*slave, request, &answer);
                answer.map(Some)
            }
            (Some(Dead::Exception), _) | (None, None) => Err(ExceptionCode::GatewayTargetDevice),
        }
    }

    fn record(&mut self, unit: u8, request: &Request<'_>, answer: &Result<Response, ExceptionCode>) {
        let (address, values) = match request {
            Request::WriteSingleCoil(at, on) => (*at, vec![u16::from(*on)]),
            Request::WriteMultipleCoils(at, on) => (*at, on.iter().map(|on| u16::from(*on)).collect()),
            Request::WriteSingleRegister(at, word) => (*at, vec![*word]),
            Request::WriteMultipleRegisters(at, words) => (*at, words.to_vec()),
            _ => return,
        };
        let exception = answer.as_ref().err().map(|code| u8::from(*code));
        let (time, function) = (jiff::Timestamp::now().to_string(), request.function_code().value());
        (self.on_write)(WriteRecord { time, unit, function, address, values, exception });
    }
}

impl Service for Line {
    type Request = SlaveRequest<'static>;
    type Response = Option<Response>;
    type Exception = ExceptionCode;
    type Future = future::Ready<Result<Option<Response>, ExceptionCode>>;

    fn call(&self, request: Self::Request) -> Self::Future {
        future::ready(self.with(|state| state.answer(&request)))
    }
}

/// Answers until it is dropped.
pub async fn serve(listener: TcpListener, line: Line) -> io::Result<()> {
    let service = move |_: SocketAddr| Ok(Some(line.clone()));
    let service = &service;
    let connected = |stream: TcpStream, peer| async move {
        stream.set_nodelay(true)?;
        accept_tcp_connection(stream, peer, service)
    };
    Server::new(listener).serve(&connected, |_| {}).await
}
