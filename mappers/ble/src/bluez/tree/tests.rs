use super::*;

const PATH: &str = "/org/bluez/hci0/dev_C0_FF_EE_00_00_01";
const NEAR: Duration = Duration::from_secs(10);

fn one() -> Address {
    "C0:FF:EE:00:00:01".parse().unwrap()
}
fn tree(watched: Watched) -> Tree {
    Tree { adapter: "hci0".to_owned(), watched, ..Tree::default() }
}
fn watching() -> Tree {
    tree(Watched { addresses: [one()].into(), ..Watched::default() })
}
fn device<'m>(more: impl IntoIterator<Item = (&'m str, Property<'m>)>) -> HashMap<&'m str, Properties<'m>> {
    HashMap::from([(names::DEVICE, more.into_iter().collect())])
}
fn rssi(rssi: i16) -> (&'static str, Property<'static>) {
    ("RSSI", Property::Number(rssi))
}
fn on(name: &'static str, on: bool) -> (&'static str, Property<'static>) {
    (name, Property::Bool(on))
}
fn stranger(number: u16) -> String {
    let [high, low] = number.to_be_bytes();
    format!("/org/bluez/hci0/dev_00_01_02_03_{high:02X}_{low:02X}")
}

#[test]
fn strangers_are_not_kept() {
    let names = Watched { names: [("lamp".to_owned(), 1)].into(), ..Watched::default() };
    for mut tree in [watching(), tree(names)] {
        for number in 0..10_000 {
            let (path, called) = (stranger(number), ("Name", Property::Text("a stranger")));
            assert_eq!(tree.added(&path, &device([rssi(-60), called]), true), None);
            assert_eq!(tree.changed(&path, names::DEVICE, &Properties::from_iter([rssi(-61)])), None);
            assert!(!tree.wants_path(&format!("{path}/service0001")));
        }
        assert_eq!((tree.devices.len(), tree.devices.capacity()), (0, 0));
    }
    assert!(!watching().wants_path(&stranger(1)), "its messages are not even read");
}
#[test]
fn who_is_watched_is_kept_until_it_is_not_or_bluez_forgets_it() {
    let mut tree = watching();
    let heard = |rssi| Some(News::Heard(one(), Advert { rssi: Some(rssi), ..Advert::default() }));
    assert_eq!(tree.added(PATH, &device([rssi(-60)]), true), heard(-60));
    assert_eq!(tree.changed(PATH, names::DEVICE, &Properties::from_iter([rssi(-61)])), heard(-61));
    tree.changed(PATH, names::DEVICE, &Properties::from_iter([on("Connected", true)]));
    assert_eq!(tree.removed(PATH, &["org.example.Other"]), None);
    assert_eq!(tree.removed(PATH, &[names::DEVICE]), Some(News::Disconnected(one())));
    assert_eq!(tree.devices.len(), 0);

    tree.added(PATH, &device([rssi(-60)]), true);
    tree.watch(Watched::default());
    assert_eq!(tree.devices.len(), 0);
}
#[tokio::test(start_paused = true)]
async fn what_was_advertised_last_is_known_and_whose_it_is_is_known_each_time() {
    let mut tree = tree(Watched { names: [("lamp".to_owned(), 1)].into(), ..Watched::default() });
    let said = |tree: &Tree| tree.devices.get(&one()).and_then(|device| device.said(NEAR));
    let data = ("ManufacturerData", Property::Companies(vec![(7, &[1])]));
    tree.added(PATH, &device([("Name", Property::Text("lamp"))]), false);
    assert_eq!(said(&tree), None, "BlueZ remembers it, and nobody heard it");
    let named = |rssi, manufacturer| Advert {
        rssi: Some(rssi),
        name: Some("lamp".to_owned()),
        manufacturer,
        ..Advert::default()
    };
    let heard = |advert| Some(News::Heard(one(), advert));
    // BlueZ has said its name before.
    let first = tree.changed(PATH, names::DEVICE, &[rssi(-60), data].into_iter().collect());
    assert_eq!(first, heard(named(-60, vec![(7, vec![1])])));
    assert_eq!(tree.changed(PATH, names::DEVICE, &[rssi(-61)].into_iter().collect()), heard(named(-61, vec![])));
    assert_eq!(said(&tree), Some(named(-61, vec![(7, vec![1])])));
    tree.changed(PATH, names::DEVICE, &[on("Connected", true)].into_iter().collect());
    assert_eq!(said(&tree), Some(named(-61, vec![(7, vec![1])])));
    tokio::time::advance(2 * NEAR).await;
    assert_eq!(said(&tree), None, "that is too long ago");
}
#[test]
fn what_bluez_remembers_is_not_heard() {
    let mut tree = watching();
    assert_eq!(tree.added(PATH, &device([rssi(-60)]), false), None);
    assert_eq!(tree.devices.get(&one()).map(|device| device.heard), Some(None));
}
#[test]
fn who_was_heard_is_not_heard_anew_because_somebody_lists_it() {
    let mut tree = watching();
    assert!(tree.is_unheard(PATH));
    tree.added(PATH, &device([rssi(-60)]), true);
    assert!(!tree.is_unheard(PATH));
    assert!(tree.is_unheard(&stranger(1)) && tree.is_unheard("/org/bluez"));
}
#[test]
fn whose_services_are_listed_is_connected_though_bluez_does_not_say_so() {
    let mut tree = watching();
    tree.added(PATH, &device([rssi(-60)]), true);
    let say = |tree: &mut Tree, name, is| tree.changed(PATH, names::DEVICE, &Properties::from_iter([on(name, is)]));
    say(&mut tree, "ServicesResolved", true);
    assert_eq!(tree.characteristics(one()), Some(vec![]));
    assert_eq!(say(&mut tree, "ServicesResolved", false), None);
    assert_eq!(tree.characteristics(one()), None);
    assert_eq!(say(&mut tree, "Connected", false), Some(News::Disconnected(one())), "its end is told");
}
#[test]
fn a_connection_that_has_ended_again_is_counted() {
    let mut tree = watching();
    tree.added(PATH, &device([rssi(-60)]), true);
    let ends = |tree: &Tree| tree.devices.get(&one()).map_or(0, |device| device.ends);
    for connected in [true, true, false, false, true] {
        tree.changed(PATH, names::DEVICE, &Properties::from_iter([on("Connected", connected)]));
    }
    assert_eq!(ends(&tree), 1);
}
#[test]
fn whose_link_is_lost_is_near_once_it_is_heard_again_and_whom_we_left_is_near_still() {
    let mut tree = watching();
    let say =
        |tree: &mut Tree, on_: bool| tree.changed(PATH, names::DEVICE, &Properties::from_iter([on("Connected", on_)]));
    tree.added(PATH, &device([rssi(-60)]), true);
    say(&mut tree, true);
    say(&mut tree, false);
    assert!(!tree.is_near(one(), NEAR), "it may be out of reach");
    tree.leaves(one()); // there is nothing to leave
    tree.changed(PATH, names::DEVICE, &Properties::from_iter([rssi(-61)]));
    assert!(tree.is_near(one(), NEAR));
    say(&mut tree, true);
    tree.leaves(one());
    say(&mut tree, false);
    assert!(tree.is_near(one(), NEAR));
    say(&mut tree, true);
    say(&mut tree, false);
    assert!(!tree.is_near(one(), NEAR), "it was left once, and is lost now");
}
#[test]
fn somebody_is_waited_for_as_long_as_one_has_no_connection() {
    let names = || [("lamp".to_owned(), 1)].into();
    let connected =
        |tree: &mut Tree, is| tree.changed(PATH, names::DEVICE, &[on("Connected", is)].into_iter().collect());
    assert!(tree(Watched::default()).waits(), "everybody is listened to");
    for mut tree in [watching(), tree(Watched { names: names(), ..Watched::default() })] {
        assert!(tree.waits());
        tree.added(PATH, &device([("Name", Property::Text("lamp")), rssi(-60)]), true);
        assert!(tree.waits());
        connected(&mut tree, true);
        assert!(!tree.waits());
        connected(&mut tree, false);
        assert!(tree.waits());
    }
    let mut both = tree(Watched { names: names(), addresses: [one()].into(), always: false });
    both.added(PATH, &device([("Name", Property::Text("another")), on("Connected", true)]), true);
    assert!(both.waits());
    // A sensor that is meant by its address is not another that is meant by a name, nor is one of two with one name the other.
    for whom in [
        Watched { addresses: [one()].into(), names: names(), always: false },
        Watched { names: [("lamp".to_owned(), 2)].into(), ..Watched::default() },
    ] {
        let mut tree = tree(whom);
        tree.added(PATH, &device([("Name", Property::Text("lamp")), on("Connected", true)]), true);
        assert!(tree.waits());
    }
    for always in [false, true] {
        let mut tree = tree(Watched { addresses: [one()].into(), always, ..Watched::default() });
        connected(&mut tree, true);
        assert!(!tree.waits(), "that nobody is heard is no wonder");
        assert_eq!(tree.listens(), always);
        connected(&mut tree, false);
        assert!(tree.listens());
        connected(&mut tree, true);
        tree.is_gone(one()); // what was told of it was not the last word
        assert!(tree.waits());
    }
}
#[test]
fn that_it_has_become_paired_is_told_once() {
    let mut tree = watching();
    tree.added(PATH, &device([rssi(-60), on("Paired", false)]), true);
    let say =
        |tree: &mut Tree, paired| tree.changed(PATH, names::DEVICE, &[on("Paired", paired)].into_iter().collect());
    assert_eq!(say(&mut tree, true), Some(News::Paired(one())));
    assert_eq!(say(&mut tree, true), None);
    assert_eq!(say(&mut tree, false), None);
    // Of one that BlueZ lists with its keys that is no news.
    let mut tree = watching();
    assert_eq!(tree.added(PATH, &device([on("Paired", true)]), false), None);
}
#[test]
fn an_end_is_told_once_and_a_name_is_looked_up() {
    let mut tree = tree(Watched { names: [("lamp".to_owned(), 1)].into(), ..Watched::default() });
    assert_eq!(tree.named("lamp", NEAR), []);
    tree.added(PATH, &device([("Name", Property::Text("lamp")), rssi(-60)]), true);
    assert_eq!(tree.named("lamp", NEAR), [one()]);
    let mut say = |connected| tree.changed(PATH, names::DEVICE, &Properties::from_iter([on("Connected", connected)]));
    assert_eq!(say(true), None);
    assert_eq!(say(false), Some(News::Disconnected(one())));
    assert_eq!(say(false), None);
    tree.removed(PATH, &[names::DEVICE]);
    assert_eq!(tree.named("lamp", NEAR), []);
}
#[test]
fn of_two_with_one_name_both_are_found() {
    let mut tree = tree(Watched { names: [("lamp".to_owned(), 1)].into(), ..Watched::default() });
    let lamp = || device([("Name", Property::Text("lamp")), rssi(-60)]);
    tree.added(PATH, &lamp(), true);
    tree.added(&stranger(1), &lamp(), true);
    assert_eq!(tree.named("lamp", NEAR).len(), 2);
    tree.removed(&stranger(1), &[names::DEVICE]);
    assert_eq!(tree.named("lamp", NEAR), [one()]);
}
#[test]
fn the_name_that_bluez_reads_of_the_device_itself_makes_it_no_stranger() {
    let lamp = || Watched { names: [("lamp".to_owned(), 1)].into(), ..Watched::default() };
    let mut tree = tree(lamp());
    tree.added(PATH, &device([("Name", Property::Text("lamp")), rssi(-60)]), true);
    tree.changed(PATH, names::DEVICE, &Properties::from_iter([("Name", Property::Text("Lamp, model 7"))]));
    tree.watch(Watched { addresses: ["00:00:00:00:00:01".parse().unwrap()].into(), ..lamp() });
    assert_eq!(tree.named("lamp", NEAR), [one()]);
}
