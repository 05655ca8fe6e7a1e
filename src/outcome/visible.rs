//! Text from outside that cannot deceive whoever reads it.
//!
//! Owns which characters steer a terminal, a log or the eye, and what stands in their place: the escapes of JSON, so that a
//! value in JSON spelling stays the value it is. Texts are cleaned once, where they are made: those of a run when its report is
//! sealed, those about a configuration with their diagnostic, what a caller of the API says when it is taken, and every log line as
//! it is queued.

use std::borrow::Cow;
use std::fmt::Write as _;

/// Whether a character is not text but steers what shows it: control characters, those that reorder or join what is around
/// them, those that are not seen at all, and line breaks of any kind.
pub fn is_steering(character: char) -> bool {
    character.is_control()
        || matches!(character,
            '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}' | '\u{180b}'..='\u{180f}'
            | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{3164}' | '\u{feff}' | '\u{ffa0}'
            | '\u{fff9}'..='\u{fffb}' | '\u{1d173}'..='\u{1d17a}' | '\u{e0000}'..='\u{e007f}')
}

/// The text as one line in which nothing steers: what would is spelled as JSON spells it, such as `\n`, `\u001b`, `\u202e`.
pub fn visible(text: &str) -> Cow<'_, str> {
    spelled(text, |_| false)
}

/// The same for a text that is shown as a block, such as a body: its line breaks and tabs stay. A carriage return stays only
/// before a line break, as it would write over its line.
pub fn visible_block(text: &str) -> Cow<'_, str> {
    spelled(text, |rest| rest.starts_with(['\n', '\t']) || rest.starts_with("\r\n"))
}

/// `stays` is asked with the text from the character on.
fn spelled(text: &str, stays: impl Fn(&str) -> bool) -> Cow<'_, str> {
    if text.bytes().all(|byte| (0x20..0x7f).contains(&byte)) {
        return Cow::Borrowed(text);
    }
    let mut shown = String::new();
    let mut from = 0;
    for (at, character) in text.char_indices() {
        if is_steering(character) && !stays(&text[at..]) {
            shown.push_str(&text[from..at]);
            spell(character, &mut shown);
            from = at + character.len_utf8();
        }
    }
    if from == 0 {
        return Cow::Borrowed(text);
    }
    shown.push_str(&text[from..]);
    Cow::Owned(shown)
}

fn spell(character: char, shown: &mut String) {
    match character {
        '\n' => shown.push_str("\\n"),
        '\r' => shown.push_str("\\r"),
        '\t' => shown.push_str("\\t"),
        character => {
            for unit in character.encode_utf16(&mut [0; 2]) {
                // Writing to a string cannot fail.
                let _ = write!(shown, "\\u{unit:04x}");
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_steers_is_spelled_out_and_everything_else_is_left_alone() {
        for (text, shown) in [
            ("plain grün 日本 😀 עברית", "plain grün 日本 😀 עברית"),
            ("a\x1b[2Jb\r\n\t\0\x7f\u{9b}", "a\\u001b[2Jb\\r\\n\\t\\u0000\\u007f\\u009b"),
            ("\u{202e}evil\u{2066}\u{200f}\u{61c}", "\\u202eevil\\u2066\\u200f\\u061c"),
            ("zero\u{200b}\u{200d}\u{feff}\u{ad}width", "zero\\u200b\\u200d\\ufeff\\u00adwidth"),
            ("\u{2028}\u{2029}\u{85}", "\\u2028\\u2029\\u0085"),
            ("\u{e0041}", "\\udb40\\udc41"),
        ] {
            assert_eq!(visible(text), shown);
        }
        assert!(matches!(visible("grün"), Cow::Borrowed(_)));
    }

    #[test]
    fn a_value_in_json_spelling_stays_the_value_it_is() {
        let value = serde_json::Value::from("a\u{202e}b\u{200b}\"\n\\\u{e0041}\u{7f}");
        let spelled = visible(&value.to_string()).into_owned();
        assert!(!spelled.contains(is_steering), "{spelled}");
        assert_eq!(serde_json::from_str::<serde_json::Value>(&spelled).unwrap(), value);
    }

    #[test]
    fn a_block_keeps_its_lines_and_tabs() {
        assert_eq!(visible_block("a\tb\r\nc\n\rd\u{202e}\x1b"), "a\tb\r\nc\n\\rd\\u202e\\u001b");
        assert_eq!(visible_block("a\nb"), "a\nb");
    }
}
