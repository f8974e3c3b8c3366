//! Which answer belongs to which request, without any IO. Answers may come in any order, late or never.
//! At most `depth` are under way.
use crate::frame::{Answer, Frame, ProtocolError, Shape};

/// Ids issued longest ago than this may come round again: an answer that old is no longer told from nonsense.
const MEMORY: u16 = 0x7FFF;

/// `T` is whom to tell.
#[derive(Debug)]
pub struct Transactions<T> {
    next: u16,
    /// Saturates: only whether an id was ever issued matters.
    issued: u16,
    depth: usize,
    open: Vec<Open<T>>,
    dropped: u64,
}

#[derive(Debug)]
struct Open<T> {
    id: u16,
    unit: u8,
    shape: Shape,
    waiter: T,
}

#[derive(Debug, PartialEq, Eq)]
pub enum Accepted<T> {
    /// Whom it belongs to, and what it says. The error is of this answer only: the stream goes on.
    Answer(T, Result<Answer, ProtocolError>),
    /// Its request was given up, or answered before. Never taken for the answer of another.
    Late,
}

impl<T> Transactions<T> {
    pub fn new(depth: usize) -> Self {
        Self { next: 1, issued: 0, depth, open: Vec::with_capacity(depth), dropped: 0 }
    }

    /// The id that the next request gets; [`Self::begin`] takes it.
    pub fn next_id(&mut self) -> u16 {
        // At most `depth` ids are open: the loop ends.
        while self.open.iter().any(|open| open.id == self.next) {
            self.next = self.next.wrapping_add(1);
        }
        self.next
    }

    /// Opens a transaction; the waiter comes back where too many are open already.
    pub fn begin(&mut self, unit: u8, shape: Shape, waiter: T) -> Result<u16, T> {
        if self.open.len() >= self.depth {
            return Err(waiter);
        }
        let id = self.next_id();
        self.open.push(Open { id, unit, shape, waiter });
        self.next = id.wrapping_add(1);
        self.issued = self.issued.saturating_add(1);
        Ok(id)
    }

    /// Gives a request up. Its answer, should it come, is dropped.
    pub fn give_up(&mut self, id: u16) -> Option<T> {
        let at = self.open.iter().position(|open| open.id == id)?;
        Some(self.open.swap_remove(at).waiter)
    }

    /// An error here means that the stream cannot be trusted any more.
    pub fn accept(&mut self, frame: &Frame<'_>) -> Result<Accepted<T>, ProtocolError> {
        let id = frame.transaction;
        let Some(at) = self.open.iter().position(|open| open.id == id) else {
            return self.late(id);
        };
        let Open { unit: asked, shape, waiter, .. } = self.open.swap_remove(at);
        let answer = match frame.unit {
            unit if unit == asked => shape.read(frame.pdu),
            got => Err(ProtocolError::WrongUnit { asked, got }),
        };
        Ok(Accepted::Answer(waiter, answer))
    }

    fn late(&mut self, id: u16) -> Result<Accepted<T>, ProtocolError> {
        let age = self.next.wrapping_sub(id);
        if age == 0 || age > self.issued.min(MEMORY) {
            return Err(ProtocolError::UnknownTransaction { id });
        }
        self.dropped += 1;
        Ok(Accepted::Late)
    }

    /// Answers that came too late, since the connection was made.
    pub fn dropped(&self) -> u64 {
        self.dropped
    }

    /// How many are under way.
    pub fn open(&self) -> usize {
        self.open.len()
    }

    /// Whom to tell of this one.
    pub fn waiter(&mut self, id: u16) -> Option<&mut T> {
        self.open.iter_mut().find(|open| open.id == id).map(|open| &mut open.waiter)
    }

    /// Everyone who waits.
    pub fn waiters(&self) -> impl Iterator<Item = &T> + '_ {
        self.open.iter().map(|open| &open.waiter)
    }

    /// Another connection: an id of the last one is nonsense on it.
    pub fn forget(&mut self) {
        (self.issued, self.dropped) = (0, 0);
        self.open.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const SHAPE: Shape = Shape::Read { function: 3, bytes: 2 };

    fn frame(transaction: u16, unit: u8, pdu: &[u8]) -> Frame<'_> {
        Frame { transaction, unit, pdu }
    }
    fn data(bytes: [u8; 2]) -> Answer {
        Answer::Data(Box::new(bytes))
    }

    #[test]
    fn answers_find_their_requests_in_any_order() {
        let mut table = Transactions::new(3);
        let ids: Vec<u16> = ["a", "b", "c"].iter().map(|who| table.begin(1, SHAPE, *who).expect("room")).collect();
        assert_eq!(table.begin(1, SHAPE, "d"), Err("d"), "bounded");
        for (at, who) in [(2, "c"), (0, "a"), (1, "b")] {
            let answer = table.accept(&frame(ids[at], 1, &[3, 2, 0, 7]));
            assert_eq!(answer, Ok(Accepted::Answer(who, Ok(data([0, 7])))));
        }
    }

    #[test]
    fn a_late_answer_is_never_taken_for_the_next() {
        let mut table = Transactions::new(1);
        let first = table.begin(9, SHAPE, "first").expect("room");
        assert_eq!(table.give_up(first), Some("first"));
        let second = table.begin(1, SHAPE, "second").expect("room");
        assert_eq!(table.accept(&frame(first, 9, &[0x83, 0x0B])), Ok(Accepted::Late));
        assert_eq!(table.dropped(), 1);
        assert_eq!(table.accept(&frame(second, 1, &[3, 2, 1, 2])), Ok(Accepted::Answer("second", Ok(data([1, 2])))));
    }

    #[test]
    fn an_id_that_was_never_asked_is_nonsense() {
        let mut table = Transactions::new(1);
        let id = table.begin(1, SHAPE, ()).expect("room");
        for unknown in [id.wrapping_add(1), id.wrapping_sub(1), id.wrapping_add(0x8000)] {
            assert_eq!(
                table.accept(&frame(unknown, 1, &[3, 2, 0, 0])),
                Err(ProtocolError::UnknownTransaction { id: unknown })
            );
        }
    }

    #[test]
    fn ids_come_round_and_answers_still_find_their_requests() {
        let mut table = Transactions::new(2);
        let open = table.begin(7, SHAPE, u32::MAX).expect("room"); // id 1 stays open all the while
        let mut ids = vec![];
        for n in 0..140_000 {
            let id = table.begin(1, SHAPE, n).expect("room");
            assert_ne!(id, open, "in use");
            let answer = table.accept(&frame(id, 1, &[3, 2, 0, 7]));
            assert_eq!(answer, Ok(Accepted::Answer(n, Ok(data([0, 7])))));
            ids.push(id);
        }
        assert!(ids.windows(2).any(|pair| pair == [u16::MAX, 0]), "0 is an id as any other");
        let late = ids[ids.len() - 2];
        assert_eq!(table.accept(&frame(late, 1, &[3, 2, 0, 7])), Ok(Accepted::Late));
        let never = ids[ids.len() - 1].wrapping_add(0x4000);
        assert_eq!(table.accept(&frame(never, 1, &[3, 2, 0, 7])), Err(ProtocolError::UnknownTransaction { id: never }));
        assert_eq!(table.accept(&frame(open, 7, &[3, 2, 0, 7])), Ok(Accepted::Answer(u32::MAX, Ok(data([0, 7])))));
    }

    #[test]
    fn an_answer_from_another_unit_is_an_error_of_this_request_alone() {
        let mut table = Transactions::new(1);
        let id = table.begin(1, SHAPE, ()).expect("room");
        let wrong = ProtocolError::WrongUnit { asked: 1, got: 2 };
        assert_eq!(table.accept(&frame(id, 2, &[3, 2, 0, 0])), Ok(Accepted::Answer((), Err(wrong))));
        let id = table.begin(1, SHAPE, ()).expect("room again");
        assert!(table.accept(&frame(id, 1, &[3, 2, 0, 0])).is_ok());
    }

    proptest! {
        /// The rule: whoever is told, is told by an answer to his own id, and once.
        #[test]
        fn whatever_comes_each_waiter_gets_only_its_own_answer(steps in prop::collection::vec((0_u8..3, any::<u16>()), 0..400), depth in 1_usize..9) {
            let mut table = Transactions::new(depth);
            let mut open: Vec<u16> = vec![];
            for (what, pick) in steps {
                match what {
                    0 => if let Ok(id) = table.begin(1, SHAPE, pick) {
                        prop_assert!(!open.contains(&id));
                        open.push(id);
                    } else {
                        prop_assert_eq!(open.len(), depth);
                    },
                    1 if !open.is_empty() => { table.give_up(open.remove(usize::from(pick) % open.len())); }
                    _ => {
                        let id = if pick % 2 == 0 { pick } else { open.first().copied().unwrap_or(pick) };
                        let told = matches!(table.accept(&frame(id, 1, &[3, 2, 0, 0])), Ok(Accepted::Answer(..)));
                        prop_assert_eq!(told, open.contains(&id));
                        open.retain(|other| *other != id);
                    }
                }
            }
        }
    }
}
