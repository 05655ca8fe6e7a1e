//! `at`, which reaches through what may be missing.
//!
//! A key that a map does not have and an index that a list does not have lead nowhere, and that is an answer: `or`, or undefined.
//! A step that meets anything but a map or a list is an error, because a target that answers with another shape has broken what the
//! probe knows of it.

use minijinja::Value;
use minijinja::value::ValueKind;

use super::super::number::Number;
use super::super::syntax::{Node, Reach};
use super::super::value::describe;
use super::{Evaluation, Outcome, is_list};

/// Where the steps led.
enum Reached {
    /// To a value.
    There(Value),
    /// Nowhere, from this step on (counted from 0), which had this value.
    Missing(usize, Value),
}

impl<'p> Evaluation<'p> {
    pub(super) fn at(&mut self, node: &'p Node, input: &'p Node, reach: &'p Reach) -> Outcome {
        match (self.reach(node, input, &reach.steps)?, &reach.or) {
            (Reached::There(value), _) => Ok(value),
            (Reached::Missing(..), Some(or)) => self.value(or),
            (Reached::Missing(..), None) => Ok(Value::UNDEFINED),
        }
    }

    /// Why there is nothing; none if something is there after all.
    pub(super) fn why_not_reached(&mut self, node: &'p Node, input: &'p Node, reach: &'p Reach) -> Option<String> {
        let Ok(Reached::Missing(at, step)) = self.reach(node, input, &reach.steps) else { return None };
        let written = &reach.steps[at];
        let value = if written.is_literal() { String::new() } else { format!(", {}", describe(&step)) };
        Some(format!("`{}` is undefined: nothing is there at step {}, `{}`{value}", self.text(node), at + 1, self.text(written)))
    }

    fn reach(&mut self, node: &'p Node, input: &'p Node, steps: &'p [Node]) -> Outcome<Reached> {
        let mut value = self.value(input)?;
        for (at, written) in steps.iter().enumerate() {
            let step = self.value(written)?;
            let found = follow(&value, &step)
                .map_err(|why| format!("`{}`: step {}, `{}`, {why}", self.text(node), at + 1, self.text(written)))?;
            match found.kind() {
                ValueKind::Undefined => return Ok(Reached::Missing(at, step)),
                ValueKind::Invalid => return Err(format!("`{}`: {}", self.text(node), describe(&found))),
                _ => value = found,
            }
        }
        Ok(Reached::There(value))
    }
}

/// One step into a value; undefined if it leads nowhere.
fn follow(value: &Value, step: &Value) -> Outcome {
    let is_map = matches!(value.kind(), ValueKind::Map | ValueKind::Plain);
    let found = match (step.as_str(), Number::of(step)) {
        _ if !is_map && !is_list(value) => return Err(format!("meets {}, which is neither a map nor a list", describe(value))),
        (Some(key), _) if is_map => value.get_attr(key),
        (None, Some(Number::Whole(_))) if !is_map => value.get_item(step),
        (Some(_), _) => return Err(format!("is a key, and meets {}", describe(value))),
        (None, Some(Number::Whole(_))) => return Err(format!("is an index, and meets {}", describe(value))),
        (None, _) => return Err(format!("is {}, neither a key nor an index", describe(step))),
    };
    Ok(found.unwrap_or(Value::UNDEFINED))
}

#[cfg(test)]
mod tests {
    use super::super::super::testing::{eval_json, judge, parse_error};

    const SCOPE: &str = r#"{"json": {"rooms": {"join": {"!a:b": {"events": [{"id": 1}, {"id": 2}], "topic": null}}, "count": 2}},
        "room": "!a:b", "other": "!c:d"}"#;

    #[test]
    fn what_is_there_is_reached_whatever_it_is() {
        for (source, value) in [
            ("json | at('rooms', 'join', room, 'events', or=[]) | length", "2"),
            ("json | at('rooms', 'join', room, 'events', 0, 'id')", "1"),
            ("json | at('rooms', 'join', room, 'events', -1, 'id')", "2"),
            ("json | at('rooms', 'join', room, 'topic', or='none')", "null"),
            ("json | at('rooms', 'count', or=0) + 1", "3"),
            ("json.rooms.join[room].events | at(1 - 1) | at('id')", "1"),
        ] {
            assert_eq!(eval_json(source, SCOPE), value, "{source}");
        }
    }

    #[test]
    fn what_is_missing_at_any_step_is_what_or_says_and_else_undefined() {
        for (source, value) in [
            ("json | at('rooms', 'join', other, 'events', or=[])", "[]"),
            ("json | at('nowhere', 'join', room, 'events', or=[])", "[]"),
            ("json | at('rooms', 'join', room, 'events', 7, or='late')", "\"late\""),
            ("json | at('rooms', 'join', room, 'events', -3, or=none)", "null"),
            ("json | at('rooms', 'invite') | default(0)", "0"),
            ("json | at('rooms', 'invite') is defined", "false"),
            ("json | at('rooms', 'invite', 'x') is undefined", "true"),
            ("[json | at('rooms', 'x', or=json | at('rooms', 'y', or=5))]", "[5]"),
            ("json | at('rooms', or=missing) | length", "2"),
        ] {
            assert_eq!(eval_json(source, SCOPE), value, "{source}");
        }
        let why = eval_json("json | at('rooms', 'join', other, 'events') | length", SCOPE);
        let part = "`json | at('rooms', 'join', other, 'events')` is undefined";
        assert_eq!(why, format!("ERROR {part}: nothing is there at step 3, `other`, the string \"!c:d\""));
        assert!(judge("json | at('rooms', 'x', or=missing) == 1", SCOPE).held.unwrap_err().contains("`missing` is undefined"));
    }

    #[test]
    fn a_step_that_meets_another_shape_is_an_error_also_with_or() {
        for (source, why) in [
            ("json | at('rooms', 'count', 'x', or=1)", "step 3, `'x'`, meets the number 2, which is neither a map nor a list"),
            ("json | at('rooms', 'join', room, 'topic', 0, or=1)", "step 5, `0`, meets null, which is neither a map nor a list"),
            ("json | at('rooms', 'join', room, 'events', 'id', or=1)", "step 5, `'id'`, is a key, and meets a list of 2"),
            ("json | at('rooms', 0, or=1)", "step 2, `0`, is an index, and meets a map"),
            ("json | at('rooms', none, or=1)", "step 2, `none`, is null, neither a key nor an index"),
            ("json | at('rooms', 'join', room, 'events', 0.5, or=1)", "is the number 0.5, neither a key nor an index"),
            ("room | at(0)", "step 1, `0`, meets the string \"!a:b\", which"),
            ("missing | at('x', or=1)", "`missing` is undefined"),
            ("json.none | at('x', or=1)", "`json.none` is undefined"),
            ("json | at(missing, or=1)", "`missing` is undefined"),
        ] {
            let found = eval_json(source, SCOPE);
            assert!(found.starts_with("ERROR") && found.contains(why), "{source}: {found}");
        }
    }

    #[test]
    fn what_it_cannot_take_is_found_while_parsing() {
        for (source, why, at) in [
            ("json | at()", "needs the steps", "at"),
            ("json | at", "needs the steps", "at"),
            ("json | at(or=1)", "needs the steps", "at"),
            (
                "json | at('x', default=1)",
                "no parameter `default`; what it is where something is missing is given with `or=`",
                "default",
            ),
            ("json | at('x', or=1, or=2)", "given twice", "or"),
            ("json | at('x', or=1, 'y')", "come before", "'y'"),
            ("json | at('x' or=1)", "a single `=`", "="),
        ] {
            let error = parse_error(source);
            assert!(error.message.contains(why), "{source}: {}", error.message);
            assert_eq!(&source[error.span], at, "{source}");
        }
    }
}
