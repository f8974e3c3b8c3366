//! Where a property stands on the wire of Modbus, and in which form.
use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Where a property stands on the wire.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema, Default)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("has(self.register) ? !has(self.table) && !has(self.address) : has(self.table) && has(self.address)").message("table and address must be set, or register of a data sheet instead of both"))]
#[x_kube(validation = Rule::new("!has(self.register) || int(self.register.substring(1)) >= 1 && int(self.register.substring(1)) <= 65536").message("register must be 00001 to 065536, 10001 to 165536, 30001 to 365536 or 40001 to 465536"))]
#[x_kube(validation = Rule::new("(has(self.register) ? self.register.matches('^[01]') : has(self.table) && self.table in ['coil', 'discrete']) ? !has(self.dataType) && !has(self.byteOrder) && !has(self.bit) && !has(self.bits) && !has(self.length) && !has(self.encoding) && !has(self.trim) : has(self.dataType) != has(self.bit)").message("coil and discrete take an address only, and count; holding and input need dataType, or bit (0 to 15)"))]
#[x_kube(validation = Rule::new("has(self.length) == (has(self.dataType) && self.dataType in ['string', 'bytes'])").message("length (in registers) goes with dataType string or bytes, and only with them"))]
#[x_kube(validation = Rule::new("!(has(self.encoding) || has(self.trim)) || (has(self.dataType) && self.dataType == 'string')").message("encoding and trim go with dataType string only"))]
#[x_kube(validation = Rule::new("!has(self.bits) || (has(self.bit) && self.bit + self.bits <= 16)").message("bits goes with bit, and both must end within 16"))]
#[x_kube(validation = Rule::new("!has(self.count) || !has(self.bit) && !(has(self.dataType) && self.dataType == 'bytes')").message("count does not go with bit, nor with dataType bytes"))]
#[x_kube(validation = Rule::new("!has(self.byteOrder) || (has(self.dataType) && self.dataType in ['string', 'bytes'] ? self.byteOrder in ['ABCD', 'BADC'] : size(self.byteOrder) == 4 || has(self.dataType) && (self.dataType.endsWith('64') || self.dataType == 'cp56'))").message("byteOrder of eight letters goes with types of 64 bits, and string and bytes take ABCD or BADC"))]
#[x_kube(validation = Rule::new("(has(self.register) ? int(self.register.substring(1)) - 1 : has(self.address) ? self.address : 0) + (has(self.count) ? self.count : 1) * (!has(self.dataType) ? 1 : self.dataType.endsWith('32') ? 2 : self.dataType.endsWith('64') || self.dataType == 'cp56' ? 4 : self.dataType == 'm10k48' ? 3 : has(self.length) ? self.length : 1) <= 65536").message("the last address of the value must not be above 65535"))]
#[x_kube(validation = Rule::new("!has(self.count) || !has(self.dataType) || self.count * (self.dataType.endsWith('32') ? 2 : self.dataType.endsWith('64') || self.dataType == 'cp56' ? 4 : self.dataType == 'm10k48' ? 3 : has(self.length) ? self.length : 1) <= 125").message("count: one value takes at most 125 registers"))]
pub struct ModbusBinding {
    /// Table: coil (functions 1, 5, 15), discrete (2), holding (3, 6, 16, 22) or input (4).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub table: Option<ModbusTable>,
    /// Address in the request, from 0: register 40001 of a data sheet is holding 0.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 65535))]
    pub address: Option<i32>,
    /// Table and address as a data sheet has them, in quotes: "40001" or "400001" is holding 0, "30001" input 0, "10001"
    /// discrete 0, "00001" coil 0. Instead of table and address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 5, max = 6), regex(pattern = "^[0134][0-9]{4,5}$"))]
    pub register: Option<String>,
    /// How registers are read as a value.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub data_type: Option<ModbusDataType>,
    /// Order of the bytes of a value, A being its most significant; default ABCD. 64-bit values follow the same
    /// pattern: ABCDEFGH, BADCFEHG, GHEFCDAB, HGFEDCBA. 16-bit values: ABCD and CDAB are plain, BADC and DCBA swapped. Strings
    /// and bytes: BADC swaps the two of each register.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub byte_order: Option<ByteOrder>,
    /// One bit of a register, 0 being the least significant; with `bits`, the lowest of several. Written by function 22 where
    /// the device knows it, else by reading the register, changing the bit and writing it back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 15))]
    pub bit: Option<i32>,
    /// How many bits from `bit` upward make one unsigned number; default 1, which is true or false.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 16))]
    pub bits: Option<i32>,
    /// Length of a string or of bytes, in registers: two characters each (utf16: one), two bytes each.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 125))]
    pub length: Option<i32>,
    /// Characters of a string; default utf8.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub encoding: Option<ModbusEncoding>,
    /// What of a string is taken away when it is read; default End.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trim: Option<ModbusTrim>,
    /// So many values one after the other, as a JSON array: the type must be json. At most 125 registers or 680 coils in all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 2, max = 680))]
    pub count: Option<i32>,
    /// Always read by itself, for a register that disturbs its neighbours or is cleared by reading.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub alone: Option<bool>,
}

/// Table: coil (functions 1, 5, 15), discrete (2), holding (3, 6, 16, 22) or input (4).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum ModbusTable {
    /// One bit, read and written.
    Coil,
    /// One bit, read only.
    Discrete,
    /// One 16-bit register, read only.
    Input,
    /// One 16-bit register, read and written.
    Holding,
}

impl ModbusTable {
    /// As people write it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Coil => "coil",
            Self::Discrete => "discrete",
            Self::Input => "input",
            Self::Holding => "holding",
        }
    }
    /// Coils and discrete inputs.
    pub const fn has_bits(self) -> bool {
        matches!(self, Self::Coil | Self::Discrete)
    }
}

/// How registers are read as a value. One register: int16, uint16; int8l, uint8l, int8h, uint8h: its low or high byte; bcd16:
/// four decimal digits; signmagnitude16: sign bit and magnitude; float16: IEEE 754 half. Two: int32, uint32, float32 (IEEE 754
/// single), bcd32, signmagnitude32; m10k32: two registers of -9,999 to 9,999 each, modulo 10,000. Three: m10k48. Four: int64,
/// uint64, float64 (double), bcd64, m10k64; cp56: local time as IEC 60870-5-4 has it, CP56Time2a: year, month and day, hour and
/// minute, milliseconds, as text without a zone, such as 2026-03-01T12:30:00.000. string: text of `length` registers, up to the first NUL and without
/// trailing spaces unless `trim` says otherwise. bytes: `length` registers as they stand, for what no other form fits; the type is bytes, in
/// base64.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum ModbusDataType {
    /// Signed, low byte of a register.
    Int8L,
    /// Signed, high byte of a register.
    Int8H,
    /// Unsigned, low byte of a register.
    Uint8L,
    /// Unsigned, high byte of a register.
    Uint8H,
    /// Signed, one register.
    Int16,
    /// Unsigned, one register.
    Uint16,
    /// Signed, two registers.
    Int32,
    /// Unsigned, two registers.
    Uint32,
    /// Signed, four registers.
    Int64,
    /// Unsigned, four registers.
    Uint64,
    /// IEEE 754 half, one register.
    Float16,
    /// IEEE 754 single, two registers.
    Float32,
    /// IEEE 754 double, four registers.
    Float64,
    /// Four decimal digits, four bits each.
    Bcd16,
    /// Eight decimal digits.
    Bcd32,
    /// Sixteen decimal digits.
    Bcd64,
    /// Modulo 10,000, two registers.
    M10K32,
    /// Modulo 10,000, three registers.
    M10K48,
    /// Modulo 10,000, four registers.
    M10K64,
    /// Sign bit and 15 bits of magnitude.
    SignMagnitude16,
    /// Sign bit and 31 bits of magnitude.
    SignMagnitude32,
    /// CP56Time2a, four registers from the year to the milliseconds; CDAB: the other way round.
    Cp56,
    /// Text.
    String,
    /// Registers as they stand.
    Bytes,
}

/// Order of the bytes of a value, A being its most significant; default ABCD. ABCD, ABCDEFGH: big endian, the standard's.
/// BADC, BADCFEHG: bytes swapped in each register. CDAB, GHEFCDAB: registers swapped ("word swap"). DCBA, HGFEDCBA: little
/// endian. 64-bit values follow the same pattern: ABCDEFGH, BADCFEHG, GHEFCDAB, HGFEDCBA, or the four letters. 16-bit values: ABCD
/// and CDAB are plain, BADC and DCBA swapped. Strings and bytes: BADC swaps the two of each register.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema, Default)]
#[serde(rename_all = "UPPERCASE")]
pub enum ByteOrder {
    /// Big endian, the standard's.
    #[default]
    Abcd,
    /// Bytes swapped in each register.
    Badc,
    /// Registers swapped ("word swap").
    Cdab,
    /// Little endian.
    Dcba,
    /// ABCD of 64 bits.
    AbcdEfgh,
    /// BADC of 64 bits.
    BadcFehg,
    /// CDAB of 64 bits.
    GhefCdab,
    /// DCBA of 64 bits.
    HgfeDcba,
}

/// Characters of a string; default utf8. ascii: seven bits. utf8. latin1: ISO 8859-1. gbk: Chinese, two bytes a character.
/// utf16: one register a character.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema, Default)]
#[serde(rename_all = "lowercase")]
pub enum ModbusEncoding {
    /// Seven bits.
    Ascii,
    /// UTF-8.
    #[default]
    Utf8,
    /// ISO 8859-1.
    Latin1,
    /// GBK, Chinese.
    Gbk,
    /// UTF-16, one register a unit.
    Utf16,
}

/// What of a string is taken away when it is read; default End. End: all from the first NUL, and spaces at the end. Both:
/// spaces in front too. None: only NULs at the end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema, Default)]
pub enum ModbusTrim {
    /// From the first NUL on, and spaces at the end.
    #[default]
    End,
    /// Spaces in front too.
    Both,
    /// NULs at the end only.
    None,
}

impl ByteOrder {
    /// The same order in four letters.
    #[must_use]
    pub fn pattern(self) -> Self {
        match self {
            Self::Abcd | Self::AbcdEfgh => Self::Abcd,
            Self::Badc | Self::BadcFehg => Self::Badc,
            Self::Cdab | Self::GhefCdab => Self::Cdab,
            Self::Dcba | Self::HgfeDcba => Self::Dcba,
        }
    }
}
