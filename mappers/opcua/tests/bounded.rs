//! What a lying server can make of our memory. By itself in its process, for it counts all that is taken.
#![allow(unsafe_code, reason = "an allocator that counts")]
mod liar;
mod rig;

use liar::{Liar, Say, World};
use opcua::types::{ByteString, DataValue, ExtensionObject, NodeId, Variant, type_loader::ByteStringBody};
use pollux_crds::{OpcUaDelivery, OpcUaDevice, OpcUaSubscription};
use pollux_mapper::Value;
use rig::{Rig, at, open, point};
use std::{
    alloc::{GlobalAlloc, Layout, System},
    ops::Range,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
};

struct Counting;
static LIVE: AtomicUsize = AtomicUsize::new(0);
static MOST: AtomicUsize = AtomicUsize::new(0);
static LARGEST: AtomicUsize = AtomicUsize::new(0);
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, memory: Layout) -> *mut u8 {
        MOST.fetch_max(LIVE.fetch_add(memory.size(), Relaxed) + memory.size(), Relaxed);
        LARGEST.fetch_max(memory.size(), Relaxed);
        unsafe { System.alloc(memory) }
    }
    unsafe fn dealloc(&self, at: *mut u8, memory: Layout) {
        LIVE.fetch_sub(memory.size(), Relaxed);
        unsafe { System.dealloc(at, memory) }
    }
}
#[global_allocator]
static ALLOCATOR: Counting = Counting;

const MIB: usize = 1 << 20;
/// Of one value at once: an answer of 16 MiB, doubled as buffers are, and what the liar itself takes for it.
const ONCE: usize = 64 * MIB;
/// Of all at once, both ends together: a few answers, as they are sent, come and are decoded.
const TOGETHER: usize = 128 * MIB;
/// What is taken is counted for one test at a time.
static TURN: tokio::sync::Mutex<()> = tokio::sync::Mutex::const_new(());
/// Where the header of an answer has its object, which is none: behind the type id, a time, two numbers, no diagnostics and no strings.
const EXTRA: Range<usize> = 25..28;
const HONEST: [u8; 16] = *b"an honest answer";

/// Arrays of values of a byte each, in an array.
fn arrays(kind: u8, value: &[u8], outer: u32) -> Vec<u8> {
    let inner = [&[0x80 | kind][..], &65_000_u32.to_le_bytes(), &value.repeat(65_000)].concat();
    [&[0x98][..], &outer.to_le_bytes(), &inner.repeat(usize::try_from(outer).expect("64 bits"))].concat()
}

/// An answer to Read (i=634) of diagnostics of nothing, 65,000 times so many.
fn answer(outer: u32) -> Vec<u8> {
    let header = [&[0; 17][..], &[0xFF; 4], &[0; 3]].concat();
    let results = [&1_u32.to_le_bytes()[..], &[1], &arrays(25, &[0], outer), &[0xFF; 4]].concat();
    [header, results].concat()
}

/// 15 MiB of it, and it says that it has 4 bytes.
fn short() -> Vec<u8> {
    [&[1, 0, 0x7A, 0x02, 1, 4, 0, 0, 0][..], &answer(230)].concat()
}

fn whole(body: &[u8]) -> Vec<u8> {
    [&u32::try_from(body.len()).expect("some MiB").to_le_bytes()[..], body].concat()
}

/// Instead of the honest value; those that begin as an object, without the type of a value: instead of what the header may hold more.
fn lies() -> Vec<(&'static str, Vec<u8>)> {
    let most = [0xFF, 0xFF, 0xFF, 0x7F];
    let object = |encoding: u8| [&[22, 1, 2, 0x39, 0x30, encoding][..], &most].concat();
    vec![
        ("an object that says it has 2 GiB", object(1)),
        ("an object that says it has 2 GiB of text", object(2)),
        ("objects of which one says so", [&[0x96, 2, 0, 0, 0][..], &object(1)[1..]].concat()),
        ("15 MiB of values that are nothing", arrays(23, &[0], 230)),
        ("15 MiB of diagnostics of nothing", arrays(25, &[0], 230)),
        ("15 MiB of empty values", arrays(24, &[0], 230)),
        ("a value that holds them", [&[23, 1][..], &arrays(23, &[0], 230)].concat()),
        ("a header with 15 MiB of them", [&[1, 0, 0x7A, 0x02, 1][..], &whole(&short()[9..])].concat()),
    ]
}
/// The same. An object is taken for as long as it says, so what is behind that is read as what follows: other values are spoiled too.
fn spoiling_lies() -> Vec<(&'static str, Vec<u8>)> {
    vec![
        ("an object that is longer than it says", [&[22][..], &short()].concat()),
        ("a list with one", [&[0x96, 1, 0, 0, 0][..], &short()].concat()),
        ("a header with one", short()),
    ]
}

#[tokio::test]
async fn what_a_server_sends_takes_no_more_memory_than_it_may() {
    let _turn = TURN.lock().await;
    let lie: Arc<Mutex<Vec<u8>>> = Arc::default();
    let told = lie.clone();
    let liar = Liar::start(move |heard| {
        let lie = told.lock().expect("no panic").clone();
        if heard.request.type_name() != "Read" || lie.is_empty() {
            return vec![Say::Good];
        }
        vec![Say::Bytes(Box::new(move |mut body| {
            let honest = [&[15, 16, 0, 0, 0][..], &HONEST].concat();
            if let Some(at) = body.windows(honest.len()).position(|bytes| bytes == honest) {
                let in_header = lie.first() == Some(&1);
                body.splice(if in_header { EXTRA } else { at..at + honest.len() }, lie);
            }
            body
        }))]
    })
    .await;
    liar.world().add("Lie", Variant::from(ByteString::from(HONEST.as_slice())));
    let subscription = OpcUaSubscription { mode: Some(OpcUaDelivery::Poll), ..OpcUaSubscription::default() };
    // Long: all of it is decoded by code that is not optimized.
    let device = OpcUaDevice { subscription: Some(subscription), timeout: "15s".parse().ok(), ..open(&liar.url()) };
    let points = vec![point("lie", at("ns=2;s=Lie")), point("speed", at("ns=2;s=Speed"))];
    let rig = Rig::start(device, points).await;
    let honest = Value::Bytes(Arc::from(HONEST.as_slice()));
    rig.until_is("lie", honest.clone()).await;
    let (mut speed, mut over) = (1.0, vec![]);
    let lies = lies().into_iter().map(|lie| (lie, false)).chain(spoiling_lies().into_iter().map(|lie| (lie, true)));
    for ((name, bytes), spoils) in lies {
        *lie.lock().expect("no panic") = bytes;
        MOST.store(LIVE.load(Relaxed), Relaxed);
        LARGEST.store(0, Relaxed);
        let before = LIVE.load(Relaxed);
        speed += 1.0;
        liar.world().set("Speed", speed);
        rig.until(name, |state| !state.is("lie", &honest)).await;
        if !spoils {
            rig.until_bad("lie", "Bad").await;
            rig.until_is("speed", speed).await;
        }
        let (once, together) = (LARGEST.load(Relaxed), MOST.load(Relaxed) - before);
        println!("{name}: {} MiB at once, {} MiB together", once / MIB, together / MIB);
        if once > ONCE || together > TOGETHER {
            over.push(name);
        }
        lie.lock().expect("no panic").clear();
        rig.until_is("lie", honest.clone()).await;
        rig.until_is("speed", speed).await;
    }
    assert!(over.is_empty(), "{over:?}");
}

/// Each of them is as long as it says, and as one value may be.
#[tokio::test]
async fn many_objects_in_one_message_take_no_more_than_they_are() {
    let _turn = TURN.lock().await;
    let object = |outer| {
        let body = ByteStringBody::new(ByteString::from(answer(outer)), NodeId::new(0, 634));
        Variant::ExtensionObject(ExtensionObject::new(body))
    };
    let names: Vec<String> = (0..7).map(|at| format!("Large{at}")).collect();
    let liar = Liar::honest().await;
    for name in &names {
        liar.world().add(name, object(1));
    }
    let points = names.iter().map(|name| point(name, at(&format!("ns=2;s={name}")))).collect();
    let device = OpcUaDevice { timeout: "15s".parse().ok(), ..open(&liar.url()) };
    let rig = Rig::start(device, points).await;
    rig.until("they are pushed", |state| liar.world().items() == 7 && state.points.len() == 7).await;
    let told = rig.state().told.clone();
    let large = DataValue::value_only(object(29));
    MOST.store(LIVE.load(Relaxed), Relaxed);
    let before = LIVE.load(Relaxed);
    {
        let mut world = liar.world();
        for name in &names {
            world.put(&World::id(name), &large);
        }
    }
    rig.until("all came", |state| names.iter().all(|name| state.told[name] > told[name])).await;
    let together = MOST.load(Relaxed) - before;
    println!("pushed: {} MiB together", together / MIB);
    assert!(together <= TOGETHER, "{} MiB", together / MIB);
}
