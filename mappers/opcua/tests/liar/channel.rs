//! A secure channel at the server's end: frames taken apart and made, numbers and tokens as told.
use super::{Shared, sessions::identity};
use bytes::{Bytes, BytesMut};
use opcua::{
    core::{
        Message as _, RequestMessage, ResponseMessage,
        comms::{
            message_chunk::{MessageChunk, MessageChunkType, MessageIsFinalType},
            secure_channel::{Role, SecureChannel},
        },
        sync::RwLock,
    },
    crypto::{CertificateStore, SecurityPolicy},
    types::{
        BinaryDecodable as _, BinaryEncodable, ByteString, ContextOwned, DecodingOptions, MessageSecurityMode,
        NamespaceMap, NodeId, OpenSecureChannelRequest,
    },
};
use std::{path::Path, sync::Arc};

/// Bytes of a frame.
pub(super) const CHUNK: usize = 65_536;
/// What security adds to a frame, at most.
const MORE: usize = 8_192;
/// Limits of the codec: none that matters.
const MUCH: usize = 1 << 30;

pub(super) struct Channel {
    secure: SecureChannel,
    /// Of the next frame.
    pub(super) sequence: u32,
    /// The next frame says it is of this channel.
    pub(super) pretend: Option<u32>,
    /// The next frame has one bit wrong there.
    pub(super) flip: Option<usize>,
    part: Vec<u8>,
}

/// A whole request: number, body with its type id, and what it is.
pub(super) struct Came {
    pub(super) id: u32,
    pub(super) body: Vec<u8>,
    pub(super) request: RequestMessage,
}

fn context() -> ContextOwned {
    let options = DecodingOptions {
        max_message_size: MUCH,
        max_chunk_count: 0,
        max_string_length: MUCH,
        max_byte_string_length: MUCH,
        max_array_length: MUCH,
        ..DecodingOptions::default()
    };
    ContextOwned::new_default(NamespaceMap::new(), options)
}

/// Type id and content.
pub(super) fn encoded(answer: &ResponseMessage) -> Vec<u8> {
    let owned = context();
    let ctx = owned.context();
    let mut body = answer.type_id().encode_to_vec(&ctx);
    body.extend(answer.encode_to_vec(&ctx));
    body
}

impl Channel {
    pub(super) fn new(secured: bool) -> Self {
        let store = Arc::new(RwLock::new(CertificateStore::new(Path::new("/nonexistent"))));
        let mut secure = SecureChannel::new(store, Role::Server, Arc::new(RwLock::new(context())));
        if secured {
            secure.set_cert(Some(identity().0.clone()));
            secure.set_private_key(Some(identity().1.clone()));
        }
        Self { secure, sequence: 1, pretend: None, flip: None, part: vec![] }
    }
    pub(super) fn policy(&self) -> SecurityPolicy {
        self.secure.security_policy()
    }
    /// One frame; Some when it was the last of a request. None is what an honest server hangs up for.
    pub(super) fn take(&mut self, frame: Bytes) -> Result<Option<Came>, String> {
        let opn = frame.starts_with(b"OPN");
        let last = frame.get(3) == Some(&b'F');
        if opn {
            self.read_certificate(&frame)?;
        }
        let plain = self.secure.verify_and_remove_security_server(frame).map_err(|error| error.to_string())?;
        let info = plain.chunk_info(&self.secure).map_err(|error| error.to_string())?;
        self.part.extend_from_slice(plain.data.get(info.body_offset..).unwrap_or_default());
        if !last {
            return Ok(None);
        }
        let body = std::mem::take(&mut self.part);
        let owned = context();
        let ctx = owned.context();
        let mut rest = body.as_slice();
        let kind = NodeId::decode(&mut rest, &ctx).map_err(|error| error.to_string())?;
        let kind = kind.as_object_id().map_err(|_| format!("a request of type {kind}"))?;
        let request = RequestMessage::decode_by_object_id(&mut rest, kind, &ctx).map_err(|error| error.to_string())?;
        if let RequestMessage::OpenSecureChannel(open) = &request {
            self.opening(open);
        }
        Ok(Some(Came { id: info.sequence_header.request_id, body, request }))
    }
    /// Who asks stands in front of the frame, not encrypted.
    fn read_certificate(&mut self, frame: &[u8]) -> Result<(), String> {
        let mut rest = frame.get(12..).unwrap_or_default();
        let mut next = || {
            let (size, tail) = rest.split_first_chunk::<4>()?;
            let size = usize::try_from(i32::from_le_bytes(*size)).unwrap_or(0);
            let (value, tail) = tail.split_at_checked(size)?;
            rest = tail;
            Some(value.to_vec())
        };
        next();
        let certificate = ByteString::from(next().unwrap_or_default());
        self.secure.set_remote_cert_from_byte_string(&certificate).map_err(|error| error.to_string())
    }
    fn opening(&mut self, open: &OpenSecureChannelRequest) {
        self.secure.set_security_mode(open.security_mode);
        self.secure.set_remote_nonce_from_byte_string(&open.client_nonce).ok();
    }
    /// A nonce of the policy's length.
    pub(super) fn nonce(&mut self) -> ByteString {
        self.secure.create_random_nonce();
        self.secure.local_nonce_as_byte_string()
    }
    pub(super) fn id(&self) -> u32 {
        self.secure.secure_channel_id()
    }
    /// A number that no channel and no token had.
    pub(super) fn number(shared: &Shared) -> u32 {
        shared.numbers.fetch_add(1, std::sync::atomic::Ordering::SeqCst)
    }
    /// The frames of an answer. What an OPN answer says is so from here on.
    pub(super) fn answer(&mut self, id: u32, answer: &ResponseMessage) -> Vec<u8> {
        let body = encoded(answer);
        let ResponseMessage::OpenSecureChannel(opened) = answer else { return self.body(id, &body) };
        self.secure.set_security_token(opened.security_token.clone());
        let frames = self.frame(id, MessageChunkType::OpenSecureChannel, MessageIsFinalType::Final, &body);
        if self.policy() != SecurityPolicy::None && !opened.server_nonce.is_null_or_empty() {
            self.secure.set_local_nonce(opened.server_nonce.as_ref());
            self.secure.derive_keys();
        }
        frames
    }
    /// A body in as many frames as it takes.
    pub(super) fn body(&mut self, id: u32, body: &[u8]) -> Vec<u8> {
        let most = MessageChunk::body_size_from_message_size(MessageChunkType::Message, &self.secure, CHUNK);
        self.pieces(id, body, most.expect("it is large enough"))
    }
    pub(super) fn pieces(&mut self, id: u32, body: &[u8], size: usize) -> Vec<u8> {
        let count = body.len().div_ceil(size).max(1);
        let mut out = vec![];
        for (at, piece) in body.chunks(size).enumerate() {
            let end = if at + 1 == count { MessageIsFinalType::Final } else { MessageIsFinalType::Intermediate };
            out.extend(self.frame(id, MessageChunkType::Message, end, piece));
        }
        out
    }
    /// One frame, secured as the channel is.
    pub(super) fn frame(&mut self, id: u32, kind: MessageChunkType, end: MessageIsFinalType, body: &[u8]) -> Vec<u8> {
        let number = self.sequence;
        self.sequence = self.sequence.wrapping_add(1);
        let own = self.secure.secure_channel_id();
        if let Some(pretend) = self.pretend.take() {
            self.secure.set_secure_channel_id(pretend);
        }
        let chunk = MessageChunk::new(number, id, kind, end, &self.secure, body).expect("it can be encoded");
        self.secure.set_secure_channel_id(own);
        let mut out = vec![0; chunk.data.len() + MORE];
        let size = self.secure.apply_security(&chunk, &mut out).expect("it can be secured");
        out.truncate(size);
        if let Some(bent) = self.flip.take().and_then(|at| out.get_mut(at)) {
            *bent ^= 1;
        }
        out
    }
    /// The same answer as a server without any security would send it.
    pub(super) fn unsigned(&mut self, id: u32, answer: &ResponseMessage) -> Vec<u8> {
        let (policy, mode) = (self.secure.security_policy(), self.secure.security_mode());
        self.secure.set_security_policy(SecurityPolicy::None);
        self.secure.set_security_mode(MessageSecurityMode::None);
        let frame = self.answer(id, answer);
        self.secure.set_security_policy(policy);
        self.secure.set_security_mode(mode);
        frame
    }
}

/// The next whole frame.
pub(super) fn next(buffer: &mut BytesMut) -> Option<Bytes> {
    let size = buffer.get(4..).and_then(|rest| rest.first_chunk::<4>())?;
    let size = usize::try_from(u32::from_le_bytes(*size)).expect("64 bits");
    (buffer.len() >= size).then(|| buffer.split_to(size).freeze())
}
