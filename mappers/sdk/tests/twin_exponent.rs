//! Values whose decimal exponent another property holds, as SunSpec's scale factors do.
use pollux_crds::{
    Access, DeviceStatus, EffectiveDevice, EffectiveProperty, EffectiveReport, EffectiveVerify, Enforce, IN_SYNC,
    Interval, Mode, PropertyType, Source, Span, Writes, condition,
};
use pollux_mapper::{
    ErrorKind, PointFault, Precision, Quality, Value, WriteReply, Wrote,
    twin::{Action, Format, Now, Raw, Twin},
};
use serde_json::{Value as Json, json};
use std::{collections::BTreeMap, sync::Arc, time::Duration};

const POWER: usize = 0;
const EXPONENT: usize = 1;
const LIMIT: usize = 2;
const FAN: usize = 3;

/// 16-bit registers, signed.
struct Registers;
impl Format for Registers {
    fn encoded(&self, _: usize, raw: &Value) -> Result<Value, PointFault> {
        let rounded = raw.as_f64().map(f64::round).filter(|v| v.abs() <= 32_767.0);
        let fault = || PointFault::new(ErrorKind::Config, "does not fit int16");
        #[allow(clippy::cast_possible_truncation)]
        rounded.map(|v| Value::Int(v as i64)).ok_or_else(fault)
    }
    fn precision(&self, _: usize) -> Precision {
        Precision::Integer
    }
}

fn property(name: &str, access: Access, exponent: Option<&str>) -> EffectiveProperty {
    EffectiveProperty {
        name: name.into(),
        type_: if exponent.is_some() { PropertyType::Number } else { PropertyType::Integer },
        kind: pollux_crds::PropertyKind::State,
        access,
        unit: None,
        minimum: None,
        maximum: None,
        enum_: vec![],
        interval: Interval::Every(Span::from_secs(1)),
        read_group: None,
        report: EffectiveReport { never: false, deadband: 0.0, min_interval: Span::from_secs(1) },
        invalid: vec![-32768.0],
        scale: 1.0,
        offset: 0.0,
        scale_exponent_from: exponent.map(str::to_owned),
        source: Source::Binding(json!({"table": "holding", "address": 0, "dataType": "int16"}).into()),
        stale_after: None,
        enforce: Enforce::OnChange,
        verify: EffectiveVerify::ReadBack { tolerance: 0.0, delay: Span::from_millis(0), within: Span::from_millis(0) },
        wiring: name.into(),
    }
}

struct Rig {
    twin: Twin,
    ms: u64,
}
impl Rig {
    fn new(desired: &Json) -> Self {
        Self::with(desired, |_| ())
    }
    fn with(desired: &Json, change: impl FnOnce(&mut EffectiveProperty)) -> Self {
        let desired: BTreeMap<_, _> =
            desired.as_object().into_iter().flatten().map(|(k, v)| (k.clone(), v.clone().into())).collect();
        let mut properties = vec![
            property("W", Access::ReadOnly, Some("W_SF")),
            property("W_SF", Access::ReadOnly, None),
            property("WMax", Access::ReadWrite, Some("W_SF")),
            property("fanOn", Access::ReadWrite, None),
        ];
        change(&mut properties[LIMIT]);
        let device = EffectiveDevice {
            namespace: "plant".into(),
            name: "inverter".into(),
            uid: "uid".into(),
            generation: 1,
            mode: Mode::Control,
            protocol: "modbus",
            config: json!({}).into(),
            timeout: None,
            offline_after: 3,
            channel: None,
            summary: vec![0],
            properties: properties.into(),
            desired,
            applied: BTreeMap::new(),
            rewrite: None,
            commands: vec![],
        };
        let mut rig = Self { twin: Twin::new(Arc::new(device), None, Writes::Enabled, now(0)), ms: 0 };
        rig.twin.connected(Ok(()), now(0));
        rig
    }
    fn read(&mut self, position: usize, raw: i64) {
        self.ms += 10;
        let (now, value) = (now(self.ms), Value::Int(raw));
        let raw = Raw { value, quality: Quality::Good, reason: None, device_time_ms: 0 };
        self.twin.sample(position, Ok(raw), now.mono, &Registers, now);
    }
    fn fails(&mut self, position: usize) {
        let now = now(self.ms);
        let fault = PointFault::new(ErrorKind::Protocol, "exception 4");
        self.twin.sample(position, Err(fault), now.mono, &Registers, now);
    }
    /// What shall be written now.
    fn step(&mut self) -> Option<(u64, Value)> {
        let write = |action| match action {
            Action::Write { ticket, values, .. } => values.first().map(|(_, value)| (ticket, value.clone())),
            _ => None,
        };
        self.twin.step(&Registers, now(self.ms)).into_iter().find_map(write)
    }
    /// What shall be read now.
    fn asked(&mut self) -> Vec<usize> {
        let read = |action| match action {
            Action::Read { properties } => properties,
            _ => vec![],
        };
        self.twin.step(&Registers, now(self.ms)).into_iter().flat_map(read).collect()
    }
    fn reconnects(&mut self) {
        self.ms += 10;
        self.twin.connected(Ok(()), now(self.ms));
        self.ms += 1;
    }
    fn status(&mut self) -> DeviceStatus {
        assert_eq!(self.step(), None);
        self.twin.status()
    }
    fn wrote(&mut self, ticket: u64) {
        self.ms += 10;
        let reply = WriteReply { values: vec![Wrote::Done], why: None };
        self.twin.wrote(ticket, &reply, now(self.ms));
    }
    fn shown(&mut self) -> (Option<Json>, Option<String>) {
        let status = self.status();
        (status.reported.get("W").map(|v| v.0.clone()), status.quality_reason.get("W").cloned())
    }
    fn in_sync(&mut self) -> (String, String) {
        let status = self.status();
        let word = condition(&status.conditions, IN_SYNC).expect("said");
        (word.reason.clone(), word.message.clone())
    }
}
fn now(ms: u64) -> Now {
    Now { mono: Duration::from_millis(ms), unix_ms: 1_790_000_000_000 + i64::try_from(ms).expect("short") }
}

#[test]
fn a_value_is_known_only_with_its_exponent_and_follows_it_without_a_new_reading() {
    let mut rig = Rig::new(&json!({}));
    rig.read(POWER, 2300);
    assert_eq!(rig.shown(), (None, Some("W_SF: NotRead".into())));
    rig.read(EXPONENT, -1);
    assert_eq!(rig.shown(), (Some(json!(230)), None), "shortest decimal, at once");
    rig.read(EXPONENT, 2);
    assert_eq!(rig.shown(), (Some(json!(230_000)), None));
    rig.read(EXPONENT, -2);
    rig.read(POWER, 2301);
    assert_eq!(rig.shown(), (Some(json!(23.01)), None));
    rig.read(EXPONENT, -32768);
    assert_eq!(rig.shown(), (Some(json!(23.01)), Some("W_SF: NotAvailable".into())), "SunSpec: not implemented");
    rig.read(EXPONENT, 11);
    assert_eq!(rig.shown().1, Some("W_SF: exponent 11 is not from -10 to 10".into()));
    rig.read(EXPONENT, 10);
    rig.read(POWER, 3);
    assert_eq!(rig.shown(), (Some(json!(30_000_000_000_i64)), None));
    rig.fails(EXPONENT);
    assert_eq!(rig.shown().1, Some("W_SF: exception 4".into()));
    rig.read(EXPONENT, -10);
    assert_eq!(rig.shown(), (Some(json!(3e-10)), None));
}

#[test]
fn a_write_waits_for_the_exponent_and_goes_by_the_one_in_force() {
    let mut rig = Rig::new(&json!({"WMax": 1500}));
    rig.read(LIMIT, 9);
    let (reason, message) = rig.in_sync();
    assert_eq!(reason, "NoReading");
    assert!(message.contains("WMax (waits for its exponent, W_SF: NotRead)"), "{message}");
    assert_eq!(rig.status().pending["WMax"].error.as_deref(), Some("waits for its exponent, W_SF: NotRead"));
    rig.read(EXPONENT, 1);
    let (ticket, raw) = rig.step().expect("to be written");
    assert_eq!(raw.as_i128(), Some(150));
    rig.wrote(ticket);
    rig.read(LIMIT, 150);
    assert_eq!(rig.in_sync().0, "Confirmed");
    rig.read(EXPONENT, 2);
    assert_eq!(rig.in_sync().0, "Drifted", "150 means 15,000 from now on, and enforce is OnChange");
    rig.read(EXPONENT, 1);
    assert_eq!(rig.in_sync().0, "Confirmed");
}

#[test]
fn what_is_being_read_back_is_compared_by_the_exponent_that_it_was_written_with() {
    let mut rig = Rig::new(&json!({"WMax": 1500}));
    rig.read(EXPONENT, 0);
    rig.read(LIMIT, 0);
    let (ticket, raw) = rig.step().expect("to be written");
    assert_eq!(raw.as_i128(), Some(1500));
    rig.wrote(ticket);
    rig.read(EXPONENT, 1);
    rig.read(LIMIT, 1500);
    let reason = rig.in_sync().0;
    assert_ne!(reason, "NotSticking", "the device did take it");
    assert_eq!(rig.status().reported["WMax"].0, json!(15_000));
}

#[test]
fn what_the_exponent_leaves_no_room_for_is_refused_in_the_propertys_unit() {
    let mut rig = Rig::new(&json!({"WMax": 5000}));
    rig.read(EXPONENT, -1);
    rig.read(LIMIT, 0);
    let (reason, message) = rig.in_sync();
    assert_eq!(reason, "Refused");
    assert!(message.contains("must be a number from -3276.8 to 3276.7 in steps of 0.1 (int16), is 5000"), "{message}");
    rig.read(EXPONENT, 0);
    assert_eq!(rig.step().and_then(|(_, raw)| raw.as_i128()), Some(5000), "the new exponent has room for it");
}

#[test]
fn an_exponent_that_goes_bad_between_a_write_and_its_reading_holds_up_nobody() {
    let mut rig = Rig::new(&json!({"WMax": 1500, "fanOn": 1}));
    rig.read(EXPONENT, 0);
    rig.read(LIMIT, 0);
    rig.read(FAN, 0);
    let (ticket, raw) = rig.step().expect("to be written");
    assert_eq!(raw.as_i128(), Some(1500));
    rig.wrote(ticket);
    rig.read(EXPONENT, -32768);
    assert_eq!(rig.step(), None, "one after the other");
    rig.read(LIMIT, 1500);
    assert_eq!(rig.step().and_then(|(_, raw)| raw.as_i128()), Some(1), "it was compared as it was written");
}

#[test]
fn what_does_not_stick_while_its_exponent_is_bad_holds_up_nobody_either() {
    let mut rig = Rig::new(&json!({"WMax": 1500, "fanOn": 1}));
    rig.read(EXPONENT, 0);
    rig.read(LIMIT, 0);
    rig.read(FAN, 0);
    let (ticket, _) = rig.step().expect("to be written");
    rig.wrote(ticket);
    rig.fails(EXPONENT);
    rig.read(LIMIT, 7);
    assert_eq!(rig.step().and_then(|(_, raw)| raw.as_i128()), Some(1));
}

#[test]
fn the_tolerance_of_a_reading_back_is_in_the_unit_that_was_written() {
    let near = |p: &mut EffectiveProperty| {
        let (delay, within) = (Span::from_millis(0), Span::from_millis(0));
        p.verify = EffectiveVerify::ReadBack { tolerance: 5.0, delay, within };
    };
    let mut rig = Rig::with(&json!({"WMax": 1500}), near);
    rig.read(EXPONENT, 0);
    rig.read(LIMIT, 0);
    let (ticket, _) = rig.step().expect("to be written");
    rig.wrote(ticket);
    rig.read(EXPONENT, 2);
    rig.read(LIMIT, 1498);
    assert_eq!(rig.in_sync().0, "Drifted", "it did stick; what 1498 means is another thing now");
}

#[test]
fn after_a_reconnect_nothing_is_written_by_an_exponent_that_was_read_before_it() {
    let mut rig = Rig::new(&json!({"WMax": 50, "fanOn": 1}));
    rig.read(EXPONENT, -1);
    rig.reconnects();
    rig.read(LIMIT, 0);
    rig.read(FAN, 0);
    assert_eq!(rig.step(), None, "the inverter may be another one, and the fan comes after it");
    assert_eq!(rig.status().pending["WMax"].error.as_deref(), Some("waits for its exponent, W_SF: NotRead"));
    rig.ms += 1_000;
    assert_eq!(rig.asked(), [EXPONENT], "which may be read OnConnect only");
    assert_eq!(rig.asked(), [] as [usize; 0], "once in a while");
    rig.read(EXPONENT, 0);
    assert_eq!(rig.step().and_then(|(_, raw)| raw.as_i128()), Some(50), "not 500");
}

#[test]
fn an_exponent_that_does_not_come_holds_up_the_others_only_for_a_while() {
    let mut rig = Rig::new(&json!({"WMax": 50, "fanOn": 1}));
    rig.read(LIMIT, 0);
    rig.read(FAN, 0);
    assert_eq!(rig.step(), None);
    rig.ms += 11_000;
    assert_eq!(rig.step().and_then(|(_, raw)| raw.as_i128()), Some(1));
    let mut rig = Rig::new(&json!({"WMax": 50, "fanOn": 1}));
    rig.read(LIMIT, 0);
    rig.read(FAN, 0);
    rig.fails(EXPONENT);
    assert_eq!(rig.step().and_then(|(_, raw)| raw.as_i128()), Some(1), "not at all, if it is refused");
}

#[test]
fn rounding_by_the_exponent_leaves_no_limit() {
    let limits = |p: &mut EffectiveProperty| (p.minimum, p.maximum) = (Some(140.0), Some(1550.0));
    for (wanted, written) in [(1550, None), (1449, Some(14)), (140, None), (150, Some(2))] {
        let mut rig = Rig::with(&json!({"WMax": wanted}), limits);
        rig.read(EXPONENT, 2);
        rig.read(LIMIT, 0);
        assert_eq!(rig.step().and_then(|(_, raw)| Registers.encoded(LIMIT, &raw).ok()?.as_i128()), written, "{wanted}");
        let message = rig.in_sync().1;
        let told = message.contains("nearest step, 1600, which is above maximum 1550")
            || message.contains("nearest step, 100, which is below minimum 140");
        assert_eq!(told, written.is_none(), "{message}");
    }
}
