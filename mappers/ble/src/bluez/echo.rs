//! BlueZ tells each value that is read as it tells notifications. Which of two equal signals is the echo cannot be told and does not
//! matter; that there is one more than notifications does. Pure.
use std::collections::VecDeque;
use zbus::message::Sequence;

/// More reads of one characteristic under way than a sane device is asked.
const MOST: usize = 16;

/// Echoes of one characteristic that notifies. `At`: a position in the stream of messages.
#[derive(Debug, Default)]
pub(super) struct Echo<At = Sequence> {
    /// Reads that have no answer yet.
    reads: usize,
    /// Signals that came while one was under way: a notification, or its echo.
    held: VecDeque<(At, Vec<u8>)>,
    /// Answers whose echo was not seen, and until which message it can come.
    expected: VecDeque<(At, Vec<u8>)>,
}

impl<At: Copy + PartialOrd> Echo<At> {
    /// A read leaves.
    pub(super) fn asked(&mut self) {
        self.reads += 1;
    }
    /// It ended; with this value, where it was answered. What of the signals held is a notification after all.
    pub(super) fn answered(&mut self, answer: Option<(At, &[u8])>) -> Vec<Vec<u8>> {
        self.reads = self.reads.saturating_sub(1);
        if let Some((at, value)) = answer {
            match self.held.iter().rposition(|(seen, held)| *seen < at && held == value) {
                Some(echo) => drop(self.held.remove(echo)),
                None => self.expect(at, value),
            }
        }
        if self.reads == 0 { self.held.drain(..).map(|(_, value)| value).collect() } else { vec![] }
    }
    fn expect(&mut self, at: At, value: &[u8]) {
        self.expected.push_back((at, value.to_vec()));
        if self.expected.len() > MOST {
            self.expected.pop_front();
        }
    }
    /// A signal; what of it and of those held is a notification.
    pub(super) fn signalled(&mut self, at: At, value: Vec<u8>) -> Vec<Vec<u8>> {
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

#[cfg(test)]
mod tests {
    use super::*;

    const NONE: [Vec<u8>; 0] = [];

    #[test]
    fn the_echo_of_a_read_is_no_notification_whether_it_comes_before_the_answer_or_after() {
        let mut echo = Echo::<u32>::default();
        echo.asked();
        assert_eq!(echo.signalled(1, vec![5]), NONE, "it may be one: held");
        assert_eq!(echo.answered(Some((2, &[5]))), NONE);
        // Told late, though it was sent before.
        echo.asked();
        assert_eq!(echo.answered(Some((4, &[5]))), NONE);
        assert_eq!(echo.signalled(3, vec![5]), NONE);
        // What is sent after the answer is none, though it is equal.
        assert_eq!(echo.signalled(5, vec![5]), [[5]]);
    }
    #[test]
    fn a_notification_while_a_read_is_under_way_is_told_in_either_order() {
        for (signals, told) in [([5, 6], 5), ([6, 5], 5), ([5, 5], 5)] {
            let mut echo = Echo::<u32>::default();
            echo.asked();
            assert_eq!(echo.signalled(1, vec![signals[0]]), NONE);
            assert_eq!(echo.signalled(2, vec![signals[1]]), NONE);
            let rest = if signals[0] == told { signals[1] } else { signals[0] };
            assert_eq!(echo.answered(Some((3, &[told]))), [[rest]], "{signals:?}");
        }
        // The echo is told after the answer, the notification before.
        let mut echo = Echo::<u32>::default();
        echo.asked();
        assert_eq!(echo.signalled(1, vec![6]), NONE);
        assert_eq!(echo.answered(Some((4, &[5]))), [[6]]);
        assert_eq!(echo.signalled(2, vec![7]), [[7]]);
        assert_eq!(echo.signalled(3, vec![5]), NONE);
    }
    #[test]
    fn a_read_that_fails_leaves_what_was_held_and_nothing_is_held_without_bound() {
        let mut echo = Echo::<u32>::default();
        echo.asked();
        assert_eq!(echo.signalled(1, vec![5]), NONE);
        assert_eq!(echo.answered(None), [[5]]);
        echo.asked();
        let told: usize = (2..1_000).map(|at| echo.signalled(at, vec![1]).len()).sum();
        assert_eq!((told, echo.held.len()), (998 - MOST, MOST));
    }
}
