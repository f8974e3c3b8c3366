//! Revisions that no slice names any more are deleted a day later. When a revision was last needed stands in an annotation,
//! so that a new leader knows too; one that is needed again loses it.
use crate::{Context, Error, FIELD_MANAGER};
use jiff::{SignedDuration, Timestamp};
use kube::{
    Api, ResourceExt,
    api::{DeleteParams, ListParams, PartialObjectMeta, Patch, PatchParams, Preconditions},
};
use pollux_crds::{DeviceModelRevision, MAPPERS_NAMESPACE};
use serde_json::json;

/// When it was found to be named by nobody.
pub const UNUSED_ANNOTATION: &str = "pollux.rs/unused-since";
const KEEP: SignedDuration = SignedDuration::from_hours(24);
/// Most changes of one round: the next one goes on.
const ROUND: usize = 500;

/// What becomes of one revision.
#[derive(Debug, PartialEq, Eq)]
pub enum Step {
    /// It stays as it is.
    Keep,
    /// It is unused from now on.
    Mark,
    /// It is needed again.
    Unmark,
    /// It goes.
    Delete,
}

/// What becomes of a revision. Pure.
pub fn decide(used: bool, unused_since: Option<&str>, now: Timestamp) -> Step {
    let since = unused_since.map(str::parse::<Timestamp>);
    match (used, since) {
        (true, None) => Step::Keep,
        (true, Some(_)) => Step::Unmark,
        (false, Some(Ok(since))) if now.duration_since(since) >= KEEP => Step::Delete,
        (false, Some(Ok(since))) if since <= now => Step::Keep,
        // Never marked, unreadable, or from a clock that was ahead.
        (false, _) => Step::Mark,
    }
}

/// One round.
pub(crate) async fn sweep(cx: &Context) -> Result<(), Error> {
    let api: Api<DeviceModelRevision> = Api::namespaced(cx.client.clone(), MAPPERS_NAMESPACE);
    let (mut token, mut changes) = (None, 0);
    loop {
        let mut params = ListParams::default().limit(500);
        params.continue_token = token;
        let page = api.list_metadata(&params).await?;
        let used = cx.world.index().revisions();
        for revision in page.items {
            let used = used.contains(&*revision.name_any());
            let step =
                decide(used, revision.annotations().get(UNUSED_ANNOTATION).map(String::as_str), Timestamp::now());
            changes += usize::from(step != Step::Keep);
            match carry_out(&api, cx, &revision, &step).await {
                // It changed or went meanwhile: the next round sees how it is then.
                Err(Error::Kube(kube::Error::Api(status))) => {
                    tracing::debug!(revision = revision.name_any(), ?step, %status, "left to the next round");
                }
                other => other?,
            }
        }
        token = page.metadata.continue_.filter(|t| !t.is_empty());
        if token.is_none() || changes >= ROUND {
            return Ok(());
        }
    }
}

async fn carry_out(
    api: &Api<DeviceModelRevision>,
    cx: &Context,
    revision: &PartialObjectMeta<DeviceModelRevision>,
    step: &Step,
) -> Result<(), Error> {
    let name = revision.name_any();
    let annotation = match step {
        Step::Keep => return Ok(()),
        Step::Delete => {
            // Only as it was seen: one that is needed again since has another version.
            let preconditions = Preconditions { resource_version: revision.resource_version(), uid: revision.uid() };
            cx.world.revisions.take(&name);
            api.delete(&name, &DeleteParams { preconditions: Some(preconditions), ..DeleteParams::default() }).await?;
            return Ok(());
        }
        Step::Mark => json!(Timestamp::now().to_string()),
        Step::Unmark => json!(null),
    };
    let patch = json!({"metadata": {"annotations": {UNUSED_ANNOTATION: annotation}}});
    let params = PatchParams { field_manager: Some(FIELD_MANAGER.into()), ..PatchParams::default() };
    api.patch_metadata(&name, &params, &Patch::Merge(&patch)).await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_revision_goes_a_day_after_the_last_slice_named_it() {
        let now: Timestamp = "2026-05-02T12:00:00Z".parse().unwrap();
        for (used, since, step) in [
            (true, None, Step::Keep),
            (true, Some("2026-05-01T00:00:00Z"), Step::Unmark),
            (false, None, Step::Mark),
            (false, Some("rubbish"), Step::Mark),
            (false, Some("2027-01-01T00:00:00Z"), Step::Mark),
            (false, Some("2026-05-01T12:00:01Z"), Step::Keep),
            (false, Some("2026-05-01T12:00:00Z"), Step::Delete),
        ] {
            assert_eq!(decide(used, since, now), step, "{used} {since:?}");
        }
    }
}
