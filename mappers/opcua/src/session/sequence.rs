//! Numbers of the messages of one subscription (Part 4, 5.14.1.2): which are missing, which were there, which are to be acknowledged. Pure.
use std::collections::VecDeque;

/// Most that is fetched again after one gap: what a server keeps is far less.
const MOST: u32 = 10_000;

/// What is to be done with a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Step {
    /// Its values are next.
    Take,
    /// These were missed, oldest first; they are to be fetched before it is taken. Of the first `lost` nothing is known any more.
    Fetch {
        /// Numbers to ask for.
        missing: Vec<u32>,
        /// Messages that the server has no more.
        lost: u32,
    },
    /// It was there before.
    Known,
    /// A keep-alive, and nothing is missing.
    Alive,
}

/// Where a subscription stands.
#[derive(Debug)]
pub(crate) struct Sequence {
    next: u32,
    acks: VecDeque<u32>,
}

impl Default for Sequence {
    fn default() -> Self {
        Self { next: 1, acks: VecDeque::new() }
    }
}

impl Sequence {
    /// A message came, or, without data, a keep-alive with the number of the next. `available`: what the server still has.
    pub(crate) fn heard(&self, number: u32, data: bool, available: &[u32]) -> Step {
        let ahead = distance(self.next, number);
        match ahead {
            0 if data => Step::Take,
            0 => Step::Alive,
            1..=MOST => {
                // A server that lists nothing may have them still: it is asked for each. One that lists millions costs no more than to look
                // at each once.
                let missing = if available.is_empty() {
                    let all = std::iter::successors(Some(self.next), |number| Some(after(*number)));
                    all.take(usize::try_from(ahead).unwrap_or(usize::MAX)).collect()
                } else {
                    let away = |number: &u32| distance(self.next, *number);
                    let mut has: Vec<u32> = available.iter().copied().filter(|n| *n != 0 && away(n) < ahead).collect();
                    has.sort_unstable_by_key(away);
                    has.dedup();
                    has
                };
                let lost = ahead.saturating_sub(u32::try_from(missing.len()).unwrap_or(u32::MAX));
                Step::Fetch { missing, lost }
            }
            // Behind us: a message that was taken, or numbers that began anew, which only a new subscription may.
            _ => Step::Known,
        }
    }
    /// The values of this one were taken, or it is given up.
    pub(crate) fn taken(&mut self, number: u32) {
        self.acks.push_back(number);
        self.next = after(number);
    }
    /// It was taken before, and came again: the server does not know that it was.
    pub(crate) fn again(&mut self, number: u32) {
        if !self.acks.contains(&number) {
            self.acks.push_back(number);
        }
    }
    /// The next that is expected.
    pub(crate) fn next(&self) -> u32 {
        self.next
    }
    /// Nothing before this one will be had.
    pub(crate) fn skip_to(&mut self, number: u32) {
        self.next = number;
    }
    /// What is to be acknowledged next; of a Publish that failed it is given back.
    pub(crate) fn acks(&mut self) -> Vec<u32> {
        self.acks.drain(..).collect()
    }
    /// The Publish that carried them was not answered.
    pub(crate) fn give_back(&mut self, acks: &[u32]) {
        for number in acks.iter().rev() {
            self.acks.push_front(*number);
        }
    }
}

/// After 2³²−1 comes 1: 0 is never used.
fn after(number: u32) -> u32 {
    number.checked_add(1).unwrap_or(1)
}
/// Steps from one to the other.
fn distance(from: u32, to: u32) -> u32 {
    if to >= from { to - from } else { (u32::MAX - from).saturating_add(to) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_missing_is_fetched_first_and_what_is_gone_is_counted() {
        let mut sequence = Sequence::default();
        assert_eq!(sequence.heard(1, true, &[]), Step::Take);
        sequence.taken(1);
        assert_eq!(sequence.heard(2, false, &[]), Step::Alive);
        assert_eq!(sequence.heard(4, true, &[3, 4]), Step::Fetch { missing: vec![3], lost: 1 });
        assert_eq!(sequence.heard(4, false, &[]), Step::Fetch { missing: vec![2, 3], lost: 0 });
        assert_eq!(sequence.heard(1, true, &[]), Step::Known);
        assert_eq!(sequence.acks(), [1]);
    }
    /// It would take minutes, if each that is missing were looked for in all that are listed.
    #[test]
    fn millions_that_are_listed_are_looked_at_once() {
        let sequence = Sequence { next: u32::MAX - 9, acks: VecDeque::new() };
        let listed: Vec<u32> = [0, 3, u32::MAX, 3].into_iter().chain(20_000..4_000_000).collect();
        let step = sequence.heard(9_000, true, &listed);
        assert_eq!(step, Step::Fetch { missing: vec![u32::MAX, 3], lost: 9_007 });
    }
    #[test]
    fn numbers_begin_anew_at_one() {
        let mut sequence = Sequence { next: u32::MAX, acks: VecDeque::new() };
        assert_eq!(sequence.heard(1, true, &[]), Step::Fetch { missing: vec![u32::MAX], lost: 0 });
        sequence.taken(u32::MAX);
        assert_eq!(sequence.heard(1, true, &[]), Step::Take);
    }
}
