//! Tokens to tree: MiniJinja's grammar of expressions with its precedences, less what a judge must not guess at.
//!
//! From loosest to tightest: `a if c else b`, `or`, `and`, `not`, comparisons (one at a time), `+ -`, `~`, `* / // %`, `**`,
//! unary `-`, `.name [index]`, and last `| filter` and `is test`. [`operand`] reads what stands between operators, [`calls`]
//! what takes arguments, and [`advice`] knows spellings of other languages. Nesting is bounded, so that neither parsing nor
//! any walk over the tree can exhaust the stack.

mod advice;
mod calls;
mod operand;

use std::ops::Range;

use super::ParseError;
use super::lexer::{Token, tokenize};
use super::number::Operator;
use super::syntax::{Comparison, Node, NodeKind};

/// Brackets, choices and prefixes inside each other.
const MAX_NESTING: usize = 60;

/// Levels of the tree; a chain of operators adds one level for each.
const MAX_DEPTH: usize = 250;

const KEYWORDS: [&str; 12] = ["and", "or", "not", "in", "is", "if", "else", "true", "false", "none", "True", "False"];

type Parsed<T> = Result<T, ParseError>;

/// Reads all of `source` as one expression.
pub(super) fn parse(source: &str) -> Parsed<Node> {
    let tokens = tokenize(source)?;
    let mut parser = Parser { source, tokens, at: 0, nesting: 0 };
    if parser.tokens.is_empty() {
        return Err(ParseError { message: "an expression is missing".into(), span: 0..source.len() });
    }
    let node = parser.expression()?;
    match parser.peek() {
        None => Ok(node),
        Some(_) => Err(parser.unexpected("the end of the expression or an operator")),
    }
}

struct Parser<'s> {
    source: &'s str,
    tokens: Vec<(Token<'s>, Range<usize>)>,
    at: usize,
    nesting: usize,
}

impl<'s> Parser<'s> {
    fn peek(&self) -> Option<&Token<'s>> {
        self.tokens.get(self.at).map(|(token, _)| token)
    }

    /// Where the next token is, or the end of the text.
    fn span(&self) -> Range<usize> {
        self.tokens.get(self.at).map_or(self.source.len()..self.source.len(), |(_, span)| span.clone())
    }

    fn start(&self) -> usize {
        self.span().start
    }

    fn end_of_last(&self) -> usize {
        self.at.checked_sub(1).and_then(|last| self.tokens.get(last)).map_or(0, |(_, span)| span.end)
    }

    fn is_symbol(&self, wanted: &str) -> bool {
        matches!(self.peek(), Some(Token::Symbol(symbol)) if *symbol == wanted)
    }

    fn is_word(&self, wanted: &str) -> bool {
        matches!(self.peek(), Some(Token::Name(name)) if *name == wanted)
    }

    fn take_symbol(&mut self, wanted: &str) -> bool {
        let found = self.is_symbol(wanted);
        self.at += usize::from(found);
        found
    }

    fn take_word(&mut self, wanted: &str) -> bool {
        let found = self.is_word(wanted);
        self.at += usize::from(found);
        found
    }

    fn expect_symbol(&mut self, wanted: &str) -> Parsed<()> {
        if self.take_symbol(wanted) { Ok(()) } else { Err(self.unexpected(&format!("`{wanted}`"))) }
    }

    fn unexpected(&self, expected: &str) -> ParseError {
        let span = self.span();
        let message = match &self.source[span.clone()] {
            "" => format!("the expression ends where {expected} should be"),
            "=" => "a single `=` compares nothing; equality is written `==`".into(),
            text => format!("`{text}` stands where {expected} should be"),
        };
        ParseError { message, span }
    }

    fn node(&self, kind: NodeKind, start: usize) -> Parsed<Node> {
        let mut node = Node { kind, span: start..self.end_of_last(), depth: 0 };
        let mut below = 0;
        node.each_child(&mut |child| below = below.max(child.depth + 1));
        node.depth = below;
        if below > MAX_DEPTH {
            let message = format!("more than {MAX_DEPTH} operators or brackets inside each other; `in [a, b, …]` is shorter");
            return Err(ParseError { message, span: node.span });
        }
        Ok(node)
    }

    fn nested<T>(&mut self, read: impl FnOnce(&mut Self) -> Parsed<T>) -> Parsed<T> {
        if self.nesting == MAX_NESTING {
            let message = format!("more than {MAX_NESTING} brackets inside each other");
            return Err(ParseError { message, span: self.span() });
        }
        self.nesting += 1;
        let read = read(self);
        self.nesting -= 1;
        read
    }

    fn expression(&mut self) -> Parsed<Node> {
        self.nested(Self::choice)
    }

    fn choice(&mut self) -> Parsed<Node> {
        let start = self.start();
        let then = self.either()?;
        if !self.take_word("if") {
            return Ok(then);
        }
        let test = self.either()?;
        if !self.take_word("else") {
            return Err(self.unexpected("`else`, as a choice needs a value either way,"));
        }
        let otherwise = self.expression()?;
        self.node(NodeKind::Choice(Box::new([test, then, otherwise])), start)
    }

    fn either(&mut self) -> Parsed<Node> {
        let start = self.start();
        let mut left = self.both()?;
        while self.take_word("or") {
            let right = self.both()?;
            left = self.node(NodeKind::Or(Box::new(left), Box::new(right)), start)?;
        }
        Ok(left)
    }

    fn both(&mut self) -> Parsed<Node> {
        let start = self.start();
        let mut left = self.negation()?;
        while self.take_word("and") {
            let right = self.negation()?;
            left = self.node(NodeKind::And(Box::new(left), Box::new(right)), start)?;
        }
        Ok(left)
    }

    fn negation(&mut self) -> Parsed<Node> {
        let start = self.start();
        if !self.take_word("not") {
            return self.comparison();
        }
        let inner = self.nested(Self::negation)?;
        self.node(NodeKind::Not(Box::new(inner)), start)
    }

    fn comparison(&mut self) -> Parsed<Node> {
        let start = self.start();
        let left = self.binary(0)?;
        self.no_foreign_operator(&left)?;
        let Some(operator) = self.take_comparison()? else { return Ok(left) };
        let right = self.binary(0)?;
        let left_text = &self.source[left.span.clone()];
        let right_text = &self.source[right.span.clone()];
        let again = self.span();
        if let Some(second) = self.take_comparison()? {
            let (first, second) = (operator.spelling(), second.spelling());
            let message = format!(
                "comparisons are not chained; write `{left_text} {first} {right_text} and {right_text} {second} …`, or put one in brackets"
            );
            return Err(ParseError { message, span: again });
        }
        self.node(NodeKind::Compare(operator, Box::new(left), Box::new(right)), start)
    }

    fn take_comparison(&mut self) -> Parsed<Option<Comparison>> {
        let comparison = match self.peek() {
            Some(Token::Symbol("==")) => Comparison::Equal,
            Some(Token::Symbol("!=")) => Comparison::NotEqual,
            Some(Token::Symbol("<")) => Comparison::Less,
            Some(Token::Symbol("<=")) => Comparison::LessOrEqual,
            Some(Token::Symbol(">")) => Comparison::Greater,
            Some(Token::Symbol(">=")) => Comparison::GreaterOrEqual,
            Some(Token::Name("in")) => Comparison::In,
            Some(Token::Name("not")) => Comparison::NotIn,
            _ => return Ok(None),
        };
        self.at += 1;
        if comparison == Comparison::NotIn && !self.take_word("in") {
            return Err(self.unexpected("`in`"));
        }
        Ok(Some(comparison))
    }

    /// Operators of `level` (0 binds loosest) and tighter, each taken from the left.
    fn binary(&mut self, level: usize) -> Parsed<Node> {
        const LEVELS: [&[(&str, Operator)]; 4] = [
            &[("+", Operator::Add), ("-", Operator::Subtract)],
            &[("~", Operator::Concatenate)],
            &[("*", Operator::Multiply), ("/", Operator::Divide), ("//", Operator::FloorDivide), ("%", Operator::Remainder)],
            &[("**", Operator::Power)],
        ];
        let Some(operators) = LEVELS.get(level) else { return self.filtered() };
        let start = self.start();
        let mut left = self.binary(level + 1)?;
        while let Some((_, operator)) = operators.iter().find(|(symbol, _)| self.is_symbol(symbol)) {
            self.at += 1;
            let right = self.binary(level + 1)?;
            left = self.node(NodeKind::Arithmetic(*operator, Box::new(left), Box::new(right)), start)?;
        }
        Ok(left)
    }

    fn filtered(&mut self) -> Parsed<Node> {
        let start = self.start();
        let mut node = self.unary()?;
        loop {
            if self.take_symbol("|") {
                node = self.filter(node, start)?;
            } else if self.take_word("is") {
                node = self.test(node, start)?;
            } else {
                return Ok(node);
            }
        }
    }
}
