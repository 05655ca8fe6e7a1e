//! The rule *needs*: which failing members are explained by failures of others.
//!
//! A probe that is needed is a *root*, and a probe that needs it is its *dependent*. A dependent's member is explained while
//! there is evidence: a root's canary of the same region, with the same value for every shared matrix key, failed its last
//! counted run lately, and either a waking channel took a ring that covers it or it is explained itself. This module tells
//! nobody; a member that is neither explained nor waiting is owed like any other.
//!
//! - `groups`: the groups of root canaries that can explain each dependent, made once for a plan.
//! - `roots`: the state of the roots' canaries, and who is to be judged again when it changes.
//! - `explanation`: one member's explanation over time, stored with the member.
//!
//! The caller reports everything known of roots before the first judgement, at a start and after each new plan. Then it reports
//! each run to [`Roots::ran`], which ignores other canaries, and each change of a root's fact, mute or cover to
//! [`Roots::set_state`]. It calls [`judge`] for a canary or `across` member when its fact changes, after a new plan, when
//! [`Roots::take_touched`] names it, and when its `again` comes. What a judgement touches is judged at once; this ends, since no
//! probe needs itself. A new kind of member that can be explained is an arm of `Roots::required`.

mod explanation;
mod groups;
mod roots;

use std::sync::Arc;
use std::time::Duration;

use crate::alert::Moment;
use crate::plan::CanaryId;

pub use explanation::Explanation;
use roots::Evidence;
pub use roots::{RootState, Roots};

use super::Fact;
use explanation::JudgeInput;

/// Whether something explains a failing member.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Explains {
    /// Nothing does.
    #[default]
    No,
    /// A root may explain it; the member waits until then at most.
    Waiting(Duration),
    /// These probes do.
    Explained(Vec<Arc<str>>),
}

/// What has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ExplanationEnd {
    /// The wait, without evidence: the member is owed unless its episode was told already.
    Wait,
    /// The explanation, by the member's own failures: a new episode begins.
    Explanation,
}

/// What follows for a member.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Judgement {
    /// How it stands.
    pub explains: Explains,
    /// What has ended by this.
    pub ended: Option<ExplanationEnd>,
    /// Roots' canaries whose next run is to be brought forward.
    pub ask: Vec<CanaryId>,
    /// When to judge it again though nothing happens; steady.
    pub again: Option<Duration>,
}

/// Judges a member by its fact, whether or not it still fails.
pub fn judge(kept: &mut Explanation, fact: &Fact, roots: &mut Roots, now: Moment) -> Judgement {
    if fact.level().is_none() {
        *kept = Explanation::default();
        roots.forget(&fact.key, now);
        return Judgement { explains: Explains::No, ended: None, ask: Vec::new(), again: None };
    }
    let required = roots.required(fact);
    if *kept == Explanation::default() && required.iter().all(Vec::is_empty) {
        return Judgement { explains: Explains::No, ended: None, ask: Vec::new(), again: None };
    }
    let evidence = roots.evidence(&required, now);
    let since = fact.since.min(now.steady);
    let (explains, ended) = kept.step(&JudgeInput {
        evidence: evidence.as_ref(),
        lost: roots.lost(&required, now),
        may_answer: evidence.is_none() && kept.waits() && roots.may_answer(&required, since, now),
        last_failed: fact.last_failed,
        failures: roots.failures(fact),
        at: now.steady,
    });
    let (ask, ask_again) = match (&explains, &evidence) {
        (Explains::Waiting(_), _) => roots.ask_waiting(&required, since, now),
        (Explains::Explained(_), Some(evidence)) => roots.ask_again(evidence, now),
        (Explains::No | Explains::Explained(_), _) => (Vec::new(), None),
    };
    roots.list(&fact.key, &required.concat(), matches!(explains, Explains::Waiting(_)));
    roots.set_explained(&fact.key, kept.has_evidence(), now);
    Judgement { explains, ended, ask, again: kept.due().into_iter().chain(ask_again).min() }
}

#[cfg(test)]
mod tests;
