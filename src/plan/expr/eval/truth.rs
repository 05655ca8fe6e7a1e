//! Conditions: `and`, `or`, `not`, comparisons and tests, judged strictly.

use std::cmp::Ordering;

use minijinja::Value;

use super::super::compare::{contains, equal, order_paid};
use super::super::syntax::{Comparison, Node, NodeKind, Test};
use super::super::value::describe;
use super::{Evaluation, Outcome, SeenPart};

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
            NodeKind::Compare(comparison, left, right) => {
                let left_value = self.side(left);
                let right_value = self.side(right);
                let (left_value, right_value) = (left_value?, right_value?);
                self.refuse_null(*comparison, (left, &left_value), (right, &right_value))?;
                self.compare(*comparison, &left_value, &right_value).map_err(|why| format!("`{}`: {why}", self.text(node)))
            }
            NodeKind::Test { input, test: test @ (Test::Matching(_) | Test::Plain(..)), negated } => {
                let value = self.side(input)?;
                let truth = self.test(test, &value).map_err(|why| format!("`{}`: {why}", self.text(node)))?;
                Ok(truth != *negated)
            }
            NodeKind::Test { input, test: test @ (Test::Defined | Test::Undefined), negated } => {
                let defined = !self.value_or_undefined(input)?.is_undefined();
                let truth = defined == matches!(test, Test::Defined);
                self.seen.push(SeenPart { span: &node.span, value: Ok(Value::from(truth != *negated)) });
                Ok(truth != *negated)
            }
            _ => {
                let value = self.side(node)?;
                bool::try_from(value.clone())
                    .map_err(|_| format!("`{}` is {}, which is neither true nor false", self.text(node), describe(&value)))
            }
        }
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
            self.seen.push(SeenPart { span: &node.span, value: value.clone() });
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
