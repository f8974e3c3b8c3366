//! A serial port of the node in a mapper's Pod.
use crate::mappers;
use anyhow::ensure;
use kube::{
    Api, ResourceExt,
    api::{DeleteParams, PostParams},
};
use pollux_crds::{GroupId, HostDevices, MapperClass};
use pollux_e2e::{Peer, Plant, device_is, installed, message, reported, story, until};
use serde_json::json;
use std::fs;

/// The machine's first UART under another name: outside the list of devices that a container may open, which a pty is not.
const PORT: &str = "/dev/ttyPollux";
/// 21.5 as unit 1 answers a read of two holding registers, with its CRC.
const ANSWER: &str = "01030441ac00002e2e";

fn device(class: &str) -> String {
    format!(
        "apiVersion: pollux.rs/v1alpha1
kind: Device
metadata: {{name: meter, namespace: serial}}
spec:
  mapperClass: {class}
  nodeName: node-1
  protocol: {{modbus: {{rtu: {{path: {PORT}, baudRate: 9600, parity: None}}, timeout: 1s}}}}
  properties:
  - {{name: temperature, type: number, interval: 500ms, binding: {{modbus: {{table: holding, address: 20, dataType: float32}}}}}}"
    )
}

#[test]
fn s17_a_serial_port_of_the_node_reaches_the_pod_and_is_found_again() {
    // 0: the driver found no chip there.
    if fs::read_to_string("/sys/class/tty/ttyS0/type").map_or(true, |kind| kind.trim() == "0") {
        println!("skipped: this machine has no UART at ttyS0");
        return;
    }
    story("a serial port of the node: denied without hostDevices, read with them, unplugged and plugged in", async {
        let cluster = installed().await?;
        let plant = Plant::build(&cluster, "serial").await?;
        let mut uart = Peer::start("serial", "uart.py", &[PORT]).await?;
        let classes = Api::<MapperClass>::all(cluster.client.clone());
        let mut serial = MapperClass::new("serial", classes.get("modbus").await?.spec);
        serial.spec.protocol = Some("modbus".into());
        serial.spec.host_devices = Some(HostDevices { groups: vec![GroupId(20)] });

        cluster.apply(&device("modbus")).await?;
        let missing = |d: &pollux_crds::Device| {
            let says = message(d, "Connected");
            device_is(d, "Connected", "False") && (says.contains("no such file") || says.contains("the port is gone"))
        };
        plant.wait("meter", "there is no port in a Pod without hostDevices", missing).await?;
        classes.create(&PostParams::default(), &serial).await?;
        cluster.apply(&device("serial")).await?;
        uart.ask(&format!("answer {ANSWER} 150")).await?;
        let read = |d: &pollux_crds::Device| {
            device_is(d, "Connected", "True") && reported(d, "temperature") == Some(&json!(21.5))
        };
        plant.wait("meter", "read over the UART", read).await?;
        // That of class modbus, which had the device first, is on its way out.
        let pods = || async {
            let here = mappers(&cluster, "node-1").await?;
            Ok(here.iter().filter(|pod| pod.name_any().contains("serial")).map(ResourceExt::uid).collect::<Vec<_>>())
        };
        let before: Vec<_> = pods().await.map_err(|error: anyhow::Error| error)?;

        uart.ask("unplug").await?;
        plant.wait("meter", "unplugged", missing).await?;
        uart.ask("plug").await?;
        uart.ask(&format!("answer {ANSWER} 150")).await?;
        plant.wait("meter", "read again", read).await?;
        ensure!(pods().await? == before, "the port reaches the Pod that runs");

        uart.ask("end").await?;
        cluster.kubectl("delete device meter -n serial").await?;
        classes.delete("serial", &DeleteParams::default()).await?;
        until("its mapper is gone", || async {
            let left = mappers(&cluster, "node-1").await?;
            Ok(left.iter().all(|pod| !pod.name_any().contains("serial")).then_some(()))
        })
        .await?;
        plant.clear().await
    });
}
