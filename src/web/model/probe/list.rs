//! All probes, for the list of them.

use crate::alert::Status;
use crate::alert::status::{ByHealth, Health};
use crate::plan::Plan;
use crate::web::model::words;

use super::describe;

/// A probe in the list.
#[derive(Debug, Clone, PartialEq)]
pub(in crate::web) struct Listed {
    /// Its name.
    pub(in crate::web) name: String,
    /// Whose it is.
    pub(in crate::web) owner: String,
    /// What it promises.
    pub(in crate::web) summary: String,
    /// When it runs.
    pub(in crate::web) cadence: String,
    /// Its tags.
    pub(in crate::web) tags: Vec<String>,
    /// The health of its worst canary.
    pub(in crate::web) health: Health,
    /// Its canaries by health.
    pub(in crate::web) canaries: ByHealth,
    /// Which of its runs of the last hour passed.
    pub(in crate::web) success: String,
    /// What is left of its error budget; empty without one.
    pub(in crate::web) budget: String,
}

/// The probes in which every word stands: name, owner, summary or tag. The worst first, then by name, as the status has them.
pub(in crate::web) fn listed(plan: &Plan, status: &Status, query: &[String]) -> Vec<Listed> {
    let find = |name: &str| plan.probes.iter().find(|probe| *probe.name == *name);
    let listed = status.probes.iter().filter_map(|known| {
        let probe = find(&known.probe)?;
        Some(Listed {
            name: known.probe.clone(),
            owner: known.owner.clone().unwrap_or_default(),
            summary: probe.summary.clone().unwrap_or_default(),
            cadence: describe::cadence(probe),
            tags: probe.tags.clone(),
            health: known.verdict,
            canaries: known.canaries,
            success: known.success_1h.map(words::percent).unwrap_or_default(),
            budget: known.budget_left.map(words::percent).unwrap_or_default(),
        })
    });
    let is_in = |listed: &Listed, word: &String| {
        let within = |text: &String| text.to_lowercase().contains(word.as_str());
        [&listed.name, &listed.owner, &listed.summary].into_iter().chain(&listed.tags).any(within)
    };
    listed.filter(|listed| query.iter().all(|word| is_in(listed, word))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::alert::status::ProbeStatus;
    use crate::plan::{Probe, testing};

    #[test]
    fn a_word_is_looked_for_in_name_owner_summary_and_tags() {
        let sync = Probe {
            summary: Some("Lists reach both devices".to_owned()),
            tags: vec!["Core".to_owned()],
            ..testing::probe("sync")
        };
        let plan = testing::plan(vec![sync, testing::probe("login")], &["eu"]);
        let known = |name: &str| ProbeStatus {
            probe: name.to_owned(),
            owner: Some("ann".to_owned()),
            verdict: Health::Failing,
            since_ms: None,
            severity: None,
            success_1h: Some(0.925),
            counted_1h: 40,
            convergence_1h: None,
            degraded_1h: None,
            budget_left: None,
            canaries: ByHealth::default(),
        };
        let status = Status { probes: vec![known("sync"), known("login"), known("removed")], ..Status::default() };
        let names = |words: &[&str]| -> Vec<String> {
            let words: Vec<String> = words.iter().map(|word| (*word).to_owned()).collect();
            listed(&plan, &status, &words).into_iter().map(|listed| listed.name).collect()
        };
        assert_eq!(names(&[]), ["sync", "login"]);
        assert_eq!((names(&["ann", "core"]), names(&["devices", "login"])), (vec!["sync".to_owned()], vec![]));
        assert_eq!(listed(&plan, &status, &[])[0].success, "92.5 %");
    }
}
