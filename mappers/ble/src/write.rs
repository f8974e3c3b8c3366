//! How a characteristic is written.
use crate::radio::Characteristic;
use pollux_crds::BleWriteType;
use pollux_mapper::{ErrorKind, PointFault};

/// Whether with a response, where the points say so and the characteristic can.
pub(crate) fn answered(
    what: &Characteristic,
    asked: impl Iterator<Item = BleWriteType> + Clone,
) -> Result<bool, PointFault> {
    let says = |kind| asked.clone().any(|asked| asked == kind);
    let no = |text: &'static str| Err(PointFault::new(ErrorKind::Config, text));
    match (what.can.write, what.can.write_without_response) {
        (false, false) => no("the device does not let it be written"),
        (false, true) if says(BleWriteType::WithResponse) => no("the device takes it without a response only"),
        (true, false) if says(BleWriteType::WithoutResponse) => no("the device takes it with a response only"),
        (true, true) => Ok(!says(BleWriteType::WithoutResponse) || says(BleWriteType::WithResponse)),
        (with, _) => Ok(with),
    }
}
