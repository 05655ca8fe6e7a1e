//! `serinus export` and `serinus completions`: files that other programs read.

use std::path::Path;

use clap::CommandFactory as _;
use clap_complete::Shell;
use serde_json::Value;

use crate::config::{config_schema, library_schema, load, probe_schema, process_environment};
use crate::export::{Dashboard, alertmanager, difference, grafana_dashboard, prometheus_rules};
use crate::plan::Service;

use super::args::Cli;
use super::config::{accept, required};
use super::exit::Failure;
use super::export_args::{DashboardName, Export, ExportCheck};
use super::{Exit, Printer, on_runtime, status_page};

pub(crate) fn export(printer: &Printer, config: Option<&Path>, what: &Export) -> Result<Exit, Failure> {
    match what {
        Export::PrometheusRules(check) => made(printer, config, check, prometheus_rules),
        Export::Alertmanager(check) => made(printer, config, check, alertmanager),
        Export::GrafanaDashboard { which, check } => {
            let which = match which {
                DashboardName::Overview => Dashboard::Overview,
                DashboardName::Probe => Dashboard::Probe,
            };
            made(printer, config, check, |service| grafana_dashboard(service, which))
        }
        Export::StatusPage { folder, service } => on_runtime(status_page::export(printer, config, folder, service)),
        Export::ProbeSchema => Ok(schema(printer, &probe_schema())),
        Export::LibrarySchema => Ok(schema(printer, &library_schema())),
        Export::ConfigSchema => Ok(schema(printer, &config_schema())),
    }
}

fn schema(printer: &Printer, schema: &Value) -> Exit {
    printer.data(&format!("{schema:#}"));
    Exit::Well
}

/// Prints what is made of the configuration, or holds a file against it.
fn made(
    printer: &Printer,
    config: Option<&Path>,
    check: &ExportCheck,
    make: impl FnOnce(&Service) -> String,
) -> Result<Exit, Failure> {
    let config = required(config)?;
    let service = accept(printer, load(config, process_environment()), Some(config), &[])?;
    let text = make(&service);
    let Some(file) = &check.check else {
        printer.data(text.trim_end());
        return Ok(Exit::Well);
    };
    let found =
        std::fs::read_to_string(file).map_err(|error| Failure::usage(format!("{} cannot be read: {error}", file.display())))?;
    match difference(&found, &text) {
        None => {
            printer.note(&format!("{} is what is exported", file.display()));
            Ok(Exit::Well)
        }
        Some(difference) => {
            printer.data(&format!("{} is not what would be exported: {difference}", file.display()));
            Ok(Exit::ProbeFailed)
        }
    }
}

pub(crate) fn completions(printer: &Printer, shell: Shell) -> Exit {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "serinus", &mut script);
    printer.data(&String::from_utf8_lossy(&script));
    Exit::Well
}
