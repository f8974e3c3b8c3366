use super::*;

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
    assert_eq!((columns.take_missed(), columns.take_missed(), columns.dirty()), (5000 - 4096, 0, 1));
    let all = columns.take_happened(9999);
    assert_eq!((all.len(), &all[4095].value), (4096, &Ok(Value::Uint(4095))), "the oldest, in order");
    columns.take_dirty(9, &mut numbers, &mut others);
    let newest = numbers.changes().last().expect("the newest state");
    assert_eq!((newest.point, newest.value), (0, Ok(Value::Uint(4999))));
}
