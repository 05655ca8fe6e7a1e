//! Looking for many texts at once, in every spelling, in time linear in what is looked at.

use aho_corasick::{AhoCorasick, AhoCorasickKind, MatchKind};

use super::spelling::{CommonForm, Needle, encodings, has_escapes, in_urls};

/// From where to where, in bytes of the text.
pub(super) type Range = (usize, usize);

/// Bytes of needles above which the smaller automaton is built: that of a key of a few KiB would take megabytes otherwise.
const LARGE: usize = 8 << 10;

/// What is looked for.
#[derive(Debug, Default)]
pub(super) struct Needles {
    search: Search,
    longest: usize,
}

#[derive(Debug, Default)]
enum Search {
    #[default]
    Nothing,
    /// In the text as it stands, and in its common form.
    Known(Automaton, Automaton),
    /// An automaton could not be built. Rather than leak, nothing is shown.
    Unsearchable,
}

#[derive(Debug)]
struct Automaton {
    search: AhoCorasick,
    needles: Vec<Needle>,
}

impl Needles {
    /// Looks for these values; where `encoded` says so, for their base64 and hexadecimal spellings as well. Values that are
    /// shorter than `shortest` bytes are left out.
    pub(super) fn new<'v>(values: impl IntoIterator<Item = &'v str>, shortest: usize, encoded: bool) -> Self {
        let mut plain = Vec::new();
        let mut longest = 0;
        for value in values {
            if value.len() < shortest {
                continue;
            }
            longest = longest.max(value.len());
            plain.push(Needle::plain(value));
            if value.contains('%') {
                plain.extend(in_urls(value));
            }
            if encoded {
                plain.extend(encodings(value));
            }
        }
        if plain.is_empty() {
            return Self::default();
        }
        let text = |needle: &Needle| CommonForm::of(&String::from_utf8_lossy(&needle.bytes)).bytes;
        let common = plain.iter().map(|needle| Needle { bytes: text(needle), leans: needle.leans });
        // What is hardly anything without its backslashes would be found everywhere.
        let common = common.filter(|needle| needle.bytes.len() >= shortest).collect();
        let search = match (Automaton::new(plain), Automaton::new(common)) {
            (Some(plain), Some(common)) => Search::Known(plain, common),
            (None, _) | (_, None) => Search::Unsearchable,
        };
        Self { search, longest }
    }

    /// Bytes of the longest value.
    pub(super) fn longest(&self) -> usize {
        self.longest
    }

    /// Adds where the values stand. Returns false if the text cannot be searched.
    pub(super) fn find(&self, text: &str, found: &mut Vec<Range>) -> bool {
        match &self.search {
            Search::Nothing => true,
            Search::Unsearchable => false,
            Search::Known(plain, common) => {
                // Whether there is a match, which is rare, is found faster than where.
                if plain.search.is_match(text) {
                    plain.find(text.as_bytes(), |from, to| (from, to), text, found);
                }
                if has_escapes(text) && common.search.is_match(&CommonForm::of(text).bytes) {
                    let form = CommonForm::with_places(text);
                    common.find(&form.bytes, |from, to| form.place(from, to), text, found);
                }
                true
            }
        }
    }
}

impl Automaton {
    fn new(mut needles: Vec<Needle>) -> Option<Self> {
        needles.sort_unstable();
        needles.dedup_by(|one, other| one.bytes == other.bytes);
        let size: usize = needles.iter().map(|needle| needle.bytes.len()).sum();
        let kind = (size > LARGE).then_some(AhoCorasickKind::ContiguousNFA);
        let bytes = needles.iter().map(|needle| &needle.bytes);
        let search = AhoCorasick::builder().match_kind(MatchKind::Standard).kind(kind).build(bytes).ok()?;
        Some(Self { search, needles })
    }

    /// Adds every place where one of the needles stands, `place` telling where that is in the text.
    fn find(&self, bytes: &[u8], place: impl Fn(usize, usize) -> Range, text: &str, found: &mut Vec<Range>) {
        // Overlapping matches too, so that neither of two overlapping secrets shows its rest.
        for hit in self.search.find_overlapping_iter(bytes) {
            let (mut from, mut to) = place(hit.start(), hit.end());
            let (before, behind) = self.needles[hit.pattern()].leans;
            let text = text.as_bytes();
            from -= usize::from(before && from > 0 && is_base64(text[from - 1]));
            if behind {
                to += usize::from(text.get(to).is_some_and(|&byte| is_base64(byte)));
            }
            add(found, (from, to));
        }
    }
}

/// Adds a range that begins anywhere but ends behind all others, and is one with those that it overlaps.
fn add(found: &mut Vec<Range>, (mut from, mut to): Range) {
    while let Some(&(earlier, end)) = found.last()
        && from < end
        && earlier < to
    {
        from = from.min(earlier);
        to = to.max(end);
        found.pop();
    }
    found.push((from, to));
}

fn is_base64(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/' | b'-' | b'_')
}

/// Ranges in order, those that overlap as one.
pub(super) fn in_order(mut ranges: Vec<Range>) -> Vec<Range> {
    ranges.sort_unstable();
    let mut merged = Vec::with_capacity(ranges.len());
    for (from, to) in ranges {
        match merged.last_mut() {
            Some((_, end)) if from < *end => *end = to.max(*end),
            Some(_) | None => merged.push((from, to)),
        }
    }
    merged
}
