//! Hides values written below `[secrets]`, and passwords in URLs, before a line of the file is shown, because a secret may be written
//! there by mistake.
//!
//! It works on the text, line by line, because lines of a file that is not TOML are shown as well. In doubt it hides too much.

use std::borrow::Cow;

use crate::source::Span;

/// The text with every value below `[secrets]` made unreadable that is not the name of a variable or of a file, and every password of a
/// URL. Offsets stay.
pub(super) fn masked(text: &str) -> Cow<'_, str> {
    match without_passwords(text) {
        Cow::Borrowed(text) => without_secrets(text),
        Cow::Owned(text) => without_secrets(&text).into_owned().into(),
    }
}

/// Hides what stands between a user's name and the machine in `SCHEME://USER:PASSWORD@HOST`.
fn without_passwords(text: &str) -> Cow<'_, str> {
    let (mut shown, mut copied) = (String::new(), 0);
    for (at, _) in text.match_indices("://") {
        let begins = at + "://".len();
        // A database's password may have a slash in it by mistake.
        let database = text[..at].ends_with("postgres") || text[..at].ends_with("postgresql");
        let ends = |character: char| match character {
            '"' | '\'' => true,
            '/' | '?' | '#' => !database,
            _ => character.is_whitespace(),
        };
        let place = &text[begins..begins + text[begins..].find(ends).unwrap_or(text.len() - begins)];
        let found = place.find(':').zip(place.rfind('@')).filter(|(name, end)| name < end && copied <= begins + name);
        let Some((name, end)) = found else { continue };
        shown.push_str(&text[copied..=begins + name]);
        hide(&place[name + 1..end], &mut shown);
        copied = begins + end;
    }
    if copied == 0 {
        return text.into();
    }
    shown.push_str(&text[copied..]);
    shown.into()
}

fn without_secrets(text: &str) -> Cow<'_, str> {
    if !text.contains("secrets") {
        return text.into();
    }
    let mut shown = String::with_capacity(text.len());
    let mut inside = false;
    let mut nested = false;
    let mut open: Option<&str> = None;
    for line in text.split_inclusive('\n') {
        if let Some(quotes) = open {
            hide(line, &mut shown);
            open = open.filter(|_| !line.contains(quotes));
            continue;
        }
        let start = line.trim_start();
        if let Some(header) = start.strip_prefix('[') {
            let below = below_secrets(header.trim_start_matches('['));
            inside = below.is_some();
            nested = below.is_some_and(|rest| rest.starts_with('.'));
            shown.push_str(line);
            continue;
        }
        let from = if inside { first_value(line, nested) } else { below_secrets(start).and_then(|_| first_value(line, nested)) };
        let (plain, value) = line.split_at(from.unwrap_or(line.len()));
        shown.push_str(plain);
        hide(value, &mut shown);
        open = ["\"\"\"", "'''"].into_iter().find(|quotes| value.matches(quotes).count() == 1);
    }
    shown.into()
}

/// The text with the bytes of one value made unreadable. Offsets stay.
pub(super) fn hidden(text: &str, span: Span) -> String {
    let mut shown = String::with_capacity(text.len());
    for (at, character) in text.char_indices() {
        if (span.start..span.end).contains(&at) && !matches!(character, '"' | '\'' | '\n') {
            shown.extend(std::iter::repeat_n('*', character.len_utf8()));
        } else {
            shown.push(character);
        }
    }
    shown
}

/// What follows the word `secrets`, if a key or header begins with it.
fn below_secrets(key: &str) -> Option<&str> {
    let key = key.trim_start_matches([' ', '\t', '"', '\'']).strip_prefix("secrets")?;
    let rest = key.trim_start_matches(['"', '\'', ' ', '\t']);
    rest.starts_with(['.', ']', '=']).then_some(rest)
}

/// Where the first value begins that is neither a table nor of `env` or `file`; those two are keys of a secret, and therefore
/// stand in a table or behind a dot.
fn first_value(line: &str, nested: bool) -> Option<usize> {
    let mut at = 0;
    let mut nested = nested;
    while let Some(equals) = line[at..].find('=').map(|found| at + found) {
        let key = line[at..equals].trim_end().trim_end_matches(['"', '\'']);
        let word = key.rsplit(|character: char| !character.is_alphanumeric() && character != '_').next().unwrap_or_default();
        nested |= key.ends_with(&format!(".{word}"));
        let begins = equals + 1 + line[equals + 1..].len() - line[equals + 1..].trim_start().len();
        let value = &line[begins..];
        if value.starts_with('{') {
            nested = true;
            at = begins + 1;
        } else if nested && matches!(word, "env" | "file") {
            let quote = value.chars().next().filter(|first| matches!(first, '"' | '\''));
            let end = quote.map_or_else(|| value.find(','), |quote| Some(value[1..].find(quote)? + 2));
            at = begins + end.unwrap_or(value.len());
        } else {
            return (!value.is_empty()).then_some(begins);
        }
    }
    None
}

/// As many bytes, and nothing to read.
fn hide(value: &str, shown: &mut String) {
    let end = value.trim_end().len();
    shown.extend(std::iter::repeat_n('*', end));
    shown.push_str(&value[end..]);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_below_secrets_are_hidden_however_they_are_written() {
        for text in [
            "[secrets]\ny = \"hunter2\"\n",
            "[secrets]\ny = hunter2\n",
            "[secrets]\ny = \"hunter2\n",
            "[secrets]\nenv = \"hunter2\"\n",
            "[ \"secrets\" ]\ny = { value = \"hunter2\" }\n",
            "[secrets]\ny = { env = \"Y\", value = \"hunter2\" }\n",
            "[secrets.y]\nvalue = \"hunter2\"\n",
            "[secrets]\ny.value = \"hunter2\"\n",
            "secrets.y = \"hunter2\"\n",
            "secrets = { y = \"hunter2\" }\n",
            "[secrets]\ny = '''\nx\nhunter2'''\n",
        ] {
            let shown = masked(text);
            assert!(!shown.contains("hunter2"), "{shown}");
            assert_eq!(shown.len(), text.len());
            assert_eq!(shown.matches('\n').count(), text.matches('\n').count());
        }
    }

    #[test]
    fn passwords_in_urls_are_hidden_and_the_rest_of_the_line_is_not() {
        for (text, expected) in [
            ("url = \"postgres://eu:hunter2@db/serinus\"\n", "url = \"postgres://eu:*******@db/serinus\"\n"),
            ("url = \"postgres://eu:hun/er?@db:5432/s\"\n", "url = \"postgres://eu:*******@db:5432/s\"\n"),
            ("a = 'https://u:p@h/x', b = 'https://u:q@h/y'\n", "a = 'https://u:*@h/x', b = 'https://u:*@h/y'\n"),
            ("http.get = \"http://h:80/users/@me\"\n", "http.get = \"http://h:80/users/@me\"\n"),
            ("url = \"postgres://eu@db:5432/serinus\"\n", "url = \"postgres://eu@db:5432/serinus\"\n"),
            ("url = \"postgres://a:b://c:d@e\"\n", "url = \"postgres://a:*******@e\"\n"),
        ] {
            assert_eq!(masked(text), expected);
        }
    }

    #[test]
    fn everything_else_can_be_read() {
        for text in [
            "[secrets]\ny = { env = \"Y\" }\nz = { file = 'secrets/z', env = \"Z\" }\nw.env = \"W\"\n[http]\na = \"b\"\n",
            "[secrets.y]\nenv = \"Y\"\n",
            "secrets.y = { env = \"Y\" }\nlisten.token = \"y\"\n",
            "name = \"secrets\"\nsecrets_of = \"x\"\n",
        ] {
            assert_eq!(masked(text), text);
        }
    }
}
