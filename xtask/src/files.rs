//! Generated files: written, or compared with what stands there.
use anyhow::{Context, Result, bail};
use std::{collections::BTreeMap, fs, path::Path};

/// Lines of a difference that are shown.
const SHOWN: usize = 10;
const WIDTH: usize = 200; // characters of a line: a schema is one

/// Text by path below the root.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(crate) struct Files(pub(crate) BTreeMap<String, String>);

impl Files {
    pub(crate) fn with(mut self, more: Self) -> Self {
        self.0.extend(more.0);
        self
    }
    /// What stands there already is left as it is: tables of Rust that are newer have all that builds on them compiled anew.
    pub(crate) fn write(&self, root: &Path) -> Result<()> {
        for (name, text) in &self.0 {
            let path = root.join(name);
            if fs::read(&path).is_ok_and(|found| found == text.as_bytes()) {
                continue;
            }
            if let Some(folder) = path.parent() {
                fs::create_dir_all(folder)?;
            }
            fs::write(&path, text).with_context(|| name.clone())?;
        }
        Ok(())
    }
    pub(crate) fn check(&self, root: &Path) -> Result<()> {
        let found = |name: &str| fs::read_to_string(root.join(name)).unwrap_or_default();
        let stale: Vec<String> = self
            .0
            .iter()
            .filter_map(|(name, text)| Some(format!("{name}\n{}", difference(&found(name), text)?)))
            .collect();
        if stale.is_empty() {
            return Ok(());
        }
        bail!("{}\nout of date; run: cargo xtask generate", stale.join("\n"))
    }
}

/// The first lines that differ, as `- stands there` and `+ the types say`.
fn difference(found: &str, wanted: &str) -> Option<String> {
    if found == wanted {
        return None;
    }
    let (old, new): (Vec<&str>, Vec<&str>) = (found.lines().collect(), wanted.lines().collect());
    let same = old.iter().zip(&new).take_while(|(a, b)| a == b).count();
    let ending = old.iter().rev().zip(new.iter().rev()).take_while(|(a, b)| a == b).count();
    let alike = |(a, b): (&&str, &&str)| a.chars().zip(b.chars()).take_while(|(a, b)| a == b).count();
    let column = old.get(same).zip(new.get(same)).map_or(0, alike);
    let part = |lines: &[&str], sign: char| {
        let end = lines.len().saturating_sub(ending).max(same);
        let part = lines.get(same..end).unwrap_or_default();
        part.iter().take(SHOWN).fold(String::new(), |text, line| text + &format!("  {sign} {}\n", around(line, column)))
    };
    Some(format!("  line {}:\n{}{}", same + 1, part(&old, '-'), part(&new, '+')))
}

/// A long line from a little before that character.
fn around(line: &str, column: usize) -> String {
    let length = line.chars().count();
    if length <= WIDTH {
        return line.to_owned();
    }
    let from = column.saturating_sub(WIDTH / 4).min(length - WIDTH);
    let [before, after] = [from > 0, from + WIDTH < length].map(|cut| if cut { "…" } else { "" });
    format!("{before}{}{after}", line.chars().skip(from).take(WIDTH).collect::<String>())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_passes_and_a_change_is_shown() {
        let root = tempfile::tempdir().unwrap();
        let files = Files(BTreeMap::from([("a/b.yaml".to_owned(), "x: 1\ny: 2\nz: 3\n".to_owned())]));
        assert!(files.check(root.path()).is_err(), "missing");
        files.write(root.path()).unwrap();
        files.check(root.path()).unwrap();
        let long_ago = std::time::SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(1);
        let file = fs::File::options().write(true).open(root.path().join("a/b.yaml")).unwrap();
        file.set_modified(long_ago).unwrap();
        files.write(root.path()).unwrap();
        assert_eq!(file.metadata().unwrap().modified().unwrap(), long_ago, "no newer than it was");
        fs::write(root.path().join("a/b.yaml"), "x: 1\ny: 5\nz: 3\n").unwrap();
        let error = files.check(root.path()).unwrap_err().to_string();
        assert!(error.contains("a/b.yaml\n  line 2:\n  - y: 5\n  + y: 2\n") && !error.contains("z: 3"), "{error}");
    }

    #[test]
    fn of_long_lines_that_part_is_shown_which_differs() {
        let line = |differs: char| format!("{}{differs}{}\n", "é".repeat(400), "z".repeat(400));
        let shown = difference(&line('1'), &line('2')).unwrap();
        assert!(shown.contains("é1z") && shown.contains("é2z"), "{shown}");
        assert!(shown.lines().skip(1).all(|line| line.chars().count() <= WIDTH + 6), "{shown}");
        assert_eq!(difference(&line('1'), &line('1')), None);
        assert_eq!(difference("a\n", "b\n").unwrap(), "  line 1:\n  - a\n  + b\n");
    }
}
