//! A serial port of this node: opened for us alone, set as the line wants it.
use crate::{
    error::Error,
    stream::{Dialled, Stream},
};
use pollux_crds::{ModbusParity, ModbusRs485, ModbusRts, ModbusRtu};
use rustix::{
    fs::{FileType, FlockOperation, Stat, flock, fstat, major, minor, stat},
    termios::{ControlModes, OptionalActions, ioctl_tiocexcl, ioctl_tiocnxcl, tcgetattr, tcsetattr},
};
use serial2::{
    CharSize, FlowControl, KeepSettings, Parity, SerialPort, Settings, StopBits,
    rs4xx::{Rs485Config, TransceiverMode},
};
use std::{
    io,
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf, unix::AsyncFd};

/// Opens the port. A symbolic link, as all in /dev/serial/by-id are, is followed anew each time, so that an adapter is found
/// wherever it is plugged in.
pub(crate) fn open(port: &ModbusRtu) -> Result<Dialled, Error> {
    let failed = |error: io::Error| Error::Port { path: port.path.clone(), why: why(&error) };
    let mut opened = SerialPort::open(&port.path, KeepSettings).map_err(failed)?;
    let identity = exclusive(&opened).map_err(failed)?; // before its settings are touched: they may be another's
    let settings = opened.get_configuration().and_then(|settings| set(port, settings)).map_err(failed)?;
    opened.set_configuration(&settings).and_then(|()| without_modem(&opened)).map_err(failed)?;
    if let Some(rs485) = &port.rs485 {
        let refused = |error: io::Error| Error::Port {
            path: port.path.clone(),
            why: format!("rs485: its driver cannot switch a transceiver: {error}"),
        };
        opened.set_rs4xx_mode(mode(rs485)).map_err(refused)?;
    }
    opened.discard_buffers().map_err(failed)?; // what was said before we listened
    let stream: Stream = Box::new(Port(registered(opened).map_err(failed)?));
    Ok(Dialled { stream, peer: Some(identity) })
}

/// Which port a path leads to, opened or not.
pub(crate) fn recognize(port: &ModbusRtu) -> Option<String> {
    let stat = stat(&port.path).ok()?;
    (FileType::from_raw_mode(stat.st_mode) == FileType::CharacterDevice).then(|| identity(&stat))
}

fn identity(stat: &Stat) -> String {
    format!("tty:{}:{}", major(stat.st_rdev), minor(stat.st_rdev))
}

/// What went wrong, and what helps.
fn why(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::NotFound => {
            "no such file: is the adapter plugged in? In a Pod, hostDevices of the MapperClass must hold it too".into()
        }
        io::ErrorKind::PermissionDenied => {
            "permission denied: the mapper must be in the group that owns it, mostly dialout".into()
        }
        _ if error.raw_os_error() == Some(rustix::io::Errno::NOTTY.raw_os_error()) => "is no serial port".into(),
        io::ErrorKind::ResourceBusy | io::ErrorKind::WouldBlock => "busy: another program has it open".into(),
        _ => error.to_string(),
    }
}

fn set(port: &ModbusRtu, mut settings: Settings) -> io::Result<Settings> {
    let baud = port.baud_rate.unwrap_or(ModbusRtu::BAUD_RATE);
    settings.set_raw();
    settings.set_baud_rate(u32::try_from(baud).unwrap_or_default())?;
    settings.set_char_size(CharSize::Bits8);
    settings.set_flow_control(FlowControl::None);
    settings.set_stop_bits(if port.stop_bits == Some(2) { StopBits::Two } else { StopBits::One });
    settings.set_parity(match port.parity.unwrap_or_default() {
        ModbusParity::None => Parity::None,
        ModbusParity::Even => Parity::Even,
        ModbusParity::Odd => Parity::Odd,
    });
    Ok(settings)
}

/// A line of three wires has no carrier to lose.
fn without_modem(port: &SerialPort) -> io::Result<()> {
    let mut termios = tcgetattr(port)?;
    termios.control_modes |= ControlModes::CLOCAL;
    Ok(tcsetattr(port, OptionalActions::Now, &termios)?)
}

/// TIOCEXCL keeps others out from now on, but not root; the lock is what careful programs ask first, root or not.
fn exclusive(port: &SerialPort) -> io::Result<String> {
    let stat = fstat(port)?;
    flock(port, FlockOperation::NonBlockingLockExclusive)?;
    ioctl_tiocexcl(port)?;
    Ok(identity(&stat))
}

fn mode(rs485: &ModbusRs485) -> TransceiverMode {
    let delay = |given: Option<i32>| Duration::from_millis(given.and_then(|ms| u64::try_from(ms).ok()).unwrap_or(0));
    let mut config = Rs485Config::new();
    config.set_invert_rts(rs485.rts == Some(ModbusRts::Low));
    config.set_delay_before_send(delay(rs485.delay_before_send));
    config.set_delay_after_send(delay(rs485.delay_after_send));
    config.set_bus_termination(rs485.terminate.unwrap_or(false));
    config.into()
}

/// The port, as tokio wants it.
#[derive(Debug)]
struct Port(AsyncFd<SerialPort>);

/// Where something else holds the port open, a console for one, it would stay closed to all, and to our own next life.
impl Drop for Port {
    fn drop(&mut self) {
        ioctl_tiocnxcl(self.0.get_ref()).ok(); // a port that was unplugged has nothing to give back
    }
}

#[expect(unsafe_code, reason = "tokio asks for a promise that the type system cannot give")]
fn registered(port: SerialPort) -> io::Result<AsyncFd<SerialPort>> {
    // SAFETY: a SerialPort owns one open descriptor, gives out the same one as long as it lives, and closes it when dropped.
    Ok(unsafe { AsyncFd::register(port) }?)
}

impl AsyncRead for Port {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, out: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        loop {
            let mut ready = ready!(self.0.poll_read_ready(cx))?;
            let read = ready.try_io(|port| Ok(rustix::io::read(port, out.initialize_unfilled())?));
            if let Ok(read) = read {
                return Poll::Ready(read.map(|count| out.advance(count)));
            }
        }
    }
}

impl AsyncWrite for Port {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        loop {
            let mut ready = ready!(self.0.poll_write_ready(cx))?;
            if let Ok(written) = ready.try_io(|port| Ok(rustix::io::write(port, bytes)?)) {
                return Poll::Ready(written);
            }
        }
    }
    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(())) // the line is awaited by its silence
    }
    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Level of RTS while sending, milliseconds before and after, bus termination.
    fn told(rs485: &ModbusRs485) -> Option<(ModbusRts, u128, u128, bool)> {
        let TransceiverMode::Rs485(config) = mode(rs485) else { return None };
        let rts = if config.get_invert_rts() { ModbusRts::Low } else { ModbusRts::High };
        let [before, after] = [config.get_delay_before_send(), config.get_delay_after_send()].map(|d| d.as_millis());
        (!config.get_full_duplex()).then_some((rts, before, after, config.get_bus_termination()))
    }

    #[test]
    fn a_transceiver_is_switched_as_it_is_said() {
        let given = |rts, before, after, terminate| ModbusRs485 {
            rts,
            delay_before_send: before,
            delay_after_send: after,
            terminate,
        };
        let (high, low) = (ModbusRts::High, ModbusRts::Low);
        assert_eq!(told(&ModbusRs485::default()), Some((high, 0, 0, false)));
        assert_eq!(told(&given(Some(high), Some(1), None, Some(false))), Some((high, 1, 0, false)));
        assert_eq!(told(&given(Some(low), Some(2), Some(3), Some(true))), Some((low, 2, 3, true)));
    }
}
