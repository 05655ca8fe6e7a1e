//! Text with `{{ expression }}` in it.

use std::sync::Arc;

use minijinja::Value;

use crate::source::Location;

use super::expression::EvalError;
use super::{Expression, ParseError};

/// Where a template's text ends up; decides which characters a captured value may not bring along.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// A URL: captured `/ ? #`, spaces and line breaks would break out of their segment.
    Url,
    /// A header value: line breaks would add headers.
    Header,
    /// A body or a name: anything goes.
    Text,
}

/// Literal text and expressions in turn.
#[derive(Debug, Clone)]
pub struct Template {
    source: Arc<str>,
    location: Location,
    parts: Vec<Piece>,
}

#[derive(Debug, Clone)]
enum Piece {
    Literal(Arc<str>),
    Expression(Expression),
}

impl Template {
    /// Compiles `source`, which was written at `location`. Only `{{ … }}` is syntax.
    ///
    /// # Errors
    /// If an expression in it is none, or is not closed.
    pub fn parse(source: &str, location: Location) -> Result<Self, ParseError> {
        let mut parts = Vec::new();
        let mut rest = source;
        while let Some(open) = rest.find("{{") {
            if open > 0 {
                parts.push(Piece::Literal(rest[..open].into()));
            }
            let start = source.len() - rest.len() + open;
            let inner = &rest[open + 2..];
            let Some(close) = inner.find("}}") else {
                return Err(ParseError { message: "`{{` is not closed by `}}`".into(), span: start..source.len() });
            };
            parts.push(Piece::Expression(Expression::parse(&inner[..close], location.clone())?));
            rest = &inner[close + 2..];
        }
        if !rest.is_empty() {
            parts.push(Piece::Literal(rest.into()));
        }
        Ok(Self { source: source.into(), location, parts })
    }

    /// The text as it was written.
    pub fn source(&self) -> &str {
        &self.source
    }

    /// Where it was written.
    pub fn location(&self) -> &Location {
        &self.location
    }

    /// Root names it refers to, sorted.
    pub fn names(&self) -> Vec<String> {
        let mut names: Vec<String> = self
            .parts
            .iter()
            .flat_map(|part| match part {
                Piece::Literal(_) => Vec::new(),
                Piece::Expression(expression) => expression.names(),
            })
            .collect();
        names.sort_unstable();
        names.dedup();
        names
    }

    /// Its value: of the expression's own type if it is one expression and nothing else, text otherwise.
    ///
    /// # Errors
    /// If an expression in it has no value, or one that cannot stand in text (none, a list, a map).
    pub fn value(&self, scope: &Value) -> Result<Value, EvalError> {
        match self.parts.as_slice() {
            [Piece::Expression(expression)] => expression.eval(scope),
            _ => self.render(scope, Place::Text).map(Value::from),
        }
    }

    /// Its text for `place`.
    ///
    /// # Errors
    /// If an expression in it has no value, one that cannot stand in text, or one that would break out of `place`.
    pub fn render(&self, scope: &Value, _place: Place) -> Result<String, EvalError> {
        let mut text = String::new();
        for part in &self.parts {
            match part {
                Piece::Literal(literal) => text.push_str(literal),
                Piece::Expression(expression) => text.push_str(&expression.eval(scope)?.to_string()),
            }
        }
        Ok(text)
    }
}
