//! A dial that nobody answers.
mod common;

use common::device;
use pollux_crds::{ModbusDevice, Span};
use pollux_mapper::{Cx, DriverError, ErrorKind, Protocol};
use pollux_modbus::Modbus;
use std::{net::TcpStream, time::Duration};
use tokio::net::TcpSocket;

#[tokio::test]
async fn a_gateway_that_does_not_answer_the_dial_is_told_with_the_time_it_had() {
    let socket = TcpSocket::new_v4().expect("a socket");
    socket.bind("127.0.0.1:0".parse().expect("an address")).expect("a free port");
    let listener = socket.listen(1).expect("listens");
    let address = listener.local_addr().expect("bound");
    // Nobody takes from its queue: once that is full, the system answers no more.
    let dial = || TcpStream::connect_timeout(&address, Duration::from_millis(300));
    let queued: Vec<TcpStream> = std::iter::from_fn(|| dial().ok()).collect();
    let allowed = Span::from_millis(200);
    let config = ModbusDevice { connect_timeout: Some(allowed), ..device(address, 1) };
    let endpoint = Modbus.endpoint(&config).expect("valid");
    let error = Modbus.connect(&endpoint, &Cx::default()).await.expect_err("nobody answers");
    assert_eq!(error.kind(), ErrorKind::Timeout);
    assert!(error.to_string().contains("200ms"), "{error}");
    drop(queued);
}
