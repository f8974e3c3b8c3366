//! Answers to Publish, honest and not. Made through the codec where they can be, else by hand.
use super::*;
use crate::{
    error::{Code, Error},
    wire::{Published, Sample, publish, published, republish},
};
use opcua::{
    core::ResponseMessage,
    types::{
        DataValue, DateTime, ExtensionObject, MonitoredItemNotification, NotificationMessage, PublishResponse,
        StatusCode,
    },
};

fn data(values: &[(u32, f64)]) -> NotificationMessage {
    let values = values.iter().map(|(handle, value)| MonitoredItemNotification {
        client_handle: *handle,
        value: DataValue::new_at(*value, DateTime::from(chrono::Utc::now())),
    });
    NotificationMessage::data_change(3, DateTime::null(), values.collect(), vec![])
}
fn bent(bend: impl Fn(&mut PublishResponse) + Send + Clone + 'static) -> Say {
    Say::Bent(Box::new(move |answer| {
        if let ResponseMessage::Publish(publish) = answer {
            bend(publish);
        }
    }))
}
async fn said(say: impl Fn() -> Say + Send + 'static) -> Result<(Published, Vec<Sample>)> {
    let liar = liar(to("Publish", move |_| vec![say()])).await;
    let wire = open(&liar).await.expect("it opens");
    let answer = publish(&wire, &[(1, 1), (1, 2)], until()).await.expect("answered");
    let mut samples = vec![];
    let told = published(&answer, &wire, |sample| samples.push(sample))?;
    read(&wire, &values(&["Speed"])).await.expect("the link lives");
    Ok((told, samples))
}

#[tokio::test]
async fn values_and_what_stands_around_them() {
    let (told, samples) = said(|| {
        bent(|publish| {
            publish.subscription_id = 9;
            publish.available_sequence_numbers = Some(vec![2, 3]);
            publish.more_notifications = true;
            publish.notification_message = data(&[(7, 1.5), (8, f64::NAN)]);
            publish.results = Some(vec![StatusCode::Good, StatusCode::BadSequenceNumberUnknown]);
        })
    })
    .await
    .expect("it can be read");
    let acknowledged = vec![Code(0), Code::from(StatusCode::BadSequenceNumberUnknown)];
    let available = vec![2, 3];
    let wanted = Published {
        subscription: 9,
        available,
        more: true,
        sequence: 3,
        data: true,
        status_change: None,
        broken: None,
        acknowledged,
    };
    assert_eq!(told, wanted);
    assert_eq!(samples.iter().map(|sample| sample.handle).collect::<Vec<_>>(), [7, 8]);
    assert_eq!(samples[0].value, Variant::Double(1.5));
}

#[tokio::test]
async fn a_keep_alive_has_no_data() {
    let (told, samples) =
        said(|| bent(|publish| publish.notification_message = NotificationMessage::keep_alive(5, DateTime::null())))
            .await
            .expect("it can be read");
    assert_eq!((told.data, told.sequence, samples.len()), (false, 5, 0));
}

#[tokio::test]
async fn what_became_of_the_subscription_is_told() {
    let (told, _) = said(|| {
        bent(|publish| {
            let timeout = StatusCode::BadTimeout;
            publish.notification_message = NotificationMessage::status_change(4, DateTime::null(), timeout);
        })
    })
    .await
    .expect("it can be read");
    assert_eq!((told.data, told.status_change), (true, Some(Code::from(StatusCode::BadTimeout))));
}

#[tokio::test]
async fn notifications_of_a_kind_that_nobody_knows_are_stepped_over() {
    let (told, samples) = said(|| {
        bent(|publish| {
            let mut message = data(&[(7, 2.5)]);
            let strange = ExtensionObject::from_message(opcua::types::Argument::default());
            message.notification_data.get_or_insert_default().insert(0, strange);
            publish.notification_message = message;
        })
    })
    .await
    .expect("it can be read");
    assert_eq!((told.data, samples.len()), (true, 1));
}

#[tokio::test]
async fn answers_cut_short_anywhere_are_refused_in_words() {
    let liar = liar(to("Publish", |_| vec![bent(|publish| publish.notification_message = data(&[(7, 1.5)]))])).await;
    let wire = open(&liar).await.expect("it opens");
    let answer = publish(&wire, &[], until()).await.expect("answered");
    for end in 0..answer.len() - 4 {
        let refused = published(&answer[..end], &wire, |_| {}).expect_err("cut short");
        assert!(matches!(refused, Error::Decode { service: "Publish", .. }), "{end}: {refused}");
    }
}

#[tokio::test]
async fn a_message_of_another_number_is_not_what_was_missed() {
    for number in [4, 5, 6] {
        let liar = liar(to("Republish", move |_| {
            vec![Say::Answer(
                opcua::types::RepublishResponse {
                    response_header: opcua::types::ResponseHeader::null(),
                    notification_message: NotificationMessage { sequence_number: number, ..data(&[(7, 1.0)]) },
                }
                .into(),
            )]
        }))
        .await;
        let wire = open(&liar).await.expect("it opens");
        let came = republish(&wire, 1, 5, until(), |_| {}).await;
        assert_eq!(came.is_ok(), number == 5, "{number}: {came:?}");
    }
}
