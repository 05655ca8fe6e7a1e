//! The store's behaviour, against real files.

mod behaviour;
mod damage;
mod format_2;
mod killed;
mod ledger;
mod retention;
mod tries;
mod trouble;
