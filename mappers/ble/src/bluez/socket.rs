//! The socket of the bus, read in gulps. Where hundreds advertise each message would wake us by itself, and to be woken costs more than what
//! a message says: a bus that says much is read fifty times a second.
use std::{
    io,
    os::fd::{BorrowedFd, OwnedFd},
    time::Duration,
};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{
        UnixStream,
        unix::{OwnedReadHalf, OwnedWriteHalf},
    },
    time::{Instant, sleep_until},
};
use zbus::{
    connection::socket::{ReadHalf, Socket, Split, WriteHalf},
    export::async_trait::async_trait,
};

/// Bytes that are read at once: some eighty advertisements.
const GULP: usize = 32 * 1024;
/// Between two gulps of a bus that says much.
const PAUSE: Duration = Duration::from_millis(20);
/// For so long it is looked how much it says.
const LOOK: Duration = Duration::from_millis(100);
/// Bytes in that time that are much: some hundred advertisements a second.
const MUCH: usize = 4096;

/// A connection to a bus.
#[derive(Debug)]
pub(super) struct Bus(pub(super) UnixStream);

impl Socket for Bus {
    type ReadHalf = Reader;
    type WriteHalf = Writer;

    fn split(self) -> Split<Reader, Writer> {
        let (read, write) = self.0.into_split();
        let (gulp, at, pace) = (Vec::with_capacity(GULP), 0, Pace::new(Instant::now()));
        Split::new(Reader { read, gulp, at, pace }, Writer(write))
    }
}

/// What it says.
#[derive(Debug)]
pub(super) struct Reader {
    read: OwnedReadHalf,
    gulp: Vec<u8>,
    /// So much of it was taken.
    at: usize,
    pace: Pace,
}

#[async_trait]
impl ReadHalf for Reader {
    /// Whoever drops this has lost nothing.
    async fn recvmsg(&mut self, into: &mut [u8]) -> io::Result<(usize, Vec<OwnedFd>)> {
        if self.at == self.gulp.len() {
            // Behind a full one the rest is there already.
            let rest = self.gulp.len() >= GULP;
            if let Some(at) = self.pace.next(Instant::now()).filter(|_| !rest) {
                sleep_until(at).await;
            }
            self.gulp.clear();
            self.at = 0;
            if self.read.read_buf(&mut self.gulp).await? == 0 {
                return Err(io::Error::new(io::ErrorKind::BrokenPipe, "failed to read from socket"));
            }
            self.pace.took(self.gulp.len(), Instant::now());
        }
        let size = io::Read::read(&mut self.gulp.get(self.at..).unwrap_or_default(), into)?;
        self.at += size;
        Ok((size, vec![]))
    }
}

/// What is said to it.
#[derive(Debug)]
pub(super) struct Writer(OwnedWriteHalf);

#[async_trait]
impl WriteHalf for Writer {
    async fn sendmsg(&mut self, buffer: &[u8], _: &[BorrowedFd<'_>]) -> io::Result<usize> {
        self.0.write(buffer).await
    }
    async fn close(&mut self) -> io::Result<()> {
        self.0.shutdown().await
    }
}

/// How often it is read. Pure.
#[derive(Debug)]
struct Pace {
    began: Instant,
    bytes: usize,
    much: bool,
    last: Instant,
}

impl Pace {
    fn new(now: Instant) -> Self {
        Self { began: now, bytes: 0, much: false, last: now }
    }
    /// When to read next; none: at once, as on a bus that is quiet.
    fn next(&mut self, now: Instant) -> Option<Instant> {
        let since = now.saturating_duration_since(self.began);
        if since >= LOOK {
            let whole = since.as_millis() / LOOK.as_millis();
            self.much = self.bytes as u128 >= MUCH as u128 * whole;
            (self.began, self.bytes) = (now, 0);
        }
        Some(self.last + PAUSE).filter(|at| self.much && *at > now)
    }
    fn took(&mut self, bytes: usize, now: Instant) {
        (self.bytes, self.last) = (self.bytes + bytes, now);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bus_that_says_much_is_read_less_often_and_one_that_is_quiet_at_once() {
        let start = Instant::now();
        let at = |ms| start + Duration::from_millis(ms);
        let mut pace = Pace::new(start);
        for ms in (0..100).step_by(2) {
            assert_eq!(pace.next(at(ms)), None, "it is not known yet");
            pace.took(400, at(ms));
        }
        assert_eq!(pace.next(at(100)), Some(at(98) + PAUSE));
        for ms in (120..=220).step_by(20) {
            pace.took(4_000, at(ms));
            assert_eq!(pace.next(at(ms)), Some(at(ms) + PAUSE), "as long as it goes on");
        }
        pace.took(400, at(230));
        assert_eq!(pace.next(at(400)), None, "little came since");
        pace.took(400, at(5_000));
        assert_eq!(pace.next(at(5_000)), None, "once in a while is not much");
    }

    #[tokio::test]
    async fn what_is_read_is_what_was_sent_in_pieces_of_any_size_and_the_end_is_an_error() {
        let (near, far) = UnixStream::pair().unwrap();
        let (mut reader, writer) = Bus(near).split().take();
        let sent: Vec<u8> = (0..100_000_u32).map(|n| n.to_le_bytes()[n as usize % 4]).collect();
        let (mut far_reader, mut far_writer) = far.into_split();
        let whole = sent.clone();
        let sending = tokio::spawn(async move {
            far_writer.write_all(&whole).await.unwrap();
        });
        let (mut got, mut piece) = (vec![], vec![0; 7_001]);
        for size in (1..7_000).cycle() {
            let (count, _) = reader.recvmsg(&mut piece[..size]).await.unwrap();
            got.extend_from_slice(&piece[..count]);
            if got.len() == sent.len() {
                break;
            }
        }
        assert!(got == sent, "byte by byte");
        sending.await.unwrap();
        assert_eq!(reader.recvmsg(&mut piece).await.unwrap_err().kind(), io::ErrorKind::BrokenPipe);
        drop(writer);
        assert_eq!(far_reader.read(&mut piece).await.unwrap(), 0);
    }

    /// The clock stands where nothing is waited for.
    #[tokio::test(start_paused = true)]
    async fn only_a_bus_that_says_much_is_waited_for_and_not_behind_a_full_gulp() {
        let (near, far) = UnixStream::pair().unwrap();
        let (mut reader, _writer) = Bus(near).split().take();
        far.try_write(&vec![7; 2 * GULP]).unwrap();
        let (start, mut piece) = (Instant::now(), vec![0; GULP]);
        assert_eq!(reader.recvmsg(&mut piece[..1]).await.unwrap().0, 1);
        assert_eq!(start.elapsed(), Duration::ZERO, "a quiet one");
        reader.pace.much = true;
        assert_eq!(reader.gulp.len(), GULP);
        assert_eq!(reader.recvmsg(&mut piece).await.unwrap().0, GULP - 1);
        assert_eq!(reader.recvmsg(&mut piece[..1]).await.unwrap().0, 1);
        assert_eq!(start.elapsed(), Duration::ZERO, "what was there already");
        reader.gulp.truncate(1);
        far.try_write(&[7]).unwrap();
        assert_eq!(reader.recvmsg(&mut piece).await.unwrap().0, 1);
        assert!(start.elapsed() >= PAUSE, "{:?}", start.elapsed());
    }
}
