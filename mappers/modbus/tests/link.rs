//! Reads and writes as the engine asks for them: against the simulated boiler line (tokio-modbus' server, code that is not
//! ours), whose record of writes is the oracle, and against peers that answer what a test says.
#![allow(clippy::panic, clippy::unwrap_in_result, reason = "a test")]
mod common;

use common::{answer, bits, device, number, registers, request, unit};
use pollux_crds::{
    ByteOrder, ModbusBinding,
    ModbusDataType::{Float32, Int16, String as Text, Uint16, Uint32},
    ModbusTable::{Coil, Discrete, Holding, Input},
};
use pollux_mapper::{
    Cx, Done, DriverError, ErrorKind, Fault, Instant, Link as _, Protocol, Samples, Value, Written, Wrote,
};
use pollux_modbus::{Error, Link, Modbus, Unit};
use pollux_sim::{Dead, Line, WriteRecord, serve};
use std::{
    collections::BTreeMap,
    net::SocketAddr,
    sync::{Arc, Mutex},
    time::Duration,
};
use tokio::{
    io::{DuplexStream, duplex},
    net::TcpListener,
    task::JoinHandle,
};

type Read = BTreeMap<usize, Result<Value, String>>;
type Bindings<'a> = &'a [(ModbusBinding, bool, Option<&'a str>)];

fn until() -> Instant {
    Instant::now() + Duration::from_secs(1)
}

/// What an engine does with a link: plans, reads, follows what is learned.
async fn read_all(link: &Link, unit: &Unit, due: &[usize]) -> Result<Read, Fault<Error>> {
    let (mut read, mut due) = (Read::new(), due.to_vec());
    for _ in 0..64 {
        let mut again = vec![];
        for exchange in Modbus.plan(unit, &due) {
            let mut out = Samples::default();
            match link.read(unit, &exchange, until(), &mut out).await {
                Ok(Done::Ok) => {}
                Ok(Done::Replan) => again.extend(&exchange.points),
                Err(Fault::Point(fault)) => {
                    read.extend(exchange.points.iter().map(|point| (*point, Err(fault.text.to_string()))));
                }
                Err(fault) => return Err(fault),
            }
            let told = |(slot, value, _): (pollux_mapper::Slot, Result<Value, pollux_mapper::PointFault>, _)| {
                (slot.0 as usize, value.map_err(|fault| fault.text.into_owned()))
            };
            read.extend(out.readings().map(told));
        }
        if again.is_empty() {
            return Ok(read);
        }
        again.sort_unstable();
        due = again;
    }
    panic!("it never ends");
}

async fn write(link: &Link, unit: &Unit, values: &[(usize, Value)]) -> (Vec<Wrote>, Result<(), Fault<Error>>) {
    let mut out = Written::new(values.len());
    let result = link.write(unit, values, until(), &mut out).await;
    (out.results(), result)
}

/// Unit, function, address, values, exception.
type Told = (u8, u8, u16, Vec<u16>, Option<u8>);
/// Values of one group, and the function, address and values that shall arrive.
type Case<'a> = (&'a [(usize, Value)], (u8, u16, Vec<u16>));

struct Sim {
    address: SocketAddr,
    line: Line,
    writes: Arc<Mutex<Vec<WriteRecord>>>,
    server: JoinHandle<()>,
}
impl Sim {
    async fn start() -> Self {
        Self::at(SocketAddr::from(([127, 0, 0, 1], 0))).await
    }
    async fn at(address: SocketAddr) -> Self {
        let writes: Arc<Mutex<Vec<WriteRecord>>> = Arc::default();
        let record = Arc::clone(&writes);
        let line = Line::new(1, 1.0, move |write| record.lock().expect("not poisoned").push(write));
        let listener = TcpListener::bind(address).await.expect("a free port");
        let address = listener.local_addr().expect("bound");
        let serving = serve(listener, line.clone());
        let server = tokio::spawn(async move { serving.await.expect("serves") });
        Self { address, line, writes, server }
    }
    async fn connect(&self) -> Result<Link, Error> {
        let endpoint = Modbus.endpoint(&device(self.address, 1)).expect("valid");
        Modbus.connect(&endpoint, &Cx::default()).await
    }
    fn told(&self) -> Vec<Told> {
        let mut writes = self.writes.lock().expect("not poisoned");
        writes.drain(..).map(|w| (w.unit, w.function, w.address, w.values, w.exception)).collect()
    }
}

fn text(address: i32, length: i32) -> ModbusBinding {
    ModbusBinding { length: Some(length), ..registers(Input, address, Text) }
}
fn bit(address: i32, bit: i32) -> ModbusBinding {
    ModbusBinding { bit: Some(bit), ..bits(Holding, address) }
}
fn prepared(unit_id: i32, bindings: Bindings<'_>) -> Unit {
    unit(unit_id, bindings).expect("valid")
}
fn one_register(unit_id: i32) -> Unit {
    prepared(unit_id, &[(registers(Holding, 0, Uint16), true, None)])
}

#[tokio::test]
async fn every_type_of_every_table_is_read_through_a_server_that_is_not_ours() {
    let sim = Sim::start().await;
    let link = sim.connect().await.expect("connected");
    for (unit_id, order) in [(1, ByteOrder::Abcd), (2, ByteOrder::Abcd), (3, ByteOrder::Cdab)] {
        let float = |table, address| ModbusBinding { byte_order: Some(order), ..registers(table, address, Float32) };
        let unit = prepared(
            unit_id,
            &[
                (float(Input, 0), false, None),
                (float(Holding, 0), true, None),
                (registers(Input, 4, Int16), false, None),
                (registers(Input, 9, Uint32), false, None),
                (text(11, 8), false, None),
                (bits(Coil, 0), true, None),
                (bits(Discrete, 0), false, None),
                (bit(4, 0), true, None),
                (registers(Holding, 100, Uint16), false, None),
            ],
        );
        let read = read_all(&link, &unit, &[0, 1, 2, 3, 4, 5, 6, 7, 8]).await.expect("answered");
        let value = |point: usize| read[&point].clone().expect("good");
        assert!((40.0..=70.0).contains(&number(&value(0))), "{read:?}");
        assert!((number(&value(1)) - 60.0).abs() < f64::EPSILON, "{read:?}");
        assert!((400.0..=1400.0).contains(&number(&value(2))), "{read:?}");
        assert!((100.0..=5000.0).contains(&number(&value(3))), "{read:?}");
        assert!(value(4).as_str().is_some_and(|serial| serial.starts_with("PX-") && serial.len() == 10), "{read:?}");
        assert_eq!([value(5), value(6), value(7)], [Value::Bool(true), Value::Bool(true), Value::Bool(false)]);
        assert_eq!(value(8), Value::Uint(0x0203));
    }
}

#[tokio::test]
async fn no_property_is_lost_because_its_neighbour_is_illegal() {
    let sim = Sim::start().await;
    let link = sim.connect().await.expect("connected");
    // 6 to 9 do not exist: the first read along is refused. 7 is asked for all the same.
    let unit = prepared(
        1,
        &[
            (registers(Holding, 2, Uint16), false, None),
            (registers(Holding, 5, Int16), false, None),
            (registers(Holding, 7, Uint16), false, None),
            (ModbusBinding { length: Some(8), ..registers(Holding, 10, Text) }, false, None),
        ],
    );
    for _ in 0..2 {
        let read = read_all(&link, &unit, &[0, 1, 2, 3]).await.expect("answered");
        assert_eq!(read[&0], Ok(Value::Uint(1)));
        assert_eq!(read[&1], Ok(Value::Int(20)));
        assert_eq!(read[&2], Err("Modbus exception 2: illegal data address".into()));
        assert_eq!(read[&3], Ok(Value::from("Hall 2, line 1")));
    }
}

#[tokio::test]
async fn writes_leave_by_the_function_of_their_kind_and_are_acknowledged() {
    let sim = Sim::start().await;
    let link = sim.connect().await.expect("connected");
    let unit = prepared(
        3,
        &[
            (ModbusBinding { byte_order: Some(ByteOrder::Cdab), ..registers(Holding, 0, Float32) }, true, None),
            (registers(Holding, 2, Uint16), true, None),
            (registers(Holding, 3, Uint16), true, None),
            (bits(Coil, 0), true, None),
            (bits(Coil, 1), true, None),
            (bit(4, 1), true, None),
        ],
    );
    let groups: [Case<'_>; 6] = [
        (&[(0, Value::Float(75.0))], (16, 0, vec![0, 0x4296])),
        (&[(1, Value::Int(2))], (6, 2, vec![2])),
        (&[(3, Value::Bool(false))], (5, 0, vec![0])),
        (&[(3, Value::Bool(true)), (4, Value::Bool(true))], (15, 0, vec![1, 1])),
        // In one request, though given in another order.
        (&[(2, Value::Int(80)), (0, Value::Float(70.5)), (1, Value::Int(1))], (16, 0, vec![0, 0x428D, 1, 80])),
        // Bit 0 was set by coil 1: read, changed, written back.
        (&[(5, Value::Bool(true))], (6, 4, vec![0b11])),
    ];
    for (values, (function, address, expected)) in groups {
        let (results, end) = write(&link, &unit, values).await;
        assert!(end.is_ok() && results.iter().all(|result| *result == Wrote::Done), "{results:?} {end:?}");
        let mut told = sim.told();
        told.retain(|write| (write.1, write.4) != (22, Some(1))); // asked once, and not known to it
        assert_eq!(told, [(3, function, address, expected, None)]);
    }
}

#[tokio::test]
async fn a_refused_write_says_why_and_the_rest_of_its_group_stays() {
    let sim = Sim::start().await;
    let link = sim.connect().await.expect("connected");
    let unit = prepared(
        1,
        &[
            (registers(Holding, 0, Float32), true, None),
            (registers(Holding, 100, Uint16), true, None),
            (bits(Coil, 0), true, None),
        ],
    );
    let refused = |results: &[Wrote]| match results {
        [Wrote::Refused(fault), rest @ ..] => (fault.text.to_string(), rest.to_vec()),
        other => panic!("{other:?}"),
    };
    let (results, end) = write(&link, &unit, &[(0, Value::Float(95.0))]).await;
    assert_eq!((refused(&results), end), (("Modbus exception 3: illegal data value".into(), vec![]), Ok(())));
    let (results, _) = write(&link, &unit, &[(1, Value::Int(1)), (2, Value::Bool(false))]).await;
    assert_eq!(refused(&results), ("Modbus exception 2: illegal data address".into(), vec![Wrote::NotSent]));
    assert_eq!(sim.told().iter().map(|write| write.4).collect::<Vec<_>>(), [Some(3), Some(2)]);
    // What cannot be encoded keeps its whole group from leaving.
    let (results, _) = write(&link, &unit, &[(0, Value::from("warm")), (2, Value::Bool(false))]).await;
    assert_eq!(refused(&results).1, [Wrote::NotSent]);
    assert_eq!(sim.told(), []);
}

#[tokio::test]
async fn a_dead_unit_behind_the_gateway_does_not_hurt_its_neighbours() {
    let sim = Sim::start().await;
    let link = sim.connect().await.expect("connected");
    let (dead, alive) = (one_register(2), one_register(1));
    sim.line.set_dead(2, Some(Dead::Exception));
    let fault = read_all(&link, &dead, &[0]).await;
    let Err(Fault::Device(error)) = fault else { panic!("{fault:?}") };
    assert_eq!(error.to_string(), "unit 2: Modbus exception 11: gateway target device failed to respond");
    assert_eq!(error.kind(), ErrorKind::Unreachable);
    assert!(read_all(&link, &alive, &[0]).await.is_ok());
    sim.line.set_dead(2, Some(Dead::Silent));
    assert!(matches!(read_all(&link, &dead, &[0]).await, Err(Fault::Device(Error::Silent { unit: 2, .. }))));
    assert!(read_all(&link, &alive, &[0]).await.is_ok());
    sim.line.set_dead(2, None);
    assert!(read_all(&link, &dead, &[0]).await.is_ok(), "back, on the same connection");
}

#[tokio::test]
async fn a_gateway_that_is_killed_is_noticed_while_idle_and_reached_again() {
    let sim = Sim::start().await;
    let (link, unit) = (sim.connect().await.expect("connected"), one_register(1));
    assert!(read_all(&link, &unit, &[0]).await.is_ok());
    sim.server.abort();
    let error = tokio::time::timeout(Duration::from_secs(10), link.run()).await.expect("noticed");
    assert_eq!(error.kind(), ErrorKind::Unreachable);
    assert_eq!(read_all(&link, &unit, &[0]).await, Err(Fault::Link(error)));
    let refused = sim.connect().await.err().map(|error| (error.kind(), error.to_string()));
    assert!(
        matches!(refused, Some((ErrorKind::Unreachable, text)) if text.contains("cannot connect: Connection refused"))
    );
    let again = Sim::at(sim.address).await;
    let link = again.connect().await.expect("connected again");
    assert!(read_all(&link, &unit, &[0]).await.is_ok());
}

#[tokio::test]
async fn a_reset_in_the_middle_of_a_request_costs_the_connection() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let endpoint = Modbus.endpoint(&device(listener.local_addr().expect("bound"), 1)).expect("valid");
    let resets = async {
        let (mut peer, _) = listener.accept().await.expect("a connection");
        request(&mut peer).await;
        socket2::SockRef::from(&peer).set_linger(Some(Duration::ZERO)).expect("set");
    };
    let asks = async {
        let link = Modbus.connect(&endpoint, &Cx::default()).await.expect("connected");
        read_all(&link, &one_register(1), &[0]).await
    };
    let (result, ()) = tokio::join!(asks, resets);
    assert!(matches!(&result, Err(Fault::Link(Error::Lost(text))) if text.contains("reset")), "{result:?}");
}

fn scripted() -> (Link, DuplexStream) {
    let (ours, theirs) = duplex(4096);
    (Link::new(ours, None), theirs)
}

#[tokio::test(start_paused = true)]
async fn a_write_whose_answer_is_lost_is_unknown_never_refused() {
    let lost: [(&str, Option<&[u8]>, bool); 4] = [
        ("silence", None, false),
        ("gateway lost its device", Some(&[0x86, 11]), false),
        ("in progress", Some(&[0x86, 5]), true),
        ("the device failed, perhaps half-way", Some(&[0x86, 4]), true),
    ];
    for (why, pdu, answered) in lost {
        let (link, mut peer) = scripted();
        let (unit, values) = (one_register(1), [(0, Value::Int(5))]);
        let ((results, end), ()) = tokio::join!(write(&link, &unit, &values), async {
            let (id, ..) = request(&mut peer).await;
            if let Some(pdu) = pdu {
                answer(&mut peer, id, 1, pdu).await;
            }
        });
        assert_eq!(results, [Wrote::Unknown], "{why}");
        assert!(if answered { end == Ok(()) } else { matches!(end, Err(Fault::Device(_))) }, "{why}: {end:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_acknowledgement_of_another_value_is_not_taken_for_ours() {
    let (link, mut peer) = scripted();
    let (unit, values) = (one_register(1), [(0, Value::Int(5))]);
    let ((results, end), ()) = tokio::join!(write(&link, &unit, &values), async {
        let (id, ..) = request(&mut peer).await;
        answer(&mut peer, id, 1, &[6, 0, 0, 0, 4]).await;
    });
    assert_eq!(results, [Wrote::Unknown]);
    assert!(matches!(end, Err(Fault::Device(Error::Answer { .. }))), "{end:?}");
}

#[tokio::test(start_paused = true)]
async fn bits_that_cannot_be_read_are_not_written() {
    let (link, mut peer) = scripted();
    let unit = prepared(1, &[(bit(4, 3), true, None)]);
    let values = [(0, Value::Bool(true))];
    let ((results, _), ()) = tokio::join!(write(&link, &unit, &values), async {
        let (id, _, pdu) = request(&mut peer).await;
        assert_eq!(pdu, [22, 0, 4, 0xFF, 0xF7, 0, 8], "a mask, which this device does not know");
        answer(&mut peer, id, 1, &[0x96, 1]).await;
        let (id, _, pdu) = request(&mut peer).await;
        assert_eq!(pdu, [3, 0, 4, 0, 1]);
        answer(&mut peer, id, 1, &[0x83, 2]).await;
    });
    assert!(
        matches!(&results[..], [Wrote::Refused(fault)] if fault.text == "Modbus exception 2: illegal data address")
    );
    tokio::select! {
        biased;
        _ = request(&mut peer) => panic!("it was written all the same"),
        () = tokio::time::sleep(Duration::from_secs(1)) => {}
    }
}

#[tokio::test(start_paused = true)]
async fn a_bit_is_written_by_function_22_and_one_that_nobody_answers_is_unknown_and_goes_another_way_next() {
    let (link, mut peer) = scripted();
    let unit = prepared(1, &[(bit(4, 3), true, None)]);
    let values = [(0, Value::Bool(true))];
    let ((results, end), ()) = tokio::join!(write(&link, &unit, &values), async {
        let (id, _, pdu) = request(&mut peer).await;
        answer(&mut peer, id, 1, &pdu).await;
    });
    assert!(end.is_ok() && results == [Wrote::Done], "{results:?} {end:?}");
    let ((results, end), pdu) = tokio::join!(write(&link, &unit, &values), async { request(&mut peer).await.2 });
    assert_eq!(pdu, [22, 0, 4, 0xFF, 0xF7, 0, 8]);
    assert!(!matches!(results[..], [Wrote::Done | Wrote::NotSent]), "{results:?}");
    assert!(matches!(end, Err(Fault::Device(Error::Silent { .. }))), "{end:?}");
    let ((results, end), pdu) = tokio::join!(write(&link, &unit, &values), async { request(&mut peer).await.2 });
    assert_eq!((results, pdu), (vec![Wrote::NotSent], vec![3, 0, 4, 0, 1]));
    assert!(matches!(end, Err(Fault::Device(Error::Silent { .. }))), "{end:?}");
}

#[tokio::test(start_paused = true)]
async fn a_device_that_is_busy_for_a_while_is_read_whole_again() {
    let (link, mut peer) = scripted();
    let unit =
        prepared(1, &[(registers(Holding, 0, Uint16), false, None), (registers(Holding, 1, Uint16), false, None)]);
    let busy = async {
        loop {
            let (id, ..) = request(&mut peer).await;
            answer(&mut peer, id, 1, &[0x83, 4]).await;
        }
    };
    let read =
        tokio::select! { read = read_all(&link, &unit, &[0, 1]) => read.expect("answered"), () = busy => return };
    assert!(read.values().all(|value| value.as_ref().is_err_and(|e| e == "Modbus exception 4: server device failure")));
    let well = async {
        loop {
            let (id, _, pdu) = request(&mut peer).await;
            let count = pdu[4];
            let data: Vec<u8> = (0..count).flat_map(|n| [0, pdu[2] + n]).collect();
            answer(&mut peer, id, 1, &[&[3, 2 * count], data.as_slice()].concat()).await;
        }
    };
    let cycles = async {
        for _ in 0..4 {
            let read = read_all(&link, &unit, &[0, 1]).await.expect("answered");
            assert_eq!([&read[&0], &read[&1]], [&Ok(Value::Uint(0)), &Ok(Value::Uint(1))]);
        }
    };
    tokio::select! { () = cycles => {}, () = well => {} }
    assert_eq!(Modbus.plan(&unit, &[0, 1]).len(), 1, "merged again");
}
