//! The store's behaviour, against real files.

mod behaviour;
mod killed;
mod retention;
mod trouble;
