//! Our connection without anything above it: ten registers again and again.
use super::is_right;
use anyhow::{Context, Result, bail, ensure};
use futures_util::{StreamExt, stream::FuturesUnordered};
use pollux_mapper::Instant;
use pollux_modbus::{
    Settings, Wire,
    frame::{Answer, Request},
};
use std::time::Duration;
use tokio::net::TcpStream;

pub(super) async fn run(port: u16, depth: usize) -> Result<()> {
    let stream = TcpStream::connect(("127.0.0.1", port)).await?;
    stream.set_nodelay(true)?;
    let wire = Wire::with(stream, Settings { depth, ..Settings::default() });
    let mut lanes: FuturesUnordered<_> = (0..depth).map(|_| lane(&wire)).collect();
    lanes.next().await.context("at least one lane")?
}

async fn lane(wire: &Wire) -> Result<()> {
    loop {
        let until = Instant::now() + Duration::from_secs(5);
        match wire.transact(1, &Request::ReadHoldingRegisters(0, 10), until, || ()).await {
            Ok(Answer::Data(data)) => {
                let float = data.get(4..8).and_then(<[u8]>::first_chunk).context("ten registers")?;
                ensure!(is_right(1, 1, f32::from_be_bytes(*float).into()), "a value is not the one that stands there");
            }
            other => bail!("a read failed: {other:?}"),
        }
    }
}
