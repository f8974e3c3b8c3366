//! The bytes below all framing, whatever carries them.
use crate::{
    endpoint::{Endpoint, Host, Transport},
    error::Error,
    serial, tls,
};
use pollux_mapper::Cx;
use socket2::{SockRef, TcpKeepalive};
use std::{fmt, future::Future, io, time::Duration};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
    time::timeout,
};

/// A gateway that lost its power is noticed, even where nothing is polled for hours.
const KEEPALIVE: Duration = Duration::from_secs(15);
/// And while it is polled: where sent bytes wait for their acknowledgement no keep-alive is sent, and Linux would try again
/// for a quarter of an hour.
const UNACKNOWLEDGED: Duration = Duration::from_secs(20);

/// Bytes both ways: a socket, a serial port, a session above one, or half a pipe in a test.
pub trait Io: AsyncRead + AsyncWrite + fmt::Debug + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + fmt::Debug + Send + Unpin> Io for T {}

/// Any of them.
pub type Stream = Box<dyn Io>;

/// An open stream, and what is at its other end.
#[derive(Debug)]
pub struct Dialled {
    pub stream: Stream,
    /// The resource itself, so that two names of it meet: an address, a device number.
    pub peer: Option<String>,
}

/// Opens what the endpoint names, within its `connectTimeout`.
pub async fn dial(endpoint: &Endpoint, cx: &Cx) -> Result<Dialled, Error> {
    let limit = endpoint.connect_timeout;
    match &endpoint.transport {
        Transport::Tcp(host) | Transport::RtuOverTcp(host) => {
            let (stream, peer) = within(limit, tcp(host)).await?;
            Ok(Dialled { stream: Box::new(stream), peer })
        }
        Transport::Tls(to) => within(limit, tls::dial(to, cx)).await,
        Transport::Rtu(port) => serial::open(port),
    }
}

async fn within<T>(limit: Duration, dialling: impl Future<Output = Result<T, Error>>) -> Result<T, Error> {
    timeout(limit, dialling).await.map_err(|_| Error::ConnectTimeout(limit))?
}

/// A connection as all transports above TCP want it, and the address that answered.
pub(crate) async fn tcp(host: &Host) -> Result<(TcpStream, Option<String>), Error> {
    let stream = TcpStream::connect((&*host.name, host.port)).await.and_then(configured);
    let stream = stream.map_err(|error| Error::Connect(error.to_string()))?;
    let peer = stream.peer_addr().ok().map(|address| format!("tcp://{address}"));
    Ok((stream, peer))
}

fn configured(stream: TcpStream) -> io::Result<TcpStream> {
    stream.set_nodelay(true)?;
    let keepalive = TcpKeepalive::new().with_time(KEEPALIVE).with_interval(KEEPALIVE / 3).with_retries(3);
    let socket = SockRef::from(&stream);
    socket.set_tcp_keepalive(&keepalive)?;
    socket.set_tcp_user_timeout(Some(UNACKNOWLEDGED))?;
    Ok(stream)
}
