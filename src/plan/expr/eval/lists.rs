//! `map`, `select` and their kin, which apply an argument to each item of a list.

use minijinja::Value;
use minijinja::value::ValueKind;

use super::super::container::list;
use super::super::filters::follow;
use super::super::syntax::{Mapping, Node, Path, Selection, Test};
use super::super::value::{describe, items_of};
use super::{Evaluation, Outcome, is_list};

impl<'p> Evaluation<'p> {
    pub(super) fn map(&mut self, node: &'p Node, input: &'p Node, mapping: &'p Mapping) -> Outcome {
        let items = self.items(node, input)?;
        let mapped = items.into_iter().map(|item| self.map_item(node, &item, mapping));
        let mapped = mapped.collect::<Result<Vec<_>, _>>()?;
        list(mapped).map_err(|why| format!("`{}`: {why}", self.text(node)))
    }

    fn items(&mut self, node: &Node, input: &'p Node) -> Outcome<Vec<Value>> {
        let value = self.value(input)?;
        if !is_list(&value) {
            return Err(format!("`{}`: {} is no list", self.text(node), describe(&value)));
        }
        items_of(&value, &mut self.budget)
    }

    fn map_item(&mut self, node: &'p Node, item: &Value, mapping: &'p Mapping) -> Outcome {
        let mapped = match mapping {
            Mapping::Attribute(Path(path), default) => {
                let found = follow(item, path);
                match default {
                    Some(default) if found.is_undefined() => self.value(default)?,
                    _ => found,
                }
            }
            Mapping::Filter(filter, arguments) => {
                let arguments = self.arguments(arguments)?;
                self.apply(filter, item, &arguments).map_err(|why| format!("`{}`: {why}", self.text(node)))?
            }
        };
        match mapped.kind() {
            ValueKind::Undefined => {
                self.absent = true;
                Err(format!("`{}`: it is undefined for {}", self.text(node), describe(item)))
            }
            ValueKind::Invalid => Err(format!("`{}`: {}", self.text(node), describe(&mapped))),
            _ => Ok(mapped),
        }
    }

    pub(super) fn select(&mut self, node: &'p Node, input: &'p Node, selection: &'p Selection) -> Outcome {
        let mut kept = Vec::new();
        for item in self.items(node, input)? {
            let looked_at = match &selection.attribute {
                Some(Path(path)) => follow(&item, path),
                None => item.clone(),
            };
            let asks_whether_defined = matches!(selection.test, Some(Test::Defined | Test::Undefined));
            let looked_at = match looked_at.kind() {
                // A hole in a loop's captures: nothing is there, and only who asks for that may go on without.
                ValueKind::Invalid if asks_whether_defined && selection.attribute.is_none() => Value::UNDEFINED,
                ValueKind::Invalid => return Err(format!("`{}`: {}", self.text(node), describe(&looked_at))),
                _ => looked_at,
            };
            if looked_at.is_undefined() && !asks_whether_defined {
                self.absent = true;
                return Err(format!("`{}`: it is undefined for {}", self.text(node), describe(&item)));
            }
            let truth = match &selection.test {
                Some(test) => self.test(test, &looked_at).map_err(|why| format!("`{}`: {why}", self.text(node)))?,
                None => looked_at.is_true(),
            };
            if truth == selection.keep {
                kept.push(item);
            }
        }
        list(kept)
    }
}
