//! A command of the mapper, in this process.
use pollux_mapper::{Exit, Out, testing::Paper};
use std::ffi::OsString;

pub(crate) struct Done {
    pub(crate) exit: Exit,
    pub(crate) out: String,
    pub(crate) err: String,
}

pub(crate) async fn run(words: &str) -> Done {
    let (out, err) = (Paper::default(), Paper::default());
    let arguments = std::iter::once("pollux-modbus").chain(words.split(' ')).map(OsString::from);
    let exit = pollux_modbus::cli::app().run_in(arguments, Out::new(out.clone(), err.clone())).await;
    Done { exit, out: out.text(), err: err.text() }
}

/// What `check` says of a file, which it must accept.
pub(crate) async fn checked(yaml: &str) -> String {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("file.yaml");
    std::fs::write(&file, yaml).expect("written");
    let done = run(&format!("check {}", file.display())).await;
    assert_eq!(done.exit, Exit::Ok, "{}\n{yaml}", done.out);
    done.out
}
