//! Assigned numbers: their count, both ways of looking them up, and what is said of a typo.
use super::tables::{companies::COMPANIES, members::MEMBERS};
use super::{Kind, holder};
use crate::Uuid;

const KINDS: [Kind; 3] = [Kind::Service, Kind::Characteristic, Kind::Descriptor];

#[test]
fn the_tables_are_as_long_as_the_published_lists_and_sorted() {
    assert_eq!(KINDS.map(|kind| kind.table().len()), [75, 502, 24]);
    assert_eq!((COMPANIES.iter().count(), MEMBERS.iter().count()), (4008, 716));
    for kind in KINDS {
        assert!(kind.table().is_sorted_by(|a, b| a.number < b.number), "{kind}");
    }
    assert!(COMPANIES.iter().is_sorted_by(|a, b| a.0 < b.0) && MEMBERS.iter().is_sorted_by(|a, b| a.0 < b.0));
    assert_eq!((COMPANIES.get(0x001D), COMPANIES.get(0x109C)), (Some("Qualcomm"), Some("KIBLE")));
    let (first, last) = (COMPANIES.get(0), COMPANIES.iter().last());
    assert_eq!(
        (first, last.and_then(|(number, _)| COMPANIES.get(number))),
        (Some("Ericsson AB"), last.map(|(_, name)| name))
    );
    assert!(COMPANIES.iter().chain(MEMBERS.iter()).all(|(_, name)| !name.is_empty()));
}

#[test]
fn every_name_and_every_identifier_finds_its_number_and_the_number_its_name() {
    for kind in KINDS {
        for row in kind.table() {
            let uuid = Uuid::short(row.number);
            assert_eq!(kind.name(uuid), Some(row.name));
            assert_eq!(kind.find(&row.name.to_uppercase()), Ok(uuid), "{}", row.name);
            assert_eq!(kind.find(&format!("org.bluetooth.{}", row.identifier)), Ok(uuid));
            assert_eq!(kind.find(&uuid.to_string()), Ok(uuid));
        }
    }
}

#[test]
fn the_numbers_are_those_of_the_specification() {
    let characteristic = |name| Kind::Characteristic.find(name).map(|uuid| uuid.to_string()).unwrap_or_default();
    assert_eq!(characteristic("Temperature"), "2A6E");
    assert_eq!(characteristic("battery level"), "2A19");
    assert_eq!(characteristic("org.bluetooth.characteristic.temperature"), "2A6E");
    assert_eq!(Kind::Service.find("Battery").unwrap(), Uuid::short(0x180F));
    assert_eq!(Kind::Descriptor.find("Client Characteristic Configuration").unwrap(), Uuid::short(0x2902));
    assert_eq!(holder(Uuid::short(0xFCD2)), Some("Allterco Robotics ltd"));
    assert_eq!(holder(Uuid::short(0x180F)), None);
}

#[test]
fn a_uuid_of_a_vendor_is_taken_and_has_no_name() {
    let uuid = Kind::Service.find("6e400001-b5a3-f393-e0a9-e50e24dcca9e").unwrap();
    assert_eq!((Kind::Service.name(uuid), holder(uuid)), (None, None));
    assert_eq!(Kind::Characteristic.name(Uuid::short(0x180F)), None, "a service's");
}

#[test]
fn a_typo_is_refused_with_the_nearest_name() {
    let error = |kind: Kind, text: &str| kind.find(text).unwrap_err().to_string();
    assert!(error(Kind::Characteristic, "Temprature").ends_with("; the nearest name is \"Temperature\""));
    assert!(error(Kind::Characteristic, "org.bluetooth.characteristic.batery_level").contains("battery_level"));
    let far = error(Kind::Descriptor, "Xyzzyxyzzyxyzzy");
    assert!(far.contains("assigned descriptor") && !far.contains("nearest"), "{far}");
    assert!(error(Kind::Service, &"é".repeat(100_000)).len() < 400);
    assert!(Kind::Service.find("").is_err() && Kind::Service.find("org.bluetooth.").is_err());
}
