//! What goes into status, and when: dead-bands, stamps, computed values, quality, summary.
use pollux_crds::{
    Access, CONNECTED, DeviceStatus, EffectiveDevice, EffectiveProperty, EffectiveReport, EffectiveVerify, Enforce,
    Interval, Mode, PropertyType, Source, Span, Writes, condition,
};
use pollux_mapper::{
    ErrorKind, PointFault, Precision, Quality, Value, WriteReply, Wrote,
    twin::{Action, Format, Now, Raw, Twin},
};
use serde_json::json;
use std::{collections::BTreeMap, sync::Arc, time::Duration};

const EPOCH_MS: i64 = 1_790_000_000_000;

struct Floats;
impl Format for Floats {
    fn encoded(&self, _: usize, raw: &Value) -> Result<Value, PointFault> {
        Ok(raw.clone())
    }
    fn precision(&self, _: usize) -> Precision {
        Precision::Single
    }
}

fn property(name: &str) -> EffectiveProperty {
    EffectiveProperty {
        name: name.into(),
        type_: PropertyType::Number,
        kind: pollux_crds::PropertyKind::State,
        access: Access::ReadOnly,
        unit: None,
        minimum: None,
        maximum: None,
        enum_: vec![],
        interval: Interval::Every(Span::from_secs(1)),
        read_group: None,
        report: EffectiveReport { never: false, deadband: 0.0, min_interval: Span::from_secs(1) },
        invalid: vec![],
        scale: 1.0,
        offset: 0.0,
        scale_exponent_from: None,
        source: Source::Binding(json!({}).into()),
        stale_after: Some(Span::from_secs(5)),
        enforce: Enforce::OnChange,
        verify: EffectiveVerify::Acknowledgement,
        wiring: name.into(),
    }
}
fn device(properties: Vec<EffectiveProperty>) -> EffectiveDevice {
    EffectiveDevice {
        namespace: "plant".into(),
        name: "boiler".into(),
        uid: "uid".into(),
        generation: 3,
        mode: Mode::Control,
        protocol: "custom",
        config: json!({}).into(),
        timeout: None,
        offline_after: 3,
        channel: None,
        summary: (0..properties.len()).collect(),
        properties: properties.into(),
        desired: BTreeMap::new(),
        applied: BTreeMap::new(),
        rewrite: None,
        commands: vec![],
    }
}

/// A twin that is connected, and a clock.
struct Rig {
    twin: Twin,
    ms: u64,
}
impl Rig {
    fn new(properties: Vec<EffectiveProperty>) -> Self {
        let mut rig = Self::quiet(properties);
        rig.twin.connected(Ok(()), rig.now());
        rig
    }
    fn quiet(properties: Vec<EffectiveProperty>) -> Self {
        let now = Now { mono: Duration::ZERO, unix_ms: EPOCH_MS };
        Self { twin: Twin::new(Arc::new(device(properties)), None, Writes::Enabled, now), ms: 0 }
    }
    fn now(&self) -> Now {
        Now { mono: Duration::from_millis(self.ms), unix_ms: EPOCH_MS + i64::try_from(self.ms).expect("short") }
    }
    fn take(&mut self, position: usize, result: Result<Raw, PointFault>) {
        let now = self.now();
        self.twin.sample(position, result, now.mono, &Floats, now);
    }
    fn read(&mut self, position: usize, value: impl Into<Value>) {
        self.take(position, Ok(Raw { value: value.into(), quality: Quality::Good, reason: None, device_time_ms: 0 }));
    }
    fn report(&mut self) -> Option<DeviceStatus> {
        let now = self.now();
        self.twin.step(&Floats, now);
        self.twin.report(now).map(|snapshot| snapshot.status())
    }
    fn after(&mut self, ms: u64) -> Option<DeviceStatus> {
        self.ms += ms;
        self.report()
    }
    fn status(&mut self) -> DeviceStatus {
        let now = self.now();
        self.twin.step(&Floats, now);
        self.twin.status()
    }
}

#[test]
fn the_first_report_waits_for_all_values_but_not_for_ever() {
    let mut rig = Rig::new(vec![property("a"), property("b")]);
    rig.read(0, 1.0);
    assert_eq!(rig.report(), None);
    rig.read(1, 2.0);
    assert_eq!(rig.report().unwrap().reported.len(), 2);

    let mut rig = Rig::new(vec![property("a"), property("b")]);
    rig.read(0, 1.0);
    assert_eq!(rig.after(9000), None);
    assert_eq!(rig.twin.wake().map(|at| at <= Duration::from_secs(10)), Some(true));
    assert_eq!(rig.after(1000).unwrap().quality_reason["b"], "NotRead");

    let mut rig = Rig::quiet(vec![property("a")]);
    let now = rig.now();
    rig.twin.connected(Err((ErrorKind::Unreachable, "no route".into())), now);
    let status = rig.report().expect("a device that is not there is said so at once");
    assert_eq!(condition(&status.conditions, CONNECTED).unwrap().message, "no route");
}

#[test]
fn a_value_is_reported_beyond_its_dead_band_and_not_too_often() {
    let report = EffectiveReport { never: false, deadband: 0.5, min_interval: Span::from_secs(10) };
    let mut rig = Rig::new(vec![EffectiveProperty { report, stale_after: None, ..property("t") }]);
    rig.read(0, 20.0);
    assert!(rig.report().is_some());
    rig.read(0, 20.5);
    assert_eq!(rig.after(20_000), None, "within the dead-band");
    rig.read(0, 20.6);
    assert_eq!(rig.report().unwrap().reported["t"].0, json!(20.6), "long after the last report");
    rig.read(0, 30.0);
    assert_eq!(rig.after(9_000), None, "too soon");
    assert_eq!(rig.twin.wake(), Some(Duration::from_secs(30)));
    rig.read(0, 40.0);
    assert_eq!(rig.after(1_000).unwrap().reported["t"].0, json!(40), "the newest");
    rig.read(0, 50.0);
    rig.ms += 5000;
    rig.read(0, 40.1);
    assert_eq!(rig.after(60_000), None, "it came back before its turn");
}

#[test]
fn a_report_for_a_conditions_sake_does_not_make_a_value_wait() {
    let report = EffectiveReport { never: false, deadband: 0.0, min_interval: Span::from_secs(10) };
    let mut rig = Rig::new(vec![EffectiveProperty { report, stale_after: None, ..property("t") }]);
    rig.read(0, 20.0);
    assert!(rig.report().is_some());
    rig.ms += 60_000;
    let now = rig.now();
    rig.twin.connected(Err((ErrorKind::Unreachable, "no route".into())), now);
    assert!(rig.report().is_some(), "it went away");
    rig.ms += 60_000;
    let now = rig.now();
    rig.twin.connected(Ok(()), now);
    assert!(rig.report().is_some(), "it is back");
    rig.read(0, 30.0);
    assert_eq!(rig.after(1).expect("at once").reported["t"].0, json!(30));
    rig.read(0, 31.0);
    assert_eq!(rig.after(9_000), None, "of values there are not more than one report in minInterval");
    assert_eq!(rig.after(1_000).expect("in its turn").reported["t"].0, json!(31));
}

#[test]
fn booleans_and_quality_are_reported_at_once() {
    let mut rig = Rig::new(vec![EffectiveProperty { type_: PropertyType::Boolean, ..property("on") }]);
    rig.read(0, true);
    assert!(rig.report().is_some());
    rig.read(0, false);
    assert_eq!(rig.after(1).unwrap().reported["on"].0, json!(false));
    rig.take(0, Err(PointFault::new(ErrorKind::Protocol, "exception 4")));
    assert_eq!(rig.after(1).unwrap().quality_reason["on"], "exception 4");
    rig.read(0, false);
    assert!(rig.after(1).unwrap().quality.is_empty());
}

#[test]
fn a_value_grows_stale_and_a_reading_heals_it() {
    let mut rig = Rig::new(vec![property("t")]);
    rig.read(0, 1.0);
    assert!(rig.report().is_some());
    rig.ms += 4000;
    let now = rig.now();
    rig.twin.confirmed(0, now.mono, now);
    assert_eq!(rig.after(4000), None);
    let status = rig.after(1000).unwrap();
    assert_eq!((status.quality["t"].as_str(), status.quality_reason["t"].as_str()), ("Bad", "Stale"));
    assert_eq!(status.summary.as_deref(), Some("t=1!"));
    let now = rig.now();
    rig.twin.confirmed(0, now.mono, now);
    assert!(rig.report().unwrap().quality.is_empty());
}

#[test]
fn the_devices_clock_is_believed_within_five_minutes() {
    for (off, wanted) in [(-60_000, "2026-09-21T14:12:20Z"), (-400_000, "2026-09-21T14:13:20Z")] {
        let mut rig = Rig::new(vec![property("t")]);
        let raw = Raw { value: 1.0.into(), quality: Quality::Uncertain, reason: None, device_time_ms: EPOCH_MS + off };
        rig.take(0, Ok(raw));
        let status = rig.status();
        assert_eq!(status.timestamps["t"], wanted);
        assert_eq!(status.quality["t"], "Uncertain");
        assert!(status.reported.contains_key("t"), "uncertain values are shown");
    }
}

#[test]
fn an_uncertain_value_says_why_in_the_protocols_word_and_another_word_is_told() {
    let mut rig = Rig::new(vec![property("t")]);
    let reading = |value: f64, quality, reason: Option<&'static str>| {
        Ok(Raw { value: value.into(), quality, reason: reason.map(Into::into), device_time_ms: 0 })
    };
    for (quality, reason, told) in [
        (Quality::Uncertain, Some("UncertainLastUsableValue"), Some("UncertainLastUsableValue")),
        (Quality::Uncertain, Some("UncertainSensorNotAccurate"), Some("UncertainSensorNotAccurate")),
        (Quality::Uncertain, None, Some("Uncertain")),
        (Quality::Good, Some("is not looked at"), None),
    ] {
        rig.take(0, reading(1.0, quality, reason));
        let status = rig.status();
        assert_eq!(status.quality_reason.get("t").map(String::as_str), told);
    }
}

#[test]
fn implausible_values_are_bad_and_the_last_good_one_stays() {
    let limits = EffectiveProperty { maximum: Some(100.0), invalid: vec![-1.0], ..property("t") };
    let mut rig = Rig::new(vec![limits]);
    rig.read(0, 21.3_f32);
    for (raw, reason) in [(101.0, "OutOfRange"), (-1.0, "NotAvailable"), (f64::NAN, "NotFinite")] {
        rig.read(0, raw);
        let status = rig.status();
        assert_eq!((status.quality_reason["t"].as_str(), &status.reported["t"].0), (reason, &json!(21.3)));
    }
}

#[test]
fn computed_values_follow_their_inputs_and_are_as_good_as_the_worst() {
    let power = EffectiveProperty {
        source: Source::Expression("flow * (supply - 40) / 10".into()),
        stale_after: None,
        ..property("power")
    };
    let mut rig = Rig::new(vec![power, property("flow"), property("supply")]);
    rig.read(1, 0.1);
    assert_eq!(rig.status().quality_reason["power"], "supply: NotRead");
    rig.read(2, 70.0);
    let status = rig.report().unwrap();
    assert_eq!((&status.reported["power"].0, status.quality.len()), (&json!(0.3), 0));
    rig.take(1, Err(PointFault::new(ErrorKind::Protocol, "exception 2")));
    let status = rig.report().unwrap();
    assert_eq!((&status.reported["power"].0, status.quality["power"].as_str()), (&json!(0.3), "Bad"));
    assert_eq!(status.quality_reason["power"], "flow: exception 2");
    rig.read(1, 1e300);
    rig.read(2, 1e300);
    assert_eq!(rig.status().quality_reason["power"], "the result is not a finite number");
}

#[test]
fn what_is_never_reported_counts_for_health() {
    let report = EffectiveReport { never: true, ..property("x").report };
    let mut rig = Rig::new(vec![EffectiveProperty { report, ..property("inner") }, property("t")]);
    rig.read(0, 1.0);
    rig.read(1, 1.0);
    assert_eq!(rig.report().unwrap().reported.keys().collect::<Vec<_>>(), ["t"]);
    rig.take(0, Err(PointFault::new(ErrorKind::Protocol, "exception 4")));
    let status = rig.report().unwrap();
    assert!(status.quality.is_empty());
    let healthy = condition(&status.conditions, "Healthy").unwrap();
    assert_eq!(healthy.message, "1 of 2 properties are not Good: inner Bad (exception 4)");
}

#[test]
fn the_summary_never_exceeds_eighty_characters_nor_cuts_one_in_two() {
    let text = |n: usize| EffectiveProperty {
        type_: PropertyType::String,
        unit: Some("°C".into()),
        ..property(&format!("p{n}"))
    };
    let mut rig = Rig::new((0..9).map(text).collect());
    for n in 0..9 {
        rig.read(n, "é\n".repeat(n * 9));
    }
    let summary = rig.status().summary.unwrap();
    assert!(summary.chars().count() <= 80, "{summary}");
    assert!(summary.starts_with("p0= °C p1=é é") && summary.ends_with('…') && !summary.contains('\n'), "{summary}");
}

#[test]
fn a_refusal_of_the_configuration_is_not_connected_and_ends_with_it() {
    let mut rig = Rig::new(vec![property("t")]);
    rig.read(0, 1.0);
    assert!(rig.report().is_some());
    let now = rig.now();
    rig.twin.refused("EndpointConflict", "/dev/ttyS0 is open with 9600 baud for plant/other", now);
    let said = condition(&rig.twin.status().conditions, CONNECTED).cloned().unwrap();
    assert_eq!((said.status.as_str(), said.reason.as_str()), ("False", "EndpointConflict"));
    assert_eq!(said.observed_generation, 3);
    let device = rig.twin.device().clone();
    rig.twin.configure(device, Writes::Enabled, now);
    let said = condition(&rig.twin.status().conditions, CONNECTED).cloned().unwrap();
    assert_eq!(said.status, "Unknown");
}

#[test]
fn another_limit_judges_the_reading_that_is_there() {
    let mut rig = Rig::new(vec![property("t")]);
    rig.read(0, 50.0);
    assert!(rig.report().unwrap().quality.is_empty());
    let limited = device(vec![EffectiveProperty { maximum: Some(40.0), ..property("t") }]);
    let now = rig.now();
    rig.twin.configure(Arc::new(EffectiveDevice { generation: 4, ..limited }), Writes::Enabled, now);
    let status = rig.report().unwrap();
    assert_eq!(status.quality_reason["t"], "OutOfRange");
    assert!(status.conditions.iter().all(|c| c.observed_generation == 4));
}

#[test]
fn another_block_of_the_protocol_may_mean_another_format_of_the_reading_that_is_there() {
    struct Doubles;
    impl Format for Doubles {
        fn encoded(&self, _: usize, raw: &Value) -> Result<Value, PointFault> {
            Ok(raw.clone())
        }
        fn precision(&self, _: usize) -> Precision {
            Precision::Double
        }
    }
    let mut rig = Rig::new(vec![property("level")]);
    rig.read(0, 0.123_456_789_012);
    rig.twin.step(&Floats, rig.now());
    assert_eq!(rig.status().reported["level"], json!(0.123_456_79).into());
    let wide = EffectiveDevice { config: json!({"float": 64}).into(), ..device(vec![property("level")]) };
    rig.twin.configure(Arc::new(wide), Writes::Enabled, rig.now());
    rig.twin.step(&Doubles, rig.now());
    assert_eq!(rig.status().reported["level"], json!(0.123_456_789_012).into());
}

#[test]
fn a_slow_device_has_the_time_that_verify_gives_it() {
    let verify = EffectiveVerify::ReadBack { tolerance: 0.5, delay: Span::from_secs(2), within: Span::from_secs(10) };
    let valve = EffectiveProperty { access: Access::ReadWrite, verify, stale_after: None, ..property("valve") };
    let mut rig = Rig::new(vec![valve]);
    rig.read(0, 0.0);
    let desired = BTreeMap::from([("valve".to_owned(), 50.into())]);
    let device = EffectiveDevice { desired, ..rig.twin.device().as_ref().clone() };
    let now = rig.now();
    rig.twin.configure(Arc::new(device), Writes::Enabled, now);
    let actions = rig.twin.step(&Floats, now);
    let Some(Action::Write { ticket, .. }) = actions.first() else { unreachable!("{actions:?}") };
    rig.twin.wrote(*ticket, &WriteReply { values: vec![Wrote::Done], why: None }, now);
    let in_sync = |rig: &mut Rig| {
        let status = rig.status();
        let found = condition(&status.conditions, "InSync").expect("there");
        format!("{} {}", found.status, found.reason)
    };
    rig.ms += 1000;
    rig.read(0, 50.0); // an echo of the write, before the valve moves
    assert_eq!(in_sync(&mut rig), "False Writing");
    rig.ms += 2000;
    rig.read(0, 10.0);
    assert_eq!(in_sync(&mut rig), "False Writing");
    let wake = rig.twin.wake().expect("it is looked at again");
    assert!(wake <= Duration::from_secs(4), "{wake:?}");
    rig.ms += 6000;
    rig.read(0, 49.5);
    assert_eq!(in_sync(&mut rig), "True Confirmed");
    rig.ms += 5000;
    rig.read(0, 49.4);
    assert_eq!(in_sync(&mut rig), "False Drifted");
}
