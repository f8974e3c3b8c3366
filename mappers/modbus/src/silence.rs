//! Reads that are never answered though the device lives. One lost answer says nothing, and a device that is away answers
//! nothing at all: only what stays silent again and again, with answers to other reads in between and after, is taken for
//! refused. Where there is nothing else to be answered, one value is tried by itself. Pure.
use crate::plan::Range;
use std::collections::{BTreeMap, BTreeSet};

/// Silences of one read, each after an answer to another, until it is taken for refused; and where refused reads are being
/// halved already. On a line that loses one answer in ten that happens by chance once in a hundred thousand cycles.
const SUSPECT: (u32, u32) = (5, 3);
/// Silences in a row, of whatever is asked, until one value is tried by itself.
const ALL_SILENT: u32 = 2;
/// Reads that are remembered.
const MOST: usize = 64;

#[derive(Debug, Default)]
pub(crate) struct Silence {
    reads: BTreeMap<Range, Read>,
    in_a_row: u32,
    probe: Option<Range>,
}

#[derive(Debug)]
struct Read {
    blocks: Vec<Range>,
    times: u32,
    /// The device answered something else since.
    heard: bool,
}

impl Silence {
    /// True: a plan made now is another one.
    pub(crate) fn silent(&mut self, asked: Range, blocks: &[Range]) -> bool {
        self.in_a_row = self.in_a_row.saturating_add(1);
        if self.reads.len() >= MOST {
            self.reads.clear();
        }
        let read = self.reads.entry(asked).or_insert_with(|| Read { blocks: blocks.to_vec(), times: 0, heard: true });
        read.times += u32::from(std::mem::take(&mut read.heard));
        let different: BTreeSet<&Range> = blocks.iter().collect();
        let first = different.first().copied().copied().filter(|_| different.len() > 1);
        if self.in_a_row < ALL_SILENT || self.probe.is_some() || first.is_none() {
            return false;
        }
        self.reads.clear(); // from here on other reads are made
        self.probe = first;
        true
    }

    /// The device said something to it, yes or no.
    pub(crate) fn said(&mut self, asked: Range) {
        self.in_a_row = 0;
        self.reads.retain(|read, _| !asked.holds(*read));
    }

    /// Reads that are to be taken for refused, with their blocks; and whether a plan made now is another one.
    pub(crate) fn answered(&mut self, asked: Range, searching: bool) -> (Vec<(Range, Vec<Range>)>, bool) {
        self.said(asked);
        if self.reads.is_empty() && self.probe.is_none() {
            return (vec![], false);
        }
        self.reads.values_mut().for_each(|read| read.heard = true);
        let enough = if searching { SUSPECT.1 } else { SUSPECT.0 };
        let suspects = self.reads.extract_if(.., |_, read| read.times >= enough);
        let suspects: Vec<_> = suspects.map(|(range, read)| (range, read.blocks)).collect();
        let over = !suspects.is_empty() || (self.reads.is_empty() && self.probe != Some(asked));
        (suspects, over && self.probe.take().is_some())
    }

    pub(crate) fn probe(&self) -> Option<Range> {
        self.probe
    }
}
