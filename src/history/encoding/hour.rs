//! An hour of a canary in few bytes: its counted runs by verdict and reason, how far they came and how long that took, and the
//! verdict of each tick.
//!
//! Runs are counted in the order of writing. Hours can be added to each other, so that an hour may be counted in several parts.
//! The bytes are stored: what a number stands for never changes, and a new reason goes to the end of [`REASONS`].

use std::collections::BTreeMap;

use super::detail::{StepEnd, StepTime};
use super::sketch::Sketch;
use super::varint;
use crate::history::{StepHour, TickView};
use crate::outcome::{Reason, SloCount, Verdict};

/// Names of steps that are counted in an hour; loops with names of their own may make many more.
const NAMES: usize = 100;

/// Reasons by their numbers, from 1.
const REASONS: [&str; 27] = [
    "expectation",
    "not_evaluable",
    "empty",
    "subject",
    "contract",
    "deadline",
    "timeout",
    "dns",
    "connect",
    "tls",
    "protocol",
    "redirects",
    "response_too_large",
    "guard",
    "secret",
    "self_check",
    "stall",
    "resources",
    "overlap",
    "overload",
    "slept",
    "down",
    "crashed",
    "shutdown",
    "maintenance",
    "paused",
    "internal",
];

/// How a verdict is written. Never changed: files have it.
pub(in crate::history) fn code(verdict: Verdict) -> u8 {
    match verdict {
        Verdict::Passed => 0,
        Verdict::Failed => 1,
        Verdict::Errored => 2,
        Verdict::Missed => 3,
        Verdict::Blocked => 4,
        Verdict::Skipped => 5,
    }
}

/// Back from what [`code`] gave.
pub(in crate::history) fn verdict(number: u64) -> Option<Verdict> {
    Verdict::ALL.into_iter().find(|each| u64::from(code(*each)) == number)
}

/// What is counted of a run.
#[derive(Debug)]
pub(in crate::history) struct CountedRun<'a> {
    pub(in crate::history) due_ms: i64,
    pub(in crate::history) verdict: Verdict,
    pub(in crate::history) reason: Option<Reason>,
    pub(in crate::history) degraded: bool,
    pub(in crate::history) duration_us: u64,
    /// The names of its steps, and as many times.
    pub(in crate::history) names: &'a [String],
    pub(in crate::history) times: &'a [StepTime],
}

/// An hour of a canary.
#[derive(Debug, Clone, Default, PartialEq)]
pub(in crate::history) struct Hour {
    /// Runs, each in the place of its verdict's [`code`].
    pub(in crate::history) verdicts: [u64; Verdict::ALL.len()],
    /// Passed runs that are degraded.
    pub(in crate::history) degraded: u64,
    /// Durations of the passed runs.
    pub(in crate::history) durations: Sketch,
    pub(in crate::history) steps: Vec<StepHour>,
    pub(in crate::history) reasons: BTreeMap<String, u64>,
    pub(in crate::history) ticks: Vec<TickView>,
}

impl Hour {
    /// Counts a run.
    pub(in crate::history) fn count(&mut self, run: &CountedRun<'_>) {
        let &CountedRun { due_ms, verdict, reason, degraded, duration_us, names, times } = run;
        self.verdicts[usize::from(code(verdict))] += 1;
        if verdict == Verdict::Passed {
            self.durations.add(duration_us);
            self.degraded += u64::from(degraded);
        }
        if let Some(reason) = reason {
            *self.reasons.entry(reason.as_str().to_owned()).or_default() += 1;
        }
        self.ticks.push(TickView { due_ms, verdict, reason });
        // Of a run that the prober itself spoilt, nothing is known of the target.
        if verdict.slo() != SloCount::Not {
            self.count_steps(names, times);
        }
    }

    /// Counts each name once a run, however often a loop made the step, and its duration each time.
    fn count_steps(&mut self, names: &[String], times: &[StepTime]) {
        let mut seen: Vec<(usize, StepEnd)> = Vec::with_capacity(times.len());
        for (name, time) in names.iter().zip(times) {
            if time.end == StepEnd::NotNeeded {
                continue;
            }
            let Some(at) = self.step(name) else { continue };
            let step = &mut self.steps[at];
            if time.end == StepEnd::Passed {
                step.durations.add(time.duration_us);
            }
            if let Some(convergence) = time.convergence_us {
                step.convergence.add(convergence);
            }
            match seen.iter_mut().find(|(known, _)| *known == at) {
                Some((_, worst)) => *worst = (*worst).max(time.end),
                None => seen.push((at, time.end)),
            }
        }
        for (at, worst) in seen {
            let step = &mut self.steps[at];
            step.reached += 1;
            step.failed += u64::from(matches!(worst, StepEnd::Failed | StepEnd::Lost));
            step.lost += u64::from(worst == StepEnd::Lost);
        }
    }

    /// Where a step is counted; nowhere if there are too many.
    fn step(&mut self, name: &str) -> Option<usize> {
        let known = self.steps.iter().position(|step| step.name == name);
        known.or_else(|| {
            (self.steps.len() < NAMES).then(|| {
                self.steps.push(StepHour { name: name.to_owned(), ..StepHour::default() });
                self.steps.len() - 1
            })
        })
    }

    /// Adds what came later.
    pub(in crate::history) fn merge(&mut self, later: Self) {
        self.verdicts.iter_mut().zip(later.verdicts).for_each(|(count, more)| *count += more);
        self.degraded += later.degraded;
        self.durations.merge(&later.durations);
        for step in later.steps {
            let Some(at) = self.step(&step.name) else { continue };
            let known = &mut self.steps[at];
            known.reached += step.reached;
            known.failed += step.failed;
            known.lost += step.lost;
            known.durations.merge(&step.durations);
            known.convergence.merge(&step.convergence);
        }
        for (reason, count) in later.reasons {
            *self.reasons.entry(reason).or_default() += count;
        }
        self.ticks.extend(later.ticks);
    }
}

/// Steps as bytes.
pub(in crate::history) fn steps_to_bytes(steps: &[StepHour]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for step in steps {
        put_bytes(&mut bytes, step.name.as_bytes());
        for count in [step.reached, step.failed, step.lost] {
            varint::put(&mut bytes, count);
        }
        put_bytes(&mut bytes, &step.durations.to_bytes());
        put_bytes(&mut bytes, &step.convergence.to_bytes());
    }
    bytes
}

/// Back from bytes; what is cut off is lost.
pub(in crate::history) fn steps_from_bytes(mut bytes: &[u8]) -> Vec<StepHour> {
    std::iter::from_fn(|| {
        let name = String::from_utf8_lossy(take_bytes(&mut bytes)?).into_owned();
        let mut count = || varint::take(&mut bytes);
        let (reached, failed, lost) = (count()?, count()?, count()?);
        let durations = Sketch::from_bytes(take_bytes(&mut bytes)?);
        let convergence = Sketch::from_bytes(take_bytes(&mut bytes)?);
        Some(StepHour { name, reached, failed, lost, durations, convergence })
    })
    .collect()
}

fn put_bytes(bytes: &mut Vec<u8>, more: &[u8]) {
    varint::put(bytes, more.len() as u64);
    bytes.extend_from_slice(more);
}

fn take_bytes<'a>(bytes: &mut &'a [u8]) -> Option<&'a [u8]> {
    let length = usize::try_from(varint::take(bytes)?).ok()?;
    let (taken, rest) = bytes.split_at_checked(length)?;
    *bytes = rest;
    Some(taken)
}

/// Ticks as bytes, run-length encoded in their order: the time since the tick before, verdict and reason, and how many ticks in a
/// row have the same. Ticks that pass at a steady pace take a few bytes an hour.
pub(in crate::history) fn ticks_to_bytes(ticks: &[TickView], from_ms: i64) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut last_ms = from_ms;
    let mut row: Option<(u64, u64, u64)> = None;
    for tick in ticks {
        let after = zigzag(tick.due_ms.saturating_sub(last_ms));
        last_ms = tick.due_ms;
        let what = tick_code(tick);
        match &mut row {
            Some((same_after, same, count)) if (*same_after, *same) == (after, what) => *count += 1,
            _ => {
                put_row(&mut bytes, row);
                row = Some((after, what, 1));
            }
        }
    }
    put_row(&mut bytes, row);
    bytes
}

fn put_row(bytes: &mut Vec<u8>, row: Option<(u64, u64, u64)>) {
    if let Some((after, what, count)) = row {
        for number in [after, what, count] {
            varint::put(bytes, number);
        }
    }
}

/// Back from bytes, at most so many; what is cut off is lost.
pub(in crate::history) fn ticks_from_bytes(mut bytes: &[u8], from_ms: i64, most: usize) -> Vec<TickView> {
    let mut ticks = Vec::new();
    let mut due_ms = from_ms;
    let mut next = || varint::take(&mut bytes);
    while let (Some(after), Some(what), Some(count)) = (next(), next(), next()) {
        for _ in 0..count {
            if ticks.len() == most {
                return ticks;
            }
            due_ms = due_ms.saturating_add(unzigzag(after));
            let verdicts = Verdict::ALL.len() as u64;
            let Some(verdict) = verdict(what % verdicts) else { continue };
            let reason = (what / verdicts).checked_sub(1).and_then(|at| REASONS.get(usize::try_from(at).ok()?));
            ticks.push(TickView { due_ms, verdict, reason: reason.and_then(|word| word.parse().ok()) });
        }
    }
    ticks
}

fn tick_code(tick: &TickView) -> u64 {
    let number = |reason: Reason| REASONS.iter().position(|word| *word == reason.as_str()).map_or(0, |at| at as u64 + 1);
    tick.reason.map_or(0, number) * Verdict::ALL.len() as u64 + u64::from(code(tick.verdict))
}

/// Zigzag encoding: a small number of either sign becomes a small unsigned one.
#[expect(clippy::cast_sign_loss, reason = "the sign is in the lowest bit")]
fn zigzag(number: i64) -> u64 {
    ((number << 1) ^ (number >> 63)) as u64
}

#[expect(clippy::cast_possible_wrap, reason = "the lowest bit is the sign")]
fn unzigzag(number: u64) -> i64 {
    (number >> 1) as i64 ^ -((number & 1) as i64)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn tick() -> impl Strategy<Value = TickView> {
        let verdict = prop::sample::select(Verdict::ALL.to_vec());
        let reason = prop::option::of(prop::sample::select(Reason::ALL.to_vec()));
        (0..4_000_000_000_000_i64, verdict, reason).prop_map(|(due_ms, verdict, reason)| TickView { due_ms, verdict, reason })
    }

    #[test]
    fn every_reason_has_a_number() {
        for reason in Reason::ALL {
            assert!(REASONS.contains(&reason.as_str()), "add `{reason}` at the end");
        }
    }

    #[test]
    fn an_hour_of_passes_takes_a_few_bytes() {
        let pass = |minute: i64| TickView { due_ms: 7_000 + minute * 60_000, verdict: Verdict::Passed, reason: None };
        let ticks: Vec<TickView> = (0..60).map(pass).collect();
        let bytes = ticks_to_bytes(&ticks, 0);
        assert!(bytes.len() <= 12, "{}", bytes.len());
        assert_eq!(ticks_from_bytes(&bytes, 0, 100), ticks);
    }

    proptest! {
        #[test]
        fn ticks_come_back_in_whatever_order_they_came(ticks in prop::collection::vec(tick(), 0..50), from_ms in 0..4_000_000_000_000_i64) {
            prop_assert_eq!(ticks_from_bytes(&ticks_to_bytes(&ticks, from_ms), from_ms, usize::MAX), ticks);
        }

        #[test]
        fn foreign_bytes_do_no_harm(bytes: Vec<u8>) {
            let _ = ticks_from_bytes(&bytes, 0, 1_000);
            let _ = steps_from_bytes(&bytes);
        }

        #[test]
        fn steps_come_back(names in prop::collection::vec("[a-zé ]{0,9}", 0..5), micros in 1_u64..9_000_000) {
            let mut durations = Sketch::default();
            durations.add(micros);
            let step = |name: String| StepHour { name, reached: micros, failed: 2, lost: 1, durations: durations.clone(), convergence: Sketch::default() };
            let steps: Vec<StepHour> = names.into_iter().map(step).collect();
            prop_assert_eq!(steps_from_bytes(&steps_to_bytes(&steps)), steps);
        }
    }
}
