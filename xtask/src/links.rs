//! Relative links of the docs lead to files and headings that are there, and every page is led to.
use crate::pages::Page;
use std::{
    collections::BTreeSet,
    path::{Component, Path, PathBuf},
};

pub(crate) fn check(root: &Path, pages: &[Page]) -> Vec<String> {
    let mut wrong = vec![];
    for page in pages {
        for (line, target) in page.prose().flat_map(|(line, text)| targets(text).into_iter().map(move |t| (line, t))) {
            if let Some(message) = broken(root, pages, page, target) {
                wrong.push(format!("{}:{line}: ({target}) {message}", page.path));
            }
        }
    }
    wrong.extend(orphans(pages));
    wrong
}

/// Pages that no page of their own language links to: nobody finds them. Decisions are found by their folder.
fn orphans(pages: &[Page]) -> Vec<String> {
    let mut linked = BTreeSet::new();
    for page in pages {
        let targets = page.prose().flat_map(|(_, text)| targets(text));
        let files = targets.filter_map(|target| join(&page.path, target.split('#').next()?));
        linked.extend(files.filter(|file| Some(file) != page.twin().as_ref()));
    }
    let below = pages.iter().filter(|page| page.path.starts_with("docs/") && !page.path.starts_with("docs/adr/"));
    below
        .filter(|page| !linked.contains(&page.path))
        .map(|page| format!("{}: no page of its language links to it", page.path))
        .collect()
}

/// What stands between `](` and `)`, outside of code.
fn targets(line: &str) -> Vec<&str> {
    let plain = line.split('`').step_by(2);
    plain.flat_map(|part| part.split("](").skip(1).filter_map(|rest| rest.split(')').next())).collect()
}

fn broken(root: &Path, pages: &[Page], page: &Page, target: &str) -> Option<String> {
    if target.contains("://") || target.starts_with("mailto:") {
        return None; // other people's pages are not ours to test
    }
    let (file, anchor) = target.split_once('#').map_or((target, None), |(file, anchor)| (file, Some(anchor)));
    let path = if file.is_empty() { page.path.clone() } else { join(&page.path, file)? };
    if !root.join(&path).exists() {
        return Some("leads nowhere".into());
    }
    let anchor = anchor?;
    let found = pages.iter().find(|p| p.path == path)?;
    let there =
        found.headings().any(|(_, text)| slug(text) == anchor) || found.text.contains(&format!("id=\"{anchor}\""));
    (!there).then(|| format!("{path} has no such heading"))
}

/// A path below the root, from a link of a page.
fn join(page: &str, link: &str) -> Option<String> {
    let mut path = PathBuf::from(page);
    path.pop();
    for part in Path::new(link).components() {
        match part {
            Component::ParentDir => drop(path.pop()),
            Component::Normal(name) => path.push(name),
            Component::CurDir => {}
            _ => return None,
        }
    }
    Some(path.to_string_lossy().into_owned())
}

/// The anchor that GitHub gives a heading.
fn slug(heading: &str) -> String {
    let kept = heading.chars().filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'));
    kept.flat_map(char::to_lowercase).map(|c| if c == ' ' { '-' } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn a_link_to_nothing_is_named_with_its_line() {
        let root = tempfile::tempdir().unwrap();
        fs::create_dir_all(root.path().join("docs/how-to")).unwrap();
        for name in ["docs/b.md", "docs/how-to/a.md"] {
            fs::write(root.path().join(name), "").unwrap();
        }
        let text = "# A\n[b](../b.md) [c](../c.md)\n[own](#what-now) [other](https://example.org/x) `[code](x.md)`\n## What now?\n[bad](../b.md#x)\n";
        let page = |path: &str, text: &str| Page { path: path.into(), text: text.into() };
        let pages = [page("docs/b.md", "# B\n[a](how-to/a.md)\n"), page("docs/how-to/a.md", text)];
        assert_eq!(
            check(root.path(), &pages),
            [
                "docs/how-to/a.md:2: (../c.md) leads nowhere",
                "docs/how-to/a.md:5: (../b.md#x) docs/b.md has no such heading"
            ]
        );
    }
    #[test]
    fn a_page_that_only_its_own_translation_links_to_is_named() {
        let page = |path: &str, text: &str| Page { path: path.into(), text: text.into() };
        let pages = [
            page("README.md", "[a](docs/a.md)\n"),
            page("docs/a.md", "[zh](a.zh-CN.md)\n"),
            page("docs/a.zh-CN.md", "[en](a.md)\n"),
            page("docs/adr/0001.md", ""),
        ];
        assert_eq!(orphans(&pages), ["docs/a.zh-CN.md: no page of its language links to it"]);
    }
}
