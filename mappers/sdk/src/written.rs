//! What became of a write, value by value. It answers when it is dropped, so no reply can be lost, whatever ends the
//! write.
use crate::{Counters, ErrorKind, PointFault};
use std::sync::Arc;
use tokio::sync::oneshot;

/// What became of one value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Wrote {
    /// Acknowledged by the device.
    Done,
    /// Certainly not done: the device, or the encoding, said no.
    Refused(PointFault),
    /// Certainly not done: no byte of it left.
    NotSent,
    /// It left and was not answered: may have been done. Read before writing again.
    Unknown,
}

/// What became of a group of values.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WriteReply {
    /// In the order of the values submitted.
    pub values: Vec<Wrote>,
    /// Why some are `NotSent` or `Unknown`, for people.
    pub why: Option<PointFault>,
}

/// Marks of one group of values. A value without a mark was not sent once any other has one; where a driver marked nothing
/// at all, the honest answer for a write that began is `Unknown`.
#[derive(Debug)]
pub struct Written {
    marks: Vec<Option<Wrote>>,
    started: bool,
    why: Option<PointFault>,
    reply: Option<oneshot::Sender<WriteReply>>,
    /// Where the results are counted.
    tally: Vec<Arc<Counters>>,
}

impl Written {
    /// As a driver gets it, for tests of a driver; the engine makes its own.
    #[must_use]
    pub fn new(values: usize) -> Self {
        Self { marks: vec![None; values], started: true, why: None, reply: None, tally: vec![] }
    }
    pub(crate) fn answering(
        values: usize,
        reply: oneshot::Sender<WriteReply>,
        tally: impl IntoIterator<Item = Arc<Counters>>,
    ) -> Self {
        let mut new = Self::new(values);
        (new.started, new.reply, new.tally) = (false, Some(reply), tally.into_iter().collect());
        new
    }
    /// The next byte that leaves belongs to this value (a position in `values`).
    pub fn sending(&mut self, value: usize) {
        self.mark(value, Wrote::Unknown);
    }
    /// No byte of it has left, whatever ends this write now: for a driver that has to ask something else first.
    pub fn not_sent(&mut self, value: usize) {
        self.mark(value, Wrote::NotSent);
    }
    /// The device answered, and its answer does not tell whether it was done.
    pub fn unknown(&mut self, value: usize, why: PointFault) {
        self.mark(value, Wrote::Unknown);
        self.why = Some(why);
    }
    /// The device acknowledged it.
    pub fn done(&mut self, value: usize) {
        self.mark(value, Wrote::Done);
    }
    /// The device, or the encoding, said no.
    pub fn refused(&mut self, value: usize, fault: PointFault) {
        self.mark(value, Wrote::Refused(fault));
    }
    fn mark(&mut self, value: usize, mark: Wrote) {
        if let Some(m) = self.marks.get_mut(value) {
            *m = Some(mark);
        }
    }

    pub(crate) fn start(&mut self) {
        self.started = true;
    }
    pub(crate) fn because(&mut self, why: PointFault) {
        self.why = Some(why);
    }
    /// The device said no to the request as a whole: what was under way, or all if the driver marked nothing.
    pub(crate) fn refuse_pending(&mut self, fault: &PointFault) {
        let open = |mark: &Option<Wrote>| matches!(mark, None | Some(Wrote::NotSent));
        let nothing_left = self.marks.iter().all(open);
        for mark in &mut self.marks {
            if *mark == Some(Wrote::Unknown) || nothing_left {
                *mark = Some(Wrote::Refused(fault.clone()));
            }
        }
    }
    /// Some value may have changed the device: worth reading back.
    pub(crate) fn touched(&self) -> bool {
        self.results().iter().any(|r| matches!(r, Wrote::Done | Wrote::Unknown))
    }
    fn marked(&self) -> bool {
        self.marks.iter().any(Option::is_some)
    }
    /// What is to be said of each value as things stand.
    #[must_use]
    pub fn results(&self) -> Vec<Wrote> {
        let unmarked = if self.started && !self.marked() { Wrote::Unknown } else { Wrote::NotSent };
        self.marks.iter().map(|m| m.clone().unwrap_or_else(|| unmarked.clone())).collect()
    }
}

impl Drop for Written {
    fn drop(&mut self) {
        let Some(reply) = self.reply.take() else { return };
        let values = self.results();
        for counters in &self.tally {
            for result in &values {
                counters.wrote(result);
            }
        }
        let open = values.iter().any(|v| matches!(v, Wrote::NotSent | Wrote::Unknown));
        let why = open
            .then(|| self.why.take().unwrap_or_else(|| PointFault::new(ErrorKind::Unreachable, "the link was lost")));
        reply.send(WriteReply { values, why }).ok(); // who asked may have left
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fault() -> PointFault {
        PointFault::new(ErrorKind::Denied, "no")
    }

    #[test]
    fn a_write_that_began_unmarked_is_unknown_and_one_that_did_not_is_not_sent() {
        let (reply, _answer) = oneshot::channel();
        let mut written = Written::answering(2, reply, []);
        assert_eq!(written.results(), [Wrote::NotSent, Wrote::NotSent]);
        written.start();
        assert_eq!(written.results(), [Wrote::Unknown, Wrote::Unknown]);
        written.sending(0);
        assert_eq!(written.results(), [Wrote::Unknown, Wrote::NotSent]);
        written.done(7); // a driver's slip
        assert_eq!(written.results(), [Wrote::Unknown, Wrote::NotSent]);
    }
    #[test]
    fn a_refusal_of_the_request_reaches_what_was_under_way() {
        let mut written = Written::new(3);
        written.start();
        written.done(0);
        written.sending(1);
        written.refuse_pending(&fault());
        assert_eq!(written.results(), [Wrote::Done, Wrote::Refused(fault()), Wrote::NotSent]);
        let mut unmarked = Written::new(1);
        unmarked.start();
        unmarked.refuse_pending(&fault());
        assert_eq!(unmarked.results(), [Wrote::Refused(fault())]);
    }
    #[test]
    fn what_asks_before_it_writes_has_not_written() {
        let mut written = Written::new(2);
        written.not_sent(0);
        written.not_sent(1);
        assert_eq!(written.results(), [Wrote::NotSent, Wrote::NotSent]);
        written.sending(0);
        assert_eq!(written.results(), [Wrote::Unknown, Wrote::NotSent]);
        let mut refused = Written::new(1);
        refused.not_sent(0);
        refused.refuse_pending(&fault());
        assert_eq!(refused.results(), [Wrote::Refused(fault())]);
    }
    #[test]
    fn dropped_it_answers() {
        let (reply, mut answer) = oneshot::channel();
        let mut written = Written::answering(2, reply, []);
        written.start();
        written.done(0);
        written.sending(1);
        drop(written);
        let answer = answer.try_recv().expect("answered");
        assert_eq!(answer.values, [Wrote::Done, Wrote::Unknown]);
        assert_eq!(answer.why.map(|w| w.text), Some("the link was lost".into()));
    }
}
