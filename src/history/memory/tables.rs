//! The rows of the store, as in the tables of `sqlite`, and how they are written.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;

use crate::base::time::{epoch_ms, signed_millis};
use crate::history::backlog::{Backlog, LastTick, LedgerChange, QueuedRun, RunRow};
use crate::history::encoding::detail;
use crate::history::encoding::detail::StepTime;
use crate::history::encoding::hour::Hour;
use crate::history::retention_clock::RetentionClock;
use crate::history::start_state::{ENDED, OWED};
use crate::history::{
    Artifact, ArtifactRow, ArtifactView, Change, EventRow, FOLLOWED, IncidentRow, LedgerView, OF_INCIDENTS, ObservationRow,
    ObservationView, OutcomeRow, PassView, RestoredState, RestoredTick, RestoredTry, RunView, StartState, StepView, TimelineRow,
    TryRow, TryState,
};
use crate::outcome::{Reason, RunId, RunReport, SloCount, Verdict};
use crate::plan::{Bodies, Cadence, Canary, Retention};

/// A run.
#[derive(Debug, Clone)]
pub(super) struct StoredRun {
    /// Ascends in the order of writing.
    pub(super) number: u64,
    pub(super) view: RunView,
    pub(super) steps: Vec<StepView>,
    pub(super) details: Option<Value>,
    /// The names of its steps, and their times.
    pub(super) times: (Vec<String>, Vec<StepTime>),
    /// Whether it was handed in as one that counts.
    pub(super) counted: bool,
}

/// A try and how it stands.
#[derive(Debug, Clone)]
pub(super) struct StoredTry {
    pub(super) row: TryRow,
    pub(super) about: BTreeSet<String>,
    pub(super) state: TryState,
    pub(super) attempts: u32,
    pub(super) tried_ms: Option<i64>,
    pub(super) ended_ms: Option<i64>,
    pub(super) error: Option<String>,
}

/// Tells a store from another one, whose numbers begin anew.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct FileNumber(pub(super) i64);

impl Default for FileNumber {
    fn default() -> Self {
        Self(fastrand::i64(..))
    }
}

/// Observations by their times, and how long they are looked back on.
type Series = (Duration, BTreeMap<i64, ObservationView>);

/// Everything.
#[derive(Debug, Clone, Default)]
pub(super) struct Tables {
    pub(super) ended: bool,
    pub(super) file: FileNumber,
    pub(super) retention: Option<Retention>,
    pub(super) clock: Option<RetentionClock>,
    pub(super) written: u64,
    pub(super) rolled_up: u64,
    pub(super) runs: Vec<StoredRun>,
    /// Cleanups whose runs are still to come.
    pub(super) early: BTreeMap<String, Value>,
    pub(super) ticks: BTreeMap<(String, u32), (u64, i64)>,
    pub(super) states: BTreeMap<(String, String), String>,
    pub(super) incidents: BTreeMap<String, IncidentRow>,
    pub(super) timeline: Vec<TimelineRow>,
    pub(super) tries: BTreeMap<String, StoredTry>,
    pub(super) ledger: BTreeMap<String, LedgerView>,
    pub(super) hours: BTreeMap<(String, i64), Hour>,
    pub(super) artifacts: BTreeMap<(RunId, String), (ArtifactView, Option<Artifact>)>,
    /// By canary, name and subject.
    pub(super) observations: BTreeMap<(String, String, String), Series>,
    /// Passed runs in full, the newest of each canary and those that failed runs are compared with.
    pub(super) passes: Vec<(PassView, Arc<Canary>)>,
    /// Of a failed run, by its id: the ids of the passed ones before and beside it.
    pub(super) comparisons: BTreeMap<String, (Option<String>, Option<String>)>,
    /// By id.
    pub(super) events: BTreeMap<String, EventRow>,
    /// What changed, in the order of writing.
    pub(super) changes: Vec<Change>,
}

impl Tables {
    fn bodies(&self) -> Bodies {
        self.retention.map_or(Bodies::Failed, |retention| retention.bodies)
    }

    /// Writes all of it.
    pub(super) fn write(&mut self, backlog: &Backlog) {
        for run in backlog.runs() {
            self.write_run(run);
        }
        self.record_changes(backlog);
        backlog.events.iter().for_each(|row| self.write_event(row));
        backlog.artifacts.iter().for_each(|row| self.write_artifact(row));
        for ObservationRow { canary, name, subject, at_ms, value, weight, retention } in &backlog.observations {
            let series = (canary.id.to_string(), name.clone(), subject.clone().unwrap_or_default());
            let (kept, values) = self.observations.entry(series).or_default();
            *kept = *retention;
            values.insert(*at_ms, ObservationView { at_ms: *at_ms, value: *value, weight: *weight });
        }
        for ((id, slot), (_, LastTick { order, due_ms })) in &backlog.ticks {
            let last = self.ticks.entry((id.to_string(), *slot)).or_insert((*order, *due_ms));
            if *order >= last.0 {
                *last = (*order, *due_ms);
            }
        }
        for ((kind, key), json) in &backlog.states {
            let key = ((*kind).to_owned(), key.clone());
            match json {
                Some(json) => drop(self.states.insert(key, json.clone())),
                None => drop(self.states.remove(&key)),
            }
        }
        self.incidents.extend(backlog.incidents.iter().map(|(id, row)| (id.clone(), row.clone())));
        for row in &backlog.timeline {
            if !self.timeline.contains(row) {
                self.timeline.push(row.clone());
            }
        }
        backlog.tries.made.values().for_each(|row| self.write_try(row));
        backlog.tries.outcomes.values().for_each(|row| self.write_outcome(row));
        backlog.ledger.iter().for_each(|(id, change)| self.write_ledger(id, change));
        for report in &backlog.cleanups {
            let kept = serde_json::from_str(&detail::cleanup(report, self.bodies())).expect("it was written just now");
            self.write_cleanup(report.run.run_id.to_string(), kept);
        }
    }

    fn record_changes(&mut self, backlog: &Backlog) {
        let states = backlog.states.keys().filter(|(kind, _)| FOLLOWED.contains(kind));
        self.changes.extend(states.map(|(kind, key)| Change::State { state: (*kind).to_owned(), key: key.clone() }));
        self.changes.extend((!backlog.ledger.is_empty()).then_some(Change::Ledger));
        let ended = backlog.tries.outcomes.keys().filter_map(|id| self.tries.get(id)).flat_map(|stored| &stored.about);
        let incidents: BTreeSet<&str> = backlog.changed_incidents().into_iter().chain(ended.map(String::as_str)).collect();
        self.changes.extend(incidents.into_iter().map(|id| Change::Incident { id: id.to_owned() }));
    }

    fn write_event(&mut self, row: &EventRow) {
        if !self.events.contains_key(&row.id) {
            self.events.insert(row.id.clone(), row.clone());
            self.changes.push(Change::Event { id: row.id.clone() });
        }
    }

    /// Keeps an artifact as far as its run may have any.
    fn write_artifact(&mut self, ArtifactRow { run_id, name, media_type, bytes }: &ArtifactRow) {
        let of_run = self.artifacts.iter().filter(|((run, _), _)| run == run_id);
        let kept: usize = of_run.clone().filter_map(|(_, (_, kept))| kept.as_ref()).map(|kept| kept.bytes.len()).sum();
        let fits = bytes.len() <= ArtifactRow::BYTES && kept + bytes.len() <= ArtifactRow::BYTES_OF_RUN;
        let key = (*run_id, name.clone());
        if of_run.count() >= ArtifactRow::OF_RUN || self.artifacts.contains_key(&key) {
            return;
        }
        let view = ArtifactView { name: name.clone(), media_type: media_type.clone(), size: bytes.len() as u64, is_kept: fits };
        let kept = fits.then(|| Artifact { media_type: media_type.clone(), bytes: bytes.to_vec() });
        self.artifacts.insert(key, (view, kept));
    }

    /// A tick that is reported as lost and is in the store already stays as it is.
    fn write_run(&mut self, run: &QueuedRun) {
        let (row, (names, bytes), details) = match run {
            QueuedRun::Whole(record) => {
                let details = detail::details(&record.report, self.bodies());
                (&RunRow::of(record), detail::times(&record.report).unwrap_or_default(), details)
            }
            QueuedRun::RowOnly(row) => (row, Default::default(), None),
        };
        let view = view(row);
        let thought_lost = matches!(row.reason, Some(Reason::Crashed | Reason::Down));
        let is_same = |known: &StoredRun| {
            let tick = |view: &RunView| (view.canary.clone(), view.due_ms, view.slot);
            known.view.run_id == view.run_id || thought_lost && tick(&known.view) == tick(&view)
        };
        if self.runs.iter().any(is_same) {
            return;
        }
        self.written += 1;
        self.changes.push(Change::Run { run_id: view.run_id.clone(), canary: view.canary.clone() });
        let run_id = view.run_id.clone();
        let details = details.map(|json| serde_json::from_str(&json).expect("it was written just now"));
        let (steps, names) = (detail::steps(&names, &bytes), detail::names(&names));
        let times = detail::step_times(names.len(), &bytes);
        self.runs.push(StoredRun { number: self.written, view, steps, details, times: (names, times), counted: row.counted });
        if let QueuedRun::Whole(record) = run
            && record.counted
        {
            self.compare(&record.report);
        }
        if let Some(cleanup) = self.early.remove(&run_id) {
            self.write_cleanup(run_id, cleanup);
        }
    }

    /// Takes note of a passed run, and keeps with a failed one what it is compared with.
    fn compare(&mut self, report: &RunReport) {
        let canary = &report.canary;
        if report.verdict == Verdict::Passed {
            self.passes.push((detail::pass(report, self.bodies()), Arc::clone(canary)));
        }
        if report.verdict != Verdict::Failed {
            return;
        }
        let due_ms = epoch_ms(report.tick.due);
        let reach = if let Cadence::Every(interval) = canary.probe.cadence { interval } else { Duration::from_hours(1) };
        let newest = |found: &dyn Fn(&PassView, &Canary) -> bool| {
            let passes = self.passes.iter().filter(|(pass, of)| found(pass, of));
            passes.max_by_key(|(pass, _)| pass.due_ms).map(|(pass, _)| pass.run_id.clone())
        };
        let before = newest(&|pass, of| of.id == canary.id && pass.due_ms < due_ms);
        let beside = newest(&|pass, of| {
            let is_beside = of.id != canary.id && of.probe.name == canary.probe.name;
            is_beside && (due_ms - signed_millis(reach)..=due_ms).contains(&pass.due_ms)
        });
        self.comparisons.insert(report.run_id.to_string(), (before, beside));
    }

    fn write_cleanup(&mut self, run_id: String, cleanup: Value) {
        match self.runs.iter_mut().find(|run| run.view.run_id == run_id) {
            Some(run) => run.details.get_or_insert_with(|| Value::Object(serde_json::Map::new()))["cleanup"] = cleanup,
            None => drop(self.early.insert(run_id, cleanup)),
        }
    }

    fn write_try(&mut self, row: &TryRow) {
        let fresh = || StoredTry {
            row: row.clone(),
            about: BTreeSet::new(),
            state: TryState::Waiting,
            attempts: row.attempts,
            tried_ms: None,
            ended_ms: None,
            error: None,
        };
        let known = self.tries.entry(row.id.clone()).or_insert_with(fresh);
        known.about.extend(row.incidents.iter().cloned());
        if known.state == TryState::Waiting || known.row.made_ms != row.made_ms {
            (known.row, known.state, known.attempts, known.ended_ms) = (row.clone(), TryState::Waiting, row.attempts, None);
        }
    }

    fn write_outcome(&mut self, OutcomeRow { id, made_ms, state, attempts, at_ms, error }: &OutcomeRow) {
        let is_it = |known: &&mut StoredTry| {
            known.row.made_ms == *made_ms && (known.state == TryState::Waiting || *state != TryState::Waiting)
        };
        let Some(known) = self.tries.get_mut(id).filter(is_it) else { return };
        (known.state, known.attempts) = (*state, *attempts);
        known.ended_ms = (*state != TryState::Waiting).then_some(*at_ms);
        if *state == TryState::Dropped {
            known.error = error.clone().or(known.error.take());
        } else {
            (known.tried_ms, known.error) = (Some(*at_ms), error.clone());
        }
    }

    fn write_ledger(&mut self, id: &str, change: &LedgerChange) {
        if change.gone {
            self.ledger.remove(id);
            return;
        }
        if let Some(entry) = &change.entry {
            let fresh = || LedgerView { entry: entry.clone(), given_up: false, message: None };
            self.ledger.entry(id.to_owned()).or_insert_with(fresh);
        }
        let Some(view) = self.ledger.get_mut(id) else { return };
        view.entry.passed += change.passes;
        view.entry.attempts += change.retries;
        if let Some(names) = &change.names {
            (view.entry.names, view.entry.created) = (names.clone(), true);
        }
        view.message = change.message.clone().or(view.message.take());
        view.given_up |= change.given_up;
    }

    /// Whether something is still owed of an incident.
    pub(super) fn is_owed(&self, incident: &str) -> bool {
        let of_it = |key: &str| key.split_once('/').is_some_and(|(id, _)| id == incident);
        self.states.keys().any(|(kind, key)| OF_INCIDENTS.contains(&&**kind) && of_it(key))
            || self.tries.values().any(|row| row.state == TryState::Waiting && row.about.contains(incident))
    }

    /// What a process that starts now takes up.
    pub(super) fn start_state(&self, now_ms: i64) -> StartState {
        let (ended, owed) = (now_ms - signed_millis(ENDED), now_ms - signed_millis(OWED));
        let is_kept = |row: &&IncidentRow| row.resolved_ms.is_none_or(|at| at >= ended || at >= owed && self.is_owed(&row.id));
        let incidents: Vec<IncidentRow> = self.incidents.values().filter(is_kept).cloned().collect();
        let is_one = |id: &str| incidents.iter().any(|row| row.id == id);
        let states = self
            .states
            .iter()
            .filter(|((kind, key), _)| !OF_INCIDENTS.contains(&&**kind) || key.split_once('/').is_some_and(|(id, _)| is_one(id)));
        let states = states
            .map(|((kind, key), json)| RestoredState { kind: kind.clone(), key: key.clone(), json: json.clone() })
            .collect();
        let waits = |row: &&StoredTry| {
            let of_none = !row.about.iter().any(|id| self.incidents.contains_key(id));
            row.state == TryState::Waiting && (row.about.iter().any(|id| is_one(id)) || of_none && row.row.made_ms >= owed)
        };
        let mut tries: Vec<RestoredTry> = self.tries.values().filter(waits).map(kept).collect();
        tries.sort_by(|one, other| (one.made_ms, &one.id).cmp(&(other.made_ms, &other.id)));
        let last_ticks = self.ticks.iter().map(|((canary, slot), (_, due_ms))| RestoredTick {
            canary: canary.clone(),
            slot: *slot,
            due_ms: *due_ms,
        });
        let ledger = self.ledger.values().filter(|view| !view.given_up).map(|view| view.entry.clone()).collect();
        StartState { states, incidents, tries, last_ticks: last_ticks.collect(), ledger, ..StartState::default() }
    }
}

fn kept(stored: &StoredTry) -> RestoredTry {
    RestoredTry {
        id: stored.row.id.clone(),
        incident: stored.about.first().cloned().unwrap_or_default(),
        channel: stored.row.channel.clone(),
        what: stored.row.what.to_owned(),
        key: stored.row.key.clone(),
        made_ms: stored.row.made_ms,
        state: stored.state,
        attempts: stored.attempts,
        tried_ms: stored.tried_ms,
        json: stored.row.json.clone(),
    }
}

fn view(row: &RunRow) -> RunView {
    RunView {
        run_id: row.run_id.to_string(),
        canary: row.canary.id.to_string(),
        probe: row.canary.probe.name.to_string(),
        region: row.canary.region.name.to_string(),
        due_ms: row.due_ms,
        slot: row.slot,
        started_ms: row.due_ms + row.late_ms,
        duration_us: row.duration_us,
        verdict: row.verdict.as_str(),
        reason: row.reason.map(Reason::as_str),
        degraded: row.degraded,
        trace_id: row.trace_id.to_string(),
        counted: row.counted && row.verdict.slo() != SloCount::Not,
    }
}

/// The verdict of a row.
pub(super) fn verdict(view: &RunView) -> Verdict {
    view.verdict.parse().expect("it was written as a verdict")
}
