//! A request under way.
use super::{Wire, core::Begun, settings::Ask};
use crate::{error::Error, frame::Answer};
use pollux_mapper::{Fault, Instant};
use std::{
    future::{Future as _, poll_fn},
    pin::pin,
    task::Poll,
    time::Duration,
};
use tokio::time::sleep_until;

/// However it ends, its place is free; if it ends half-sent, the connection is dead.
#[derive(Debug)]
pub(super) struct Ticket<'a> {
    pub(super) wire: &'a Wire,
    pub(super) begun: Begun,
}

impl Ticket<'_> {
    pub(super) async fn wait(self, ask: &Ask<'_>, patience: Duration) -> Result<Answer, Fault<Error>> {
        let (unit, began) = (ask.unit, Instant::now());
        let before = self.wire.core().late();
        let mut ended = pin!(sleep_until(ask.until.min(began + patience)));
        let told = poll_fn(|cx| {
            let mut over = ended.as_mut().poll(cx).is_ready();
            let mut core = self.wire.core();
            if let Poll::Ready(told) = core.poll_answer(self.begun.id, cx) {
                return Poll::Ready(Some(told));
            }
            if let Some(sooner) = core.doubted().filter(|at| *at < ended.deadline()) {
                ended.as_mut().reset(sooner);
                over = ended.as_mut().poll(cx).is_ready();
            }
            if over { Poll::Ready(None) } else { Poll::Pending }
        });
        let told = told.await;
        let mut core = self.wire.core();
        match told {
            Some(Ok(answer)) => {
                core.timed(began.elapsed());
                Ok(answer)
            }
            // The frame was whole: the stream is in order, this device is not.
            Some(Err(Error::Answer { error, .. })) => Err(Fault::Device(Error::Answer { unit, error })),
            Some(Err(error @ Error::Crc { .. })) => Err(Fault::Device(error)),
            Some(Err(error)) => Err(Fault::Link(error)),
            None => {
                let late = core.late() > before;
                Err(core.silence(ask, self.begun, late))
            }
        }
    }
}

impl Drop for Ticket<'_> {
    fn drop(&mut self) {
        self.wire.core().end(self.begun);
    }
}
