//! Filters between text and what it encodes.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use chrono::DateTime;
use minijinja::Value;

use super::super::arguments::{Arguments, bytes_in, text_in};
use super::super::budget::{Budget, MAX_TEXT, may_build_text};
use super::super::json_text::JsonText;
use super::super::signed::base64_bytes;
use super::super::value::{self, describe, text_of};

/// Percent-encoded, all but the unreserved characters of RFC 3986 section 2.3: safe in any place of a URL.
pub(super) fn urlencode(value: &Value, _: &Arguments<'_>, budget: &mut Budget) -> Result<Value, String> {
    let text = text_of(value)?;
    budget.text(text.len())?;
    may_build_text(text.len().checked_mul(3))?;
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            let digit = |nibble: u8| char::from(b"0123456789ABCDEF"[usize::from(nibble)]);
            encoded.extend(['%', digit(byte >> 4), digit(byte & 0xf)]);
        }
    }
    Ok(Value::from(encoded))
}

/// What was percent-encoded (RFC 3986 section 2.1); a plus sign is one.
pub(super) fn urldecode(value: &Value, _: &Arguments<'_>, budget: &mut Budget) -> Result<Value, String> {
    let text = text_in(value, budget)?;
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, tail @ ..] = rest {
        let hex = |digit: u8| char::from(digit).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
        (bytes, rest) = match (first, tail) {
            (b'%', [high, low, after @ ..]) if let (Some(high), Some(low)) = (hex(*high), hex(*low)) => {
                bytes.push(high << 4 | low);
                (bytes, after)
            }
            (b'%', _) => return Err(format!("{} has a `%` that is no escape", describe(value))),
            (byte, after) => {
                bytes.push(*byte);
                (bytes, after)
            }
        };
    }
    String::from_utf8(bytes).map(Value::from).map_err(|_| format!("{} is not the encoding of a text", describe(value)))
}

/// A text that can stand in XML or HTML, between elements or in an attribute.
pub(super) fn xml_escape(value: &Value, _: &Arguments<'_>, budget: &mut Budget) -> Result<Value, String> {
    let text = text_of(value)?;
    budget.text(text.len())?;
    may_build_text(text.len().checked_mul(6))?;
    let escaped = text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;");
    Ok(Value::from(escaped.replace('\'', "&apos;")))
}

/// RFC 4648 section 4, padded; `url_safe` is section 5, not padded.
pub(super) fn b64encode(value: &Value, arguments: &Arguments<'_>, budget: &mut Budget) -> Result<Value, String> {
    let bytes = bytes_in(value, budget)?;
    may_build_text(bytes.len().checked_mul(2))?;
    Ok(Value::from(if arguments.flag(0)? { URL_SAFE_NO_PAD.encode(bytes) } else { STANDARD.encode(bytes) }))
}

/// RFC 4648 sections 4 and 5, padded or not: a text or, where it encodes none, bytes.
pub(super) fn b64decode(value: &Value, _: &Arguments<'_>, budget: &mut Budget) -> Result<Value, String> {
    let text = text_in(value, budget)?;
    let bytes = base64_bytes(text).map_err(|error| format!("{} is not base64: {error}", describe(value)))?;
    Ok(String::from_utf8(bytes).map_or_else(|no_text| Value::from_bytes(no_text.into_bytes()), Value::from))
}

pub(super) fn from_json(value: &Value, _: &Arguments<'_>, budget: &mut Budget) -> Result<Value, String> {
    let text = text_in(value, budget)?;
    may_build_text(Some(text.len()))?;
    // A tree takes several times what reading its text does.
    budget.items(text.len() / 4)?;
    let json = serde_json::from_str(text).map_err(|error| format!("{} is not JSON: {error}", describe(value)))?;
    Ok(value::from_json(&json))
}

pub(super) fn to_json(value: &Value, _: &Arguments<'_>, budget: &mut Budget) -> Result<Value, String> {
    let mut text = JsonText::paid_by(MAX_TEXT, budget);
    text.value(value)?;
    Ok(Value::from(text.finish()))
}

/// An RFC 3339 time as seconds since 1970, with its fraction.
pub(super) fn to_unix(value: &Value, _: &Arguments<'_>, budget: &mut Budget) -> Result<Value, String> {
    let time = DateTime::parse_from_rfc3339(text_in(value, budget)?.trim())
        .map_err(|error| format!("{} is no RFC 3339 time: {error}", describe(value)))?;
    #[expect(clippy::cast_precision_loss, reason = "seconds of any year an RFC 3339 time can name fit a float exactly")]
    let seconds = time.timestamp() as f64;
    Ok(Value::from(seconds + f64::from(time.timestamp_subsec_nanos()) / 1e9))
}
