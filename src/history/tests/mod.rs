//! The store's behaviour, against real files.

mod behaviour;
mod damage;
mod killed;
mod ledger;
mod retention;
mod trouble;
