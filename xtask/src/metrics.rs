//! The reference of all metrics of a mapper, from its catalog.
use crate::files::Files;
use pollux_mapper::metrics::catalog;
use std::collections::BTreeMap;

const HEAD: &str = "\
<!-- Generated from the mapper's catalog by `cargo xtask docs`; edits are lost. -->
# All metrics of a mapper

At `/metrics` of every mapper, with a cluster and without.

| metric | type | labels | |
|---|---|---|---|
";

pub(crate) fn files() -> Files {
    let rows = catalog().into_iter().map(|doc| {
        let labels: Vec<String> = doc.labels.iter().map(|label| format!("`{label}`")).collect();
        format!("| `{}` | {} | {} | {} |", doc.name, doc.kind.as_str(), labels.join(", "), doc.help)
    });
    let text = rows.fold(HEAD.to_owned(), |text, row| text + &row + "\n");
    Files(BTreeMap::from([("docs/reference/metrics.md".to_owned(), text)]))
}
