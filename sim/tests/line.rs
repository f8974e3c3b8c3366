//! The line as tokio-modbus' client, which is not ours, sees it.
use pollux_sim::{Dead, Line, Meters, WriteRecord, serve, serve_meters};
use std::{
    net::SocketAddr,
    sync::{Arc, Mutex},
};
use tokio::net::TcpListener;
use tokio_modbus::{ExceptionCode, Slave, client::tcp, prelude::*};

async fn start(writes: Arc<Mutex<Vec<WriteRecord>>>) -> (SocketAddr, Line) {
    let line = Line::new(1, 1.0, move |write| writes.lock().expect("not poisoned").push(write));
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("bound");
    tokio::spawn(serve(listener, line.clone()));
    (address, line)
}

#[tokio::test]
async fn three_units_answer_and_every_write_is_recorded() {
    let writes = Arc::default();
    let (address, _line) = start(Arc::clone(&writes)).await;
    for unit in 1..=3 {
        let mut client = tcp::connect_slave(address, Slave(unit)).await.expect("connected");
        let serial = client.read_input_registers(11, 8).await.expect("answered").expect("on the map");
        assert_eq!(serial[0], u16::from_be_bytes(*b"PX"));
        client.write_single_coil(0, unit != 2).await.expect("answered").expect("done");
        assert_eq!(client.read_coils(0, 1).await.expect("answered").expect("on the map"), [unit != 2]);
        assert_eq!(
            client.write_single_register(100, 1).await.expect("answered"),
            Err(ExceptionCode::IllegalDataAddress)
        );
    }
    let writes = writes.lock().expect("not poisoned");
    let told: Vec<_> = writes.iter().map(|w| (w.unit, w.function, w.address, w.values.clone(), w.exception)).collect();
    let expected: Vec<_> = (1..=3)
        .flat_map(|unit| [(unit, 5, 0, vec![u16::from(unit != 2)], None), (unit, 6, 100, vec![1], Some(2))])
        .collect();
    assert_eq!(told, expected);
}

#[tokio::test]
async fn a_dead_unit_is_answered_for_by_the_gateway_and_comes_back() {
    let (address, line) = start(Arc::default()).await;
    let mut client = tcp::connect_slave(address, Slave(2)).await.expect("connected");
    line.set_dead(2, Some(Dead::Exception));
    assert_eq!(client.read_coils(0, 1).await.expect("answered"), Err(ExceptionCode::GatewayTargetDevice));
    line.set_dead(2, None);
    assert_eq!(client.read_coils(0, 1).await.expect("answered"), Ok(vec![true]));
    client.set_slave(Slave(77));
    assert_eq!(client.read_coils(0, 1).await.expect("answered"), Err(ExceptionCode::GatewayTargetDevice));
}

#[tokio::test]
async fn forty_meters_are_read_with_the_model_that_is_ready_for_them() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("bound");
    tokio::spawn(serve_meters(listener, Meters::new(40, 1.0)));
    for unit in [1, 17, 40] {
        let mut client = tcp::connect_slave(address, Slave(unit)).await.expect("connected");
        let words = client.read_input_registers(70, 2).await.expect("answered").expect("on the map");
        assert_eq!(words, [0x4248, 0], "50 Hz");
    }
    let mut client = tcp::connect_slave(address, Slave(41)).await.expect("connected");
    assert_eq!(client.read_input_registers(0, 2).await.expect("answered"), Err(ExceptionCode::GatewayTargetDevice));
}
