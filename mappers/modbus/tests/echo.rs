//! A line with local echo, of which nothing is known yet: what is written is not acknowledged by its own echo.
#![allow(clippy::panic, reason = "a test")]
mod common;

use common::{bits, registers, rtu, unit};
use pollux_crds::{
    ModbusBinding,
    ModbusDataType::Uint16,
    ModbusTable::{Coil, Holding},
};
use pollux_mapper::{Instant, Job, Link as _, Protocol, Value, Written, Wrote};
use pollux_modbus::{Link, Modbus, Settings, frame::rtu::Timing};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};

const SECOND: Duration = Duration::from_secs(1);

/// Brings back each byte where the line echoes, and answers whole frames where there is a device.
async fn line(mut peer: DuplexStream, echoes: bool, answers: impl Fn(&[u8]) -> Option<Vec<u8>>) {
    let mut frame = vec![];
    while let Ok(byte) = peer.read_u8().await {
        frame.push(byte);
        let body = frame.len().saturating_sub(2);
        if body > 2 && rtu(&frame[..body]) == frame {
            let mut back = if echoes { frame.clone() } else { vec![] };
            back.extend(answers(&frame[..body]).map(|body| rtu(&body)).unwrap_or_default());
            peer.write_all(&back).await.expect("listens");
            frame.clear();
        }
    }
}

/// What becomes of one write as the first on this line, and of the same once more.
async fn first_write(
    binding: ModbusBinding,
    value: Value,
    echoes: bool,
    answers: impl Fn(&[u8]) -> Option<Vec<u8>>,
) -> [Wrote; 2] {
    let (ours, peer) = duplex(4096);
    let link = Link::with(ours, None, Settings::rtu(Timing::serial(9600, 11)));
    let unit = unit(1, &[(binding, true, None)]).expect("valid");
    let values = [(0, value)];
    let writes = async {
        let mut became = vec![];
        for _ in 0..2 {
            let patience = Modbus.patience(&unit, Job::Write(&values), SECOND) + SECOND * 3;
            let mut out = Written::new(1);
            drop(link.write(&unit, &values, Instant::now() + patience, &mut out).await);
            became.extend(out.results());
        }
        became
    };
    let became = tokio::select! {
        became = writes => became,
        () = line(peer, echoes, answers) => panic!("it ended"),
    };
    became.try_into().expect("two")
}

/// A device: reads are answered by 0, or refused; writes are acknowledged.
fn device(reads: bool) -> impl Fn(&[u8]) -> Option<Vec<u8>> {
    move |body| match body {
        [1, 1, ..] if reads => Some(vec![1, 1, 1, 0]),
        [1, 3, ..] if reads => Some(vec![1, 3, 2, 0, 0]),
        [1, function @ (1 | 3), ..] => Some(vec![1, function | 0x80, 1]),
        written => Some(written.to_vec()),
    }
}

fn writable() -> [(ModbusBinding, Value); 3] {
    let bit = ModbusBinding { bit: Some(3), ..bits(Holding, 4) };
    [(bits(Coil, 0), Value::Bool(true)), (registers(Holding, 4, Uint16), Value::Int(5)), (bit, Value::Bool(true))]
}

#[tokio::test(start_paused = true)]
async fn nobody_acknowledges_by_the_echo_alone() {
    for (binding, value) in writable() {
        let became = first_write(binding.clone(), value, true, |_| None).await;
        assert!(became.iter().all(|one| *one != Wrote::Done), "{binding:?}: {became:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_device_acknowledges_whether_it_can_be_read_or_not_and_whether_the_line_echoes_or_not() {
    for (binding, value) in writable() {
        for (reads, echoes) in [(true, true), (true, false), (false, true), (false, false)] {
            if !reads && binding.bit.is_some() {
                continue;
            }
            let became = first_write(binding.clone(), value.clone(), echoes, device(reads)).await;
            assert_eq!(became, [Wrote::Done, Wrote::Done], "{binding:?} {reads} {echoes}");
        }
    }
}

/// It is silent to reads: the first write is not sent, and from then on it is known that nothing echoes.
#[tokio::test(start_paused = true)]
async fn a_device_that_is_silent_to_reads_is_written_the_second_time() {
    let [(coil, on), ..] = writable();
    let became = first_write(coil, on, false, |body| (body[1] == 5).then(|| body.to_vec())).await;
    assert!(matches!(became, [Wrote::NotSent, Wrote::Done]), "{became:?}");
}
