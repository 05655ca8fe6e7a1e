//! How bad a problem is.

use std::fmt;

/// How bad a problem is. Ordered: what is worse is greater.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Severity {
    /// Worth a look by day.
    Warn,
    /// Somebody is woken.
    Page,
    /// Somebody is woken, and it is more than one region.
    Critical,
}

impl Severity {
    /// Every severity, ascending.
    pub const ALL: [Self; 3] = [Self::Warn, Self::Page, Self::Critical];

    /// The word used everywhere outside.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Warn => "warn",
            Self::Page => "page",
            Self::Critical => "critical",
        }
    }

    /// The severity of a word.
    pub fn of(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|severity| severity.as_str() == word)
    }
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
