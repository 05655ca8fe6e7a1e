//! A process that starts again and again.
//!
//! Owns the rule: three starts within 15 minutes without a graceful stop and without a counted run between them. It is well when
//! the process has been alive for 10 minutes with a counted run. The row is written at each start, so that a process that lives
//! for a second is counted too.

use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{Changed, Input, PlanContext, RowKind, RuleEvent, Rules, Run, is_default, row, to_json};
use crate::alert::Moment;
use crate::alert::fact::Level;
use crate::alert::{Fact, FactKey, Scope, State};
use crate::history::{RestoredState, StateRow};

/// This many starts
const STARTS: usize = 3;

/// within this time are too many.
const WITHIN: Duration = Duration::from_mins(15);

/// How long a process must live with a counted run to be well.
const ALIVE: Duration = Duration::from_mins(10);

/// Most starts that are remembered.
const MOST: usize = 20;

/// The name of a process without a region of its own.
const NAMELESS: &str = "serinus";

/// The starts of this process and of those before it.
#[derive(Debug)]
pub(super) struct Restarts {
    process: Arc<str>,
    level: Level,
    /// Starts in a row without a graceful stop and a counted run between them, oldest first; steady.
    starts: Vec<Duration>,
    /// Since when it fails.
    since: Option<Duration>,
    /// When this process started, and the one before it.
    started: Option<Duration>,
    before: Option<Duration>,
    /// Whether this process has had a counted run.
    ran: bool,
    changed: bool,
}

/// Starts as the store keeps them: milliseconds since the epoch.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(default)]
struct RestartsRow {
    #[serde(skip_serializing_if = "is_default")]
    starts: Vec<i64>,
    #[serde(skip_serializing_if = "is_default")]
    since: Option<i64>,
    #[serde(skip_serializing_if = "is_default")]
    last: Option<i64>,
}

impl Default for Restarts {
    fn default() -> Self {
        Self {
            process: NAMELESS.into(),
            level: Level::Page,
            starts: Vec::new(),
            since: None,
            started: None,
            before: None,
            ran: false,
            changed: false,
        }
    }
}

impl Restarts {
    /// When the process before this one started, if that is known.
    pub(super) fn started_before(&self) -> Option<Duration> {
        self.before
    }

    fn started(&mut self, graceful_before: bool, now: Moment, out: &mut Vec<Changed>) {
        if graceful_before {
            self.starts.clear();
        }
        self.starts.retain(|at| now.steady.saturating_sub(*at) <= WITHIN);
        self.starts.push(now.steady);
        let excess = self.starts.len().saturating_sub(MOST);
        self.starts.drain(..excess);
        self.started = Some(now.steady);
        (self.ran, self.changed) = (false, true);
        if self.since.is_none() && self.starts.len() >= STARTS {
            self.since = self.starts.first().copied();
        }
        if self.since.is_some() {
            out.push(Changed::now(self.fact()));
        }
    }

    /// Makes it well if it has lived long enough with a counted run.
    fn look(&mut self, now: Duration, out: &mut Vec<Changed>) {
        if self.since.is_some() && self.alive_at().is_some_and(|at| at <= now) {
            self.since = None;
            self.starts.clear();
            self.changed = true;
            out.push(Changed::now(self.fact()));
        }
    }

    /// When it will have lived for long enough.
    fn alive_at(&self) -> Option<Duration> {
        self.started.filter(|_| self.ran).map(|started| started + ALIVE)
    }

    fn fact(&self) -> Fact {
        let well = Fact::well(FactKey::Restarts(Arc::clone(&self.process)), Scope::Restarts(Arc::clone(&self.process)));
        let Some(since) = self.since else { return well };
        let over = self.starts.last().map_or(Duration::ZERO, |last| last.saturating_sub(since));
        let over = humantime::format_duration(Duration::from_secs(over.as_secs().max(1)));
        Fact {
            state: State::Failing(self.level),
            since,
            region: if &*self.process == NAMELESS { Arc::from("") } else { Arc::clone(&self.process) },
            failed: u32::try_from(self.starts.len()).unwrap_or(u32::MAX),
            words: Some(format!("it started {} times within {over} and made no run that counts", self.starts.len()).into()),
            ..well
        }
    }
}

impl Rules for Restarts {
    fn apply(&mut self, to: &PlanContext<'_>, out: &mut Vec<Changed>) {
        let process = match (&to.alerting.origin, to.plan.regions.as_slice()) {
            (Some(origin), _) => Arc::clone(origin),
            (None, [region]) => Arc::clone(&region.name),
            (None, _) => NAMELESS.into(),
        };
        if process != self.process && self.since.is_some() {
            out.push(Changed::removed(FactKey::Restarts(Arc::clone(&self.process))));
        }
        self.process = process;
        self.level = if to.alerting.blind.page { Level::Page } else { Level::Warn };
    }

    fn run(&mut self, run: &Run<'_>, out: &mut Vec<Changed>) {
        if run.count.failed().is_none() || self.ran {
            return;
        }
        self.ran = true;
        if self.since.is_none() && !self.starts.is_empty() {
            self.starts.clear();
            self.changed = true;
        }
        self.look(run.now.steady, out);
    }

    fn event(&mut self, what: &RuleEvent<'_>, now: Moment, out: &mut Vec<Changed>) {
        if let RuleEvent::Input(Input::Started { graceful_before }) = what {
            self.started(*graceful_before, now, out);
        }
    }

    fn clock(&mut self, now: Moment, out: &mut Vec<Changed>) {
        self.look(now.steady, out);
    }

    fn due(&self) -> Option<Duration> {
        self.since.and(self.alive_at())
    }

    fn facts(&self) -> Vec<Fact> {
        self.since.map(|_| self.fact()).into_iter().collect()
    }

    fn close(&mut self, key: &FactKey, _now: Moment, out: &mut Vec<Changed>) {
        if self.since.is_some() && *key == self.fact().key {
            self.since = None;
            self.starts.clear();
            self.changed = true;
            out.push(Changed::now(self.fact()));
        }
    }

    fn restore(&mut self, row: &RestoredState, now: Moment) -> Result<bool, serde_json::Error> {
        if !RowKind::Restarts.is_of(row) {
            return Ok(false);
        }
        let kept: RestartsRow = serde_json::from_str(&row.json)?;
        self.starts = kept.starts.iter().map(|at| now.steady_of(*at)).collect();
        self.since = kept.since.map(|at| now.steady_of(at));
        self.before = kept.last.map(|at| now.steady_of(at));
        Ok(true)
    }

    fn rows(&self, now: Moment) -> Vec<StateRow> {
        let wall = |at: Option<Duration>| at.map(|at| now.wall_ms_of(at));
        let starts = self.starts.iter().map(|at| now.wall_ms_of(*at)).collect();
        let kept = RestartsRow { starts, since: wall(self.since), last: wall(self.started.or(self.before)) };
        vec![row(RowKind::Restarts, "", Some(to_json(&kept)))]
    }

    fn take_changed(&mut self, now: Moment) -> Vec<StateRow> {
        if std::mem::take(&mut self.changed) { self.rows(now) } else { Vec::new() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::alert::condition::testing::{Harness, named, plan};
    use crate::outcome::Verdict::{Errored, Failed, Passed};
    use crate::plan::AlertPolicy;

    const PAGE: State = State::Failing(Level::Page);

    fn harness() -> Harness {
        Harness::new(plan(vec![named("p", AlertPolicy::default())], &["eu"], &[]))
    }

    fn key() -> FactKey {
        FactKey::Restarts("eu".into())
    }

    fn start(harness: &mut Harness, second: u64, graceful_before: bool) -> State {
        harness.restart(second);
        harness.take(Input::Started { graceful_before }, second);
        harness.state(&key())
    }

    #[test]
    fn three_starts_within_a_quarter_of_an_hour_without_a_stop_or_a_run_between_are_too_many() {
        use State::Well;
        // When it starts (s) and how it ended before; whether a run counts after it (o an errored one).
        for (starts, states) in [
            (vec![(0, false, ' '), (300, false, ' '), (600, false, ' ')], vec![Well, Well, PAGE]),
            (vec![(0, false, ' '), (300, false, 'o'), (900, false, ' ')], vec![Well, Well, PAGE]),
            (vec![(0, false, ' '), (300, false, ' '), (901, false, ' ')], vec![Well, Well, Well]),
            (vec![(0, false, ' '), (300, true, ' '), (600, false, ' ')], vec![Well, Well, Well]),
            (vec![(0, false, ' '), (300, false, 'P'), (600, false, ' ')], vec![Well, Well, Well]),
            (
                vec![(0, false, ' '), (300, false, 'F'), (600, false, ' '), (700, false, ' '), (800, false, ' ')],
                vec![Well, Well, Well, Well, PAGE],
            ),
        ] {
            let mut harness = harness();
            let mut begun = |&(second, graceful, run): &(u64, bool, char)| {
                let state = start(&mut harness, second, graceful);
                match run {
                    'P' => drop(harness.run(0, Passed, second + 1)),
                    'F' => drop(harness.run(0, Failed, second + 1)),
                    'o' => drop(harness.run(0, Errored, second + 1)),
                    _ => {}
                }
                state
            };
            assert_eq!(starts.iter().map(&mut begun).collect::<Vec<_>>(), states, "{starts:?}");
        }
    }

    #[test]
    fn it_is_well_when_it_has_lived_for_ten_minutes_with_a_counted_run() {
        let failing = || {
            let mut harness = harness();
            for second in [0, 10, 20] {
                start(&mut harness, second, false);
            }
            assert_eq!(harness.state(&key()), PAGE);
            harness
        };
        let mut lives = failing();
        lives.run(0, Passed, 60);
        lives.clock(20 + 599);
        assert_eq!(lives.state(&key()), PAGE);
        lives.clock(20 + 600);
        assert_eq!(lives.state(&key()), State::Well);
        let mut late = failing();
        late.clock(10_000);
        assert_eq!(late.state(&key()), PAGE, "without a run that counts it does nothing");
        late.run(0, Passed, 10_001);
        assert_eq!(late.state(&key()), State::Well);
        let mut again = failing();
        again.run(0, Passed, 60);
        assert_eq!(start(&mut again, 70, true), PAGE, "however it was stopped");
        again.clock(10_000);
        assert_eq!(again.state(&key()), PAGE);
    }

    #[test]
    fn it_says_how_often_it_started() {
        let mut harness = harness();
        for second in [0, 100, 200, 300] {
            start(&mut harness, second, false);
        }
        let fact = &harness.facts[&key()];
        assert_eq!(fact.words.as_deref(), Some("it started 4 times within 5m and made no run that counts"));
        assert_eq!((fact.scope.clone(), fact.failed), (Scope::Restarts("eu".into()), 4));
    }
}
