//! Finds the evidence for a member, whether a root may still give some, and which canaries to bring forward.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use crate::alert::Moment;
use crate::alert::{Fact, FactKey};
use crate::plan::CanaryId;

use super::{EACH, Roots};

/// Most canaries of a group that are brought forward for one dependent. A dependent without the root's matrix keys has all its
/// canaries of the region in one group.
const ASKED: usize = 64;

/// What explains a member.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in super::super) struct Evidence {
    /// The names of the roots.
    pub(in super::super) by: Vec<Arc<str>>,
    /// Since when it has been there without a break.
    pub(in super::super) since: Duration,
    /// The last moment at which it is evidence.
    pub(in super::super) until: Duration,
    /// When to bring forward which root canaries, so that evidence does not age.
    renew: Vec<(Duration, u32)>,
}

/// The groups that must have evidence for a member to be explained: one of each list.
pub(in super::super) type RequiredGroups = Vec<Vec<u32>>;

impl Roots {
    /// The groups that must have evidence for this fact.
    pub(in super::super) fn required(&self, fact: &Fact) -> RequiredGroups {
        match &fact.key {
            FactKey::Canary(id) => vec![self.plan.of_canary(id).to_vec()],
            FactKey::Across(probe) => {
                // It fails because of the regions whose own share reaches the rule's, or all with failures if none does.
                let alone = fact.shares.values().any(|share| share.reaches);
                let failed = fact.shares.iter().filter(|(_, share)| if alone { share.reaches } else { share.failed > 0 });
                failed.map(|(region, _)| self.plan.of_region(probe, region).to_vec()).collect()
            }
            FactKey::Objective(..)
            | FactKey::Subject(..)
            | FactKey::OtherSubjects(_)
            | FactKey::NoData(_)
            | FactKey::Region(_)
            | FactKey::Leak(..)
            | FactKey::Restarts(_)
            | FactKey::Channel(_) => Vec::new(),
        }
    }

    /// Failures after which this fact is no longer explained.
    pub(in super::super) fn failures(&self, fact: &Fact) -> u32 {
        let (canary, across) = self.plan.failures(fact.key.probe().unwrap_or_default());
        if let FactKey::Across(_) = fact.key { across } else { canary }
    }

    /// The evidence for all required groups.
    pub(in super::super) fn evidence(&self, required: &RequiredGroups, now: Moment) -> Option<Evidence> {
        let mut all: Option<Evidence> = None;
        for alternatives in required {
            let evident = || alternatives.iter().filter_map(|group| Some((*group as usize, self.freshest(*group, now)?)));
            let (group, (until, ended, row)) = evident().max_by_key(|(_, (until, ..))| *until)?;
            let since = evident().map(|(group, _)| self.groups[group].since).min().unwrap_or_default();
            let all = all.get_or_insert(Evidence { by: Vec::new(), since, until, renew: Vec::new() });
            (all.since, all.until) = (all.since.max(since), all.until.min(until));
            all.renew.push((ended + self.plan.all[group].renew, row));
            for (group, _) in evident() {
                let root = &self.plan.all[group].root;
                if !all.by.contains(root) {
                    all.by.push(Arc::clone(root));
                }
            }
        }
        all
    }

    /// When evidence for these groups last ended, as far as is known.
    pub(in super::super) fn lost(&self, required: &RequiredGroups, now: Moment) -> Option<Duration> {
        let of_place = |group: &u32| {
            let known = &self.groups[*group as usize];
            let aged = known.evident.last().filter(|_| self.freshest(*group, now).is_none());
            aged.map(|(ended, _)| *ended + self.plan.all[*group as usize].limit + Duration::from_millis(1)).or(known.lost)
        };
        required.iter().filter_map(|alternatives| alternatives.iter().filter_map(of_place).max()).min()
    }

    /// Whether roots may still give evidence for all required groups.
    pub(in super::super) fn may_answer(&self, required: &RequiredGroups, since: Duration, now: Moment) -> bool {
        // Every list needs evidence, so one without hope is enough for a no.
        !required.is_empty()
            && required.iter().all(|alternatives| {
                alternatives.iter().any(|group| {
                    self.freshest(*group, now).is_some() || self.asked_of(*group).any(|row| self.known(row).may_answer(since))
                })
            })
    }

    /// The root canaries to bring forward for a waiting member, and when to ask for those that were brought forward less than a
    /// minute ago.
    pub(in super::super) fn ask_waiting(
        &mut self,
        required: &RequiredGroups,
        since: Duration,
        now: Moment,
    ) -> (Vec<CanaryId>, Option<Duration>) {
        let missing =
            required.iter().filter(|alternatives| !alternatives.iter().any(|group| self.freshest(*group, now).is_some()));
        let canaries: BTreeSet<u32> = missing.flatten().flat_map(|group| self.asked_of(*group)).collect();
        let silent = |row: &u32| {
            let known = self.known(*row);
            // A root that fails by a newer run needs no further run, only a taken ring.
            let said = known.state.fails && known.last.is_some_and(|last| last.failed && last.ended > since);
            known.may_answer(since) && !said
        };
        let canaries: Vec<(Duration, u32)> = canaries.into_iter().filter(silent).map(|row| (now.steady, row)).collect();
        self.ask(canaries, now)
    }

    /// The canaries to bring forward before evidence ages, and when the next one is due.
    pub(in super::super) fn ask_again(&mut self, evidence: &Evidence, now: Moment) -> (Vec<CanaryId>, Option<Duration>) {
        let open = |(_, row): &&(Duration, u32)| self.known(*row).is_open();
        let canaries: Vec<(Duration, u32)> = evidence.renew.iter().filter(open).copied().collect();
        self.ask(canaries, now)
    }

    /// Of canaries that are due at a time, those to bring forward now, and the time of the next one.
    fn ask(&mut self, canaries: Vec<(Duration, u32)>, now: Moment) -> (Vec<CanaryId>, Option<Duration>) {
        let (mut ask, mut again) = (Vec::new(), None);
        for (at, row) in canaries {
            let at = at.max(self.known(row).free_from());
            if at > now.steady {
                again = again.into_iter().chain([at]).min();
                continue;
            }
            self.canaries[row as usize].known.asked = Some(now.steady);
            again = again.into_iter().chain([now.steady + EACH]).min();
            ask.push(self.canaries[row as usize].canary.clone());
        }
        (ask, again)
    }

    fn asked_of(&self, group: u32) -> impl Iterator<Item = u32> {
        self.groups[group as usize].canaries.iter().take(ASKED).copied()
    }
}
