//! `probe`: what a device can take. Reads only, so many at most, and says so before the first.
mod depth;
mod ranges;

use super::{client::Client, end, place, print, scan::millis, table::aligned, target::Target, words};
use crate::plan::Range;
use clap::{ArgMatches, Args, Command, FromArgMatches};
use depth::Depth;
use pollux_crds::{ModbusAvoid, ModbusLimits, ModbusTable, Place, Span};
use pollux_mapper::{Exit, Out};
use ranges::{Found, Survey};
use std::time::{Duration, Instant};

const EXAMPLES: &str = "\
Examples:
  pollux-modbus probe tcp://10.0.0.5/1 --range holding 0-200
  pollux-modbus probe rtu:/dev/ttyUSB0,9600,8N1/1 --range 30001-30060

It reads, and never writes: how long answers take, how much one read may ask for, which addresses are not there, and (on TCP) how many
requests may be under way at once. What it finds is printed as YAML for spec.protocol.modbus of a Device or Channel (avoid: of a
Device only); it decides nothing.";
/// Reads by which time is told.
const TIMED: u32 = 50;
/// The widest range: what a plan of reads looks at, and what a budget of requests is enough for.
const WIDEST: u16 = 2_000;
/// Ranges that the schema takes in `avoid`.
const MOST_AVOIDED: usize = 64;
/// So many connections in a row that are lost at their first question: there is nothing to be probed.
const MAX_LOST: u32 = 20;
/// Until a device that has closed a connection takes another.
const REST: Duration = Duration::from_millis(300);

/// Find out what a device can take: answer times, limits, holes, pipeline
#[derive(Debug, Args)]
struct Options {
    /// tcp://HOST[:502]/UNIT, rtu+tcp://HOST:PORT/UNIT or rtu:/dev/ttyUSB0,9600,8N1/UNIT (unit 1 where none is given)
    url: String,
    /// What is looked at: a table and FIRST-LAST, or registers FIRST-LAST
    #[arg(long, num_args = 1..=2, value_names = ["TABLE", "FIRST-LAST"], default_values = ["holding", "0-124"])]
    range: Vec<String>,
    /// The most reads that are sent
    #[arg(long, default_value_t = 1_000, value_parser = clap::value_parser!(u32).range(100..=100_000))]
    requests: u32,
    /// The deepest pipeline that is tried, on TCP
    #[arg(long, default_value_t = 16, value_parser = clap::value_parser!(u8).range(1..=64))]
    pipeline: u8,
    /// How long an answer may take
    #[arg(long, default_value = "1s")]
    timeout: Span,
}

pub(super) fn command() -> Command {
    Options::augment_args(
        Command::new("probe").about("Find out what a device can take: answer times, limits, holes, pipeline"),
    )
    .after_help(EXAMPLES)
}

pub(super) async fn run(matches: ArgMatches, mut out: Out) -> Exit {
    let options = match Options::from_arg_matches(&matches) {
        Ok(options) => options,
        Err(error) => return end(&mut out, Exit::Usage, &error.to_string()),
    };
    match Probe::parse(&options) {
        Ok(mut probe) => match probe.run(&mut out).await {
            Ok(exit) => exit,
            Err(text) => end(&mut out, Exit::Fault, &text),
        },
        Err(text) => end(&mut out, Exit::Usage, &text),
    }
}

struct Probe {
    target: Target,
    unit: u8,
    table: ModbusTable,
    first: u16,
    last: u16,
    timeout: Duration,
    deepest: usize,
    /// Reads that may still be sent.
    budget: u32,
    /// Connections lost since the last answer.
    lost: u32,
}

impl Probe {
    fn parse(options: &Options) -> Result<Self, String> {
        let target = Target::parse(&options.url)?;
        let (table, first, last) = range(&options.range).map_err(|error| format!("--range: {error}"))?;
        if last - first >= WIDEST {
            return Err(format!(
                "--range: {} addresses, must be at most {WIDEST} at a time",
                u32::from(last - first) + 1
            ));
        }
        let (deepest, timeout) = (usize::from(options.pipeline), options.timeout.duration());
        let unit = target.unit.unwrap_or(1);
        Ok(Self { target, unit, table, first, last, timeout, deepest, budget: options.requests, lost: 0 })
    }

    async fn run(&mut self, out: &mut Out) -> Result<Exit, String> {
        let place = |address: u16| place::shown(Place { table: self.table, address: address.into() });
        out.remark(&format!(
            "reads {} to {} of unit {}, at most {} requests, and writes nothing",
            place(self.first),
            place(self.last),
            self.unit,
            self.budget
        ));
        let mut client = Client::open(&self.target.device, self.timeout).await?;
        let survey = self.survey(&mut client, out).await;
        let Some(start) = survey.first() else {
            return Err(format!("unit {}: {}; nothing in this range can be read", self.unit, survey.why_not()));
        };
        let times = self.times(&mut client, start, out).await;
        if print(out, &self.report(&survey, &times)) != Exit::Ok {
            return Ok(Exit::Fault);
        }
        drop(client);
        let depth = if self.target.is_serial() { None } else { Some(self.depths(&survey, out).await) };
        if let Some(depth) = &depth {
            print(out, &depth.table());
        }
        let exit = print(out, &self.in_yaml(&survey, depth.as_ref()));
        if self.budget == 0 {
            out.remark("all requests are used up: give more with --requests, or a narrower --range");
        }
        if let Some(cut) = &survey.cut {
            return Ok(end(out, Exit::Fault, &format!("this is a part of the range only: {cut}")));
        }
        Ok(exit)
    }

    /// Medians and the like, of single reads one after the other.
    async fn times(&mut self, client: &mut Client, at: Found, out: &mut Out) -> Vec<Duration> {
        let range = Range { table: self.table, start: at.first, count: 1 };
        let mut times = vec![];
        for n in 0..TIMED.min(self.budget) {
            out.progress(&format!("answer times: {n} of {TIMED}"));
            self.budget -= 1;
            let began = Instant::now();
            match client.read(self.unit, range).await {
                Ok(reply) if reply.is_answer() => times.push(began.elapsed()),
                Ok(_) => {}
                Err(_) => match self.dial().await {
                    Ok(new) => *client = new,
                    Err(_) => break, // what is found so far is told
                },
            }
        }
        times.sort();
        times
    }

    /// Another connection where one was lost; some devices want a pause before it.
    async fn dial(&self) -> Result<Client, String> {
        tokio::time::sleep(REST).await;
        Client::open(&self.target.device, self.timeout).await
    }

    fn report(&self, survey: &Survey, times: &[Duration]) -> String {
        let mut rows = vec![];
        let mut row = |name: &str, value: String| rows.push(vec![name.to_owned(), value]);
        let at =
            |part: usize| times.get(times.len() * part / 100).or(times.last()).map_or("-".into(), |time| millis(*time));
        row("answer time", format!("{} median, {} p99 of {} single reads", at(50), at(99), times.len()));
        let what = if self.table.has_bits() { "bits" } else { "registers" };
        row("largest read", format!("{} {what}{}", survey.largest, survey.remark(self.table)));
        let holes = survey.holes_shown(self.table);
        row("holes", if holes.is_empty() { "none in this range".into() } else { holes.join(", ") });
        aligned(&rows, &[])
    }

    fn in_yaml(&self, survey: &Survey, depth: Option<&Depth>) -> String {
        let most = place::most(self.table);
        let count = survey.limit().filter(|limit| *limit < most).map(i32::from);
        let bits = self.table.has_bits();
        let limits = count.map(|count| ModbusLimits {
            registers: (!bits).then_some(count),
            bits: bits.then_some(count),
            ..ModbusLimits::default()
        });
        let mut holes: Vec<Found> = survey.inner_holes().collect();
        let all = holes.len();
        holes.sort_by_key(|hole| std::cmp::Reverse(hole.count()));
        holes.truncate(MOST_AVOIDED);
        holes.sort_by_key(|hole| hole.first);
        let avoid: Vec<ModbusAvoid> = holes
            .iter()
            .map(|hole| ModbusAvoid { table: self.table, first: hole.first.into(), last: hole.last.into() })
            .collect();
        let put = |fields: &mut serde_json::Map<_, _>, name: &str, value: Option<serde_json::Value>| {
            fields.extend(value.map(|value| (name.to_owned(), value)));
        };
        let (mut shared, mut own) = (serde_json::Map::new(), serde_json::Map::new());
        put(
            &mut shared,
            "pipeline",
            depth.map(|depth| depth.best().into()).filter(|best| *best != serde_json::json!(1)),
        );
        put(&mut shared, "limits", limits.and_then(|limits| serde_json::to_value(limits).ok()));
        let avoid = Some(avoid).filter(|list| !list.is_empty()).and_then(|list| serde_json::to_value(list).ok());
        put(&mut own, "avoid", avoid);
        let mut text = String::from("\n");
        if !shared.is_empty() {
            text += "# for spec.protocol.modbus of the Device or its Channel\n";
            text += &super::YAML.document(&shared);
        }
        if !own.is_empty() {
            let widest =
                if all > MOST_AVOIDED { format!(", the {MOST_AVOIDED} widest of {all}") } else { String::new() };
            text.extend(["# for spec.protocol.modbus of the Device", &widest, "\n"]);
            text += &super::YAML.document(&own);
        }
        if shared.is_empty() && own.is_empty() {
            text += "nothing to set: the defaults fit\n";
        }
        text
    }
}

/// `holding 0-200` or `40001-40201`.
fn range(words: &[String]) -> Result<(ModbusTable, u16, u16), String> {
    if let [table, span] = words {
        let (first, last) = words::span(span, 0, u16::MAX)?;
        return Ok((words::table(table)?, first, last));
    }
    let [span] = words else { return Err("give a table and FIRST-LAST".into()) };
    let (first, last) = span.split_once('-').ok_or("give FIRST-LAST, such as 40001-40201")?;
    let of = |text: &str| place::parse(&[text.to_owned()]).map(|(place, _)| place);
    let (first, last) = (of(first)?, of(last)?);
    if first.table != last.table || first.address > last.address {
        return Err("both ends must be registers of one table, the lower first".into());
    }
    let number = |address: i32| u16::try_from(address).unwrap_or(u16::MAX);
    Ok((first.table, number(first.address), number(last.address)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_is_said_in_two_ways() {
        let range = |line: &str| range(&line.split(' ').map(str::to_owned).collect::<Vec<_>>());
        assert_eq!(range("holding 0-200"), Ok((ModbusTable::Holding, 0, 200)));
        assert_eq!(range("30001-30060"), Ok((ModbusTable::Input, 0, 59)));
        for wrong in ["holding", "holding 9-1", "30001-40001", "40002-40001", "40001", "x 0-1", "holding 0-65536"] {
            assert!(range(wrong).is_err(), "{wrong}");
        }
    }
}
