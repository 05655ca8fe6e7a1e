//! Source text to tokens with exact byte ranges.
//!
//! Knows strings, numbers, names and symbols; keywords are names here and become keywords in the parser. Spellings of other
//! languages (`&&`, `===`, `“`) are refused with the spelling to use instead.

use std::ops::Range;

use minijinja::Value;

use super::ParseError;

/// Most tokens an expression may have. Each is looked at once in an evaluation, as the language has no loops, so that this
/// is also the bound on its instructions.
pub(super) const MAX_TOKENS: usize = 10_000;

/// Longer ones first, so that `**` is not read as two `*`.
const SYMBOLS: [&str; 33] = [
    "{%", "=~", "===", "!==", "==", "!=", "<=", ">=", "//", "**", "&&", "||", "+", "-", "*", "/", "%", "~", "|", "(", ")", "[",
    "]", "{", "}", ",", ":", ".", "<", ">", "=", "!", "&",
];

/// One token.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Token<'s> {
    /// A name or keyword.
    Name(&'s str),
    /// A string, escapes resolved.
    Text(String),
    /// A number.
    Number(Value),
    /// One of [`SYMBOLS`].
    Symbol(&'static str),
}

/// The tokens of `source` and where they are.
pub(super) fn tokenize(source: &str) -> Result<Vec<(Token<'_>, Range<usize>)>, ParseError> {
    let mut tokens = Vec::new();
    let mut at = 0;
    while let Some(first) = source[at..].chars().next() {
        if first.is_whitespace() {
            at += first.len_utf8();
            continue;
        }
        if tokens.len() == MAX_TOKENS {
            return Err(ParseError {
                message: format!("the expression has more than {MAX_TOKENS} parts"),
                span: at..source.len(),
            });
        }
        let after_dot = matches!(tokens.last(), Some((Token::Symbol("."), _)));
        let (token, end) = match first {
            '\'' | '"' => text(source, at)?,
            '0'..='9' => number(source, at, after_dot)?,
            'a'..='z' | 'A'..='Z' | '_' => {
                let end = at + name_length(&source[at..]);
                (Token::Name(&source[at..end]), end)
            }
            _ => symbol(source, at, first)?,
        };
        tokens.push((token, at..end));
        at = end;
    }
    Ok(tokens)
}

fn name_length(text: &str) -> usize {
    text.bytes().take_while(|byte| byte.is_ascii_alphanumeric() || *byte == b'_').count()
}

fn symbol(source: &str, at: usize, first: char) -> Result<(Token<'static>, usize), ParseError> {
    let found = SYMBOLS.iter().copied().find(|symbol| source[at..].starts_with(symbol));
    let Some(symbol) = found else { return Err(meaningless(source, at, first)) };
    let end = at + symbol.len();
    let advice = match symbol {
        "===" => "`===` is written `==`",
        "!==" => "`!==` is written `!=`",
        "&&" | "&" => "`&&` is written `and`",
        "||" => "`||` is written `or`",
        "!" => "`!` is written `not`",
        "=~" => "`=~` is written `is matching`",
        "{%" => "only `{{ }}` is syntax, and an expression needs none; a choice is `a if condition else b`",
        _ => return Ok((Token::Symbol(symbol), end)),
    };
    Err(ParseError { message: advice.to_owned(), span: at..end })
}

/// Why a character that begins nothing is refused.
fn meaningless(source: &str, at: usize, first: char) -> ParseError {
    let rest = &source[at + first.len_utf8()..];
    let path_length = rest.bytes().take_while(|byte| byte.is_ascii_alphanumeric() || b"_.[]".contains(byte)).count();
    let path = &rest[..path_length];
    let (message, length) = match first {
        '$' if path.is_empty() || path.starts_with(['.', '[']) => (format!("`${path}` is written `json{path}`"), 1 + path_length),
        '$' => ("names stand without `$`".into(), 1),
        '“' | '”' | '‘' | '’' | '„' | '`' => {
            (format!("`{first}` begins no string; strings stand in straight quotes, `'so'`"), first.len_utf8())
        }
        _ => (format!("`{first}` has no meaning here"), first.len_utf8()),
    };
    ParseError { message, span: at..at + length }
}

/// A string. Escapes are those of JSON and `\'`; a backslash before anything else stands for itself, so that regular
/// expressions read as usual.
fn text(source: &str, start: usize) -> Result<(Token<'static>, usize), ParseError> {
    let quote = source[start..].chars().next();
    let mut text = String::new();
    let mut at = start + 1;
    while let Some(char) = source[at..].chars().next() {
        at += char.len_utf8();
        if Some(char) == quote {
            return Ok((Token::Text(text), at));
        }
        if char != '\\' {
            text.push(char);
            continue;
        }
        let Some(escaped) = source[at..].chars().next() else { break };
        at += escaped.len_utf8();
        match escaped {
            '\\' | '\'' | '"' | '/' => text.push(escaped),
            'n' => text.push('\n'),
            'r' => text.push('\r'),
            't' => text.push('\t'),
            'u' => {
                let (char, length) = unicode(&source[at..]).ok_or_else(|| ParseError {
                    message: "`\\u` takes the four hexadecimal digits of a character".into(),
                    span: at - 2..at,
                })?;
                text.push(char);
                at += length;
            }
            other => text.extend(['\\', other]),
        }
    }
    Err(ParseError { message: "the string is not closed".into(), span: start..source.len() })
}

/// The character of `XXXX`, or of `XXXX\uXXXX` for a surrogate pair, and the length read.
fn unicode(rest: &str) -> Option<(char, usize)> {
    let unit = |text: &str| -> Option<u16> {
        let digits = text.get(..4).filter(|digits| digits.bytes().all(|byte| byte.is_ascii_hexdigit()))?;
        u16::from_str_radix(digits, 16).ok()
    };
    let first = unit(rest)?;
    if let Some(char) = char::from_u32(first.into()) {
        return Some((char, 4));
    }
    let second = unit(rest[4..].strip_prefix("\\u")?)?;
    let char = char::decode_utf16([first, second]).next()?.ok()?;
    Some((char, 10))
}

/// A number: `12`, `1_000`, `0xff`, `1.5`, `1e-3`. After a dot only digits, so that `a.0.1` is two indices.
fn number(source: &str, start: usize, after_dot: bool) -> Result<(Token<'static>, usize), ParseError> {
    let bytes = source.as_bytes();
    let digits = |mut at: usize| {
        while bytes.get(at).is_some_and(|byte| byte.is_ascii_digit() || *byte == b'_') {
            at += 1;
        }
        at
    };
    let digit_at = |at: usize| bytes.get(at).is_some_and(u8::is_ascii_digit);
    let radix = match bytes.get(start + 1) {
        Some(b'x' | b'X') if bytes[start] == b'0' => 16,
        Some(b'o' | b'O') if bytes[start] == b'0' => 8,
        Some(b'b' | b'B') if bytes[start] == b'0' => 2,
        _ => 10,
    };
    let mut end = if radix == 10 { digits(start) } else { start + name_length(&source[start..]) };
    let mut whole = true;
    if radix == 10 && !after_dot {
        if bytes.get(end) == Some(&b'.') && digit_at(end + 1) {
            whole = false;
            end = digits(end + 1);
        }
        let sign = usize::from(matches!(bytes.get(end + 1), Some(b'+' | b'-')));
        if matches!(bytes.get(end), Some(b'e' | b'E')) && digit_at(end + 1 + sign) {
            whole = false;
            end = digits(end + 1 + sign);
        }
    }
    let tail = name_length(&source[end..]);
    let spelled = source[start..end].replace('_', "");
    let value = if tail > 0 {
        None
    } else if whole {
        let digits = if radix == 10 { &*spelled } else { &spelled[2..] };
        i128::from_str_radix(digits, radix).ok().map(whole_value)
    } else {
        spelled.parse::<f64>().ok().filter(|number| number.is_finite()).map(Value::from)
    };
    let end = end + tail;
    let token = value.map(Token::Number).ok_or_else(|| ParseError {
        message: format!(
            "`{}` is no number; durations are plain seconds and sizes plain bytes here, and whole numbers have at most 38 digits",
            &source[start..end]
        ),
        span: start..end,
    })?;
    Ok((token, end))
}

/// A whole number in the smallest representation, which is the fastest to compare.
pub(super) fn whole_value(number: i128) -> Value {
    i64::try_from(number).map_or_else(|_| Value::from(number), Value::from)
}
