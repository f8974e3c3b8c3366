//! The contract of every driver: a device that is read, and one that notifies.
use crate::{
    byte, polled,
    script::{self, Air, Device, Dial, NOTIFY, Say, WRITE, device, place},
};
use pollux_ble::{Ble, radio::Can};
use pollux_crds::{BleBinding, BleDevice};
use pollux_mapper::{
    Interval, PointSpec, Value,
    testing::conformance::{Harness, Peer, check},
};
use serde_json::json;
use std::{
    sync::atomic::{AtomicU8, Ordering::Relaxed},
    time::Duration,
};

struct Plant {
    air: Air,
    notifies: bool,
    pushed: AtomicU8,
}

impl Plant {
    fn new(notifies: bool) -> Self {
        let can = |handle| {
            if handle < 3 {
                Can { notify: notifies, ..WRITE }
            } else if notifies {
                NOTIFY
            } else {
                WRITE
            }
        };
        let places = || (1..=4).map(|handle| place(handle, can(handle), &[0])).collect();
        let one = || Device { dial: Dial::Takes(Duration::from_millis(50)), ..device(places()) };
        Self { air: Air::with([(0, one()), (1, one())]), notifies, pushed: AtomicU8::new(100) }
    }
}

impl Harness for Plant {
    type Protocol = Ble<Air>;

    fn protocol(&self) -> Ble<Air> {
        Ble(self.air.clone())
    }
    fn device(&self, number: usize) -> BleDevice {
        let address = script::address(u8::try_from(number).unwrap());
        serde_json::from_value(json!({"address": address.to_string(), "connectTimeout": "2s"})).unwrap()
    }
    fn points(&self) -> Vec<PointSpec<BleBinding>> {
        let made = |handle: u16| PointSpec {
            name: format!("p{handle}"),
            interval: Interval::Every(Duration::from_millis(500)),
            readable: true,
            writable: handle < 3,
            event: false,
            read_group: None,
            address: serde_json::from_value(if self.notifies { byte(handle) } else { polled(handle) }).unwrap(),
        };
        (1..=4).map(made).collect()
    }
    fn value(&self, number: u8) -> Value {
        Value::Uint(number.into())
    }
    fn impossible(&self) -> Option<Value> {
        Some(Value::Uint(256))
    }
    async fn set(&self, peer: Peer) {
        for number in 0..2 {
            self.air.device(number, |device| {
                device.present = peer != Peer::Cut;
                device.mute = peer == Peer::Silent;
                device.place(1).says = if peer == Peer::Refusing { Say::Refuse("NotPermitted") } else { Say::Good };
            });
            if peer == Peer::Cut {
                self.air.drop_of(number);
            }
        }
    }
    fn push(&self) -> bool {
        if self.notifies {
            self.air.notify(0, 3, &[self.pushed.fetch_add(1, Relaxed)]);
        }
        self.notifies
    }
}

#[tokio::test(start_paused = true)]
async fn it_keeps_the_contract_of_a_driver_where_it_reads() {
    assert_eq!(check(&Plant::new(false)).await, Vec::<String>::new());
}
#[tokio::test(start_paused = true)]
async fn it_keeps_the_contract_of_a_driver_where_it_is_notified() {
    assert_eq!(check(&Plant::new(true)).await, Vec::<String>::new());
}
