//! What is no plain number.
use super::{Change, Columns, EVENT, Now};
use crate::{
    port::{Number, Other, Said},
    value::{Kind, split},
};

impl Columns {
    pub(crate) fn ingest_other(&mut self, s: Other, now: Now, out: &mut Vec<Change>) {
        let value = match s.said {
            Said::Fault(fault) => return self.fault(s.slot, fault, s.time, now, out),
            Said::Quiet => return self.quiet(s.slot),
            Said::Stood(value) => return self.stood(Other { said: Said::Value(value), ..s }, now, out),
            Said::Value(value) => value,
        };
        let value = match split(value) {
            Ok((kind, bits)) => {
                let number = Number { bits, time: s.time, slot: s.slot, kind, quality: s.quality };
                return self.ingest_doubted(number, s.reason, now, out);
            }
            Err(value) => value,
        };
        let Some(row) = self.rows.get_mut(s.slot.0 as usize) else { return };
        row.kind = Kind::Other;
        let moved = row.flags & EVENT != 0 || self.texts.get(&s.slot) != Some(&value);
        if moved {
            self.texts.insert(s.slot, value.clone());
        }
        let moved = self.doubted(s.slot, s.reason) || moved;
        if self.heard(s.slot, s.quality, s.time, moved, now) {
            self.report(s.slot, Some(Ok(value)), out);
        }
    }
}
