//! Requests without an answer on a line whose answers have no names: a late one would pass for the answer to the next request of
//! its form, and be taken for another register's value. Pure.
//!
//! The rule: after silence no other request of the same unit, function and length is sent until the unit answered something of
//! another form (it answers in order, so the lost one is not to come), or its whole time-out has passed once more. The very
//! same read may be repeated at once: whichever answer comes, it is of that register.
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
    upto: Instant,
}

impl Losses {
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// It was waited for long enough.
    pub(super) fn gave_up(&mut self, unit: u8, shape: Shape, sent: &[u8], timeout: Duration, now: Instant) {
        let upto = now + timeout;
        self.0.retain(|loss| loss.upto > now && !(loss.unit == unit && loss.sent == sent));
        if self.0.len() < MOST {
            self.0.push(Loss { unit, shape, sent: sent.to_vec(), timeout, upto });
        }
    }

    /// The unit answered a request of this form.
    pub(super) fn answered(&mut self, unit: u8, shape: Shape, now: Instant) {
        if self.0.is_empty() {
            return;
        }
        self.0.retain(|loss| loss.upto > now && (loss.unit != unit || is_alike(loss.shape, shape)));
        for loss in self.0.iter_mut().filter(|loss| loss.unit == unit) {
            loss.upto = now + loss.timeout; // this may have been the late one, and its own is still to come
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

    #[test]
    fn what_may_be_asked_after_silence() {
        let (mut losses, now) = (Losses::default(), Instant::now());
        losses.gave_up(9, TWO, b"a", SECOND, now);
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
        let (mut losses, now) = (Losses::default(), Instant::now());
        losses.gave_up(9, TWO, b"a", SECOND, now);
        losses.answered(8, FOUR, now);
        assert!(losses.hold(9, TWO, b"b", now).is_some(), "another unit says nothing");
        losses.answered(9, TWO, now + SECOND / 2);
        assert_eq!(losses.hold(9, TWO, b"b", now), Some(now + SECOND * 3 / 2), "which of the two was that?");
        losses.answered(9, FOUR, now + SECOND);
        assert_eq!(losses.hold(9, TWO, b"b", now + SECOND), None);
    }

    #[test]
    fn a_write_is_not_repeated_while_its_acknowledgement_may_come() {
        let (mut losses, now) = (Losses::default(), Instant::now());
        losses.gave_up(9, ECHO, b"w", SECOND, now);
        assert_eq!(losses.hold(9, ECHO, b"w", now), Some(now + SECOND));
    }
}
