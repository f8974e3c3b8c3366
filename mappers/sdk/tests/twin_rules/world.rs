//! A device, a disk, a server and a runtime around the twin, all misbehaving on request, and a record of what happened.
use crate::oracle::{Answer, Config, Event, Kind};
use pollux_crds::{
    Access, Applied, DeviceStatus, EffectiveDevice, EffectiveProperty, EffectiveReport, EffectiveVerify, Enforce,
    Interval, Mode, PropertyType, Source, Span, Value as Json, Writes,
};
use pollux_mapper::{
    ErrorKind, PointFault, Precision, Quality, Value, WriteReply, Wrote,
    twin::{Action, Format, Now, Raw, Record, Twin},
};
use std::{collections::BTreeMap, sync::Arc, time::Duration};

pub(crate) const KINDS: [Kind; 5] = [
    Kind { write_only: false, always: false, by_answer: false, tolerance: 0 },
    Kind { write_only: false, always: true, by_answer: false, tolerance: 0 },
    Kind { write_only: true, always: false, by_answer: true, tolerance: 0 },
    Kind { write_only: false, always: false, by_answer: false, tolerance: 2 },
    Kind { write_only: false, always: false, by_answer: true, tolerance: 0 },
];
const TICK: Duration = Duration::from_millis(100);
const POLL: Duration = Duration::from_secs(1);
const TRIP: Duration = Duration::from_millis(200);
const EPOCH_MS: i64 = 1_790_000_000_000;

/// What somebody does, or what goes wrong.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Op {
    Set(usize, i64),
    Unset(usize),
    Mode(Mode),
    Writes(bool),
    Rewire(usize),
    Rewrite,
    /// Something in the model that no write depends on.
    Describe,
    /// Somebody turns a knob at the device.
    Drift(usize, i64),
    Disconnect,
    Connect,
    /// What becomes of the next writes.
    Fate(Fate, u8),
    /// A property cannot be read for a while.
    Mute(usize, bool),
    Crash {
        disk_lost: bool,
        server_knows: bool,
    },
    /// While the process is down the next edits are not seen until it starts.
    Stop,
    Start,
    /// The disk takes nothing, or takes again.
    DiskFull(bool),
    Wait(u16),
}

#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Fate {
    Done,
    Refused,
    NotSent,
    /// Done, and the answer lost.
    DoneUnknown,
    /// Not done, and nobody knows.
    LostUnknown,
    /// Acknowledged, and not done.
    Ignored,
    SaveFails,
    CrashBeforeSave,
    CrashAfterSave,
    CrashAfterSending,
}

/// A twin that does what it must not, made by lying to it or by doing more than it says.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Broken {
    Not,
    /// Writes all that is desired whenever it starts.
    ReplaysAtStart,
    /// Believes that the mode is Control.
    IgnoresMode,
    /// Forgets what was acknowledged when the wiring changes.
    WritesOnRewire,
    /// Forgets at a restart that a value may have been sent.
    ForgetsSending,
    /// Believes that it has read what it has not.
    InventsReadings,
    /// Takes readings from before the write for read-backs, and never waits for one.
    SendsTwice,
}

struct Registers;
impl Format for Registers {
    fn encoded(&self, _: usize, raw: &Value) -> Result<Value, PointFault> {
        raw.as_i128().and_then(|n| i64::try_from(n).ok()).map(Value::Int).ok_or_else(|| fault("not whole"))
    }
    fn precision(&self, _: usize) -> Precision {
        Precision::Integer
    }
}
fn fault(text: &'static str) -> PointFault {
    PointFault::new(ErrorKind::Protocol, text)
}

pub(crate) struct World {
    pub(crate) broken: Broken,
    pub(crate) twin: Option<Twin>,
    disk: Option<Record>,
    full: bool,
    /// What the disk did not take: the runtime tries it again.
    held: Option<Record>,
    pub(crate) status: Option<DeviceStatus>,
    /// What the operator copied from status when the device was placed here last.
    placed: BTreeMap<String, Applied>,
    pub(crate) config: Config,
    pub(crate) mode: Mode,
    pub(crate) writes: bool,
    generation: i64,
    pub(crate) registers: Vec<[i64; 2]>,
    pub(crate) up: bool,
    muted: [bool; KINDS.len()],
    pub(crate) fates: Vec<Fate>,
    pub(crate) now: Duration,
    polled: Duration,
    answers: Vec<(Duration, u64, usize, Answer)>,
    reads: Vec<(Duration, usize, Option<i64>, Duration)>,
    #[allow(clippy::option_option)] // not read yet; read, and the answer was a fault
    last: [Option<Option<i64>>; KINDS.len()],
    pub(crate) history: Vec<(Duration, Event)>,
    pub(crate) reports: usize,
}

impl World {
    pub(crate) fn new(broken: Broken) -> Self {
        let config =
            Config { desired: BTreeMap::new(), may_write: true, wiring: vec![0; KINDS.len()], rewrite: 0, conduct: 0 };
        let mut world = Self {
            broken,
            twin: None,
            disk: None,
            full: false,
            held: None,
            status: None,
            placed: BTreeMap::new(),
            config,
            mode: Mode::Control,
            writes: true,
            generation: 1,
            registers: vec![[0, 0]; KINDS.len()],
            up: true,
            muted: [false; KINDS.len()],
            fates: vec![],
            now: Duration::from_secs(1),
            polled: Duration::ZERO,
            answers: vec![],
            reads: vec![],
            last: [None; KINDS.len()],
            history: vec![],
            reports: 0,
        };
        world.start(false);
        world
    }
    fn clock(&self) -> Now {
        let ms = i64::try_from(self.now.as_millis()).expect("short");
        Now { mono: self.now, unix_ms: EPOCH_MS + ms }
    }
    fn log(&mut self, event: Event) {
        self.history.push((self.now, event));
    }
    fn device(&self) -> Arc<EffectiveDevice> {
        let name = |property: &usize| format!("p{property}");
        let mode = if self.broken == Broken::IgnoresMode { Mode::Control } else { self.mode };
        Arc::new(EffectiveDevice {
            namespace: "plant".into(),
            name: "boiler".into(),
            uid: "uid-1".into(),
            generation: self.generation,
            mode,
            protocol: "custom",
            config: serde_json::json!({}).into(),
            timeout: None,
            offline_after: 3,
            channel: None,
            properties: (0..KINDS.len()).map(|p| self.property(p)).collect(),
            summary: vec![0, 2, 3],
            desired: self.config.desired.iter().map(|(p, value)| (name(p), Json::from(*value))).collect(),
            applied: self.placed.clone(),
            rewrite: (self.config.rewrite > 0).then(|| self.config.rewrite.to_string()),
            commands: vec![],
        })
    }
    fn property(&self, position: usize) -> EffectiveProperty {
        let (kind, wiring) = (KINDS[position], self.config.wiring[position]);
        let verify = match kind {
            Kind { by_answer: true, .. } => EffectiveVerify::Acknowledgement,
            _ => EffectiveVerify::ReadBack {
                tolerance: f64::from(i32::try_from(kind.tolerance).expect("small")),
                delay: Span::from_millis(0),
                within: Span::from_secs(if kind.tolerance > 0 { 3 } else { 0 }),
            },
        };
        EffectiveProperty {
            name: format!("p{position}"),
            type_: PropertyType::Integer,
            kind: pollux_crds::PropertyKind::State,
            access: if kind.write_only { Access::WriteOnly } else { Access::ReadWrite },
            unit: None,
            minimum: Some(-1000.0 - f64::from(self.config.conduct)),
            maximum: None,
            enum_: vec![],
            interval: Interval::Every(Span::from_secs(1)),
            read_group: None,
            report: EffectiveReport { never: false, deadband: 0.0, min_interval: Span::from_secs(1) },
            invalid: vec![],
            scale: 1.0,
            offset: 0.0,
            scale_exponent_from: None,
            source: Source::Binding(serde_json::json!({"address": wiring}).into()),
            stale_after: Some(Span::from_secs(5)),
            enforce: if kind.always { Enforce::Always } else { Enforce::OnChange },
            verify,
            wiring: wiring.to_string(),
        }
    }
    fn applied(&self) -> BTreeMap<String, Applied> {
        self.status.as_ref().map(|status| status.applied.clone()).unwrap_or_default()
    }
    fn writes(&self) -> Writes {
        if self.writes || self.broken == Broken::IgnoresMode { Writes::Enabled } else { Writes::Disabled }
    }

    fn start(&mut self, kept: bool) {
        if self.twin.is_some() {
            return;
        }
        let kept = kept && self.disk.is_some();
        if !kept {
            self.placed = self.applied();
        }
        let applied = self.applied().into_iter().filter_map(|(name, applied)| {
            let property = name.trim_start_matches('p').parse().ok()?;
            Some((property, (applied.value.0.as_i64()?, applied.binding.parse().ok()?)))
        });
        let applied = applied.collect();
        self.config.may_write = self.mode == Mode::Control && self.writes;
        self.log(Event::Start { config: self.config.clone(), kept, applied });
        let mut record = if kept { self.disk.clone() } else { None };
        if let (Broken::ForgetsSending, Some(record)) = (self.broken, &mut record) {
            record.values.clear();
        }
        (self.answers, self.reads) = (vec![], vec![]);
        self.last = [None; KINDS.len()];
        self.twin = Some(Twin::new(self.device(), record, self.writes(), self.clock()));
        if self.broken == Broken::ReplaysAtStart && self.up {
            for (property, value) in self.config.desired.clone() {
                self.log(Event::Sent { property, value });
                self.log(Event::Answer { property, answer: Answer::Done });
                self.registers[property][bank(&self.config, property)] = value;
            }
        }
        if self.up {
            self.tell_connected();
        }
        self.settle();
    }
    fn tell_connected(&mut self) {
        let (up, now) = (self.up, self.clock());
        let Some(twin) = &mut self.twin else { return };
        if self.mode == Mode::Off {
            return;
        }
        let word = if up { Ok(()) } else { Err((ErrorKind::Timeout, "no answer".to_owned())) };
        twin.connected(word, now);
        if up {
            self.polled = Duration::ZERO;
            self.log(Event::Connected);
            if self.broken == Broken::InventsReadings {
                for property in 0..KINDS.len() {
                    let raw = Raw { value: Value::Int(777), quality: Quality::Good, reason: None, device_time_ms: 0 };
                    let (at, now) = (self.now, self.clock());
                    let Some(twin) = &mut self.twin else { return };
                    twin.sample(property, Ok(raw), at, &Registers, now);
                }
            }
        }
    }
    fn crash(&mut self) {
        (self.twin, self.held) = (None, None);
        self.answers.clear();
        self.reads.clear();
    }

    pub(crate) fn act(&mut self, op: Op) {
        self.now += TICK;
        match op {
            Op::Set(property, value) => self.edit(|c| c.desired.extend([(property, value)])),
            Op::Unset(property) => self.edit(|c| c.desired.retain(|p, _| *p != property)),
            Op::Mode(mode) => {
                let was_off = self.mode == Mode::Off;
                self.mode = mode;
                self.edit(|_| ());
                if was_off && mode != Mode::Off {
                    self.tell_connected();
                }
            }
            Op::Writes(on) => {
                self.writes = on;
                self.edit(|_| ());
            }
            Op::Rewire(property) => self.rewire(property),
            Op::Rewrite => self.edit(|c| c.rewrite += 1),
            Op::Describe => self.edit(|c| c.conduct += 1),
            Op::Drift(property, value) => {
                let bank = bank(&self.config, property);
                self.registers[property][bank] = value;
            }
            Op::Disconnect | Op::Connect => {
                self.up = op == Op::Connect;
                self.tell_connected();
            }
            Op::Fate(fate, times) => self.fates.extend(std::iter::repeat_n(fate, times.into())),
            Op::Mute(property, on) => self.muted[property] = on,
            Op::Crash { disk_lost, server_knows } => {
                self.crash();
                if disk_lost {
                    self.disk = None;
                }
                if !server_knows {
                    self.status = None;
                }
                self.start(true);
            }
            Op::Stop => self.crash(),
            Op::Start => self.start(true),
            Op::DiskFull(full) => {
                self.full = full;
                if let Some(record) = self.held.take() {
                    self.save(&record);
                }
            }
            Op::Wait(ms) => self.run(Duration::from_millis(ms.into())),
        }
        self.settle();
    }
    fn rewire(&mut self, property: usize) {
        if let (Broken::WritesOnRewire, Some(disk)) = (self.broken, &mut self.disk) {
            disk.values.clear();
            let disk = disk.clone();
            self.edit(|c| c.wiring[property] += 1);
            if self.twin.is_some() {
                self.twin = Some(Twin::new(self.device(), Some(disk), self.writes(), self.clock()));
                self.answers.clear();
                self.tell_connected();
            }
        } else {
            self.edit(|c| c.wiring[property] += 1);
        }
        self.last[property] = None;
    }
    fn edit(&mut self, change: impl FnOnce(&mut Config)) {
        change(&mut self.config);
        self.config.may_write = self.mode == Mode::Control && self.writes;
        self.generation += 1;
        if self.twin.is_none() {
            return;
        }
        self.log(Event::Config(self.config.clone()));
        if self.mode == Mode::Off {
            self.reads.clear(); // the runtime takes it off the wire, and no answer comes any more
            for (_, _, property, _) in std::mem::take(&mut self.answers) {
                self.log(Event::Answer { property, answer: Answer::Unknown });
            }
        }
        let (device, writes, now) = (self.device(), self.writes(), self.clock());
        if let Some(twin) = &mut self.twin {
            twin.configure(device, writes, now);
        }
    }

    /// Lets time pass.
    pub(crate) fn run(&mut self, span: Duration) {
        let end = self.now + span;
        while self.now < end {
            self.now += TICK;
            self.poll();
            let due = self.deliver();
            let woken = self.twin.as_ref().and_then(Twin::wake).is_some_and(|wake| wake <= self.now);
            if due || woken {
                self.settle();
            }
        }
    }
    fn poll(&mut self) {
        if !self.up || self.mode == Mode::Off || self.now < self.polled + POLL {
            return;
        }
        self.polled = self.now;
        (0..KINDS.len()).filter(|p| !KINDS[*p].write_only).for_each(|p| self.read(p));
    }
    fn read(&mut self, property: usize) {
        if self.up && !KINDS[property].write_only {
            let value = self.registers[property][bank(&self.config, property)];
            let value = (!self.muted[property]).then_some(value);
            self.reads.push((self.now + TRIP, property, value, self.now));
        }
    }
    fn deliver(&mut self) -> bool {
        let (now, clock) = (self.now, self.clock());
        let (answers, rest) = std::mem::take(&mut self.answers).into_iter().partition(|(at, ..)| *at <= now);
        self.answers = rest;
        let (reads, rest) = std::mem::take(&mut self.reads).into_iter().partition(|(at, ..)| *at <= now);
        self.reads = rest;
        let (answers, reads): (Vec<_>, Vec<_>) = (answers, reads);
        let some = !answers.is_empty() || !reads.is_empty();
        for (_, ticket, property, answer) in answers {
            let wrote = match answer {
                Answer::Done => Wrote::Done,
                Answer::Refused => Wrote::Refused(fault("exception 3")),
                Answer::Unknown => Wrote::Unknown,
            };
            self.log(Event::Answer { property, answer });
            if let Some(twin) = &mut self.twin {
                twin.wrote(ticket, &WriteReply { values: vec![wrote], why: Some(fault("no answer")) }, clock);
            }
        }
        for (_, property, value, asked_at) in reads {
            self.hand_over(property, value, asked_at);
        }
        some
    }
    fn hand_over(&mut self, property: usize, value: Option<i64>, asked_at: Duration) {
        let clock = self.clock();
        let told = if self.broken == Broken::SendsTwice { self.now } else { asked_at };
        if !self.up || self.mode == Mode::Off {
            return;
        }
        let Some(twin) = &mut self.twin else { return };
        match value {
            Some(_) if self.last[property] == Some(value) => twin.confirmed(property, told, clock),
            Some(number) => {
                let raw = Raw { value: Value::Int(number), quality: Quality::Good, reason: None, device_time_ms: 0 };
                twin.sample(property, Ok(raw), told, &Registers, clock);
            }
            None => twin.sample(property, Err(fault("exception 4")), told, &Registers, clock),
        }
        self.last[property] = Some(value);
        self.log(Event::Read { property, value, asked_at });
    }

    /// As the runtime does: steps until nothing is to be done, then reports.
    fn settle(&mut self) {
        for round in 0..8 {
            let now = self.clock();
            let Some(twin) = &mut self.twin else { return };
            let actions = twin.step(&Registers, now);
            if actions.is_empty() {
                break;
            }
            assert!(round < 7, "a twin that never comes to rest: {actions:?}");
            for action in actions {
                self.carry_out(action);
            }
        }
        let now = self.clock();
        if let Some(twin) = &mut self.twin
            && let Some(status) = twin.report(now).map(|snapshot| snapshot.status())
        {
            check(&status, &self.config);
            self.reports += 1;
            self.status = Some(status);
        }
    }
    fn carry_out(&mut self, action: Action) {
        if self.twin.is_none() {
            return;
        }
        match action {
            Action::Save { record } => self.save(&record),
            Action::Read { properties } => properties.into_iter().for_each(|p| self.read(p)),
            Action::Write { ticket, values, record } => {
                assert_eq!(values.len(), 1, "one at a time");
                let Some((property, raw)) = values.into_iter().next() else { return };
                let value = raw.as_i128().and_then(|n| i64::try_from(n).ok()).expect("whole");
                self.write(ticket, property, value, &record);
            }
        }
    }
    fn save(&mut self, record: &Record) {
        let now = self.clock();
        if self.full {
            self.held = Some(record.clone());
        }
        if let Some(twin) = &mut self.twin {
            twin.saved(if self.full { Err("disk full".into()) } else { Ok(()) }, now);
        }
        if self.full {
            return;
        }
        let text = serde_json::to_string(record).expect("a record is JSON");
        self.disk = Some(serde_json::from_str(&text).expect("a record is read back"));
        self.log(Event::Saved);
    }
    fn write(&mut self, ticket: u64, property: usize, value: i64, record: &Record) {
        let fate = self.fates.pop().unwrap_or(Fate::Done);
        let now = self.clock();
        match fate {
            Fate::SaveFails => {
                self.log(Event::Stopped { property });
                if let Some(twin) = &mut self.twin {
                    twin.save_failed(ticket, "disk full", now);
                }
                return;
            }
            Fate::CrashBeforeSave => return self.crash(),
            _ if self.full => {
                self.held = Some(record.clone());
                self.log(Event::Stopped { property });
                if let Some(twin) = &mut self.twin {
                    twin.save_failed(ticket, "disk full", now);
                }
                return;
            }
            _ => self.save(record),
        }
        if fate == Fate::CrashAfterSave {
            return self.crash();
        }
        if !self.up || fate == Fate::NotSent {
            self.log(Event::Stopped { property });
            let why = Some(fault("the link is down"));
            if let Some(twin) = &mut self.twin {
                twin.wrote(ticket, &WriteReply { values: vec![Wrote::NotSent], why }, now);
            }
            return;
        }
        self.log(Event::Sent { property, value });
        if matches!(fate, Fate::Done | Fate::DoneUnknown | Fate::CrashAfterSending) {
            self.registers[property][bank(&self.config, property)] = value;
        }
        let answer = match fate {
            Fate::CrashAfterSending => return self.crash(),
            Fate::Refused => Answer::Refused,
            Fate::DoneUnknown | Fate::LostUnknown => Answer::Unknown,
            _ => Answer::Done,
        };
        self.answers.push((self.now + TRIP, ticket, property, answer));
        if self.broken == Broken::SendsTwice {
            self.log(Event::Sent { property, value });
        }
    }
}

fn bank(config: &Config, property: usize) -> usize {
    usize::from(!config.wiring[property].is_multiple_of(2))
}

/// What holds of every report.
fn check(status: &DeviceStatus, config: &Config) {
    let summary = status.summary.clone().unwrap_or_default();
    assert!(summary.chars().count() <= 80, "{summary}");
    for name in status.pending.keys() {
        assert!(config.desired.keys().any(|p| format!("p{p}") == *name), "{name} is pending and not desired");
    }
    assert!(!status.reported.contains_key("p2") && !status.reported.contains_key("p4"), "{:?}", status.reported);
    assert_eq!(status.conditions.len(), 3);
    assert!(status.conditions.iter().all(|c| c.message.len() < 4096 && !c.reason.contains(' ')));
}
