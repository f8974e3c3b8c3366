//! Units that answer late, on a line whose answers have no names: nothing is ever taken for another register's value.
#![allow(clippy::panic, reason = "a test")]
mod common;

use common::{registers, rtu, unit_of};
use pollux_crds::{
    ModbusBinding,
    ModbusDataType::{Uint16, Uint32},
    ModbusDevice, ModbusLimits, ModbusRtu,
    ModbusTable::Holding,
    WriteFunction,
};
use pollux_mapper::{Exchange, Fault, Instant, Job, Link as _, Protocol, Samples, Value, Written, Wrote};
use pollux_modbus::{
    Ask, Error, Link, Manners, Modbus, Settings, Wire,
    frame::{Answer, Request, rtu::Timing},
    plan::Range,
};
use proptest::prelude::*;
use std::{cell::Cell, collections::BTreeMap, time::Duration};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex},
    time::{sleep, sleep_until},
};

type Told = Result<Answer, Fault<Error>>;

const SECOND: Duration = Duration::from_secs(1);
const FOUR: Range = Range { table: Holding, start: 4, count: 1 };
/// Addresses from here on are refused.
const REFUSED: u16 = 40;

/// How a unit answers its requests one by one: after so many tenths of a time-out, or not at all.
#[derive(Debug, Clone)]
struct Habits {
    takes: Vec<Option<u64>>,
    /// To function 8: its data, an exception, or nothing.
    diagnostics: Diagnostics,
    /// It begins with the next request when it has answered the one before.
    one_by_one: bool,
}
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Diagnostics {
    Data,
    Exception,
    Nothing,
}

/// What stands at an address, so that each answer tells where it is from.
fn word(unit: u8, address: u16) -> [u8; 2] {
    [unit, u8::try_from(address).expect("small")]
}
fn bits(unit: u8, address: u16, bytes: u8) -> Vec<u8> {
    (0..bytes).map(|at| unit * 64 + u8::try_from(address).expect("small") + at).collect()
}
fn expected(unit: u8, request: &Request<'_>) -> Option<Vec<u8>> {
    match *request {
        Request::ReadHoldingRegisters(at, count) if at < REFUSED => {
            Some((at..at + count).flat_map(|at| word(unit, at)).collect())
        }
        Request::ReadCoils(at, count) if at < REFUSED => {
            Some(bits(unit, at, u8::try_from(count.div_ceil(8)).expect("few")))
        }
        _ => None,
    }
}
fn answer(frame: &[u8], diagnostics: Diagnostics) -> Option<Vec<u8>> {
    let (unit, function) = (frame[0], frame[1]);
    let (at, count) = (u16::from_be_bytes([frame[2], frame[3]]), u16::from_be_bytes([frame[4], frame[5]]));
    let request = match function {
        1 => Request::ReadCoils(at, count),
        3 => Request::ReadHoldingRegisters(at, count),
        _ => {
            assert_eq!((function, at), (8, 0), "{frame:02x?}");
            return match diagnostics {
                Diagnostics::Data => Some(rtu(&frame[..6])),
                Diagnostics::Exception => Some(rtu(&[unit, 0x88, 1])),
                Diagnostics::Nothing => None,
            };
        }
    };
    Some(match expected(unit, &request) {
        Some(data) => rtu(&[&[unit, function, u8::try_from(data.len()).expect("short")], &data[..]].concat()),
        None => rtu(&[unit, function | 0x80, 2]),
    })
}

/// The far end of the line, for ever.
async fn units(peer: &mut DuplexStream, habits: &BTreeMap<u8, Habits>, requests: &Cell<usize>) {
    let (mut frame, mut queue, mut asked) = (vec![], vec![], BTreeMap::<u8, (usize, Instant)>::new());
    loop {
        queue.sort_by_key(|(at, ..): &(Instant, usize, Vec<u8>)| *at); // stable: those of one unit stay in order
        let next = queue.first().map_or(Instant::now() + SECOND * 10_000, |(at, ..)| *at);
        tokio::select! {
            biased;
            () = sleep_until(next) => {
                let (_, _, bytes) = queue.remove(0);
                if peer.write_all(&bytes).await.is_err() { return }
            }
            byte = peer.read_u8() => {
                let Ok(byte) = byte else { return };
                frame.push(byte);
                if frame.len() < 8 { continue }
                assert_eq!(frame, rtu(&frame[..6]), "a request");
                requests.set(requests.get() + 1);
                let habit = &habits[&frame[0]];
                let (count, free) = asked.entry(frame[0]).or_insert((0, Instant::now()));
                let takes = habit.takes[*count % habit.takes.len()];
                *count += 1;
                let now = Instant::now();
                let begins = if habit.one_by_one { now.max(*free) } else { now };
                let at = (begins + SECOND * u32::try_from(takes.unwrap_or(0)).expect("small") / 10).max(*free);
                *free = at;
                if takes.is_some() && let Some(bytes) = answer(&frame, habit.diagnostics) {
                    queue.push((at, queue.len(), bytes));
                }
                frame.clear();
            }
        }
    }
}

#[derive(Debug, Clone)]
struct Step {
    unit: u8,
    request: Request<'static>,
    /// A read of another form that may be asked first.
    other: Option<Request<'static>>,
    retries: u32,
    /// Tenths of a time-out before it.
    pause: u64,
}

fn line() -> (Wire, DuplexStream) {
    let (ours, theirs) = duplex(4096);
    let settings = Settings { can_hang: false, ..Settings::rtu(Timing::serial(115_200, 11)) };
    (Wire::with(ours, settings), theirs)
}
async fn ask(wire: &Wire, step: &Step) -> Result<Answer, Fault<Error>> {
    let until = Instant::now() + (SECOND + SECOND / 10) * (step.retries + 2);
    let manners = Manners { retries: step.retries, ..Manners::once(SECOND) };
    let ask = Ask { unit: step.unit, request: &step.request, until, manners };
    let turn = wire.turn(step.unit, false, until).await?;
    wire.ask_beside(&turn, &ask, step.other.as_ref(), || ()).await
}
/// What becomes of each step.
async fn run(habits: &BTreeMap<u8, Habits>, steps: &[Step]) -> Vec<Result<Answer, Fault<Error>>> {
    counted(habits, steps).await.0.into_iter().map(|(_, told)| told).collect()
}
/// And when each was told, and how many requests were heard.
async fn counted(habits: &BTreeMap<u8, Habits>, steps: &[Step]) -> (Vec<(Duration, Told)>, usize) {
    let (wire, mut peer) = line();
    let (began, requests) = (Instant::now(), Cell::new(0));
    let asks = async {
        let mut told = vec![];
        for step in steps {
            sleep(SECOND * u32::try_from(step.pause).expect("short") / 10).await;
            let answer = ask(&wire, step).await;
            told.push((began.elapsed(), answer));
        }
        told
    };
    tokio::select! {
        told = asks => (told, requests.get()),
        error = wire.pump() => panic!("{error}"),
        () = units(&mut peer, habits, &requests) => panic!("it ended"),
    }
}
/// The law: whatever is taken for an answer is the answer to that.
fn kept(step: &Step, told: &Result<Answer, Fault<Error>>) -> bool {
    match (told, expected(step.unit, &step.request)) {
        (Ok(Answer::Data(data)), Some(right)) => **data == *right,
        (Ok(Answer::Exception(_)), None) => true,
        (Ok(_), _) => false,
        (Err(fault), _) => matches!(fault, Fault::Device(_)),
    }
}
fn paused<T>(future: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
    runtime.expect("a runtime").block_on(future)
}

fn request() -> impl Strategy<Value = (Request<'static>, Option<Request<'static>>)> {
    let at = prop_oneof![4 => 0_u16..4, 1 => REFUSED..REFUSED + 2];
    (at, 1_u16..4, any::<bool>(), any::<bool>()).prop_map(|(at, count, coils, beside)| {
        let (request, other) = if coils {
            (Request::ReadCoils(at, count * 8 - 3), Request::ReadCoils(at, count * 8 + 5))
        } else {
            (Request::ReadHoldingRegisters(at, count), Request::ReadHoldingRegisters(at, count + 1))
        };
        (request, beside.then_some(other))
    })
}
fn step() -> impl Strategy<Value = Step> {
    (1_u8..3, request(), 0_u32..4, prop_oneof![3 => Just(0_u64), 1 => 0_u64..60])
        .prop_map(|(unit, (request, other), retries, pause)| Step { unit, request, other, retries, pause })
}
fn habits() -> impl Strategy<Value = Habits> {
    let takes = prop_oneof![2 => Just(None), 3 => (0_u64..10).prop_map(Some), 3 => (10_u64..200).prop_map(Some)];
    let steady = (0_u64..200).prop_map(|takes| vec![Some(takes)]);
    let diagnostics = prop_oneof![Just(Diagnostics::Data), Just(Diagnostics::Exception), Just(Diagnostics::Nothing)];
    (prop_oneof![3 => prop::collection::vec(takes, 1..12), 1 => steady], diagnostics)
        .prop_map(|(takes, diagnostics)| Habits { takes, diagnostics, one_by_one: false })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]
    #[test]
    fn no_answer_is_taken_for_another_registers(
        one in habits(), two in habits(), steps in prop::collection::vec(step(), 1..60),
    ) {
        let told = paused(run(&[(1, one), (2, two)].into(), &steps));
        for (step, told) in steps.iter().zip(&told) {
            prop_assert!(kept(step, told), "{:?}: {:?}", step, told);
        }
    }
}

fn register(address: u16) -> Step {
    let request = Request::ReadHoldingRegisters(address, 1);
    Step { unit: 9, request, other: None, retries: 0, pause: 10 }
}
fn always(tenths: u64, diagnostics: Diagnostics) -> BTreeMap<u8, Habits> {
    [(9, Habits { takes: vec![Some(tenths)], diagnostics, one_by_one: true })].into()
}

/// It takes two and a half time-outs for each, again and again.
#[test]
fn a_unit_that_is_always_late_is_never_read_one_register_off_and_its_lateness_is_told() {
    for (diagnostics, retries) in [(Diagnostics::Data, 0), (Diagnostics::Exception, 2), (Diagnostics::Nothing, 1)] {
        let steps: Vec<Step> = (0..40).map(|n| Step { retries, ..register(n % 3) }).collect();
        let told = paused(run(&always(25, diagnostics), &steps));
        assert!(steps.iter().zip(&told).all(|(step, told)| kept(step, told)), "{told:?}");
        let late = |told: &&Result<Answer, Fault<Error>>| matches!(told, Err(Fault::Device(Error::Late { .. })));
        let words = told.iter().find(late).expect("told").as_ref().map_err(|fault| match fault {
            Fault::Device(error) => error.to_string(),
            _ => String::new(),
        });
        let words = words.expect_err("late");
        assert!(
            words.starts_with("unit 9: no answer in time: its answers come ") && words.ends_with("; raise timeout")
        );
    }
}

/// One answer is lost; from then on all is well again, at the cost of one more request.
#[test]
fn after_a_lost_answer_the_unit_is_asked_something_else_first_and_then_as_ever() {
    let takes = [vec![None], vec![Some(1); 11]].concat();
    for diagnostics in [Diagnostics::Data, Diagnostics::Exception] {
        let habits = [(9, Habits { takes: takes.clone(), diagnostics, one_by_one: true })].into();
        let steps = [register(0), register(1), register(2), register(1)];
        let (told, requests) = paused(counted(&habits, &steps));
        assert!(told[0].1.is_err() && told[1..].iter().all(|(_, told)| told.is_ok()), "{told:?}");
        assert_eq!(requests, steps.len() + 1, "{told:?}");
    }
}

/// It is silent to all it does not like, and has one form only: there is no fence. It is read again, late.
#[test]
fn a_unit_that_answers_no_fence_is_read_again_after_twenty_time_outs() {
    let takes = [vec![None], vec![Some(1); 1000]].concat();
    let habits = [(9, Habits { takes, diagnostics: Diagnostics::Nothing, one_by_one: true })].into();
    let steps: Vec<Step> = (0..60).map(|n| register(n % 2)).collect();
    let (told, _) = paused(counted(&habits, &steps));
    assert!(steps.iter().zip(&told).all(|(step, (_, told))| kept(step, told)), "{told:?}");
    assert!(told.iter().any(|(_, told)| *told == Err(Fault::Device(Error::Held { unit: 9 }))), "{told:?}");
    // The last that was asked before all was held is over after twenty time-outs, and nothing is held any more.
    let asked: Vec<usize> = (0..told.len()).filter(|n| told[*n].1.is_ok()).collect();
    let held = asked.windows(2).map(|pair| told[pair[1]].0.saturating_sub(told[pair[0]].0)).max().expect("read again");
    assert!(held > SECOND * 20 && held < SECOND * 22, "{held:?}: {told:?}");
    assert!(told[told.len() - 20..].iter().all(|(_, told)| told.is_ok()), "{told:?}");
}

#[test]
fn late_answers_are_counted() {
    paused(async {
        let (wire, mut peer) = line();
        let (habits, requests) = (always(15, Diagnostics::Data), Cell::new(0));
        let asks = async {
            for _ in 0..3 {
                assert!(ask(&wire, &register(0)).await.is_err());
                sleep(SECOND).await;
            }
            wire.late_answers()
        };
        tokio::select! {
            late = asks => assert_eq!(late, 3),
            error = wire.pump() => panic!("{error}"),
            () = units(&mut peer, &habits, &requests) => panic!("it ended"),
        }
    });
}

/// A line of 1,200 baud, 11 bits each: the longest read is on its way for 2.4 s, after half a second of thinking.
#[test]
fn on_a_slow_line_the_time_out_is_the_devices_own() {
    paused(async {
        let (ours, mut peer) = duplex(4096);
        let wire = Wire::with(ours, Settings::rtu(Timing::serial(1200, 11)));
        let character = Duration::from_micros(9167);
        let request = Request::ReadHoldingRegisters(0, 125);
        let ask = async |within| {
            let ask =
                Ask { unit: 9, request: &request, until: Instant::now() + within, manners: Manners::once(SECOND) };
            wire.ask(&ask, || ()).await
        };
        let device = async {
            let mut frame = [0; 8];
            peer.read_exact(&mut frame).await.expect("a request");
            sleep(character * 8 + SECOND / 2).await;
            for byte in rtu(&[&[9, 3, 250][..], &[7; 250]].concat()) {
                sleep(character).await;
                peer.write_all(&[byte]).await.expect("listens");
            }
        };
        let (result, ()) = tokio::join!(ask(SECOND * 4), device);
        assert_eq!(result, Ok(Answer::Data([7; 250].into())));
        let began = Instant::now();
        assert!(ask(SECOND * 100).await.is_err());
        assert!(began.elapsed() > SECOND * 3 && began.elapsed() < SECOND * 4, "{:?}", began.elapsed());
    });
}

/// The engine ends an exchange by the time that the driver says.
#[test]
fn on_a_slow_line_the_engine_waits_as_long() {
    let patience = |baud_rate, count| {
        let rtu = ModbusRtu { path: "/dev/ttyS9".into(), baud_rate, parity: None, stop_bits: None, rs485: None };
        let device = ModbusDevice { rtu: Some(rtu), unit_id: 1, ..ModbusDevice::default() };
        let unit = unit_of(&device, &[(registers(Holding, 0, Uint16), true, None)]).expect("valid");
        let exchange = Exchange { points: vec![0], request: Range { table: Holding, start: 0, count } };
        Modbus.patience(&unit, Job::Read(&exchange), SECOND)
    };
    let more = patience(Some(1200), 125).saturating_sub(patience(Some(1200), 1));
    let each = Duration::from_secs(1) * 11 * 2 * 124 / 1200;
    assert!(more.abs_diff(each * 2) < SECOND / 100, "it and the fence: {more:?}, {each:?}");
    assert!(patience(Some(1200), 1) > patience(Some(115_200), 1));
}

/// The connection breaks while an answer is awaited; a server behind which the same line is brings it on the next.
#[test]
fn what_may_still_come_is_known_on_the_next_connection_to_the_same_line() {
    paused(async {
        let open = |name: &str| {
            let (ours, theirs) = duplex(4096);
            let line = Some(name.to_owned());
            (Wire::with(ours, Settings { line, ..Settings::rtu(Timing::over_tcp()) }), theirs)
        };
        for (next, held) in [("a line", true), ("another line", false)] {
            let (wire, mut peer) = open("a line");
            assert!(ask(&wire, &register(0)).await.is_err());
            drop(wire);
            let mut frame = [0; 8];
            peer.read_exact(&mut frame).await.expect("it was sent");
            let (wire, mut peer) = open(next);
            let step = Step { other: Some(Request::ReadHoldingRegisters(1, 2)), ..register(1) };
            let (told, ()) = tokio::join!(ask(&wire, &step), async {
                peer.read_exact(&mut frame).await.expect("a request");
                assert_eq!(frame == *rtu(&[9, 3, 0, 1, 0, 2]), held, "something else first");
                if held {
                    peer.write_all(&rtu(&[9, 3, 2, 9, 0])).await.expect("listens"); // of register 0
                    peer.read_exact(&mut frame).await.expect("a request");
                }
                peer.write_all(&rtu(&[9, 3, 2, 9, 1])).await.expect("listens");
            });
            assert!(kept(&step, &told) && told.is_ok(), "{next}: {told:?}");
        }
    });
}

/// Another master, or the rest of an answer to whoever had the line before us.
#[test]
fn a_line_that_was_just_opened_is_listened_to_first() {
    paused(async {
        let (wire, mut peer) = line();
        let device = async {
            for _ in 0..10 {
                peer.write_all(&rtu(&[9, 3, 2, 0xBA, 0xD0])).await.expect("listens");
                sleep(Duration::from_millis(10)).await;
            }
            let mut frame = [0; 8];
            peer.read_exact(&mut frame).await.expect("a request");
            peer.write_all(&rtu(&[9, 3, 2, 9, 3])).await.expect("listens");
        };
        let step = register(3);
        let (told, ()) = tokio::join!(ask(&wire, &step), device);
        assert_eq!(told, Ok(Answer::Data(word(9, 3).into())));
    });
}

/// One answer is lost; what is asked next is refused, which may have been said of either: it is asked again.
#[test]
fn after_a_lost_answer_a_refusal_is_believed_the_second_time() {
    let takes = vec![None, Some(1), Some(1)];
    let habits = [(9, Habits { takes, diagnostics: Diagnostics::Data, one_by_one: true })].into();
    let refused = Step { request: Request::ReadHoldingRegisters(REFUSED, 2), ..register(0) };
    let told = paused(run(&habits, &[register(0), refused]));
    assert!(told[0].is_err() && matches!(told[1], Ok(Answer::Exception(_))), "{told:?}");
}

async fn next(peer: &mut DuplexStream) -> Vec<u8> {
    let mut frame = [0; 8];
    peer.read_exact(&mut frame).await.expect("a request");
    frame[..6].to_vec()
}
async fn say(peer: &mut DuplexStream, body: &[u8]) {
    peer.write_all(&rtu(body)).await.expect("listens");
}
fn is_late(told: &Result<Answer, Fault<Error>>) -> bool {
    assert!(matches!(told, Err(Fault::Device(Error::Late { .. } | Error::Silent { .. }))), "{told:?}");
    matches!(told, Err(Fault::Device(Error::Late { .. })))
}

/// One answer came late. Silence to what is of another form says something of that form, and an answer in time takes it back.
#[test]
fn what_came_late_once_says_nothing_of_other_forms_nor_for_ever() {
    paused(async {
        let (wire, mut peer) = line();
        let long = Step { request: Request::ReadHoldingRegisters(0, 100), ..register(0) };
        let asks = async {
            assert!(!is_late(&ask(&wire, &register(0)).await), "nothing is known yet");
            sleep(SECOND).await; // it comes
            assert!(is_late(&ask(&wire, &register(0)).await), "it may be late again");
            assert!(!is_late(&ask(&wire, &long).await), "so long it does not know");
            assert!(ask(&wire, &Step { request: Request::ReadCoils(0, 8), ..register(0) }).await.is_ok());
            assert!(ask(&wire, &register(0)).await.is_ok(), "in time");
            assert!(!is_late(&ask(&wire, &register(0)).await), "and then it was lost");
        };
        let device = async {
            next(&mut peer).await;
            sleep(SECOND * 3 / 2).await;
            say(&mut peer, &[9, 3, 2, 9, 0]).await;
            next(&mut peer).await;
            next(&mut peer).await;
            assert_eq!(next(&mut peer).await, [9, 1, 0, 0, 0, 8]);
            say(&mut peer, &[9, 1, 1, 64]).await;
            assert_eq!(next(&mut peer).await, [9, 3, 0, 0, 0, 1]);
            say(&mut peer, &[9, 3, 2, 9, 0]).await;
            next(&mut peer).await;
        };
        tokio::join!(asks, device);
    });
}

/// Function 22 is not known to it; one read was late. The bit is written all the same, by what it knows.
#[test]
fn a_late_read_does_not_keep_a_bit_from_being_written() {
    paused(async {
        let (ours, mut peer) = duplex(4096);
        let link = Link::with(ours, None, Settings::rtu(Timing::serial(115_200, 11)));
        let bit = ModbusBinding { bit: Some(3), ..common::bits(Holding, 4) };
        let unit = common::unit(9, &[(bit, true, None)]).expect("valid");
        let (values, exchange) = ([(0, Value::Bool(true))], Exchange { points: vec![0], request: FOUR });
        let asks = async {
            let until = || Instant::now() + SECOND * 4;
            assert!(link.read(&unit, &exchange, until(), &mut Samples::default()).await.is_err());
            sleep(SECOND).await; // it comes
            assert!(link.write(&unit, &values, until(), &mut Written::new(1)).await.is_err(), "silence to 22");
            let mut out = Written::new(1);
            link.write(&unit, &values, until(), &mut out).await.expect("written");
            assert_eq!(out.results(), [Wrote::Done]);
        };
        let device = async {
            next(&mut peer).await;
            sleep(SECOND * 3 / 2).await;
            say(&mut peer, &[9, 3, 2, 0, 1]).await;
            loop {
                let mut frame = next(&mut peer).await;
                match frame[1] {
                    22 => drop(peer.read_exact(&mut [0; 2]).await),
                    3 => {
                        let count = frame[5] * 2;
                        say(&mut peer, &[&[9, 3, count][..], &[0, 1].repeat(usize::from(frame[5]))].concat()).await;
                    }
                    6 => {
                        assert_eq!(frame, [9, 6, 0, 4, 0, 9]);
                        say(&mut peer, &std::mem::take(&mut frame)).await;
                        return;
                    }
                    other => panic!("function {other}"),
                }
            }
        };
        tokio::join!(asks, device);
    });
}

/// The answer to a read that was lost before a write tells of the time before the write.
#[test]
fn what_is_read_back_after_a_lost_write_is_no_earlier_answer() {
    paused(async {
        let (wire, mut peer) = line();
        let read = Step { other: Some(Request::ReadHoldingRegisters(0, 2)), ..register(0) };
        let write = Step { request: Request::WriteSingleRegister(0, 2), ..register(0) };
        let asks = async {
            assert!(ask(&wire, &read).await.is_err());
            assert!(ask(&wire, &write).await.is_err());
            ask(&wire, &read).await
        };
        let device = async {
            next(&mut peer).await;
            next(&mut peer).await;
            assert_eq!(next(&mut peer).await, [9, 3, 0, 0, 0, 2], "something else first");
            say(&mut peer, &[9, 3, 2, 0, 1]).await; // as it was
            say(&mut peer, &[9, 6, 0, 0, 0, 2]).await;
            say(&mut peer, &[9, 3, 4, 0, 2, 0, 0]).await;
            assert_eq!(next(&mut peer).await, [9, 3, 0, 0, 0, 1]);
            say(&mut peer, &[9, 3, 2, 0, 2]).await;
        };
        let (told, ()) = tokio::join!(asks, device);
        assert_eq!(told, Ok(Answer::Data([0, 2].into())));
    });
}

/// What a bit is written into is read now: an earlier answer does not know what was written since.
#[test]
fn a_bit_is_never_written_into_a_register_as_it_was_once() {
    paused(async {
        let (ours, mut peer) = duplex(4096);
        let link = Link::with(ours, None, Settings::rtu(Timing::serial(115_200, 11)));
        let bit = ModbusBinding { bit: Some(3), ..common::bits(Holding, 4) };
        let device =
            ModbusDevice { write_function: Some(WriteFunction::Single), ..common::device(common::anywhere(), 9) };
        let unit = unit_of(&device, &[(bit, true, None)]).expect("valid");
        let (values, exchange) = ([(0, Value::Bool(true))], Exchange { points: vec![0], request: FOUR });
        let asks = async {
            let until = || Instant::now() + SECOND * 8;
            assert!(link.read(&unit, &exchange, until(), &mut Samples::default()).await.is_err());
            let mut out = Written::new(1);
            link.write(&unit, &values, until(), &mut out).await.expect("written");
            assert_eq!(out.results(), [Wrote::Done]);
        };
        let device = async {
            assert_eq!(next(&mut peer).await, [9, 3, 0, 4, 0, 1]);
            assert_ne!(next(&mut peer).await, [9, 3, 0, 4, 0, 1], "something else first");
            say(&mut peer, &[9, 3, 2, 0, 0]).await; // as it was
            assert_eq!(next(&mut peer).await, [9, 3, 0, 4, 0, 1]);
            say(&mut peer, &[9, 3, 2, 0, 16]).await;
            assert_eq!(next(&mut peer).await, [9, 6, 0, 4, 0, 24]);
            say(&mut peer, &[9, 6, 0, 4, 0, 24]).await;
        };
        tokio::join!(asks, device);
    });
}

#[test]
fn late_answers_are_counted_by_the_connection_on_which_they_came() {
    paused(async {
        let open = || {
            let (ours, theirs) = duplex(4096);
            let line = Some("a line that is late".to_owned());
            (Wire::with(ours, Settings { line, ..Settings::rtu(Timing::over_tcp()) }), theirs)
        };
        let (wire, mut peer) = open();
        assert!(ask(&wire, &register(0)).await.is_err());
        say(&mut peer, &[9, 3, 2, 9, 0]).await;
        assert!(ask(&wire, &register(0)).await.is_err());
        assert_eq!(wire.late_answers(), 1);
        drop(wire);
        let (wire, mut peer) = open();
        assert_eq!(wire.late_answers(), 0);
        say(&mut peer, &[9, 3, 2, 9, 0]).await;
        assert!(ask(&wire, &register(0)).await.is_err());
        assert_eq!(wire.late_answers(), 1, "what the connection before had asked");
    });
}

/// Nothing may be read along, and single registers have no shorter read: a value of another length is asked for in between.
#[test]
fn where_nothing_may_be_read_along_another_value_of_the_unit_is_read_first() {
    for alone in [None, Some(true)] {
        paused(async {
            let (ours, mut peer) = duplex(4096);
            let link = Link::with(ours, None, Settings::rtu(Timing::serial(115_200, 11)));
            let limits = Some(ModbusLimits { gap: Some(0), ..ModbusLimits::default() });
            let device = ModbusDevice { limits, ..common::device(common::anywhere(), 9) };
            let one = |address| ModbusBinding { alone, ..registers(Holding, address, Uint16) };
            let bindings = [one(0), one(10), registers(Holding, 20, Uint32)].map(|binding| (binding, true, None));
            let unit = unit_of(&device, &bindings).expect("valid");
            let asks = async {
                let (until, mut out) = (|| Instant::now() + SECOND * 4, Samples::default());
                let read =
                    |at, start| Exchange { points: vec![at], request: Range { table: Holding, start, count: 1 } };
                assert!(link.read(&unit, &read(0, 0), until(), &mut out).await.is_err());
                assert!(link.read(&unit, &read(1, 10), until(), &mut out).await.is_ok());
                assert!(link.read(&unit, &read(0, 0), until(), &mut out).await.is_err());
                let mut out = Written::new(1);
                link.write(&unit, &[(1, Value::Int(7))], until(), &mut out).await.expect("written");
            };
            let device = async {
                next(&mut peer).await;
                assert_eq!(next(&mut peer).await, [9, 3, 0, 20, 0, 2], "something else first");
                say(&mut peer, &[9, 3, 4, 0, 0, 0, 20]).await;
                assert_eq!(next(&mut peer).await, [9, 3, 0, 10, 0, 1]);
                say(&mut peer, &[9, 3, 2, 0, 10]).await;
                assert_eq!(next(&mut peer).await, [9, 3, 0, 0, 0, 1]);
                assert_eq!(next(&mut peer).await, [9, 6, 0, 10, 0, 7]);
                say(&mut peer, &[9, 6, 0, 10, 0, 7]).await;
            };
            tokio::join!(asks, device);
        });
    }
}

/// The same write again may be done twice, and its first acknowledgement pass for the second: something is read first.
#[test]
fn before_a_write_that_was_lost_what_it_writes_is_read() {
    paused(async {
        let (ours, mut peer) = duplex(4096);
        let link = Link::with(ours, None, Settings::rtu(Timing::serial(115_200, 11)));
        let unit = common::unit(9, &[(registers(Holding, 0, Uint16), true, None)]).expect("valid");
        let values = [(0, Value::Int(7))];
        let exchange = Exchange { points: vec![0], request: Range { table: Holding, start: 0, count: 1 } };
        let asks = async {
            let until = || Instant::now() + SECOND * 4;
            link.read(&unit, &exchange, until(), &mut Samples::default()).await.expect("read");
            assert!(link.write(&unit, &values, until(), &mut Written::new(1)).await.is_err());
            link.write(&unit, &values, until(), &mut Written::new(1)).await.expect("written");
        };
        let device = async {
            next(&mut peer).await;
            say(&mut peer, &[9, 3, 2, 0, 0]).await;
            assert_eq!(next(&mut peer).await, [9, 6, 0, 0, 0, 7]);
            assert_eq!(next(&mut peer).await, [9, 3, 0, 0, 0, 2]);
            say(&mut peer, &[9, 0x83, 2]).await;
            assert_eq!(next(&mut peer).await, [9, 6, 0, 0, 0, 7]);
            say(&mut peer, &[9, 6, 0, 0, 0, 7]).await;
        };
        tokio::join!(asks, device);
    });
}
