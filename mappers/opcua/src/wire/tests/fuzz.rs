//! What nobody would send, made up and bent from what is sent. Short here; `POLLUX_FUZZ_CASES=1000000 cargo test --release -p
//! pollux-opcua --lib fuzz` by hand.
use super::*;
use crate::wire::{
    Cursor, Sample,
    frame::{self, Expect},
    publish, published,
};
use bytes::BytesMut;
use opcua::{
    core::ResponseMessage,
    types::{
        BinaryEncodable as _, ContextOwned, DataValue, DateTime, LocalizedText, MonitoredItemNotification,
        NotificationMessage, StatusCode,
    },
};
use proptest::{collection::vec, prelude::*, strategy::ValueTree as _, test_runner::TestRunner};

fn cases() -> ProptestConfig {
    let cases = std::env::var("POLLUX_FUZZ_CASES").map_or(1_000, |text| text.parse().expect("a number"));
    ProptestConfig { cases, failure_persistence: None, ..ProptestConfig::default() }
}

/// Beginnings that lead further than letters do.
fn heads() -> impl Strategy<Value = Vec<u8>> {
    let kinds = prop::sample::select(vec![*b"MSGF", *b"MSGC", *b"MSGA", *b"OPNF", *b"ERRF", *b"ACKF", *b"CLOF"]);
    (kinds, 0_u32..200, vec(any::<u8>(), 0..200))
        .prop_map(|(kind, size, rest)| [&kind[..], &size.to_le_bytes(), &rest].concat())
}
fn stream() -> impl Strategy<Value = Vec<u8>> {
    vec(prop_oneof![4 => heads(), 1 => vec(any::<u8>(), 0..64)], 0..6).prop_map(|parts| parts.concat())
}
/// All frames, and whether it ended in words.
fn cut(pieces: &[&[u8]], expect: Expect) -> (Vec<Vec<u8>>, bool) {
    let (mut buffer, mut frames) = (BytesMut::new(), vec![]);
    for piece in pieces {
        buffer.extend_from_slice(piece);
        loop {
            match frame::next(&mut buffer, expect) {
                Ok(Some(frame)) => frames.push(frame.to_vec()),
                Ok(None) => break,
                Err(_) => return (frames, true),
            }
        }
    }
    (frames, false)
}

/// An honest answer, bent in a few places, cut or longer.
fn bends() -> impl Strategy<Value = Vec<(prop::sample::Index, u8, u8)>> {
    vec((any::<prop::sample::Index>(), 0_u8..4, any::<u8>()), 1..6)
}
fn bent(honest: &[u8], bends: &[(prop::sample::Index, u8, u8)]) -> Vec<u8> {
    let mut out = honest.to_vec();
    for (at, how, byte) in bends {
        if out.is_empty() {
            break;
        }
        let at = at.index(out.len());
        match how {
            0 => out[at] = *byte,
            1 => out[at] ^= 1 << (byte % 8),
            2 => out.insert(at, *byte),
            _ => out.truncate(at),
        }
    }
    out
}

proptest! {
    #![proptest_config(cases())]
    #[test]
    fn a_stream_is_cut_alike_however_it_comes(bytes in stream(), at in any::<prop::sample::Index>(), mode in 0..4) {
        let expect = match mode {
            0 => Expect::Acknowledge,
            1 => Expect::Channel(MessageSecurityMode::None),
            2 => Expect::Channel(MessageSecurityMode::Sign),
            _ => Expect::Channel(MessageSecurityMode::SignAndEncrypt),
        };
        let (front, back) = bytes.split_at(at.index(bytes.len() + 1));
        let whole = cut(&[&bytes], expect);
        prop_assert_eq!(&whole, &cut(&[front, back], expect));
        prop_assert_eq!(&whole, &cut(&bytes.chunks(1).collect::<Vec<_>>(), expect));
        prop_assert!(bytes.starts_with(&whole.0.concat()), "frames are the bytes, in order");
        for frame in &whole.0 {
            // What stands in front is judged without a fall, whatever it says.
            drop(frame::asymmetric(frame, SecurityPolicy::Basic256Sha256, &[1, 2, 3], 256));
            drop(frame::ended(frame).to_string());
        }
    }

    #[test]
    fn a_value_is_what_the_codec_says(value in value(), status in any::<Option<u32>>(), source in any::<Option<i64>>(), server in any::<Option<i64>>(), picoseconds in any::<Option<u16>>()) {
        let sent = DataValue {
            value: Some(value.clone()),
            status: status.map(StatusCode::from),
            source_timestamp: source.map(|_| DateTime::from(chrono::Utc::now())),
            source_picoseconds: picoseconds.filter(|_| source.is_some()),
            server_timestamp: server.map(|_| DateTime::from(chrono::Utc::now())),
            server_picoseconds: picoseconds.filter(|_| server.is_some()),
        };
        let owned = ContextOwned::default();
        let ctx = owned.context();
        let mut bytes = sent.encode_to_vec(&ctx);
        bytes.push(0x5A);
        let mut cursor = Cursor::new(&bytes, "Read", &ctx);
        let Sample { value: came, status, source, server, .. } = cursor.sample(false).expect("it was encoded");
        let ticks = |time: Option<DateTime>| time.map_or(0, |time| time.checked_ticks());
        prop_assert_eq!(came, value);
        prop_assert_eq!(status, sent.status.unwrap_or_default().bits());
        prop_assert_eq!((source, server), (ticks(sent.source_timestamp), ticks(sent.server_timestamp)));
        prop_assert_eq!(cursor.u8(), Ok(0x5A), "and not a byte more");
    }
}

fn value() -> impl Strategy<Value = Variant> {
    let one = prop_oneof![
        any::<bool>().prop_map(Variant::from),
        any::<i8>().prop_map(Variant::from),
        any::<u8>().prop_map(Variant::from),
        any::<i16>().prop_map(Variant::from),
        any::<u16>().prop_map(Variant::from),
        any::<i32>().prop_map(Variant::from),
        any::<u32>().prop_map(Variant::from),
        any::<i64>().prop_map(Variant::from),
        any::<u64>().prop_map(Variant::from),
        (-1e30_f32..1e30).prop_map(Variant::from),
        (-1e300..1e300).prop_map(Variant::from),
        ".{0,20}".prop_map(|text| Variant::from(text.as_str())),
        vec(any::<u8>(), 0..20).prop_map(|bytes| Variant::from(ByteString::from(bytes))),
        ".{1,9}".prop_map(|text| Variant::from(LocalizedText::new("en", &text))),
        (any::<u16>(), any::<u32>()).prop_map(|(space, id)| Variant::from(NodeId::new(space, id))),
    ];
    let array = vec(any::<i16>(), 1..9).prop_map(Variant::from);
    let texts = vec(".{0,5}", 1..5).prop_map(Variant::from);
    prop_oneof![
        8 => one.clone(),
        1 => array,
        1 => texts,
        1 => one.prop_map(|value| Variant::Variant(Box::new(value))),
    ]
}

#[tokio::test]
async fn bent_answers_to_publish_are_read_or_refused_in_words() {
    let liar = liar(to("Publish", |_| {
        vec![Say::Bent(Box::new(|answer| {
            if let ResponseMessage::Publish(publish) = answer {
                let values = [Variant::Double(1.5), Variant::from("press"), Variant::from(vec![1_i32, 2])];
                let values = values.map(|value| MonitoredItemNotification {
                    client_handle: 7,
                    value: DataValue::new_at(value, DateTime::from(chrono::Utc::now())),
                });
                publish.available_sequence_numbers = Some(vec![2, 3]);
                publish.results = Some(vec![StatusCode::Good]);
                publish.notification_message =
                    NotificationMessage::data_change(3, DateTime::null(), values.to_vec(), vec![]);
            }
        }))]
    }))
    .await;
    let wire = open(&liar).await.expect("it opens");
    let honest = publish(&wire, &[], until()).await.expect("answered");
    let most = honest.len();
    let mut runner = TestRunner::new(cases());
    let run = runner.run(&bends(), |bends| {
        let mut samples = 0_usize;
        let told = published(&bent(&honest, &bends), &wire, |_| samples += 1);
        prop_assert!(samples <= most + 6, "no more values than bytes");
        prop_assert!(told.is_ok() || told.is_err_and(|error| !error.to_string().is_empty()));
        Ok(())
    });
    run.expect("it holds");
}

#[tokio::test]
async fn bent_answers_to_read_are_read_or_refused_in_words() {
    let body: Arc<std::sync::Mutex<Vec<u8>>> = Arc::default();
    let said = body.clone();
    let liar = liar(to("Read", move |_| match said.lock().expect("no panic").clone() {
        body if body.is_empty() => vec![Say::Good],
        body => vec![Say::Body(body)],
    }))
    .await;
    let wire = open(&liar).await.expect("it opens");
    let honest = {
        let owned = ContextOwned::default();
        let ctx = owned.context();
        let results = [Variant::Double(1.5), Variant::from("press"), Variant::from(vec![1.0_f32, 2.0])];
        let results = results.map(|value| DataValue::new_at(value, DateTime::from(chrono::Utc::now())));
        let answer = opcua::types::ReadResponse { results: Some(results.to_vec()), ..Default::default() };
        [&[1, 0, 0x7A, 0x02][..], &answer.encode_to_vec(&ctx)].concat()
    };
    let nodes = values(&["Speed", "Name", "Floats"]);
    *body.lock().expect("no panic") = honest.clone();
    assert_eq!(read(&wire, &nodes).await.expect("not bent yet").len(), 3);
    let mut runner = TestRunner::new(cases());
    for _ in 0..cases().cases {
        let bends = bends().new_tree(&mut runner).expect("it can be made").current();
        let lie = bent(&honest, &bends);
        if lie.is_empty() {
            continue;
        }
        *body.lock().expect("no panic") = lie;
        let came = read(&wire, &nodes).await;
        assert!(came.is_ok() || came.is_err_and(|error| !error.to_string().is_empty()));
        assert!(!wire.is_dead(), "{bends:?}");
    }
}
