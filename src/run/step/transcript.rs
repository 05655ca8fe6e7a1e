//! What was sent and received, as text for a report: redacted first, then cut.

use crate::outcome::{Redactor, TextKind, mask_credentials, visible_block};

/// Bytes of a body that a report keeps.
pub(super) const BODY: usize = 4 << 10;

/// Bytes of a body that are searched for secrets: more than are kept, so that a secret at the cut is found whole.
pub(super) const LOOKED_AT: usize = 64 << 10;

/// At most `most` bytes of a text, and whether something of it is missing. `whole` says that the text is all there was.
pub(super) fn shown(text: &str, whole: bool, most: usize, kind: TextKind, redactor: &Redactor) -> (String, bool) {
    // Redacted before it is cut, because the rest of a cut secret would not be recognised.
    let (text, was_cut) = redactor.redact_start(text, most, kind);
    if !whole && !was_cut {
        // So much was masked that the end of the text would be shown, where a secret may begin that was cut.
        return (Redactor::MASK.to_owned(), true);
    }
    // What is spelled out takes more room.
    let text = visible_block(&text);
    let start = &text[..text.floor_char_boundary(most)];
    (mask_credentials(start).into_owned(), was_cut || !whole || start.len() < text.len())
}
