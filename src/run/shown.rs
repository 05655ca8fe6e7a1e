//! Values for people: in JSON spelling, redacted *before* they are cut, so that no part of a secret survives.

use std::sync::Arc;

use minijinja::Value;
use minijinja::value::ValueKind;

use crate::outcome::{Redactor, TextKind, mask_credentials};
use crate::plan::expr::{json_start, spend_bytes};

/// Characters of a value that are shown.
pub(super) const SHOWN: usize = 512;

/// Bytes of a value that are looked at for showing it; bounds what redacting a large body costs.
const LOOKED_AT: usize = 64 << 10;

/// Bytes of values that are looked at for showing all variables of a run.
const ALL_LOOKED_AT: usize = 1 << 20;

/// Variables for people, by name. Of many large ones the last are not spelled out.
pub(super) fn shown_all(names: &[(Arc<str>, Value)], redactor: &Redactor) -> Vec<(Arc<str>, String)> {
    let mut room = ALL_LOOKED_AT;
    let each = |(name, value): &(Arc<str>, Value)| {
        let shown = if room == 0 { "…".to_owned() } else { shown_as(name, value, redactor) };
        // A value that was cut used up the bytes of one value.
        room = room.saturating_sub(if shown.ends_with('…') { LOOKED_AT } else { shown.len() });
        (Arc::clone(name), shown)
    };
    names.iter().map(each).collect()
}

/// A value for people under its name, or the expression that it is of. A text or number that is a credential by that is not shown, nor a
/// list of them.
pub(super) fn shown_as(name: &str, value: &Value, redactor: &Redactor) -> String {
    if redactor.hides(name) && has_text(value) { Redactor::MASK.to_owned() } else { shown(value, redactor) }
}

/// Whether it is a text or a number, or a list with one in it. What a map holds has names of its own.
fn has_text(value: &Value) -> bool {
    match value.kind() {
        ValueKind::String | ValueKind::Number => true,
        ValueKind::Seq | ValueKind::Iterable => value.try_iter().is_ok_and(|mut items| items.any(|item| has_text(&item))),
        _ => false,
    }
}

/// A value for people: JSON spelling, redacted, at most 512 characters and then `…`.
pub(super) fn shown(value: &Value, redactor: &Redactor) -> String {
    match json_start(value, LOOKED_AT) {
        Ok((text, whole)) => shown_start(&text, whole, redactor, TextKind::Value),
        Err(why) => shown_text(&why, redactor),
    }
}

pub(super) fn shown_text(text: &str, redactor: &Redactor) -> String {
    shown_start(text, true, redactor, TextKind::Text)
}

/// Redacted and then cut. `whole`: nothing was left out before.
fn shown_start(looked_at: &str, whole: bool, redactor: &Redactor, kind: TextKind) -> String {
    spend_bytes(looked_at.len().min(LOOKED_AT));
    let (start, was_cut) = redactor.redact_start(looked_at, SHOWN * 4, kind);
    if !whole && !was_cut {
        // So much was masked that the end of the text would be shown, where a secret may begin that was cut.
        return format!("{}…", Redactor::MASK);
    }
    let (end, mark) = match start.char_indices().nth(SHOWN) {
        Some((end, _)) => (end, "…"),
        None => (start.len(), if was_cut { "…" } else { "" }),
    };
    format!("{}{mark}", mask_credentials(&start[..end]))
}
