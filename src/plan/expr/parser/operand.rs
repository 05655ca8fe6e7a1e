//! Operands: literals, names, brackets, and what follows them with `.` and `[ ]`.

use minijinja::Value;

use super::super::ParseError;
use super::super::lexer::Token;
use super::super::syntax::{Node, NodeKind};
use super::{KEYWORDS, Parsed, Parser, advice};

impl Parser<'_> {
    pub(super) fn unary(&mut self) -> Parsed<Node> {
        let start = self.start();
        if !self.take_symbol("-") {
            let primary = self.primary()?;
            return self.postfix(primary, start);
        }
        let inner = self.nested(Self::unary)?;
        self.node(NodeKind::Negate(Box::new(inner)), start)
    }

    fn postfix(&mut self, mut node: Node, start: usize) -> Parsed<Node> {
        loop {
            if self.take_symbol(".") {
                let kind = match self.peek().cloned() {
                    Some(Token::Name(name)) => {
                        self.at += 1;
                        NodeKind::Attribute(Box::new(node), name.into())
                    }
                    Some(Token::Number(index)) => {
                        let literal = Node { kind: NodeKind::Literal(index), span: self.span(), depth: 0 };
                        self.at += 1;
                        NodeKind::Index(Box::new(node), Box::new(literal))
                    }
                    _ => return Err(self.unexpected("a name")),
                };
                node = self.node(kind, start)?;
            } else if self.take_symbol("[") {
                node = self.subscript(node, start)?;
            } else if self.is_symbol("(") {
                return Err(ParseError { message: advice::method(self.source, &node), span: start..self.span().end });
            } else {
                return Ok(node);
            }
        }
    }

    fn subscript(&mut self, inner: Node, start: usize) -> Parsed<Node> {
        let mut bounds = [None, None, None];
        let mut colons = 0;
        while !self.take_symbol("]") {
            if self.take_symbol(":") {
                colons += 1;
                if colons > 2 {
                    return Err(ParseError { message: "a slice is `[from:to:step]`".into(), span: start..self.end_of_last() });
                }
            } else if bounds[colons].is_none() {
                bounds[colons] = Some(self.expression()?);
            } else {
                return Err(self.unexpected("`]`"));
            }
        }
        let kind = match (colons, bounds) {
            (0, [Some(index), _, _]) => NodeKind::Index(Box::new(inner), Box::new(index)),
            (0, _) => {
                let message = "`[]` needs an index, such as `[0]` or `['name']`";
                return Err(ParseError { message: message.into(), span: start..self.end_of_last() });
            }
            (_, bounds) => NodeKind::Slice(Box::new(inner), Box::new(bounds)),
        };
        self.node(kind, start)
    }

    fn primary(&mut self) -> Parsed<Node> {
        let start = self.start();
        self.no_foreign_value()?;
        let Some(token) = self.peek().cloned() else { return Err(self.unexpected("a value")) };
        let kind = match token {
            Token::Text(text) => NodeKind::Literal(Value::from(text)),
            Token::Number(number) => NodeKind::Literal(number),
            Token::Name("true" | "True") => NodeKind::Literal(Value::from(true)),
            Token::Name("false" | "False") => NodeKind::Literal(Value::from(false)),
            Token::Name("none" | "None") => NodeKind::Literal(Value::from(())),
            Token::Name("null" | "nil") => {
                let message = "JSON's null is written `none`, and asked for with `is none`";
                return Err(ParseError { message: message.into(), span: self.span() });
            }
            Token::Name(name) if KEYWORDS.contains(&name) => return Err(self.unexpected("a value")),
            Token::Name(name) => {
                self.at += 1;
                if self.is_symbol("(") {
                    return self.call(name, start);
                }
                return self.node(NodeKind::Name(name.into()), start);
            }
            Token::Symbol("(") => return self.group(start),
            Token::Symbol("[") => {
                self.at += 1;
                let items = self.list_until("]", Self::expression)?;
                return self.node(NodeKind::List(items), start);
            }
            Token::Symbol("{") => {
                self.at += 1;
                let entries = self.list_until("}", |parser| {
                    let key = parser.expression()?;
                    parser.expect_symbol(":")?;
                    Ok((key, parser.expression()?))
                })?;
                return self.node(NodeKind::Map(entries), start);
            }
            Token::Symbol(_) => return Err(self.unexpected("a value")),
        };
        self.at += 1;
        self.node(kind, start)
    }

    /// `( … )`: brackets around one expression, or a list written as in Python, `(200, 204)`.
    fn group(&mut self, start: usize) -> Parsed<Node> {
        self.at += 1;
        if self.take_symbol(")") {
            return self.node(NodeKind::List(Vec::new()), start);
        }
        let mut first = self.expression()?;
        if self.take_symbol(",") {
            let mut items = vec![first];
            items.extend(self.list_until(")", Self::expression)?);
            return self.node(NodeKind::List(items), start);
        }
        self.expect_symbol(")")?;
        first.span = start..self.end_of_last();
        Ok(first)
    }

    /// Entries with commas between them, one after the last allowed, up to and with `close`.
    pub(super) fn list_until<T>(&mut self, close: &str, mut entry: impl FnMut(&mut Self) -> Parsed<T>) -> Parsed<Vec<T>> {
        let mut entries = Vec::new();
        while !self.take_symbol(close) {
            if !entries.is_empty() {
                self.expect_symbol(",")?;
                if self.take_symbol(close) {
                    break;
                }
            }
            entries.push(entry(self)?);
        }
        Ok(entries)
    }
}
