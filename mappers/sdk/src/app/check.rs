//! `check`: all that is wrong with the files, and the requests that would be sent.
use super::Exit;
use crate::{
    DeviceKey, DeviceSpec, Interval, Protocol, Slot,
    engine::{as_driver_sees, groups, intervals},
    runtime::{Compiled, compile},
    source::file::{FileSource, Problem, Report},
};
use pollux_crds::{EffectiveDevice, Span, Writes};
use std::{
    collections::HashMap,
    io::{self, Write},
    panic::{AssertUnwindSafe, catch_unwind},
    path::PathBuf,
};

pub(super) fn run<P: Protocol>(protocol: &P, paths: Vec<PathBuf>, out: &mut impl Write) -> Exit {
    let (source, mut report) = FileSource::open(paths, P::NAME, Writes::Disabled);
    let mut checked = vec![];
    let mut open = HashMap::new();
    for device in &source.config().borrow().devices {
        match one(protocol, device, &mut open) {
            Ok(lines) => checked.push(lines),
            Err(errors) => {
                let (file, object) = (source.file_of(device), format!("Device {}", device.name));
                report.problems.extend(errors.into_iter().map(|text| Problem::new(&file, &*object, text)));
            }
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

/// The lines of one device, or all that its driver finds wrong, in the words of the mapper that would run it.
fn one<P: Protocol>(
    protocol: &P,
    device: &EffectiveDevice,
    open: &mut HashMap<String, (P::Endpoint, String)>,
) -> Result<Vec<String>, Vec<String>> {
    let Compiled { endpoint, spec, .. } = compile(protocol, DeviceKey(0), device)?;
    let (first, holder) = open.entry(endpoint.to_string()).or_insert_with(|| (endpoint.clone(), device.key()));
    if *first != endpoint {
        let own = format!("spec.protocol.{}", device.protocol);
        return Err(vec![format!("{own}: {endpoint} is open for {holder} with other settings; give both the same")]);
    }
    let mut lines = vec![format!("{} at {endpoint}", device.name)];
    // A driver that panics over what it has taken ends nothing but this device's lines.
    let requests = catch_unwind(AssertUnwindSafe(|| requests(protocol, &spec)));
    lines.extend(requests.unwrap_or_else(|_| Err(vec!["the driver failed over it".into()]))?);
    Ok(lines)
}

/// What would be sent, as the engine would ask for it.
fn requests<P: Protocol>(protocol: &P, spec: &DeviceSpec<P>) -> Result<Vec<String>, Vec<String>> {
    let (intervals, _) = intervals(&spec.points);
    let points = as_driver_sees(&spec.points, Slot(0), &intervals);
    let unit = protocol.prepare(&spec.config, &points);
    let unit = unit.map_err(|errors| errors.into_iter().map(|error| error.text).collect::<Vec<_>>())?;
    let mut lines = vec![];
    for (interval, due) in groups(&spec.points, intervals) {
        lines.push(match interval {
            Interval::Every(span) => {
                format!("  every {}", Span::from_millis(u64::try_from(span.as_millis()).unwrap_or(u64::MAX)))
            }
            Interval::OnConnect => "  once after connecting".into(),
        });
        let due: Vec<usize> = due.into_iter().filter_map(|at| usize::try_from(at).ok()).collect();
        for exchange in protocol.plan(&unit, &due) {
            let names = || exchange.points.iter().filter_map(|at| spec.points.get(*at)).map(|point| &*point.name);
            let request = protocol.describe(&unit, &exchange).unwrap_or_else(|| names().collect::<Vec<_>>().join(", "));
            lines.push(format!("    {request}"));
        }
    }
    Ok(lines)
}
