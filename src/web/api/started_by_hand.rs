//! Runs that somebody wants now: each is started by the process that probes its region, and the answers are put together.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::base::time::{epoch_ms, now_ms};
use crate::fleet::{Prober, Roster};
use crate::history::LeaseName;
use crate::plan::{Canary, CanaryId};
use crate::web::model::words;

use super::audit::Action;
use super::requests::Verb;
use super::{Api, ApiState, Failure};

/// Canaries of one process that are to run now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Start {
    /// Their ids.
    pub(super) canaries: Vec<String>,
    /// Who wants that.
    pub(super) by: String,
    /// What he called them; absent where whoever asks writes it down himself.
    pub(super) target: Option<String>,
}

/// Whether a canary runs now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct StartedRun {
    /// Its id.
    pub(super) canary: String,
    /// Why it does not, if it does not.
    pub(super) why: Option<String>,
    /// When its next tick is due, milliseconds since the epoch.
    pub(super) next_tick_ms: Option<i64>,
}

/// What was started, by the clocks of those who did.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct StartedRuns {
    /// The canaries.
    pub(super) runs: Vec<StartedRun>,
    /// The runs are due from this moment on, milliseconds since the epoch.
    pub(super) since_ms: i64,
    /// Until this one.
    pub(super) until_ms: i64,
}

impl StartedRuns {
    /// Together with those of another process.
    fn join(&mut self, other: Self) {
        self.runs.extend(other.runs);
        self.since_ms = self.since_ms.min(other.since_ms);
        self.until_ms = self.until_ms.max(other.until_ms);
    }
}

/// Starts runs of canaries that this process probes, and writes that down.
pub(super) fn start_here(api: &ApiState, start: &Start) -> StartedRuns {
    let since_ms = now_ms();
    let run = |canary: &String| {
        let id = CanaryId::from_text(canary);
        let why = api.scheduler.trigger(&id).err().map(|error| error.to_string());
        StartedRun { canary: canary.clone(), why, next_tick_ms: api.scheduler.next_tick(&id).map(epoch_ms) }
    };
    let runs: Vec<StartedRun> = start.canaries.iter().map(run).collect();
    let started = runs.iter().filter(|run| run.why.is_none()).count();
    if let Some(target) = start.target.as_ref().filter(|_| started > 0) {
        let probe = target.split('/').next().map(str::to_owned);
        let counted = if started == 1 { "a run".to_owned() } else { format!("{started} runs") };
        let text = format!("{counted} of `{target}` started by {}", start.by);
        api.audit(Action { by: &start.by, what: "trigger", probe, incident: None, text });
    }
    StartedRuns { runs, since_ms, until_ms: now_ms() }
}

/// Starts a run of each of these canaries, wherever it is probed; and why another process did not answer, if one did not.
pub(super) async fn start_everywhere(
    api: &ApiState,
    canaries: &[&Arc<Canary>],
    by: &str,
    target: Option<&str>,
) -> (StartedRuns, Option<Failure>) {
    let start = |canaries: Vec<String>| Start { canaries, by: by.to_owned(), target: target.map(str::to_owned) };
    let (own, others) = of_regions(api, canaries);
    let mut started = start_here(api, &start(own));
    if others.is_empty() {
        return (started, None);
    }
    let (asked, mut unasked) = api.probers(others).await;
    let mut failure = None;
    if let Some(fleet) = &api.others {
        let wanted = asked.iter().map(|(lease, ids)| (lease.clone(), Verb::Start(start(ids.clone())))).collect();
        for ((_, ids), answer) in asked.into_iter().zip(fleet.ask_all::<StartedRuns>(wanted).await) {
            match answer {
                Ok(runs) => started.join(runs),
                Err(error) => {
                    unasked.extend(ids.into_iter().map(|id| (id, error.message().to_owned())));
                    failure = Some(told(failure, error));
                }
            }
        }
    }
    started.runs.extend(unasked.into_iter().map(|(canary, why)| StartedRun { canary, why: Some(why), next_tick_ms: None }));
    (started, failure)
}

/// Which of two failures is told: what may have been done is not told as if nothing was.
fn told(before: Option<Failure>, next: Failure) -> Failure {
    before.filter(Failure::may_be_done).unwrap_or(next)
}

/// The canaries of this process, and those of others by their regions.
fn of_regions(api: &Api, canaries: &[&Arc<Canary>]) -> (Vec<String>, BTreeMap<Arc<str>, Vec<String>>) {
    let plan = api.plan();
    let is_own = |canary: &Canary| api.others.is_none() || plan.regions.iter().any(|own| own.name == canary.region.name);
    let (mut own, mut others) = (Vec::new(), BTreeMap::<_, Vec<_>>::new());
    for canary in canaries {
        let id = canary.id.to_string();
        if is_own(canary) {
            own.push(id);
        } else {
            others.entry(Arc::clone(&canary.region.name)).or_default().push(id);
        }
    }
    (own, others)
}

/// Canaries by the lease of who probes them, and those that nobody probes with why.
type Probed = (BTreeMap<LeaseName, Vec<String>>, Vec<(String, String)>);

impl Api {
    /// Who probes these canaries.
    async fn probers(&self, others: BTreeMap<Arc<str>, Vec<String>>) -> Probed {
        let Some(fleet) = &self.others else { return Probed::default() };
        let roster = match fleet.roster.get().await {
            Ok(roster) => roster,
            Err(error) => {
                let why = format!("nothing was asked of who probes it: {error}");
                return (BTreeMap::new(), others.into_values().flatten().map(|id| (id, why.clone())).collect());
            }
        };
        by_prober(&roster, others)
    }
}

fn by_prober(roster: &Roster, others: BTreeMap<Arc<str>, Vec<String>>) -> Probed {
    let (mut asked, mut unasked) = Probed::default();
    for (region, ids) in others {
        let why = match roster.prober(&region) {
            Some(Prober { lease, held: true, .. }) => {
                asked.entry(lease.clone()).or_default().extend(ids);
                continue;
            }
            Some(prober) => format!("nobody probes `{region}` now: it was last heard of {} ago", words::lasting(prober.heard)),
            None => format!("nobody probes `{region}`: it was never heard of"),
        };
        unasked.extend(ids.into_iter().map(|id| (id, why.clone())));
    }
    (asked, unasked)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn of_several_processes_that_did_not_answer_the_one_that_may_have_begun_is_told() {
        let (begun, withdrawn) = (|| Failure::uncertain("begun".to_owned()), || Failure::unanswered("withdrawn".to_owned()));
        assert!(told(Some(begun()), withdrawn()).may_be_done());
        assert!(told(Some(withdrawn()), begun()).may_be_done());
        assert!(!told(None, withdrawn()).may_be_done());
    }

    #[test]
    fn canaries_go_to_who_probes_them_and_those_that_nobody_probes_say_since_when() {
        let prober = |regions: &[&str], held| Prober {
            lease: LeaseName::Region(regions.join("+").into()),
            holder: "A".to_owned(),
            regions: regions.iter().map(|region| Arc::from(*region)).collect(),
            heard: Duration::from_mins(3),
            held,
        };
        let roster = Roster { instances: Vec::new(), probers: vec![prober(&["ap", "au"], true), prober(&["us"], false)] };
        let wanted = ["ap", "au", "us", "xx"].map(|region| (Arc::from(region), vec![format!("p/{region}")]));
        let (asked, unasked) = by_prober(&roster, BTreeMap::from(wanted));
        let of_both = (LeaseName::Region("ap+au".into()), vec!["p/ap".to_owned(), "p/au".to_owned()]);
        assert_eq!(asked.into_iter().collect::<Vec<_>>(), [of_both]);
        assert!(unasked[0].1.contains("last heard of 3 min ago"), "{unasked:?}");
        assert!(unasked[1].1.contains("never"), "{unasked:?}");
    }
}
