use super::*;
use pollux_crds::{ChunkHash, Writes};
use serde_json::json;

pub(in super::super) fn own() -> Own {
    Own { class: "custom".into(), node: "edge-1".into() }
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
    assert_eq!(assembled(&old).unwrap().devices().count(), 2);
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
    let again: SliceDevice = serde_json::from_str(&serde_json::to_string(&device).unwrap()).unwrap();
    assert_eq!(hash(&vec![device]), hash(&vec![again]));
}

#[test]
fn a_device_without_its_revision_keeps_its_last_form_and_others_go_on() {
    let (old, new) = (revision(1.0), revision(2.0));
    let mut built = Built::default();
    let first = slices(&[vec![entry("a", 1, &old), entry("b", 1, &old)]]);
    let (config, refused) = built.build(&assembled(&first).unwrap(), &revisions(&[&old]));
    assert_eq!((config.devices.len(), refused.len()), (2, 0));
    assert_eq!((config.writes_per_second, config.writes), (3.0, Writes::Enabled));
    let before = config.devices;

    let second = slices(&[vec![entry("a", 2, &new), entry("b", 2, &old), entry("c", 1, &new)]]);
    let second = assembled(&second).unwrap();
    let (config, refused) = built.build(&second, &revisions(&[&old]));
    let generations: Vec<_> = config.devices.iter().map(|d| (d.uid.as_str(), d.generation)).collect();
    assert_eq!(generations, [("a", 1), ("b", 2)], "c was never known");
    assert!(Arc::ptr_eq(&config.devices[0], &before[0]));
    assert_eq!(refused.iter().map(|r| r.device.as_str()).collect::<Vec<_>>(), ["plant/device-a", "plant/device-c"]);

    let (config, refused) = built.build(&second, &revisions(&[&old, &new]));
    assert_eq!((config.devices.len(), refused.len()), (3, 0));
    assert_eq!(config.devices[0].generation, 2);
}

#[test]
fn an_entry_that_cannot_be_driven_harms_no_other_and_says_why() {
    let model = revision(1.0);
    let mut bad = entry("b", 1, &model);
    bad.desired.insert("no_such".into(), pollux_crds::Value(json!(1)));
    let set = assembled(&slices(&[vec![entry("a", 1, &model), bad]])).unwrap();
    let (config, refused) = Built::default().build(&set, &revisions(&[&model]));
    assert_eq!(config.devices.len(), 1);
    assert!(refused[0].why.contains("no_such"), "{refused:?}");
}

#[test]
fn tombstones_are_no_devices_and_need_no_revision() {
    let model = revision(1.0);
    let mut gone = entry("b", 1, &model);
    gone.released = true;
    gone.revision = "none".into();
    let set = assembled(&slices(&[vec![entry("a", 1, &model), gone]])).unwrap();
    assert_eq!(set.revisions(), [model.hash().as_str()].into());
    let (config, refused) = Built::default().build(&set, &revisions(&[&model]));
    assert_eq!((config.devices.len(), config.tombstones, refused.len()), (1, vec!["b".to_owned()], 0));
}
