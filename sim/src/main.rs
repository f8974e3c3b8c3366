//! The simulated boiler line as a program.
use clap::Parser;

#[tokio::main(flavor = "current_thread")]
async fn main() -> anyhow::Result<()> {
    pollux_sim::Options::parse().run().await
}
