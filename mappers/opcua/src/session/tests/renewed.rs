//! Subscriptions that take the place, and perhaps the number, of others.
use super::*;
use crate::liar::{Heard, Say};
use opcua::types::{
    DataValue, DateTime, MonitoredItemNotification, NotificationMessage, PublishResponse, ResponseHeader, StatusCode,
};

/// A small server: a number is a slot, so the new one has that of the old one.
#[tokio::test]
async fn a_subscription_that_is_given_the_number_of_the_one_before_is_not_deleted() {
    for gone in [true, false] {
        let liar = Liar::with(World { numbers_again: true, ..World::plant() }, |_| vec![Say::Good]).await;
        let session = session(&liar, &json!({})).await;
        let ear = Arc::new(Ear::default());
        let _run = running(&session);
        watch(&session, &ear, vec![item(1, "Count")]).await;
        ear.until_value(1, 7_i32).await;
        if gone {
            liar.world().forget_subscriptions();
        } else {
            let mut full = true; // until the old one is deleted by us
            liar.script(move |heard| match heard.request.type_name() {
                "CreateSubscription" if std::mem::take(&mut full) => {
                    vec![Say::Fault(StatusCode::BadTooManySubscriptions)]
                }
                _ => vec![Say::Good],
            });
        }
        liar.world().set("Count", 8);
        liar.publish(|_| vec![Say::Fault(StatusCode::BadNoSubscription)]).await;
        let made = if gone { 2 } else { 3 };
        let renewed = async {
            while liar.heard_of("CreateSubscription").len() < made || liar.world().items() != 1 {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        timeout(PATIENCE, renewed).await.expect("it is made anew");
        ear.until_value(1, 8_i32).await;
        liar.world().set("Count", 9);
        ear.until_value(1, 9_i32).await;
        assert_eq!((liar.world().counts(), liar.heard_of("CreateSubscription").len()), ((1, 1), made));
    }
}

/// What is given back of one that is gone is nobody's at the server; its number may be another's there.
#[tokio::test]
async fn what_is_given_back_of_a_subscription_that_is_gone_takes_nothing_of_the_next() {
    let liar = Liar::with(World { numbers_again: true, ..World::plant() }, |_| vec![Say::Good]).await;
    let session = session(&liar, &json!({})).await;
    let (one, other) = (Arc::new(Ear::default()), Arc::new(Ear::default()));
    let first = watch(&session, &one, vec![item(1, "Count"), item(2, "Name")]).await;
    liar.world().forget_subscriptions();
    watch(&session, &other, vec![item(3, "Speed")]).await;
    let handles: Vec<Handle> = first
        .into_iter()
        .filter_map(|watched| match watched {
            Watched::Yes { handle, .. } => Some(handle),
            Watched::No(_) | Watched::Parked(_) => None,
        })
        .collect();
    session.unsubscribe(&handles[..1], soon()).await;
    session.unsubscribe(&handles, soon()).await;
    assert_eq!(liar.world().items(), 1, "Speed's");
}

/// The one before was alive: what it said meanwhile is read after the new one was made.
#[tokio::test]
async fn what_the_one_before_still_said_is_not_taken_for_a_word_of_the_next() {
    let liar = Liar::with(World { numbers_again: true, ..World::plant() }, |_| vec![Say::Good]).await;
    let session = session(&liar, &json!({})).await;
    let ear = Arc::new(Ear::default());
    let _run = running(&session);
    watch(&session, &ear, vec![item(1, "Count")]).await;
    ear.until_value(1, 7_i32).await;
    let mut made = 0;
    liar.script(move |heard| {
        made += usize::from(heard.request.type_name() == "CreateSubscription");
        match (heard.request.type_name(), made) {
            ("CreateSubscription", 1) => vec![Say::Fault(StatusCode::BadTooManySubscriptions)],
            ("CreateSubscription", _) => vec![Say::Wait(Duration::from_secs(1)), Say::Good],
            _ => vec![Say::Good],
        }
    });
    liar.clear();
    liar.publish(|_| vec![Say::Fault(StatusCode::BadNoSubscription)]).await;
    liar.wait_for("it is deleted", |heard| heard.request.type_name() == "DeleteSubscriptions").await;
    liar.world().set("Count", 8);
    liar.publish(|heard| vec![Say::Answer(late(heard).into())]).await;
    ear.until_value(1, 8_i32).await;
    liar.world().set("Count", 9);
    ear.until_value(1, 9_i32).await;
    assert_eq!((liar.heard_of("Republish").len(), liar.heard_of("CreateSubscription").len()), (0, 2));
    assert!(!ear.values(1).contains(&Variant::Int32(70)), "{:?}", ear.told());
}

/// The seventh message of the subscription of number 1.
fn late(heard: &Heard) -> PublishResponse {
    let value = MonitoredItemNotification { client_handle: 0, value: DataValue::value_only(70_i32) };
    PublishResponse {
        response_header: ResponseHeader::new_good(heard.request.request_header()),
        subscription_id: 1,
        available_sequence_numbers: Some((1..=7).collect()),
        notification_message: NotificationMessage::data_change(7, DateTime::now(), vec![value], vec![]),
        ..PublishResponse::default()
    }
}

/// Its first message is the largest, with the values of all: it may be the one that is lost.
#[tokio::test]
async fn the_next_is_heard_though_its_first_message_was_lost() {
    for cut in [false, true] {
        let liar = Liar::with(World { numbers_again: true, ..World::plant() }, |_| vec![Say::Good]).await;
        let session = session(&liar, &json!({})).await;
        let ear = Arc::new(Ear::default());
        let _run = running(&session);
        watch(&session, &ear, vec![item(1, "Count")]).await;
        ear.until_value(1, 7_i32).await;
        liar.world().forget_subscriptions();
        liar.world().set("Count", 8);
        liar.swallow(true);
        liar.publish(|_| vec![Say::Fault(StatusCode::BadNoSubscription)]).await;
        let said = async {
            while liar.world().kept() == 0 {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        timeout(PATIENCE, said).await.expect("it is made anew, and spoke");
        if cut {
            liar.cut();
        } else {
            let short = |mut body: Vec<u8>| {
                body.truncate(body.len() - 8);
                body
            };
            liar.publish(|_| vec![Say::Bytes(Box::new(short))]).await;
        }
        liar.swallow(false);
        liar.world().set("Count", 9);
        ear.until_value(1, 9_i32).await;
        assert_eq!(ear.values(1), [7, 8, 9].map(Variant::Int32));
        assert_eq!((liar.heard_of("Republish").is_empty(), liar.heard_of("CreateSubscription").len()), (false, 2));
    }
}
