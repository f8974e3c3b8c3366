//! Where a property stands at a Bluetooth LE device, and in which form.
use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Where a property stands: in a characteristic, in what the device advertises, or it is what the adapter itself knows of the device.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema, Default)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("[has(self.characteristic), has(self.advertisement), has(self.about)].filter(x, x).size() == 1").message("exactly one of characteristic, advertisement, about must be set"))]
#[x_kube(validation = Rule::new("has(self.characteristic) || !(has(self.service) || has(self.handle) || has(self.field) || has(self.notify) || has(self.writeType))").message("service, handle, field, notify and writeType go with characteristic"))]
#[x_kube(validation = Rule::new("!has(self.dataType) || !(has(self.about) || has(self.advertisement) && has(self.advertisement.format))").message("dataType goes with characteristic, or with manufacturer or service of advertisement: a format, and about, have their own").field_path(".dataType"))]
#[x_kube(validation = Rule::new("!has(self.advertisement) || has(self.advertisement.format) || has(self.dataType)").message("dataType is needed with manufacturer or service of advertisement").field_path(".dataType"))]
#[x_kube(validation = Rule::new("has(self.dataType) || !(has(self.byteOrder) || has(self.byteOffset) || has(self.length) || has(self.bits))").message("byteOrder, byteOffset, length and bits go with dataType"))]
#[x_kube(validation = Rule::new("!has(self.field) || !has(self.dataType)").message("field goes without dataType: it is one of the layout that the assigned numbers give the characteristic").field_path(".field"))]
#[x_kube(validation = Rule::new("!has(self.length) || !has(self.dataType) || self.dataType in ['utf8', 'utf16', 'bytes']").message("length (in bytes) goes with dataType utf8, utf16 or bytes").field_path(".length"))]
#[x_kube(validation = Rule::new("!has(self.byteOrder) || !has(self.dataType) || !(self.dataType in ['boolean', 'uint8', 'sint8', 'utf8', 'bytes'])").message("byteOrder goes with a dataType of two bytes or more, not with utf8 or bytes").field_path(".byteOrder"))]
#[x_kube(validation = Rule::new("!has(self.bits) || !has(self.dataType) || (self.dataType == 'boolean' ? self.bits.first <= 7 && self.bits.count == 1 : self.dataType.matches('^[us]int') && self.bits.first + self.bits.count <= int(self.dataType.substring(4)))").message("bits goes with a dataType uint8 to uint64, sint8 to sint64 or boolean (count 1), and first and count must end within it").field_path(".bits"))]
#[x_kube(validation = Rule::new("!has(self.characteristic) || self.characteristic.contains('${') || !self.characteristic.matches('^(0x)?[0-9A-Fa-f-]*[0-9][0-9A-Fa-f-]*$') || self.characteristic.matches('^(0x)?[0-9A-Fa-f]{4}([0-9A-Fa-f]{4})?$|^[0-9A-Fa-f]{8}(-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}$')").message("must be a name of the assigned numbers such as Temperature, 4 hexadecimal digits such as 2A6E, or a UUID of 128 bits").field_path(".characteristic"))]
#[x_kube(validation = Rule::new("!has(self.service) || self.service.contains('${') || !self.service.matches('^(0x)?[0-9A-Fa-f-]*[0-9][0-9A-Fa-f-]*$') || self.service.matches('^(0x)?[0-9A-Fa-f]{4}([0-9A-Fa-f]{4})?$|^[0-9A-Fa-f]{8}(-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}$')").message("must be a name of the assigned numbers such as Environmental Sensing, 4 hexadecimal digits such as 181A, or a UUID of 128 bits").field_path(".service"))]
pub struct BleBinding {
    /// The characteristic: by its name in the assigned numbers (Temperature), by 4 hexadecimal digits in quotes ("2A6E"), or by a UUID
    /// of 128 bits. May contain `${parameter}` and `${name}`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 128))]
    pub characteristic: Option<String>,
    /// The service that the characteristic is in, in the same forms; needed where several services have it. May contain
    /// `${parameter}` and `${name}`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 128))]
    pub service: Option<String>,
    /// Handle of the characteristic's value, 1 to 65535, where one service has several of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 65535))]
    pub handle: Option<i32>,
    /// Which field of a characteristic that has several, such as heartRate of Heart Rate Measurement.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 64), regex(pattern = "^[A-Za-z][A-Za-z0-9]*$"))]
    pub field: Option<String>,
    /// Whether the device sends the characteristic by itself; default Auto.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub notify: Option<BleNotify>,
    /// How the characteristic is written; default Auto.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub write_type: Option<BleWriteType>,
    /// What the device advertises; no connection is needed for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub advertisement: Option<BleAdvertisement>,
    /// What the adapter knows of the device.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub about: Option<BleAbout>,
    /// How the bytes are read as a value; default what the assigned numbers say of the characteristic, which then must be one that
    /// they describe.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub data_type: Option<BleDataType>,
    /// Order of the bytes of a number; default LittleEndian.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub byte_order: Option<BleByteOrder>,
    /// Bytes in front of the value, 0 to 511; default 0.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 511))]
    pub byte_offset: Option<i32>,
    /// Length of text or bytes, in bytes, 1 to 512; default all to the end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 512))]
    pub length: Option<i32>,
    /// Some bits of a number, as a number of their own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bits: Option<BleBits>,
}

/// Some bits of a number, as a number of their own; one bit may be a boolean.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema, Default)]
#[serde(rename_all = "camelCase")]
pub struct BleBits {
    /// The lowest, 0 being the least significant.
    #[schemars(range(min = 0, max = 63))]
    pub first: i32,
    /// How many; default 1.
    #[serde(default = "one")]
    #[schemars(range(min = 1, max = 64))]
    pub count: i32,
}
fn one() -> i32 {
    1
}

/// What the device advertises: a format that is known, or the data of a manufacturer or a service as they are.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema, Default)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("[has(self.format), has(self.manufacturer), has(self.service)].filter(x, x).size() == 1").message("exactly one of format, manufacturer, service must be set"))]
#[x_kube(validation = Rule::new("has(self.format) == has(self.field)").message("format and field go together: which value of the format it is"))]
#[x_kube(validation = Rule::new("!has(self.index) || has(self.format) && self.format == 'BTHome'").message("index goes with format BTHome").field_path(".index"))]
#[x_kube(validation = Rule::new("!has(self.prefix) || !has(self.format)").message("prefix goes with manufacturer or service").field_path(".prefix"))]
#[x_kube(validation = Rule::new("!has(self.manufacturer) || self.manufacturer.contains('${') || !self.manufacturer.startsWith('0x') || self.manufacturer.matches('^0x[0-9A-Fa-f]{1,4}$')").message("must be a company's name in the assigned numbers, or its number such as 0x0499").field_path(".manufacturer"))]
#[x_kube(validation = Rule::new("!has(self.service) || self.service.contains('${') || !self.service.matches('^(0x)?[0-9A-Fa-f-]*[0-9][0-9A-Fa-f-]*$') || self.service.matches('^(0x)?[0-9A-Fa-f]{4}([0-9A-Fa-f]{4})?$|^[0-9A-Fa-f]{8}(-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}$')").message("must be a name of the assigned numbers such as Environmental Sensing, 4 hexadecimal digits such as 181A, or a UUID of 128 bits").field_path(".service"))]
pub struct BleAdvertisement {
    /// The format, which is decoded for you.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub format: Option<BleFormat>,
    /// Which value of the format, such as temperature.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 64), regex(pattern = "^[A-Za-z][A-Za-z0-9]*$"))]
    pub field: Option<String>,
    /// Which of several of that field, in the order of the advertisement, from 1 to 64; default 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 64))]
    pub index: Option<i32>,
    /// Data of this manufacturer: the company's name in the assigned numbers, or its number in quotes, such as "0x0499". Its two bytes
    /// are no part of the data. May contain `${parameter}` and `${name}`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 128))]
    pub manufacturer: Option<String>,
    /// Data of this service, in the forms of a characteristic. Its UUID is no part of the data. May contain `${parameter}` and
    /// `${name}`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 128))]
    pub service: Option<String>,
    /// Bytes that the data must begin with, in hexadecimal digits, for a device that advertises several things by turns; others are
    /// passed over. They are part of the data: byteOffset counts them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 2, max = 64), regex(pattern = "^([0-9A-Fa-f]{2})+$"))]
    pub prefix: Option<String>,
}

/// The format, which is decoded for you. BTHome: version 2, plain or encrypted. Ruuvi5, Ruuvi6, RuuviE1: Ruuvi's data formats. IBeacon:
/// Apple's. EddystoneUID, EddystoneURL, EddystoneTLM: Eddystone's frames.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub enum BleFormat {
    /// BTHome version 2.
    #[serde(rename = "BTHome")]
    BtHome,
    /// Ruuvi's data format 5.
    Ruuvi5,
    /// Ruuvi's data format 6.
    Ruuvi6,
    /// Ruuvi's data format E1.
    RuuviE1,
    /// Apple's iBeacon.
    IBeacon,
    /// Eddystone's identifier of a beacon.
    #[serde(rename = "EddystoneUID")]
    EddystoneUid,
    /// Eddystone's web address.
    #[serde(rename = "EddystoneURL")]
    EddystoneUrl,
    /// Eddystone's telemetry.
    #[serde(rename = "EddystoneTLM")]
    EddystoneTlm,
}

/// What the adapter knows of the device. Rssi: how strong it was last heard, in dBm. TxPower: how strong it says that it sends, in
/// dBm. Battery: what its Battery Service says, in percent; over a connection. LastSeen: when it was last heard, RFC 3339.
/// LocalName: the name that it advertises.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub enum BleAbout {
    /// How strong it was last heard, in dBm.
    Rssi,
    /// How strong it says that it sends, in dBm.
    TxPower,
    /// What its Battery Service says, in percent.
    Battery,
    /// When it was last heard, RFC 3339.
    LastSeen,
    /// The name that it advertises.
    LocalName,
}

/// Whether the device sends the characteristic by itself; default Auto. Auto: it is asked to where it can notify or indicate, else
/// the characteristic is read. Never: it is read each interval. Required: Bad where the device can do neither.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema, Default)]
pub enum BleNotify {
    /// Where it can.
    #[default]
    Auto,
    /// It is read.
    Never,
    /// Bad where it cannot.
    Required,
}

/// How the characteristic is written; default Auto. Auto: with a response where the device takes that, else without. WithResponse:
/// the device acknowledges. WithoutResponse: it does not, and only reading back tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema, Default)]
pub enum BleWriteType {
    /// With a response where the device takes that.
    #[default]
    Auto,
    /// The device acknowledges.
    WithResponse,
    /// The device does not.
    WithoutResponse,
}

/// Order of the bytes of a number; default LittleEndian. LittleEndian: the least significant first, as the standard has it.
/// BigEndian: the most significant first, as some makers have it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema, Default)]
pub enum BleByteOrder {
    /// The least significant first.
    #[default]
    LittleEndian,
    /// The most significant first.
    BigEndian,
}

/// How the bytes are read as a value, by the names of the GATT Specification Supplement. boolean: 0 is false. uint8, uint12, uint16, uint24,
/// uint32, uint40, uint48, uint64: whole numbers from 0. sint8, sint12, sint16, sint24, sint32, sint40, sint48, sint64: whole numbers with a
/// sign. float32, float64: IEEE 754. medfloat16 (SFLOAT), medfloat32 (FLOAT): decimal fractions of IEEE 11073-20601. utf8, utf16: text.
/// bytes: as they are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum BleDataType {
    /// One byte, 0 is false.
    Boolean,
    /// One byte, from 0.
    Uint8,
    /// The lower 12 bits of two bytes, from 0.
    Uint12,
    /// Two bytes, from 0.
    Uint16,
    /// Three bytes, from 0.
    Uint24,
    /// Four bytes, from 0.
    Uint32,
    /// Five bytes, from 0.
    Uint40,
    /// Six bytes, from 0.
    Uint48,
    /// Eight bytes, from 0.
    Uint64,
    /// One byte with a sign.
    Sint8,
    /// The lower 12 bits of two bytes, with a sign.
    Sint12,
    /// Two bytes with a sign.
    Sint16,
    /// Three bytes with a sign.
    Sint24,
    /// Four bytes with a sign.
    Sint32,
    /// Five bytes with a sign.
    Sint40,
    /// Six bytes with a sign.
    Sint48,
    /// Eight bytes with a sign.
    Sint64,
    /// IEEE 754, four bytes.
    Float32,
    /// IEEE 754, eight bytes.
    Float64,
    /// IEEE 11073-20601 SFLOAT, two bytes.
    Medfloat16,
    /// IEEE 11073-20601 FLOAT, four bytes.
    Medfloat32,
    /// Text in UTF-8.
    Utf8,
    /// Text in UTF-16.
    Utf16,
    /// As they are.
    Bytes,
}

impl BleBinding {
    /// What does not go together, as (field below `binding.ble`, message); empty: all does. Of one with parameters filled in. The rules
    /// say the same where the API server sees it.
    pub(crate) fn flaws(&self) -> Vec<(&'static str, &'static str)> {
        let Self { characteristic, service, handle, field, notify, write_type, advertisement, about, .. } = self;
        let sources = [characteristic.is_some(), advertisement.is_some(), about.is_some()];
        let at_characteristic =
            service.is_some() || handle.is_some() || field.is_some() || notify.is_some() || write_type.is_some();
        let format = advertisement.as_ref().is_some_and(|advertisement| advertisement.format.is_some());
        let raw = advertisement.is_some() && !format;
        let all = [
            (
                sources.into_iter().filter(|set| *set).count() != 1,
                "",
                "exactly one of characteristic, advertisement, about must be set",
            ),
            (
                characteristic.is_none() && at_characteristic,
                "",
                "service, handle, field, notify and writeType go with characteristic",
            ),
            (
                self.data_type.is_some() && (about.is_some() || format),
                ".dataType",
                "dataType goes with characteristic, or with manufacturer or service of advertisement: a format, and about, have their own",
            ),
            (
                self.data_type.is_none() && raw,
                ".dataType",
                "dataType is needed with manufacturer or service of advertisement",
            ),
            (
                field.is_some() && self.data_type.is_some(),
                ".field",
                "field goes without dataType: it is one of the layout that the assigned numbers give the characteristic",
            ),
        ];
        let own = all.into_iter().filter(|(wrong, ..)| *wrong).map(|(_, field, message)| (field, message));
        own.chain(self.form_flaws()).chain(advertisement.iter().flat_map(BleAdvertisement::flaws)).collect()
    }

    /// Of how the bytes are read.
    fn form_flaws(&self) -> Vec<(&'static str, &'static str)> {
        let Self { data_type, byte_order, byte_offset, length, bits, .. } = self;
        let Some(type_) = data_type else {
            let given = byte_order.is_some() || byte_offset.is_some() || length.is_some() || bits.is_some();
            let message = "byteOrder, byteOffset, length and bits go with dataType";
            return given.then_some(("", message)).into_iter().collect();
        };
        let block = matches!(type_, BleDataType::Utf8 | BleDataType::Utf16 | BleDataType::Bytes);
        let plain =
            [BleDataType::Boolean, BleDataType::Uint8, BleDataType::Sint8, BleDataType::Utf8, BleDataType::Bytes];
        let all = [
            (length.is_some() && !block, ".length", "length (in bytes) goes with dataType utf8, utf16 or bytes"),
            (
                byte_order.is_some() && plain.contains(type_),
                ".byteOrder",
                "byteOrder goes with a dataType of two bytes or more, not with utf8 or bytes",
            ),
            (
                bits.as_ref().is_some_and(|bits| !bits.fit(*type_)),
                ".bits",
                "bits goes with a dataType uint8 to uint64, sint8 to sint64 or boolean (count 1), and first and count must end within it",
            ),
        ];
        all.into_iter().filter(|(wrong, ..)| *wrong).map(|(_, field, message)| (field, message)).collect()
    }
}

impl BleBits {
    fn fit(&self, type_: BleDataType) -> bool {
        let Self { first, count } = *self;
        let within = |width: i32| first >= 0 && count >= 1 && first.saturating_add(count) <= width;
        match type_ {
            BleDataType::Boolean => count == 1 && within(8),
            type_ => type_.integer_bits().is_some_and(within),
        }
    }
}

impl BleAdvertisement {
    fn flaws(&self) -> Vec<(&'static str, &'static str)> {
        let Self { format, field, index, manufacturer, service, prefix } = self;
        let sources = [format.is_some(), manufacturer.is_some(), service.is_some()];
        let all = [
            (
                sources.into_iter().filter(|set| *set).count() != 1,
                ".advertisement",
                "exactly one of format, manufacturer, service must be set",
            ),
            (
                format.is_some() != field.is_some(),
                ".advertisement",
                "format and field go together: which value of the format it is",
            ),
            (
                index.is_some() && *format != Some(BleFormat::BtHome),
                ".advertisement.index",
                "index goes with format BTHome",
            ),
            (prefix.is_some() && format.is_some(), ".advertisement.prefix", "prefix goes with manufacturer or service"),
        ];
        all.into_iter().filter(|(wrong, ..)| *wrong).map(|(_, field, message)| (field, message)).collect()
    }
}

impl BleDataType {
    /// Bits of a whole number; None: it is something else.
    fn integer_bits(self) -> Option<i32> {
        Some(match self {
            Self::Uint8 | Self::Sint8 => 8,
            Self::Uint12 | Self::Sint12 => 12,
            Self::Uint16 | Self::Sint16 => 16,
            Self::Uint24 | Self::Sint24 => 24,
            Self::Uint32 | Self::Sint32 => 32,
            Self::Uint40 | Self::Sint40 => 40,
            Self::Uint48 | Self::Sint48 => 48,
            Self::Uint64 | Self::Sint64 => 64,
            _ => return None,
        })
    }
}
