//! Both languages have the same headings and the same commands, in the same order.
use crate::pages::Page;

pub(crate) fn check(pages: &[Page]) -> Vec<String> {
    let mut wrong = vec![];
    for page in pages {
        wrong.extend(untranslated(page));
        let Some(name) = page.twin() else { continue };
        match pages.iter().find(|other| other.path == name) {
            None => wrong.push(format!("{}: {name} is missing", page.path)),
            Some(twin) if !page.path.ends_with(".zh-CN.md") => wrong.extend(compare(page, twin)),
            Some(_) => {}
        }
    }
    wrong
}

/// A heading of a Chinese page that has words, and none of them Chinese.
fn untranslated(page: &Page) -> Vec<String> {
    let left = |text: &str| text.is_ascii() && text.contains(' ');
    let headings = page.headings().filter(|(_, text)| page.path.ends_with(".zh-CN.md") && left(text));
    headings.map(|(_, text)| format!("{}: heading “{text}” is not translated", page.path)).collect()
}

fn compare(page: &Page, twin: &Page) -> Vec<String> {
    let (ours, theirs): (Vec<_>, Vec<_>) = (page.headings().collect(), twin.headings().collect());
    let levels = |h: &[(usize, &str)]| h.iter().map(|(level, _)| *level).collect::<Vec<_>>();
    let mut wrong = vec![];
    if levels(&ours) != levels(&theirs) {
        let at = ours.iter().zip(&theirs).take_while(|(a, b)| a.0 == b.0).count();
        let name = |h: &[(usize, &str)]| {
            h.get(at).map_or("none".into(), |(level, text)| format!("{} {text}", "#".repeat(*level)))
        };
        wrong.push(format!(
            "{} and {}: heading {} is “{}” and “{}”",
            page.path,
            twin.path,
            at + 1,
            name(&ours),
            name(&theirs)
        ));
    }
    let commands =
        |page: &Page| page.shell().iter().flat_map(|b| b.commands().map(str::to_owned).collect::<Vec<_>>()).collect();
    let (ours, theirs): (Vec<String>, Vec<String>) = (commands(page), commands(twin));
    if ours != theirs {
        let at = ours.iter().zip(&theirs).take_while(|(a, b)| a == b).count();
        let name = |c: &[String]| c.get(at).map_or("none", String::as_str).to_owned();
        wrong.push(format!(
            "{} and {}: command {} is `{}` and `{}`",
            page.path,
            twin.path,
            at + 1,
            name(&ours),
            name(&theirs)
        ));
    }
    wrong
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pages(english: &str, chinese: &str) -> Vec<Page> {
        let page = |path: &str, text: &str| Page { path: path.into(), text: text.into() };
        vec![page("docs/a.md", english), page("docs/a.zh-CN.md", chinese)]
    }

    #[test]
    fn a_missing_heading_command_or_page_is_named() {
        assert_eq!(check(&pages("# A\n## B\n", "# 甲\n## 乙\n")), Vec::<String>::new());
        let wrong = check(&pages("# A\n## B\n## C\n", "# 甲\n## 乙\n"));
        assert_eq!(wrong, ["docs/a.md and docs/a.zh-CN.md: heading 3 is “## C” and “none”"]);
        let block = |command: &str| format!("# A\n<!-- test: run -->\n```sh\n{command}\n```\n");
        let wrong = check(&pages(&block("make a"), &block("make b")));
        assert_eq!(wrong, ["docs/a.md and docs/a.zh-CN.md: command 1 is `make a` and `make b`"]);
        assert_eq!(check(&pages("# A\n", "")[..1]), ["docs/a.md: docs/a.zh-CN.md is missing"]);
        let wrong = check(&pages("# A b\n", "# A b\n"));
        assert_eq!(wrong, ["docs/a.zh-CN.md: heading “A b” is not translated"]);
    }
}
