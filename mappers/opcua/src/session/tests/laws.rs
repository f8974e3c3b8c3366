//! Laws of a subscription's messages, whatever of them is lost. The oracle knows of numbers only what Part 4, 5.14.1.2 says of them.
use crate::session::sequence::{Sequence, Step};
use proptest::prelude::*;
use std::collections::VecDeque;

/// What happens next at the server or on the way.
#[derive(Debug, Clone, Copy)]
enum Happens {
    Delivered,
    Swallowed,
    KeepAlive,
    /// The last message comes once more.
    Repeated,
}

/// A server that keeps so many messages. It numbers them from 1; what is in the k-th it sent is k.
struct Server {
    kept: VecDeque<(u32, u64)>,
    keeps: usize,
    lists: bool,
    sent: u64,
}
impl Server {
    fn number(message: u64) -> u32 {
        u32::try_from((message - 1) % u64::from(u32::MAX)).unwrap() + 1
    }
    fn send(&mut self) -> (u32, u64) {
        self.sent += 1;
        let message = (Self::number(self.sent), self.sent);
        self.kept.push_back(message);
        if self.kept.len() > self.keeps {
            self.kept.pop_front();
        }
        message
    }
    fn available(&self) -> Vec<u32> {
        if self.lists { self.kept.iter().map(|(number, _)| *number).collect() } else { vec![] }
    }
}

/// What came out, and how many messages are known to be lost.
#[derive(Default)]
struct Heard {
    taken: Vec<u64>,
    lost: u64,
}
fn hear(sequence: &mut Sequence, server: &mut Server, number: u32, content: Option<u64>, heard: &mut Heard) {
    match sequence.heard(number, content.is_some(), &server.available()) {
        Step::Known => return,
        Step::Take | Step::Alive => {}
        Step::Fetch { missing, lost } => {
            heard.lost += u64::from(lost);
            for number in missing {
                match server.kept.iter().find(|(kept, _)| *kept == number) {
                    Some((_, message)) => {
                        heard.taken.push(*message);
                        sequence.taken(number);
                    }
                    None => heard.lost += 1,
                }
            }
            sequence.skip_to(number);
        }
    }
    if let Some(message) = content {
        heard.taken.push(message);
        sequence.taken(number);
    }
    let acks = sequence.acks();
    server.kept.retain(|(kept, _)| !acks.contains(kept));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]
    #[test]
    fn nothing_twice_nothing_out_of_order_and_every_gap_is_fetched_or_counted(
        happens in prop::collection::vec(prop_oneof![
            4 => Just(Happens::Delivered), 2 => Just(Happens::Swallowed), 1 => Just(Happens::KeepAlive), 1 => Just(Happens::Repeated)
        ], 0..120),
        keeps in 1..20_usize,
        lists: bool,
        before in prop_oneof![Just(0_u64), (u64::from(u32::MAX) - 60)..(u64::from(u32::MAX) + 60)],
    ) {
        let mut server = Server { kept: VecDeque::new(), keeps, lists, sent: before };
        let (mut sequence, mut heard, mut last) = (Sequence::default(), Heard::default(), None);
        sequence.skip_to(Server::number(before + 1));
        for happens in happens {
            match happens {
                Happens::Delivered => {
                    let (number, message) = server.send();
                    last = Some((number, message));
                    hear(&mut sequence, &mut server, number, Some(message), &mut heard);
                }
                Happens::Swallowed => drop(server.send()),
                Happens::KeepAlive => {
                    let next = Server::number(server.sent + 1);
                    hear(&mut sequence, &mut server, next, None, &mut heard);
                }
                Happens::Repeated => if let Some((number, message)) = last {
                    hear(&mut sequence, &mut server, number, Some(message), &mut heard);
                },
            }
        }
        let next = Server::number(server.sent + 1);
        hear(&mut sequence, &mut server, next, None, &mut heard);
        prop_assert!(heard.taken.windows(2).all(|pair| matches!(pair, [one, next] if one < next)), "{:?}", heard.taken);
        prop_assert_eq!(heard.taken.len() as u64 + heard.lost, server.sent - before);
    }
}
