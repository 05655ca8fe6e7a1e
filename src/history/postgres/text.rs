//! Texts as PostgreSQL takes them.

use std::borrow::Cow;

/// The text with U+FFFD for each zero byte, which no text in PostgreSQL may have; what targets answer may have any.
pub(super) fn plain(text: &str) -> Cow<'_, str> {
    if text.contains('\0') { Cow::Owned(text.replace('\0', "\u{FFFD}")) } else { Cow::Borrowed(text) }
}
