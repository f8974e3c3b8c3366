//! Requests that are made once and sent often.
use super::{Cursor, Raw, Sample, Wire, unknown::raw};
use crate::error::{Error, Result};
use opcua::types::{BinaryEncodable, Context, ObjectId, ReadValueId, RequestHeader, TimestampsToReturn};
use tokio::time::Instant;

/// Bytes that a request header takes, about.
const HEADER: usize = 128;
const READ: &str = "Read";

/// A Read of a list of nodes, encoded once.
#[derive(Debug, Clone)]
pub(crate) struct ReadPlan {
    /// All after the request header.
    tail: Vec<u8>,
    count: usize,
}

impl ReadPlan {
    /// `max_age` in ms: 0 asks the device itself.
    pub(crate) fn new(nodes: &[ReadValueId], max_age: f64, wire: &Wire) -> Result<Self> {
        let owned = wire.context().read();
        let ctx = owned.context();
        let mut tail = Vec::with_capacity(16 + nodes.len() * 32);
        tail.extend_from_slice(&max_age.to_le_bytes());
        put(&mut tail, &TimestampsToReturn::Source, READ, &ctx)?;
        put_count(&mut tail, nodes.len(), READ)?;
        nodes.iter().try_for_each(|node| put(&mut tail, node, READ, &ctx))?;
        Ok(Self { tail, count: nodes.len() })
    }
    /// Reads; each node's place in the list and what came of it, in order. What cannot be decoded ends it there: all before were given.
    pub(crate) async fn read(&self, wire: &Wire, until: Instant, mut each: impl FnMut(usize, Sample)) -> Result<()> {
        let mut body = with_header(&wire.header(until), self.tail.len(), READ, wire)?;
        body.extend_from_slice(&self.tail);
        let request = Raw { id: ObjectId::ReadRequest_Encoding_DefaultBinary, service: READ, body };
        let answer = wire.raw(request, until).await?;
        let owned = wire.context().read();
        let ctx = raw(&owned);
        let mut cursor = Cursor::new(&answer, READ, &ctx);
        cursor.expect_kind(ObjectId::ReadResponse_Encoding_DefaultBinary)?;
        cursor.header()?;
        let count = cursor.count()?;
        if count != self.count {
            return Err(Error::Miscounted { service: READ, results: count, asked: self.count });
        }
        for place in 0..count {
            each(place, cursor.sample(false)?);
        }
        Ok(())
    }
}

/// A body that begins with the header, with room for what follows.
pub(super) fn with_header(header: &RequestHeader, more: usize, service: &'static str, wire: &Wire) -> Result<Vec<u8>> {
    let mut body = Vec::with_capacity(HEADER + more);
    let owned = wire.context().read();
    put(&mut body, header, service, &owned.context())?;
    Ok(body)
}
fn put(out: &mut Vec<u8>, value: &impl BinaryEncodable, service: &'static str, ctx: &Context<'_>) -> Result<()> {
    value.encode(out, ctx).map_err(|error| Error::Encode { service, why: error.to_string() })
}
pub(super) fn put_count(out: &mut Vec<u8>, count: usize, service: &'static str) -> Result<()> {
    let count = i32::try_from(count).map_err(|_| Error::Encode { service, why: "too many elements".to_owned() })?;
    out.extend_from_slice(&count.to_le_bytes());
    Ok(())
}
