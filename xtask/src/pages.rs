//! The pages of the docs: README and docs/, in both languages.
use anyhow::{Context, Result};
use std::{fs, path::Path};

const CHINESE: &str = ".zh-CN.md";

/// One page.
#[derive(Debug, Clone, Default)]
pub(crate) struct Page {
    /// Below the root.
    pub(crate) path: String,
    pub(crate) text: String,
}

/// A fenced block of commands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Block {
    /// Its first line, from 1.
    pub(crate) line: usize,
    /// What the comment before it says: `<!-- test: run -->`.
    pub(crate) how: Option<String>,
    body: Vec<String>,
}
impl Block {
    pub(crate) fn commands(&self) -> impl Iterator<Item = &str> {
        let lines = self.body.iter().map(|line| line.strip_prefix("$ ").unwrap_or(line).trim());
        lines.filter(|line| !line.is_empty() && !line.starts_with('#'))
    }
}

impl Page {
    /// The other language's page: generated pages and decisions are in English only.
    pub(crate) fn twin(&self) -> Option<String> {
        let alone = ["docs/reference/", "docs/adr/", "CONTRIBUTING.md", "CHANGELOG.md"];
        if alone.iter().any(|start| self.path.starts_with(start)) {
            return None;
        }
        match self.path.strip_suffix(CHINESE) {
            Some(stem) => Some(format!("{stem}.md")),
            None => Some(format!("{}{CHINESE}", self.path.strip_suffix(".md")?)),
        }
    }
    /// Lines outside of fenced blocks, with their number.
    pub(crate) fn prose(&self) -> impl Iterator<Item = (usize, &str)> {
        let mut fenced = false;
        self.text.lines().enumerate().filter_map(move |(at, line)| {
            let fence = line.trim_start().starts_with("```");
            fenced ^= fence;
            (!fenced && !fence).then_some((at + 1, line))
        })
    }
    /// Level and text of each heading.
    pub(crate) fn headings(&self) -> impl Iterator<Item = (usize, &str)> {
        self.prose().filter_map(|(_, line)| {
            let level = line.bytes().take_while(|b| *b == b'#').count();
            let text = line.get(level..)?.strip_prefix(' ')?;
            (1..=6).contains(&level).then_some((level, text.trim()))
        })
    }
    /// Every block that is `sh` or `console`.
    pub(crate) fn blocks(&self) -> Vec<Block> {
        let mut blocks: Vec<Block> = vec![];
        let (mut open, mut how) = (None::<bool>, None);
        for (at, line) in self.text.lines().enumerate() {
            match (line.trim().strip_prefix("```"), open) {
                (Some(_), Some(_)) => open = None,
                (Some(language), None) => {
                    let commands = matches!(language.trim(), "sh" | "console" | "bash" | "shell");
                    if commands {
                        blocks.push(Block { line: at + 1, how: how.take(), body: vec![] });
                    }
                    open = Some(commands);
                }
                (None, Some(true)) => {
                    if let Some(block) = blocks.last_mut() {
                        block.body.push(line.to_owned());
                    }
                }
                (None, Some(false)) => {}
                (None, None) => how = comment(line),
            }
        }
        blocks
    }
}
fn comment(line: &str) -> Option<String> {
    let text = line.trim().strip_prefix("<!-- test:")?.strip_suffix("-->")?;
    Some(text.trim().to_owned())
}

/// README, CONTRIBUTING, and all below docs/, sorted.
pub(crate) fn all(root: &Path) -> Result<Vec<Page>> {
    let mut paths = vec![];
    for entry in fs::read_dir(root)? {
        let name = entry?.file_name().to_string_lossy().into_owned();
        paths.extend(is_page(&name).then_some(name));
    }
    below(root, "docs", &mut paths)?;
    paths.sort();
    let read = |path: String| {
        let text = fs::read_to_string(root.join(&path)).with_context(|| path.clone())?;
        Ok(Page { path, text })
    };
    paths.into_iter().map(read).collect()
}
fn is_page(name: &str) -> bool {
    Path::new(name).extension().is_some_and(|e| e == "md")
}
fn below(root: &Path, folder: &str, paths: &mut Vec<String>) -> Result<()> {
    for entry in fs::read_dir(root.join(folder)).with_context(|| folder.to_owned())? {
        let entry = entry?;
        let path = format!("{folder}/{}", entry.file_name().to_string_lossy());
        if entry.file_type()?.is_dir() {
            below(root, &path, paths)?;
        } else if is_page(&path) {
            paths.push(path);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headings_and_commands_are_found_and_what_is_fenced_is_no_heading() {
        let text = "# A\n\n<!-- test: run -->\n```sh\n# a comment\n$ make test\n\nmake demo\n```\n\n```text\n## no\n```\n\n## B\n#c\n```console\nls\n```\n";
        let page = Page { path: "README.md".into(), text: text.into() };
        assert_eq!(page.headings().collect::<Vec<_>>(), [(1, "A"), (2, "B")]);
        let blocks = page.blocks();
        let found: Vec<_> =
            blocks.iter().map(|b| (b.line, b.how.as_deref(), b.commands().collect::<Vec<_>>())).collect();
        assert_eq!(found, [(4, Some("run"), vec!["make test", "make demo"]), (17, None, vec!["ls"])]);
        assert_eq!(page.twin().as_deref(), Some("README.zh-CN.md"));
        assert_eq!(Page { path: "docs/reference/fields.md".into(), ..Page::default() }.twin(), None);
    }
}
