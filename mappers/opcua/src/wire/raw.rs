//! Requests that are bytes already, for the crate's chunker.
use crate::error::{Error, Result};
use opcua::{
    core::{Message, MessageType, comms::message_chunk::MessageChunkType, sync::RwLock},
    types::{BinaryEncodable, Context, ContextOwned, EncodingResult, Error as Codec, NodeId, ObjectId},
};
use std::io::{Read, Write};

/// A request: its encoded body without the type id.
#[derive(Debug)]
pub(crate) struct Raw {
    /// Which request it is.
    pub id: ObjectId,
    /// For messages.
    pub service: &'static str,
    /// Header and content.
    pub body: Vec<u8>,
}

impl Raw {
    /// A request through the crate's codec.
    pub(super) fn encoded(
        id: ObjectId,
        service: &'static str,
        request: &impl BinaryEncodable,
        context: &RwLock<ContextOwned>,
    ) -> Result<Self> {
        let owned = context.read();
        let ctx = owned.context();
        let mut body = Vec::with_capacity(request.byte_len(&ctx));
        request.encode(&mut body, &ctx).map_err(|error| Error::Encode { service, why: error.to_string() })?;
        Ok(Self { id, service, body })
    }
}

impl MessageType for Raw {
    fn message_type(&self) -> MessageChunkType {
        match self.id {
            ObjectId::OpenSecureChannelRequest_Encoding_DefaultBinary => MessageChunkType::OpenSecureChannel,
            ObjectId::CloseSecureChannelRequest_Encoding_DefaultBinary => MessageChunkType::CloseSecureChannel,
            _ => MessageChunkType::Message,
        }
    }
}
impl BinaryEncodable for Raw {
    fn byte_len(&self, _: &Context<'_>) -> usize {
        self.body.len()
    }
    fn encode<S: Write + ?Sized>(&self, stream: &mut S, _: &Context<'_>) -> EncodingResult<()> {
        stream.write_all(&self.body).map_err(Codec::encoding)
    }
}
impl Message for Raw {
    fn request_handle(&self) -> u32 {
        0 // for the crate's own messages only
    }
    fn decode_by_object_id<S: Read>(_: &mut S, _: ObjectId, _: &Context<'_>) -> EncodingResult<Self> {
        Err(Codec::decoding("a request is never read"))
    }
    fn type_id(&self) -> NodeId {
        self.id.into()
    }
}
