//! A Device as the API server has or would have it.
use crate::DeviceView;
use kube::Resource;
use pollux_crds::Device;
use serde_json::{Value as Json, json};

/// `spec` holds what a mapper knows: the model is filled in, the Channel merged.
pub(super) fn device(view: &DeviceView) -> Json {
    let device = &view.device;
    json!({
        "apiVersion": Device::api_version(&()),
        "kind": Device::kind(&()),
        "metadata": {
            "namespace": device.namespace,
            "name": device.name,
            "uid": device.uid,
            "generation": device.generation,
        },
        "spec": {
            "mode": device.mode,
            "protocol": {device.protocol: device.config},
            "desired": device.desired,
        },
        "status": view.status,
    })
}
