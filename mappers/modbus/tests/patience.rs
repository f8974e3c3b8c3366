//! A write of several requests has the time of several.
mod common;

use common::{answer, bits, registers, request, unit};
use pollux_crds::{
    ModbusBinding,
    ModbusDataType::Uint16,
    ModbusTable::{Coil, Holding},
};
use pollux_mapper::{Exchange, Fault, Instant, Job, Link as _, Protocol, Value, Written, Wrote};
use pollux_modbus::{Error, Link, Modbus, Unit};
use std::time::Duration;
use tokio::{io::duplex, time::sleep};

const TIMEOUT: Duration = Duration::from_secs(1);
/// A device that is busy is asked three more times.
const BUSY: Duration = Duration::from_millis(300);

fn bit(address: i32, bit: i32) -> ModbusBinding {
    ModbusBinding { bit: Some(bit), ..bits(Holding, address) }
}
fn mixed() -> Unit {
    let bindings = [bit(4, 3), bit(4, 4), bit(9, 0), registers(Holding, 20, Uint16), bits(Coil, 0)];
    unit(1, &bindings.map(|binding| (binding, true, None))).expect("valid")
}
fn patience(values: &[(usize, Value)]) -> Duration {
    Modbus.patience(&mixed(), Job::Write(values), TIMEOUT)
}

#[test]
fn each_request_has_its_time_out() {
    let on = |point| (point, Value::Bool(true));
    for (values, requests) in [
        (vec![on(0)], 3),
        (vec![on(0), on(1)], 3),
        (vec![on(0), on(2)], 6),
        (vec![(3, Value::Int(5))], 1),
        (vec![on(4)], 1),
        (vec![(3, Value::Int(70_000))], 1), // refused before it is sent
    ] {
        assert_eq!(patience(&values), (TIMEOUT + BUSY) * requests, "{values:?}");
    }
    let plan: Vec<Exchange<_>> = Modbus.plan(&mixed(), &[0]);
    assert_eq!(Modbus.patience(&mixed(), Job::Read(&plan[0]), TIMEOUT), TIMEOUT + BUSY);
}

#[tokio::test(start_paused = true)]
async fn a_slow_device_acknowledges_a_bit_in_time() {
    let (ours, mut peer) = duplex(4096);
    let (link, values, mut out) = (Link::new(ours, None), [(0, Value::Bool(true))], Written::new(1));
    let until = Instant::now() + patience(&values);
    let device = async {
        for pdu in [&[0x96, 1][..], &[3, 2, 0, 0], &[6, 0, 4, 0, 8]] {
            let (id, ..) = request(&mut peer).await;
            sleep(TIMEOUT * 7 / 10).await;
            answer(&mut peer, id, 1, pdu).await;
        }
    };
    let unit = mixed();
    let (done, ()) = tokio::join!(link.write(&unit, &values, until, &mut out), device);
    assert_eq!((done, out.results()), (Ok(()), vec![Wrote::Done]));
}

#[tokio::test(start_paused = true)]
async fn a_silent_device_costs_one_time_out() {
    let (ours, _peer) = duplex(4096);
    let (link, values, mut out) = (Link::new(ours, None), [(0, Value::Bool(true))], Written::new(1));
    let (unit, until, began) = (mixed(), Instant::now() + patience(&values), Instant::now());
    let done = link.write(&unit, &values, until, &mut out).await;
    assert!(matches!(done, Err(Fault::Device(Error::Silent { .. }))), "{done:?}");
    assert_eq!(began.elapsed(), TIMEOUT);
}
