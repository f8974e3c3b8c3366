//! A stream that ends where decoding goes too deep. The crate bounds the depth of some types only: a value in a value, or diagnostics
//! in diagnostics, would recurse until the stack is full, and that is the end of the process and not of one call.
use std::{
    hint::black_box,
    io::{Error, Read, Result},
    ptr,
};

/// Bytes of stack that decoding one answer may take: far more than those need who mean it, and an eighth of what a thread has.
const DEEPEST: usize = 256 * 1024;

/// The bytes that are left, read from not deeper than that below where it was made.
#[derive(Debug)]
pub(super) struct Shallow<'s, 'a> {
    rest: &'s mut &'a [u8],
    top: usize,
}

impl<'s, 'a> Shallow<'s, 'a> {
    #[inline(never)]
    pub(super) fn new(rest: &'s mut &'a [u8]) -> Self {
        Self { rest, top: here() }
    }
    fn judge(&self) -> Result<()> {
        if self.top.abs_diff(here()) > DEEPEST {
            return Err(Error::other("values are nested too deep"));
        }
        Ok(())
    }
}

/// Where the stack stands, about.
#[inline(always)]
#[allow(clippy::inline_always, reason = "the place is the caller's")]
fn here() -> usize {
    let mark = 0_u8;
    ptr::from_ref(black_box(&mark)).addr()
}

impl Read for Shallow<'_, '_> {
    fn read(&mut self, buffer: &mut [u8]) -> Result<usize> {
        self.judge()?;
        self.rest.read(buffer)
    }
    fn read_exact(&mut self, buffer: &mut [u8]) -> Result<()> {
        self.judge()?;
        self.rest.read_exact(buffer)
    }
}
