//! What evidence there is for a member, whether a root may still give some, and whom to bring forward for it.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use crate::alert::Moment;
use crate::alert::{Fact, FactKey};
use crate::plan::CanaryId;

use super::{EACH, Roots};

/// Most canaries of one root that are asked for one dependent, and waited for. A dependent without the root's matrix keys meets
/// all of its canaries in the region.
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
    /// When which of the roots' canaries are to be brought forward so that it does not age.
    renew: Vec<(Duration, u32)>,
}

/// The places at which there must be evidence for a member to be explained: at one of each list.
pub(in super::super) type Spots = Vec<Vec<u32>>;

impl Roots {
    /// The places at which there must be evidence for this fact.
    pub(in super::super) fn spots(&self, fact: &Fact) -> Spots {
        match &fact.key {
            FactKey::Canary(id) => vec![self.plan.of_canary(id).to_vec()],
            FactKey::Across(probe) => {
                // What made it fail is the regions whose own share is enough; where none is, all in which something failed.
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

    /// The evidence at all of these spots.
    pub(in super::super) fn evidence(&self, spots: &Spots, now: Moment) -> Option<Evidence> {
        let mut all: Option<Evidence> = None;
        for spot in spots {
            let evident = || spot.iter().filter_map(|place| Some((*place as usize, self.freshest(*place, now)?)));
            let (place, (until, ended, row)) = evident().max_by_key(|(_, (until, ..))| *until)?;
            let since = evident().map(|(place, _)| self.places[place].since).min().unwrap_or_default();
            let all = all.get_or_insert(Evidence { by: Vec::new(), since, until, renew: Vec::new() });
            (all.since, all.until) = (all.since.max(since), all.until.min(until));
            all.renew.push((ended + self.plan.all[place].renew, row));
            for (place, _) in evident() {
                let root = &self.plan.all[place].root;
                if !all.by.contains(root) {
                    all.by.push(Arc::clone(root));
                }
            }
        }
        all
    }

    /// When evidence at these spots ended the last time, as far as that is known.
    pub(in super::super) fn lost(&self, spots: &Spots, now: Moment) -> Option<Duration> {
        let of_place = |place: &u32| {
            let known = &self.places[*place as usize];
            let aged = known.evident.last().filter(|_| self.freshest(*place, now).is_none());
            aged.map(|(ended, _)| *ended + self.plan.all[*place as usize].limit + Duration::from_millis(1)).or(known.lost)
        };
        spots.iter().filter_map(|spot| spot.iter().filter_map(of_place).max()).min()
    }

    /// Whether a root that has not explained these spots may still do so.
    pub(in super::super) fn may_answer(&self, spots: &Spots, since: Duration, now: Moment) -> bool {
        // All spots must be explained, so one that cannot be is enough.
        !spots.is_empty()
            && spots.iter().all(|spot| {
                spot.iter().any(|place| {
                    self.freshest(*place, now).is_some() || self.asked_of(*place).any(|row| self.known(row).may_answer(since))
                })
            })
    }

    /// The roots' canaries to be brought forward for what has crossed and waits, and when to ask for those that were brought forward
    /// less than a minute ago.
    pub(in super::super) fn ask_waiting(
        &mut self,
        spots: &Spots,
        since: Duration,
        now: Moment,
    ) -> (Vec<CanaryId>, Option<Duration>) {
        let missing = spots.iter().filter(|spot| !spot.iter().any(|place| self.freshest(*place, now).is_some()));
        let rows: BTreeSet<u32> = missing.flatten().flat_map(|place| self.asked_of(*place)).collect();
        let silent = |row: &u32| {
            let known = self.known(*row);
            // What fails and has said so only waits until somebody was told.
            let said = known.stands.fails && known.last.is_some_and(|last| last.failed && last.ended > since);
            known.may_answer(since) && !said
        };
        let rows: Vec<(Duration, u32)> = rows.into_iter().filter(silent).map(|row| (now.steady, row)).collect();
        self.ask(rows, now)
    }

    /// The canaries to be brought forward before evidence ages, and when the next one is to be.
    pub(in super::super) fn ask_again(&mut self, evidence: &Evidence, now: Moment) -> (Vec<CanaryId>, Option<Duration>) {
        let open = |(_, row): &&(Duration, u32)| self.known(*row).is_open();
        let rows: Vec<(Duration, u32)> = evidence.renew.iter().filter(open).copied().collect();
        self.ask(rows, now)
    }

    /// Those of the rows that are to be brought forward now, of some that are to be so at a time, and the time of the next one.
    fn ask(&mut self, rows: Vec<(Duration, u32)>, now: Moment) -> (Vec<CanaryId>, Option<Duration>) {
        let (mut ask, mut again) = (Vec::new(), None);
        for (at, row) in rows {
            let at = at.max(self.known(row).free_from());
            if at > now.steady {
                again = again.into_iter().chain([at]).min();
                continue;
            }
            self.rows[row as usize].known.asked = Some(now.steady);
            again = again.into_iter().chain([now.steady + EACH]).min();
            ask.push(self.rows[row as usize].canary.clone());
        }
        (ask, again)
    }

    fn asked_of(&self, place: u32) -> impl Iterator<Item = u32> {
        self.places[place as usize].rows.iter().take(ASKED).copied()
    }
}
