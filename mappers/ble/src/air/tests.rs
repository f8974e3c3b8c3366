use super::*;
use std::time::Duration;

fn address(number: u32) -> Address {
    let [_, a, b, c] = number.to_be_bytes();
    Address([0xC0, 0xFF, 0xEE, a, b, c])
}
fn sighting(number: u32, advert: Advert) -> Sighting {
    let advert = Advert { rssi: advert.rssi.or(Some(-60)), ..advert };
    Sighting { address: address(number), name: None, random: Some(true), services: vec![], advert, live: true }
}
fn bthome(data: &[u8]) -> Advert {
    Advert { service: vec![(bthome::UUID, data.to_vec())], ..Advert::default() }
}
fn fields(air: &Air) -> Vec<(&'static str, u8, String)> {
    let all = air.all().flat_map(|(_, heard)| heard.formats.values().flat_map(|(_, spoken)| spoken.fields.iter()));
    all.map(|told| (told.field.name, told.index, shown(&told.value))).collect()
}

#[test]
fn of_ten_thousand_strangers_few_are_kept_and_who_is_asked_for_stays() {
    let begin = Instant::now();
    let sensor = address(7);
    let mut air = Air::new(ROOM, Box::new(move |address, _| address == sensor), None);
    for number in 0..10_000 {
        air.hear(&sighting(number, Advert::default()), begin + Duration::from_millis(number.into()));
    }
    assert_eq!((air.all().count(), air.heard.len(), air.left_out()), (ROOM, ROOM, 9_000));
    assert!(air.all().any(|(address, _)| address == sensor), "it was heard long before, and is kept");
    assert!(air.all().any(|(one, _)| one == address(9_999)), "the last one is there");
    assert!(!air.all().any(|(one, _)| one == address(1)), "who was heard longest ago gave way");
}

#[test]
fn where_all_are_asked_for_the_first_ones_stay() {
    let mut air = Air::new(2, Box::new(|_, _| true), None);
    for number in 0..5 {
        air.hear(&sighting(number, Advert::default()), Instant::now());
    }
    assert_eq!((air.all().count(), air.left_out()), (2, 3));
    assert!(air.all().all(|(one, _)| one < address(2)));
}

#[test]
fn what_one_device_says_is_bounded() {
    let mut air = Air::new(ROOM, Box::new(|_, _| false), None);
    for number in 0..1_000_u16 {
        let manufacturer = vec![(number, vec![0])];
        let one = Sighting {
            services: vec![Uuid::short(number)],
            ..sighting(1, Advert { manufacturer, ..Advert::default() })
        };
        air.hear(&one, Instant::now());
    }
    // Each of its bytes another temperature: 0x57 is one of a byte.
    let many: Vec<u8> = std::iter::once(0x40).chain([0x57, 0x14].into_iter().cycle().take(400)).collect();
    air.hear(&sighting(1, bthome(&many)), Instant::now());
    let (_, heard) = air.all().next().unwrap();
    assert_eq!((heard.services.len(), heard.data.len()), (MOST, MOST));
    assert_eq!(fields(&air).len(), MOST);
}

#[test]
fn what_is_sent_by_turns_is_put_together_and_malformed_data_takes_nothing_away() {
    let mut air = Air::new(ROOM, Box::new(|_, _| false), None);
    air.hear(&sighting(1, bthome(&[0x40, 0x02, 0xC4, 0x09])), Instant::now());
    air.hear(&sighting(1, bthome(&[0x44, 0x01, 0x55])), Instant::now());
    assert_eq!(fields(&air), [("temperature", 1, "25".to_owned()), ("battery", 1, "85".to_owned())]);
    let seldom = |air: &Air| air.all().next().unwrap().1.formats["BTHome"].1.seldom;
    assert!(seldom(&air));
    air.hear(&sighting(1, bthome(&[0x40, 0x02, 0xC4])), Instant::now());
    assert_eq!(fields(&air).len(), 2);
    let (_, heard) = air.all().next().unwrap();
    assert!(matches!(heard.formats["BTHome"].1.flaw, Some(Error::TooShort { .. })));
}

#[test]
fn a_key_opens_what_the_one_who_was_asked_for_encrypts() {
    // bthome.io's own example of encryption.
    let data = [0x41, 0xa4, 0x72, 0x66, 0xc9, 0x5f, 0x73, 0x00, 0x11, 0x22, 0x33, 0x78, 0x23, 0x72, 0x14];
    let own = Address([0x54, 0x48, 0xE6, 0x8F, 0x80, 0xA5]);
    let key: Key = "231d39c1d7cc1ab1aee224cd096db932".parse().unwrap();
    for (wanted, told) in [(true, 2), (false, 0)] {
        let mut air = Air::new(ROOM, Box::new(move |_, _| wanted), Some(key.clone()));
        air.hear(&Sighting { address: own, ..sighting(0, bthome(&data)) }, Instant::now());
        assert_eq!(fields(&air).len(), told);
        let spoken = &air.all().next().unwrap().1.formats["BTHome"].1;
        assert_eq!((spoken.encrypted, spoken.flaw == Some(Error::Encrypted)), (true, !wanted));
    }
}

#[test]
fn what_the_stack_remembers_is_not_heard_and_gives_way_first() {
    let mut air = Air::new(2, Box::new(|_, _| false), None);
    air.hear(&Sighting { live: false, name: Some("old".into()), ..sighting(1, Advert::default()) }, Instant::now());
    assert_eq!(air.all().count(), 0);
    air.hear(&sighting(2, Advert::default()), Instant::now());
    air.hear(&sighting(3, Advert::default()), Instant::now());
    assert_eq!((air.all().count(), air.left_out()), (2, 0));
    // It is heard then by what it was known by.
    air.hear(&Sighting { live: false, name: Some("new".into()), ..sighting(2, Advert::default()) }, Instant::now());
    assert!(air.all().any(|(_, heard)| heard.name.as_deref() == Some("new")));
}

#[test]
fn an_address_that_changes_is_known_by_its_first_bits() {
    let random = Heard { random: true, ..Heard::default() };
    let at = |top| Address([top, 0, 0, 0, 0, 1]);
    assert!(random.rotates(at(0x40)) && random.rotates(at(0x3F)) && !random.rotates(at(0xC0)));
    assert!(!Heard::default().rotates(at(0x40)), "a public one stays");
}
