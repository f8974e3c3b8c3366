//! Tables of `mappers/ble/codec` from the published lists in its folder `data`, each of which names its source in its first lines.
use crate::files::Files;
use anyhow::{Context, Result, bail};
use std::{collections::BTreeMap, fmt::Write, path::Path};

const CODEC: &str = "mappers/ble/codec";

type Record = Vec<String>;
/// Rust of a list's records, each its own row.
type Rows = fn(&[Record]) -> Result<Vec<String>>;

pub(crate) fn files(root: &Path) -> Result<Files> {
    let mut files = BTreeMap::new();
    let mut add = |list: &str, path: &str, uses: &str, head: &str, row: Rows| {
        let data = format!("{CODEC}/data/{list}.csv");
        let text = table(root, &data, uses, head, row).with_context(|| data.clone())?;
        files.insert(format!("{CODEC}/src/{path}.rs"), text);
        anyhow::Ok(())
    };
    for (list, name) in
        [("services", "SERVICES"), ("characteristics", "CHARACTERISTICS"), ("descriptors", "DESCRIPTORS")]
    {
        let head = format!("pub(crate) static {name}: &[Row] =");
        add(list, &format!("assigned/tables/{list}"), "use super::{Row, row};", &head, |records| {
            each(records, assigned)
        })?;
    }
    for (list, name) in [("members", "MEMBERS"), ("companies", "COMPANIES")] {
        let head = format!("names!({name}:");
        add(list, &format!("assigned/tables/{list}"), "use super::names;", &head, |records| each(records, named))?;
    }
    let uses = "use super::layout::{Layout, number, text};\nuse crate::{DataType, NoValue, number::Number};";
    add("numbers", "characteristic/numbers", uses, "pub(super) static NUMBERS: &[Layout] =", characteristics)?;
    let uses = "use super::object::{Form, Object, number};\nuse crate::DataType;";
    add("bthome", "advert/bthome/objects", uses, "pub(super) static OBJECTS: &[Object] =", |records| {
        each(records, object)
    })?;
    Ok(Files(files))
}

fn table(root: &Path, data: &str, uses: &str, head: &str, rows: Rows) -> Result<String> {
    let bytes = std::fs::read(root.join(data))?;
    let mut text = format!("//! Generated from {data} by `cargo xtask assigned-numbers`; edits are lost.\n");
    if !uses.is_empty() {
        writeln!(text, "{uses}\n")?;
    }
    let (open, close) = if head.starts_with("names!") { ("", ");\n") } else { (" &[", "];\n") };
    writeln!(text, "#[rustfmt::skip]\n{head}{open}")?;
    let mut reader = csv::ReaderBuilder::new().has_headers(false).comment(Some(b'#')).from_reader(bytes.as_slice());
    let record = |record: csv::StringRecord| record.iter().map(str::to_owned).collect();
    let records: Vec<Record> = reader.records().map(|found| Ok(record(found?))).collect::<Result<_>>()?;
    for row in rows(&records)? {
        writeln!(text, "    {row},")?;
    }
    Ok(text + close)
}

fn each(records: &[Record], row: fn(&Record) -> Result<String>) -> Result<Vec<String>> {
    records.iter().map(|record| row(record).with_context(|| record.join(","))).collect()
}

fn assigned(record: &Record) -> Result<String> {
    let [number, name, identifier] = record.as_slice() else { bail!("has three columns") };
    Ok(format!("row(0x{number}, {name:?}, {identifier:?})"))
}

fn named(record: &Record) -> Result<String> {
    let [number, name] = record.as_slice() else { bail!("has two columns") };
    Ok(format!("(0x{number}, {name:?})"))
}

/// Rows of one number are the fields of one characteristic.
fn characteristics(records: &[Record]) -> Result<Vec<String>> {
    let row = |records: &[Record]| {
        let uuid = records.first().and_then(|record| record.first()).map_or("", String::as_str);
        let items = each(records, item)?.join(", ");
        Ok(format!("Layout {{ uuid: 0x{uuid}, flags: 0, items: &[{items}] }}"))
    };
    records.chunk_by(|a, b| a.first() == b.first()).map(row).collect()
}

fn item(record: &Record) -> Result<String> {
    let [_, field, data_type, m, d, b, unit, specials, range] = record.as_slice() else { bail!("has nine columns") };
    if data_type == "utf8" {
        return Ok(format!("text({field:?})"));
    }
    let mut number = format!("Number::new({})", variant(data_type));
    if [m, d, b].map(String::as_str) != ["1", "0", "0"] {
        write!(number, ".scaled({m}, {d}, {b})")?;
    }
    if !specials.is_empty() {
        write!(number, ".special(&[{}])", special(specials)?)?;
    }
    if let Some((min, max)) = range.split_once("..") {
        let (min, max): (f64, f64) = (min.parse()?, max.parse()?);
        write!(number, ".within({}, {})", decimal(min), decimal(max))?;
    }
    Ok(format!("number({field:?}, {unit:?}, {number})"))
}

/// `FFFF=NotKnown FFFE=NotValid`.
fn special(text: &str) -> Result<String> {
    let pair = |pair: &str| {
        let (raw, reason) = pair.split_once('=').context("a special value is PATTERN=REASON")?;
        Ok(format!("({}, NoValue::{reason})", grouped(raw)))
    };
    Ok(text.split(' ').map(pair).collect::<Result<Vec<_>>>()?.join(", "))
}

/// Three digits to a group of the whole part.
fn decimal(number: f64) -> String {
    let text = format!("{number:?}");
    let (whole, fraction) = text.split_once('.').unwrap_or((&text, "0"));
    let (sign, digits) = whole.split_at(usize::from(whole.starts_with('-')));
    let groups: Vec<&[u8]> = digits.as_bytes().rchunks(3).rev().collect();
    let groups: Vec<_> = groups.into_iter().map(String::from_utf8_lossy).collect();
    format!("{sign}{}.{fraction}", groups.join("_"))
}

/// Four digits to a group.
fn grouped(digits: &str) -> String {
    let (head, tail) = digits.split_at(digits.len().saturating_sub(4));
    if head.is_empty() { format!("0x{tail}") } else { format!("{}_{tail}", grouped(head)) }
}

fn object(record: &Record) -> Result<String> {
    let [id, name, form, m, d, unit] = record.as_slice() else { bail!("has six columns") };
    let form = match form.as_str() {
        "bool" => "number(DataType::Boolean, 1, 0)".to_owned(),
        "text" | "raw" | "button" | "dimmer" | "command" => format!("Form::{}", capital(form)),
        form => match form.strip_prefix("version") {
            Some(bytes) => format!("Form::Version({bytes})"),
            None => format!("number({}, {m}, {d})", variant(form)),
        },
    };
    Ok(format!("Object {{ id: 0x{id}, name: {name:?}, unit: {unit:?}, form: {form} }}"))
}

fn variant(data_type: &str) -> String {
    format!("DataType::{}", capital(data_type))
}
fn capital(word: &str) -> String {
    let mut letters = word.chars();
    letters.next().map(|first| first.to_ascii_uppercase().to_string() + letters.as_str()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn root() -> &'static Path {
        Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap()
    }

    #[test]
    fn what_stands_in_the_tree_is_what_the_lists_say() {
        files(root()).unwrap().check(root()).unwrap();
    }

    #[test]
    fn a_changed_list_is_noticed_and_a_broken_one_refused() {
        let folder = tempfile::tempdir().unwrap();
        let data = folder.path().join(CODEC).join("data");
        std::fs::create_dir_all(&data).unwrap();
        for file in std::fs::read_dir(root().join(CODEC).join("data")).unwrap().map(Result::unwrap) {
            std::fs::copy(file.path(), data.join(file.file_name())).unwrap();
        }
        files(folder.path()).unwrap().write(folder.path()).unwrap();
        let list = data.join("companies.csv");
        let text = std::fs::read_to_string(&list).unwrap();
        std::fs::write(&list, text.replace("0499,Ruuvi", "0499,Nobody and Ruuvi")).unwrap();
        let error = files(folder.path()).unwrap().check(folder.path()).unwrap_err().to_string();
        assert!(
            error.contains("tables/companies.rs") && error.contains("+     (0x0499, \"Nobody and Ruuvi"),
            "{error}"
        );
        std::fs::write(&list, "0499,Ruuvi,more\n").unwrap();
        assert!(format!("{:#}", files(folder.path()).unwrap_err()).contains("two columns"));
    }
}
