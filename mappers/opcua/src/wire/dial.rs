//! From a host name to a server that said ACK (Part 6, 7.1.2).
use super::{
    channel::Dial,
    frame::{self, Expect},
    limits::CHUNK,
};
use crate::error::{Error, Result};
use bytes::BytesMut;
use opcua::{
    core::comms::tcp_types::{HelloMessage, MIN_CHUNK_SIZE},
    types::SimpleBinaryEncodable,
};
use std::{io, net::SocketAddr};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{
        TcpStream, lookup_host,
        tcp::{OwnedReadHalf, OwnedWriteHalf},
    },
    time::{Instant, timeout, timeout_at},
};

/// Addresses of one name that are tried.
const ADDRESSES: usize = 8;

/// A connection, and what the server takes.
pub(super) struct Dialled {
    pub(super) read: OwnedReadHalf,
    pub(super) write: OwnedWriteHalf,
    /// What came beyond ACK.
    pub(super) buffer: BytesMut,
    /// Bytes of one frame that we send.
    pub(super) chunk: usize,
    /// Bytes of one request; 0: any.
    pub(super) message: usize,
    /// Frames of one request; 0: any.
    pub(super) chunks: usize,
}

/// Every address of the host in turn, all within the time.
pub(super) async fn dial(dial: &Dial<'_>) -> Result<Dialled> {
    let place = if dial.host.contains(':') {
        format!("[{}]:{}", dial.host, dial.port)
    } else {
        format!("{}:{}", dial.host, dial.port)
    };
    let failed = |why: String| Error::Dial { place: place.clone(), why };
    let named = timeout_at(dial.until, lookup_host((dial.host, dial.port))).await;
    let named = named.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()));
    let addresses: Vec<SocketAddr> = named.map_err(|error| failed(error.to_string()))?.take(ADDRESSES).collect();
    let stream = connect(&addresses, dial.until).await.map_err(|error| failed(error.to_string()))?;
    stream.set_nodelay(true).map_err(|error| failed(error.to_string()))?;
    let answered = timeout_at(dial.until, hello(stream, dial)).await;
    answered.unwrap_or(Err(Error::Silent("Hello")))
}

/// One after the other, each for its share of the time that is left: one that swallows what is sent to it is no reason not to try the next.
pub(super) async fn connect(addresses: &[SocketAddr], until: Instant) -> io::Result<TcpStream> {
    let mut why = io::Error::other("the name has no address");
    for (left, address) in (1..=addresses.len()).rev().zip(addresses) {
        let share = until.saturating_duration_since(Instant::now()) / u32::try_from(left).unwrap_or(u32::MAX);
        match timeout(share, TcpStream::connect(address)).await {
            Ok(Ok(stream)) => return Ok(stream),
            Ok(Err(error)) => why = error,
            Err(_) => why = io::Error::new(io::ErrorKind::TimedOut, "no answer in time"),
        }
    }
    Err(why)
}

async fn hello(stream: TcpStream, dial: &Dial<'_>) -> Result<Dialled> {
    let (mut read, mut write) = stream.into_split();
    let hello = HelloMessage::new(dial.url, CHUNK, CHUNK, dial.limits.message, 0);
    let bytes = SimpleBinaryEncodable::encode_to_vec(&hello);
    write.write_all(&bytes).await.map_err(|error| lost(&error))?;
    let mut buffer = BytesMut::with_capacity(2 * CHUNK);
    let answer = loop {
        if let Some(frame) = frame::next(&mut buffer, Expect::Acknowledge)? {
            break frame;
        }
        if read.read_buf(&mut buffer).await.map_err(|error| lost(&error))? == 0 {
            return Err(Error::Closed("by the server, before it acknowledged".to_owned()));
        }
    };
    if answer.starts_with(b"ERR") {
        return Err(frame::ended(&answer));
    }
    // ACK: version 8, what it receives 12, what it sends 16, largest message 20, most chunks 24.
    let number = |at| frame::word(&answer, at).map(|word| usize::try_from(word).unwrap_or(usize::MAX));
    let chunk = number(12)?;
    if chunk < MIN_CHUNK_SIZE {
        return Err(Error::Nonsense(format!("it takes frames of {chunk} bytes, {MIN_CHUNK_SIZE} are the least")));
    }
    Ok(Dialled { chunk: chunk.min(CHUNK), message: number(20)?, chunks: number(24)?, read, write, buffer })
}

/// A connection that broke.
pub(super) fn lost(error: &std::io::Error) -> Error {
    Error::Closed(error.to_string())
}
