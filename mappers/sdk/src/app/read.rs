//! `read`: connects once, prints a table per device.
use super::{
    Exit,
    once::{Once, PATIENCE, Targets, was_read},
    print, say,
};
use crate::Protocol;
use std::sync::Arc;

pub(super) async fn run<P: Protocol>(protocol: Arc<P>, words: &[String]) -> Exit {
    let targets = match Targets::parse(words) {
        Ok(targets) if targets.values.is_empty() => targets,
        Ok(_) => return say("read takes no property=value; write does", Exit::Usage),
        Err(message) => return say(&message, Exit::Usage),
    };
    let once = match Once::start(protocol, &targets) {
        Ok(once) => once,
        Err(exit) => return exit,
    };
    let views = once.until(PATIENCE, was_read).await;
    let mut fault = views.len() < once.devices.len();
    for view in &views {
        fault |= print::trouble(view).is_some() || !was_read(view);
        if print::table(view, &mut std::io::stdout().lock()).is_err() {
            break; // who reads has left
        }
    }
    let flawed = once.flawed;
    once.end().await;
    match (fault, flawed) {
        (true, _) => Exit::Fault,
        (false, true) => Exit::Usage,
        (false, false) => Exit::Ok,
    }
}
