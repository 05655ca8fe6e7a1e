//! The store's behaviour, against real files.

mod behaviour;
mod damage;
mod killed;
mod retention;
mod trouble;
