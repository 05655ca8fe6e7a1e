//! The true state of each canary, by the plainest reading of the rules: two failed runs in a row fail it, and two passes in a row
//! that span two intervals settle it. It shares no code with the conditions, so that it can contradict them.
//!
//! Times are those of the environment, since the epoch. Setting a clock does not change them.

use std::collections::BTreeMap;
use std::time::Duration;

/// A member that was well for so long begins a new episode.
const SAME_EPISODE: Duration = Duration::from_mins(10);

/// The state of a canary.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum CanaryState {
    #[default]
    Well,
    Suspect,
    Failing,
}

/// The truth about a canary from a moment on.
#[derive(Debug, Clone, Default, PartialEq)]
#[expect(clippy::struct_excessive_bools, reason = "each is a plain sentence about a canary")]
pub(super) struct CanaryTruth {
    pub(super) state: CanaryState,
    /// When the first failed run of its episode started.
    pub(super) episode: Duration,
    /// When the episode first crossed its rule.
    pub(super) crossed: Option<Duration>,
    /// Since when somebody ought to be told of the episode: it crossed, or failed again after it was muted.
    pub(super) owed: Option<Duration>,
    /// Of its last counted run: whether it failed, and when it started.
    pub(super) last: Option<(bool, Duration)>,
    /// When its last failed run started.
    pub(super) last_failed: Duration,
    pub(super) muted: bool,
    /// It is in the plan.
    pub(super) watched: bool,
    /// Ticks in a row that gave no counted run because it is blocked.
    pub(super) blocked: u32,
    failed: u32,
    passed: u32,
    last_failed_tick: Duration,
    well_since: Option<Duration>,
    acknowledged: bool,
    /// It failed while it was muted, and has not failed since.
    waits: bool,
    /// Until when it was muted last.
    unmuted: Duration,
}

/// A run that counted.
#[derive(Debug, Clone, Copy)]
pub(super) struct Ran {
    pub(super) tick: Duration,
    pub(super) started: Duration,
    pub(super) ended: Duration,
    pub(super) failed: bool,
    /// It was brought forward, since something that needs it fails: one such failure is enough.
    pub(super) needed: bool,
}

/// A canary with the whole history of its state.
#[derive(Debug, Clone)]
pub(super) struct Canary {
    pub(super) name: String,
    pub(super) probe: String,
    pub(super) region: String,
    interval: Duration,
    known: Vec<(Duration, CanaryTruth)>,
}

impl Canary {
    /// The truth at a moment.
    pub(super) fn at(&self, time: Duration) -> &CanaryTruth {
        let after = self.known.partition_point(|(at, _)| *at <= time);
        &self.known[after.saturating_sub(1)].1
    }

    /// All states, each from its moment on.
    pub(super) fn all(&self) -> &[(Duration, CanaryTruth)] {
        &self.known
    }
}

/// What is so.
#[derive(Debug, Clone, Default)]
pub(super) struct Truth {
    pub(super) canaries: BTreeMap<String, Canary>,
}

impl Truth {
    pub(super) fn add(&mut self, name: &str, probe: &str, region: &str, interval: Duration) {
        let known = vec![(Duration::ZERO, CanaryTruth { watched: true, ..CanaryTruth::default() })];
        let canary = Canary { name: name.to_owned(), probe: probe.to_owned(), region: region.to_owned(), interval, known };
        self.canaries.insert(name.to_owned(), canary);
    }

    /// A counted run ended.
    pub(super) fn ran(&mut self, name: &str, run: Ran) {
        let open = self.canaries.get(name).is_some_and(|canary| self.fails(&canary.probe, run.ended));
        let Some(canary) = self.canaries.get_mut(name) else { return };
        let interval = canary.interval;
        canary.becomes(run.ended, |known| known.ran(run, interval, open));
    }

    /// A tick gave no counted run, because the canary is blocked.
    pub(super) fn blocked(&mut self, name: &str, at: Duration) {
        if let Some(canary) = self.canaries.get_mut(name) {
            canary.becomes(at, |known| known.blocked += 1);
        }
    }

    /// Canaries are muted from now on, or not any more.
    pub(super) fn mute(&mut self, which: impl Fn(&Canary) -> bool, muted: bool, at: Duration) {
        for canary in self.canaries.values_mut().filter(|canary| which(canary)) {
            canary.becomes(at, |known| {
                if known.muted && !muted && known.state != CanaryState::Well {
                    (known.waits, known.unmuted) = (true, at);
                }
                known.muted = muted;
                if muted {
                    known.owed = None;
                }
            });
        }
    }

    /// These canaries were acknowledged.
    pub(super) fn acknowledge(&mut self, names: &std::collections::BTreeSet<String>, at: Duration) {
        for (_, canary) in self.canaries.iter_mut().filter(|(name, _)| names.contains(*name)) {
            canary.becomes(at, |known| {
                known.acknowledged |= known.state != CanaryState::Well;
                known.owed = None;
            });
        }
    }

    /// Canaries of a probe are in the plan from now on, or not any more. One that is not is forgotten.
    pub(super) fn watch(&mut self, probe: &str, watched: bool, at: Duration) {
        for canary in self.canaries.values_mut().filter(|canary| canary.probe == probe) {
            canary.becomes(at, |known| *known = CanaryTruth { watched, muted: known.muted, ..CanaryTruth::default() });
        }
    }

    /// The store is lost.
    pub(super) fn forget(&mut self, at: Duration) {
        for canary in self.canaries.values_mut() {
            canary.becomes(at, |known| {
                *known = CanaryTruth { watched: known.watched, muted: known.muted, ..CanaryTruth::default() }
            });
        }
    }

    /// Whether a canary of the probe fails.
    pub(super) fn fails(&self, probe: &str, at: Duration) -> bool {
        self.of(probe).any(|canary| canary.at(at).state == CanaryState::Failing)
    }

    /// The canaries of a probe.
    pub(super) fn of<'a>(&'a self, probe: &'a str) -> impl Iterator<Item = &'a Canary> {
        self.canaries.values().filter(move |canary| canary.probe == probe)
    }
}

impl Canary {
    fn becomes(&mut self, at: Duration, change: impl FnOnce(&mut CanaryTruth)) {
        let mut known = self.known.last().map(|(_, known)| known.clone()).unwrap_or_default();
        change(&mut known);
        self.known.push((at, known));
    }
}

impl CanaryTruth {
    fn ran(&mut self, run: Ran, interval: Duration, incident_is_open: bool) {
        self.last = Some((run.failed, run.started));
        self.blocked = 0;
        if run.failed { self.fails(run, incident_is_open) } else { self.passes(run, interval) }
    }

    fn fails(&mut self, run: Ran, incident_is_open: bool) {
        (self.failed, self.passed) = (self.failed + 1, 0);
        (self.last_failed, self.last_failed_tick) = (run.started, run.tick);
        if self.state == CanaryState::Well {
            let short = self.well_since.is_some_and(|since| run.ended.saturating_sub(since) < SAME_EPISODE);
            // A suspect was no member.
            let goes_on = short && incident_is_open && !self.acknowledged && self.crossed.is_some();
            if !goes_on {
                (self.episode, self.crossed) = (run.started, None);
            }
            self.acknowledged = false;
            self.state = CanaryState::Suspect;
            self.failed = 1;
        }
        let crosses = self.state == CanaryState::Suspect && (self.failed >= 2 || run.needed);
        if crosses {
            self.state = CanaryState::Failing;
            self.crossed.get_or_insert(run.ended);
        }
        // A run that started before is not the first after it.
        let again = self.waits && !self.muted && run.started >= self.unmuted;
        if again {
            (self.waits, self.episode, self.acknowledged) = (false, run.started, false);
            self.crossed = Some(run.ended);
        }
        if self.state == CanaryState::Failing && (crosses || again) && !self.muted && !self.acknowledged {
            self.owed = Some(run.ended);
        }
    }

    fn passes(&mut self, run: Ran, interval: Duration) {
        if self.state == CanaryState::Well {
            return;
        }
        self.passed += 1;
        if self.state == CanaryState::Suspect {
            self.failed = 0;
        }
        if self.passed >= 2 && run.tick >= self.last_failed_tick + interval * 2 {
            (self.state, self.failed, self.passed) = (CanaryState::Well, 0, 0);
            (self.owed, self.well_since, self.waits) = (None, Some(run.ended), false);
        }
    }
}
