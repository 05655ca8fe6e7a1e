//! Finds what TOML 1.1 allows and 1.0 does not. The parser reads 1.1, which editors and their schemas do not.

use crate::source::Span;

/// Places of inline tables over several lines or with a comma at the end, and of the escapes `\e` and `\xHH`. Only a text
/// that parsed can be looked through; of any other nothing is found.
pub(super) fn find(text: &str, parsed: bool) -> Vec<(Span, &'static str)> {
    let mut scanner = Scanner { bytes: text.as_bytes(), at: 0, open: Vec::new(), found: Vec::new() };
    if parsed {
        while scanner.step() {}
    }
    scanner.found
}

struct Scanner<'t> {
    bytes: &'t [u8],
    at: usize,
    /// Brackets that are open, where, and whether something was found in them.
    open: Vec<(u8, usize, bool)>,
    found: Vec<(Span, &'static str)>,
}

impl Scanner<'_> {
    fn step(&mut self) -> bool {
        let Some(&byte) = self.bytes.get(self.at) else { return false };
        let in_table = self.open.last().is_some_and(|&(bracket, ..)| bracket == b'{');
        match byte {
            b'#' => {
                while self.bytes.get(self.at).is_some_and(|&byte| byte != b'\n') {
                    self.at += 1;
                }
                return true;
            }
            b'"' | b'\'' => {
                self.string(byte);
                return true;
            }
            b'{' | b'[' => self.open.push((byte, self.at, false)),
            b'}' | b']' => {
                self.open.pop();
            }
            b'\n' if in_table => self.report_table("an inline table over several lines"),
            b',' if in_table && self.closes_after(self.at + 1) => self.report_table("a comma at the end of an inline table"),
            _ => {}
        }
        self.at += 1;
        true
    }

    fn closes_after(&self, from: usize) -> bool {
        self.bytes[from..].iter().find(|byte| !byte.is_ascii_whitespace()) == Some(&b'}')
    }

    /// Reports an inline table once, at its beginning, however many lines it spans.
    fn report_table(&mut self, what: &'static str) {
        if let Some((_, start, found @ false)) = self.open.last_mut() {
            *found = true;
            self.found.push((Span { start: *start, end: *start + 1 }, what));
        }
    }

    fn string(&mut self, quote: u8) {
        let triple = [quote; 3];
        let closing: &[u8] = if self.bytes[self.at..].starts_with(&triple) { &triple } else { &triple[..1] };
        self.at += closing.len();
        while self.at < self.bytes.len() && !self.bytes[self.at..].starts_with(closing) {
            if quote == b'"' && self.bytes[self.at] == b'\\' {
                if matches!(self.bytes.get(self.at + 1), Some(b'e' | b'x')) {
                    self.found.push((Span { start: self.at, end: self.at + 2 }, "this escape"));
                }
                self.at += 1;
            }
            self.at += 1;
        }
        self.at += closing.len();
        // A multi-line string may end in up to two more quotes that belong to it.
        while closing.len() == 3 && self.bytes.get(self.at) == Some(&quote) {
            self.at += 1;
        }
    }
}
