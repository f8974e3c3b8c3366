//! Frames, numbers and chunks (Part 6, 6.7).
use super::*;
use crate::{
    error::{Code, Error},
    liar::End,
};
use opcua::types::StatusCode;

#[tokio::test]
async fn values_are_read() {
    let liar = liar(|_| vec![Say::Good]).await;
    let wire = open(&liar).await.expect("it opens");
    let read = read(&wire, &values(&["Speed", "Count", "Missing", "On"])).await.expect("answered");
    assert_eq!(read, [Variant::Double(1.5), Variant::Int32(7), Variant::Empty, Variant::Boolean(true)]);
}

#[tokio::test]
async fn an_answer_in_many_chunks_is_put_together() {
    let liar = liar(to("Read", |_| vec![Say::Pieces(100)])).await;
    long(&liar, 30_000);
    let wire = open(&liar).await.expect("it opens");
    let read = read(&wire, &values(&["Long", "Speed"])).await.expect("answered");
    assert_eq!(read, [Variant::from("x".repeat(30_000)), Variant::Double(1.5)]);
}

#[tokio::test]
async fn an_aborted_answer_is_told_by_its_code_and_the_link_lives() {
    let mut first = true;
    let liar = liar(to("Read", move |_| {
        if std::mem::take(&mut first) {
            return vec![Say::Chunks(vec![vec![0; 500]; 3], End::Abort(StatusCode::BadEncodingLimitsExceeded))];
        }
        vec![Say::Good]
    }))
    .await;
    let wire = open(&liar).await.expect("it opens");
    let refused = read(&wire, &values(&["Speed"])).await.expect_err("aborted");
    assert_eq!(refused, Error::Refused { service: "Read", code: Code::from(StatusCode::BadEncodingLimitsExceeded) });
    assert_eq!(read(&wire, &values(&["Speed"])).await.expect("answered"), [Variant::Double(1.5)]);
}

#[tokio::test]
async fn numbers_only_rise() {
    // What is said to the second Read, and whether it is an answer.
    let cases: [(&[u32], bool); 6] = [
        (&[1], false),                   // begun anew
        (&[2], false),                   // the same again: the answer to the first Read had 2
        (&[3], true),                    // the next
        (&[70_000], true),               // some stepped over
        (&[u32::MAX - 100, 5], true),    // wrapped, as it may
        (&[u32::MAX - 9_000, 5], false), // wrapped long before its end
    ];
    for (numbers, answered) in cases {
        let mut reads = 0;
        let script = to("Read", move |_| {
            reads += 1;
            let number = numbers.get(usize::wrapping_sub(reads, 2)).copied();
            number.map(Say::Sequence).into_iter().chain([Say::Good]).collect()
        });
        let liar = liar(script).await;
        let wire = open(&liar).await.expect("it opens");
        for _ in 0..numbers.len() {
            read(&wire, &values(&["Speed"])).await.expect("answered");
        }
        let last = read(&wire, &values(&["Speed"])).await;
        assert_eq!(last.is_ok(), answered, "{numbers:?}: {last:?}");
        assert_eq!(wire.is_dead(), !answered, "{numbers:?}");
        if !answered {
            assert!(ended(&wire).await.to_string().contains("sequence number"), "{numbers:?}");
        }
    }
}

#[tokio::test]
async fn answers_to_nobody_are_counted_and_dropped() {
    let mut first = None;
    let liar = liar(to("Read", move |heard| match first {
        None => {
            first = Some(heard.id);
            vec![]
        }
        Some(id) => vec![Say::Of(id), Say::Good, Say::Of(4_000_000), Say::Good, Say::Of(heard.id), Say::Good],
    }))
    .await;
    let wire = open(&liar).await.expect("it opens");
    let plan = ReadPlan::new(&values(&["Speed"]), 0.0, &wire).expect("it can be encoded");
    let soon = Instant::now() + Duration::from_millis(50);
    let silent = plan.read(&wire, soon, |_, _| {}).await.expect_err("no answer");
    assert_eq!(silent, Error::Silent("Read"));
    assert_eq!(read(&wire, &values(&["Count"])).await.expect("answered"), [Variant::Int32(7)]);
    assert_eq!(wire.late(), 2);
}

#[tokio::test]
async fn answers_in_another_order_come_to_who_asked() {
    let mut waiting = None;
    let liar = liar(to("Read", move |heard| match waiting.take() {
        None => {
            waiting = Some(heard.id);
            vec![]
        }
        // The second is answered first; the first with other values than it asked for, so that it shows which is which.
        Some(id) => vec![Say::Good, Say::Of(id), Say::Fault(StatusCode::BadTooManyOperations)],
    }))
    .await;
    let wire = open(&liar).await.expect("it opens");
    let nodes = values(&["Speed"]);
    let (first, second) = tokio::join!(read(&wire, &nodes), read(&wire, &nodes));
    assert_eq!(first.expect_err("refused").code().expect("a code").name(), "BadTooManyOperations");
    assert_eq!(second.expect("answered"), [Variant::Double(1.5)]);
}

#[tokio::test]
async fn a_server_that_hangs_up_is_told_to_all_who_wait() {
    let liar = liar(to("Read", |_| vec![Say::Close])).await;
    let wire = open(&liar).await.expect("it opens");
    let nodes = values(&["Speed"]);
    let (one, other) = tokio::join!(read(&wire, &nodes), read(&wire, &nodes));
    for gone in [one, other] {
        assert!(matches!(gone.expect_err("gone"), Error::Closed(_)));
    }
    assert!(matches!(ended(&wire).await, Error::Closed(_)));
    assert!(wire.is_dead());
}
