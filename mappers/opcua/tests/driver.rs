//! The driver against a server in this process: what it sends, and what becomes of what it is told.
mod liar;
mod rig;

use liar::{Liar, Say, World};
use opcua::{
    core::{RequestMessage, ResponseMessage},
    types::{AttributeId, DataValue, NodeId, StatusCode, Variant, WriteValue},
};
use pollux_crds::{OpcUaBinding, OpcUaDelivery, OpcUaDevice, OpcUaSubscription};
use pollux_mapper::{Interval, PointSpec, Value, Wrote};
use rig::{Rig, at, open, point};
use std::time::Duration;

/// Read in cycles.
fn polled(url: &str) -> OpcUaDevice {
    let subscription = OpcUaSubscription { mode: Some(OpcUaDelivery::Poll), ..OpcUaSubscription::default() };
    OpcUaDevice { subscription: Some(subscription), ..open(url) }
}
/// Nodes N0, N1, …, their numbers as values.
fn many(world: &mut World, count: i32) -> Vec<PointSpec<OpcUaBinding>> {
    for number in 0..count {
        world.add(&format!("N{number}"), number);
    }
    (0..count).map(|number| point(&format!("n{number}"), at(&format!("ns=2;s=N{number}")))).collect()
}
fn ints(count: i32) -> impl Iterator<Item = (String, Value)> {
    (0..count).map(|number| (format!("n{number}"), Value::Int(number.into())))
}
fn written(liar: &Liar) -> Vec<Vec<WriteValue>> {
    let writes = liar.heard_of("Write").into_iter();
    writes
        .filter_map(|heard| match heard.request {
            RequestMessage::Write(write) => write.nodes_to_write,
            _ => None,
        })
        .collect()
}

#[tokio::test]
async fn ids_and_paths_by_uri_and_by_number_parts_and_arrays_are_read() {
    let liar = Liar::honest().await;
    let third = OpcUaBinding { index_range: Some("2".into()), ..at("ns=2;s=Floats") };
    let middle = OpcUaBinding { index_range: Some("1:2".into()), ..at("ns=2;s=Floats") };
    let points = vec![
        point("speed", at("nsu=urn:plant;s=Speed")),
        point("count", at("/nsu=urn:plant;Count")),
        point("name", at("/2:Name")),
        point("on", at("ns=2;s=On")),
        point("floats", at("ns=2;s=Floats")),
        point("third", third),
        point("middle", middle),
        point("nowhere", at("/2:Nowhere")),
        point("unknown", at("ns=2;s=Unknown")),
        point("foreign", at("nsu=urn:other;s=Speed")),
    ];
    let rig = Rig::start(OpcUaDevice { root: Some("/2:Line".into()), ..polled(&liar.url()) }, points).await;
    rig.until_is("speed", 1.5).await;
    rig.until_is("count", 7_i64).await;
    rig.until_is("name", "press").await;
    rig.until_is("on", true).await;
    rig.until_is("third", 3.0).await;
    let json = |json| Value::Json(std::sync::Arc::new(json));
    rig.until_is("floats", json(serde_json::json!([1, 2, 3, 4]))).await;
    rig.until_is("middle", json(serde_json::json!([2, 3]))).await;
    rig.until_bad("nowhere", "BadNoMatch: /2:Line/2:Nowhere from the Objects folder").await;
    rig.until_bad("unknown", "BadNodeIdUnknown").await;
    rig.until_bad("foreign", "the server has no namespace urn:other").await;
}

#[tokio::test]
async fn one_that_is_unknown_leaves_a_thousand_as_they_are() {
    let liar = Liar::honest().await;
    let mut points = many(&mut liar.world(), 1000);
    liar.world().remove("N500");
    points.push(point("more", at("ns=2;s=Speed")));
    let rig = Rig::start(polled(&liar.url()), points).await;
    rig.until("all but one are Good", |state| {
        ints(1000).all(|(name, value)| name == "n500" || state.is(&name, &value))
            && state.is_bad("n500", "BadNodeIdUnknown")
    })
    .await;
    // As few requests as can be: registered, and two Reads a cycle.
    let most = liar.heard_of("Read").into_iter().filter_map(|heard| match heard.request {
        RequestMessage::Read(read) => read.nodes_to_read.map(|nodes| nodes.len()),
        _ => None,
    });
    assert!(most.max() >= Some(1000));
}

#[tokio::test]
async fn limits_that_are_not_said_are_found_by_halving_whatever_the_code() {
    for code in [
        StatusCode::BadTooManyOperations,
        StatusCode::BadEncodingLimitsExceeded,
        StatusCode::BadRequestTooLarge,
        StatusCode::BadResponseTooLarge,
    ] {
        for most in [1, 7] {
            let liar = Liar::honest().await;
            let points = many(&mut liar.world(), 40);
            for service in ["Read", "Write", "Browse", "TranslateBrowsePathsToNodeIds", "RegisterNodes"] {
                // After that code a Write may have been done.
                let late = service == "Write" && code == StatusCode::BadResponseTooLarge;
                let code = if late { StatusCode::BadRequestTooLarge } else { code };
                liar.world().limits.insert(service, (most, code));
            }
            let rig = Rig::start(polled(&liar.url()), points).await;
            rig.until("all are Good", |state| ints(40).all(|(name, value)| state.is(&name, &value))).await;
            let values: Vec<(String, Value)> = (0..40).map(|n| (format!("n{n}"), Value::Int(100 + n))).collect();
            let values: Vec<(&str, Value)> =
                values.iter().map(|(name, value)| (name.as_str(), value.clone())).collect();
            assert!(rig.write(&values).await.iter().all(|wrote| *wrote == Wrote::Done), "{code} at {most}");
            assert_eq!((0..40).filter(|n| liar.world().value(&format!("N{n}")) == Variant::Int32(100 + n)).count(), 40);
            rig.until("it is shown and kept", |state| {
                let known = state.known.as_ref();
                known.is_some_and(|known| known.learned.iter().any(|line| line.starts_with("Read: at most")))
                    && known.is_some_and(|known| known.kept.get("Write").is_some())
            })
            .await;
            // What was learned is heeded: from here on nothing is refused.
            liar.clear();
            rig.write(&values).await;
            assert!(written(&liar).iter().all(|part| part.len() <= most));
            liar.world().limits.clear();
            rig.forget().await;
            let whole = |liar: &Liar| {
                liar.heard_of("Read").into_iter().any(|heard| match heard.request {
                    RequestMessage::Read(read) => read.nodes_to_read.is_some_and(|nodes| nodes.len() == 40),
                    _ => false,
                })
            };
            rig.until("forgotten, all are read at once", |_| whole(&liar)).await;
        }
    }
}

#[tokio::test]
async fn a_write_is_the_value_alone_of_the_nodes_own_type_many_in_one_request() {
    let liar = Liar::honest().await;
    let mut points = many(&mut liar.world(), 100);
    liar.world().add("Byte", 1_u8);
    let element = OpcUaBinding { index_range: Some("2".into()), ..at("ns=2;s=Floats") };
    points.extend([point("byte", at("ns=2;s=Byte")), point("third", element), point("name", at("ns=2;s=Name"))]);
    let rig = Rig::start(polled(&liar.url()), points).await;
    rig.until_is("byte", Value::Uint(1)).await;
    let mut values: Vec<(String, Value)> =
        (0..100).map(|n| (format!("n{n}"), Value::Float(f64::from(n) + 1.0))).collect();
    values.extend([("byte".into(), Value::Int(255)), ("third".into(), Value::Int(9)), ("name".into(), "x".into())]);
    let values: Vec<(&str, Value)> = values.iter().map(|(name, value)| (name.as_str(), value.clone())).collect();
    assert!(rig.write(&values).await.iter().all(|wrote| *wrote == Wrote::Done));
    let requests = written(&liar);
    assert_eq!(requests.len(), 1, "one request");
    for write in requests.iter().flatten() {
        let DataValue { value, status, source_timestamp, server_timestamp, .. } = &write.value;
        assert!(value.is_some() && status.is_none() && source_timestamp.is_none() && server_timestamp.is_none());
    }
    assert_eq!(liar.world().value("N7"), Variant::Int32(8));
    assert_eq!(liar.world().value("Byte"), Variant::Byte(255));
    assert_eq!(liar.world().value("Floats"), Variant::from(vec![1.0_f32, 2.0, 9.0, 4.0]));
    for (point, value, words) in [
        ("byte", Value::Int(256), "BadOutOfRange"),
        ("n1", Value::Float(0.5), "Bad"),
        ("n1", "x".into(), "BadTypeMismatch"),
    ] {
        let wrote = rig.write_one(point, value).await;
        assert!(matches!(&wrote, Wrote::Refused(fault) if fault.text.starts_with("Bad")), "{point} {words}: {wrote:?}");
    }
    assert_eq!(written(&liar).len(), 1, "what does not fit is not sent");
}

#[tokio::test]
async fn what_a_server_refuses_to_write_is_told_by_name_and_the_rest_is_done() {
    let liar = Liar::honest().await;
    liar.world().attribute(&World::id("Count"), AttributeId::AccessLevel, DataValue::value_only(1_u8));
    let points =
        vec![point("speed", at("ns=2;s=Speed")), point("count", at("ns=2;s=Count")), point("no", at("ns=2;s=No"))];
    let rig = Rig::start(polled(&liar.url()), points).await;
    rig.until_is("speed", 1.5).await;
    rig.until_bad("no", "BadNodeIdUnknown").await;
    let wrote = rig.write(&[("speed", 2.5.into()), ("count", 8_i64.into()), ("no", 1_i64.into())]).await;
    assert_eq!(wrote[0], Wrote::Done);
    assert!(matches!(&wrote[1], Wrote::Refused(fault) if fault.text == "BadNotWritable"), "{wrote:?}");
    assert!(matches!(&wrote[2], Wrote::Refused(fault) if fault.text == "BadNodeIdUnknown"), "{wrote:?}");
    for code in [StatusCode::BadUserAccessDenied, StatusCode::BadTypeMismatch] {
        liar.script(move |heard| match &heard.request {
            RequestMessage::Write(_) => vec![Say::Bent(Box::new(move |answer| {
                if let ResponseMessage::Write(write) = answer {
                    write.results = Some(vec![code]);
                }
            }))],
            _ => vec![Say::Good],
        });
        let wrote = rig.write_one("speed", 3.5).await;
        assert!(matches!(&wrote, Wrote::Refused(fault) if fault.text == code.to_string()), "{wrote:?}");
    }
    rig.until_is("speed", 3.5).await; // the liar wrote it all the same, and reading tells
}

#[tokio::test]
async fn a_write_that_completes_later_is_waited_for() {
    let liar = Liar::honest().await;
    let rig = Rig::start(polled(&liar.url()), vec![point("speed", at("ns=2;s=Speed"))]).await;
    rig.until_is("speed", 1.5).await;
    let mut reads = 0;
    liar.script(move |heard| match &heard.request {
        RequestMessage::Write(_) => vec![Say::Bent(Box::new(|answer| {
            if let ResponseMessage::Write(write) = answer {
                write.results = Some(vec![StatusCode::GoodCompletesAsynchronously]);
            }
        }))],
        RequestMessage::Read(_) => {
            reads += 1;
            let early = reads < 6;
            vec![Say::Bent(Box::new(move |answer| {
                if let (ResponseMessage::Read(read), true) = (answer, early) {
                    read.results.iter_mut().flatten().for_each(|one| one.value = Some(1.5.into()));
                }
            }))]
        }
        _ => vec![Say::Good],
    });
    liar.clear();
    assert_eq!(rig.write_one("speed", 4.5).await, Wrote::Done);
    assert!(liar.heard_of("Read").len() >= 6, "it was looked at until it was so");
}

#[tokio::test]
async fn a_write_that_is_not_answered_is_sent_once_and_unknown() {
    let liar = Liar::honest().await;
    let device = OpcUaDevice { timeout: "500ms".parse().ok(), ..polled(&liar.url()) };
    let rig = Rig::start(device, vec![point("speed", at("ns=2;s=Speed"))]).await;
    rig.until_is("speed", 1.5).await;
    liar.script(|heard| match &heard.request {
        RequestMessage::Write(_) => vec![],
        _ => vec![Say::Good],
    });
    assert_eq!(rig.write_one("speed", 4.5).await, Wrote::Unknown);
    assert_eq!(written(&liar).len(), 1);
}

#[tokio::test]
async fn more_or_fewer_results_are_nobodys_values_and_the_device_lives() {
    let liar = Liar::honest().await;
    let points = vec![point("speed", at("ns=2;s=Speed")), point("count", at("ns=2;s=Count"))];
    let rig = Rig::start(polled(&liar.url()), points).await;
    rig.until_is("count", 7_i64).await;
    for more in [true, false] {
        liar.script(move |heard| match &heard.request {
            RequestMessage::Read(_) => vec![Say::Bent(Box::new(move |answer| {
                if let ResponseMessage::Read(read) = answer {
                    let results = read.results.get_or_insert_default();
                    if more { results.push(DataValue::value_only(9_i32)) } else { results.truncate(1) }
                }
            }))],
            _ => vec![Say::Good],
        });
        rig.until_bad("count", if more { "3 results for 2 operations" } else { "1 results for 2 operations" }).await;
        rig.until_bad("speed", "results for 2 operations").await;
        let heard = liar.heard_of("Read").len();
        rig.until("it is asked on", |_| liar.heard_of("Read").len() > heard + 5).await;
        assert!(rig.state().is_up(), "it answers, if nonsense");
        liar.script(|_| vec![Say::Good]);
        rig.until_is("speed", 1.5).await;
        rig.until_is("count", 7_i64).await;
    }
}

#[tokio::test]
async fn a_value_that_cannot_be_decoded_is_bad_by_itself() {
    let liar = Liar::honest().await;
    let points = many(&mut liar.world(), 20);
    let rig = Rig::start(polled(&liar.url()), points).await;
    rig.until("all are Good", |state| ints(20).all(|(name, value)| state.is(&name, &value))).await;
    // The type byte of the value 13 becomes one that is no type.
    liar.script(|heard| match &heard.request {
        RequestMessage::Read(_) => vec![Say::Bytes(Box::new(|mut bytes| {
            let value = [6, 13, 0, 0, 0];
            if let Some(at) = bytes.windows(5).position(|window| window == value) {
                bytes[at] = 0x3F;
            }
            bytes
        }))],
        _ => vec![Say::Good],
    });
    rig.until_bad("n13", "BadDecodingError").await;
    liar.world().set("N12", 112_i32);
    liar.world().set("N14", 114_i32);
    rig.until_is("n12", 112_i64).await;
    rig.until_is("n14", 114_i64).await;
    assert!(
        ints(20).all(|(name, value)| ["n12", "n13", "n14"].contains(&name.as_str()) || rig.state().is(&name, &value))
    );
    liar.script(|_| vec![Say::Good]);
    rig.until_is("n13", 13_i64).await;
}

#[tokio::test]
async fn a_device_that_its_server_does_not_reach_is_down_and_its_neighbours_link_is_not() {
    let liar = Liar::honest().await;
    let points = vec![point("speed", at("ns=2;s=Speed")), point("count", at("ns=2;s=Count"))];
    let rig = Rig::start(polled(&liar.url()), points).await;
    rig.until("it is up", |state| state.is_up() && state.is("count", &Value::Int(7))).await;
    let gone = DataValue { status: Some(StatusCode::BadNoCommunication), ..DataValue::null() };
    liar.world().put(&World::id("Speed"), &gone);
    rig.until_bad("speed", "BadNoCommunication").await;
    assert!(rig.state().is_up(), "one node is not the device");
    liar.world().put(&World::id("Count"), &gone);
    rig.until("it is down", |state| state.is_down("BadNoCommunication")).await;
    assert!(rig.state().link.as_ref().is_some_and(|link| link.up), "the session is not");
    liar.world().set("Speed", 1.5);
    liar.world().set("Count", 7_i32);
    rig.until("it is up again", |state| state.is_up() && state.is("count", &Value::Int(7))).await;
}

#[tokio::test]
async fn a_node_that_comes_back_is_found_by_its_path_and_by_its_id() {
    let liar = Liar::honest().await;
    let points = vec![
        point("late", at("/2:Line/2:Late")),
        point("later", at("ns=2;s=Later")),
        point("speed", at("ns=2;s=Speed")),
    ];
    let rig = Rig::start(polled(&liar.url()), points).await;
    rig.until_bad("late", "BadNoMatch").await;
    rig.until_bad("later", "BadNodeIdUnknown").await;
    liar.world().add("Late", 4.0);
    liar.world().add("Later", 5.0);
    rig.until_is("late", 4.0).await;
    rig.until_is("later", 5.0).await;
}

#[tokio::test]
async fn what_comes_back_under_another_id_is_found_by_its_path() {
    let liar = Liar::honest().await;
    let unread = PointSpec { readable: false, ..point("unread", at("/2:Line/2:Count")) };
    let rig = Rig::start(polled(&liar.url()), vec![point("speed", at("/2:Line/2:Speed")), unread]).await;
    rig.until_is("speed", 1.5).await;
    assert_eq!(rig.write_one("unread", 8_i64).await, Wrote::Done);
    let nodes = ["Speed", "Count"]
        .map(|name| (NodeId::new(2, format!("New{name}")), liar.world().nodes[&World::id(name)].clone()));
    liar.world().remove("Speed");
    liar.world().remove("Count");
    rig.until_bad("speed", "Bad").await;
    assert!(matches!(rig.write_one("unread", 9_i64).await, Wrote::Refused(_)));
    for (id, node) in nodes {
        let mut world = liar.world();
        world.nodes.insert(id.clone(), node);
        world.child(&World::id("Line"), &id);
    }
    liar.world().put(&NodeId::new(2, "NewSpeed"), &DataValue::value_only(2.5));
    rig.until_is("speed", 2.5).await;
    let wait = async { while rig.write_one("unread", 9_i64).await != Wrote::Done {} };
    tokio::time::timeout(rig::PATIENCE, wait).await.expect("it is written again");
}

#[tokio::test]
async fn what_is_polled_is_registered_and_asked_by_its_alias() {
    let liar = Liar::honest().await;
    liar.world().add("Alias", 9.5);
    liar.script(|heard| match &heard.request {
        RequestMessage::RegisterNodes(_) => vec![Say::Bent(Box::new(|answer| {
            if let ResponseMessage::RegisterNodes(nodes) = answer {
                nodes.registered_node_ids = Some(vec![NodeId::new(2, "Alias")]);
            }
        }))],
        _ => vec![Say::Good],
    });
    let rig = Rig::start(polled(&liar.url()), vec![point("speed", at("ns=2;s=Speed"))]).await;
    rig.until_is("speed", 9.5).await;
}

/// Numbers of the points of each Read since then, of those that are called N….
fn read_together(liar: &Liar) -> Vec<Vec<i32>> {
    let number = |node: opcua::types::ReadValueId| match node.node_id.identifier {
        opcua::types::Identifier::String(name) if node.attribute_id == AttributeId::Value as u32 => {
            name.as_ref().strip_prefix('N')?.parse().ok()
        }
        _ => None,
    };
    let reads = liar.heard_of("Read").into_iter().filter_map(|heard| match heard.request {
        RequestMessage::Read(read) => read.nodes_to_read,
        _ => None,
    });
    reads.map(|nodes| nodes.into_iter().filter_map(number).collect()).collect()
}
/// Every third is of one read group.
fn grouped(mut points: Vec<PointSpec<OpcUaBinding>>) -> Vec<PointSpec<OpcUaBinding>> {
    points.iter_mut().step_by(3).for_each(|point| point.read_group = Some("together".into()));
    points
}
fn is_whole(read: &[i32], count: i32) -> bool {
    let of_it = read.iter().filter(|number| *number % 3 == 0).count();
    of_it == 0 || of_it == (0..count).step_by(3).count()
}

#[tokio::test]
async fn a_read_group_stands_in_one_request_also_while_limits_are_learned() {
    let liar = Liar::honest().await;
    let points = grouped(many(&mut liar.world(), 20)); // 7 of them together
    liar.world().limits.insert("Read", (9, StatusCode::BadTooManyOperations));
    let rig = Rig::start(polled(&liar.url()), points).await;
    rig.until("all are Good", |state| ints(20).all(|(name, value)| state.is(&name, &value))).await;
    let torn: Vec<_> = read_together(&liar).into_iter().filter(|read| !is_whole(read, 20)).collect();
    assert!(torn.is_empty(), "{torn:?}");
    // One that is larger than what the server takes has no values, and says why; the others have.
    liar.world().limits.insert("Read", (3, StatusCode::BadTooManyOperations));
    rig.until_bad("n18", "a read group of 7 nodes").await;
    liar.world().set("N19", 119_i32);
    rig.until_is("n19", 119_i64).await;
    let torn: Vec<_> = read_together(&liar).into_iter().filter(|read| !is_whole(read, 20)).collect();
    assert!(torn.is_empty(), "{torn:?}");
}

/// What is too much beside others may pass by itself.
#[tokio::test]
async fn a_read_group_that_the_server_takes_is_read_whatever_was_refused_with_it() {
    for (takes, fits) in [(70, true), (50, false)] {
        let liar = Liar::honest().await;
        let mut points = many(&mut liar.world(), 100);
        points.iter_mut().take(60).for_each(|point| point.read_group = Some("together".into()));
        liar.world().limits.insert("Read", (takes, StatusCode::BadTooManyOperations));
        let rig = Rig::start(polled(&liar.url()), points).await;
        let good = |state: &rig::State, all: usize| ints(100).skip(all).all(|(name, value)| state.is(&name, &value));
        if fits {
            rig.until("all are Good", |state| good(state, 0)).await;
        } else {
            rig.until("the others are Good", |state| good(state, 60)).await;
            rig.until_bad("n0", "a read group of 60 nodes, and the server takes").await;
        }
    }
}

/// How much it was says nothing of how many the server takes.
#[tokio::test]
async fn a_read_group_of_small_values_is_read_though_fewer_large_ones_were_refused() {
    let liar = Liar::start(|heard| match &heard.request {
        RequestMessage::Read(read) => {
            let large = |name: &String| read.nodes_to_read.iter().flatten().any(|node| node.node_id == World::id(name));
            let large = (0..20).map(|number| format!("N{number}")).filter(large).count();
            vec![if large > 7 { Say::Fault(StatusCode::BadResponseTooLarge) } else { Say::Good }]
        }
        _ => vec![Say::Good],
    })
    .await;
    let mut points = many(&mut liar.world(), 60);
    for (at, point) in points.iter_mut().enumerate() {
        // Nodes 0 to 9 are too large together, and must be; 40 to 59 are small.
        let group = if at < 10 { "large" } else { "small" };
        point.read_group = (!(10..40).contains(&at)).then(|| group.into());
    }
    let rig = Rig::start(polled(&liar.url()), points).await;
    rig.until("all but the large group are Good", |state| {
        ints(60).skip(10).all(|(name, value)| state.is(&name, &value))
    })
    .await;
    rig.until_bad("n0", "BadResponseTooLarge").await;
    liar.world().set("N50", 150_i32);
    rig.until_is("n50", 150_i64).await;
    assert!(ints(60).skip(10).all(|(name, value)| name == "n50" || rig.state().is(&name, &value)));
}

#[tokio::test]
async fn a_read_group_with_a_value_that_cannot_be_decoded_is_bad_as_a_whole_and_by_itself() {
    let liar = Liar::honest().await;
    let points = grouped(many(&mut liar.world(), 20));
    let rig = Rig::start(polled(&liar.url()), points).await;
    rig.until("all are Good", |state| ints(20).all(|(name, value)| state.is(&name, &value))).await;
    liar.script(|heard| match &heard.request {
        RequestMessage::Read(_) => vec![Say::Bytes(Box::new(|mut bytes| {
            let value = [6, 12, 0, 0, 0];
            if let Some(at) = bytes.windows(5).position(|window| window == value) {
                bytes[at] = 0x3F;
            }
            bytes
        }))],
        _ => vec![Say::Good],
    });
    for member in ["n0", "n12", "n18"] {
        rig.until_bad(member, "BadDecodingError").await;
    }
    liar.clear();
    liar.world().set("N13", 113_i32);
    liar.world().set("N1", 101_i32);
    rig.until_is("n13", 113_i64).await;
    rig.until_is("n1", 101_i64).await;
    for (name, value) in ints(20).enumerate().filter(|(at, _)| at % 3 != 0 && *at != 13 && *at != 1).map(|(_, one)| one)
    {
        assert!(rig.state().is(&name, &value), "{name}");
    }
    assert!((0..20).step_by(3).all(|at| rig.state().is_bad(&format!("n{at}"), "BadDecodingError")));
    let torn: Vec<_> = read_together(&liar).into_iter().filter(|read| !is_whole(read, 20)).collect();
    assert!(torn.is_empty(), "{torn:?}");
    liar.script(|_| vec![Say::Good]);
    rig.until("the group is Good", |state| {
        ints(20).enumerate().all(|(at, (name, value))| at % 3 != 0 || state.is(&name, &value))
    })
    .await;
}

#[tokio::test]
async fn a_polled_device_is_judged_by_all_of_its_nodes() {
    let liar = Liar::honest().await;
    let slow = PointSpec { interval: Interval::Every(Duration::from_secs(1)), ..point("count", at("ns=2;s=Count")) };
    let rig = Rig::start(polled(&liar.url()), vec![point("speed", at("ns=2;s=Speed")), slow]).await;
    rig.until("it is up", |state| state.is_up() && state.is("count", &Value::Int(7))).await;
    let gone = DataValue { status: Some(StatusCode::BadNoCommunication), ..DataValue::null() };
    liar.world().put(&World::id("Speed"), &gone);
    rig.until_bad("speed", "BadNoCommunication").await;
    let before = rig.state().downs;
    liar.clear();
    rig.until("it is read on", |_| liar.heard_of("Read").len() > 20).await;
    assert_eq!(rig.state().downs, before, "it was never down");
    liar.world().put(&World::id("Count"), &gone);
    rig.until("it is down", |state| state.is_down("BadNoCommunication")).await;
}

/// Not of a node that is not there, nor of one that cannot be read: what is not there has no machine.
#[tokio::test]
async fn a_node_that_is_not_there_does_not_keep_a_device_up_whose_machine_is_gone() {
    for missing in ["ns=2;s=Nowhere", "/2:Line/2:Nowhere", "ns=2;s=Count"] {
        let liar = Liar::honest().await;
        // Its node is found each time, and is not there when it is read.
        let lost = DataValue { status: Some(StatusCode::BadNodeIdUnknown), ..DataValue::null() };
        liar.world().put(&World::id("Count"), &lost);
        let points = vec![point("speed", at("ns=2;s=Speed")), point("missing", at(missing))];
        let rig = Rig::start(polled(&liar.url()), points).await;
        rig.until("it is up", |state| state.is_up() && state.is("speed", &Value::Float(1.5))).await;
        rig.until_bad("missing", "Bad").await;
        let gone = DataValue { status: Some(StatusCode::BadNoCommunication), ..DataValue::null() };
        liar.world().put(&World::id("Speed"), &gone);
        rig.until(&format!("it is down, with {missing}"), |state| state.is_down("BadNoCommunication")).await;
        liar.world().set("Speed", 2.5);
        rig.until("it is up again", |state| state.is_up() && state.is("speed", &Value::Float(2.5))).await;
    }
}
