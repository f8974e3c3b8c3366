//! The properties of what was found: fields that were heard, or characteristics. Pure.
use super::{
    ask::Found,
    list::BOOKKEEPING,
    names::unique,
    words::{camel, named, type_of, unit},
};
use crate::air::{Heard, Place};
use pollux_ble_codec::{Company, Error, FieldInfo, Uuid, Value, ValueKind, advert, assigned::Kind, characteristic};
use pollux_crds::{
    Access, Binding, BleAbout, BleAdvertisement, BleBinding, BleDataType, BleFormat, Interval, Property, PropertyKind,
    PropertyType, Report, Span,
};
use std::collections::{BTreeSet, HashMap};

/// Properties of a model, at most.
const MOST: usize = 1000;
/// Generic Access and Generic Attribute: how the device is found and spoken with, which is the stack's affair.
const OF_THE_STACK: [Uuid; 2] = [Uuid::short(0x1800), Uuid::short(0x1801)];
/// What stands there does not change.
const DEVICE_INFORMATION: Uuid = Uuid::short(0x180A);

/// Properties, and what is to be said of them.
#[derive(Debug, Default)]
pub(super) struct Made {
    pub(super) properties: Vec<Property>,
    pub(super) remarks: Vec<String>,
    taken: BTreeSet<String>,
}

/// The fields that were heard; where no format is known, the data as they are. `all`: counters and the like too.
pub(super) fn heard(heard: &Heard, all: bool) -> Made {
    let mut made = Made::default();
    for (format, spoken) in heard.formats.values() {
        let Some(name) = format_of(*format) else { continue };
        for told in spoken.fields.iter().filter(|told| all || !BOOKKEEPING.contains(&told.field.name)) {
            let advertisement = BleAdvertisement {
                format: Some(name),
                field: Some(told.field.name.to_owned()),
                index: (told.index > 1).then(|| told.index.into()),
                ..BleAdvertisement::default()
            };
            let event = format.is_event(told.field.name);
            made.field(told.field, event, BleBinding { advertisement: Some(advertisement), ..blank() });
        }
    }
    let known = !heard.formats.is_empty();
    for place in heard.data.keys().filter(|_| !known) {
        let (name, advertisement) = match place {
            Place::Company(company) => {
                let company = Company(*company);
                if let Some(name) = company.name() {
                    made.remarks.push(format!("{company} is {name}: what its bytes mean is the maker's to say"));
                }
                let manufacturer = Some(company.to_string());
                (format!("manufacturer_{:04X}", company.0), BleAdvertisement { manufacturer, ..advertised() })
            }
            Place::Service(uuid) => {
                let service = named(Kind::Service, *uuid);
                (format!("service_{}", short(*uuid)), BleAdvertisement { service: Some(service), ..advertised() })
            }
        };
        let binding = BleBinding { advertisement: Some(advertisement), data_type: Some(BleDataType::Bytes), ..blank() };
        made.add(&name, PropertyType::Bytes, binding, Property::default());
    }
    if !made.properties.is_empty() {
        let binding = BleBinding { about: Some(BleAbout::Rssi), ..blank() };
        let report = Report { min_interval: Some(Span::from_secs(60)), ..Report::default() };
        let more = Property { unit: Some("dBm".into()), report: Some(report), ..Property::default() };
        made.add("rssi", PropertyType::Integer, binding, more);
    }
    made
}

/// The characteristics of a device. `all`: those of the stack too.
pub(super) fn connected(found: &[Found], all: bool) -> Made {
    let kept: Vec<&Found> = found.iter().filter(|one| all || !OF_THE_STACK.contains(&one.what.service)).collect();
    let (mut by_uuid, mut by_both) = (HashMap::<Uuid, usize>::new(), HashMap::<(Uuid, Uuid), usize>::new());
    // Of all that it has: a binding has to tell it from those that are left out, too.
    for one in found {
        *by_uuid.entry(one.what.uuid).or_default() += 1;
        *by_both.entry((one.what.service, one.what.uuid)).or_default() += 1;
    }
    let mut made = Made::default();
    for one in kept {
        if made.properties.len() >= MOST {
            made.remarks.push(format!("more than {MOST} properties: the rest is left out"));
            break;
        }
        let several = |count: Option<&usize>| count.is_some_and(|count| *count > 1);
        let place = BleBinding {
            characteristic: Some(named(Kind::Characteristic, one.what.uuid)),
            service: several(by_uuid.get(&one.what.uuid)).then(|| named(Kind::Service, one.what.service)),
            // BlueZ counts from the declaration; the value is the next.
            handle: several(by_both.get(&(one.what.service, one.what.uuid)))
                .then(|| i32::from(one.what.handle).saturating_add(1)),
            ..blank()
        };
        made.characteristic(one, &place);
    }
    let sealed: Vec<&Found> = found.iter().filter(|one| one.sealed).collect();
    if let [first, ..] = sealed.as_slice() {
        let name = named(Kind::Characteristic, first.what.uuid);
        let more = if sealed.len() > 1 { format!(" and {} more", sealed.len() - 1) } else { String::new() };
        made.remarks.push(format!(
            "{name}{more} cannot be read before the device is paired: a mapper pairs it by itself, without a passkey; --pair does so now, \
             by that of POLLUX_BLE_PASSKEY where there is one"
        ));
    }
    made
}

impl Made {
    fn characteristic(&mut self, one: &Found, place: &BleBinding) {
        let (uuid, can) = (one.what.uuid, one.what.can);
        let readable = can.read || can.notify;
        let writable = can.write || can.write_without_response;
        let access = match (readable, writable, can.read) {
            (true, true, true) => Access::ReadWrite,
            // Written and answered by notifications: a command of the maker's own, and not a value that is kept.
            (true, ..) => Access::ReadOnly,
            (false, true, _) => Access::WriteOnly,
            (false, false, _) => return,
        };
        let constant = one.what.service == DEVICE_INFORMATION && !can.notify;
        let more = Property { interval: constant.then_some(Interval::OnConnect), ..Property::default() };
        let name = Kind::Characteristic.name(uuid).map_or_else(|| format!("c_{}", short(uuid)), camel);
        let current = one.value.as_deref().unwrap_or_default();
        let layout = characteristic::of(uuid).filter(|layout| {
            // What cannot be read is written as a whole.
            access != Access::WriteOnly || layout.only().is_some_and(|field| can_write(layout, field, current))
        });
        let layout = layout.filter(|layout| self.fits(layout, one));
        let Some(layout) = layout else {
            let binding = BleBinding { data_type: Some(BleDataType::Bytes), ..place.clone() };
            self.add(&name, PropertyType::Bytes, binding, Property { access: other(access), ..more });
            return;
        };
        let fields = layout.fields();
        for field in &fields {
            let access = if can_write(layout, *field, current) { access } else { Access::ReadOnly };
            let only = layout.only().is_some();
            let binding = BleBinding { field: (!only).then(|| field.name.to_owned()), ..place.clone() };
            let more = Property { access: other(access), unit: shown(field.unit), ..more.clone() };
            self.add(if only { name.as_str() } else { field.name }, type_of(field.kind), binding, more);
        }
    }
    /// Whether what stands there is laid out as the standard has it.
    fn fits(&mut self, layout: &characteristic::Layout, one: &Found) -> bool {
        let Some(bytes) = &one.value else { return true };
        let wrong = layout.fields().iter().find_map(|field| layout.decode(field.name, bytes).err());
        if let Some(error) = &wrong {
            self.remarks.push(format!("{}: {error}: written as bytes", layout.name()));
        }
        wrong.is_none()
    }
    fn field(&mut self, field: FieldInfo, event: bool, binding: BleBinding) {
        let kind = event.then_some(PropertyKind::Event);
        let more = Property { kind, unit: shown(field.unit), ..Property::default() };
        self.add(field.name, type_of(field.kind), binding, more);
    }
    fn add(&mut self, name: &str, type_: PropertyType, binding: BleBinding, more: Property) {
        if self.properties.len() < MOST {
            self.properties.push(Property {
                name: unique(name, '_', &mut self.taken),
                type_: Some(type_),
                binding: Some(Binding { ble: Some(binding), ..Binding::default() }),
                ..more
            });
        }
    }
}

fn blank() -> BleBinding {
    BleBinding::default()
}
fn advertised() -> BleAdvertisement {
    BleAdvertisement::default()
}
fn shown(ucum: &str) -> Option<String> {
    (!ucum.is_empty()).then(|| unit(ucum).to_owned())
}
/// Than the default.
fn other(access: Access) -> Option<Access> {
    (access != Access::ReadOnly).then_some(access)
}
fn short(uuid: Uuid) -> String {
    uuid.to_string().chars().take_while(|c| *c != '-').collect()
}
fn format_of(format: advert::Format) -> Option<BleFormat> {
    serde_json::from_value(format.name().into()).ok()
}
fn can_write(layout: &characteristic::Layout, field: FieldInfo, current: &[u8]) -> bool {
    let value = if field.kind == ValueKind::Text { Value::Text("".into()) } else { Value::Bool(true) };
    !matches!(layout.encode(field.name, &value, current), Err(Error::ReadOnly(_)))
}

#[cfg(test)]
mod tests;
