//! Answers that are well secured and nonsense inside: an error of that call in words; the link, the process and its memory live.
use super::*;
use crate::error::Error;

/// Type id and header of a Good answer to Read, its bytes by hand (Part 6, 5.2 and 7.33).
fn header_of_read(handle: u32, diagnostics: &[u8]) -> Vec<u8> {
    let mut body = vec![1, 0, 0x7A, 0x02]; // i=634
    body.extend_from_slice(&[0; 8]); // timestamp
    body.extend_from_slice(&handle.to_le_bytes());
    body.extend_from_slice(&[0; 4]); // Good
    body.extend_from_slice(diagnostics);
    body.extend_from_slice(&[0xFF; 4]); // no strings
    body.extend_from_slice(&[0, 0, 0]); // nothing more
    body
}
/// One result, which is these bytes, and no diagnostics.
fn one_result(value: &[u8]) -> Vec<u8> {
    let mut body = header_of_read(0, &[0]);
    body.extend_from_slice(&1_i32.to_le_bytes());
    body.extend_from_slice(value);
    body.extend_from_slice(&[0xFF; 4]);
    body
}

/// Reads one node that answers with these bytes; then another, honestly.
async fn read_of(body: Vec<u8>) -> Result<Variant> {
    let mut body = Some(body);
    let liar = liar(to("Read", move |_| vec![body.take().map_or(Say::Good, Say::Body)])).await;
    let wire = open(&liar).await.expect("it opens");
    let came = read(&wire, &values(&["Speed"])).await;
    let honest = read(&wire, &values(&["Speed"])).await.expect("the link lives");
    assert_eq!(honest, [Variant::Double(1.5)]);
    came.map(|values| values.into_iter().next().expect("one value"))
}

#[tokio::test]
async fn bytes_by_hand_are_read() {
    let value = [&[1, 11][..], &2.5_f64.to_le_bytes()].concat();
    assert_eq!(read_of(one_result(&value)).await, Ok(Variant::Double(2.5)));
}

#[tokio::test]
async fn values_in_values_without_end_are_refused() {
    let value = [1, 23].repeat(1 << 20); // a DataValue that holds a DataValue that …
    let refused = read_of(one_result(&value)).await.expect_err("refused");
    assert!(matches!(refused, Error::Decode { service: "Read", .. }), "{refused}");
}

#[tokio::test]
async fn diagnostics_in_diagnostics_without_end_are_refused() {
    let diagnostics = vec![0x40; 1 << 20];
    let refused = read_of(header_of_read(0, &diagnostics)).await.expect_err("refused");
    assert!(matches!(refused, Error::Decode { service: "Read", .. }), "{refused}");
}
