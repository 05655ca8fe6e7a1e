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
    let states: Vec<_> = canaries.iter().map(|_| CanaryState::new()).collect();
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
        let seen = Seen { verdict, reason, count, ticks: 1, order: 0, age: Duration::ZERO, failure: None };
        self.states[of].seen(&self.rule, seen, moment(second));
        self.blind.told(&self.canaries[of].id, self.states[of].clock())
    }

    fn joins(&mut self, second: u64) -> usize {
        self.blind.now_blind(moment(second)).len()
    }
}

#[test]
fn a_canary_is_blind_after_three_ticks_without_a_counted_run_and_not_before_five_minutes() {
    use Reason::{Guard, Overload, Secret, SelfCheck};
    let blind_at = |interval: u64, reason| {
        let cadence = Cadence::Every(Duration::from_secs(interval));
        let patience = patience(&Alerting::default().blind, &Probe { cadence, ..probe(Vec::new(), AlertPolicy::default()) });
        let rule = CanaryRule::of(&probe(Vec::new(), AlertPolicy::default()));
        let mut state = CanaryState::new();
        let mut ticks = (1..=20).filter_map(|tick| {
            let (verdict, count) = (Verdict::of(reason), Count::NoResult);
            let seen = Seen { verdict, reason: Some(reason), count, ticks: 1, order: 0, age: Duration::ZERO, failure: None };
            state.seen(&rule, seen, moment(tick * interval));
            Some((tick, state.clock().due(patience)?.saturating_sub(moment(0).steady).as_secs()))
        });
        ticks.next()
    };
    // The tick at which its time is known, and that time: seconds after the last counted run.
    assert_eq!(blind_at(10, SelfCheck), Some((3, 10 + 300)));
    assert_eq!(blind_at(300, Overload), Some((3, 300 + 300)), "which is over at the third tick");
    assert_eq!(blind_at(10, Secret), Some((2, 10)), "it will not go away by itself");
    assert_eq!(blind_at(10, Guard), Some((2, 10)));
    assert_eq!(blind_at(7_200, SelfCheck), Some((1, 7_200)), "of rare ticks one is too many");
}

#[test]
fn it_joins_when_its_time_is_up_and_leaves_with_its_next_counted_run() {
    use Verdict::{Errored, Failed, Passed};
    let stall = Some(Reason::Stall);
    for result in [Passed, Failed] {
        let mut world = world(2);
        world.run(0, Passed, None, 60);
        assert_eq!(world.joins(100_000), 0, "no tick was due, so none is missing");
        for second in [100_060, 100_120, 100_180] {
            assert_eq!(world.run(0, Errored, stall, second), None);
        }
        assert_eq!((world.joins(100_359), world.joins(100_360)), (0, 1));
        assert_eq!(world.run(0, Errored, stall, 100_361), None);
        assert_eq!(world.joins(200_000), 0, "it joins once");
        assert_eq!(world.blind.members("r00000").count(), 1);
        assert!(world.run(0, result, None, 200_001).is_some_and(|sight| !sight.blind));
        assert_eq!(world.blind.members("r00000").count(), 0);
        for second in [200_060, 200_120, 200_180] {
            world.run(0, Errored, stall, second);
        }
        assert_eq!((world.joins(200_359), world.joins(200_360)), (0, 1), "and may join again");
    }
}

#[test]
fn a_probe_of_office_hours_is_not_blind_at_the_weekend_and_is_on_monday_when_nothing_counts() {
    let parser = croner::parser::CronParser::new();
    let office = Cadence::cron(parser.parse("* 9-17 * * 1-5").unwrap(), chrono_tz::UTC);
    let probe = Arc::new(Probe { cadence: office, ..probe(Vec::new(), AlertPolicy::default()) });
    let (rule, hour) = (CanaryRule::of(&probe), 3_600);
    let canary = canary(&probe, "eu");
    let (mut state, mut blind) = (CanaryState::new(), Blind::default());
    blind.watch(&canary, patience(&Alerting::default().blind, &probe), state.clock(), moment(0));
    let mut tell = |blind: &mut Blind, verdict, reason, count, second| {
        let seen = Seen { verdict, reason, count, ticks: 1, order: 0, age: Duration::ZERO, failure: None };
        state.seen(&rule, seen, moment(second));
        blind.told(&canary.id, state.clock());
    };
    // Friday's last minute has two ticks without data, then come 63 hours without a tick.
    tell(&mut blind, Verdict::Passed, None, Count::Pass, 10);
    for second in [70, 130] {
        tell(&mut blind, Verdict::Errored, Some(Reason::Resources), Count::NoResult, second);
    }
    assert!(blind.now_blind(moment(130 + 63 * hour)).is_empty(), "no tick was due");
    tell(&mut blind, Verdict::Errored, Some(Reason::Resources), Count::NoResult, 140 + 63 * hour);
    assert_eq!(blind.now_blind(moment(140 + 63 * hour)).len(), 1, "Monday's first tick is the third without data");
}

#[test]
fn a_pause_lets_nobody_join_and_nobody_leave() {
    use Verdict::{Errored, Passed, Skipped};
    let down = Some(Reason::SelfCheck);
    let mut world = world(2);
    world.run(0, Passed, None, 60);
    for second in [120, 180, 240] {
        world.run(0, Errored, down, second);
        world.run(1, Errored, down, second);
    }
    assert!(world.run(0, Skipped, Some(Reason::Paused), 300).is_none());
    assert_eq!(world.joins(100_000), 1, "only the one that is not paused");
    assert_eq!(world.run(1, Skipped, Some(Reason::Paused), 100_000), None, "it was blind before the pause, and is");
    assert!(world.blind.is_blind(&world.canaries[1].id));
    // Three minutes had gone by before the pause.
    world.run(0, Errored, down, 200_000);
    assert_eq!((world.joins(200_119), world.joins(200_120)), (0, 1));
}

#[test]
fn one_that_is_removed_is_not_watched_any_more() {
    let mut world = world(2);
    for (of, second) in [(0, 60), (1, 60), (0, 120), (1, 120), (0, 180), (1, 180)] {
        world.run(of, Verdict::Errored, None, second);
    }
    assert_eq!(world.joins(360), 2);
    let id = world.canaries[0].id.clone();
    world.blind.forget(&id);
    assert_eq!((world.blind.members("r00000").count(), world.blind.members("r00001").count()), (0, 1));
    assert_eq!(world.run(0, Verdict::Passed, None, 400), None);
    assert_eq!(world.joins(10_000), 0);
}

#[test]
fn after_a_restart_a_canary_has_time_for_its_next_tick_and_a_blind_one_stays_so() {
    let mut before = CanaryState::new();
    let World { canaries, rule, .. } = world(2);
    let missed = |reason| Seen {
        verdict: Verdict::Missed,
        reason: Some(reason),
        count: Count::NoResult,
        ticks: 50,
        order: 0,
        age: Duration::ZERO,
        failure: None,
    };
    before.seen(&rule, missed(Reason::Crashed), moment(100));
    let (mut blind, now) = (Blind::default(), moment(10_000));
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
    for second in [60, 120, 180] {
        world.run(0, Verdict::Errored, None, second);
    }
    let longer = Patience { limit: Duration::from_mins(10), ..patience(&Alerting::default().blind, &canary.probe) };
    world.blind.watch(&canary, longer, world.states[0].clock(), moment(190));
    assert_eq!((world.joins(659), world.joins(660)), (0, 1));
}

#[test]
fn runs_of_ten_thousand_canaries_move_nothing_in_the_agenda() {
    let mut world = world(10_000);
    for second in 1..=600 {
        for of in (0..10_000).filter(|of| of % 60 == usize::try_from(second).unwrap() % 60) {
            world.run(of, Verdict::Passed, None, second);
        }
        assert_eq!(world.joins(second), 0);
        assert!(world.blind.agenda.is_empty());
    }
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
