//! Moments in pages: what a reader sees is UTC, and his own zone stands behind it.

use crate::web::model::words;

/// A moment as an element, the date in front where it is not today's. It has nothing in it but digits, so that templates may show
/// it as it is (`|safe`).
pub(super) fn at(ms: &i64, now_ms: &i64) -> String {
    format!("<time datetime=\"{}\" data-local>{}</time>", words::iso(*ms), words::when(*ms, *now_ms))
}

/// The same with the date.
pub(super) fn on(ms: &i64) -> String {
    format!("<time datetime=\"{}\" data-local>{}</time>", words::iso(*ms), words::moment(*ms))
}

/// The same with the reader's own time after it.
pub(super) fn at_both(ms: &i64, now_ms: &i64) -> String {
    format!("<time datetime=\"{}\" data-local=\"after\">{} UTC</time>", words::iso(*ms), words::when(*ms, *now_ms))
}

/// `12 min ago`, `in 40 s`.
pub(super) fn relative(ms: &i64, now_ms: &i64) -> String {
    words::relative(*ms, *now_ms)
}
