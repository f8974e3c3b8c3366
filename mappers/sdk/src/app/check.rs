//! `check`: all that is wrong with the files, the requests that would be sent, and how busy they would keep each link.
use super::{
    Exit,
    load::{Load, time},
};
use crate::{
    DeviceKey, DeviceSpec, Hold, Interval, Protocol, Slot,
    engine::{as_driver_sees, groups, intervals},
    load::{Demand, demand},
    runtime::{Compiled, Specs, compile},
    source::file::{FileSource, Problem, Report},
};
use pollux_crds::{EffectiveDevice, Mode, Span, Writes};
use std::{
    collections::{BTreeMap, HashMap},
    io::{self, Write},
    panic::{AssertUnwindSafe, catch_unwind},
    path::PathBuf,
    time::Duration,
};

/// What is shown of one device, and what it asks of its link.
struct Checked {
    file: PathBuf,
    name: String,
    link: String,
    lines: Vec<String>,
    demand: Demand,
    seat: Seat,
}
/// What a device has of the slots of its endpoint.
struct Seat {
    /// Where it is pinned to: each node has an adapter of that name.
    node: Option<String>,
    endpoint: String,
    /// None: it is not to be touched.
    hold: Option<Hold>,
    /// Of its endpoint.
    slots: Option<usize>,
}
impl Seat {
    fn beside(&self, other: &Self) -> bool {
        (&self.node, &self.endpoint) == (&other.node, &other.endpoint)
    }
}

pub(super) fn run<P: Protocol>(protocol: &P, paths: Vec<PathBuf>, out: &mut impl Write) -> Exit {
    let (source, mut report) = FileSource::open(paths, P::NAME, Writes::Disabled);
    let mut checked = vec![];
    let mut open = HashMap::new();
    for device in &source.config().borrow().devices {
        match one(protocol, device, source.node_of(device), &mut open) {
            Ok(one) => checked.push(Checked { file: source.file_of(device), ..one }),
            Err(errors) => {
                let (file, object) = (source.file_of(device), format!("Device {}", device.name));
                report.problems.extend(errors.into_iter().map(|text| Problem::new(&file, &*object, text)));
            }
        }
    }
    for (one, text) in starved(&checked) {
        report.problems.push(Problem::new(&one.file, format!("Device {}", one.name), text));
    }
    match tell(&report, &checked, out) {
        Ok(()) if report.problems.is_empty() => Exit::Ok,
        Ok(()) => Exit::Usage,
        Err(_) => Exit::Fault, // who reads has left
    }
}

fn tell(report: &Report, checked: &[Checked], out: &mut impl Write) -> io::Result<()> {
    for line in checked.iter().flat_map(|one| &one.lines) {
        writeln!(out, "{line}")?;
    }
    let loads: Vec<(String, Option<String>)> = loads(checked).iter().filter_map(Load::told).collect();
    for (line, _) in &loads {
        writeln!(out, "{line}")?;
    }
    for note in report.notes.iter().map(ToString::to_string).chain(loads.into_iter().filter_map(|(_, note)| note)) {
        writeln!(out, "note: {note}")?;
    }
    for problem in &report.problems {
        writeln!(out, "{problem}")?;
    }
    if report.problems.is_empty() {
        let mut counts = vec![count(report.devices, "device"), count(report.models, "model")];
        counts.extend((report.channels > 0).then(|| count(report.channels, "channel")));
        writeln!(out, "{}: ok", counts.join(", "))
    } else {
        writeln!(out, "{}", count(report.problems.len(), "error"))
    }
}
/// Who would never have a turn, for others on its node keep all slots of its endpoint.
fn starved(checked: &[Checked]) -> Vec<(&Checked, String)> {
    let keepers = |one: &Checked| {
        let kept = checked.iter().filter(|other| other.seat.hold == Some(Hold::Kept) && other.seat.beside(&one.seat));
        kept.map(|other| &*other.name).collect::<Vec<_>>()
    };
    let waiting = checked.iter().filter(|one| one.seat.hold == Some(Hold::Turns));
    let told = |one: &Checked| {
        let (slots, keepers) = (one.seat.slots?, keepers(one));
        let keepers = Some(keepers).filter(|keepers| keepers.len() >= slots)?.join(", ");
        Some(format!("it gets no turn: all connections of {} ({slots}) are kept by {keepers}", one.link))
    };
    waiting.filter_map(|one| Some((one, told(one)?))).collect()
}
/// Of each link, by its name.
fn loads(checked: &[Checked]) -> Vec<Load<'_>> {
    let mut loads: BTreeMap<&str, Load<'_>> = BTreeMap::new();
    for Checked { name, link, demand, .. } in checked {
        let load = loads.entry(link).or_insert_with(|| Load { link, devices: vec![] });
        load.devices.push((name, *demand));
    }
    loads.into_values().collect()
}
pub(super) fn count(number: usize, what: &str) -> String {
    format!("{number} {what}{}", if number == 1 { "" } else { "s" })
}

/// The lines of one device, or all that its driver finds wrong, in the words of the mapper that would run it.
fn one<P: Protocol>(
    protocol: &P,
    device: &EffectiveDevice,
    node: Option<String>,
    open: &mut HashMap<String, (P::Endpoint, String)>,
) -> Result<Checked, Vec<String>> {
    let Compiled { endpoint, spec, .. } = compile(protocol, DeviceKey(0), device, &mut Specs::default())?;
    let (first, holder) = open.entry(endpoint.to_string()).or_insert_with(|| (endpoint.clone(), device.key()));
    if *first != endpoint {
        let own = format!("spec.protocol.{}", device.protocol);
        return Err(vec![format!("{own}: {endpoint} is open for {holder} with other settings; give both the same")]);
    }
    let link = device.channel.as_ref().map_or(endpoint.to_string(), |channel| format!("{channel} ({endpoint})"));
    // A driver that panics over what it has taken ends nothing but this device's lines.
    let requests = catch_unwind(AssertUnwindSafe(|| requests(protocol, &spec)));
    let (mut lines, demand, hold) = requests.unwrap_or_else(|_| Err(vec!["the driver failed over it".into()]))?;
    lines.insert(0, format!("{} at {endpoint}", device.name));
    let hold = Some(hold).filter(|_| device.mode != Mode::Off);
    let seat = Seat { node, endpoint: endpoint.to_string(), hold, slots: protocol.slots(&endpoint) };
    Ok(Checked { file: PathBuf::new(), name: device.name.clone(), link, lines, demand, seat })
}

/// What would be sent, as the engine would ask for it, and what it asks of its link.
fn requests<P: Protocol>(protocol: &P, spec: &DeviceSpec<P>) -> Result<(Vec<String>, Demand, Hold), Vec<String>> {
    let (intervals, _) = intervals(&spec.points);
    let points = as_driver_sees(&spec.points, Slot(0), &intervals);
    let unit = protocol.prepare(&spec.config, &points);
    let unit = unit.map_err(|errors| errors.into_iter().map(|error| error.text).collect::<Vec<_>>())?;
    let (mut lines, mut polled) = (vec![], vec![]);
    for (interval, due) in groups(&spec.points, intervals) {
        let due: Vec<usize> = due.into_iter().filter_map(|at| usize::try_from(at).ok()).collect();
        let plan = protocol.plan(&unit, &due);
        let costs: Option<Vec<Duration>> = plan.iter().map(|exchange| protocol.cost(&unit, exchange)).collect();
        let total = costs.as_ref().map(|costs| costs.iter().sum::<Duration>());
        let sum =
            total.map_or(String::new(), |total| format!(": {}, about {}", count(plan.len(), "request"), time(total)));
        lines.push(match interval {
            Interval::Every(span) => {
                let span = Span::from_millis(u64::try_from(span.as_millis()).unwrap_or(u64::MAX));
                format!("  every {span}{sum}")
            }
            Interval::OnConnect => format!("  once after connecting{sum}"),
        });
        if let Interval::Every(period) = interval {
            polled.push((period, due));
        }
        for (at, exchange) in plan.iter().enumerate() {
            let names = || exchange.points.iter().filter_map(|at| spec.points.get(*at)).map(|point| &*point.name);
            let request = protocol.describe(&unit, exchange).unwrap_or_else(|| names().collect::<Vec<_>>().join(", "));
            let cost = costs.as_ref().and_then(|costs| costs.get(at)).filter(|_| plan.len() > 1);
            let cost = cost.map_or(String::new(), |cost| format!("  {}", time(*cost)));
            lines.push(format!("    {request}{cost}"));
        }
    }
    let demand = demand(protocol, &unit, &polled);
    Ok((lines, demand, protocol.hold(&unit)))
}
