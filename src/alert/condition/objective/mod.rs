//! A probe's objectives over time: how fast its error budget burns, and that of degraded runs, and whether its latency keeps its
//! bounds.
//!
//! All count runs into buckets of time, so their memory is bounded for any window. A bad run raises them; they end with their
//! short window, also by time alone. They count twice: all runs, and all but those that other members tell of. The second count
//! says whether they would hold alone. They know nothing of incidents. A new objective is a file beside these and a
//! variant of [`Objective`], whose order is the order in which a title names several.

mod budget;
mod burn;
mod excluded;
mod latency;
mod tally;

use std::sync::Arc;
use std::time::Duration;

use super::{Changed, level, objective_key};
use crate::alert::fact::{Level, Objective};
use crate::alert::{Fact, Scope, State};
use crate::base::time::whole_millis;
use crate::plan::Probe;
pub(super) use budget::Budget;
pub use budget::Burn;
pub(super) use burn::BurnRate;
pub(super) use excluded::RunRole;
pub(super) use latency::Latency;
pub use latency::{Lag, Measure, samples as latency_samples};

/// Natural logarithm of how improbable a count must be: one in a million.
const IMPROBABLE: f64 = 13.815_510_557_964_274;

/// A mean must lie this many standard errors above its bound to be as improbable.
const STANDARD_ERRORS: f64 = 5.0;

/// With fewer runs nothing is decided.
const LEAST_RUNS: u32 = 10;

/// The count that independent events, `expected` of them on average, exceed with a probability of at most one in a million:
/// Bernstein's inequality, P(count ≥ expected + t) ≤ exp(−t² / (2·(expected + t/3))), solved for t. At least 9.2, so that a
/// handful of events is never evidence.
fn by_chance(expected: f64) -> f64 {
    let third = IMPROBABLE / 3.0;
    expected + third + (third * third + 2.0 * IMPROBABLE * expected).sqrt()
}

/// The last emitted state of an objective, so that the same state is not emitted with each run.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
struct Shown {
    state: State,
    holds_alone: bool,
}

impl Shown {
    /// Emits a fact if the state changed, or if there is `more` to say while it is not well.
    fn tell(&mut self, fact: impl FnOnce() -> Fact, now: Self, more: bool, out: &mut Vec<Changed>) {
        let goes_on = more && now.state != State::Well;
        if now.state == self.state && now.holds_alone == self.holds_alone && !goes_on {
            return;
        }
        *self = now;
        out.push(Changed::now(fact()));
    }
}

/// The state of an objective at this level; at most warn for a probe that does not page.
fn state(probe: &Probe, held: Option<Level>) -> State {
    held.map_or(State::Well, |held| State::Failing(held.min(level(probe))))
}

/// A fact about an objective, without what was seen.
fn base(probe: &Probe, objective: Objective, interval: Duration) -> Fact {
    Fact { interval, ..Fact::well(objective_key(probe, objective), Scope::Probe(Arc::clone(&probe.name))) }
}

fn whole(time: Duration) -> humantime::FormattedDuration {
    humantime::format_duration(Duration::from_secs(time.as_secs().max(1)))
}

fn fine(time: Duration) -> humantime::FormattedDuration {
    humantime::format_duration(whole_millis(time))
}

#[cfg(test)]
mod tests;
