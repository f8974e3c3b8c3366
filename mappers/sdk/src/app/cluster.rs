//! In a cluster: slices from the API server, status to it.
use super::{Exit, cli::Options, say};
use crate::Protocol;
use std::sync::Arc;

pub(super) async fn run<P: Protocol>(protocol: Arc<P>, options: Options) -> Exit {
    let (Some(class), Some(node)) = (&options.class, &options.node) else {
        let name = P::NAME;
        return say(
            &format!(
                "this is no mapper pod (POLLUX_CLASS and NODE_NAME are not set)\n\
                 to run without a cluster: pollux-{name} --file PATH [--allow-writes]\n\
                 more: pollux-{name} --help"
            ),
            Exit::Usage,
        );
    };
    drop((class, node, protocol));
    say("not wired yet", Exit::Fault)
}
