//! An expression that must be true, judged strictly.

use std::ops::Range;
use std::sync::Arc;

use minijinja::Value;

use crate::source::Location;

use super::eval::Evaluation;
use super::{Expression, ParseError};

/// A condition: `and`, `or`, `not` and comparisons are taken apart so that both sides can be reported.
#[derive(Debug, Clone)]
pub struct Condition {
    expression: Expression,
}

/// A part of a condition and the value it had.
#[derive(Debug, Clone, PartialEq)]
pub struct Side {
    /// Its text.
    pub source: String,
    /// Its value, or why there was none.
    pub value: Result<Value, String>,
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
        Expression::parse(source, location).map(|expression| Self { expression })
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

    /// What looks like a mistake: byte ranges in the source and what to write instead.
    pub fn hints(&self) -> Vec<(Range<usize>, String)> {
        let program = &self.expression.program;
        let mut hints = program.not_bools.clone();
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

    fn evaluate<'c>(&'c self, scope: &'c Value) -> (Result<bool, String>, Evaluation<'c>) {
        let program = &*self.expression.program;
        let mut evaluation = Evaluation::new(program, scope);
        let held = evaluation.truth(&program.root);
        // A literal that can never be a truth value must not hide behind the other side of an `or` until the bad day.
        match program.not_bools.first() {
            Some((_, why)) => (held.and(Err(why.clone())), evaluation),
            None => (held, evaluation),
        }
    }

    fn report(&self, held: Result<bool, String>, evaluation: Evaluation<'_>) -> Judgement {
        let mut sides: Vec<Side> = Vec::with_capacity(evaluation.seen.len());
        for seen in evaluation.seen {
            let source = self.expression.program.text(seen.span);
            if !sides.iter().any(|side| side.source == source) {
                sides.push(Side { source: source.to_owned(), value: seen.value });
            }
        }
        Judgement { held, sides }
    }
}
