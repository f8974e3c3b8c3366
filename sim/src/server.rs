//! The gateway: units behind tokio-modbus' server, in frames of TCP or of RTU, and a record of every write that came in.
use crate::{Boiler, Registers, map};
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
    server::{Service, rtu_over_tcp, tcp},
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
    /// Registers, or coils as 0 and 1; of function 22 both masks.
    pub values: Vec<u16>,
    /// Number of the exception; none: done.
    pub exception: Option<u8>,
}

impl WriteRecord {
    /// None: it is no write.
    pub(crate) fn of(unit: u8, request: &Request<'_>, refused: Option<&ExceptionCode>) -> Option<Self> {
        let (address, values) = match request {
            Request::WriteSingleCoil(at, on) => (*at, vec![u16::from(*on)]),
            Request::WriteMultipleCoils(at, on) => (*at, on.iter().map(|on| u16::from(*on)).collect()),
            Request::WriteSingleRegister(at, word) => (*at, vec![*word]),
            Request::WriteMultipleRegisters(at, words) => (*at, words.to_vec()),
            Request::MaskWriteRegister(at, and, or) => (*at, vec![*and, *or]),
            _ => return None,
        };
        let (time, function) = (jiff::Timestamp::now().to_string(), request.function_code().value());
        Some(Self { time, unit, function, address, values, exception: refused.map(|code| u8::from(*code)) })
    }
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
                if let Some(record) = WriteRecord::of(*slave, request, answer.as_ref().err()) {
                    (self.on_write)(record);
                }
                answer.map(Some)
            }
            (Some(Dead::Exception), _) | (None, None) => Err(ExceptionCode::GatewayTargetDevice),
        }
    }
}

impl Answers for Line {
    fn answer(&self, request: &SlaveRequest<'_>) -> Result<Option<Response>, ExceptionCode> {
        self.with(|state| state.answer(request))
    }
}

/// Units that answer at once. None: nothing is said.
pub(crate) trait Answers: Clone + Send + Sync + 'static {
    fn answer(&self, request: &SlaveRequest<'_>) -> Result<Option<Response>, ExceptionCode>;
}

/// What goes over the TCP connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Framing {
    /// Modbus TCP.
    Tcp,
    /// RTU frames, as a serial device server has them: a unit that is not there stays silent.
    Rtu,
}

#[derive(Clone)]
struct Units<A> {
    answers: A,
    framing: Framing,
}

impl<A: Answers> Service for Units<A> {
    type Request = SlaveRequest<'static>;
    type Response = Option<Response>;
    type Exception = ExceptionCode;
    type Future = future::Ready<Result<Option<Response>, ExceptionCode>>;

    fn call(&self, request: Self::Request) -> Self::Future {
        let answer = match (self.answers.answer(&request), self.framing) {
            (Err(ExceptionCode::GatewayTargetDevice), Framing::Rtu) => Ok(None),
            (answer, _) => answer,
        };
        future::ready(answer)
    }
}

/// Answers until it is dropped.
pub(crate) async fn answering(listener: TcpListener, answers: impl Answers, framing: Framing) -> io::Result<()> {
    let units = &Units { answers, framing };
    let connected = |stream: TcpStream, _: SocketAddr| async move {
        stream.set_nodelay(true)?;
        Ok(Some((units.clone(), stream)))
    };
    match framing {
        Framing::Tcp => tcp::Server::new(listener).serve(&connected, |_| {}).await,
        Framing::Rtu => rtu_over_tcp::Server::new(listener).serve(&connected, |_| {}).await,
    }
}

/// The boilers, until it is dropped.
pub async fn serve(listener: TcpListener, line: Line) -> io::Result<()> {
    answering(listener, line, Framing::Tcp).await
}

/// What holds what it is given, until it is dropped.
pub async fn serve_registers(listener: TcpListener, registers: Registers, framing: Framing) -> io::Result<()> {
    answering(listener, registers, framing).await
}
