//! A mapper for a protocol of your own. This one asks a TCP peer line by line: `get NAME` is answered by a number, `set NAME
//! NUMBER` by `ok`. Replace what is on the wire; when to read, retries, quality, writing safely and status are the SDK's.
use pollux_mapper::prelude::*;
use std::{io, process::ExitCode};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufStream};
use tokio::{net::TcpStream, sync::Mutex, time::timeout_at};

struct Template;

/// `spec.protocol.custom` of a Device: where it is.
#[derive(serde::Deserialize, schemars::JsonSchema)]
struct Device {
    address: String,
}
/// `binding.custom` of a property: where it is on the device.
#[derive(serde::Deserialize, schemars::JsonSchema)]
struct Address {
    name: String,
}
/// One device, compiled: of each property where its value goes, and its name on the wire.
type Unit = Vec<(Slot, String)>;

impl Protocol for Template {
    const NAME: &'static str = "template"; // the name of your MapperClass
    type Device = Device;
    type Address = Address;
    type Endpoint = String; // devices with an equal one share a link
    type Unit = Unit;
    type Request = ();
    type Error = io::Error;
    type Link = Connection;

    fn endpoint(&self, device: &Device) -> Result<String, ConfigError> {
        Ok(device.address.clone())
    }
    fn prepare(&self, _: &Device, points: &[Point<'_, Address>]) -> Result<Unit, Vec<ConfigError>> {
        Ok(points.iter().map(|point| (point.slot, point.address.name.clone())).collect())
    }
    /// One request per property; put those together that your protocol can read at once.
    fn plan(&self, _: &Unit, due: &[usize]) -> Vec<Exchange<()>> {
        due.iter().map(|point| Exchange { points: vec![*point], request: () }).collect()
    }
    async fn connect(&self, endpoint: &String, _: &Cx) -> Result<Connection, io::Error> {
        Ok(Connection(Mutex::new(Some(BufStream::new(TcpStream::connect(endpoint).await?)))))
    }
}

/// An open link. Empty after a request that was not answered: its answer may still come, and would be taken for the next one.
struct Connection(Mutex<Option<BufStream<TcpStream>>>);

impl Connection {
    async fn ask(&self, request: String, until: Instant) -> io::Result<String> {
        let (mut held, mut answer) = (self.0.lock().await, String::new());
        let mut stream = held.take().ok_or(io::ErrorKind::NotConnected)?;
        let exchange = async {
            stream.write_all(format!("{request}\n").as_bytes()).await?;
            stream.flush().await?;
            stream.read_line(&mut answer).await
        };
        timeout_at(until, exchange).await??;
        let answer = answer.strip_suffix('\n').ok_or(io::ErrorKind::UnexpectedEof)?;
        *held = Some(stream);
        Ok(answer.to_owned())
    }
}

type Answer<T> = Result<T, Fault<io::Error>>;

impl Link<Template> for Connection {
    async fn read(&self, unit: &Unit, exchange: &Exchange<()>, until: Instant, out: &mut Samples) -> Answer<Done> {
        for (slot, name) in exchange.points.iter().filter_map(|point| unit.get(*point)) {
            let answer = self.ask(format!("get {name}"), until).await?;
            match answer.parse::<f64>() {
                Ok(number) => out.put(*slot, number),
                Err(_) => out.fault(*slot, PointFault::new(ErrorKind::Protocol, answer)),
            }
        }
        Ok(Done::Ok)
    }
    async fn write(&self, unit: &Unit, values: &[(usize, Value)], until: Instant, out: &mut Written) -> Answer<()> {
        for (position, (point, value)) in values.iter().enumerate() {
            let (Some((_, name)), Some(number)) = (unit.get(*point), value.as_f64()) else {
                return Err(Fault::Point(PointFault::new(ErrorKind::Config, "only numbers can be written")));
            };
            out.sending(position); // from here on it may have been done
            match self.ask(format!("set {name} {number}"), until).await?.as_str() {
                "ok" => out.done(position),
                refusal => out.refused(position, PointFault::new(ErrorKind::Denied, refusal.to_owned())),
            }
        }
        Ok(())
    }
}

fn main() -> ExitCode {
    pollux_mapper::run(Template)
}
