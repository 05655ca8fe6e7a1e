//! Whatever stands in a configuration, it ends in a plan or in diagnostics: no panic, no hang, no memory without end.
//!
//! [`mutations`] changes the shipped files at random, [`largest`] makes files as large as they may be of what might take long.
//! Both are loaded in child processes with [`bounded`] processor time and memory, so that neither depends on what else the
//! machine does.

mod bounded;
mod largest;
mod mutations;
