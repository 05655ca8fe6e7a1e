//! Which failing members something else explains: the rule *needs*.
//!
//! A member of a probe that needs another (a *root*; what needs it is its *dependent*) is explained while there is evidence: a root's
//! canary of the same region and of the same value for every matrix key that both have failed its last counted run lately, and a
//! waking channel took a ring that covers it, or evidence explains it in its turn. Nothing here tells anybody or remembers what was
//! told; a member that is not explained and does not wait is owed as any other is.
//!
//! - `places`: where dependents and roots meet, made once for a plan.
//! - `roots`: how the roots' canaries stand, and who is to be judged again when that changes.
//! - `explanation`: one member's explanation over time, kept with the member.
//!
//! How it is driven. Before the first judgement, at a start and after each new plan, everything known of roots is said
//! ([`Roots::ran`], [`Roots::stands`]). Then each run
//! of a canary is said to [`Roots::ran`] (of others than roots that is one look), each change of a root's fact, mute or cover to
//! [`Roots::stands`]; each failing canary and `across` is judged by [`judge`] when its own fact changes, after a new plan, when [`Roots::take_touched`]
//! names it, and when its `again` comes, also when it does not fail any more. What a judgement touches is judged in the same go: it
//! ends, since nothing needs itself. One more kind of member that can be explained is an arm of `Roots::spots`.

mod explanation;
mod places;
mod roots;

use std::sync::Arc;
use std::time::Duration;

use crate::alert::Moment;
use crate::plan::CanaryId;

pub use explanation::Explanation;
use roots::Evidence;
pub use roots::{Roots, Stands};

use super::Fact;
use explanation::Now;

/// Whether something explains a failing member.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Explains {
    /// Nothing does.
    #[default]
    No,
    /// A root may; it is waited for at most until then.
    Waiting(Duration),
    /// These probes do.
    Explained(Vec<Arc<str>>),
}

/// What has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    /// The wait, without evidence: the member is owed, if nobody was told of its episode yet.
    Wait,
    /// The explanation, by the member's own failures: a new episode begins.
    Explanation,
}

/// What follows for a member.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Judged {
    /// How it stands.
    pub explains: Explains,
    /// What has ended by this.
    pub ended: Option<Ended>,
    /// Roots' canaries whose next run is to be brought forward.
    pub ask: Vec<CanaryId>,
    /// When to judge it again though nothing happens; steady.
    pub again: Option<Duration>,
}

/// Judges a member by its fact, also one that does not fail any more.
pub fn judge(kept: &mut Explanation, fact: &Fact, roots: &mut Roots, now: Moment) -> Judged {
    if fact.level().is_none() {
        *kept = Explanation::default();
        roots.forget(&fact.key, now);
        return Judged { explains: Explains::No, ended: None, ask: Vec::new(), again: None };
    }
    let spots = roots.spots(fact);
    if *kept == Explanation::default() && spots.iter().all(Vec::is_empty) {
        return Judged { explains: Explains::No, ended: None, ask: Vec::new(), again: None };
    }
    let evidence = roots.evidence(&spots, now);
    let since = fact.since.min(now.steady);
    let (explains, ended) = kept.step(&Now {
        evidence: evidence.as_ref(),
        lost: roots.lost(&spots, now),
        may_answer: evidence.is_none() && kept.waits() && roots.may_answer(&spots, since, now),
        last_failed: fact.last_failed,
        failures: roots.failures(fact),
        at: now.steady,
    });
    let (ask, ask_again) = match (&explains, &evidence) {
        (Explains::Waiting(_), _) => roots.ask_waiting(&spots, since, now),
        (Explains::Explained(_), Some(evidence)) => roots.ask_again(evidence, now),
        (Explains::No | Explains::Explained(_), _) => (Vec::new(), None),
    };
    roots.list(&fact.key, &spots.concat(), matches!(explains, Explains::Waiting(_)));
    roots.set_explained(&fact.key, kept.has_evidence(), now);
    Judged { explains, ended, ask, again: kept.due().into_iter().chain(ask_again).min() }
}

#[cfg(test)]
mod tests;
