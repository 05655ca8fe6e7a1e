//! A store of many canaries and many days, made quickly: as a prober would leave it that has run for so long.
//!
//! One day, or one hour, is really recorded, by the store itself, with its hours. Every one before is a copy of it in plain SQL, as
//! much of it as the default retention leaves: all runs, then those that did not pass, then hours only. Hours are therefore always
//! the sum of their runs.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use fastrand::Rng;
use rusqlite::Connection;
use serinus::history::sqlite::SqliteStore;
use serinus::history::{Commit, Durable, EventKind, EventRow, Housekeeper as _, Record, Recorder as _};
use serinus::outcome::{
    AttemptDetail, AttemptReport, Cause, Exchange, HttpAnswer, HttpDetail, Reason, RunId, RunReport, SpanId, StepReport,
    StepResult, Tick, TraceId, Trigger, Verdict,
};
use serinus::plan::{Bodies, Canary, Retention, Step};

/// Days that runs, those that did not pass, and hours are kept: the defaults.
const KEPT: [u32; 3] = [3, 30, 365];

const DAY: Duration = Duration::from_hours(24);

/// Runs that are handed in at once: fewer than may wait.
const CHUNK: usize = 2_000;

/// As [`KEPT`] says.
pub(crate) fn retention() -> Retention {
    let [passed, others, rollups] = KEPT.map(|days| DAY * days);
    Retention { passed, others, rollups, bodies: Bodies::Failed }
}

/// What is really recorded, and repeated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Pattern {
    /// A day, in which every tenth canary is out for some minutes.
    Day,
    /// An hour, in which as many are out at a time: then a large store is made in minutes, and the same canaries are out each hour.
    Hour,
}

impl Pattern {
    fn hours(self) -> u32 {
        match self {
            Self::Day => 24,
            Self::Hour => 1,
        }
    }

    fn length(self) -> Duration {
        Duration::from_hours(self.hours().into())
    }
}

/// Makes the file of these canaries, whose runs were due at this interval since so many days, and since the last whole day or hour
/// of the pattern. The same seed gives the same runs.
pub(crate) fn fill(
    path: &Path,
    canaries: &[Arc<Canary>],
    (days, pattern): (u32, Pattern),
    every: Duration,
    now: SystemTime,
    seed: u64,
) {
    let mut rng = Rng::with_seed(seed);
    let template = path.with_extension("day");
    let since_epoch = now.duration_since(SystemTime::UNIX_EPOCH).expect("it is later than 1970");
    let length = pattern.length();
    let end = SystemTime::UNIX_EPOCH + Duration::from_secs(since_epoch.as_secs() / length.as_secs() * length.as_secs());
    let outages: Vec<Option<(Duration, Duration)>> = canaries.iter().map(|_| outage(pattern, &mut rng)).collect();

    record(&template, canaries, &outages, (end - length, end), every, &mut rng);
    record(path, canaries, &[], (end, end), every, &mut rng);
    copy(&template, path, days, pattern).expect("the file can be written");
    let hours = (0..days * 24).step_by(6);
    let events = hours.map(|hours| event(canaries, end - Duration::from_hours(hours.into()), &mut rng)).collect();
    record(path, canaries, &outages, (end, now), every, &mut rng);
    let store = SqliteStore::open(path, retention(), now).expect("the store can be opened");
    written(store.commit(Commit { events, ..Commit::default() }));
    assert!(store.close(Duration::from_mins(1)), "everything is written");
    for file in ["day", "day-wal", "day-shm", "day.lock"] {
        // What is not there need not go.
        let _ = std::fs::remove_file(path.with_extension(file));
    }
}

/// The same with the last hour alone, for as many canaries as take too long to make whole days of.
pub(crate) fn fill_hour(path: &Path, canaries: &[Arc<Canary>], every: Duration, now: SystemTime, seed: u64) {
    record(path, canaries, &[], (now - Duration::from_hours(1), now), every, &mut Rng::with_seed(seed));
}

/// When a canary is out, from the pattern's beginning on, and for how long.
fn outage(pattern: Pattern, rng: &mut Rng) -> Option<(Duration, Duration)> {
    let minutes = |from: u64, to: u64, rng: &mut Rng| Duration::from_secs(rng.u64(from * 60..to * 60));
    let hours = pattern.hours();
    (rng.u32(..240 / hours) == 0).then(|| (minutes(0, u64::from(hours) * 60, rng), minutes(5, 40, rng)))
}

/// Records the runs of this time with their hours.
fn record(
    path: &Path,
    canaries: &[Arc<Canary>],
    outages: &[Option<(Duration, Duration)>],
    (from, to): (SystemTime, SystemTime),
    every: Duration,
    rng: &mut Rng,
) {
    let store = SqliteStore::open(path, retention(), to).expect("the store can be opened");
    let mut commit = Commit::default();
    let mut due = from;
    while due < to {
        let at = due.duration_since(from).unwrap_or_default();
        for (canary, outage) in canaries.iter().zip(outages.iter().chain(std::iter::repeat(&None))) {
            let is_out = outage.is_some_and(|(since, length)| (since..since + length).contains(&at));
            commit.runs.push(Record { report: Arc::new(run(canary, due, draw(is_out, rng), rng)), counted: true });
            if commit.runs.len() == CHUNK {
                written(store.commit(std::mem::take(&mut commit)));
            }
        }
        due += every;
    }
    written(store.commit(commit));
    written(store.housekeep(to));
    assert!(store.close(Duration::from_mins(5)), "everything is written");
}

fn written(durable: Durable) {
    durable.blocking_recv().expect("the store writes");
}

/// Copies the day or hour, the oldest copy first, so that numbers ascend with time.
fn copy(template: &Path, into: &Path, days: u32, pattern: Pattern) -> rusqlite::Result<()> {
    let connection = Connection::open(into)?;
    connection.pragma_update(None, "synchronous", "OFF")?;
    connection.execute("ATTACH ? AS day", [template.to_string_lossy()])?;
    let transaction = connection.unchecked_transaction()?;
    for table in ["probes", "canaries", "shapes", "last_ticks", "passes"] {
        transaction.execute(&format!("INSERT INTO main.{table} SELECT * FROM day.{table}"), [])?;
    }
    let runs_of_day: i64 = transaction.query_row("SELECT max(id) FROM day.runs", [], |row| row.get(0))?;
    let a_day = 24 / pattern.hours();
    let [all, failed, hours] = KEPT.map(|days| days * a_day);
    let copies = days * a_day;
    for (number, ago) in (0..copies).rev().enumerate() {
        let hours_ago = i64::from(ago * pattern.hours());
        let first = i64::try_from(number).unwrap_or(i64::MAX) * runs_of_day;
        if ago < failed {
            runs(&transaction, first, hours_ago, ago < all)?;
        }
        if ago < hours {
            transaction.execute(
                "INSERT INTO main.rollups SELECT canary, hour - ?1, passed, failed, errored, missed, blocked, skipped,
                 durations, steps, reasons, ticks, degraded FROM day.rollups",
                [hours_ago],
            )?;
        }
    }
    let before_last = i64::from(copies.saturating_sub(1)) * runs_of_day;
    transaction
        .execute("INSERT OR REPLACE INTO main.marks (name, value) VALUES ('rolled_up', ?)", [before_last + runs_of_day])?;
    transaction.execute("INSERT INTO main.comparisons SELECT run + ?1, before, beside FROM day.comparisons", [before_last])?;
    transaction.commit()
}

/// Copies the runs so many hours back, with numbers after this one; all, or only those that did not pass.
fn runs(connection: &Connection, first: i64, hours_ago: i64, all: bool) -> rusqlite::Result<()> {
    let wanted = if all { "true" } else { "verdict <> 0" };
    // Of its id, a run keeps what is by chance.
    connection.execute(
        &format!(
            "INSERT INTO main.runs (id, canary, probe, due_ms, slot, run_id, late_ms, duration_us, verdict, reason, trace, counted,
             shape, times, degraded) SELECT id + ?1, canary, probe, due_ms - ?2, slot,
             CAST(unhex(printf('%012x', due_ms - ?2)) || substr(run_id, 7) AS BLOB), late_ms, duration_us, verdict, reason, trace,
             counted, shape, times, degraded FROM day.runs WHERE {wanted} ORDER BY id"
        ),
        [first, hours_ago * 3_600_000],
    )?;
    connection.execute(
        &format!(
            "INSERT INTO main.run_details SELECT run + ?1, json FROM day.run_details
             WHERE run IN (SELECT id FROM day.runs WHERE {wanted}) ORDER BY run"
        ),
        [first],
    )?;
    Ok(())
}

/// How a run ends: seldom otherwise than well, unless its canary is out.
fn draw(is_out: bool, rng: &mut Rng) -> (Verdict, Option<Reason>) {
    match rng.u32(..10_000) {
        _ if is_out => (Verdict::Failed, Some(Reason::Timeout)),
        0..10 => (Verdict::Failed, Some(Reason::Expectation)),
        10..15 => (Verdict::Errored, Some(Reason::Stall)),
        15..20 => (Verdict::Missed, Some(Reason::Overload)),
        _ => (Verdict::Passed, None),
    }
}

/// A run through its probe's steps, or up to the last of them.
fn run(canary: &Arc<Canary>, due: SystemTime, (verdict, reason): (Verdict, Option<Reason>), rng: &mut Rng) -> RunReport {
    let cause = reason.map(|reason| Cause {
        reason,
        message: "`json.status == 'activated'` does not hold after 3 attempts".to_owned(),
        step: canary.probe.steps.last().map(|step| Arc::clone(&step.name)),
        subject: None,
        attempts: 3,
        expectation: Some("json.status == 'activated'".to_owned()),
        location: None,
        seen: Vec::new(),
    });
    let mut started = Duration::ZERO;
    let mut steps: Vec<StepReport> = Vec::new();
    for planned in canary.probe.steps.iter().filter(|_| verdict != Verdict::Missed) {
        let made = step(planned, started, rng);
        started += made.duration;
        steps.push(made);
    }
    if let (Some(cause), Some(last)) = (&cause, steps.last_mut()) {
        last.result = StepResult::Failed(cause.clone());
        last.convergence = None;
        let answer = format!("{{\"status\":\"pending\",\"waiting\":\"{}\"}}", "x".repeat(400));
        let exchange = Exchange { response_body: answer, ..Exchange::default() };
        last.attempts = vec![AttemptReport {
            certificate: None,
            span_id: SpanId(rng.u64(..)),
            started: Duration::ZERO,
            duration: last.duration,
            detail: Some(AttemptDetail::Http(HttpDetail { answer: HttpAnswer::default(), exchange: Some(Box::new(exchange)) })),
            failure: Some((cause.reason, cause.message.clone())),
            alike: 2,
        }];
    }
    let due_ms = due.duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| since.as_millis());
    let lateness = Duration::from_millis(rng.u64(..5));
    RunReport {
        run_id: RunId(ulid::Ulid::from_parts(u64::try_from(due_ms).unwrap_or(0), rng.u128(..))),
        canary: Arc::clone(canary),
        trigger: Trigger::Schedule,
        tick: Tick { due, slot: 0, order: 0 },
        started: due + lateness,
        lateness,
        duration: started,
        stalled: Duration::ZERO,
        trace_id: TraceId(rng.u128(..)),
        span_id: SpanId(rng.u64(..)),
        verdict,
        cause,
        steps,
        vars: Vec::new(),
    }
}

fn step(planned: &Step, started: Duration, rng: &mut Rng) -> StepReport {
    let micros = |from: u64, to: u64, rng: &mut Rng| Duration::from_micros(rng.u64(from..to) * rng.u64(1..4));
    let duration = micros(5_000, 60_000, rng);
    let converged = planned.eventually.is_some().then(|| micros(20_000, 800_000, rng));
    StepReport {
        name: Arc::clone(&planned.name),
        span_id: SpanId(rng.u64(..)),
        parent: None,
        device: "main".into(),
        round: None,
        subject: None,
        started,
        duration: duration + converged.unwrap_or_default(),
        stalled: Duration::ZERO,
        convergence: converged,
        convergence_stalled: Duration::ZERO,
        attempts: Vec::new(),
        attempts_made: 1,
        expectations: Vec::new(),
        warnings: Vec::new(),
        captures: Vec::new(),
        result: StepResult::Passed,
        allow_failure: false,
    }
}

/// A deployment, of one probe's target or of everything.
fn event(canaries: &[Arc<Canary>], at: SystemTime, rng: &mut Rng) -> EventRow {
    let at_ms = at.duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| since.as_millis());
    let probe = rng.bool().then(|| rng.choice(canaries)).flatten().map(|canary| canary.probe.name.to_string());
    EventRow {
        id: ulid::Ulid::from_parts(u64::try_from(at_ms).unwrap_or(0), rng.u128(..)).to_string(),
        at_ms: i64::try_from(at_ms).unwrap_or(i64::MAX),
        kind: EventKind::Annotation,
        probe,
        incident: None,
        by: Some("ann".to_owned()),
        what: "deploy".to_owned(),
        text: "version 41 went out".to_owned(),
    }
}
