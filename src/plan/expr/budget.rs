//! What one evaluation may cost.
//!
//! The language has no loops and each part of an expression is evaluated at most once for each item of a list, so the parts
//! are bounded by the parser; what remains is how much data they touch and build, and that is counted here.

use minijinja::Value;

/// Units of work in one evaluation: an item of a list or map touched, or [`BYTES_PER_UNIT`] of text. Some tens of
/// milliseconds at worst.
const WORK: usize = 500_000;

/// Text that counts as one unit, in bytes.
const BYTES_PER_UNIT: usize = 32;

/// Largest text an expression or template may build, in bytes.
pub(super) const MAX_TEXT: usize = 1 << 20;

/// Longest list an operator, `range` or a filter may build out of nothing.
pub(super) const MAX_LIST: usize = 10_000;

/// What is left.
#[derive(Debug)]
pub(super) struct Budget {
    work: usize,
}

impl Budget {
    pub(super) fn new() -> Self {
        Self { work: WORK }
    }

    /// Pays for touching so many items.
    pub(super) fn items(&mut self, count: usize) -> Result<(), String> {
        self.work = self
            .work
            .checked_sub(count)
            .ok_or_else(|| format!("it costs more than one evaluation may ({WORK} items touched); look at less data at once"))?;
        Ok(())
    }

    /// Pays for reading so many bytes of text.
    pub(super) fn text(&mut self, bytes: usize) -> Result<(), String> {
        self.items(1 + bytes / BYTES_PER_UNIT)
    }

    /// Pays for looking at all of a value's own level.
    pub(super) fn value(&mut self, value: &Value) -> Result<(), String> {
        match value.as_str() {
            Some(text) => self.text(text.len()),
            None => self.items(1 + value.len().unwrap_or(0)),
        }
    }
}

/// Refuses to build a text of so many bytes. `None` stands for more than a machine word.
pub(super) fn may_build_text(bytes: Option<usize>) -> Result<(), String> {
    match bytes {
        Some(bytes) if bytes <= MAX_TEXT => Ok(()),
        _ => Err(format!("the text would be larger than {MAX_TEXT} bytes")),
    }
}

/// Refuses to build a list of so many items. `None` stands for more than a machine word.
pub(super) fn may_build_list(items: Option<usize>) -> Result<(), String> {
    match items {
        Some(items) if items <= MAX_LIST => Ok(()),
        _ => Err(format!("the list would have more than {MAX_LIST} items")),
    }
}
