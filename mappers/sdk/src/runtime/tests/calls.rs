//! Commands of a model: judged before they take their turn, sent once, answered always.
use super::*;
use crate::{ErrorKind, PointFault, testing::scripted::Answer};
use pollux_crds::{ArgumentType, CommandArgument, EffectiveCommand, ModelCommand};

fn with_command(device: EffectiveDevice) -> EffectiveDevice {
    let argument = |name: &str, default: Option<f64>| CommandArgument {
        name: name.into(),
        type_: ArgumentType::Number,
        maximum: Some(9.0),
        default: default.map(Into::into),
        ..CommandArgument::default()
    };
    let arguments = vec![argument("code", None), argument("delay", Some(2.5))];
    let command = ModelCommand { name: "reset".into(), arguments, ..ModelCommand::default() };
    EffectiveDevice { commands: vec![EffectiveCommand { command, binding: json!({"method": "i=1"}).into() }], ..device }
}
fn given(values: serde_json::Value) -> Values {
    serde_json::from_value(values).expect("values")
}
fn calls(plant: &Plant) -> usize {
    plant.script.seen().iter().filter(|seen| matches!(seen, Seen::Call(..))).count()
}

#[tokio::test(start_paused = true)]
async fn a_command_is_sent_once_with_its_defaults_and_its_result_comes_back() {
    let script = script(&["a"]);
    let plant = Plant::new(&script, config([with_command(device("a"))]));
    plant.until("a", reports("setpoint", 20.0)).await;
    let result = plant.control.call("uid-a", "reset", given(json!({"code": 3}))).await;
    assert_eq!(result, Ok(json!(3)));
    assert_eq!(calls(&plant), 1);
    let refusal = PointFault::new(ErrorKind::Denied, "BadInvalidState");
    script.answers.lock().unwrap().push_back(Answer::Refuse(refusal));
    let refused = plant.control.call("uid-a", "reset", given(json!({"code": 1}))).await;
    assert_eq!(refused, Err(ControlError::Failed("BadInvalidState".into())));
    script.answers.lock().unwrap().push_back(Answer::Silent);
    let lost = plant.control.call("uid-a", "reset", given(json!({"code": 2}))).await;
    assert!(matches!(lost, Err(ControlError::Unknown(_))), "{lost:?}");
    plant.pass(seconds(60)).await;
    assert_eq!(calls(&plant), 3, "never again");
    plant.end().await;
}

#[tokio::test(start_paused = true)]
async fn what_must_not_or_cannot_be_sent_is_refused_before_it_takes_its_turn() {
    let script = script(&["a", "watched", "off"]);
    let devices = [device("a"), with_mode(Mode::Monitor, device("watched")), with_mode(Mode::Off, device("off"))];
    let plant = Plant::new(&script, config(devices.map(with_command)));
    plant.until("a", reports("setpoint", 20.0)).await;
    plant.until("watched", reports("setpoint", 20.0)).await;
    let call = async |uid: &str, command: &str, arguments| {
        plant.control.call(uid, command, given(arguments)).await.expect_err("refused").to_string()
    };
    for (uid, command, arguments, says) in [
        ("uid-x", "reset", json!({"code": 1}), "no such device on this mapper"),
        ("uid-a", "restart", json!({}), "restart: no such command; there are: reset"),
        ("uid-a", "reset", json!({}), "code: required: a number of at most 9"),
        ("uid-a", "reset", json!({"code": 10}), "code: must be a number of at most 9, is 10"),
        ("uid-a", "reset", json!({"code": "1"}), "code: must be a number of at most 9, is \"1\""),
        ("uid-a", "reset", json!({"code": 1, "speed": 1}), "speed: no such argument; there are: code, delay"),
        (
            "uid-watched",
            "reset",
            json!({"code": 1}),
            "mode is Monitor; a device is told something in mode Control only",
        ),
        (
            "uid-off",
            "reset",
            json!({"code": 1}),
            "device does not answer: it is off, or it cannot be driven as it is configured",
        ),
    ] {
        assert_eq!(call(uid, command, arguments).await, says);
    }
    let disabled = NodeConfig { writes: Writes::Disabled, ..config([with_command(edited(device("a")))]) };
    plant.set(disabled);
    plant.poll("edited", |plant| plant.view("a").is_some_and(|view| view.device.generation == 2)).await;
    plant.pass(seconds(1)).await;
    let says = "writes are disabled: by the MapperClass, or without a cluster for want of --allow-writes";
    assert_eq!(call("uid-a", "reset", json!({"code": 1})).await, says);
    assert_eq!(calls(&plant), 0);
    plant.end().await;
}
