//! How much of answers is kept.
use super::*;
use crate::{error::Error, liar::End};
use futures_util::future::join_all;

const KIB: usize = 1024;

fn limits(message: usize, held: usize) -> How {
    How { limits: Limits { message, held, ..Limits::default() }, ..How::plain() }
}
fn parts(bytes: usize) -> Vec<Vec<u8>> {
    vec![vec![0; 10 * KIB]; bytes / (10 * KIB)]
}

#[tokio::test]
async fn chunks_that_never_end_are_no_answer_once_they_are_too_many() {
    let liar = liar(to("Read", |_| vec![Say::Chunks(parts(150 * KIB), End::Never)])).await;
    let wire = limits(100 * KIB, 1024 * KIB).open(&liar).await.expect("it opens");
    let refused = read(&wire, &values(&["Speed"])).await.expect_err("too large");
    assert_eq!(refused, Error::TooLarge("Read"));
    liar.script(|_| vec![Say::Good]);
    read(&wire, &values(&["Speed"])).await.expect("the link lives");
}

#[tokio::test]
async fn answers_that_are_not_whole_are_bounded_together() {
    let liar = liar(to("Read", |_| vec![Say::Chunks(parts(90 * KIB), End::Never)])).await;
    let wire = limits(100 * KIB, 200 * KIB).open(&liar).await.expect("it opens");
    let plan = ReadPlan::new(&values(&["Speed"]), 0.0, &wire).expect("it can be encoded");
    let soon = Instant::now() + Duration::from_millis(500);
    let all = join_all((0..5).map(|_| plan.read(&wire, soon, |_, _| {}))).await;
    let of = |error| all.iter().filter(|came| came.as_ref() == Err(&error)).count();
    assert_eq!((of(Error::Silent("Read")), of(Error::TooLarge("Read"))), (2, 3), "{all:?}");
    // What nobody waits for any more is forgotten, and then there is room again.
    liar.script(to("Read", |_| vec![Say::Pieces(10 * KIB)]));
    long(&liar, 150 * KIB);
    let whole = async {
        let wire = &wire;
        while limited(wire, 90 * KIB, &liar).await.is_err() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(PATIENCE, whole).await.expect("there is room again");
}
async fn limited(wire: &Wire, bytes: usize, liar: &Liar) -> Result<Vec<Variant>> {
    long(liar, bytes);
    read(wire, &values(&["Long", "Speed"])).await
}

#[tokio::test]
async fn forty_large_answers_at_once_are_read_one_by_one() {
    let liar = liar(|_| vec![Say::Good]).await;
    long(&liar, 900 * KIB);
    let wire = open(&liar).await.expect("it opens");
    let nodes = values(&["Long"]);
    for came in join_all((0..40).map(|_| read(&wire, &nodes))).await {
        assert_eq!(came.expect("answered").len(), 1);
    }
}

#[tokio::test]
async fn a_request_larger_than_the_server_takes_is_not_sent() {
    let liar = liar(|_| vec![Say::Good]).await;
    liar.world().most_request = 20_000;
    let wire = open(&liar).await.expect("it opens");
    let refused = read(&wire, &vec![values(&["Speed"]).remove(0); 2_000]).await.expect_err("too large");
    assert!(matches!(refused, Error::Encode { service: "Read", .. }), "{refused}");
    read(&wire, &values(&["Speed"])).await.expect("the link lives");
    assert_eq!(liar.heard_of("Read").len(), 1);
}
