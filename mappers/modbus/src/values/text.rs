//! Text, two characters a register or one, in the encodings that devices have.
use super::{garbled, order, refused, shown};
use encoding_rs::GBK;
use pollux_crds::{ByteOrder, ModbusEncoding as Encoding, ModbusTrim as Trim};
use pollux_mapper::{PointFault, Value};

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Text {
    pub registers: u16,
    pub encoding: Encoding,
    pub trim: Trim,
}

impl Text {
    /// `data`: its registers, no more.
    pub(super) fn decode(self, data: &[u8], order: ByteOrder) -> Result<Value, PointFault> {
        let mut bytes = data.to_owned();
        order::swap(&mut bytes, order);
        let bytes = self.until_nul(&bytes);
        let text = self.characters(bytes).ok_or_else(|| {
            let hex = bytes.iter().take(20).map(|byte| format!("{byte:02X}")).collect::<Vec<_>>().concat();
            garbled(format!("not {}: 0x{hex}", self.name()))
        })?;
        Ok(Value::from(match self.trim {
            Trim::None => text.as_str(),
            Trim::End => text.trim_end_matches(' '),
            Trim::Both => text.trim_matches(' '),
        }))
    }

    pub(super) fn encode(self, value: &Value, order: ByteOrder) -> Result<Vec<u16>, PointFault> {
        let most = usize::from(self.registers) * 2;
        let text = value.as_str().filter(|text| !text.contains('\0'));
        let mut bytes =
            text.and_then(|text| self.bytes(text)).filter(|bytes| bytes.len() <= most).ok_or_else(|| {
                let (name, registers) = (self.name(), self.registers);
                let allowed = format!("a text of at most {most} bytes in {name}, without NUL");
                refused(format!("{} does not fit {registers} registers: must be {allowed}", shown(value)))
            })?;
        bytes.resize(most, 0);
        order::swap(&mut bytes, order);
        Ok(order::words(&bytes))
    }

    /// Up to the first NUL, as C has it; with `trim: None` only those at the end are taken away.
    fn until_nul(self, bytes: &[u8]) -> &[u8] {
        let unit = if self.encoding == Encoding::Utf16 { 2 } else { 1 };
        let mut units = bytes.chunks(unit);
        let nul = |unit: &[u8]| unit.iter().all(|byte| *byte == 0);
        let count = match self.trim {
            Trim::None => units.rposition(|unit| !nul(unit)).map_or(0, |last| last + 1),
            Trim::End | Trim::Both => units.position(nul).unwrap_or(bytes.len()),
        };
        bytes.get(..count.saturating_mul(unit)).unwrap_or(bytes)
    }

    fn characters(self, bytes: &[u8]) -> Option<String> {
        match self.encoding {
            Encoding::Ascii => std::str::from_utf8(bytes).ok().filter(|text| text.is_ascii()).map(str::to_owned),
            Encoding::Utf8 => std::str::from_utf8(bytes).ok().map(str::to_owned),
            Encoding::Latin1 => Some(bytes.iter().copied().map(char::from).collect()),
            Encoding::Gbk => GBK.decode_without_bom_handling_and_without_replacement(bytes).map(Into::into),
            Encoding::Utf16 => String::from_utf16(&order::words(bytes)).ok(),
        }
    }

    fn bytes(self, text: &str) -> Option<Vec<u8>> {
        match self.encoding {
            Encoding::Ascii => text.is_ascii().then(|| text.as_bytes().to_vec()),
            Encoding::Utf8 => Some(text.as_bytes().to_vec()),
            Encoding::Latin1 => text.chars().map(|c| u8::try_from(u32::from(c)).ok()).collect(),
            Encoding::Gbk => {
                let (bytes, _, missing) = GBK.encode(text);
                (!missing).then(|| bytes.into_owned())
            }
            Encoding::Utf16 => Some(text.encode_utf16().flat_map(u16::to_be_bytes).collect()),
        }
    }

    fn name(self) -> &'static str {
        match self.encoding {
            Encoding::Ascii => "ASCII",
            Encoding::Utf8 => "UTF-8",
            Encoding::Latin1 => "ISO 8859-1",
            Encoding::Gbk => "GBK",
            Encoding::Utf16 => "UTF-16",
        }
    }
}
