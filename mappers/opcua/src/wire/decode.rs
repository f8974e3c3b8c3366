//! Answers taken apart without building the crate's messages: what a value costs is paid for each of a hundred thousand in a second.
use super::{limits::COMPOUND, shallow::Shallow};
use crate::error::{Code, Error, Result};
use opcua::types::{
    BinaryDecodable, Context, DiagnosticInfo, ExtensionObject, NodeId, ObjectId, ResponseHeader, UAString, Variant,
};
use std::ops::RangeInclusive;

/// ExtensionObject (Part 6, 5.1.2).
const OBJECT: u8 = 22;
/// In the first byte of a Variant (5.2.2.16): its type, that it is an array, and that it says how many stand in each dimension.
const TYPE: u8 = 0x3F;
const ARRAY: u8 = 0x80;
const DIMENSIONS: u8 = 0x40;
/// ExtensionObject, DataValue, Variant and DiagnosticInfo.
const COMPOUNDS: RangeInclusive<u8> = 22..=25;

/// One value as a server sends it. Times in 100 ns since 1601; 0: not sent.
#[derive(Debug, Clone)]
pub(crate) struct Sample {
    /// Of the monitored item; 0 in an answer to Read.
    pub handle: u32,
    /// Empty: none was sent.
    pub value: Variant,
    /// Status code with its info bits; 0 is Good, and what is not sent.
    pub status: u32,
    /// When the source had it.
    pub source: i64,
    /// When the server had it.
    pub server: i64,
}

/// DiagnosticInfo (Part 6, 5.1.2): the last of the types that a Variant may hold.
const LAST_TYPE: u8 = 25;

/// What is left of an answer.
#[derive(Clone)]
pub(crate) struct Cursor<'a> {
    rest: &'a [u8],
    service: &'static str,
    ctx: &'a Context<'a>,
}

impl std::fmt::Debug for Cursor<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Cursor({} bytes of {})", self.rest.len(), self.service)
    }
}

impl<'a> Cursor<'a> {
    pub(crate) fn new(answer: &'a [u8], service: &'static str, ctx: &'a Context<'a>) -> Self {
        Self { rest: answer, service, ctx }
    }
    /// Bytes that are left.
    pub(crate) fn left(&self) -> usize {
        self.rest.len()
    }
    fn wrong(&self, why: impl Into<String>) -> Error {
        Error::Decode { service: self.service, why: why.into() }
    }
    /// The type id that stands in front. A ServiceFault passes: its header says what it is.
    pub(super) fn expect_kind(&mut self, kind: ObjectId) -> Result<()> {
        let found: NodeId = self.decode()?;
        if found == kind {
            return Ok(());
        }
        if found == ObjectId::ServiceFault_Encoding_DefaultBinary {
            self.header()?;
            return Err(self.wrong("a ServiceFault that is Good"));
        }
        Err(self.wrong(format!("an answer of another type ({found})")))
    }
    /// The header (Part 4, 7.33); its service result, if bad, is the error. What passes here, passes in the crate's own codec.
    pub(super) fn header(&mut self) -> Result<ResponseHeader> {
        let mut inside = self.clone();
        inside.skip::<16>()?; // time, handle, result
        inside.decode::<DiagnosticInfo>()?;
        inside.decode::<Option<Vec<UAString>>>()?;
        inside.object()?;
        let header: ResponseHeader = self.decode()?;
        if header.service_result.is_bad() {
            return Err(Error::Refused { service: self.service, code: Code::from(header.service_result) });
        }
        Ok(header)
    }
    /// Anything through the crate's codec.
    pub(crate) fn decode<T: BinaryDecodable>(&mut self) -> Result<T> {
        let decoded = T::decode(&mut Shallow::new(&mut self.rest), self.ctx);
        decoded.map_err(|error| self.wrong(error.to_string()))
    }
    fn take<const N: usize>(&mut self) -> Result<[u8; N]> {
        let (bytes, rest) = self.rest.split_first_chunk::<N>().ok_or_else(|| self.wrong("cut short"))?;
        self.rest = rest;
        Ok(*bytes)
    }
    pub(super) fn u8(&mut self) -> Result<u8> {
        self.take::<1>().map(|[byte]| byte)
    }
    pub(super) fn u32(&mut self) -> Result<u32> {
        self.take().map(u32::from_le_bytes)
    }
    /// The next number, which stays there.
    pub(super) fn peek_u32(&self) -> Option<u32> {
        self.rest.first_chunk().map(|bytes| u32::from_le_bytes(*bytes))
    }
    pub(super) fn skip<const N: usize>(&mut self) -> Result<()> {
        self.take::<N>().map(|_| ())
    }
    /// Number of elements; each takes a byte at least, so more than there are bytes is refused before room is made for them.
    pub(super) fn count(&mut self) -> Result<usize> {
        let count = usize::try_from(i32::from_le_bytes(self.take()?)).unwrap_or(0); // -1: null
        if count > self.rest.len() {
            return Err(self.wrong(format!("{count} elements in {} bytes", self.rest.len())));
        }
        Ok(count)
    }
    /// The next so many bytes, by themselves.
    pub(super) fn part(&mut self, size: usize) -> Result<Self> {
        let (part, rest) = self.rest.split_at_checked(size).ok_or_else(|| self.wrong("cut short"))?;
        self.rest = rest;
        Ok(Self { rest: part, service: self.service, ctx: self.ctx })
    }
    /// One DataValue (Part 6, 5.2.2.17), with the handle of its item in front where it is a notification's.
    #[inline]
    pub(super) fn sample(&mut self, handles: bool) -> Result<Sample> {
        let handle = if handles { self.u32()? } else { 0 };
        let mask = self.u8()?;
        let value = if mask & 1 != 0 { self.variant()? } else { Variant::Empty };
        let status = if mask & 2 != 0 { self.u32()? } else { 0 };
        let source = if mask & 4 != 0 { i64::from_le_bytes(self.take()?) } else { 0 };
        if mask & 16 != 0 {
            self.skip::<2>()?; // picoseconds
        }
        let server = if mask & 8 != 0 { i64::from_le_bytes(self.take()?) } else { 0 };
        if mask & 32 != 0 {
            self.skip::<2>()?;
        }
        Ok(Sample { handle, value, status, source, server })
    }
    /// The usual scalars by themselves, all else through the crate's codec.
    #[inline]
    pub(crate) fn variant(&mut self) -> Result<Variant> {
        let kind = match self.rest.first() {
            Some(kind @ (1 | 4..=7 | 10 | 11)) => *kind,
            // Of a type that is none the crate takes nothing, and would read its bytes as what follows.
            Some(kind) if kind & TYPE > LAST_TYPE => return Err(self.wrong(format!("a value of type {}", kind & TYPE))),
            Some(kind) if COMPOUNDS.contains(&(kind & TYPE)) => return self.compound(*kind),
            _ => return self.decode(),
        };
        self.skip::<1>()?;
        Ok(match kind {
            1 => Variant::Boolean(self.u8()? != 0),
            4 => Variant::Int16(i16::from_le_bytes(self.take()?)),
            5 => Variant::UInt16(u16::from_le_bytes(self.take()?)),
            6 => Variant::Int32(i32::from_le_bytes(self.take()?)),
            7 => Variant::UInt32(self.u32()?),
            10 => Variant::Float(f32::from_le_bytes(self.take()?)),
            _ => Variant::Double(f64::from_le_bytes(self.take()?)),
        })
    }
    /// What holds others: a byte of it may be a hundred once it is decoded, and an object says how long it is before it is there. Objects
    /// are measured; of all else it is not known where it ends.
    fn compound(&mut self, kind: u8) -> Result<Variant> {
        if kind & TYPE != OBJECT {
            self.bounded(self.rest.len())?;
            return self.decode();
        }
        let mut inside = self.clone();
        inside.skip::<1>()?;
        let count = if kind & ARRAY == 0 { 1 } else { inside.count()? };
        for _ in 0..count {
            inside.skip_object()?;
        }
        if kind & (ARRAY | DIMENSIONS) == ARRAY | DIMENSIONS && count > 0 {
            for _ in 0..inside.count()? {
                inside.skip::<4>()?;
            }
        }
        self.measured(inside.rest.len())
    }
    fn bounded(&self, size: usize) -> Result<()> {
        if size > COMPOUND {
            return Err(self.wrong(format!("values of values within {size} bytes, {COMPOUND} are the most")));
        }
        Ok(())
    }
    /// What ends where so many bytes are left. The crate decodes an object of a type that it knows from all that follows, whatever length
    /// it says: what takes more or less than it said would be bounded by nothing, or be read as what follows.
    fn measured<T: BinaryDecodable>(&mut self, left: usize) -> Result<T> {
        let size = self.rest.len().saturating_sub(left);
        self.bounded(size)?;
        let mut part = self.part(size)?;
        let decoded = part.decode()?;
        if part.rest.is_empty() { Ok(decoded) } else { Err(self.wrong("an object is not as long as it says")) }
    }
    /// An object (Part 6, 5.2.2.15), as long as it says.
    pub(crate) fn object(&mut self) -> Result<ExtensionObject> {
        let mut inside = self.clone();
        inside.skip_object()?;
        self.measured(inside.rest.len())
    }
    /// Steps over one: its type, and what it holds, by the length that it says.
    fn skip_object(&mut self) -> Result<()> {
        self.decode::<NodeId>()?;
        let size = if self.u8()? == 0 { 0 } else { self.count()? };
        self.part(size).map(|_| ())
    }
}
