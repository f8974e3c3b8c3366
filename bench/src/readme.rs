//! The tables of bench/README.md, written between markers from the kept results.
use crate::rows::{ROWS, folder, kept};
use anyhow::{Context, Result};
use std::{fs, path::Path};

pub(crate) fn write() -> Result<()> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md");
    let mut text = fs::read_to_string(&path)?;
    for row in ROWS {
        if let Ok(table) = kept(row) {
            let plot = format!("![{0}](results/{0}.svg)", row.name);
            text = between(&text, row.name, &format!("{plot}\n\n{}", (row.summary)(&table)?))?;
        }
    }
    if let Ok(machine) = fs::read_to_string(folder().join("machine.txt")) {
        text = between(&text, "machine", &machine)?;
    }
    Ok(fs::write(path, text)?)
}

/// What stands between the two markers of that name is replaced.
fn between(text: &str, name: &str, new: &str) -> Result<String> {
    let (open, close) = (format!("<!-- {name} -->\n"), format!("<!-- /{name} -->"));
    let no = || format!("README.md has no {open}");
    let (head, rest) = text.split_once(&open).with_context(no)?;
    let (_, tail) = rest.split_once(&close).with_context(no)?;
    Ok(format!("{head}{open}\n{}\n\n{close}{tail}", new.trim()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_stands_between_the_markers_changes() {
        let text = "a\n<!-- x -->\nold\n<!-- /x -->\nb\n";
        let once = between(text, "x", "new\n").expect("marked");
        assert_eq!(once, "a\n<!-- x -->\n\nnew\n\n<!-- /x -->\nb\n");
        assert_eq!(between(&once, "x", "new").expect("marked"), once);
        assert!(between(text, "y", "new").is_err());
    }
}
