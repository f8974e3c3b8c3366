//! One property, judged: what stands in it fits together, and nothing is left to be looked up.
use super::{FieldError, Origin, ble, event, exponent, modbus, opcua};
use crate::{
    Access, Binding, Deadband, DeviceModelRevisionSpec, EffectiveProperty, EffectiveReport, EffectiveVerify,
    Expression, Interval, Properties, Property, PropertyKind, PropertyType, Protocol, ReportWhen, Source, Span,
    VerifyBy, hash,
    parameters::{list, substitute},
    wire,
};
use serde_json::Value as Json;
use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

const INTERVAL: Span = Span::from_secs(10);
const INTERVALS: (Duration, Duration) = (Duration::from_millis(10), Duration::from_hours(24));
const MIN_REPORT: Span = Span::from_secs(1);
const STALE_AT_LEAST: Duration = Duration::from_secs(5);
const STALE_INTERVALS: u32 = 3;
/// Longest time after which a value is stale: ten of the longest intervals.
const STALE_AT_MOST: Span = Span::from_secs(240 * 3600);
/// Longest of the other times.
const AT_MOST: Span = Span::from_secs(24 * 3600);
const NUMERIC: &str = "goes with type number or integer only";

/// Errors of one property, on their way into the list of all.
struct Judge<'a> {
    property: &'a Property,
    origin: &'a Origin<'a>,
    errors: &'a mut Vec<FieldError>,
}
impl Judge<'_> {
    fn wrong(&mut self, field: &str, message: impl Into<String>) {
        self.errors.push(FieldError::new(self.origin.field(&self.property.name, field), message));
    }
}

pub(super) fn judge_all(
    revision: &DeviceModelRevisionSpec,
    protocol: &Protocol,
    values: &BTreeMap<&str, &Json>,
    origin: &Origin<'_>,
    errors: &mut Vec<FieldError>,
) -> Properties {
    let name = protocol.name().unwrap_or_default();
    let known: BTreeMap<&str, &Property> = revision.properties.iter().map(|p| (p.name.as_str(), p)).collect();
    let judged: Properties = revision
        .properties
        .iter()
        .filter_map(|property| {
            let mut judged = Judge { property, origin, errors: &mut *errors }.judge(name, values, &known)?;
            judged.wiring = wiring(&judged, protocol, values, &known);
            Some(judged)
        })
        .collect();
    if let Some(device) = &protocol.modbus {
        modbus::on_device(device, &judged, &known, origin, errors);
    }
    if let Some(device) = &protocol.opcua {
        opcua::on_device(device, &judged, origin, errors);
    }
    if let Some(device) = &protocol.ble {
        ble::on_device(device, &judged, known.len(), origin, errors);
    }
    judged
}

/// Hash of all that says what a value is on the wire: of a Modbus device also by how much it is shifted there, and by what
/// register it is scaled. Without these it is what it was before there were any.
fn wiring(
    property: &EffectiveProperty,
    protocol: &Protocol,
    values: &BTreeMap<&str, &Json>,
    known: &BTreeMap<&str, &Property>,
) -> String {
    let EffectiveProperty { type_, enum_, scale, offset, source, .. } = property;
    let wire = match source {
        Source::Binding(json) => Some(json),
        Source::Expression(_) => None,
    };
    let own = hash(&(type_, enum_, scale, offset, wire));
    let shift = protocol.modbus.as_ref().and_then(|device| device.address_offset).filter(|shift| *shift != 0);
    let holder = property.scale_exponent_from.as_ref().and_then(|name| known.get(name.as_str()));
    let exponent = holder.map(|holder| {
        let wire = holder.binding.as_ref().and_then(|binding| wire_of(binding, values).ok());
        (wire, holder.scale.unwrap_or(1.0), holder.offset.unwrap_or(0.0))
    });
    let shift = shift.filter(|_| matches!(source, Source::Binding(_)));
    // Where its path begins.
    let root = protocol.opcua.as_ref().and_then(|device| device.root.as_ref());
    let binding = known.get(property.name.as_str()).and_then(|own| own.binding.as_ref()?.opcua.as_ref());
    let root = root.filter(|_| binding.is_some_and(|binding| binding.browse_path.is_some()));
    let own = match root.and_then(|root| substitute(&Json::from(root.as_str()), values).ok()) {
        Some(root) => hash(&(own, root)),
        None => own,
    };
    let all = if shift.is_none() && exponent.is_none() { own } else { hash(&(own, shift, exponent)) };
    all.chars().take(16).collect()
}

/// A binding's block with parameters filled in.
fn wire_of(binding: &Binding, values: &BTreeMap<&str, &Json>) -> Result<Json, String> {
    let block = match binding {
        Binding { modbus: Some(modbus), .. } => serde_json::to_value(modbus),
        Binding { opcua: Some(opcua), .. } => serde_json::to_value(opcua),
        Binding { ble: Some(ble), .. } => serde_json::to_value(ble),
        Binding { custom, .. } => serde_json::to_value(custom),
    };
    block.map_err(|e| e.to_string()).and_then(|block| substitute(&block, values))
}

impl Judge<'_> {
    fn judge(
        mut self,
        protocol: &str,
        values: &BTreeMap<&str, &Json>,
        known: &BTreeMap<&str, &Property>,
    ) -> Option<EffectiveProperty> {
        let before = self.errors.len();
        let property = self.property;
        if !crate::is_property_name(&property.name) {
            self.wrong("", "not a name: letters, digits and _, not a digit first, at most 63, and no word that YAML reads as boolean or null");
        }
        let Some(type_) = property.type_ else {
            self.wrong(".type", "required: boolean, integer, number, string, bytes or json");
            return None;
        };
        let access = property.access.unwrap_or_default();
        self.numbers(type_);
        self.names(type_);
        if let Some(message) = exponent::check(property, known) {
            self.wrong(".scaleExponentFrom", message);
        }
        self.writing(access);
        for (field, message) in event::check(property, access) {
            self.wrong(field, message);
        }
        let source = self.source(type_, access, protocol, values, known);
        let (interval, stale_after) = self.interval();
        let report = self.report();
        let verify = self.verify(type_);
        let source = source.filter(|_| self.errors.len() == before)?;
        let enum_ = property.enum_.clone().unwrap_or_default();
        let (scale, offset) = (property.scale.unwrap_or(1.0), property.offset.unwrap_or(0.0));
        Some(EffectiveProperty {
            name: property.name.clone(),
            type_,
            kind: property.kind.unwrap_or_default(),
            access,
            unit: property.unit.clone(),
            minimum: property.minimum,
            maximum: property.maximum,
            interval,
            read_group: property.read_group.clone(),
            report,
            invalid: property.invalid.clone().unwrap_or_default(),
            scale,
            offset,
            scale_exponent_from: property.scale_exponent_from.clone(),
            stale_after,
            enforce: property.enforce.unwrap_or_default(),
            verify,
            wiring: String::new(), // of this and of what it depends on
            enum_,
            source,
        })
    }

    /// Scale, limits and the like: finite, and only where the type is a number.
    fn numbers(&mut self, type_: PropertyType) {
        let p = self.property;
        let numeric = matches!(type_, PropertyType::Integer | PropertyType::Number);
        let fields = [("scale", p.scale), ("offset", p.offset), ("minimum", p.minimum), ("maximum", p.maximum)];
        for (field, value) in fields.into_iter().filter_map(|(field, value)| Some((field, value?))) {
            if !numeric {
                self.wrong(&format!(".{field}"), NUMERIC);
            } else if !value.is_finite() {
                self.wrong(&format!(".{field}"), "must be a finite number");
            }
        }
        if !numeric && p.range.is_some() {
            self.wrong(".range", NUMERIC);
        }
        if !numeric && p.report.as_ref().is_some_and(|report| report.deadband.is_some()) {
            self.wrong(".report.deadband", NUMERIC);
        }
        if !numeric && p.enum_.is_none() && p.invalid.as_ref().is_some_and(|invalid| !invalid.is_empty()) {
            self.wrong(".invalid", "goes with type number or integer, or with an enum");
        }
        if p.scale == Some(0.0) {
            self.wrong(".scale", "must not be 0");
        }
        if let (Some(least), Some(most)) = (p.minimum, p.maximum)
            && least > most
        {
            self.wrong(".minimum", format!("must not be above maximum ({most}), is {least}"));
        }
        if let Some(range) =
            p.range.as_ref().filter(|r| !matches!(r.low.partial_cmp(&r.high), Some(std::cmp::Ordering::Less)))
        {
            self.wrong(".range", format!("low must be below high, is {} and {}", range.low, range.high));
        }
    }

    /// What says how it is written goes with what is written.
    fn writing(&mut self, access: Access) {
        let p = self.property;
        let given = [(".enforce", p.enforce.is_some()), (".write", p.write.is_some())];
        for (field, _) in given.into_iter().filter(|(_, given)| *given && access == Access::ReadOnly) {
            self.wrong(field, "goes with access ReadWrite or WriteOnly only");
        }
    }

    /// A time that has nothing else to bound it.
    fn at_most(&mut self, field: &str, span: Option<Span>, most: Span) {
        if let Some(span) = span.filter(|span| *span > most) {
            self.wrong(field, format!("must be at most {most}, is {span}"));
        }
    }

    fn names(&mut self, type_: PropertyType) {
        let Some(names) = &self.property.enum_ else { return };
        if type_ != PropertyType::String {
            self.wrong(".type", "must be string where there is an enum: desired and reported use the names");
        }
        let (mut values, mut texts) = (BTreeSet::new(), BTreeSet::new());
        for item in names {
            if !values.insert(item.value) {
                self.wrong(".enum", format!("value {} stands there twice", item.value));
            }
            if !texts.insert(&item.name) {
                self.wrong(".enum", format!("name {} stands there twice", item.name));
            }
        }
    }

    fn source(
        &mut self,
        type_: PropertyType,
        access: Access,
        protocol: &str,
        values: &BTreeMap<&str, &Json>,
        known: &BTreeMap<&str, &Property>,
    ) -> Option<Source> {
        match (&self.property.binding, &self.property.expression) {
            (Some(binding), None) => self.binding(binding, type_, access, protocol, values),
            (None, Some(text)) => self.expression(text, access, known),
            (Some(_), Some(_)) => {
                self.wrong(".binding", "binding and expression exclude each other");
                None
            }
            (None, None) => {
                self.wrong("", "needs a binding (where it stands on the wire) or an expression");
                None
            }
        }
    }

    fn binding(
        &mut self,
        binding: &Binding,
        type_: PropertyType,
        access: Access,
        protocol: &str,
        values: &BTreeMap<&str, &Json>,
    ) -> Option<Source> {
        let found = binding.name().unwrap_or("none or several");
        if found != protocol {
            self.wrong(".binding", format!("is for protocol {found}, the device's protocol is {protocol}"));
            return None;
        }
        if let Some(modbus) = &binding.modbus {
            let has_enum = self.property.enum_.is_some();
            for (field, message) in modbus::check(modbus, type_, has_enum, access) {
                self.wrong(&format!(".binding.modbus{field}"), message);
            }
            for message in self.property.enum_.iter().flatten().filter_map(|name| wire::check_name(modbus, name.value))
            {
                self.wrong(".enum", message);
            }
        }
        match wire_of(binding, values) {
            Ok(json) => {
                if binding.opcua.is_some() {
                    for (field, message) in opcua::check(&json, self.property, type_) {
                        self.wrong(&format!(".binding.opcua{field}"), message);
                    }
                }
                if binding.ble.is_some() {
                    for (field, message) in ble::check(&json, self.property, type_, access) {
                        self.wrong(&field, message);
                    }
                }
                Some(Source::Binding(json.into()))
            }
            Err(message) => {
                self.wrong(&format!(".binding.{found}"), message);
                None
            }
        }
    }

    fn expression(&mut self, text: &str, access: Access, known: &BTreeMap<&str, &Property>) -> Option<Source> {
        if access != Access::ReadOnly {
            self.wrong(".access", "a property with an expression is ReadOnly");
        }
        if self.property.read_group.is_some() {
            self.wrong(".readGroup", "goes with a binding; an expression is not read");
        }
        let compiled = match Expression::compile(text) {
            Ok(compiled) => compiled,
            Err(error) => {
                self.wrong(".expression", error.to_string());
                return None;
            }
        };
        for name in compiled.variables() {
            match known.get(name.as_str()) {
                Some(p) if p.expression.is_some() => {
                    self.wrong(".expression", format!("{name} is an expression itself"));
                }
                Some(p) if p.access == Some(Access::WriteOnly) => {
                    self.wrong(".expression", format!("{name} is WriteOnly"));
                }
                Some(p) if p.kind == Some(PropertyKind::Event) => {
                    let message = format!("{name} is an Event, which has no value between two of them");
                    self.wrong(".expression", message);
                }
                Some(_) => {}
                None => {
                    let names: Vec<&str> = known.keys().copied().filter(|n| *n != self.property.name).collect();
                    self.wrong(".expression", format!("{name} is no property; there are: {}", list(&names)));
                }
            }
        }
        Some(Source::Expression(text.to_owned()))
    }

    fn interval(&mut self) -> (Interval, Option<Span>) {
        let interval = self.property.interval.unwrap_or(Interval::Every(INTERVAL));
        self.at_most(".staleAfter", self.property.stale_after, STALE_AT_MOST);
        let ages = self.property.kind != Some(PropertyKind::Event);
        let Interval::Every(span) = interval else { return (interval, self.property.stale_after) };
        if !(INTERVALS.0..=INTERVALS.1).contains(&span.duration()) {
            self.wrong(".interval", format!("must be from 10ms to 24h, or OnConnect, is {span}"));
        }
        let usual = (span.duration().saturating_mul(STALE_INTERVALS)).max(STALE_AT_LEAST);
        let usual = Span::from_millis(u64::try_from(usual.as_millis()).unwrap_or(u64::MAX));
        let stale = self.property.stale_after.unwrap_or(usual);
        if stale < span {
            self.wrong(".staleAfter", format!("must not be shorter than the interval ({span}), is {stale}"));
        }
        (interval, Some(stale).filter(|_| ages))
    }

    fn report(&mut self) -> EffectiveReport {
        let report = self.property.report.clone().unwrap_or_default();
        let range = self.property.range.as_ref().map(|range| range.high - range.low);
        let deadband = match (report.deadband, range) {
            (None, _) => 0.0,
            (Some(Deadband { absolute: Some(absolute), percent: None }), _) => absolute,
            (Some(Deadband { absolute: None, percent: Some(percent) }), Some(range)) => range * percent / 100.0,
            (Some(Deadband { absolute: None, percent: Some(_) }), None) => {
                self.wrong(".report.deadband.percent", "needs range (low and high), which it is a percentage of");
                0.0
            }
            (Some(_), _) => {
                self.wrong(".report.deadband", "exactly one of absolute, percent must be set");
                0.0
            }
        };
        if !(deadband.is_finite() && deadband >= 0.0) {
            self.wrong(".report.deadband", "must be a finite number, not negative");
        }
        self.at_most(".report.minInterval", report.min_interval, AT_MOST);
        EffectiveReport {
            never: report.when == Some(ReportWhen::Never),
            deadband,
            min_interval: report.min_interval.unwrap_or(MIN_REPORT),
        }
    }

    fn verify(&mut self, type_: PropertyType) -> EffectiveVerify {
        let verify = self.property.write.clone().and_then(|w| w.verify).unwrap_or_default();
        self.at_most(".write.verify.delay", verify.delay, AT_MOST);
        self.at_most(".write.verify.within", verify.within, AT_MOST);
        if verify.by == Some(VerifyBy::Acknowledgement) || self.property.access == Some(Access::WriteOnly) {
            return EffectiveVerify::Acknowledgement;
        }
        let tolerance = verify.tolerance.unwrap_or(0.0);
        if tolerance != 0.0 && !matches!(type_, PropertyType::Integer | PropertyType::Number) {
            self.wrong(".write.verify.tolerance", NUMERIC);
        }
        if !(tolerance.is_finite() && tolerance >= 0.0) {
            self.wrong(".write.verify.tolerance", "must be a finite number, not negative");
        }
        let (delay, within) =
            (verify.delay.unwrap_or(Span::from_millis(0)), verify.within.unwrap_or(Span::from_millis(0)));
        EffectiveVerify::ReadBack { tolerance, delay, within: within.max(delay) }
    }
}
