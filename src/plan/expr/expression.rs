//! A compiled expression that yields a value.

use std::ops::Range;
use std::sync::Arc;

use minijinja::Value;

use crate::source::Location;

use super::environment::ENVIRONMENT;

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
    source: Arc<str>,
    location: Location,
    compiled: Arc<minijinja::Expression<'static, 'static>>,
}

impl Expression {
    /// Compiles `source`, which was written at `location`.
    ///
    /// # Errors
    /// If it is not an expression.
    pub fn parse(source: &str, location: Location) -> Result<Self, ParseError> {
        let compiled = ENVIRONMENT.compile_expression_owned(source.to_owned()).map_err(|error| ParseError {
            message: error.detail().unwrap_or("not an expression").to_owned(),
            span: error.range().unwrap_or(0..source.len()),
        })?;
        Ok(Self { source: source.into(), location, compiled: Arc::new(compiled) })
    }

    /// The text as it was written.
    pub fn source(&self) -> &str {
        &self.source
    }

    /// Where it was written.
    pub fn location(&self) -> &Location {
        &self.location
    }

    /// Root names it refers to (`json`, `cell`, a capture …), sorted.
    pub fn names(&self) -> Vec<String> {
        let mut names: Vec<String> = self.compiled.undeclared_variables(false).into_iter().collect();
        names.sort_unstable();
        names
    }

    /// The value in `scope`.
    ///
    /// # Errors
    /// If it refers to something undefined, mixes types or costs too much. Undefined is an error, never a value.
    pub fn eval(&self, scope: &Value) -> Result<Value, EvalError> {
        let value = self.compiled.eval(scope).map_err(|error| EvalError { message: error.to_string() })?;
        if value.is_undefined() {
            return Err(EvalError { message: format!("`{}` is undefined", self.source) });
        }
        Ok(value)
    }
}
