//! Step 4: account and `DaemonSet`.
use super::build::Built;
use crate::{Context, Error, apply};

pub(crate) async fn apply(cx: &Context, built: &Built) -> Result<(), Error> {
    for object in &built.objects {
        apply::apply(&cx.client, object).await?;
    }
    Ok(())
}
