//! Desired edit → wire → status: how long, against what the API server needs for a change to be seen by a watcher at
//! all.
use super::save;
use crate::quantile;
use anyhow::{Context, Result};
use futures_util::StreamExt;
use k8s_openapi::api::core::v1::ConfigMap;
use kube::{
    Api, Resource,
    api::{Patch, PatchParams},
    runtime::{WatchStreamExt, watcher},
};
use pollux_e2e::{Plant, reported};
use serde::de::DeserializeOwned;
use serde_json::json;
use std::{
    fmt::Debug,
    pin::pin,
    time::{Duration, Instant, SystemTime},
};

const EDITS: u32 = 100;

/// Changes one setpoint a hundred times, one after the other.
pub(crate) async fn measure(plant: &mut Plant) -> Result<()> {
    plant.cluster.apply(&plant.device("edited", "node-1", "")).await?;
    plant.ready("edited").await?;
    let (mut rows, mut wire, mut status, mut limit) = (vec![], vec![], vec![], vec![]);
    for edit in 0..EDITS {
        let value = 200 + edit;
        let base = round_trip(plant, edit).await?;
        plant.plc.ask("clear").await?;
        let (wall, began) = (unix()?, Instant::now());
        let patch = Patch::Merge(json!({"spec": {"desired": {"setpoint": value}}}));
        let seen = watch(plant.devices(), "edited", move |d| reported(d, "setpoint") == Some(&json!(value)));
        let params = PatchParams::default();
        let devices = plant.devices();
        let patched = devices.patch("edited", &params, &patch);
        let (patched, seen) = tokio::join!(patched, seen);
        patched?;
        let status_ms = seen?.duration_since(began).as_secs_f64() * 1e3;
        let log = plant.writes().await?;
        let written = log.first().and_then(|w| w["time"].as_f64()).context("the device saw a write")?;
        let wire_ms = (written - wall) * 1e3;
        rows.push(format!("{edit},{wire_ms:.2},{status_ms:.2},{base:.2},{}", log.len()));
        wire.push(wire_ms);
        status.push(status_ms);
        limit.push(base);
    }
    save("edit.csv", "edit,wire_ms,status_ms,api_round_trip_ms,writes_seen_by_device", &rows)?;
    let show = |what: &str, values: &mut Vec<f64>| {
        values.sort_by(f64::total_cmp);
        println!("{what:<42} p50 {:7.1} ms   p99 {:7.1} ms", quantile(values, 0.5), quantile(values, 0.99));
        quantile(values, 0.5)
    };
    show("patch → device's wire", &mut wire);
    let whole = show("patch → status seen by a watcher", &mut status);
    let base = show("limit: ConfigMap patch → seen by a watcher", &mut limit);
    println!("ratio of medians to three such round trips (spec, slice, status): {:.2}", whole / (3.0 * base));
    Ok(())
}

/// Patch of a `ConfigMap` until a watcher sees it: what any controller on this API server pays per hop.
async fn round_trip(plant: &Plant, edit: u32) -> Result<f64> {
    let maps = Api::<ConfigMap>::namespaced(plant.cluster.client.clone(), &plant.name);
    let object = |n: u32| json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "hop"}, "data": {"n": n.to_string()}});
    let params = PatchParams::apply("bench").force();
    maps.patch("hop", &params, &Patch::Apply(&object(u32::MAX))).await?;
    let want = edit.to_string();
    let seen = watch(maps.clone(), "hop", move |m: &ConfigMap| m.data.as_ref().and_then(|d| d.get("n")) == Some(&want));
    let (began, object) = (Instant::now(), Patch::Apply(object(edit)));
    let (patched, seen) = tokio::join!(maps.patch("hop", &params, &object), seen);
    patched?;
    Ok(seen?.duration_since(began).as_secs_f64() * 1e3)
}

async fn watch<K>(api: Api<K>, name: &str, is: impl Fn(&K) -> bool) -> Result<Instant>
where
    K: Clone + Debug + Send + DeserializeOwned + Resource + 'static,
{
    let config = watcher::Config::default().fields(&format!("metadata.name={name}"));
    let mut objects = pin!(watcher(api, config).applied_objects());
    let seen = async {
        while let Some(object) = objects.next().await {
            if is(&object?) {
                return Ok(Instant::now());
            }
        }
        anyhow::bail!("the watch ended")
    };
    tokio::time::timeout(Duration::from_mins(1), seen).await.context("not seen within a minute")?
}

fn unix() -> Result<f64> {
    Ok(SystemTime::UNIX_EPOCH.elapsed()?.as_secs_f64())
}
