//! A value's JSON text, written by a writer that stops at its bound.
//!
//! The caller says how many bytes the text may have. Nothing beyond that is written, so memory and time are bounded by the limit
//! and not by the value. Written bytes are paid for by the thread ([`fuel`]), and by the evaluation where there is one.

use std::io::{self, Write};

use minijinja::Value;
use minijinja::value::ValueKind;

use super::budget::Budget;
use super::fuel::{self, BYTES_PER_UNIT};
use super::number::Number;
use super::value::{MAX_DEPTH, describe, invalid_text, json_number};

/// Why a text ends before its value does.
#[derive(Debug)]
enum Stop {
    /// There is no room left.
    Full,
    /// The value cannot be written, or costs too much.
    Because(String),
}

/// A JSON text in the making.
#[derive(Debug)]
pub struct JsonText<'b> {
    bytes: Vec<u8>,
    most: usize,
    budget: Option<&'b mut Budget>,
    /// Whether equal values must have equal texts: keys sorted, whole floats as whole numbers.
    canonical: bool,
}

impl<'b> JsonText<'b> {
    /// A text of at most so many bytes.
    pub fn new(most: usize) -> Self {
        Self { bytes: Vec::new(), most, budget: None, canonical: false }
    }

    /// A text that an evaluation pays for.
    pub(super) fn paid_by(most: usize, budget: &'b mut Budget) -> Self {
        Self { budget: Some(budget), ..Self::new(most) }
    }

    /// A text that is the same for equal values and differs for others.
    pub(super) fn canonical(most: usize, budget: &'b mut Budget) -> Self {
        Self { canonical: true, ..Self::paid_by(most, budget) }
    }

    /// Adds a value.
    ///
    /// # Errors
    /// If the text would be longer than it may be, or the value holds something that JSON cannot (a non-finite number,
    /// undefined, a function, a key that is no string).
    pub fn value(&mut self, value: &Value) -> Result<(), String> {
        self.add(value, 0).map_err(|stop| self.why(stop))
    }

    /// Adds what is JSON already.
    ///
    /// # Errors
    /// If the text would be longer than it may be.
    pub fn json(&mut self, json: &serde_json::Value) -> Result<(), String> {
        self.serialized(json).map_err(|stop| self.why(stop))
    }

    /// Adds a string, with its quotes.
    ///
    /// # Errors
    /// If the text would be longer than it may be.
    pub fn string(&mut self, text: &str) -> Result<(), String> {
        self.serialized(text).map_err(|stop| self.why(stop))
    }

    /// Adds a bracket, comma or colon.
    ///
    /// # Errors
    /// If the text would be longer than it may be.
    pub fn sign(&mut self, sign: &str) -> Result<(), String> {
        self.raw(sign.as_bytes()).map_err(|stop| self.why(stop))
    }

    /// The text so far.
    pub fn finish(self) -> String {
        match String::from_utf8(self.bytes) {
            Ok(text) => text,
            // Only the last character can be cut in two.
            Err(error) => {
                let whole = error.utf8_error().valid_up_to();
                let mut bytes = error.into_bytes();
                bytes.truncate(whole);
                String::from_utf8(bytes).unwrap_or_default()
            }
        }
    }

    fn why(&self, stop: Stop) -> String {
        match stop {
            Stop::Full => format!("the JSON text would be larger than {} bytes", self.most),
            Stop::Because(why) => why,
        }
    }

    fn raw(&mut self, bytes: &[u8]) -> Result<(), Stop> {
        self.write_all(bytes).map_err(|_| Stop::Full)
    }

    fn serialized<T: serde::Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Stop> {
        let before = self.bytes.len();
        let written = serde_json::to_writer(&mut *self, value).map_err(|_| Stop::Full);
        self.pay(1 + (self.bytes.len() - before) / BYTES_PER_UNIT)?;
        written
    }

    fn pay(&mut self, units: usize) -> Result<(), Stop> {
        match &mut self.budget {
            Some(budget) => budget.items(units).map_err(Stop::Because),
            None if fuel::spend(units) => Ok(()),
            None => Err(Stop::Because("it costs more than may be spent here".into())),
        }
    }

    fn add(&mut self, value: &Value, depth: usize) -> Result<(), Stop> {
        if depth > MAX_DEPTH {
            return Err(Stop::Because(format!("a value with more than {MAX_DEPTH} levels is no JSON")));
        }
        match value.kind() {
            ValueKind::String => self.serialized(value.as_str().unwrap_or_default()),
            ValueKind::Seq | ValueKind::Iterable => self.list(value, depth),
            ValueKind::Map => self.map(value, depth),
            ValueKind::None => self.scalar("null"),
            ValueKind::Bool => self.scalar(if value.is_true() { "true" } else { "false" }),
            ValueKind::Number => {
                let number = json_number(value).map_err(Stop::Because)?;
                match Number::of(value).filter(|_| self.canonical) {
                    // A float that is whole is the same as that whole number.
                    Some(Number::Float(float)) if float.fract() == 0.0 => {
                        let whole = Number::Float(float).truncated();
                        self.scalar(&whole.map_or_else(|| number.to_string(), |whole| whole.to_string()))
                    }
                    _ => self.scalar(&number.to_string()),
                }
            }
            ValueKind::Invalid => Err(Stop::Because(invalid_text(value))),
            _ => Err(Stop::Because(format!("{} cannot be written as JSON", describe(value)))),
        }
    }

    fn scalar(&mut self, text: &str) -> Result<(), Stop> {
        self.pay(1)?;
        self.raw(text.as_bytes())
    }

    fn list(&mut self, value: &Value, depth: usize) -> Result<(), Stop> {
        self.scalar("[")?;
        let items = value.try_iter().map_err(|error| Stop::Because(error.to_string()))?;
        for (at, item) in items.enumerate() {
            if at > 0 {
                self.raw(b",")?;
            }
            self.add(&item, depth + 1)?;
        }
        self.raw(b"]")
    }

    fn map(&mut self, value: &Value, depth: usize) -> Result<(), Stop> {
        self.scalar("{")?;
        let keys = value.try_iter().map_err(|error| Stop::Because(error.to_string()))?;
        if self.canonical {
            let mut keys: Vec<Value> = keys.collect();
            self.pay(keys.len())?;
            keys.sort_by(|one, other| one.as_str().cmp(&other.as_str()));
            self.entries(value, keys.into_iter(), depth)?;
        } else {
            self.entries(value, keys, depth)?;
        }
        self.raw(b"}")
    }

    fn entries(&mut self, map: &Value, keys: impl Iterator<Item = Value>, depth: usize) -> Result<(), Stop> {
        for (at, key) in keys.enumerate() {
            let because = |why: String| Stop::Because(why);
            let name = key.as_str();
            let name = name.ok_or_else(|| because(format!("a key of a JSON object is a string, not {}", describe(&key))))?;
            if at > 0 {
                self.raw(b",")?;
            }
            self.serialized(name)?;
            self.raw(b":")?;
            let item = map.get_item(&key).map_err(|error| because(error.to_string()))?;
            self.add(&item, depth + 1)?;
        }
        Ok(())
    }
}

/// Takes what there is room for, and fails from then on.
impl Write for JsonText<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let room = self.most - self.bytes.len();
        let taken = &bytes[..bytes.len().min(room)];
        self.bytes.extend_from_slice(taken);
        if taken.is_empty() && !bytes.is_empty() { Err(io::ErrorKind::StorageFull.into()) } else { Ok(taken.len()) }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A value's JSON text.
///
/// # Errors
/// If it has more than `most` bytes, or the value holds something that JSON cannot.
pub fn json_text(value: &Value, most: usize) -> Result<String, String> {
    let mut text = JsonText::new(most);
    text.value(value)?;
    Ok(text.finish())
}

/// The first `most` bytes of a value's JSON text, and whether that is all of it.
///
/// # Errors
/// If the value holds something that JSON cannot, as far as that was seen.
pub fn json_start(value: &Value, most: usize) -> Result<(String, bool), String> {
    let mut text = JsonText::new(most);
    match text.add(value, 0) {
        Ok(()) => Ok((text.finish(), true)),
        Err(Stop::Full) => Ok((text.finish(), false)),
        Err(Stop::Because(why)) => Err(why),
    }
}

#[cfg(test)]
mod tests {
    use super::super::container::list;
    use super::super::testing::scope;
    use super::super::value::{from_json, to_json};
    use super::*;

    const JSON: &str = r#"{"z":1,"a":[null,true,"0\"\n7",{"y":0.5,"b":12345678901234567890}],"":"ü€"}"#;

    /// Twenty levels of two, shared: a million leaves that take no memory.
    fn explosive() -> Value {
        (0..20).fold(Value::from("leaf"), |value, _| list(vec![value.clone(), value]).unwrap())
    }

    #[test]
    fn the_text_is_that_of_the_tree() {
        let value = scope(JSON);
        assert_eq!(json_text(&value, 1_000).unwrap(), JSON);
        assert_eq!(to_json(&value).unwrap().to_string(), JSON);
    }

    #[test]
    fn a_text_stops_at_every_bound_and_is_the_start_of_the_whole() {
        let value = scope(JSON);
        for most in 0..JSON.len() {
            let (start, whole) = json_start(&value, most).unwrap();
            assert!(!whole && start.len() <= most && most - start.len() < 4 && JSON.starts_with(&start), "{most}: {start}");
            assert!(json_text(&value, most).unwrap_err().contains("larger"), "{most}");
        }
        assert_eq!(json_start(&value, JSON.len()).unwrap(), (JSON.to_owned(), true));
    }

    #[test]
    fn what_is_shared_a_million_times_costs_what_is_shown_of_it() {
        let value = explosive();
        let units = 200;
        let (start, whole) = fuel::within(units, || json_start(&value, 512)).expect("it costs next to nothing").unwrap();
        assert_eq!((start.len(), whole), (512, false));
        assert!(fuel::within(100_000, || json_text(&value, 64 << 10)).is_some_and(|text| text.is_err()));
    }

    #[test]
    fn a_writer_that_may_spend_nothing_writes_nothing() {
        assert_eq!(fuel::within(1_000, || json_start(&explosive(), 1 << 20)), None);
    }

    #[test]
    fn canonical_texts_are_equal_where_values_are() {
        let text = |json: &str| {
            let value = from_json(&serde_json::from_str(json).unwrap());
            let mut budget = Budget::new();
            let mut text = JsonText::canonical(1_000, &mut budget);
            text.value(&value).unwrap();
            text.finish()
        };
        assert_eq!(text(r#"{"b": 1.0, "a": [1e3]}"#), text(r#"{"a": [1000], "b": 1}"#));
        assert_ne!(text("1"), text("\"1\""));
        assert_ne!(text("1"), text("true"));
        assert_ne!(text("1.5"), text("1"));
    }
}
