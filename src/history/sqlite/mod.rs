//! The store in a file of `SQLite`.
//!
//! Owns the file, its schema and its one writer thread; readers have connections of their own.
//!
//! What waits is written whole, in one transaction: at once where somebody waits for it, otherwise after 200 ms or 1,000 rows. What
//! is durable is therefore always all that was handed in up to some moment. Where the file cannot be written (a full disk, rights,
//! a lock, an error of the disk), what waits stays, bounded, and it is tried again until it can be; a file that was deleted is
//! written again from the open one; a damaged one is set aside. A start looks at the head of the file only; whether all of it is
//! whole is looked at beside everything else, where the last process did not end well.
//!
//! A new table is a new migration in `schema`, what writes it, a question in `reader`, and its end in `housekeep`.

mod changes;
mod error;
mod file;
mod forget;
mod housekeep;
mod inspect;
mod kept;
mod ledger;
mod lock;
mod passes;
mod ports;
mod reader;
mod remember;
mod rollup;
mod salvage;
mod schema;
mod store;
#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;
mod tries;
mod write;
mod writer;

pub use error::OpenError;
pub use store::SqliteStore;
