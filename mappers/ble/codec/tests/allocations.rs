//! A number is decoded without allocating: of a format, of a characteristic, and of an advertisement, opened with its key.
#![allow(unsafe_code)] // a counting allocator cannot be had without
use pollux_ble_codec::advert::{self, bthome};
use pollux_ble_codec::{DataType, Decoded, Format, Uuid, characteristic};
use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

thread_local! {
    static COUNT: Cell<usize> = const { Cell::new(0) };
}
struct Counting;
// SAFETY: hands everything on to the system's allocator.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        COUNT.with(|count| count.set(count.get() + 1));
        // SAFETY: as promised to this function.
        unsafe { System.alloc(layout) }
    }
    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: as promised to this function.
        unsafe { System.dealloc(pointer, layout) }
    }
}
#[global_allocator]
static COUNTING: Counting = Counting;

fn allocations(work: impl FnOnce()) -> usize {
    let before = COUNT.with(Cell::get);
    work();
    COUNT.with(Cell::get) - before
}

#[test]
fn numbers_are_decoded_without_allocating() {
    assert_ne!(allocations(|| drop(vec![1])), 0, "it counts");
    let key: bthome::Key = "231d39c1d7cc1ab1aee224cd096db932".parse().expect("of 32 digits");
    // The example of bthome.io/encryption: temperature and humidity.
    let sealed = [0x41, 0xE4, 0x45, 0xF3, 0xC9, 0x96, 0x2B, 0x33, 0x22, 0x11, 0x00, 0x6C, 0x7C, 0x45, 0x19];
    let mut values = 0;
    let mut take = |decoded: Decoded| values += usize::from(decoded.value().is_some());
    let count = allocations(|| {
        for data_type in DataType::ALL.into_iter().filter(|data_type| data_type.width().is_some()) {
            let bytes = [1; 8];
            take(
                Format::new(data_type)
                    .decode(&bytes[..data_type.size().unwrap_or(0)])
                    .unwrap_or_else(|_| unreachable!()),
            );
        }
        let heart = characteristic::of(Uuid::short(0x2A37)).map(|layout| layout.decode("heartRate", &[0x10, 72, 1, 2]));
        take(heart.and_then(Result::ok).unwrap_or_else(|| unreachable!()));
        let opened = key.open([0x54, 0x48, 0xE6, 0x8F, 0x80, 0xA5], &sealed).unwrap_or_else(|_| unreachable!());
        bthome::read(opened.payload(), &mut |reading| take(reading.value)).unwrap_or_else(|_| unreachable!());
        let tlm = [0x20, 0, 0x0B, 0x98, 0x15, 0x80, 0, 0, 0, 1, 0, 0, 0, 2];
        let read = advert::Format::EddystoneTlm.decode(&tlm, &mut |reading| take(reading.value));
        read.unwrap_or_else(|_| unreachable!());
    });
    assert_eq!((count, values), (0, 21 + 1 + 2 + 4));
}
