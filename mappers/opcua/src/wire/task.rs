//! The one task of a channel: sends what is asked, hands answers to who waits for them, renews the token. It ends with the connection,
//! and whatever ends it is the end of this connection only.
use super::{
    Limits, Raw,
    dial::lost,
    frame::{self, Expect, MSG_BODY},
    limits::CHUNK,
    opn::Renewal,
};
use crate::error::{Code, Error, Result};
use bytes::{Bytes, BytesMut};
use opcua::{
    core::comms::{buffer::SendBuffer, secure_channel::SecureChannel},
    crypto::SecurityPolicy,
    types::{MessageSecurityMode, ObjectId, SecurityTokenRequestType},
};
use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};
use tokio::{
    io::AsyncReadExt,
    net::tcp::{OwnedReadHalf, OwnedWriteHalf},
    sync::{mpsc, oneshot},
    time::{Instant, MissedTickBehavior, interval, sleep_until},
};

/// How often what nobody waits for any more is forgotten.
const SWEEP: Duration = Duration::from_secs(1);
/// Least room for a read.
const ROOM: usize = CHUNK / 4;
/// From here on a sequence number may begin anew (Part 6, 6.7.2.4).
const WRAPS: u32 = u32::MAX - 1024;
/// Where it then is.
const WRAPPED: u32 = 1024;

/// A request, and who waits for its answer.
#[derive(Debug)]
pub(super) struct Ask {
    pub(super) raw: Raw,
    pub(super) reply: oneshot::Sender<Result<Bytes>>,
}

/// A request under way.
#[derive(Debug)]
pub(super) struct Pending {
    service: &'static str,
    reply: oneshot::Sender<Result<Bytes>>,
    /// What came of its answer.
    part: BytesMut,
}

pub(super) struct Task {
    pub(super) read: OwnedReadHalf,
    pub(super) write: OwnedWriteHalf,
    pub(super) buffer: BytesMut,
    pub(super) send: SendBuffer,
    pub(super) asks: mpsc::Receiver<Ask>,
    pub(super) pending: HashMap<u32, Pending>,
    /// Bytes of all parts.
    pub(super) held: usize,
    pub(super) limits: Limits,
    /// Of the last frame that came.
    pub(super) sequence: Option<u32>,
    pub(super) late: Arc<AtomicU64>,
    pub(super) renewal: Renewal,
    pub(super) opened: Option<oneshot::Sender<()>>,
    /// Certificate of the endpoint.
    pub(super) sender: Vec<u8>,
    /// Bytes of our key.
    pub(super) block: usize,
    pub(super) channel: SecureChannel,
    pub(super) policy: SecurityPolicy,
    pub(super) mode: MessageSecurityMode,
}

impl Task {
    pub(super) async fn run(mut self) -> Error {
        match self.work().await {
            Ok(()) => Error::Closed("by us".to_owned()),
            Err(error) => error,
        }
    }
    async fn work(&mut self) -> Result<()> {
        self.ask_for_token(SecurityTokenRequestType::Issue)?;
        let mut sweep = interval(SWEEP);
        sweep.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut closing = false;
        loop {
            while let Some(frame) = frame::next(&mut self.buffer, Expect::Channel(self.mode))? {
                self.take(frame)?;
            }
            if self.buffer.capacity() - self.buffer.len() < ROOM {
                self.buffer.reserve(CHUNK); // or a read would be of 64 bytes
            }
            if self.send.should_encode_chunks() {
                let failed = |code| Error::Closed(format!("a frame cannot be secured: {}", Code::from(code)));
                self.send.encode_next_chunk(&self.channel).map_err(failed)?;
            }
            let (sending, due) = (self.send.can_read(), self.renewal.due());
            if closing && !sending {
                return Ok(());
            }
            tokio::select! {
                sent = self.send.read_into_async(&mut self.write), if sending => sent.map_err(|e| lost(&e))?,
                read = self.read.read_buf(&mut self.buffer) => if read.map_err(|e| lost(&e))? == 0 {
                    return Err(Error::Closed("by the server".to_owned()));
                },
                ask = self.asks.recv(), if !sending && !closing && self.opened.is_none() => match ask {
                    Some(ask) => closing = self.ask(ask),
                    None => return Ok(()),
                },
                () = sleep_until(due.unwrap_or_else(Instant::now)), if due.is_some() => self.token_is_due()?,
                _ = sweep.tick() => self.forget(),
            }
        }
    }
    /// Puts a request in front of the wire. True: it was the last.
    fn ask(&mut self, Ask { raw, reply }: Ask) -> bool {
        if reply.is_closed() {
            return false; // given up while it waited: no byte of it leaves
        }
        let (id, service) = (self.send.next_request_id(), raw.service);
        let last = raw.id == ObjectId::CloseSecureChannelRequest_Encoding_DefaultBinary;
        match self.put(id, raw) {
            Ok(()) if last => return true,
            Ok(()) => drop(self.pending.insert(id, Pending { service, reply, part: BytesMut::new() })),
            Err(error) => drop(reply.send(Err(error))), // who asked may have left
        }
        false
    }
    pub(super) fn put(&mut self, id: u32, raw: Raw) -> Result<()> {
        let service = raw.service;
        let sent = self.send.write(id, raw, &self.channel);
        sent.map(|_| ()).map_err(|error| Error::Encode { service, why: error.to_string() })
    }
    /// One frame, of a size and kind that may come.
    fn take(&mut self, frame: Bytes) -> Result<()> {
        let kind = [frame.first(), frame.get(1), frame.get(2)].map(|byte| byte.copied().unwrap_or_default());
        let opn = match &kind {
            b"ERR" => return Err(frame::ended(&frame)),
            b"OPN" => true,
            _ => false,
        };
        let last = frame.get(3).copied().unwrap_or_default();
        if opn {
            frame::asymmetric(&frame, self.policy, &self.sender, self.block)?;
        } else if self.opened.is_some() {
            return Err(Error::Nonsense("a message before the channel was open".to_owned())); // there are no keys yet
        } else if frame::word(&frame, 8)? != self.channel.secure_channel_id() {
            return Err(Error::Nonsense("a frame of another channel".to_owned()));
        }
        let plain = self.channel.verify_and_remove_security(frame);
        let chunk = plain.map_err(|error| {
            Error::Nonsense(format!("a frame that is not secured as it must be: {}", Code::from(error.status())))
        })?;
        let start = if opn { self.opn_body(&chunk)? } else { MSG_BODY };
        let (sequence, request) = (frame::word(&chunk.data, start - 8)?, frame::word(&chunk.data, start - 4)?);
        self.in_sequence(sequence)?;
        let body = chunk.data.slice(start.min(chunk.data.len())..);
        if opn {
            return self.take_token(request, &body);
        }
        self.answer(request, last, body);
        Ok(())
    }
    /// Numbers only rise, or a frame could be played again. One that steps over some is a server's habit (Siemens; async-opcua #125), for
    /// the bytes in between would have ended the decryption.
    fn in_sequence(&mut self, number: u32) -> Result<()> {
        let fits = self.sequence.is_none_or(|last| number > last || (last > WRAPS && number < WRAPPED));
        if !fits {
            return Err(Error::Nonsense(format!(
                "sequence number {number} after {}",
                self.sequence.unwrap_or_default()
            )));
        }
        self.sequence = Some(number);
        Ok(())
    }
    /// A part of an answer, or its last.
    fn answer(&mut self, request: u32, last: u8, body: Bytes) {
        let Some(pending) = self.pending.get_mut(&request) else {
            if last != b'C' {
                self.late.fetch_add(1, Relaxed);
            }
            return;
        };
        let size = pending.part.len() + body.len();
        let aborted = last == b'A';
        if !aborted && (size > self.limits.message || self.held + body.len() > self.limits.held) {
            let answer = Err(Error::TooLarge(pending.service));
            self.done(request, answer); // what else comes of it is not kept
            return;
        }
        if last == b'C' {
            pending.part.extend_from_slice(&body);
            self.held += body.len();
            return;
        }
        let service = pending.service;
        let mut part = std::mem::take(&mut pending.part);
        self.held = self.held.saturating_sub(part.len());
        let answer = if aborted {
            Err(Error::Refused { service, code: frame::word(&body, 0).map_or(Code(0x8000_0000), Code) })
        } else if part.is_empty() {
            Ok(body)
        } else {
            part.extend_from_slice(&body);
            Ok(part.freeze())
        };
        self.done(request, answer);
    }
    fn done(&mut self, request: u32, answer: Result<Bytes>) {
        let Some(Pending { reply, part, .. }) = self.pending.remove(&request) else { return };
        self.held = self.held.saturating_sub(part.len());
        if reply.send(answer).is_err() {
            self.late.fetch_add(1, Relaxed); // who asked has left
        }
    }
    /// What nobody waits for any more.
    fn forget(&mut self) {
        let held = &mut self.held;
        self.pending.retain(|_, pending| {
            let waited = !pending.reply.is_closed();
            if !waited {
                *held = held.saturating_sub(pending.part.len());
            }
            waited
        });
    }
}
