//! An expression that must be true, judged strictly.

use minijinja::Value;

use crate::source::Location;

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
    /// The parts that decided it, with the values seen.
    pub sides: Vec<Side>,
}

impl Condition {
    /// Compiles `source`, which was written at `location`.
    ///
    /// # Errors
    /// If it is not an expression.
    pub fn parse(source: &str, location: Location) -> Result<Self, ParseError> {
        Expression::parse(source, location).map(|expression| Self { expression })
    }

    /// The text as it was written.
    pub fn source(&self) -> &str {
        self.expression.source()
    }

    /// Where it was written.
    pub fn location(&self) -> &Location {
        self.expression.location()
    }

    /// Root names it refers to, sorted.
    pub fn names(&self) -> Vec<String> {
        self.expression.names()
    }

    /// Judges it in `scope`. Only the bool `true` holds.
    pub fn judge(&self, scope: &Value) -> Judgement {
        let value = self.expression.eval(scope).map_err(|error| error.message);
        let held = match &value {
            Ok(value) => bool::try_from(value.clone()).map_err(|_| format!("`{}` is not a truth value", self.source())),
            Err(why) => Err(why.clone()),
        };
        Judgement { held, sides: vec![Side { source: self.source().to_owned(), value }] }
    }
}
