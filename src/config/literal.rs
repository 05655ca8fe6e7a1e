//! From a place in a TOML string's value to the place in the file where it is written.

/// The byte offset, from the start of the literal (its quotes included), of the value's byte `target`.
///
/// Escapes, the line break after opening `"""`, and line-ending backslashes are followed. An offset past the value's end
/// gives the closing quote.
pub(super) fn raw_offset(literal: &str, target: usize) -> usize {
    let (quote, multi_line) = match literal.as_bytes() {
        [b'"', b'"', b'"', ..] => ('"', true),
        [b'\'', b'\'', b'\'', ..] => ('\'', true),
        [b'\'', ..] => ('\'', false),
        [b'"', ..] => ('"', false),
        _ => return target.min(literal.len()),
    };
    let opening = if multi_line { 3 } else { 1 };
    let mut at = opening;
    let end = literal.len().saturating_sub(opening);
    if multi_line {
        at += ["\r\n", "\n"].iter().find(|line| literal[at..].starts_with(**line)).map_or(0, |line| line.len());
    }
    let mut decoded = 0;
    while decoded < target && at < end {
        let Some(next) = literal[at..].chars().next() else { break };
        if next != '\\' || quote == '\'' {
            at += next.len_utf8();
            decoded += next.len_utf8();
            continue;
        }
        let (raw, value) = escape(&literal[at..end]);
        at += raw;
        decoded += value;
    }
    at.min(end)
}

/// Bytes that the escape at the start of `text` takes, and bytes of the value it stands for.
fn escape(text: &str) -> (usize, usize) {
    let code_point = |digits: usize| {
        let value = text.get(2..2 + digits).and_then(|hex| u32::from_str_radix(hex, 16).ok()).and_then(char::from_u32);
        (2 + digits, value.map_or(0, char::len_utf8))
    };
    match text.as_bytes().get(1) {
        Some(b'u') => code_point(4),
        Some(b'U') => code_point(8),
        Some(b' ' | b'\t' | b'\r' | b'\n') => (text.len() - text[1..].trim_start().len(), 0),
        Some(_) => (2, 1),
        None => (1, 0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_behind_escapes_are_found() {
        assert_eq!(raw_offset(r#""abc""#, 1), 2);
        assert_eq!(raw_offset(r#""a\"bc""#, 2), 4);
        assert_eq!(raw_offset(r#""\u00e9x""#, 2), 7);
        assert_eq!(raw_offset(r"'a\b'", 3), 4);
    }

    #[test]
    fn places_in_multi_line_strings_are_found() {
        assert_eq!(raw_offset("\"\"\"\nab\"\"\"", 1), 5);
        assert_eq!(raw_offset("\"\"\"a\\\n   b\"\"\"", 1), 4);
        assert_eq!(raw_offset("\"\"\"a\\\n   b\"\"\"", 2), 10);
    }

    #[test]
    fn a_place_past_the_end_is_the_closing_quote() {
        assert_eq!(raw_offset(r#""ab""#, 9), 3);
    }
}
