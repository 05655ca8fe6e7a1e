//! What may stand in an argument, so far as that can be told when a probe is loaded.
//!
//! An argument that is written out is held against its [`Rule`] while parsing; one that is computed is held against the same words by
//! the function it is given to.

use std::ops::RangeInclusive;

use minijinja::Value;

use crate::base::nearest_above;

use super::number::Number;
use super::value::describe;

/// What a parameter takes.
#[derive(Debug)]
pub(super) enum Rule {
    /// One of these words.
    OneOf(&'static [&'static str]),
    /// A whole number of this range.
    Whole(RangeInclusive<i128>),
    /// One character of ASCII.
    Character,
}

/// The rules of a callable, by parameter.
pub(super) type Rules = &'static [(&'static str, Rule)];

/// Names of a callable's parameters, in the order in which they may be given without a name.
pub(super) struct Signature {
    /// All of them.
    pub(super) parameters: &'static [&'static str],
    /// So many from the left must be given.
    pub(super) required: usize,
    /// What may stand in some of them.
    pub(super) rules: Rules,
}

impl Rule {
    /// Why a value may not stand under the parameter.
    pub(super) fn breach(&self, parameter: &str, value: &Value) -> Option<String> {
        match self {
            Self::OneOf(words) => match value.as_str() {
                Some(word) => (!words.contains(&word)).then(|| none_of(parameter, word, words)),
                None => Some(format!("`{parameter}` is one of {}, not {}", listed(words), describe(value))),
            },
            Self::Character => match value.as_str() {
                Some(text) if text.len() == 1 => None,
                _ => Some(format!("`{parameter}` is one ASCII character, not {}", describe(value))),
            },
            Self::Whole(range) => match Number::of(value) {
                Some(Number::Whole(whole)) if range.contains(&whole) => None,
                _ => {
                    let (least, most) = (range.start(), range.end());
                    Some(format!("`{parameter}` is a whole number from {least} to {most}, not {}", describe(value)))
                }
            },
        }
    }
}

/// That a word is none of those which there are, and which one is nearest.
pub(super) fn none_of(what: &str, word: &str, words: &[&'static str]) -> String {
    let same = words.iter().find(|known| known.eq_ignore_ascii_case(word)).copied();
    match same.or_else(|| nearest_above(0.7, word, words.iter().copied())) {
        Some(near) => format!("there is no {what} `{word}`; the nearest is `{near}`"),
        None => format!("there is no {what} `{word}`; there are {}", listed(words)),
    }
}

fn listed(words: &[&str]) -> String {
    let words: Vec<String> = words.iter().map(|word| format!("`{word}`")).collect();
    match &words[..] {
        [first @ .., last] if !first.is_empty() => format!("{} and {last}", first.join(", ")),
        _ => words.concat(),
    }
}
