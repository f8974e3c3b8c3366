//! `scan`: which unit ids answer. One small read each, in turn; any word of the unit itself counts, a refusal too.
use super::{
    client::{Client, Reply, hex},
    end, model, names, place, print,
    table::pad,
    target::Target,
    words,
};
use crate::plan::Range;
use clap::{ArgMatches, Args, Command, FromArgMatches};
use pollux_crds::{ModbusDataType, Place, Property, Span};
use pollux_mapper::{Exit, Out};
use serde_json::json;
use std::{
    fmt::Write as _,
    time::{Duration, Instant},
};

const EXAMPLES: &str = "\
Examples:
  pollux-modbus scan tcp://10.0.0.5                     units 1 to 247 behind a gateway
  pollux-modbus scan rtu:/dev/ttyUSB0,9600,8N1 --units 1-32
  pollux-modbus scan tcp://10.0.0.5 --identify          and who each says it is: vendor, product, revision
  pollux-modbus scan tcp://10.0.0.5 --yaml > line.yaml  a Channel and a Device for each unit

Each unit is asked once (once more where the connection was lost), one after the other, by a read of one register (a coil with --at coil 0).
An exception is an answer, but 10 and 11: those are the gateway's own. A unit that is not there takes one time-out, on a serial line up to two
and the pause between questions; one that is there takes up to eight more with --identify. Where a connection is lost it is made anew, and tried
for up to ten seconds. A scan that ends early shows what it has found. Nothing is ever written to a device.";
/// Between two questions on a serial line, so that others on it come to their turn.
const GENTLE: Duration = Duration::from_millis(20);
/// Units in a row that lost two connections each: the one they were asked on and a new one. Then there is nothing to be scanned.
const MAX_LOST: u32 = 3;
/// Before a connection is made anew, and twice as long each time that it cannot be: a device may have restarted.
const REST: Duration = Duration::from_millis(300);
const DIALS: u32 = 5;
const HEAD: &str = "unit  time     answer";

/// Find the unit ids (slave addresses) that answer behind a gateway or on a serial line
#[derive(Debug, Args)]
struct Options {
    /// tcp://HOST[:502], rtu+tcp://HOST:PORT or rtu:/dev/ttyUSB0,9600,8N1
    url: String,
    /// Unit ids: FIRST-LAST, 0-255 on TCP, 1-247 on serial lines
    #[arg(long, default_value = "1-247")]
    units: String,
    /// How long an answer may take; slow units behind a radio need more
    #[arg(long, default_value = "200ms")]
    timeout: Span,
    /// What is read: a table and an address, or a register
    #[arg(long, num_args = 1..=2, value_names = ["TABLE", "ADDRESS"], default_values = ["holding", "0"])]
    at: Vec<String>,
    /// Ask each unit that answers who it is too (function 43/14); a few devices do not survive a function that they do not know
    #[arg(long)]
    identify: bool,
    /// Print a Channel and a Device for each unit in YAML, and what was found as remarks
    #[arg(long)]
    yaml: bool,
    /// With --yaml: the name of the Channel
    #[arg(long, requires = "yaml", default_value = "line")]
    channel: String,
}

pub(super) fn command() -> Command {
    Options::augment_args(Command::new("scan").about("Find the unit ids (slave addresses) that answer"))
        .after_help(EXAMPLES)
}

pub(super) async fn run(matches: ArgMatches, mut out: Out) -> Exit {
    let options = match Options::from_arg_matches(&matches) {
        Ok(options) => options,
        Err(error) => return end(&mut out, Exit::Usage, &error.to_string()),
    };
    match Scan::parse(&options) {
        Ok(scan) => scan.run(&options, &mut out).await,
        Err(text) => end(&mut out, Exit::Usage, &text),
    }
}

struct Scan {
    target: Target,
    units: (u8, u8),
    place: Place,
    range: Range,
    timeout: Duration,
    identify: bool,
}

/// One unit that is there, and what it said.
struct Found {
    unit: u8,
    said: String,
    /// Who it is, where it was asked and knows.
    who: Option<String>,
}

impl Scan {
    fn parse(options: &Options) -> Result<Self, String> {
        let target = Target::parse(&options.url)?;
        if let Some(unit) = target.unit {
            return Err(format!(
                "scan looks for units: leave /{unit} out of the URL, and say --units {unit} for this one alone"
            ));
        }
        let (low, high) = if target.is_serial() { (1, 247) } else { (0, 255) };
        let byte = |number: u16| u8::try_from(number).unwrap_or(u8::MAX);
        let (first, last) = words::span(&options.units, low, high).map_err(|error| format!("--units: {error}"))?;
        let (place, took) = place::parse(&options.at).map_err(|error| format!("--at: {error}"))?;
        if took < options.at.len() {
            return Err("--at takes a table and an address, or a register alone".into());
        }
        names::checked("--channel", &options.channel)?;
        let start = u16::try_from(place.address).unwrap_or(u16::MAX);
        let range = Range { table: place.table, start, count: 1 };
        let (units, timeout) = ((byte(first), byte(last)), options.timeout.duration());
        Ok(Self { target, units, place, range, timeout, identify: options.identify })
    }

    async fn run(&self, options: &Options, out: &mut Out) -> Exit {
        let mut found = vec![];
        let ended = self.units(options.yaml, &mut found, out).await;
        if ended.as_ref().is_ok_and(|exit| *exit != Exit::Ok) {
            return Exit::Fault; // nobody reads what it prints
        }
        if ended.is_ok() {
            out.remark(&self.summary(&found));
        }
        if options.yaml && !found.is_empty() && print(out, &self.in_yaml(&options.channel, &found)) != Exit::Ok {
            return Exit::Fault;
        }
        match ended {
            Err(text) if found.is_empty() => end(out, Exit::Fault, &text),
            Err(text) => end(out, Exit::Fault, &format!("this is a part of the units only: {text}")),
            Ok(_) if found.is_empty() => Exit::Fault,
            Ok(_) => Exit::Ok,
        }
    }

    /// Asks each, and tells of each that is there at once.
    async fn units(&self, quiet: bool, found: &mut Vec<Found>, out: &mut Out) -> Result<Exit, String> {
        let mut client = Client::open(&self.target.device, self.timeout).await?;
        let mut losses = 0;
        let (first, last) = self.units;
        for unit in first..=last {
            out.progress(&progress(unit, self.units, found.len()));
            let began = Instant::now();
            let Some(reply) = self.ask(&mut client, unit, out).await? else {
                losses += 1;
                if losses >= MAX_LOST {
                    return Err(format!(
                        "unit {unit}: given up after {losses} units that lost the connection twice each"
                    ));
                }
                continue;
            };
            losses = 0;
            if reply.is_answer() {
                let took = began.elapsed();
                let (who, cut) = self.who(&client, unit, out).await;
                let one = Found { unit, said: self.said(&reply), who };
                let head = if found.is_empty() { format!("{HEAD}\n") } else { String::new() };
                let new = format!("{head}{}\n", one.line(took));
                found.push(one);
                if !quiet && print(out, &new) != Exit::Ok {
                    return Ok(Exit::Fault);
                }
                if cut && unit < last {
                    client = self.anew().await.map_err(|error| format!("unit {unit}: {error}"))?;
                }
            }
            if self.target.is_serial() {
                tokio::time::sleep(GENTLE).await;
            }
        }
        Ok(Exit::Ok)
    }

    /// Once more on a new connection where the first was lost: it may have been another's doing. None: that one is lost too.
    async fn ask(&self, client: &mut Client, unit: u8, out: &mut Out) -> Result<Option<Reply>, String> {
        for _ in 0..2 {
            match client.read(unit, self.range).await {
                Ok(reply) => return Ok(Some(reply)),
                Err(error) => out.remark(&format!("unit {unit}: {error}; the connection is made anew")),
            }
            *client = self.anew().await.map_err(|error| format!("unit {unit}: {error}"))?;
        }
        Ok(None)
    }

    async fn anew(&self) -> Result<Client, String> {
        let mut rest = REST;
        for _ in 1..DIALS {
            tokio::time::sleep(rest).await;
            if let Ok(client) = Client::open(&self.target.device, self.timeout).await {
                return Ok(client);
            }
            rest *= 2;
        }
        tokio::time::sleep(rest).await;
        Client::open(&self.target.device, self.timeout).await
    }

    /// And whether the question cost the connection.
    async fn who(&self, client: &Client, unit: u8, out: &mut Out) -> (Option<String>, bool) {
        if !self.identify {
            return (None, false);
        }
        match client.identify(unit).await {
            Ok(who) => (who, false),
            Err(error) => {
                out.remark(&format!("unit {unit}: asked who it is: {error}; the connection is made anew"));
                (None, true)
            }
        }
    }

    fn said(&self, reply: &Reply) -> String {
        match reply {
            Reply::Data(data) if self.place.table.has_bits() => {
                format!("{} = {}", place::shown(self.place), data.first().is_some_and(|byte| byte & 1 == 1))
            }
            Reply::Data(_) => format!("{} = {}", place::shown(self.place), hex(&reply.registers())),
            other => other.to_string(),
        }
    }

    fn summary(&self, found: &[Found]) -> String {
        let (first, last) = self.units;
        let asked = usize::from(last - first) + 1;
        let names = found.iter().map(|one| one.unit.to_string()).collect::<Vec<_>>().join(", ");
        let mut text = match found.len() {
            0 => format!("none of {asked} units answered within {}", Span::from_millis(millis_of(self.timeout))),
            1 => format!("1 of {asked} units answered: {names}"),
            count => format!("{count} of {asked} units answered: {names}"),
        };
        if asked > 8 && found.len() == asked {
            text.push_str("\nevery unit id answers: this is one device that does not look at it, and no gateway");
        }
        text
    }

    fn in_yaml(&self, channel: &str, found: &[Found]) -> String {
        let mut transport = serde_json::to_value(&self.target.device).unwrap_or_default();
        if let Some(fields) = transport.as_object_mut() {
            fields.remove("unitId");
        }
        let mut text = model::document("Channel", channel, &json!({"protocol": {"modbus": transport}}));
        let bits = self.place.table.has_bits();
        let binding = pollux_crds::ModbusBinding {
            data_type: (!bits).then_some(ModbusDataType::Uint16),
            ..model::place(self.place.table, self.place.address)
        };
        let name = format!("{}_{}", self.place.table.name(), self.place.address);
        let property: Property = model::property(&name, binding);
        for Found { unit, said, who } in found {
            let config = json!({"channel": channel, "unitId": unit});
            let device = model::device_at(&format!("{channel}-{unit}"), &config, std::slice::from_ref(&property));
            let who = who.as_ref().map_or_else(String::new, |who| format!("# It is: {who}\n"));
            write!(text, "---\n# It said: {said}\n{who}{device}").ok(); // a String takes it
        }
        text
    }
}

impl Found {
    fn line(&self, took: Duration) -> String {
        let who = self.who.as_ref().map_or_else(String::new, |who| format!("  {who}"));
        format!("{}  {}  {}{who}", pad(&self.unit.to_string(), 4, true), pad(&millis(took), 7, true), self.said)
    }
}

/// `[######··········]  unit 97 of 247, 2 found`.
fn progress(unit: u8, (first, last): (u8, u8), found: usize) -> String {
    const WIDE: usize = 24;
    let (done, all) = (usize::from(unit - first), usize::from(last - first) + 1);
    let full = done * WIDE / all;
    format!("[{}{}]  unit {unit} of {last}, {found} found", "#".repeat(full), "·".repeat(WIDE - full))
}

fn millis_of(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}
/// `1.2 ms`, `340 ms`.
pub(super) fn millis(time: Duration) -> String {
    let millis = time.as_secs_f64() * 1e3;
    if millis < 100.0 { format!("{millis:.1} ms") } else { format!("{millis:.0} ms") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn progress_goes_from_empty_to_nearly_full() {
        assert_eq!(progress(1, (1, 247), 0), format!("[{}]  unit 1 of 247, 0 found", "·".repeat(24)));
        assert_eq!(progress(247, (1, 247), 2), format!("[{}·]  unit 247 of 247, 2 found", "#".repeat(23)));
        assert_eq!(progress(7, (7, 7), 0), format!("[{}]  unit 7 of 7, 0 found", "·".repeat(24)));
    }

    #[test]
    fn times_are_short() {
        assert_eq!(millis(Duration::from_micros(1_240)), "1.2 ms");
        assert_eq!(millis(Duration::from_millis(340)), "340 ms");
    }
}
