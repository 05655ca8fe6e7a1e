//! JSON Schemas that steps name: read and compiled once each, however many steps use them. Owns finding the
//! position of an error in the text of such a file.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use crate::source::{SourceFile, Span};

use super::file::{self, LARGEST_SIDE_FILE};

/// The schemas compiled so far.
#[derive(Debug, Default)]
pub(super) struct Contracts {
    known: Mutex<HashMap<PathBuf, Compiled>>,
}

type Compiled = Result<Arc<jsonschema::Validator>, ContractError>;

/// Why a file is not a schema, and where.
#[derive(Debug, Clone)]
pub(super) struct ContractError {
    pub(super) message: String,
    /// The place in the schema's file, if it could be read.
    pub(super) place: Option<(Arc<SourceFile>, Span)>,
}

impl Contracts {
    /// The files that were read or tried.
    pub(super) fn files(&self) -> Vec<PathBuf> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner).keys().cloned().collect()
    }

    /// The compiled schema of a file. References to other documents are refused: loading asks no network.
    pub(super) fn get(&self, path: &Path) -> Compiled {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.entry(path.to_owned()).or_insert_with(|| compile(path)).clone()
    }
}

fn compile(path: &Path) -> Compiled {
    let bytes = file::read(path, LARGEST_SIDE_FILE, false)
        .map_err(|unread| ContractError { message: unread.to_string(), place: None })?;
    let text = String::from_utf8(bytes)
        .map_err(|_| ContractError { message: format!("cannot read {}: it is not UTF-8", path.display()), place: None })?;
    let file = Arc::new(SourceFile::new(path, text));
    let broken = |message: String, span: Span| ContractError { message, place: Some((Arc::clone(&file), span)) };
    let schema: serde_json::Value = serde_json::from_str(file.text()).map_err(|error| {
        let at = of_line(file.text(), error.line(), error.column());
        broken(format!("this is not JSON: {error}"), Span { start: at, end: at })
    })?;
    let validator = jsonschema::options().offline().should_validate_formats(true).build(&schema).map_err(|error| {
        let span = of_pointer(file.text(), error.instance_path().as_str());
        broken(format!("this is not a JSON Schema: {error}"), span)
    })?;
    Ok(Arc::new(validator))
}

/// The byte at a line and column, both from 1 as `serde_json` counts them.
fn of_line(text: &str, line: usize, column: usize) -> usize {
    let before: usize = text.split_inclusive('\n').take(line.saturating_sub(1)).map(str::len).sum();
    (before + column.saturating_sub(1)).min(text.len())
}

/// The value a JSON pointer names, in a text that is JSON. A pointer that leads nowhere gives the last value on its way.
fn of_pointer(text: &str, pointer: &str) -> Span {
    let mut walker = Walker { text, at: 0 };
    for segment in pointer.split('/').skip(1) {
        let segment = segment.replace("~1", "/").replace("~0", "~");
        let here = walker.at;
        if !walker.enter(&segment) {
            walker.at = here;
            break;
        }
    }
    walker.space();
    let start = walker.at;
    walker.value();
    Span { start, end: walker.at.max(start) }
}

struct Walker<'t> {
    text: &'t str,
    at: usize,
}

impl Walker<'_> {
    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn space(&mut self) {
        while self.peek().is_some_and(|byte| byte.is_ascii_whitespace() || matches!(byte, b',' | b':')) {
            self.at += 1;
        }
    }

    /// Goes to the member or item called `segment` of the value here.
    fn enter(&mut self, segment: &str) -> bool {
        self.space();
        let opening = self.peek();
        self.at += 1;
        let mut index = 0;
        loop {
            self.space();
            match (opening, self.peek()) {
                (_, None | Some(b'}' | b']')) => return false,
                (Some(b'{'), _) => {
                    let start = self.at;
                    self.value();
                    let key: Option<String> = self.text.get(start..self.at).and_then(|key| serde_json::from_str(key).ok());
                    if key.as_deref() == Some(segment) {
                        return true;
                    }
                }
                (Some(b'['), _) if segment.parse() == Ok(index) => return true,
                (Some(b'['), _) => index += 1_usize,
                _ => return false,
            }
            self.space();
            self.value();
        }
    }

    /// Goes past the value here.
    fn value(&mut self) {
        let mut depth = 0_usize;
        while let Some(byte) = self.peek() {
            match byte {
                b'"' => self.string(),
                b'}' | b']' | b',' | b':' | b' ' | b'\t' | b'\r' | b'\n' if depth == 0 => return,
                b'{' | b'[' => {
                    depth += 1;
                    self.at += 1;
                }
                b'}' | b']' => {
                    depth -= 1;
                    self.at += 1;
                }
                _ => {
                    self.at += 1;
                    continue;
                }
            }
            if depth == 0 {
                return;
            }
        }
    }

    fn string(&mut self) {
        self.at += 1;
        while let Some(byte) = self.peek() {
            self.at += if byte == b'\\' { 2 } else { 1 };
            if byte == b'"' {
                return;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pointer_finds_its_value_and_not_one_of_the_same_name_deeper_down() {
        let text = r#"{ "a": { "type": 1, "b": [0, { "t\"}": 2 }] }, "type": [ 7, 8 ] }"#;
        let found = |pointer: &str| &text[std::ops::Range::from(of_pointer(text, pointer))];
        assert_eq!(found("/type/1"), "8");
        assert_eq!(found("/a/type"), "1");
        assert_eq!(found("/a/b/1/t\"}"), "2");
        assert_eq!(found("/a/b"), r#"[0, { "t\"}": 2 }]"#);
        assert_eq!(found(""), text);
    }
}
