//! Between JSON, text and expression values, without loss.
//!
//! A whole number keeps its digits as far as 38 of them; one that is longer, or a float past the largest, becomes a value
//! that cannot be used, so that the rest of the document still can. A float is the nearest 64-bit one and may be spelled
//! differently afterwards (`1e2` is `100.0`).

use minijinja::value::ValueKind;
use minijinja::{Error, ErrorKind, Value};

use super::budget::Budget;
use super::container::{List, list_read, map_read};
use super::lexer::whole_value;
use super::number::Number;

/// Deepest nesting converted. JSON that was read from text has at most 128 levels.
pub(super) const MAX_DEPTH: usize = 300;

/// Largest JSON tree made of a value, in bytes of text and values together.
const MAX_JSON: usize = 1 << 20;

/// A JSON value as an expression value.
pub fn from_json(json: &serde_json::Value) -> Value {
    from_json_at(json, 0)
}

fn from_json_at(json: &serde_json::Value, depth: usize) -> Value {
    if depth > MAX_DEPTH {
        return unusable(format!("JSON with more than {MAX_DEPTH} levels"));
    }
    match json {
        serde_json::Value::Null => Value::from(()),
        serde_json::Value::Bool(truth) => Value::from(*truth),
        serde_json::Value::Number(number) => from_json_number(number),
        serde_json::Value::String(text) => Value::from(&**text),
        serde_json::Value::Array(items) => list_read(items.iter().map(|item| from_json_at(item, depth + 1)).collect()),
        serde_json::Value::Object(map) => {
            map_read(map.iter().map(|(key, value)| (Value::from(&**key), from_json_at(value, depth + 1))).collect())
        }
    }
}

fn from_json_number(number: &serde_json::Number) -> Value {
    let digits = number.as_str();
    if let Ok(whole) = digits.parse::<i128>() {
        return whole_value(whole);
    }
    let is_whole = !digits.contains(['.', 'e', 'E']);
    match digits.parse::<f64>() {
        Ok(float) if float.is_finite() && !is_whole => Value::from(float),
        _ => unusable(format!("a number of {} digits is too large to be held exactly", digits.len())),
    }
}

fn unusable(why: String) -> Value {
    Value::from(Error::new(ErrorKind::InvalidOperation, why))
}

/// A small expression value as JSON. Maps keep the order of their keys. Whoever only writes the text takes [`json_text`](super::json_text).
///
/// # Errors
/// If it holds something JSON cannot (a non-finite number, undefined, a function, a key that is no string), or too much.
pub fn to_json(value: &Value) -> Result<serde_json::Value, String> {
    to_json_within(value, MAX_JSON)
}

/// The same of at most `most` bytes of text and values together.
///
/// # Errors
/// As [`to_json`].
pub fn to_json_within(value: &Value, most: usize) -> Result<serde_json::Value, String> {
    let mut room = most;
    to_json_at(value, 0, &mut room).map_err(|why| why.unwrap_or_else(|| format!("more than {most} bytes of JSON")))
}

/// `None`: there is no room left.
fn to_json_at(value: &Value, depth: usize, room: &mut usize) -> Result<serde_json::Value, Option<String>> {
    let because = |error: &dyn std::fmt::Display| Some(error.to_string());
    if depth > MAX_DEPTH {
        return Err(Some(format!("a value with more than {MAX_DEPTH} levels is no JSON")));
    }
    *room = room.checked_sub(1 + value.as_str().map_or(0, str::len)).ok_or(None)?;
    match value.kind() {
        ValueKind::None => Ok(serde_json::Value::Null),
        ValueKind::Bool => Ok(serde_json::Value::Bool(value.is_true())),
        ValueKind::Number => json_number(value).map(serde_json::Value::Number).map_err(Some),
        ValueKind::String => Ok(serde_json::Value::String(value.as_str().unwrap_or_default().to_owned())),
        ValueKind::Seq | ValueKind::Iterable => {
            let items = value.try_iter().map_err(|error| because(&error))?;
            items.map(|item| to_json_at(&item, depth + 1, room)).collect::<Result<Vec<_>, _>>().map(serde_json::Value::Array)
        }
        ValueKind::Map => {
            let mut map = serde_json::Map::new();
            for key in value.try_iter().map_err(|error| because(&error))? {
                let name = key.as_str();
                let name = name.ok_or_else(|| format!("a key of a JSON object is a string, not {}", describe(&key)))?;
                let item = value.get_item(&key).map_err(|error| because(&error))?;
                *room = room.checked_sub(name.len()).ok_or(None)?;
                map.insert(name.to_owned(), to_json_at(&item, depth + 1, room)?);
            }
            Ok(serde_json::Value::Object(map))
        }
        ValueKind::Invalid => Err(Some(invalid_text(value))),
        _ => Err(Some(format!("{} cannot be written as JSON", describe(value)))),
    }
}

pub(super) fn json_number(value: &Value) -> Result<serde_json::Number, String> {
    match Number::of(value) {
        Some(Number::Whole(whole)) => serde_json::Number::from_i128(whole),
        Some(Number::Float(float)) => serde_json::Number::from_f64(float),
        None => None,
    }
    .ok_or_else(|| format!("{} cannot be written as JSON", describe(value)))
}

/// A value inside text: strings as they are, numbers and truth values in their JSON spelling.
pub(super) fn text_of(value: &Value) -> Result<String, String> {
    match value.kind() {
        ValueKind::String => Ok(value.as_str().unwrap_or_default().to_owned()),
        ValueKind::Bool => Ok(value.is_true().to_string()),
        ValueKind::Number => json_number(value).map(|number| number.to_string()),
        _ => Err(format!("{} has no place inside text; `| tojson` spells it out", describe(value))),
    }
}

/// Items of a list, characters of a string or keys of a map. What cannot be iterated has none.
pub(super) fn items_of(value: &Value, budget: &mut Budget) -> Result<Vec<Value>, String> {
    if let Some(list) = value.downcast_object_ref::<List>() {
        budget.items(list.items.len())?;
        return Ok(list.items.clone());
    }
    let Ok(items) = value.try_iter() else { return Err(format!("{} is no list", describe(value))) };
    let mut collected = Vec::new();
    for item in items {
        budget.items(1)?;
        collected.push(item);
    }
    Ok(collected)
}

/// Items of a list, and of nothing else.
pub(super) fn sequence(value: &Value, budget: &mut Budget) -> Result<Vec<Value>, String> {
    match value.kind() {
        ValueKind::Seq | ValueKind::Iterable => items_of(value, budget),
        _ => Err(format!("{} is no list", describe(value))),
    }
}

/// What a value is, for messages: its kind, and itself where that is short.
pub(super) fn describe(value: &Value) -> String {
    match value.kind() {
        ValueKind::Undefined => "undefined".into(),
        ValueKind::None => "null".into(),
        ValueKind::Bool => format!("the truth value {}", value.is_true()),
        ValueKind::Number => format!("the number {value}"),
        ValueKind::String => describe_text(value.as_str().unwrap_or_default()),
        ValueKind::Bytes => "bytes".into(),
        ValueKind::Seq | ValueKind::Iterable => match value.len() {
            Some(length) => format!("a list of {length}"),
            None => "a list".into(),
        },
        ValueKind::Map => "a map".into(),
        ValueKind::Invalid => invalid_text(value),
        ValueKind::Plain => value.to_string(),
        _ => "a function".into(),
    }
}

/// Why a value that stands for an error cannot be used, in the words it was made with.
pub(super) fn invalid_text(value: &Value) -> String {
    let shown = value.to_string();
    let inner = shown.strip_prefix("<invalid value: ").and_then(|rest| rest.strip_suffix('>')).unwrap_or(&shown);
    inner.strip_prefix("invalid operation: ").unwrap_or(inner).to_owned()
}

/// A short text itself, or the length of a longer one. The redactor knows only whole secrets and would miss the start of one.
fn describe_text(text: &str) -> String {
    const SHORT: usize = 60;
    match text.char_indices().nth(SHORT) {
        Some(_) => format!("a string of {} characters", text.chars().count()),
        None => format!("the string {}", serde_json::Value::from(text)),
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{eval_json, scope};
    use super::*;

    fn round_trip(json: &str) -> String {
        to_json(&from_json(&serde_json::from_str(json).unwrap())).unwrap().to_string()
    }

    #[test]
    fn json_comes_back_as_it_was() {
        for json in [
            r#"{"z":1,"a":[null,true,"007",{"y":0,"b":1}],"":""}"#,
            "12345678901234567890",
            "-12345678901234567890123",
            "170141183460469231731687303715884105727",
            "1.5",
            "0.1",
            "-0.0",
            "9007199254740993",
        ] {
            assert_eq!(round_trip(json), json);
        }
    }

    #[test]
    fn a_float_may_be_spelled_differently() {
        assert_eq!(round_trip("1e2"), "100.0");
    }

    #[test]
    fn a_number_that_cannot_be_held_cannot_be_used_and_harms_nothing_else() {
        for number in ["1e999", "170141183460469231731687303715884105728", "123456789012345678901234567890123456789012345"] {
            let json = format!(r#"{{"n": {number}, "ok": 1}}"#);
            assert_eq!(eval_json("ok", &json), "1");
            for source in ["n", "n == 1", "[n]", "n | default(1)", "n | string"] {
                assert!(eval_json(source, &json).contains("too large to be held"), "{source}: {}", eval_json(source, &json));
            }
        }
    }

    #[test]
    fn what_json_cannot_hold_is_an_error() {
        for value in [Value::from(f64::NAN), Value::from(f64::INFINITY), Value::UNDEFINED, Value::from_pairs([(1, 2)])] {
            assert!(to_json(&value).is_err(), "{value}");
            assert!(to_json(&Value::from(vec![value])).is_err());
        }
        assert!(to_json(&Value::from_function(|| 1)).is_err());
    }

    #[test]
    fn values_nested_without_end_are_bounded() {
        let mut json = serde_json::Value::Null;
        let mut value = Value::from(());
        for _ in 0..1_000 {
            json = serde_json::Value::Array(vec![json]);
            value = Value::from(vec![value]);
        }
        assert!(to_json(&from_json(&json)).is_err());
        assert!(to_json(&value).is_err());
    }

    #[test]
    fn a_message_never_holds_a_part_of_a_long_string() {
        let long = "s3cret".repeat(20);
        let shown = describe(&scope(&format!(r#"{{"x": "{long}"}}"#)).get_attr("x").unwrap());
        assert_eq!(shown, "a string of 120 characters");
    }
}
