//! One property, compiled: where it is, and how its bytes are a value.
use pollux_ble_codec::{
    ByteOrder, Company, DataType, Decoded, Format, Uuid, Value as Told, advert, assigned::Kind, characteristic,
    format::Bits,
};
use pollux_crds::{BleAbout, BleBinding, BleByteOrder, BleNotify, BleWriteType};
use pollux_mapper::{ErrorKind, Point, PointFault, Slot, Value};
use std::fmt;

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
    Format(advert::Format, String, u8),
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
        let (source, form) = match (&binding.characteristic, &binding.advertisement, binding.about) {
            (Some(name), None, None) => characteristic_of(binding, name, places)?,
            (None, Some(advertised), None) => advertisement_of(binding, advertised)?,
            (None, None, Some(BleAbout::Battery)) => characteristic_of(binding, "Battery Level", places)?,
            (None, None, Some(about)) => (Source::About(about), None),
            _ => return Err("exactly one of characteristic, advertisement, about must be set".to_owned()),
        };
        if point.writable && !matches!(source, Source::Characteristic(_)) {
            return Err("only a characteristic can be written".to_owned());
        }
        Ok(Self {
            slot: point.slot,
            readable: point.readable,
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

fn characteristic_of(
    binding: &BleBinding,
    name: &str,
    places: &mut Vec<Place>,
) -> Result<(Source, Option<Form>), String> {
    let uuid = Kind::Characteristic.find(name).map_err(|error| format!("characteristic: {error}"))?;
    let service = binding.service.as_deref().map(|name| Kind::Service.find(name)).transpose();
    let service = service.map_err(|error| format!("service: {error}"))?;
    let handle = binding.handle.map(u16::try_from).transpose().map_err(|_| "handle must be 1 to 65535".to_owned())?;
    let place = Place { uuid, service, handle };
    let at = places.iter().position(|known| *known == place).unwrap_or(places.len());
    if at == places.len() {
        places.push(place);
    }
    let form = match plain(binding)? {
        Some(format) => Form::Plain(format),
        None => {
            let layout = characteristic::of(uuid).ok_or_else(|| {
                format!("dataType is needed: the assigned numbers do not say how the value of {name} is read")
            })?;
            let field = match &binding.field {
                Some(field) => layout.field(field).map_err(|error| format!("field: {error}"))?,
                None => layout.only().ok_or_else(|| {
                    let names: Vec<&str> = layout.fields().iter().map(|field| field.name).collect();
                    format!("field is needed: {} has {}", layout.name(), names.join(", "))
                })?,
            };
            Form::Field(layout, field.name)
        }
    };
    Ok((Source::Characteristic(at), Some(form)))
}

fn advertisement_of(
    binding: &BleBinding,
    advertised: &pollux_crds::BleAdvertisement,
) -> Result<(Source, Option<Form>), String> {
    let source = match (advertised.format, &advertised.manufacturer, &advertised.service) {
        (Some(format), None, None) => {
            let format: advert::Format = word(format)?.parse().map_err(|error| format!("format: {error}"))?;
            let name = advertised.field.as_deref().ok_or("field is needed: which value of the format it is")?;
            let field = format.field(name).map_err(|error| format!("field: {error}"))?;
            let index = u8::try_from(advertised.index.unwrap_or(1)).map_err(|_| "index must be 1 to 64".to_owned())?;
            return Ok((Source::Format(format, field.name.to_owned(), index), None));
        }
        (None, Some(company), None) => {
            let company: Company = company.parse().map_err(|error| format!("manufacturer: {error}"))?;
            advert::Source::Company(company)
        }
        (None, None, Some(service)) => {
            advert::Source::Service(Kind::Service.find(service).map_err(|error| format!("service: {error}"))?)
        }
        _ => return Err("exactly one of format, manufacturer, service must be set".to_owned()),
    };
    let prefix =
        advertised.prefix.as_deref().map_or(Some(vec![]), bytes).ok_or("prefix must be pairs of hexadecimal digits")?;
    let format = plain(binding)?.ok_or("dataType is needed with manufacturer or service of advertisement")?;
    Ok((Source::Data(source, prefix), Some(Form::Plain(format))))
}

/// dataType and what goes with it.
fn plain(binding: &BleBinding) -> Result<Option<Format>, String> {
    let Some(data_type) = binding.data_type else { return Ok(None) };
    let data_type: DataType = word(data_type)?.parse().map_err(|error| format!("dataType: {error}"))?;
    let size = |number: Option<i32>| number.and_then(|number| usize::try_from(number).ok());
    let bits = binding
        .bits
        .as_ref()
        .and_then(|bits| Some(Bits { first: u32::try_from(bits.first).ok()?, count: u32::try_from(bits.count).ok()? }));
    let format = Format {
        byte_order: match binding.byte_order.unwrap_or_default() {
            BleByteOrder::LittleEndian => ByteOrder::Little,
            BleByteOrder::BigEndian => ByteOrder::Big,
        },
        offset: size(binding.byte_offset),
        length: size(binding.length),
        bits,
        ..Format::new(data_type)
    };
    format.check().map_err(|error| error.to_string())?;
    Ok(Some(format))
}

/// As it is written in YAML.
fn word(choice: impl serde::Serialize) -> Result<String, String> {
    let word = serde_json::to_value(choice).map_err(|error| error.to_string())?;
    word.as_str().map(str::to_owned).ok_or_else(|| "it is no word".to_owned())
}

fn bytes(hex: &str) -> Option<Vec<u8>> {
    let digits: Option<Vec<u8>> =
        hex.chars().map(|digit| digit.to_digit(16).and_then(|digit| u8::try_from(digit).ok())).collect();
    let digits = digits.filter(|digits| digits.len() % 2 == 0)?;
    Some(digits.chunks_exact(2).map(|pair| pair.iter().fold(0, |byte, digit| byte << 4 | digit)).collect())
}
