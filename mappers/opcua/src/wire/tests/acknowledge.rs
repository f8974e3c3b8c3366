//! What may be said to Hello (Part 6, 7.1.2).
use super::*;
use crate::error::{Code, Error};
use opcua::{
    core::comms::tcp_types::ErrorMessage,
    types::{SimpleBinaryEncodable as _, StatusCode},
};

async fn said(bytes: Vec<u8>) -> Error {
    let world = World { acknowledge: Some(bytes), ..World::plant() };
    let liar = Liar::with(world, |_| vec![Say::Good]).await;
    let until = Instant::now() + Duration::from_millis(500);
    How { until, ..How::plain() }.open(&liar).await.expect_err("no channel")
}
fn acknowledged(numbers: [u32; 5]) -> Vec<u8> {
    let mut bytes = b"ACKF\x1C\0\0\0".to_vec();
    bytes.extend(numbers.iter().flat_map(|number| number.to_le_bytes()));
    bytes
}

#[tokio::test]
async fn a_refusal_is_told_with_its_code_and_words_without_control_characters() {
    let refusal = ErrorMessage::new(StatusCode::BadTcpServerTooBusy, "come\n\u{1b}[31m later");
    let ended = said(refusal.encode_to_vec()).await;
    let text = "come[31m later".to_owned();
    assert_eq!(ended, Error::Ended { code: Code::from(StatusCode::BadTcpServerTooBusy), text });
}
#[tokio::test]
async fn words_of_a_server_are_cut() {
    let Error::Ended { text, .. } =
        said(ErrorMessage::new(StatusCode::BadTimeout, &"x".repeat(4_000)).encode_to_vec()).await
    else {
        panic!("not what it said")
    };
    assert!(text.len() < 300, "{}", text.len());
}
#[tokio::test]
async fn what_is_not_opc_ua_is_said_to_be_so() {
    for bytes in [
        b"HTTP/1.1 400 Bad Request\r\n\r\n".to_vec(),
        b"SSH-2.0-OpenSSH_9.6\r\n".to_vec(),
        acknowledged([0, 8_191, 65_536, 0, 0]), // frames smaller than allowed
        b"ACKF\xFF\xFF\xFF\xFF".to_vec(),
        b"OPNF\x20\0\0\0".to_vec(),
    ] {
        let words = String::from_utf8_lossy(&bytes).into_owned();
        assert!(matches!(said(bytes).await, Error::Nonsense(_)), "{words:?}");
    }
}
#[tokio::test]
async fn half_an_answer_is_silence() {
    assert_eq!(said(acknowledged([0, 65_536, 65_536, 0, 0])[..20].to_vec()).await, Error::Silent("Hello"));
}
#[tokio::test]
async fn no_answer_to_the_opening_is_silence_and_leaves_nothing() {
    let liar = liar(|_| vec![]).await;
    let until = Instant::now() + Duration::from_millis(200);
    let silent = How { until, ..How::plain() }.open(&liar).await.expect_err("no channel");
    assert_eq!(silent, Error::Silent("OpenSecureChannel"));
    let gone = async {
        while liar.open() > 0 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(PATIENCE, gone).await.expect("its connection is closed");
}
#[tokio::test]
async fn nobody_there_is_told_with_the_place() {
    let liar = liar(|_| vec![Say::Good]).await;
    let address = liar.address;
    liar.refuse(true);
    let closed = open(&liar).await.expect_err("no channel");
    assert!(matches!(closed, Error::Closed(_)), "{closed}");
    drop(liar);
    let gone = async {
        loop {
            let (host, port) = (address.ip().to_string(), address.port());
            let endpoint = EndpointDescription {
                security_mode: MessageSecurityMode::None,
                security_policy_uri: SecurityPolicy::None.to_uri().into(),
                ..EndpointDescription::default()
            };
            let (limits, lifetime, until) = (Limits::default(), Duration::from_mins(1), until());
            let dial = Dial { host: &host, port, url: "", endpoint: &endpoint, own: None, limits, lifetime, until };
            if let Err(Error::Dial { place, .. }) = Wire::open(&dial).await {
                return place;
            }
        }
    };
    let place = tokio::time::timeout(PATIENCE, gone).await.expect("its port is closed");
    assert_eq!(place, address.to_string());
}
#[tokio::test]
async fn the_server_is_told_which_url_was_dialled() {
    let liar = liar(|_| vec![Say::Good]).await;
    open(&liar).await.expect("it opens");
    assert_eq!(liar.world().hellos, [liar.url()]);
}
