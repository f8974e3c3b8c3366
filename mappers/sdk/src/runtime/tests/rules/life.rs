//! A mapper with three devices on two buses, a disk and a server, all misbehaving on request.
use super::{
    oracle::{Config, Event, Kind},
    wire::{AWAY, RECORDS, Tape, Taped},
};
use crate::{
    ErrorKind, Limits, NodeConfig, Origin, PointFault, Store, Value,
    runtime::tests::{Plant, device, property},
    testing::scripted::{Answer, Script, Scripted},
};
use pollux_crds::{
    Access, Applied, EffectiveDevice, EffectiveProperty, EffectiveVerify, Enforce, Mode, PropertyType, Source, Span,
    Value as Json, Writes,
};
use serde_json::json;
use std::{
    collections::BTreeMap,
    fs,
    sync::{Arc, mpsc},
    time::Duration,
};
use tokio::{runtime::Runtime, task::yield_now, time::sleep};

pub(super) const KINDS: [Kind; 5] = [
    Kind { write_only: false, always: false, by_answer: false, tolerance: 0 },
    Kind { write_only: false, always: true, by_answer: false, tolerance: 0 },
    Kind { write_only: true, always: false, by_answer: true, tolerance: 0 },
    Kind { write_only: false, always: false, by_answer: false, tolerance: 2 },
    Kind { write_only: false, always: false, by_answer: true, tolerance: 0 },
];
/// Two share a bus.
pub(super) const DEVICES: [&str; 3] = ["a", "b", "c"];

/// What people set.
#[derive(Debug, Clone, Copy)]
pub(super) enum Edit {
    Set(usize, usize, i64),
    Unset(usize, usize),
    Mode(usize, Mode),
    Writes(bool),
    Rewire(usize, usize),
    Rewrite(usize),
    /// Something in the model that no write depends on.
    Describe(usize),
}
/// What somebody does, or what goes wrong.
#[derive(Debug, Clone, Copy)]
pub(super) enum Op {
    Edit(Edit),
    /// The second edit comes while the records that the first makes are on their way to the disk.
    SlowDisk(Edit, Edit),
    /// Somebody turns a knob at the device.
    Drift(usize, usize, i64),
    /// The same twice, each while somebody reads it; the second answer comes after what the first leads to, and for a
    /// while nothing else does.
    DriftWhileRead(usize, usize),
    Offline(bool),
    /// The line is cut now.
    Cut,
    /// What becomes of the next request, whoever asks.
    Next(Fate),
    /// A property cannot be read for a while, nor written.
    Mute(usize, usize, bool),
    /// A device takes what it is sent, and says nothing.
    Silent(usize, bool),
    DiskFull(bool),
    /// Killed, and started again: `lost`, without its disk; `stale`, by the configuration before the newest for a while.
    Crash {
        lost: bool,
        stale: bool,
    },
    /// SIGTERM, and started again.
    Restart,
    Wait(u16),
}
#[derive(Debug, Clone, Copy)]
pub(super) enum Fate {
    /// It holds its lane.
    Held,
    TooLate,
    Silent,
    Refused,
    Cut,
}

/// One device as people want it.
#[derive(Debug, Clone)]
struct Wanted {
    config: Config,
    mode: Mode,
    generation: i64,
    applied: BTreeMap<String, Applied>,
}

pub(super) struct Life {
    folder: tempfile::TempDir,
    script: Arc<Script>,
    pub(super) tape: Arc<Tape>,
    wanted: Vec<Wanted>,
    before: Vec<Wanted>,
    writes: bool,
    process: Option<(Runtime, Plant)>,
}

impl Life {
    pub(super) fn new(lanes: bool) -> Self {
        let (folder, script) = (tempfile::tempdir().unwrap(), Arc::<Script>::default());
        if lanes {
            *script.limits.lock().unwrap() = Limits::at_once(4).per_unit(2);
        }
        for (device, property) in DEVICES.iter().flat_map(|d| (0..KINDS.len()).map(move |p| (d, p))) {
            (0..2).for_each(|bank| script.set(device, &format!("p{property}.{bank}"), Value::Int(0)));
        }
        let tape = Arc::new(Tape::new(script.clone(), folder.path()));
        let config =
            Config { desired: BTreeMap::new(), may_write: true, wiring: vec![0; KINDS.len()], rewrite: 0, conduct: 0 };
        let wanted =
            vec![Wanted { config, mode: Mode::Control, generation: 1, applied: BTreeMap::new() }; DEVICES.len()];
        let mut life = Self { folder, script, tape, before: wanted.clone(), wanted, writes: true, process: None };
        life.start(false);
        life.act(Op::Wait(2000));
        life
    }
    fn start(&mut self, stale: bool) {
        let mut builder = tokio::runtime::Builder::new_current_thread();
        let runtime = builder.enable_all().start_paused(true).max_blocking_threads(1).build().unwrap();
        let wanted = if stale { &self.before } else { &self.wanted };
        let plant = runtime.block_on(async {
            self.tape.begin();
            let mut outdated = vec![];
            for ((name, wanted), newest) in DEVICES.iter().zip(wanted).zip(&self.wanted) {
                let applied = wanted.applied.iter().filter_map(|(name, applied)| {
                    let property = name.trim_start_matches('p').parse().ok()?;
                    Some((property, (applied.value.0.as_i64()?, applied.binding.parse().ok()?)))
                });
                let kept = self.tape.has_record(name);
                // What is older than what was acted upon is nobody's word.
                let old = kept && self.tape.acted_upon(name) > wanted.generation;
                outdated.extend(old.then(|| (*name).to_owned()));
                let mut config = self.config_of(if old { newest } else { wanted });
                config.rewrite = config.rewrite.max(self.tape.rewritten(name)); // so is an older text
                self.tape.log(name, Event::Start { config, kept, applied: applied.collect() });
            }
            let (protocol, store) =
                (Taped(Scripted(self.script.clone()), self.tape.clone()), Store::open(self.folder.path()).unwrap());
            self.tape.outdated(outdated);
            let config = self.node_config(wanted);
            let config = if stale { NodeConfig { origin: Origin::Disk, ..config } } else { config };
            let plant = Plant::over(protocol, &self.script, config, store);
            tokio::spawn(listen(plant.hub.news(), self.tape.clone()));
            plant
        });
        self.process = Some((runtime, plant));
        if stale {
            self.act(Op::Wait(2000));
            self.hand_over();
        }
    }
    fn config_of(&self, wanted: &Wanted) -> Config {
        Config { may_write: wanted.mode == Mode::Control && self.writes, ..wanted.config.clone() }
    }
    fn node_config(&self, wanted: &[Wanted]) -> NodeConfig {
        let devices = DEVICES.iter().zip(wanted).map(|(name, wanted)| Arc::new(effective(name, wanted))).collect();
        let writes = if self.writes { Writes::Enabled } else { Writes::Disabled };
        let origin = Origin::Server(DEVICES.iter().map(|name| format!("uid-{name}")).collect());
        NodeConfig { devices, writes, origin, ..NodeConfig::default() }
    }
    /// The newest configuration, to a mapper that has every occasion to take it before anything else happens.
    fn hand_over(&mut self) {
        let Some((runtime, plant)) = &self.process else { return };
        runtime.block_on(async {
            self.tape.outdated(vec![]);
            for (name, wanted) in DEVICES.iter().zip(&self.wanted) {
                self.tape.log(name, Event::Config(self.config_of(wanted)));
            }
            plant.set(self.node_config(&self.wanted));
            for _ in 0..200 {
                yield_now().await;
            }
            self.tape.taken();
        });
    }
    fn edit(&mut self, edit: Edit) {
        self.before.clone_from(&self.wanted);
        match edit {
            Edit::Set(d, p, value) => drop(self.wanted[d].config.desired.insert(p, value)),
            Edit::Unset(d, p) => drop(self.wanted[d].config.desired.remove(&p)),
            Edit::Mode(d, mode) => self.wanted[d].mode = mode,
            Edit::Writes(on) => self.writes = on,
            Edit::Rewire(d, p) => self.wanted[d].config.wiring[p] += 1,
            Edit::Rewrite(d) => self.wanted[d].config.rewrite += 1,
            Edit::Describe(d) => self.wanted[d].config.conduct += 1,
        }
        for (new, old) in self.wanted.iter_mut().zip(&self.before) {
            let but_for_the_annotation = Config { rewrite: new.config.rewrite, ..old.config.clone() };
            new.generation += i64::from((&new.config, new.mode) != (&but_for_the_annotation, old.mode));
        }
        self.hand_over();
    }
    pub(super) fn act(&mut self, op: Op) {
        match op {
            Op::Edit(edit) => self.edit(edit),
            Op::SlowDisk(first, second) => {
                let (release, held) = mpsc::channel::<()>();
                let disk = self.runtime().spawn_blocking(move || held.recv().is_err()); // the only thread that files are written by
                self.edit(first);
                self.edit(second);
                drop(release);
                self.runtime().block_on(disk).unwrap();
            }
            Op::Drift(d, p, value) => {
                let address = address(p, &self.wanted[d].config);
                self.script.set(DEVICES[d], &address, Value::Int(value));
            }
            Op::DriftWhileRead(d, p) => self.drift_while_read(d, p),
            Op::Offline(on) => *self.script.offline.lock().unwrap() = on,
            Op::Cut => self.script.cut(),
            Op::Next(fate) => self.script.answers.lock().unwrap().push_back(match fate {
                Fate::Held => Answer::Late(Duration::from_millis(900)),
                Fate::TooLate => Answer::Late(Duration::from_millis(1500)),
                Fate::Silent => Answer::Silent,
                Fate::Refused => Answer::Refuse(PointFault::new(ErrorKind::Protocol, "exception 3")),
                Fate::Cut => Answer::Cut,
            }),
            Op::Mute(d, p, on) => {
                let mut refused = self.script.refused.lock().unwrap();
                for bank in 0..2 {
                    let key = (DEVICES[d].to_owned(), format!("p{p}.{bank}"));
                    if on {
                        refused.insert(key, PointFault::new(ErrorKind::Protocol, "exception 4"));
                    } else {
                        refused.remove(&key);
                    }
                }
            }
            Op::Silent(d, on) => {
                let mut silent = self.script.silent.lock().unwrap();
                silent.remove(DEVICES[d]);
                silent.extend(on.then(|| DEVICES[d].to_owned()));
            }
            Op::DiskFull(full) => self.disk(full),
            Op::Crash { lost, stale } => self.crash(lost, stale),
            Op::Restart => self.restart(),
            Op::Wait(ms) => self.runtime().block_on(async { sleep(Duration::from_millis(ms.into())).await }),
        }
    }
    fn drift_while_read(&self, d: usize, p: usize) {
        let Some((runtime, plant)) = &self.process else { return };
        let (device, address, uid) = (DEVICES[d], address(p, &self.wanted[d].config), format!("uid-{}", DEVICES[d]));
        let late = |ms| Answer::Late(Duration::from_millis(ms));
        let silent = [Answer::Silent, Answer::Silent, Answer::Silent];
        let read = |value| {
            self.script.set(device, &address, Value::Int(value));
            plant.control.read(&uid)
        };
        runtime.block_on(async {
            self.script
                .answers
                .lock()
                .unwrap()
                .extend([late(100), late(600), Answer::Normal].into_iter().chain(silent));
            let second = async {
                sleep(Duration::from_millis(50)).await;
                read(60).await.ok();
            };
            drop(tokio::join!(read(50), second)); // answered or not
        });
    }
    fn runtime(&self) -> &Runtime {
        &self.process.as_ref().expect("it runs").0
    }
    /// Without its folder nothing can be saved.
    fn disk(&self, full: bool) {
        let (records, away) = (self.folder.path().join(RECORDS), self.folder.path().join(AWAY));
        let (from, to) = if full { (records, away) } else { (away, records) };
        if from.exists() {
            fs::rename(from, to).unwrap();
        }
    }
    fn crash(&mut self, lost: bool, stale: bool) {
        let Some((runtime, plant)) = self.process.take() else { return };
        runtime.block_on(async { self.tape.end() });
        drop(runtime); // all its tasks are gone at one moment, nothing is drained
        self.tape.look_at_the_disk(&DEVICES);
        self.disk(false);
        for (name, wanted) in DEVICES.iter().zip(&mut self.wanted) {
            if lost && let Some(view) = plant.view(name) {
                wanted.applied.clone_from(view.snapshot.applied()); // what the server knows
                fs::remove_file(self.folder.path().join(format!("{RECORDS}/uid-{name}"))).ok();
            }
        }
        for (before, wanted) in self.before.iter_mut().zip(&self.wanted) {
            before.applied.clone_from(&wanted.applied);
        }
        drop(plant);
        self.start(stale);
    }
    fn restart(&mut self) {
        let Some((runtime, plant)) = self.process.take() else { return };
        runtime.block_on(async {
            self.tape.stop();
            plant.end().await;
            self.tape.end();
        });
        drop(runtime);
        self.tape.look_at_the_disk(&DEVICES);
        self.disk(false);
        self.start(false);
    }
    /// All faults end.
    pub(super) fn heal(&mut self) {
        self.disk(false);
        self.script.answers.lock().unwrap().clear();
        self.script.refused.lock().unwrap().clear();
        self.script.silent.lock().unwrap().clear();
        *self.script.offline.lock().unwrap() = false;
        self.edit(Edit::Writes(true));
        (0..DEVICES.len()).for_each(|d| self.edit(Edit::Mode(d, Mode::Control)));
    }
    /// Whether in time every device says one of these of its desired values; else what they say.
    pub(super) fn settles(&self, reasons: &[&str]) -> Result<(), String> {
        let (runtime, plant) = self.process.as_ref().expect("it runs");
        runtime.block_on(async {
            let mut said = String::new();
            for _ in 0..20 * 60 {
                sleep(Duration::from_secs(1)).await;
                let views: Vec<_> = DEVICES.iter().filter_map(|name| plant.view(name)).collect();
                let reason = |view: &Arc<crate::DeviceView>| {
                    super::super::status_of(&view.status(), pollux_crds::IN_SYNC).1.to_owned()
                };
                if views.len() == DEVICES.len() && views.iter().all(|view| reasons.contains(&reason(view).as_str())) {
                    return Ok(());
                }
                said = format!("{:#?}", views.iter().map(|view| view.status()).collect::<Vec<_>>());
            }
            Err(said)
        })
    }
    /// Devices that do not have what is desired of them.
    pub(super) fn differing(&self) -> Vec<String> {
        let mut out = vec![];
        for (name, wanted) in DEVICES.iter().zip(&self.wanted) {
            for (p, value) in &wanted.config.desired {
                let has = self.script.get(name, &address(*p, &wanted.config));
                if has != Some(Value::Int(*value)) {
                    out.push(format!("{name}: p{p} is {has:?}, desired {value}"));
                }
            }
        }
        out
    }
}
impl Drop for Life {
    fn drop(&mut self) {
        if let Some((runtime, plant)) = self.process.take() {
            runtime.block_on(async { self.tape.end() });
            drop(runtime);
            drop(plant);
        }
    }
}

/// A value that was tried, and of which nothing left, is no longer the first in the order: so the status says.
async fn listen(mut news: tokio::sync::broadcast::Receiver<crate::Word>, tape: Arc<Tape>) {
    while let Ok(crate::Word::Device(view)) = news.recv().await {
        for (name, pending) in view.snapshot.pending() {
            let error = pending.error.as_deref().unwrap_or_default();
            if let Ok(property) = name.trim_start_matches('p').parse()
                && !error.is_empty()
                && !error.starts_with("not written")
            {
                tape.tried(&view.device.name, property);
            }
        }
    }
}

fn address(property: usize, config: &Config) -> String {
    format!("p{property}.{}", config.wiring[property] % 2)
}
fn effective(name: &str, wanted: &Wanted) -> EffectiveDevice {
    let bus = if name == "c" { "other" } else { "bus" };
    EffectiveDevice {
        generation: wanted.generation,
        mode: wanted.mode,
        config: json!({"bus": bus, "name": name}).into(),
        properties: (0..KINDS.len()).map(|p| effective_property(p, &wanted.config)).collect(),
        desired: wanted.config.desired.iter().map(|(p, value)| (format!("p{p}"), Json::from(*value))).collect(),
        applied: wanted.applied.clone(),
        rewrite: (wanted.config.rewrite > 0).then(|| wanted.config.rewrite.to_string()),
        ..device(name)
    }
}
fn effective_property(position: usize, config: &Config) -> EffectiveProperty {
    let kind = KINDS[position];
    let verify = if kind.by_answer {
        EffectiveVerify::Acknowledgement
    } else {
        EffectiveVerify::ReadBack {
            tolerance: f64::from(i32::try_from(kind.tolerance).expect("small")),
            delay: Span::from_millis(0),
            within: Span::from_secs(if kind.tolerance > 0 { 3 } else { 0 }),
        }
    };
    let access = if kind.write_only { Access::WriteOnly } else { Access::ReadWrite };
    EffectiveProperty {
        type_: PropertyType::Integer,
        minimum: Some(-1000.0 - f64::from(config.conduct)),
        source: Source::Binding(json!(address(position, config)).into()),
        enforce: if kind.always { Enforce::Always } else { Enforce::OnChange },
        verify,
        wiring: config.wiring[position].to_string(),
        ..property(&format!("p{position}"), access)
    }
}
