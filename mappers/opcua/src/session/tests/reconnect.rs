//! Connections that break, and each way back.
use super::*;
use crate::liar::Say;
use opcua::{
    core::RequestMessage,
    types::{
        DataValue, DateTime, MonitoredItemNotification, NotificationMessage, RepublishResponse, ResponseHeader,
        StatusCode,
    },
};

/// A session that watches Count and Speed.
async fn watching(liar: &Liar, more: &Json) -> (Arc<Session>, Arc<Ear>, tokio::task::JoinHandle<Error>) {
    let session = session(liar, more).await;
    let (ear, run) = (Arc::new(Ear::default()), running(&session));
    watch(&session, &ear, vec![Item { queue: Some(100), ..item(1, "Count") }, item(2, "Speed")]).await;
    ear.until_value(1, 7_i32).await;
    (session, ear, run)
}
async fn healed(ear: &Ear, kept: bool) {
    ear.until("healed", |told| told.contains(&Told::Healed(kept))).await;
}

#[tokio::test]
async fn cut_reactivated_and_what_was_missed_is_fetched() {
    let liar = Liar::honest().await;
    let (session, ear, run) = watching(&liar, &json!({})).await;
    let before = session.epoch();
    for round in 0..5 {
        for count in 0..50 {
            liar.swallow((15..=25).contains(&count));
            liar.world().set("Count", 100 + round * 50 + count);
            if count % 10 == 0 {
                tokio::time::sleep(Duration::from_millis(7)).await;
            }
            if count == 25 {
                liar.cut();
            }
        }
        ear.until_value(1, 149 + round * 50).await;
    }
    let each = std::iter::once(7).chain(100..350).map(Variant::from);
    assert_eq!(ear.values(1), each.collect::<Vec<_>>(), "each once, in order");
    assert_eq!((liar.heard_of("CreateSession").len(), session.epoch()), (1, before));
    assert_eq!((session.counters().healed >= 5, session.counters().samples_lost), (true, 0));
    assert!(!run.is_finished());
}

#[tokio::test]
async fn messages_that_the_server_has_no_more_are_counted_and_the_values_of_now_come() {
    let liar = Liar::honest().await;
    let (session, ear, _run) = watching(&liar, &json!({})).await;
    liar.swallow(true);
    for count in [20, 21, 22] {
        liar.world().set("Count", count);
        tokio::time::sleep(Duration::from_millis(60)).await;
    }
    liar.world().forget_messages();
    liar.cut();
    liar.swallow(false);
    liar.world().set("Count", 23);
    // The value of now, though no message told it: Speed is told again too.
    ear.until("again", |told| told.iter().filter(|one| matches!(one, Told::Value(2, ..))).count() == 2).await;
    ear.until_value(1, 23_i32).await;
    assert_eq!(session.counters().samples_lost, 3);
}

#[tokio::test]
async fn a_restarted_server_has_everything_found_anew() {
    let liar = Liar::honest().await;
    let (session, ear, run) = watching(&liar, &json!({})).await;
    let before = session.epoch();
    liar.refuse(true);
    liar.world().forget_sessions();
    liar.world().namespaces.swap(1, 2);
    liar.cut();
    ear.until("healing", |told| told.contains(&Told::Healing)).await;
    liar.refuse(false);
    healed(&ear, false).await;
    assert_eq!(session.namespaces().index("urn:plant"), Some(1));
    assert_eq!(session.epoch(), Epoch { session: before.session + 1, server: before.server + 1 });
    // Who watched watches again.
    watch(&session, &ear, vec![item(3, "Count")]).await;
    ear.until_value(3, 7_i32).await;
    assert!(liar.heard_of("TransferSubscriptions").is_empty(), "ids of another run may be somebody else's");
    assert!(!run.is_finished());
}

#[tokio::test]
async fn a_session_that_timed_out_hands_its_subscriptions_on() {
    let liar = Liar::honest().await;
    liar.world().well_known(opcua::types::VariableId::Server_ServerStatus_StartTime, opcua::types::DateTime::now());
    let (session, ear, _run) = watching(&liar, &json!({})).await;
    let mut known = true;
    liar.script(move |heard| match heard.request.type_name() {
        "ActivateSession" if std::mem::take(&mut known) => vec![Say::Fault(StatusCode::BadSessionIdInvalid)],
        _ => vec![Say::Good],
    });
    liar.swallow(true);
    liar.world().set("Count", 20);
    tokio::time::sleep(Duration::from_millis(60)).await;
    liar.cut();
    liar.swallow(false);
    healed(&ear, true).await;
    liar.world().set("Count", 21);
    ear.until_value(1, 21_i32).await;
    assert_eq!(ear.values(1), [7, 20, 21].map(Variant::from));
    assert_eq!(liar.heard_of("TransferSubscriptions").len(), 1);
    assert_eq!(liar.heard_of("CreateSubscription").len(), 1);
    assert_eq!((session.epoch().session, session.epoch().server), (1, 0));
    assert_eq!(session.counters().samples_lost, 0);
}

#[tokio::test]
async fn transferred_and_silent_is_made_anew() {
    let liar = Liar::honest().await;
    liar.world().well_known(opcua::types::VariableId::Server_ServerStatus_StartTime, opcua::types::DateTime::now());
    let (session, ear, _run) = watching(&liar, &json!({})).await;
    let mut known = true;
    liar.script(move |heard| match heard.request.type_name() {
        "ActivateSession" if std::mem::take(&mut known) => vec![Say::Fault(StatusCode::BadSessionIdInvalid)],
        // It says that it gave them, and does not.
        "Publish" if !known && heard.connection < 4 => vec![],
        _ => vec![Say::Good],
    });
    liar.cut();
    healed(&ear, true).await;
    liar.wait_for("another subscription", |heard| {
        heard.request.type_name() == "CreateSubscription" && heard.connection > 1
    })
    .await;
    assert_eq!(session.epoch().session, 1);
}

#[tokio::test]
async fn a_session_that_is_forgotten_is_noticed_without_a_cut() {
    let liar = Liar::honest().await;
    let (session, ear, _run) = watching(&liar, &json!({})).await;
    liar.world().forget_sessions();
    liar.publish(|_| vec![Say::Fault(StatusCode::BadSessionClosed)]).await;
    healed(&ear, false).await;
    assert_eq!(session.epoch().session, 1);
    assert_eq!(liar.heard_of("ActivateSession").len(), 2, "what is known to be gone is not tried");
}

#[tokio::test]
async fn a_renewal_that_is_cut_off_is_made_once_more() {
    let liar = Liar::honest().await;
    let (_session, ear, _run) = watching(&liar, &json!({})).await;
    let mut whole = false;
    liar.script(move |heard| match heard.request.type_name() {
        "CreateMonitoredItems" if !std::mem::replace(&mut whole, true) => vec![Say::Close],
        _ => vec![Say::Good],
    });
    liar.world().forget_subscriptions();
    liar.cut();
    healed(&ear, true).await;
    liar.world().set("Count", 20);
    ear.until_value(1, 20_i32).await;
    assert_eq!(liar.world().counts(), (1, 1), "what was made by half is deleted");
}

#[tokio::test]
async fn a_session_that_cannot_be_used_is_closed() {
    let liar = Liar::honest().await;
    let (_session, ear, _run) = watching(&liar, &json!({})).await;
    let mut starting = 3;
    liar.script(move |heard| match heard.request.type_name() {
        "Read" if starting > 0 => {
            starting -= 1;
            vec![Say::Fault(StatusCode::BadServerHalted)]
        }
        _ => vec![Say::Good],
    });
    liar.world().forget_sessions();
    liar.cut();
    healed(&ear, false).await;
    assert!(liar.heard_of("CreateSession").len() > 2);
    assert_eq!(liar.world().counts().0, 1);
}

#[tokio::test]
async fn a_server_that_is_silent_is_left() {
    let liar = Liar::honest().await;
    let (_session, ear, _run) = watching(&liar, &json!({})).await;
    let connections = liar.accepted();
    liar.script(move |heard| if heard.connection < connections { vec![] } else { vec![Say::Good] });
    liar.swallow(true);
    liar.wait_for("another connection", |heard| heard.connection >= connections).await;
    liar.swallow(false);
    healed(&ear, true).await;
    liar.world().set("Count", 8);
    ear.until_value(1, 8_i32).await;
    let made = liar.heard_of("CreateSubscription").iter().filter(|heard| heard.connection < connections).count();
    assert_eq!(made, 1, "it was asked whether it is there, before anything was made anew");
}

#[tokio::test]
async fn what_cannot_be_mended_in_time_is_given_up() {
    let liar = Liar::honest().await;
    let (session, ear, run) = watching(&liar, &json!({"session": {"healWithin": "300ms"}})).await;
    liar.refuse(true);
    liar.cut();
    let why = timeout(PATIENCE, run).await.unwrap().unwrap();
    assert!(matches!(why, Error::Closed(_)), "{why}");
    assert!(ear.told().contains(&Told::Healing) && !ear.told().contains(&Told::Healed(true)));
    assert!(session.wire(Instant::now()).await.is_err());
}

#[tokio::test]
async fn closed_at_the_server_when_it_is_dropped() {
    let liar = Liar::honest().await;
    let (session, _ear, run) = watching(&liar, &json!({})).await;
    run.abort();
    drop(run.await);
    drop(session);
    liar.wait_for("CloseSession", |heard| heard.request.type_name() == "CloseSession").await;
}

#[tokio::test]
async fn a_clock_that_is_years_off_changes_nothing() {
    for years in [-10, 10] {
        let liar = Liar::honest().await;
        {
            let mut world = liar.world();
            world.clock = chrono::TimeDelta::days(365 * years);
            world.token_lifetime = 1000;
        }
        let (session, ear, run) = watching(&liar, &json!({})).await;
        liar.wait_for("a renewal", |heard| {
            heard.connection == 1 && heard.request.type_name() == "OpenSecureChannel" && heard.id > 1
        })
        .await;
        liar.cut();
        healed(&ear, true).await;
        liar.world().set("Count", 8);
        ear.until_value(1, 8_i32).await;
        assert_eq!((liar.heard_of("CreateSession").len(), session.counters().samples_lost), (1, 0));
        assert!(!run.is_finished());
    }
}

/// Bytes of this process that are in memory.
fn resident() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches(" kB").parse::<usize>().unwrap() * 1024
}

/// `POLLUX_RECONNECTS` of them, by itself (10,000 take some minutes): then memory is looked at too, which here is that of all tests.
#[tokio::test]
async fn reconnects_leave_nothing_behind() {
    let liar = Liar::honest().await;
    let set = std::env::var("POLLUX_RECONNECTS").ok();
    let rounds = set.as_ref().map_or(100, |rounds| rounds.parse().unwrap());
    let (session, ear, run) = watching(&liar, &json!({})).await;
    let mut early = 0;
    for round in 0..rounds {
        if round == rounds / 2 {
            early = resident();
        }
        match round % 3 {
            0 => liar.world().forget_subscriptions(),
            1 => liar.world().forget_sessions(),
            _ => {}
        }
        liar.cut();
        let kept = round % 3 != 1;
        ear.until("healed", |told| matches!(told.iter().find(|one| matches!(one, Told::Healed(_))), Some(Told::Healed(found)) if *found == kept)).await;
        if !kept {
            watch(&session, &ear, vec![item(1, "Count")]).await;
        }
        liar.clear();
        ear.told.lock().unwrap().clear();
    }
    let left = {
        let book = session.book();
        (book.subscriptions.len(), book.sinks().len())
    };
    assert_eq!(left, (1, 1));
    assert_eq!((liar.world().counts(), session.counters().healed), ((1, 1), rounds));
    let grown = resident().saturating_sub(early);
    println!("{early} bytes in the middle, {grown} more at the end");
    assert!(set.is_none() || grown < 4 << 20, "{grown} bytes more than in the middle");
    assert!(!run.is_finished());
}

/// It would go on for hours.
#[tokio::test]
async fn messages_without_end_are_fetched_no_longer_than_it_is_mended() {
    let liar = Liar::honest().await;
    let (_session, ear, _run) = watching(&liar, &json!({"session": {"healWithin": "1s"}})).await;
    liar.script(|heard| match &heard.request {
        RequestMessage::Republish(again) => {
            let nobody = MonitoredItemNotification { client_handle: u32::MAX, value: DataValue::value_only(1) };
            let number = again.retransmit_sequence_number;
            let message = NotificationMessage::data_change(number, DateTime::null(), vec![nobody], vec![]);
            let header = ResponseHeader::new_good(&again.request_header);
            let answer = RepublishResponse { response_header: header, notification_message: message };
            vec![Say::Wait(Duration::from_millis(20)), Say::Answer(answer.into())]
        }
        _ => vec![Say::Good],
    });
    liar.cut();
    healed(&ear, true).await;
    liar.script(|_| vec![Say::Good]);
    liar.world().set("Count", 8);
    ear.until_value(1, 8_i32).await; // by the subscription that is made anew
}

#[tokio::test]
async fn who_lost_his_last_item_while_it_was_mended_is_told_how_that_ended() {
    let liar = Arc::new(Liar::honest().await);
    let (session, ear, _run) = watching(&liar, &json!({})).await;
    let other = Arc::new(Ear::default());
    let slow = Item { interval: Duration::from_millis(500), ..item(7, "Name") };
    watch(&session, &other, vec![slow]).await;
    liar.world().remove("Count");
    liar.world().remove("Speed");
    // All items of the first are refused; when the second is made, the server ends, and forgets.
    let (server, mut made) = (Arc::downgrade(&liar), 0);
    liar.script(move |heard| match heard.request.type_name() {
        "CreateSubscription" if made < 2 => {
            made += 1;
            if made == 1 {
                return vec![Say::Good];
            }
            server.upgrade().iter().for_each(|liar| liar.world().forget_sessions());
            vec![Say::Close]
        }
        _ => vec![Say::Good],
    });
    liar.world().forget_subscriptions();
    liar.cut();
    healed(&other, false).await;
    healed(&ear, false).await;
    assert!(ear.told().contains(&Told::Gone(1, StatusCode::BadNodeIdUnknown.into())));
}

/// The server has the session until its time-out, and few of them.
#[tokio::test]
async fn a_session_whose_connection_is_broken_is_closed_at_the_server_all_the_same() {
    for healing in [true, false] {
        let liar = Liar::honest().await;
        let session = session(&liar, &json!({})).await;
        let ear = Arc::new(Ear::default());
        let run = running(&session);
        watch(&session, &ear, vec![item(1, "Count")]).await;
        ear.until_value(1, 7_i32).await;
        liar.refuse(true);
        if healing {
            liar.cut();
            ear.until("it is mended", |told| told.contains(&Told::Healing)).await;
        }
        run.abort();
        assert!(run.await.is_err_and(|error| error.is_cancelled()));
        if !healing {
            let wire = session.wire(soon()).await.unwrap();
            liar.cut();
            wire.ended().await;
        }
        liar.refuse(false);
        assert_eq!(liar.world().counts(), (1, 1));
        session.close().await;
        assert_eq!(liar.world().counts(), (0, 0), "healing: {healing}");
        let accepted = liar.accepted();
        session.close().await;
        assert_eq!(liar.accepted(), accepted, "it is closed once");
    }
}
