//! Channels that are signed and encrypted, and servers that are not who they should be.
use super::*;
use crate::error::Error;
use MessageSecurityMode::{Sign, SignAndEncrypt};
use opcua::core::ResponseMessage;

#[tokio::test]
async fn values_are_read_under_each_policy_and_mode() {
    let liar = secured_liar(to("Read", |_| vec![Say::Pieces(50)])).await;
    for policy in
        [SecurityPolicy::Basic256Sha256, SecurityPolicy::Aes128Sha256RsaOaep, SecurityPolicy::Aes256Sha256RsaPss]
    {
        for mode in [Sign, SignAndEncrypt] {
            let wire = How { policy, ..How::secured(mode) }.open(&liar).await.expect("it opens");
            let came = read(&wire, &values(&["Speed", "Name"])).await.expect("answered");
            assert_eq!(came, [Variant::Double(1.5), Variant::from("press")], "{policy:?} {mode:?}");
        }
    }
}

#[tokio::test]
async fn an_unsigned_opening_is_no_channel() {
    let liar = secured_liar(to("OpenSecureChannel", |_| vec![Say::Unsigned])).await;
    for mode in [Sign, SignAndEncrypt] {
        let refused = How::secured(mode).open(&liar).await.expect_err("no channel");
        assert!(matches!(refused, Error::Security(_)) && refused.to_string().contains("another policy"), "{refused}");
    }
}

#[tokio::test]
async fn an_opening_by_another_certificate_is_no_channel() {
    let liar = secured_liar(|_| vec![Say::Good]).await;
    let server = certificate("urn:other").0.as_byte_string();
    let refused = How { server, ..How::secured(SignAndEncrypt) }.open(&liar).await.expect_err("no channel");
    // The request was encrypted for a key that this server has not: it hangs up, and a cleverer one would show its own certificate.
    assert!(matches!(refused, Error::Closed(_) | Error::Security(_)), "{refused}");
}

#[tokio::test]
async fn a_message_bent_on_its_way_ends_the_link() {
    for (at, mode) in [(30, Sign), (30, SignAndEncrypt), (60, SignAndEncrypt)] {
        let liar = secured_liar(|_| vec![Say::Good]).await;
        let wire = How::secured(mode).open(&liar).await.expect("it opens");
        liar.script(to("Read", move |_| vec![Say::Flip(at), Say::Good]));
        read(&wire, &values(&["Speed"])).await.expect_err("not an answer");
        let end = ended(&wire).await;
        assert!(end.to_string().contains("not secured as it must be"), "{mode:?}: {end}");
    }
}

#[tokio::test]
async fn a_nonce_of_another_length_is_no_channel() {
    for length in [0, 16, 31, 33, 4096] {
        let liar = secured_liar(to("OpenSecureChannel", move |_| {
            vec![Say::Bent(Box::new(move |answer| {
                if let ResponseMessage::OpenSecureChannel(opened) = answer {
                    opened.server_nonce = ByteString::from(vec![7; length]);
                }
            }))]
        }))
        .await;
        let refused = How::secured(SignAndEncrypt).open(&liar).await.expect_err("no channel");
        assert!(matches!(refused, Error::Nonsense(_)) && refused.to_string().contains("nonce"), "{length}: {refused}");
    }
}
