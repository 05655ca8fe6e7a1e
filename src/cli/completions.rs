//! `serinus completions`: a completion script for a shell.

use clap::CommandFactory as _;
use clap_complete::Shell;

use super::args::Cli;
use super::{Exit, Printer};

pub(crate) fn completions(printer: &Printer, shell: Shell) -> Exit {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "serinus", &mut script);
    printer.data(&String::from_utf8_lossy(&script));
    Exit::Well
}
