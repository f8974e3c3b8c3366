//! Requests without an answer on a line whose answers have no names: a late one would pass for the answer to the next request of
//! its form, and be taken for another register's value. Pure.
//!
//! The rule: after silence no other request of the same unit, function and length is sent until the unit answered something of
//! another form (it answers in order, so the lost one is not to come), or no answer to the lost ones can come any more. The very
//! same read may be repeated at once: whichever answer comes, it is of that register.
//!
//! A unit answers in order, each at the latest twice its time-out T after its request or its answer before: of n tries, T apart,
//! the last by 2nT. What comes within try 2 or 3 is of it or the one before it, so that one more may come, by 2T from then.
use crate::frame::Shape;
use pollux_mapper::Instant;
use std::time::Duration;

/// More units than that cannot be on a line.
const MOST: usize = 255;

#[derive(Debug, Default)]
pub(super) struct Losses(Vec<Loss>);

#[derive(Debug)]
struct Loss {
    unit: u8,
    shape: Shape,
    /// The request itself, as it was sent.
    sent: Vec<u8>,
    /// How long an answer may take.
    timeout: Duration,
    /// The last of its answers has come by then.
    upto: Instant,
}

impl Losses {
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// What was begun then has no answer that counts.
    pub(super) fn gave_up(
        &mut self,
        unit: u8,
        shape: Shape,
        sent: &[u8],
        timeout: Duration,
        begun: Instant,
        now: Instant,
    ) {
        let same = self.0.iter().find(|loss| loss.unit == unit && loss.sent == sent);
        let upto = same.map_or(begun, |loss| loss.upto.max(begun)) + timeout * 2;
        self.0.retain(|loss| loss.upto > now && !(loss.unit == unit && loss.sent == sent));
        if self.0.len() < MOST {
            self.0.push(Loss { unit, shape, sent: sent.to_vec(), timeout, upto });
        }
    }

    /// The unit answered a request of this form, that was begun then.
    pub(super) fn answered(&mut self, unit: u8, shape: Shape, begun: Instant, now: Instant) {
        if self.0.is_empty() {
            return;
        }
        self.0.retain(|loss| loss.upto > begun && (loss.unit != unit || is_alike(loss.shape, shape)));
        for loss in self.0.iter_mut().filter(|loss| loss.unit == unit) {
            // Of those that may have come later, one has: this.
            let each = loss.timeout.max(Duration::from_millis(1)) * 2;
            let more = loss.upto.saturating_duration_since(now).as_nanos().div_ceil(each.as_nanos()).max(1);
            loss.upto = now + each * u32::try_from(more).unwrap_or(u32::MAX);
        }
    }

    /// Until when this request must not be sent.
    pub(super) fn hold(&self, unit: u8, shape: Shape, sent: &[u8], now: Instant) -> Option<Instant> {
        let alike = |loss: &&Loss| {
            loss.unit == unit
                && loss.upto > now
                && is_alike(loss.shape, shape)
                && (loss.sent != sent || is_write(shape))
        };
        self.0.iter().filter(alike).map(|loss| loss.upto).max()
    }

    /// Whether an exception of this function may be the answer to a lost request of another length.
    pub(super) fn has(&self, unit: u8, function: u8, sent: &[u8], now: Instant) -> bool {
        let same = |loss: &Loss| loss.unit == unit && loss.upto > now && loss.shape.function() == function;
        self.0.iter().any(|loss| same(loss) && loss.sent != sent)
    }
}

fn is_write(shape: Shape) -> bool {
    matches!(shape, Shape::Echo { .. })
}

/// What acknowledges a write names its address, and its value or quantity: another one does not pass for it.
fn is_alike(one: Shape, other: Shape) -> bool {
    one == other
}

#[cfg(test)]
mod tests {
    use super::*;

    const TWO: Shape = Shape::Read { function: 3, bytes: 4 };
    const FOUR: Shape = Shape::Read { function: 3, bytes: 8 };
    const SECOND: Duration = Duration::from_secs(1);
    const ECHO: Shape = Shape::Echo { function: 6, length: 4, expected: [0, 1, 0, 5, 0, 0] };

    /// Just now, after a whole time-out.
    fn lost(shape: Shape, sent: &[u8]) -> (Losses, Instant) {
        let (mut losses, begun) = (Losses::default(), Instant::now());
        losses.gave_up(9, shape, sent, SECOND, begun, begun + SECOND);
        (losses, begun + SECOND)
    }

    /// Every unit that answers in order, each within twice the time-out: whatever it loses, nothing of it comes after the hold.
    #[test]
    fn after_any_order_of_late_answers_nothing_is_to_come() {
        let first = Instant::now();
        let (mut takes, mut cases) = (vec![vec![]], 0);
        for tries in 1..=3 {
            let times = [None, Some(1), Some(9), Some(11), Some(19), Some(20)];
            takes =
                takes.iter().flat_map(|one| times.map(|t| [one.clone(), vec![t]].concat())).collect::<Vec<Vec<_>>>();
            assert_eq!(takes.len(), 6_usize.pow(tries));
            for take in &takes {
                let (mut losses, mut free, mut came, mut over) = (Losses::default(), first, vec![], None);
                for (n, tenths) in (0..).zip(take) {
                    // A time-out and the silence after it apart; None: done in the longest time, and lost on its way.
                    let begun = first + (SECOND + SECOND / 50) * n;
                    if over.is_some() {
                        break;
                    }
                    free = free.max(begun) + SECOND * tenths.unwrap_or(20) / 10;
                    came.extend(tenths.map(|_| free));
                    let due = |at: &&Instant| **at >= begun && **at <= begun + SECOND;
                    if let Some(at) = came.iter().find(due) {
                        losses.answered(9, TWO, begun, *at);
                        over = Some(*at);
                    } else {
                        losses.gave_up(9, TWO, b"a", SECOND, begun, begun + SECOND);
                    }
                    if over.is_some() || n + 1 == tries {
                        let now = over.unwrap_or(begun + SECOND);
                        let upto = losses.hold(9, TWO, b"b", now).unwrap_or(now);
                        assert!(came.iter().all(|at| *at <= upto), "{take:?}: {:?}", upto - first);
                        cases += 1;
                    }
                }
            }
        }
        assert_eq!(cases, 6 + 36 + 216);
    }

    #[test]
    fn what_may_be_asked_after_silence() {
        let (losses, now) = lost(TWO, b"a");
        let hold = |unit, shape, sent: &[u8], at| losses.hold(unit, shape, sent, now + at);
        let early = SECOND / 2;
        assert_eq!(hold(9, TWO, b"b", early), Some(now + SECOND), "its answer could be the lost one's");
        assert_eq!(hold(9, TWO, b"a", early), None, "the same register");
        assert_eq!(hold(9, FOUR, b"b", early), None, "another length");
        assert_eq!(hold(8, TWO, b"b", early), None, "another unit");
        assert_eq!(hold(9, TWO, b"b", SECOND), None, "it will not come any more");
        assert!(losses.has(9, 3, b"b", now) && !losses.has(9, 3, b"a", now) && !losses.has(9, 4, b"b", now));
    }

    #[test]
    fn an_answer_of_another_form_says_that_the_lost_one_does_not_come() {
        let (mut losses, now) = lost(TWO, b"a");
        losses.answered(8, FOUR, now, now);
        assert!(losses.hold(9, TWO, b"b", now).is_some(), "another unit says nothing");
        losses.answered(9, TWO, now, now + SECOND / 2);
        assert_eq!(losses.hold(9, TWO, b"b", now), Some(now + SECOND * 5 / 2), "which of the two was that?");
        losses.answered(9, FOUR, now, now + SECOND);
        assert_eq!(losses.hold(9, TWO, b"b", now + SECOND), None);
    }

    #[test]
    fn a_write_is_not_repeated_while_its_acknowledgement_may_come() {
        let (losses, now) = lost(ECHO, b"w");
        assert_eq!(losses.hold(9, ECHO, b"w", now), Some(now + SECOND));
    }
}
