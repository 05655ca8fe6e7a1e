//! Operators, indices and slices.

use minijinja::Value;
use minijinja::value::ValueKind;

use super::super::budget::{may_build_list, may_build_text};
use super::super::container;
use super::super::number::{Number, Operator, calculate};
use super::super::syntax::Node;
use super::super::value::{describe, items_of, text_of};
use super::{Evaluation, Outcome, is_list};

impl<'p> Evaluation<'p> {
    pub(super) fn calculate(&mut self, operator: Operator, left: &Value, right: &Value) -> Outcome {
        if operator == Operator::Concatenate {
            let (left, right) = (text_of(left)?, text_of(right)?);
            return self.concatenate(&left, &right);
        }
        if let (Some(left), Some(right)) = (Number::of(left), Number::of(right)) {
            return calculate(operator, left, right)
                .map(Number::into_value)
                .ok_or_else(|| "there is no finite result that can be held".into());
        }
        match (operator, left.as_str(), right.as_str()) {
            (Operator::Add, Some(left), Some(right)) => self.concatenate(left, right),
            (Operator::Add, None, None) if is_list(left) && is_list(right) => {
                may_build_list(left.len().zip(right.len()).and_then(|(left, right)| left.checked_add(right)))?;
                let mut items = items_of(left, &mut self.budget)?;
                items.extend(items_of(right, &mut self.budget)?);
                container::list(items)
            }
            (Operator::Multiply, Some(text), None) => self.repeat_text(text, right),
            (Operator::Multiply, None, Some(text)) => self.repeat_text(text, left),
            (Operator::Multiply, None, None) if is_list(left) => self.repeat_list(left, right),
            (Operator::Multiply, None, None) if is_list(right) => self.repeat_list(right, left),
            _ => Err(format!("`{}` is not defined for {} and {}", operator.spelling(), describe(left), describe(right))),
        }
    }

    fn concatenate(&mut self, left: &str, right: &str) -> Outcome {
        self.budget.text(left.len() + right.len())?;
        may_build_text(left.len().checked_add(right.len()))?;
        Ok(Value::from([left, right].concat()))
    }

    fn repeat_text(&mut self, text: &str, times: &Value) -> Outcome {
        let times = times_of(times)?;
        may_build_text(text.len().checked_mul(times))?;
        self.budget.text(text.len() * times)?;
        Ok(Value::from(text.repeat(times)))
    }

    fn repeat_list(&mut self, list: &Value, times: &Value) -> Outcome {
        let times = if list.len() == Some(0) { 0 } else { times_of(times)? };
        may_build_list(list.len().and_then(|length| length.checked_mul(times)))?;
        let items = items_of(list, &mut self.budget)?;
        self.budget.items(items.len() * times)?;
        container::list(std::iter::repeat_n(items, times).flatten().collect())
    }

    pub(super) fn index(&mut self, node: &Node, inner: &Value, index: &Value) -> Outcome {
        match (inner.kind(), Number::of(index), index.as_str()) {
            (ValueKind::Seq | ValueKind::Iterable | ValueKind::String, Some(Number::Whole(_)), _) => {
                self.budget.text(inner.as_str().map_or(0, str::len))?;
                Ok(inner.get_item(index).unwrap_or(Value::UNDEFINED))
            }
            (ValueKind::Map | ValueKind::Plain, _, Some(key)) => Ok(inner.get_attr(key).unwrap_or(Value::UNDEFINED)),
            _ => Err(format!("`{}`: {} is no index of {}", self.text(node), describe(index), describe(inner))),
        }
    }

    /// `[from:to:step]` as in Python, with positive steps.
    pub(super) fn slice(&mut self, node: &'p Node, inner: &'p Node, bounds: &'p [Option<Node>; 3]) -> Outcome {
        let inner = self.value(inner)?;
        let mut given = [None; 3];
        for (bound, given) in bounds.iter().zip(&mut given) {
            let Some(bound) = bound else { continue };
            let value = self.value(bound)?;
            *given = Some(match Number::of(&value) {
                Some(Number::Whole(whole)) => whole,
                Some(Number::Float(_)) | None => {
                    return Err(format!("`{}`: {} is no whole number", self.text(bound), describe(&value)));
                }
            });
        }
        if inner.as_str().is_none() && !is_list(&inner) {
            return Err(format!("`{}`: there are no slices of {}", self.text(node), describe(&inner)));
        }
        self.budget.text(inner.as_str().map_or(0, str::len))?;
        let items = items_of(&inner, &mut self.budget)?;
        let length = i128::try_from(items.len()).unwrap_or(i128::MAX);
        let place = |bound: i128| {
            let bound = if bound < 0 { bound.saturating_add(length) } else { bound };
            usize::try_from(bound.clamp(0, length)).unwrap_or(0)
        };
        let (from, to) = (given[0].map_or(0, place), given[1].map_or(items.len(), place));
        let step = given[2].map_or(Ok(1), usize::try_from).ok().filter(|step| *step > 0);
        let step = step.ok_or_else(|| format!("`{}`: the step is less than 1; there is `| reverse`", self.text(node)))?;
        let kept = items.into_iter().take(to).skip(from).step_by(step);
        Ok(match inner.as_str() {
            Some(_) => Value::from(kept.filter_map(|char| char.as_str().map(str::to_owned)).collect::<String>()),
            None => container::list(kept.collect())?,
        })
    }
}

fn times_of(value: &Value) -> Result<usize, String> {
    match Number::of(value) {
        Some(Number::Whole(times)) => usize::try_from(times.max(0)).map_err(|_| format!("{times} times is too often")),
        Some(Number::Float(_)) | None => Err(format!("{} is no number of times", describe(value))),
    }
}
