//! How deep a text is nested, found before the TOML parser sees it.
//!
//! The parser's own bound does not hold where a text is broken: it mends what it reads, and then counts a bracket as closed
//! within which it still is. It recurses for each, so that a long enough file would overflow the stack. A key with dots makes a
//! table for each part, too, and all of them are walked by recursion later.

use std::ops::Range;

use toml_parser::Source;
use toml_parser::lexer::{Token, TokenKind};

/// Levels that a text may have. No real file comes near; the parser's own bound, which is 80, is never reached.
pub(super) const MOST: usize = 64;

/// What is nested too deep.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct TooDeep {
    /// The bracket or the dot with which it is.
    pub(super) at: Range<usize>,
    /// Where the outermost bracket starts that is open there.
    pub(super) outermost: usize,
}

/// The first place that is nested deeper than [`MOST`] levels.
pub(super) fn too_deep(text: &str) -> Option<TooDeep> {
    let mut open = Open { brackets: Vec::new(), here: Level::default() };
    Source::new(text).lex().find_map(|token| open.next(token))
}

/// A bracket that is open, or the file itself.
#[derive(Debug, Clone, Copy, Default)]
struct Level {
    /// The bracket that closes it, and where it was opened.
    bracket: Option<(TokenKind, usize)>,
    /// Levels around it, and itself.
    depth: usize,
    /// Dots of the longest key in it. The longest, because the parser may take a key of a broken line for a later value's.
    dots: usize,
    /// Dots of the key that is being read.
    dots_now: usize,
}

/// Brackets that are open. Only its own bracket closes one, as in the parser, however broken the text is: so there are never
/// fewer than the parser recurses for.
struct Open {
    brackets: Vec<Level>,
    here: Level,
}

impl Open {
    fn next(&mut self, token: Token) -> Option<TooDeep> {
        let kind = token.kind();
        match kind {
            TokenKind::LeftSquareBracket => self.push(TokenKind::RightSquareBracket, &token),
            TokenKind::LeftCurlyBracket => self.push(TokenKind::RightCurlyBracket, &token),
            TokenKind::RightSquareBracket | TokenKind::RightCurlyBracket => {
                self.here.dots_now = 0;
                if self.here.bracket.is_some_and(|(closing, _)| closing == kind) {
                    self.here = self.brackets.pop().unwrap_or_default();
                }
            }
            TokenKind::Dot => {
                self.here.dots_now += 1;
                self.here.dots = self.here.dots.max(self.here.dots_now);
            }
            // The lines of the file stand beside each other.
            TokenKind::Newline if self.here.bracket.is_none() => self.here = Level::default(),
            TokenKind::Comma | TokenKind::Equals | TokenKind::Newline => self.here.dots_now = 0,
            _ => {}
        }
        if self.here.depth + self.here.dots <= MOST {
            return None;
        }
        let outermost = self.brackets.get(1).unwrap_or(&self.here).bracket.map_or(token.span().start(), |(_, at)| at);
        Some(TooDeep { at: token.span().start()..token.span().end(), outermost })
    }

    fn push(&mut self, closing: TokenKind, token: &Token) {
        let depth = self.here.depth + self.here.dots + 1;
        self.here.dots_now = 0;
        self.brackets.push(self.here);
        self.here = Level { bracket: Some((closing, token.span().start())), depth, ..Level::default() };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_deep_as_it_may_be() {
        let deep = |levels: usize| format!("a = {}1{}\n", "[".repeat(levels), "]".repeat(levels));
        assert_eq!(too_deep(&deep(MOST)), None);
        assert_eq!(too_deep(&deep(MOST + 1)), Some(TooDeep { at: MOST + 4..MOST + 5, outermost: 4 }));
    }

    #[test]
    fn dots_are_levels_of_what_stands_behind_them() {
        let dotted = |dots: usize| "a.".repeat(dots) + "a";
        assert_eq!(too_deep(&format!("{} = 1\n{} = 1\n", dotted(40), dotted(40))), None);
        assert_eq!(too_deep(&format!("[{}]\n", dotted(63))), None);
        assert!(too_deep(&format!("[{}]\n", dotted(64))).is_some());
        assert_eq!(too_deep(&format!("{} = {{ {} = 1 }}\n", dotted(30), dotted(30))), None);
        assert!(too_deep(&format!("{} = {{ {} = 1 }}\n", dotted(32), dotted(32))).is_some());
    }

    #[test]
    fn strings_comments_and_neighbours_are_not_levels() {
        let brackets = "[{.".repeat(100);
        for text in [
            format!("a = '{brackets}'\n"),
            format!("a = \"\\\"{brackets}\"\n"),
            format!("a = '''\n'{brackets}'''\n"),
            format!("a = \"\"\"\n\"{brackets}\"\"\"\n"),
            format!("a = [ # {brackets}\n]\n"),
            "a = [[1.5, 2.5], { b.c = 1, d.e = 2 }]\n".repeat(100),
            format!("a = [{}]\n", "1.5, [2.5], ".repeat(100)),
            "[a.b]\n[[c.d]]\n".repeat(100),
        ] {
            assert_eq!(too_deep(&text), None, "{text}");
        }
    }

    #[test]
    fn what_does_not_close_a_bracket_does_not_count() {
        for piece in ["[}", "{]", "[s]\na = { b = 1\n", "a = [1\n", "{ a = [ } "] {
            assert!(too_deep(&piece.repeat(100)).is_some(), "{piece}");
        }
    }
}
