use super::*;
use crate::{
    Address,
    air::{Air, Sighting},
    cli::yaml::{Chosen, Way},
    radio::{Advert, Can, Characteristic},
};
use pollux_crds::offline::yaml;
use tokio::time::Instant;

const MAKER: &str = "12345678-0000-1000-8000-00805f9b0001";

fn address() -> Address {
    Address([0xC0, 0xFF, 0xEE, 0, 0, 1])
}
fn was_heard(name: Option<&str>, advert: Advert) -> Heard {
    let mut air = Air::new(1, Box::new(|_, _| true), None);
    let advert = Advert { rssi: Some(-60), ..advert };
    let name = name.map(str::to_owned);
    let one = Sighting { address: address(), name, random: Some(true), services: vec![], advert, live: true };
    air.hear(&one, Instant::now());
    air.all().next().unwrap().1.clone()
}
fn chosen(heard: &Heard) -> Chosen<'_> {
    Chosen {
        address: address(),
        heard,
        by_name: false,
        adapter: None,
        name: None,
        node: None,
        secret: "ble-keys",
        interval: Span::from_secs(60),
    }
}
fn found(service: &str, uuid: &str, handle: u16, can: &str, value: Option<&[u8]>) -> Found {
    let can = Can {
        read: can.contains('r'),
        write: can.contains('w'),
        write_without_response: can.contains('c'),
        notify: can.contains('n'),
    };
    let what = Characteristic {
        service: service.parse().unwrap(),
        uuid: uuid.parse().unwrap(),
        handle,
        can,
        device: address(),
        path: "".into(),
    };
    Found { what, value: value.map(<[u8]>::to_vec), sealed: false }
}
/// Names of its properties.
fn told(text: &str) -> Vec<String> {
    let objects = yaml::read(text).unwrap();
    let all = objects[0].value["spec"]["properties"].as_array().cloned().unwrap_or_default();
    all.iter().filter_map(|property| property["name"].as_str().map(str::to_owned)).collect()
}

/// Golden: a device of the standard's characteristics, of the maker's own, of one that several services have, of one that one service has
/// twice, and of those that the stack serves itself.
#[test]
fn a_device_becomes_a_model_of_its_characteristics() {
    let mut locked = found("1815", "2A56", 40, "rw", None);
    locked.sealed = true;
    let all = [
        found("1800", "2A00", 1, "r", Some(b"Cold store")),
        found("180A", "2A29", 4, "r", Some(b"ACME")),
        found("180F", "2A19", 7, "rn", Some(&[77])),
        found("181A", "2A6E", 10, "rn", Some(&[0xD0, 0x07])),
        found("181A", "2A6F", 13, "r", Some(&[1, 2, 3])),
        found("180D", "2A37", 16, "n", None),
        found(MAKER, MAKER, 20, "rwc", Some(&[0, 0])),
        found(MAKER, "6e400002-b5a3-f393-e0a9-e50e24dcca9e", 23, "c", None),
        found(MAKER, "6e400003-b5a3-f393-e0a9-e50e24dcca9e", 26, "wn", None),
        found("1809", "2A1E", 30, "n", None),
        found("180D", "2A1E", 33, "n", None),
        found("1815", "2A57", 36, "rw", None),
        found("1815", "2A57", 38, "r", None),
        locked,
        found(MAKER, "2A58", 44, "", None),
    ];
    let made = connected(&all, false);
    let heard = was_heard(Some("Cold store"), Advert::default());
    let text = chosen(&heard).documents(Way::Connected { paired: None }, &made);
    assert_eq!(text, include_str!("connected.yaml"));
    assert_eq!(yaml::read(&text).unwrap().len(), 2);
    assert_eq!(made.remarks.len(), 2, "{:?}", made.remarks);
    assert!(made.remarks[0].contains("Humidity: 3 bytes are too many") && made.remarks[1].contains("--pair"));
    assert!(
        told(&chosen(&heard).documents(Way::Connected { paired: None }, &connected(&all, true)))
            .contains(&"deviceName".to_owned())
    );
}

#[test]
fn what_was_heard_becomes_a_model_of_its_fields() {
    let data = vec![
        0x44, 0x00, 0x09, 0x02, 0xC4, 0x09, 0x02, 0x03, 0x0A, 0x21, 0x01, 0x3A, 0x01, 0x3A, 0x00, 0x3C, 0x01, 0x03,
    ];
    let heard = was_heard(Some("Lobby 1"), Advert { service: vec![(Uuid::short(0xFCD2), data)], ..Advert::default() });
    let text = chosen(&heard).documents(Way::Heard { encrypted: true }, &super::heard(&heard, false));
    assert_eq!(text, include_str!("heard.yaml"));
    let all = told(&chosen(&heard).documents(Way::Heard { encrypted: true }, &super::heard(&heard, true)));
    let events = ["button", "button_2", "dimmer", "dimmerSteps"];
    assert_eq!(all, [&["packetId", "temperature", "temperature_2", "motion"][..], &events, &["rssi"]].concat());
}

#[test]
fn fields_that_are_events_are_those_that_the_reference_lists() {
    let lines = include_str!("../../../../../docs/reference/ble.md").lines();
    let said: Vec<&str> =
        lines.filter_map(|line| line.split_once("BTHome that are events: ")).map(|(_, list)| list).collect();
    let mut listed: Vec<&str> =
        said[0].split(';').next().unwrap().split('`').skip(1).step_by(2).filter(|name| !name.contains(' ')).collect();
    listed.sort_unstable();
    let format = advert::Format::BtHome;
    let mut events: Vec<&str> =
        format.fields().iter().map(|field| field.name).filter(|name| format.is_event(name)).collect();
    events.sort_unstable();
    assert_eq!(listed, events);
}

#[test]
fn data_of_no_format_are_bytes() {
    let advert = Advert {
        manufacturer: vec![(0x0059, vec![1])],
        service: vec![(Uuid::short(0x181A), vec![1]), (MAKER.parse().unwrap(), vec![2])],
        ..Advert::default()
    };
    let heard = was_heard(None, advert);
    let made = super::heard(&heard, false);
    let text = chosen(&heard).documents(Way::Heard { encrypted: false }, &made);
    assert!(text.contains("binding: {ble: {advertisement: {manufacturer: \"0x0059\"}, dataType: bytes}}"), "{text}");
    assert!(text.contains("{service: Environmental Sensing}, dataType: bytes"), "{text}");
    assert_eq!(told(&text), ["manufacturer_0059", "service_181A", "service_12345678", "rssi"]);
    assert!(text.contains("  name: ble-c0ffee000001\n"), "{text}");
    assert!(made.remarks[0].contains("Nordic"), "{:?}", made.remarks);
}

/// Names come from the air, and anybody may send them.
#[test]
fn hostile_names_act_on_nobody() {
    for name in [
        "a\nmetadata: {name: b}\n---\n",
        "\u{1b}[2J\u{202e}",
        "${name}",
        "\"'`: - #",
        "",
        "--",
        "yes",
        "0x0",
        &"ä".repeat(124),
        &"a".repeat(248),
    ] {
        let heard = was_heard(Some(name), Advert { manufacturer: vec![(1, vec![1])], ..Advert::default() });
        for by_name in [false, true] {
            let chosen = Chosen { by_name, ..chosen(&heard) };
            let text = chosen.documents(Way::Heard { encrypted: false }, &super::heard(&heard, false));
            let seen = |c: char| c != '\n' && (c.is_control() || c == '\u{202e}');
            assert!(!text.contains(seen), "{text:?}");
            let objects = yaml::read(&text).unwrap();
            assert_eq!(objects.len(), 2, "{text}");
            let own = &objects[1].value["spec"]["protocol"]["ble"];
            assert_eq!(own["name"].as_str(), by_name.then_some(name), "{text}");
            let called = objects[1].value["metadata"]["name"].as_str().unwrap();
            pollux_mapper::cli::names::checked("it", called).unwrap();
        }
    }
}

#[test]
fn the_device_is_as_it_was_asked_for() {
    let heard = was_heard(Some("Front door"), Advert::default());
    let more =
        Chosen { adapter: Some("hci1"), node: Some("edge-1"), name: Some("door"), by_name: true, ..chosen(&heard) };
    let made = connected(&[found("180F", "2A19", 7, "r", None)], false);
    let text = more.documents(Way::Connected { paired: Some(true) }, &made);
    let expected = "  model: door\n  nodeName: edge-1\n  mode: Monitor\n  protocol:\n    \
        ble: {name: Front door, adapter: hci1, pairing: Required, passkeyFrom: {secret: ble-keys, key: door}}\n";
    assert!(text.contains(expected), "{text}");
    let text = more.documents(Way::Connected { paired: Some(false) }, &made);
    assert!(text.contains("pairing: Required}"), "{text}");
}

#[test]
fn of_a_device_with_more_than_a_model_takes_the_rest_is_left_out_and_said() {
    let many: Vec<Found> = (0..1100).map(|handle| found(MAKER, MAKER, handle, "r", None)).collect();
    let made = connected(&many, false);
    let names: BTreeSet<&str> = made.properties.iter().map(|property| property.name.as_str()).collect();
    assert_eq!((made.properties.len(), names.len()), (MOST, MOST));
    assert!(made.remarks[0].contains("more than 1000"));
}
