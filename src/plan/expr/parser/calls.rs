//! What takes arguments: functions, filters and tests, resolved by name while parsing.

use std::ops::Range;

use minijinja::Value;
use regex::{Regex, RegexBuilder};

use crate::base::nearest_above;

use super::super::functions;
use super::super::lexer::Token;
use super::super::markup::{CssSelector, XPath};
use super::super::rule::Signature;
use super::super::syntax::{Arguments, Mapping, Node, NodeKind, Path, Pattern, Reach, Selection, Test};
use super::super::{ParseError, filters, predicates};
use super::{Parsed, Parser, advice};

/// Memory one compiled regular expression may take, in KiB; the smallest of these that is enough is what a search with it costs.
const REGEX_KIB: [usize; 5] = [4, 16, 64, 256, 1_024];

/// What stands between the brackets of a call.
#[derive(Default)]
struct CallArguments<'s> {
    positional: Vec<Node>,
    named: Vec<(&'s str, Range<usize>, Node)>,
}

impl<'s> Parser<'s> {
    pub(super) fn call(&mut self, name: &'s str, start: usize) -> Parsed<Node> {
        let span = start..self.end_of_last();
        let function = functions::find(name).ok_or_else(|| {
            let known = functions::FUNCTIONS.iter().map(|function| function.name);
            if filters::known().any(|filter| filter == name) {
                let message = format!("`{name}` is a filter: `value | {name}`");
                return ParseError { message, span: span.clone() };
            }
            match advice::function(name) {
                Some(instead) => {
                    ParseError { message: format!("there is no function `{name}`; use {instead}"), span: span.clone() }
                }
                None => unknown("function", name, known, span.clone()),
            }
        })?;
        let given = self.given()?;
        let arguments = place(function.name, given, &function.signature, span)?;
        self.node(NodeKind::Call(function, arguments), start)
    }

    /// After `|`.
    pub(super) fn filter(&mut self, input: Node, start: usize) -> Parsed<Node> {
        let (name, span) = self.callable_name("the name of a filter")?;
        let given = self.given()?;
        let input = Box::new(input);
        let kind = match name {
            "default" | "d" => {
                let signature = Signature { parameters: &["value", "also_falsy"], required: 1, rules: &[] };
                NodeKind::Default(input, place(name, given, &signature, span)?)
            }
            "regex" => NodeKind::Regex(input, pattern(name, given, span)?),
            "xpath" => xpath(input, given, span)?,
            "css" => css(input, given, span)?,
            "at" => NodeKind::At(input, reach(given, span)?),
            "map" => NodeKind::MapEach(input, mapping(given, span)?),
            "select" | "reject" => NodeKind::Select(input, selection(given, name == "select", None)?),
            "selectattr" | "rejectattr" => {
                let mut given = given;
                if given.positional.is_empty() {
                    let message = format!("`{name}` needs the name of an attribute, as in `{name}('status', 'eq', 'ok')`");
                    return Err(ParseError { message, span });
                }
                let attribute = path(&given.positional.remove(0))?;
                NodeKind::Select(input, selection(given, name == "selectattr", Some(attribute))?)
            }
            _ => {
                let filter = filters::find(name).ok_or_else(|| match advice::filter(name) {
                    Some(instead) => {
                        ParseError { message: format!("there is no filter `{name}`; use {instead}"), span: span.clone() }
                    }
                    None => unknown("filter", name, filters::known(), span.clone()),
                })?;
                NodeKind::Filter(filter, input, place(name, given, &filter.signature, span)?)
            }
        };
        self.node(kind, start)
    }

    /// After `is`.
    pub(super) fn test(&mut self, input: Node, start: usize) -> Parsed<Node> {
        let negated = self.take_word("not");
        let (name, span) = self.callable_name("the name of a test")?;
        let given = if self.is_symbol("(") || !self.test_argument_follows() {
            self.given()?
        } else {
            CallArguments { positional: vec![self.nested(Self::unary)?], named: Vec::new() }
        };
        let test = resolve_test(name, given, span)?;
        self.node(NodeKind::Test { input: Box::new(input), test, negated }, start)
    }

    /// As in Jinja, a test with one argument may leave the brackets out: `is divisibleby 3`.
    fn test_argument_follows(&self) -> bool {
        match self.peek() {
            Some(Token::Text(_) | Token::Number(_) | Token::Symbol("[" | "{")) => true,
            Some(Token::Name(name)) => !["and", "or", "else", "is", "if", "not", "in"].contains(name),
            Some(Token::Symbol(_)) | None => false,
        }
    }

    fn callable_name(&mut self, expected: &str) -> Parsed<(&'s str, Range<usize>)> {
        let span = self.span();
        let Some(Token::Name(name)) = self.peek() else { return Err(self.unexpected(expected)) };
        let name = *name;
        self.at += 1;
        Ok((name, span))
    }

    fn given(&mut self) -> Parsed<CallArguments<'s>> {
        let mut given = CallArguments::default();
        if !self.take_symbol("(") {
            return Ok(given);
        }
        let arguments = self.list_until(")", |parser| {
            let span = parser.span();
            let name = match (parser.peek(), parser.tokens.get(parser.at + 1)) {
                (Some(Token::Name(name)), Some((Token::Symbol("="), _))) => Some(*name),
                _ => None,
            };
            parser.at += if name.is_some() { 2 } else { 0 };
            Ok((name, span, parser.expression()?))
        })?;
        for (name, span, value) in arguments {
            match name {
                Some(name) => given.named.push((name, span, value)),
                None if given.named.is_empty() => given.positional.push(value),
                None => return Err(ParseError { message: "arguments without a name come before those with one".into(), span }),
            }
        }
        Ok(given)
    }
}

/// Puts arguments in the places of their parameters.
fn place(callable: &str, given: CallArguments<'_>, signature: &Signature, span: Range<usize>) -> Parsed<Arguments> {
    let mut places: Arguments = signature.parameters.iter().map(|_| None).collect();
    if given.positional.len() > places.len() {
        let message = match signature.parameters {
            [] => format!("`{callable}` takes no arguments"),
            parameters => format!("`{callable}` takes at most {} arguments: {}", parameters.len(), parameters.join(", ")),
        };
        return Err(ParseError { message, span });
    }
    for (place, value) in places.iter_mut().zip(given.positional) {
        *place = Some(value);
    }
    for (name, span, value) in given.named {
        let Some(at) = signature.parameters.iter().position(|parameter| *parameter == name) else {
            return Err(unknown(&format!("parameter of `{callable}`"), name, signature.parameters.iter().copied(), span));
        };
        if places[at].replace(value).is_some() {
            return Err(ParseError { message: format!("`{name}` is given twice"), span });
        }
    }
    if let Some(missing) = (0..signature.required).find(|at| places[*at].is_none()) {
        let message = format!("`{callable}` needs `{}`", signature.parameters[missing]);
        return Err(ParseError { message, span });
    }
    for (parameter, rule) in signature.rules {
        let at = signature.parameters.iter().position(|known| known == parameter);
        let Some(node) = at.and_then(|at| places[at].as_ref()) else { continue };
        if let NodeKind::Literal(value) = &node.kind
            && let Some(message) = rule.breach(parameter, value)
        {
            return Err(ParseError { message, span: node.span.clone() });
        }
    }
    Ok(places)
}

fn resolve_test(name: &str, given: CallArguments<'_>, span: Range<usize>) -> Parsed<Test> {
    if let Some((_, span, _)) = given.named.first() {
        return Err(ParseError { message: "arguments of tests have no names".into(), span: span.clone() });
    }
    let count = given.positional.len();
    let (test, arity) = match name {
        "defined" => (Test::Defined, 0),
        "undefined" => (Test::Undefined, 0),
        "matching" => return pattern(name, given, span).map(Test::Matching),
        _ => {
            let predicate = predicates::find(name).ok_or_else(|| unknown("test", name, predicates::known(), span.clone()))?;
            (Test::Plain(predicate, given.positional), predicate.arguments)
        }
    };
    if count != arity {
        let message = format!("the test `{name}` takes {arity} arguments, not {count}");
        return Err(ParseError { message, span });
    }
    Ok(test)
}

/// The one argument of `regex` and `matching`: written out, so that it is compiled and checked when the probe is loaded.
fn pattern(callable: &str, given: CallArguments<'_>, span: Range<usize>) -> Parsed<Pattern> {
    let places = place(callable, given, &Signature { parameters: &["pattern"], required: 1, rules: &[] }, span.clone())?;
    let node = places.into_iter().flatten().next().ok_or_else(|| ParseError { message: "a pattern is missing".into(), span })?;
    let source = literal_text(&node, "the pattern of a regular expression")?;
    let compiled = |kib: usize| RegexBuilder::new(source).size_limit(kib << 10).dfa_size_limit(1 << 20).build();
    let mut tries = REGEX_KIB.into_iter().map(|kib| (compiled(kib), kib));
    let last = |tried: &(Result<Regex, regex::Error>, usize)| !matches!(tried.0, Err(regex::Error::CompiledTooBig(_)));
    let (regex, kib) = tries.find(last).unwrap_or_else(|| (compiled(REGEX_KIB[4]), REGEX_KIB[4]));
    regex.map(|regex| Pattern { regex, kib }).map_err(|error| {
        let why = error.to_string();
        let why = why.lines().last().unwrap_or_default().trim_start_matches("error: ").to_owned();
        ParseError { message: format!("`{source}` is not a regular expression: {why}"), span: node.span.clone() }
    })
}

/// The path of `xpath`, written out, and the values of its prefixes and variables by their names.
fn xpath(input: Box<Node>, given: CallArguments<'_>, span: Range<usize>) -> Parsed<NodeKind> {
    let CallArguments { positional, named } = given;
    let [path] = &positional[..] else {
        let message = "`xpath` takes one path, as in `xml | xpath('//a:entry/a:id', a='http://www.w3.org/2005/Atom')`".into();
        return Err(ParseError { message, span });
    };
    let source = literal_text(path, "an XPath")?;
    let names: Vec<&str> = named.iter().map(|(name, ..)| *name).collect();
    if let Some((name, span, _)) =
        named.iter().enumerate().find(|(at, (name, ..))| names[..*at].contains(name)).map(|(_, named)| named)
    {
        return Err(ParseError { message: format!("`{name}` is given twice"), span: span.clone() });
    }
    let compiled = XPath::compile(source, &names).map_err(|message| ParseError { message, span: path.span.clone() })?;
    let given = named.into_iter().map(|(name, _, value)| (name.into(), value)).collect();
    Ok(NodeKind::XPath(input, Box::new(compiled), given))
}

/// The selector of `css`, written out, and the attribute that is asked for.
fn css(input: Box<Node>, given: CallArguments<'_>, span: Range<usize>) -> Parsed<NodeKind> {
    let signature = Signature { parameters: &["selector", "attribute"], required: 1, rules: &[] };
    let mut places = place("css", given, &signature, span.clone())?.into_iter();
    let selector = places.next().flatten().ok_or_else(|| ParseError { message: "a selector is missing".into(), span })?;
    let compiled = CssSelector::compile(literal_text(&selector, "a CSS selector")?);
    let compiled = compiled.map_err(|message| ParseError { message, span: selector.span.clone() })?;
    Ok(NodeKind::Css(input, compiled, places.next().flatten().map(Box::new)))
}

/// The arguments of `at`: any number of steps, and then `or`, which has no place of its own among them.
fn reach(given: CallArguments<'_>, span: Range<usize>) -> Parsed<Reach> {
    if given.positional.is_empty() {
        let message = "`at` needs the steps to what is looked for, as in `json | at('rooms', 0, 'name')`".into();
        return Err(ParseError { message, span });
    }
    let mut or = None;
    for (name, span, value) in given.named {
        if name != "or" {
            let message = format!("`at` has no parameter `{name}`; what it is where something is missing is given with `or=`");
            return Err(ParseError { message, span });
        }
        if or.replace(Box::new(value)).is_some() {
            return Err(ParseError { message: "`or` is given twice".into(), span });
        }
    }
    Ok(Reach { steps: given.positional, or })
}

fn mapping(given: CallArguments<'_>, span: Range<usize>) -> Parsed<Mapping> {
    let mut given = given;
    if given.positional.is_empty() {
        let signature = Signature { parameters: &["attribute", "default"], required: 1, rules: &[] };
        let mut places = place("map", given, &signature, span.clone())?.into_iter();
        let attribute = places.next().flatten();
        let default = places.next().flatten();
        let attribute = attribute.ok_or_else(|| ParseError { message: "`map` needs `attribute`".into(), span })?;
        return Ok(Mapping::Attribute(path(&attribute)?, default.map(Box::new)));
    }
    let first = given.positional.remove(0);
    let name = literal_text(&first, "the name of a filter")?;
    let filter = filters::find(name).ok_or_else(|| unknown("filter", name, filters::plain(), first.span.clone()))?;
    Ok(Mapping::Filter(filter, place(name, given, &filter.signature, span)?))
}

fn selection(given: CallArguments<'_>, keep: bool, attribute: Option<Path>) -> Parsed<Selection> {
    let mut given = given;
    let test = if given.positional.is_empty() {
        resolve_nothing(&given)?;
        None
    } else {
        let first = given.positional.remove(0);
        Some(resolve_test(literal_text(&first, "the name of a test")?, given, first.span.clone())?)
    };
    Ok(Selection { attribute, test, keep })
}

fn resolve_nothing(given: &CallArguments<'_>) -> Parsed<()> {
    match given.named.first() {
        Some((name, span, _)) => Err(ParseError { message: format!("there is no parameter `{name}`"), span: span.clone() }),
        None => Ok(()),
    }
}

/// `'a.b.0'`: names and whole numbers with dots between them.
fn path(node: &Node) -> Parsed<Path> {
    let text = literal_text(node, "the name of an attribute")?;
    let step = |step: &str| step.parse::<i64>().map_or_else(|_| Value::from(step), Value::from);
    Ok(Path(text.split('.').map(step).collect()))
}

fn literal_text<'n>(node: &'n Node, what: &str) -> Parsed<&'n str> {
    match &node.kind {
        NodeKind::Literal(value) => value.as_str(),
        _ => None,
    }
    .ok_or_else(|| ParseError { message: format!("{what} is written out as a string here"), span: node.span.clone() })
}

fn unknown<'n>(what: &str, name: &str, known: impl Iterator<Item = &'n str>, span: Range<usize>) -> ParseError {
    // There are few of each kind, all in the documentation: a vague likeness is worth a look.
    let message = match nearest_above(0.7, name, known) {
        Some(near) => format!("there is no {what} `{name}`; the nearest is `{near}`"),
        None => format!("there is no {what} `{name}`"),
    };
    ParseError { message, span }
}
