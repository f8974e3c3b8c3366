mod toy;

use super::{Exit, check, cli, files, once::Targets, read, write};
use crate::{App, Out, testing::Paper};
use clap::{Arg, Command};
use std::{
    collections::BTreeMap,
    ffi::OsString,
    fs,
    io::Write,
    path::PathBuf,
    sync::{Arc, Mutex},
};
use toy::Toy;

const MODEL: &str = "
apiVersion: pollux.rs/v1alpha1
kind: DeviceModel
metadata: {name: cell}
spec:
  properties:
  - {name: level, type: number, unit: mm, interval: 1s, binding: {custom: {cell: level}}}
  - {name: valve, type: number, access: ReadWrite, maximum: 100, interval: 1s, binding: {custom: {cell: valve}}}
  - {name: pump, type: number, access: ReadWrite, interval: 5s, binding: {custom: {cell: locked}}}
---
";
fn device(name: &str, more: &str) -> String {
    format!(
        "apiVersion: pollux.rs/v1alpha1\nkind: Device\nmetadata: {{name: {name}}}\nspec: {{model: cell, mapperClass: toy, {more}}}\n---\n"
    )
}
const ON_A: &str = "protocol: {custom: {line: a}}";

struct Desk {
    _folder: tempfile::TempDir,
    file: PathBuf,
    toy: Toy,
}
impl Desk {
    fn with(devices: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("toy.yaml");
        fs::write(&file, format!("{MODEL}{devices}")).unwrap();
        let cells = [("level", 3.0), ("valve", 10.0), ("locked", 1.0)].map(|(name, value)| (name.to_owned(), value));
        Self { _folder: folder, file, toy: Toy(Arc::new(Mutex::new(BTreeMap::from(cells)))) }
    }
    fn words(&self, more: &[&str]) -> Vec<String> {
        let file = self.file.display().to_string();
        std::iter::once(file).chain(more.iter().map(|w| (*w).to_owned())).collect()
    }
    fn cell(&self, name: &str) -> Option<f64> {
        self.toy.0.lock().unwrap().get(name).copied()
    }
    fn check(&self) -> (Exit, String) {
        let mut out = vec![];
        let exit = check::run(&self.toy, vec![self.file.clone()], &mut out);
        let folder = format!("{}/", self.file.parent().unwrap().display());
        (exit, String::from_utf8(out).unwrap().replace(&folder, ""))
    }
    async fn read(&self, more: &[&str]) -> Exit {
        read::run(Arc::new(self.toy.clone()), &self.words(more)).await
    }
    async fn write(&self, more: &[&str]) -> Exit {
        write::run(Arc::new(self.toy.clone()), &self.words(more), true).await
    }
}

#[test]
fn check_shows_the_requests_of_each_interval_and_counts() {
    let desk = Desk::with(&device("t1", ON_A));
    let expected = "t1 at toy://a\n  every 1s\n    level, valve\n  every 5s\n    pump\n1 device, 1 model: ok\n";
    assert_eq!(desk.check(), (Exit::Ok, expected.to_owned()));
}

#[test]
fn check_shows_what_requests_cost_and_how_busy_a_line_would_be() {
    let slow = |name: &str| device(name, "protocol: {custom: {line: a, speed: 250}}");
    let three = [slow("t1"), slow("t2"), slow("t3")].concat();
    let (exit, out) = Desk::with(&three).check();
    // What is read each 5 s rides along with what is read each second.
    let last = "load of toy://a: 3 devices, 3 requests a second, 75 %\n3 devices, 1 model: ok\n";
    assert!(exit == Exit::Ok && out.ends_with(last), "{out}");
    let (exit, out) = Desk::with(&(three + &slow("t4"))).check();
    let first = "t1 at toy://a\n  every 1s: 1 request, about 250 ms\n    level, valve\n  every 5s: 1 request, about 250 ms\n    pump\n";
    let last = "load of toy://a: 4 devices, 4 requests a second, 100 %\n\
        note: toy://a would be used to 100 %: intervals of at least 1.3 times these would fit (t1 1s → 1s500ms, t2 1s → 1s500ms, t3 1s → 1s500ms, \
        t4 1s → 1s500ms)\n4 devices, 1 model: ok\n";
    assert!(exit == Exit::Ok && out.starts_with(first) && out.ends_with(last), "{out}");
}

#[test]
fn check_shows_a_read_group_as_the_mapper_reads_it_at_the_shortest_interval() {
    let group = "properties: [{name: level, readGroup: g}, {name: pump, readGroup: g}]";
    let desk = Desk::with(&device("t1", &format!("{ON_A}, {group}")));
    let expected = "t1 at toy://a\n  every 1s\n    level, valve, pump\n1 device, 1 model: ok\n";
    assert_eq!(desk.check(), (Exit::Ok, expected.to_owned()));
}

#[test]
fn check_tells_who_gets_no_turn_on_the_same_node_and_link_and_leaves_out_who_is_off() {
    let on = |node: &str, line: &str| format!("nodeName: {node}, protocol: {{custom: {{line: {line}}}}}");
    let keeps = |node: &str| format!("nodeName: {node}, protocol: {{custom: {{line: narrow, keeps: true}}}}");
    let fine = [
        device("keeper", &keeps("edge-1")),
        device("unused", &format!("mode: 'Off', {}", on("edge-1", "narrow"))),
        device("apart", &on("edge-1", "wide")),
        device("far", &on("edge-2", "narrow")),
        device("idle", &format!("mode: 'Off', {}", keeps("edge-2"))),
        device("anywhere", "protocol: {custom: {line: narrow}}"),
    ]
    .concat();
    let (exit, out) = Desk::with(&fine).check();
    assert!(exit == Exit::Ok && out.ends_with("6 devices, 1 model: ok\n"), "{out}");
    let (exit, out) = Desk::with(&(fine + &device("waits", &on("edge-1", "narrow")))).check();
    let told: Vec<&str> = out.lines().filter(|line| line.starts_with("toy.yaml")).collect();
    let expected = "toy.yaml: Device waits: it gets no turn: all connections of toy://narrow (1) are kept by keeper";
    assert_eq!((exit, told), (Exit::Usage, vec![expected]));
}

#[test]
fn check_outlives_a_driver_that_panics() {
    let desk = Desk::with(&[device("bad", "protocol: {custom: {line: panic}}"), device("good", ON_A)].concat());
    let (exit, out) = desk.check();
    assert!(out.contains("toy.yaml: Device bad: spec.protocol.custom: the driver failed over it\n"), "{out}");
    assert!(out.contains("good at toy://a"), "{out}");
    assert_eq!(exit, Exit::Usage);
}

#[test]
fn check_tells_what_is_wrong_with_a_model_that_no_device_names() {
    let desk = Desk::with(&MODEL.replace("name: cell}", "name: spare}").replace("maximum: 100", "scale: 0"));
    let (exit, out) = desk.check();
    assert_eq!(out, "toy.yaml: DeviceModel spare: spec.properties[valve].scale: must not be 0\n1 error\n");
    assert_eq!(exit, Exit::Usage);
}

#[test]
fn check_tells_every_error_of_every_device_the_drivers_own_too() {
    let devices = [
        device("good", ON_A),
        device("mode", "mode: Of, protocol: {custom: {line: a}}"),
        device("wish", "protocol: {custom: {line: a}}, desired: {level: 1}"),
        device("line", "protocol: {custom: {lin: a}}"),
        device("cell", "protocol: {custom: {line: a}}, properties: [{name: pump, binding: {custom: {cell: ''}}}]"),
        device("fast", "protocol: {custom: {line: a, speed: 9}}"),
    ];
    let (exit, out) = Desk::with(&devices.concat()).check();
    let told: Vec<&str> = out.lines().filter(|l| l.starts_with("toy.yaml")).collect();
    assert_eq!(
        told,
        [
            "toy.yaml: Device mode: spec.mode: must be one of Control, Monitor, Off, is \"Of\", did you mean Off?",
            "toy.yaml: Device wish: spec.desired.level: is ReadOnly; writable are: valve, pump",
            "toy.yaml: Device line: spec.protocol.custom: missing field `line`, is {\"lin\":\"a\"}",
            "toy.yaml: Device cell: spec.properties[pump].binding: cell must not be empty",
            "toy.yaml: Device fast: spec.protocol.custom: toy://a is open for default/good with other settings; give both the same",
        ]
    );
    assert!(out.ends_with("5 errors\n") && out.contains("good at toy://a"), "{out}");
    assert_eq!(exit, Exit::Usage);
}

#[tokio::test]
async fn read_ends_with_the_fault_of_any_device() {
    let desk = Desk::with(&[device("t1", ON_A), device("t2", ON_A)].concat());
    assert_eq!(desk.read(&[]).await, Exit::Ok);
    assert_eq!(desk.read(&["t2"]).await, Exit::Ok);
    assert_eq!(desk.read(&["t3"]).await, Exit::Usage);
    desk.toy.0.lock().unwrap().remove("level");
    assert_eq!(desk.read(&[]).await, Exit::Fault);
}

#[tokio::test]
async fn what_stays_out_of_status_is_read_and_written_all_the_same() {
    let never = "{name: valve, report: {when: Never}}, {name: level, report: {when: Never}}";
    let desk = Desk::with(&device("t1", &format!("{ON_A}, properties: [{never}]")));
    assert_eq!(desk.read(&[]).await, Exit::Ok);
    assert_eq!(desk.write(&["t1", "valve=42"]).await, Exit::Ok);
    assert_eq!(desk.cell("valve"), Some(42.0));
}

#[tokio::test]
async fn what_an_acknowledgement_confirms_is_read_and_written_all_the_same() {
    let acknowledged = "{name: valve, write: {verify: {by: Acknowledgement}}}";
    let desk = Desk::with(&device("t1", &format!("{ON_A}, properties: [{acknowledged}]")));
    assert_eq!(desk.read(&[]).await, Exit::Ok);
    assert_eq!(desk.write(&["t1", "valve=42"]).await, Exit::Ok);
    assert_eq!(desk.cell("valve"), Some(42.0));
    // The others can be written as well.
    let desk = Desk::with(&device(
        "t1",
        &format!("{ON_A}, properties: [{{name: pump, write: {{verify: {{by: Acknowledgement}}}}}}]"),
    ));
    assert_eq!(desk.write(&["t1", "valve=42"]).await, Exit::Ok);
}

#[tokio::test]
async fn read_of_a_device_that_does_not_answer_ends_by_itself() {
    let desk = Desk::with(&device("t1", "protocol: {custom: {line: dead}}"));
    assert_eq!(desk.read(&[]).await, Exit::Fault);
}

#[tokio::test]
async fn read_writes_nothing_and_leaves_a_device_that_is_off_alone() {
    let desired = "desired: {valve: 90}";
    let desk = Desk::with(&device("t1", &format!("{ON_A}, {desired}")));
    assert_eq!(desk.read(&[]).await, Exit::Ok);
    assert_eq!(desk.cell("valve"), Some(10.0));
    let desk = Desk::with(&device("t1", &format!("{ON_A}, mode: \"Off\"")));
    assert_eq!(desk.read(&[]).await, Exit::Usage);
}

#[tokio::test]
async fn write_writes_what_was_named_and_nothing_else() {
    let desk = Desk::with(&device("t1", &format!("{ON_A}, desired: {{pump: 7}}")));
    assert_eq!(desk.write(&["t1", "valve=42"]).await, Exit::Ok);
    assert_eq!((desk.cell("valve"), desk.cell("locked")), (Some(42.0), Some(1.0)));
    assert_eq!(desk.write(&["t1", "valve=42"]).await, Exit::Ok, "it has it already");
}

#[tokio::test]
async fn write_says_no_before_the_wire_does_where_it_can() {
    let desk = Desk::with(&[device("t1", ON_A), device("eye", &format!("{ON_A}, mode: Monitor"))].concat());
    for words in [
        &["t1", "valve=101"][..],
        &["t1", "valve=Off"],
        &["t1", "level=1"],
        &["t1", "nothing=1"],
        &["eye", "valve=20"],
        &["t1"],
        &["valve=20"],
        &["t1", "eye", "valve=20"],
    ] {
        assert_eq!(desk.write(words).await, Exit::Usage, "{words:?}");
    }
    assert_eq!(desk.cell("valve"), Some(10.0));
}

#[tokio::test]
async fn a_write_that_the_device_refuses_is_a_fault() {
    let desk = Desk::with(&device("t1", ON_A));
    assert_eq!(desk.write(&["t1", "pump=7"]).await, Exit::Fault);
    assert_eq!(desk.cell("locked"), Some(1.0));
    let desk = Desk::with(&device("t1", "protocol: {custom: {line: dead}}"));
    assert_eq!(desk.write(&["t1", "valve=7"]).await, Exit::Fault);
}

fn run(app: App<Toy>, words: &[&str]) -> Exit {
    app.run_from(std::iter::once("pollux-toy").chain(words.iter().copied()).map(OsString::from))
}

#[test]
fn wrong_usage_is_told_from_help() {
    for (words, exit) in [
        (&["--help"][..], Exit::Ok),
        (&["--version"], Exit::Ok),
        (&["check", "--help"], Exit::Ok),
        (&[], Exit::Usage),
        (&["chekc"], Exit::Usage),
        (&["--allow-writes"], Exit::Usage),
        (&["check"], Exit::Usage),
        (&["check", "/nowhere/at/all.yaml"], Exit::Usage),
        (&["read", "/nowhere/at/all.yaml"], Exit::Usage),
        (&["--file", "/nowhere/at/all.yaml", "--listen", "127.0.0.1:0", "--state-dir", "/proc/nowhere"], Exit::Fault),
    ] {
        assert_eq!(run(App::new(Toy::default()), words), exit, "{words:?}");
    }
    cli::command("toy", &[]).debug_assert();
}

/// An app with a command and a `read` of its own, what it printed, and how it ended.
async fn own(words: &[&str]) -> (Exit, String) {
    let paper = Paper::default();
    let app = App::new(Toy::default())
        .command(Command::new("scan").about("finds units").arg(Arg::new("line")), |_, matches, mut out| async move {
            let line = matches.get_one::<String>("line").cloned().unwrap_or_default();
            writeln!(out, "scanned {line}").unwrap();
            Exit::Fault
        })
        .read_url(Command::new("url").arg(Arg::new("url")).arg(Arg::new("cell")), |toy, matches, mut out| async move {
            let cell = matches.get_one::<String>("cell").cloned().unwrap_or_default();
            writeln!(out, "{cell} is {:?}", toy.0.lock().unwrap().get(&cell)).unwrap();
            Exit::Ok
        })
        .example("scan a", "find units on line a");
    let words = std::iter::once("pollux-toy").chain(words.iter().copied()).map(OsString::from);
    let exit = app.run_in(words, Out::new(paper.clone(), paper.clone())).await;
    (exit, paper.text())
}
#[tokio::test]
async fn a_driver_may_add_commands_and_help_teaches_them() {
    assert_eq!(own(&["scan", "b"]).await, (Exit::Fault, "scanned b\n".into()));
    let (exit, help) = own(&["--help"]).await;
    assert_eq!(exit, Exit::Ok);
    assert!(help.contains("  scan    finds units\n"), "{help}");
    let line = "  pollux-toy scan a                                      find units on line a\n";
    assert!(help.contains(line), "{help}");
    let (exit, text) = own(&["scan", "b", "c"]).await;
    assert!(exit == Exit::Usage && text.contains("unexpected argument 'c'"), "{text}");
}

#[tokio::test]
async fn read_is_the_drivers_own_where_it_is_given_a_url() {
    assert_eq!(own(&["read", "toy://a", "level"]).await, (Exit::Ok, "level is None\n".into()));
    let (exit, help) = own(&["read", "--help"]).await;
    assert!(exit == Exit::Ok && help.contains("Usage: pollux-toy read [url] [cell]"), "both are taught: {help}");
    let desk = Desk::with(&device("t1", ON_A));
    let file = desk.file.display().to_string();
    let (exit, out) = own(&["read", &file]).await;
    assert!(exit == Exit::Fault && !out.contains("is None"), "a file is a file: {out}");
}

#[test]
fn words_are_told_apart() {
    let desk = Desk::with("");
    let targets = Targets::parse(&desk.words(&["t1", "a=b=c"])).unwrap();
    assert_eq!((targets.paths, targets.devices), (vec![desk.file.clone()], vec!["t1".to_owned()]));
    assert_eq!(targets.values, [("a".to_owned(), "b=c".to_owned())]);
    assert_eq!(Targets::parse(&["nowhere.yaml".into()]), Err("nowhere.yaml: no such file or folder".into()));
    assert!(Targets::parse(&[]).is_err());
}

#[test]
fn the_state_folder_is_where_the_desktop_keeps_such_things() {
    let folder = |state: Option<&str>, home: Option<&str>| {
        files::default_folder("toy", |name| if name == "HOME" { home } else { state }.map(PathBuf::from))
    };
    assert_eq!(folder(Some("/s"), Some("/h")), Some("/s/pollux/toy".into()));
    assert_eq!(folder(Some("relative"), Some("/h")), Some("/h/.local/state/pollux/toy".into()));
    assert_eq!(folder(None, None), None);
}
