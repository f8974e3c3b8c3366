//! What the operator remembers of a device, everything that hangs on it included: at most 2 kB of heap, as its allocator is
//! asked for it.
#![allow(unsafe_code, reason = "an allocator that counts")]
use http::{Request, Response};
use kube::{Client, client::Body};
use pollux_operator::world::{World, watch::start};
use serde_json::{Value as Json, json};
use std::{
    alloc::{GlobalAlloc, Layout, System},
    convert::Infallible,
    future::pending,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};
use tokio_util::sync::CancellationToken;

const DEVICES: usize = 10_000;
const MAPPERS: usize = 1_000;

struct Counting;
static USED: AtomicUsize = AtomicUsize::new(0);
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        USED.fetch_add(layout.size(), Ordering::SeqCst);
        unsafe { System.alloc(layout) }
    }
    unsafe fn dealloc(&self, memory: *mut u8, layout: Layout) {
        USED.fetch_sub(layout.size(), Ordering::SeqCst);
        unsafe { System.dealloc(memory, layout) }
    }
}
#[global_allocator]
static ALLOCATOR: Counting = Counting;

fn uid(n: usize) -> String {
    format!("0b1d7c52-9f0e-4c2b-8a41-{n:012}")
}
fn node(n: usize) -> String {
    format!("edge-{:04}", n % MAPPERS)
}

fn device(n: usize) -> Json {
    let condition = |type_: &str, reason: &str, message: &str| {
        json!({"type": type_, "status": "True", "reason": reason, "message": message, "observedGeneration": 3,
            "lastTransitionTime": "2026-05-01T12:00:00Z"})
    };
    json!({
        "apiVersion": "pollux.rs/v1alpha1", "kind": "Device",
        "metadata": {
            "name": format!("boiler-{n:05}"), "namespace": "plant-north", "uid": uid(n), "generation": 3,
            "creationTimestamp": "2026-05-01T11:00:00Z", "resourceVersion": "123456789",
            "labels": {"line": "7", "app.kubernetes.io/part-of": "boilers"},
            "annotations": {"kubectl.kubernetes.io/last-applied-configuration": "x".repeat(600)},
            "managedFields": [{"manager": "kubectl", "operation": "Apply", "apiVersion": "pollux.rs/v1alpha1",
                "fieldsType": "FieldsV1", "fieldsV1": {"f:spec": {"f:model": {}, "f:desired": {"f:setpoint": {}}}}}],
        },
        "spec": {
            "model": "boiler", "nodeName": node(n), "parameters": {"line": "Line7"},
            "protocol": {"modbus": {"channel": "rs485-hall2", "unitId": 1 + n % 200}},
            "desired": {"setpoint": 21.5, "mode": "Auto", "pump": true},
        },
        "status": {
            "reported": {"setpoint": 21.5, "mode": "Auto", "pump": true, "temperature": 21.4, "pressure": 1.8},
            "timestamps": {"setpoint": "2026-05-01T12:00:00Z", "temperature": "2026-05-01T12:00:00Z"},
            "summary": "temperature=21.4 °C setpoint=21.5", "observedGeneration": 3,
            "nodeName": node(n), "mapperClass": "modbus", "uid": uid(n),
            "applied": {"setpoint": {"value": 21.5, "binding": "0123456789abcdef"}},
            "conditions": [
                condition("Accepted", "Valid", ""),
                condition("Scheduled", "Taken", &format!("driven by the mapper on node {}", node(n))),
                condition("Connected", "Answering", "answers in 12 ms"),
                condition("Healthy", "Good", ""),
                condition("InSync", "Confirmed", ""),
                condition("Ready", "Ready", ""),
            ],
        },
    })
}

fn slice(n: usize) -> Json {
    let mine = || (n..DEVICES).step_by(MAPPERS);
    let entry = |d: usize| {
        json!({"namespace": "plant-north", "name": format!("boiler-{d:05}"), "uid": uid(d), "generation": 3,
            "revision": "0123456789012345678901234567890123456789", "desired": {"setpoint": 21.5}})
    };
    let taken: serde_json::Map<_, _> = mine().map(|d| (uid(d), json!(3))).collect();
    json!({
        "metadata": {"name": format!("modbus.{}.0", node(n)), "namespace": "pollux-mappers", "resourceVersion": "7"},
        "spec": {"class": "modbus", "nodeName": node(n), "devices": mine().map(entry).collect::<Vec<_>>()},
        "status": {"taken": taken},
    })
}

fn pod(n: usize) -> Json {
    json!({
        "metadata": {"name": format!("pollux-mapper-modbus-{n:05}"), "namespace": "pollux-mappers",
            "labels": {"pollux.rs/mapper-class": "modbus"}},
        "spec": {"nodeName": node(n)},
        "status": {"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]},
    })
}

/// Lists a full plant; its watches are quiet.
fn client() -> Client {
    let answer = |request: Request<Body>| async move {
        let uri = request.uri();
        if uri.query().is_some_and(|q| q.contains("watch=true")) {
            pending::<()>().await;
        }
        let node = |n| {
            json!({"metadata": {"name": node(n), "labels": {"pollux.node-restriction.kubernetes.io/modbus": "true"}},
                "status": {"conditions": [{"type": "Ready", "status": "True"}]}})
        };
        let items: Vec<Json> = match uri.path().rsplit('/').next().unwrap_or_default() {
            "devices" => (0..DEVICES).map(device).collect(),
            "deviceslices" => (0..MAPPERS).map(slice).collect(),
            "pods" => (0..MAPPERS).map(pod).collect(),
            "nodes" => (0..MAPPERS).map(node).collect(),
            _ => vec![],
        };
        let list = json!({"apiVersion": "v1", "kind": "List", "metadata": {"resourceVersion": "1"}, "items": items});
        Ok::<_, Infallible>(Response::new(Body::from(list.to_string().into_bytes())))
    };
    Client::new(tower::service_fn(answer), "default")
}

#[tokio::test]
async fn a_device_costs_at_most_two_kilobytes() {
    let (world, stop, client) = (Arc::new(World::default()), CancellationToken::new(), client());
    let before = USED.load(Ordering::SeqCst);
    let lists = start(&client, &world, &stop);
    tokio::time::timeout(Duration::from_mins(2), lists.complete()).await.expect("the lists did not end");
    let each = USED.load(Ordering::SeqCst).saturating_sub(before) / DEVICES;
    assert_eq!((world.devices.len(), world.index().mappers().len()), (DEVICES, MAPPERS));
    println!("{each} bytes for each device");
    assert!((500..=2_048).contains(&each), "{each} bytes");
    stop.cancel();
}
