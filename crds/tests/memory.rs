//! What judging objects leaves on the heap, as its allocator is asked for it: a mapper judges its files once and then runs for
//! months.
#![cfg(feature = "offline")]
#![allow(unsafe_code, reason = "an allocator that counts")]
use pollux_crds::offline;
use serde_json::{Value as Json, json};
use std::{
    alloc::{GlobalAlloc, Layout, System},
    sync::atomic::{AtomicUsize, Ordering},
};

struct Counting;
static USED: AtomicUsize = AtomicUsize::new(0);
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        USED.fetch_add(layout.size(), Ordering::SeqCst);
        unsafe { System.alloc(layout) }
    }
    unsafe fn dealloc(&self, memory: *mut u8, layout: Layout) {
        USED.fetch_sub(layout.size(), Ordering::SeqCst);
        unsafe { System.dealloc(memory, layout) }
    }
}
#[global_allocator]
static ALLOCATOR: Counting = Counting;

fn device() -> Json {
    json!({"apiVersion": "pollux.rs/v1alpha1", "kind": "Device", "metadata": {"name": "boiler", "namespace": "default"},
        "spec": {"model": "boiler", "mode": "Monitor", "protocol": {"modbus": {"tcp": {"host": "10.0.0.1"}}}}})
}

#[test]
fn what_objects_were_judged_by_is_given_back() {
    let before = USED.load(Ordering::SeqCst);
    let judged = offline::load(&device()).is_ok();
    let held = USED.load(Ordering::SeqCst) - before;
    offline::forget();
    let left = USED.load(Ordering::SeqCst) - before;
    let again = offline::load(&device()).is_ok();
    assert!(judged && again);
    // What is left is the tables of the CEL parser, which is a static of its crate.
    assert!(left < 600_000 && held > 2 * left, "{held} B while objects are judged, {left} B after");
}
