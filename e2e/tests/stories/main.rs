//! Stories on a real cluster of two nodes, one after the other, in the order of their names. Each has a plant of its own: a
//! namespace, and a Modbus device that is not ours (pymodbus), whose log of requests is the witness.
mod a_values;
mod b_faults;
mod c_ble;
mod c_edits;
mod c_serial;
mod c_tls;
mod c_ua;
mod c_ua_pod;
mod d_chart;

use anyhow::Result;
use k8s_openapi::api::core::v1::Pod;
use kube::{Api, ResourceExt, api::ListParams};
use pollux_e2e::Cluster;

const SYSTEM: &str = "pollux-system";
const MAPPERS: &str = "pollux-mappers";

/// Pods of the mapper on a node.
async fn mappers(cluster: &Cluster, node: &str) -> Result<Vec<Pod>> {
    let all = Api::<Pod>::namespaced(cluster.client.clone(), MAPPERS).list(&ListParams::default()).await?;
    Ok(all.items.into_iter().filter(|p| p.spec.as_ref().and_then(|s| s.node_name.as_deref()) == Some(node)).collect())
}

/// Pods of mappers, and how often their containers were started anew.
async fn restarts(cluster: &Cluster) -> Result<Vec<(String, i32)>> {
    let all = Api::<Pod>::namespaced(cluster.client.clone(), MAPPERS).list(&ListParams::default()).await?;
    Ok(counted(&all.items))
}
fn counted(pods: &[Pod]) -> Vec<(String, i32)> {
    let count = |pod: &Pod| {
        let containers = pod.status.as_ref().and_then(|s| s.container_statuses.as_deref()).unwrap_or_default();
        containers.iter().map(|c| c.restart_count).sum()
    };
    pods.iter().map(|pod| (pod.name_any(), count(pod))).collect()
}
