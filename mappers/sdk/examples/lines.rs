//! A custom mapper, whole: a line protocol over TCP (`get x y` → `1.5 2`, `set x 3` → `ok`). Its Devices name it by
//! `spec.mapperClass: lines`; what stands in `spec.protocol.custom` and `binding.custom` is `Device` and `Address`.
use pollux_mapper::prelude::*;
use tokio::io::{self, AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::{net::TcpStream, sync::Mutex, time::timeout_at};
pub(crate) struct Lines;
#[derive(serde::Deserialize, schemars::JsonSchema)]
pub(crate) struct Device {
    pub(crate) address: String,
    pub(crate) prefix: String,
}
#[derive(serde::Deserialize, schemars::JsonSchema)]
pub(crate) struct Address {
    pub(crate) name: String,
}
pub(crate) struct Connection(Mutex<Option<BufReader<TcpStream>>>);
type Unit = Vec<(Slot, String)>;
type Answer<T> = Result<T, Fault<io::Error>>;
impl Protocol for Lines {
    const NAME: &'static str = "lines";
    type Device = Device;
    type Address = Address;
    type Endpoint = String;
    type Unit = Unit;
    type Request = ();
    type Error = io::Error;
    type Link = Connection;
    fn endpoint(&self, device: &Device) -> Result<String, ConfigError> {
        Ok(device.address.clone())
    }
    fn prepare(&self, device: &Device, points: &[Point<'_, Address>]) -> Result<Unit, Vec<ConfigError>> {
        Ok(points.iter().map(|p| (p.slot, format!("{}{}", device.prefix, p.address.name))).collect())
    }
    fn plan(&self, _: &Unit, due: &[usize]) -> Vec<Exchange<()>> {
        vec![Exchange { points: due.to_vec(), request: () }]
    }
    async fn connect(&self, endpoint: &String, _: &Cx) -> Result<Connection, io::Error> {
        Ok(Connection(Mutex::new(Some(BufReader::new(TcpStream::connect(endpoint).await?)))))
    }
}
/// The stream goes back only after an answer: a late one would be taken for the next.
async fn ask(on: &Connection, line: String, until: Instant) -> Result<String, io::Error> {
    let (mut held, mut answer) = (on.0.lock().await, String::new());
    let mut stream = held.take().ok_or(io::ErrorKind::NotConnected)?;
    let exchange = async {
        stream.write_all(format!("{line}\n").as_bytes()).await?;
        stream.read_line(&mut answer).await
    };
    timeout_at(until, exchange).await??;
    let line = answer.strip_suffix('\n').ok_or(io::ErrorKind::UnexpectedEof)?;
    *held = Some(stream);
    Ok(line.to_owned())
}
fn refused(words: &str) -> PointFault {
    PointFault::new(ErrorKind::Protocol, words.to_owned())
}
impl Link<Lines> for Connection {
    async fn read(&self, unit: &Unit, e: &Exchange<()>, until: Instant, out: &mut Samples) -> Answer<Done> {
        let points: Unit = e.points.iter().filter_map(|p| unit.get(*p).cloned()).collect();
        let answer = ask(self, points.iter().fold("get".to_owned(), |all, (_, name)| all + " " + name), until).await?;
        for ((slot, _), word) in points.iter().zip(answer.split(' ').chain(std::iter::repeat("missing"))) {
            if let Ok(number) = word.parse::<f64>() { out.put(*slot, number) } else { out.fault(*slot, refused(word)) }
        }
        Ok(Done::Ok)
    }
    async fn write(&self, unit: &Unit, values: &[(usize, Value)], until: Instant, out: &mut Written) -> Answer<()> {
        for (i, (point, value)) in values.iter().enumerate() {
            let Some((_, name)) = unit.get(*point) else { continue };
            let Some(number) = value.as_f64() else { return Err(Fault::Point(refused("only numbers are allowed"))) };
            out.sending(i);
            let answer = ask(self, format!("set {name} {number}"), until).await?;
            if answer == "ok" { out.done(i) } else { out.refused(i, refused(&answer)) }
        }
        Ok(())
    }
}
fn main() -> std::process::ExitCode {
    pollux_mapper::run(Lines)
}
