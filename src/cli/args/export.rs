//! What `export` can make, and its options. One more thing is a variant of [`Export`] and an arm where it is obeyed.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use super::RemoteArgs;

/// Options of `export`.
#[derive(Debug, Args)]
pub(crate) struct ExportArgs {
    /// What to print
    #[arg(value_enum)]
    pub(crate) what: Export,
    /// The folder that a copy of the status page is written to
    #[arg(value_name = "DIR", required_if_eq("what", "status-page"))]
    pub(crate) folder: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) remote: RemoteArgs,
}

/// What `export` can print.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Export {
    /// JSON Schema of a probe file, for editors
    #[value(name = "probe-schema")]
    Probe,
    /// JSON Schema of a library of steps that probes share, for editors
    #[value(name = "library-schema")]
    Library,
    /// JSON Schema of the service configuration, for editors
    #[value(name = "config-schema")]
    Config,
    /// A copy of the public status page, of a running service, for a bucket or a web server; is written to DIR
    #[value(name = "status-page")]
    StatusPage,
}
