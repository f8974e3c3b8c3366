//! BlueZ tells each value that is read as it tells notifications. Which of two equal signals is the echo cannot be told and does not
//! matter; that there is one more than notifications does. Pure.
use std::collections::VecDeque;
use zbus::message::Sequence;

/// More reads of one characteristic under way than a sane device is asked.
const MOST: usize = 16;

/// Echoes of one characteristic that notifies.
#[derive(Debug, Default)]
pub(super) struct Echo {
    /// Reads that have no answer yet.
    reads: usize,
    /// Signals that came while one was under way: a notification, or its echo.
    held: VecDeque<(Sequence, Vec<u8>)>,
    /// Answers whose echo was not seen, and until which message it can come.
    expected: VecDeque<(Sequence, Vec<u8>)>,
}

impl Echo {
    /// A read leaves.
    pub(super) fn asked(&mut self) {
        self.reads += 1;
    }
    /// It ended; with this value, where it was answered. What of the signals held is a notification after all.
    pub(super) fn answered(&mut self, answer: Option<(Sequence, &[u8])>) -> Vec<Vec<u8>> {
        self.reads = self.reads.saturating_sub(1);
        if let Some((at, value)) = answer {
            match self.held.iter().rposition(|(seen, held)| *seen < at && held == value) {
                Some(echo) => drop(self.held.remove(echo)),
                None => self.expect(at, value),
            }
        }
        if self.reads == 0 { self.held.drain(..).map(|(_, value)| value).collect() } else { vec![] }
    }
    fn expect(&mut self, at: Sequence, value: &[u8]) {
        self.expected.push_back((at, value.to_vec()));
        if self.expected.len() > MOST {
            self.expected.pop_front();
        }
    }
    /// A signal; what of it and of those held is a notification.
    pub(super) fn signalled(&mut self, at: Sequence, value: Vec<u8>) -> Vec<Vec<u8>> {
        self.expected.retain(|(until, _)| at < *until);
        if let Some(echo) = self.expected.iter().position(|(_, expected)| *expected == value) {
            self.expected.remove(echo);
            return vec![];
        }
        if self.reads == 0 {
            return vec![value];
        }
        self.held.push_back((at, value));
        if self.held.len() > MOST {
            self.held.pop_front().into_iter().map(|(_, value)| value).collect()
        } else {
            vec![]
        }
    }
}
