//! MapperClass: how the mapper of a protocol is run.
use crate::{CUSTOM, Condition, Device, FieldError};
use kube::{CustomResource, KubeSchema, ResourceExt};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// How the mapper of a protocol is run: one DaemonSet per class, on the nodes that have devices of it.
#[derive(CustomResource, Clone, Debug, PartialEq, Serialize, Deserialize, KubeSchema, Default)]
#[kube(
    group = "pollux.rs",
    version = "v1alpha1",
    kind = "MapperClass",
    plural = "mapperclasses",
    status = "MapperClassStatus",
    shortname = "mc",
    category = "pollux",
    derive = "PartialEq",
    derive = "Default",
    doc = "How the mapper of a protocol is run: one DaemonSet per class, only on the nodes that have devices of it.",
    validation = Rule::new("self.metadata.name.matches('^[a-z0-9]([-a-z0-9]{0,38}[a-z0-9])?$')").message("metadata.name must be a DNS label of at most 40 characters, without dots"),
    printcolumn(name = "Image", type_ = "string", json_path = ".spec.image", description = "Image of the mapper"),
    printcolumn(name = "Writes", type_ = "string", json_path = ".spec.writes", description = "Enabled, or Disabled for the whole class"),
    printcolumn(name = "Devices", type_ = "integer", json_path = ".status.devices", description = "Devices of this class"),
    printcolumn(name = "Nodes", type_ = "integer", json_path = ".status.nodes", description = "Nodes that have devices of this class"),
    printcolumn(name = "Ready", type_ = "integer", json_path = ".status.ready", description = "Nodes whose mapper is ready"),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp", description = "Time since creation")
)]
#[serde(rename_all = "camelCase")]
pub struct MapperClassSpec {
    /// Image of the mapper.
    #[schemars(length(min = 1, max = 1024))]
    pub image: String,
    /// Always, IfNotPresent or Never; default IfNotPresent.
    #[serde(default, skip_serializing_if = "is_default")]
    #[schemars(extend("default" = "IfNotPresent"))]
    pub image_pull_policy: PullPolicy,
    /// Names of Secrets in namespace pollux-mappers with the registry's credentials.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 8))]
    pub image_pull_secrets: Vec<SecretName>,
    /// The driver's name, which is that of the protocol; default: the name of the class.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 40), regex(pattern = "^[a-z0-9]([-a-z0-9]*[a-z0-9])?$"))]
    pub protocol: Option<String>,
    /// Arguments of the mapper beside those that the operator gives.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64))]
    pub args: Vec<Argument>,
    /// Environment of the mapper beside what the operator gives, such as RUST_LOG.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(extend("maxProperties" = 64))]
    pub env: BTreeMap<String, Argument>,
    /// CPU and memory.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resources: Option<Resources>,
    /// Whether the mapper uses the node's network, for devices that only the node itself reaches.
    #[serde(default, skip_serializing_if = "is_default")]
    #[schemars(extend("default" = false))]
    pub host_network: bool,
    /// Lets the mapper open devices of the node, such as serial ports. Without it there is no /dev of the node in its Pod.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub host_devices: Option<HostDevices>,
    /// Whether the mapper may speak on the node's system bus (D-Bus), by which Bluetooth is used: the node's folder /run/dbus is in
    /// its Pod, read-only. Who may ask whom is the bus' to say; it wants the mapper's user, 65532, to be known on the node.
    #[serde(default, skip_serializing_if = "is_default")]
    #[schemars(extend("default" = false))]
    pub host_bus: bool,
    /// AppArmor profile of the mapper, on nodes that have AppArmor; default: the container runtime's own. That one keeps the system
    /// bus from it where the bus asks AppArmor, as on Ubuntu.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub app_armor_profile: Option<AppArmorProfile>,
    /// Taints of nodes that the mapper bears.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16))]
    pub tolerations: Vec<Toleration>,
    /// How many nodes may be without mapper during an update: a number or a percentage; default 10%.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 8), regex(pattern = "^[0-9]{1,6}%?$"))]
    pub max_unavailable: Option<String>,
    /// Enabled (default): written as each device's mode says. Disabled: no mapper of this class writes anything, whatever
    /// devices desire (the plant-wide key switch).
    #[serde(default, skip_serializing_if = "is_default")]
    #[schemars(extend("default" = "Enabled"))]
    pub writes: Writes,
}
/// A default is not sent: who applies a class does not own what it leaves to others, such as the switch that stops writing.
fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

/// Whether the mappers of a class speak the Device's protocol: only an edit of one of them can mend it.
pub fn speaks(class: &MapperClass, device: &Device) -> Result<(), FieldError> {
    let asked = device.spec.protocol.name().unwrap_or_default();
    let name = class.name_any();
    let spoken = class.spec.protocol.as_deref().unwrap_or(&name);
    let fits = if asked == CUSTOM { !BUILT_IN.contains(&spoken) } else { asked == spoken };
    if fits {
        return Ok(());
    }
    let message = format!("class {name:?} speaks {spoken}, and spec.protocol is {asked}");
    Err(FieldError::new("spec.mapperClass", message))
}
/// Protocols that have a field of their own in a Device; a class of another name speaks `custom`.
const BUILT_IN: [&str; 3] = ["modbus", "opcua", "ble"];

/// Whether mappers write at all.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema, Default)]
pub enum Writes {
    /// As each device's mode says.
    #[default]
    Enabled,
    /// Every device is treated as in mode Monitor.
    Disabled,
}

/// When the image is pulled.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema, Default)]
pub enum PullPolicy {
    /// Where the node has it not.
    #[default]
    IfNotPresent,
    /// At every start.
    Always,
    /// Never.
    Never,
}

/// Name of a Secret.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct SecretName(#[schemars(length(min = 1, max = 253))] pub String);

/// One argument, or the value of a variable.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct Argument(#[schemars(length(max = 4096))] pub String);

/// Devices of the node. The mapper sees the node's /dev, also what is plugged in later, and opens what its groups may. For this
/// its container is privileged, as Kubernetes calls it: only so the kernel lets it open a port that was not there when it
/// started. It still runs as a user without capabilities, and its own files are read-only.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema, Default)]
pub struct HostDevices {
    /// Numbers of the groups that own the ports on the nodes: 20 is dialout on Debian and Ubuntu, 18 on Fedora and Red Hat, 986
    /// uucp on Arch. `ls -ln /dev/ttyUSB0` shows it. Not 0, which owns the node's disks.
    #[schemars(length(min = 1, max = 8), extend("x-kubernetes-list-type" = "set"))]
    pub groups: Vec<GroupId>,
}

/// Number of a group.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct GroupId(#[schemars(range(min = 1, max = 2_147_483_647))] pub i64);

/// An AppArmor profile, as in a Pod. A node without AppArmor starts no Pod that asks for one; Unconfined asks for none.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema, Default)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("(self.type == 'Localhost') == has(self.localhostProfile)").message("localhostProfile goes with type Localhost, and Localhost needs it"))]
pub struct AppArmorProfile {
    /// RuntimeDefault, Localhost or Unconfined.
    #[serde(rename = "type")]
    #[schemars(length(max = 16), regex(pattern = "^(RuntimeDefault|Localhost|Unconfined)$"))]
    pub type_: String,
    /// Name of a profile that is loaded on the nodes, with type Localhost.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 253))]
    pub localhost_profile: Option<String>,
}

/// CPU and memory, as in a container.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema, Default)]
pub struct Resources {
    /// What is set aside, such as `cpu: 10m`, `memory: 16Mi`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(extend("maxProperties" = 8))]
    pub requests: BTreeMap<String, Quantity>,
    /// What is not exceeded.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(extend("maxProperties" = 8))]
    pub limits: BTreeMap<String, Quantity>,
}

/// A quantity of Kubernetes, such as 10m or 16Mi.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct Quantity(
    #[schemars(length(max = 32), regex(pattern = r"^[0-9]+(\.[0-9]+)?(m|k|M|G|Ki|Mi|Gi)?$"))] pub String,
);

/// A taint that the mapper bears, as in a Pod.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema, Default)]
#[serde(rename_all = "camelCase")]
pub struct Toleration {
    /// Key of the taint; none with operator Exists: every taint.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 317))]
    pub key: Option<String>,
    /// Exists or Equal.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 8), regex(pattern = "^(Exists|Equal)$"))]
    pub operator: Option<String>,
    /// Value of the taint, with Equal.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 63))]
    pub value: Option<String>,
    /// NoSchedule, PreferNoSchedule or NoExecute; none: all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 32), regex(pattern = "^(NoSchedule|PreferNoSchedule|NoExecute)$"))]
    pub effect: Option<String>,
}

/// How the class stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema, Default)]
#[serde(rename_all = "camelCase")]
pub struct MapperClassStatus {
    /// Devices of this class.
    #[serde(default)]
    pub devices: i64,
    /// Nodes that have devices of this class.
    #[serde(default)]
    pub nodes: i64,
    /// Nodes whose mapper is ready.
    #[serde(default)]
    pub ready: i64,
    /// Ready: the DaemonSet could be made.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["type".into()]))]
    pub conditions: Vec<Condition>,
    /// Generation of the spec that this speaks of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
}
