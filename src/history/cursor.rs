//! Pages and the cursors between them: texts of a store that readers give back to go on.

use super::{Page, ReadError};

/// Reads a cursor of so many numbers between dots.
pub(super) fn numbers<const N: usize>(cursor: &str) -> Result<[i64; N], ReadError> {
    let all = cursor.split('.').map(str::parse).collect::<Result<Vec<i64>, _>>();
    all.ok().and_then(|all| all.try_into().ok()).ok_or_else(|| ReadError::Cursor(cursor.to_owned()))
}

/// Reads a cursor of a moment and an id.
pub(super) fn moment_and_id(cursor: &str) -> Result<(i64, &str), ReadError> {
    let parts = cursor.split_once('.').and_then(|(at_ms, id)| Some((at_ms.parse().ok()?, id)));
    parts.ok_or_else(|| ReadError::Cursor(cursor.to_owned()))
}

/// Makes a page of one row more than was wanted.
pub(super) fn page<T>(mut items: Vec<T>, limit: usize, cursor: impl Fn(&T) -> String) -> Page<T> {
    let more = items.len() > limit;
    items.truncate(limit);
    let next = items.last().filter(|_| more).map(cursor);
    Page { items, next }
}
