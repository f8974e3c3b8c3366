//! The command line for the person with a URL and no YAML: `read` of a URL, `discover` and `trust`. Nothing here writes to a server.
use crate::OpcUa;
use pollux_mapper::App;

/// The mapper's command line.
pub fn app() -> App<OpcUa> {
    App::new(OpcUa)
}
