//! Devices for the tests of this crate's reporter, sources and API.
use pollux_crds::{
    Access, Condition, DeviceStatus, EffectiveDevice, EffectiveProperty, EffectiveReport, EffectiveVerify, Enforce,
    Interval, Mode, PropertyType, Source, Span,
};
use serde_json::json;
use std::sync::Arc;

pub(crate) fn device(uid: &str, generation: i64) -> Arc<EffectiveDevice> {
    Arc::new(EffectiveDevice {
        namespace: "plant".into(),
        name: format!("device-{uid}"),
        uid: uid.into(),
        generation,
        mode: Mode::Control,
        protocol: "custom",
        config: json!({"host": "10.0.0.5"}),
        timeout: None,
        offline_after: 3,
        channel: None,
        properties: vec![],
        summary: vec![],
        desired: [("setpoint".to_owned(), pollux_crds::Value(json!(21.5)))].into(),
        applied: [].into(),
        rewrite: None,
    })
}

/// A number that is read and written.
pub(crate) fn property(name: &str) -> EffectiveProperty {
    EffectiveProperty {
        name: name.into(),
        type_: PropertyType::Number,
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
        source: Source::Binding(json!({"register": 7})),
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
        last_transition_time: "2026-01-01T00:00:00Z".into(),
    };
    DeviceStatus {
        reported: [("temperature".to_owned(), pollux_crds::Value(json!(value)))].into(),
        conditions: if connected.is_empty() { vec![] } else { vec![condition] },
        ..DeviceStatus::default()
    }
}
