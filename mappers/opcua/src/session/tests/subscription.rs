//! Values that are pushed.
use super::*;
use crate::liar::Say;
use opcua::{
    core::ResponseMessage,
    types::{DataValue, DateTime, MonitoredItemNotification, NotificationMessage, StatusCode},
};

#[tokio::test]
async fn values_come_in_their_order_and_each_to_whom_it_is_for() {
    let liar = Liar::honest().await;
    let session = session(&liar, &json!({})).await;
    let run = running(&session);
    let (one, other) = (Arc::new(Ear::default()), Arc::new(Ear::default()));
    let watched = watch(&session, &one, vec![item(7, "Count")]).await;
    assert!(matches!(watched[..], [Watched::Yes { .. }]));
    let watched = watch(&session, &other, vec![item(7, "Speed"), item(8, "Nothing")]).await;
    assert!(matches!(watched[1], Watched::No(code) if code == StatusCode::BadNodeIdUnknown.into()), "{watched:?}");
    assert_eq!(liar.heard_of("CreateSubscription").len(), 1, "both are of one interval");
    one.until_value(7, 7_i32).await;
    for count in 8..60 {
        liar.world().set("Count", count);
        if count % 7 == 0 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
    one.until_value(7, 59_i32).await;
    assert!(one.values(7).iter().is_sorted_by_key(Variant::as_f64));
    other.until_value(7, 1.5_f64).await;
    assert_eq!(other.values(7).len(), 1);
    assert!(!run.is_finished());
}

#[tokio::test]
async fn a_refused_filter_is_retried_without() {
    let liar = Liar::honest().await;
    let session = session(&liar, &json!({})).await;
    let ear = Arc::new(Ear::default());
    let deadband = |absolute, percent| Some(OpcUaDeadband { absolute, percent });
    let items = vec![
        Item { deadband: deadband(None, Some(5.0)), ..item(1, "Speed") },
        Item { deadband: deadband(Some(0.5), None), ..item(2, "Speed") },
        item(3, "Count"),
    ];
    let watched = watch(&session, &ear, items).await;
    let filtered = |watched: &Watched| matches!(watched, Watched::Yes { filtered: true, .. });
    assert_eq!(watched.iter().map(filtered).collect::<Vec<_>>(), [false, true, true]);
    let _run = running(&session);
    ear.until_value(1, 1.5_f64).await;
}

#[tokio::test]
async fn a_missed_message_is_counted_and_the_values_of_now_come_again() {
    let liar = Liar::honest().await;
    let session = session(&liar, &json!({})).await;
    let ear = Arc::new(Ear::default());
    let _run = running(&session);
    watch(&session, &ear, vec![item(1, "Speed")]).await;
    ear.until_value(1, 1.5_f64).await;
    // A keep-alive that says that three messages were sent, of which the server has none.
    liar.publish(|_| {
        vec![Say::Bent(Box::new(|answer| {
            if let ResponseMessage::Publish(answer) = answer {
                answer.subscription_id = 1;
                answer.notification_message.sequence_number = 5;
            }
        }))]
    })
    .await;
    ear.until("again", |told| told.iter().filter(|one| matches!(one, Told::Value(1, ..))).count() == 2).await;
    assert_eq!(liar.heard_of("Republish").len(), 3);
    assert_eq!(session.counters().samples_lost, 3);
    // What came anew is acknowledged, and no more is asked for.
    liar.world().set("Speed", 2.5);
    ear.until_value(1, 2.5_f64).await;
    assert_eq!(liar.heard_of("Republish").len(), 3);
}

#[tokio::test]
async fn what_the_server_dropped_is_counted() {
    let liar = Liar::honest().await;
    let session = session(&liar, &json!({})).await;
    let ear = Arc::new(Ear::default());
    watch(&session, &ear, vec![Item { queue: Some(1), ..item(1, "Count") }]).await;
    liar.world().set("Count", 8);
    liar.world().set("Count", 9);
    let _run = running(&session);
    ear.until_value(1, 9_i32).await;
    assert_eq!(session.counters().samples_lost, 1);
}

#[tokio::test]
async fn an_unchanged_value_is_alive_as_long_as_the_server_says_so() {
    let liar = Liar::honest().await;
    let session = session(&liar, &json!({})).await;
    let ear = Arc::new(Ear::default());
    let _run = running(&session);
    watch(&session, &ear, vec![item(1, "Speed")]).await;
    let alive = |told: &[Told]| told.iter().filter(|one| matches!(one, Told::Alive(keys) if keys == &[1])).count();
    ear.until("alive", |told| alive(told) >= 3).await;
    assert_eq!(ear.values(1).len(), 1);
}

#[tokio::test]
async fn a_node_that_is_gone_is_told_and_the_rest_goes_on() {
    let liar = Liar::honest().await;
    let session = session(&liar, &json!({})).await;
    let ear = Arc::new(Ear::default());
    let _run = running(&session);
    watch(&session, &ear, vec![item(1, "Speed"), item(2, "Count")]).await;
    ear.until_value(2, 7_i32).await;
    let gone = opcua::types::DataValue { status: Some(StatusCode::BadNodeIdUnknown), ..Default::default() };
    liar.world().put(&World::id("Speed"), &gone);
    ear.until("gone", |told| told.contains(&Told::Gone(1, StatusCode::BadNodeIdUnknown.into()))).await;
    liar.world().set("Count", 8);
    ear.until_value(2, 8_i32).await;
}

#[tokio::test]
async fn without_room_nothing_is_asked_for_and_nothing_is_lost() {
    let liar = Liar::honest().await;
    let session = session(&liar, &json!({})).await;
    let ear = Arc::new(Ear::default());
    ear.full.send_replace(true);
    let _run = running(&session);
    watch(&session, &ear, vec![Item { queue: Some(100), ..item(1, "Count") }]).await;
    for count in 8..40 {
        liar.world().set("Count", count);
    }
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert!(liar.heard_of("Publish").is_empty());
    ear.full.send_replace(false);
    ear.until_value(1, 39_i32).await;
    assert_eq!((ear.values(1).len(), session.counters().samples_lost), (33, 0));
}

#[tokio::test]
async fn too_many_publish_requests_lowers_them() {
    let liar = Liar::honest().await;
    liar.world().most_publishes = 2;
    let session = session(&liar, &json!({})).await;
    let ear = Arc::new(Ear::default());
    let _run = running(&session);
    watch(&session, &ear, vec![item(1, "Count")]).await;
    for count in 8..20 {
        liar.world().set("Count", count);
        ear.until_value(1, count).await;
    }
    let refused = liar.heard_of("Publish").len();
    assert!(refused <= 12 + 2 + 3, "{refused} Publish requests for 13 messages");
}

#[tokio::test]
async fn a_subscription_deleted_behind_our_back_is_made_anew() {
    let liar = Liar::honest().await;
    let session = session(&liar, &json!({})).await;
    let ear = Arc::new(Ear::default());
    let _run = running(&session);
    watch(&session, &ear, vec![item(1, "Count")]).await;
    ear.until_value(1, 7_i32).await;
    liar.world().forget_subscriptions();
    liar.world().set("Count", 8);
    liar.publish(|_| vec![Say::Fault(StatusCode::BadNoSubscription)]).await;
    ear.until_value(1, 8_i32).await;
    assert_eq!(liar.heard_of("CreateSession").len(), 1);
}

#[tokio::test]
async fn what_is_given_back_is_gone_at_the_server_too() {
    let liar = Liar::honest().await;
    let session = session(&liar, &json!({})).await;
    let ear = Arc::new(Ear::default());
    let _run = running(&session);
    let watched = watch(&session, &ear, vec![item(1, "Count"), item(2, "Speed")]).await;
    let handle = |watched: &Watched| match watched {
        Watched::Yes { handle, .. } => *handle,
        Watched::No(code) | Watched::Parked(code) => panic!("{code}"),
    };
    session.unsubscribe(&[handle(&watched[0])], soon()).await;
    assert_eq!(liar.heard_of("DeleteMonitoredItems").len(), 1);
    session.unsubscribe(&[handle(&watched[1])], soon()).await;
    assert_eq!(liar.heard_of("DeleteSubscriptions").len(), 1);
    assert_eq!(liar.world().counts().1, 0);
}

#[tokio::test]
async fn a_server_without_subscriptions_has_its_items_read() {
    let liar = Liar::start(|heard| match heard.request.type_name() {
        "CreateSubscription" => vec![Say::Fault(StatusCode::BadServiceUnsupported)],
        _ => vec![Say::Good],
    })
    .await;
    let session = session(&liar, &json!({})).await;
    let watched = watch(&session, &Arc::new(Ear::default()), vec![item(1, "Count")]).await;
    assert_eq!(watched, [Watched::No(StatusCode::BadServiceUnsupported.into())]);
}

#[tokio::test]
async fn a_value_that_cannot_be_decoded_is_alone() {
    let liar = Liar::honest().await;
    let session = session(&liar, &json!({"limits": {"stringLength": 1024}})).await;
    let ear = Arc::new(Ear::default());
    let _run = running(&session);
    watch(&session, &ear, vec![item(1, "Speed"), item(2, "Name"), item(3, "Count")]).await;
    ear.until_value(3, 7_i32).await;
    {
        // In one message, and Count behind the one that is too long.
        let mut world = liar.world();
        world.set("Name", "x".repeat(2000));
        world.set("Count", 8);
        world.set("Speed", 2.5);
    }
    ear.until("gone", |told| told.contains(&Told::Undecodable(2))).await;
    ear.until_value(1, 2.5_f64).await;
    ear.until_value(3, 8_i32).await;
    assert_eq!(session.counters().samples_lost, 1, "Count's, which came again with the values of now");
}

#[tokio::test]
async fn a_server_that_numbers_its_messages_anew_is_heard_again() {
    let liar = Liar::honest().await;
    let session = session(&liar, &json!({})).await;
    let ear = Arc::new(Ear::default());
    let _run = running(&session);
    watch(&session, &ear, vec![item(1, "Count")]).await;
    for count in 8..16 {
        liar.world().set("Count", count);
        ear.until_value(1, count).await;
    }
    liar.world().number_messages_anew();
    for count in 20..25 {
        liar.world().set("Count", count);
        tokio::time::sleep(Duration::from_millis(60)).await;
    }
    ear.until_value(1, 24_i32).await; // by the first message of another subscription
    assert_eq!(liar.heard_of("CreateSubscription").len(), 2);
}

#[tokio::test]
async fn what_is_subscribed_while_its_subscription_is_gone_gets_another() {
    for numbers_again in [false, true] {
        let liar = Liar::with(World { numbers_again, ..World::plant() }, |_| vec![Say::Good]).await;
        let session = session(&liar, &json!({})).await;
        let (one, other) = (Arc::new(Ear::default()), Arc::new(Ear::default()));
        let _run = running(&session);
        watch(&session, &one, vec![item(1, "Count")]).await;
        one.until_value(1, 7_i32).await;
        liar.world().forget_subscriptions();
        let watched = watch(&session, &other, vec![item(2, "Speed")]).await;
        assert!(matches!(watched[..], [Watched::Yes { .. }]), "{watched:?}");
        other.until_value(2, 1.5_f64).await;
        liar.world().set("Count", 8);
        one.until_value(1, 8_i32).await;
        liar.world().set("Speed", 2.5);
        other.until_value(2, 2.5_f64).await;
        assert_eq!((liar.world().items(), liar.heard_of("CreateSubscription").len()), (2, 3));
    }
}

#[tokio::test]
async fn a_server_that_knows_no_subscription_it_made_has_its_items_read() {
    let liar = Liar::start(|heard| match heard.request.type_name() {
        "CreateMonitoredItems" => vec![Say::Fault(StatusCode::BadSubscriptionIdInvalid)],
        _ => vec![Say::Good],
    })
    .await;
    let session = session(&liar, &json!({})).await;
    let watched = watch(&session, &Arc::new(Ear::default()), vec![item(1, "Count")]).await;
    assert_eq!(watched, [Watched::No(StatusCode::BadSubscriptionIdInvalid.into())]);
    assert_eq!(liar.heard_of("CreateSubscription").len(), 2, "one more try");
    assert!(session.book().subscriptions.is_empty());
}

/// What is refused of somebody's first subscription does not take him off the list before his second is made.
#[tokio::test]
async fn who_is_refused_the_first_of_his_items_is_told_of_the_others() {
    let liar = Liar::honest().await;
    let session = session(&liar, &json!({})).await;
    let ear = Arc::new(Ear::default());
    let _run = running(&session);
    let slow = Item { interval: Duration::from_millis(500), ..item(2, "Count") };
    watch(&session, &ear, vec![item(1, "Nothing"), slow]).await;
    ear.until_value(2, 7_i32).await;
}

#[tokio::test]
async fn an_item_that_was_given_back_is_not_made_and_its_neighbours_are() {
    let liar = Liar::honest().await;
    let session = session(&liar, &json!({})).await;
    let items = ["Count", "Speed", "Name"].iter().zip(1..).map(|(name, key)| item(key, name)).collect();
    watch(&session, &Arc::new(Ear::default()), items).await;
    let (number, handles) = {
        let book = session.book();
        let (number, one) = book.subscriptions.iter().next().unwrap();
        (*number, one.handles.iter().copied().collect::<Vec<_>>())
    };
    session.book().remove(handles[1]);
    let wire = session.wire(soon()).await.unwrap();
    let refusals = session.make_items(&wire, number, &handles, soon()).await.unwrap();
    assert_eq!((refusals.len(), liar.world().items()), (0, 3 + 2));
}

#[tokio::test]
async fn a_server_that_refuses_to_publish_has_its_items_read() {
    let liar = Liar::start(|heard| match heard.request.type_name() {
        "Publish" => vec![Say::Fault(StatusCode::BadServiceUnsupported)],
        _ => vec![Say::Good],
    })
    .await;
    let session = session(&liar, &json!({})).await;
    let ear = Arc::new(Ear::default());
    let _run = running(&session);
    watch(&session, &ear, vec![item(1, "Count")]).await;
    let code: Code = StatusCode::BadServiceUnsupported.into();
    ear.until("gone", |told| told.contains(&Told::Gone(1, code))).await;
    assert_eq!(watch(&session, &ear, vec![item(1, "Count")]).await, [Watched::Parked(code)]);
    assert_eq!(liar.heard_of("CreateSession").len(), 1);
    // Another session may be at another server.
    liar.script(|_| vec![Say::Good]);
    liar.world().forget_sessions();
    liar.cut();
    let another = async {
        while session.epoch().session == 0 {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    timeout(PATIENCE, another).await.expect("another session");
    watch(&session, &ear, vec![item(1, "Count")]).await;
    ear.until_value(1, 7_i32).await;
}

/// At once, as often as it is asked: that would be thousands in a second.
#[tokio::test]
async fn a_server_that_answers_with_nothing_is_not_asked_as_fast_as_the_line_goes() {
    for code in [StatusCode::BadTimeout, StatusCode::BadTooManyPublishRequests] {
        let liar = Liar::start(move |heard| match heard.request.type_name() {
            "Publish" => vec![Say::Fault(code)],
            _ => vec![Say::Good],
        })
        .await;
        let session = session(&liar, &json!({"subscription": {"keepAlive": "10s"}})).await;
        let ear = Arc::new(Ear::default());
        let _run = running(&session);
        watch(&session, &ear, vec![item(1, "Count")]).await;
        let alive = |told: &[Told]| told.iter().filter(|one| matches!(one, Told::Alive(_))).count();
        ear.until("alive", |told| alive(told) >= 3).await;
        let asked = liar.heard_of("Publish").len();
        assert!((4..100).contains(&asked), "{code}: {asked}");
    }
}

#[tokio::test]
async fn a_subscription_that_would_never_speak_is_not_waited_for() {
    let liar = Liar::start(|heard| match heard.request.type_name() {
        "CreateSubscription" => vec![Say::Bent(Box::new(|answer| {
            if let ResponseMessage::CreateSubscription(made) = answer {
                made.revised_max_keep_alive_count = u32::MAX;
            }
        }))],
        _ => vec![Say::Good],
    })
    .await;
    let session = session(&liar, &json!({})).await;
    watch(&session, &Arc::new(Ear::default()), vec![item(1, "Count")]).await;
    let keep_alive = session.book().subscriptions.values().map(|one| one.keep_alive).max();
    assert_eq!(keep_alive, Some(Duration::from_secs(10)), "ten times what was asked for");
}

#[tokio::test]
async fn what_still_comes_of_a_subscription_that_was_made_anew_is_counted() {
    let liar = Liar::honest().await;
    let session = session(&liar, &json!({})).await;
    let ear = Arc::new(Ear::default());
    let _run = running(&session);
    watch(&session, &ear, vec![item(1, "Count")]).await;
    ear.until_value(1, 7_i32).await;
    liar.world().forget_subscriptions();
    liar.publish(|_| vec![Say::Fault(StatusCode::BadNoSubscription)]).await;
    ear.until("again", |told| told.iter().filter(|one| matches!(one, Told::Value(1, ..))).count() == 2).await;
    liar.publish(|_| {
        vec![Say::Bent(Box::new(|answer| {
            if let ResponseMessage::Publish(answer) = answer {
                let old = MonitoredItemNotification { client_handle: 0, value: DataValue::value_only(6) };
                answer.subscription_id = 1;
                answer.notification_message = NotificationMessage::data_change(2, DateTime::null(), vec![old], vec![]);
            }
        }))]
    })
    .await;
    let counted = async {
        while session.counters().samples_lost != 1 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    timeout(PATIENCE, counted).await.expect("it is counted");
    assert_eq!(ear.values(1).len(), 2, "and told nobody, for it is older than what is there");
}
