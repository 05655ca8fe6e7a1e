//! `serinus store`: what a service keeps in a file, to a database (`copy`).
//!
//! It prints a line for each table: how many rows are in the file, and how many in the database. What prepares a database is in
//! `store_setup`.

use std::path::{Path, PathBuf};
use std::time::SystemTime;

use crate::config::{load, process_environment};
use crate::history::copy::{CopyError, TableCount, copy};
use crate::plan::{DatabaseUrl, LogFormat, StorePlace, StoreSettings};

use super::config::{accept, required};
use super::exit::Failure;
use super::logs::{self, Verbosity, chain};
use super::store_args::{StoreAction, StoreArgs, StoreCopyArgs};
use super::{Exit, Printer, store_setup};

pub(crate) async fn store(printer: &Printer, config: Option<&Path>, args: &StoreArgs) -> Result<Exit, Failure> {
    match &args.what {
        StoreAction::Copy(args) => copy_to_database(printer, config, args).await,
        StoreAction::Migrate => store_setup::migrate(printer, config).await,
        StoreAction::Roles(args) => store_setup::roles(printer, args),
    }
}

async fn copy_to_database(printer: &Printer, config: Option<&Path>, args: &StoreCopyArgs) -> Result<Exit, Failure> {
    let _logs = logs::start(LogFormat::Human, Verbosity::Errors)?;
    let service = accept(printer, load(required(config)?, process_environment()).paging_nobody(), config, &[])?;
    let Some(settings) = &service.store else {
        return Err(Failure::usage("the configuration has no [store], which says how long what is kept"));
    };
    let (from, to) = places(args, settings)?;
    let progress = printer.progress("looking through the file");
    let member = service.plan.member();
    let copied = copy(&from, &to, &member, settings.retention, SystemTime::now(), |at| {
        if let Some(progress) = &progress {
            progress.set(format!("copying {}: {} of {} rows", at.table, at.rows, at.of));
        }
    });
    let copied = tokio::select! {
        copied = copied => copied,
        _ = tokio::signal::ctrl_c() => return Err(Failure::prober("it was stopped, so nothing was copied; it can be tried again")),
    };
    drop(progress);
    let counts = copied.map_err(|error| failure(printer, &error))?;
    printer.data(&table(&counts));
    let rows: u64 = counts.iter().map(|count| count.copied).sum();
    let label = to.label();
    printer.note(&format!("{rows} rows are in {label} now, and the file is as it was"));
    if settings.place != StorePlace::Database(Box::new(to)) {
        let still = settings.place.label();
        printer.note(&format!("`store.url` still names {still}: change it to {label} before the service is started"));
    }
    Ok(Exit::Well)
}

/// The file and the database. What is said of a URL that is wrong never has the URL itself, which may have a password.
fn places(args: &StoreCopyArgs, settings: &StoreSettings) -> Result<(PathBuf, DatabaseUrl), Failure> {
    let read = |option: &str, url: &str| {
        StorePlace::parse(url).map_err(|error| Failure::usage(format!("what {option} says is no store: {}", chain(&error))))
    };
    let StorePlace::File(from) = read("--from", &args.from)? else {
        return Err(Failure::usage("--from names a database, and only a file can be copied: write \"sqlite:\" and its path"));
    };
    let to = args.to.as_deref().map_or_else(|| Ok(settings.place.clone()), |url| read("--to", url))?;
    let StorePlace::Database(to) = to else {
        return Err(Failure::usage(
            "no database is named: give it with --to, or as `store.url` in the configuration or the environment (SERINUS_STORE__URL)",
        ));
    };
    Ok((from, *to))
}

fn failure(printer: &Printer, error: &CopyError) -> Failure {
    if let CopyError::Different(counts) = error {
        printer.data(&table(counts));
    }
    let why = chain(error);
    match error.in_use() {
        Some(path) => {
            Failure::prober(format!("the store {} is in use by a running service; stop it first, and copy then", path.display()))
        }
        None if error.is_usage() => Failure::usage(why),
        None => Failure::prober(why),
    }
}

fn table(counts: &[TableCount]) -> String {
    let line = |table: &str, found: &str, copied: &str| format!("{table:<20}{found:>14}{copied:>14}");
    let head = line("table", "in the file", "copied");
    let lines = counts.iter().map(|TableCount { table, found, copied }| line(table, &found.to_string(), &copied.to_string()));
    std::iter::once(head).chain(lines).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use crate::plan::{Bodies, Retention};

    use super::*;

    fn named(from: &str, to: Option<&str>, configured: &str) -> Result<(PathBuf, DatabaseUrl), Failure> {
        let day = Duration::from_hours(24);
        let retention = Retention { passed: day, others: day, rollups: day, bodies: Bodies::Failed };
        let settings = StoreSettings { place: StorePlace::parse(configured).unwrap(), retention };
        places(&StoreCopyArgs { from: from.to_owned(), to: to.map(str::to_owned) }, &settings)
    }

    #[test]
    fn the_database_is_the_one_that_is_named_or_else_the_configured_one() {
        let configured = "postgres://u@localhost/configured";
        let (from, to) = named("sqlite:a/s.db", None, configured).unwrap();
        assert_eq!((from, to.config.get_dbname()), (PathBuf::from("a/s.db"), Some("configured")));
        let (_, to) = named("sqlite:s.db", Some("postgres://u@localhost/named"), configured).unwrap();
        assert_eq!(to.config.get_dbname(), Some("named"));
    }

    #[test]
    fn what_is_no_file_and_no_database_is_refused_and_a_password_is_never_told() {
        let (file, secret) = ("sqlite:s.db", "postgres://u:geheim@localhost/d?colour=blue");
        for (from, to, word) in [
            ("s.db", None, "--from"),
            (secret, None, "--from"),
            ("postgres://u:geheim@localhost/d", None, "only a file"),
            (file, Some(secret), "--to"),
            (file, Some(file), "no database"),
            (file, None, "SERINUS_STORE__URL"),
        ] {
            let refused = named(from, to, file).unwrap_err();
            assert!(refused.message.contains(word) && !refused.message.contains("geheim"), "{from} {to:?}: {}", refused.message);
            assert_eq!(refused.exit, Exit::Usage);
        }
    }

    #[test]
    fn the_numbers_of_a_table_stand_below_each_other() {
        let counts =
            [TableCount { table: "runs", found: 1_234_567, copied: 7 }, TableCount { table: "states", found: 3, copied: 3 }];
        let told = table(&counts);
        let lines: Vec<&str> = told.lines().collect();
        assert_eq!(lines[1], "runs                       1234567             7");
        assert!(lines.iter().all(|line| line.len() == lines[0].len()), "{told}");
    }
}
