//! Deleting what earlier runs left: entries of the cleanup ledger whose run is over and whose cleanup did not succeed.
//!
//! Owns when an entry is tried again and when it is given up. It is driven by whoever calls [`Sweeper::sweep_once`] every so
//! often, with the plan and the entries of that moment; it keeps the times in memory, and what has been tried is in the entries.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use futures::StreamExt as _;

use crate::outcome::{Ledger, LedgerEnd, LedgerEntry};
use crate::plan::{Canary, Plan};

use super::Engine;

/// Cleanups tried at once: they wait for targets and must not crowd out the runs.
const AT_ONCE: usize = 8;

/// How long after its try number 1, 2, … an entry is tried again; the last is for all further ones.
const PAUSES: [Duration; 5] =
    [Duration::from_mins(1), Duration::from_mins(5), Duration::from_mins(30), Duration::from_hours(2), Duration::from_hours(6)];

/// Tries after which an entry is given up: about a day with these pauses.
const TRIES: u32 = 8;

/// An entry that was tried.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Swept {
    /// The entry as it was before.
    pub entry: LedgerEntry,
    /// What came of it.
    pub end: LedgerEnd,
}

/// What a probe left behind for good, as far as this program can tell.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Leak {
    /// The probe's name.
    pub probe: String,
    /// Ids of the entries that were given up.
    pub entries: Vec<String>,
    /// What was seen last, of one of them.
    pub message: String,
}

/// One sweep.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Sweep {
    /// Entries that were tried.
    pub swept: Vec<Swept>,
    /// Those given up, by probe: each is an incident.
    pub leaks: Vec<Leak>,
}

/// Tries to delete what earlier runs left.
pub struct Sweeper {
    engine: Engine,
    ledger: Arc<dyn Ledger>,
    due: Mutex<HashMap<String, Instant>>,
    /// Held by a sweep, which may take longer than the pauses.
    going: tokio::sync::Mutex<()>,
}

impl Sweeper {
    /// A sweeper that cleans up through `engine` and tells `ledger` what came of it.
    pub fn new(engine: Engine, ledger: Arc<dyn Ledger>) -> Self {
        Self { engine, ledger, due: Mutex::default(), going: tokio::sync::Mutex::default() }
    }

    /// Tries every entry that is due, which is one whose run and whose pause are over, and writes the results to the ledger. Does
    /// nothing while an earlier sweep goes on. The caller leaves out entries that were given up.
    pub async fn sweep_once(&self, plan: &Plan, entries: Vec<LedgerEntry>, now: Instant) -> Sweep {
        let Ok(_going) = self.going.try_lock() else { return Sweep::default() };
        let due = self.due(entries, now);
        let mut swept = self.try_all(plan, due).await;
        for Swept { entry, end } in &mut swept {
            if let LedgerEnd::Retry { message } = end
                && entry.attempts + 1 >= TRIES
            {
                *end = LedgerEnd::GivenUp { message: std::mem::take(message) };
            }
            self.ledger.ended(&entry.id, end.clone());
        }
        let leaks = leaks(&swept);
        Sweep { swept, leaks }
    }

    /// Tries every entry whose run is over now, without pauses and without giving up: for a person who asks for it. Waits until an
    /// earlier sweep is over.
    pub async fn sweep_all(&self, plan: &Plan, entries: Vec<LedgerEntry>) -> Vec<Swept> {
        let _going = self.going.lock().await;
        let swept = self.try_all(plan, entries.into_iter().filter(|entry| !self.engine.is_live(entry)).collect()).await;
        for Swept { entry, end } in &swept {
            self.ledger.ended(&entry.id, end.clone());
        }
        swept
    }

    /// How many of these entries are left behind, by probe and region: those whose run is over, also those given up. An entry
    /// with a cleanup that passed is not counted; its cleanup is only repeated.
    pub fn leaked<'e>(&self, entries: impl IntoIterator<Item = &'e LedgerEntry>) -> BTreeMap<(String, String), u64> {
        let mut leaked = BTreeMap::new();
        for entry in entries.into_iter().filter(|entry| entry.passed == 0 && !self.engine.is_live(entry)) {
            *leaked.entry((entry.probe.clone(), entry.region.clone())).or_default() += 1;
        }
        leaked
    }

    /// The entries to be tried now: those whose pause is over, and all others of their runs, because the cleanup of one may sign
    /// out what another has signed in. An entry that is tried is due again after its pause.
    fn due(&self, entries: Vec<LedgerEntry>, now: Instant) -> Vec<LedgerEntry> {
        let mut due = self.due.lock().unwrap_or_else(PoisonError::into_inner);
        due.retain(|id, _| entries.iter().any(|entry| entry.id == *id));
        let tries = |entry: &LedgerEntry| entry.attempts.saturating_add(entry.passed);
        let mut runs = HashSet::new();
        for entry in entries.iter().filter(|entry| !self.engine.is_live(entry)) {
            if *due.entry(entry.id.clone()).or_insert_with(|| now + pause(tries(entry))) <= now {
                runs.insert(entry.run_id.clone());
            }
        }
        let entries: Vec<LedgerEntry> = entries.into_iter().filter(|entry| runs.contains(&entry.run_id)).collect();
        for entry in &entries {
            due.insert(entry.id.clone(), now + pause(tries(entry).saturating_add(1)));
        }
        entries
    }

    async fn try_all(&self, plan: &Plan, entries: Vec<LedgerEntry>) -> Vec<Swept> {
        let canaries: HashMap<&str, &Arc<Canary>> = plan.canaries.iter().map(|canary| (canary.id.as_str(), canary)).collect();
        let tries = by_run(entries).into_iter().map(|of_run| self.try_in_turn(&canaries, of_run));
        futures::stream::iter(tries).buffered(AT_ONCE).concat().await
    }

    /// Tries the entries of one run one after the other, because the cleanup of one may sign out what another has signed in. An
    /// entry is done only when all later ones are.
    async fn try_in_turn(&self, canaries: &HashMap<&str, &Arc<Canary>>, entries: Vec<LedgerEntry>) -> Vec<Swept> {
        let mut swept = Vec::with_capacity(entries.len());
        let mut later_is_open = false;
        for entry in entries {
            let end = match canaries.get(&*entry.canary) {
                Some(canary) => self.engine.resume(Arc::clone(canary), entry.clone()).await,
                None => LedgerEnd::Retry { message: not_planned(&entry) },
            };
            let end = if later_is_open && end == LedgerEnd::Gone { LedgerEnd::Again } else { end };
            later_is_open |= end != LedgerEnd::Gone;
            swept.push(Swept { entry, end });
        }
        swept
    }
}

/// The entries of each run, the newest first, as its own cleanup would go through them: ids are ULIDs.
fn by_run(mut entries: Vec<LedgerEntry>) -> Vec<Vec<LedgerEntry>> {
    entries.sort_by(|one, other| (&other.run_id, &other.id).cmp(&(&one.run_id, &one.id)));
    entries.chunk_by(|one, other| one.run_id == other.run_id).map(<[LedgerEntry]>::to_vec).collect()
}

fn pause(tries: u32) -> Duration {
    match tries.checked_sub(1) {
        None => Duration::ZERO,
        Some(at) => PAUSES[usize::try_from(at).unwrap_or(usize::MAX).min(PAUSES.len() - 1)],
    }
}

fn not_planned(entry: &LedgerEntry) -> String {
    format!(
        "the canary {} is no longer planned, so nobody knows how to undo `{}` of run {}; bring its probe back, or remove it by hand",
        entry.canary, entry.step, entry.run_id
    )
}

fn leaks(swept: &[Swept]) -> Vec<Leak> {
    let mut leaks: Vec<Leak> = Vec::new();
    for Swept { entry, end } in swept {
        let LedgerEnd::GivenUp { message } = end else { continue };
        match leaks.iter_mut().find(|leak| leak.probe == entry.probe) {
            Some(leak) => leak.entries.push(entry.id.clone()),
            None => leaks.push(Leak { probe: entry.probe.clone(), entries: vec![entry.id.clone()], message: message.clone() }),
        }
    }
    leaks
}
