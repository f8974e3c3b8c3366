//! The reference of all metrics, from the catalogs of mapper and operator.
use crate::files::Files;
use pollux_mapper::metrics::catalog;
use pollux_operator::metrics::CATALOG;
use std::collections::BTreeMap;

const HEAD: &str = "\
<!-- Generated from the catalogs of mapper and operator by `cargo xtask docs`; edits are lost. -->
# All metrics
";

pub(crate) fn files() -> Files {
    let mapper = catalog().into_iter().map(|doc| row(doc.name, doc.kind.as_str(), doc.labels, doc.help));
    let operator = CATALOG.map(|doc| row(doc.name, doc.kind, doc.labels, &format!("{}.", doc.help)));
    let text = [
        HEAD.to_owned(),
        section("Mapper", "At `/metrics` of every mapper, with a cluster and without.", mapper),
        section("Operator", "At `/metrics` of the operator's Pods, port 8080.", operator.into_iter()),
    ];
    Files(BTreeMap::from([("docs/reference/metrics.md".to_owned(), text.concat())]))
}

fn section(title: &str, place: &str, rows: impl Iterator<Item = String>) -> String {
    let head = format!("\n## {title}\n\n{place}\n\n| metric | type | labels | |\n|---|---|---|---|\n");
    rows.fold(head, |text, row| text + &row)
}

fn row(name: &str, kind: &str, labels: &[&str], help: &str) -> String {
    let labels: Vec<String> = labels.iter().map(|label| format!("`{label}`")).collect();
    format!("| `{name}` | {kind} | {} | {help} |\n", labels.join(", "))
}
