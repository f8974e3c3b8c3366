//! `import`: a list of tags in CSV becomes a DeviceModel. All that is wrong is said at once, with line numbers.
mod address;
mod kepware;
mod names;
mod plain;
mod rows;
mod tag;

use super::{end, model, print, words};
use clap::{ArgMatches, Args, Command, FromArgMatches, ValueEnum};
use pollux_crds::{ByteOrder, Span};
use pollux_mapper::{Exit, Out, printable};
use rows::Rows;
use serde_json::json;
use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};
use tag::Tag;

const EXAMPLES: &str = "\
Examples:
  pollux-modbus import tags.csv --model line-7 > model.yaml
  pollux-modbus import export.csv --layout kepware --byte-order ABCD > model.yaml
  pollux-modbus check model.yaml

Layouts, told apart by the header row:
  kepware  as KEPServerEX exports the tags of a Modbus device (File > Export CSV). Two words of a value stand low word first there
           unless the device was set otherwise, so --byte-order is CDAB
  plain    columns by name, in any order: name; register (40001), or table and address; type; and where there are any byteOrder, bit,
           bits, length, encoding, trim, count, alone, access, unit, description, scale, offset, scaleExponentFrom, invalid (numbers
           with spaces between them), enum (names of values: 0:Off;1:On), interval, readGroup, minimum, maximum. --byte-order is ABCD

The smallest plain list:
  name,register,type,unit
  supply,40001,float32,°C

Nothing is connected to.";
/// Longest file.
const MAX_BYTES: u64 = 16 * 1024 * 1024;
/// Properties of one DeviceModel.
const MAX_TAGS: usize = 1_000;

/// How the columns are named, and what their cells mean.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Layout {
    Kepware,
    Plain,
}

/// Make a DeviceModel of a list of tags
#[derive(Debug, Args)]
struct Options {
    /// A CSV file with a header row; commas, semicolons or tabs
    file: PathBuf,
    /// kepware or plain [default: by the header row]
    #[arg(long, value_enum)]
    layout: Option<Layout>,
    /// Name of the DeviceModel [default: that of the file]
    #[arg(long)]
    model: Option<String>,
    /// Byte order of values of several registers that say none: ABCD, BADC, CDAB or DCBA
    #[arg(long)]
    byte_order: Option<String>,
    /// The number of a register's lowest bit in a kepware list: 1 where zero-based bit addressing is switched off
    #[arg(long, default_value_t = 0, value_parser = clap::value_parser!(u8).range(0..=1))]
    first_bit: u8,
    /// How its bytes are letters [default: utf8, and gbk or latin1 where it cannot be]
    #[arg(long, value_enum)]
    encoding: Option<rows::Encoding>,
}

pub(super) fn command() -> Command {
    Options::augment_args(Command::new("import").about("Make a DeviceModel of a list of tags (CSV)"))
        .after_help(EXAMPLES)
}

pub(super) fn run(matches: &ArgMatches, mut out: Out) -> Exit {
    let options = match Options::from_arg_matches(matches) {
        Ok(options) => options,
        Err(error) => return end(&mut out, Exit::Usage, &error.to_string()),
    };
    let file = options.file.display().to_string();
    let Prepared { name, text, note, order } = match prepared(&options) {
        Ok(prepared) => prepared,
        Err(error) => return end(&mut out, Exit::Usage, &error),
    };
    let import = Import { layout: options.layout, order, first_bit: options.first_bit };
    let (tags, mut findings) = import.tags(&text);
    findings.notes.extend(note.map(|note| (0, note.to_owned())));
    for (line, note) in &findings.notes {
        out.remark(&printable(&format!("{}: note: {note}", at(&file, *line))));
    }
    for (line, error) in &findings.errors {
        out.remark(&printable(&format!("{}: {error}", at(&file, *line))));
    }
    match findings.errors.len() {
        0 => print(&mut out, &document(&name, &options.file, &tags)),
        1 => end(&mut out, Exit::Usage, "1 error"),
        count => end(&mut out, Exit::Usage, &format!("{count} errors")),
    }
}

fn at(file: &str, line: u64) -> String {
    if line == 0 { file.to_owned() } else { format!("{file}:{line}") }
}

/// The DeviceModel `name` of a list of tags, in YAML, or all that is wrong with the list. No file is read.
pub fn import_csv(name: &str, csv: Vec<u8>) -> Result<String, Vec<String>> {
    let (text, _) = rows::text(csv, None).map_err(|error| vec![error])?;
    let (tags, findings) = Import::default().tags(&text);
    if findings.errors.is_empty() {
        return Ok(document(name, Path::new("tags.csv"), &tags));
    }
    Err(findings.errors.into_iter().map(|(line, error)| format!("{line}: {error}")).collect())
}

struct Prepared {
    /// Of the model.
    name: String,
    /// Of the file.
    text: String,
    /// What its bytes were taken for.
    note: Option<&'static str>,
    order: Option<ByteOrder>,
}

fn prepared(options: &Options) -> Result<Prepared, String> {
    let file = &options.file;
    let order = options.byte_order.as_deref().map(words::byte_order).transpose()?;
    let stem = file.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default();
    let name = match &options.model {
        Some(name) => crate::cli::names::checked("--model", name).map(|()| name.clone())?,
        None => model::object_name(&stem).ok_or_else(|| format!("{}: give a --model name", file.display()))?,
    };
    let wrong = |error: std::io::Error| format!("{}: {error}", file.display());
    if fs::metadata(file).map_err(wrong)?.len() > MAX_BYTES {
        return Err(format!("{}: larger than {} MiB", file.display(), MAX_BYTES / 1024 / 1024));
    }
    let (text, note) = rows::text(fs::read(file).map_err(wrong)?, options.encoding)
        .map_err(|error| format!("{}: {error}", file.display()))?;
    Ok(Prepared { name, text, note, order })
}

/// What is wrong, and what the reader should know, each with its line (0: of the whole).
#[derive(Debug, Default)]
struct Findings {
    errors: Vec<(u64, String)>,
    notes: Vec<(u64, String)>,
}

#[derive(Debug, Clone, Copy, Default)]
struct Import {
    layout: Option<Layout>,
    order: Option<ByteOrder>,
    first_bit: u8,
}

impl Import {
    /// Every tag that makes sense, and all that does not.
    fn tags(self, text: &str) -> (Vec<Tag>, Findings) {
        let mut findings = Findings::default();
        let mut tags = vec![];
        match Rows::read(text, &mut findings) {
            Ok(rows) => {
                let layout = self.layout.unwrap_or(if rows.has("tagname") { Layout::Kepware } else { Layout::Plain });
                tags = match layout {
                    Layout::Kepware => kepware::tags(self, &rows, &mut findings),
                    Layout::Plain => plain::tags(self, &rows, &mut findings),
                };
                judge(&mut tags, &mut findings);
            }
            Err(error) => findings.errors.push(error),
        }
        findings.errors.sort();
        findings.notes.sort();
        (tags, findings)
    }
}

/// What only all of them together, or the driver, can tell.
fn judge(tags: &mut [Tag], findings: &mut Findings) {
    names::settle(tags, findings);
    findings.errors.extend(tag::refused_by_the_driver(tags));
    if tags.len() > MAX_TAGS {
        findings.errors.push((0, format!("{} tags; a DeviceModel has at most {MAX_TAGS}: split the list", tags.len())));
    }
    if tags.is_empty() && findings.errors.is_empty() {
        findings.errors.push((0, "no tags in it".into()));
    }
}

fn document(name: &str, file: &Path, tags: &[Tag]) -> String {
    let usual = usual_interval(tags);
    let properties: Vec<_> = tags.iter().map(|tag| tag.property(usual)).collect();
    let source = file.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let mut spec = json!({"description": format!("Imported from {source}"), "properties": properties});
    if let (Some(interval), Some(fields)) = (usual, spec.as_object_mut()) {
        fields.insert("defaults".into(), json!({"interval": interval}));
    }
    model::document("DeviceModel", name, &spec)
}

/// The interval that most have, where any is given.
fn usual_interval(tags: &[Tag]) -> Option<Span> {
    let mut counts: BTreeMap<Span, usize> = BTreeMap::new();
    for interval in tags.iter().filter_map(|tag| tag.interval) {
        *counts.entry(interval).or_default() += 1;
    }
    counts.into_iter().max_by_key(|(_, count)| *count).map(|(interval, _)| interval)
}

#[cfg(test)]
mod tests;
