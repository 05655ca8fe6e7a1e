//! Where a value was written: files, byte spans, line and column.
//!
//! Owns the mapping from byte offsets to positions people read. It must not know what the text means. Everything that is
//! read from TOML and may be complained about later travels as a [`Located`].

use std::fmt;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// A text file that was read as configuration, kept while diagnostics about it may still be drawn.
#[derive(Debug)]
pub struct SourceFile {
    path: Arc<Path>,
    text: String,
    line_starts: Vec<u32>,
    /// Characters before each block of [`BLOCK`] bytes, so that a column in a long line need not be counted from its start.
    characters: Vec<u32>,
}

/// Bytes between two counts of characters.
const BLOCK: usize = 1 << 10;

impl SourceFile {
    /// Takes the text of the file at `path`; reading it is the caller's business.
    pub fn new(path: impl Into<PathBuf>, text: impl Into<String>) -> Self {
        let text = text.into();
        let ends = text.bytes().enumerate().filter(|&(_, byte)| byte == b'\n');
        let line_starts = std::iter::once(0).chain(ends.map(|(at, _)| at + 1)).map(short).collect();
        let blocks = text.as_bytes().chunks(BLOCK).scan(0, |before, block| {
            let characters = *before;
            *before += characters_in(block);
            Some(short(characters))
        });
        let characters = blocks.collect();
        Self { path: path.into().into(), text, line_starts, characters }
    }

    /// The path as it was given, so that messages name the file as the user does.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The whole text.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Line and column (both from 1, the column in characters) of a byte offset; offsets past the end mean the end.
    pub fn location(&self, offset: usize) -> Location {
        let mut offset = offset.min(self.text.len());
        while !self.text.is_char_boundary(offset) {
            offset -= 1;
        }
        let line = self.line_starts.partition_point(|&start| start as usize <= offset);
        let start = self.line_starts[line - 1] as usize;
        let column = self.characters_before(offset) - self.characters_before(start) + 1;
        Location {
            path: Arc::clone(&self.path),
            line: u32::try_from(line).unwrap_or(u32::MAX),
            column: u32::try_from(column).unwrap_or(u32::MAX),
        }
    }
}

impl SourceFile {
    /// Where the line begins that holds the byte `offset`, and where the one after it does, both in bytes; and the line's number,
    /// from 1. The end of a text that ends in a line break belongs to its last line.
    pub fn line_around(&self, offset: usize) -> (Range<usize>, usize) {
        let offset = offset.min(self.text.len().saturating_sub(1));
        let line = self.line_starts.partition_point(|&start| start as usize <= offset);
        let end = self.line_starts.get(line).map_or(self.text.len(), |&start| start as usize);
        (self.line_starts[line - 1] as usize..end, line)
    }

    fn characters_before(&self, offset: usize) -> usize {
        let block = offset / BLOCK;
        let counted = self.characters.get(block).map_or(0, |&characters| characters as usize);
        match self.text.as_bytes().get(block * BLOCK..offset) {
            Some(rest) if block < self.characters.len() => counted + characters_in(rest),
            _ => {
                self.characters.last().map_or(0, |&last| last as usize)
                    + characters_in(&self.text.as_bytes()[self.characters.len().saturating_sub(1) * BLOCK..])
            }
        }
    }
}

/// Characters that begin in these bytes of UTF-8.
fn characters_in(bytes: &[u8]) -> usize {
    bytes.iter().filter(|&&byte| byte & 0xC0 != 0x80).count()
}

/// An offset in a file, which is read only if it is far smaller than this.
fn short(offset: usize) -> u32 {
    u32::try_from(offset).unwrap_or(u32::MAX)
}

/// A byte range in one [`SourceFile`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct Span {
    /// First byte.
    pub start: usize,
    /// One past the last byte.
    pub end: usize,
}

impl From<Range<usize>> for Span {
    fn from(range: Range<usize>) -> Self {
        Self { start: range.start, end: range.end }
    }
}

impl From<Span> for Range<usize> {
    fn from(span: Span) -> Self {
        span.start..span.end
    }
}

/// A position people can open in an editor: `path:line:column`, both numbers from 1.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Location {
    /// The file as the user named it.
    pub path: Arc<Path>,
    /// Line, from 1.
    pub line: u32,
    /// Column in characters, from 1.
    pub column: u32,
}

impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}", self.path.display(), self.line, self.column)
    }
}

/// A value and where it was written. Equality looks at the value alone.
#[derive(Debug, Clone)]
pub struct Located<T> {
    /// The value itself.
    pub value: T,
    /// Where it begins.
    pub location: Location,
}

impl<T> Located<T> {
    /// Puts a value and its position together.
    pub fn new(value: T, location: Location) -> Self {
        Self { value, location }
    }

    /// Keeps the position and changes the value.
    pub fn map<U>(self, change: impl FnOnce(T) -> U) -> Located<U> {
        Located { value: change(self.value), location: self.location }
    }
}

impl<T: PartialEq> PartialEq for Located<T> {
    fn eq(&self, other: &Self) -> bool {
        self.value == other.value
    }
}

impl<T> std::ops::Deref for Located<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.value
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_offset_becomes_line_and_column_in_characters() {
        let file = SourceFile::new("a.toml", "x = 1\ngrün = 2\n");
        assert_eq!(file.location(0).to_string(), "a.toml:1:1");
        assert_eq!(file.location(6).to_string(), "a.toml:2:1");
        let after_umlaut = "x = 1\ngrün".len();
        assert_eq!(file.location(after_umlaut).to_string(), "a.toml:2:5");
    }

    #[test]
    fn a_column_is_the_number_of_characters_wherever_it_is_counted_from() {
        let text = format!("{}\n{}", "aü€".repeat(700), "x€".repeat(2_000));
        let file = SourceFile::new("a.toml", text.as_str());
        let second = text.find('\n').unwrap() + 1;
        for (at, _) in text.char_indices().step_by(97).chain([(text.len(), ' '), (2 * BLOCK, ' '), (second, ' ')]) {
            let at = (0..=at).rev().find(|&at| text.is_char_boundary(at)).unwrap();
            let (line, start) = if at < second { (1, 0) } else { (2, second) };
            let found = file.location(at);
            assert_eq!((found.line, found.column as usize), (line, text[start..at].chars().count() + 1), "{at}");
        }
    }

    #[test]
    fn an_offset_past_the_end_or_inside_a_character_is_still_a_position() {
        let file = SourceFile::new("a.toml", "ü");
        assert_eq!(file.location(1).to_string(), "a.toml:1:1");
        assert_eq!(file.location(99).to_string(), "a.toml:1:2");
    }
}
