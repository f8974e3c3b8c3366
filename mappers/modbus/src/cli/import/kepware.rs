//! The layout in which KEPServerEX exports tags ("CSV Import and Export" of its manual, kepware.com feature-csvimportexport; the columns
//! since version 5), with the addresses of its Modbus drivers. Two settings of the device are not in the list: which word of a value
//! comes first (First Word Low, on unless switched off, and First DWord Low with it: CDAB), and whether bits count from 0.
use super::{
    Findings, Import, Tag,
    address::{Address, Part},
    rows::{Row, Rows},
    tag::tidy,
};
use pollux_crds::{Access, ByteOrder, ModbusBinding, ModbusDataType as Type, ModbusTable as Table, Range, Span};

const COLUMNS: [&str; 17] = [
    "tagname",
    "address",
    "datatype",
    "respectdatatype",
    "clientaccess",
    "scanrate",
    "scaling",
    "rawlow",
    "rawhigh",
    "scaledlow",
    "scaledhigh",
    "scaleddatatype",
    "clamplow",
    "clamphigh",
    "engunits",
    "description",
    "negatevalue",
];
/// The schema's, in milliseconds.
const INTERVALS: (u64, u64) = (10, 86_400_000);

pub(super) fn tags(import: Import, rows: &Rows, findings: &mut Findings) -> Vec<Tag> {
    let mut tags = vec![];
    if !rows.expect(&COLUMNS, &["tagname", "address"], findings) {
        return tags;
    }
    let mut made_read_only = 0;
    for row in rows.iter() {
        match tag(import, row) {
            Ok((tag, notes)) => {
                let writes = row.given("clientaccess").is_some_and(|cell| cell.to_ascii_uppercase().contains('W'));
                made_read_only += u32::from(writes && tag.access == Access::ReadOnly);
                findings.notes.extend(notes.into_iter().map(|note| (row.line, note)));
                tags.push(tag);
            }
            Err(error) => findings.errors.push((row.line, error)),
        }
    }
    if made_read_only > 0 {
        let text =
            format!("{made_read_only} tags that say R/W stand in tables that cannot be written, and are ReadOnly");
        findings.notes.push((0, text));
    }
    tags
}

fn tag(import: Import, row: Row<'_>) -> Result<(Tag, Vec<String>), String> {
    let address = row.read("address", Address::parse)?.ok_or("column Address: it has none")?;
    let binding = binding(import, address, row.cell("datatype"))?;
    let mut tag = Tag::new(row.line, row.cell("tagname"), binding);
    let mut notes = vec![];
    tag.description = row.cell("description").into();
    tag.unit = row.cell("engunits").into();
    tag.access =
        if address.write_only { Access::WriteOnly } else { row.read("clientaccess", access)?.unwrap_or_default() };
    tag.interval = row.read("scanrate", |cell| interval(cell, &mut notes))?.flatten();
    scaling(row, &mut tag)?;
    tag.checked().map(|tag| (tag, notes))
}

fn binding(import: Import, address: Address, kind: &str) -> Result<ModbusBinding, String> {
    let Address { place, part, count, .. } = address;
    let plain = ModbusBinding { count, ..crate::cli::model::place(place.table, place.address) };
    let lower = kind.to_ascii_lowercase();
    let kind = lower.strip_suffix("array").map_or(lower.as_str(), str::trim);
    match (place.table, part, kind) {
        (Table::Coil | Table::Discrete, _, "boolean" | "bool" | "default" | "") => Ok(plain),
        (Table::Coil | Table::Discrete, ..) => {
            Err(format!("column Data Type: {kind:?} must be Boolean in tables 0 and 1"))
        }
        (_, Part::Bit(bit), "boolean" | "bool" | "default" | "") => bit_of(plain, bit, import.first_bit),
        (_, Part::Bit(_), _) => Err(format!("column Data Type: {kind:?} must be Boolean for one bit")),
        (_, Part::Text { length, low_first }, "string" | "default" | "") => Ok(ModbusBinding {
            data_type: Some(Type::String),
            length: Some(i32::from(length.div_ceil(2))),
            byte_order: low_first.then_some(ByteOrder::Badc),
            ..plain
        }),
        (_, Part::Text { .. }, _) => {
            Err(format!("column Data Type: {kind:?} must be String, for the address has a length"))
        }
        (_, Part::Whole, kind) => {
            let binding = ModbusBinding { data_type: Some(number(kind)?), ..plain };
            Ok(ordered(binding, import.order.unwrap_or(ByteOrder::Cdab)))
        }
    }
}

fn bit_of(plain: ModbusBinding, bit: u8, first: u8) -> Result<ModbusBinding, String> {
    match bit.checked_sub(first) {
        Some(bit @ 0..=15) => Ok(ModbusBinding { bit: Some(bit.into()), ..plain }),
        Some(_) => Err("column Address: bit 16: this list counts bits from 1, repeat with --first-bit 1".into()),
        None => Err("column Address: bit 0: this list counts bits from 0, repeat without --first-bit 1".into()),
    }
}

/// The types of the driver ("Data Types Description"); the default of registers is Word.
fn number(kind: &str) -> Result<Type, String> {
    Ok(match kind {
        "word" | "default" | "" => Type::Uint16,
        "short" => Type::Int16,
        "dword" => Type::Uint32,
        "long" => Type::Int32,
        "float" => Type::Float32,
        "double" => Type::Float64,
        "bcd" => Type::Bcd16,
        "lbcd" => Type::Bcd32,
        "llong" => Type::Int64,
        "qword" => Type::Uint64,
        "boolean" | "bool" => return Err("column Data Type: Boolean needs a bit, such as 400001.0".into()),
        "string" => return Err("column Data Type: String needs a length and an order, such as 400001.20H".into()),
        other => {
            let known = "Boolean, Word, Short, DWord, Long, Float, Double, BCD, LBCD, String, LLong, QWord";
            return Err(format!("column Data Type: {other:?} must be one of {known}"));
        }
    })
}

/// Of one register only its bytes have an order.
pub(super) fn ordered(binding: ModbusBinding, order: ByteOrder) -> ModbusBinding {
    let one = ModbusBinding { count: None, ..binding.clone() }.registers() == 1;
    let order = match order.pattern() {
        ByteOrder::Cdab if one => ByteOrder::Abcd,
        ByteOrder::Dcba if one => ByteOrder::Badc,
        order => order,
    };
    ModbusBinding { byte_order: (order != ByteOrder::Abcd).then_some(order), ..binding }
}

/// What is not said is not written.
pub(super) fn access(cell: &str) -> Result<Access, String> {
    let word: String = cell.chars().filter(char::is_ascii_alphanumeric).collect();
    match word.to_ascii_lowercase().as_str() {
        "ro" | "r" | "readonly" | "read" => Ok(Access::ReadOnly),
        "rw" | "readwrite" => Ok(Access::ReadWrite),
        "wo" | "w" | "writeonly" | "write" => Ok(Access::WriteOnly),
        _ => Err(format!("{cell:?} must be RO, R/W or WO")),
    }
}

/// Milliseconds; 0 is not given.
fn interval(cell: &str, notes: &mut Vec<String>) -> Result<Option<Span>, String> {
    let (least, most) = INTERVALS;
    match cell.parse::<u64>() {
        Ok(0) => Ok(None),
        Ok(millis) if millis < least => {
            notes.push(format!("a scan rate of {millis} ms becomes {least} ms, the shortest there is"));
            Ok(Some(Span::from_millis(least)))
        }
        Ok(millis) if millis <= most => Ok(Some(Span::from_millis(millis))),
        _ => Err(format!("{cell:?} must be milliseconds, at most {most}")),
    }
}

/// Linear: value = (raw - raw low) × (scaled high - scaled low) ÷ (raw high - raw low) + scaled low, negated where that is asked.
fn scaling(row: Row<'_>, tag: &mut Tag) -> Result<(), String> {
    match row.cell("scaling").to_ascii_lowercase().as_str() {
        "" | "none" => return Ok(()),
        "linear" => {}
        other if other.replace(' ', "") == "squareroot" => {
            return Err(
                "column Scaling: Square Root is not linear: import it without, and add a property with an expression"
                    .into(),
            );
        }
        other => return Err(format!("column Scaling: {other:?} must be None or Linear")),
    }
    let number = |column, name| row.number(column)?.ok_or_else(|| format!("column {name}: Linear scaling needs it"));
    let (raw_low, raw_high) = (number("rawlow", "Raw Low")?, number("rawhigh", "Raw High")?);
    let (low, high) = (number("scaledlow", "Scaled Low")?, number("scaledhigh", "Scaled High")?);
    if raw_low >= raw_high || low >= high {
        return Err("Raw Low must be below Raw High, and Scaled Low below Scaled High".into());
    }
    let scale = (high - low) / (raw_high - raw_low);
    let truth = |column| row.read(column, truth).map(Option::unwrap_or_default);
    let sign = if truth("negatevalue")? { -1.0 } else { 1.0 };
    tag.scale = tidy(sign * scale);
    tag.offset = tidy(sign * (low - raw_low * scale));
    let (low, high) = if sign < 0.0 { (0.0 - high, 0.0 - low) } else { (low, high) };
    tag.range = Some(Range { low, high });
    let (clamp_low, clamp_high) = (truth("clamplow")?, truth("clamphigh")?);
    let (clamp_low, clamp_high) = if sign < 0.0 { (clamp_high, clamp_low) } else { (clamp_low, clamp_high) };
    tag.minimum = clamp_low.then_some(low);
    tag.maximum = clamp_high.then_some(high);
    Ok(())
}

fn truth(cell: &str) -> Result<bool, String> {
    match cell.to_ascii_lowercase().as_str() {
        "0" | "false" | "no" => Ok(false),
        "1" | "-1" | "true" | "yes" => Ok(true),
        _ => Err(format!("{cell:?} must be 0 or 1")),
    }
}
