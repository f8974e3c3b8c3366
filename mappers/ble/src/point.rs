//! One property, compiled: where it is, and how its bytes are a value.
use pollux_ble_codec::{Decoded, Format, Uuid, Value as Told, advert, assigned::Kind, characteristic};
use pollux_crds::{BleAbout, BleBinding, BleForm, BleNotify, BleSource, BleWriteType};
use pollux_mapper::{ErrorKind, Point, PointFault, Slot, Value};
use std::fmt;

const BATTERY_LEVEL: Uuid = Uuid::short(0x2A19);

/// A characteristic, as it is configured.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) uuid: Uuid,
    pub(crate) service: Option<Uuid>,
    pub(crate) handle: Option<u16>,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match Kind::Characteristic.name(self.uuid) {
            Some(name) => write!(f, "{name} ({})", self.uuid)?,
            None => write!(f, "{}", self.uuid)?,
        }
        if let Some(service) = self.service {
            write!(f, " of service {service}")?;
        }
        self.handle.map_or(Ok(()), |handle| write!(f, " with handle {handle}"))
    }
}

/// Where a value is from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Source {
    /// A position in `Unit::places`.
    Characteristic(usize),
    /// A field of a format.
    Format(advert::Format, &'static str, u8),
    /// Data as it is, that begins so.
    Data(advert::Source, Vec<u8>),
    About(BleAbout),
}

/// How bytes are a value.
#[derive(Debug, Clone)]
pub(crate) enum Form {
    Plain(Format),
    Field(&'static characteristic::Layout, &'static str),
}

/// One property.
#[derive(Debug, Clone)]
pub(crate) struct Item {
    pub(crate) slot: Slot,
    pub(crate) readable: bool,
    /// Each of its values is something that happened.
    pub(crate) event: bool,
    pub(crate) source: Source,
    /// None: its source has it.
    form: Option<Form>,
    pub(crate) notify: BleNotify,
    pub(crate) write: BleWriteType,
    pub(crate) group: Option<String>,
}

impl Item {
    pub(crate) fn new(point: &Point<'_, BleBinding>, places: &mut Vec<Place>) -> Result<Self, String> {
        let binding = point.address;
        let flaw = |(field, text): (&str, String)| format!("binding.ble{field}: {text}");
        let (source, form) = match binding.source().map_err(flaw)? {
            BleSource::Characteristic { uuid, service, handle, form } => {
                let form = match form {
                    BleForm::Own(format) => Form::Plain(format),
                    BleForm::Layout(layout, field) => Form::Field(layout, field.name),
                };
                (at(Place { uuid, service, handle }, places), Some(form))
            }
            BleSource::About(BleAbout::Battery) => {
                let layout = characteristic::of(BATTERY_LEVEL).ok_or("Battery Level has no layout")?;
                let field = layout.only().ok_or("Battery Level has several fields")?;
                let place = Place { uuid: BATTERY_LEVEL, service: None, handle: None };
                (at(place, places), Some(Form::Field(layout, field.name)))
            }
            BleSource::Known { format, field, index } => (Source::Format(format, field.name, index), None),
            BleSource::Raw { source, prefix, format } => (Source::Data(source, prefix), Some(Form::Plain(format))),
            BleSource::About(about) => (Source::About(about), None),
        };
        if point.writable && !matches!(source, Source::Characteristic(_)) {
            return Err("only a characteristic can be written".to_owned());
        }
        Ok(Self {
            slot: point.slot,
            readable: point.readable,
            event: point.event,
            source,
            form,
            notify: binding.notify.unwrap_or_default(),
            write: binding.write_type.unwrap_or_default(),
            group: point.read_group.map(str::to_owned),
        })
    }
    /// Its characteristic.
    pub(crate) fn place(&self) -> Option<usize> {
        match self.source {
            Source::Characteristic(place) => Some(place),
            _ => None,
        }
    }
    /// It is of this reading of that format.
    pub(crate) fn reads(&self, format: advert::Format, reading: &advert::Reading) -> bool {
        self.source == Source::Format(format, reading.field.name, reading.index)
    }
    pub(crate) fn format(&self) -> Option<advert::Format> {
        match self.source {
            Source::Format(format, ..) => Some(format),
            _ => None,
        }
    }
    /// It is one of several values in its bytes.
    pub(crate) fn is_part(&self) -> bool {
        match &self.form {
            Some(Form::Plain(format)) => format.offset.is_some() || format.bits.is_some(),
            Some(Form::Field(layout, _)) => layout.only().is_none(),
            None => false,
        }
    }
    /// The value in these bytes, or why there is none.
    pub(crate) fn decode(&self, bytes: &[u8]) -> Result<Value, PointFault> {
        let decoded = match &self.form {
            Some(Form::Plain(format)) => format.decode(bytes),
            Some(Form::Field(layout, field)) => layout.decode(field, bytes),
            None => return Err(PointFault::new(ErrorKind::Config, "it has no data type")),
        };
        told(decoded.map_err(|error| PointFault::new(ErrorKind::Protocol, error.to_string()))?)
    }
    /// The bytes of a value; `before`: what stands there now, where that is to be kept around it.
    pub(crate) fn encode(&self, value: &Value, before: Option<&[u8]>) -> Result<Vec<u8>, PointFault> {
        let wrong = |error: pollux_ble_codec::Error| PointFault::new(ErrorKind::Config, error.to_string());
        let value = meant(value)?;
        match (&self.form, before) {
            (Some(Form::Plain(format)), Some(before)) if self.is_part() => {
                let mut bytes = before.to_vec();
                format.encode_into(&mut bytes, &value).map_err(wrong).map(|()| bytes)
            }
            (Some(Form::Plain(format)), _) => format.encode(&value).map_err(wrong),
            (Some(Form::Field(layout, field)), before) => {
                layout.encode(field, &value, before.unwrap_or_default()).map_err(wrong)
            }
            (None, _) => Err(PointFault::new(ErrorKind::Config, "it cannot be written")),
        }
    }
    /// What it would read as if this were written.
    pub(crate) fn encoded(&self, value: &Value) -> Result<Value, PointFault> {
        match &self.form {
            Some(Form::Plain(format)) => {
                let room = format.offset.unwrap_or(0) + format.data_type.size().or(format.length).unwrap_or(0);
                let before = vec![0; room];
                let bytes = self.encode(value, Some(&before))?;
                self.decode(&bytes)
            }
            Some(Form::Field(layout, _)) if layout.only().is_some() => self.decode(&self.encode(value, None)?),
            _ => Ok(value.clone()),
        }
    }
}

/// A value of the codec, as the engine has it.
pub(crate) fn told(decoded: Decoded) -> Result<Value, PointFault> {
    match decoded {
        Decoded::Value(value) => Ok(match value {
            Told::Bool(on) => Value::Bool(on),
            Told::Int(number) => Value::Int(number),
            Told::UInt(number) => Value::Uint(number),
            Told::Float(number) => Value::Float(number),
            Told::Text(text) => Value::from(&*text),
            Told::Bytes(bytes) => Value::Bytes(bytes.into()),
        }),
        Decoded::None(why) => Err(PointFault::new(ErrorKind::Other, why.to_string())),
    }
}
fn meant(value: &Value) -> Result<Told, PointFault> {
    Ok(match value {
        Value::Bool(on) => Told::Bool(*on),
        Value::Int(number) => Told::Int(*number),
        Value::Uint(number) => Told::UInt(*number),
        Value::Float(number) => Told::Float(*number),
        Value::Text(text) => Told::Text(text.to_string().into()),
        Value::Bytes(bytes) => Told::Bytes(bytes.to_vec()),
        Value::Json(_) => return Err(PointFault::new(ErrorKind::Config, "a document has no form on this wire")),
    })
}

/// Where it stands among those that are known already, or behind them.
fn at(place: Place, places: &mut Vec<Place>) -> Source {
    let at = places.iter().position(|known| *known == place).unwrap_or(places.len());
    if at == places.len() {
        places.push(place);
    }
    Source::Characteristic(at)
}
