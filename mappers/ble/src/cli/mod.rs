//! The command line for the person with a sensor and no YAML: `discover`. Nothing here writes to a device.
mod ask;
mod discover;
mod list;
mod model;
mod whom;
mod words;
mod yaml;

use crate::{Ble, bluez::BlueZ};
use pollux_mapper::{
    App,
    cli::{end, names, note, print, table, yaml::Yaml},
};

/// How its objects are written.
const YAML: Yaml = Yaml(
    "ble adapter connections address secret key connection pairing passkeyFrom bindKeyFrom heardWithin characteristic service handle \
     advertisement format field index prefix about dataType",
);

/// The mapper's command line.
pub fn app() -> App<Ble<BlueZ>> {
    App::new(Ble(BlueZ::default()))
        .lasting(discover::command(), |protocol, matches, out, stopped| async move {
            discover::run(&protocol.0, &matches, out, stopped).await
        })
        .example("discover", "who is in the air: names, signal, services, what they send")
        .example("discover A4:C1:38:00:11:22 --yaml > s.yaml", "a DeviceModel and a Device of one of them")
}
