//! CSV to rows of named cells. The header row names the columns; what stands before it and starts with `;` or `#` is skipped.
use super::Findings;
use clap::ValueEnum;
use std::{borrow::Cow, collections::BTreeMap};

/// All rows below the header.
#[derive(Debug)]
pub(super) struct Rows {
    columns: BTreeMap<String, usize>,
    /// As they are written, by position.
    titles: Vec<String>,
    below: Vec<(u64, Vec<String>)>,
}

/// One row: cells by the name of their column.
#[derive(Debug, Clone, Copy)]
pub(super) struct Row<'a> {
    pub(super) line: u64,
    rows: &'a Rows,
    cells: &'a [String],
}

/// How the bytes of a list are letters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Encoding {
    Utf8,
    Gbk,
    Latin1,
}

/// In the encoding that was asked for; else UTF-8 or, where it is not, what spreadsheets on Windows write, with a note of what it was
/// taken for. Err: it is not in the encoding that was asked for.
pub(super) fn text(bytes: Vec<u8>, asked: Option<Encoding>) -> Result<(String, Option<&'static str>), String> {
    let latin = |bytes: &[u8]| bytes.iter().copied().map(char::from).collect::<String>();
    let bytes = match (asked, String::from_utf8(bytes)) {
        (None | Some(Encoding::Utf8), Ok(text)) => return Ok((unmarked(text), None)),
        (Some(Encoding::Utf8), Err(_)) => return Err("it is not UTF-8".into()),
        (Some(_), Ok(text)) => text.into_bytes(),
        (_, Err(error)) => error.into_bytes(),
    };
    match asked {
        Some(Encoding::Gbk) => gbk(&bytes).map(|text| (text, None)).ok_or_else(|| "it is not GBK".into()),
        Some(_) => Ok((latin(&bytes), None)),
        None => Ok(match gbk(&bytes).filter(|_| is_chinese(&bytes)) {
            Some(text) => (text, Some("it is not UTF-8, and is read as GBK; --encoding latin1 if it is not")),
            None => (latin(&bytes), Some("it is not UTF-8, and is read as ISO 8859-1; --encoding gbk if it is not")),
        }),
    }
}
fn unmarked(text: String) -> String {
    text.strip_prefix('\u{feff}').map(str::to_owned).unwrap_or(text)
}
fn gbk(bytes: &[u8]) -> Option<String> {
    encoding_rs::GBK.decode_without_bom_handling_and_without_replacement(bytes).map(Cow::into_owned)
}
/// Characters of GB 2312 are two bytes above A0; letters of western Europe mostly stand alone between plain ones.
fn is_chinese(bytes: &[u8]) -> bool {
    let (mut pairs, mut alone, mut rest) = (0_usize, 0_usize, bytes);
    while let [first, tail @ ..] = rest {
        let high = |byte: &u8| *byte > 0xA0;
        let paired = high(first) && tail.first().is_some_and(high);
        pairs += usize::from(paired);
        alone += usize::from(!paired && *first > 0x7F);
        rest = if paired { tail.get(1..).unwrap_or_default() } else { tail };
    }
    pairs > alone
}

/// `Eng. Units` and `engUnits` are one column.
fn plain(title: &str) -> String {
    title.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase).collect()
}

impl Rows {
    /// Err: no row can be trusted.
    pub(super) fn read(text: &str, findings: &mut Findings) -> Result<Self, (u64, String)> {
        let comments = text.lines().take_while(|line| line.trim().is_empty() || line.starts_with([';', '#'])).count();
        let skipped: usize = text.split_inclusive('\n').take(comments).map(str::len).sum();
        let body = text.get(skipped..).unwrap_or_default();
        let before = u64::try_from(comments).unwrap_or_default();
        let header = body.lines().next().ok_or((0, "no header row in it".to_owned()))?;
        let mut reader = csv::ReaderBuilder::new()
            .has_headers(false)
            .flexible(true)
            .trim(csv::Trim::All)
            .delimiter(delimiter(header))
            .from_reader(body.as_bytes());
        let mut all = vec![];
        for record in reader.records() {
            let record = record
                .map_err(|error| (before + error.position().map_or(0, csv::Position::line), error.to_string()))?;
            let line = before + record.position().map_or(0, csv::Position::line);
            let cells: Vec<String> = record.iter().map(str::to_owned).collect();
            if cells.iter().any(|cell| !cell.is_empty()) {
                all.push((line, cells));
            }
        }
        let mut rows = all.into_iter();
        let (line, titles) = rows.next().ok_or((0, "no header row in it".to_owned()))?;
        let mut rows = Self { columns: BTreeMap::new(), titles, below: rows.collect() };
        for (at, title) in rows.titles.iter().enumerate().filter(|(_, title)| !title.is_empty()) {
            if let Some(first) = rows.columns.insert(plain(title), at) {
                let first = rows.titles.get(first).cloned().unwrap_or_default();
                return Err((line, format!("two columns have one name: {first}, {title}")));
            }
        }
        for (line, cells) in &rows.below {
            if cells.len() > rows.titles.len() {
                findings.errors.push((
                    *line,
                    format!("{} cells under {} columns: a comma that wants quotes?", cells.len(), rows.titles.len()),
                ));
            }
        }
        Ok(rows)
    }
    pub(super) fn has(&self, column: &str) -> bool {
        self.columns.contains_key(column)
    }
    /// Notes what is not known, and refuses a list without what it needs.
    pub(super) fn expect(&self, known: &[&str], needed: &[&str], findings: &mut Findings) -> bool {
        for (name, at) in &self.columns {
            if !known.contains(&name.as_str()) {
                let title = self.titles.get(*at).cloned().unwrap_or_default();
                findings.notes.push((0, format!("column {title:?} is not known and is left out")));
            }
        }
        for name in needed.iter().filter(|name| !self.has(name)) {
            findings.errors.push((0, format!("there is no column {name}; there are: {}", self.titles.join(", "))));
        }
        needed.iter().all(|name| self.has(name))
    }
    pub(super) fn iter(&self) -> impl Iterator<Item = Row<'_>> {
        self.below.iter().map(|(line, cells)| Row { line: *line, rows: self, cells })
    }
}

fn delimiter(header: &str) -> u8 {
    let count = |delimiter: char| header.matches(delimiter).count();
    [(b',', count(',')), (b';', count(';')), (b'\t', count('\t'))]
        .into_iter()
        .max_by_key(|(_, n)| *n)
        .map_or(b',', |(d, _)| d)
}

impl Row<'_> {
    /// Empty where there is no such column or nothing in it.
    pub(super) fn cell(&self, column: &str) -> &str {
        let at = self.rows.columns.get(column);
        at.and_then(|at| self.cells.get(*at)).map_or("", String::as_str)
    }
    pub(super) fn given(&self, column: &str) -> Option<&str> {
        Some(self.cell(column)).filter(|cell| !cell.is_empty())
    }
    /// The cell read by `parse`; the error names the column.
    pub(super) fn read<T>(
        &self,
        column: &str,
        parse: impl FnOnce(&str) -> Result<T, String>,
    ) -> Result<Option<T>, String> {
        self.given(column).map(parse).transpose().map_err(|error| format!("column {}: {error}", self.title(column)))
    }
    pub(super) fn number(&self, column: &str) -> Result<Option<f64>, String> {
        let finite = |cell: &str| cell.parse::<f64>().ok().filter(|number| number.is_finite());
        self.read(column, |cell| finite(cell).ok_or_else(|| format!("{cell:?} is not a number")))
    }
    pub(super) fn whole(&self, column: &str) -> Result<Option<i32>, String> {
        self.read(column, |cell| cell.parse::<i32>().map_err(|_| format!("{cell:?} is not a whole number")))
    }
    fn title(&self, column: &str) -> &str {
        self.rows.columns.get(column).and_then(|at| self.rows.titles.get(*at)).map_or("", String::as_str)
    }
}
