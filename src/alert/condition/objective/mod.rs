//! A probe's objectives over time: how fast its error budget burns, and whether its latency keeps its bounds.
//!
//! Both count runs into buckets of time, so that their memory is bounded whatever the window is. A bad run raises them; they end
//! with their short window, which also time alone does. They count everything twice: as it is, and without what others are told
//! for, so that it is known whether they would also hold alone. They know nothing of incidents. One more objective is a file
//! beside these.

mod apart;
mod burn;
mod latency;
mod tally;

use std::sync::Arc;
use std::time::Duration;

use super::{Changed, level, objective_key};
use crate::alert::fact::{Level, Objective};
use crate::alert::{Fact, Scope, State};
use crate::base::time::whole_millis;
use crate::plan::Probe;
pub(super) use apart::Part;
pub use burn::Burn;
pub(super) use burn::BurnRate;
pub(super) use latency::Latency;
pub use latency::{Lag, Measure};

/// What was told of an objective last, so that what is the same is not told again with each run.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
struct Shown {
    state: State,
    holds_alone: bool,
}

impl Shown {
    /// Tells of an objective where that is news, or where there is `more` to say of what goes on.
    fn tell(&mut self, fact: impl FnOnce() -> Fact, now: Self, more: bool, out: &mut Vec<Changed>) {
        let goes_on = more && now.state != State::Well;
        if now.state == self.state && now.holds_alone == self.holds_alone && !goes_on {
            return;
        }
        *self = now;
        out.push(Changed::now(fact()));
    }
}

/// The state of an objective of which this is held; nobody is woken for a probe that does not page.
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
