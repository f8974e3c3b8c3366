//! The plain layout: a column for each thing, by the names of the schema, in any order.
use super::{
    Findings, Import, Tag,
    kepware::{access, ordered},
    rows::{Row, Rows},
};
use crate::cli::words;
use pollux_crds::{ByteOrder, EnumValue, ModbusBinding, ModbusDataType as Type, Span};

/// Of the schema: characters of a name, and names of a property.
const MAX_NAME: usize = 63;
const MAX_NAMES: usize = 256;

const COLUMNS: [&str; 25] = [
    "name",
    "register",
    "table",
    "address",
    "type",
    "byteorder",
    "bit",
    "bits",
    "length",
    "encoding",
    "trim",
    "count",
    "alone",
    "access",
    "unit",
    "description",
    "scale",
    "offset",
    "scaleexponentfrom",
    "invalid",
    "interval",
    "readgroup",
    "minimum",
    "maximum",
    "enum",
];

pub(super) fn tags(import: Import, rows: &Rows, findings: &mut Findings) -> Vec<Tag> {
    let mut tags = vec![];
    if !rows.expect(&COLUMNS, &["name"], findings) {
        return tags;
    }
    if !(rows.has("register") || rows.has("table") && rows.has("address")) {
        findings.errors.push((0, "there must be a column register, or columns table and address".into()));
        return tags;
    }
    for row in rows.iter() {
        match tag(import, row) {
            Ok(tag) => tags.push(tag),
            Err(error) => findings.errors.push((row.line, error)),
        }
    }
    tags
}

fn tag(import: Import, row: Row<'_>) -> Result<Tag, String> {
    let mut tag = Tag::new(row.line, row.cell("name"), binding(import, row)?);
    tag.description = row.cell("description").into();
    tag.unit = row.cell("unit").into();
    tag.access = row.read("access", access)?.unwrap_or_default();
    tag.interval = row.read("interval", |cell| cell.parse::<Span>().map_err(|error| error.to_string()))?;
    tag.scale = row.number("scale")?.unwrap_or(1.0);
    tag.offset = row.number("offset")?.unwrap_or(0.0);
    tag.exponent = row.given("scaleexponentfrom").unwrap_or_default().into();
    tag.read_group = row.given("readgroup").map(str::to_owned);
    tag.invalid = row.read("invalid", numbers)?.unwrap_or_default();
    tag.minimum = row.number("minimum")?;
    tag.maximum = row.number("maximum")?;
    tag.names = row.read("enum", names)?.unwrap_or_default();
    if tag.minimum.zip(tag.maximum).is_some_and(|(low, high)| low > high) {
        return Err("column minimum: must not be above maximum".into());
    }
    tag.checked()
}

fn binding(import: Import, row: Row<'_>) -> Result<ModbusBinding, String> {
    let place = place(row)?;
    let plain = crate::cli::model::place(place.table, place.address);
    let boolean = |cell: &str| matches!(cell.to_ascii_lowercase().as_str(), "bool" | "boolean" | "bit");
    let kind =
        row.read("type", |cell| if boolean(cell) { Ok(None) } else { words::data_type(cell).map(Some) })?.flatten();
    let order = row.read("byteorder", words::byte_order)?;
    if place.table.has_bits() && order.is_some() {
        return Err("column byteOrder: a coil or discrete input has none".into());
    }
    let binding = ModbusBinding {
        data_type: kind,
        bit: row.whole("bit")?,
        bits: row.whole("bits")?.filter(|bits| *bits != 1),
        encoding: row.read("encoding", words::encoding)?,
        trim: row.read("trim", words::trim)?,
        alone: row.read("alone", yes)?.filter(|alone| *alone),
        length: row.whole("length")?,
        count: row.whole("count")?.filter(|count| *count != 1),
        ..plain
    };
    let usual = import.order.unwrap_or_default();
    Ok(match (kind, order) {
        (None, Some(order)) if binding.bit.is_some() => ordered(binding, order),
        (None, _) => binding,
        // Two characters of a register do not follow from the order of words.
        (Some(Type::String | Type::Bytes), order) => {
            ModbusBinding { byte_order: order.filter(|order| *order != ByteOrder::Abcd), ..binding }
        }
        (Some(_), order) => ordered(binding, order.unwrap_or(usual)),
    })
}

fn yes(cell: &str) -> Result<bool, String> {
    match cell.to_ascii_lowercase().as_str() {
        "true" | "yes" | "1" => Ok(true),
        "false" | "no" | "0" => Ok(false),
        _ => Err(format!("{cell:?} must be true or false")),
    }
}

/// `-32768`, or several with spaces between them.
fn numbers(cell: &str) -> Result<Vec<f64>, String> {
    let number = |word: &str| word.parse::<f64>().ok().filter(|number| number.is_finite());
    cell.split_whitespace().map(|word| number(word).ok_or_else(|| format!("{word:?} is not a number"))).collect()
}

/// `0:Off;1:On`: each value on the wire with its name; `|` between them does as well.
fn names(cell: &str) -> Result<Vec<EnumValue>, String> {
    let mut names: Vec<EnumValue> = vec![];
    for word in cell.split([';', '|']).map(str::trim).filter(|word| !word.is_empty()) {
        let given = word.split_once([':', '=']).map(|(value, name)| (value.trim().parse::<i64>(), name.trim()));
        let Some((Ok(value), name)) = given else {
            return Err(format!("{word:?} must be a whole number, a colon and a name, such as 0:Off;1:On"));
        };
        if !(1..=MAX_NAME).contains(&name.chars().count()) {
            return Err(format!("the name of {value} must have 1 to {MAX_NAME} characters"));
        }
        if names.iter().any(|known| known.value == value || known.name == name) {
            return Err(format!("{word:?}: its value or its name stands there twice"));
        }
        names.push(EnumValue { value, name: name.into() });
    }
    if names.len() > MAX_NAMES { Err(format!("at most {MAX_NAMES} names are allowed")) } else { Ok(names) }
}

fn place(row: Row<'_>) -> Result<pollux_crds::Place, String> {
    let (register, table, address) = (row.given("register"), row.given("table"), row.given("address"));
    match (register, table, address) {
        (Some(_), None, None) => {
            let place = |cell: &str| ModbusBinding { register: Some(cell.into()), ..ModbusBinding::default() }.place();
            row.read("register", place)?.ok_or_else(|| "give a register".into())
        }
        (None, Some(_), Some(_)) => {
            let number = |cell: &str| cell.parse::<u16>().map_err(|_| format!("is {cell:?}, must be 0 to 65535"));
            let (table, address) = (row.read("table", words::table)?, row.read("address", number)?);
            let (table, address) = table.zip(address).ok_or("give a table and an address")?;
            Ok(pollux_crds::Place { table, address: address.into() })
        }
        _ => Err("give a register, or a table and an address".into()),
    }
}
