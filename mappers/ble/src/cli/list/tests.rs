use super::*;
use crate::{air::Sighting, radio::Advert};
use pollux_ble_codec::Uuid;
use std::time::Duration;

fn sighting(last: u8, rssi: i16, name: Option<&str>, advert: Advert) -> Sighting {
    Sighting {
        address: Address([0xC0, 0xFF, 0xEE, 0, 0, last]),
        name: name.map(str::to_owned),
        random: Some(true),
        services: vec![],
        advert: Advert { rssi: Some(rssi), ..advert },
        live: true,
    }
}
/// A Ruuvi of Ruuvi's own example, a BTHome one, one that encrypts, a phone, a thermometer, and one of a hostile name.
fn air(begin: Instant) -> Air {
    let ruuvi = [
        0x05, 0x12, 0xFC, 0x53, 0x94, 0xC3, 0x7C, 0x00, 0x04, 0xFF, 0xFC, 0x04, 0x0C, 0xAC, 0x36, 0x42, 0x00, 0xCD,
        0xCB, 0xB8, 0x33, 0x4C, 0x88, 0x4F,
    ];
    let company = |id, data: &[u8]| Advert { manufacturer: vec![(id, data.to_vec())], ..Advert::default() };
    let bthome = |data: &[u8]| Advert { service: vec![(Uuid::short(0xFCD2), data.to_vec())], ..Advert::default() };
    let thermometer = Sighting {
        services: vec![Uuid::short(0x181A), Uuid::short(0x180F)],
        ..sighting(5, -50, Some("Cold store"), Advert::default())
    };
    let all = [
        sighting(1, -70, None, company(0x0499, &ruuvi)),
        sighting(2, -61, Some("温度"), bthome(&[0x40, 0x02, 0xC4, 0x09, 0x02, 0xC4, 0x09, 0x21, 0x01])),
        sighting(3, -90, None, bthome(&[0x41, 0xA4, 0x72, 0x66])),
        sighting(4, -40, None, company(0x004C, &[0x10, 0x05])),
        thermometer,
        sighting(6, -95, Some("\u{1b}[2Jx\n\u{202e}y"), company(0xFFF0, &[1])),
    ];
    let mut air = Air::new(6, Box::new(|_, _| false), None);
    for (at, one) in all.iter().enumerate() {
        air.hear(one, begin + Duration::from_secs(at as u64));
    }
    air
}
fn golden(view: &View) -> String {
    let begin = Instant::now();
    view.whole(&air(begin), begin + Duration::from_secs(6))
}

#[test]
fn everybody_is_in_the_table_and_what_they_send() {
    assert_eq!(golden(&View::default()), include_str!("golden.txt"));
}

#[test]
fn it_is_sorted_and_filtered_as_it_was_asked_for() {
    let view = View { sort: Sort::Heard, filter: vec!["bthome".to_owned(), "apple".to_owned()] };
    let text = golden(&view);
    let last: Vec<&str> = text.lines().skip(1).filter_map(|line| line.get(15..17)).collect();
    assert_eq!(last, ["04", "03", "02"], "{text}");
    assert_eq!(golden(&View { filter: vec!["nobody".to_owned()], ..view }).lines().count(), 1);
}

#[test]
fn a_picture_is_no_larger_than_the_screen_and_tells_of_the_rest() {
    let begin = Instant::now();
    let mut air = air(begin);
    air.hear(&sighting(7, -99, None, Advert::default()), begin);
    for rows in 1..12 {
        let lines = View::default().picture(&air, begin, Screen { rows, columns: 40 });
        assert!(lines.len() < rows.max(2) && lines.iter().all(|line| line.chars().count() <= 40), "{rows}: {lines:?}");
        assert!(lines.iter().all(|line| !line.contains(char::is_control)));
    }
    let lines = View::default().picture(&air, begin, Screen { rows: 6, columns: 100 });
    assert_eq!(lines[4], "6 heard, 3 of them below the edge, left out for want of room: 1; Ctrl-C ends");
}
