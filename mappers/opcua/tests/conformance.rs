//! The contract of every driver, tried with OPC UA: subscribed, and read in cycles.
mod liar;
mod rig;

use liar::{Liar, Say, World};
use opcua::{
    core::{RequestMessage, ResponseMessage},
    types::{AttributeId, DataValue, QualifiedName, StatusCode, Variant},
};
use pollux_crds::{OpcUaBinding, OpcUaDelivery, OpcUaDevice, OpcUaSession, OpcUaSubscription};
use pollux_mapper::{
    PointSpec, Value,
    testing::conformance::{Harness, Peer, check},
};
use pollux_opcua::OpcUa;
use rig::{at, open, point};
use std::sync::atomic::{AtomicU16, Ordering::Relaxed};

/// Two devices, each a folder's nodes, at one server.
struct Plant {
    liar: Liar,
    delivery: OpcUaDelivery,
    pushed: AtomicU16,
}

impl Plant {
    async fn new(delivery: OpcUaDelivery) -> Self {
        let liar = Liar::honest().await;
        for device in 0..2 {
            folder(&mut liar.world(), device);
        }
        Self { liar, delivery, pushed: AtomicU16::new(100) }
    }
}

/// ns=2;s=D0 with /2:P0 to /2:P3 below it.
fn folder(world: &mut World, device: usize) {
    let id = World::id(&format!("D{device}"));
    let folder = liar::Node { references: vec![], ..world.nodes[&World::id("Line")].clone() };
    world.nodes.insert(id.clone(), folder);
    for number in 0..4 {
        let name = format!("D{device}P{number}");
        world.add(&name, 0_u16);
        world.nodes.get_mut(&World::id(&name)).expect("added").browse_name =
            QualifiedName::new(2, format!("P{number}"));
        world.child(&id, &World::id(&name));
    }
}

/// No to the first points of both devices.
fn refuse(heard: &liar::Heard) -> Vec<Say> {
    let first: Vec<bool> = match &heard.request {
        RequestMessage::Read(read) => read
            .nodes_to_read
            .iter()
            .flatten()
            .map(|node| is_first(&node.node_id) && node.attribute_id == AttributeId::Value as u32)
            .collect(),
        RequestMessage::Write(write) => {
            write.nodes_to_write.iter().flatten().map(|node| is_first(&node.node_id)).collect()
        }
        _ => return vec![Say::Good],
    };
    vec![Say::Bent(Box::new(move |answer| match answer {
        ResponseMessage::Read(read) => {
            for (result, _) in read.results.iter_mut().flatten().zip(first).filter(|(_, first)| *first) {
                *result = DataValue { status: Some(StatusCode::BadNotReadable), ..DataValue::null() };
            }
        }
        ResponseMessage::Write(write) => {
            for (result, _) in write.results.iter_mut().flatten().zip(first).filter(|(_, first)| *first) {
                *result = StatusCode::BadNotWritable;
            }
        }
        _ => {}
    }))]
}
fn is_first(id: &opcua::types::NodeId) -> bool {
    (0..2).any(|device| *id == World::id(&format!("D{device}P0")))
}

impl Harness for Plant {
    type Protocol = OpcUa;

    fn protocol(&self) -> OpcUa {
        OpcUa
    }
    fn device(&self, number: usize) -> OpcUaDevice {
        OpcUaDevice {
            root: Some(format!("ns=2;s=D{number}")),
            connect_timeout: "2s".parse().ok(),
            session: Some(OpcUaSession { heal_within: "0s".parse().ok(), ..OpcUaSession::default() }),
            subscription: Some(OpcUaSubscription {
                mode: Some(self.delivery),
                min_publishing_interval: "20ms".parse().ok(),
                ..OpcUaSubscription::default()
            }),
            ..open(&self.liar.url())
        }
    }
    fn points(&self) -> Vec<PointSpec<OpcUaBinding>> {
        (0..4)
            .map(|number| PointSpec {
                writable: number < 2,
                ..point(&format!("p{number}"), at(&format!("/2:P{number}")))
            })
            .collect()
    }
    fn value(&self, number: u8) -> Value {
        Value::Uint(number.into())
    }
    fn impossible(&self) -> Option<Value> {
        Some(Value::Uint(65536))
    }
    async fn set(&self, peer: Peer) {
        self.liar.refuse(peer == Peer::Cut);
        match peer {
            Peer::Serving => self.liar.script(|_| vec![Say::Good]),
            Peer::Silent => self.liar.script(|_| vec![]),
            Peer::Refusing => self.liar.script(refuse),
            Peer::Cut => self.liar.cut(),
        }
    }
    fn push(&self) -> bool {
        if self.delivery == OpcUaDelivery::Poll {
            return false;
        }
        self.liar.world().set("D0P2", Variant::UInt16(self.pushed.fetch_add(1, Relaxed)));
        true
    }
}

#[tokio::test]
async fn opcua_keeps_the_contract_of_a_driver_where_it_is_pushed_to() {
    assert_eq!(check(&Plant::new(OpcUaDelivery::Auto).await).await, Vec::<String>::new());
}
#[tokio::test]
async fn opcua_keeps_the_contract_of_a_driver_where_it_reads() {
    assert_eq!(check(&Plant::new(OpcUaDelivery::Poll).await).await, Vec::<String>::new());
}
