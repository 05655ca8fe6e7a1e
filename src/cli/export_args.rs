//! What a user may type after `serinus export`.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};

use super::args::ServiceArgs;

/// Options of `export`.
#[derive(Debug, Args)]
pub(crate) struct ExportArgs {
    /// What to print
    #[command(subcommand)]
    pub(crate) what: Export,
}

/// What `export` can print.
#[derive(Debug, Subcommand)]
pub(crate) enum Export {
    /// Alert rules for Prometheus, made from the probes of the configuration
    PrometheusRules(ExportCheck),
    /// Routes and inhibitions for Alertmanager, made from the probes of the configuration
    Alertmanager(ExportCheck),
    /// A dashboard for Grafana, made from the probes of the configuration
    GrafanaDashboard {
        /// Which one
        #[arg(value_enum)]
        which: DashboardName,
        #[command(flatten)]
        check: ExportCheck,
    },
    /// A copy of the public status page of a running service, for a bucket or a web server
    StatusPage {
        /// The folder that it is written to
        #[arg(value_name = "DIR")]
        folder: PathBuf,
        #[command(flatten)]
        service: ServiceArgs,
    },
    /// JSON Schema of a probe file, for editors
    ProbeSchema,
    /// JSON Schema of a library of steps that probes share, for editors
    LibrarySchema,
    /// JSON Schema of the service configuration, for editors
    ConfigSchema,
}

/// Options of what `export` makes from the configuration.
#[derive(Debug, Args)]
pub(crate) struct ExportCheck {
    /// Print nothing, and say whether this file still is what would be printed; exit code 1 and the first difference if it is not
    #[arg(long, value_name = "FILE")]
    pub(crate) check: Option<PathBuf>,
}

/// The dashboards of `export grafana-dashboard`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum DashboardName {
    /// All probes, and the prober itself
    Overview,
    /// One probe, chosen by a variable
    Probe,
}
