//! Devices for the tests of this crate's reporter, sources and API.
use crate::{
    Quality, Snapshot,
    convert::Cell,
    snapshot::{Doubt, Head, Shown},
};
use pollux_crds::{
    Access, Condition, DeviceStatus, EffectiveDevice, EffectiveProperty, EffectiveReport, EffectiveVerify, Enforce,
    Interval, Mode, PropertyType, Source, Span,
};
use serde_json::json;
use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex},
};

/// When all of it began.
const SINCE: &str = "2026-01-01T00:00:00Z";

pub(crate) fn device(uid: &str, generation: i64) -> Arc<EffectiveDevice> {
    Arc::new(EffectiveDevice {
        namespace: "plant".into(),
        name: format!("device-{uid}"),
        uid: uid.into(),
        generation,
        mode: Mode::Control,
        protocol: "custom",
        config: json!({"host": "10.0.0.5"}).into(),
        timeout: None,
        offline_after: 3,
        channel: None,
        properties: [].into_iter().collect(),
        summary: vec![],
        desired: [("setpoint".to_owned(), pollux_crds::Value(json!(21.5)))].into(),
        applied: [].into(),
        rewrite: None,
        commands: vec![],
    })
}

/// A number that is read and written.
pub(crate) fn property(name: &str) -> EffectiveProperty {
    EffectiveProperty {
        name: name.into(),
        type_: PropertyType::Number,
        kind: pollux_crds::PropertyKind::State,
        access: Access::ReadWrite,
        unit: Some("°C".into()),
        minimum: None,
        maximum: Some(90.0),
        enum_: vec![],
        interval: Interval::Every(Span::from_millis(1_000)),
        read_group: None,
        report: EffectiveReport { never: false, deadband: 0.5, min_interval: Span::from_millis(1_000) },
        invalid: vec![],
        scale: 1.0,
        offset: 0.0,
        scale_exponent_from: None,
        source: Source::Binding(json!({"register": 7}).into()),
        stale_after: Some(Span::from_millis(5_000)),
        enforce: Enforce::OnChange,
        verify: EffectiveVerify::Acknowledgement,
        wiring: "wiring".into(),
    }
}

/// A status with one value and, unless empty, a `Connected` of that status.
pub(crate) fn status(value: f64, connected: &str) -> DeviceStatus {
    let condition = Condition {
        type_: pollux_crds::CONNECTED.into(),
        status: connected.into(),
        reason: "Test".into(),
        message: String::new(),
        observed_generation: 1,
        last_transition_time: SINCE.into(),
    };
    DeviceStatus {
        reported: [("temperature".to_owned(), pollux_crds::Value(json!(value)))].into(),
        timestamps: [("temperature".to_owned(), SINCE.to_owned())].into(),
        conditions: if connected.is_empty() { vec![] } else { vec![condition] },
        ..DeviceStatus::default()
    }
}

/// The same one for the same properties: the snapshots of a twin share theirs until it is configured anew.
fn one_device(uid: &str, properties: Vec<EffectiveProperty>) -> Arc<EffectiveDevice> {
    static MADE: Mutex<Vec<Arc<EffectiveDevice>>> = Mutex::new(vec![]);
    let new = EffectiveDevice { properties: properties.into(), ..(*device(uid, 1)).clone() };
    let mut made = MADE.lock().unwrap();
    if let Some(known) = made.iter().find(|known| ***known == new) {
        return known.clone();
    }
    made.push(Arc::new(new));
    made.last().unwrap().clone()
}

/// What this status says, of a device that has just the properties that it names.
impl From<DeviceStatus> for Snapshot {
    fn from(status: DeviceStatus) -> Self {
        let DeviceStatus { uid, reported, quality, quality_reason, pending, applied, identification, learned, .. } =
            status;
        let names: BTreeSet<&String> = reported.keys().chain(quality.keys()).collect();
        let properties: Vec<_> = names.iter().map(|name| property(name)).collect();
        let shown = |name: &&String| Shown {
            value: reported.get(*name).map_or(Cell::None, |value| value.0.clone().into()),
            since_ms: SINCE.parse::<jiff::Timestamp>().unwrap().as_millisecond(),
        };
        let doubt = |(position, name): (usize, &&String)| {
            let quality = if quality.get(*name)? == "Bad" { Quality::Bad } else { Quality::Uncertain };
            let reason = quality_reason.get(*name).cloned().unwrap_or_default().into();
            Some(Doubt { position: u32::try_from(position).unwrap(), quality, reason })
        };
        let (values, doubts) =
            (names.iter().map(shown).collect(), names.iter().enumerate().filter_map(doubt).collect());
        let device = one_device(&uid.unwrap_or_default(), properties);
        let head = Head { pending, applied, identification, learned, conditions: status.conditions.into() };
        Self::new(device, head.into(), values, doubts, status.summary.map(Into::into))
    }
}
