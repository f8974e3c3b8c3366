//! `ConfigMap` pollux-mappers, which the chart makes, owns what the operator makes for mappers: `helm uninstall` deletes it, and
//! garbage collection then stops the mappers. A class is not the owner, because uninstall keeps classes.
use crate::{Context, Error};
use k8s_openapi::api::core::v1::ConfigMap;
use kube::{Api, api::PartialObjectMeta};
use pollux_crds::MAPPERS_NAMESPACE;
use serde_json::{Value as Json, json};
use std::time::Duration;

/// Name of the `ConfigMap`.
pub const OWNER: &str = "pollux-mappers";

/// What is known of the `ConfigMap`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Owner {
    /// It was not looked for yet.
    #[default]
    Unknown,
    /// There never was one, as without the chart: nobody owns what the operator makes.
    Absent,
    /// It is there, with that uid.
    There(String),
    /// It was there: somebody uninstalls, and nothing may be made again.
    Gone,
}

impl Owner {
    /// What is known after a look at it. Pure.
    #[must_use]
    pub fn after(&self, uid: Option<String>) -> Self {
        match (self, uid) {
            (_, Some(uid)) => Self::There(uid),
            (Self::There(_) | Self::Gone, None) => Self::Gone,
            (Self::Unknown | Self::Absent, None) => Self::Absent,
        }
    }
    /// As it stands in an object's metadata.
    pub fn references(&self) -> Json {
        match self {
            Self::There(uid) => json!([{"apiVersion": "v1", "kind": "ConfigMap", "name": OWNER, "uid": uid}]),
            Self::Unknown | Self::Absent | Self::Gone => json!([]),
        }
    }
}

/// Looks for it; all that it owns is due when it is another one than before.
pub(crate) async fn look(cx: &Context) -> Result<Owner, Error> {
    let api: Api<PartialObjectMeta<ConfigMap>> = Api::namespaced(cx.client.clone(), MAPPERS_NAMESPACE);
    let found = api.get_metadata_opt(OWNER).await?.filter(|map| map.metadata.deletion_timestamp.is_none());
    let (old, new) = cx.world.set_owner(found.and_then(|map| map.metadata.uid));
    if old != new {
        match &new {
            Owner::Absent => tracing::info!(
                "no ConfigMap {MAPPERS_NAMESPACE}/{OWNER}, as without the chart: nobody owns what is made for mappers"
            ),
            Owner::Gone => tracing::warn!("ConfigMap {MAPPERS_NAMESPACE}/{OWNER} is gone: all mappers stop"),
            Owner::There(uid) => {
                tracing::info!(uid, "ConfigMap {MAPPERS_NAMESPACE}/{OWNER} owns what is made for mappers");
            }
            Owner::Unknown => {}
        }
        if old != Owner::Unknown {
            cx.world.touch_all(Duration::from_secs(2));
        }
    }
    Ok(new)
}

/// What is known of it, without a look where there was one.
pub(crate) async fn known(cx: &Context) -> Result<Owner, Error> {
    match cx.world.owner() {
        Owner::Unknown => look(cx).await,
        owner => Ok(owner),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_that_was_there_and_is_gone_is_not_one_that_never_was() {
        let there = || Owner::There("u".into());
        for (old, uid, new) in [
            (Owner::Unknown, None, Owner::Absent),
            (Owner::Absent, None, Owner::Absent),
            (Owner::Absent, Some("u"), there()),
            (there(), None, Owner::Gone),
            (Owner::Gone, None, Owner::Gone),
            (Owner::Gone, Some("u"), there()),
            (there(), Some("v"), Owner::There("v".into())),
        ] {
            assert_eq!(old.after(uid.map(Into::into)), new, "{old:?} {uid:?}");
        }
    }
}
