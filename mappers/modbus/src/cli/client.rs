//! One connection for a command, by the driver's own endpoint and link: a read, and what came of it.
use crate::{
    Error, Link, Modbus,
    frame::{Answer, ExceptionCode, describe_exception, is_gateway},
    plan::Range,
};
use pollux_crds::ModbusDevice;
use pollux_mapper::{Cx, Fault, Protocol, printable};
use std::{fmt, time::Duration};

/// What came of one read.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Reply {
    Data(Box<[u8]>),
    Exception(ExceptionCode),
    Silent,
    /// It is no answer to what was asked.
    Nonsense(String),
}

impl Reply {
    /// Whether the unit itself has answered, be it with a refusal.
    pub(super) fn is_answer(&self) -> bool {
        match self {
            Self::Data(_) => true,
            Self::Exception(code) => !is_gateway(*code),
            Self::Silent | Self::Nonsense(_) => false,
        }
    }
    pub(super) fn exception(&self) -> Option<u8> {
        match self {
            Self::Exception(code) => Some((*code).into()),
            _ => None,
        }
    }
    /// The registers that it has.
    pub(super) fn registers(&self) -> Vec<u16> {
        let Self::Data(data) = self else { return vec![] };
        data.chunks_exact(2).filter_map(|pair| pair.first_chunk()).map(|pair| u16::from_be_bytes(*pair)).collect()
    }
}
impl fmt::Display for Reply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Data(_) => f.write_str("answered"),
            Self::Exception(code) => f.write_str(&describe_exception(*code)),
            Self::Silent => f.write_str("no answer"),
            Self::Nonsense(text) => f.write_str(text),
        }
    }
}

/// Registers as they came: `0x41AC 0x0000`.
pub(super) fn hex(registers: &[u16]) -> String {
    registers.iter().map(|word| format!("0x{word:04X}")).collect::<Vec<_>>().join(" ")
}

#[derive(Debug)]
pub(super) struct Client {
    pub(super) link: Link,
    timeout: Duration,
}

impl Client {
    pub(super) async fn open(device: &ModbusDevice, timeout: Duration) -> Result<Self, String> {
        let endpoint = Modbus.endpoint(device).map_err(|error| error.text)?;
        let link = Modbus.connect(&endpoint, &Cx::default()).await.map_err(|error| format!("{endpoint}: {error}"))?;
        Ok(Self { link, timeout })
    }
    /// Err: the connection is lost.
    pub(super) async fn read(&self, unit: u8, range: Range) -> Result<Reply, Error> {
        match self.link.ask(unit, range, self.timeout).await {
            Ok(Answer::Data(data)) => Ok(Reply::Data(data)),
            Ok(Answer::Exception(code)) => Ok(Reply::Exception(code)),
            Ok(_) => Ok(Reply::Nonsense("an answer without data".into())),
            Err(Fault::Device(Error::Silent { .. })) => Ok(Reply::Silent),
            Err(Fault::Device(error)) => Ok(Reply::Nonsense(error.to_string())),
            Err(Fault::Point(fault)) => Ok(Reply::Nonsense(fault.text.to_string())),
            Err(Fault::Link(error)) => Err(error),
        }
    }
    /// Vendor, product and revision, as far as the device says them (function 43/14). None: it does not. Err: the connection is lost.
    pub(super) async fn identify(&self, unit: u8) -> Result<Option<String>, Error> {
        const WORDS: [&str; 5] = ["VendorName", "ProductName", "ProductCode", "ModelName", "MajorMinorRevision"];
        match self.link.identify(unit, self.timeout).await {
            Ok(Some(told)) => {
                let words: Vec<&str> =
                    WORDS.iter().filter_map(|name| told.get(*name)).map(|word| word.trim()).collect();
                let words = words.into_iter().filter(|word| !word.is_empty()).collect::<Vec<_>>().join(" ");
                Ok(Some(printable(&words)).filter(|words| !words.is_empty()))
            }
            Ok(None) | Err(Fault::Device(_) | Fault::Point(_)) => Ok(None),
            Err(Fault::Link(error)) => Err(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        Settings,
        frame::rtu::{Timing, crc},
    };
    use pollux_crds::ModbusTable::Holding;
    use tokio::{
        io::{AsyncReadExt, AsyncWriteExt, duplex},
        time::sleep,
    };

    /// 1,200 baud: 125 registers are on their way for longer than twice the time-out, which is the device's own.
    #[tokio::test(start_paused = true)]
    async fn on_a_slow_line_a_long_answer_is_waited_for() {
        let (ours, mut peer) = duplex(4096);
        let link = Link::with(ours, None, Settings::rtu(Timing::serial(1200, 10)));
        let client = Client { link, timeout: Duration::from_secs(1) };
        let (range, character) = (Range { table: Holding, start: 0, count: 125 }, Duration::from_secs(1) * 10 / 1200);
        let device = async {
            let mut frame = [0; 8];
            peer.read_exact(&mut frame).await.expect("a request");
            sleep(character * 8 + Duration::from_millis(500)).await;
            let body = [&[9, 3, 250][..], &[7; 250]].concat();
            for byte in [&body[..], &crc(&body).to_le_bytes()].concat() {
                sleep(character).await;
                peer.write_all(&[byte]).await.expect("listens");
            }
        };
        let (reply, ()) = tokio::join!(client.read(9, range), device);
        assert_eq!(reply.expect("connected"), Reply::Data([7; 250].into()));
    }
}
