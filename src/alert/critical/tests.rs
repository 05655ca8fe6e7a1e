//! Which regions count, and for how long it is critical.

use proptest::prelude::*;

use super::*;
use crate::alert::fact::{LastRun, Share};
use crate::alert::testing::moment;
use crate::alert::{Scope, State};
use crate::plan::{AlertPolicy, CanaryId};

const WITHIN: u64 = 600;

fn bar(at_page_level: bool) -> CriticalInput {
    CriticalInput { rule: AlertPolicy::default().critical, consecutive: true, at_page_level, revision: 7 }
}

fn scope() -> Scope {
    Scope::Probe("p".into())
}

/// A canary whose last counted run ended at that second.
fn canary(region: &str, state: State, failed: bool, ended: u64) -> Fact {
    let ended = moment(ended).steady;
    Fact {
        state,
        region: region.into(),
        last: Some(LastRun { failed, started: ended, ended }),
        ..Fact::well(FactKey::Canary(CanaryId::read_back(&format!("p/{region}"))), scope())
    }
}

fn page(region: &str, failed: bool, ended: u64) -> Fact {
    canary(region, State::Failing(Level::Page), failed, ended)
}

fn suspect(region: &str, failed: bool, ended: u64) -> Fact {
    canary(region, State::Suspect, failed, ended)
}

fn across(level: Level, shares: &[(&str, bool)]) -> Fact {
    let shares = shares.iter().map(|(region, reaches)| (Arc::from(*region), Share { failed: 4, counted: 12, reaches: *reaches }));
    Fact { state: State::Failing(level), shares: shares.collect(), ..Fact::well(FactKey::Across("p".into()), scope()) }
}

fn names(regions: &BTreeSet<Arc<str>>) -> Vec<&str> {
    regions.iter().map(|region| &**region).collect()
}

#[test]
fn a_region_counts_while_a_member_of_it_fails_at_page_level_or_its_last_run_failed_within_the_window() {
    let warn = |region| canary(region, State::Failing(Level::Warn), false, 0);
    let share = |level| across(level, &[("ap", true), ("eu", true), ("us", false)]);
    let objective = Fact {
        state: State::Failing(Level::Page),
        ..Fact::well(FactKey::Objective("p".into(), crate::alert::Objective::BurnRate), scope())
    };
    let subject = Fact { key: FactKey::Subject("p".into(), "segment 1".into()), ..share(Level::Page) };
    for (what, facts, second, consecutive, expected) in [
        ("two that fail", vec![(page("eu", true, 0), true), (page("us", true, 0), true)], 0, true, vec!["eu", "us"]),
        ("a failing one whose last run passed is not settled", vec![(page("eu", false, 0), true)], 0, true, vec!["eu"]),
        ("it fails for long without a run", vec![(page("eu", true, 0), true)], 9_000, true, vec!["eu"]),
        ("muted or explained", vec![(page("eu", true, 0), false), (suspect("us", true, 0), false)], 0, true, vec![]),
        ("a lone failure", vec![(suspect("us", true, 0), true)], WITHIN, true, vec!["us"]),
        ("a lone failure long ago", vec![(suspect("us", true, 0), true)], WITHIN + 1, true, vec![]),
        ("a lone failure and a pass since", vec![(suspect("us", false, 0), true)], 0, true, vec![]),
        ("a lone failure where so many of so many page", vec![(suspect("us", true, 0), true)], 0, false, vec![]),
        ("two canaries of one region", vec![(page("eu", true, 0), true), (suspect("eu", true, 0), true)], 0, true, vec!["eu"]),
        ("a member at warn", vec![(warn("eu"), true)], 0, true, vec![]),
        ("across counts where the region's own share does", vec![(share(Level::Page), true)], 0, false, vec!["ap", "eu"]),
        ("across at warn", vec![(share(Level::Warn), true)], 0, true, vec![]),
        ("across explained", vec![(share(Level::Page), false)], 0, true, vec![]),
        ("a subject counts where it was seen to fail", vec![(subject, true)], 0, true, vec!["ap", "eu"]),
        ("an objective has no region", vec![(objective, true)], 0, true, vec![]),
    ] {
        let bar = CriticalInput { consecutive, ..bar(true) };
        let mut critical = Critical::default();
        let judged = critical.judge(facts.iter().map(|(fact, counts)| (fact, *counts)), bar, moment(second));
        assert_eq!(names(&judged.regions), expected, "{what}");
        assert_eq!((critical.fails(), judged.changed), (expected.len() >= 2, expected.len() >= 2), "{what}");
        let mut without = Critical::default();
        let bar = CriticalInput { at_page_level: false, ..bar };
        assert!(!without.judge(facts.iter().map(|(fact, counts)| (fact, *counts)), bar, moment(second)).changed);
        assert!(!without.fails(), "{what}: not at page level");
    }
}

#[test]
fn it_ends_after_a_whole_window_in_which_it_would_not_have_been_and_begins_a_new_episode() {
    let (both, one) = ([page("eu", true, 0), page("us", true, 0)], [page("eu", true, 0)]);
    let mut critical = Critical::default();
    let mut judge = |facts: &[Fact], at_page_level, revision, second| {
        let bar = CriticalInput { revision, ..bar(at_page_level) };
        let judged = critical.judge(facts.iter().map(|fact| (fact, true)), bar, moment(second));
        (critical.fails(), critical.revision(), judged.changed, judged.again)
    };
    let at = |second| Some(moment(second).steady);
    assert_eq!(judge(&both, true, 3, 0), (true, Some(3), true, None));
    assert_eq!(judge(&one, true, 4, 10), (true, Some(3), false, at(610)));
    assert_eq!(judge(&both, true, 5, 600), (true, Some(3), false, None), "it is again, and the window begins anew");
    assert_eq!(judge(&both, false, 6, 700), (true, Some(3), false, at(1_300)), "the incident is not at page level");
    assert_eq!(judge(&one, true, 7, 1_299), (true, Some(3), false, at(1_300)));
    assert_eq!(judge(&one, true, 8, 1_300), (false, None, true, None));
    assert_eq!(judge(&both, true, 9, 1_301), (true, Some(9), true, None));
}

#[test]
fn a_rule_that_is_taken_away_ends_it() {
    let mut critical = Critical::default();
    let both = [page("eu", true, 0), page("us", true, 0)];
    critical.judge(both.iter().map(|fact| (fact, true)), bar(true), moment(0));
    let judged = critical.judge(both.iter().map(|fact| (fact, true)), CriticalInput { rule: None, ..bar(true) }, moment(1));
    assert!(judged.changed && !critical.fails());
}

#[test]
fn it_is_kept_as_text() {
    let mut critical = Critical::default();
    let both = [page("eu", true, 0), page("us", true, 0)];
    critical.judge(both.iter().map(|fact| (fact, true)), bar(true), moment(0));
    critical.judge([], bar(true), moment(1));
    let text = serde_json::to_string(&critical).unwrap();
    assert_eq!(serde_json::from_str::<Critical>(&text).unwrap(), critical);
}

/// A canary of one of four regions as the test makes it: state, whether its last run failed, when that ended, whether it counts.
fn facts() -> impl Strategy<Value = Vec<(Fact, bool)>> {
    let state = prop_oneof![
        Just(State::Well),
        Just(State::Suspect),
        Just(State::Failing(Level::Warn)),
        Just(State::Failing(Level::Page))
    ];
    let one =
        (0..4_usize, state, any::<bool>(), 0..1_500_u64, any::<bool>()).prop_map(|(region, state, failed, ended, counts)| {
            (canary(["eu", "us", "ap", "sa"][region], state, failed && state != State::Well, ended), counts)
        });
    prop::collection::vec(one, 0..8)
}

proptest! {
    #[test]
    fn it_is_never_critical_with_fewer_regions_than_the_rule_wants(
        history in prop::collection::vec((facts(), any::<bool>(), 0..400_u64), 1..12),
        consecutive in any::<bool>(),
    ) {
        let mut critical = Critical::default();
        let (mut second, mut last_held) = (1_500, None);
        for (facts, at_page_level, pause) in history {
            second += pause;
            let bar = CriticalInput { consecutive, ..bar(at_page_level) };
            let judged = critical.judge(facts.iter().map(|(fact, counts)| (fact, *counts)), bar, moment(second));
            // Said otherwise: the regions of which somebody can say so.
            let says = |fact: &Fact| {
                let lately = fact.last.is_some_and(|last| last.failed && last.ended + Duration::from_secs(WITHIN) >= moment(second).steady);
                fact.state == State::Failing(Level::Page) || (consecutive && lately)
            };
            let regions: BTreeSet<Arc<str>> =
                facts.iter().filter(|(fact, counts)| *counts && says(fact)).map(|(fact, _)| Arc::clone(&fact.region)).collect();
            prop_assert_eq!(&judged.regions, &regions);
            if at_page_level && regions.len() >= 2 {
                last_held = Some(second);
                prop_assert!(critical.fails());
            }
            // With fewer regions it can only stay critical, for less than a window after it was first judged so.
            prop_assert!(!critical.fails() || last_held.is_some());
            prop_assert!(judged.again.is_none_or(|again| again > moment(second).steady));
        }
    }

    #[test]
    fn left_alone_and_asked_when_it_wants_to_be_it_ends_within_two_windows(facts in facts()) {
        let mut critical = Critical::default();
        let mut now = moment(1_500);
        critical.judge(facts.iter().map(|(fact, counts)| (fact, *counts)), bar(true), now);
        let settled: Vec<(Fact, bool)> =
            facts.into_iter().map(|(fact, counts)| (Fact { state: State::Suspect, ..fact }, counts)).collect();
        let mut again = critical.judge(settled.iter().map(|(fact, counts)| (fact, *counts)), bar(true), now).again;
        while let Some(at) = again {
            prop_assert!(at > now.steady && at <= moment(1_500 + 2 * WITHIN + 1).steady);
            now = Moment { steady: at, ..now };
            again = critical.judge(settled.iter().map(|(fact, counts)| (fact, *counts)), bar(true), now).again;
        }
        prop_assert!(!critical.fails());
    }
}
