//! `XPath` 1.0 (by `xpath-eval`) over a [`Tree`].
//!
//! A path is compiled and looked through when a probe is loaded: functions that do not exist, prefixes and variables without a value
//! are found there. What it selects are texts, as `string()` has them; a path that computes gives a number, text or truth value.

use std::cmp::Ordering;
use std::collections::BTreeSet;

use minijinja::Value;
use minijinja::value::ValueKind;
use xpath_eval::{
    Axis, EvaluationContext, ExpandedName, Expr, FilterExpr, LocationPath, Node, NodeKind, NodeTest, PathExpr, PrimaryExpr, QName,
};

use crate::base::{nearest, nearest_above};

use super::super::budget::Budget;
use super::super::container::list;
use super::super::lexer::whole_value;
use super::super::meter::Meter;
use super::super::number::Number;
use super::super::value::describe;
use super::tree::{Id, Kind, Tree};

/// Bytes of a path.
const LONGEST: usize = 1_000;

/// Brackets within brackets, and minus signs: how deep the parser of the crate may go.
const NESTED: usize = 16;
const MINUSES: usize = 32;

/// Levels of a compiled path.
const DEEPEST: usize = 64;

const XML: &str = "http://www.w3.org/XML/1998/namespace";

const FUNCTIONS: [&str; 27] = [
    "boolean",
    "ceiling",
    "concat",
    "contains",
    "count",
    "false",
    "floor",
    "id",
    "lang",
    "last",
    "local-name",
    "name",
    "namespace-uri",
    "normalize-space",
    "not",
    "number",
    "position",
    "round",
    "starts-with",
    "string",
    "string-length",
    "substring",
    "substring-after",
    "substring-before",
    "sum",
    "translate",
    "true",
];

/// A compiled path.
#[derive(Debug)]
pub(in super::super) struct XPath {
    expr: Expr,
    prefixes: BTreeSet<String>,
    variables: BTreeSet<String>,
}

impl XPath {
    /// Compiles a path that is given values under these names.
    pub(in super::super) fn compile(source: &str, given: &[&str]) -> Result<Self, String> {
        let no_path = |why: &str| format!("`{source}` is no XPath: {why}");
        bounded(source).map_err(|why| no_path(&why))?;
        let expr = xpath_eval::parse(source).map_err(|error| no_path(&error.message))?;
        let mut survey = Survey::default();
        survey.expr(&expr, 0).map_err(|why| no_path(&why))?;
        let Survey { prefixes, variables } = survey;
        let unknown = |name: &&String| !given.contains(&name.as_str());
        if let Some(prefix) = prefixes.iter().filter(|prefix| *prefix != "xml").find(unknown) {
            let other =
                nearest_above(0.7, prefix, given.iter().copied()).map_or_else(String::new, |near| format!("; given is `{near}`"));
            return Err(format!("the prefix `{prefix}:` has no namespace: give it one with `{prefix}='…'`{other}"));
        }
        if let Some(variable) = variables.iter().find(unknown) {
            return Err(format!("`${variable}` has no value: give it one with `{variable}=…`"));
        }
        if let Some(unused) = given.iter().find(|name| !prefixes.contains(**name) && !variables.contains(**name)) {
            let near = nearest_above(0.7, unused, prefixes.iter().chain(&variables).map(String::as_str));
            let near = near.map_or_else(String::new, |near| format!("; did you mean `{near}`?"));
            return Err(format!("the path uses neither a prefix `{unused}:` nor `${unused}`{near}"));
        }
        Ok(Self { expr, prefixes, variables })
    }

    /// What it selects in a document, with the values of its prefixes and variables.
    pub(in super::super) fn select(&self, from: &Value, given: &[(&str, Value)], budget: &mut Budget) -> Result<Value, String> {
        for (name, value) in given {
            if self.prefixes.contains(*name) && value.as_str().is_none() {
                return Err(format!("the namespace of `{name}:` is {}, not a string", describe(value)));
            }
            if !matches!(value.kind(), ValueKind::String | ValueKind::Number | ValueKind::Bool) {
                return Err(format!("`${name}` is {}, which no path can use", describe(value)));
            }
        }
        super::select(from, false, budget, |tree, budget| {
            let selected = budget.metered(|meter| self.evaluated(tree, given, meter))??;
            plain(tree, selected, budget)
        })
    }

    fn evaluated(&self, tree: &Tree, given: &[(&str, Value)], meter: &Meter) -> Result<Selected, String> {
        let find = |name: &str| given.iter().find(|(known, _)| *known == name).map(|(_, value)| value);
        let namespaces = |prefix: &str| match prefix {
            "xml" => Some(XML.to_owned()),
            _ => find(prefix).and_then(Value::as_str).map(str::to_owned),
        };
        let variables = |name: &QName| find(&name.local).filter(|_| self.variables.contains(&name.local)).map(argument);
        let mut context = EvaluationContext::new(Place { tree, meter, id: 0 });
        context.namespaces = Some(&namespaces);
        context.variables = Some(&variables);
        let value = xpath_eval::evaluate(&self.expr, &context).map_err(|error| error.to_string())?;
        Ok(match value {
            xpath_eval::Value::NodeSet(nodes) => Selected::Nodes(nodes.iter().map(|node| node.id).collect()),
            xpath_eval::Value::Boolean(truth) => Selected::Plain(Value::from(truth)),
            xpath_eval::Value::String(text) => Selected::Plain(Value::from(text)),
            xpath_eval::Value::Number(number) => Selected::Plain(number_value(number)?),
        })
    }
}

enum Selected {
    Nodes(Vec<Id>),
    Plain(Value),
}

fn plain(tree: &Tree, selected: Selected, budget: &mut Budget) -> Result<Value, String> {
    let mut nodes = match selected {
        Selected::Plain(value) => return Ok(value),
        Selected::Nodes(nodes) => nodes,
    };
    nodes.sort_unstable();
    nodes.dedup();
    let texts = nodes.into_iter().map(|id| {
        budget.text(tree.text_length(id))?;
        Ok(Value::from(tree.text(id)))
    });
    list(texts.collect::<Result<_, String>>()?)
}

fn number_value(number: f64) -> Result<Value, String> {
    if !number.is_finite() {
        return Err("it computes no finite number".into());
    }
    match Number::Float(number).truncated() {
        #[expect(clippy::cast_precision_loss, reason = "a whole number that was a float is one again")]
        Some(whole) if (whole as f64).total_cmp(&number) == Ordering::Equal => Ok(whole_value(whole)),
        _ => Ok(Value::from(number)),
    }
}

fn argument<N>(value: &Value) -> xpath_eval::Value<N> {
    match (value.as_str(), Number::of(value)) {
        (Some(text), _) => xpath_eval::Value::String(text.to_owned()),
        (None, Some(number)) => xpath_eval::Value::Number(number.float()),
        (None, None) => xpath_eval::Value::Boolean(value.is_true()),
    }
}

/// Refuses what would take the crate's parser too deep.
fn bounded(source: &str) -> Result<(), String> {
    if source.len() > LONGEST {
        return Err(format!("it has more than {LONGEST} bytes"));
    }
    let (mut depth, mut minuses, mut quote) = (0_usize, 0, None);
    for character in source.chars() {
        match (quote, character) {
            (Some(open), close) if open == close => quote = None,
            (None, '\'' | '"') => quote = Some(character),
            (None, '(' | '[') => depth += 1,
            (None, ')' | ']') => depth = depth.saturating_sub(1),
            (None, '-') => minuses += 1,
            (Some(_) | None, _) => {}
        }
        if depth > NESTED || minuses > MINUSES {
            return Err(format!("it has more than {NESTED} brackets within brackets, or more than {MINUSES} hyphens"));
        }
    }
    Ok(())
}

/// What a path uses.
#[derive(Default)]
struct Survey {
    prefixes: BTreeSet<String>,
    variables: BTreeSet<String>,
}

impl Survey {
    fn expr(&mut self, expr: &Expr, depth: usize) -> Result<(), String> {
        if depth > DEEPEST {
            return Err(format!("it has more than {DEEPEST} parts within parts"));
        }
        match expr {
            Expr::Or(left, right)
            | Expr::And(left, right)
            | Expr::Equality(left, _, right)
            | Expr::Relational(left, _, right)
            | Expr::Additive(left, _, right)
            | Expr::Multiplicative(left, _, right)
            | Expr::Union(left, right) => {
                self.expr(left, depth + 1)?;
                self.expr(right, depth + 1)
            }
            Expr::Negate(inner) => self.expr(inner, depth + 1),
            Expr::Path(PathExpr::Location(path)) => self.path(path, depth),
            Expr::Path(PathExpr::Filter(filter)) => self.filter(filter, depth),
            Expr::Path(PathExpr::FilterLocation(filter, path)) => {
                self.filter(filter, depth)?;
                self.path(path, depth)
            }
        }
    }

    fn path(&mut self, path: &LocationPath, depth: usize) -> Result<(), String> {
        for step in &path.steps {
            if step.axis == Axis::Namespace {
                return Err("the namespaces of an element cannot be selected: ask for `namespace-uri()`".into());
            }
            match &step.node_test {
                NodeTest::NamespaceWildcard(prefix) | NodeTest::QName(QName { prefix: Some(prefix), .. }) => {
                    self.prefixes.insert(prefix.clone());
                }
                _ => {}
            }
            self.all(&step.predicates, depth)?;
        }
        Ok(())
    }

    fn filter(&mut self, filter: &FilterExpr, depth: usize) -> Result<(), String> {
        self.all(&filter.predicates, depth)?;
        match &filter.primary {
            PrimaryExpr::Variable(name) => drop(self.variables.insert(name.local.clone())),
            PrimaryExpr::Parenthesized(inner) => self.expr(inner, depth + 1)?,
            PrimaryExpr::Literal(_) | PrimaryExpr::Number(_) => {}
            PrimaryExpr::Function(call) => {
                let name = call.name.local.as_str();
                if call.name.prefix.is_some() || !FUNCTIONS.contains(&name) {
                    let near = nearest(name, FUNCTIONS).map_or_else(String::new, |near| format!("; the nearest is `{near}`"));
                    return Err(format!("there is no function `{name}` in XPath 1.0{near}"));
                }
                if name == "name" {
                    // Documents are kept without the prefixes that they use, which mean nothing by themselves.
                    return Err(
                        "`name()` has the prefix of the document, which may be any: ask for `//d:item`, or for `local-name()`"
                            .into(),
                    );
                }
                let is_literal = |expr: &Expr| {
                    matches!(expr, Expr::Path(PathExpr::Filter(FilterExpr { primary: PrimaryExpr::Literal(_), .. })))
                };
                if name == "translate" && !call.args.get(1).is_some_and(is_literal) {
                    return Err("the characters that `translate` replaces are written out".into());
                }
                self.all(&call.args, depth)?;
            }
        }
        Ok(())
    }

    fn all(&mut self, each: &[Expr], depth: usize) -> Result<(), String> {
        each.iter().try_for_each(|expr| self.expr(expr, depth + 1))
    }
}

/// A node, as `XPath` looks at it. Every look is counted.
#[derive(Clone, Copy)]
struct Place<'t> {
    tree: &'t Tree,
    meter: &'t Meter,
    id: Id,
}

impl Place<'_> {
    fn at(self, id: Id) -> Self {
        self.meter.step(1);
        Self { id, ..self }
    }
}

impl PartialEq for Place<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.id == other.id
    }
}

impl Eq for Place<'_> {}

impl<'t> Node<'t> for Place<'t> {
    fn kind(self) -> NodeKind {
        match self.tree.node(self.id).kind {
            Kind::Root => NodeKind::Root,
            Kind::Element => NodeKind::Element,
            Kind::Attribute => NodeKind::Attribute,
            Kind::Text => NodeKind::Text,
            Kind::Comment => NodeKind::Comment,
            Kind::Instruction => NodeKind::ProcessingInstruction,
        }
    }

    fn parent(self) -> Option<Self> {
        self.tree.node(self.id).parent.map(|id| self.at(id))
    }

    fn children(self) -> impl Iterator<Item = Self> + 't {
        self.tree.children(self.id).map(move |id| self.at(id))
    }

    fn attributes(self) -> impl Iterator<Item = Self> + 't {
        self.tree.attributes(self.id).map(move |id| self.at(id))
    }

    fn namespaces(self) -> impl Iterator<Item = Self> + 't {
        std::iter::empty()
    }

    fn expanded_name(self) -> Option<ExpandedName> {
        let node = self.tree.node(self.id);
        self.meter.step(1 + node.name.len() / 16);
        (!node.name.is_empty()).then(|| ExpandedName {
            namespace_uri: node.namespace.as_deref().map(str::to_owned),
            local_name: node.name.to_string(),
        })
    }

    fn has_expanded_name(self, namespace_uri: Option<&str>, local_name: &str) -> bool {
        let node = self.tree.node(self.id);
        self.meter.step(1);
        *node.name == *local_name && node.namespace.as_deref() == namespace_uri
    }

    fn string_value(self) -> String {
        self.meter.step(1 + self.tree.text_length(self.id) / 8);
        self.tree.text(self.id)
    }

    fn with_string_value<R>(self, with: impl FnOnce(&str) -> R) -> R {
        let node = self.tree.node(self.id);
        if matches!(node.kind, Kind::Root | Kind::Element) {
            return with(&self.string_value());
        }
        self.meter.step(1 + node.text.len() / 16);
        with(&node.text)
    }

    fn document_order(self, other: Self) -> Ordering {
        self.meter.step(1);
        self.id.cmp(&other.id)
    }

    fn is_id_attribute(self) -> bool {
        let node = self.tree.node(self.id);
        &*node.name == "id" && node.namespace.as_deref().is_none_or(|namespace| namespace == XML)
    }
}
