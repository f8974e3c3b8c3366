//! Bluetooth LE as the engine sees it.
use crate::{
    error::Error,
    link::{Link, Request},
    radio::{REPAIR, Radio as _, Stack},
    settings::Settings,
    unit::Unit,
};
use pollux_crds::{BleBinding, BleDevice};
use pollux_mapper::{ConfigError, Cx, Exchange, Hold, Job, Knowledge, Point, PointFault, Protocol, Value};
use std::{collections::BTreeMap, time::Duration};

/// The protocol, over a Bluetooth stack.
#[derive(Debug, Clone, Copy, Default)]
pub struct Ble<S>(pub S);

impl<S: Stack> Protocol for Ble<S> {
    const NAME: &'static str = "ble";
    type Device = BleDevice;
    type Address = BleBinding;
    type Endpoint = Settings;
    type Unit = Unit;
    type Request = Request;
    type Error = Error;
    type Link = Link<S>;

    fn endpoint(&self, device: &BleDevice) -> Result<Settings, ConfigError> {
        Settings::new(device)
    }

    fn prepare(&self, device: &BleDevice, points: &[Point<'_, BleBinding>]) -> Result<Unit, Vec<ConfigError>> {
        Unit::new(device, points)
    }

    fn plan(&self, unit: &Unit, due: &[usize]) -> Vec<Exchange<Request>> {
        let mut by_place = BTreeMap::<Option<usize>, Vec<usize>>::new();
        // What was told of an event last is none when it is looked at again.
        for at in due.iter().filter(|at| unit.items.get(**at).is_none_or(|item| !item.event)) {
            by_place.entry(unit.items.get(*at).and_then(crate::point::Item::place)).or_default().push(*at);
        }
        by_place.into_iter().map(|(place, points)| Exchange { points, request: Request(place) }).collect()
    }

    fn describe(&self, unit: &Unit, exchange: &Exchange<Request>) -> Option<String> {
        match exchange.request.0 {
            Some(place) => unit.places.get(place).map(|place| format!("read, or notified of, {place}")),
            None => Some("heard in advertisements".to_owned()),
        }
    }

    fn encoded(&self, unit: &Unit, point: usize, value: &Value) -> Result<Value, PointFault> {
        unit.items.get(point).map_or_else(|| Ok(value.clone()), |item| item.encoded(value))
    }

    fn generation(&self, unit: &Unit) -> u64 {
        unit.generation()
    }

    fn knowledge(&self, unit: &Unit) -> Knowledge {
        Knowledge { kept: unit.kept(), ..Knowledge::default() }
    }

    fn recall(&self, unit: &Unit, kept: &serde_json::Value) {
        unit.recall(kept);
    }

    fn hold(&self, unit: &Unit) -> Hold {
        unit.hold()
    }

    fn slots(&self, endpoint: &Settings) -> Option<usize> {
        Some(endpoint.connections)
    }

    fn patience(&self, unit: &Unit, job: Job<'_, Request>, timeout: Duration) -> Duration {
        match job {
            Job::Attach => unit.connect_timeout.max(timeout) + REPAIR,
            Job::Detach => timeout.max(REPAIR), // or its slot is given away before it is free
            Job::Write(_) => timeout * 2,       // a part of a value is read first
            _ => timeout,
        }
    }

    async fn connect(&self, endpoint: &Settings, cx: &Cx) -> Result<Link<S>, Error> {
        let radio = self.0.open(endpoint.adapter.as_deref()).await?;
        Ok(Link::new(radio, endpoint.connections, cx).await)
    }

    fn identity(&self, link: &Link<S>) -> Option<String> {
        Some(link.radio().identity())
    }
}
