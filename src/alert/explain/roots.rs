//! The state of root canaries, and which dependents are to be judged again when it changes.
//!
//! The caller reports each run and each change of a root's canary. A group keeps its evidence ordered by age, and its failing
//! dependents, so that each dependent of a large root takes one lookup.

use std::collections::{BTreeSet, HashMap};
use std::time::Duration;

use crate::alert::FactKey;
use crate::alert::Moment;
use crate::alert::fact::LastRun;
use crate::plan::{CanaryId, Plan};

use super::groups::{GroupPlan, Groups};

mod evidence;

pub(super) use evidence::Evidence;

/// A root's canary is brought forward at most this often.
const EACH: Duration = Duration::from_mins(1);

/// The canaries that others need.
#[derive(Debug, Default)]
pub struct Roots {
    plan: Groups,
    canaries: Vec<RootCanary>,
    numbers: HashMap<CanaryId, u32>,
    groups: Vec<GroupState>,
    /// The groups in which a failing dependent is listed.
    listed: HashMap<FactKey, Vec<u32>>,
    touched: BTreeSet<FactKey>,
}

/// The state of a root's canary besides its runs.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct RootState {
    /// Its rule is crossed.
    pub fails: bool,
    /// A waking channel took a ring that covers it, or its probe's `across` with the share of its region.
    pub told: bool,
    /// Nobody would be rung for it.
    pub muted: bool,
}

#[derive(Debug)]
struct RootCanary {
    canary: CanaryId,
    groups: Vec<u32>,
    known: RootRecord,
}

/// What is known of a root's canary; it survives a reload.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct RootRecord {
    last: Option<LastRun>,
    state: RootState,
    /// A guard blocked its latest tick.
    blocked: bool,
    /// There is evidence that explains it.
    explained: bool,
    /// When it was brought forward last.
    asked: Option<Duration>,
}

#[derive(Debug, Default)]
struct GroupState {
    canaries: Vec<u32>,
    /// The ends of failed last runs that are evidence, by age.
    evident: BTreeSet<(Duration, u32)>,
    /// Since when there has been evidence without a break; the start of the last such time if there is none now.
    since: Duration,
    /// When evidence was last ended by something other than its age.
    lost: Option<Duration>,
    dependents: BTreeSet<FactKey>,
    /// Dependents that wait for an answer.
    waiting: BTreeSet<FactKey>,
}

impl RootRecord {
    /// When the run ended that is evidence.
    fn evident(&self) -> Option<Duration> {
        self.last.filter(|last| last.failed && (self.state.told || self.explained)).map(|last| last.ended)
    }

    /// Whether its runs count and its failures would be told.
    fn is_open(&self) -> bool {
        !self.state.muted && !self.blocked
    }

    /// Whether it may still explain something that has failed since then.
    fn may_answer(&self, since: Duration) -> bool {
        self.is_open() && !self.last.is_some_and(|last| !last.failed && last.started > since)
    }

    /// When it may be brought forward again: a minute after the last time, or at once if it was already running then.
    fn free_from(&self) -> Duration {
        let Some(asked) = self.asked else { return Duration::ZERO };
        let was_running = self.last.is_some_and(|last| last.started < asked && last.ended > asked);
        if was_running { Duration::ZERO } else { asked + EACH }
    }
}

impl Roots {
    /// The roots of a plan, of which nothing is known yet.
    pub fn new(plan: &Plan) -> Self {
        let mut roots = Self::default();
        roots.apply(plan);
        roots
    }

    /// Applies another plan. What is known of root canaries is kept; new ones have to be reported. Every failing canary and
    /// `across` has to be judged again; former dependents are touched.
    pub fn apply(&mut self, plan: &Plan) {
        let known: HashMap<CanaryId, RootRecord> = std::mem::take(&mut self.numbers)
            .into_iter()
            .map(|(id, number)| (id, self.canaries[number as usize].known))
            .collect();
        self.touched.extend(std::mem::take(&mut self.listed).into_keys());
        self.plan = Groups::new(plan);
        self.canaries.clear();
        self.groups.clear();
        for (GroupPlan { canaries, .. }, group) in self.plan.all.iter().zip(0_u32..) {
            let mut made = GroupState::default();
            for id in canaries {
                let next = u32::try_from(self.canaries.len()).expect("fewer canaries than fit into memory");
                let number = *self.numbers.entry(id.clone()).or_insert(next);
                if number == next {
                    self.canaries.push(RootCanary {
                        canary: id.clone(),
                        groups: Vec::new(),
                        known: known.get(id).copied().unwrap_or_default(),
                    });
                }
                let row = &mut self.canaries[number as usize];
                row.groups.push(group);
                made.canaries.push(number);
                made.evident.extend(row.known.evident().map(|ended| (ended, number)));
            }
            made.since = made.evident.first().map_or(Duration::ZERO, |(ended, _)| *ended);
            self.groups.push(made);
        }
    }

    /// Whether a canary is a root; only roots have to be reported.
    pub fn is_root(&self, canary: &CanaryId) -> bool {
        self.numbers.contains_key(canary)
    }

    /// A root canary of each group that this canary needs.
    pub fn needed_by(&self, canary: &CanaryId) -> Vec<CanaryId> {
        self.plan.of_canary(canary).iter().filter_map(|group| self.plan.all[*group as usize].canaries.first().cloned()).collect()
    }

    /// A counted run of a canary ended. Ignored unless it is a root.
    pub fn ran(&mut self, canary: &CanaryId, run: LastRun, now: Moment) {
        self.change(canary, now, |known| {
            if known.last.is_none_or(|last| last.started <= run.started) {
                (known.last, known.blocked) = (Some(run), false);
            }
        });
    }

    /// A guard blocked the canary's tick.
    pub fn blocked(&mut self, canary: &CanaryId, now: Moment) {
        self.change(canary, now, |known| known.blocked = true);
    }

    /// Sets the state of a canary, whenever its fact, its mute or its cover changed.
    pub fn set_state(&mut self, canary: &CanaryId, state: RootState, now: Moment) {
        self.change(canary, now, |known| known.state = state);
    }

    /// Takes the dependents that are to be judged again because a root changed.
    pub fn take_touched(&mut self) -> BTreeSet<FactKey> {
        std::mem::take(&mut self.touched)
    }

    /// The failing members that this probe may explain.
    pub fn dependents(&self, root: &str) -> BTreeSet<&FactKey> {
        let groups = self.plan.all.iter().zip(&self.groups).filter(|(of, _)| &*of.root == root);
        groups.flat_map(|(_, group)| &group.dependents).collect()
    }

    /// Forgets a member.
    pub fn forget(&mut self, member: &FactKey, now: Moment) {
        self.list(member, &[], false);
        self.touched.remove(member);
        self.set_explained(member, false, now);
    }

    /// Lists a failing member in its groups, or in none if it does not fail.
    pub(super) fn list(&mut self, member: &FactKey, groups: &[u32], waits: bool) {
        let before =
            if groups.is_empty() { self.listed.remove(member) } else { self.listed.insert(member.clone(), groups.to_vec()) };
        for group in before.unwrap_or_default().into_iter().filter(|group| !groups.contains(group)) {
            let group = &mut self.groups[group as usize];
            group.dependents.remove(member);
            group.waiting.remove(member);
        }
        for group in groups {
            let group = &mut self.groups[*group as usize];
            if !group.dependents.contains(member) {
                group.dependents.insert(member.clone());
            }
            if waits {
                group.waiting.insert(member.clone());
            } else {
                group.waiting.remove(member);
            }
        }
    }

    /// Sets whether there is evidence for a member, which may itself be a root.
    pub(super) fn set_explained(&mut self, member: &FactKey, explained: bool, now: Moment) {
        if let FactKey::Canary(canary) = member {
            self.change(canary, now, |known| known.explained = explained);
        }
    }

    fn known(&self, row: u32) -> &RootRecord {
        &self.canaries[row as usize].known
    }

    /// The freshest evidence of a group: until when it counts, when its run ended, and its canary.
    fn freshest(&self, group: u32, now: Moment) -> Option<(Duration, Duration, u32)> {
        let (ended, row) = *self.groups[group as usize].evident.last()?;
        let ended = ended.min(now.steady);
        let until = ended + self.plan.all[group as usize].limit;
        (now.steady <= until).then_some((until, ended, row))
    }

    /// Changes what is known of a canary and touches dependents. If evidence began, ended or got older, all are touched;
    /// otherwise only the waiting ones.
    fn change(&mut self, canary: &CanaryId, now: Moment, how: impl FnOnce(&mut RootRecord)) {
        let Some(&number) = self.numbers.get(canary) else { return };
        let before = *self.known(number);
        how(&mut self.canaries[number as usize].known);
        let after = *self.known(number);
        if before == after {
            return;
        }
        for at in 0..self.canaries[number as usize].groups.len() {
            let group = self.canaries[number as usize].groups[at];
            let old = self.freshest(group, now).map(|(until, ..)| until);
            let row = &mut self.groups[group as usize];
            before.evident().map(|ended| row.evident.remove(&(ended, number)));
            row.evident.extend(after.evident().map(|ended| (ended, number)));
            let new = self.freshest(group, now).map(|(until, ..)| until);
            let group = &mut self.groups[group as usize];
            match (old, new) {
                (None, Some(_)) => group.since = now.steady,
                (Some(_), None) => group.lost = Some(now.steady),
                (None, None) | (Some(_), Some(_)) => {}
            }
            let concerned = if new < old || (old.is_none() && new.is_some()) { &group.dependents } else { &group.waiting };
            self.touched.extend(concerned.iter().cloned());
        }
    }
}
