//! Whether a file on disk still is what would be exported now.

use std::fmt;

/// The first line in which two texts differ.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    /// Its number, from 1.
    pub line: usize,
    /// What the file says there; nothing where it has ended.
    pub found: Option<String>,
    /// What the export says there; nothing where it has ended.
    pub expected: Option<String>,
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let said = |line: &Option<String>| line.clone().unwrap_or_else(|| "(the end)".to_owned());
        write!(f, "line {}\n- {}\n+ {}", self.line, said(&self.found), said(&self.expected))
    }
}

/// Where the file differs from what is expected of it; nothing if it is the same. How lines end is not looked at, since a checkout
/// may change it.
pub fn difference(found: &str, expected: &str) -> Option<Difference> {
    let (mut found, mut expected) = (found.lines(), expected.lines());
    for line in 1.. {
        let (one, other) = (found.next(), expected.next());
        if one != other {
            return Some(Difference { line, found: one.map(str::to_owned), expected: other.map(str::to_owned) });
        }
        if one.is_none() {
            break;
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_line_that_differs_is_told_with_both_of_its_texts() {
        assert_eq!(difference("a\nb\n", "a\nb\n"), None);
        assert_eq!(difference("a\r\nb", "a\nb\n"), None);
        let told = |found, expected| difference(found, expected).unwrap().to_string();
        assert_eq!(told("a\nb\nc\n", "a\nx\nc\n"), "line 2\n- b\n+ x");
        assert_eq!(told("a\n", "a\nb\n"), "line 2\n- (the end)\n+ b");
        assert_eq!(told("a\nb\n", "a\n"), "line 2\n- b\n+ (the end)");
    }
}
