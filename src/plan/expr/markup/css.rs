//! CSS selectors over a [`Tree`] that was read from HTML.
//!
//! Ours is the part of Selectors Level 3 that picks elements by what they are: names, `#id`, `.class`, attributes, `:not(…)`,
//! `:first-child` and its kin, the four combinators, lists. `parse` compiles it. What depends on a browser (`:hover`) is refused.

mod parse;

use minijinja::Value;

use super::super::budget::Budget;
use super::super::container::list;
use super::super::meter::Meter;
use super::tree::{Id, Kind, Tree};

/// A compiled list of selectors.
#[derive(Debug)]
pub(in super::super) struct CssSelector {
    any: Vec<Chain>,
}

/// Compounds from the left to the right, each with how it hangs on the one before it.
#[derive(Debug)]
struct Chain {
    first: Compound,
    rest: Vec<(Combinator, Compound)>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Combinator {
    Inside,
    Child,
    Next,
    Later,
}

/// What one element must be, all of it.
#[derive(Debug, Default)]
struct Compound {
    conditions: Vec<Condition>,
}

#[derive(Debug)]
enum Condition {
    Name(String),
    Attribute {
        name: String,
        test: AttributeTest,
        any_case: bool,
    },
    Not(Vec<Compound>),
    /// It has so many elements before it in its parent.
    Before(u32),
    /// It has an even number (true) or an odd one of elements before it.
    EvenBefore(bool),
    Last,
    Empty,
    Root,
}

#[derive(Debug)]
enum AttributeTest {
    Exists,
    Is(String),
    Word(String),
    Dashed(String),
    Begins(String),
    Ends(String),
    Contains(String),
}

impl CssSelector {
    /// Compiles a selector.
    pub(in super::super) fn compile(source: &str) -> Result<Self, String> {
        parse::selector(source).map_err(|why| format!("`{source}` is no CSS selector: {why}"))
    }

    /// The texts of what it selects, or the values of an attribute of those that have it.
    pub(in super::super) fn select(&self, from: &Value, attribute: Option<&str>, budget: &mut Budget) -> Result<Value, String> {
        super::select(from, true, budget, |tree, budget| {
            let found = budget.metered(|meter| -> Vec<Id> {
                let matches = |id: &Id| self.any.iter().any(|chain| chain.matches(tree, *id, meter));
                tree.elements().filter(matches).collect()
            })?;
            let mut texts = Vec::new();
            for id in found {
                let Some(attribute) = attribute else {
                    budget.text(tree.text_length(id))?;
                    texts.push(Value::from(tidied(&tree.text(id))));
                    continue;
                };
                budget.items(1)?;
                if let Some(value) = attribute_of(tree, id, attribute) {
                    budget.text(value.len())?;
                    texts.push(Value::from(value));
                }
            }
            list(texts)
        })
    }
}

/// As a browser would show it in a line: runs of white space are one space, and there is none around it.
fn tidied(text: &str) -> String {
    text.split_ascii_whitespace().collect::<Vec<_>>().join(" ")
}

fn attribute_of<'t>(tree: &'t Tree, id: Id, name: &str) -> Option<&'t str> {
    tree.attributes(id).map(|id| tree.node(id)).find(|node| node.name.eq_ignore_ascii_case(name)).map(|node| &*node.text)
}

fn parent_of(tree: &Tree, id: Id) -> Option<Id> {
    tree.node(id).parent.filter(|parent| tree.node(*parent).kind == Kind::Element)
}

impl Chain {
    fn matches(&self, tree: &Tree, id: Id, meter: &Meter) -> bool {
        self.matches_up_to(self.rest.len(), tree, id, meter)
    }

    /// Whether the element is what the compound at `last` wants, and what comes before that hangs on it.
    fn matches_up_to(&self, last: usize, tree: &Tree, id: Id, meter: &Meter) -> bool {
        let Some(before_last) = last.checked_sub(1) else { return self.first.matches(tree, id, meter) };
        let (combinator, compound) = &self.rest[before_last];
        if !compound.matches(tree, id, meter) {
            return false;
        }
        let others = |id: Id| self.matches_up_to(before_last, tree, id, meter);
        match combinator {
            Combinator::Inside => std::iter::successors(parent_of(tree, id), |id| parent_of(tree, *id)).any(others),
            Combinator::Child => parent_of(tree, id).is_some_and(others),
            Combinator::Next => tree.node(id).previous.is_some_and(others),
            Combinator::Later => std::iter::successors(tree.node(id).previous, |id| tree.node(*id).previous).any(others),
        }
    }
}

impl Compound {
    fn matches(&self, tree: &Tree, id: Id, meter: &Meter) -> bool {
        meter.step(1);
        self.conditions.iter().all(|condition| condition.holds(tree, id, meter))
    }
}

impl Condition {
    fn holds(&self, tree: &Tree, id: Id, meter: &Meter) -> bool {
        match self {
            Self::Name(name) => tree.node(id).name.eq_ignore_ascii_case(name),
            Self::Attribute { name, test, any_case } => {
                meter.step(1);
                attribute_of(tree, id, name).is_some_and(|value| {
                    meter.step(value.len() / 16);
                    if *any_case { test.holds(&value.to_ascii_lowercase()) } else { test.holds(value) }
                })
            }
            Self::Not(others) => !others.iter().any(|other| other.matches(tree, id, meter)),
            Self::Before(number) => tree.node(id).position == *number,
            Self::EvenBefore(even) => tree.node(id).position.is_multiple_of(2) == *even,
            Self::Last => tree.following(id).inspect(|_| meter.step(1)).all(|other| tree.node(other).kind != Kind::Element),
            Self::Empty => tree.children(id).all(|child| tree.node(child).kind == Kind::Comment),
            Self::Root => parent_of(tree, id).is_none(),
        }
    }
}

impl AttributeTest {
    fn holds(&self, value: &str) -> bool {
        match self {
            Self::Exists => true,
            Self::Is(wanted) => value == wanted,
            Self::Word(wanted) => value.split_ascii_whitespace().any(|word| word == wanted),
            Self::Dashed(wanted) => value.strip_prefix(&**wanted).is_some_and(|rest| rest.is_empty() || rest.starts_with('-')),
            // The standard has an empty text begin, end and be in nothing.
            Self::Begins(wanted) => !wanted.is_empty() && value.starts_with(&**wanted),
            Self::Ends(wanted) => !wanted.is_empty() && value.ends_with(&**wanted),
            Self::Contains(wanted) => !wanted.is_empty() && value.contains(&**wanted),
        }
    }
}
