//! `check`: all that is wrong with the files, and the requests that would be sent.
use super::Exit;
use crate::{
    ConfigError, Interval, Point, Protocol, Slot,
    source::file::{FileSource, Problem, Report},
};
use pollux_crds::{Access, EffectiveDevice, EffectiveProperty, Source, Span, Writes};
use std::{
    collections::{BTreeMap, HashMap},
    io::{self, Write},
    path::PathBuf,
};

pub(super) fn run<P: Protocol>(protocol: &P, paths: Vec<PathBuf>, out: &mut impl Write) -> Exit {
    let (source, mut report) = FileSource::open(paths, P::NAME, Writes::Disabled);
    let mut checked = vec![];
    let mut open = HashMap::new();
    for device in &source.config().borrow().devices {
        match one(protocol, device, &mut open) {
            Ok(lines) => checked.push(lines),
            Err(errors) => report.problems.extend(errors.into_iter().map(|(field, message)| Problem {
                file: source.file_of(device),
                object: format!("Device {}", device.name),
                field,
                message,
            })),
        }
    }
    match tell(&report, &checked, out) {
        Ok(()) if report.problems.is_empty() => Exit::Ok,
        Ok(()) => Exit::Usage,
        Err(_) => Exit::Fault, // who reads has left
    }
}

fn tell(report: &Report, checked: &[Vec<String>], out: &mut impl Write) -> io::Result<()> {
    for line in checked.iter().flatten() {
        writeln!(out, "{line}")?;
    }
    for note in &report.notes {
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
fn count(number: usize, what: &str) -> String {
    format!("{number} {what}{}", if number == 1 { "" } else { "s" })
}

/// Field and message.
type Errors = Vec<(String, String)>;

/// The lines of one device, or all that its driver finds wrong.
fn one<P: Protocol>(
    protocol: &P,
    device: &EffectiveDevice,
    open: &mut HashMap<String, (P::Endpoint, String)>,
) -> Result<Vec<String>, Errors> {
    let own = format!("spec.protocol.{}", device.protocol);
    let config: P::Device =
        serde_json::from_value(device.config.clone()).map_err(|e| vec![(own.clone(), e.to_string())])?;
    let endpoint = protocol.endpoint(&config).map_err(|e| vec![(own.clone(), e.text)])?;
    let bound = addresses::<P>(device)?;
    let points: Vec<_> =
        bound.iter().enumerate().map(|(at, (property, address))| point(at, property, address)).collect();
    let unit = protocol
        .prepare(&config, &points)
        .map_err(|errors| errors.into_iter().map(|e| wrong(e, &own, &points)).collect::<Errors>())?;
    let (first, holder) = open.entry(endpoint.to_string()).or_insert_with(|| (endpoint.clone(), device.key()));
    if *first != endpoint {
        return Err(vec![(own, format!("{endpoint} is open for {holder} with other settings; give both the same"))]);
    }
    let mut lines = vec![format!("{} at {endpoint}", device.name)];
    let readable = points.iter().enumerate().filter(|(_, point)| point.readable);
    let mut due: BTreeMap<Interval, Vec<usize>> = BTreeMap::new();
    readable.for_each(|(at, point)| due.entry(point.interval).or_default().push(at));
    for (interval, due) in due {
        lines.push(match interval {
            Interval::Every(span) => {
                format!("  every {}", Span::from_millis(u64::try_from(span.as_millis()).unwrap_or(u64::MAX)))
            }
            Interval::OnConnect => "  once after connecting".into(),
        });
        for exchange in protocol.plan(&unit, &due) {
            let names = || exchange.points.iter().filter_map(|at| points.get(*at)).map(|point| point.name);
            let request = protocol.describe(&unit, &exchange).unwrap_or_else(|| names().collect::<Vec<_>>().join(", "));
            lines.push(format!("    {request}"));
        }
    }
    Ok(lines)
}

fn addresses<P: Protocol>(device: &EffectiveDevice) -> Result<Vec<(&EffectiveProperty, P::Address)>, Errors> {
    let (mut found, mut errors) = (vec![], vec![]);
    for property in &device.properties {
        let Source::Binding(json) = &property.source else { continue };
        match serde_json::from_value(json.clone()) {
            Ok(address) => found.push((property, address)),
            Err(e) => errors.push((format!("spec.properties[{}].binding", property.name), e.to_string())),
        }
    }
    if errors.is_empty() { Ok(found) } else { Err(errors) }
}
fn point<'a, A>(at: usize, property: &'a EffectiveProperty, address: &'a A) -> Point<'a, A> {
    Point {
        slot: Slot(u32::try_from(at).unwrap_or(u32::MAX)),
        name: &property.name,
        address,
        readable: property.access != Access::WriteOnly,
        writable: property.access != Access::ReadOnly,
        interval: match property.interval {
            pollux_crds::Interval::Every(span) => Interval::Every(span.duration()),
            pollux_crds::Interval::OnConnect => Interval::OnConnect,
        },
        read_group: property.read_group.as_deref(),
    }
}
fn wrong<A>(error: ConfigError, own: &str, points: &[Point<'_, A>]) -> (String, String) {
    let point = error.point.and_then(|at| points.get(at));
    (point.map_or_else(|| own.to_owned(), |point| format!("spec.properties[{}].binding", point.name)), error.text)
}
