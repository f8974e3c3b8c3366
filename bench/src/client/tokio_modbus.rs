//! tokio-modbus as its examples use it: ten registers again and again.
use super::is_right;
use anyhow::{Context, Result, ensure};
use tokio_modbus::{client::tcp, prelude::*};

pub(super) async fn run(port: u16) -> Result<()> {
    let mut bus = tcp::connect_slave(([127, 0, 0, 1], port).into(), Slave(1)).await?;
    loop {
        let words = bus.read_holding_registers(0, 10).await??;
        let (high, low) = (*words.get(2).context("ten registers")?, *words.get(3).context("ten registers")?);
        let value = f32::from_bits(u32::from(high) << 16 | u32::from(low));
        ensure!(is_right(1, 1, value.into()), "a value is not the one that stands there");
    }
}
