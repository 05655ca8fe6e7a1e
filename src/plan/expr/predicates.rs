//! The tests of `is`, `select` and their kin: an allow-list.
//!
//! One more is a row of [`PREDICATES`]. `defined`, `undefined` and `matching` are parts of the tree, as they need more than
//! values. A test answers only about what it is meant for: `is odd` of a string is an error, not false.

use std::cmp::Ordering;

use minijinja::Value;
use minijinja::value::ValueKind;

use super::budget::Budget;
use super::compare::{contains, equal, order_paid};
use super::number::Number;
use super::sets::{self, Wanted};
use super::value::describe;

/// A named question about a value.
pub(super) struct Predicate {
    pub(super) name: &'static str,
    pub(super) arguments: usize,
    pub(super) ask: Ask,
    /// What it wants of two lists, if that is what it compares.
    pub(super) lists: Option<Wanted>,
}

type Ask = fn(&Value, &[Value], &mut Budget) -> Result<bool, String>;

impl std::fmt::Debug for Predicate {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name)
    }
}

const fn test(name: &'static str, arguments: usize, ask: Ask) -> Predicate {
    Predicate { name, arguments, ask, lists: None }
}

/// A test that compares two lists.
const fn of_lists(name: &'static str, wanted: Wanted, ask: Ask) -> Predicate {
    Predicate { lists: Some(wanted), ..test(name, 1, ask) }
}

static PREDICATES: [Predicate; 28] = [
    test("boolean", 0, |value, _, _| Ok(value.kind() == ValueKind::Bool)),
    test("divisibleby", 1, |value, arguments, _| {
        let divisor = whole(&arguments[0])?;
        whole(value)?.checked_rem(divisor).map(|rest| rest == 0).ok_or_else(|| "nothing can be divided by 0".into())
    }),
    test("endingwith", 1, |value, arguments, _| Ok(text(value)?.ends_with(text(&arguments[0])?))),
    test("eq", 1, |value, arguments, budget| equal(value, &arguments[0], budget)),
    test("equalto", 1, |value, arguments, budget| equal(value, &arguments[0], budget)),
    test("even", 0, |value, _, _| Ok(whole(value)? % 2 == 0)),
    test("false", 0, |value, _, _| Ok(value.kind() == ValueKind::Bool && !value.is_true())),
    test("float", 0, |value, _, _| Ok(value.kind() == ValueKind::Number && !value.is_integer())),
    test("ge", 1, |value, arguments, budget| Ok(order_paid(value, &arguments[0], budget)? != Ordering::Less)),
    test("gt", 1, |value, arguments, budget| Ok(order_paid(value, &arguments[0], budget)? == Ordering::Greater)),
    test("in", 1, |value, arguments, budget| contains(&arguments[0], value, budget)),
    test("integer", 0, |value, _, _| Ok(value.is_integer())),
    test("iterable", 0, |value, _, _| Ok(value.try_iter().is_ok() && value.kind() != ValueKind::None)),
    test("le", 1, |value, arguments, budget| Ok(order_paid(value, &arguments[0], budget)? != Ordering::Greater)),
    test("lower", 0, |value, _, budget| {
        budget.value(value)?;
        text(value).map(|text| text == text.to_lowercase())
    }),
    test("lt", 1, |value, arguments, budget| Ok(order_paid(value, &arguments[0], budget)? == Ordering::Less)),
    test("mapping", 0, |value, _, _| Ok(value.kind() == ValueKind::Map)),
    test("ne", 1, |value, arguments, budget| equal(value, &arguments[0], budget).map(|equal| !equal)),
    test("none", 0, |value, _, _| Ok(value.is_none())),
    test("number", 0, |value, _, _| Ok(value.kind() == ValueKind::Number)),
    test("odd", 0, |value, _, _| Ok(whole(value)? % 2 != 0)),
    test("sequence", 0, |value, _, _| Ok(matches!(value.kind(), ValueKind::Seq | ValueKind::Iterable))),
    test("startingwith", 1, |value, arguments, _| Ok(text(value)?.starts_with(text(&arguments[0])?))),
    test("string", 0, |value, _, _| Ok(value.kind() == ValueKind::String)),
    of_lists("subset", Wanted::NothingElse, |value, arguments, budget| sets::is_subset(value, &arguments[0], budget)),
    of_lists("superset", Wanted::AllOfIt, |value, arguments, budget| sets::is_subset(&arguments[0], value, budget)),
    test("true", 0, |value, _, _| Ok(value.kind() == ValueKind::Bool && value.is_true())),
    test("upper", 0, |value, _, budget| {
        budget.value(value)?;
        text(value).map(|text| text == text.to_uppercase())
    }),
];

/// Names of all tests.
pub(super) fn known() -> impl Iterator<Item = &'static str> {
    PREDICATES.iter().map(|predicate| predicate.name).chain(["defined", "undefined", "matching"])
}

pub(super) fn find(name: &str) -> Option<&'static Predicate> {
    PREDICATES.iter().find(|predicate| predicate.name == name)
}

fn text(value: &Value) -> Result<&str, String> {
    value.as_str().ok_or_else(|| format!("{} is not a string", describe(value)))
}

fn whole(value: &Value) -> Result<i128, String> {
    match Number::of(value) {
        Some(Number::Whole(whole)) => Ok(whole),
        Some(Number::Float(_)) | None => Err(format!("{} is not a whole number", describe(value))),
    }
}
