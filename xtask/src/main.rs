//! `cargo xtask`: what is generated from the types, and what is checked about the docs.
mod commands;
mod crds;
mod examples;
mod files;
mod headings;
mod links;
mod metrics;
mod numbers;
mod pages;
mod reference;

use anyhow::{Result, bail};
use files::Files;
use std::{io::Write, path::Path, process::ExitCode};

const USAGE: &str = "\
cargo xtask generate           manifests and reference pages from the types
cargo xtask check-generated    fails where they are not what the types say
cargo xtask crds [--check]     no reference: crds/manifests, the chart's files, the schemas that `--file` judges by
cargo xtask docs [--check]     the reference only: docs/reference
cargo xtask assigned-numbers [--check]   tables of Bluetooth LE only: mappers/ble/codec
cargo xtask check-docs         headings and commands alike in both languages, no command that nothing runs, YAML
                               that the cluster would take, no broken link
cargo xtask commands           every command of the docs: page, line, how it is tested, command";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap_or(Path::new("."));
    match run(root, &arguments.iter().map(String::as_str).collect::<Vec<_>>()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(root: &Path, arguments: &[&str]) -> Result<()> {
    let docs = || reference::files().with(metrics::files());
    let all = || -> Result<Files> { Ok(crds::files()?.with(docs()).with(numbers::files(root)?)) };
    match arguments {
        ["generate"] => all()?.write(root),
        ["check-generated"] => all()?.check(root),
        ["crds"] => crds::files()?.write(root),
        ["crds", "--check"] => crds::files()?.check(root),
        ["docs"] => docs().write(root),
        ["docs", "--check"] => docs().check(root),
        ["assigned-numbers"] => numbers::files(root)?.write(root),
        ["assigned-numbers", "--check"] => numbers::files(root)?.check(root),
        ["check-docs"] => check_docs(root),
        ["commands"] => list_commands(root),
        _ => bail!("{USAGE}"),
    }
}

fn check_docs(root: &Path) -> Result<()> {
    let pages = pages::all(root)?;
    let mut wrong = headings::check(&pages);
    wrong.extend(links::check(root, &pages));
    wrong.extend(commands::check(root, &pages)?);
    wrong.extend(examples::check(root, &pages)?);
    if wrong.is_empty() {
        println!("{} pages: ok", pages.len());
        return Ok(());
    }
    bail!("{}\n{} errors", wrong.join("\n"), wrong.len())
}

fn list_commands(root: &Path) -> Result<()> {
    for page in pages::all(root)? {
        for block in page.shell() {
            for command in block.commands() {
                let how = block.how.as_deref().unwrap_or("-");
                writeln!(std::io::stdout(), "{}:{}\t{how}\t{command}", page.path, block.line)?;
            }
        }
    }
    Ok(())
}
