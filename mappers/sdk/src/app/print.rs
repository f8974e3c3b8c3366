//! What people see of devices: a line per change, a table per reading.
use crate::{DeviceView, Hub, value::printable};
use pollux_crds::{CONNECTED, HEALTHY, IN_SYNC, condition};
use std::{
    collections::BTreeMap,
    io::{self, Write},
    sync::Arc,
    time::Duration,
};
use tokio_util::sync::CancellationToken;

/// Lines of one device are at least this far apart.
const PACE: Duration = Duration::from_secs(1);

/// Prints each device's line whenever it changed, until `stop`.
pub(super) async fn changes(hub: Arc<Hub>, stop: CancellationToken) {
    let mut version = hub.watch();
    let mut shown: BTreeMap<String, String> = BTreeMap::new();
    version.mark_changed();
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            changed = version.changed() => if changed.is_err() { return },
        }
        version.mark_unchanged();
        let devices = hub.devices();
        shown.retain(|uid, _| devices.contains_key(uid));
        let width = devices.values().map(|view| view.device.name.len()).max().unwrap_or_default();
        for (uid, view) in &devices {
            let line = line(view, width);
            if shown.get(uid) != Some(&line) {
                // Who reads may have left (a pipe): devices are driven on.
                writeln!(io::stdout(), "{line}").ok();
                shown.insert(uid.clone(), line);
            }
        }
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(PACE) => {}
        }
    }
}

/// `boiler-1  temperature=21.4 °C setpoint=21.5→22`, and what is wrong.
pub(super) fn line(view: &DeviceView, width: usize) -> String {
    let summary = view.snapshot.summary().unwrap_or_default();
    let mut line = format!("{:width$}  {summary}", view.device.name);
    if let Some(trouble) = trouble(view) {
        line.push_str(if summary.is_empty() { "" } else { "  " });
        line.push_str(&trouble);
    }
    printable(line.trim_end())
}

/// The first condition that is not as it should be, in its own words. What is merely on its way is no trouble.
pub(super) fn trouble(view: &DeviceView) -> Option<String> {
    const UNDER_WAY: [&str; 2] = ["Writing", "NotRead"];
    let conditions = [CONNECTED, HEALTHY, IN_SYNC].into_iter().filter_map(|t| condition(view.snapshot.conditions(), t));
    let mut bad = conditions.filter(|c| c.status == "False" && !UNDER_WAY.contains(&c.reason.as_str()));
    bad.next().map(|c| format!("[{}: {}]", c.reason, c.message))
}

/// One row of a reading.
struct Row([String; 5]);
const HEAD: [&str; 5] = ["PROPERTY", "VALUE", "UNIT", "QUALITY", "TIME"];

/// PROPERTY VALUE UNIT QUALITY TIME, a table per device.
pub(super) fn table(view: &DeviceView, out: &mut impl Write) -> io::Result<()> {
    let status = view.status();
    let readable = view.device.properties.iter().filter(|p| p.access != pollux_crds::Access::WriteOnly);
    let rows = readable.map(|p| {
        let value = status.reported.get(&p.name).map(|v| v.0.as_str().map_or_else(|| v.0.to_string(), str::to_owned));
        let reason = status.quality_reason.get(&p.name).map_or(String::new(), |reason| format!(" ({reason})"));
        let quality = match (status.quality.get(&p.name), &value) {
            (Some(quality), _) => format!("{quality}{reason}"),
            (None, Some(_)) => "Good".into(),
            (None, None) => "not read".into(),
        };
        let time = status.timestamps.get(&p.name).cloned().unwrap_or_default();
        Row([p.name.clone(), value.unwrap_or_else(|| "-".into()), p.unit.clone().unwrap_or_default(), quality, time])
    });
    let rows: Vec<Row> = rows.map(|Row(cells)| Row(cells.map(|cell| printable(&cell)))).collect();
    let head = Row(HEAD.map(str::to_owned));
    let all = || std::iter::once(&head).chain(&rows);
    let widths: Vec<usize> = (0..HEAD.len())
        .map(|at| all().filter_map(|r| r.0.get(at)).map(|t| t.chars().count()).max().unwrap_or(0))
        .collect();
    let trouble = trouble(view).map_or(String::new(), |t| format!("  {t}"));
    writeln!(out, "{}{}", view.device.name, printable(&trouble))?;
    for Row(row) in all() {
        let cells: Vec<String> = row.iter().zip(&widths).map(|(text, width)| format!("{text:width$}")).collect();
        writeln!(out, "  {}", cells.join("  ").trim_end())?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::testing;
    use serde_json::json;

    #[test]
    fn what_a_device_says_does_not_act_on_the_terminal() {
        let (mut status, mut device) = (testing::status(1.0, "False"), (*testing::device("a", 1)).clone());
        status.conditions.iter_mut().for_each(|c| c.message = "gone\x1b[2J\nboiler-9  all is well".into());
        device.properties = vec![testing::property("serial")].into();
        status.reported = [("serial".to_owned(), pollux_crds::Value(json!("A\x1b]0;B\x07\r")))].into();
        status.quality = [("serial".to_owned(), "Bad".to_owned())].into();
        status.quality_reason = [("serial".to_owned(), "no\x1b[31m".to_owned())].into();
        let view = DeviceView { device: Arc::new(device), snapshot: status.into(), version: 1 };
        let mut out = vec![];
        table(&view, &mut out).unwrap();
        let text = String::from_utf8(out).unwrap() + &line(&view, 8);
        assert!(text.contains("A ]0;B"), "{text}");
        assert!(text.lines().count() == 4 && !text.contains(|c: char| c.is_control() && c != '\n'), "{text:?}");
    }
}
