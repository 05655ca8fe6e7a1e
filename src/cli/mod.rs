//! The commands, one file each.
//!
//! Owns what a user types and reads: arguments, exit codes, and every byte on standard output. It decides nothing about
//! probing; it calls `app` and renders. A new command is a variant in [`args::Command`] and a file here.

mod args;
mod completions;
mod exit;
mod grid;
mod printer;
mod progress;
mod report;
mod story;
mod style;

use exit::Exit;
use printer::Printer;
