//! Several requests under way at once: whose answer is whose, what a write waits for, and when it is given up.
#![allow(clippy::panic, reason = "a test")]
mod common;

use common::{answer, request};
use pollux_mapper::{Fault, Instant};
use pollux_modbus::{
    Error, Settings, Wire,
    frame::{Answer, Request},
};
use std::time::Duration;
use tokio::{
    io::{DuplexStream, duplex},
    time::timeout,
};

const SECOND: Duration = Duration::from_secs(1);

fn pair(depth: usize) -> (Wire, DuplexStream) {
    let (ours, theirs) = duplex(4096);
    (Wire::with(ours, Settings { depth, ..Settings::default() }), theirs)
}
async fn read(wire: &Wire, address: u16) -> Result<Answer, Fault<Error>> {
    wire.transact(1, &Request::ReadHoldingRegisters(address, 1), Instant::now() + SECOND, || ()).await
}
async fn write(wire: &Wire, address: u16) -> Result<Answer, Fault<Error>> {
    wire.transact(1, &Request::WriteSingleRegister(address, 5), Instant::now() + SECOND, || ()).await
}
#[expect(clippy::unnecessary_wraps, reason = "as a read has it")]
fn value(address: u8) -> Result<Answer, Fault<Error>> {
    Ok(Answer::Data([0, address].into()))
}
/// Transaction and address.
async fn next(peer: &mut DuplexStream) -> (u16, u8) {
    let (id, _, pdu) = request(peer).await;
    (id, pdu[2])
}
async fn nothing_more(peer: &mut DuplexStream) {
    assert!(timeout(SECOND / 10, request(peer)).await.is_err(), "it came too early");
}
async fn tell(peer: &mut DuplexStream, (id, address): (u16, u8)) {
    answer(peer, id, 1, &[3, 2, 0, address]).await;
}

#[tokio::test(start_paused = true)]
async fn answers_in_any_order_find_their_requests() {
    let (wire, mut peer) = pair(4);
    let far_end = async {
        let mut asked = vec![];
        for _ in 0..4 {
            asked.push(next(&mut peer).await);
        }
        nothing_more(&mut peer).await; // the fifth has no place yet
        tell(&mut peer, asked[2]).await;
        asked[2] = next(&mut peer).await;
        for at in [3, 0, 2, 1] {
            tell(&mut peer, asked[at]).await;
        }
    };
    let reads = futures_util::future::join_all((1..=5).map(|address| read(&wire, address)));
    let (read, ()) = tokio::join!(reads, far_end);
    assert_eq!(read, [1, 2, 3, 4, 5].map(value));
    assert!(!wire.has_fallen_back());
}

#[tokio::test(start_paused = true)]
async fn a_write_has_the_connection_for_itself() {
    let (wire, mut peer) = pair(4);
    let far_end = async {
        let asked = [next(&mut peer).await, next(&mut peer).await];
        nothing_more(&mut peer).await;
        tell(&mut peer, asked[0]).await;
        nothing_more(&mut peer).await;
        tell(&mut peer, asked[1]).await;
        let (id, _, pdu) = request(&mut peer).await;
        assert_eq!(pdu, [6, 0, 9, 0, 5]);
        nothing_more(&mut peer).await;
        answer(&mut peer, id, 1, &pdu).await;
        let asked = next(&mut peer).await;
        tell(&mut peer, asked).await;
    };
    let (a, b, written, c, ()) = tokio::join!(read(&wire, 1), read(&wire, 2), write(&wire, 9), read(&wire, 3), far_end);
    assert_eq!([a, b, written, c], [value(1), value(2), Ok(Answer::Written), value(3)]);
}

async fn one_at_a_time(wire: &Wire, peer: &mut DuplexStream) {
    assert_eq!((wire.depth(), wire.has_fallen_back()), (1, true));
    let far_end = async {
        for _ in 0..2 {
            let asked = next(peer).await;
            nothing_more(peer).await;
            tell(peer, asked).await;
        }
    };
    let (a, b, ()) = tokio::join!(read(wire, 7), read(wire, 8), far_end);
    assert_eq!([a, b], [value(7), value(8)]);
}

#[tokio::test(start_paused = true)]
async fn a_gateway_that_loses_the_second_request_is_asked_one_at_a_time() {
    let (wire, mut peer) = pair(2);
    let (a, b, ()) = tokio::join!(read(&wire, 1), read(&wire, 2), async {
        let first = next(&mut peer).await;
        next(&mut peer).await;
        tokio::time::sleep(SECOND * 2).await;
        tell(&mut peer, first).await; // late
    });
    assert!(matches!(a, Err(Fault::Device(Error::Silent { .. }))), "{a:?}");
    assert!(matches!(b, Err(Fault::Device(Error::Silent { .. }))), "{b:?}");
    one_at_a_time(&wire, &mut peer).await;
}

#[tokio::test(start_paused = true)]
async fn a_gateway_that_mixes_up_ids_is_asked_one_at_a_time() {
    let (wire, mut peer) = pair(2);
    let (a, b, ()) = tokio::join!(read(&wire, 1), read(&wire, 2), async {
        let asked = [next(&mut peer).await, next(&mut peer).await];
        answer(&mut peer, 0x4711, 1, &[3, 2, 0xBA, 0xD0]).await;
        tell(&mut peer, asked[1]).await;
        tell(&mut peer, asked[0]).await;
    });
    assert_eq!([a, b], [value(1), value(2)]);
    one_at_a_time(&wire, &mut peer).await;
}
