//! Tokens, renewed in time and by our own clock (Part 4, 5.6.2).
use super::*;
use crate::error::Error;
use opcua::core::{RequestMessage, ResponseMessage};
use opcua::types::SecurityTokenRequestType;

const SHORT: Duration = Duration::from_secs(1);

fn renewals(liar: &Liar) -> usize {
    let opened = liar.heard_of("OpenSecureChannel");
    let renewed = opened.iter().filter(|heard| match &heard.request {
        RequestMessage::OpenSecureChannel(open) => open.request_type == SecurityTokenRequestType::Renew,
        _ => false,
    });
    renewed.count()
}
fn bent(bend: impl Fn(&mut opcua::types::OpenSecureChannelResponse) + Send + Clone + 'static) -> Say {
    Say::Bent(Box::new(move |answer| {
        if let ResponseMessage::OpenSecureChannel(opened) = answer {
            bend(opened);
        }
    }))
}

#[tokio::test]
async fn a_token_of_a_second_is_renewed_while_values_are_read() {
    for mode in [MessageSecurityMode::None, MessageSecurityMode::SignAndEncrypt] {
        let liar = secured_liar(|_| vec![Say::Good]).await;
        let how = if mode == MessageSecurityMode::None { How::plain() } else { How::secured(mode) };
        let wire = How { lifetime: SHORT, ..how }.open(&liar).await.expect("it opens");
        let read_on = async {
            while renewals(&liar) < 2 {
                assert_eq!(read(&wire, &values(&["Speed"])).await.expect("answered"), [Variant::Double(1.5)]);
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
            read(&wire, &values(&["Speed"])).await.expect("answered");
        };
        tokio::time::timeout(PATIENCE, read_on).await.expect("it is renewed");
        assert_eq!(liar.accepted(), 1);
    }
}

#[tokio::test]
async fn the_lifetime_that_the_server_grants_counts() {
    let liar = liar(|_| vec![Say::Good]).await;
    liar.world().token_lifetime = 1_000; // a minute was asked for
    let _wire = open(&liar).await.expect("it opens");
    let renewed = async {
        while renewals(&liar) < 1 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(PATIENCE, renewed).await.expect("it is renewed");
}

#[tokio::test]
async fn a_server_whose_clock_is_wrong_is_renewed_all_the_same() {
    for years in [-10, 10] {
        let liar = liar(to("OpenSecureChannel", move |_| {
            vec![bent(move |opened| {
                let now = chrono::Utc::now() + chrono::TimeDelta::days(365 * years);
                opened.security_token.created_at = now.into();
                opened.response_header.timestamp = now.into();
            })]
        }))
        .await;
        let wire = How { lifetime: SHORT, ..How::plain() }.open(&liar).await.expect("it opens");
        let renewed = async {
            while renewals(&liar) < 2 {
                read(&wire, &values(&["Speed"])).await.expect("answered");
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        tokio::time::timeout(PATIENCE, renewed).await.expect("it is renewed");
        assert!(renewals(&liar) < 20, "not over and over");
    }
}

#[tokio::test]
async fn a_renewal_that_is_not_answered_ends_the_link() {
    let mut opened = false;
    let liar =
        liar(to(
            "OpenSecureChannel",
            move |_| {
                if std::mem::replace(&mut opened, true) { vec![] } else { vec![Say::Good] }
            },
        ))
        .await;
    let wire = How { lifetime: SHORT, ..How::plain() }.open(&liar).await.expect("it opens");
    tokio::time::pause(); // the patience is not waited for
    assert_eq!(wire.ended().await, Error::Silent("OpenSecureChannel"));
}

#[tokio::test]
async fn a_renewal_that_is_another_channels_ends_the_link() {
    let mut opened = false;
    let liar = liar(to("OpenSecureChannel", move |_| {
        let renewed = std::mem::replace(&mut opened, true);
        vec![bent(move |opened| opened.security_token.channel_id += u32::from(renewed))]
    }))
    .await;
    let wire = How { lifetime: SHORT, ..How::plain() }.open(&liar).await.expect("it opens");
    let end = ended(&wire).await;
    assert!(matches!(end, Error::Nonsense(_)), "{end}");
}

#[tokio::test]
async fn tokens_that_live_too_short_or_for_ever() {
    for (lifetime, taken) in [(0, false), (1, false), (999, false), (1_000, true), (u32::MAX, true)] {
        let liar = liar(to("OpenSecureChannel", move |_| {
            vec![bent(move |opened| opened.security_token.revised_lifetime = lifetime)]
        }))
        .await;
        let came = open(&liar).await;
        assert_eq!(came.is_ok(), taken, "{lifetime}: {came:?}");
    }
}
