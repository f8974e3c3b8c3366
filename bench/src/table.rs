//! A CSV file of results that grows measurement by measurement, so that an interrupted run goes on where it was.
use anyhow::{Context, Result, ensure};
use std::{fs, path::PathBuf};

/// `keys`: so many first columns name a measurement; the rest is what came out.
#[derive(Debug)]
pub(crate) struct Table {
    path: PathBuf,
    head: Vec<String>,
    keys: usize,
    rows: Vec<Vec<String>>,
}

impl Table {
    /// With `resume` what is there is kept, if its columns are the same; else it begins empty.
    pub(crate) fn open(path: PathBuf, keys: usize, head: &str, resume: bool) -> Result<Self> {
        let old = if resume { Self::load(path.clone(), keys).ok() } else { None };
        let head: Vec<String> = head.split(',').map(str::to_owned).collect();
        let rows = old.filter(|old| old.head == head).map(|old| old.rows).unwrap_or_default();
        let table = Self { path, head, keys, rows };
        table.save()?;
        Ok(table)
    }
    pub(crate) fn load(path: PathBuf, keys: usize) -> Result<Self> {
        let text = fs::read_to_string(&path).with_context(|| path.display().to_string())?;
        let mut lines = text.lines().map(|line| line.split(',').map(str::to_owned).collect::<Vec<_>>());
        let head = lines.next().unwrap_or_default();
        let rows: Vec<_> = lines.filter(|row| row.len() == head.len()).collect();
        Ok(Self { path, head, keys, rows })
    }
    /// Forgets what was measured.
    pub(crate) fn begin_anew(&mut self) -> Result<()> {
        self.rows.clear();
        self.save()
    }
    pub(crate) fn has(&self, key: &[&str]) -> bool {
        self.rows.iter().any(|row| row.iter().zip(key).all(|(a, b)| a == b))
    }
    /// Adds a measurement and saves; one of the same name is replaced.
    pub(crate) fn put(&mut self, row: &[String]) -> Result<()> {
        ensure!(row.len() == self.head.len(), "{} columns, not {}", self.head.len(), row.len());
        let odd = row.iter().find(|cell| cell.contains([',', '\n']));
        ensure!(odd.is_none(), "{odd:?} does not fit into a cell");
        self.rows.retain(|old| old.get(..self.keys) != row.get(..self.keys));
        self.rows.push(row.to_vec());
        self.save()
    }
    fn save(&self) -> Result<()> {
        let lines = std::iter::once(&self.head).chain(&self.rows).map(|row| row.join(",") + "\n");
        let temporary = self.path.with_extension("part");
        fs::write(&temporary, lines.collect::<String>())?;
        Ok(fs::rename(temporary, &self.path)?)
    }
    /// All measurements, oldest first.
    pub(crate) fn rows(&self) -> impl Iterator<Item = Row<'_>> {
        self.rows.iter().map(|cells| Row { head: &self.head, cells })
    }
    /// The numbers of one column, of the rows that are wanted.
    pub(crate) fn numbers(&self, column: &str, wanted: impl Fn(&Row<'_>) -> bool) -> Vec<f64> {
        self.rows().filter(wanted).filter_map(|row| row.number(column)).collect()
    }
    /// The different texts of one column, in their order.
    pub(crate) fn texts(&self, column: &str) -> Vec<String> {
        let mut seen: Vec<String> = vec![];
        for row in self.rows() {
            let text = row.text(column);
            if !seen.iter().any(|one| one == text) {
                seen.push(text.to_owned());
            }
        }
        seen
    }
}

#[derive(Debug, Clone, Copy)]
pub(crate) struct Row<'a> {
    head: &'a [String],
    cells: &'a [String],
}
impl<'a> Row<'a> {
    pub(crate) fn text(&self, column: &str) -> &'a str {
        let at = self.head.iter().position(|name| name == column);
        at.and_then(|at| self.cells.get(at)).map_or("", String::as_str)
    }
    pub(crate) fn number(&self, column: &str) -> Option<f64> {
        self.text(column).parse().ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_interrupted_run_goes_on_and_a_new_one_begins_anew() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("row.csv");
        let row = |cells: [&str; 3]| cells.map(str::to_owned);
        let mut table = Table::open(path.clone(), 2, "round,who,n", false).expect("opens");
        table.put(&row(["1", "raw", "7"])).expect("saved");
        table.put(&row(["1", "raw", "8"])).expect("saved");
        table.put(&row(["1", "ours", "9"])).expect("saved");
        assert!(table.put(&row(["1", "ours", "a,b"])).is_err());
        let again = Table::open(path.clone(), 2, "round,who,n", true).expect("opens");
        assert!(again.has(&["1", "raw"]) && again.has(&["1", "ours"]) && !again.has(&["2", "raw"]));
        assert_eq!(again.numbers("n", |row| row.text("who") == "raw"), [8.0]);
        assert_eq!(again.texts("who"), ["raw", "ours"]);
        assert!(!Table::open(path.clone(), 2, "round,who,m", true).expect("opens").has(&["1", "raw"]), "other columns");
        assert!(!Table::open(path, 2, "round,who,n", false).expect("opens").has(&["1", "raw"]));
    }
}
