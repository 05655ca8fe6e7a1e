//! Conditions: `and`, `or`, `not`, comparisons and tests, judged strictly.

use std::cmp::Ordering;

use minijinja::Value;

use super::super::compare::{contains, equal, order_paid};
use super::super::predicates::Predicate;
use super::super::sets::Wanted;
use super::super::syntax::{Comparison, Node, NodeKind, Test};
use super::super::value::describe;
use super::{Evaluation, ListPart, Outcome, SeenPart, is_list};

impl<'p> Evaluation<'p> {
    /// A truth value where only the answer matters.
    pub(super) fn bool(&mut self, node: &'p Node) -> Outcome<bool> {
        let value = self.value(node)?;
        bool::try_from(value.clone())
            .map_err(|_| format!("`{}` is {}, which is neither true nor false", self.text(node), describe(&value)))
    }

    /// The answer of a condition. What decided it is added to `seen`.
    pub(in super::super) fn truth(&mut self, node: &'p Node) -> Outcome<bool> {
        match &node.kind {
            NodeKind::Not(inner) => self.truth(inner).map(|truth| !truth),
            NodeKind::And(left, right) => self.both_or_either(left, right, false),
            NodeKind::Or(left, right) => self.both_or_either(left, right, true),
            NodeKind::Compare(comparison, left, right) => self.compare_sides(node, *comparison, left, right),
            NodeKind::Test { input, test: Test::Plain(predicate, arguments), negated } => {
                self.ask(node, predicate, input, arguments).map(|truth| truth != *negated)
            }
            NodeKind::Test { input, test: test @ Test::Matching(_), negated } => {
                let value = self.side(input)?;
                let truth = self.test(test, &value).map_err(|why| format!("`{}`: {why}", self.text(node)))?;
                Ok(truth != *negated)
            }
            NodeKind::Test { input, test: test @ (Test::Defined | Test::Undefined), negated } => {
                let defined = !self.value_or_undefined(input)?.is_undefined();
                let truth = defined == matches!(test, Test::Defined);
                self.seen.push(SeenPart { span: &node.span, value: Ok(Value::from(truth != *negated)), list: None });
                Ok(truth != *negated)
            }
            _ => {
                let value = self.side(node)?;
                bool::try_from(value.clone())
                    .map_err(|_| format!("`{}` is {}, which is neither true nor false", self.text(node), describe(&value)))
            }
        }
    }

    fn compare_sides(&mut self, node: &'p Node, comparison: Comparison, left: &'p Node, right: &'p Node) -> Outcome<bool> {
        let start = self.seen.len();
        let left_value = self.side(left);
        let right_value = self.side(right);
        let (left_value, right_value) = (left_value?, right_value?);
        self.refuse_null(comparison, (left, &left_value), (right, &right_value))?;
        let truth = self.compare(comparison, &left_value, &right_value);
        if comparison == Comparison::Equal && truth == Ok(false) {
            self.lists_differ(start, (left, left_value), right_value, Wanted::Same);
        }
        truth.map_err(|why| format!("`{}`: {why}", self.text(node)))
    }

    fn ask(&mut self, node: &'p Node, predicate: &'static Predicate, input: &'p Node, arguments: &'p [Node]) -> Outcome<bool> {
        let start = self.seen.len();
        let value = self.side(input)?;
        // Where lists are compared, the other one is worth showing, too.
        let shown = predicate.lists.is_some();
        let given = arguments.iter().map(|argument| if shown { self.side(argument) } else { self.value(argument) });
        let given = given.collect::<Outcome<Vec<_>>>().map_err(|why| format!("`{}`: {why}", self.text(node)))?;
        let truth = (predicate.ask)(&value, &given, &mut self.budget);
        if let (Some(wanted), Some(other), Ok(false)) = (predicate.lists, given.first(), &truth) {
            self.lists_differ(start, (input, value), other.clone(), wanted);
        }
        truth.map_err(|why| format!("`{}`: {why}", self.text(node)))
    }

    /// Notes that the lists which were compared since `start` are not what they should be to each other. What is told of is the left
    /// one, or the right one where the left one is written out.
    fn lists_differ(&mut self, start: usize, (left, left_value): (&Node, Value), right_value: Value, wanted: Wanted) {
        if !is_list(&left_value) || !is_list(&right_value) {
            return;
        }
        let (from, wanted) = if left.is_literal() { (left_value, wanted.mirrored()) } else { (right_value, wanted) };
        let mut parts = self.seen[start..].iter_mut();
        if let Some(first) = parts.next() {
            first.list = Some(ListPart::Differs { from, wanted });
        }
        parts.for_each(|other| other.list = Some(ListPart::Beside));
    }

    /// `or` if `decisive` is true, else `and`: the left side decides alone if it is `decisive`; otherwise the right side does,
    /// alone if it is, together with the left side if neither is.
    fn both_or_either(&mut self, left: &'p Node, right: &'p Node, decisive: bool) -> Outcome<bool> {
        let start = self.seen.len();
        if self.truth(left)? == decisive {
            return Ok(decisive);
        }
        let middle = self.seen.len();
        let truth = self.truth(right);
        if truth != Ok(!decisive) {
            self.seen.drain(start..middle);
        }
        truth
    }

    /// The value of a part that is shown in reports.
    fn side(&mut self, node: &'p Node) -> Outcome {
        let value = self.value(node);
        if !node.is_literal() {
            self.seen.push(SeenPart { span: &node.span, value: value.clone(), list: None });
        }
        value
    }

    /// Refuses a null that the condition does not name. Otherwise two missing values would be equal, and a missing one would differ
    /// from every text.
    fn refuse_null(&self, comparison: Comparison, left: (&Node, &Value), right: (&Node, &Value)) -> Outcome<()> {
        if left.0.is_none() || right.0.is_none() && matches!(comparison, Comparison::Equal | Comparison::NotEqual) {
            return Ok(());
        }
        let null = |(node, value): (&Node, &Value)| value.is_none().then(|| self.text(node));
        match comparison {
            Comparison::Equal | Comparison::NotEqual => match null(left).or_else(|| null(right)) {
                Some(part) => Err(format!("`{part}` is null; compare with `none` if null is meant")),
                None => Ok(()),
            },
            Comparison::In | Comparison::NotIn => match null(left) {
                Some(part) => Err(format!("`{part}` is null; `{part} is none` asks for null")),
                None => Ok(()),
            },
            Comparison::Less | Comparison::LessOrEqual | Comparison::Greater | Comparison::GreaterOrEqual => Ok(()),
        }
    }

    fn compare(&mut self, comparison: Comparison, left: &Value, right: &Value) -> Outcome<bool> {
        match comparison {
            Comparison::Equal => equal(left, right, &mut self.budget),
            Comparison::NotEqual => equal(left, right, &mut self.budget).map(|equal| !equal),
            Comparison::In => contains(right, left, &mut self.budget),
            Comparison::NotIn => contains(right, left, &mut self.budget).map(|found| !found),
            Comparison::Less => order_paid(left, right, &mut self.budget).map(|order| order == Ordering::Less),
            Comparison::LessOrEqual => order_paid(left, right, &mut self.budget).map(|order| order != Ordering::Greater),
            Comparison::Greater => order_paid(left, right, &mut self.budget).map(|order| order == Ordering::Greater),
            Comparison::GreaterOrEqual => order_paid(left, right, &mut self.budget).map(|order| order != Ordering::Less),
        }
    }

    pub(super) fn test(&mut self, test: &'p Test, value: &Value) -> Outcome<bool> {
        match test {
            Test::Defined => Ok(!value.is_undefined()),
            Test::Undefined => Ok(value.is_undefined()),
            Test::Matching(pattern) => {
                let haystack = value.as_str().ok_or_else(|| format!("{} is not a string", describe(value)))?;
                pattern.pay(haystack.len(), &mut self.budget)?;
                Ok(pattern.regex.is_match(haystack))
            }
            Test::Plain(predicate, arguments) => {
                let arguments = arguments.iter().map(|argument| self.value(argument)).collect::<Outcome<Vec<_>>>()?;
                (predicate.ask)(value, &arguments, &mut self.budget)
            }
        }
    }
}
