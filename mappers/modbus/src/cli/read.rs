//! `read` of a URL: one place of a device, before there is any YAML.
mod again;
mod properties;

use super::{
    YAML,
    client::{Client, Reply, hex},
    end, guess, model, names, place, print,
    table::aligned,
    target::Target,
    words,
};
use crate::{Modbus, Unit, link, plan::Range};
use again::Again;
use clap::{ArgMatches, Args, Command, FromArgMatches};
use pollux_crds::{ByteOrder, ModbusBinding, ModbusDataType as Type, Place, Property, Span};
use pollux_mapper::{Exit, Out, Precision, Protocol, Samples, Slot, Value, convert::shortest_half, printable};
use properties::{binding, kind, prepared, properties};
use std::{fmt::Write as _, time::Duration};

const EXAMPLES: &str = "\
Examples:
  pollux-modbus read tcp://10.0.0.5/1 holding 0 float32
  pollux-modbus read tcp://10.0.0.5/1 40001 float32 --all-orders     every type and byte order in one table
  pollux-modbus read rtu:/dev/ttyUSB0,9600,8N1/1 input 30 int16 --count 8
  pollux-modbus read tcp://10.0.0.5/1 coil 0
  pollux-modbus read tcp://10.0.0.5/1 40001 float32 --interval 1s    a line a second with its time, until Ctrl-C
  pollux-modbus read tcp://10.0.0.5/1 holding 100 bytes --length 8   registers as they stand
  pollux-modbus read tcp://10.0.0.5/1 40001 float32 --yaml --device meter-1 > meter-1.yaml

Nothing is ever written to the device.";

/// Read one place of a device that has no YAML yet
#[derive(Debug, Args)]
struct Options {
    /// tcp://HOST[:502]/UNIT, rtu+tcp://HOST:PORT/UNIT or rtu:/dev/ttyUSB0,9600,8N1/UNIT (unit 1 where none is given)
    url: String,
    /// Table and address (holding 0), or a register of a data sheet (40001); then its type, such as float32, int16 or string; coils
    /// and discrete inputs have none
    #[arg(required = true, num_args = 1..=3, value_names = ["TABLE", "ADDRESS", "TYPE"])]
    words: Vec<String>,
    /// Order of the bytes: ABCD, BADC, CDAB or DCBA [default: ABCD]
    #[arg(long, conflicts_with = "all_orders")]
    order: Option<String>,
    /// Show the registers in every type and byte order; a type of 64 bits shows those too
    #[arg(long)]
    all_orders: bool,
    /// So many values, one after the other
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=1000), conflicts_with = "all_orders")]
    count: u16,
    /// One bit of a register, 0 to 15, instead of a type
    #[arg(long, conflicts_with = "all_orders")]
    bit: Option<i32>,
    /// Registers of a string, or of bytes
    #[arg(long)]
    length: Option<i32>,
    /// Read again and again, 10ms to 24h apart: a line for each value with its time. A fault is said in its line, and ends nothing
    #[arg(long, conflicts_with_all = ["all_orders", "yaml"])]
    interval: Option<Span>,
    /// With --interval: so often, and no more [default: until Ctrl-C]
    #[arg(long, requires = "interval", value_parser = clap::value_parser!(u32).range(1..))]
    times: Option<u32>,
    /// How long an answer may take
    #[arg(long, default_value = "1s")]
    timeout: Span,
    /// Print the property in YAML, and the values as remarks
    #[arg(long)]
    yaml: bool,
    /// With --yaml: a whole Device of this name
    #[arg(long, requires = "yaml")]
    device: Option<String>,
    /// With --yaml: the name of the property
    #[arg(long, requires = "yaml")]
    name: Option<String>,
}

pub(super) fn command() -> Command {
    Options::augment_args(Command::new("url")).after_help(EXAMPLES)
}

pub(super) async fn run(matches: ArgMatches, mut out: Out) -> Exit {
    let options = match Options::from_arg_matches(&matches) {
        Ok(options) => options,
        Err(error) => return end(&mut out, Exit::Usage, &error.to_string()),
    };
    match Job::parse(&options) {
        Ok(job) => job.run(&mut out).await,
        Err(text) => end(&mut out, Exit::Usage, &text),
    }
}

/// What is to be read, and shown how.
struct Job {
    target: Target,
    place: Place,
    kind: Option<Type>,
    all_orders: bool,
    timeout: Duration,
    yaml: bool,
    device: Option<String>,
    again: Option<Again>,
    properties: Vec<Property>,
    unit: Unit,
}

/// Why there are no values.
enum Failure {
    Refused(Range, Reply),
    /// The connection.
    Lost(String),
}

impl Job {
    fn parse(options: &Options) -> Result<Self, String> {
        let target = Target::parse(&options.url)?;
        let (place, took) = place::parse(&options.words)?;
        let kind = kind(options, place, options.words.get(took..).unwrap_or_default())?;
        let order = options.order.as_deref().map(words::byte_order).transpose()?;
        let first = binding(options, place, kind, order);
        let name = options.name.clone().unwrap_or_else(|| format!("{}_{}", place.table.name(), place.address));
        let properties = properties(&name, &first, options.count)?;
        let unit = prepared(&target, &properties)?;
        if let Some(name) = &options.device {
            names::checked("--device", name)?;
        }
        let (all_orders, timeout) = (options.all_orders, options.timeout.duration());
        Ok(Self {
            target,
            place,
            kind,
            all_orders,
            timeout,
            yaml: options.yaml,
            device: options.device.clone(),
            again: options.interval.map(|every| Again::new(every.duration(), options.times)).transpose()?,
            properties,
            unit,
        })
    }

    async fn run(mut self, out: &mut Out) -> Exit {
        let client = match Client::open(&self.target.device, self.timeout).await {
            Ok(client) => client,
            Err(text) => return end(out, Exit::Fault, &text),
        };
        if let Some(again) = self.again {
            return again::run(&self, client, again, out).await;
        }
        let shown = if self.all_orders {
            self.orders(&client, out).await.map(|text| (text, Exit::Ok))
        } else {
            self.values(&client).await
        };
        let (text, exit) = match shown {
            Ok(shown) => shown,
            Err(text) => return end(out, Exit::Fault, &text),
        };
        let printed = if self.yaml {
            out.remark(text.trim_end());
            print(out, &self.in_yaml())
        } else {
            print(out, &text)
        };
        if printed == Exit::Ok { exit } else { printed }
    }

    fn in_yaml(&self) -> String {
        match &self.device {
            Some(name) => model::device(name, &self.target.device, &self.properties),
            None => YAML.items(&self.properties, 2),
        }
    }

    /// A line per value; a Bad one is a fault.
    async fn values(&self, client: &Client) -> Result<(String, Exit), String> {
        match self.rows(client).await {
            Ok((rows, exit)) => Ok((aligned(&rows, &[]), exit)),
            Err(Failure::Refused(range, reply)) => Err(self.refused(client, range, &reply).await),
            Err(Failure::Lost(text)) => Err(text),
        }
    }
    async fn rows(&self, client: &Client) -> Result<(Vec<Vec<String>>, Exit), Failure> {
        let due: Vec<usize> = (0..self.properties.len()).collect();
        let mut samples = Samples::default();
        for exchange in Modbus.plan(&self.unit, &due) {
            match self.ask(client, exchange.request).await.map_err(Failure::Lost)? {
                Reply::Data(data) => link::deliver(&self.unit, &exchange, &data, &mut samples),
                refused => return Err(Failure::Refused(exchange.request, refused)),
            }
        }
        let (mut rows, mut exit) = (vec![], Exit::Ok);
        for (Slot(slot), value, _) in samples.readings() {
            let Some(at) = usize::try_from(slot).ok().filter(|at| *at < self.properties.len()) else { continue };
            let value = match value {
                Ok(value) => self.shown(at, &value),
                Err(fault) => {
                    exit = Exit::Fault;
                    format!("Bad: {}", fault.text)
                }
            };
            rows.push(self.row(at, printable(&value)));
        }
        Ok((rows, exit))
    }
    fn row(&self, at: usize, value: String) -> Vec<String> {
        let binding = self.properties.get(at).and_then(|p| p.binding.as_ref()).and_then(|b| b.modbus.as_ref());
        let place = binding.and_then(|b| b.place().ok()).unwrap_or(self.place);
        let kind = match binding {
            Some(ModbusBinding { data_type: Some(kind), byte_order, .. }) => {
                let order = byte_order.and_then(|order| serde_json::to_value(order).ok());
                let order = order.and_then(|word| word.as_str().map(|word| format!(" {word}"))).unwrap_or_default();
                words::type_name(*kind) + &order
            }
            Some(ModbusBinding { bit: Some(bit), .. }) => format!("bit {bit}"),
            _ => String::new(),
        };
        [place::shown(place), kind, value].into_iter().filter(|cell| !cell.is_empty()).collect()
    }
    /// As people write it: 21.3, and not what a float32 of it is as a double.
    #[expect(clippy::cast_possible_truncation, reason = "it was a float32")]
    fn shown(&self, at: usize, value: &Value) -> String {
        match (value, Modbus.precision(&self.unit, at)) {
            (Value::Float(number), Precision::Single) => (*number as f32).to_string(),
            (Value::Float(number), Precision::Half) => shortest_half(*number).to_string(),
            (Value::Bytes(bytes), _) => bytes.iter().fold("0x".to_owned(), |text, byte| text + &format!("{byte:02X}")),
            (value, _) => value.to_string(),
        }
    }

    /// One table that ends the guessing; the order of the YAML follows from it where it is plain.
    async fn orders(&mut self, client: &Client, out: &mut Out) -> Result<String, String> {
        let wide = matches!(self.kind, Some(Type::Int64 | Type::Uint64 | Type::Float64));
        let range = self.range(self.place.address, if wide { 4 } else { 2 });
        let reply = self.ask(client, range).await?;
        let registers = match reply {
            Reply::Data(_) => reply.registers(),
            // It may be the last register, and alone.
            Reply::Exception(_) => match self.ask(client, Range { count: 1, ..range }).await? {
                one @ Reply::Data(_) => one.registers(),
                _ => return Err(self.refused(client, Range { count: 1, ..range }, &reply).await),
            },
            refused => return Err(self.refused(client, range, &refused).await),
        };
        let guesses = guess::readings(&registers);
        let likely: Vec<&guess::Guess> = guesses.iter().filter(|g| Some(g.kind) == self.kind && g.plausible).collect();
        if let [one] = likely.as_slice() {
            self.order(one.order);
        } else if self.yaml {
            out.remark("the order in the YAML is ABCD: repeat with --order when you know it");
        }
        let verdict = guess::verdict(&guesses, self.kind);
        let head = format!("{} of unit {}: {}", place::shown(self.place), self.unit.id, hex(&registers));
        Ok(format!("{head}\n\n{}\n{}\n{verdict}\n", guess::table(&guesses), guess::LEGEND))
    }
    fn order(&mut self, order: ByteOrder) {
        for binding in self.properties.iter_mut().filter_map(|p| p.binding.as_mut()?.modbus.as_mut()) {
            binding.byte_order = (order != ByteOrder::Abcd).then_some(order);
        }
    }

    fn range(&self, address: i32, count: u16) -> Range {
        let start = u16::try_from(address).unwrap_or(u16::MAX);
        let there = u16::try_from(65_536 - u32::from(start)).unwrap_or(u16::MAX);
        Range { table: self.place.table, start, count: count.min(there) }
    }
    async fn ask(&self, client: &Client, range: Range) -> Result<Reply, String> {
        client.read(self.unit.id, range).await.map_err(|error| error.to_string())
    }

    /// Why there is no value, and for exception 2 what the neighbours say: most maps count from 1, some from 0.
    async fn refused(&self, client: &Client, asked: Range, reply: &Reply) -> String {
        let mut text = format!("unit {}: {reply}", self.unit.id);
        if reply.exception() != Some(2) {
            return text;
        }
        let at = Place { table: asked.table, address: asked.start.into() };
        write!(text, ": {} is not there", place::shown(at)).ok(); // a String takes it
        let mut found = false;
        for (start, hint) in [(asked.start.checked_sub(1), "one lower"), (asked.start.checked_add(1), "one higher")] {
            let Some(start) = start else { continue };
            let Ok(Reply::Data(data)) = client.read(self.unit.id, Range { start, ..asked }).await else { continue };
            found = true;
            let near = Place { table: asked.table, address: start.into() };
            let registers = Reply::Data(data).registers();
            let words = if asked.table.has_bits() {
                String::new()
            } else {
                format!(": {}", hex(registers.get(..4.min(registers.len())).unwrap_or_default()))
            };
            let near = place::shown(near);
            write!(text, "\n{near} answers{words}; {} here may be {near}, {hint}", at.register()).ok();
        }
        if !found {
            text.push_str("; nor are its neighbours");
        }
        text
    }
}
