//! The engine's exchanges on one [`Wire`]: reads that learn what a device refuses, writes that tell what became of them.
use crate::{
    endpoint::Endpoint,
    error::Error,
    fence,
    frame::{Answer, ExceptionCode, Request, describe_exception, is_gateway, is_refused_range},
    manners,
    plan::Range,
    protocol::Modbus,
    stream::{self, Dialled, Io},
    unit::{Item, Unit},
    values::Encoded,
    wire::{Ask, Manners, Redial, Settings, Turn, Wire},
    write::{self, Step, What},
};
use pollux_crds::{ModbusTable as Table, Place};
use pollux_mapper::{Cx, Done, ErrorKind, Exchange, Fault, Instant, Limits, PointFault, Port, Samples, Value, Written};
use std::{collections::BTreeMap, sync::Arc, time::Duration};
use tracing::debug;

/// One connection to a device or gateway. Dropping it closes it.
#[derive(Debug)]
pub struct Link {
    wire: Wire,
    /// Who is at the other end, where that is known.
    pub(crate) peer: Option<String>,
}

/// Whether a write that was answered so may have been done, at least in part: in progress (5) is no refusal, a device that
/// failed (4) may have done so half-way (Application Protocol V1.1b3, section 7). A gateway that lost its device (10, 11) does
/// not know either; there, it is the device that did not answer.
fn may_be_done(code: ExceptionCode) -> bool {
    matches!(code, ExceptionCode::Acknowledge | ExceptionCode::ServerDeviceFailure)
}

impl Link {
    /// Modbus TCP, one request at a time.
    pub fn new(stream: impl Io + 'static, peer: Option<String>) -> Self {
        Self::with(stream, peer, Settings::default())
    }

    pub fn with(stream: impl Io + 'static, peer: Option<String>, settings: Settings) -> Self {
        Self { wire: Wire::with(stream, settings), peer }
    }

    /// As the endpoint is configured; opened again, where it may sleep.
    pub(crate) async fn open(endpoint: &Endpoint, cx: &Cx) -> Result<Self, Error> {
        let Dialled { stream, peer } = stream::dial(endpoint, cx).await?;
        let again = Arc::new((endpoint.clone(), cx.clone()));
        let redial: Redial = Box::new(move || {
            let again = again.clone();
            Box::pin(async move { stream::dial(&again.0, &again.1).await.map(|dialled| dialled.stream) })
        });
        Ok(Self::with(stream, peer, Settings::of(endpoint, redial)))
    }

    /// One read by itself, for commands: the answer as it came. `timeout` is the device's own, as in a mapper. Where a late answer
    /// could pass for this one, something else is asked first.
    pub(crate) async fn ask(&self, unit: u8, range: Range, timeout: Duration) -> Result<Answer, Fault<Error>> {
        let each = timeout + manners::on_wire(self.wire.character(), range);
        let until = Instant::now() + if self.wire.is_nameless() { each * 2 } else { each };
        let (request, manners) = (read_request(range), Manners::once(timeout));
        self.wire.ask(&Ask { unit, request: &request, until, manners }, || ()).await
    }

    /// Who a device says it is, for commands; None: it refused. Each page has `timeout`.
    pub(crate) async fn identify(
        &self,
        unit: u8,
        timeout: Duration,
    ) -> Result<Option<BTreeMap<String, String>>, Fault<Error>> {
        const PAGES: u32 = 8;
        let each = timeout + manners::longest(self.wire.character());
        self.wire.identify(unit, Manners::once(timeout), Instant::now() + each * PAGES).await
    }

    /// The answer to a read: its data, or why the points of this request are Bad.
    async fn fetch(
        &self,
        turn: Option<&Turn<'_>>,
        unit: &Unit,
        range: Range,
        until: Instant,
    ) -> Result<Result<Box<[u8]>, ExceptionCode>, Fault<Error>> {
        let (request, id) = (read_request(range), unit.id);
        let ask = Ask { unit: id, request: &request, until, manners: unit.patience.manners };
        let other = self.wire.is_nameless().then(|| fence::for_read(range, unit)).flatten().map(read_request);
        let own; // its own turn, where it has none yet
        let turn = if let Some(turn) = turn {
            turn
        } else {
            own = self.wire.turn(id, false, until).await?;
            &own
        };
        let answer = self.wire.ask_beside(turn, &ask, other.as_ref(), || ()).await;
        match answer? {
            Answer::Data(data) => Ok(Ok(data)),
            Answer::Exception(code) if is_gateway(code) => Err(Fault::Device(Error::Exception { unit: id, code })),
            Answer::Exception(code) => Ok(Err(code)),
            Answer::Written => Err(no_data(id)),
        }
    }

    /// False: the device refused, and the rest of the group stays.
    async fn step(&self, unit: &Unit, step: &Step, until: Instant, out: &mut Written) -> Result<bool, Fault<Error>> {
        let Step { values, what } = step;
        let (id, manners) = (unit.id, unit.patience.manners);
        let turn = self.wire.turn(id, true, until).await?;
        let mask = what.mask().filter(|_| unit.masks());
        if !self.wire.tells_echoes()
            && let Some(range) = what.repeated(mask.is_some(), unit.writing)
        {
            // As long as no read has told whether this line echoes, an echo would pass for the acknowledgement.
            drop(self.fetch(Some(&turn), unit, range, part(until, 2)).await?);
        }
        // A late answer could pass for the acknowledgement: what is read there is not.
        let nameless = self.wire.is_nameless();
        let other = nameless.then(|| fence::for_write(what.place(), unit)).flatten().map(read_request);
        if let Some(request) = mask {
            let third = part(until, 3);
            let sending = || values.iter().for_each(|at| out.sending(*at));
            let ask = Ask { unit: id, request: &request, until: third, manners };
            match self.wire.ask_beside(&turn, &ask, other.as_ref(), sending).await {
                // Certainly not done. Some devices blame address or value for a function that they do not know.
                Ok(Answer::Exception(code)) if matches!(u8::from(code), 1..=3) => {
                    if code == ExceptionCode::IllegalFunction {
                        unit.cannot_mask();
                    }
                    for at in values {
                        out.not_sent(*at);
                    }
                }
                Ok(answer) => return told(id, values, &answer, out),
                Err(fault) => {
                    if matches!(&fault, Fault::Device(error) if error.was_asked()) {
                        unit.cannot_mask();
                    }
                    return Err(fault);
                }
            }
        }
        let current = match what {
            What::Bits { address, .. } => {
                let range = Range { table: Table::Holding, start: *address, count: 1 };
                match self.fetch(Some(&turn), unit, range, part(until, 2)).await? {
                    Ok(data) => data.first_chunk().map(|pair| u16::from_be_bytes(*pair)).ok_or_else(|| no_data(id))?,
                    Err(code) => return Ok(refuse(values, code, out)),
                }
            }
            What::Coils(..) | What::Words(..) => 0,
        };
        let sending = || values.iter().for_each(|at| out.sending(*at));
        let request = what.request(current, unit.writing);
        let ask = Ask { unit: id, request: &request, until, manners };
        let answer = self.wire.ask_beside(&turn, &ask, other.as_ref(), sending).await?;
        told(id, values, &answer, out)
    }

    /// Whoever wonders why his pipeline is not used finds it in the status of the device.
    fn remark(&self, unit: &Unit) {
        if self.wire.has_fallen_back() {
            unit.told.remark("pipeline", FALLEN_BACK);
        } else {
            unit.told.no_remark("pipeline"); // of another connection
        }
        if self.wire.echoes() {
            unit.told.remark("echo", ECHOES);
        }
    }
}

const FALLEN_BACK: &str =
    "pipeline: one request at a time, because answers were lost or mixed up while several were under way";
const ECHOES: &str = "the line brings back what is sent on it (local echo): it is stepped over";

/// What the answer to a write says of its values. False: the rest of the group stays.
fn told(unit: u8, values: &[usize], answer: &Answer, out: &mut Written) -> Result<bool, Fault<Error>> {
    match *answer {
        Answer::Exception(code) if is_gateway(code) => Err(Fault::Device(Error::Exception { unit, code })),
        Answer::Exception(code) if may_be_done(code) => {
            for at in values {
                out.unknown(*at, exception(code));
            }
            Ok(false)
        }
        Answer::Exception(code) => Ok(refuse(values, code, out)),
        Answer::Written | Answer::Data(_) => {
            for at in values {
                out.done(*at);
            }
            Ok(true)
        }
    }
}

/// The end of one of so many requests that share the time until `until`.
fn part(until: Instant, of: u32) -> Instant {
    let now = Instant::now();
    now + until.saturating_duration_since(now) / of
}

/// Cannot happen: a read is answered by data of the length that was asked for. Nothing is made up of it.
fn no_data(unit: u8) -> Fault<Error> {
    Fault::Device(Error::Silent { unit, late: false })
}

fn refuse(values: &[usize], code: ExceptionCode, out: &mut Written) -> bool {
    for at in values {
        out.refused(*at, exception(code));
    }
    false
}

fn exception(code: ExceptionCode) -> PointFault {
    PointFault::new(ErrorKind::Protocol, describe_exception(code))
}

impl pollux_mapper::Link<Modbus> for Link {
    fn limits(&self) -> Limits {
        let depth = self.wire.depth();
        // There may be a bus behind a gateway.
        Limits::at_once(depth).per_unit(depth).bus(true).nameless(self.wire.is_nameless())
    }

    /// A device that will not say who it is is attached all the same.
    async fn attach(&self, unit: &Arc<Unit>, _: Port, until: Instant) -> Result<(), Fault<Error>> {
        if !unit.patience.identify {
            return Ok(());
        }
        match self.wire.identify(unit.id, unit.patience.manners, until).await {
            Ok(Some(objects)) => unit.told.identify(objects),
            Ok(None) => debug!(unit = unit.id, "it does not say who it is"),
            Err(Fault::Link(error)) => return Err(Fault::Link(error)),
            Err(fault) => debug!(unit = unit.id, ?fault, "it does not say who it is"),
        }
        Ok(())
    }

    async fn read(
        &self,
        unit: &Unit,
        exchange: &Exchange<Range>,
        until: Instant,
        out: &mut Samples,
    ) -> Result<Done, Fault<Error>> {
        let asked = exchange.request;
        let fetched = self.fetch(None, unit, asked, until).await;
        if let Err(Fault::Device(error)) = &fetched
            && error.was_asked()
        {
            unit.silent(exchange);
        }
        let again = match fetched? {
            Ok(data) => {
                deliver(unit, exchange, &data, out);
                self.remark(unit);
                unit.learned().answered(asked, Instant::now())
            }
            Err(code) if is_refused_range(code) && unit.refused(exchange, code.into()) => true,
            Err(code) => return Err(Fault::Point(exception(code))),
        };
        Ok(if again { Done::Replan } else { Done::Ok })
    }

    async fn write(
        &self,
        unit: &Unit,
        values: &[(usize, Value)],
        until: Instant,
        out: &mut Written,
    ) -> Result<(), Fault<Error>> {
        let steps = encode(unit, values, out);
        if steps.is_some() {
            // A bit is read before it is written: what ends that read has written nothing.
            (0..values.len()).for_each(|at| out.not_sent(at));
        }
        for step in steps.unwrap_or_default() {
            if !self.step(unit, &step, until, out).await? {
                break;
            }
        }
        Ok(())
    }

    fn late_answers(&self) -> u64 {
        self.wire.late_answers()
    }

    async fn run(&self) -> Error {
        self.wire.pump().await
    }
}

/// Requests that these values take; one where they cannot be written.
pub(crate) fn requests(unit: &Unit, values: &[(usize, Value)]) -> u32 {
    let steps = encode(unit, values, &mut Written::new(values.len())).unwrap_or_default();
    steps.iter().map(|step| step.what.requests()).sum::<u32>().max(1)
}

/// None: something of the group cannot be written, so nothing of it is.
fn encode(unit: &Unit, values: &[(usize, Value)], out: &mut Written) -> Option<Vec<Step>> {
    let mut group = Vec::with_capacity(values.len());
    for (at, (point, value)) in values.iter().enumerate() {
        match unit.encode(*point, value) {
            Ok(pair) => group.push(pair),
            Err(fault) => out.refused(at, fault),
        }
    }
    (group.len() == values.len()).then(|| write::steps(group, unit.writing))
}

impl Unit {
    pub(crate) fn encode(&self, point: usize, value: &Value) -> Result<(&Item, Encoded), PointFault> {
        let no = |text| PointFault::new(ErrorKind::Config, text);
        let item = self.items().get(point).ok_or_else(|| no("no such point"))?;
        if !matches!(item.range.table, Table::Coil | Table::Holding) {
            return Err(no("only tables coil and holding can be written"));
        }
        Ok((item, item.format.encode(value)?))
    }
}

fn read_request(range: Range) -> Request<'static> {
    let Range { table, start, count } = range;
    match table {
        Table::Coil => Request::ReadCoils(start, count),
        Table::Discrete => Request::ReadDiscreteInputs(start, count),
        Table::Holding => Request::ReadHoldingRegisters(start, count),
        Table::Input => Request::ReadInputRegisters(start, count),
    }
}

/// "unit 1  fc 3 holding 0..12 (40001..40013)  temperature, setpoint": as it is sent, and as data sheets have it.
pub(crate) fn describe(unit: &Unit, exchange: &Exchange<Range>) -> String {
    let names: Vec<&str> = exchange.points.iter().filter_map(|at| unit.name(*at)).collect();
    let Range { table, start, count } = exchange.request;
    let register = |address: u16| Place { table, address: address.into() }.register();
    let last = start.saturating_add(count.saturating_sub(1));
    let registers = if last == start { register(start) } else { format!("{}..{}", register(start), register(last)) };
    let request = crate::frame::describe_request(&read_request(exchange.request));
    format!("unit {}  {request} ({registers})  {}", unit.id, names.join(", "))
}

pub(crate) fn deliver(unit: &Unit, exchange: &Exchange<Range>, data: &[u8], out: &mut Samples) {
    for (slot, item) in exchange.points.iter().filter_map(|at| unit.point(*at)) {
        let offset = usize::from(item.range.start.saturating_sub(exchange.request.start));
        item.format.deliver(data, offset, slot, out);
    }
}
