//! Keeping secrets out of everything that leaves the process.
//!
//! Owns what stands in a secret's place and how much of a text is looked at. How a secret may be spelled is [`spelling`]'s
//! business, finding all of them at once that of [`needles`]. Whatever cannot be looked through is not shown.

mod entity;
mod needles;
mod spelling;

use std::borrow::Cow;
use std::sync::Arc;

use needles::{Needles, Range, in_order};

use super::Secret;

/// How much more of a text is looked at than is shown of it, at least: a spelling that begins in what is shown must end in
/// what is looked at.
const MARGIN: usize = 4 << 10;

/// Bytes that a spelling takes for each byte of the secret; the `\\\\u0026` of JSON in JSON in JSON is about the longest.
const SPELLED: usize = 16;

/// Replaces secrets, in any of the spellings they travel in, by `•••`.
#[derive(Debug, Default)]
pub struct Redactor {
    secrets: Arc<Needles>,
}

impl Redactor {
    /// What stands in a secret's place.
    pub const MASK: &'static str = "•••";

    /// A redactor for these secrets. Those that are too short to be secrets are not looked for.
    pub fn new<'a>(secrets: impl IntoIterator<Item = &'a Secret>) -> Self {
        let values = secrets.into_iter().map(Secret::expose);
        Self { secrets: Arc::new(Needles::new(values, Secret::SHORTEST, true)) }
    }

    /// The text without secrets.
    pub fn redact<'t>(&self, text: &'t str) -> Cow<'t, str> {
        match self.find(text) {
            None => Cow::Borrowed(Self::MASK),
            Some(found) if found.is_empty() => Cow::Borrowed(text),
            Some(found) => Cow::Owned(masked(text, &found, usize::MAX, usize::MAX).0),
        }
    }

    /// The start of the text without secrets, at most `most` bytes of it, and whether anything was cut off. Only as much of a
    /// long text is looked at as is needed: what a part of a secret might be left of is cut off, too.
    pub fn redact_start(&self, text: &str, most: usize) -> (String, bool) {
        let margin = MARGIN.max(self.secrets.longest().saturating_mul(SPELLED));
        let looked_at = &text[..text.floor_char_boundary(most.saturating_mul(4).saturating_add(margin))];
        let sure = if looked_at.len() < text.len() { looked_at.len() - margin } else { usize::MAX };
        match self.find(looked_at) {
            None => (Self::MASK.to_owned(), false),
            Some(found) => masked(looked_at, &found, most, sure),
        }
    }

    /// Where there is something to mask, in order; `None` if nobody can tell.
    fn find(&self, text: &str) -> Option<Vec<Range>> {
        let mut found = Vec::new();
        self.secrets.find(text, &mut found).then(|| in_order(found))
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
