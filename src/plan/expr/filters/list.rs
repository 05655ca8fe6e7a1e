//! Filters on lists and maps.

use std::cmp::Ordering;
use std::collections::HashSet;

use minijinja::Value;
use minijinja::value::ValueKind;

use super::super::arguments::Arguments;
use super::super::budget::{Budget, MAX_TEXT, may_build_text};
use super::super::compare::{identity, order, order_paid};
use super::super::container;
use super::super::number::{Number, Operator, calculate};
use super::super::sets;
use super::super::value::{describe, items_of, sequence, text_of};
use super::follow;

/// Why a filter has no value where something that it looks for is not there.
pub(super) const NO_ATTRIBUTE: &str = "an item has no such attribute";

/// Characters of a string, items of a list, entries of a map.
pub(super) fn length(value: &Value, _: &Arguments<'_>, budget: &mut Budget) -> Result<Value, String> {
    let length = match (value.as_str().filter(|_| value.kind() == ValueKind::String), value.kind()) {
        (None, ValueKind::Bytes) => value.as_bytes().map_or(0, <[u8]>::len),
        (Some(text), _) => {
            budget.text(text.len())?;
            text.chars().count()
        }
        (None, ValueKind::Seq | ValueKind::Map | ValueKind::Iterable) => match value.len() {
            Some(length) => length,
            None => items_of(value, budget)?.len(),
        },
        _ => return Err(format!("{} has no length", describe(value))),
    };
    Ok(Value::from(length))
}

pub(super) fn first(value: &Value, _: &Arguments<'_>, budget: &mut Budget) -> Result<Value, String> {
    Ok(sequence(value, budget)?.into_iter().next().unwrap_or(Value::UNDEFINED))
}

pub(super) fn last(value: &Value, _: &Arguments<'_>, budget: &mut Budget) -> Result<Value, String> {
    Ok(sequence(value, budget)?.into_iter().next_back().unwrap_or(Value::UNDEFINED))
}

pub(super) fn list(value: &Value, _: &Arguments<'_>, budget: &mut Budget) -> Result<Value, String> {
    items_of(value, budget).and_then(container::list)
}

pub(super) fn reverse(value: &Value, _: &Arguments<'_>, budget: &mut Budget) -> Result<Value, String> {
    if let Some(text) = value.as_str() {
        budget.text(text.len())?;
        return Ok(Value::from(text.chars().rev().collect::<String>()));
    }
    container::list(sequence(value, budget)?.into_iter().rev().collect())
}

pub(super) fn keys(value: &Value, _: &Arguments<'_>, budget: &mut Budget) -> Result<Value, String> {
    container::list(entries(value, budget)?.into_iter().map(|(key, _)| key).collect())
}

pub(super) fn values(value: &Value, _: &Arguments<'_>, budget: &mut Budget) -> Result<Value, String> {
    container::list(entries(value, budget)?.into_iter().map(|(_, value)| value).collect())
}

/// Pairs of key and value.
pub(super) fn items(value: &Value, _: &Arguments<'_>, budget: &mut Budget) -> Result<Value, String> {
    let pairs = entries(value, budget)?.into_iter().map(|(key, value)| container::list(vec![key, value]));
    container::list(pairs.collect::<Result<_, _>>()?)
}

/// Items as text with a separator between them.
pub(super) fn join(value: &Value, arguments: &Arguments<'_>, budget: &mut Budget) -> Result<Value, String> {
    let separator = arguments.text(0)?.unwrap_or_default();
    let path = arguments.path(1)?;
    let mut joined = String::new();
    for (at, item) in sequence(value, budget)?.into_iter().enumerate() {
        let text = text_of(&attribute(&item, &path)?)?;
        budget.text(text.len())?;
        if at > 0 {
            joined.push_str(separator);
        }
        joined.push_str(&text);
        if joined.len() > MAX_TEXT {
            may_build_text(Some(joined.len()))?;
        }
    }
    Ok(Value::from(joined))
}

pub(super) fn sum(value: &Value, arguments: &Arguments<'_>, budget: &mut Budget) -> Result<Value, String> {
    let path = arguments.path(0)?;
    let start = Number::of(arguments.value(1).unwrap_or(&Value::from(0))).ok_or("the start of a sum is a number")?;
    let add = |sum: Number, item: &Value| {
        let item = attribute(item, &path)?;
        let number = Number::of(&item).ok_or_else(|| format!("{} cannot be added up", describe(&item)))?;
        calculate(Operator::Add, sum, number).ok_or_else(|| "the sum is too large".to_owned())
    };
    sequence(value, budget)?.iter().try_fold(start, add).map(Number::into_value)
}

pub(super) fn min(value: &Value, arguments: &Arguments<'_>, budget: &mut Budget) -> Result<Value, String> {
    extreme(value, arguments, budget, Ordering::Less)
}

pub(super) fn max(value: &Value, arguments: &Arguments<'_>, budget: &mut Budget) -> Result<Value, String> {
    extreme(value, arguments, budget, Ordering::Greater)
}

fn extreme(value: &Value, arguments: &Arguments<'_>, budget: &mut Budget, wanted: Ordering) -> Result<Value, String> {
    let path = arguments.path(0)?;
    let mut found: Option<(Value, Value)> = None;
    for item in sequence(value, budget)? {
        let key = attribute(&item, &path)?;
        // Compared with itself where it is the first, so that a list of one must be comparable, too.
        let rank = order_paid(&key, found.as_ref().map_or(&key, |(_, best)| best), budget)?;
        if found.is_none() || rank == wanted {
            found = Some((item, key));
        }
    }
    Ok(found.map_or(Value::UNDEFINED, |(item, _)| item))
}

/// In order, equal items as they were.
pub(super) fn sort(value: &Value, arguments: &Arguments<'_>, budget: &mut Budget) -> Result<Value, String> {
    let (reverse, path) = (arguments.flag(0)?, arguments.path(1)?);
    let items = sequence(value, budget)?;
    let rounds = items.len().max(2).ilog2() as usize;
    budget.items(items.len().saturating_mul(rounds))?;
    let keyed = items.into_iter().map(|item| attribute(&item, &path).map(|key| (key, item)));
    let mut keyed = keyed.collect::<Result<Vec<_>, _>>()?;
    // All must be comparable with one and so with each other: a sort by something that is no order may panic.
    if let Some((first, _)) = keyed.first() {
        keyed.iter().try_for_each(|(key, _)| order(first, key).map(drop))?;
    }
    // Each key is read about once a round, to its end where it is like its neighbour.
    let text: usize = keyed.iter().filter_map(|(key, _)| key.as_str()).map(str::len).sum();
    budget.text(text.saturating_mul(rounds))?;
    keyed.sort_by(|(left, _), (right, _)| {
        let order = order(left, right).unwrap_or(Ordering::Equal);
        if reverse { order.reverse() } else { order }
    });
    container::list(keyed.into_iter().map(|(_, item)| item).collect())
}

/// Each item once, in the order of first appearance.
pub(super) fn unique(value: &Value, arguments: &Arguments<'_>, budget: &mut Budget) -> Result<Value, String> {
    let path = arguments.path(0)?;
    let mut seen = HashSet::new();
    let mut kept = Vec::new();
    for item in sequence(value, budget)? {
        if seen.insert(identity(&attribute(&item, &path)?, budget)?) {
            kept.push(item);
        }
    }
    container::list(kept)
}

/// The items that the other list does not have, in their order and as often as they are there.
pub(super) fn difference(value: &Value, arguments: &Arguments<'_>, budget: &mut Budget) -> Result<Value, String> {
    sets::kept(value, arguments.value(0).unwrap_or(&Value::UNDEFINED), false, budget).and_then(container::list)
}

/// The items that the other list has too, in their order and as often as they are there.
pub(super) fn intersect(value: &Value, arguments: &Arguments<'_>, budget: &mut Budget) -> Result<Value, String> {
    sets::kept(value, arguments.value(0).unwrap_or(&Value::UNDEFINED), true, budget).and_then(container::list)
}

fn attribute(item: &Value, path: &[Value]) -> Result<Value, String> {
    let found = follow(item, path);
    match found.kind() {
        ValueKind::Undefined => Err(NO_ATTRIBUTE.into()),
        ValueKind::Invalid => Err(describe(&found)),
        _ => Ok(found),
    }
}

fn entries(value: &Value, budget: &mut Budget) -> Result<Vec<(Value, Value)>, String> {
    if value.kind() != ValueKind::Map {
        return Err(format!("{} is no map", describe(value)));
    }
    let keys = items_of(value, budget)?;
    Ok(keys.into_iter().map(|key| (key.clone(), value.get_item(&key).unwrap_or(Value::UNDEFINED))).collect())
}
