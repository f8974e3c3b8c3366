//! `pollux-operator`: see `--help`.
use clap::Parser;
use std::process::ExitCode;

#[tokio::main]
async fn main() -> ExitCode {
    let args = pollux_operator::Args::parse();
    if let Some(pollux_operator::Command::SelfTest(what)) = args.command {
        return pollux_operator::self_test(&what).await;
    }
    match pollux_operator::run(args).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!(error = format!("{error:#}"), "the operator ends");
            ExitCode::FAILURE
        }
    }
}
