//! What is read, as properties that a Device could have, and what the driver makes of them. Pure.
use super::{Options, Target, model, words};
use crate::{Modbus, Unit};
use pollux_crds::{ByteOrder, ModbusBinding, ModbusDataType as Type, Place, Property};
use pollux_mapper::{Interval, Point, Protocol, Slot};

/// The type that the words name, which a table of bits has not.
pub(super) fn kind(options: &Options, place: Place, rest: &[String]) -> Result<Option<Type>, String> {
    let bits = place.table.has_bits();
    match rest {
        _ if bits && options.all_orders => {
            Err("coils and discrete inputs have no byte order: leave --all-orders out".into())
        }
        [] if bits || options.bit.is_some() || options.all_orders => Ok(None),
        [] => Err("say the type, such as float32 or uint16; or --all-orders, or --bit".into()),
        [word] if bits => Err(format!("coils and discrete inputs have no type: leave {word} out")),
        [word] if options.bit.is_some() => Err(format!("one bit has no type: leave {word} out, or --bit")),
        [word] => words::data_type(word).map(Some),
        [_, more, ..] => Err(format!("{more:?} is one word too many: a table, an address and a type")),
    }
}

pub(super) fn binding(options: &Options, place: Place, kind: Option<Type>, order: Option<ByteOrder>) -> ModbusBinding {
    // Without a type there is a table of all: it needs some property to stand for it.
    let shown = options.all_orders.then_some(Type::Uint16);
    let bits = place.table.has_bits() || options.bit.is_some();
    ModbusBinding {
        data_type: kind.or(shown.filter(|_| !bits)),
        byte_order: order,
        bit: options.bit,
        length: options.length,
        ..model::place(place.table, place.address)
    }
}

pub(super) fn properties(name: &str, first: &ModbusBinding, count: u16) -> Result<Vec<Property>, String> {
    let (start, width) = (first.address.unwrap_or_default(), first.registers());
    let end = start + width * i32::from(count);
    if end > 65_536 {
        return Err(format!("the last of {count} would be at address {}, must be at most 65535", end - 1));
    }
    let one = |at: u16| {
        let binding = ModbusBinding { address: Some(start + width * i32::from(at)), ..first.clone() };
        let name = if count == 1 { name.to_owned() } else { format!("{name}_{at}") };
        model::property(&name, binding)
    };
    Ok((0..count).map(one).collect())
}

/// In the driver's own words, where it refuses.
pub(super) fn prepared(target: &Target, properties: &[Property]) -> Result<Unit, String> {
    let bindings = properties.iter().filter_map(|p| Some((p, p.binding.as_ref()?.modbus.as_ref()?)));
    let points: Vec<Point<'_, ModbusBinding>> = bindings
        .zip(0..)
        .map(|((property, address), slot)| Point {
            slot: Slot(slot),
            name: &property.name,
            address,
            readable: true,
            writable: false,
            event: false,
            interval: Interval::OnConnect,
            read_group: None,
        })
        .collect();
    let unit = Modbus.prepare(&target.device, &points);
    unit.map_err(|errors| errors.first().map_or(String::new(), |error| error.text.clone()))
}
