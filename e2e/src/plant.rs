//! One small plant per story: a namespace, a Modbus device by pymodbus, a model that fits it, and Devices.
use crate::{Cluster, Peer, within};
use anyhow::{Context, Result};
use kube::Api;
use pollux_crds::{Device, condition};
use serde_json::Value as Json;

/// A namespace with a device in the field.
#[derive(Debug)]
pub struct Plant {
    /// The cluster.
    pub cluster: Cluster,
    /// Namespace of the story, and name of the place in the field.
    pub name: String,
    /// Address at which pods reach the field.
    pub address: String,
    /// The Modbus device.
    pub plc: Peer,
}

impl Plant {
    /// A namespace, a place in the field, and a Modbus device there on port 502.
    pub async fn build(cluster: &Cluster, name: &str) -> Result<Self> {
        cluster.apply(&format!("{{apiVersion: v1, kind: Namespace, metadata: {{name: {name}}}}}")).await?;
        let said = cluster.machine(&format!("attach {name}")).await?;
        let address = said.split_whitespace().last().context("attach prints the address")?.to_owned();
        let plc = Self::plc(name).await?;
        let plant = Self { cluster: cluster.clone(), name: name.to_owned(), address, plc };
        cluster.apply(&plant.model("")).await?;
        Ok(plant)
    }
    /// The Modbus device, once more.
    pub async fn plc(place: &str) -> Result<Peer> {
        Peer::start(place, "pymodbus_server.py", &["0.0.0.0", "502"]).await
    }
    /// The model: a temperature (float32 at holding 20), a setpoint, a valve, a register that refuses, one more property.
    pub fn model(&self, more: &str) -> String {
        format!(
            "apiVersion: pollux.rs/v1alpha1
kind: DeviceModel
metadata: {{name: oven, namespace: {name}}}
spec:
  summary: [temperature, setpoint]
  defaults: {{interval: 500ms}}
  properties:
  - {{name: temperature, type: number, unit: \"°C\", binding: {{modbus: {{table: holding, address: 20, dataType: float32}}}}}}
  - {{name: setpoint, type: integer, access: ReadWrite, minimum: 0, maximum: 1000, binding: {{modbus: {{table: holding, address: 0, dataType: uint16}}}}}}
  - {{name: valve, type: boolean, access: ReadWrite, binding: {{modbus: {{table: coil, address: 0}}}}}}
  - {{name: locked, type: integer, access: ReadWrite, binding: {{modbus: {{table: holding, address: 900, dataType: uint16}}}}}}
{more}",
            name = self.name
        )
    }
    /// A Device of that model.
    pub fn device(&self, name: &str, node: &str, more: &str) -> String {
        format!(
            "apiVersion: pollux.rs/v1alpha1
kind: Device
metadata: {{name: {name}, namespace: {namespace}}}
spec:
  model: oven
  nodeName: {node}
  protocol: {{modbus: {{tcp: {{host: {address}, port: 502}}, timeout: 500ms}}}}
{more}",
            namespace = self.name,
            address = self.address
        )
    }
    /// The Devices of this story.
    pub fn devices(&self) -> Api<Device> {
        Api::namespaced(self.cluster.client.clone(), &self.name)
    }
    /// Waits until a Device is as it should be; says how it stands where it does not come.
    pub async fn wait(&self, name: &str, what: &str, is: impl Fn(&Device) -> bool) -> Result<Device> {
        let check = move |device: Option<&Device>| device.is_some_and(&is);
        let waited = Box::pin(self.cluster.wait(self.devices(), name, &format!("{name}: {what}"), check)).await;
        if waited.is_err()
            && let Ok(device) = self.devices().get(name).await
        {
            println!("{name} stands so: {}", serde_json::to_string_pretty(&device.status)?);
        }
        waited
    }
    /// Waits for Ready.
    pub async fn ready(&self, name: &str) -> Result<Device> {
        self.wait(name, "Ready", |d| device_is(d, "Ready", "True")).await
    }
    /// Merges into the spec of a Device.
    pub async fn patch(&self, name: &str, patch: &str) -> Result<String> {
        let namespace = self.name.as_str();
        self.cluster.kubectl_args(&["patch", "device", name, "-n", namespace, "--type=merge", "-p", patch]).await
    }
    /// Every write that the device saw.
    pub async fn writes(&mut self) -> Result<Vec<Json>> {
        let said = self.plc.ask("writes").await?;
        said["writes"].as_array().cloned().context("a list of writes")
    }
    /// How many requests the device has seen.
    pub async fn requests(&mut self) -> Result<u64> {
        self.plc.ask("count").await?["count"].as_u64().context("a number")
    }
    /// Waits until it has seen so many more: that the device is read goes on.
    pub async fn goes_on(&mut self, more: u64) -> Result<()> {
        let goal = self.requests().await? + more;
        let mut pace = tokio::time::interval(std::time::Duration::from_millis(200));
        within(&format!("{more} more requests"), async {
            while self.requests().await? < goal {
                pace.tick().await;
            }
            Ok(())
        })
        .await
    }
    /// What stands in a register.
    pub async fn register(&mut self, table: &str, address: u16) -> Result<Json> {
        Ok(self.plc.ask(&format!("get 1 {table} {address}")).await?["values"][0].clone())
    }
    /// Takes all away again; the mapper lets go of the devices first.
    pub async fn clear(self) -> Result<()> {
        self.cluster.kubectl(&format!("delete namespace {} --wait=false", self.name)).await?;
        let none = || async {
            Ok(self.devices().list(&kube::api::ListParams::default()).await?.items.is_empty().then_some(()))
        };
        crate::until("the devices are gone", none).await?;
        within("the plug", self.plc.kill()).await?;
        self.cluster.machine(&format!("detach {}", self.name)).await?;
        Ok(())
    }
}

/// Whether a condition of a Device has that status, and speaks of its newest spec.
pub fn device_is(device: &Device, type_: &str, status: &str) -> bool {
    let conditions = device.status.as_ref().map_or(&[][..], |s| &s.conditions);
    let generation = device.metadata.generation;
    condition(conditions, type_).is_some_and(|c| c.status == status && Some(c.observed_generation) == generation)
}

/// The reason of a condition.
pub fn reason<'a>(device: &'a Device, type_: &str) -> &'a str {
    condition(device.status.as_ref().map_or(&[][..], |s| &s.conditions), type_).map_or("", |c| &c.reason)
}

/// The message of a condition.
pub fn message<'a>(device: &'a Device, type_: &str) -> &'a str {
    condition(device.status.as_ref().map_or(&[][..], |s| &s.conditions), type_).map_or("", |c| &c.message)
}

/// A reported value.
pub fn reported<'a>(device: &'a Device, property: &str) -> Option<&'a Json> {
    device.status.as_ref()?.reported.get(property).map(|value| &value.0)
}
