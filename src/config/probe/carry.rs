//! What the attempts of a step hand on: `carry` and `collect`.
//!
//! A carried name is known in the request, so that it is declared before the step's action is read; a list is known only where the
//! answer is looked at.

use std::sync::Arc;

use crate::plan::{Carry, Expression};

use super::super::keys::{StepItem, StepKeys};
use super::super::scope::{CARRIED, COLLECTED, NameScope, Stage};
use super::super::{Code, Diagnostic};

/// Reads the first values of `carry` and declares their names.
pub(super) fn begin<'f>(keys: &StepKeys<'f>, scope: &mut NameScope<'_, 'f>) -> Vec<Option<Expression>> {
    let read = |scope: &mut NameScope<'_, 'f>, node| scope.expression(node, Stage::BeforeStep);
    let mut first = Vec::new();
    for named in keys.carry.items() {
        let carry = named.value.as_ref();
        let from = carry.and_then(|carry| *carry.from).map(|node| read(scope, node));
        if let Some(from) = &from {
            scope.holds(named.name(), from);
        }
        // The request is read before `next` is, and must know what it may be made of.
        let next =
            carry.and_then(|carry| *carry.next).and_then(|node| Expression::parse(node.as_text()?, node.span.location()).ok());
        if let Some(next) = next {
            scope.holds(named.name(), &next);
        }
        first.push(from);
    }
    for named in keys.carry.items() {
        scope.declare(named.name(), named.entry.key_span, CARRIED);
    }
    first
}

/// Reads what becomes of the carried values after an answer.
pub(super) fn finish<'f>(
    keys: &StepKeys<'f>,
    first: Vec<Option<Expression>>,
    stage: Stage,
    scope: &mut NameScope<'_, 'f>,
) -> Vec<Carry> {
    let mut carry = Vec::new();
    for (named, from) in keys.carry.items().iter().zip(first) {
        let next = named.value.as_ref().and_then(|carry| *carry.next).map(|node| scope.expression(node, stage));
        if let (Some(from), Some(next)) = (from, next) {
            carry.push(Carry { name: named.name().into(), from, next });
        }
    }
    carry
}

/// Reads `collect` and declares its lists.
pub(super) fn collect<'f>(keys: &StepKeys<'f>, stage: Stage, scope: &mut NameScope<'_, 'f>) -> Vec<(Arc<str>, Expression)> {
    let mut lists = Vec::new();
    for entry in keys.collect.entries() {
        let expression = scope.expression(&entry.value, stage);
        scope.holds(&entry.key, &expression);
        lists.push((entry.key.as_ref().into(), expression));
    }
    for entry in keys.collect.entries() {
        scope.declare(&entry.key, entry.key_span, COLLECTED);
    }
    lists
}

/// Reports either of them on a step that never makes a second attempt after an answer.
pub(super) fn needs_attempts(item: &StepItem<'_>, scope: &mut NameScope<'_, '_>) {
    let keys = &item.value;
    let repeats = keys.eventually.entry.or(keys.consistently.entry).is_some()
        || ["eventually", "consistently"].iter().any(|key| item.misspells(key));
    for entry in [keys.carry.entry, keys.collect.entry].into_iter().flatten().filter(|_| !repeats) {
        let help = match (&*entry.key, keys.repeat.entry.or(keys.for_each.entry)) {
            (_, Some(_)) => "rounds of a loop hand nothing on: let `eventually` make the attempts of one step",
            ("carry", None) => "add `eventually`; a value of one answer is a `capture`",
            (_, None) => "add `eventually`; a list of one answer is a `capture`",
        };
        let message = format!("`{}` has no effect without `eventually` or `consistently`", entry.key);
        scope.diagnostics.push(Diagnostic::at(Code::NeedsKey, entry.key_span, message).help(help));
    }
}
