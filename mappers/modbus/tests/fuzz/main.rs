//! Everything that decodes, fed with what nobody would send. A mutator of our own, for the fuzzers at hand need a nightly
//! compiler: cases come from the corpus beside, bent, cut, joined and made up, the same ones for the same seed.
//!
//! A short run is part of the tests. The long one is by hand, and prints what it did:
//!     cargo test -p pollux-modbus --test fuzz -- --ignored --nocapture
//! with --release, or it takes hours. The last one, seed 1, on two busy cores: mbap 10,000,000 cases in 51 s, answer 16 s, rtu 258 s, identity
//! 9 s, register 137 s, values 16 s; import 1,000,000 in 477 s. No failure.
//! `POLLUX_FUZZ_CASES` (10,000,000), `POLLUX_FUZZ_SEED` (1) and `POLLUX_FUZZ_ONLY` (a target) change it. A case that fails is printed in hex: it goes into the corpus.
#![allow(clippy::panic, clippy::unwrap_in_result, reason = "a test")]
#[path = "../common/mod.rs"]
mod common;
mod formats;
mod mutator;
mod targets;

use mutator::Mutator;
use std::{
    fmt::Write as _,
    fs,
    panic::{AssertUnwindSafe, catch_unwind},
    path::Path,
    time::Instant,
};
use targets::{ALL, Target};

/// Lines of hex, one case each; # begins a comment.
fn corpus(target: &Target) -> Vec<Vec<u8>> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/corpus").join(format!("{}.hex", target.name));
    let text = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let lines = text.lines().map(|line| line.split('#').next().unwrap_or_default());
    let byte = |text| u8::from_str_radix(text, 16).unwrap_or_else(|_| panic!("{}: {text}", path.display()));
    let cases: Vec<Vec<u8>> = lines
        .map(|line| line.split_whitespace().map(byte).collect())
        .filter(|case: &Vec<u8>| !case.is_empty())
        .collect();
    assert!(!cases.is_empty(), "{}: no cases", path.display());
    cases
}

fn hex(case: &[u8]) -> String {
    case.iter().fold(String::new(), |mut text, byte| {
        write!(text, "{byte:02x} ").expect("to a string");
        text
    })
}

/// How many of the cases said something that was accepted: a target that accepts nothing tests nothing.
fn run(target: &Target, cases: u64, seed: u64) -> u64 {
    let seeds = corpus(target);
    for case in &seeds {
        tried(target, case);
    }
    let (mut mutator, mut accepted) = (Mutator::new(seed), 0);
    let mut case = Vec::with_capacity(1024);
    for _ in 0..cases {
        mutator.next(&seeds, &mut case);
        accepted += u64::from(tried(target, &case));
    }
    accepted
}

fn tried(target: &Target, case: &[u8]) -> bool {
    match catch_unwind(AssertUnwindSafe(|| (target.run)(case))) {
        Ok(Ok(accepted)) => accepted,
        Ok(Err(law)) => panic!("{}: {law}\n{}", target.name, hex(case)),
        Err(panic) => panic!("{}: it panicked: {:?}\n{}", target.name, panic.downcast_ref::<String>(), hex(case)),
    }
}

#[test]
fn no_decoder_panics_or_breaks_its_law() {
    for target in ALL {
        let accepted = run(target, target.short, 1);
        let (name, cases) = (target.name, target.short);
        assert!(accepted > cases / 200, "{name}: of {cases} cases only {accepted} said anything");
    }
}

#[test]
#[ignore = "minutes: by hand"]
fn no_decoder_panics_or_breaks_its_law_in_ten_million_cases_each() {
    let number = |name: &str, usual| std::env::var(name).map_or(usual, |text| text.parse().expect("a number"));
    let (cases, seed) = (number("POLLUX_FUZZ_CASES", 10_000_000), number("POLLUX_FUZZ_SEED", 1));
    let only = std::env::var("POLLUX_FUZZ_ONLY").ok();
    for target in ALL.iter().filter(|target| only.as_deref().is_none_or(|only| only == target.name)) {
        let started = Instant::now();
        let accepted = run(target, cases, seed);
        let took = started.elapsed().as_secs_f64();
        println!("{:12} {cases} cases, {accepted} of them accepted, no failure, {took:.0} s", target.name);
    }
}
