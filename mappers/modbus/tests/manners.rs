//! Retries, busy devices and pauses: what arrives at the far end, and when.
#![allow(clippy::panic, reason = "a test")]
mod common;

use common::{answer, request};
use pollux_mapper::{Fault, Instant};
use pollux_modbus::{
    Ask, Dialled, Error, Manners, Pacing, Settings, Wire,
    frame::{Answer, ExceptionCode, Request},
};
use std::{
    sync::{Arc, Mutex},
    time::Duration,
};
use tokio::{
    io::{AsyncReadExt, DuplexStream, duplex},
    time::sleep,
};

const ONE: Request<'static> = Request::ReadHoldingRegisters(0, 1);
const WRITE: Request<'static> = Request::WriteSingleRegister(0, 5);
const SECOND: Duration = Duration::from_secs(1);
const MANNERS: Manners = Manners { timeout: SECOND, retries: 2, busy: (3, Duration::from_millis(100)) };

fn pair() -> (Wire, DuplexStream) {
    let (ours, theirs) = duplex(4096);
    (Wire::new(ours), theirs)
}
async fn ask(wire: &Wire, request: &Request<'_>) -> Result<Answer, Fault<Error>> {
    wire.ask(&Ask { unit: 1, request, until: Instant::now() + SECOND * 5, manners: MANNERS }, || ()).await
}
/// Answers request by request; none where it is None. How many came, in all.
async fn device(peer: &mut DuplexStream, answers: &[Option<&[u8]>]) -> usize {
    for pdu in answers {
        let (id, ..) = request(peer).await;
        if let Some(pdu) = pdu {
            answer(peer, id, 1, pdu).await;
        }
    }
    let more = tokio::time::timeout(SECOND * 10, peer.read_u8()).await;
    answers.len() + usize::from(more.is_ok())
}

/// What is asked, what the device answers to each request, and what becomes of it.
type Case<'a> = (&'a str, Request<'a>, &'a [Option<&'a [u8]>], Result<Answer, Fault<Error>>);

#[tokio::test(start_paused = true)]
async fn what_is_repeated_and_how_often() {
    const DONE: &[u8] = &[3, 2, 0, 7];
    const BUSY: Option<&[u8]> = Some(&[0x83, 6]);
    let data = Ok(Answer::Data([0, 7].into()));
    let silent = Err(Fault::Device(Error::Silent { unit: 1, late: false }));
    let exception = |code: u8| Ok(Answer::Exception(ExceptionCode::new(code)));
    let table: [Case<'_>; 8] = [
        ("silence, then an answer", ONE, &[None, None, Some(DONE)], data.clone()),
        ("silence for good", ONE, &[None, None, None], silent.clone()),
        ("busy, then not", ONE, &[BUSY, BUSY, Some(DONE)], data.clone()),
        ("in progress, then done", ONE, &[Some(&[0x83, 5]), Some(DONE)], data),
        ("busy for good", ONE, &[BUSY, BUSY, BUSY, BUSY], exception(6)),
        ("a write without an answer", WRITE, &[None], silent),
        ("a busy write", WRITE, &[Some(&[0x86, 6]), Some(&[6, 0, 0, 0, 5])], Ok(Answer::Written)),
        ("a write in progress", WRITE, &[Some(&[0x86, 5])], exception(5)),
    ];
    for (why, asked, answers, expected) in table {
        let (wire, mut peer) = pair();
        let (result, came) = tokio::join!(ask(&wire, &asked), device(&mut peer, answers));
        assert_eq!((result, came), (expected, answers.len()), "{why}");
    }
}

#[tokio::test(start_paused = true)]
async fn pauses_are_kept_after_connecting_and_between_requests() {
    let (ours, mut peer) = duplex(4096);
    let pacing = Pacing { after_connect: SECOND * 2, between_requests: SECOND / 2, close_after_idle: None };
    let (wire, began) = (Wire::with(ours, Settings { pacing, ..Settings::default() }), Instant::now());
    let far_end = async {
        let mut at = vec![];
        for _ in 0..3 {
            let (id, ..) = request(&mut peer).await;
            at.push(began.elapsed());
            sleep(SECOND / 10).await;
            answer(&mut peer, id, 1, &[3, 2, 0, 7]).await;
        }
        at
    };
    let asks = async {
        for _ in 0..3 {
            ask(&wire, &ONE).await.expect("answered");
        }
    };
    let (at, ()) = tokio::join!(far_end, asks);
    let expected = [SECOND * 2, SECOND * 26 / 10, SECOND * 32 / 10];
    assert!(at.iter().zip(expected).all(|(at, due)| *at >= due), "{at:?}");
    assert!(at.iter().zip(expected).all(|(at, due)| *at < due + SECOND / 20), "and no longer: {at:?}");
}

/// Connections that were opened, newest last; their far ends.
type Opened = Arc<Mutex<Vec<DuplexStream>>>;

fn sleeper_with(pacing: Pacing) -> (Wire, Opened) {
    let opened = Opened::default();
    let dial = {
        let opened = opened.clone();
        move || {
            let (ours, theirs) = duplex(4096);
            opened.lock().expect("not poisoned").push(theirs);
            Dialled { stream: Box::new(ours), peer: None }
        }
    };
    let first = dial().stream;
    let redial: pollux_modbus::Redial = Box::new(move || Box::pin(std::future::ready(Ok(dial().stream))));
    (Wire::with(first, Settings { pacing, redial: Some(redial), ..Settings::default() }), opened)
}
fn sleeper() -> (Wire, Opened) {
    sleeper_with(Pacing { close_after_idle: Some(SECOND * 5), ..Pacing::default() })
}
/// Takes the newest connection and answers one request on it.
async fn serve_one(opened: &Opened) -> DuplexStream {
    let mut peer = loop {
        if let Some(peer) = opened.lock().expect("not poisoned").pop() {
            break peer;
        }
        sleep(Duration::from_millis(10)).await;
    };
    let (id, ..) = request(&mut peer).await;
    answer(&mut peer, id, 1, &[3, 2, 0, 7]).await;
    peer
}

#[tokio::test(start_paused = true)]
async fn a_connection_that_nobody_uses_is_closed_and_opened_for_the_next_request() {
    let (wire, opened) = sleeper();
    let life = async {
        let (result, mut peer) = tokio::join!(ask(&wire, &ONE), serve_one(&opened));
        assert_eq!(result, Ok(Answer::Data([0, 7].into())));
        let idle = Instant::now();
        assert_eq!(peer.read(&mut [0]).await.ok(), Some(0), "closed");
        assert!(idle.elapsed() >= SECOND * 5);
        let (result, peer) = tokio::join!(ask(&wire, &ONE), serve_one(&opened));
        assert!(result.is_ok());
        drop(peer); // the gateway closes it by itself
        sleep(SECOND).await;
        let (result, _peer) = tokio::join!(ask(&wire, &ONE), serve_one(&opened));
        assert!(result.is_ok());
    };
    tokio::select! {
        error = wire.pump() => panic!("{error}"),
        () = life => {}
    }
}

/// A gateway that needs a pause after each connecting, and has few connections.
#[tokio::test(start_paused = true)]
async fn a_request_that_waits_after_connecting_is_not_idle() {
    let pacing = Pacing { after_connect: SECOND * 2, close_after_idle: Some(SECOND), between_requests: Duration::ZERO };
    let (wire, opened) = sleeper_with(pacing);
    let life = async {
        for _ in 0..2 {
            let (result, mut peer) = tokio::join!(ask(&wire, &ONE), serve_one(&opened));
            assert_eq!(result, Ok(Answer::Data([0, 7].into())));
            assert_eq!(peer.read(&mut [0]).await.ok(), Some(0), "closed when nothing is asked");
        }
    };
    tokio::select! {
        error = wire.pump() => panic!("{error}"),
        () = life => {}
    }
}

/// A device that is suspected to be away has less time than a dial takes; the others behind that gateway have theirs.
#[tokio::test(start_paused = true)]
async fn a_dial_that_takes_longer_than_one_may_wait_costs_the_connection_nothing() {
    let (ours, theirs) = duplex(4096);
    drop(theirs);
    let redial: pollux_modbus::Redial = Box::new(move || {
        Box::pin(async {
            sleep(SECOND).await;
            let (ours, mut peer) = duplex(4096);
            tokio::spawn(async move {
                let (id, ..) = request(&mut peer).await;
                answer(&mut peer, id, 1, &[3, 2, 0, 7]).await;
                sleep(SECOND * 10).await;
            });
            Ok(Dialled { stream: Box::new(ours), peer: None }.stream)
        })
    });
    let pacing = Pacing { close_after_idle: Some(SECOND * 5), ..Pacing::default() };
    let wire = Wire::with(ours, Settings { pacing, redial: Some(redial), ..Settings::default() });
    let short = Ask { unit: 2, request: &ONE, until: Instant::now() + SECOND / 10, manners: MANNERS };
    let life = async {
        sleep(Duration::from_millis(10)).await; // the end of the first is seen
        assert_eq!(wire.ask(&short, || ()).await, Err(Fault::Device(Error::NoTurn { unit: 2 })));
        assert_eq!(ask(&wire, &ONE).await, Ok(Answer::Data([0, 7].into())));
    };
    tokio::select! {
        error = wire.pump() => panic!("{error}"),
        () = life => {}
    }
}

#[tokio::test(start_paused = true)]
async fn a_device_alone_on_its_connection_is_given_up_as_soon_as_its_answers_say() {
    let (wire, mut peer) = pair();
    let once = async |wire: &Wire, unit| {
        let (began, manners) = (Instant::now(), Manners::once(SECOND));
        let ask = Ask { unit, request: &ONE, until: began + SECOND, manners };
        (wire.ask(&ask, || ()).await, began.elapsed())
    };
    for _ in 0..20 {
        let ((result, _), ()) = tokio::join!(once(&wire, 1), async {
            let (id, ..) = request(&mut peer).await;
            answer(&mut peer, id, 1, &[3, 2, 0, 7]).await;
        });
        assert!(result.is_ok());
    }
    let (result, took) = once(&wire, 1).await;
    assert!(result.is_err() && took == Duration::from_millis(250), "{took:?}");
    assert_eq!(once(&wire, 1).await.1, SECOND, "it may have become slow");
    assert_eq!(once(&wire, 2).await.1, SECOND, "behind a gateway the configured time holds");
}
