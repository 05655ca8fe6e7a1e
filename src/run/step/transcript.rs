//! What was sent and received, as text for a report: redacted first, then cut.

use crate::outcome::{Looks, Redactor, mask_credentials, visible_block};

/// Bytes of a body that a report keeps.
pub(super) const BODY: usize = 4 << 10;

/// Bytes of a body that are looked at for secrets, so that one of which a part would be kept is known whole.
pub(super) const LOOKED_AT: usize = 64 << 10;

/// At most `most` bytes of a text, and whether something of it is missing. `whole` says that the text is all there was.
pub(super) fn shown(text: &str, whole: bool, most: usize, looks: Looks, redactor: &Redactor) -> (String, bool) {
    // Of a secret that is cut first, the rest would not be known for one.
    let (text, was_cut) = redactor.redact_start(text, most, looks);
    if !whole && !was_cut {
        // So much was masked that the end of what was looked at, which may be the start of a secret, could show.
        return (Redactor::MASK.to_owned(), true);
    }
    // What is spelled out takes more room.
    let text = visible_block(&text);
    let start = &text[..text.floor_char_boundary(most)];
    (mask_credentials(start).into_owned(), was_cut || !whole || start.len() < text.len())
}
