//! The command line for the person with a URL and no YAML: `read` of a URL, `discover` and `trust`. Nothing here writes to a server.
mod access;
mod discover;
mod lasting;
mod model;
mod read;
mod tree;
mod trust;

use crate::OpcUa;
use pollux_mapper::{
    App,
    cli::{end, names, note, print, table, yaml::Yaml},
};

/// How its objects are written.
const YAML: Yaml =
    Yaml("opcua url root security identity policy insecure certificate trust object method nodeId browsePath low high");

/// The mapper's command line.
pub fn app() -> App<OpcUa> {
    App::new(OpcUa)
        .read_url(read::command(), |_, matches, out| read::run(matches, out))
        .command(discover::command(), |_, matches, out| discover::run(matches, out))
        .command(trust::command(), |_, matches, out| trust::run(matches, out))
        .example("read opc.tcp://plc-1 'ns=2;s=Boiler.Temp'", "no YAML yet: a node's value, type, status and time")
        .example("discover opc.tcp://plc-1 > plc-1.yaml", "DeviceModels and Devices of all that the server shows")
        .example("trust opc.tcp://plc-1", "its certificate and endpoints, and the lines that trust it")
}
