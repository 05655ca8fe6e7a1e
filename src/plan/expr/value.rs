//! Between JSON and expression values, without loss.

use minijinja::Value;

/// A JSON value as an expression value; whole numbers keep their digits.
pub fn from_json(json: &serde_json::Value) -> Value {
    Value::from(minijinja::value::Serde(json))
}

/// An expression value as JSON.
///
/// # Errors
/// If it holds something JSON cannot (a non-finite number, undefined, a function).
pub fn to_json(value: &Value) -> Result<serde_json::Value, String> {
    serde_json::to_value(value).map_err(|error| error.to_string())
}
