//! Declared regions that no process has spoken for.
//!
//! Owns the rule: a declared region is missed if no process has spoken for it in three minutes. The rule applies only once some
//! process has spoken for a region, so not with a single process. After a start each region has three minutes again.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use super::{Changed, Input, PlanContext, RuleEvent, Rules};
use crate::alert::Moment;
use crate::alert::fact::Level;
use crate::alert::{Fact, FactKey, Scope, State};
use crate::history::{RestoredState, StateRow};

/// How long a region may go without a sign of a process.
const PATIENCE: Duration = Duration::from_mins(3);

/// How long a sign of a region may take that was not heard of when somebody began to listen.
const FIRST: Duration = Duration::from_mins(1);

/// When each region was heard of.
#[derive(Debug, Default)]
pub(super) struct Regions {
    declared: Vec<Arc<str>>,
    warns: bool,
    /// By region; empty where nobody tells who speaks for which region.
    heard: BTreeMap<Arc<str>, Heard>,
}

/// What is known of a region.
#[derive(Debug, Clone, Copy)]
struct Heard {
    /// When it was last heard of; if it never was, when it was first listened for.
    at: Duration,
    /// Whether anybody has told of it.
    told: bool,
    missed: bool,
}

impl Heard {
    fn since(at: Duration) -> Self {
        Self { at, told: false, missed: false }
    }
}

impl Regions {
    /// Nothing is judged until somebody tells again of a region.
    pub(super) fn forget(&mut self) {
        self.heard.clear();
    }

    /// Goes on judging after another process, which missed these regions since then.
    pub(super) fn take_over(&mut self, missed: &[(Arc<str>, Duration)], now: Moment, out: &mut Vec<Changed>) {
        self.heard = self.declared.iter().map(|region| (Arc::clone(region), Heard::since(now.steady))).collect();
        for (region, since) in missed {
            if let Some(heard) = self.heard.get_mut(region) {
                *heard = Heard { at: *since, told: true, missed: true };
                out.push(Changed::now(self.fact(region, *since, true)));
            }
        }
    }

    /// Whether a process has spoken for a region, and is not missed since.
    pub(super) fn is_heard_of(&self, region: &str) -> bool {
        self.heard.get(region).is_some_and(|heard| heard.told && !heard.missed)
    }

    fn fact(&self, region: &Arc<str>, heard: Duration, missed: bool) -> Fact {
        let well = Fact::well(FactKey::Region(Arc::clone(region)), Scope::Blind(Arc::clone(region)));
        let level = if self.warns { Level::Warn } else { Level::Page };
        Fact {
            state: if missed { State::Failing(level) } else { State::Well },
            since: heard,
            region: Arc::clone(region),
            words: missed.then(|| "no process has spoken for it".into()),
            ..well
        }
    }
}

impl Rules for Regions {
    fn apply(&mut self, to: &PlanContext<'_>, out: &mut Vec<Changed>) {
        self.declared.clone_from(&to.plan.known_regions);
        self.warns = !to.alerting.blind.page;
        let declared = &self.declared;
        self.heard.retain(|region, heard| {
            let stays = declared.contains(region);
            if !stays && heard.missed {
                out.push(Changed::removed(FactKey::Region(Arc::clone(region))));
            }
            stays
        });
        if !self.heard.is_empty() {
            for region in &self.declared {
                self.heard.entry(Arc::clone(region)).or_insert(Heard::since(to.now.steady));
            }
        }
    }

    fn event(&mut self, what: &RuleEvent<'_>, now: Moment, out: &mut Vec<Changed>) {
        let RuleEvent::Input(Input::RegionsHeard(regions)) = what else { return };
        if self.heard.is_empty() {
            // The first report starts the time of all regions.
            self.heard = self.declared.iter().map(|region| (Arc::clone(region), Heard::since(now.steady))).collect();
        }
        let first = now.steady.saturating_sub(PATIENCE).saturating_add(FIRST);
        for (region, ago) in *regions {
            let Some(heard) = self.heard.get_mut(region) else { continue };
            let at = now.steady.saturating_sub(*ago);
            // Of a region that was last heard of before anybody listened, a sign has a minute to come.
            let at = if heard.told { at } else { at.max(first) };
            if heard.told && at <= heard.at {
                continue;
            }
            let back = heard.missed && at + PATIENCE > now.steady;
            *heard = Heard { at, told: true, missed: heard.missed && !back };
            if back {
                out.push(Changed::now(self.fact(region, now.steady, false)));
            }
        }
        // Only now, as what was heard of one region says that those of the others would have been told as well.
        let is_missed = |heard: &Heard| !heard.missed && heard.at + PATIENCE <= now.steady;
        let missed: Vec<(Arc<str>, Duration)> = self
            .heard
            .iter_mut()
            .filter(|(_, heard)| is_missed(heard))
            .map(|(region, heard)| {
                heard.missed = true;
                (Arc::clone(region), heard.at)
            })
            .collect();
        out.extend(missed.iter().map(|(region, at)| Changed::now(self.fact(region, *at, true))));
    }

    fn facts(&self) -> Vec<Fact> {
        let missed = self.heard.iter().filter(|(_, heard)| heard.missed);
        missed.map(|(region, heard)| self.fact(region, heard.at, true)).collect()
    }

    fn close(&mut self, key: &FactKey, now: Moment, out: &mut Vec<Changed>) {
        let FactKey::Region(region) = key else { return };
        if self.heard.get(region).is_some_and(|heard| heard.missed) {
            self.heard.insert(Arc::clone(region), Heard { told: true, ..Heard::since(now.steady) });
            out.push(Changed::now(self.fact(region, now.steady, false)));
        }
    }

    fn restore(&mut self, _row: &RestoredState, _now: Moment) -> Result<bool, serde_json::Error> {
        Ok(false)
    }

    fn rows(&self, _now: Moment) -> Vec<StateRow> {
        Vec::new()
    }

    fn take_changed(&mut self, _now: Moment) -> Vec<StateRow> {
        Vec::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::alert::condition::testing::{Harness, named, plan};
    use crate::alert::testing::moment;
    use crate::plan::AlertPolicy;

    fn harness() -> Harness {
        Harness::new(plan(vec![named("p", AlertPolicy::default())], &["eu", "us"], &[]))
    }

    fn missed(harness: &Harness) -> Vec<String> {
        harness.facts.keys().map(ToString::to_string).collect()
    }

    fn hears(harness: &mut Harness, regions: &[&str], at: u64) {
        let heard: Vec<(Arc<str>, Duration)> = regions.iter().map(|region| (Arc::from(*region), Duration::ZERO)).collect();
        harness.take(Input::RegionsHeard(&heard), at);
    }

    #[test]
    fn what_was_heard_before_anybody_listened_has_a_minute_to_be_heard_again() {
        let mut harness = harness();
        let long_ago: [(Arc<str>, Duration); 2] = ["eu", "us"].map(|region| (region.into(), Duration::from_hours(5)));
        harness.take(Input::RegionsHeard(&long_ago), 0);
        assert_eq!(missed(&harness), [""; 0]);
        let one: [(Arc<str>, Duration); 2] = [("eu".into(), Duration::ZERO), ("us".into(), Duration::from_hours(6))];
        harness.take(Input::RegionsHeard(&one), 59);
        assert_eq!(missed(&harness), [""; 0]);
        harness.take(Input::RegionsHeard(&one), 60);
        assert_eq!(missed(&harness), ["region/us"]);
    }

    #[test]
    fn where_nobody_says_who_speaks_for_which_region_nothing_follows_from_silence() {
        let mut harness = harness();
        harness.clock(100_000);
        assert_eq!(missed(&harness), [""; 0]);
        assert_eq!(harness.conditions.due(), None);
    }

    #[test]
    fn a_declared_region_that_nobody_has_spoken_for_in_three_minutes_is_missed_until_somebody_does() {
        let mut harness = harness();
        hears(&mut harness, &["eu"], 0);
        hears(&mut harness, &["eu"], 179);
        assert_eq!(missed(&harness), [""; 0]);
        hears(&mut harness, &["eu"], 180);
        assert_eq!(missed(&harness), ["region/us"], "never heard of, since others are");
        let fact = &harness.facts[&FactKey::Region("us".into())];
        assert_eq!((fact.state, fact.since), (State::Failing(Level::Page), moment(0).steady));
        assert_eq!((fact.scope.clone(), &*fact.region), (Scope::Blind("us".into()), "us"));
        hears(&mut harness, &["eu", "us"], 200);
        assert_eq!(missed(&harness), [""; 0]);
        harness.clock(400);
        assert_eq!(missed(&harness), [""; 0], "nobody listens, so that silence says nothing");
        hears(&mut harness, &[], 401);
        assert_eq!(missed(&harness), ["region/eu", "region/us"]);
        harness.apply(plan(vec![named("p", AlertPolicy::default())], &["eu"], &[]), 410);
        assert_eq!(missed(&harness), ["region/eu"], "it is not declared any more");
    }
}
