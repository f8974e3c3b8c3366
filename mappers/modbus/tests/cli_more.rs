//! `scan --identify`, `read --interval` and `read` of bytes, against a device whose every byte is written here by hand.
#![allow(clippy::panic, clippy::unwrap_in_result, reason = "a test")]
mod common;

use common::{
    answer,
    cli::{checked, run},
    request,
};
use pollux_mapper::Exit;
use std::{net::SocketAddr, time::Duration};
use tokio::{io::AsyncWriteExt, net::TcpListener};

/// What a PDU to a unit is answered with, by how many came before; None: the connection is closed.
type Answers = fn(asked: usize, unit: u8, pdu: &[u8]) -> Option<Vec<u8>>;

async fn device(answers: Answers) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("bound");
    tokio::spawn(async move {
        let mut asked = 0;
        while let Ok((mut stream, _)) = listener.accept().await {
            // A peer that has left ends its task here.
            while stream.peek(&mut [0]).await.is_ok_and(|bytes| bytes > 0) {
                let (transaction, unit, pdu) = request(&mut stream).await;
                let answer = answers(asked, unit, &pdu);
                asked += 1;
                let Some(answer) = answer else { break };
                let [high, low] = transaction.to_be_bytes();
                let length = u8::try_from(answer.len() + 1).expect("short");
                stream.write_all(&[&[high, low, 0, 0, 0, length, unit], &*answer].concat()).await.expect("it reads");
            }
        }
    });
    address
}

/// Unit 1 knows itself; unit 2 does not know the function; unit 3 hangs up on it.
fn identities(_: usize, unit: u8, pdu: &[u8]) -> Option<Vec<u8>> {
    match (unit, pdu) {
        (_, [3, ..]) => Some(vec![3, 2, 0x12, 0x34]),
        (1, [0x2B, 0x0E, code, ..]) => {
            Some([&[0x2B, 0x0E, *code, 0x02, 0, 0, 3][..], b"\x00\x08Acme Co.\x01\x05PM800\x02\x05V2.11"].concat())
        }
        (2, [0x2B, ..]) => Some(vec![0xAB, 1]),
        _ => None,
    }
}

#[tokio::test]
async fn scan_says_who_each_unit_is_where_it_is_asked() {
    let at = device(identities).await;
    let done = run(&format!("scan tcp://{at} --units 1-4 --timeout 500ms --identify")).await;
    let answers: Vec<&str> = done.out.lines().skip(1).map(|line| line.split(" ms  ").nth(1).unwrap_or(line)).collect();
    let said = "holding 0 (40001) = 0x1234";
    assert_eq!(answers, [&*format!("{said}  Acme Co. PM800 V2.11"), said, said, said], "{}{}", done.out, done.err);
    assert!(done.exit == Exit::Ok && done.err.contains("unit 3: asked who it is: "), "{}", done.err);
    assert!(done.err.ends_with("4 of 4 units answered: 1, 2, 3, 4\n"), "{}", done.err);
    let done = run(&format!("scan tcp://{at} --units 1-2 --yaml --identify")).await;
    assert!(
        done.out.contains("# It said: holding 0 (40001) = 0x1234\n# It is: Acme Co. PM800 V2.11\n"),
        "{}",
        done.out
    );
    let done = run(&format!("scan tcp://{at} --units 1-1")).await;
    assert!(!done.out.contains("Acme"), "{}", done.out);
}

/// Answers two questions, and is gone for good, or for so long.
async fn fragile(gone: Option<Duration>) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("bound");
    tokio::spawn(async move {
        let mut listener = Some(listener);
        loop {
            let (mut stream, _) = listener.as_ref().expect("it listens").accept().await.expect("somebody comes");
            for _ in 0..2 {
                let (transaction, unit, pdu) = request(&mut stream).await;
                if pdu[0] == 3 {
                    answer(&mut stream, transaction, unit, &[3, 2, 0x12, 0x34]).await;
                }
            }
            drop((stream, listener.take()));
            let Some(gone) = gone else { return };
            tokio::time::sleep(gone).await;
            listener = Some(TcpListener::bind(address).await.expect("free again"));
        }
    });
    address
}

#[tokio::test]
async fn a_scan_that_cannot_go_on_shows_what_it_has_found() {
    let at = fragile(None).await;
    let done = run(&format!("scan tcp://{at} --units 1-9 --timeout 200ms --yaml --identify")).await;
    assert!(done.out.contains("# It said: holding 0 (40001) = 0x1234\n"), "{}{}", done.out, done.err);
    assert!(checked(&done.out).await.ends_with("1 device, 0 models, 1 channel: ok\n"), "{}", done.out);
    assert!(done.exit == Exit::Fault && !done.err.contains("units answered"), "{}", done.err);
    let last = done.err.lines().last().unwrap_or_default();
    assert!(last.starts_with("this is a part of the units only: unit 1: tcp://127.0.0.1:"), "{}", done.err);
}

#[tokio::test]
async fn a_device_that_restarts_when_it_is_asked_who_it_is_is_waited_for() {
    let at = fragile(Some(Duration::from_millis(500))).await;
    let done = run(&format!("scan tcp://{at} --units 1-2 --timeout 200ms --identify")).await;
    assert!(done.exit == Exit::Ok && done.err.ends_with("2 of 2 units answered: 1, 2\n"), "{}", done.err);
}

/// The third is refused, the fifth costs the connection.
fn moods(asked: usize, _: u8, pdu: &[u8]) -> Option<Vec<u8>> {
    let [3, _, _, 0, count] = pdu else { return None };
    let word = u8::try_from(asked).expect("few");
    match asked {
        2 => Some(vec![0x83, 4]),
        4 => None,
        _ => Some([&[3, *count * 2][..], &[0, word].repeat(usize::from(*count))].concat()),
    }
}

#[tokio::test]
async fn values_are_read_again_and_again_whatever_comes_between() {
    let at = device(moods).await;
    let done = run(&format!("read tcp://{at}/1 holding 0 uint16 --interval 10ms --times 6")).await;
    let lines: Vec<(&str, &str)> = done.out.lines().map(|line| line.split_once("  ").unwrap_or((line, ""))).collect();
    assert!(lines.iter().all(|(time, _)| time.len() == 24 && time.ends_with('Z')), "{}", done.out);
    let said: Vec<&str> = lines.iter().map(|(_, said)| *said).collect();
    assert_eq!(said.len(), 6, "{}", done.out);
    let value = |n: u8| format!("holding 0 (40001)  uint16  {n}");
    assert_eq!([said[0], said[1], said[3], said[5]], [&*value(0), &value(1), &value(3), &value(5)], "{}", done.out);
    assert_eq!(said[2], "Bad: unit 1: Modbus exception 4: server device failure");
    assert!(said[4].starts_with("Bad: "), "{}", done.out);
    assert_eq!(done.exit, Exit::Fault, "some were Bad");
    let done = run(&format!("read tcp://{at}/1 holding 0 uint16 --count 2 --interval 10ms --times 2")).await;
    assert_eq!((done.exit, done.out.lines().count()), (Exit::Ok, 4), "a line for each value: {}", done.out);
    for words in ["--interval 9ms", "--times 3", "--interval 1s --times 0", "--interval 1s --yaml"] {
        let done = run(&format!("read tcp://{at}/1 holding 0 uint16 {words}")).await;
        assert!(done.exit == Exit::Usage && done.out.is_empty(), "{words}: {}", done.out);
    }
}

#[tokio::test]
async fn bytes_are_shown_as_they_stand() {
    let at = device(|_, _, _| Some(vec![3, 4, 0x01, 0x02, 0xFF, 0x00])).await;
    let done = run(&format!("read tcp://{at}/1 holding 0 bytes --length 2")).await;
    assert_eq!((done.exit, &*done.out), (Exit::Ok, "holding 0 (40001)  bytes  0x0102FF00\n"));
    let done = run(&format!("read tcp://{at}/1 holding 0 bytes --length 2 --order BADC --yaml")).await;
    let yaml = "  - name: holding_0\n    type: bytes\n    binding: {modbus: {table: holding, address: 0, dataType: bytes, byteOrder: BADC, length: 2}}\n";
    assert_eq!((&*done.out, &*done.err), (yaml, "holding 0 (40001)  bytes BADC  0x020100FF\n"));
}
