//! Publish and its answer (Part 4, 5.14.5), the way of each pushed value.
use super::{
    Cursor, Raw, Sample, Wire,
    encode::{put_count, with_header},
    unknown::raw,
};
use crate::error::{Code, Error, Result};
use bytes::Bytes;
use opcua::types::{NodeId, ObjectId};
use tokio::time::Instant;

const PUBLISH: &str = "Publish";
const REPUBLISH: &str = "Republish";

/// What an answer to Publish says beside its values.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Published {
    /// Which subscription.
    pub subscription: u32,
    /// Messages that the server still has.
    pub available: Vec<u32>,
    /// Another message waits already.
    pub more: bool,
    /// Number of this message; of a keep-alive, of the next one.
    pub sequence: u32,
    /// It has notifications. Without: a keep-alive, which is not acknowledged.
    pub data: bool,
    /// The subscription itself changed: BadTimeout, GoodSubscriptionTransferred.
    pub status_change: Option<Code>,
    /// Item whose value cannot be decoded, and how many behind it in its notification were not read for that.
    pub broken: Option<(u32, u32)>,
    /// What became of the acknowledgements.
    pub acknowledged: Vec<Code>,
}

/// Asks for the next message of any subscription. `acks`: subscription, number.
pub(crate) async fn publish(wire: &Wire, acks: &[(u32, u32)], until: Instant) -> Result<Bytes> {
    let mut body = with_header(&wire.header(until), 4 + acks.len() * 8, PUBLISH, wire)?;
    put_count(&mut body, acks.len(), PUBLISH)?;
    for (subscription, number) in acks {
        body.extend_from_slice(&subscription.to_le_bytes());
        body.extend_from_slice(&number.to_le_bytes());
    }
    wire.raw(Raw { id: ObjectId::PublishRequest_Encoding_DefaultBinary, service: PUBLISH, body }, until).await
}

/// Takes an answer apart. Values are given before it is known whether the rest can be read: who must hand on all or nothing collects.
pub(crate) fn published(answer: &[u8], wire: &Wire, mut each: impl FnMut(Sample)) -> Result<Published> {
    let owned = wire.context().read();
    let ctx = raw(&owned);
    let mut cursor = Cursor::new(answer, PUBLISH, &ctx);
    cursor.expect_kind(ObjectId::PublishResponse_Encoding_DefaultBinary)?;
    cursor.header()?;
    let mut told = Published { subscription: cursor.u32()?, ..Published::default() };
    for _ in 0..cursor.count()? {
        told.available.push(cursor.u32()?);
    }
    told.more = cursor.u8()? != 0;
    message(&mut cursor, &mut told, &mut each)?;
    for _ in 0..cursor.count()? {
        told.acknowledged.push(Code(cursor.u32()?));
    }
    Ok(told)
}

/// A message that was missed, from the server's queue.
pub(crate) async fn republish(
    wire: &Wire,
    subscription: u32,
    number: u32,
    until: Instant,
    mut each: impl FnMut(Sample),
) -> Result<Published> {
    let mut body = with_header(&wire.header(until), 8, REPUBLISH, wire)?;
    body.extend_from_slice(&subscription.to_le_bytes());
    body.extend_from_slice(&number.to_le_bytes());
    let request = Raw { id: ObjectId::RepublishRequest_Encoding_DefaultBinary, service: REPUBLISH, body };
    let answer = wire.raw(request, until).await?;
    let owned = wire.context().read();
    let ctx = raw(&owned);
    let mut cursor = Cursor::new(&answer, REPUBLISH, &ctx);
    cursor.expect_kind(ObjectId::RepublishResponse_Encoding_DefaultBinary)?;
    cursor.header()?;
    let mut told = Published { subscription, ..Published::default() };
    message(&mut cursor, &mut told, &mut each)?;
    if told.sequence != number || !told.data {
        // asyncua answers Good with an empty message where it has none of that number.
        let why = format!("message {} instead of {number}", told.sequence);
        return Err(Error::Decode { service: REPUBLISH, why });
    }
    Ok(told)
}

fn message(cursor: &mut Cursor<'_>, told: &mut Published, each: &mut impl FnMut(Sample)) -> Result<()> {
    told.sequence = cursor.u32()?;
    cursor.skip::<8>()?; // publish time
    for _ in 0..cursor.count()? {
        notification(cursor, told, each)?;
    }
    Ok(())
}
fn notification(cursor: &mut Cursor<'_>, told: &mut Published, each: &mut impl FnMut(Sample)) -> Result<()> {
    let kind: NodeId = cursor.decode()?;
    let size = if cursor.u8()? == 1 { cursor.count()? } else { 0 };
    let mut part = cursor.part(size)?;
    // Of whatever kind: it was numbered, so it is to be acknowledged.
    told.data = true;
    if kind == ObjectId::DataChangeNotification_Encoding_DefaultBinary {
        let count = part.count()?;
        for at in 0..count {
            let handle = part.peek_u32();
            match (part.sample(true), handle) {
                (Ok(sample), _) => each(sample),
                (Err(_), Some(handle)) => {
                    let left = u32::try_from(count - at - 1).unwrap_or(u32::MAX);
                    told.broken = Some((handle, left));
                    break;
                }
                (Err(error), None) => return Err(error),
            }
        }
    } else if kind == ObjectId::StatusChangeNotification_Encoding_DefaultBinary {
        told.status_change = Some(Code(part.u32()?));
    }
    Ok(())
}
