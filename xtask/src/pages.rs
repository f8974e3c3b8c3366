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

/// A fenced block.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Block {
    /// Its first line, from 1.
    pub(crate) line: usize,
    /// What stands behind the fence: `sh`, `yaml`, `text`.
    pub(crate) language: String,
    /// What the comment before it says: `<!-- test: run -->`.
    pub(crate) how: Option<String>,
    pub(crate) body: Vec<String>,
}
impl Block {
    /// The lines of a block of commands, without comments.
    pub(crate) fn commands(&self) -> impl Iterator<Item = &str> {
        let lines = self.body.iter().map(|line| line.split("  #").next().unwrap_or_default().trim());
        lines.filter(|line| !line.is_empty() && !line.starts_with('#'))
    }
}

impl Page {
    /// The other language's page: generated pages and decisions are in English only.
    pub(crate) fn twin(&self) -> Option<String> {
        let alone = ["docs/reference/fields", "docs/reference/metrics", "docs/adr/", "CONTRIBUTING.md", "CHANGELOG.md"];
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
    /// Every fenced block.
    pub(crate) fn blocks(&self) -> Vec<Block> {
        let mut blocks: Vec<Block> = vec![];
        let (mut open, mut how) = (false, None);
        for (at, line) in self.text.lines().enumerate() {
            match (line.trim().strip_prefix("```"), open) {
                (Some(_), true) => open = false,
                (Some(language), false) => {
                    let language = language.trim().to_owned();
                    blocks.push(Block { line: at + 1, language, how: how.take(), body: vec![] });
                    open = true;
                }
                (None, true) => blocks.iter_mut().last().into_iter().for_each(|block| block.body.push(line.to_owned())),
                (None, false) => how = comment(line),
            }
        }
        blocks
    }
    /// The blocks of commands.
    pub(crate) fn shell(&self) -> Vec<Block> {
        self.blocks().into_iter().filter(|block| block.language == "sh").collect()
    }
    /// What stands between backticks in running text, with the line at which its paragraph starts. It may go over a line's end.
    pub(crate) fn inline(&self) -> Vec<(usize, String)> {
        let mut found = vec![];
        let (mut paragraph, mut start, mut last) = (String::new(), 0, 0);
        let mut end = |paragraph: &mut String, start| {
            let text = std::mem::take(paragraph);
            found.extend(text.split('`').skip(1).step_by(2).map(|code| (start, code.to_owned())));
        };
        for (line, text) in self.prose() {
            if text.trim().is_empty() || line != last + 1 {
                end(&mut paragraph, start);
            }
            if paragraph.is_empty() {
                start = line;
            } else {
                paragraph.push(' ');
            }
            paragraph.push_str(text.trim());
            last = line;
        }
        end(&mut paragraph, start);
        found
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
        let text = "# A\n\n<!-- test: run -->\n```sh\n# a comment\nmake test   # all\n\nmake demo\n```\n\n```text\n## no\n```\n\n## B\n#c\n```console\nls\n```\n";
        let page = Page { path: "README.md".into(), text: text.into() };
        assert_eq!(page.headings().collect::<Vec<_>>(), [(1, "A"), (2, "B")]);
        let blocks = page.blocks();
        let found: Vec<_> = blocks.iter().map(|b| (b.line, &*b.language, b.how.as_deref())).collect();
        assert_eq!(found, [(4, "sh", Some("run")), (11, "text", None), (17, "console", None)]);
        let commands: Vec<_> =
            page.shell().iter().flat_map(|b| b.commands().map(str::to_owned).collect::<Vec<_>>()).collect();
        assert_eq!(commands, ["make test", "make demo"]);
        assert_eq!(page.twin().as_deref(), Some("README.zh-CN.md"));
        assert_eq!(Page { path: "docs/reference/fields.md".into(), ..Page::default() }.twin(), None);
    }
    #[test]
    fn inline_code_is_found_over_the_end_of_a_line_and_not_in_blocks() {
        let text = "one `a b` two `c\nd` three\n\n```sh\n`no`\n```\n- `e`\n";
        let page = Page { path: "README.md".into(), text: text.into() };
        assert_eq!(page.inline(), [(1, "a b".to_owned()), (1, "c d".to_owned()), (7, "e".to_owned())]);
    }
}
