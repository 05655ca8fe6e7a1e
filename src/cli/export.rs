//! `serinus export` and `serinus completions`: files that other programs read.

use clap::CommandFactory as _;
use clap_complete::Shell;

use crate::config::{config_schema, library_schema, probe_schema};

use super::args::{Cli, Export};
use super::exit::Failure;
use super::{Exit, Printer};

pub(crate) fn export(printer: &Printer, what: Export) -> Result<Exit, Failure> {
    let schema = match what {
        Export::Probe => probe_schema(),
        Export::Library => library_schema(),
        Export::Config => config_schema(),
        Export::StatusPage => return Err(Failure::usage("name the folder that the status page is written to")),
    };
    printer.data(&format!("{schema:#}"));
    Ok(Exit::Well)
}

pub(crate) fn completions(printer: &Printer, shell: Shell) -> Exit {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "serinus", &mut script);
    printer.data(&String::from_utf8_lossy(&script));
    Exit::Well
}
