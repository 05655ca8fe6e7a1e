//! An expression that must be true, judged strictly.

use std::collections::HashSet;
use std::ops::Range;
use std::sync::Arc;

use minijinja::Value;

use crate::source::Location;

use super::budget::Budget;
use super::eval::{Evaluation, ListPart};
use super::sets::{self, ListSide};
use super::{Expression, Given, ParseError, Use, constant, hints};

/// Parts of one condition that are reported.
const MOST_SIDES: usize = 50;

/// A condition: `and`, `or`, `not` and comparisons are taken apart so that both sides can be reported.
#[derive(Debug, Clone)]
pub struct Condition {
    expression: Expression,
    say: Option<Arc<str>>,
}

/// A part of a condition and the value it had.
#[derive(Debug, Clone, PartialEq)]
pub struct Side {
    /// Its text.
    pub source: String,
    /// Its value, or why there was none.
    pub value: Result<Value, String>,
    /// What there is to say of it as one of two lists that were compared and are not what they should be to each other.
    pub list: Option<ListSide>,
}

/// What judging a condition found.
#[derive(Debug, Clone, PartialEq)]
pub struct Judgement {
    /// Whether it holds; an error text if it could not be evaluated, which is a failure.
    pub held: Result<bool, String>,
    /// The parts that decided it, with the values seen. Literals are not listed.
    pub sides: Vec<Side>,
}

impl Condition {
    /// Compiles `source`, which was written at `location`.
    ///
    /// # Errors
    /// If it is not an expression, or names a filter, test or function that does not exist.
    pub fn parse(source: &str, location: Location) -> Result<Self, ParseError> {
        Expression::parse(source, location).map(|expression| Self { expression, say: None })
    }

    /// The same where its names stand for what is given.
    #[must_use]
    pub fn with_given(self, given: &Arc<Given>) -> Self {
        Self { expression: self.expression.with_given(given), ..self }
    }

    /// The same with its author's words for where it does not hold.
    #[must_use]
    pub fn saying(self, words: &str) -> Self {
        Self { say: Some(words.into()), ..self }
    }

    /// Its author's words for where it does not hold.
    pub fn say(&self) -> Option<&Arc<str>> {
        self.say.as_ref()
    }

    /// The text as it was written.
    pub fn source(&self) -> &str {
        self.expression.source()
    }

    /// The same, shared, so that a report of it copies nothing.
    pub fn shared_source(&self) -> Arc<str> {
        Arc::clone(&self.expression.program.source)
    }

    /// Where it was written.
    pub fn location(&self) -> &Location {
        self.expression.location()
    }

    /// Root names it refers to, sorted.
    pub fn names(&self) -> Vec<String> {
        self.expression.names()
    }

    /// Dotted paths it refers to, sorted.
    pub fn paths(&self) -> Vec<String> {
        self.expression.paths()
    }

    /// Every use of a name as it is written, in the order of the text.
    pub fn uses(&self) -> &[Use] {
        self.expression.uses()
    }

    /// What looks like a mistake: byte ranges in the source and what to write instead.
    pub fn hints(&self) -> Vec<(Range<usize>, String)> {
        let program = &self.expression.program;
        let mut hints = program.not_bools.clone();
        hints::find(&program.source, &program.root, &mut hints);
        if !program.paths.is_empty() {
            constant::find(&program.source, &program.root, &mut hints);
        }
        if hints.is_empty() && program.paths.is_empty() {
            hints.push((0..program.source.len(), "it looks at nothing of the answer, so that it is always the same".into()));
        }
        hints
    }

    /// Judges it in `scope`. Only the bool `true` holds.
    pub fn judge(&self, scope: &Value) -> Judgement {
        let (held, evaluation) = self.evaluate(scope);
        self.report(held, evaluation)
    }

    /// Judges it in `scope`; nothing if it holds, which costs no report.
    pub fn judge_failing(&self, scope: &Value) -> Option<Judgement> {
        let (held, evaluation) = self.evaluate(scope);
        (held != Ok(true)).then(|| self.report(held, evaluation))
    }

    /// Whether it cannot be evaluated in `scope` for the only reason that something is not there: a field, an item, the first one of
    /// an empty list. Whoever waits for that to come has not met a flaw.
    pub fn lacks_a_value(&self, scope: &Value) -> bool {
        let (held, evaluation) = self.evaluate(scope);
        held.is_err() && evaluation.absent && self.expression.program.not_bools.is_empty()
    }

    fn evaluate<'c>(&'c self, scope: &'c Value) -> (Result<bool, String>, Evaluation<'c>) {
        let program = &*self.expression.program;
        let mut evaluation = self.expression.evaluation(scope);
        let held = evaluation.truth(&program.root);
        // A literal that can never be a truth value must not hide behind the other side of an `or` until the bad day.
        match program.not_bools.first() {
            Some((_, why)) => (Err(why.clone()), evaluation),
            None => (held, evaluation),
        }
    }

    fn report(&self, held: Result<bool, String>, evaluation: Evaluation<'_>) -> Judgement {
        let mut known = HashSet::new();
        // Apart from that of the evaluation, of which nothing may be left for telling why.
        let mut budget = Budget::new();
        let seen = evaluation.seen.into_iter().map(|seen| (self.expression.program.text(seen.span), seen));
        // One list may be compared with several.
        let differs = |list: &Option<ListPart>| matches!(list, Some(ListPart::Differs { .. }));
        let each_once = seen.filter(|(source, seen)| known.insert(*source) || differs(&seen.list)).take(MOST_SIDES);
        let sides = each_once.map(|(source, seen)| {
            let list = match (&seen.value, seen.list) {
                (Ok(value), Some(ListPart::Differs { from, wanted })) => {
                    sets::compared(value, &from, wanted, &mut budget).map(ListSide::Differs).ok()
                }
                (_, Some(ListPart::Beside)) => Some(ListSide::Beside),
                (_, None) | (Err(_), _) => None,
            };
            Side { source: source.to_owned(), value: seen.value, list }
        });
        Judgement { held, sides: sides.collect() }
    }
}

#[cfg(test)]
mod tests;
