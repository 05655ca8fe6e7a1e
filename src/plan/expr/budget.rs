//! What one evaluation may cost.
//!
//! The language has no loops and each part of an expression is evaluated at most once for each item of a list, so the parts
//! are bounded by the parser; what remains is how much data they touch and build, and that is counted here.

use minijinja::Value;

use super::fuel::{self, BYTES_PER_UNIT};
use super::meter::{Meter, Stopped, metered};

/// Units of work in one evaluation: an item of a list or map touched, or [`BYTES_PER_UNIT`] of text. Some tens of
/// milliseconds at worst, which no worker of the runtime is held for: see [`fuel`].
const WORK: usize = 500_000;

/// Largest text an expression or template may build, in bytes.
pub(super) const MAX_TEXT: usize = 1 << 20;

/// Longest list an operator, `range` or a filter may build out of nothing.
pub(super) const MAX_LIST: usize = 10_000;

/// Why work was left that is to be done elsewhere.
const NOT_HERE: &str = "it costs more than may be spent here";

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
        self.take(count)?;
        if fuel::spend(count) { Ok(()) } else { Err(NOT_HERE.into()) }
    }

    fn take(&mut self, count: usize) -> Result<(), String> {
        let left = self.work.checked_sub(count);
        self.work = left
            .ok_or_else(|| format!("it costs more than one evaluation may ({WORK} items touched); look at less data at once"))?;
        Ok(())
    }

    /// Does work that counts its own steps, for what is left.
    pub(super) fn metered<T>(&mut self, work: impl FnOnce(&Meter) -> T) -> Result<T, String> {
        match metered(self.work, work) {
            Ok((done, units)) => self.take(units).map(|()| done),
            Err(Stopped::TooMuch) => Err(self.take(self.work + 1).err().unwrap_or_default()),
            Err(Stopped::Fuel) => Err(NOT_HERE.into()),
        }
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

#[cfg(test)]
mod tests {
    use minijinja::Value;

    use super::super::testing::{eval_json, here};
    use super::super::{Condition, Expression};

    #[test]
    fn nothing_allocates_or_runs_without_end() {
        for source in [
            "'x' * 10 ** 9",
            "1000000000 * 'x'",
            "'xy' * 600000 ~ 'x'",
            "[1] * 10 ** 9",
            "[1] * 10 ** 30",
            "range(10 ** 12) | list",
            "range(0, 10 ** 30)",
            "range(-170141183460469231731687303715884105727, 170141183460469231731687303715884105727)",
            "range(10000) | join('x' * 1000)",
            "'x' * 1000000 ~ 'x' * 1000000",
            "'a' * 1000000 | replace('a', 'bb' * 1000)",
            "'a' * 1000000 | urlencode",
            "'a' * 1000000 | b64encode",
            "'a b ' * 100000 | split",
            "'a' * 1000000 | list",
            "(range(10000) | list) + range(10000)",
            "random_hex(10 ** 9)",
            "range(10000) | map('string') | select('in', range(10000)) | list",
            "range(10000) | select('in', range(10000) | sort(reverse=true) | list)",
            "2 ** 10 ** 9 ** 9",
            "10 ** 39",
            "170141183460469231731687303715884105727 + 1",
        ] {
            assert!(eval_json(source, "{}").starts_with("ERROR"), "{source}");
        }
        for empty in ["'' * 10 ** 18", "[] * 10 ** 18"] {
            assert!(eval_json(empty, "{}").len() == 2, "{empty}");
        }
    }

    #[test]
    fn naming_a_large_body_often_does_not_multiply_it() {
        let body = Value::from("x".repeat(4 << 20));
        let scope = Value::from_pairs([("body", body)]);
        let often = vec!["body"; 100].join(", ");
        for source in
            [format!("[{often}] | tojson"), format!("[{often}] | join"), format!("[{often}] | unique"), "body ~ body".into()]
        {
            assert!(Expression::parse(&source, here()).unwrap().eval(&scope).is_err(), "{}", &source[..20]);
        }
        assert!(Condition::parse("'xx' in body and body | length > 4000000", here()).unwrap().judge(&scope).held.unwrap());
    }

    #[test]
    fn a_regular_expression_that_would_be_huge_is_a_parse_error() {
        let error = Expression::parse("x | regex('(a{1000}){1000}')", here()).unwrap_err();
        assert!(error.message.contains("size limit"), "{}", error.message);
    }

    #[test]
    fn values_nested_deep_compare_without_exhausting_the_stack() {
        let mut deep = Value::from(1);
        for _ in 0..1_000 {
            deep = Value::from(vec![deep]);
        }
        let scope = Value::from_pairs([("a", deep.clone()), ("b", deep)]);
        assert!(Condition::parse("a == b", here()).unwrap().judge(&scope).held.is_err());
    }
}
