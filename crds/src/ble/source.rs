//! What a binding names, looked up: the numbers of names, and how bytes become a value. `check` and the operator refuse what is not found,
//! and a driver reads and writes by what is.
use super::{BleAbout, BleAdvertisement, BleBinding, BleBits, BleByteOrder, BleDataType, BleFormat};
use pollux_ble_codec::{
    Bits, ByteOrder, Company, DataType, Decoded, Error, FieldInfo, Format, Uuid, Value, ValueKind,
    advert::{self, Source},
    assigned::Kind,
    characteristic::{self, Layout},
    format::MAX_LENGTH,
};

/// Where a property stands, with nothing left to be looked up.
#[derive(Clone, Debug)]
pub enum BleSource {
    /// In a characteristic.
    Characteristic {
        /// Its UUID.
        uuid: Uuid,
        /// That of the service it is in; None: any.
        service: Option<Uuid>,
        /// Handle of its value; None: any.
        handle: Option<u16>,
        /// How its bytes are read and written.
        form: BleForm,
    },
    /// In an advertisement of a known format.
    Known {
        /// Which.
        format: advert::Format,
        /// Which of its values.
        field: FieldInfo,
        /// Which of several of that field, from 1.
        index: u8,
    },
    /// In the data of a manufacturer or a service.
    Raw {
        /// Whose.
        source: Source,
        /// What the data must begin with.
        prefix: Vec<u8>,
        /// How its bytes are read.
        format: Format,
    },
    /// What the adapter knows.
    About(BleAbout),
}

/// How the bytes of a characteristic are read and written.
#[derive(Clone, Debug)]
pub enum BleForm {
    /// As the binding says.
    Own(Format),
    /// As the assigned numbers lay the characteristic out.
    Layout(&'static Layout, FieldInfo),
}

/// The field below `binding.ble`, and what is wrong with it.
type Flaw = (&'static str, String);

impl BleBinding {
    /// What it names. Of one with parameters filled in.
    pub fn source(&self) -> Result<BleSource, Flaw> {
        if let Some(name) = &self.characteristic {
            let uuid = Kind::Characteristic.find(name).map_err(|error| (".characteristic", error.to_string()))?;
            let service = |name: &String| Kind::Service.find(name).map_err(|error| (".service", error.to_string()));
            return Ok(BleSource::Characteristic {
                uuid,
                service: self.service.as_ref().map(service).transpose()?,
                handle: self.handle.and_then(|handle| u16::try_from(handle).ok()),
                form: self.form(uuid)?,
            });
        }
        match (&self.advertisement, self.about) {
            (Some(advertisement), _) => advertisement.source(self),
            (None, Some(about)) => Ok(BleSource::About(about)),
            (None, None) => Err(("", "exactly one of characteristic, advertisement, about must be set".to_owned())),
        }
    }

    fn form(&self, uuid: Uuid) -> Result<BleForm, Flaw> {
        if self.data_type.is_some() {
            return self.format().map(BleForm::Own);
        }
        let Some(layout) = characteristic::of(uuid) else {
            let name = Kind::Characteristic.name(uuid).map_or_else(|| uuid.to_string(), str::to_owned);
            return Err((".dataType", format!("needed: how {name} is laid out is not known here")));
        };
        let field = match &self.field {
            Some(field) => layout.field(field).map_err(|error| (".field", error.to_string()))?,
            None => layout.only().ok_or_else(|| {
                let names: Vec<&str> = layout.fields().iter().map(|field| field.name).collect();
                (".field", format!("needed: {} has several: {}", layout.name(), names.join(", ")))
            })?,
        };
        Ok(BleForm::Layout(layout, field))
    }

    /// As dataType and what goes with it say.
    fn format(&self) -> Result<Format, Flaw> {
        let Some(data_type) = self.data_type else {
            return Err((".dataType", "dataType is needed with manufacturer or service of advertisement".to_owned()));
        };
        let whole = |number: i32| usize::try_from(number).unwrap_or_default();
        let bits = |bits: &BleBits| Bits {
            first: u32::try_from(bits.first).unwrap_or_default(),
            count: u32::try_from(bits.count).unwrap_or_default(),
        };
        let format = Format {
            data_type: data_type.into(),
            byte_order: match self.byte_order.unwrap_or_default() {
                BleByteOrder::LittleEndian => ByteOrder::Little,
                BleByteOrder::BigEndian => ByteOrder::Big,
            },
            // Of an advertisement the value may always be a part.
            offset: self.byte_offset.or(self.advertisement.as_ref().map(|_| 0)).map(whole),
            length: self.length.map(whole),
            bits: self.bits.as_ref().map(bits),
            not_known: None,
        };
        format.check().map_err(|error| (".dataType", error.to_string()))?;
        Ok(format)
    }
}

impl BleAdvertisement {
    fn source(&self, binding: &BleBinding) -> Result<BleSource, Flaw> {
        if let Some(format) = self.format {
            let format = advert::Format::from(format);
            let field = format.field(self.field.as_deref().unwrap_or_default());
            let field = field.map_err(|error| (".advertisement.field", error.to_string()))?;
            let index = self.index.and_then(|index| u8::try_from(index).ok()).unwrap_or(1);
            return Ok(BleSource::Known { format, field, index });
        }
        let source = match (&self.manufacturer, &self.service) {
            (Some(name), _) => name
                .parse::<Company>()
                .map(Source::Company)
                .map_err(|error| (".advertisement.manufacturer", error.to_string()))?,
            (None, Some(name)) => Kind::Service
                .find(name)
                .map(Source::Service)
                .map_err(|error| (".advertisement.service", error.to_string()))?,
            (None, None) => {
                return Err((".advertisement", "exactly one of format, manufacturer, service must be set".to_owned()));
            }
        };
        let prefix = self.prefix.as_deref().unwrap_or_default();
        let prefix =
            bytes(prefix).ok_or_else(|| (".advertisement.prefix", "must be bytes in hexadecimal digits".to_owned()))?;
        Ok(BleSource::Raw { source, prefix, format: binding.format()? })
    }
}

fn bytes(digits: &str) -> Option<Vec<u8>> {
    let pair = |pair: &[u8]| {
        let [high, low] = pair else { return None };
        let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
        Some(digit(*high)? << 4 | digit(*low)?)
    };
    digits.as_bytes().chunks(2).map(pair).collect()
}

impl BleSource {
    /// Type of its values.
    pub fn kind(&self) -> ValueKind {
        match self {
            Self::Characteristic { form: BleForm::Own(format), .. } | Self::Raw { format, .. } => {
                format.data_type.kind()
            }
            Self::Characteristic { form: BleForm::Layout(_, field), .. } | Self::Known { field, .. } => field.kind,
            Self::About(BleAbout::Rssi | BleAbout::TxPower) => ValueKind::Int,
            Self::About(BleAbout::Battery) => ValueKind::UInt,
            Self::About(BleAbout::LastSeen | BleAbout::LocalName) => ValueKind::Text,
        }
    }
    /// Whether its values are 0 and 1.
    pub(crate) fn is_bit(&self) -> bool {
        match self {
            Self::Characteristic { form: BleForm::Own(format), .. } | Self::Raw { format, .. } => {
                format.bits.is_some_and(|bits| bits.count == 1)
            }
            _ => false,
        }
    }
    /// Whether a connection is needed for it.
    pub fn needs_connection(&self) -> bool {
        matches!(self, Self::Characteristic { .. } | Self::About(BleAbout::Battery))
    }
    /// Whether both are in one characteristic, or in one advertisement.
    pub(crate) fn is_beside(&self, other: &Self) -> bool {
        match (self, other) {
            (
                Self::Characteristic { uuid, service, handle, .. },
                Self::Characteristic { uuid: u, service: s, handle: h, .. },
            ) => (uuid, service, handle) == (u, s, h),
            (Self::Known { format, .. }, Self::Known { format: other, .. }) => format == other,
            (Self::Raw { source, prefix, .. }, Self::Raw { source: s, prefix: p, .. }) => (source, prefix) == (s, p),
            _ => false,
        }
    }
}

impl BleForm {
    /// Whether a value can be made bytes of, as far as that can be told without what the device holds.
    pub(crate) fn is_writable(&self) -> bool {
        match self {
            Self::Own(_) => true,
            Self::Layout(layout, field) => {
                !matches!(layout.encode(field.name, &Value::Bool(true), &[]), Err(Error::ReadOnly(_)))
            }
        }
    }
    /// What the device holds after a value was written; or why it cannot be. None: it is written into what the device holds.
    pub(crate) fn held(&self, value: &Value) -> Result<Option<Decoded>, Error> {
        match self {
            Self::Own(format) => {
                let (at, size) = (format.offset.unwrap_or(0), format.data_type.size().or(format.length));
                let Some(size) = size else {
                    // To the end: as long as it is.
                    let whole = Format { offset: None, ..*format };
                    return whole.decode(&whole.encode(value)?).map(Some);
                };
                let mut bytes = vec![0; at.saturating_add(size).min(MAX_LENGTH)];
                format.encode_into(&mut bytes, value)?;
                format.decode(&bytes).map(Some)
            }
            Self::Layout(layout, field) if layout.only().is_some() => {
                layout.decode(field.name, &layout.encode(field.name, value, &[])?).map(Some)
            }
            Self::Layout(..) => Ok(None),
        }
    }
    pub(crate) fn kind(&self) -> ValueKind {
        match self {
            Self::Own(format) => format.data_type.kind(),
            Self::Layout(_, field) => field.kind,
        }
    }
}

impl From<BleDataType> for DataType {
    fn from(type_: BleDataType) -> Self {
        match type_ {
            BleDataType::Boolean => Self::Boolean,
            BleDataType::Uint8 => Self::Uint8,
            BleDataType::Uint12 => Self::Uint12,
            BleDataType::Uint16 => Self::Uint16,
            BleDataType::Uint24 => Self::Uint24,
            BleDataType::Uint32 => Self::Uint32,
            BleDataType::Uint40 => Self::Uint40,
            BleDataType::Uint48 => Self::Uint48,
            BleDataType::Uint64 => Self::Uint64,
            BleDataType::Sint8 => Self::Sint8,
            BleDataType::Sint12 => Self::Sint12,
            BleDataType::Sint16 => Self::Sint16,
            BleDataType::Sint24 => Self::Sint24,
            BleDataType::Sint32 => Self::Sint32,
            BleDataType::Sint40 => Self::Sint40,
            BleDataType::Sint48 => Self::Sint48,
            BleDataType::Sint64 => Self::Sint64,
            BleDataType::Float32 => Self::Float32,
            BleDataType::Float64 => Self::Float64,
            BleDataType::Medfloat16 => Self::Medfloat16,
            BleDataType::Medfloat32 => Self::Medfloat32,
            BleDataType::Utf8 => Self::Utf8,
            BleDataType::Utf16 => Self::Utf16,
            BleDataType::Bytes => Self::Bytes,
        }
    }
}

impl From<BleFormat> for advert::Format {
    fn from(format: BleFormat) -> Self {
        match format {
            BleFormat::BtHome => Self::BtHome,
            BleFormat::Ruuvi5 => Self::Ruuvi5,
            BleFormat::Ruuvi6 => Self::Ruuvi6,
            BleFormat::RuuviE1 => Self::RuuviE1,
            BleFormat::IBeacon => Self::IBeacon,
            BleFormat::EddystoneUid => Self::EddystoneUid,
            BleFormat::EddystoneUrl => Self::EddystoneUrl,
            BleFormat::EddystoneTlm => Self::EddystoneTlm,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value as Json, json};

    /// The words that the schema lists where a binding has `field`.
    fn words(field: &str) -> Vec<String> {
        let all = crate::manifests();
        let (_, crd) = all.iter().find(|(plural, _)| *plural == "devicemodels").unwrap();
        let binding = "/spec/versions/0/schema/openAPIV3Schema/properties/spec/properties/properties/items/properties/binding/properties/ble/properties";
        let listed = crd.pointer(&format!("{binding}/{field}/enum")).unwrap().as_array().unwrap();
        listed.iter().filter_map(Json::as_str).map(str::to_owned).collect()
    }

    #[test]
    fn types_and_formats_are_those_of_the_codec_by_its_own_names() {
        let known: Vec<_> = DataType::ALL.iter().map(|type_| type_.name()).collect();
        let mut listed = words("dataType");
        for word in &listed {
            let type_: BleDataType = serde_json::from_value(json!(word)).unwrap();
            assert_eq!(DataType::from(type_).name(), word);
        }
        listed.sort_by_key(|word| known.iter().position(|name| name == word));
        assert_eq!(listed, known);
        let mut listed = words("advertisement/properties/format");
        for word in &listed {
            let format: BleFormat = serde_json::from_value(json!(word)).unwrap();
            assert_eq!(advert::Format::from(format).name(), word);
        }
        let known: Vec<_> = advert::Format::ALL.iter().map(|format| format.name()).collect();
        listed.sort_by_key(|word| known.iter().position(|name| name == word));
        assert_eq!(listed, known);
    }

    #[test]
    fn what_a_binding_says_is_what_the_codec_is_told() {
        let source = |binding: Json| serde_json::from_value::<BleBinding>(binding).unwrap().source().unwrap();
        let binding = json!({"advertisement": {"manufacturer": "0x0499", "prefix": "05fF"}, "dataType": "uint16",
            "byteOrder": "BigEndian", "byteOffset": 3, "bits": {"first": 5, "count": 11}});
        let BleSource::Raw { source: from, prefix, format } = source(binding) else { panic!("not raw") };
        assert_eq!((from, prefix), (Source::Company(Company(0x0499)), vec![0x05, 0xFF]));
        let bits = Some(Bits { first: 5, count: 11 });
        let told = Format { byte_order: ByteOrder::Big, offset: Some(3), bits, ..Format::new(DataType::Uint16) };
        assert_eq!(format, told);
        let whole =
            source(json!({"characteristic": "Temperature", "service": "181a", "handle": 17, "dataType": "sint16"}));
        let BleSource::Characteristic { uuid, service, handle, form: BleForm::Own(format) } = whole else {
            panic!("not by its own format")
        };
        assert_eq!((uuid, service, handle), (Uuid::short(0x2A6E), Some(Uuid::short(0x181A)), Some(17)));
        assert_eq!(format, Format::new(DataType::Sint16), "a longer value is an error");
        let second = source(json!({"advertisement": {"format": "BTHome", "field": "temperature", "index": 2}}));
        assert!(matches!(second, BleSource::Known { index: 2, .. }));
        let first = source(json!({"advertisement": {"format": "BTHome", "field": "temperature"}}));
        assert!(matches!(first, BleSource::Known { index: 1, .. }));
    }
}
