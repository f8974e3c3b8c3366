//! What is fed, and the law that must hold of each case. Ok(true): the case said something that was accepted.
use crate::common::{registers, unit};
use pollux_crds::offline::{self, Object, yaml};
use pollux_crds::{ByteOrder, ModbusBinding, ModbusDataType as Type, ModbusEncoding as Encoding, ModbusTable::Holding};
use pollux_modbus::{
    cli::import_csv,
    frame::{Answer, Decoder, Request, Shape, encode_pdu},
    values::{Encoded, Format},
};
use std::sync::LazyLock;

pub(crate) struct Target {
    pub(crate) name: &'static str,
    /// Cases of the short run.
    pub(crate) short: u64,
    pub(crate) run: fn(&[u8]) -> Result<bool, String>,
}

pub(crate) const ALL: &[Target] = &[
    Target { name: "mbap", short: 20_000, run: mbap },
    Target { name: "answer", short: 20_000, run: answer },
    Target { name: "values", short: 20_000, run: values },
    Target { name: "import", short: 2_000, run: import },
];

type Frames = Vec<(u16, u8, Vec<u8>)>;

/// The frames of a stream that comes in pieces of `size` bytes, and whether it ended in an error.
fn frames(stream: &[u8], size: usize) -> (Frames, bool) {
    let (mut decoder, mut out) = (Decoder::default(), vec![]);
    for mut piece in stream.chunks(size.max(1)) {
        loop {
            match decoder.feed(&mut piece) {
                Ok(Some(frame)) => out.push((frame.transaction, frame.unit, frame.pdu.to_vec())),
                Ok(None) => break,
                Err(_) => return (out, true),
            }
        }
    }
    (out, false)
}

/// However a stream is cut, its frames are the same; and they are its bytes, none lost and none made up.
fn mbap(case: &[u8]) -> Result<bool, String> {
    let Some((size, stream)) = case.split_first() else { return Ok(false) };
    let (whole, failed) = frames(stream, stream.len());
    if (&whole, failed) != (&frames(stream, (*size).into()).0, frames(stream, (*size).into()).1) {
        return Err(format!("in pieces of {size} bytes it reads otherwise"));
    }
    let mut bytes = vec![];
    for (id, unit, pdu) in &whole {
        let length = u16::try_from(pdu.len() + 1).map_err(|error| error.to_string())?;
        if !(2..=254).contains(&length) {
            return Err(format!("a frame of length {length}"));
        }
        bytes.extend_from_slice(&id.to_be_bytes());
        bytes.extend_from_slice(&[0, 0]);
        bytes.extend_from_slice(&length.to_be_bytes());
        bytes.push(*unit);
        bytes.extend_from_slice(pdu);
    }
    if stream.starts_with(&bytes) { Ok(!whole.is_empty()) } else { Err("the frames are not what came in".into()) }
}

fn asked(function: u8, high: u8, low: u8) -> Request<'static> {
    let (address, count) = (u16::from(high), u16::from(low));
    match function % 8 {
        0 => Request::ReadCoils(address, 1 + count * 7),
        1 => Request::ReadDiscreteInputs(address, 1 + count * 7),
        2 => Request::ReadHoldingRegisters(address, 1 + count % 125),
        3 => Request::ReadInputRegisters(address, 1 + count % 125),
        4 => Request::WriteSingleCoil(address, count % 2 == 1),
        5 => Request::WriteSingleRegister(address, count << 5),
        6 => Request::WriteMultipleCoils(address, vec![true; usize::from(count) + 1].into()),
        _ => Request::WriteMultipleRegisters(address, vec![count; 1 + usize::from(count % 123)].into()),
    }
}

/// Nothing is an answer that does not fit its request, judged by the tables of the standard (V1.1b3, section 6) written down again.
fn answer(case: &[u8]) -> Result<bool, String> {
    let [function, high, low, pdu @ ..] = case else { return Ok(false) };
    let request = asked(*function, *high, *low);
    let mut sent = vec![];
    encode_pdu(&request, &mut sent).map_err(|error| error.to_string())?;
    let code = sent[0];
    let read = Shape::of(&request, &sent).read(pdu);
    let expected = match pdu {
        [first, _] if *first == code | 0x80 => "exception",
        [first, count, data @ ..] if code <= 4 && *first == code => {
            let quantity = usize::from(u16::from_be_bytes([sent[3], sent[4]]));
            let bytes = if code <= 2 { quantity.div_ceil(8) } else { quantity * 2 };
            if usize::from(*count) == bytes && data.len() == bytes { "data" } else { "none" }
        }
        _ if code > 4 && *pdu == sent[..5] => "written",
        _ => "none",
    };
    let found = match &read {
        Ok(Answer::Exception(_)) => "exception",
        Ok(Answer::Data(data)) if pdu[2..] == **data => "data",
        Ok(Answer::Written) => "written",
        Ok(other) => return Err(format!("{other:?}")),
        Err(_) => "none",
    };
    if found == expected { Ok(read.is_ok()) } else { Err(format!("{request:?}: {found}, must be {expected}")) }
}

static FORMATS: LazyLock<Vec<Format>> = LazyLock::new(|| {
    use Type::{
        Bcd16, Bcd32, Bcd64, Cp56, Float16, Float32, Float64, Int8H, Int8L, Int16, Int32, Int64, M10K32, M10K48,
        M10K64, SignMagnitude16, SignMagnitude32, Uint8H, Uint8L, Uint16, Uint32, Uint64,
    };
    let types = [
        Int8L,
        Int8H,
        Uint8L,
        Uint8H,
        Int16,
        Uint16,
        Int32,
        Uint32,
        Int64,
        Uint64,
        Float16,
        Float32,
        Float64,
        Bcd16,
        Bcd32,
        Bcd64,
        M10K32,
        M10K48,
        M10K64,
        SignMagnitude16,
        SignMagnitude32,
        Cp56,
    ];
    let orders = [ByteOrder::Abcd, ByteOrder::Badc, ByteOrder::Cdab, ByteOrder::Dcba];
    let numbers = types.iter().flat_map(|kind| {
        let plain = registers(Holding, 0, *kind);
        orders.map(|order| ModbusBinding { byte_order: Some(order), ..plain.clone() })
    });
    let encodings = [Encoding::Ascii, Encoding::Utf8, Encoding::Latin1, Encoding::Gbk, Encoding::Utf16];
    let text = encodings.into_iter().flat_map(|encoding| {
        let string = ModbusBinding { encoding: Some(encoding), ..registers(Holding, 0, Type::String) };
        [1, 4, 123].map(|length| ModbusBinding { length: Some(length), ..string.clone() })
    });
    let bit = ModbusBinding { data_type: None, bit: Some(9), ..registers(Holding, 0, Type::Uint16) };
    let array = ModbusBinding { count: Some(3), ..registers(Holding, 0, Float32) };
    let all: Vec<_> = numbers.chain(text).chain([bit, array]).map(|binding| (binding, true, None)).collect();
    unit(1, &all).expect("valid").items.iter().map(|item| item.format).collect()
});

fn decode(format: Format, data: &[u8]) -> Option<pollux_mapper::Value> {
    format.decode(data, 0).ok()
}

/// What was read and can be written is read again as the same.
fn values(case: &[u8]) -> Result<bool, String> {
    let [which, data @ ..] = case else { return Ok(false) };
    let format = FORMATS[usize::from(*which) % FORMATS.len()];
    let Some(value) = decode(format, data) else { return Ok(false) };
    if let Ok(Encoded::Words(words)) = format.encode(&value) {
        let bytes: Vec<u8> = words.iter().flat_map(|word| word.to_be_bytes()).collect();
        if bytes.len() != usize::from(format.width()) * 2 {
            return Err(format!("{value:?} in {} bytes, not {} registers", bytes.len(), format.width()));
        }
        if decode(format, &bytes).as_ref() != Some(&value) {
            return Err(format!("{value:?} is written and read as {:?}", decode(format, &bytes)));
        }
    }
    Ok(true)
}

/// Whatever a list of tags says: it is refused with reasons, or what comes out is a DeviceModel such as a cluster takes.
fn import(case: &[u8]) -> Result<bool, String> {
    match import_csv("fuzzed", case.to_vec()) {
        Err(reasons) if reasons.is_empty() => Err("refused without a reason".into()),
        Err(_) => Ok(false),
        Ok(text) => {
            let documents = yaml::read(&text).map_err(|error| format!("{error:?}\n{text}"))?;
            let document = documents.first().ok_or("no document")?;
            match offline::load(&document.value) {
                Ok(Object::DeviceModel(_)) => Ok(true),
                other => Err(format!("{other:?}\n{text}")),
            }
        }
    }
}
