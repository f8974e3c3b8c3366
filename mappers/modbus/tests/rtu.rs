//! RTU on a line that a test has in its hand: what passes for an answer, and above all what does not.
#![allow(clippy::panic, reason = "a test")]
mod common;

use common::rtu;
use pollux_mapper::{DriverError, ErrorKind, Fault, Instant};
use pollux_modbus::{
    Ask, Error, Manners, Settings, Wire,
    frame::{Answer, Request, rtu::Timing},
};
use std::time::Duration;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex},
    time::{sleep, timeout},
};

const SECOND: Duration = Duration::from_secs(1);

fn line() -> (Wire, DuplexStream) {
    let (ours, theirs) = duplex(4096);
    (Wire::with(ours, Settings::rtu(Timing::serial(9600, 11))), theirs)
}
/// One register of a unit, a second for each try.
async fn ask(wire: &Wire, unit: u8, address: u16, within: Duration) -> Result<Answer, Fault<Error>> {
    let request = Request::ReadHoldingRegisters(address, 1);
    let manners = Manners::once(SECOND);
    wire.ask(&Ask { unit, request: &request, until: Instant::now() + within, manners }, || ()).await
}
async fn asked(peer: &mut DuplexStream) -> Vec<u8> {
    let mut request = vec![0; 8];
    peer.read_exact(&mut request).await.expect("a request");
    request
}
async fn says(peer: &mut DuplexStream, body: &[u8]) {
    peer.write_all(&rtu(body)).await.expect("the other side listens");
}
#[expect(clippy::unnecessary_wraps, reason = "it is compared with what was asked")]
fn data(high: u8, low: u8) -> Result<Answer, Fault<Error>> {
    Ok(Answer::Data([high, low].into()))
}
async fn goes_on(wire: &Wire, peer: &mut DuplexStream) {
    let (result, ()) = tokio::join!(ask(wire, 1, 7, SECOND), async {
        assert_eq!(asked(peer).await, rtu(&[1, 3, 0, 7, 0, 1]));
        says(peer, &[1, 3, 2, 0, 42]).await;
    });
    assert_eq!(result, data(0, 42));
}
/// What becomes of a request that is answered by these bytes.
async fn answered_by(bytes: &[u8]) -> (Result<Answer, Fault<Error>>, Wire, DuplexStream) {
    let (wire, mut peer) = line();
    let (result, ()) = tokio::join!(ask(&wire, 1, 0, SECOND), async {
        asked(&mut peer).await;
        peer.write_all(bytes).await.expect("the other side listens");
    });
    (result, wire, peer)
}

#[tokio::test(start_paused = true)]
async fn a_published_exchange_goes_byte_by_byte() {
    let (wire, mut peer) = line();
    let request = Request::ReadHoldingRegisters(0, 10);
    let (result, ()) = tokio::join!(wire.transact(1, &request, Instant::now() + SECOND, || ()), async {
        assert_eq!(asked(&mut peer).await, [0x01, 0x03, 0x00, 0x00, 0x00, 0x0A, 0xC5, 0xCD]);
        for byte in rtu(&[&[1, 3, 20][..], &[7; 20]].concat()) {
            peer.write_all(&[byte]).await.expect("the other side listens");
            sleep(Duration::from_millis(5)).await; // longer than 1.5 characters: adapters pause in mid-frame
        }
    });
    assert_eq!(result, Ok(Answer::Data([7; 20].into())));
}

/// The answer to a request that was given up comes while another register of the same length is wanted.
#[tokio::test(start_paused = true)]
async fn a_late_answer_of_equal_length_never_passes_for_the_next() {
    let (wire, mut peer) = line();
    let (lost, ()) = tokio::join!(ask(&wire, 9, 0, SECOND), async { drop(asked(&mut peer).await) });
    assert!(matches!(lost, Err(Fault::Device(Error::Silent { unit: 9, .. }))), "{lost:?}");
    let device = async {
        let fence = asked(&mut peer).await;
        assert_eq!(fence, rtu(&[&[9, 8, 0, 0], &fence[4..6]].concat()), "something else is asked first");
        sleep(SECOND * 3 / 10).await;
        says(&mut peer, &[9, 3, 2, 0xBA, 0xD0]).await; // of register 0: nothing else can come
        assert_eq!(asked(&mut peer).await, rtu(&[9, 3, 0, 100, 0, 1]));
        says(&mut peer, &fence[..6]).await;
        says(&mut peer, &[9, 3, 2, 0, 100]).await;
    };
    let (result, ()) = tokio::join!(ask(&wire, 9, 100, SECOND * 3), device);
    assert_eq!(result, data(0, 100));
}

/// What has a wrong CRC may be noise that begins as the answer does; the answer itself comes after it.
#[tokio::test(start_paused = true)]
async fn after_a_wrong_crc_the_answer_itself_passes_for_no_others() {
    let (wire, mut peer) = line();
    let mut wrong = rtu(&[9, 3, 2, 0, 1]);
    wrong[4] ^= 0x10;
    let device = async {
        asked(&mut peer).await;
        peer.write_all(&wrong).await.expect("listens");
        assert_eq!(asked(&mut peer).await[..4], [9, 8, 0, 0], "something else first");
        sleep(SECOND * 3 / 10).await;
        says(&mut peer, &[9, 3, 2, 0, 1]).await;
        assert_eq!(asked(&mut peer).await, rtu(&[9, 3, 0, 2, 0, 1]));
        says(&mut peer, &[9, 3, 2, 0, 2]).await;
    };
    let asks = async {
        assert!(ask(&wire, 9, 1, SECOND).await.is_err());
        ask(&wire, 9, 2, SECOND * 4).await
    };
    assert_eq!(tokio::join!(asks, device).0, data(0, 2));
}

#[tokio::test(start_paused = true)]
async fn as_long_as_a_late_answer_may_come_nothing_else_of_its_form_is_asked() {
    let (wire, mut peer) = line();
    let (lost, ()) = tokio::join!(ask(&wire, 9, 0, SECOND), async { drop(asked(&mut peer).await) });
    assert!(lost.is_err());
    let (held, ()) = tokio::join!(ask(&wire, 9, 100, SECOND / 2), async {
        assert_eq!(asked(&mut peer).await[..4], [9, 8, 0, 0]);
    });
    assert_eq!(held, Err(Fault::Device(Error::Held { unit: 9 })));
    assert!(timeout(SECOND, peer.read_u8()).await.is_err(), "nothing more was sent");
    // Another unit, and another form, need not wait; an answer of another form ends the doubt.
    goes_on(&wire, &mut peer).await;
    let coils = Request::ReadCoils(0, 8);
    let until = Instant::now() + SECOND / 2;
    let (result, ()) = tokio::join!(wire.transact(9, &coils, until, || ()), async {
        asked(&mut peer).await;
        says(&mut peer, &[9, 1, 1, 0xFF]).await;
    });
    assert_eq!(result, Ok(Answer::Data([0xFF].into())));
    let (result, ()) = tokio::join!(ask(&wire, 9, 100, SECOND / 2), async {
        assert_eq!(asked(&mut peer).await, rtu(&[9, 3, 0, 100, 0, 1]));
        says(&mut peer, &[9, 3, 2, 0, 1]).await;
    });
    assert_eq!(result, data(0, 1));
}

/// An exception does not even say how long the answer would have been.
#[tokio::test(start_paused = true)]
async fn a_late_exception_is_not_taken_for_the_next_requests() {
    let (wire, mut peer) = line();
    let (lost, ()) = tokio::join!(ask(&wire, 9, 0, SECOND), async { drop(asked(&mut peer).await) });
    assert!(lost.is_err());
    let longer = Request::ReadHoldingRegisters(100, 2);
    let until = Instant::now() + SECOND / 2;
    let (result, ()) = tokio::join!(wire.transact(9, &longer, until, || ()), async {
        asked(&mut peer).await;
        says(&mut peer, &[9, 0x83, 2]).await; // of register 0
        says(&mut peer, &[9, 3, 4, 0, 1, 0, 2]).await;
    });
    assert_eq!(result, Ok(Answer::Data([0, 1, 0, 2].into())));
}

#[tokio::test(start_paused = true)]
async fn what_comes_before_the_line_is_silent_is_nobodys_answer() {
    let (wire, mut peer) = line();
    let (lost, ()) = tokio::join!(ask(&wire, 9, 0, SECOND), async { drop(asked(&mut peer).await) });
    assert!(lost.is_err());
    // Unit 1 is wanted; while the line is drained, something of its very form goes by.
    says(&mut peer, &[1, 3, 2, 0xBA, 0xD0]).await;
    let device = async {
        for _ in 0..10 {
            says(&mut peer, &[1, 3, 2, 0xBA, 0xD0]).await;
            sleep(Duration::from_millis(10)).await;
        }
        assert_eq!(asked(&mut peer).await, rtu(&[1, 3, 0, 5, 0, 1]));
        says(&mut peer, &[1, 3, 2, 0, 5]).await;
    };
    let (result, ()) = tokio::join!(ask(&wire, 1, 5, SECOND), device);
    assert_eq!(result, data(0, 5));
}

#[tokio::test(start_paused = true)]
async fn a_line_that_is_never_silent_is_waited_for_no_longer_than_allowed() {
    let (wire, mut peer) = line();
    let chatter = async {
        loop {
            peer.write_all(&[0x55]).await.expect("the other side listens");
            sleep(Duration::from_millis(2)).await;
        }
    };
    let began = Instant::now();
    let result = tokio::select! {
        result = ask(&wire, 1, 0, SECOND) => result,
        () = chatter => panic!("it ended"),
    };
    assert_eq!((result, began.elapsed()), (Err(Fault::Device(Error::NoTurn { unit: 1 })), SECOND));
}

#[tokio::test(start_paused = true)]
async fn other_masters_and_answers_of_other_units_are_stepped_over() {
    let frames = [
        rtu(&[5, 3, 0, 0, 0, 1]),
        rtu(&[5, 3, 2, 0xBA, 0xD0]),
        rtu(&[6, 16, 0, 0, 0, 1, 2, 0, 9]),
        rtu(&[6, 16, 0, 0, 0, 1]),
        rtu(&[1, 4, 2, 0xBA, 0xD1]), // our unit, to somebody else
        vec![0, 0xFF, 1, 3],         // noise
        rtu(&[1, 3, 2, 0, 77]),
    ];
    let (result, ..) = answered_by(&frames.concat()).await;
    assert_eq!(result, data(0, 77));
}

#[tokio::test(start_paused = true)]
async fn what_goes_wrong_on_the_line_is_told_in_its_words_and_costs_the_device_alone() {
    let mut wrong = rtu(&[1, 3, 2, 0, 1]);
    wrong[4] ^= 0x10;
    let cases: [(&[u8], &str, ErrorKind); 4] = [
        (&wrong, "unit 1: an answer with a wrong CRC", ErrorKind::Protocol),
        (&[1, 3, 2, 0], "unit 1: half an answer, then silence", ErrorKind::Timeout),
        (
            &[0xFE, 0xE0, 0x80],
            "unit 1: no answer, but bytes that are no frame: another baud rate or parity, or a disturbed line",
            ErrorKind::Protocol,
        ),
        (
            &rtu(&[1, 3, 0, 0, 0, 1]),
            "unit 1: nothing came but our own request: the adapter or the wiring echoes what it sends",
            ErrorKind::Timeout,
        ),
    ];
    for (bytes, expected, kind) in cases {
        let (result, wire, mut peer) = answered_by(bytes).await;
        let Err(Fault::Device(error)) = result else { panic!("{result:?}") };
        assert_eq!((error.to_string().as_str(), error.kind()), (expected, kind));
        assert_eq!(wire.wrong_crcs(), u64::from(expected.contains("CRC")));
        // The very same register may be asked at once.
        let (result, ()) = tokio::join!(ask(&wire, 1, 0, SECOND), async {
            let request = asked(&mut peer).await;
            assert_eq!(request, rtu(&[1, 3, 0, 0, 0, 1]));
            if wire.echoes() {
                peer.write_all(&request).await.expect("listens");
            }
            says(&mut peer, &[1, 3, 2, 0, 42]).await;
        });
        assert_eq!(result, data(0, 42));
    }
}

#[tokio::test(start_paused = true)]
async fn on_a_line_that_echoes_an_echo_is_no_acknowledgement() {
    let (wire, mut peer) = line();
    let echo = |mut request: Vec<u8>, answer: &[u8]| {
        request.extend(rtu(answer));
        request
    };
    let (result, ()) = tokio::join!(ask(&wire, 1, 0, SECOND), async {
        let request = asked(&mut peer).await;
        peer.write_all(&echo(request, &[1, 3, 2, 0, 9])).await.expect("listens");
    });
    assert_eq!((result, wire.echoes()), (data(0, 9), true));
    let write = Request::WriteSingleRegister(1, 3);
    let until = Instant::now() + SECOND;
    let (result, ()) = tokio::join!(wire.transact(1, &write, until, || ()), async {
        let request = asked(&mut peer).await;
        peer.write_all(&request).await.expect("listens");
    });
    assert_eq!(result, Err(Fault::Device(Error::Echo { unit: 1 })), "nobody acknowledged it");
    let (result, ()) = tokio::join!(wire.transact(2, &write, Instant::now() + SECOND, || ()), async {
        let request = asked(&mut peer).await;
        peer.write_all(&[request.clone(), request].concat()).await.expect("listens");
    });
    assert_eq!(result, Ok(Answer::Written));
}

#[tokio::test(start_paused = true)]
async fn a_mask_is_acknowledged_by_six_bytes() {
    let (wire, mut peer) = line();
    let request = Request::MaskWriteRegister(4, 0x00F2, 0x0025);
    let frame = [0x11, 0x16, 0x00, 0x04, 0x00, 0xF2, 0x00, 0x25, 0x66, 0xE2];
    let (result, ()) = tokio::join!(wire.transact(17, &request, Instant::now() + SECOND, || ()), async {
        let mut sent = [0; 10];
        peer.read_exact(&mut sent).await.expect("a request");
        assert_eq!(sent, frame);
        peer.write_all(&frame).await.expect("listens");
    });
    assert_eq!(result, Ok(Answer::Written));
}

#[tokio::test(start_paused = true)]
async fn a_device_says_who_it_is_in_two_pages() {
    let (wire, mut peer) = line();
    let until = Instant::now() + SECOND * 4;
    let (told, ()) = tokio::join!(wire.identify(1, Manners::once(SECOND), until), async {
        let mut sent = [0; 7];
        peer.read_exact(&mut sent).await.expect("a request");
        assert_eq!(sent[..5], [1, 43, 14, 2, 0]);
        says(&mut peer, b"\x01\x2B\x0E\x02\x82\xFF\x02\x02\x00\x04ACME\x01\x02P7").await;
        peer.read_exact(&mut sent).await.expect("a request");
        assert_eq!(sent[..5], [1, 43, 14, 2, 2]);
        says(&mut peer, b"\x01\x2B\x0E\x02\x82\x00\x00\x02\x02\x03V1a\x05\x05M-100").await;
    });
    let told = told.expect("answered").expect("not refused");
    let told: Vec<_> = told.iter().map(|(name, text)| (name.as_str(), text.as_str())).collect();
    let expected =
        [("MajorMinorRevision", "V1a"), ("ModelName", "M-100"), ("ProductCode", "P7"), ("VendorName", "ACME")];
    assert_eq!(told, expected);
}
