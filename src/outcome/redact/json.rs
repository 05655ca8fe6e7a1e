//! Scans a JSON text, whole or cut off, without building a document: which bytes are personal by their path.
//!
//! Owns what is a value and where it ends. It reads each byte once and tolerates invalid JSON.

use crate::plan::{JsonPath, Level, Progress};

use super::needles::Range;

/// Levels beyond which a document is not looked into: no parser of ours takes one, and what is so deep counts as named.
const DEPTH: usize = 128;

/// Something that was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Found<'t> {
    /// A value that a path names, containers whole; of a string what is between its quotes.
    Named(Range),
    /// A string or number as it is spelled, and whether a path names it or what it stands in; keys only if they are.
    Scalar(&'t str, Range, bool),
}

/// Tells `found` of everything in `text`.
pub(super) fn scan<'t>(text: &'t str, paths: &[JsonPath], found: &mut dyn FnMut(Found<'t>)) {
    if !text.trim_start().starts_with(['{', '[']) && !paths.iter().any(|path| path.is_there(path.start())) {
        // A value alone, as in what is shown of one.
        let from = text.len() - text.trim_start().len();
        let token = text.trim();
        if let Some(inner) = token.strip_prefix('"').and_then(|token| token.strip_suffix('"')) {
            found(Found::Scalar(inner, (from + 1, from + 1 + inner.len()), false));
        } else if !token.is_empty() {
            found(Found::Scalar(token, (from, from + token.len()), false));
        }
        return;
    }
    let mut scanner = Scanner { text, paths, stack: Vec::new(), beyond: 0, named: None, found };
    let mut at = 0;
    while at < text.len() {
        at = scanner.step(at);
    }
    if let Some((_, from)) = scanner.named {
        (scanner.found)(Found::Named((from, text.len())));
    }
}

struct Scanner<'s, 't> {
    text: &'t str,
    paths: &'s [JsonPath],
    stack: Vec<Container>,
    /// Containers inside each other that are beyond the stack, all of them within what is named.
    beyond: usize,
    /// How deep the stack was where a container that is named begins, and where that is.
    named: Option<(usize, usize)>,
    found: &'s mut dyn FnMut(Found<'t>),
}

struct Container {
    /// Of each path, up to this container.
    progress: Vec<Progress>,
    position: Position,
}

enum Position {
    List(usize),
    /// Before a key.
    Key,
    /// Behind the key that stands there.
    Value(Range),
}

impl Scanner<'_, '_> {
    /// Takes what is at `at` and says where the next begins.
    fn step(&mut self, at: usize) -> usize {
        match self.text.as_bytes()[at] {
            b'{' | b'[' => {
                self.open(at);
                at + 1
            }
            b'}' | b']' if self.beyond > 0 => {
                self.beyond -= 1;
                at + 1
            }
            b'}' | b']' => {
                self.stack.pop();
                if let Some((_, from)) = self.named.take_if(|(depth, _)| *depth >= self.stack.len()) {
                    (self.found)(Found::Named((from, at + 1)));
                }
                at + 1
            }
            b',' => {
                if let Some(container) = self.stack.last_mut() {
                    container.position = match container.position {
                        Position::List(index) => Position::List(index + 1),
                        Position::Key | Position::Value(_) => Position::Key,
                    };
                }
                at + 1
            }
            b':' | b' ' | b'\n' | b'\r' | b'\t' => at + 1,
            b'"' => {
                let end = string_end(self.text.as_bytes(), at);
                self.string((at + 1, end));
                // Behind the quote, where there is one.
                (end + 1).min(self.text.len())
            }
            _ => {
                let end = self.text[at..].find([',', '}', ']', ':', '"', '{', '[', ' ', '\n', '\r', '\t']);
                let end = end.map_or(self.text.len(), |length| at + length);
                self.scalar((at, end));
                end
            }
        }
    }

    fn open(&mut self, at: usize) {
        if self.stack.len() > DEPTH {
            self.beyond += 1;
            return;
        }
        let progress = self.here();
        if self.named.is_none() && (self.is_named(&progress) || self.stack.len() >= DEPTH) {
            self.named = Some((self.stack.len(), at));
        }
        let position = if self.text.as_bytes()[at] == b'[' { Position::List(0) } else { Position::Key };
        // Within what is named nothing can be named again.
        let progress = if self.named.is_some() { Vec::new() } else { progress };
        self.stack.push(Container { progress, position });
    }

    fn string(&mut self, range: Range) {
        let named = self.named.is_some();
        match self.stack.last_mut() {
            Some(container) if matches!(container.position, Position::Key) => {
                container.position = Position::Value(range);
                if named {
                    (self.found)(Found::Scalar(&self.text[range.0..range.1], range, true));
                }
            }
            Some(_) | None => self.scalar(range),
        }
    }

    fn scalar(&mut self, range: Range) {
        let named = self.named.is_some() || self.is_named(&self.here());
        if named && self.named.is_none() {
            (self.found)(Found::Named(range));
        }
        (self.found)(Found::Scalar(&self.text[range.0..range.1], range, named));
    }

    fn is_named(&self, progress: &[Progress]) -> bool {
        self.paths.iter().zip(progress).any(|(path, progress)| path.is_there(*progress))
    }

    /// How far each path is at the value that begins here.
    fn here(&self) -> Vec<Progress> {
        let Some(container) = self.stack.last() else { return self.paths.iter().map(JsonPath::start).collect() };
        let key;
        let level = match container.position {
            Position::List(index) => Level::Index(index),
            Position::Key => Level::Key(""),
            Position::Value((from, to)) => {
                key = unescaped(&self.text[from..to]);
                Level::Key(&key)
            }
        };
        self.paths.iter().zip(&container.progress).map(|(path, progress)| path.enter(*progress, level)).collect()
    }
}

/// Where the string that begins at `at` ends: at its closing quote, or at the end of the text.
fn string_end(text: &[u8], at: usize) -> usize {
    let mut end = at + 1;
    while end < text.len() && text[end] != b'"' {
        end += if text[end] == b'\\' { 2 } else { 1 };
    }
    end.min(text.len())
}

/// What a string says, of what stands between its quotes; as it stands there if it is none.
pub(super) fn unescaped(inner: &str) -> String {
    if inner.contains('\\') {
        serde_json::from_str(&format!("\"{inner}\"")).unwrap_or_else(|_| inner.to_owned())
    } else {
        inner.to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(text: &str, paths: &[&str]) -> Vec<String> {
        let paths: Vec<JsonPath> = paths.iter().map(|path| JsonPath::parse(path).unwrap()).collect();
        let mut all = Vec::new();
        scan(text, &paths, &mut |found| {
            if let Found::Named((from, to)) = found {
                all.push(text[from..to].to_owned());
            }
        });
        all
    }

    #[test]
    fn values_are_found_where_the_paths_say() {
        let text = r#" {"user": {"email":"a\"b@c", "age" : 37, "tags":["x", {"y":[1]}]}, "users":[{"email":"d"},{"email":null}], "n":1}"#;
        assert_eq!(named(text, &["$.user.email"]), [r#"a\"b@c"#]);
        assert_eq!(named(text, &["$..email", "$.user.age"]), [r#"a\"b@c"#, "37", "d", "null"]);
        assert_eq!(named(text, &["$.user.tags", "$.user.tags[1].y"]), [r#"["x", {"y":[1]}]"#]);
        assert_eq!(named(text, &["$.users[*]"]), [r#"{"email":"d"}"#, r#"{"email":null}"#]);
        assert_eq!(named(text, &["$"]), [text.trim_start()]);
        assert_eq!(named(r#"{"e\u006dail":1}"#, &["$.email"]), ["1"]);
    }

    #[test]
    fn what_is_cut_off_is_named_up_to_its_end() {
        let text = r#"{"user":{"email":"ada@example.com","x":[1,2]}}"#;
        for (end, _) in text.char_indices().skip(18) {
            let found = named(&text[..end], &["$.user"]);
            assert!(found[0].starts_with('{') && found[0].len() == end.min(45) - 8, "{end}: {found:?}");
        }
        assert_eq!(named(r#"{"email":"ada@exa"#, &["$.email"]), ["ada@exa"]);
        assert_eq!(named(r#"{"email":"ada\"#, &["$.email"]), [r"ada\"]);
    }

    #[test]
    fn several_documents_and_odd_ones_are_gone_through() {
        assert_eq!(named("{\"a\":1}\n{\"a\":2}\n", &["$.a"]), ["1", "2"]);
        for text in ["", "{", "]]]]", "{\"a\"", "{\"a\":", "{:}", "{a:1}", "[,,]", "\"", "{\"a\":\"é\\"] {
            named(text, &["$.a", "$..b", "$[0]"]);
        }
        let deep = "[".repeat(100_000);
        assert_eq!(named(&deep, &["$.a"]), [deep[DEPTH..].to_owned()]);
        // Behind what is too deep, paths lead again to where they say.
        let closed = format!(r#"{{"deep":{}{},"a":7}}"#, "[".repeat(1000), "]".repeat(1000));
        assert_eq!(named(&closed, &["$.a"])[1..], ["7"]);
    }
}
