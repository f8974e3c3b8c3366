//! A server that lies, on a real connection. After each of its tricks the driver gives a fault of the right reach, never a
//! wrong value, the connection or the next one is usable again, and the neighbour on the same gateway is read as before.
#![allow(clippy::panic, clippy::unwrap_in_result, reason = "a test")]
mod common;

use common::{anywhere, device, frame, registers, request, unit, unit_of};
use pollux_crds::{ModbusDataType::Uint16, ModbusDevice, ModbusTable::Holding, Span};
use pollux_mapper::{Cx, Fault, Instant, Link as _, Protocol, Samples, Slot, Value};
use pollux_modbus::{Error, Link, Modbus, Unit};
use std::time::Duration;
use tokio::{
    io::{AsyncRead, AsyncWrite, AsyncWriteExt, duplex},
    net::{TcpListener, TcpStream},
};

const SOON: Duration = Duration::from_millis(400);
/// What the register of every unit holds. Only lies say otherwise.
const TRUTH: [u8; 4] = [3, 2, 0x12, 0x34];
const LIE: [u8; 4] = [3, 2, 0xDE, 0xAD];

fn one_register(id: i32) -> Unit {
    unit(id, &[(registers(Holding, 7, Uint16), false, None)]).expect("valid")
}

async fn read(link: &Link, unit: &Unit, within: Duration) -> Result<Vec<Result<Value, String>>, Fault<Error>> {
    let exchange = Modbus.plan(unit, &[0]).remove(0);
    let mut out = Samples::default();
    link.read(unit, &exchange, Instant::now() + within, &mut out).await?;
    let read = |(slot, value, _): (Slot, Result<Value, pollux_mapper::PointFault>, _)| {
        assert_eq!(slot, Slot(0));
        value.map_err(|fault| fault.text.into_owned())
    };
    Ok(out.readings().map(read).collect())
}

fn truth() -> Vec<Result<Value, String>> {
    vec![Ok(Value::Uint(0x1234))]
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Reach {
    /// The truth came all the same.
    Truth,
    Link,
    Device,
    /// The value is Bad, with a reason.
    Point,
}

fn reach(read: &Result<Vec<Result<Value, String>>, Fault<Error>>) -> Reach {
    match read {
        Ok(values) if *values == truth() => Reach::Truth,
        Ok(values) if values.iter().all(Result::is_err) => Reach::Point,
        Ok(values) => panic!("a wrong value: {values:?}"),
        Err(Fault::Link(_)) => Reach::Link,
        Err(Fault::Device(_)) => Reach::Device,
        Err(Fault::Point(_)) => Reach::Point,
    }
}

/// Answers the truth to whoever is not unit 1, and to unit 1 after its first question.
async fn serve(mut stream: impl AsyncRead + AsyncWrite + Unpin, trick: impl Fn(u16, u8) -> Vec<u8>) {
    let (id, unit, _) = request(&mut stream).await;
    assert_eq!(unit, 1, "the victim is asked first");
    if stream.write_all(&trick(id, unit)).await.is_err() {
        return;
    }
    honest(stream).await;
}

/// To the end, whoever ends it.
async fn honest(mut stream: impl AsyncRead + AsyncWrite + Unpin) {
    let mut header = [0; 12];
    while tokio::io::AsyncReadExt::read_exact(&mut stream, &mut header).await.is_ok() {
        let id = u16::from_be_bytes([header[0], header[1]]);
        if stream.write_all(&frame(id, header[6], &TRUTH)).await.is_err() {
            return;
        }
    }
}

/// Reads the victim, then the neighbour, then the victim again, over a new connection where the old one is lost.
async fn tried(name: &str, trick: impl Fn(u16, u8) -> Vec<u8> + Send + Sync + 'static) -> Reach {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("bound");
    let server = tokio::spawn(async move {
        let (first, _) = listener.accept().await.expect("a client");
        serve(first, trick).await;
        while let Ok((next, _)) = listener.accept().await {
            tokio::spawn(honest(next));
        }
    });
    let endpoint = Modbus.endpoint(&device(address, 1)).expect("valid");
    let mut link = Modbus.connect(&endpoint, &Cx::default()).await.expect("connected");
    let (victim, neighbour) = (one_register(1), one_register(2));
    let found = reach(&read(&link, &victim, SOON).await);
    // A lie that stands in the stream behind the answer shows with the next question at the latest.
    let beside = reach(&read(&link, &neighbour, SOON).await);
    if found == Reach::Link || beside == Reach::Link {
        link = Modbus.connect(&endpoint, &Cx::default()).await.expect("a new connection");
        assert_eq!(read(&link, &neighbour, SOON).await.ok(), Some(truth()), "{name}: the neighbour, anew");
    } else {
        assert_eq!(beside, Reach::Truth, "{name}: the neighbour");
    }
    assert_eq!(read(&link, &victim, SOON).await.ok(), Some(truth()), "{name}: the victim, afterwards");
    server.abort();
    if found == Reach::Truth && beside == Reach::Link { Reach::Link } else { found }
}

fn raw(id: u16, length: u16, unit: u8, pdu: &[u8]) -> Vec<u8> {
    [&id.to_be_bytes()[..], &[0, 0], &length.to_be_bytes(), &[unit], pdu].concat()
}

#[tokio::test]
async fn ids_and_lengths_that_lie() {
    type Trick = fn(u16, u8) -> Vec<u8>;
    let tricks: [(&str, Trick, Reach); 13] = [
        ("an id never asked", |id, unit| frame(id.wrapping_add(9), unit, &LIE), Reach::Link),
        ("an id of the far past", |id, unit| frame(id.wrapping_sub(9), unit, &LIE), Reach::Link),
        ("another unit's answer", |id, _| frame(id, 77, &LIE), Reach::Device),
        ("another function's answer", |id, unit| frame(id, unit, &[4, 2, 0xDE, 0xAD]), Reach::Device),
        ("a count that is too small", |id, unit| frame(id, unit, &[3, 0]), Reach::Device),
        ("a count that is too large", |id, unit| frame(id, unit, &[3, 4, 0xDE, 0xAD]), Reach::Device),
        ("bytes behind the value", |id, unit| frame(id, unit, &[3, 2, 0xDE, 0xAD, 0]), Reach::Device),
        ("more registers than asked", |id, unit| frame(id, unit, &[3, 4, 0xDE, 0xAD, 0xDE, 0xAD]), Reach::Device),
        ("a length that cuts the value off", |id, unit| raw(id, 3, unit, &LIE), Reach::Device),
        ("a length of nothing", |id, unit| raw(id, 0, unit, &LIE), Reach::Link),
        ("a length of 65535", |id, unit| raw(id, 65_535, unit, &LIE), Reach::Link),
        ("a length that never comes", |id, unit| raw(id, 200, unit, &LIE), Reach::Link),
        (
            "the truth, and bytes that are no frame",
            |id, unit| [frame(id, unit, &TRUTH), vec![0xFF; 9]].concat(),
            Reach::Link,
        ),
    ];
    for (name, trick, expected) in tricks {
        let found = tried(name, trick).await;
        // A length that cuts a value off is told by the value (the device) or by the rest of it (the stream).
        let fits = found == expected || (expected == Reach::Device && found == Reach::Link);
        assert!(fits, "{name}: {found:?}, not {expected:?}");
    }
}

#[tokio::test]
async fn answers_to_questions_never_asked_are_nobodys_values() {
    // Twice the same answer; the second is of the past when the next question is asked.
    assert_eq!(
        tried("twice", |id, unit| [frame(id, unit, &TRUTH), frame(id, unit, &LIE)].concat()).await,
        Reach::Truth
    );
    // The answer to the next question before it is asked: its id is known to whoever counts.
    let early = |id: u16, unit: u8| [frame(id, unit, &TRUTH), frame(id.wrapping_add(1), 2, &LIE)].concat();
    assert_eq!(tried("too early", early).await, Reach::Link);
}

#[tokio::test]
async fn an_exception_of_any_code_costs_no_connection_and_yields_no_value() {
    for code in 0..=255_u8 {
        let found = tried(&format!("exception {code}"), move |id, unit| frame(id, unit, &[0x83, code])).await;
        // Busy (5, 6) is asked again, and then there is the truth.
        let fits = matches!(found, Reach::Device | Reach::Point) || (found == Reach::Truth && matches!(code, 5 | 6));
        assert!(fits, "exception {code}: {found:?}");
    }
    let long = tried("an exception with a tail", |id, unit| frame(id, unit, &[0x83, 2, 0, 0])).await;
    assert_eq!(long, Reach::Device);
}

#[tokio::test]
async fn other_protocols_and_floods_cost_the_connection_at_once() {
    assert_eq!(tried("HTTP", |_, _| b"HTTP/1.1 400 Bad Request\r\n\r\n".to_vec()).await, Reach::Link);
    assert_eq!(tried("RTU", |_, unit| vec![unit, 3, 2, 0x12, 0x34, 0xB5, 0x33]).await, Reach::Link);
    assert_eq!(tried("a megabyte of nothing", |_, _| vec![0; 1 << 20]).await, Reach::Link);
    assert_eq!(tried("a megabyte of ones", |_, _| vec![0xFF; 1 << 20]).await, Reach::Link);
    // Well-formed answers to questions that were never asked, and never ending.
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("bound");
    tokio::spawn(async move {
        let (stream, _) = listener.accept().await.expect("a client");
        serve(stream, |id, unit| (1..20_000).flat_map(|n| frame(id.wrapping_add(n), unit, &LIE)).collect()).await;
    });
    let stream = TcpStream::connect(address).await.expect("connected");
    assert_eq!(reach(&read(&Link::new(stream, None), &one_register(1), SOON).await), Reach::Link, "a flood of frames");
}

#[tokio::test]
async fn a_late_answer_of_equal_length_is_not_the_next_questions() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("bound");
    tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.expect("a client");
        let mut before = None;
        loop {
            let (id, unit, _) = request(&mut stream).await;
            // Unit 1 is answered when the next question is there: a lie, of the length that the next answer has.
            if let Some((id, unit)) = before.take() {
                stream.write_all(&frame(id, unit, &LIE)).await.expect("it listens");
            }
            match unit {
                1 => before = Some((id, unit)),
                _ => stream.write_all(&frame(id, unit, &TRUTH)).await.expect("it listens"),
            }
        }
    });
    let stream = TcpStream::connect(address).await.expect("connected");
    let (link, slow, neighbour) = (Link::new(stream, None), one_register(1), one_register(2));
    for _ in 0..3 {
        assert_eq!(reach(&read(&link, &slow, Duration::from_millis(60)).await), Reach::Device);
        assert_eq!(reach(&read(&link, &neighbour, SOON).await), Reach::Truth);
    }
}

#[tokio::test]
async fn a_reset_at_any_byte_of_an_answer_costs_the_connection_only() {
    let whole = frame(1, 1, &TRUTH);
    for cut in 0..whole.len() {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("bound");
        tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.expect("a client");
            let (id, unit, _) = request(&mut stream).await;
            stream.write_all(&frame(id, unit, &TRUTH)[..cut]).await.expect("it listens");
            stream.set_zero_linger().expect("a socket"); // dropping it sends a reset
            drop(stream);
            honest(listener.accept().await.expect("it comes back").0).await;
        });
        let endpoint = Modbus.endpoint(&device(address, 1)).expect("valid");
        let link = Modbus.connect(&endpoint, &Cx::default()).await.expect("connected");
        assert_eq!(reach(&read(&link, &one_register(1), SOON).await), Reach::Link, "after {cut} bytes");
        let link = Modbus.connect(&endpoint, &Cx::default()).await.expect("a new connection");
        assert_eq!(reach(&read(&link, &one_register(1), SOON).await), Reach::Truth, "after {cut} bytes");
    }
}

/// By the paused clock: a byte each second.
#[tokio::test(start_paused = true)]
async fn a_byte_each_second_is_an_answer_when_there_is_time_and_a_fault_when_there_is_not() {
    for (within, expected) in [(Duration::from_secs(30), Reach::Truth), (Duration::from_secs(5), Reach::Link)] {
        let (ours, mut theirs) = duplex(4096);
        tokio::spawn(async move {
            let (id, unit, _) = request(&mut theirs).await;
            for byte in frame(id, unit, &TRUTH) {
                tokio::time::sleep(Duration::from_secs(1)).await;
                if theirs.write_all(&[byte]).await.is_err() {
                    return;
                }
            }
            honest(theirs).await;
        });
        let started = Instant::now();
        let link = Link::new(ours, None);
        let patient = ModbusDevice { timeout: Some(Span::from_secs(30)), ..device(anywhere(), 1) };
        let unit = unit_of(&patient, &[(registers(Holding, 7, Uint16), false, None)]).expect("valid");
        let found = reach(&read(&link, &unit, within).await);
        assert_eq!(found, expected, "within {within:?}");
        assert!(started.elapsed() <= within, "it ends by the time given");
    }
}

/// A length that is legal, and bytes that never end it: each read ends by its time, however long the trickle goes on.
#[tokio::test(start_paused = true)]
async fn an_endless_trickle_keeps_nobody() {
    let (ours, mut theirs) = duplex(4096);
    tokio::spawn(async move {
        let (id, unit, _) = request(&mut theirs).await;
        theirs.write_all(&raw(id, 254, unit, &[])).await.expect("it listens");
        while theirs.write_all(&[0]).await.is_ok() {
            tokio::time::sleep(Duration::from_mins(1)).await;
        }
    });
    let (link, started) = (Link::new(ours, None), Instant::now());
    let found = reach(&read(&link, &one_register(1), Duration::from_secs(1)).await);
    assert_eq!(found, Reach::Link, "half a frame is no stream any more");
    assert!(started.elapsed() <= Duration::from_secs(2), "it ends by the time given");
}
