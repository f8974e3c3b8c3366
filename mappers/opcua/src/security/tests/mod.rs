//! What is common to the tests of security.
mod endpoint;
mod identity;
mod lies;
mod made;
mod own;
mod peers;
mod trust;

use crate::{
    error::{Error, Result},
    settings::Settings,
};
use pollux_mapper::Cx;
use serde_json::{Value as Json, json};

/// Settings of a Device's block.
fn settings(url: &str, more: &Json) -> Settings {
    let mut block = json!({"url": url});
    for (field, value) in more.as_object().into_iter().flatten() {
        block[field] = value.clone();
    }
    Settings::new(&serde_json::from_value(block).unwrap()).unwrap()
}
fn secrets(all: &[(&str, &[u8])]) -> Cx {
    let secrets = all.iter().map(|(name, content)| ((*name).to_owned(), content.to_vec())).collect();
    Cx { secrets, ..Cx::default() }
}
/// The text of a refusal that stands where people look.
fn refusal<T: std::fmt::Debug>(result: Result<T>) -> String {
    match result.unwrap_err() {
        error @ (Error::Security(_) | Error::Config(_) | Error::Refused { .. }) => error.to_string(),
        other => panic!("{other:?}"),
    }
}
