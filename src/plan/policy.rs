//! What a probe says about who is told of it, and when: what whoever evaluates for a fleet goes by, whichever process runs the probe.
//!
//! Owns the part of a probe that travels to other processes as JSON, and putting it in the place of what another process has loaded. A key is
//! never given another meaning; one that is missing counts as it does in a probe's file.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::source::Location;

use super::{AlertPolicy, Canary, Plan, Probe, Runbook};

/// What others go by of a probe.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ProbePolicy {
    /// One sentence for people.
    #[serde(default)]
    pub summary: Option<String>,
    /// Who is woken.
    #[serde(default)]
    pub owner: Option<String>,
    /// The link to its runbook; none for one that lies beside the probe, which messages do not link.
    #[serde(default)]
    pub runbook: Option<String>,
    /// How many users an hour take the journey.
    #[serde(default)]
    pub users_per_hour: Option<u32>,
    /// Labels that routes go by.
    #[serde(default)]
    pub tags: Vec<String>,
    /// The probes whose failures explain this one's.
    #[serde(default)]
    pub needs: Vec<Arc<str>>,
    /// When it pages.
    #[serde(default)]
    pub alert: AlertPolicy,
    /// The longest time from a tick to the next.
    pub interval: Duration,
    /// Bound on a run.
    pub deadline: Duration,
}

impl Probe {
    /// Its policy.
    pub fn policy(&self) -> ProbePolicy {
        ProbePolicy {
            summary: self.summary.clone(),
            owner: self.owner.clone(),
            runbook: self.runbook.as_ref().and_then(Runbook::url).map(ToOwned::to_owned),
            users_per_hour: self.users_per_hour,
            tags: self.tags.clone(),
            needs: self.needs.clone(),
            alert: self.alert.clone(),
            interval: self.cadence.pauses().1,
            deadline: self.deadline,
        }
    }

    /// This probe with another policy. It goes on to be run as it is.
    fn with_policy(&self, policy: &ProbePolicy) -> Self {
        let ProbePolicy { summary, owner, runbook, users_per_hour, tags, needs, alert, interval: _, deadline: _ } =
            policy.clone();
        let beside = self.runbook.clone().filter(|runbook| runbook.url().is_none());
        let runbook = runbook.map(Runbook::Url).or(beside);
        Self { summary, owner, runbook, users_per_hour, tags, alert, needs, ..self.clone() }
    }

    /// A probe that only other processes have loaded: it has a policy, and nothing that could be run.
    fn of_policy(name: &Arc<str>, policy: &ProbePolicy) -> Self {
        let location = Location { path: Path::new("another process").into(), line: 1, column: 1 };
        Self::without_journey(Arc::clone(name), policy.interval, policy.deadline, location).with_policy(policy)
    }
}

impl Plan {
    /// This plan with these policies of probes, by name, in place of those that were loaded here. Probes that were not loaded here are
    /// there as well, without canaries.
    pub fn with_policies(self: &Arc<Self>, policies: &BTreeMap<Arc<str>, &ProbePolicy>) -> Arc<Self> {
        let mut probes: BTreeMap<Arc<str>, Arc<Probe>> =
            self.probes.iter().map(|probe| (Arc::clone(&probe.name), Arc::clone(probe))).collect();
        let mut differs = false;
        for (name, policy) in policies {
            let probe = match probes.get(name) {
                Some(probe) if probe.policy() == **policy => continue,
                Some(probe) => probe.with_policy(policy),
                None => Probe::of_policy(name, policy),
            };
            probes.insert(Arc::clone(name), Arc::new(probe));
            differs = true;
        }
        if !differs {
            return Arc::clone(self);
        }
        let canaries = self.canaries.iter().map(|canary| match probes.get(&canary.probe.name) {
            Some(probe) if !Arc::ptr_eq(probe, &canary.probe) => {
                let Canary { id, probe: _, region, cell } = &**canary;
                Arc::new(Canary { id: id.clone(), probe: Arc::clone(probe), region: Arc::clone(region), cell: Arc::clone(cell) })
            }
            Some(_) | None => Arc::clone(canary),
        });
        let canaries = canaries.collect();
        Arc::new(Self { probes: probes.into_values().collect(), canaries, ..Self::clone(self) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::testing;

    fn with(name: &str, owner: &str) -> Probe {
        Probe { owner: Some(owner.to_owned()), ..testing::probe(name) }
    }

    #[test]
    fn a_policy_is_read_back_from_what_was_written_and_what_it_lacks_counts_as_in_a_file() {
        let mut probe = with("p", "ann");
        probe.runbook = Some(Runbook::Url("https://runbooks.example.com/p".to_owned()));
        probe.needs = vec!["login".into()];
        let policy = probe.policy();
        let json = serde_json::to_string(&policy).unwrap();
        assert_eq!(serde_json::from_str::<ProbePolicy>(&json).unwrap(), policy);
        let least = r#"{"interval":{"secs":60,"nanos":0},"deadline":{"secs":20,"nanos":0},"of a later version":1}"#;
        assert_eq!(serde_json::from_str::<ProbePolicy>(least).unwrap(), testing::probe("p").policy());
    }

    #[test]
    fn a_plan_takes_policies_for_its_probes_and_knows_those_that_only_others_have() {
        let own = testing::plan(vec![with("p", "ann"), with("same", "ann")], &["eu"]);
        let (theirs, same, other) = (with("p", "bob").policy(), with("same", "ann").policy(), with("new", "eve").policy());
        let policies = BTreeMap::from([("new".into(), &other), ("p".into(), &theirs), ("same".into(), &same)]);
        let plan = own.with_policies(&policies);
        let owners: Vec<_> = plan.probes.iter().map(|probe| (&*probe.name, probe.owner.as_deref().unwrap())).collect();
        assert_eq!(owners, [("new", "eve"), ("p", "bob"), ("same", "ann")]);
        let of_canaries: Vec<_> =
            plan.canaries.iter().map(|canary| (canary.id.as_str(), canary.probe.owner.as_deref())).collect();
        assert_eq!(of_canaries, [("p/eu", Some("bob")), ("same/eu", Some("ann"))]);
        let of_same = |plan: &Plan| (Arc::clone(&plan.probes[plan.probes.len() - 1]), Arc::clone(&plan.canaries[1]));
        let ((probe, canary), (own_probe, own_canary)) = (of_same(&plan), of_same(&own));
        assert!(Arc::ptr_eq(&probe, &own_probe) && Arc::ptr_eq(&canary, &own_canary), "where nothing differs it is the same one");
        assert!(Arc::ptr_eq(&own.with_policies(&BTreeMap::from([("same".into(), &same)])), &own), "nothing differs");
    }

    #[test]
    fn a_runbook_beside_the_probe_stays_where_no_link_takes_its_place() {
        let file = Runbook::File { name: "p.md".to_owned(), text: "Look.".into() };
        let probe = Probe { runbook: Some(file.clone()), ..testing::probe("p") };
        assert_eq!(probe.with_policy(&with("p", "bob").policy()).runbook, Some(file));
    }
}
