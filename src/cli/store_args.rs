//! What a user may type after `serinus store`.

use clap::{Args, Subcommand};

/// Options of `store`.
#[derive(Debug, Args)]
pub(crate) struct StoreArgs {
    /// What to do
    #[command(subcommand)]
    pub(crate) what: StoreAction,
}

/// What `store` can do.
#[derive(Debug, Subcommand)]
pub(crate) enum StoreAction {
    /// Copy a stopped service's file to an empty PostgreSQL database: open incidents, their pages, all history; exit code 2 if it is not empty
    Copy(StoreCopyArgs),
}

/// Options of `store copy`. The URLs are read by the command, as what is said of an argument that is wrong repeats it with its password.
#[derive(Debug, Args)]
pub(crate) struct StoreCopyArgs {
    /// The file: sqlite: and its path, as it stood in `store.url`; it is locked meanwhile and stays as it is
    #[arg(long, value_name = "URL")]
    pub(crate) from: String,
    /// The database, as it stands in `store.url` from now on [default: the configuration's, also where the environment says it]
    #[arg(long, value_name = "URL")]
    pub(crate) to: Option<String>,
}
