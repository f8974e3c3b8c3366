use super::*;
use pollux_crds::{ChunkHash, ResolvedProtocol, SliceIndex};
use serde_json::json;

pub(in super::super) fn own() -> Own {
    Own { class: "custom".into(), node: "edge-1".into() }
}
/// Of a driver that takes everything but the host "nowhere".
pub(in super::super) fn judge() -> Judge {
    Judge(Arc::new(|device: &EffectiveDevice| {
        if device.config.value()["host"] == "nowhere" {
            Err("spec.protocol.custom: host: is nowhere".into())
        } else {
            Ok(())
        }
    }))
}
pub(in super::super) fn revision(scale: f64) -> DeviceModelRevisionSpec {
    serde_json::from_value(json!({"properties": [{
        "name": "temperature", "type": "number", "scale": scale, "binding": {"custom": {"row": 1}},
    }]}))
    .unwrap()
}
pub(in super::super) fn entry(uid: &str, generation: i64, revision: &DeviceModelRevisionSpec) -> SliceDevice {
    serde_json::from_value(json!({
        "namespace": "plant", "name": format!("device-{uid}"), "uid": uid, "generation": generation,
        "revision": revision.hash(), "protocol": {"custom": {"host": "10.0.0.5"}},
    }))
    .unwrap()
}
/// Slices as the operator writes them.
pub(in super::super) fn slices(chunks: &[Vec<SliceDevice>]) -> Vec<DeviceSliceSpec> {
    let hashes = chunks.iter().map(|chunk| ChunkHash(hash(chunk))).collect();
    let index = SliceIndex { chunks: hashes, writes_per_second: 3.0, writes: Writes::Enabled };
    let own = own();
    let slice = |(n, devices): (usize, &Vec<SliceDevice>)| DeviceSliceSpec {
        class: own.class.clone(),
        node_name: own.node.clone(),
        index: (n == 0).then(|| index.clone()),
        devices: devices.clone(),
    };
    chunks.iter().enumerate().map(slice).collect()
}
fn assembled(slices: &[DeviceSliceSpec]) -> Result<Set, Incomplete> {
    assemble(&own(), |n| slices.get(n))
}
fn revisions(all: &[&DeviceModelRevisionSpec]) -> Revisions {
    all.iter().map(|r| (r.hash(), Arc::new((*r).clone()))).collect()
}

#[test]
fn half_of_one_edit_and_half_of_another_is_no_configuration() {
    let model = revision(1.0);
    let old = slices(&[vec![entry("a", 1, &model)], vec![entry("b", 1, &model)]]);
    let new = slices(&[vec![entry("a", 1, &model)], vec![entry("b", 2, &model)]]);
    assert_eq!(assembled(&old).unwrap().devices.len(), 2);
    assert_eq!(assembled(&[new[0].clone(), old[1].clone()]), Err(Incomplete::Differs(1)));
    assert_eq!(assembled(&[old[0].clone(), new[1].clone()]), Err(Incomplete::Differs(1)));
    assert_eq!(assembled(&new[..1]), Err(Incomplete::Missing(1)));
    assert_eq!(assembled(&[]), Err(Incomplete::NoIndex));
    assert_eq!(assembled(&new[1..]), Err(Incomplete::NoIndex));
    assert!(assembled(&new).is_ok());
}

#[test]
fn slices_of_another_node_are_not_ours_whatever_they_are_called() {
    let mut foreign = slices(&[vec![]]);
    foreign[0].node_name = "edge-2".into();
    assert!(matches!(assembled(&foreign), Err(Incomplete::Foreign { chunk: 0, .. })));
}

#[test]
fn what_the_api_server_makes_of_numbers_does_not_change_the_hash() {
    let mut device = entry("a", 1, &revision(1.0));
    for (name, text) in
        [("a", "21.0"), ("b", "0.1"), ("c", "1e300"), ("d", "-3"), ("e", "9007199254740993"), ("f", "1e21")]
    {
        device.desired.insert(name.into(), serde_json::from_str(text).unwrap());
    }
    // As Go prints what it parsed: whole floats of up to 21 digits lose their point. The operator reads values from there, so that is
    // what it hashes.
    device.desired.insert("a".into(), serde_json::from_str("21").unwrap());
    // All 17 digits of it.
    for n in 2..200_u32 {
        device.desired.insert(format!("root{n}"), pollux_crds::Value(json!(f64::from(n).sqrt())));
    }
    let again: SliceDevice = serde_json::from_str(&serde_json::to_string(&device).unwrap()).unwrap();
    assert_eq!(hash(&vec![device]), hash(&vec![again]));
}

fn build(built: &mut Built, set: &[Vec<SliceDevice>], known: &[&DeviceModelRevisionSpec]) -> Outcome {
    built.build(&assembled(&slices(set)).unwrap(), &revisions(known), &judge())
}
fn generations(config: &NodeConfig) -> Vec<(&str, i64)> {
    config.devices.iter().map(|d| (d.uid.as_str(), d.generation)).collect()
}
fn kept(outcome: &Outcome) -> Vec<(&str, i64)> {
    outcome.in_force.devices.iter().map(|d| (d.uid.as_str(), d.generation)).collect()
}
pub(in super::super) fn nowhere(mut entry: SliceDevice) -> SliceDevice {
    entry.protocol = serde_json::from_value::<ResolvedProtocol>(json!({"custom": {"host": "nowhere"}})).unwrap();
    entry
}

#[test]
fn the_order_is_that_of_creation_whichever_chunk_a_device_is_in() {
    let model = revision(1.0);
    let created = |uid: &str, created: i64| SliceDevice { created, ..entry(uid, 1, &model) };
    let chunks = [vec![created("late", 30), created("first", 10)], vec![created("b", 20), created("a", 20)]];
    let outcome = build(&mut Built::default(), &chunks, &[&model]);
    let order: Vec<_> = outcome.config.devices.iter().map(|d| d.uid.as_str()).collect();
    assert_eq!(order, ["first", "a", "b", "late"]);
}

#[test]
fn devices_of_one_revision_share_their_properties_after_an_edit_too() {
    let mut model = revision(1.0);
    model.properties[0].access = Some(pollux_crds::Access::ReadWrite);
    let mut built = Built::default();
    let first = build(&mut built, &[vec![entry("a", 1, &model), entry("b", 1, &model)]], &[&model]);
    let mut edited = entry("b", 2, &model);
    edited.desired.insert("temperature".into(), pollux_crds::Value(json!(21)));
    let second = build(&mut built, &[vec![entry("a", 1, &model), edited]], &[&model]);
    let list = |outcome: &Outcome, at: usize| outcome.config.devices[at].properties.clone();
    assert_eq!(generations(&second.config), [("a", 1), ("b", 2)]);
    for other in [list(&first, 1), list(&second, 0), list(&second, 1)] {
        assert!(list(&first, 0).is_shared_with(&other));
    }
}

#[test]
fn a_device_without_its_revision_keeps_its_last_form_and_others_go_on() {
    let (old, new) = (revision(1.0), revision(2.0));
    let mut built = Built::default();
    let first = build(&mut built, &[vec![entry("a", 1, &old), entry("b", 1, &old)]], &[&old]);
    assert_eq!((first.config.devices.len(), first.refused.len()), (2, 0));
    assert_eq!((first.config.writes_per_second, first.config.writes), (3.0, Writes::Enabled));

    let second = [vec![entry("a", 2, &new), entry("b", 2, &old), entry("c", 1, &new)]];
    let outcome = build(&mut built, &second, &[&old]);
    assert_eq!(generations(&outcome.config), [("a", 1), ("b", 2)], "c was never known");
    assert_eq!(kept(&outcome), [("a", 1), ("b", 2)], "only what can be driven gets onto the disk");
    assert_eq!(outcome.in_force.revisions(), [old.hash().as_str()].into());
    assert!(Arc::ptr_eq(&outcome.config.devices[0], &first.config.devices[0]));
    let refused: Vec<_> = outcome.refused.iter().map(|r| r.device.as_str()).collect();
    assert_eq!(refused, ["plant/device-a", "plant/device-c"]);
    assert_eq!(outcome.config.refusals.keys().collect::<Vec<_>>(), ["a"], "of c there is nothing in force");

    let outcome = build(&mut built, &second, &[&old, &new]);
    assert_eq!((outcome.config.devices.len(), outcome.refused.len()), (3, 0));
    assert_eq!(outcome.config.devices[0].generation, 2);
}

#[test]
fn an_entry_that_cannot_be_driven_harms_no_other_and_says_why() {
    let model = revision(1.0);
    let mut bad = entry("b", 1, &model);
    bad.desired.insert("no_such".into(), pollux_crds::Value(json!(1)));
    let outcome = build(&mut Built::default(), &[vec![entry("a", 1, &model), bad]], &[&model]);
    assert_eq!(outcome.config.devices.len(), 1);
    assert!(outcome.refused[0].why.contains("no_such"), "{outcome:?}");
}

#[test]
fn what_the_driver_refuses_does_not_get_into_force_unless_there_was_nothing_before_or_it_is_off() {
    let model = revision(1.0);
    let mut built = Built::default();
    let never_valid = nowhere(entry("new", 1, &model));
    let first = build(&mut built, &[vec![entry("a", 1, &model), never_valid.clone()]], &[&model]);
    assert_eq!(generations(&first.config), [("a", 1), ("new", 1)], "the runtime says what is wrong with it");
    assert_eq!((first.refused.len(), first.config.refusals.len()), (1, 0));
    let second = [vec![nowhere(entry("a", 2, &model)), never_valid.clone()]];
    for _ in 0..2 {
        let outcome = build(&mut built, &second, &[&model]);
        assert_eq!(
            (generations(&outcome.config), kept(&outcome)),
            (vec![("a", 1), ("new", 1)], vec![("a", 1), ("new", 1)])
        );
        let refusal = Refusal { generation: 2, message: "spec.protocol.custom: host: is nowhere".into() };
        assert_eq!(outcome.config.refusals, [("a".to_owned(), refusal)].into());
        assert_eq!(outcome.refused.len(), 2);
    }
    let off = SliceDevice { mode: Mode::Off, ..nowhere(entry("a", 3, &model)) };
    let outcome = build(&mut built, &[vec![off]], &[&model]);
    assert_eq!((generations(&outcome.config), outcome.refused.len()), (vec![("a", 3)], 0), "a switch is a switch");
}

#[test]
fn tombstones_are_no_devices_and_need_no_revision() {
    let model = revision(1.0);
    let mut gone = entry("b", 1, &model);
    gone.released = true;
    gone.revision = "none".into();
    let set = assembled(&slices(&[vec![entry("a", 1, &model), gone]])).unwrap();
    assert_eq!(set.revisions(), [model.hash().as_str()].into());
    assert_eq!(set.origin(), Origin::Server(["a".to_owned()].into()));
    let Outcome { config, refused, .. } = Built::default().build(&set, &revisions(&[&model]), &judge());
    assert_eq!((config.devices.len(), config.tombstones, refused.len()), (1, vec!["b".to_owned()], 0));
}
