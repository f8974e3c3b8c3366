//! Methods: found, typed, called once, and their results told.
mod liar;
mod rig;

use liar::{Liar, Node, Say, World};
use opcua::{
    core::{RequestMessage, ResponseMessage},
    types::{Argument, DataTypeId, ExtensionObject, QualifiedName, ReferenceTypeId, StatusCode, Variant},
};
use pollux_crds::OpcUaDevice;
use pollux_mapper::{CallError, Value};
use rig::{Rig, at, open, point};
use serde_json::json;
use std::sync::Arc;

/// A property of a method: what it takes, or gives.
fn describe(world: &mut World, method: &str, property: &str, arguments: &[(&str, DataTypeId)]) {
    let one = |(name, kind): &(&str, DataTypeId)| {
        ExtensionObject::from_message(Argument {
            name: (*name).into(),
            data_type: (*kind).into(),
            value_rank: -1,
            ..Argument::default()
        })
    };
    let name = format!("{method}.{property}");
    world.add(&name, arguments.iter().map(one).collect::<Vec<ExtensionObject>>());
    let id = World::id(&name);
    let found: &mut Node = world.nodes.get_mut(&id).expect("added");
    found.browse_name = QualifiedName::new(0, property);
    let method = world.nodes.get_mut(&World::id(method)).expect("a method");
    method.references.push((ReferenceTypeId::HasProperty.into(), id));
}
async fn plant() -> (Liar, Rig) {
    let liar = Liar::honest().await;
    {
        let mut world = liar.world();
        describe(&mut world, "Add", "InputArguments", &[("a", DataTypeId::Double), ("b", DataTypeId::Double)]);
        describe(&mut world, "Add", "OutputArguments", &[("sum", DataTypeId::Double)]);
        world.method(
            "Reset",
            |arguments| if arguments.is_empty() { Ok(vec![]) } else { Err(StatusCode::BadTooManyArguments) },
        );
        world.method("Split", |_| Ok(vec![Variant::from(3_u8), Variant::from("rest")]));
        describe(&mut world, "Split", "OutputArguments", &[("head", DataTypeId::Byte), ("tail", DataTypeId::String)]);
        world.method("Refuse", |_| Err(StatusCode::BadInvalidState));
    }
    let device = OpcUaDevice { root: Some("/2:Line".into()), timeout: "1s".parse().ok(), ..open(&liar.url()) };
    let rig = Rig::start(device, vec![point("speed", at("/2:Speed"))]).await;
    rig.until_is("speed", 1.5).await;
    (liar, rig)
}
fn calls(liar: &Liar) -> usize {
    liar.heard_of("Call").len()
}

#[tokio::test]
async fn a_method_by_path_and_by_id_its_arguments_of_its_own_types_and_its_results_by_name() {
    let (liar, rig) = plant().await;
    let two = [("a", Value::Int(2)), ("b", Value::Float(0.5))];
    assert_eq!(rig.call(None, "/2:Add", &two).await, Ok(Value::Float(2.5)));
    assert_eq!(rig.call(Some("nsu=urn:plant;s=Line"), "nsu=urn:plant;s=Add", &two).await, Ok(Value::Float(2.5)));
    let sent = liar.heard_of("Call").into_iter().filter_map(|heard| match heard.request {
        RequestMessage::Call(call) => call.methods_to_call?.first().cloned(),
        _ => None,
    });
    for call in sent {
        assert_eq!((call.object_id, call.method_id), (World::id("Line"), World::id("Add")));
        assert_eq!(call.input_arguments, Some(vec![Variant::Double(2.0), Variant::Double(0.5)]));
    }
    let several = Value::Json(Arc::new(json!({"head": 3, "tail": "rest"})));
    assert_eq!(rig.call(None, "/2:Split", &[]).await, Ok(several));
    assert_eq!(rig.call(None, "/2:Reset", &[]).await, Ok(Value::Json(Arc::new(json!(null)))));
}

#[tokio::test]
async fn what_cannot_be_called_is_refused_in_words_before_anything_is_sent() {
    let (liar, rig) = plant().await;
    let one = [("a", Value::Int(2))];
    let text = [("a", Value::Int(2)), ("b", Value::from("x"))];
    for (object, method, arguments, words) in [
        (None, "/2:Add", &one[..], "takes 2 arguments (a: Double, b: Double), the command gives 1"),
        (None, "/2:Add", &text[..], "b: Bad"),
        (None, "/2:Nothing", &[][..], "BadNoMatch: /2:Line/2:Nothing"),
        (Some("/2:Nowhere"), "/2:Add", &text[..], "BadNoMatch: /2:Line/2:Nowhere"),
    ] {
        let called = rig.call(object, method, arguments).await;
        assert!(
            matches!(&called, Err(CallError::Refused(fault)) if fault.text.contains(words)),
            "{method} {words}: {called:?}"
        );
    }
    assert_eq!(calls(&liar), 0);
}

#[tokio::test]
async fn a_refusal_is_told_by_name_and_by_argument() {
    let (liar, rig) = plant().await;
    let called = rig.call(None, "/2:Refuse", &[]).await;
    assert!(matches!(&called, Err(CallError::Refused(fault)) if fault.text == "BadInvalidState"), "{called:?}");
    liar.script(|heard| match &heard.request {
        RequestMessage::Call(_) => vec![Say::Bent(Box::new(|answer| {
            if let ResponseMessage::Call(call) = answer {
                for result in call.results.iter_mut().flatten() {
                    result.status_code = StatusCode::BadInvalidArgument;
                    result.input_argument_results = Some(vec![StatusCode::Good, StatusCode::BadOutOfRange]);
                }
            }
        }))],
        _ => vec![Say::Good],
    });
    let called = rig.call(None, "/2:Add", &[("a", Value::Int(2)), ("b", Value::Int(1))]).await;
    assert!(
        matches!(&called, Err(CallError::Refused(fault)) if fault.text == "BadInvalidArgument (b: BadOutOfRange)"),
        "{called:?}"
    );
}

#[tokio::test]
async fn a_call_that_is_not_answered_is_unknown_and_not_repeated() {
    let (liar, rig) = plant().await;
    liar.script(|heard| if matches!(heard.request, RequestMessage::Call(_)) { vec![] } else { vec![Say::Good] });
    let called = rig.call(None, "/2:Reset", &[]).await;
    assert!(matches!(called, Err(CallError::Unknown(_))), "{called:?}");
    liar.script(
        |heard| if matches!(heard.request, RequestMessage::Call(_)) { vec![Say::Close] } else { vec![Say::Good] },
    );
    let called = rig.call(None, "/2:Reset", &[]).await;
    assert!(matches!(called, Err(CallError::Unknown(_))), "{called:?}");
    liar.script(|_| vec![Say::Good]);
    rig.until("it is up", rig::State::is_up).await;
    assert_eq!(rig.write_one("speed", 2.5).await, pollux_mapper::Wrote::Done);
    assert_eq!(calls(&liar), 2, "each once");
}

#[tokio::test]
async fn more_results_than_methods_leave_it_unknown() {
    let (liar, rig) = plant().await;
    liar.script(|heard| match &heard.request {
        RequestMessage::Call(_) => vec![Say::Bent(Box::new(|answer| {
            if let ResponseMessage::Call(call) = answer {
                let again = call.results.clone().unwrap_or_default();
                call.results.get_or_insert_default().extend(again);
            }
        }))],
        _ => vec![Say::Good],
    });
    let called = rig.call(None, "/2:Reset", &[]).await;
    assert!(matches!(&called, Err(CallError::Unknown(fault)) if fault.text.contains("2 results for 1")), "{called:?}");
}
