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
