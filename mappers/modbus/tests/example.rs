//! The example of the README, as people write it, against the simulator it was written for.
#![allow(clippy::panic, clippy::unwrap_in_result, reason = "a test")]
use pollux_crds::{
    Access, Channel, Device, DeviceModel, EffectiveDevice, ModbusBinding, ModbusDevice, ModbusTcp, Source,
    offline::{Object, load, yaml},
    resolve,
};
use pollux_mapper::{Cx, Done, Fault, Instant, Interval, Link as _, Point, Protocol, Samples, Slot, Value};
use pollux_modbus::{Modbus, Unit};
use pollux_sim::{Line, serve};
use std::{collections::BTreeMap, time::Duration};
use tokio::net::TcpListener;

fn objects() -> Vec<Object> {
    let files =
        [include_str!("../../../examples/boiler/model.yaml"), include_str!("../../../examples/boiler/devices.yaml")];
    let documents = files.iter().flat_map(|file| yaml::read(file).expect("YAML"));
    documents.map(|document| load(&document.value).unwrap_or_else(|errors| panic!("{errors:?}"))).collect()
}

fn devices() -> Vec<EffectiveDevice> {
    let (mut models, mut channels, mut devices) =
        (Vec::<DeviceModel>::new(), Vec::<Channel>::new(), Vec::<Device>::new());
    for object in objects() {
        match object {
            Object::DeviceModel(model) => models.push(*model),
            Object::Channel(channel) => channels.push(*channel),
            Object::Device(device) => devices.push(std::sync::Arc::unwrap_or_clone(device)),
            Object::MapperClass(_) => {}
        }
    }
    let resolved = |device: &Device| resolve(device, models.first(), channels.first());
    devices.iter().map(|device| resolved(device).unwrap_or_else(|errors| panic!("{errors:?}")).effective).collect()
}

fn prepare(device: &EffectiveDevice, config: &ModbusDevice) -> Unit {
    let bindings: Vec<ModbusBinding> = device
        .properties
        .iter()
        .map(|property| match &property.source {
            Source::Binding(binding) => serde_json::from_value(binding.value()).expect("a Modbus binding"),
            Source::Expression(_) => panic!("{} has no binding", property.name),
        })
        .collect();
    let points: Vec<Point<'_, ModbusBinding>> = (0..)
        .zip(device.properties.iter().zip(&bindings))
        .map(|(slot, (property, address))| Point {
            slot: Slot(slot),
            name: &property.name,
            address,
            readable: true,
            writable: property.access != Access::ReadOnly,
            event: false,
            interval: Interval::Every(Duration::from_secs(1)),
            read_group: property.read_group.as_deref(),
        })
        .collect();
    Modbus.prepare(config, &points).unwrap_or_else(|errors| panic!("{errors:?}"))
}

#[tokio::test]
async fn every_property_of_every_boiler_is_there_and_makes_sense() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let port = listener.local_addr().expect("bound").port();
    tokio::spawn(serve(listener, Line::new(1, 1.0, |_| {})));
    let devices = devices();
    assert_eq!(
        devices.iter().map(|device| device.name.as_str()).collect::<Vec<_>>(),
        ["boiler-1", "boiler-2", "boiler-3"]
    );
    for device in devices {
        let mut config: ModbusDevice = serde_json::from_value(device.config.value()).expect("a Modbus device");
        config.tcp = Some(ModbusTcp { host: "127.0.0.1".into(), port: port.into() });
        let unit = prepare(&device, &config);
        let link = Modbus.connect(&Modbus.endpoint(&config).expect("valid"), &Cx::default()).await.expect("connected");
        let mut due: Vec<usize> = (0..unit.items().len()).collect();
        let mut values: BTreeMap<&str, Value> = BTreeMap::new();
        while !due.is_empty() {
            let mut again = vec![];
            for exchange in Modbus.plan(&unit, &due) {
                let mut out = Samples::default();
                let done: Result<Done, Fault<_>> =
                    link.read(&unit, &exchange, Instant::now() + Duration::from_secs(2), &mut out).await;
                if done.expect("answered") == Done::Replan {
                    again.extend(&exchange.points);
                }
                for (slot, value, _) in out.readings() {
                    values.insert(&device.properties[slot.0 as usize].name, value.expect("good"));
                }
            }
            due = again;
        }
        assert_eq!(values.len(), device.properties.len(), "{values:?}");
        let within = |name: &str, low: f64, high: f64| {
            let value = values[name].as_f64().expect("a number");
            assert!((low..=high).contains(&value), "{}: {name} is {value}", device.name);
        };
        within("setpoint", 60.0, 60.0);
        within("temperature", 40.0, 70.0);
        within("pressure", 1.0, 2.5);
        within("energy", 1e6, 1e7);
        assert!(values["serialNumber"].as_str().is_some_and(|serial| serial.starts_with("PX-")));
    }
}
