//! What the attempts of a step hand on to each other: the values of `carry` and the lists of `collect`.
//!
//! Owns what an answer makes of them, and how large the lists may become. Nothing here changes anything: an answer gives a new state, so
//! that it can be looked at twice.

use std::collections::HashMap;
use std::sync::Arc;

use minijinja::Value;
use minijinja::value::ValueKind;

use crate::outcome::{Cause, Reason};
use crate::plan::expr::{EvalError, Lead, from_json, spend_bytes, to_json_within};
use crate::plan::{Expression, Step};

use super::environment::Environment;
use super::scope::Names;
use super::step_context::Captures;

/// Items that the lists of a step may have, all together.
const MOST_ITEMS: usize = 10_000;

/// Bytes that they may have, as JSON.
const MOST_BYTES: usize = 4 << 20;

/// Bytes that a carried value may have, as JSON: a cursor is a place in a list, or a link to one.
const LARGEST_CARRIED: usize = 16 << 10;

/// Bytes that are looked at of one item: more than fit, so that what is too large is told from what is no JSON.
const LARGEST_ITEM: usize = 2 * MOST_BYTES;

/// Why items are not added.
enum Refused {
    Full(String),
    Unusable(String),
}

/// The state before an attempt, or after it.
#[derive(Debug, Clone, Default)]
pub(super) struct HandedOn {
    /// As the step lists its `carry`.
    carried: Vec<Value>,
    /// As it lists its `collect`.
    lists: Vec<Value>,
    /// Of each list, where the items begin that were given since an answer last said where to go on.
    batches: Vec<usize>,
    /// Of each list, whether any answer had what is collected in it, be it nothing but an empty list.
    had: Vec<bool>,
    items: usize,
    bytes: usize,
}

/// What an answer makes of the lists.
pub(super) struct Collected {
    /// The state with them; `None` if it is the same.
    pub(super) next: Option<HandedOn>,
    /// The first list that neither this answer nor one before it had anything for.
    pub(super) never_had: Option<Cause>,
}

/// Why a state could not become another one.
#[derive(Debug)]
pub(super) struct Lost {
    pub(super) cause: Cause,
    /// Whether a list is full, so that no further answer fits.
    pub(super) is_full: bool,
}

impl HandedOn {
    /// The state before the first attempt.
    ///
    /// # Errors
    /// A first value cannot be had, or is null.
    pub(super) fn first(env: &Environment, step: &Step, names: &Names) -> Result<Self, Cause> {
        if step.carry.is_empty() && step.collect.is_empty() {
            return Ok(Self::default());
        }
        let scope = env.scope(names);
        let first = step.carry.iter().map(|carry| {
            let lost = |error| not_evaluable(env, step, &format!("carry.{}.from", carry.name), &carry.from, &error);
            let value = carry.from.eval(&scope).map_err(lost)?;
            // A null would have no place in a request.
            if value.is_none() { Err(lost(EvalError { message: "it is null".to_owned() })) } else { Ok(value) }
        });
        let lists = step.collect.iter().map(|_| Value::from(Vec::<Value>::new()));
        let carried = first.collect::<Result<_, _>>()?;
        let (batches, had) = (vec![0; step.collect.len()], vec![false; step.collect.len()]);
        Ok(Self { carried, lists: lists.collect(), batches, had, items: 0, bytes: 0 })
    }

    /// The names of the run and those of the state.
    pub(super) fn names(&self, step: &Step, outer: &Names) -> Names {
        let mut names = Arc::clone(outer);
        if !self.carried.is_empty() || !self.lists.is_empty() {
            Arc::make_mut(&mut names).extend(self.captures(step));
        }
        names
    }

    /// What the step leaves of it to the steps behind it.
    pub(super) fn captures(&self, step: &Step) -> Captures {
        let carried = step.carry.iter().map(|carry| &carry.name).zip(&self.carried);
        let lists = step.collect.iter().map(|(name, _)| name).zip(&self.lists);
        carried.chain(lists).map(|(name, value)| (Arc::clone(name), value.clone())).collect()
    }

    /// The state with what an answer adds to the lists.
    pub(super) fn collected(&self, env: &Environment, step: &Step, scope: &Value) -> Result<Collected, Lost> {
        let mut next: Option<Self> = None;
        let mut never_had = None;
        for (at, (name, expression)) in step.collect.iter().enumerate() {
            let what = || format!("collect.{name}");
            let lost = |error| Lost { cause: not_evaluable(env, step, &what(), expression, &error), is_full: false };
            let added = match expression.follow(scope).map_err(lost)? {
                Lead::Value(value) => items(&value).map_err(|message| lost(EvalError { message }))?,
                Lead::Null => Vec::new(),
                Lead::Nothing(_) if self.had[at] => continue,
                Lead::Nothing(error) => {
                    never_had.get_or_insert_with(|| never(env, step, &what(), expression, &error));
                    continue;
                }
            };
            if added.is_empty() && self.had[at] {
                continue;
            }
            let next = next.get_or_insert_with(|| self.clone());
            next.had[at] = true;
            next.add(at, added, !step.carry.is_empty()).map_err(|refused| {
                let why = match refused {
                    Refused::Unusable(message) => return lost(EvalError { message }),
                    Refused::Full(why) => why,
                };
                let message = format!("`{} = \"{}\"`: {why}; collect less of each answer", what(), expression.source());
                let cause = env.cause(Reason::NotEvaluable, Some(&step.name), &message);
                Lost { cause: located(cause, &what(), expression), is_full: true }
            })?;
        }
        Ok(Collected { next, never_had })
    }

    /// Adds items to a list. With `once`, those are left out that an earlier answer gave already that did not say where to go on: the last
    /// page is asked for again. What comes again although the target said where to go on is a duplicate, and is added.
    fn add(&mut self, at: usize, added: Vec<Value>, once: bool) -> Result<(), Refused> {
        let mut list: Vec<Value> = self.lists[at].try_iter().map_err(|error| Refused::Unusable(error.to_string()))?.collect();
        let mut known = if once { counted(&list[self.batches[at]..])? } else { HashMap::new() };
        for item in added {
            // A copy, so that nothing else of the answer is kept.
            let json = to_json_within(&item, LARGEST_ITEM).map_err(Refused::Unusable)?;
            let text = json.to_string();
            spend_bytes(text.len());
            if let Some(left) = known.get_mut(&text).filter(|left| **left > 0) {
                *left -= 1;
                continue;
            }
            self.items += 1;
            self.bytes += text.len();
            if self.items > MOST_ITEMS {
                return Err(Refused::Full(format!("all attempts together gave more than {MOST_ITEMS} items")));
            }
            if self.bytes > MOST_BYTES {
                return Err(Refused::Full(format!("what all attempts together gave is larger than {} MiB", MOST_BYTES >> 20)));
            }
            list.push(from_json(&json));
        }
        list.shrink_to_fit();
        self.lists[at] = Value::from(list);
        Ok(())
    }

    /// The state with the carried values that follow from an answer; where it has none, the old value stays.
    ///
    /// # Errors
    /// A value cannot be evaluated, or is too large to be sent again and again.
    pub(super) fn moved_on(&self, env: &Environment, step: &Step, scope: &Value) -> Result<Self, Cause> {
        let mut next = self.clone();
        let mut leads_on = false;
        for (carry, value) in step.carry.iter().zip(&mut next.carried) {
            let what = format!("carry.{}.next", carry.name);
            let lost = |error| not_evaluable(env, step, &what, &carry.next, &error);
            if let Lead::Value(found) = carry.next.follow(scope).map_err(lost)? {
                to_json_within(&found, LARGEST_CARRIED).map_err(|message| lost(EvalError { message }))?;
                (*value, leads_on) = (found, true);
            }
        }
        if leads_on {
            next.batches = next.lists.iter().map(|list| list.len().unwrap_or(0)).collect();
        }
        Ok(next)
    }
}

/// How often each item is there, by its JSON.
fn counted(items: &[Value]) -> Result<HashMap<String, usize>, Refused> {
    let mut known = HashMap::new();
    for item in items {
        let text = to_json_within(item, LARGEST_ITEM).map_err(Refused::Unusable)?.to_string();
        spend_bytes(text.len());
        *known.entry(text).or_insert(0) += 1;
    }
    Ok(known)
}

/// The items of a list, or the value as the only one.
fn items(value: &Value) -> Result<Vec<Value>, String> {
    match value.kind() {
        ValueKind::Seq | ValueKind::Iterable => value.try_iter().map(Iterator::collect).map_err(|error| error.to_string()),
        _ => Ok(vec![value.clone()]),
    }
}

fn not_evaluable(env: &Environment, step: &Step, what: &str, expression: &Expression, error: &EvalError) -> Cause {
    let told = format!("`{what} = \"{}\"`", expression.source());
    located(env.not_evaluable(Some(&step.name), &told, error), what, expression)
}

/// The cause of a list that no answer had anything for: an empty list of what is misspelt would let every expectation hold.
fn never(env: &Environment, step: &Step, what: &str, expression: &Expression, error: &EvalError) -> Cause {
    let source = expression.source();
    let message = format!(
        "`{what} = \"{source}\"`: no answer had it, so that nothing was collected: {error}; if that may be, write `{source} | default([])`"
    );
    located(env.cause(Reason::NotEvaluable, Some(&step.name), &message), what, expression)
}

fn located(cause: Cause, what: &str, expression: &Expression) -> Cause {
    let told = format!("{what} = {}", expression.source());
    Cause { expectation: Some(told), location: Some(expression.location().clone()), ..cause }
}
