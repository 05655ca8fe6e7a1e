//! Who is blind when, and that asking costs little.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;
use crate::alert::canary::{CanaryRule, CanaryState, Count, Seen};
use crate::alert::testing::{canary, moment, probe};
use crate::outcome::{Reason, Verdict};
use crate::plan::{AlertPolicy, Alerting, Cadence};

/// Canaries with their states, and who watches them.
struct World {
    canaries: Vec<Arc<Canary>>,
    states: Vec<CanaryState>,
    rule: CanaryRule,
    blind: Blind,
}

fn world(number: usize) -> World {
    let probe = Arc::new(probe(Vec::new(), AlertPolicy::default()));
    let canaries: Vec<_> = (0..number).map(|at| canary(&probe, &format!("r{at:05}"))).collect();
    let patience = patience(&Alerting::default().blind, &probe);
    let mut blind = Blind::default();
    let states: Vec<_> = canaries.iter().map(|_| CanaryState::new(moment(0))).collect();
    for (canary, state) in canaries.iter().zip(&states) {
        blind.watch(canary, patience, state.clock(), moment(0));
    }
    World { canaries, states, rule: CanaryRule::of(&probe), blind }
}

impl World {
    fn run(&mut self, of: usize, verdict: Verdict, reason: Option<Reason>, second: u64) -> Option<Sight> {
        let count = match verdict {
            Verdict::Passed => Count::Pass,
            Verdict::Failed => Count::Failure,
            Verdict::Errored | Verdict::Missed | Verdict::Blocked | Verdict::Skipped => Count::NoResult,
        };
        let seen = Seen { verdict, reason, count, order: 0, age: Duration::ZERO, failure: None };
        self.states[of].seen(&self.rule, seen, moment(second));
        self.blind.told(&self.canaries[of].id, self.states[of].clock(), moment(second))
    }

    fn joins(&mut self, second: u64) -> usize {
        self.blind.now_blind(moment(second)).len()
    }
}

#[test]
fn a_canary_is_blind_after_three_intervals_but_not_before_five_minutes() {
    let rule = Alerting::default().blind;
    let limit = |minutes| {
        let cadence = Cadence::Every(Duration::from_mins(minutes));
        patience(&rule, &Probe { cadence, ..probe(Vec::new(), AlertPolicy::default()) }).limit
    };
    assert_eq!([limit(1), limit(2)], [Duration::from_mins(5), Duration::from_mins(6)]);
}

#[test]
fn it_joins_when_its_time_is_up_and_leaves_with_its_next_counted_run() {
    use Verdict::{Errored, Failed, Passed};
    for result in [Passed, Failed] {
        let mut world = world(2);
        world.run(0, Passed, None, 60);
        assert_eq!(world.joins(299), 0);
        let sights = world.blind.now_blind(moment(300));
        assert_eq!(sights.iter().map(|sight| (&*sight.region, sight.blind)).collect::<Vec<_>>(), [("r00001", true)]);
        assert_eq!(world.joins(359), 0);
        assert_eq!(world.joins(360), 1);
        assert_eq!(world.run(0, Errored, Some(Reason::SelfCheck), 361), None);
        assert_eq!(world.joins(1_000), 0, "it joins once");
        assert_eq!(world.blind.members("r00000").count(), 1);
        assert!(world.run(0, result, None, 1_001).is_some_and(|sight| !sight.blind));
        assert_eq!(world.blind.members("r00000").count(), 0);
        assert_eq!(world.joins(1_300), 0);
        assert_eq!(world.joins(1_301), 1, "and may join again");
    }
}

#[test]
fn a_pause_lets_nobody_join_and_nobody_leave() {
    use Verdict::{Errored, Passed, Skipped};
    let mut world = world(2);
    world.run(0, Passed, None, 60);
    assert!(world.run(0, Skipped, Some(Reason::Paused), 120).is_none());
    world.run(1, Errored, Some(Reason::SelfCheck), 120);
    assert_eq!(world.joins(100_000), 1, "only the one that is not paused");
    assert_eq!(world.run(1, Skipped, Some(Reason::Paused), 100_000), None, "it was blind before the pause, and is");
    assert!(world.blind.is_blind(&world.canaries[1].id));
    // One minute had gone by before the pause.
    world.run(0, Errored, Some(Reason::SelfCheck), 200_000);
    assert_eq!(world.joins(200_239), 0);
    assert_eq!(world.joins(200_240), 1);
}

#[test]
fn one_that_is_removed_is_not_watched_any_more() {
    let mut world = world(2);
    assert_eq!(world.joins(300), 2);
    let id = world.canaries[0].id.clone();
    world.blind.forget(&id);
    assert_eq!((world.blind.members("r00000").count(), world.blind.members("r00001").count()), (0, 1));
    assert_eq!(world.run(0, Verdict::Passed, None, 400), None);
    assert_eq!(world.joins(10_000), 0);
}

#[test]
fn after_a_restart_a_canary_has_time_for_a_run_and_a_blind_one_stays_so() {
    let before = CanaryState::new(moment(0));
    let World { canaries, .. } = world(2);
    let mut blind = Blind::default();
    let now = moment(10_000);
    for canary in &canaries {
        blind.watch(canary, patience(&Alerting::default().blind, &canary.probe), before.clock(), now);
    }
    blind.still_blind(&canaries[1].id);
    assert!(blind.now_blind(moment(10_089)).is_empty());
    assert!(blind.is_blind(&canaries[1].id));
    let joined = blind.now_blind(moment(10_090));
    assert_eq!(joined.iter().map(|sight| &sight.canary).collect::<Vec<_>>(), [&canaries[0].id]);
}

#[test]
fn an_edited_rule_holds_from_then_on() {
    let mut world = world(1);
    let canary = Arc::clone(&world.canaries[0]);
    let longer = Patience { limit: Duration::from_mins(10), ..patience(&Alerting::default().blind, &canary.probe) };
    world.blind.watch(&canary, longer, world.states[0].clock(), moment(10));
    assert_eq!((world.joins(599), world.joins(600)), (0, 1));
}

#[test]
fn runs_of_ten_thousand_canaries_move_nothing_in_the_agenda() {
    let mut world = world(10_000);
    let mut looked_at = 0;
    for second in 1..=600 {
        for of in (0..10_000).filter(|of| of % 60 == usize::try_from(second).unwrap() % 60) {
            world.run(of, Verdict::Passed, None, second);
        }
        looked_at += world.blind.agenda.iter().filter(|Reverse((due, _))| *due <= moment(second).steady).count();
        assert_eq!(world.joins(second), 0);
        assert_eq!(world.blind.agenda.len(), 10_000);
    }
    assert!(looked_at <= 30_000, "each is looked at once in its limit, not each second: {looked_at}");
}

proptest! {
    #[test]
    fn who_is_blind_agrees_with_looking_at_everybody_each_second(
        runs in proptest::collection::vec((0..4_usize, 0..7_usize, 1..200_u64), 0..60),
    ) {
        const OVERLAP: (Verdict, Option<Reason>) = (Verdict::Missed, Some(Reason::Overlap));
        let mut world = world(4);
        let patience = patience(&Alerting::default().blind, &world.canaries[0].probe);
        let mut expected = [false; 4];
        let mut second = 0;
        for (of, kind, pause) in runs {
            for at in second..second + pause {
                let joined: BTreeMap<_, _> =
                    world.blind.now_blind(moment(at)).into_iter().map(|sight| (sight.canary, sight.blind)).collect();
                for (number, canary) in world.canaries.iter().enumerate() {
                    let due = world.states[number].clock().due(patience).is_some_and(|due| due <= moment(at).steady);
                    prop_assert_eq!(joined.contains_key(&canary.id), due && !expected[number], "{} at {}", number, at);
                    expected[number] |= due;
                    prop_assert_eq!(world.blind.is_blind(&canary.id), expected[number]);
                }
            }
            second += pause;
            let (verdict, reason) = if kind == 6 { OVERLAP } else { (Verdict::ALL[kind], None) };
            let sight = world.run(of, verdict, reason, second);
            let counted = matches!(verdict, Verdict::Passed | Verdict::Failed);
            prop_assert_eq!(sight.is_some(), counted && expected[of]);
            expected[of] &= !counted;
        }
    }
}
