//! The command line.
use crate::{Ble, bluez::BlueZ};
use pollux_mapper::App;

/// The mapper's command line.
pub fn app() -> App<Ble<BlueZ>> {
    App::new(Ble(BlueZ::default()))
}
