//! One connection: reads requests, says what the script says, in the order in which it says it.
use super::{
    End, Say, Shared,
    channel::{Channel, encoded, next},
};
use bytes::BytesMut;
use opcua::{
    core::{
        RequestMessage, ResponseMessage,
        comms::{
            message_chunk::{MessageChunkType, MessageIsFinalType},
            tcp_types::AcknowledgeMessage,
        },
    },
    types::{ServiceFault, SimpleBinaryEncodable as _, StatusCode},
};
use std::sync::{Arc, Mutex, MutexGuard};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpStream, tcp::OwnedReadHalf},
    sync::{mpsc, watch},
    time::sleep,
};

/// A request as it came.
#[derive(Debug, Clone)]
pub(crate) struct Heard {
    /// Which connection, from 0.
    pub(crate) connection: usize,
    /// Number of the request on its channel.
    pub(crate) id: u32,
    /// Its bytes, type id in front.
    pub(crate) body: Vec<u8>,
    pub(crate) request: RequestMessage,
}

pub(crate) struct Line {
    number: usize,
    pub(super) channel: Mutex<Channel>,
    out: mpsc::UnboundedSender<Vec<u8>>,
    closed: watch::Sender<bool>,
}

impl Line {
    pub(super) fn start(stream: TcpStream, number: usize, shared: &Arc<Shared>) -> Arc<Self> {
        stream.set_nodelay(true).ok();
        let (read, mut write) = stream.into_split();
        let (out, mut waiting) = mpsc::unbounded_channel::<Vec<u8>>();
        let secured = shared.world.lock().expect("no panic").secured;
        let line = Arc::new(Self {
            number,
            channel: Mutex::new(Channel::new(secured)),
            out,
            closed: watch::Sender::new(false),
        });
        let writer = line.clone();
        tokio::spawn(async move {
            let pump = async {
                while let Some(bytes) = waiting.recv().await {
                    if bytes.is_empty() || write.write_all(&bytes).await.is_err() {
                        break;
                    }
                }
            };
            tokio::select! {
                () = pump => {}
                () = writer.closed() => {}
            }
            writer.close();
        });
        let (reader, shared) = (line.clone(), shared.clone());
        tokio::spawn(async move {
            tokio::select! {
                () = reader.read(read, &shared) => {}
                () = reader.closed() => {}
            }
            reader.close();
        });
        line
    }
    async fn read(self: &Arc<Self>, mut read: OwnedReadHalf, shared: &Arc<Shared>) {
        let mut buffer = BytesMut::with_capacity(super::channel::CHUNK);
        loop {
            while let Some(frame) = next(&mut buffer) {
                if frame.starts_with(b"HEL") {
                    self.raw(hello(&frame, shared));
                    continue;
                }
                let came = self.channel().take(frame);
                match came {
                    Ok(None) => {}
                    Ok(Some(came)) => {
                        let heard =
                            Heard { connection: self.number, id: came.id, body: came.body, request: came.request };
                        if matches!(heard.request, RequestMessage::CloseSecureChannel(_)) {
                            shared.asked(&heard);
                            return;
                        }
                        self.asked(shared, heard).await;
                    }
                    Err(why) => {
                        eprintln!("the liar does not understand: {why}");
                        return;
                    }
                }
            }
            if !matches!(read.read_buf(&mut buffer).await, Ok(1..)) {
                return;
            }
        }
    }
    async fn asked(self: &Arc<Self>, shared: &Arc<Shared>, heard: Heard) {
        let says = shared.asked(&heard);
        if says.iter().any(|say| matches!(say, Say::Wait(_))) {
            let (line, shared) = (self.clone(), shared.clone());
            tokio::spawn(async move { line.say(&shared, &heard, says).await });
        } else {
            self.say(shared, &heard, says).await;
        }
    }
    /// One after the other.
    pub(super) async fn say(self: &Arc<Self>, shared: &Shared, heard: &Heard, says: Vec<Say>) {
        let mut id = heard.id;
        for say in says {
            let body = || self.honest(shared, heard).map(|answer| encoded(&answer));
            match say {
                Say::Good if matches!(heard.request, RequestMessage::Publish(_)) => {
                    let mut world = shared.world.lock().expect("no panic");
                    let refused = world.publish(heard, self);
                    drop(world);
                    if let Some(answer) = refused {
                        self.answer(id, &answer);
                    }
                }
                Say::Good => self.honest(shared, heard).iter().for_each(|answer| self.answer(id, answer)),
                Say::Answer(answer) => self.answer(id, &answer),
                Say::Fault(code) => self.answer(id, &fault(heard, code)),
                Say::Bent(bend) => {
                    if let Some(mut answer) = self.honest(shared, heard) {
                        bend(&mut answer);
                        self.answer(id, &answer);
                    }
                }
                Say::Bytes(bend) => {
                    if let Some(body) = body() {
                        self.body(id, &bend(body));
                    }
                }
                Say::Body(body) => self.body(id, &body),
                Say::Pieces(size) => body().iter().for_each(|body| {
                    let mut channel = self.channel();
                    let frames = channel.pieces(id, body, size);
                    self.raw(frames);
                }),
                Say::Chunks(bodies, end) => self.chunks(id, &bodies, end),
                Say::Frame(bytes) => self.raw(bytes),
                Say::Unsigned => {
                    if let Some(answer) = self.honest(shared, heard) {
                        let mut channel = self.channel();
                        let frame = channel.unsigned(id, &answer);
                        self.raw(frame);
                    }
                }
                Say::Sequence(number) => self.channel().sequence = number,
                Say::Channel(number) => self.channel().pretend = Some(number),
                Say::Flip(at) => self.channel().flip = Some(at),
                Say::Of(other) => id = other,
                Say::Wait(pause) => sleep(pause).await,
                Say::Close => {
                    self.raw(vec![]); // after what was said before
                }
            }
        }
    }
    /// What an honest server answers; to Publish a keep-alive.
    fn honest(self: &Arc<Self>, shared: &Shared, heard: &Heard) -> Option<ResponseMessage> {
        let mut world = shared.world.lock().expect("no panic");
        super::answers::answer(&mut world, shared, heard, self)
    }
    pub(super) fn answer(&self, id: u32, answer: &ResponseMessage) {
        let mut channel = self.channel();
        let frames = channel.answer(id, answer);
        self.raw(frames);
    }
    fn body(&self, id: u32, body: &[u8]) {
        let mut channel = self.channel();
        let frames = channel.body(id, body);
        self.raw(frames);
    }
    fn chunks(&self, id: u32, bodies: &[Vec<u8>], end: End) {
        use MessageIsFinalType::{Final, FinalError, Intermediate};
        let mut channel = self.channel();
        for (at, body) in bodies.iter().enumerate() {
            let last = at + 1 == bodies.len() && matches!(end, End::Final);
            let frame = channel.frame(id, MessageChunkType::Message, if last { Final } else { Intermediate }, body);
            self.raw(frame);
        }
        if let End::Abort(code) = end {
            let mut body = code.bits().to_le_bytes().to_vec();
            body.extend_from_slice(&[0xFF; 4]); // no words
            let frame = channel.frame(id, MessageChunkType::Message, FinalError, &body);
            self.raw(frame);
        }
    }
    /// Bytes as they are; none: hang up.
    pub(super) fn raw(&self, bytes: Vec<u8>) {
        self.out.send(bytes).ok(); // it may be gone
    }
    pub(super) fn close(&self) {
        self.closed.send_replace(true);
    }
    pub(super) fn is_open(&self) -> bool {
        !*self.closed.borrow()
    }
    async fn closed(&self) {
        self.closed.subscribe().wait_for(|closed| *closed).await.ok();
    }
    pub(super) fn channel(&self) -> MutexGuard<'_, Channel> {
        self.channel.lock().expect("no panic")
    }
}

pub(super) fn fault(heard: &Heard, code: StatusCode) -> ResponseMessage {
    ServiceFault::new(heard.request.request_header(), code).into()
}

/// The answer to Hello, or what is to be said in its place.
fn hello(frame: &[u8], shared: &Shared) -> Vec<u8> {
    let mut world = shared.world.lock().expect("no panic");
    world.hellos.push(String::from_utf8_lossy(frame.get(32..).unwrap_or_default()).into_owned());
    if let Some(other) = &world.acknowledge {
        return other.clone();
    }
    let chunk = u32::try_from(super::channel::CHUNK).expect("it fits");
    AcknowledgeMessage::new(0, chunk, chunk, world.most_request, 0).encode_to_vec()
}
