//! `serinus sweep`: deletes now what earlier runs left behind, or forgets it.
//!
//! It opens the store itself, so no service may be running: a running one locks its store, and sweeps by itself.
//! With `--output json` it prints one object: `gone`, `left` and `forgotten` (counts) and `entries`, a list of `{id, result, message,
//! canary, probe, region, step, run_id, trace_id, started_ms, attempts, given_up}`, where `result` is `gone`, `left`, `again` (its
//! cleanup passed, which proves nothing yet), `unreadable` (all but `id` and `message` are null then), `forgotten` or, with
//! `--dry-run`, `listed`.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};

use crate::app::{OpenError, OpenedStore, Sharing, engine, open_store};
use crate::config::{load, process_environment, read_secrets};
use crate::history::{CleanupLedger, Fleet, LeaseName, LedgerRows, LedgerView, Store, UnreadableEntry};
use crate::outcome::{Ledger, LedgerEnd, LedgerEntry};
use crate::plan::{FleetSettings, LogFormat, Service, StorePlace, StoreSettings};
use crate::run::{Sweeper, Swept};

use super::args::{Output, SweepArgs};
use super::config::{accept, required, variable};
use super::exit::Failure;
use super::logs::{self, Verbosity, chain};
use super::style::printable;
use super::{Exit, Printer};

/// How long the store may take to write what came of it.
const LAST_WORDS: Duration = Duration::from_secs(10);

/// What is said of an entry whose cleanup passed and proves nothing yet.
const AGAIN: &str = "its cleanup passed, but the creation was cut before its answer came and may still come: a service that runs looks \
                     again after one and five minutes, or sweep once more then";

/// What became of an entry, for people and programs.
struct SweepLine {
    id: String,
    /// Absent where it cannot be read.
    entry: Option<LedgerEntry>,
    given_up: bool,
    result: &'static str,
    message: Option<String>,
}

impl SweepLine {
    fn of(view: LedgerView, result: &'static str) -> Self {
        let LedgerView { entry, given_up, message } = view;
        Self { id: entry.id.clone(), entry: Some(entry), given_up, result, message }
    }

    fn unreadable(row: UnreadableEntry, result: &'static str) -> Self {
        Self { id: row.id, entry: None, given_up: false, result, message: Some(format!("it cannot be read: {}", row.why)) }
    }

    fn is_left(&self) -> bool {
        !["gone", "forgotten"].contains(&self.result)
    }
}

pub(crate) async fn sweep(printer: &Printer, config: Option<&Path>, args: &SweepArgs) -> Result<Exit, Failure> {
    let _logs = logs::start(LogFormat::Human, Verbosity::Errors)?;
    let service = accept(printer, load(required(config)?, process_environment()).paging_nobody(), config, &[])?;
    let Some(settings) = &service.store else {
        return Err(Failure::usage("the configuration has no [store], so nothing is known of what earlier runs left"));
    };
    let store = open(settings, service.fleet.as_ref()).await?;
    let lines = lines(printer, &service, store.clone(), args).await;
    let written = store.shut_down(LAST_WORDS).await;
    let lines = lines?;
    match args.output {
        Output::Human => lines.iter().for_each(|line| printer.data(&human(line))),
        Output::Json => printer.data(&format!("{:#}", object(&lines))),
    }
    printer.note(&summary(&lines, args));
    if !written {
        return Err(Failure::prober("the store did not write down in time what was deleted; sweep once more"));
    }
    Ok(if lines.iter().any(SweepLine::is_left) { Exit::ProbeFailed } else { Exit::Well })
}

async fn open(settings: &StoreSettings, member: Option<&FleetSettings>) -> Result<Arc<dyn Store>, Failure> {
    if let StorePlace::File(path) = &settings.place
        && !path.exists()
    {
        let path = path.display();
        return Err(Failure::prober(format!(
            "there is no store at {path}: either nothing has run yet, or [store] names another"
        )));
    }
    match open_store(settings, member).await {
        Ok(OpenedStore { store, sharing }) => {
            if let (Sharing::Fleet { fleet, .. }, Some(member)) = (sharing, member) {
                refuse_beside_a_service(&*fleet, member).await?;
            }
            if let Some(damaged) = store.status().damaged {
                tracing::error!(kept = %damaged.display(), "the store was damaged; what could not be read of it is not swept");
            }
            Ok(store)
        }
        Err(OpenError::File(error)) if error.is_misnamed() => Err(Failure::usage(chain(&error))),
        Err(error) => Err(Failure::prober(match error.in_use() {
            Some(path) => format!(
                "the store {} is in use by a running service, which sweeps by itself every minute; to sweep or forget by hand, stop it first",
                path.display()
            ),
            None => chain(&error),
        })),
    }
}

/// Refuses to sweep what a running service sweeps by itself, and of which some belongs to runs that are still going.
async fn refuse_beside_a_service(fleet: &dyn Fleet, member: &FleetSettings) -> Result<(), Failure> {
    let leases = fleet.leases().await.map_err(|error| Failure::prober(chain(&error)))?;
    let own = LeaseName::Region(Arc::clone(&member.member));
    if leases.iter().any(|lease| lease.held && lease.name == own) {
        return Err(Failure::prober(format!(
            "a running service probes {}, and sweeps by itself every minute; to sweep or forget by hand, stop its instances first",
            member.member
        )));
    }
    Ok(())
}

/// Does what was asked for with everything in the ledger.
async fn lines(
    printer: &Printer,
    service: &Service,
    ledger: Arc<dyn CleanupLedger>,
    args: &SweepArgs,
) -> Result<Vec<SweepLine>, Failure> {
    let rows = ledger.ledger().await.map_err(|error| Failure::prober(chain(&error)))?;
    if !args.forget.is_empty() || args.forget_given_up {
        return forgotten(&*ledger, rows, args);
    }
    let LedgerRows { entries, unreadable } = rows;
    let unreadable = unreadable.into_iter().map(|row| SweepLine::unreadable(row, "unreadable"));
    let entries = if args.dry_run {
        entries.into_iter().map(|view| SweepLine::of(view, "listed")).collect()
    } else {
        swept(printer, service, ledger, entries).await?
    };
    Ok(entries.into_iter().chain(unreadable).collect())
}

/// Forgets the named entries. If one of them is not there, none is forgotten.
fn forgotten(ledger: &dyn CleanupLedger, rows: LedgerRows, args: &SweepArgs) -> Result<Vec<SweepLine>, Failure> {
    let LedgerRows { entries, unreadable } = rows;
    let entries = entries.into_iter().map(|view| SweepLine::of(view, "forgotten"));
    let all: Vec<SweepLine> = entries.chain(unreadable.into_iter().map(|row| SweepLine::unreadable(row, "forgotten"))).collect();
    if let Some(unknown) = args.forget.iter().find(|id| all.iter().all(|line| line.id != **id)) {
        return Err(Failure::usage(format!(
            "the cleanup ledger has no entry `{unknown}`, and nothing was forgotten; `serinus sweep --dry-run` lists them all"
        )));
    }
    let is_meant = |line: &SweepLine| args.forget.contains(&line.id) || args.forget_given_up && line.given_up;
    let meant: Vec<SweepLine> = all.into_iter().filter(is_meant).collect();
    for line in &meant {
        ledger.ended(&line.id, LedgerEnd::Gone);
    }
    Ok(meant)
}

async fn swept(
    printer: &Printer,
    service: &Service,
    ledger: Arc<dyn CleanupLedger>,
    listed: Vec<LedgerView>,
) -> Result<Vec<SweepLine>, Failure> {
    let secrets = Arc::new(read_secrets(&service.plan.secrets, variable));
    let engine = engine(&service.plan, &secrets, &Arc::default()).map_err(|error| Failure::usage(chain(&error)))?;
    let given_up: Vec<String> = listed.iter().filter(|view| view.given_up).map(|view| view.entry.id.clone()).collect();
    let entries = listed.into_iter().map(|view| view.entry).collect();
    let progress = printer.progress("deleting what earlier runs left");
    let swept = Sweeper::new(engine, ledger as Arc<dyn Ledger>).sweep_all(&service.plan, entries).await;
    drop(progress);
    let line = |Swept { entry, end }| {
        let (result, message) = match end {
            LedgerEnd::Gone => ("gone", None),
            LedgerEnd::Again => ("again", Some(AGAIN.to_owned())),
            LedgerEnd::Retry { message } | LedgerEnd::GivenUp { message } => ("left", Some(message)),
        };
        SweepLine { id: entry.id.clone(), given_up: given_up.contains(&entry.id), entry: Some(entry), result, message }
    };
    Ok(swept.into_iter().map(line).collect())
}

fn human(line: &SweepLine) -> String {
    let id = printable(&line.id);
    let text = match &line.entry {
        Some(entry) => {
            let (canary, step) = (printable(&entry.canary), printable(&entry.step));
            format!("{:<6}  {canary}  `{step}` of run {}", line.result, entry.run_id)
        }
        None => line.result.to_owned(),
    };
    let entry = if line.result == "gone" { String::new() } else { format!(", entry {id}") };
    let given_up = if line.given_up && line.result != "gone" { " (given up)" } else { "" };
    match &line.message {
        Some(message) => format!("{text}{entry}{given_up}: {}", printable(message)),
        None => format!("{text}{entry}{given_up}"),
    }
}

fn object(lines: &[SweepLine]) -> Value {
    let entries = lines.iter().map(|SweepLine { id, entry, given_up, result, message }| {
        let entry = entry.as_ref();
        json!({
            "id": id,
            "result": result,
            "message": message,
            "canary": entry.map(|entry| &entry.canary),
            "probe": entry.map(|entry| &entry.probe),
            "region": entry.map(|entry| &entry.region),
            "step": entry.map(|entry| &entry.step),
            "run_id": entry.map(|entry| &entry.run_id),
            "trace_id": entry.map(|entry| &entry.trace_id),
            "started_ms": entry.map(|entry| entry.started_ms),
            "attempts": entry.map(|entry| entry.attempts),
            "given_up": given_up,
        })
    });
    let count = |result: &str| lines.iter().filter(|line| line.result == result).count();
    let left = lines.iter().filter(|line| line.is_left()).count();
    json!({ "gone": count("gone"), "left": left, "forgotten": count("forgotten"), "entries": entries.collect::<Value>() })
}

fn summary(lines: &[SweepLine], args: &SweepArgs) -> String {
    let left = lines.iter().filter(|line| line.is_left()).count();
    let done = lines.len() - left;
    if !args.forget.is_empty() || args.forget_given_up {
        return match done {
            0 => "nothing was given up, so nothing was forgotten".to_owned(),
            done => format!("{done} forgotten: nothing was deleted, and what they left at their targets stays there"),
        };
    }
    match (done, left) {
        (0, 0) => "nothing was left behind".to_owned(),
        (_, left) if args.dry_run => format!("{left} left behind; nothing was deleted"),
        (done, left) => format!("{done} deleted, {left} left behind"),
    }
}
