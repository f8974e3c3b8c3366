//! One session, as the engine uses it. The skeleton: it refuses in words until the session is there.
use crate::{OpcUa, error::Error, settings::Settings, unit::Unit};
use pollux_mapper::{Cx, Done, ErrorKind, Exchange, Fault, Instant, PointFault, Samples, Value, Written};

/// One session.
#[derive(Debug)]
pub struct Link {}

impl Link {
    pub(crate) async fn open(endpoint: &Settings, _: &Cx) -> Result<Self, Error> {
        Err(Error::Config(format!("{endpoint}: OPC UA is not built in yet")))
    }
}

impl pollux_mapper::Link<OpcUa> for Link {
    async fn read(&self, _: &Unit, _: &Exchange<()>, _: Instant, _: &mut Samples) -> Result<Done, Fault<Error>> {
        Err(Fault::Point(PointFault::new(ErrorKind::Config, "OPC UA is not built in yet")))
    }
    async fn write(&self, _: &Unit, _: &[(usize, Value)], _: Instant, _: &mut Written) -> Result<(), Fault<Error>> {
        Err(Fault::Point(PointFault::new(ErrorKind::Config, "OPC UA is not built in yet")))
    }
}
