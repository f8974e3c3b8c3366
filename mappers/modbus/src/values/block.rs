//! Registers as they stand.
use super::{order, refused, shown};
use pollux_crds::ByteOrder;
use pollux_mapper::{PointFault, Value};

/// `data`: its registers, no more.
pub(super) fn decode(data: &[u8], order: ByteOrder) -> Value {
    let mut bytes = data.to_owned();
    order::swap(&mut bytes, order);
    Value::Bytes(bytes.into())
}

/// All of its registers, or none.
pub(super) fn encode(registers: u16, value: &Value, order: ByteOrder) -> Result<Vec<u16>, PointFault> {
    let size = usize::from(registers) * 2;
    let Value::Bytes(bytes) = value else { return Err(wrong(value, size)) };
    if bytes.len() != size {
        return Err(wrong(value, size));
    }
    let mut bytes = bytes.to_vec();
    order::swap(&mut bytes, order);
    Ok(order::words(&bytes))
}

fn wrong(value: &Value, size: usize) -> PointFault {
    refused(format!("{} does not fit: must be exactly {size} bytes", shown(value)))
}
