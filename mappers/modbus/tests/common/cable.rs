//! A serial line without hardware: ptys, joined to each other or to a server.
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use std::{
    net::{SocketAddr, TcpStream},
    os::fd::OwnedFd,
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread::{self, JoinHandle},
    time::Duration,
};

/// The far end of a pty, and the path of ours.
pub(crate) fn pty() -> (OwnedFd, PathBuf) {
    let far = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).expect("a pty");
    rustix::io::ioctl_fionbio(&far, true).expect("set");
    grantpt(&far).expect("granted");
    unlockpt(&far).expect("unlocked");
    let name = ptsname(&far, vec![]).expect("a name").into_string().expect("ASCII");
    (far, name.into())
}

/// Hands on bytes both ways until it is dropped.
pub(crate) struct Cable {
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Cable {
    /// Two ports; what is said into one comes out of the other.
    pub(crate) fn between_ports() -> (Self, PathBuf, PathBuf) {
        let ((one, ours), (other, theirs)) = (pty(), pty());
        (Self::join(one, other), ours, theirs)
    }
    /// A port whose far end is a server that speaks RTU over TCP.
    pub(crate) fn to(server: SocketAddr) -> (Self, PathBuf) {
        let (far, path) = pty();
        let stream = TcpStream::connect(server).expect("it listens");
        stream.set_nodelay(true).expect("set");
        stream.set_nonblocking(true).expect("set");
        (Self::join(far, stream.into()), path)
    }
    fn join(one: OwnedFd, other: OwnedFd) -> Self {
        let stop = Arc::<AtomicBool>::default();
        let stopped = stop.clone();
        let thread = thread::spawn(move || {
            while !stopped.load(Ordering::Relaxed) {
                if !(carry(&one, &other) | carry(&other, &one)) {
                    thread::sleep(Duration::from_micros(200));
                }
            }
        });
        Self { stop, thread: Some(thread) }
    }
}

impl Drop for Cable {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.take().map(JoinHandle::join);
    }
}

/// Whether there was something to carry. A port that nobody has open, or a server that left, says nothing and hears nothing.
fn carry(from: &OwnedFd, to: &OwnedFd) -> bool {
    let mut buffer = [0; 512];
    let Ok(count) = rustix::io::read(from, &mut buffer[..]) else { return false };
    let mut rest = &buffer[..count];
    while !rest.is_empty() {
        match rustix::io::write(to, rest) {
            Ok(count) => rest = &rest[count..],
            Err(rustix::io::Errno::AGAIN) => thread::yield_now(),
            Err(_) => break,
        }
    }
    count > 0
}
