//! Modbus/TCP Security against a server that verifies its clients: what right certificates open, and what is said of wrong ones.
//! The frames behind it are tokio-modbus' own.
#![allow(clippy::panic, reason = "a test")]
mod common;
mod pki;

use common::{registers, unit};
use pki::{Authority, GONE, Leaf, NEVER, PEER, cx, device};
use pollux_crds::{ModbusDataType::Uint16, ModbusDevice, ModbusTable::Holding, ModbusTls};
use pollux_mapper::{
    Command, Cx, DeviceKey, DeviceSpec, DriverError, Engine, ErrorKind, Fault, Instant, Interval, Link as _,
    OFFLINE_AFTER, PointSpec, Protocol, Samples, queue,
};
use pollux_modbus::Modbus;
use pollux_sim::{Line, serve};
use std::{net::SocketAddr, sync::Arc, time::Duration};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, copy_bidirectional},
    net::{TcpListener, TcpStream},
    sync::{oneshot, watch},
    time::timeout,
};
use tokio_rustls::{
    TlsAcceptor,
    rustls::{SupportedProtocolVersion, version::TLS12, version::TLS13},
};
use tokio_util::sync::CancellationToken;

/// A server: where it listens, and the certificates of the clients that it let in.
struct Server {
    address: SocketAddr,
    clients: watch::Receiver<Vec<Vec<u8>>>,
}

impl Server {
    async fn start(leaf: &Leaf, clients: &Authority, version: &'static SupportedProtocolVersion) -> Self {
        let line = Line::new(1, 1.0, |_| ());
        let plain = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let behind = plain.local_addr().expect("bound");
        tokio::spawn(async move { serve(plain, line).await.expect("serves") });
        let acceptor = TlsAcceptor::from(Arc::new(pki::server(leaf, clients, version)));
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("bound");
        let (seen, clients) = watch::channel(vec![]);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (acceptor, seen) = (acceptor.clone(), seen.clone());
                tokio::spawn(async move { pass(acceptor, stream, behind, &seen).await });
            }
        });
        Self { address, clients }
    }
    async fn with(leaf: &Leaf, clients: &Authority) -> Self {
        Self::start(leaf, clients, &TLS13).await
    }
}

/// Whom it does not let in has heard why.
async fn pass(acceptor: TlsAcceptor, stream: TcpStream, behind: SocketAddr, seen: &watch::Sender<Vec<Vec<u8>>>) {
    let Ok(mut secure) = acceptor.accept(stream).await else { return };
    let shown =
        secure.get_ref().1.peer_certificates().and_then(|chain| chain.first()).expect("it was asked for").to_vec();
    seen.send_modify(|all| all.push(shown));
    let mut plain = TcpStream::connect(behind).await.expect("the line listens");
    copy_bidirectional(&mut secure, &mut plain).await.ok(); // either side may leave
}

/// Connects and reads a register; what is said where that fails.
async fn attempt(device: &ModbusDevice, cx: &Cx) -> Result<(), (ErrorKind, String)> {
    let told = |error: &pollux_modbus::Error| (error.kind(), error.to_string());
    let endpoint = Modbus.endpoint(device).map_err(|error| (ErrorKind::Config, error.text.clone()))?;
    let link = Modbus.connect(&endpoint, cx).await.map_err(|error| told(&error))?;
    let unit = unit(1, &[(registers(Holding, 0, Uint16), false, None)]).expect("valid");
    let exchange = Modbus.plan(&unit, &[0]).remove(0);
    let (until, mut out) = (Instant::now() + Duration::from_secs(5), Samples::default());
    match link.read(&unit, &exchange, until, &mut out).await {
        Ok(_) => Ok(()),
        Err(Fault::Link(error) | Fault::Device(error)) => Err(told(&error)),
        Err(Fault::Point(fault)) => panic!("{fault:?}"),
    }
}
async fn says(device: &ModbusDevice, cx: &Cx, kind: ErrorKind, words: &str) {
    let (found, said) = attempt(device, cx).await.expect_err(words);
    assert!(said.contains(words), "{said:?} does not say {words:?}");
    assert_eq!(found, kind, "{said}");
}
fn with(address: SocketAddr, change: impl FnOnce(&mut ModbusTls)) -> ModbusDevice {
    let mut device = device(address);
    change(device.tls.as_mut().expect("TLS"));
    device
}

#[tokio::test]
async fn with_right_certificates_values_are_read_and_the_role_arrives() {
    let plant = Authority::new("Plant");
    // SEQUENCE { OID 1.3.6.1.4.1.50316.802.1, OCTET STRING { UTF8String "Operator" } }, by hand.
    let mut role = vec![0x30, 0x19, 0x06, 0x0b, 0x2b, 0x06, 0x01, 0x04, 0x01, 0x83, 0x89, 0x0c, 0x86, 0x22, 0x01];
    role.extend([0x04, 0x0a, 0x0c, 0x08]);
    role.extend(b"Operator");
    for version in [&TLS12, &TLS13] {
        let server = Server::start(&plant.server(PEER, NEVER), &plant, version).await;
        attempt(&device(server.address), &cx(&plant.client(NEVER, Some("Operator")), &plant)).await.expect("open");
        let shown = server.clients.borrow()[0].clone();
        assert!(shown.windows(role.len()).any(|part| part == role), "{version:?}: {shown:02x?}");
        attempt(&device(server.address), &cx(&plant.client(NEVER, None), &plant)).await.expect("open without a role");
        let shown = server.clients.borrow()[1].clone();
        assert!(!shown.windows(11).any(|part| part == &role[4..15]));
    }
}

#[tokio::test]
async fn a_server_that_is_not_the_right_one_is_told_by_what_is_wrong_with_it() {
    let (plant, other) = (Authority::new("Plant"), Authority::new("Other"));
    let ours = cx(&plant.client(NEVER, None), &plant);
    let of_other = Server::with(&other.server(PEER, NEVER), &plant).await;
    let unknown = "the server's certificate is not from an issuer in ca.crt of Secret plant/plc";
    says(&device(of_other.address), &ours, ErrorKind::Denied, unknown).await;
    let gone = Server::with(&plant.server(PEER, GONE), &plant).await;
    let expired = "the server's certificate expired on 2025-02-01 00:00:00 UTC";
    says(&device(gone.address), &ours, ErrorKind::Denied, expired).await;
    let renamed = Server::with(&plant.server("other-plc", NEVER), &plant).await;
    let name = "the server's certificate is not for 127.0.0.1 but for other-plc; serverName says which it must have";
    says(&device(renamed.address), &ours, ErrorKind::Denied, name).await;
    attempt(&with(renamed.address, |tls| tls.server_name = Some("Other-PLC".into())), &ours)
        .await
        .expect("its own name");
    for (server, what) in [(&of_other, "issuer"), (&gone, "time"), (&renamed, "name")] {
        let trusting = with(server.address, |tls| tls.insecure_skip_verify = Some(true));
        attempt(&trusting, &ours).await.unwrap_or_else(|error| panic!("{what}: {error:?}"));
    }
}

#[tokio::test]
async fn a_client_that_the_server_refuses_is_told_why_in_both_versions_of_tls() {
    let (plant, other) = (Authority::new("Plant"), Authority::new("Other"));
    for version in [&TLS12, &TLS13] {
        let server = Server::start(&plant.server(PEER, NEVER), &plant, version).await;
        for (client, why) in [
            (plant.client(GONE, None), "valid until 2025-02-01 00:00:00 UTC): it has expired"),
            (other.client(NEVER, None), "it does not trust who issued it"),
        ] {
            let (kind, said) = attempt(&device(server.address), &cx(&client, &plant)).await.expect_err("not let in");
            assert_eq!(kind, ErrorKind::Denied, "{said}");
            let begins = "the server refused our certificate (tls.crt of Secret plant/plc";
            assert!(said.contains(begins) && said.ends_with(why), "{version:?}: {said}");
        }
        assert!(server.clients.borrow().is_empty());
    }
}

#[tokio::test]
async fn what_is_wrong_in_a_secret_is_named_with_its_key_and_nothing_of_it_is_shown() {
    let (plant, other) = (Authority::new("Plant"), Authority::new("Other"));
    let client = plant.client(NEVER, None);
    let server = Server::with(&plant.server(PEER, NEVER), &plant).await;
    let good = cx(&client, &plant);
    let change = |key: &str, content: Option<&str>| {
        let mut cx = good.clone();
        let key = format!("plant.plc.{key}");
        match content {
            Some(content) => drop(cx.secrets.insert(key, content.as_bytes().to_vec())),
            None => drop(cx.secrets.remove(&key)),
        }
        cx
    };
    let stranger = other.client(NEVER, None);
    for (key, content, words) in [
        ("tls.crt", None, "Secret plant/plc: tls.crt is not there"),
        ("ca.crt", None, "Secret plant/plc: ca.crt is not there"),
        ("tls.key", None, "Secret plant/plc: tls.key is not there"),
        ("tls.crt", Some("hunter2"), "Secret plant/plc: tls.crt holds no certificate in PEM"),
        ("ca.crt", Some(client.key.as_str()), "Secret plant/plc: ca.crt holds no certificate in PEM"),
        ("tls.key", Some("hunter2"), "Secret plant/plc: tls.key holds no private key in PEM that is not encrypted"),
        ("tls.key", Some(&stranger.key), "Secret plant/plc: tls.key is not the key of the certificate in tls.crt"),
    ] {
        says(&device(server.address), &change(key, content), ErrorKind::Config, words).await;
    }
    let said = attempt(&device(server.address), &change("tls.key", Some("hunter2"))).await.expect_err("no key").1;
    assert!(!said.contains("hunter2"));
    let endpoint = Modbus.endpoint(&device(server.address)).expect("valid");
    let link = Modbus.connect(&endpoint, &good).await.expect("open");
    let shown = format!("{endpoint:?} {link:?} {good:?}");
    let inside = client.key.lines().nth(1).expect("a line of base64");
    assert!(!shown.contains("PRIVATE") && !shown.contains(inside), "{shown}");
}

#[tokio::test]
async fn what_speaks_no_tls_or_too_old_one_is_told_so() {
    let plant = Authority::new("Plant");
    let ours = cx(&plant.client(NEVER, None), &plant);
    // Alert protocol_version of TLS 1.1 (RFC 4346, 7.2), by hand.
    for (answer, kind, words) in [
        (
            &b"HTTP/1.1 400 Bad Request\r\n\r\n"[..],
            ErrorKind::Denied,
            "does not speak TLS: is it the port of plain Modbus TCP?",
        ),
        (&[0x15, 0x03, 0x02, 0x00, 0x02, 0x02, 0x46], ErrorKind::Denied, "only versions of TLS before 1.2"),
        (&[], ErrorKind::Denied, "the server hung up in the handshake"),
    ] {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("bound");
        let peer = tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.expect("somebody comes");
            let mut hello = [0; 1024];
            let count = stream.read(&mut hello).await.expect("it speaks first");
            assert_eq!(hello[0], 0x16, "a handshake, of {count} bytes");
            stream.write_all(answer).await.expect("it listens");
            stream.shutdown().await.expect("it is open");
            while stream.read(&mut hello).await.is_ok_and(|count| count > 0) {}
        });
        says(&device(address), &ours, kind, words).await;
        peer.await.expect("no panic");
    }
}

#[test]
fn an_endpoint_has_names_and_a_name_that_cannot_be_one_is_refused() {
    let address = SocketAddr::from(([127, 0, 0, 1], 802));
    let endpoint = Modbus.endpoint(&device(address)).expect("valid");
    assert_eq!(endpoint.to_string(), "tls://127.0.0.1:802");
    assert_eq!(Modbus.secrets(&endpoint), Some(vec!["plant.plc".to_owned()]));
    let plain = Modbus.endpoint(&common::device(address, 1)).expect("valid");
    assert_eq!(Modbus.secrets(&plain), Some(vec![]), "a rotation is none of its business");
    let wrong = with(address, |tls| tls.server_name = Some("-plc.".into()));
    let error = Modbus.endpoint(&wrong).expect_err("no name");
    assert_eq!(error.text, "tls.serverName is -plc., must be a host name or an IP address");
}

#[tokio::test]
async fn a_rotated_secret_is_dialled_with_and_the_device_is_read_on() {
    let plant = Authority::new("Plant");
    let server = Server::with(&plant.server(PEER, NEVER), &plant).await;
    let (first, second) = (plant.client(NEVER, Some("Viewer")), plant.client(NEVER, Some("Operator")));
    let endpoint = Modbus.endpoint(&device(server.address)).expect("valid");
    let (telemetry, _rows) = pollux_mapper::telemetry(64);
    let (engine, _status) = Engine::new(Arc::new(Modbus), endpoint, telemetry);
    let (tell, told) = queue(8);
    let stop = CancellationToken::new();
    let engine = tokio::spawn(engine.run(told, Arc::new(cx(&first, &plant)), stop.clone()));
    let point = PointSpec {
        name: "p".into(),
        address: registers(Holding, 0, Uint16),
        interval: Interval::Every(Duration::from_millis(50)),
        readable: true,
        writable: false,
        event: false,
        read_group: None,
    };
    let spec = DeviceSpec {
        key: DeviceKey(1),
        name: "d".into(),
        wiring: 1,
        config: device(server.address),
        points: [point].into(),
        timeout: Duration::from_secs(1),
        offline_after: OFFLINE_AFTER,
    };
    let (reply, taken) = oneshot::channel();
    tell.send(Box::new(Command::Apply { spec: Box::new(spec), reply })).await.expect("it runs");
    taken.await.expect("it answers").expect("valid");
    let mut clients = server.clients.clone();
    let mut until = async |count: usize| {
        let came = timeout(Duration::from_secs(20), clients.wait_for(|all| all.len() >= count)).await;
        came.expect("dialled").expect("it serves").clone()
    };
    assert_eq!(until(1).await, std::slice::from_ref(&first.der));
    let rotated = Cx { rotation: 1, ..cx(&second, &plant) };
    tell.send(Box::new(Command::Context(Arc::new(rotated)))).await.expect("it runs");
    assert_eq!(until(2).await, [first.der.clone(), second.der.clone()]);
    stop.cancel();
    drop(engine.await.expect("it ends"));
}
