//! `serinus export`: files that other programs read.

use crate::config::{config_schema, probe_schema};

use super::args::Export;
use super::{Exit, Printer};

pub(crate) fn export(printer: &Printer, what: Export) -> Exit {
    let schema = match what {
        Export::ProbeSchema => probe_schema(),
        Export::ConfigSchema => config_schema(),
    };
    printer.data(&format!("{schema:#}"));
    Exit::Well
}
