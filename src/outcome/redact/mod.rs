//! Keeping secrets and personal data out of everything that leaves the process.
//!
//! Owns the mask and how much of a text is searched. [`spelling`] knows how a secret may be spelled, [`needles`] finds all of
//! them at once, [`derived`] knows what a run made of secrets, [`personal`] says what is personal. A text that cannot be searched is not shown.

mod derived;
mod entity;
mod json;
mod needles;
mod personal;
mod spelling;

use std::borrow::Cow;
use std::collections::HashSet;
use std::sync::Arc;

use crate::plan::Probe;
use crate::plan::expr::DerivedValues;

use derived::Derived;
use needles::{Needles, Range, in_order};
use personal::Personal;

pub use personal::TextKind;

use super::{Secret, is_credential};

/// How much more of a text is looked at than is shown of it, at least: a spelling that begins in what is shown must end in
/// what is looked at.
const MARGIN: usize = 4 << 10;

/// Bytes that a spelling takes for each byte of the secret; the `\\\\u0026` of JSON in JSON in JSON is about the longest.
const SPELLED: usize = 16;

/// Replaces secrets, in any of the spellings they travel in, by `•••`; and what is personal in a run.
#[derive(Debug, Default)]
pub struct Redactor {
    secrets: Arc<Needles>,
    derived: Derived,
    personal: Option<Box<Personal>>,
    /// Names of the run whose values are credentials, or made of secrets, also where no spelling of a secret tells.
    private: Arc<HashSet<String>>,
}

impl Redactor {
    /// What stands in a secret's place.
    pub const MASK: &'static str = "•••";

    /// A redactor for these secrets. Those that are too short to be secrets are not looked for.
    pub fn new<'a>(secrets: impl IntoIterator<Item = &'a Secret>) -> Self {
        let values = secrets.into_iter().map(Secret::expose);
        Self { secrets: Arc::new(Needles::new(values, Secret::SHORTEST, true)), ..Self::default() }
    }

    /// One for a single run of a probe: it knows the same secrets, the probe's names that hold what was made of them, and learns what is
    /// personal by the probe's rules.
    #[must_use]
    pub fn for_run(&self, probe: &Probe) -> Self {
        Self {
            secrets: Arc::clone(&self.secrets),
            derived: Derived::default(),
            personal: probe.redact.as_ref().map(|rules| Box::new(Personal::new(rules))),
            private: Arc::clone(&probe.private),
        }
    }

    /// Whether the value of an expression, or of a name, is not to be shown, by what it is called and by the names that it reads.
    pub fn hides(&self, source: &str) -> bool {
        let mut words = source.split(|character: char| !character.is_alphanumeric() && character != '_');
        is_credential(source) || !self.private.is_empty() && words.any(|word| self.private.contains(word))
    }

    /// Whether bodies are looked through for what is personal.
    pub fn learns(&self) -> bool {
        self.personal.is_some()
    }

    /// Remembers what is personal in a body, so that it is masked in every text of the run.
    pub fn learn(&self, body: &str) {
        if let Some(personal) = &self.personal {
            personal.learn(body);
        }
    }

    /// Whether a secret, or a credential that was made of one, is in the text, in any spelling, or the text cannot be searched. Personal data is no secret.
    pub fn holds_secret(&self, text: &str) -> bool {
        let mut found = Vec::new();
        !self.secrets.find(text, &mut found) || !self.derived.find(text, &mut found) || !found.is_empty()
    }

    /// The text without secrets and what is known to be personal.
    pub fn redact<'t>(&self, text: &'t str) -> Cow<'t, str> {
        Self::without(text, self.find(text, TextKind::Text))
    }

    /// The start of the text without them, at most `most` bytes, and whether anything was cut off. Only as much of a long text is
    /// searched as is needed; the end, where a secret may be cut, is cut off too.
    pub fn redact_start(&self, text: &str, most: usize, kind: TextKind) -> (String, bool) {
        let longest = self
            .secrets
            .longest()
            .max(self.derived.longest())
            .max(self.personal.as_ref().map_or(0, |personal| personal.longest()));
        let margin = MARGIN.max(longest.saturating_mul(SPELLED));
        let looked_at = &text[..text.floor_char_boundary(most.saturating_mul(4).saturating_add(margin))];
        let sure = if looked_at.len() < text.len() { looked_at.len() - margin } else { usize::MAX };
        match self.find(looked_at, kind) {
            None => (Self::MASK.to_owned(), false),
            Some(found) => masked(looked_at, &found, most, sure),
        }
    }

    /// The text without what became known to be personal after it was made. Secrets are known from the start.
    pub(super) fn redact_late<'t>(&self, text: &'t str) -> Cow<'t, str> {
        let Some(personal) = &self.personal else { return Cow::Borrowed(text) };
        let mut found = Vec::new();
        let known = personal.find(text, TextKind::Text, &mut found);
        Self::without(text, known.then(|| in_order(found)))
    }

    fn without(text: &str, found: Option<Vec<Range>>) -> Cow<'_, str> {
        match found {
            None => Cow::Borrowed(Self::MASK),
            Some(found) if found.is_empty() => Cow::Borrowed(text),
            Some(found) => Cow::Owned(masked(text, &found, usize::MAX, usize::MAX).0),
        }
    }

    /// What to mask, in order; `None` if the text cannot be searched.
    fn find(&self, text: &str, kind: TextKind) -> Option<Vec<Range>> {
        let mut found = Vec::new();
        let known = self.secrets.find(text, &mut found)
            && self.derived.find(text, &mut found)
            && self.personal.as_ref().is_none_or(|personal| personal.find(text, kind, &mut found));
        known.then(|| in_order(found))
    }
}

impl DerivedValues for Redactor {
    fn signed(&self, made: &str) {
        self.derived.learn(made);
    }

    fn hashed(&self, from: &str, made: &str) {
        if self.holds_secret(from) {
            self.derived.learn(made);
        }
    }
}

/// The text with masks in these places, at most `most` bytes and nothing of the text from `sure` on; and whether that cut it.
fn masked(text: &str, found: &[Range], most: usize, sure: usize) -> (String, bool) {
    let mut shown = String::with_capacity(text.len().min(most));
    let mut from = 0;
    for &(begin, end) in found.iter().chain([&(text.len(), text.len())]) {
        let end = text.ceil_char_boundary(end);
        let kept = &text[from..text.floor_char_boundary(begin.max(from).min(sure.max(from)))];
        let room = most - shown.len();
        if kept.len() > room || begin > sure {
            shown.push_str(&kept[..kept.floor_char_boundary(room)]);
            return (shown, true);
        }
        shown.push_str(kept);
        if begin < end {
            if most - shown.len() < Redactor::MASK.len() {
                return (shown, true);
            }
            shown.push_str(Redactor::MASK);
        }
        from = end;
    }
    (shown, false)
}

#[cfg(test)]
mod tests;
