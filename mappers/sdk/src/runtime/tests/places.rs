//! Which device is where: moves, conflicts, refusals, and what is let go of.
use super::*;
use crate::{ErrorKind, PointFault, testing::scripted::Answer};
use pollux_crds::{CONNECTED, IN_SYNC};

fn refused_with(reason: &'static str, words: &'static str) -> impl Fn(&DeviceStatus) -> bool {
    move |status| {
        let (connected, why, message) = status_of(status, CONNECTED);
        (connected, why) == ("False", reason) && message.contains(words)
    }
}

#[tokio::test(start_paused = true)]
async fn a_device_is_let_go_at_its_old_endpoint_before_it_is_opened_at_the_new_one() {
    let script = script(&["a", "b"]);
    *script.cost.lock().unwrap() = Duration::from_millis(400);
    let plant = Plant::new(&script, config([device("a"), device("b")]));
    plant.until("a", reports("temperature", 20.0)).await;
    let before = script.seen().len();
    plant.set(config([on("other", device("a")), device("b")]));
    plant.poll("moved", |plant| plant.engines.all().get("other").is_some_and(|e| e.devices.len() == 1)).await;
    plant.poll("attached", |plant| plant.script.seen()[before..].contains(&Seen::Attach("a".into()))).await;
    let of_a = |seen: &Seen| matches!(seen, Seen::Attach(n) | Seen::Detach(n) | Seen::Read(n, _) if n == "a");
    let after: Vec<Seen> = script.seen().split_off(before).into_iter().filter(of_a).collect();
    let detach = after.iter().position(|seen| *seen == Seen::Detach("a".into())).expect("detached");
    let attach = after.iter().position(|seen| *seen == Seen::Attach("a".into())).expect("attached");
    assert!(detach < attach, "{after:?}");
    plant.end().await;
}

/// Buses of one resource that differ in settings: what stands before `?` is the resource.
#[tokio::test(start_paused = true)]
async fn of_two_settings_of_one_resource_the_later_is_refused_until_the_first_goes() {
    let script = script(&["a", "b"]);
    let (a, b) = (on("tty?9600", device("a")), on("tty?19200", device("b")));
    let plant = Plant::new(&script, config([a.clone(), b.clone()]));
    plant.until("a", reports("temperature", 20.0)).await;
    plant.until("b", refused_with("EndpointConflict", "plant/a")).await;
    plant.pass(seconds(10)).await;
    assert!(!script.seen().iter().any(|seen| *seen == Seen::Attach("b".into())));
    plant.set(config([b]));
    plant.until("b", reports("temperature", 20.0)).await;
    let seen = script.seen();
    let at = |what: Seen| seen.iter().position(|seen| *seen == what).expect("seen");
    assert!(at(Seen::Detach("a".into())) < at(Seen::Attach("b".into())), "{seen:?}");
    plant.end().await;
}

#[tokio::test(start_paused = true)]
async fn two_names_that_turn_out_to_be_one_resource_are_not_both_kept_open() {
    let script = script(&["a", "b", "c"]);
    *script.identity.lock().unwrap() = Some("serial 7".into());
    let (a, b) = (on("localhost", device("a")), on("127.0.0.1", device("b")));
    let plant = Plant::new(&script, config([a.clone(), b.clone()]));
    plant.until("b", refused_with("EndpointConflict", "localhost, which is open for plant/a")).await;
    plant.until("a", reports("temperature", 20.0)).await;
    plant.poll("closed", |plant| plant.engines.all().keys().eq(["localhost"])).await;
    let connects = *script.connects.lock().unwrap();
    for n in 0..10 {
        plant.set(config([wants(f64::from(n), a.clone()), b.clone()]));
        plant.pass(seconds(30)).await;
    }
    assert_eq!(*script.connects.lock().unwrap(), connects, "they do not take turns");
    script.set("b", "temperature", 21.0);
    plant.set(config([b.clone()]));
    plant.until("b", reports("temperature", 21.0)).await;
    assert!(plant.engines.all().keys().eq(["127.0.0.1"]));
    plant.end().await;
}

/// What is open is busy for whoever comes by another name, and so never says what it is.
#[tokio::test(start_paused = true)]
async fn a_resource_that_is_busy_under_another_name_names_who_holds_it() {
    let script = script(&["a", "b"]);
    *script.identity.lock().unwrap() = Some("serial 7".into());
    let (a, b) = (on("ttyUSB0", device("a")), on("by-id", device("b")));
    let plant = Plant::new(&script, config([a.clone()]));
    plant.until("a", reports("temperature", 20.0)).await;
    *script.dial.lock().unwrap() = Answer::Refuse(PointFault::new(ErrorKind::Unreachable, "busy"));
    *script.recognized.lock().unwrap() = Some("serial 7".into());
    plant.set(config([a.clone(), b.clone()]));
    plant.until("b", refused_with("EndpointConflict", "by-id is ttyUSB0, which is open for plant/a")).await;
    *script.dial.lock().unwrap() = Answer::Normal;
    plant.set(config([b]));
    plant.until("b", reports("temperature", 20.0)).await;
    plant.end().await;
}

#[tokio::test(start_paused = true)]
async fn what_the_driver_refuses_shows_on_that_device_alone() {
    let script = script(&["a", "b"]);
    let mut bad = device("a");
    bad.properties[0].source = Source::Binding(json!("").into());
    bad.properties[1].source = Source::Binding(json!(7).into());
    let plant = Plant::new(&script, config([bad.clone(), device("b")]));
    plant.until("b", reports("temperature", 20.0)).await;
    plant.until("a", refused_with("ConfigError", "spec.properties[setpoint].binding")).await;
    bad.properties = bad.properties[..1].to_vec().into();
    plant.set(config([edited(bad.clone()), device("b")]));
    plant
        .until("a", refused_with("ConfigError", "spec.properties[temperature].binding: temperature: address must"))
        .await;
    assert!(!script.seen().iter().any(|seen| *seen == Seen::Attach("a".into())));
    plant.set(config([edited(edited(device("a"))), device("b")]));
    plant.until("a", reports("temperature", 20.0)).await;
    plant.end().await;
}

#[tokio::test(start_paused = true)]
async fn a_device_whose_configuration_is_refused_holds_no_resource() {
    let script = script(&["a", "b"]);
    let mut bad = on("tty?9600", device("a"));
    bad.properties[0].source = Source::Binding(json!("").into());
    let plant = Plant::new(&script, config([bad, on("tty?19200", device("b"))]));
    plant.until("b", reports("temperature", 20.0)).await;
    plant.end().await;
}

#[tokio::test(start_paused = true)]
async fn a_refused_edit_leaves_the_last_valid_one_in_force() {
    let script = script(&["a"]);
    let plant = Plant::new(&script, config([device("a")]));
    plant.until("a", reports("temperature", 20.0)).await;
    let mut bad = on("other", wants(50.0, device("a")));
    bad.properties[0].source = Source::Binding(json!("").into());
    plant.set(config([bad.clone()]));
    plant.pass(seconds(10)).await;
    script.set("a", "temperature", 21.0);
    let status = plant.until("a", reports("temperature", 21.0)).await;
    assert_eq!((status_of(&status, CONNECTED).0, status.conditions[0].observed_generation), ("True", 1));
    let (said, why, message) = status_of(&status, IN_SYNC);
    assert_eq!((said, why), ("False", "ConfigError"));
    let begins = "generation 3 is refused, generation 1 stays in force: spec.properties[temperature].binding";
    assert!(message.starts_with(begins), "{message}");
    assert!(plant.engines.all().keys().eq(["bus"]), "it did not move");
    assert!(plant.setpoints().is_empty(), "nothing of it is in force");
    plant.set(config([on("other", device("a"))]));
    plant.poll("moved", |plant| plant.engines.all().keys().eq(["other"])).await;
    plant.until("a", is(IN_SYNC, "True", "NothingDesired")).await;
    plant.end().await;
}

#[tokio::test(start_paused = true)]
async fn after_a_driver_fell_the_last_valid_form_is_in_force_again() {
    let script = script(&["a"]);
    let plant = Plant::new(&script, config([device("a")]));
    plant.until("a", reports("temperature", 20.0)).await;
    let mut bad = edited(device("a"));
    bad.properties[0].source = Source::Binding(json!("").into());
    plant.set(config([bad]));
    plant.until("a", is(IN_SYNC, "False", "ConfigError")).await;
    script.answers.lock().unwrap().push_back(Answer::Late(Duration::MAX)); // no clock goes so far
    plant.until("a", refused_with("DriverFailed", "started again")).await;
    script.set("a", "temperature", 33.0);
    let status = plant.until("a", reports("temperature", 33.0)).await;
    assert!(is(IN_SYNC, "False", "ConfigError")(&status), "{status:?}");
    plant.end().await;
}

#[tokio::test(start_paused = true)]
async fn an_edit_that_the_source_holds_back_is_said_on_the_device_whatever_its_mode() {
    let script = script(&["a", "off"]);
    let refusal = crate::Refusal { generation: 7, message: "revision r is not there".into() };
    let both = || config([device("a"), with_mode(Mode::Off, device("off"))]);
    let refusals = ["uid-a", "uid-off"].map(|uid| (uid.to_owned(), refusal.clone())).into();
    let plant = Plant::new(&script, NodeConfig { refusals, ..both() });
    for name in ["a", "off"] {
        let status = plant.until(name, is(IN_SYNC, "False", "ConfigError")).await;
        assert!(status_of(&status, IN_SYNC).2.contains("generation 7 is refused"), "{status:?}");
    }
    plant.set(both());
    plant.until("a", is(IN_SYNC, "True", "NothingDesired")).await;
    plant.until("off", is(IN_SYNC, "Unknown", "Off")).await;
    plant.end().await;
}

#[tokio::test(start_paused = true)]
async fn the_switch_of_the_class_reaches_a_device_whose_newest_edit_was_refused() {
    let script = script(&["a"]);
    let mut valid = wants(22.0, device("a"));
    valid.properties[1].enforce = Enforce::Always;
    let plant = Plant::new(&script, config([valid.clone()]));
    plant.until("a", |s| s.pending.is_empty() && reports("setpoint", 22.0)(s)).await;
    let mut bad = edited(valid);
    bad.properties[0].source = Source::Binding(json!("").into());
    plant.set(NodeConfig { writes: Writes::Disabled, ..config([bad]) });
    plant.pass(seconds(1)).await;
    script.set("a", "setpoint", 10.0);
    plant.until("a", reports("setpoint", 10.0)).await;
    plant.pass(seconds(60)).await;
    assert_eq!(plant.setpoints(), [22.0]);
    plant.end().await;
}

#[tokio::test(start_paused = true)]
async fn a_tombstone_is_acknowledged_when_the_wire_is_silent_and_its_record_goes() {
    let (folder, script) = (tempfile::tempdir().unwrap(), script(&["a", "b"]));
    let plant = Plant::at(folder.path(), &script, config([device("a"), device("b")]));
    plant.until("a", reports("temperature", 20.0)).await;
    script.silent.lock().unwrap().insert("a".into());
    let asked = reads(&script.seen());
    plant.poll("a reading is under way", |plant| reads(&plant.script.seen()) > asked + 1).await;
    let buried = || NodeConfig { tombstones: vec!["uid-a".into()], ..config([device("b")]) };
    plant.set(buried());
    plant.poll("released", |plant| plant.hub.released().contains("uid-a")).await;
    assert!(script.seen().contains(&Seen::Detach("a".into())), "released before it was silent");
    assert!(plant.view("a").is_none());
    let since = script.seen().len();
    plant.pass(seconds(60)).await;
    let later = script.seen().split_off(since);
    assert!(!later.iter().any(|seen| matches!(seen, Seen::Read(name, _) if name == "a")), "{later:?}");
    assert!(!folder.path().join("records/uid-a").exists());
    plant.set(config([device("b")]));
    plant.poll("acknowledged", |plant| plant.hub.released().is_empty()).await;
    plant.end().await;
}

#[tokio::test(start_paused = true)]
async fn a_device_is_not_released_while_its_record_cannot_be_removed() {
    let (folder, script) = (tempfile::tempdir().unwrap(), script(&["a"]));
    let plant = Plant::at(folder.path(), &script, config([device("a")]));
    plant.until("a", reports("temperature", 20.0)).await;
    let record = folder.path().join("records/uid-a");
    std::fs::remove_file(&record).unwrap();
    std::fs::create_dir(&record).unwrap(); // which no unlink removes
    plant.set(NodeConfig { tombstones: vec!["uid-a".into()], ..config([]) });
    plant.pass(seconds(60)).await;
    assert!(plant.hub.released().is_empty());
    std::fs::remove_dir(&record).unwrap();
    plant.poll("released", |plant| plant.hub.released().contains("uid-a")).await;
    plant.end().await;
}

#[tokio::test(start_paused = true)]
async fn a_device_that_is_slow_to_leave_does_not_hold_up_an_edit_of_another() {
    let script = script(&["slow", "b"]);
    let mut slow = on("other", device("slow"));
    slow.timeout = Some(Span::from_millis(60_000));
    let plant = Plant::new(&script, config([slow, device("b")]));
    plant.until("slow", reports("temperature", 20.0)).await;
    plant.until("b", reports("temperature", 20.0)).await;
    script.silent.lock().unwrap().insert("slow".into());
    plant.pass(seconds(3)).await;
    plant.set(config([device("b")]));
    plant.pass(Duration::from_millis(100)).await;
    plant.set(config([wants(22.0, device("b"))]));
    let written = plant.until("b", reports("setpoint", 22.0));
    timeout(seconds(2), written).await.expect("at once");
    plant.end().await;
}

#[tokio::test(start_paused = true)]
async fn a_driver_that_panics_costs_its_own_endpoint_a_rest_and_nothing_else() {
    let (folder, script) = (tempfile::tempdir().unwrap(), script(&["a", "b"]));
    let wanted = wants(22.0, device("a"));
    let plant = Plant::at(folder.path(), &script, config([wanted, on("other", device("b"))]));
    plant.until("a", |s| s.pending.is_empty() && reports("setpoint", 22.0)(s)).await;
    plant.until("b", reports("temperature", 20.0)).await;
    script.answers.lock().unwrap().push_back(Answer::Late(Duration::MAX)); // no clock goes so far
    plant.poll("a driver fell", |plant| plant.engines.all().len() == 1).await;
    let fell = if plant.engines.all().contains_key("bus") { "b" } else { "a" };
    let status = plant.until(fell, refused_with("DriverFailed", "started again")).await;
    assert!(status.quality.contains_key("temperature"), "its values are not shown as good");
    let stands = if fell == "a" { "b" } else { "a" };
    script.set(stands, "temperature", 33.0);
    timeout(seconds(5), plant.until(stands, reports("temperature", 33.0))).await.expect("undisturbed");
    script.set(fell, "temperature", 44.0);
    plant.until(fell, reports("temperature", 44.0)).await;
    assert_eq!(plant.setpoints(), [22.0], "nothing is written because something restarted");
    plant.end().await;
}

#[tokio::test(start_paused = true)]
async fn a_driver_that_names_two_endpoints_for_one_configuration_has_it_refused() {
    let script = script(&["a", "b"]);
    script.named.lock().unwrap().extend(["one".into(), "bus".into(), "two".into()]);
    let plant = Plant::new(&script, config([device("a"), device("b")]));
    plant.until("a", refused_with("ConfigError", "names another endpoint for it each time, first one")).await;
    plant.until("b", reports("temperature", 20.0)).await;
    assert!(!script.seen().contains(&Seen::Attach("a".into())));
    plant.set(config([edited(device("a")), device("b")]));
    plant.until("a", reports("temperature", 20.0)).await;
    plant.end().await;
}

/// Devices that leave wait for room in futures that the placement does not poll while it hands over an edit: room that only the first
/// of them were told of would be nobody's.
#[tokio::test(start_paused = true)]
async fn an_edit_is_in_force_that_waits_for_room_behind_devices_that_leave() {
    const MANY: usize = 500; // more than the commands, one in hand, and twice the orders that may wait
    let names: Vec<String> = (0..MANY).map(|n| format!("d{n}")).chain(["stays".into()]).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let script = script(&names);
    *script.cost.lock().unwrap() = Duration::from_millis(1);
    let plant = Plant::new(&script, config(names.iter().map(|name| device(name))));
    plant.until("stays", reports("setpoint", 20.0)).await;
    // An engine that gives its link up for a new secret hears nothing until what is under way has ended.
    script.answers.lock().unwrap().push_back(Answer::Late(Duration::from_millis(900)));
    plant.poll("its only lane is taken", |plant| plant.script.answers.lock().unwrap().is_empty()).await;
    Secrets::renew(&plant.secrets, [("plant.s.password".to_owned(), b"new".to_vec())].into());
    plant.pass(Duration::from_millis(10)).await;
    plant.set(config([device("stays")]));
    plant.pass(Duration::from_millis(10)).await;
    assert_eq!(plant.control.read("uid-stays").await, Err(ControlError::Busy), "there is no room for an order");
    plant.set(config([wants(22.0, device("stays"))]));
    plant.until("stays", reports("setpoint", 22.0)).await;
    plant.poll("all have left", |plant| (0..MANY).all(|n| plant.view(&format!("d{n}")).is_none())).await;
    assert_eq!(plant.setpoints(), [22.0]);
    plant.end().await;
}

#[test]
fn a_driver_that_panics_over_a_configuration_refuses_it() {
    let judged = crate::runtime::compile::compile(
        &Falls,
        crate::DeviceKey(1),
        &device("a"),
        &mut crate::runtime::Specs::default(),
    );
    assert_eq!(judged.err(), Some(vec!["spec.protocol.scripted: the driver failed over it".to_owned()]));
}

/// Whoever asks it for an endpoint.
struct Falls;
impl crate::Protocol for Falls {
    const NAME: &'static str = "falls";
    type Device = crate::testing::scripted::Device;
    type Address = String;
    type Endpoint = String;
    type Unit = ();
    type Request = ();
    type Error = std::io::Error;
    type Link = Falls;
    fn endpoint(&self, _: &Self::Device) -> Result<String, crate::ConfigError> {
        panic!("on purpose")
    }
    fn prepare(&self, _: &Self::Device, _: &[crate::Point<'_, String>]) -> Result<(), Vec<crate::ConfigError>> {
        Ok(())
    }
    fn plan(&self, (): &(), _: &[usize]) -> Vec<crate::Exchange<()>> {
        vec![]
    }
    async fn connect(&self, _: &String, _: &crate::Cx) -> Result<Self, std::io::Error> {
        Ok(Self)
    }
}
impl crate::Link<Falls> for Falls {
    async fn read(
        &self,
        (): &(),
        _: &crate::Exchange<()>,
        _: crate::Instant,
        _: &mut crate::Samples,
    ) -> Result<crate::Done, crate::Fault<std::io::Error>> {
        Ok(crate::Done::Ok)
    }
    async fn write(
        &self,
        (): &(),
        _: &[(usize, crate::Value)],
        _: crate::Instant,
        _: &mut crate::Written,
    ) -> Result<(), crate::Fault<std::io::Error>> {
        Ok(())
    }
}
