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
    /// Make the tables of a PostgreSQL database, or bring them up to date, as the user of `store.url`; services that run may go on
    Migrate,
    /// Print the SQL that makes the roles of a PostgreSQL database: for who makes tables, who runs and who reads; for an administrator
    Roles(StoreRolesArgs),
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

/// Options of `store roles`.
#[derive(Debug, Args)]
pub(crate) struct StoreRolesArgs {
    /// The role that owns the tables
    #[arg(long, value_name = "NAME", default_value = "serinus_migrate")]
    pub(crate) migrate: String,
    /// The role with which services run
    #[arg(long, value_name = "NAME", default_value = "serinus_run")]
    pub(crate) run: String,
    /// The role that reads what happened: no keys, no messages, nothing that is to be cleaned up
    #[arg(long, value_name = "NAME", default_value = "serinus_read")]
    pub(crate) read: String,
    /// Let the processes of each of these regions write only what is of it, and make a login for each; one that probes from two is `eu+us`
    #[arg(long, value_name = "REGION", num_args = 1..)]
    pub(crate) row_security: Vec<String>,
}
