//! The store on PostgreSQL: the same ports as the file's, for a fleet whose processes share one.
//!
//! Every statement is sent with the types of its parameters and without a name, so that it takes one round trip and works behind a
//! pooler that hands each transaction to another connection (`PgBouncer` in transaction mode). For the same reason nothing here is kept by
//! a session: no prepared statement, no `SET` outside of a transaction, no session lock, no `LISTEN`.
//!
//! One thread writes ([`writer`]); what it writes in one transaction leaves at once and is answered together, so that a commit costs one
//! round trip however many kinds of rows it has. Readers ask on a bounded number of connections ([`reader`]). Both connect anew by
//! themselves; what could not be written waits in `backlog`, which is bounded.
//!
//! - Runs and changes have numbers in the order of their commits, over all processes (`numbers` in the schema), so that whoever follows
//!   them passes none over.
//! - Runs lie in partitions by how long they are kept and by when they were due ([`partitions`]); what is old goes with its partition, up
//!   to a partition's length later than in a file.
//! - In a fleet each process is of a region, and has states, ticks and a cleanup ledger of its own. Who may write what is decided by
//!   leases, which every transaction is checked against where it begins ([`fleet`]).
//! - Whoever runs makes and drops no table itself: partitions are made by functions of the schema, whose owner may (`schema/1.sql`).
//! - Texts have no zero byte in PostgreSQL: [`text::plain`] puts the replacement character in its place.
//!
//! One more table is a migration in [`schema`], what writes it in `write`, what reads it in `reader`, and what removes it in
//! [`housekeep`].

mod asker;
mod connection;
mod copy;
mod days;
mod fleet;
mod housekeep;
mod partitions;
mod ports;
mod prune;
mod reader;
mod restore;
mod rollup;
mod schema;
mod setup;
mod store;
#[cfg(test)]
pub(super) mod testing;
mod text;
mod write;
mod writer;

pub use connection::ConnectorError;
pub use copy::TargetError;
pub(in crate::history) use copy::{CopyTarget, CopyTransaction};
pub use schema::{Migrated, MigrationError, StoreRoles, StoreRolesError};
pub use setup::migrate;
pub use store::{OpenError, PostgresStore};
