//! `serinus store migrate` and `serinus store roles`: what is done to a database beside the services that use it.
//!
//! The first needs no more than where the database is, so that whoever may make tables gets no secrets of probes. The second prints only.

use std::path::Path;

use crate::config::{load, process_environment};
use crate::history::postgres::{self, Migrated, StoreRoles};
use crate::plan::{DatabaseUrl, LogFormat, StorePlace};

use super::config::{accept, required, variable};
use super::exit::Failure;
use super::logs::{self, Verbosity, chain};
use super::store_args::StoreRolesArgs;
use super::{Exit, Printer};

/// Says where the store is, in the environment.
const URL: &str = "SERINUS_STORE__URL";

/// Makes the tables of the database, or brings them up to date.
pub(crate) async fn migrate(printer: &Printer, config: Option<&Path>) -> Result<Exit, Failure> {
    let _logs = logs::start(LogFormat::Human, Verbosity::Errors)?;
    let place = match variable(URL) {
        Some(url) => named(&url)?,
        None => configured(printer, config)?,
    };
    let database = database(place)?;
    let migrated = postgres::migrate(&database).await.map_err(|error| Failure::prober(chain(&error)))?;
    printer.note(&said(migrated, &database.label()));
    Ok(Exit::Well)
}

/// What a URL of the environment says. The URL itself is not repeated, as it may have a password.
fn named(url: &str) -> Result<StorePlace, Failure> {
    StorePlace::parse(url).map_err(|error| Failure::usage(format!("what {URL} says is no store: {}", chain(&error))))
}

fn configured(printer: &Printer, config: Option<&Path>) -> Result<StorePlace, Failure> {
    let service = accept(printer, load(required(config)?, process_environment()).paging_nobody(), config, &[])?;
    service.store.map(|settings| settings.place).ok_or_else(|| Failure::usage("the configuration has no [store]"))
}

fn database(place: StorePlace) -> Result<DatabaseUrl, Failure> {
    match place {
        StorePlace::Database(url) => Ok(*url),
        StorePlace::File(path) => Err(Failure::usage(format!(
            "the store is the file {}, whose tables a service makes itself: name a database in `store.url` or in the environment ({URL})",
            path.display()
        ))),
    }
}

fn said(Migrated { before, now }: Migrated, store: &str) -> String {
    match before {
        0 => format!("the tables of {store} were made: version {now}"),
        before if before < now => format!("the tables of {store} were brought from version {before} to version {now}"),
        _ => format!("the tables of {store} have version {now} already"),
    }
}

/// Prints the SQL of the roles.
pub(crate) fn roles(printer: &Printer, args: &StoreRolesArgs) -> Result<Exit, Failure> {
    let StoreRolesArgs { migrate, run, read, row_security } = args;
    let roles = StoreRoles { migrate: migrate.clone(), run: run.clone(), read: read.clone(), regions: row_security.clone() };
    printer.data(roles.sql().map_err(|error| Failure::usage(error.to_string()))?.trim_end());
    Ok(Exit::Well)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_database_has_its_tables_made_and_a_password_is_never_told() {
        let url = |text: &str| named(text).and_then(database);
        assert_eq!(url("postgres://u:geheim@localhost/d").unwrap().config.get_dbname(), Some("d"));
        for (text, word) in [("sqlite:a/s.db", "a/s.db"), ("postgres://u:geheim@localhost/d?colour=blue", URL), ("", URL)] {
            let refused = url(text).unwrap_err();
            assert!(refused.message.contains(word) && !refused.message.contains("geheim"), "{text}: {}", refused.message);
            assert_eq!(refused.exit, Exit::Usage);
        }
    }

    #[test]
    fn what_was_made_is_said() {
        let say = |before, now| said(Migrated { before, now }, "s");
        assert_eq!(say(0, 2), "the tables of s were made: version 2");
        assert_eq!(say(1, 2), "the tables of s were brought from version 1 to version 2");
        assert_eq!(say(3, 3), "the tables of s have version 3 already");
    }
}
