//! What the attempts of a step hand on: `carry` and `collect`.
//!
//! A carried name is known in the request, so that it is declared before the step's action is read; a list is known only where the
//! answer is looked at.

use std::collections::HashSet;
use std::sync::Arc;

use crate::outcome::is_credential;
use crate::plan::{Carry, Expression};

use super::super::keys::{StepItem, StepKeys};
use super::super::scope::{CARRIED, COLLECTED, NameScope, Stage};
use super::super::tree::Node;
use super::super::{Code, Diagnostic};

/// Reads the first values of `carry` and declares their names.
pub(super) fn begin<'f>(keys: &StepKeys<'f>, scope: &mut NameScope<'_, 'f>) -> Vec<Option<Expression>> {
    let read = |scope: &mut NameScope<'_, 'f>, node: &Node<'f>| {
        if matches!(node.as_text().map(str::trim), Some("none" | "null" | "None")) {
            let message = "the first value is null, which has no place in a request";
            scope.diagnostics.push(
                Diagnostic::at(Code::InvalidValue, node.span, message)
                    .help("`[]` leaves a key out of a query or form, `''` sends it empty"),
            );
        }
        scope.expression(node, Stage::BeforeStep)
    };
    let carried = keys.carry.items();
    let first: Vec<_> =
        carried.iter().map(|named| named.value.as_ref().and_then(|carry| *carry.from).map(|node| read(scope, node))).collect();
    private(keys, &first, scope);
    for named in keys.carry.items() {
        scope.declare(named.name(), named.entry.key_span, CARRIED);
    }
    first
}

/// Notes which of the names hold what must stay with its origin. The request is read before `next` and `collect` are, and must know what
/// it may be made of, by whichever way from name to name that goes from attempt to attempt.
fn private(keys: &StepKeys<'_>, first: &[Option<Expression>], scope: &mut NameScope<'_, '_>) {
    let ahead = |node: &Node<'_>| Expression::parse(node.as_text()?, node.span.location()).ok();
    let carried = keys.carry.items().iter();
    let next = carried.clone().map(|named| (named.name(), named.value.as_ref().and_then(|carry| *carry.next).and_then(ahead)));
    let lists = keys.collect.entries().map(|entry| (&*entry.key, ahead(&entry.value)));
    let from = carried.zip(first).map(|(named, from)| (named.name(), from.clone()));
    let made = next.chain(lists).chain(from).filter_map(|(name, made)| made.map(|made| (name, made)));
    let made: Vec<(&str, Vec<String>, bool)> =
        made.map(|(name, made)| (name, made.names(), is_credential(name) || scope.makes_private(&made))).collect();
    let mut found: HashSet<&str> = made.iter().filter(|(.., private)| *private).map(|(name, ..)| *name).collect();
    loop {
        let known = found.len();
        for (name, read, _) in &made {
            if read.iter().any(|read| found.contains(read.as_str())) {
                found.insert(name);
            }
        }
        if found.len() == known {
            break;
        }
    }
    scope.private.extend(found.into_iter().map(str::to_owned));
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
