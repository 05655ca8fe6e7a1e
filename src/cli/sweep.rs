//! `serinus sweep`: deletes now what earlier runs left behind.
//!
//! It works on the store itself, so it runs while no service does: one that runs sweeps by itself, and its store is locked.
//! With `--output json` it prints one object: `gone` and `left` (counts) and `entries`, a list of `{id, result, message, canary,
//! probe, region, step, run_id, trace_id, started_ms, attempts, given_up}`, where `result` is `gone`, `left` or, with
//! `--dry-run`, `listed`.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use serde_json::{Value, json};

use crate::app::engine;
use crate::config::{load, process_environment, read_secrets};
use crate::history::{LedgerView, OpenError, Store};
use crate::outcome::{Ledger, LedgerEnd, LedgerEntry};
use crate::plan::{LogFormat, Service, StoreSettings};
use crate::run::{Sweeper, Swept};

use super::args::{Output, SweepArgs};
use super::config::{accept, required, variable};
use super::exit::Failure;
use super::logs::{self, Talk, chain};
use super::style::printable;
use super::{Exit, Printer};

/// How long the store may take to write what came of it.
const LAST_WORDS: Duration = Duration::from_secs(10);

/// What became of an entry, for people and programs.
struct Line {
    entry: LedgerEntry,
    given_up: bool,
    result: &'static str,
    message: Option<String>,
}

pub(crate) async fn sweep(printer: &Printer, config: Option<&Path>, args: &SweepArgs) -> Result<Exit, Failure> {
    let _logs = logs::start(LogFormat::Human, Talk::Trouble)?;
    let service = accept(printer, load(required(config)?, process_environment()))?;
    let Some(settings) = &service.store else {
        return Err(Failure::usage("the configuration has no [store], so nothing is known of what earlier runs left"));
    };
    let store = open(settings)?;
    let lines = swept(printer, &service, &store, args.dry_run).await;
    let written = store.close(LAST_WORDS);
    let lines = lines?;
    match args.output {
        Output::Human => lines.iter().for_each(|line| printer.data(&human(line))),
        Output::Json => printer.data(&format!("{:#}", object(&lines))),
    }
    let left = lines.iter().filter(|line| line.result != "gone").count();
    printer.talk(&summary(lines.len() - left, left, args.dry_run));
    if !written {
        return Err(Failure::prober("the store did not write down in time what was deleted; sweep once more"));
    }
    Ok(if left == 0 { Exit::Well } else { Exit::ProbeFailed })
}

fn open(settings: &StoreSettings) -> Result<Store, Failure> {
    if !settings.path.exists() {
        let path = settings.path.display();
        return Err(Failure::prober(format!(
            "there is no store at {path}: either nothing has run yet, or [store] names another"
        )));
    }
    match Store::open(settings, SystemTime::now()) {
        Ok((store, remembered)) => {
            if let Some(damaged) = &remembered.damaged {
                tracing::error!(kept = %damaged.display(), "the store was damaged; what could not be read of it is not swept");
            }
            Ok(store)
        }
        Err(OpenError::InUse { path }) => Err(Failure::prober(format!(
            "the store {} is in use by a running service, which sweeps by itself every minute; to sweep by hand, stop it first",
            path.display()
        ))),
        Err(error) if error.is_misnamed() => Err(Failure::usage(chain(&error))),
        Err(error) => Err(Failure::prober(chain(&error))),
    }
}

async fn swept(printer: &Printer, service: &Service, store: &Store, dry_run: bool) -> Result<Vec<Line>, Failure> {
    let listed = store.reader().ledger().map_err(|error| Failure::prober(chain(&error)))?;
    if dry_run {
        let line = |LedgerView { entry, given_up, message }| Line { entry, given_up, result: "listed", message };
        return Ok(listed.into_iter().map(line).collect());
    }
    let secrets = Arc::new(read_secrets(&service.plan.secrets, variable));
    let engine = engine(&service.plan, &secrets, &Arc::default()).map_err(|error| Failure::usage(chain(&error)))?;
    let given_up: Vec<String> = listed.iter().filter(|view| view.given_up).map(|view| view.entry.id.clone()).collect();
    let entries = listed.into_iter().map(|view| view.entry).collect();
    let progress = printer.progress("deleting what earlier runs left");
    let swept = Sweeper::new(engine, Arc::new(store.clone()) as Arc<dyn Ledger>).sweep_all(&service.plan, entries).await;
    drop(progress);
    Ok(swept
        .into_iter()
        .map(|Swept { entry, end }| {
            let (result, message) = match end {
                LedgerEnd::Gone => ("gone", None),
                LedgerEnd::Retry { message } | LedgerEnd::GivenUp { message } => ("left", Some(message)),
            };
            Line { given_up: given_up.contains(&entry.id), entry, result, message }
        })
        .collect())
}

fn human(line: &Line) -> String {
    let entry = &line.entry;
    let (canary, step) = (printable(&entry.canary), printable(&entry.step));
    let text = format!("{:<6}  {canary}  `{step}` of run {}", line.result, entry.run_id);
    let given_up = if line.given_up && line.result != "gone" { " (given up)" } else { "" };
    match &line.message {
        Some(message) => format!("{text}{given_up}: {}", printable(message)),
        None => format!("{text}{given_up}"),
    }
}

fn object(lines: &[Line]) -> Value {
    let entries = lines.iter().map(|Line { entry, given_up, result, message }| {
        json!({
            "id": entry.id,
            "result": result,
            "message": message,
            "canary": entry.canary,
            "probe": entry.probe,
            "region": entry.region,
            "step": entry.step,
            "run_id": entry.run_id,
            "trace_id": entry.trace_id,
            "started_ms": entry.started_ms,
            "attempts": entry.attempts,
            "given_up": given_up,
        })
    });
    let gone = lines.iter().filter(|line| line.result == "gone").count();
    json!({ "gone": gone, "left": lines.len() - gone, "entries": entries.collect::<Value>() })
}

fn summary(gone: usize, left: usize, dry_run: bool) -> String {
    match (gone, left) {
        (0, 0) => "nothing was left behind".to_owned(),
        (_, left) if dry_run => format!("{left} left behind; nothing was deleted"),
        (gone, left) => format!("{gone} deleted, {left} left behind"),
    }
}
