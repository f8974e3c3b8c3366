//! All links in the tree keep the contract: one by script, one that pushes, and the example over TCP.
#![allow(unreachable_pub, clippy::unwrap_used)]
mod broken;
mod lines_peer;
mod memory;

use pollux_mapper::{
    DeviceKey, Interval, PointFault, PointSpec, Protocol, Value,
    prelude::*,
    testing::{
        Harness, Peer, conformance,
        memory::{Broker, Memory, Mood},
        scripted::{self, Script, Scripted},
    },
};
use std::{sync::Arc, time::Duration};

fn points() -> Vec<PointSpec<String>> {
    let point = |name: &str| PointSpec {
        name: name.into(),
        address: name.into(),
        interval: Interval::Every(Duration::from_secs(1)),
        readable: true,
        writable: true,
        event: false,
        read_group: None,
    };
    ["a", "b", "c", "d", "e", "f"].map(point).into()
}

struct ScriptHarness(Arc<Script>);
impl Harness for ScriptHarness {
    type Protocol = Scripted;
    fn protocol(&self) -> Scripted {
        Scripted(self.0.clone())
    }
    fn device(&self, number: usize) -> scripted::Device {
        scripted::Device { bus: "bus".into(), name: format!("d{number}") }
    }
    fn points(&self) -> Vec<PointSpec<String>> {
        points()
    }
    fn value(&self, number: u8) -> Value {
        Value::Uint(number.into())
    }
    async fn set(&self, peer: Peer) {
        let script = &self.0;
        script.silent.lock().unwrap().clear();
        script.refused.lock().unwrap().clear();
        *script.offline.lock().unwrap() = peer == Peer::Cut;
        let devices = ["d0", "d1"].map(str::to_owned);
        match peer {
            Peer::Serving => {}
            Peer::Silent => script.silent.lock().unwrap().extend(devices),
            Peer::Refusing => {
                let no = PointFault::new(ErrorKind::Denied, "no");
                script.refused.lock().unwrap().extend(devices.map(|d| ((d, "a".to_owned()), no.clone())));
            }
            Peer::Cut => script.cut(),
        }
    }
}

struct BrokerHarness(Arc<Broker>);
impl Harness for BrokerHarness {
    type Protocol = Memory;
    fn protocol(&self) -> Memory {
        Memory(self.0.clone())
    }
    fn device(&self, number: usize) -> pollux_mapper::testing::memory::Device {
        pollux_mapper::testing::memory::Device { name: format!("d{number}") }
    }
    fn points(&self) -> Vec<PointSpec<String>> {
        points()
    }
    fn value(&self, number: u8) -> Value {
        Value::Text(format!("value {number}").into())
    }
    async fn set(&self, peer: Peer) {
        self.0.refused.lock().unwrap().clear();
        let mood = match peer {
            Peer::Serving => Mood::Serving,
            Peer::Silent => Mood::Silent,
            Peer::Cut => Mood::Offline,
            Peer::Refusing => {
                let devices = ["d0", "d1"].map(|d| (d.to_owned(), "a".to_owned()));
                self.0.refused.lock().unwrap().extend(devices);
                Mood::Serving
            }
        };
        *self.0.mood.lock().unwrap() = mood;
        if peer == Peer::Cut {
            self.0.cut();
        }
    }
    fn push(&self) -> bool {
        self.0.publish("d0", "c", 1.5);
        true
    }
}

#[tokio::test(start_paused = true)]
async fn the_scripted_link_keeps_the_contract() {
    let script = Arc::new(Script::default());
    for device in ["d0", "d1"] {
        for point in points() {
            script.set(device, &point.address, 0.5);
        }
    }
    assert_eq!(conformance::check(&ScriptHarness(script)).await, Vec::<String>::new());
}

#[tokio::test(start_paused = true)]
async fn the_pushing_link_keeps_the_contract() {
    let broker = Arc::new(Broker::default());
    for device in ["d0", "d1"] {
        for point in points() {
            broker.publish(device, &point.address, 0.5);
        }
    }
    assert_eq!(conformance::check(&BrokerHarness(broker)).await, Vec::<String>::new());
}

#[tokio::test]
async fn the_example_over_tcp_keeps_the_contract() {
    let harness = lines_peer::LinesHarness::new().await;
    assert_eq!(conformance::check(&harness).await, Vec::<String>::new());
}

/// Used by the modules below.
fn spec<P: Protocol>(key: u64, config: P::Device, points: Vec<PointSpec<P::Address>>) -> pollux_mapper::DeviceSpec<P> {
    let (key, name, timeout) = (DeviceKey(key), format!("d{key}"), Duration::from_secs(1));
    pollux_mapper::DeviceSpec { key, name, wiring: 0, config, points: points.into(), timeout, offline_after: 3 }
}
