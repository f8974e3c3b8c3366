//! No command that a reader is told to type is left untried: each stands in a block that something runs, to the letter.
use crate::pages::{Block, Page};
use anyhow::{Context, Result};
use std::{collections::BTreeSet, fs, path::Path};

const NOTES: &str = "charts/pollux/templates/NOTES.txt";
const PARTS: &str = "scripts/test";
/// Of what a block may be. Commands are `sh`, which `scripts/docs-commands` runs.
const LANGUAGES: [&str; 5] = ["sh", "text", "yaml", "rust", "json"];
/// How a command begins.
const PROGRAMS: [&str; 7] = ["kubectl ", "helm ", "cargo ", "make ", "curl ", "docker ", "e2e/cluster/cluster "];
/// What `scripts/docs-commands` understands by itself.
const RUNS: [&str; 4] = ["run", "run with sim", "run with mapper", "cluster"];

pub(crate) fn check(root: &Path, pages: &[Page]) -> Result<Vec<String>> {
    let parts = parts(&fs::read_to_string(root.join(PARTS)).context(PARTS)?);
    let notes = fs::read_to_string(root.join(NOTES)).context(NOTES)?;
    let tried: BTreeSet<String> =
        pages.iter().flat_map(Page::shell).flat_map(|b| b.commands().map(str::to_owned).collect::<Vec<_>>()).collect();
    let mut wrong = vec![];
    for page in pages {
        let blocks = page.blocks();
        let faults = blocks.iter().filter_map(|block| Some((block.line, fault(root, &parts, page, block)?)));
        wrong.extend(faults.map(|(line, why)| format!("{}:{line}: {why}", page.path)));
        let inline = page.inline().into_iter().filter(|(_, code)| is_command(code) && !is_tried(code, &tried));
        wrong.extend(
            inline.map(|(line, code)| format!("{}:{line}: `{code}` stands in no block that is run", page.path)),
        );
    }
    let untried = notes_commands(&notes).into_iter().filter(|(_, command)| !is_tried(command, &tried));
    wrong.extend(untried.map(|(line, command)| format!("{NOTES}:{line}: `{command}` stands in no block of the docs")));
    Ok(wrong)
}

/// What is wrong with a block, if anything.
fn fault(root: &Path, parts: &BTreeSet<String>, page: &Page, block: &Block) -> Option<String> {
    let language = block.language.as_str();
    if !LANGUAGES.contains(&language) {
        return Some(format!("a block is one of {}; commands are sh, is {language:?}", LANGUAGES.join(", ")));
    }
    if language != "sh" {
        return None;
    }
    let Some(how) = block.how.as_deref() else {
        return Some("no <!-- test: … --> before the commands: nobody would notice when they break".into());
    };
    if let Some(name) = how.strip_prefix("part ") {
        return (!parts.contains(name)).then(|| format!("{PARTS} has no part {name:?}"));
    }
    if let Some(file) = how.strip_prefix("in ") {
        let text = fs::read_to_string(root.join(file)).unwrap_or_default();
        return block.commands().find(|c| !text.contains(*c)).map(|c| format!("{file} does not run `{c}`"));
    }
    if how.starts_with("by hand: ") {
        return (page.path != "CONTRIBUTING.md").then(|| "what readers are told is tried, not by hand".into());
    }
    let known = RUNS.contains(&how) || how.starts_with("background until \"");
    (!known).then(|| format!("<!-- test: {how} --> is not known"))
}

/// Names of the parts of `make test`.
fn parts(script: &str) -> BTreeSet<String> {
    let names = script.lines().filter_map(|line| line.trim_start().strip_prefix("part ")?.split(' ').next());
    names.map(str::to_owned).collect()
}

fn is_command(code: &str) -> bool {
    PROGRAMS.iter().any(|program| code.starts_with(program))
}

/// A command may be named by its beginning.
fn is_tried(command: &str, tried: &BTreeSet<String>) -> bool {
    tried.iter().any(|t| t.strip_prefix(command).is_some_and(|rest| rest.is_empty() || rest.starts_with(' ')))
}

/// What the chart's notes tell to type, as it is for a release of the usual name; what has a gap to fill in cannot be run.
fn notes_commands(notes: &str) -> Vec<(usize, String)> {
    let plain = notes.replace("{{ .Release.Name }}", "pollux").replace("{{ .Release.Namespace }}", "pollux-system");
    let lines =
        plain.lines().enumerate().map(|(at, line)| (at + 1, line.split("  #").next().unwrap_or_default().trim()));
    let commands =
        lines.flat_map(|(at, line)| line.split(" && ").map(move |command| (at, command)).collect::<Vec<_>>());
    let whole = commands.filter(|(_, line)| is_command(line) && !line.contains('…'));
    whole.map(|(at, line)| (at, line.to_owned())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "part demo \"x\"\n";

    fn wrong(path: &str, text: &str, notes: &str) -> Vec<String> {
        let root = tempfile::tempdir().unwrap();
        for (name, text) in [(PARTS, TEXT), (NOTES, notes), ("ci", "exec make test\n")] {
            let path = root.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        check(root.path(), &[Page { path: path.into(), text: text.into() }]).unwrap()
    }

    #[test]
    fn a_block_that_nothing_runs_is_named() {
        let block = |language: &str, how: &str| format!("{how}\n```{language}\nmake test\n```\n");
        for how in ["run", "cluster", "part demo", "in ci", "background until \"x\""] {
            assert_eq!(
                wrong("a.md", &block("sh", &format!("<!-- test: {how} -->")), ""),
                Vec::<String>::new(),
                "{how}"
            );
        }
        for (text, says) in [
            (block("sh", ""), "a.md:2: no <!-- test: … -->"),
            (block("bash", "<!-- test: run -->"), "a.md:2: a block is one of sh, text"),
            (block("", ""), "commands are sh, is \"\""),
            (block("sh", "<!-- test: part dmeo -->"), "scripts/test has no part \"dmeo\""),
            (block("sh", "<!-- test: in nowhere -->"), "nowhere does not run `make test`"),
            (block("sh", "<!-- test: by hand: large -->"), "not by hand"),
            (block("sh", "<!-- test: rnu -->"), "<!-- test: rnu --> is not known"),
        ] {
            let wrong = wrong("a.md", &text, "");
            assert!(wrong.len() == 1 && wrong[0].contains(says), "{says}: {wrong:?}");
        }
        assert!(wrong("CONTRIBUTING.md", &block("sh", "<!-- test: by hand: large -->"), "").is_empty());
    }

    #[test]
    fn a_command_in_running_text_or_in_the_notes_stands_in_a_block_too() {
        let text = "`kubectl get devices` and `helm test`, `make`, `kubectl delete all`\n<!-- test: cluster -->\n```sh\nkubectl get devices   # all\nhelm test pollux --namespace pollux-system\n```\n";
        let notes = "Next:\n  kubectl get devices  # x\n  helm test {{ .Release.Name }} --namespace {{ .Release.Namespace }}\n  helm upgrade … --x\n  kubectl get devices && helm uninstall {{ .Release.Name }}\n";
        assert_eq!(
            wrong("a.md", text, notes),
            [
                "a.md:1: `kubectl delete all` stands in no block that is run".to_owned(),
                format!("{NOTES}:5: `helm uninstall pollux` stands in no block of the docs")
            ]
        );
    }
}
