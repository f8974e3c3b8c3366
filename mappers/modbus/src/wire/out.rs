//! Bytes that are to leave.
use crate::stream::Stream;
use std::{
    io,
    pin::Pin,
    task::{Context, Poll, ready},
};
use tokio::io::AsyncWrite as _;

#[derive(Debug, Default)]
pub(super) struct Out {
    bytes: Vec<u8>,
    sent: usize,
    /// All that ever left.
    pub(super) left: u64,
}

impl Out {
    /// What is appended here leaves next.
    pub(super) fn bytes(&mut self) -> &mut Vec<u8> {
        &mut self.bytes
    }

    /// Another stream.
    pub(super) fn clear(&mut self) {
        self.bytes.clear();
        self.sent = 0;
    }

    /// Ready: all has left. True: just now.
    pub(super) fn poll_send(&mut self, stream: &mut Stream, cx: &mut Context<'_>) -> Poll<io::Result<bool>> {
        if self.bytes.is_empty() {
            return Poll::Ready(Ok(false));
        }
        while let Some(rest) = self.bytes.get(self.sent..).filter(|rest| !rest.is_empty()) {
            match ready!(Pin::new(&mut *stream).poll_write(cx, rest))? {
                0 => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                count => (self.sent, self.left) = (self.sent + count, self.left + count as u64),
            }
        }
        ready!(Pin::new(stream).poll_flush(cx))?;
        self.bytes.clear();
        self.sent = 0;
        Poll::Ready(Ok(true))
    }

    /// What is queued now has left when so many bytes have.
    pub(super) fn mark(&self) -> u64 {
        self.left + self.bytes.len().saturating_sub(self.sent) as u64
    }
}
