//! How the canaries stand that others need, and who is to be judged again when that changes.
//!
//! It is told of each run and each change of a root's canary; it looks nothing up. A place keeps its evidence in the order of its
//! age and the failing dependents that meet there, so that a root with 3,000 dependents costs each of them one look.

use std::collections::{BTreeSet, HashMap};
use std::time::Duration;

use crate::alert::FactKey;
use crate::alert::Moment;
use crate::alert::fact::LastRun;
use crate::plan::{CanaryId, Plan};

use super::places::{PlaceOf, Places};

mod evidence;

pub(super) use evidence::Evidence;

/// A root's canary is brought forward at most this often.
const EACH: Duration = Duration::from_mins(1);

/// The canaries that others need.
#[derive(Debug, Default)]
pub struct Roots {
    plan: Places,
    rows: Vec<Row>,
    numbers: HashMap<CanaryId, u32>,
    places: Vec<Place>,
    /// The places at which a failing dependent is listed.
    listed: HashMap<FactKey, Vec<u32>>,
    touched: BTreeSet<FactKey>,
}

/// What is known of a root's canary beside its runs.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Stands {
    /// Its rule is crossed.
    pub fails: bool,
    /// A waking channel took a ring that covers it, or its probe's `across` with the share of its region.
    pub told: bool,
    /// Nobody would be rung for it.
    pub muted: bool,
}

#[derive(Debug)]
struct Row {
    canary: CanaryId,
    places: Vec<u32>,
    known: Known,
}

/// What is known of a root's canary; it outlives the plan.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Known {
    last: Option<LastRun>,
    stands: Stands,
    /// A guard blocked its latest tick.
    blocked: bool,
    /// There is evidence that explains it.
    explained: bool,
    /// When it was brought forward last.
    asked: Option<Duration>,
}

#[derive(Debug, Default)]
struct Place {
    rows: Vec<u32>,
    /// When the failed last runs ended that somebody was told of, by age.
    evident: BTreeSet<(Duration, u32)>,
    /// Since when there has been evidence without a break; of the last time, if there is none now.
    since: Duration,
    /// When there was none any more, the last time that something else than its age ended it.
    lost: Option<Duration>,
    dependents: BTreeSet<FactKey>,
    /// Those of them that wait for an answer.
    waiting: BTreeSet<FactKey>,
}

impl Known {
    /// When the run ended that is evidence.
    fn evident(&self) -> Option<Duration> {
        self.last.filter(|last| last.failed && (self.stands.told || self.explained)).map(|last| last.ended)
    }

    /// Whether runs of it are to be had, and would be told.
    fn is_open(&self) -> bool {
        !self.stands.muted && !self.blocked
    }

    /// Whether it may still explain something that fails since then.
    fn may_answer(&self, since: Duration) -> bool {
        self.is_open() && !self.last.is_some_and(|last| !last.failed && last.started > since)
    }

    /// From when on it may be brought forward: a minute after the last time, or at once if it was running then, which was no answer.
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

    /// Goes on with another plan. What is known of canaries that others still need is kept; what is known of those that nobody needed
    /// before is to be said. Every failing canary and `across` is to be judged again; those that met a root before are touched.
    pub fn apply(&mut self, plan: &Plan) {
        let known: HashMap<CanaryId, Known> =
            std::mem::take(&mut self.numbers).into_iter().map(|(id, number)| (id, self.rows[number as usize].known)).collect();
        self.touched.extend(std::mem::take(&mut self.listed).into_keys());
        self.plan = Places::new(plan);
        self.rows.clear();
        self.places.clear();
        for (PlaceOf { canaries, .. }, place) in self.plan.all.iter().zip(0_u32..) {
            let mut made = Place::default();
            for id in canaries {
                let next = u32::try_from(self.rows.len()).expect("fewer canaries than fit into memory");
                let number = *self.numbers.entry(id.clone()).or_insert(next);
                if number == next {
                    self.rows.push(Row {
                        canary: id.clone(),
                        places: Vec::new(),
                        known: known.get(id).copied().unwrap_or_default(),
                    });
                }
                let row = &mut self.rows[number as usize];
                row.places.push(place);
                made.rows.push(number);
                made.evident.extend(row.known.evident().map(|ended| (ended, number)));
            }
            made.since = made.evident.first().map_or(Duration::ZERO, |(ended, _)| *ended);
            self.places.push(made);
        }
    }

    /// Whether a probe's canary is one that others need: only of those something must be said.
    pub fn is_root(&self, canary: &CanaryId) -> bool {
        self.numbers.contains_key(canary)
    }

    /// A counted run of a canary ended, whether or not its fact changed. Nothing, if nobody needs it.
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

    /// How the canary stands: to be said whenever its fact, its mute or what was told of it changed.
    pub fn stands(&mut self, canary: &CanaryId, stands: Stands, now: Moment) {
        self.change(canary, now, |known| known.stands = stands);
    }

    /// The dependents that are to be judged again because a root changed.
    pub fn take_touched(&mut self) -> BTreeSet<FactKey> {
        std::mem::take(&mut self.touched)
    }

    /// The failing members that need this probe and run where it does; which of them it explains, they know.
    pub fn dependents(&self, root: &str) -> BTreeSet<&FactKey> {
        let places = self.plan.all.iter().zip(&self.places).filter(|(of, _)| &*of.root == root);
        places.flat_map(|(_, place)| &place.dependents).collect()
    }

    /// A member is not there any more.
    pub fn forget(&mut self, member: &FactKey, now: Moment) {
        self.list(member, &[], false);
        self.touched.remove(member);
        self.set_explained(member, false, now);
    }

    /// Lists a failing member at its places; at none if it does not fail.
    pub(super) fn list(&mut self, member: &FactKey, places: &[u32], waits: bool) {
        let before =
            if places.is_empty() { self.listed.remove(member) } else { self.listed.insert(member.clone(), places.to_vec()) };
        for place in before.unwrap_or_default().into_iter().filter(|place| !places.contains(place)) {
            let place = &mut self.places[place as usize];
            place.dependents.remove(member);
            place.waiting.remove(member);
        }
        for place in places {
            let place = &mut self.places[*place as usize];
            if !place.dependents.contains(member) {
                place.dependents.insert(member.clone());
            }
            if waits {
                place.waiting.insert(member.clone());
            } else {
                place.waiting.remove(member);
            }
        }
    }

    /// Whether there is evidence that explains a member, which may be a root of others.
    pub(super) fn set_explained(&mut self, member: &FactKey, explained: bool, now: Moment) {
        if let FactKey::Canary(canary) = member {
            self.change(canary, now, |known| known.explained = explained);
        }
    }

    fn known(&self, row: u32) -> &Known {
        &self.rows[row as usize].known
    }

    /// The freshest evidence at a place: until when it is, when its run ended, and whose it was.
    fn freshest(&self, place: u32, now: Moment) -> Option<(Duration, Duration, u32)> {
        let (ended, row) = *self.places[place as usize].evident.last()?;
        let ended = ended.min(now.steady);
        let until = ended + self.plan.all[place as usize].limit;
        (now.steady <= until).then_some((until, ended, row))
    }

    /// Changes what is known of a canary, and touches whom that concerns: everybody where evidence began or is less than it was,
    /// who waits where it is any change. Evidence that only goes on concerns nobody.
    fn change(&mut self, canary: &CanaryId, now: Moment, how: impl FnOnce(&mut Known)) {
        let Some(&number) = self.numbers.get(canary) else { return };
        let before = *self.known(number);
        how(&mut self.rows[number as usize].known);
        let after = *self.known(number);
        if before == after {
            return;
        }
        for at in 0..self.rows[number as usize].places.len() {
            let place = self.rows[number as usize].places[at];
            let old = self.freshest(place, now).map(|(until, ..)| until);
            let row = &mut self.places[place as usize];
            before.evident().map(|ended| row.evident.remove(&(ended, number)));
            row.evident.extend(after.evident().map(|ended| (ended, number)));
            let new = self.freshest(place, now).map(|(until, ..)| until);
            let place = &mut self.places[place as usize];
            match (old, new) {
                (None, Some(_)) => place.since = now.steady,
                (Some(_), None) => place.lost = Some(now.steady),
                (None, None) | (Some(_), Some(_)) => {}
            }
            let concerned = if new < old || (old.is_none() && new.is_some()) { &place.dependents } else { &place.waiting };
            self.touched.extend(concerned.iter().cloned());
        }
    }
}
