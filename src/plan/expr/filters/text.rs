//! Filters on text.

use minijinja::Value;

use super::super::arguments::{Arguments, text_in};
use super::super::budget::{Budget, may_build_list, may_build_text};
use super::super::container;
use super::super::value::text_of;

pub(super) fn lower(value: &Value, _: &Arguments<'_>, budget: &mut Budget) -> Result<Value, String> {
    Ok(Value::from(text_in(value, budget)?.to_lowercase()))
}

pub(super) fn upper(value: &Value, _: &Arguments<'_>, budget: &mut Budget) -> Result<Value, String> {
    Ok(Value::from(text_in(value, budget)?.to_uppercase()))
}

/// The first letter large, the others small.
pub(super) fn capitalize(value: &Value, _: &Arguments<'_>, budget: &mut Budget) -> Result<Value, String> {
    Ok(Value::from(capital(text_in(value, budget)?)))
}

/// Each word capitalized.
pub(super) fn title(value: &Value, _: &Arguments<'_>, budget: &mut Budget) -> Result<Value, String> {
    let text = text_in(value, budget)?;
    Ok(Value::from(text.split_inclusive(|char: char| !char.is_alphanumeric()).map(capital).collect::<String>()))
}

fn capital(word: &str) -> String {
    let mut chars = word.chars();
    let first = chars.next().into_iter().flat_map(char::to_uppercase);
    first.chain(chars.as_str().to_lowercase().chars()).collect()
}

/// Without whitespace, or the given characters, at both ends.
pub(super) fn trim(value: &Value, arguments: &Arguments<'_>, budget: &mut Budget) -> Result<Value, String> {
    let text = text_in(value, budget)?;
    Ok(Value::from(match arguments.text(0)? {
        Some(characters) => {
            budget.text(text.len().saturating_mul(characters.len()))?;
            text.trim_matches(|char| characters.contains(char))
        }
        None => text.trim(),
    }))
}

/// Each occurrence of one text by another.
pub(super) fn replace(value: &Value, arguments: &Arguments<'_>, budget: &mut Budget) -> Result<Value, String> {
    let text = text_in(value, budget)?;
    let (from, to) = (arguments.text(0)?.unwrap_or_default(), arguments.text(1)?.unwrap_or_default());
    if from.is_empty() {
        return Err("the text to be replaced is empty".into());
    }
    let grown = text.matches(from).count().checked_mul(to.len()).and_then(|more| more.checked_add(text.len()));
    may_build_text(grown)?;
    Ok(Value::from(text.replace(from, to)))
}

/// Parts between separators, or between whitespace; at most so many cuts.
pub(super) fn split(value: &Value, arguments: &Arguments<'_>, budget: &mut Budget) -> Result<Value, String> {
    let text = text_in(value, budget)?;
    let most = arguments.whole(1)?.and_then(|most| usize::try_from(most).ok()).unwrap_or(usize::MAX);
    match arguments.text(0)? {
        Some("") => Err("the separator is empty".into()),
        Some(separator) => collect(text.splitn(most.saturating_add(1), separator)),
        None if most == usize::MAX => collect(text.split_whitespace()),
        None => Err("a number of cuts needs a separator".into()),
    }
}

pub(super) fn lines(value: &Value, _: &Arguments<'_>, budget: &mut Budget) -> Result<Value, String> {
    collect(text_in(value, budget)?.lines())
}

fn collect<'t>(parts: impl Iterator<Item = &'t str> + Clone) -> Result<Value, String> {
    may_build_list(Some(parts.clone().count()))?;
    container::list(parts.map(Value::from).collect())
}

/// A number or truth value in its JSON spelling; a string as it is.
pub(super) fn string(value: &Value, _: &Arguments<'_>, budget: &mut Budget) -> Result<Value, String> {
    budget.value(value)?;
    text_of(value).map(Value::from)
}
