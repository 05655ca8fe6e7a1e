//! Spellings of other languages and tools, each with the one to use here.
//!
//! One more is an arm of the function for its place in the grammar. Symbols are the lexer's.

use super::super::ParseError;
use super::super::lexer::Token;
use super::super::syntax::{Node, NodeKind};
use super::{Parsed, Parser};

impl Parser<'_> {
    /// After a whole operand: `name contains 'o'` and its kin, which are no operators here.
    pub(super) fn no_foreign_operator(&mut self, left: &Node) -> Parsed<()> {
        let Some(Token::Name(word)) = self.peek() else { return Ok(()) };
        let (word, span, left) = (*word, self.span(), &self.source[left.span.clone()]);
        if operator(word, left, "…").is_none() {
            return Ok(());
        }
        self.at += 1;
        let right = self.binary(0).map_or("…", |right| &self.source[right.span]);
        match operator(word, left, right) {
            Some(instead) => {
                Err(ParseError { message: format!("there is no operator `{word}`; it is written `{instead}`"), span })
            }
            None => Ok(()),
        }
    }

    /// Where a value begins: `{{ status }}` and `[STATUS]`.
    pub(super) fn no_foreign_value(&self) -> Parsed<()> {
        let token = |ahead: usize| self.tokens.get(self.at + ahead).map(|(token, span)| (token, span.clone()));
        let start = self.start();
        match (token(0), token(1), token(2)) {
            (Some((Token::Symbol("{"), first)), Some((Token::Symbol("{"), second)), _) if first.end == second.start => {
                let rest = &self.source[start..];
                let length = rest.find("}}").map_or(2, |close| close + 2);
                let message = "this is already an expression: write it without `{{ }}`".into();
                Err(ParseError { message, span: start..start + length })
            }
            (Some((Token::Symbol("["), _)), Some((Token::Name(name), _)), Some((Token::Symbol("]"), last))) => {
                let Some(instead) = placeholder(name) else { return Ok(()) };
                Err(ParseError { message: format!("`[{name}]` is written {instead}"), span: start..last.end })
            }
            _ => Ok(()),
        }
    }
}

/// What `left word right` is written as.
fn operator(word: &str, left: &str, right: &str) -> Option<String> {
    match word {
        "contains" | "includes" => Some(format!("{right} in {left}")),
        "startswith" | "starts_with" | "startsWith" => Some(format!("{left} is startingwith {right}")),
        "endswith" | "ends_with" | "endsWith" => Some(format!("{left} is endingwith {right}")),
        "matches" => Some(format!("{left} is matching {right}")),
        _ => None,
    }
}

/// What `node(…)` is written as, where `node` ends in the name of a method.
pub(super) fn method(source: &str, node: &Node) -> String {
    let instead = match &node.kind {
        NodeKind::Attribute(inner, name) => operator(name, &source[inner.span.clone()], "…"),
        _ => None,
    };
    match instead {
        Some(instead) => format!("values have no functions of their own; this is written `{instead}`"),
        None => "values have no functions of their own; filters do such work, as in `json.name | lower`".into(),
    }
}

/// What is written instead of a function that does not exist here.
pub(super) fn function(name: &str) -> Option<&'static str> {
    match name {
        "len" | "size" => Some("the filter `length`, as in `value | length`"),
        "now" => Some("`run.started`, the same moment in the whole run; `run.started | to_unix` is it in seconds"),
        _ => None,
    }
}

/// What is written instead of a filter that does not exist here.
pub(super) fn filter(name: &str) -> Option<&'static str> {
    match name {
        "len" | "size" => Some("`| length`"),
        _ => None,
    }
}

/// What other probers put between square brackets.
fn placeholder(name: &str) -> Option<&'static str> {
    match name {
        "STATUS" => Some("`status`"),
        "BODY" => Some("`json` or `body`"),
        "RESPONSE_TIME" => Some("`latency`"),
        _ => None,
    }
}
