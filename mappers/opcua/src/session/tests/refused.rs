//! Servers that make subscriptions and refuse to publish, and what is given up while others are being made.
use super::*;
use crate::liar::Say;
use futures_util::FutureExt;
use opcua::{core::RequestMessage, types::StatusCode};
use std::pin::pin;

/// The session does not go on at another channel either: each connection has another one.
#[tokio::test]
async fn a_server_that_refuses_to_publish_in_one_session_after_the_other_has_its_items_read() {
    let code: Code = StatusCode::BadServiceUnsupported.into();
    for same in [true, false] {
        let mut seen = vec![];
        let liar = Liar::start(move |heard| match &heard.request {
            RequestMessage::Publish(_) => vec![Say::Fault(StatusCode::BadServiceUnsupported)],
            RequestMessage::ActivateSession(activate) => {
                let token = activate.request_header.authentication_token.clone();
                let again = seen.contains(&token);
                seen.push(token);
                vec![if again { Say::Fault(StatusCode::BadSessionIdInvalid) } else { Say::Good }]
            }
            _ => vec![Say::Good],
        })
        .await;
        if same {
            let started = opcua::types::VariableId::Server_ServerStatus_StartTime;
            liar.world().well_known(started, opcua::types::DateTime::now());
        }
        let session = session(&liar, &json!({})).await;
        let ear = Arc::new(Ear::default());
        let _run = running(&session);
        watch(&session, &ear, vec![item(1, "Count")]).await;
        ear.until("healed", |told| told.contains(&Told::Healed(same))).await;
        if !same {
            watch(&session, &ear, vec![item(1, "Count")]).await; // all is found anew
        }
        ear.until("gone", |told| told.contains(&Told::Gone(1, code))).await;
        assert_eq!(watch(&session, &ear, vec![item(1, "Count")]).await, [Watched::Parked(code)]);
        assert_eq!(liar.heard_of("CreateSession").len(), 2);
    }
}

/// All that wait at the server are refused together, and that is once.
#[tokio::test]
async fn what_is_refused_for_a_while_is_tried_again_in_the_same_session() {
    let code: Code = StatusCode::BadOutOfMemory.into();
    let liar = Liar::start(|heard| match heard.request.type_name() {
        "Publish" => vec![Say::Fault(StatusCode::BadOutOfMemory)],
        _ => vec![Say::Good],
    })
    .await;
    let session = session(&liar, &json!({"subscription": {"publishRequests": 20, "keepAlive": "10s"}})).await;
    session.refusal().refused(code, Instant::now()); // the connection before
    let ear = Arc::new(Ear::default());
    let _run = running(&session);
    watch(&session, &ear, vec![item(1, "Count")]).await;
    ear.until("gone", |told| told.contains(&Told::Gone(1, code))).await;
    let asked = liar.heard_of("Publish").len();
    assert!(asked > 3 * 20, "{asked} in four rounds of 20");
    assert_eq!(watch(&session, &ear, vec![item(1, "Count")]).await, [Watched::Parked(code)]);
    liar.script(|_| vec![Say::Good]);
    session.refusal().end();
    assert!(matches!(watch(&session, &ear, vec![item(1, "Count")]).await[..], [Watched::Yes { .. }]));
    ear.until_value(1, 7_i32).await;
    assert_eq!(liar.heard_of("CreateSession").len(), 1);
}

#[tokio::test]
async fn what_waits_to_be_subscribed_while_it_is_decided_that_all_is_read_is_read() {
    let code: Code = StatusCode::BadServiceUnsupported.into();
    let liar = Liar::honest().await;
    let session = session(&liar, &json!({})).await;
    let turn = session.turn.lock().await;
    let ear = Arc::new(Ear::default());
    let mut waiting = pin!(watch(&session, &ear, vec![item(1, "Count")]));
    assert!(waiting.as_mut().now_or_never().is_none(), "it waits for its turn");
    for _ in 0..2 {
        session.refusal().refused(code, Instant::now());
    }
    drop(turn);
    assert_eq!(waiting.await, [Watched::Parked(code)]);
    assert_eq!(liar.world().counts().1, 0);
}

#[tokio::test]
async fn what_is_given_up_while_its_neighbours_are_subscribed_does_not_count_as_watched() {
    let mut made = 0;
    let liar = Liar::start(move |heard| {
        made += usize::from(heard.request.type_name() == "CreateMonitoredItems");
        match heard.request.type_name() {
            "CreateMonitoredItems" if made == 2 => vec![Say::Wait(Duration::from_secs(2)), Say::Good],
            _ => vec![Say::Good],
        }
    })
    .await;
    let session = session(&liar, &json!({})).await;
    let ear = Arc::new(Ear::default());
    let _run = running(&session);
    let waiting = {
        let (session, ear) = (session.clone(), ear.clone());
        let slow = Item { interval: Duration::from_millis(500), ..item(2, "Speed") };
        tokio::spawn(async move { watch(&session, &ear, vec![item(1, "Count"), slow]).await })
    };
    session.changed.notify_one(); // what is there by now is published
    liar.wait_for("the second", |heard| match &heard.request {
        RequestMessage::CreateMonitoredItems(create) => {
            create.items_to_create.iter().flatten().any(|item| item.item_to_monitor.node_id == World::id("Speed"))
        }
        _ => false,
    })
    .await;
    liar.world().remove("Count");
    ear.until("gone", |told| told.contains(&Told::Gone(1, StatusCode::BadNodeIdUnknown.into()))).await;
    let watched = waiting.await.unwrap();
    assert_eq!(watched[0], Watched::No(StatusCode::BadNodeIdUnknown.into()));
    assert!(matches!(watched[1], Watched::Yes { .. }));
}
