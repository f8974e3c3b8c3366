//! The command line.
use crate::{Dead, Framing, Line, Meters, Registers, WriteRecord, serve, serve_meters, serve_registers};
use anyhow::Context;
use std::{
    fs::OpenOptions,
    io::{self, Write},
    net::SocketAddr,
};
use tokio::{
    net::TcpListener,
    signal::unix::{SignalKind, signal},
};

/// A boiler line behind Modbus TCP: three boilers, units 1, 2 and 3, whose values move. --help lists the registers.
#[derive(Debug, Clone, clap::Parser)]
#[command(name = "pollux-sim", version, after_long_help = include_str!("../README.md"))]
pub struct Options {
    /// Where to listen.
    #[arg(long, default_value = "127.0.0.1:5020")]
    pub listen: SocketAddr,
    /// The same seed tells the same story.
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
    /// Simulated seconds per second, 0 to 1000.
    #[arg(long, default_value_t = 1.0, value_parser = speed)]
    pub speed: f64,
    /// A unit that is dead: `2` is silent, `2:exception` is answered for by the gateway (exception 11). May be repeated.
    #[arg(long, value_parser = dead_unit)]
    pub dead_unit: Vec<(u8, Dead)>,
    /// Appends every write request to this file, one line of JSON each; without a file, to standard output.
    #[arg(long, value_name = "FILE", num_args = 0..=1, default_missing_value = "-")]
    pub log_writes: Option<String>,
    /// So many energy meters (Eastron SDM630) instead of the boilers, units 1 to N: those of examples/meters.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u8).range(1..=247), conflicts_with_all = ["seed", "dead_unit", "log_writes"])]
    pub meters: Option<u8>,
    /// A plain device instead, unit 1: 65,536 coils, discrete inputs, input and holding registers that hold what is written to them.
    #[arg(long, conflicts_with_all = ["seed", "speed", "dead_unit", "meters"])]
    pub plain: bool,
    /// With --plain: RTU frames over TCP (`rtuOverTcp`), as a serial device server has them.
    #[arg(long, requires = "plain")]
    pub rtu: bool,
}

fn speed(text: &str) -> Result<f64, String> {
    let speed = text.parse().ok().filter(|speed| (0.0..=1000.0).contains(speed));
    speed.ok_or_else(|| "must be a number, 0 to 1000".into())
}

fn dead_unit(text: &str) -> Result<(u8, Dead), String> {
    let (unit, how) = match text.split_once(':') {
        None => (text, Dead::Silent),
        Some((unit, "exception")) => (unit, Dead::Exception),
        Some(_) => return Err("must be a unit, or a unit and :exception".into()),
    };
    Ok((unit.parse().map_err(|_| "the unit must be 0 to 255".to_owned())?, how))
}

impl Options {
    /// Serves until SIGTERM or Ctrl-C, and then ends at once.
    pub async fn run(self) -> anyhow::Result<()> {
        let Self { listen, seed, speed, dead_unit, log_writes, meters, plain, rtu } = self;
        let on_write = writer(log_writes.as_deref())?;
        if plain {
            let listener = TcpListener::bind(listen).await.with_context(|| format!("cannot listen on {listen}"))?;
            let (scheme, framing) = if rtu { ("rtu+tcp", Framing::Rtu) } else { ("tcp", Framing::Tcp) };
            println!("Plain registers on {scheme}://{}/1, all zero", listener.local_addr()?);
            return ending(serve_registers(listener, Registers::new(on_write), framing)).await;
        }
        let line = Line::new(seed, speed, on_write);
        for (unit, how) in dead_unit {
            line.set_dead(unit, Some(how));
        }
        let listener = TcpListener::bind(listen).await.with_context(|| format!("cannot listen on {listen}"))?;
        let address = listener.local_addr()?;
        if let Some(count) = meters {
            println!("{count} meters on tcp://{address}, units 1 to {count}. Next: examples/meters/README.md");
            return ending(serve_meters(listener, Meters::new(count, narrowed(speed)))).await;
        }
        println!(
            "A line of three boilers on tcp://{address}, units 1, 2, 3. Next, in another terminal:\n    \
             cargo run -p pollux-modbus -- --file examples/boiler --allow-writes"
        );
        ending(serve(listener, line)).await
    }
}

/// Serves until SIGTERM or Ctrl-C.
async fn ending(server: impl Future<Output = io::Result<()>>) -> anyhow::Result<()> {
    let mut terminated = signal(SignalKind::terminate())?;
    tokio::select! {
        result = server => result.context("the server ended"),
        _ = terminated.recv() => Ok(()),
        result = tokio::signal::ctrl_c() => result.context("no signals"),
    }
}

#[expect(clippy::cast_possible_truncation, reason = "0 to 1000, and it is a simulation")]
fn narrowed(speed: f64) -> f32 {
    speed as f32
}

/// A record that cannot be written is told on standard error: the boilers do not stop for it.
fn writer(file: Option<&str>) -> anyhow::Result<impl FnMut(WriteRecord) + Send + use<>> {
    let mut out: Option<Box<dyn Write + Send>> = match file {
        None => None,
        Some("-") => Some(Box::new(io::stdout())),
        Some(path) => {
            let file = OpenOptions::new().create(true).append(true).open(path);
            Some(Box::new(file.with_context(|| format!("cannot write to {path}"))?))
        }
    };
    Ok(move |record: WriteRecord| {
        let Some(out) = &mut out else { return };
        let written = serde_json::to_string(&record).map_err(io::Error::from).and_then(|line| writeln!(out, "{line}"));
        if let Err(error) = written.and_then(|()| out.flush()) {
            eprintln!("a write was not logged: {error}");
        }
    })
}
