//! A compiled expression that yields a value.

use std::ops::Range;
use std::sync::Arc;

use minijinja::Value;

use crate::source::Location;

use super::eval::Evaluation;
use super::given::{Given, MaybeGiven};
use super::hints;
use super::program::{Program, Use};

/// Why a text is not an expression or template, and where in the text.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct ParseError {
    /// What is wrong, and what to do.
    pub message: String,
    /// Byte range in the text.
    pub span: Range<usize>,
}

/// Why a value could not be had.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct EvalError {
    /// What was tried, with what.
    pub message: String,
}

/// An expression, its source text and where that was written.
#[derive(Debug, Clone)]
pub struct Expression {
    pub(super) program: Arc<Program>,
    location: Location,
    pub(super) given: MaybeGiven,
}

impl Expression {
    /// What looks like a mistake: byte ranges in the source and what to write instead.
    pub fn hints(&self) -> Vec<(Range<usize>, String)> {
        let mut hints = Vec::new();
        hints::find(&self.program.source, &self.program.root, &mut hints);
        hints
    }

    /// Compiles `source`, which was written at `location`.
    ///
    /// # Errors
    /// If it is not an expression, or names a filter, test or function that does not exist.
    pub fn parse(source: &str, location: Location) -> Result<Self, ParseError> {
        Program::compile(source).map(|program| Self { program, location, given: None })
    }

    /// The same where its names stand for what is given.
    #[must_use]
    pub fn with_given(self, given: &Arc<Given>) -> Self {
        Self { given: Some(Arc::clone(given)), ..self }
    }

    /// The text as it was written.
    pub fn source(&self) -> &str {
        &self.program.source
    }

    /// Where it was written.
    pub fn location(&self) -> &Location {
        &self.location
    }

    /// Root names it refers to (`json`, `cell`, a capture …), sorted.
    pub fn names(&self) -> Vec<String> {
        match &self.given {
            None => self.program.names(),
            Some(given) => given.names(&self.program.names()),
        }
    }

    /// Every use of a name as it is written, in the order of the text.
    pub fn uses(&self) -> &[Use] {
        &self.program.uses
    }

    /// Dotted paths it refers to (`secret.token`, `cell.platform`), as deep as they are made of names, sorted.
    pub fn paths(&self) -> Vec<String> {
        match &self.given {
            None => self.program.paths.clone(),
            Some(given) => given.paths(&self.program.paths),
        }
    }

    pub(super) fn evaluation<'e>(&'e self, scope: &'e Value) -> Evaluation<'e> {
        Evaluation::new(&self.program, self.given.as_deref(), scope)
    }

    /// The value in `scope`.
    ///
    /// # Errors
    /// If it refers to something undefined, mixes types or costs too much. Undefined is an error, never a value.
    pub fn eval(&self, scope: &Value) -> Result<Value, EvalError> {
        self.evaluation(scope).value(&self.program.root).map_err(|message| EvalError { message })
    }

    /// The same, where it may lead to nothing: the path that the expression follows ends at a field or an item that is not there. What
    /// is not there inside of that, as for one item of a `map` or in an argument, is an error as ever.
    ///
    /// # Errors
    /// As [`Self::eval`], for any other cause.
    pub fn follow(&self, scope: &Value) -> Result<Lead, EvalError> {
        let mut evaluation = self.evaluation(scope);
        match evaluation.value(&self.program.root) {
            Ok(value) if value.is_none() => Ok(Lead::Null),
            Ok(value) => Ok(Lead::Value(value)),
            Err(message) if evaluation.missing.is_some_and(|missing| self.program.root.is_followed_to(missing)) => {
                Ok(Lead::Nothing(EvalError { message }))
            }
            Err(message) => Err(EvalError { message }),
        }
    }
}

/// Where an expression leads that may lead to nothing.
#[derive(Debug)]
pub enum Lead {
    /// A value.
    Value(Value),
    /// A value that is null.
    Null,
    /// Nothing, and what is not there.
    Nothing(EvalError),
}
