//! CEL over the properties of a device, all numbers being doubles.
use crate::Value;

/// A compiled expression.
#[derive(Debug)]
pub struct Expression {
    variables: Vec<String>,
}

/// Why an expression cannot be used, or has no value.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct ExpressionError(pub String);

impl Expression {
    /// Checks the grammar and the functions.
    pub fn compile(text: &str) -> Result<Self, ExpressionError> {
        Err(ExpressionError(text.to_owned()))
    }
    /// The properties that it reads, each once, sorted.
    pub fn variables(&self) -> &[String] {
        &self.variables
    }
    /// Its value; `get` gives the value of a property, None where it has none.
    pub fn evaluate(&self, get: &dyn Fn(&str) -> Option<Value>) -> Result<Value, ExpressionError> {
        get("").ok_or_else(|| ExpressionError(String::new()))
    }
}
