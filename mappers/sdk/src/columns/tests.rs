use super::*;
use crate::port::{Other, Said};
use std::time::Duration;

fn add(columns: &mut Columns, device: u64, points: usize) -> (Slot, u16) {
    let (base, generation, _) = columns.add(DeviceKey(device), vec![false; points].into_iter()).expect("room");
    (base, generation)
}
fn tell(columns: &mut Columns, slot: Slot, value: u64) -> Vec<Change> {
    let mut out = vec![];
    let number = Number { bits: value, time: 0, slot, kind: Kind::Uint, quality: Quality::Good };
    let now = columns.now();
    columns.ingest(number, now, &mut out);
    out
}

#[test]
fn a_device_without_points_takes_nothing_of_its_neighbour_along() {
    let mut columns = Columns::new(Instant::now(), true);
    add(&mut columns, 1, 5);
    let (_, empty) = add(&mut columns, 2, 0);
    let (base, _) = add(&mut columns, 3, 3);
    columns.remove(DeviceKey(2), empty);
    let told = tell(&mut columns, base, 7);
    assert_eq!(told.iter().map(|c| (c.device, c.point)).collect::<Vec<_>>(), [(DeviceKey(3), 0)]);
    let (elsewhere, _) = add(&mut columns, 4, 1);
    assert_ne!(elsewhere, base);
    assert_eq!(columns.blocks.len(), 3, "its number is used again");
    assert_eq!(tell(&mut columns, base, 8).len(), 1);
}

#[test]
fn rows_given_back_are_joined_and_used_again() {
    let mut columns = Columns::new(Instant::now(), true);
    let given: Vec<_> = (0..4).map(|device| add(&mut columns, device, 2)).collect();
    for (device, (_, generation)) in (0..3).zip(&given) {
        columns.remove(DeviceKey(device), *generation);
    }
    columns.remove(DeviceKey(3), given[0].1); // of another device: nothing
    assert_eq!(add(&mut columns, 9, 6).0, Slot(0));
    assert_eq!((columns.len(), tell(&mut columns, given[3].0, 1).len()), (8, 1));
}

#[test]
fn each_event_is_told_also_one_equal_to_that_before_and_what_there_is_no_room_for_is_counted() {
    let mut columns = Columns::new(Instant::now(), false);
    let (base, ..) = columns.add(DeviceKey(1), [true, false].into_iter()).expect("room");
    for _ in 0..3 {
        tell(&mut columns, base, 7);
        tell(&mut columns, Slot(base.0 + 1), 7);
    }
    assert_eq!(columns.dirty(), 1, "the state, once");
    let first = columns.take_happened(2);
    assert_eq!(first.iter().map(|c| (c.point, c.value.clone())).collect::<Vec<_>>(), vec![(0, Ok(Value::Uint(7))); 2]);
    assert_eq!((columns.take_happened(9).len(), columns.has_happened()), (1, false));
    let (mut numbers, mut others) = (Figures::default(), vec![]);
    columns.take_dirty(9, &mut numbers, &mut others);
    (0..5000).for_each(|press| drop(tell(&mut columns, base, press)));
    assert_eq!((columns.take_missed(), columns.take_missed(), columns.dirty()), (5000 - 4096, 0, 0));
    let first = columns.take_happened(4000);
    assert_eq!((first.len(), &first[3999].value), (4000, &Ok(Value::Uint(3999))), "the oldest, in order");
    assert!(columns.take_standing(9).is_empty(), "what is older comes first, or it would be taken for the newest");
    tell(&mut columns, base, 5000); // there is room again
    let rest = columns.take_happened(9999);
    assert_eq!((rest.len(), &rest[96].value), (97, &Ok(Value::Uint(5000))));
    let Standing { stood, quiet } = columns.take_standing(9);
    assert_eq!(stood.iter().map(|c| (c.point, c.value.clone())).collect::<Vec<_>>(), [(0, Ok(Value::Uint(5000)))]);
    assert_eq!((quiet, columns.take_standing(9).is_empty()), (vec![], true));
}

#[test]
fn what_stood_there_and_what_is_well_again_is_told_after_what_happened_and_is_none_of_it() {
    let mut columns = Columns::new(Instant::now(), false);
    let (base, generation, _) = columns.add(DeviceKey(1), [true].into_iter()).expect("room");
    let fault = || PointFault::new(ErrorKind::Protocol, "malformed");
    let say = |columns: &mut Columns, said: Said, time| {
        let (now, quality) = (columns.now(), Quality::Good);
        columns.ingest_other(Other { time, ..Other::new(base, quality, said) }, now, &mut vec![]);
    };
    let well = Quiet { device: DeviceKey(1), point: 0, generation };
    say(&mut columns, Said::Quiet, 0);
    assert!(columns.take_standing(9).is_empty(), "nothing was wrong");
    say(&mut columns, Said::Stood(5_u64.into()), 77);
    assert!(!columns.has_happened());
    let standing = columns.take_standing(9);
    let stood: Vec<_> = standing.stood.iter().map(|c| (c.time, c.value.clone())).collect();
    assert_eq!((stood, standing.quiet), (vec![(77, Ok(Value::Uint(5)))], vec![]));
    say(&mut columns, Said::Value(6_u64.into()), 78);
    say(&mut columns, Said::Fault(fault()), 79);
    say(&mut columns, Said::Quiet, 80);
    let happened: Vec<_> = columns.take_happened(9).into_iter().map(|c| c.value).collect();
    assert_eq!(happened, [Ok(Value::Uint(6)), Err(fault())]);
    assert_eq!(columns.take_standing(9), Standing { stood: vec![], quiet: vec![well] });
    assert_eq!(columns.reading(base).map(|c| (c.time, c.value)), Some((78, Ok(Value::Uint(6)))), "the last stands");
    say(&mut columns, Said::Fault(fault()), 81);
    assert_eq!(columns.take_happened(9).len(), 1, "the same fault is told again");
    say(&mut columns, Said::Stood(7_u64.into()), 82);
    let standing = columns.take_standing(9);
    assert_eq!((standing.stood[0].value.clone(), standing.quiet), (Ok(Value::Uint(7)), vec![]));
    columns.remove(DeviceKey(1), generation);
    assert!(columns.take_standing(9).is_empty());
}

#[test]
fn a_mark_says_whether_its_value_is_still_to_be_told() {
    let mut columns = Columns::new(Instant::now(), false);
    let (base, _, fresh) = columns.add(DeviceKey(1), vec![false; 2].into_iter()).expect("room");
    let number =
        |point, bits| Number { bits, time: 0, slot: Slot(base.0 + point), kind: Kind::Uint, quality: Quality::Good };
    let untold = || [0, 1].map(|point| fresh.is_untold(point));
    let (mut numbers, mut others) = (Figures::default(), vec![]);
    // The first of each goes the long way, the others the short one.
    for value in 1..4 {
        let (now, all) = (columns.now(), [0, 1].map(|point| number(point, value)));
        columns.ingest_all(all.into_iter(), now, &mut vec![]);
        assert_eq!(untold(), [true, true]);
        columns.ingest_all(all.into_iter(), now, &mut vec![]);
        assert_eq!(untold(), [true, true], "read again, as it was");
        columns.take_dirty(1, &mut numbers, &mut others);
        assert_eq!(untold(), [false, true]);
        assert!(
            fresh.last(0).is_some() && fresh.last(1).is_some_and(|at| at < Instant::now() + Duration::from_hours(1))
        );
        columns.take_dirty(9, &mut numbers, &mut others);
        columns.ingest_all(all.into_iter(), now, &mut vec![]);
        assert_eq!(untold(), [false, false]);
    }
}
