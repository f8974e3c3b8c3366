//! `ConfigMap` pollux-mappers, which the chart makes, owns what the operator makes for mappers: `helm uninstall` deletes it, and
//! garbage collection then stops the mappers. A class is not the owner, because uninstall keeps classes.
use crate::{Context, Error};
use k8s_openapi::api::core::v1::ConfigMap;
use kube::{Api, api::PartialObjectMeta};
use pollux_crds::MAPPERS_NAMESPACE;
use serde_json::{Value as Json, json};
use std::{
    sync::{Mutex, PoisonError},
    time::Duration,
};

/// What is known of the `ConfigMap`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Owner {
    /// None was asked for: nobody owns what the operator makes.
    Nobody,
    /// It is there, with that name and uid.
    There(String, String),
    /// It is not there: not yet, or somebody uninstalls. Nothing may be made.
    Gone(String),
}

impl Owner {
    /// As it stands in an object's metadata.
    pub(crate) fn references(&self) -> Json {
        match self {
            Self::There(name, uid) => json!([{"apiVersion": "v1", "kind": "ConfigMap", "name": name, "uid": uid}]),
            Self::Nobody | Self::Gone(_) => json!([]),
        }
    }
}

/// What a replica knows of the owner.
#[derive(Debug)]
pub(crate) struct Ownership {
    /// Name of the `ConfigMap`; None: nobody shall own what the operator makes.
    name: Option<String>,
    /// As it was last seen.
    seen: Mutex<Option<Owner>>,
}

impl Ownership {
    /// By a `ConfigMap` of that name; by nobody, where it is empty.
    pub(crate) fn new(name: &str) -> Self {
        Self { name: (!name.is_empty()).then(|| name.to_owned()), seen: Mutex::default() }
    }
    /// It was looked at; gives what was known before.
    fn see(&self, now: Owner) -> Option<Owner> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).replace(now)
    }
    fn seen(&self) -> Option<Owner> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// Looks for the owner; all that it owns is due when it is another one than before.
pub(crate) async fn look(cx: &Context) -> Result<Owner, Error> {
    let Some(name) = &cx.owner.name else { return Ok(Owner::Nobody) };
    let api: Api<PartialObjectMeta<ConfigMap>> = Api::namespaced(cx.client.clone(), MAPPERS_NAMESPACE);
    let found = api.get_metadata_opt(name).await?.filter(|map| map.metadata.deletion_timestamp.is_none());
    let now = match found.and_then(|map| map.metadata.uid) {
        Some(uid) => Owner::There(name.clone(), uid),
        None => Owner::Gone(name.clone()),
    };
    let before = cx.owner.see(now.clone());
    if before.as_ref() == Some(&now) {
        return Ok(now);
    }
    match &now {
        Owner::Gone(name) => tracing::warn!(
            "ConfigMap {MAPPERS_NAMESPACE}/{name} is not there, which owns all that is made for mappers: none is started"
        ),
        Owner::There(name, uid) => {
            tracing::info!(uid, "ConfigMap {MAPPERS_NAMESPACE}/{name} owns what is made for mappers");
        }
        Owner::Nobody => {}
    }
    if before.is_some() {
        cx.world.touch_all(Duration::from_secs(2));
    }
    Ok(now)
}

/// What is known of it, without a look where there was one.
pub(crate) async fn known(cx: &Context) -> Result<Owner, Error> {
    match cx.owner.seen() {
        None => look(cx).await,
        Some(owner) => Ok(owner),
    }
}
