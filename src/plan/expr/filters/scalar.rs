//! Filters on numbers and truth values.

use minijinja::Value;
use minijinja::value::ValueKind;

use super::super::budget::Budget;
use super::super::number::Number;
use super::super::value::describe;
use super::Arguments;

pub(super) fn abs(value: &Value, _: &Arguments<'_>, _: &mut Budget) -> Result<Value, String> {
    match number(value)? {
        Number::Whole(whole) => whole.checked_abs().map(|whole| Number::Whole(whole).into_value()),
        Number::Float(float) => Some(Value::from(float.abs())),
    }
    .ok_or_else(|| format!("{} has no absolute value that can be held", describe(value)))
}

/// A whole number: of a number its whole part, of a string the number it spells.
pub(super) fn int(value: &Value, arguments: &Arguments<'_>, budget: &mut Budget) -> Result<Value, String> {
    budget.value(value)?;
    let whole = match value.as_str().map(str::trim) {
        Some(text) => text.parse::<i128>().ok(),
        None => Number::of(value).and_then(Number::truncated),
    };
    match (whole, arguments.value(0)) {
        (Some(whole), _) => Ok(Number::Whole(whole).into_value()),
        (None, Some(default)) => Ok(default.clone()),
        (None, None) => Err(format!("{} is no whole number", describe(value))),
    }
}

pub(super) fn float(value: &Value, arguments: &Arguments<'_>, budget: &mut Budget) -> Result<Value, String> {
    budget.value(value)?;
    let float = match value.as_str().map(str::trim) {
        Some(text) => text.parse::<f64>().ok(),
        None => Number::of(value).map(Number::float),
    };
    match (float.filter(|float| float.is_finite()), arguments.value(0)) {
        (Some(float), _) => Ok(Value::from(float)),
        (None, Some(default)) => Ok(default.clone()),
        (None, None) => Err(format!("{} is no finite number", describe(value))),
    }
}

/// Rounded to so many decimals, `common` (halves to the even neighbour, as in Python), `floor` or `ceil`. Whole numbers stay as they are.
pub(super) fn round(value: &Value, arguments: &Arguments<'_>, _: &mut Budget) -> Result<Value, String> {
    let Number::Float(float) = number(value)? else { return Ok(value.clone()) };
    let precision = arguments.whole(0)?.unwrap_or(0);
    let precision = i32::try_from(precision).ok().filter(|digits| (0..=15).contains(digits));
    let scale = 10.0_f64.powi(precision.ok_or("the precision is a number from 0 to 15")?);
    let scaled = float * scale;
    let rounded = match arguments.text(1)? {
        None | Some("common") => scaled.round_ties_even(),
        Some("floor") => scaled.floor(),
        Some("ceil") => scaled.ceil(),
        Some(other) => return Err(format!("there is no way of rounding called `{other}`; there are common, floor and ceil")),
    };
    // A number too large to be scaled has no decimals to round.
    Ok(Value::from(if rounded.is_finite() { rounded / scale } else { float }))
}

/// A truth value: itself, or what `"true"` and `"false"` spell.
pub(super) fn bool(value: &Value, _: &Arguments<'_>, _: &mut Budget) -> Result<Value, String> {
    match (value.kind(), value.as_str()) {
        (ValueKind::Bool, _) => Ok(value.clone()),
        (_, Some("true")) => Ok(Value::from(true)),
        (_, Some("false")) => Ok(Value::from(false)),
        _ => Err(format!("{} is neither true nor false", describe(value))),
    }
}

fn number(value: &Value) -> Result<Number, String> {
    Number::of(value).ok_or_else(|| format!("{} is no number", describe(value)))
}
