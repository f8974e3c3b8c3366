//! The command line for the person with an IP address and a PDF: `read` of a URL, `scan`, `probe` and `import`. Nothing here writes to a
//! device.
mod client;
mod guess;
mod import;
mod model;
mod place;
mod probe;
mod read;
mod scan;
mod target;
mod words;

use crate::Modbus;
pub use import::import_csv;
use pollux_mapper::{
    App,
    cli::{end, names, print, table, yaml::Yaml},
};

/// How its objects are written.
const YAML: Yaml = Yaml(
    "tcp rtu rtuOverTcp host port path baudRate parity stopBits unitId timeout pipeline limits avoid table address first last register \
     dataType byteOrder bit length count low high",
);

/// The mapper's command line.
pub fn app() -> App<Modbus> {
    App::new(Modbus)
        .read_url(read::command(), |_, matches, out| read::run(matches, out))
        .command(scan::command(), |_, matches, out| scan::run(matches, out))
        .command(probe::command(), |_, matches, out| probe::run(matches, out))
        .command(import::command(), |_, matches, out| async move { import::run(&matches, out) })
        .example("read tcp://10.0.0.5/1 40001 float32 --all-orders", "no YAML yet: one register in every byte order")
        .example("scan tcp://10.0.0.5", "which unit ids answer")
        .example("probe tcp://10.0.0.5/1 --range holding 0-200", "what it can take: holes, limits, pipeline")
        .example("import tags.csv --model line-7 > model.yaml", "a DeviceModel from a list of tags")
}
