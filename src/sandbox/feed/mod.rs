//! A feed of events, as a chat or an audit log has: what is sent appears a moment later, in order, behind a cursor.
//!
//! Owns the log of events and its cursors. Readers ask for what came after a cursor and may wait for it; nobody is told twice who uses
//! the cursor of the last answer. Must not know who sends.

mod log;
mod routes;

pub(super) use log::Feed;
pub(super) use routes::routes;
