//! What is known for certain of what a device refuses: as it is kept on disk, and as it is told to people.
use crate::{
    plan::Range,
    review::{LONGEST_REVIEW, REVIEW},
};
use pollux_crds::ModbusTable as Table;
use serde::{Deserialize, Serialize};
use serde_json::Value as Json;
use std::{collections::BTreeMap, time::Duration};

/// Of the form in which it is kept.
const VERSION: u32 = 1;
/// Blocks, and places, that are kept; a device has at most a thousand properties.
const MOST: usize = 2000;
/// Lines for people: status has room for 64, some of which are about the connection.
const LINES: usize = 60;

/// How a device refuses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Why {
    /// By this exception.
    Exception(u8),
    /// It answers everything but this.
    Silence,
}
impl Why {
    /// It is rather the length that is refused than an address: exception 3, or a buffer that is too small.
    pub(crate) fn is_of_length(self) -> bool {
        matches!(self, Self::Exception(3) | Self::Silence)
    }
}
impl std::fmt::Display for Why {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Exception(code) => write!(f, "refused (exception {code})"),
            Self::Silence => f.write_str("not answered"),
        }
    }
}

/// Nothing is read from below a place to it or beyond.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Cut {
    /// Where the value below it ends.
    pub(crate) below: u32,
    pub(crate) why: Why,
    /// What lies on both sides is answered.
    pub(crate) sure: bool,
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Facts {
    /// Refused by itself: always read by itself.
    pub(crate) apart: BTreeMap<Range, Why>,
    /// By where the value above begins.
    pub(crate) cuts: BTreeMap<(Table, u16), Cut>,
    registers: Option<u16>,
    bits: Option<u16>,
}

impl Facts {
    pub(crate) fn is_empty(&self) -> bool {
        *self == Self::default()
    }
    pub(crate) fn cap(&self, table: Table) -> Option<u16> {
        if table.has_bits() { self.bits } else { self.registers }
    }
    pub(crate) fn cap_of(&mut self, table: Table) -> &mut Option<u16> {
        if table.has_bits() { &mut self.bits } else { &mut self.registers }
    }
    /// Holes that are known for certain in a table.
    pub(crate) fn cuts_of(&self, table: Table) -> usize {
        self.cuts.range((table, 0)..=(table, u16::MAX)).filter(|((_, at), cut)| u32::from(*at) > cut.below).count()
    }

    /// Null where there is nothing.
    pub(crate) fn kept(&self, wait: Duration) -> Json {
        if self.is_empty() {
            return Json::Null;
        }
        let Self { apart, cuts, registers, bits } = self;
        let apart = apart.iter().take(MOST).map(|(range, why)| Apart {
            table: range.table,
            address: range.start,
            count: range.count,
            why: *why,
        });
        let cuts = cuts.iter().take(MOST).map(|((table, at), cut)| Place {
            table: *table,
            address: *at,
            below: cut.below,
            why: cut.why,
            sure: cut.sure,
        });
        let kept = Kept {
            version: VERSION,
            apart: apart.collect(),
            cuts: cuts.collect(),
            registers: *registers,
            bits: *bits,
            review: wait.as_secs(),
        };
        serde_json::to_value(kept).unwrap_or_default()
    }

    /// And after which time it is put to the test. Nothing of what is not of this form.
    pub(crate) fn recalled(kept: &Json) -> (Self, Duration) {
        let Some(kept) = Kept::deserialize(kept).ok().filter(|kept| kept.version == VERSION) else {
            return (Self::default(), REVIEW);
        };
        let whole = |apart: &Apart| apart.count > 0 && u32::from(apart.address) + u32::from(apart.count) <= 0x1_0000;
        let apart = kept.apart.into_iter().filter(whole).take(MOST);
        let cuts = kept.cuts.into_iter().take(MOST);
        let facts = Self {
            apart: apart.map(|a| (Range { table: a.table, start: a.address, count: a.count }, a.why)).collect(),
            cuts: cuts.map(|c| ((c.table, c.address), Cut { below: c.below, why: c.why, sure: c.sure })).collect(),
            registers: kept.registers.filter(|cap| *cap > 0),
            bits: kept.bits.filter(|cap| *cap > 0),
        };
        (facts, Duration::from_secs(kept.review).clamp(REVIEW, LONGEST_REVIEW))
    }

    /// A line each: the same words for the same facts.
    pub(crate) fn lines(&self) -> Vec<String> {
        let cap = |cap: Option<u16>, what| cap.map(|cap| format!("at most {cap} {what} in one request"));
        let mut lines: Vec<String> =
            [cap(self.registers, "registers"), cap(self.bits, "bits")].into_iter().flatten().collect();
        lines.extend(
            self.ranges_apart()
                .into_iter()
                .map(|(table, from, to, why)| format!("{}: {why}, read alone", addresses(table, from, to))),
        );
        lines.extend(self.cuts.iter().map(|((table, at), cut)| line_of(*table, *at, *cut)));
        if lines.len() > LINES {
            let more = lines.len() - (LINES - 1);
            lines.truncate(LINES - 1);
            lines.push(format!("and {more} more"));
        }
        lines
    }

    /// First and last address of neighbours that are refused alike.
    fn ranges_apart(&self) -> Vec<(Table, u32, u32, Why)> {
        let mut out: Vec<(Table, u32, u32, Why)> = vec![];
        for (range, why) in &self.apart {
            let (start, last) = (u32::from(range.start), range.end() - 1);
            match out.last_mut().filter(|open| open.0 == range.table && open.3 == *why && start <= open.2 + 1) {
                Some(open) => open.2 = open.2.max(last),
                None => out.push((range.table, start, last, *why)),
            }
        }
        out
    }
}

fn line_of(table: Table, at: u16, Cut { below, why, .. }: Cut) -> String {
    match u32::from(at).checked_sub(1).filter(|last| *last >= below) {
        Some(last) => format!("{}: {why}, not read along", addresses(table, below, last)),
        None => format!("{} {at}: {why} together with what is below it", table.name()),
    }
}

fn addresses(table: Table, first: u32, last: u32) -> String {
    let table = table.name();
    if first == last { format!("{table} {first}") } else { format!("{table} {first} to {last}") }
}

#[derive(Serialize, Deserialize)]
struct Kept {
    version: u32,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    apart: Vec<Apart>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    cuts: Vec<Place>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    registers: Option<u16>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    bits: Option<u16>,
    /// Seconds between two tests of it.
    #[serde(default)]
    review: u64,
}
#[derive(Serialize, Deserialize)]
struct Apart {
    table: Table,
    address: u16,
    count: u16,
    why: Why,
}
#[derive(Serialize, Deserialize)]
struct Place {
    table: Table,
    address: u16,
    below: u32,
    why: Why,
    sure: bool,
}
