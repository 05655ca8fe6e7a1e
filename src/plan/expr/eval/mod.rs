//! A tree and a scope to a value.
//!
//! Undefined is an error everywhere but directly before `is defined`, `is undefined` and `default`; truth values are bools
//! and nothing else; what it may cost is counted by the [`Budget`]. Parts that were looked at to decide a condition are kept
//! as [`SeenPart`], so that a report can show both sides.

mod lists;
mod operators;
mod reach;
mod truth;

use std::ops::Range;

use minijinja::Value;
use minijinja::value::ValueKind;

use crate::base::nearest;

use super::arguments::Arguments;
use super::budget::Budget;
use super::container;
use super::derived::with_listener;
use super::filters::{self, Filter, Secrecy};
use super::given::{Given, Meaning};
use super::markup::CssSelector;
use super::number::Number;
use super::program::Program;
use super::sets::Wanted;
use super::syntax::{Node, NodeKind, Pattern};
use super::value::describe;

/// Keys of a map that are compared with a missing key, to suggest the one that was meant.
const LOOKED_THROUGH: usize = 200;

type Outcome<T = Value> = Result<T, String>;

/// A part that decided a condition.
pub(super) struct SeenPart<'p> {
    pub(super) span: &'p Range<usize>,
    pub(super) value: Outcome,
    /// What it is in a comparison of two lists that found them different.
    pub(super) list: Option<ListPart>,
}

/// A list that was compared with another one.
pub(super) enum ListPart {
    /// It is not what was wanted.
    Differs { from: Value, wanted: Wanted },
    /// It is what another part differs from.
    Beside,
}

/// One evaluation.
pub(super) struct Evaluation<'p> {
    program: &'p Program,
    given: Option<&'p Given>,
    scope: &'p Value,
    budget: Budget,
    pub(super) seen: Vec<SeenPart<'p>>,
    /// Whether it was given up because something of a value was not there: a field, an item, the first one of none.
    pub(super) absent: bool,
    /// The part that was not there last; nothing for what a list's item lacks.
    pub(super) missing: Option<&'p Node>,
}

impl<'p> Evaluation<'p> {
    pub(super) fn new(program: &'p Program, given: Option<&'p Given>, scope: &'p Value) -> Self {
        Self { program, given, scope, budget: Budget::new(), seen: Vec::new(), absent: false, missing: None }
    }

    /// The value of a whole expression or undefined, as a part of another evaluation, which pays for it.
    pub(super) fn part(mut self, budget: &mut Budget) -> Outcome {
        std::mem::swap(&mut self.budget, budget);
        let value = self.value_or_undefined(&self.program.root);
        std::mem::swap(&mut self.budget, budget);
        value
    }

    fn text(&self, node: &Node) -> &'p str {
        self.program.text(&node.span)
    }

    /// The value of a part; never undefined.
    pub(super) fn value(&mut self, node: &'p Node) -> Outcome {
        let value = self.value_or_undefined(node)?;
        if !value.is_undefined() {
            return Ok(value);
        }
        let why = self.why_undefined(node);
        // A name without a value is no part of anything: there is no JSON at all, or no such name.
        self.absent = !matches!(node.kind, NodeKind::Name(_));
        self.missing = self.absent.then_some(node);
        Err(why)
    }

    /// The value of a part, or undefined where the last step of it leads nowhere. What the scope could not give is an error.
    fn value_or_undefined(&mut self, node: &'p Node) -> Outcome {
        let value = self.look(node)?;
        match value.kind() {
            ValueKind::Invalid => Err(format!("`{}`: {}", self.text(node), describe(&value))),
            _ => Ok(value),
        }
    }

    fn look(&mut self, node: &'p Node) -> Outcome {
        self.budget.items(1)?;
        match &node.kind {
            NodeKind::Literal(value) => Ok(value.clone()),
            NodeKind::Name(name) => self.name(name),
            NodeKind::Attribute(inner, name) => {
                let parent = self.value(inner)?;
                match parent.kind() {
                    ValueKind::Map | ValueKind::Plain => Ok(parent.get_attr(name).unwrap_or(Value::UNDEFINED)),
                    _ => Err(format!("`{}` is {} and has no `{name}`", self.text(inner), describe(&parent))),
                }
            }
            NodeKind::Index(inner, index) => {
                let (inner, index) = (self.value(inner)?, self.value(index)?);
                self.index(node, &inner, &index)
            }
            NodeKind::Slice(inner, bounds) => self.slice(node, inner, bounds),
            NodeKind::List(items) => {
                let items = items.iter().map(|item| self.value(item)).collect::<Result<Vec<_>, _>>()?;
                container::list(items).map_err(|why| format!("`{}`: {why}", self.text(node)))
            }
            NodeKind::Map(entries) => {
                let pairs = entries.iter().map(|(key, value)| Ok((self.value(key)?, self.value(value)?)));
                container::map(pairs.collect::<Outcome<Vec<_>>>()?).map_err(|why| format!("`{}`: {why}", self.text(node)))
            }
            NodeKind::Negate(inner) => {
                let value = self.value(inner)?;
                let negated = Number::of(&value).and_then(Number::negate).map(Number::into_value);
                negated.ok_or_else(|| format!("`{}`: {} cannot be negated", self.text(node), describe(&value)))
            }
            NodeKind::Not(_) | NodeKind::And(..) | NodeKind::Or(..) | NodeKind::Compare(..) | NodeKind::Test { .. } => {
                let seen = std::mem::take(&mut self.seen);
                let truth = self.truth(node);
                self.seen = seen;
                truth.map(Value::from)
            }
            NodeKind::Arithmetic(operator, left, right) => {
                let (left, right) = (self.value(left)?, self.value(right)?);
                self.calculate(*operator, &left, &right).map_err(|why| format!("`{}`: {why}", self.text(node)))
            }
            NodeKind::Choice(parts) => {
                let [test, then, otherwise] = &**parts;
                let chosen = if self.bool(test)? { then } else { otherwise };
                self.value_or_undefined(chosen)
            }
            NodeKind::Call(function, arguments) => {
                let arguments = self.arguments(arguments)?;
                let made = (function.call)(&arguments, &mut self.budget);
                let made = made.map_err(|why| format!("`{}`: {why}", self.text(node)))?;
                if let Some(text) = made.as_str().filter(|_| function.signs) {
                    with_listener(self.scope, |listener| listener.signed(text));
                }
                Ok(made)
            }
            NodeKind::Filter(filter, input, arguments) => {
                let (input, arguments) = (self.value(input)?, self.arguments(arguments)?);
                self.apply(filter, &input, &arguments).map_err(|why| {
                    self.absent = filters::is_absence(&why);
                    format!("`{}`: {why}", self.text(node))
                })
            }
            NodeKind::Default(input, arguments) => self.default(input, arguments),
            NodeKind::Regex(input, pattern) => {
                let value = self.value(input)?;
                self.regex(pattern, &value).map_err(|why| format!("`{}`: {why}", self.text(node)))
            }
            NodeKind::XPath(input, path, given) => {
                let value = self.value(input)?;
                let given = given.iter().map(|(name, value)| Ok((&**name, self.value(value)?))).collect::<Outcome<Vec<_>>>()?;
                path.select(&value, &given, &mut self.budget).map_err(|why| format!("`{}`: {why}", self.text(node)))
            }
            NodeKind::Css(input, selector, attribute) => {
                let value = self.value(input)?;
                let attribute = attribute.as_ref().map(|attribute| self.value(attribute)).transpose()?;
                self.css(selector, &value, attribute.as_ref()).map_err(|why| format!("`{}`: {why}", self.text(node)))
            }
            NodeKind::At(input, reach) => self.at(node, input, reach),
            NodeKind::MapEach(input, mapping) => self.map(node, input, mapping),
            NodeKind::Select(input, selection) => self.select(node, input, selection),
        }
    }

    fn name(&mut self, name: &str) -> Outcome {
        let name = match self.given.and_then(|given| given.meaning(name)) {
            None => name,
            Some(Meaning::Name(other)) => other,
            Some(Meaning::Value(template)) => return template.look(self.scope, &mut self.budget),
        };
        Ok(self.scope.get_attr(name).unwrap_or(Value::UNDEFINED))
    }

    /// What a filter makes of a value, which is made known where it may be a credential.
    fn apply(&mut self, filter: &Filter, input: &Value, arguments: &[Option<Value>]) -> Outcome {
        let made = (filter.apply)(input, &Arguments(arguments), &mut self.budget)?;
        match (filter.secrecy, input.as_str(), made.as_str()) {
            (Secrecy::Signs, _, Some(made)) => with_listener(self.scope, |listener| listener.signed(made)),
            (Secrecy::Hashes, Some(from), Some(made)) => {
                self.budget.text(from.len())?;
                with_listener(self.scope, |listener| listener.hashed(from, made));
            }
            (Secrecy::Plain | Secrecy::Signs | Secrecy::Hashes, _, _) => {}
        }
        Ok(made)
    }

    fn why_undefined(&mut self, node: &'p Node) -> String {
        let undefined = format!("`{}` is undefined", self.text(node));
        let (inner, name) = match &node.kind {
            NodeKind::Attribute(inner, name) => (inner, name),
            NodeKind::At(input, reach) => return self.why_not_reached(node, input, reach).unwrap_or(undefined),
            _ => return undefined,
        };
        let Ok(parent) = self.value(inner) else { return undefined };
        let keys: Vec<Value> = parent.try_iter().map(|keys| keys.take(LOOKED_THROUGH).collect()).unwrap_or_default();
        match nearest(name, keys.iter().filter_map(Value::as_str)) {
            Some(near) => format!("{undefined}: `{}` has no `{name}`, but `{near}`", self.text(inner)),
            None => format!("{undefined}: `{}` has no `{name}`", self.text(inner)),
        }
    }

    fn arguments(&mut self, arguments: &'p [Option<Node>]) -> Outcome<Vec<Option<Value>>> {
        arguments.iter().map(|argument| argument.as_ref().map(|argument| self.value(argument)).transpose()).collect()
    }

    fn default(&mut self, input: &'p Node, arguments: &'p [Option<Node>]) -> Outcome {
        let value = self.value_or_undefined(input)?;
        let also_falsy = match arguments.get(1).and_then(Option::as_ref) {
            Some(flag) => self.bool(flag)?,
            None => false,
        };
        match arguments.first().and_then(Option::as_ref) {
            Some(fallback) if value.is_undefined() || also_falsy && !value.is_true() => self.value(fallback),
            _ => Ok(value),
        }
    }

    fn css(&mut self, selector: &CssSelector, value: &Value, attribute: Option<&Value>) -> Outcome {
        let name = |value: &Value| {
            value.as_str().map(str::to_owned).ok_or_else(|| format!("the attribute is {}, not a string", describe(value)))
        };
        let attribute = attribute.map(name).transpose()?;
        selector.select(value, attribute.as_deref(), &mut self.budget)
    }

    /// The first group of the first match, the whole match without groups; undefined without a match.
    fn regex(&mut self, pattern: &Pattern, value: &Value) -> Outcome {
        let text = value.as_str().ok_or_else(|| format!("{} is not a string", describe(value)))?;
        pattern.pay(text.len(), &mut self.budget)?;
        let Pattern { regex: pattern, .. } = pattern;
        let captures = pattern.captures(text);
        let found = captures.as_ref().and_then(|captures| captures.get(usize::from(captures.len() > 1)));
        Ok(found.map_or(Value::UNDEFINED, |found| Value::from(found.as_str())))
    }
}

fn is_list(value: &Value) -> bool {
    matches!(value.kind(), ValueKind::Seq | ValueKind::Iterable)
}
