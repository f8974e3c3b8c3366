//! An open session, whose errors are in words.
use super::words::Words;
use std::{
    io,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, ReadBuf},
    net::TcpStream,
    time::timeout,
};
use tokio_rustls::{client::TlsStream, rustls::ProtocolVersion::TLSv1_3};

/// How long a server may take for its first word after the handshake; most send a ticket at once.
const FIRST_WORD: Duration = Duration::from_millis(300);

/// In TLS 1.3 a server says only after the handshake what it has against our certificate. A request that is sent meanwhile meets a
/// closed socket, and the reset that follows may take the server's words along: so they are waited for first.
pub(super) async fn first_word(stream: &mut TlsStream<TcpStream>) -> io::Result<()> {
    if stream.get_ref().1.protocol_version() != Some(TLSv1_3)
        || timeout(FIRST_WORD, stream.get_ref().0.readable()).await.is_err()
    {
        return Ok(());
    }
    let mut nothing = [0];
    let said = tokio::select! {
        biased;
        said = stream.read(&mut nothing) => said?,
        // A ticket, or a part of one: no data.
        () = std::future::ready(()) => return Ok(()),
    };
    match said {
        0 => Err(io::ErrorKind::UnexpectedEof.into()),
        _ => Err(io::Error::new(io::ErrorKind::InvalidData, "the server sent data before it was asked")),
    }
}

#[derive(Debug)]
pub(super) struct Session {
    stream: TlsStream<TcpStream>,
    words: Words,
}

impl Session {
    pub(super) fn new(stream: TlsStream<TcpStream>, words: Words) -> Self {
        Self { stream, words }
    }
    fn said<T>(&self, result: io::Result<T>) -> io::Result<T> {
        result.map_err(|error| io::Error::new(error.kind(), self.words.of(&error)))
    }
}

impl AsyncRead for Session {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match Pin::new(&mut self.stream).poll_read(cx, buffer) {
            // Closed without a word: frames say themselves whether they are whole.
            Poll::Ready(Err(error)) if error.kind() == io::ErrorKind::UnexpectedEof => Poll::Ready(Ok(())),
            Poll::Ready(result) => Poll::Ready(self.said(result)),
            Poll::Pending => Poll::Pending,
        }
    }
}

impl AsyncWrite for Session {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, bytes).map(|result| self.said(result))
    }
    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx).map(|result| self.said(result))
    }
    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx).map(|result| self.said(result))
    }
}
