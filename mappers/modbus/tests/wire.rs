//! One connection against a peer that does every wrong thing. What must hold: how far the fault reaches, and that what is
//! still in order goes on.
#![allow(clippy::panic, clippy::unwrap_in_result, reason = "a test")]
mod common;

use common::{answer, frame, request};
use pollux_mapper::{DriverError, ErrorKind, Fault, Instant};
use pollux_modbus::{
    Error, Wire,
    frame::{Answer, Request},
};
use std::time::Duration;
use tokio::io::{AsyncWriteExt, DuplexStream, duplex};

const ONE: Request<'static> = Request::ReadHoldingRegisters(0, 1);

/// What the peer sends, given the id of the request.
type Bytes = fn(u16) -> Vec<u8>;

fn pair() -> (Wire, DuplexStream) {
    let (ours, theirs) = duplex(4096);
    (Wire::new(ours), theirs)
}
fn soon() -> Instant {
    Instant::now() + Duration::from_secs(1)
}
async fn ask(wire: &Wire, unit: u8) -> Result<Answer, Fault<Error>> {
    wire.transact(unit, &ONE, soon(), || ()).await
}
fn data(high: u8, low: u8) -> Answer {
    Answer::Data([high, low].into())
}
/// Asks unit 1 and lets the peer answer with these bytes, which get the id of the request.
async fn answered_by(bytes: impl Fn(u16) -> Vec<u8>) -> (Result<Answer, Fault<Error>>, Wire, DuplexStream) {
    let (wire, mut peer) = pair();
    let (result, ()) = tokio::join!(ask(&wire, 1), async {
        let (id, ..) = request(&mut peer).await;
        peer.write_all(&bytes(id)).await.expect("the other side listens");
    });
    (result, wire, peer)
}
async fn goes_on(wire: &Wire, peer: &mut DuplexStream) {
    let (result, ()) = tokio::join!(ask(wire, 1), async {
        let (id, unit, pdu) = request(peer).await;
        assert_eq!((unit, pdu.as_slice()), (1, &[3, 0, 0, 0, 1][..]));
        answer(peer, id, 1, &[3, 2, 0, 42]).await;
    });
    assert_eq!(result, Ok(data(0, 42)));
}

#[tokio::test(start_paused = true)]
async fn a_silent_unit_costs_only_itself_and_its_late_answer_is_not_taken_for_the_next() {
    let (wire, mut peer) = pair();
    let (result, id) = tokio::join!(ask(&wire, 9), async { request(&mut peer).await.0 });
    let Err(Fault::Device(error)) = result else { panic!("{result:?}") };
    assert_eq!(error.to_string(), "unit 9: no answer");
    assert_eq!(error.kind(), ErrorKind::Timeout);
    // The gateway gives up on unit 9 only now, while unit 1 is being asked.
    let (result, ()) = tokio::join!(ask(&wire, 1), async {
        let (next, ..) = request(&mut peer).await;
        answer(&mut peer, id, 9, &[0x83, 0x0B]).await;
        answer(&mut peer, next, 1, &[3, 2, 0, 7]).await;
    });
    assert_eq!(result, Ok(data(0, 7)));
}

/// Asks `unit` every ten seconds, and nobody answers; the fault that is not its own, or None within that many tries.
async fn unanswered(wire: &Wire, peer: &mut DuplexStream, unit: u8, tries: u32) -> Option<Fault<Error>> {
    for _ in 0..tries {
        tokio::time::advance(Duration::from_secs(9)).await;
        let (result, _) = tokio::join!(ask(wire, unit), request(peer));
        match result {
            Err(Fault::Device(Error::Silent { .. })) => {}
            end => return end.err(),
        }
    }
    None
}

/// A gateway whose session is stuck acknowledges every byte and answers none: TCP finds nothing wrong.
#[tokio::test(start_paused = true)]
async fn a_gateway_that_hangs_is_given_up() {
    let (wire, mut peer) = pair();
    goes_on(&wire, &mut peer).await;
    assert_eq!(unanswered(&wire, &mut peer, 1, 9).await, Some(Fault::Link(Error::Deaf)));
    let (wire, mut peer) = pair();
    assert_eq!(unanswered(&wire, &mut peer, 1, 80).await, None, "switched off, as far as anybody knows");
    assert_eq!(unanswered(&wire, &mut peer, 1, 20).await, Some(Fault::Link(Error::Deaf)), "or it never worked");
}

#[tokio::test(start_paused = true)]
async fn a_unit_that_never_answers_costs_its_neighbours_no_connection_however_seldom_they_are_asked() {
    let (wire, mut peer) = pair();
    for _ in 0..5 {
        goes_on(&wire, &mut peer).await;
        assert_eq!(unanswered(&wire, &mut peer, 9, 30).await, None);
    }
}

#[tokio::test(start_paused = true)]
async fn late_answers_that_come_while_nobody_waits_are_dropped_too() {
    let (wire, mut peer) = pair();
    let (result, id) = tokio::join!(ask(&wire, 9), async { request(&mut peer).await.0 });
    assert!(matches!(result, Err(Fault::Device(Error::Silent { .. }))));
    for _ in 0..3 {
        answer(&mut peer, id, 9, &[3, 2, 0xBA, 0xD0]).await;
    }
    goes_on(&wire, &mut peer).await;
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_fits_the_stream_but_not_the_request_costs_the_device() {
    let wrong: [(Bytes, &str); 4] = [
        (|id| frame(id, 2, &[3, 2, 0, 1]), "unit 1: answer from unit 2 to a request to unit 1"),
        (|id| frame(id, 1, &[4, 2, 0, 1]), "unit 1: answer with function 4 to a request with function 3"),
        (
            |id| frame(id, 1, &[3, 4, 0, 1, 0, 2]),
            "unit 1: answer of 6 bytes to function 3, must be 4; received 03 04 00 01 00 02",
        ),
        (|id| frame(id, 1, &[3]), "unit 1: answer of 1 bytes to function 3, must be 4; received 03"),
    ];
    for (bytes, expected) in wrong {
        let (result, wire, mut peer) = answered_by(bytes).await;
        let told = match &result {
            Err(Fault::Device(error)) if error.kind() == ErrorKind::Protocol => Some(error.to_string()),
            _ => None,
        };
        assert_eq!(told.as_deref(), Some(expected), "{result:?}");
        goes_on(&wire, &mut peer).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_stream_that_makes_no_sense_costs_the_connection_and_says_so_to_all() {
    let wrong: [(Bytes, &str); 4] = [
        (
            |_| b"SSH-2.0-OpenSSH_9.2".to_vec(),
            "this is not Modbus TCP: protocol id 0x482d, must be 0; received 53 53 48 2d 32 2e",
        ),
        (
            |id| [&id.to_be_bytes()[..], &[0, 0, 0xFF, 0xFF, 1, 3]].concat(),
            "length 65535 in the header, must be 2..=254; received 00 01 00 00 ff ff",
        ),
        (
            |id| [&id.to_be_bytes()[..], &[0, 0, 0, 1, 1]].concat(),
            "length 1 in the header, must be 2..=254; received 00 01 00 00 00 01",
        ),
        (|id| frame(id + 1, 1, &[3, 2, 0, 0]), "answer to transaction 2, which was never asked"),
    ];
    for (bytes, expected) in wrong {
        let (result, wire, _peer) = answered_by(bytes).await;
        let Err(Fault::Link(error)) = &result else { panic!("{result:?}") };
        assert_eq!(error.to_string(), expected);
        assert_eq!(error.kind(), ErrorKind::Protocol);
        assert_eq!(ask(&wire, 2).await, result, "at once, and in the same words");
        assert_eq!(Fault::Link(wire.pump().await), Fault::Link(error.clone()));
    }
}

#[tokio::test(start_paused = true)]
async fn half_a_frame_and_then_silence_costs_the_connection() {
    let (result, wire, _peer) = answered_by(|id| frame(id, 1, &[3, 2, 0, 1])[..8].to_vec()).await;
    assert_eq!(result, Err(Fault::Link(Error::HalfFrame(8))));
    assert_eq!(ask(&wire, 1).await, Err(Fault::Link(Error::HalfFrame(8))));
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_closes_is_noticed_when_asked_and_when_idle() {
    let (wire, mut peer) = pair();
    let (result, ()) = tokio::join!(ask(&wire, 1), async {
        request(&mut peer).await;
        drop(peer);
    });
    assert_eq!(result, Err(Fault::Link(Error::Closed)));
    let (idle, peer) = pair();
    drop(peer);
    assert_eq!(idle.pump().await, Error::Closed);
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_takes_no_bytes_costs_the_connection_by_the_time_given() {
    let (ours, _theirs) = duplex(5);
    let wire = Wire::new(ours);
    let started = Instant::now();
    assert_eq!(ask(&wire, 1).await, Err(Fault::Link(Error::Stalled)));
    assert_eq!(started.elapsed(), Duration::from_secs(1));
}

#[tokio::test(start_paused = true)]
async fn more_requests_than_the_depth_wait_for_their_turn_and_get_their_own_answers() {
    let (wire, mut peer) = pair();
    let serve = async {
        for _ in 0..3 {
            let (id, unit, _) = request(&mut peer).await;
            answer(&mut peer, id, unit, &[3, 2, 0, unit]).await;
        }
    };
    let (a, b, c, ()) = tokio::join!(ask(&wire, 1), ask(&wire, 2), ask(&wire, 3), serve);
    assert_eq!([a, b, c], [Ok(data(0, 1)), Ok(data(0, 2)), Ok(data(0, 3))]);
}

#[tokio::test(start_paused = true)]
async fn it_works_beside_a_pump_that_reads_for_all() {
    let (wire, mut peer) = pair();
    tokio::select! {
        error = wire.pump() => panic!("{error}"),
        () = async {
            goes_on(&wire, &mut peer).await;
            goes_on(&wire, &mut peer).await;
        } => {}
    }
}

/// Real time: a peer that never stops sending leaves no idle moment in which a paused clock could move.
#[tokio::test]
async fn a_flood_of_old_answers_does_not_delay_the_end_of_a_request() {
    let (wire, mut peer) = pair();
    goes_on(&wire, &mut peer).await;
    let flood = async {
        loop {
            peer.write_all(&frame(1, 1, &[3, 2, 0, 0])).await.expect("the other side listens");
        }
    };
    let until = Instant::now() + Duration::from_millis(100);
    let asking =
        async { tokio::time::timeout_at(until + Duration::from_secs(5), wire.transact(1, &ONE, until, || ())).await };
    let result = tokio::select! {
        result = asking => result,
        () = flood => panic!("the flood ended"),
    };
    match result.expect("ended") {
        Err(Fault::Device(Error::Silent { late, .. })) => assert!(late),
        Err(Fault::Link(Error::HalfFrame(_))) => {} // the cut fell into a frame
        other => panic!("{other:?}"),
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_dropped_while_it_is_sent_leaves_a_dead_connection_not_a_confused_one() {
    let (ours, mut theirs) = duplex(5);
    let wire = Wire::new(ours);
    assert!(tokio::time::timeout(Duration::from_millis(10), ask(&wire, 1)).await.is_err());
    assert_eq!(ask(&wire, 1).await, Err(Fault::Link(Error::Abandoned)));
    theirs.shutdown().await.expect("shut");
}

#[tokio::test(start_paused = true)]
async fn an_illegal_request_never_leaves() {
    let (wire, mut peer) = pair();
    let refused = wire.transact(1, &Request::ReadHoldingRegisters(0, 126), soon(), || panic!("sent")).await;
    assert!(matches!(refused, Err(Fault::Point(fault)) if fault.text.contains("must be 1..=125")));
    goes_on(&wire, &mut peer).await;
}
