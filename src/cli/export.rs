//! `serinus export` and `serinus completions`: files that other programs read.

use clap::CommandFactory as _;
use clap_complete::Shell;

use crate::config::{config_schema, library_schema, probe_schema};

use super::args::{Cli, Export};
use super::{Exit, Printer};

pub(crate) fn export(printer: &Printer, what: Export) -> Exit {
    let schema = match what {
        Export::Probe => probe_schema(),
        Export::Library => library_schema(),
        Export::Config => config_schema(),
    };
    printer.data(&format!("{schema:#}"));
    Exit::Well
}

pub(crate) fn completions(printer: &Printer, shell: Shell) -> Exit {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "serinus", &mut script);
    printer.data(&String::from_utf8_lossy(&script));
    Exit::Well
}
