//! What the operator reads of foreign kinds: only these fields are decoded and kept.
use k8s_openapi::NamespaceResourceScope;
use kube::{Resource, api::ObjectMeta};
use pollux_crds::DeviceSliceStatus;
use serde::Deserialize;
use std::{borrow::Cow, collections::BTreeMap};

macro_rules! view {
    ($type:ty, $scope:ty, $group:literal, $version:literal, $kind:literal, $plural:literal) => {
        impl Resource for $type {
            type DynamicType = ();
            type Scope = $scope;
            fn kind((): &()) -> Cow<'_, str> {
                $kind.into()
            }
            fn group((): &()) -> Cow<'_, str> {
                $group.into()
            }
            fn version((): &()) -> Cow<'_, str> {
                $version.into()
            }
            fn plural((): &()) -> Cow<'_, str> {
                $plural.into()
            }
            fn meta(&self) -> &ObjectMeta {
                &self.metadata
            }
            fn meta_mut(&mut self) -> &mut ObjectMeta {
                &mut self.metadata
            }
        }
    };
}
view!(SliceView, NamespaceResourceScope, "pollux.rs", "v1alpha1", "DeviceSlice", "deviceslices");
view!(NodeView, k8s_openapi::ClusterResourceScope, "", "v1", "Node", "nodes");
view!(SecretView, NamespaceResourceScope, "", "v1", "Secret", "secrets");
view!(PodView, NamespaceResourceScope, "", "v1", "Pod", "pods");
view!(
    PolicyView,
    k8s_openapi::ClusterResourceScope,
    "admissionregistration.k8s.io",
    "v1",
    "ValidatingAdmissionPolicy",
    "validatingadmissionpolicies"
);
view!(
    BindingView,
    k8s_openapi::ClusterResourceScope,
    "admissionregistration.k8s.io",
    "v1",
    "ValidatingAdmissionPolicyBinding",
    "validatingadmissionpolicybindings"
);

/// A `DeviceSlice` without what is in it.
#[derive(Clone, Debug, Deserialize)]
pub struct SliceView {
    #[serde(default)]
    pub metadata: ObjectMeta,
    #[serde(default)]
    pub spec: SliceViewSpec,
    #[serde(default)]
    pub status: Option<DeviceSliceStatus>,
}
#[derive(Clone, Debug, Default, Deserialize)]
pub struct SliceViewSpec {
    #[serde(default)]
    pub devices: Vec<SliceViewDevice>,
}
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct SliceViewDevice {
    pub namespace: String,
    pub name: String,
    pub uid: String,
    pub generation: i64,
    pub released: bool,
    pub revision: String,
}

/// Whether a Node may be chosen, and whether it is Ready.
#[derive(Clone, Debug, Deserialize)]
pub struct NodeView {
    #[serde(default)]
    pub metadata: ObjectMeta,
    #[serde(default)]
    pub spec: NodeViewSpec,
    #[serde(default)]
    pub status: NodeViewStatus,
}
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct NodeViewSpec {
    pub unschedulable: bool,
    pub taints: Vec<Taint>,
}
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct Taint {
    pub key: String,
    pub value: Option<String>,
    pub effect: String,
}
impl std::fmt::Display for Taint {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let value = self.value.as_deref().filter(|v| !v.is_empty()).map(|v| format!("={v}")).unwrap_or_default();
        write!(f, "{}{value}:{}", self.key, self.effect)
    }
}
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct NodeViewStatus {
    pub conditions: Vec<ConditionView>,
}
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct ConditionView {
    #[serde(rename = "type")]
    pub type_: String,
    pub status: String,
}

/// What keys a Secret has, and how much is in them; their contents are dropped while they are read.
#[derive(Clone, Debug, Deserialize)]
pub struct SecretView {
    #[serde(default)]
    pub metadata: ObjectMeta,
    #[serde(default)]
    pub data: Option<BTreeMap<String, Size>>,
}
/// Bytes of a content.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Size(pub usize);
impl<'de> Deserialize<'de> for Size {
    fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        // In base64: four characters for three bytes.
        let text = String::deserialize(from)?;
        Ok(Self(text.trim_end_matches('=').len() * 3 / 4))
    }
}

/// Which mapper a Pod is, and whether it is Ready.
#[derive(Clone, Debug, Deserialize)]
pub struct PodView {
    #[serde(default)]
    pub metadata: ObjectMeta,
    #[serde(default)]
    pub spec: PodViewSpec,
    #[serde(default)]
    pub status: PodViewStatus,
}
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct PodViewSpec {
    pub node_name: String,
}
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct PodViewStatus {
    pub phase: String,
    pub conditions: Vec<ConditionView>,
    pub init_container_statuses: Vec<ContainerView>,
    pub container_statuses: Vec<ContainerView>,
}
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct ContainerView {
    pub state: ContainerStateView,
}
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct ContainerStateView {
    pub waiting: Option<WaitingView>,
}
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct WaitingView {
    pub reason: String,
    pub message: String,
}

/// That an admission policy is there.
#[derive(Clone, Debug, Deserialize)]
pub struct PolicyView {
    #[serde(default)]
    pub metadata: ObjectMeta,
}

/// Whether an admission policy is in force.
#[derive(Clone, Debug, Deserialize)]
pub struct BindingView {
    #[serde(default)]
    pub metadata: ObjectMeta,
    #[serde(default)]
    pub spec: BindingViewSpec,
}
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct BindingViewSpec {
    pub policy_name: String,
    pub validation_actions: Vec<String>,
}
