//! Strict equality, order and containment.
//!
//! Values of different kinds are never equal and have no order. Numbers compare exactly, whatever their representation; a
//! truth value is no number.

use std::cmp::Ordering;

use minijinja::Value;
use minijinja::value::ValueKind;

use super::budget::{Budget, MAX_TEXT};
use super::json_text::JsonText;
use super::number::Number;
use super::value::{describe, items_of};

/// Deepest lists and maps inside each other that are compared.
const MAX_DEPTH: usize = 300;

/// Whether two values are the same.
pub(super) fn equal(left: &Value, right: &Value, budget: &mut Budget) -> Result<bool, String> {
    equal_at(left, right, budget, 0)
}

fn equal_at(left: &Value, right: &Value, budget: &mut Budget, depth: usize) -> Result<bool, String> {
    if depth > MAX_DEPTH {
        return Err("the values are nested too deep to compare".into());
    }
    if let (Some(left), Some(right)) = (left.as_str(), right.as_str()) {
        budget.text(left.len().min(right.len()))?;
        return Ok(left == right);
    }
    budget.items(1)?;
    match (left.kind(), right.kind()) {
        (ValueKind::None, ValueKind::None) => Ok(true),
        (ValueKind::Bool, ValueKind::Bool) => Ok(left.is_true() == right.is_true()),
        (ValueKind::Number, ValueKind::Number) => {
            Ok(Number::of(left).zip(Number::of(right)).and_then(|(left, right)| left.compare(right)) == Some(Ordering::Equal))
        }
        (ValueKind::Bytes, ValueKind::Bytes) => Ok(left.as_bytes() == right.as_bytes()),
        (ValueKind::Seq | ValueKind::Iterable, ValueKind::Seq | ValueKind::Iterable) => {
            let (left, right) = (items_of(left, budget)?, items_of(right, budget)?);
            // What failed decides nothing, also where the lists differ elsewhere.
            if let Some(hole) = left.iter().chain(&right).find(|item| item.kind() == ValueKind::Invalid) {
                return Err(describe(hole));
            }
            if left.len() != right.len() {
                return Ok(false);
            }
            all(left.iter().zip(&right), |(left, right)| equal_at(left, right, budget, depth + 1))
        }
        (ValueKind::Map, ValueKind::Map) => {
            if left.len() != right.len() {
                return Ok(false);
            }
            let keys = items_of(left, budget)?;
            all(keys.iter(), |key| match (left.get_item(key), right.get_item(key)) {
                (Ok(left), Ok(right)) if !right.is_undefined() => equal_at(&left, &right, budget, depth + 1),
                _ => Ok(false),
            })
        }
        (ValueKind::Invalid, _) => Err(describe(left)),
        (_, ValueKind::Invalid) => Err(describe(right)),
        _ => Ok(false),
    }
}

fn all<T>(items: impl Iterator<Item = T>, mut holds: impl FnMut(T) -> Result<bool, String>) -> Result<bool, String> {
    for item in items {
        if !holds(item)? {
            return Ok(false);
        }
    }
    Ok(true)
}

/// The order of two finite numbers or two strings.
pub(super) fn order(left: &Value, right: &Value) -> Result<Ordering, String> {
    if let (Some(left), Some(right)) = (left.as_str(), right.as_str()) {
        return Ok(left.cmp(right));
    }
    match (Number::of(left), Number::of(right)) {
        (Some(left), Some(right)) if left.is_finite() && right.is_finite() => left.compare(right),
        _ => None,
    }
    .ok_or_else(|| {
        format!(
            "there is no order between {} and {}: it takes two finite numbers or two strings",
            describe(left),
            describe(right)
        )
    })
}

/// The same, paid for.
pub(super) fn order_paid(left: &Value, right: &Value, budget: &mut Budget) -> Result<Ordering, String> {
    if let (Some(left), Some(right)) = (left.as_str(), right.as_str()) {
        budget.text(left.len().min(right.len()))?;
    }
    order(left, right)
}

/// A text that is the same for equal values and differs for others.
pub(super) fn identity(value: &Value, budget: &mut Budget) -> Result<String, String> {
    let mut text = JsonText::canonical(MAX_TEXT, budget);
    text.value(value)?;
    Ok(text.finish())
}

/// Whether `item` is in `container`: a part of a string, an item of a list, a key of a map.
pub(super) fn contains(container: &Value, item: &Value, budget: &mut Budget) -> Result<bool, String> {
    if let Some(text) = container.as_str() {
        let Some(part) = item.as_str() else {
            return Err(format!("only a string can be in a string, not {}", describe(item)));
        };
        budget.text(text.len().saturating_add(part.len()))?;
        return Ok(text.contains(part));
    }
    match container.kind() {
        ValueKind::Seq | ValueKind::Iterable => {
            for candidate in items_of(container, budget)? {
                if equal(&candidate, item, budget)? {
                    return Ok(true);
                }
            }
            Ok(false)
        }
        ValueKind::Map => match item.as_str() {
            Some(key) => Ok(container.get_attr(key).is_ok_and(|value| !value.is_undefined())),
            None => Err(format!("only a string can be a key, not {}", describe(item))),
        },
        _ => Err(format!("nothing can be in {}: it takes a string, a list or a map", describe(container))),
    }
}
