//! Finds words in the text of expressions: where a name stands, what is asked of `secret` and `cell`.
//!
//! It does not judge whether a text is an expression; that is the compiler's business. A text that is none gives some words or
//! none.

use std::ops::Range;

/// A word of an expression.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Token {
    pub(super) kind: TokenKind,
    /// Bytes in the whole text.
    pub(super) span: Range<usize>,
}

/// What sort of word.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum TokenKind {
    Name,
    Number,
    Text,
    Sign,
}

/// The use of a name: `root`, `root.attribute` or `root["attribute"]`.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Path<'t> {
    pub(super) root: &'t str,
    pub(super) span: Range<usize>,
    pub(super) attribute: Option<(&'t str, Range<usize>)>,
}

/// The expressions inside the `{{ … }}` of a template, with where they begin.
pub(super) fn pieces(template: &str) -> Vec<Range<usize>> {
    let mut found = Vec::new();
    let mut from = 0;
    while let Some(open) = template[from..].find("{{").map(|at| from + at + 2) {
        let close = close(template, open);
        found.push(open..close);
        from = close;
    }
    found
}

/// Whether what begins at `start` is the right side of a comparison, or an item of a list.
pub(super) fn is_compared(source: &str, start: usize) -> bool {
    let before = source.get(..start).unwrap_or_default().trim_end();
    let in_list = || before.rfind(['[', ']', '(', ')']).is_some_and(|at| before[at..].starts_with('['));
    ["==", "!=", "["].iter().any(|sign| before.ends_with(sign)) || (before.ends_with(',') && in_list())
}

/// Where the `}}` is that closes an expression begun at `open`; strings in it may hold braces.
fn close(template: &str, open: usize) -> usize {
    let mut at = open;
    while at < template.len() {
        let rest = &template[at..];
        if rest.starts_with("}}") {
            return at;
        }
        at += match rest.chars().next() {
            Some(quote @ ('"' | '\'')) => string(rest, quote),
            Some(other) => other.len_utf8(),
            None => break,
        };
    }
    template.len()
}

/// Length of the string that `rest` begins with, its quotes included.
fn string(rest: &str, quote: char) -> usize {
    let mut escaped = false;
    for (at, character) in rest.char_indices().skip(1) {
        if character == quote && !escaped {
            return at + 1;
        }
        escaped = character == '\\' && !escaped;
    }
    rest.len()
}

/// The words of `text[piece]`.
pub(super) fn tokens(text: &str, piece: Range<usize>) -> Vec<Token> {
    let mut found = Vec::new();
    let mut at = piece.start;
    while at < piece.end {
        let rest = &text[at..piece.end];
        let Some(first) = rest.chars().next() else { break };
        let while_of = |fits: fn(char) -> bool| rest.find(|character| !fits(character)).unwrap_or(rest.len());
        let (kind, length) = match first {
            '"' | '\'' => (TokenKind::Text, string(rest, first)),
            '0'..='9' => {
                (TokenKind::Number, while_of(|character| character.is_ascii_alphanumeric() || matches!(character, '.' | '_')))
            }
            _ if first.is_alphabetic() || first == '_' => {
                (TokenKind::Name, while_of(|character| character.is_alphanumeric() || character == '_'))
            }
            _ if first.is_whitespace() => {
                at += first.len_utf8();
                continue;
            }
            _ => (TokenKind::Sign, first.len_utf8()),
        };
        found.push(Token { kind, span: at..at + length });
        at += length;
    }
    found
}

/// Every use of a name in `text[piece]`. Names of filters, tests and keyword arguments are among them.
pub(super) fn paths(text: &str, piece: Range<usize>) -> Vec<Path<'_>> {
    let tokens = tokens(text, piece);
    let is = |at: usize, sign: &str| tokens.get(at).is_some_and(|token| &text[token.span.clone()] == sign);
    let of_kind = |at: usize, kind: TokenKind| tokens.get(at).filter(|token| token.kind == kind).map(|token| token.span.clone());
    let mut found = Vec::new();
    for (at, token) in tokens.iter().enumerate() {
        if token.kind != TokenKind::Name || (at > 0 && is(at - 1, ".")) {
            continue;
        }
        let attribute = if is(at + 1, ".") {
            of_kind(at + 2, TokenKind::Name)
        } else if is(at + 1, "[") && is(at + 3, "]") {
            of_kind(at + 2, TokenKind::Text).map(|span| span.start + 1..span.end - 1)
        } else {
            None
        };
        found.push(Path {
            root: &text[token.span.clone()],
            span: token.span.clone(),
            attribute: attribute.and_then(|span| Some((text.get(span.clone())?, span))),
        });
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_what_is_asked_of_them_are_found_outside_strings() {
        let text = "secret.token ~ cell['os'] ~ 'secret.not' ~ a.b.c";
        let found: Vec<_> =
            paths(text, 0..text.len()).into_iter().map(|path| (path.root, path.attribute.map(|(name, _)| name))).collect();
        assert_eq!(found, [("secret", Some("token")), ("cell", Some("os")), ("a", Some("b"))]);
    }

    #[test]
    fn a_brace_inside_a_string_does_not_end_an_expression() {
        let text = "x {{ '}}' }} y {{ b }}";
        assert_eq!(pieces(text).into_iter().map(|piece| text[piece].trim()).collect::<Vec<_>>(), ["'}}'", "b"]);
    }
}
