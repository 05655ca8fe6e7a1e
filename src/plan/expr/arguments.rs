//! What filters and functions are given: arguments by their places, and the text or the bytes in a value.

use minijinja::Value;
use minijinja::value::ValueKind;

use super::budget::Budget;
use super::number::Number;
use super::value::describe;

/// Evaluated arguments, in the places of their parameters.
pub(super) struct Arguments<'v>(pub(super) &'v [Option<Value>]);

impl Arguments<'_> {
    pub(super) fn value(&self, at: usize) -> Option<&Value> {
        self.0.get(at).and_then(Option::as_ref)
    }

    pub(super) fn text(&self, at: usize) -> Result<Option<&str>, String> {
        let text = |value| Value::as_str(value).ok_or_else(|| format!("an argument is {}, not a string", describe(value)));
        self.value(at).map(text).transpose()
    }

    pub(super) fn whole(&self, at: usize) -> Result<Option<i128>, String> {
        let whole = |value| match Number::of(value) {
            Some(Number::Whole(whole)) => Ok(whole),
            Some(Number::Float(_)) | None => Err(format!("an argument is {}, not a whole number", describe(value))),
        };
        self.value(at).map(whole).transpose()
    }

    pub(super) fn flag(&self, at: usize) -> Result<bool, String> {
        match self.value(at) {
            None => Ok(false),
            Some(value) if value.kind() == ValueKind::Bool => Ok(value.is_true()),
            Some(value) => Err(format!("an argument is {}, not true or false", describe(value))),
        }
    }

    /// Steps of `a.b.0`, none if the argument is not given.
    pub(super) fn path(&self, at: usize) -> Result<Vec<Value>, String> {
        let step = |step: &str| step.parse::<i64>().map_or_else(|_| Value::from(step), Value::from);
        Ok(self.text(at)?.map(|path| path.split('.').map(step).collect()).unwrap_or_default())
    }
}

/// The text in a value that must be one.
pub(super) fn text_in<'v>(value: &'v Value, budget: &mut Budget) -> Result<&'v str, String> {
    let text = value.as_str().ok_or_else(|| format!("{} is not a string", describe(value)))?;
    budget.text(text.len())?;
    Ok(text)
}

/// The bytes in a value: those that an answer has, or those of a text. A text in which some were no text is refused, as it has other
/// bytes than what it was made of.
pub(super) fn bytes_in<'v>(value: &'v Value, budget: &mut Budget) -> Result<&'v [u8], String> {
    let bytes = value.as_bytes().ok_or_else(|| format!("{} is neither a string nor bytes", describe(value)))?;
    budget.text(bytes.len())?;
    if value.kind() == ValueKind::String && value.as_str().is_some_and(|text| text.contains(char::REPLACEMENT_CHARACTER)) {
        return Err(format!(
            "{} stands for bytes that are no text; take `body_raw`, which has them as they came",
            describe(value)
        ));
    }
    Ok(bytes)
}
