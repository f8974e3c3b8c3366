//! What is fed, and the law that must hold of each case. Ok(true): the case said something that was accepted.
use crate::{common, formats::FORMATS};
use pollux_crds::ModbusBinding;
use pollux_crds::offline::{self, Object, yaml};
use pollux_modbus::{
    cli::import_csv,
    frame::{
        Answer, Decoder, ProtocolError, ReadCode, Request, Shape, encode_pdu, identity, rtu,
        scan::{Awaited, Scanner},
    },
    values::{Encoded, Format},
};

pub(crate) struct Target {
    pub(crate) name: &'static str,
    /// Cases of the short run.
    pub(crate) short: u64,
    pub(crate) run: fn(&[u8]) -> Result<bool, String>,
}

pub(crate) const ALL: &[Target] = &[
    Target { name: "mbap", short: 20_000, run: mbap },
    Target { name: "answer", short: 20_000, run: answer },
    Target { name: "rtu", short: 20_000, run: rtu },
    Target { name: "identity", short: 20_000, run: identity },
    Target { name: "register", short: 20_000, run: register },
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
    match function % 10 {
        0 => Request::ReadCoils(address, 1 + count * 7),
        1 => Request::ReadDiscreteInputs(address, 1 + count * 7),
        2 => Request::ReadHoldingRegisters(address, 1 + count % 125),
        3 => Request::ReadInputRegisters(address, 1 + count % 125),
        4 => Request::WriteSingleCoil(address, count % 2 == 1),
        5 => Request::WriteSingleRegister(address, count << 5),
        6 => Request::WriteMultipleCoils(address, vec![true; usize::from(count) + 1].into()),
        7 => Request::WriteMultipleRegisters(address, vec![count; 1 + usize::from(count % 123)].into()),
        8 => Request::MaskWriteRegister(address, count, !count),
        _ => Request::ReadDeviceIdentification(
            if low.is_multiple_of(2) { ReadCode::Basic } else { ReadCode::Regular },
            high,
        ),
    }
}

/// What the answer must be, by the tables of the standard (V1.1b3, section 6) written down again.
fn expected(sent: &[u8], pdu: &[u8]) -> &'static str {
    let code = sent[0];
    match pdu {
        [first, _] if *first == code | 0x80 => "exception",
        [first, count, data @ ..] if code <= 4 && *first == code => {
            let quantity = usize::from(u16::from_be_bytes([sent[3], sent[4]]));
            let bytes = if code <= 2 { quantity.div_ceil(8) } else { quantity * 2 };
            if usize::from(*count) == bytes && data.len() == bytes { "data" } else { "none" }
        }
        [first, rest @ ..] if code == 43 && *first == code && identifies(sent[2], rest) => "data",
        _ if code > 4 && code != 43 && *pdu == sent[..if code == 22 { 7 } else { 5 }] => "written",
        _ => "none",
    }
}

/// Kind, code, conformity, more follows, next object, how many; then of each its id, its length, its bytes, and nothing behind them (6.21).
fn identifies(asked: u8, data: &[u8]) -> bool {
    let [14, code, _, _, _, count, objects @ ..] = data else { return false };
    let mut rest = Some(objects);
    for _ in 0..*count {
        rest = rest.and_then(|rest| rest.get(2 + usize::from(*rest.get(1)?)..));
    }
    *code == asked && rest.is_some_and(<[u8]>::is_empty) && data.len() < 253
}

fn found(read: &Result<Answer, ProtocolError>, pdu: &[u8]) -> Result<&'static str, String> {
    let from = if pdu.first() == Some(&43) { 1 } else { 2 };
    match read {
        Ok(Answer::Exception(_)) => Ok("exception"),
        Ok(Answer::Data(data)) if pdu[from..] == **data => Ok("data"),
        Ok(Answer::Written) => Ok("written"),
        Ok(other) => Err(format!("{other:?}")),
        Err(_) => Ok("none"),
    }
}

/// Nothing is an answer that does not fit its request.
fn answer(case: &[u8]) -> Result<bool, String> {
    let [function, high, low, pdu @ ..] = case else { return Ok(false) };
    let request = asked(*function, *high, *low);
    let mut sent = vec![];
    encode_pdu(&request, &mut sent).map_err(|error| error.to_string())?;
    let read = Shape::of(&request, &sent).read(pdu);
    let (found, expected) = (found(&read, pdu)?, expected(&sent, pdu));
    if found == expected { Ok(read.is_ok()) } else { Err(format!("{request:?}: {found}, must be {expected}")) }
}

/// On a line of RTU, whatever comes in whatever pieces: what is taken for the answer stands in it, whole, with its CRC, and fits the
/// request; and where the answer comes last, something is heard of it.
fn rtu(case: &[u8]) -> Result<bool, String> {
    let [function, high, low, size, noise @ ..] = case else { return Ok(false) };
    let request = asked(*function, *high, *low);
    let (mut sent, unit) = (vec![], high % 4);
    rtu::encode(unit, &request, &mut sent).map_err(|error| error.to_string())?;
    let shape = Shape::of(&request, &sent[1..]);
    let awaited = Awaited { unit, shape, sent: &sent, exceptions: true };
    let last = common::rtu(&[&[unit], &refusal(&sent)[..]].concat());
    let stream = [noise, &last].concat();
    let mut scanner = Scanner::default();
    scanner.begin();
    let (mut heard, mut accepted, mut end) = (false, false, 0);
    for piece in stream.chunks(usize::from(*size).max(1)) {
        scanner.push(piece);
        end += piece.len();
        while let Some(result) = scanner.find(&awaited) {
            heard |= end > noise.len(); // a wrong CRC ends the request too
            let Ok(answer) = result else { continue };
            if !stands(&stream[..end], unit, &sent[1..], &answer) {
                return Err(format!("{request:?}: {answer:?} is not in what came"));
            }
            accepted |= end < noise.len();
        }
    }
    scanner.seen(&awaited);
    if heard || coincidence(&stream, noise.len()) { Ok(accepted) } else { Err("the answer at the end is lost".into()) }
}

/// An exception: the answer that every request may have.
fn refusal(sent: &[u8]) -> [u8; 2] {
    [sent[1] | 0x80, 2]
}

/// Somewhere in it is a frame of that unit, with its CRC, that is this answer.
fn stands(stream: &[u8], unit: u8, sent: &[u8], answer: &Answer) -> bool {
    let identification = sent[0] == 43;
    let says = |pdu: &[u8]| match (expected(sent, pdu), answer) {
        ("exception", Answer::Exception(code)) => u8::from(*code) == pdu[1],
        ("written", Answer::Written) => true,
        ("data", Answer::Data(data)) => pdu[if identification { 1 } else { 2 }..] == **data,
        _ => false,
    };
    let length = match answer {
        Answer::Exception(_) => 5,
        Answer::Written if sent[0] == 22 => 10,
        Answer::Written => 8,
        Answer::Data(data) if identification => data.len() + 4,
        Answer::Data(data) => data.len() + 5,
    };
    stream.windows(length).any(|frame| frame[0] == unit && says(&frame[1..length - 2]) && is_whole(frame))
}

fn is_whole(frame: &[u8]) -> bool {
    common::rtu(&frame[..frame.len() - 2]) == *frame
}

/// Noise that together with a part of the answer is a frame by its CRC.
fn coincidence(stream: &[u8], boundary: usize) -> bool {
    let from =
        |from: usize| (boundary + 1..=stream.len()).filter(move |end| from + 4 <= *end).map(move |end| (from, end));
    (0..boundary).flat_map(from).any(|(from, end)| is_whole(&stream[from..end]))
}

/// What a device says of itself is told whole and in order, and nothing that it did not say.
fn identity(case: &[u8]) -> Result<bool, String> {
    let Some((code, data)) = case.split_first() else { return Ok(false) };
    let page = identity::page(data); // of anything
    if !identifies(*code, data) {
        return Ok(false);
    }
    let (mut rest, mut told) = (&data[6..], vec![]);
    while let [id, length, after @ ..] = rest {
        let (text, others) = after.split_at((*length).into());
        let text: String = text.iter().copied().map(char::from).filter(|c| matches!(c, ' '..='~')).collect();
        told.push((*id, text.trim().to_owned()));
        rest = others;
    }
    let next = if data[3] == 0xFF { Some(data[4]) } else { None };
    if (&page.objects, page.next) == (&told, next) { Ok(true) } else { Err(format!("{page:?}, must be {told:?}")) }
}

/// A register of a data sheet: five or six digits, the first a table, the others from 1.
fn register(case: &[u8]) -> Result<bool, String> {
    let text = String::from_utf8_lossy(case).into_owned();
    let digits = matches!(case.len(), 5 | 6) && case.iter().all(u8::is_ascii_digit) && b"0134".contains(&case[0]);
    let number = text.get(1..).and_then(|rest| rest.parse::<i32>().ok()).filter(|n| digits && (1..=65_536).contains(n));
    let binding = ModbusBinding { register: Some(text.clone()), ..ModbusBinding::default() };
    let place = binding.place();
    match (place, number) {
        (Err(reason), None) if reason.contains("register") => Ok(false),
        (Ok(place), Some(number)) if place.address == number - 1 => {
            let again = ModbusBinding { register: Some(place.register()), ..ModbusBinding::default() }.place();
            if again == Ok(place) { Ok(true) } else { Err(format!("{text} is printed as {}", place.register())) }
        }
        (place, number) => Err(format!("{text:?} is {place:?}, must be {number:?}")),
    }
}

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
