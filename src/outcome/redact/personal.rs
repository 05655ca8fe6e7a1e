//! Personal data of one run: what the configuration says is personal, and the values that were found to be.
//!
//! A value that a path names in any body of the run is masked wherever else it turns up: in a capture, a URL, a subject. Values
//! of fewer than four bytes would turn up everywhere; they are masked where they are a value of their own.

use std::collections::BTreeSet;
use std::sync::{Arc, RwLock};

use crate::outcome::Secret;
use crate::plan::Redaction;

use super::json::{Found, scan, unescaped};
use super::needles::{Needles, Range};
use super::spelling::{CommonForm, has_escapes};

/// Values that are remembered of one run, and bytes of them. If there are more, nothing of that run is shown.
const VALUES: usize = 1_000;
const BYTES: usize = 64 << 10;

/// What a text is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TextKind {
    /// Any text.
    Text,
    /// A value in JSON spelling.
    Value,
    /// A body, or the start of one.
    Body,
}

#[derive(Debug)]
pub(super) struct Personal {
    rules: Arc<Redaction>,
    learned: RwLock<Learned>,
}

#[derive(Debug, Default)]
struct Learned {
    values: BTreeSet<String>,
    bytes: usize,
    needles: Needles,
}

impl Learned {
    fn is_too_much(&self) -> bool {
        self.values.len() > VALUES || self.bytes > BYTES
    }
}

impl Personal {
    pub(super) fn new(rules: &Arc<Redaction>) -> Self {
        Self { rules: Arc::clone(rules), learned: RwLock::default() }
    }

    /// Remembers the values that are personal by where they stand in a body.
    pub(super) fn learn(&self, body: &str) {
        if self.rules.paths.is_empty() {
            return;
        }
        let mut new: BTreeSet<String> = BTreeSet::new();
        let mut bytes = 0;
        scan(body, &self.rules.paths, &mut |found| {
            if let Found::Scalar(spelled, _, true) = found
                && !matches!(spelled, "" | "null" | "true" | "false")
                && bytes <= BYTES
            {
                bytes += spelled.len();
                new.insert(unescaped(spelled));
            }
        });
        if self.read(|learned| new.is_subset(&learned.values)) {
            return;
        }
        let mut learned = self.learned.write().unwrap_or_else(std::sync::PoisonError::into_inner);
        learned.values.extend(new);
        learned.bytes = learned.values.iter().map(String::len).sum();
        if !learned.is_too_much() {
            learned.needles = Needles::new(learned.values.iter().map(String::as_str), Secret::SHORTEST, false);
        }
    }

    /// Bytes of the longest value that is known.
    pub(super) fn longest(&self) -> usize {
        self.read(|learned| learned.needles.longest())
    }

    /// Adds what is personal in a text. Returns false if too many values were learned to search for them.
    pub(super) fn find(&self, text: &str, kind: TextKind, found: &mut Vec<Range>) -> bool {
        let form = has_escapes(text).then(|| CommonForm::with_places(text));
        for pattern in &self.rules.patterns {
            found.extend(pattern.find_iter(text.as_bytes()).map(|hit| (hit.start(), hit.end())));
            if let Some(form) = &form {
                found.extend(pattern.find_iter(&form.bytes).map(|hit| form.place(hit.start(), hit.end())));
            }
        }
        found.retain(|(from, to)| from < to);
        self.read(|learned| {
            if learned.is_too_much() {
                return false;
            }
            let paths = match kind {
                TextKind::Text => return learned.needles.find(text, found),
                TextKind::Value => &[][..],
                TextKind::Body => &self.rules.paths,
            };
            scan(text, paths, &mut |each| match each {
                Found::Named(range) => found.push(range),
                Found::Scalar(spelled, range, _) => {
                    if !learned.values.is_empty()
                        && spelled.len() < Secret::SHORTEST * 6
                        && learned.values.contains(&unescaped(spelled))
                    {
                        found.push(range);
                    }
                }
            });
            learned.needles.find(text, found)
        })
    }

    fn read<T>(&self, with: impl FnOnce(&Learned) -> T) -> T {
        with(&self.learned.read().unwrap_or_else(std::sync::PoisonError::into_inner))
    }
}
