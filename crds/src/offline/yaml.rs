//! YAML as kubectl reads it: YAML 1.1 words (On, Off, Yes, No, y, n are booleans), old octal numbers, several documents. Bounded:
//! no file beyond 8 MiB, no alias bomb, no deep nesting. Stricter than kubectl in one thing: a key that stands twice is refused.
use serde_json::Value as Json;
use serde_saphyr::{Location, Spanned, options::DuplicateKeyPolicy};

/// Longest text, in bytes.
pub const MAX_BYTES: usize = 8 * 1024 * 1024;
const MAX_DEPTH: usize = 64;
const MAX_NODES: usize = 1_000_000;
const MAX_REPLAYED: usize = 100_000;

/// One document, and the line at which it starts.
#[derive(Debug, Clone, PartialEq)]
pub struct Document {
    /// Its first line, from 1.
    pub line: u64,
    /// What it says.
    pub value: Json,
}

/// Why a text cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum YamlError {
    /// The whole text is refused before it is parsed.
    #[error("larger than {} MiB", MAX_BYTES / 1024 / 1024)]
    TooLarge,
    /// It is not YAML, or beyond a bound.
    #[error("line {line}: {message}")]
    Syntax {
        /// Line, from 1; 0: not known.
        line: u64,
        /// What is wrong.
        message: String,
    },
}

/// Every document that is not empty.
pub fn read(text: &str) -> Result<Vec<Document>, YamlError> {
    if text.len() > MAX_BYTES {
        return Err(YamlError::TooLarge);
    }
    let options = serde_saphyr::options! {
        duplicate_keys: DuplicateKeyPolicy::Error,
        strict_booleans: false,
        legacy_octal_numbers: true,
        with_snippet: false,
        alias_limits: serde_saphyr::alias_limits! { max_total_replayed_events: MAX_REPLAYED },
        budget: serde_saphyr::budget! { max_depth: MAX_DEPTH, max_nodes: MAX_NODES, max_documents: 10_000 },
    };
    let documents = serde_saphyr::from_multiple_with_options::<Spanned<Json>>(text, options);
    let documents = documents.map_err(|error| syntax(&error))?;
    Ok(documents
        .into_iter()
        .map(|Spanned { value, referenced, .. }| Document { line: referenced.line(), value })
        .collect())
}

fn syntax(error: &serde_saphyr::Error) -> YamlError {
    let line = error.location().as_ref().map_or(0, Location::line);
    let message = error.without_snippet().to_string();
    YamlError::Syntax { line, message: message.lines().next().unwrap_or_default().to_owned() }
}
