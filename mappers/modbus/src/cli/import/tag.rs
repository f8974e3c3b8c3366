//! One tag of a list, whatever layout it came in, and the property that it becomes.
use crate::{Modbus, cli::model};
use pollux_crds::{
    Access, EnumValue, Interval, ModbusBinding, ModbusDevice, ModbusTable as Table, ModbusTcp, Property, PropertyType,
    Range, Span,
};
use pollux_mapper::{Point, Protocol, Slot};
use std::time::Duration;

const MAX_DESCRIPTION: usize = 1024;
const MAX_UNIT: usize = 32;

#[derive(Debug, Clone, PartialEq)]
pub(super) struct Tag {
    pub(super) line: u64,
    /// As the list has it, until [`super::names::settle`] made it a property's.
    pub(super) name: String,
    pub(super) description: String,
    pub(super) unit: String,
    pub(super) binding: ModbusBinding,
    pub(super) access: Access,
    pub(super) interval: Option<Span>,
    pub(super) scale: f64,
    pub(super) offset: f64,
    pub(super) range: Option<Range>,
    pub(super) minimum: Option<f64>,
    pub(super) maximum: Option<f64>,
    /// Name of the tag that holds its exponent, or empty.
    pub(super) exponent: String,
    pub(super) read_group: Option<String>,
    pub(super) invalid: Vec<f64>,
    /// Names of its values; empty: it has none.
    pub(super) names: Vec<EnumValue>,
}

impl Tag {
    pub(super) fn new(line: u64, name: &str, binding: ModbusBinding) -> Self {
        Self {
            line,
            name: name.into(),
            description: String::new(),
            unit: String::new(),
            binding,
            access: Access::ReadOnly,
            interval: None,
            scale: 1.0,
            offset: 0.0,
            range: None,
            minimum: None,
            maximum: None,
            exponent: String::new(),
            read_group: None,
            invalid: vec![],
            names: vec![],
        }
    }
    fn is_scaled(&self) -> bool {
        self.scale.to_bits() != 1.0_f64.to_bits() || self.offset != 0.0 || !self.exponent.is_empty()
    }
    /// Refuses a scale of what is no number, and a write to what is read only.
    pub(super) fn checked(self) -> Result<Self, String> {
        let kind = model::type_of(&self.binding);
        let read_only = matches!(self.binding.table(), Some(Table::Discrete | Table::Input));
        if self.scale == 0.0 {
            return Err("its scale would be 0".into());
        }
        if self.is_scaled() && !matches!(kind, PropertyType::Integer | PropertyType::Number) {
            return Err("only a single number can be scaled: no bit, text or array".into());
        }
        if !self.names.is_empty() {
            let named = matches!(kind, PropertyType::Integer | PropertyType::Boolean) && !self.is_scaled();
            if !named || self.minimum.is_some() || self.maximum.is_some() {
                return Err("names of values go with whole numbers, bits and coils, without scale and limits".into());
            }
        }
        if read_only && self.access == Access::WriteOnly {
            return Err("write only, in a table that cannot be written".into());
        }
        let access = if read_only { Access::ReadOnly } else { self.access };
        Ok(Self { access, ..self })
    }
    /// `usual`: the interval that needs no mention.
    pub(super) fn property(&self, usual: Option<Span>) -> Property {
        let plain = model::property(&self.name, self.binding.clone());
        let text = |text: &str, most: usize| (!text.is_empty()).then(|| text.chars().take(most).collect::<String>());
        let scaled = self.is_scaled();
        Property {
            type_: match () {
                () if !self.names.is_empty() => Some(PropertyType::String),
                () if scaled => Some(PropertyType::Number),
                () => plain.type_,
            },
            enum_: (!self.names.is_empty()).then(|| self.names.clone()),
            access: (self.access != Access::ReadOnly).then_some(self.access),
            unit: text(&self.unit, MAX_UNIT),
            description: text(&self.description, MAX_DESCRIPTION),
            range: self.range.clone(),
            minimum: self.minimum,
            maximum: self.maximum,
            interval: self.interval.filter(|own| Some(*own) != usual).map(Interval::Every),
            scale: scaled.then_some(self.scale).filter(|scale| scale.to_bits() != 1.0_f64.to_bits()),
            scale_exponent_from: text(&self.exponent, usize::MAX),
            read_group: self.read_group.clone(),
            invalid: (!self.invalid.is_empty()).then(|| self.invalid.clone()),
            offset: scaled.then_some(self.offset).filter(|offset| *offset != 0.0),
            ..plain
        }
    }
}

/// What arithmetic on doubles leaves is taken away: 0.1 is 0.1.
pub(super) fn tidy(number: f64) -> f64 {
    format!("{number:.11e}").parse().unwrap_or(number)
}

/// Each binding in the words of the driver that would read it.
pub(super) fn refused_by_the_driver(tags: &[Tag]) -> Vec<(u64, String)> {
    let tcp = ModbusTcp { host: "localhost".into(), port: 502 };
    let device = ModbusDevice { tcp: Some(tcp), unit_id: 1, ..ModbusDevice::default() };
    let points: Vec<Point<'_, ModbusBinding>> = tags
        .iter()
        .zip(0..)
        .map(|(tag, slot)| Point {
            slot: Slot(slot),
            name: &tag.name,
            address: &tag.binding,
            readable: tag.access != Access::WriteOnly,
            writable: tag.access != Access::ReadOnly,
            event: false,
            interval: pollux_mapper::Interval::Every(Duration::from_secs(1)),
            read_group: None,
        })
        .collect();
    let errors = Modbus.prepare(&device, &points).err().unwrap_or_default();
    let line = |point: Option<usize>| point.and_then(|at| tags.get(at)).map_or(0, |tag| tag.line);
    errors.into_iter().map(|error| (line(error.point), error.text)).collect()
}
