//! The tree an expression is parsed into.
//!
//! Everything that can be decided when a probe is loaded is decided in it: names of filters and tests are resolved, regular
//! expressions compiled, arguments put in their places.

use std::ops::Range;

use minijinja::Value;
use regex::Regex;

use super::budget::Budget;
use super::filters::Filter;
use super::fuel;
use super::functions::Function;
use super::markup::{CssSelector, XPath};
use super::number::Operator;
use super::predicates::Predicate;

/// A part of an expression and where it stands in the source text.
#[derive(Debug)]
pub(super) struct Node {
    pub(super) kind: NodeKind,
    pub(super) span: Range<usize>,
    /// Levels below, bounded by the parser so that no walk over the tree can exhaust the stack.
    pub(super) depth: usize,
}

#[derive(Debug)]
pub(super) enum NodeKind {
    Literal(Value),
    Name(Box<str>),
    Attribute(Box<Node>, Box<str>),
    Index(Box<Node>, Box<Node>),
    Slice(Box<Node>, Box<[Option<Node>; 3]>),
    List(Vec<Node>),
    Map(Vec<(Node, Node)>),
    Negate(Box<Node>),
    Not(Box<Node>),
    And(Box<Node>, Box<Node>),
    Or(Box<Node>, Box<Node>),
    Compare(Comparison, Box<Node>, Box<Node>),
    Arithmetic(Operator, Box<Node>, Box<Node>),
    /// `then if test else otherwise`: test, then, otherwise.
    Choice(Box<[Node; 3]>),
    Call(&'static Function, Arguments),
    Filter(&'static Filter, Box<Node>, Arguments),
    /// `input | default(value, also_falsy)`.
    Default(Box<Node>, Arguments),
    Regex(Box<Node>, Pattern),
    /// `input | xpath(…)`, with the values of its prefixes and variables.
    XPath(Box<Node>, Box<XPath>, Vec<(Box<str>, Node)>),
    /// `input | css(…)`, with the attribute that is asked for.
    Css(Box<Node>, CssSelector, Option<Box<Node>>),
    /// `input | at(…, or=…)`.
    At(Box<Node>, Reach),
    /// `input | map(…)`.
    MapEach(Box<Node>, Mapping),
    /// `input | select(…)` and its kin.
    Select(Box<Node>, Selection),
    Test {
        input: Box<Node>,
        test: Test,
        negated: bool,
    },
}

/// A compiled regular expression and what it costs.
#[derive(Debug)]
pub(super) struct Pattern {
    pub(super) regex: Regex,
    /// Its compiled size in KiB: a search takes time for each byte of the text and, at worst, for each of its states.
    pub(super) kib: usize,
}

impl Pattern {
    /// Pays for a search in so many bytes. A search is mostly as fast as reading, so that the evaluation pays for that; a
    /// worker of the runtime pays for the worst.
    pub(super) fn pay(&self, bytes: usize, budget: &mut Budget) -> Result<(), String> {
        if bytes.saturating_mul(self.kib) > MAX_SEARCH {
            return Err(format!("{bytes} bytes are too many for a search with this pattern; look at less text, or match less"));
        }
        fuel::spend_bytes(bytes.saturating_mul(self.kib).saturating_mul(32));
        budget.text(bytes)
    }
}

/// Bytes of text times KiB of pattern that one search may take.
const MAX_SEARCH: usize = 64 << 20;

/// Arguments in the places of their parameters.
pub(super) type Arguments = Vec<Option<Node>>;

/// What `at` looks for below its input.
#[derive(Debug)]
pub(super) struct Reach {
    /// Keys of maps and indexes of lists, from the outside in; at least one.
    pub(super) steps: Vec<Node>,
    /// What it is where one of them is missing; undefined if absent.
    pub(super) or: Option<Box<Node>>,
}

/// What `map` does to each item.
#[derive(Debug)]
pub(super) enum Mapping {
    /// `map(attribute='a.b', default=…)`.
    Attribute(Path, Option<Box<Node>>),
    /// `map('upper')`.
    Filter(&'static Filter, Arguments),
}

/// Which items `select`, `reject`, `selectattr` and `rejectattr` keep.
#[derive(Debug)]
pub(super) struct Selection {
    /// What is looked at; the item itself if absent.
    pub(super) attribute: Option<Path>,
    /// What it must be; truthy if absent.
    pub(super) test: Option<Test>,
    /// Whether those are kept that are so, or the others.
    pub(super) keep: bool,
}

/// `a.b.0` inside an argument.
#[derive(Debug, Clone)]
pub(super) struct Path(pub(super) Vec<Value>);

/// What comes after `is`.
#[derive(Debug)]
pub(super) enum Test {
    Defined,
    Undefined,
    Matching(Pattern),
    Plain(&'static Predicate, Vec<Node>),
}

/// Comparisons, which are judged strictly.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Comparison {
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
    In,
    NotIn,
}

impl Comparison {
    pub(super) fn spelling(self) -> &'static str {
        match self {
            Self::Equal => "==",
            Self::NotEqual => "!=",
            Self::Less => "<",
            Self::LessOrEqual => "<=",
            Self::Greater => ">",
            Self::GreaterOrEqual => ">=",
            Self::In => "in",
            Self::NotIn => "not in",
        }
    }
}

impl Node {
    /// Whether it is written out: its text says all there is to know, so that reports need not list it.
    pub(super) fn is_literal(&self) -> bool {
        match &self.kind {
            NodeKind::Literal(_) => true,
            NodeKind::Negate(inner) => inner.is_literal(),
            NodeKind::List(items) => items.iter().all(Self::is_literal),
            NodeKind::Map(entries) => entries.iter().all(|(key, value)| key.is_literal() && value.is_literal()),
            _ => false,
        }
    }

    /// Whether it is the literal `none`.
    pub(super) fn is_none(&self) -> bool {
        matches!(&self.kind, NodeKind::Literal(value) if value.is_none())
    }

    /// Whether it can never be a truth value, whatever the scope.
    pub(super) fn is_never_a_bool(&self) -> bool {
        match &self.kind {
            NodeKind::Literal(value) => value.kind() != minijinja::value::ValueKind::Bool,
            NodeKind::Slice(..)
            | NodeKind::List(_)
            | NodeKind::Map(_)
            | NodeKind::Negate(_)
            | NodeKind::Arithmetic(..)
            | NodeKind::Regex(..)
            | NodeKind::Css(..)
            | NodeKind::MapEach(..)
            | NodeKind::Select(..) => true,
            NodeKind::Name(_)
            | NodeKind::Attribute(..)
            | NodeKind::Index(..)
            | NodeKind::Not(_)
            | NodeKind::And(..)
            | NodeKind::Or(..)
            | NodeKind::Compare(..)
            | NodeKind::Choice(_)
            | NodeKind::Call(..)
            | NodeKind::Filter(..)
            | NodeKind::Default(..)
            | NodeKind::At(..)
            | NodeKind::XPath(..)
            | NodeKind::Test { .. } => false,
        }
    }

    /// Whether `part` lies on the way that leads to the value: it is this one, or what this one is a part of or is made from.
    pub(super) fn is_followed_to(&self, part: &Self) -> bool {
        std::ptr::eq(self, part)
            || match &self.kind {
                NodeKind::Attribute(inner, _)
                | NodeKind::Index(inner, _)
                | NodeKind::Slice(inner, _)
                | NodeKind::Filter(_, inner, _)
                | NodeKind::Regex(inner, _)
                | NodeKind::XPath(inner, ..)
                | NodeKind::Css(inner, ..)
                | NodeKind::MapEach(inner, _)
                | NodeKind::Select(inner, _) => inner.is_followed_to(part),
                NodeKind::Default(inner, arguments) => {
                    let fallback = arguments.first().and_then(Option::as_ref);
                    inner.is_followed_to(part) || fallback.is_some_and(|fallback| fallback.is_followed_to(part))
                }
                NodeKind::At(inner, reach) => {
                    inner.is_followed_to(part) || reach.or.as_ref().is_some_and(|or| or.is_followed_to(part))
                }
                NodeKind::Choice(parts) => parts[1..].iter().any(|chosen| chosen.is_followed_to(part)),
                NodeKind::Literal(_)
                | NodeKind::Name(_)
                | NodeKind::List(_)
                | NodeKind::Map(_)
                | NodeKind::Negate(_)
                | NodeKind::Not(_)
                | NodeKind::And(..)
                | NodeKind::Or(..)
                | NodeKind::Compare(..)
                | NodeKind::Arithmetic(..)
                | NodeKind::Call(..)
                | NodeKind::Test { .. } => false,
            }
    }

    /// Calls `visit` with each node directly below.
    pub(super) fn each_child<'n>(&'n self, visit: &mut dyn FnMut(&'n Node)) {
        match &self.kind {
            NodeKind::Literal(_) | NodeKind::Name(_) => {}
            NodeKind::Attribute(inner, _) | NodeKind::Negate(inner) | NodeKind::Not(inner) | NodeKind::Regex(inner, _) => {
                visit(inner);
            }
            NodeKind::Index(left, right)
            | NodeKind::And(left, right)
            | NodeKind::Or(left, right)
            | NodeKind::Compare(_, left, right)
            | NodeKind::Arithmetic(_, left, right) => [left, right].into_iter().for_each(|node| visit(node)),
            NodeKind::Slice(inner, bounds) => std::iter::once(&**inner).chain(bounds.iter().flatten()).for_each(visit),
            NodeKind::List(items) => items.iter().for_each(visit),
            NodeKind::Map(entries) => entries.iter().flat_map(|(key, value)| [key, value]).for_each(visit),
            NodeKind::Choice(parts) => parts.iter().for_each(visit),
            NodeKind::Call(_, arguments) => arguments.iter().flatten().for_each(visit),
            NodeKind::Filter(_, inner, arguments) | NodeKind::Default(inner, arguments) => {
                std::iter::once(&**inner).chain(arguments.iter().flatten()).for_each(visit);
            }
            NodeKind::XPath(inner, _, given) => {
                std::iter::once(&**inner).chain(given.iter().map(|(_, value)| value)).for_each(visit);
            }
            NodeKind::Css(inner, _, attribute) => std::iter::once(&**inner).chain(attribute.as_deref()).for_each(visit),
            NodeKind::At(inner, Reach { steps, or }) => {
                std::iter::once(&**inner).chain(steps).chain(or.as_deref()).for_each(visit);
            }
            NodeKind::MapEach(inner, mapping) => {
                visit(inner);
                match mapping {
                    Mapping::Attribute(_, default) => default.iter().for_each(|node| visit(node)),
                    Mapping::Filter(_, arguments) => arguments.iter().flatten().for_each(visit),
                }
            }
            NodeKind::Select(inner, Selection { test, .. }) => {
                visit(inner);
                test.iter().flat_map(Test::arguments).for_each(visit);
            }
            NodeKind::Test { input, test, .. } => {
                visit(input);
                test.arguments().iter().for_each(visit);
            }
        }
    }
}

impl Test {
    fn arguments(&self) -> &[Node] {
        match self {
            Self::Defined | Self::Undefined | Self::Matching(_) => &[],
            Self::Plain(_, arguments) => arguments,
        }
    }
}
