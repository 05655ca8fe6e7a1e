//! The store in a file of `SQLite`.
//!
//! Owns the file, its schema and its one writer thread; readers have connections of their own.
//!
//! What waits is written whole, in one transaction: at once where somebody waits for it, otherwise after 200 ms or 1,000 rows.
//! What is durable is therefore always all that was handed in up to some moment. If the file cannot be written (a full disk,
//! rights, a lock, an error of the disk), what waits is kept, bounded, and the write is tried again until it succeeds. A file
//! that was deleted is written again from the open one; a damaged one is set aside. A start reads the header of the file only. If
//! the last process did not close the file, it is checked for damage in the background.
//!
//! A new table is a new migration in `schema`, what writes it, a question in `reader`, its end in `housekeep`, and a line in `salvage`
//! if it is to be copied out of a damaged file.

mod artifacts;
pub(in crate::history) mod changes;
mod days;
mod error;
mod events;
mod file;
mod health;
mod housekeep;
mod inspect;
mod ledger;
mod lock;
mod observations;
mod passes;
mod ports;
mod prune;
mod reader;
pub(in crate::history) mod restore;
mod rollup;
mod salvage;
mod schema;
mod source;
mod store;
#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;
mod tries;
mod write;
mod writer;

pub use error::OpenError;
pub(in crate::history) use source::CopySource;
pub use source::SourceError;
pub use store::SqliteStore;
