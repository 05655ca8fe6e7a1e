//! The machine against a plain reference: all runs kept, sorted, and gone through from the first one after each.

use std::sync::Arc;
use std::time::Duration;

use proptest::collection::vec;
use proptest::prelude::*;

use super::super::*;
use super::tables::{number, rule};
use crate::alert::testing::{cause, failure, moment, moment_ms};
use crate::plan::PageRule;

/// One tick: what became of it, when it started (seconds), and how long its result took (seconds).
#[derive(Debug, Clone, Copy)]
struct Ran {
    order: u64,
    start: u64,
    took: u64,
    verdict: Verdict,
}

/// All that was ever counted: order, start, whether it failed, and whether page level was announced at it.
#[derive(Default)]
struct Reference {
    runs: Vec<(u64, u64, bool, bool)>,
}

/// What follows from the runs.
#[derive(Debug, Default, PartialEq)]
struct Outcome {
    failures: u32,
    paging: bool,
}

impl Reference {
    fn outcome(&self, rule: &CanaryRule) -> Outcome {
        let mut paging = false;
        // Where the row of failures, the row of passes and the window begin to be looked at.
        let (mut row, mut window) = (0, 0);
        for at in 0..self.runs.len() {
            let (_, start, failed, marked) = self.runs[at];
            if at > 0 && start - self.runs[at - 1].1 > rule.memory.as_secs() {
                (row, window) = (at, at);
            }
            let fails = self.runs[row..=at].iter().rev().take_while(|run| run.2).count();
            let passes: Vec<u64> = self.runs[row..=at].iter().rev().take_while(|run| !run.2).map(|run| run.1).collect();
            paging |= marked
                || match rule.rule {
                    PageRule::Consecutive(of) => fails >= of.get() as usize,
                    PageRule::Window { failures, of } => {
                        let looked_at = self.runs[window..=at].iter().rev().take(of.get() as usize);
                        looked_at.filter(|run| run.2).count() >= failures.get() as usize
                    }
                };
            let spans =
                passes.last().is_some_and(|first| (start - first) * 1_000 >= u64::try_from(rule.span().as_millis()).unwrap());
            if paging && !failed && passes.len() >= rule.resolve_after.get() as usize && spans {
                paging = false;
                window = at + 1;
            }
        }
        let from = self.runs.len() - self.runs[row..].iter().rev().take_while(|run| run.2).count();
        Outcome { failures: u32::try_from(self.runs.len() - from).unwrap(), paging }
    }

    /// Whether enough passes in a row came after a tick.
    fn was_well_after(&self, rule: &CanaryRule, order: u64) -> bool {
        let after: Vec<_> = self.runs.iter().filter(|run| run.0 > order).collect();
        (0..after.len()).any(|at| {
            let mut begin = at;
            let together = |run: usize| after[run].1 - after[run - 1].1 <= rule.memory.as_secs();
            while begin > 0 && !after[begin - 1].2 && together(begin) {
                begin -= 1;
            }
            let spans = (after[at].1 - after[begin].1) * 1_000 >= u64::try_from(rule.span().as_millis()).unwrap();
            !after[at].2 && at + 1 - begin >= rule.resolve_after.get() as usize && spans
        })
    }

    fn seen(&mut self, rule: &CanaryRule, ran: Ran) -> Change {
        let failed = match ran.verdict {
            Verdict::Passed => false,
            Verdict::Failed => true,
            Verdict::Errored | Verdict::Missed | Verdict::Blocked | Verdict::Skipped => return Change::Nothing,
        };
        let was = self.outcome(rule).paging;
        let (order, start) = match self.runs.last() {
            Some(&(order, start, _, _)) if failed && self.was_well_after(rule, ran.order) => (order, start),
            _ => (ran.order, ran.start),
        };
        self.runs.push((order, start, failed, false));
        self.runs.sort_by_key(|run| run.0);
        let change = match (was, self.outcome(rule).paging, failed) {
            (false, true, _) => Change::Crossed,
            (true, false, _) => Change::Recovered,
            (_, _, true) => Change::Failed,
            (_, _, false) => Change::Nothing,
        };
        if change == Change::Crossed {
            self.runs.last_mut().unwrap().3 = true;
        }
        change
    }
}

fn seen(ran: Ran) -> Seen {
    let (count, failure) = match ran.verdict {
        Verdict::Passed => (Count::Pass, None),
        Verdict::Failed => (Count::Failure, Some(Arc::new(failure("p/eu", &cause(Reason::Expectation, "s", None))))),
        Verdict::Errored | Verdict::Missed | Verdict::Blocked | Verdict::Skipped => (Count::NoResult, None),
    };
    Seen { verdict: ran.verdict, reason: None, count, order: ran.order, age: Duration::from_secs(ran.took), failure }
}

fn verdicts() -> impl Strategy<Value = Verdict> {
    prop_oneof![
        5 => Just(Verdict::Passed),
        5 => Just(Verdict::Failed),
        1 => Just(Verdict::Errored),
        1 => Just(Verdict::Missed),
        1 => Just(Verdict::Blocked),
        1 => Just(Verdict::Skipped),
    ]
}

/// Ticks a minute apart, now and then after a long silence; runs may take longer than several intervals.
fn histories(longest: u64) -> impl Strategy<Value = Vec<Ran>> {
    let pause = prop_oneof![20 => Just(60_u64), 4 => Just(20), 1 => Just(3_600), 1 => Just(3_601), 1 => Just(20_000)];
    vec((verdicts(), pause, 0..=longest), 0..60).prop_map(|ticks| {
        let mut start = 0;
        let runs = (1..).zip(ticks).map(|(order, (verdict, pause, took))| {
            start += pause;
            Ran { order, start, took, verdict }
        });
        runs.collect()
    })
}

fn rules() -> impl Strategy<Value = CanaryRule> {
    let page = prop_oneof![
        (1..4_u32).prop_map(|failures| PageRule::Consecutive(number(failures))),
        (1..12_u32, 0..6_u32)
            .prop_map(|(of, less)| PageRule::Window { failures: number(of.saturating_sub(less).max(1)), of: number(of) }),
    ];
    (page, 1..4_u32).prop_map(|(page, passes)| CanaryRule {
        resolve_after: number(passes),
        late_by: Duration::from_hours(1),
        ..rule(page)
    })
}

/// The runs in the order in which they end.
fn by_end(mut runs: Vec<Ran>) -> Vec<Ran> {
    runs.sort_by_key(|ran| ran.start + ran.took);
    runs
}

proptest! {
    #[test]
    fn the_machine_agrees_with_the_reference_after_every_run(rule in rules(), runs in histories(250)) {
        let (mut state, mut reference) = (CanaryState::new(moment(0)), Reference::default());
        for ran in by_end(runs) {
            let change = state.seen(&rule, seen(ran), moment(ran.start + ran.took));
            prop_assert_eq!(change, reference.seen(&rule, ran), "{:?}", ran);
            let outcome = Outcome { failures: state.failures(), paging: state.is_paging() };
            prop_assert_eq!(outcome, reference.outcome(&rule), "{:?}", ran);
            prop_assert!(!state.is_paging() || state.failure().is_some());
        }
    }

    #[test]
    fn the_order_of_completion_never_loses_a_page_and_never_changes_the_row(rule in rules(), runs in histories(110)) {
        // Nothing is decided meanwhile: passes that span two intervals take longer than any run.
        let (mut ordered, mut late) = (CanaryState::new(moment(0)), CanaryState::new(moment(0)));
        let (mut pages, mut late_pages) = (0, 0);
        for &ran in &runs {
            pages += usize::from(ordered.seen(&rule, seen(ran), moment(ran.start + ran.took)) == Change::Crossed);
        }
        for ran in by_end(runs) {
            late_pages += usize::from(late.seen(&rule, seen(ran), moment(ran.start + ran.took)) == Change::Crossed);
        }
        prop_assert_eq!(ordered.failures(), late.failures());
        prop_assert_eq!(ordered.last_counted(), late.last_counted());
        prop_assert!(!ordered.is_paging() || late.is_paging());
        prop_assert!(pages == 0 || late_pages > 0);
    }

    #[test]
    fn results_are_kept_apart_no_longer_than_runs_may_take(rule in rules(), runs in histories(70)) {
        let few = CanaryRule { late_by: Duration::from_secs(70), ..rule };
        let (mut many_kept, mut few_kept) = (CanaryState::new(moment(0)), CanaryState::new(moment(0)));
        for ran in by_end(runs) {
            let now = moment(ran.start + ran.took);
            prop_assert_eq!(many_kept.seen(&rule, seen(ran), now), few_kept.seen(&few, seen(ran), now));
        }
    }

    #[test]
    fn what_does_not_count_changes_nothing_wherever_it_comes(rule in rules(), runs in histories(0)) {
        let (mut with, mut without) = (CanaryState::new(moment(0)), CanaryState::new(moment(0)));
        for ran in runs {
            let now = moment(ran.start);
            let change = with.seen(&rule, seen(ran), now);
            match ran.verdict {
                Verdict::Passed | Verdict::Failed => prop_assert_eq!(change, without.seen(&rule, seen(ran), now)),
                Verdict::Errored | Verdict::Missed | Verdict::Blocked | Verdict::Skipped => {
                    prop_assert_eq!(change, Change::Nothing);
                }
            }
            prop_assert_eq!(&with.track, &without.track);
            prop_assert_eq!(with.failure(), without.failure());
        }
    }

    #[test]
    fn setting_the_wall_clock_by_an_hour_changes_nothing(rule in rules(), runs in histories(100), hours in vec(-1..=1_i64, 60)) {
        let (mut steady, mut set) = (CanaryState::new(moment(0)), CanaryState::new(moment(0)));
        for (ran, hours) in by_end(runs).into_iter().zip(hours) {
            let millis = (ran.start + ran.took) * 1_000;
            let change = steady.seen(&rule, seen(ran), moment_ms(millis, 0));
            prop_assert_eq!(change, set.seen(&rule, seen(ran), moment_ms(millis, hours)));
            prop_assert_eq!(&steady, &set);
        }
    }

    #[test]
    fn a_restart_at_any_point_changes_nothing(rule in rules(), runs in histories(0), restarts in vec(any::<bool>(), 60)) {
        let (mut kept, mut restarted) = (CanaryState::new(moment(0)), CanaryState::new(moment(0)));
        let mut before = 0;
        for (ran, restart) in runs.into_iter().zip(restarts) {
            let now = moment(ran.start);
            if restart {
                restarted = CanaryState::from_json(&restarted.to_json(now), now).unwrap();
                before = ran.order - 1;
            }
            let change = kept.seen(&rule, seen(ran), now);
            // Orders begin again with each process.
            prop_assert_eq!(change, restarted.seen(&rule, seen(Ran { order: ran.order - before, ..ran }), now));
            prop_assert_eq!(kept.failures(), restarted.failures());
            prop_assert_eq!(kept.failing_since(), restarted.failing_since());
            prop_assert_eq!(kept.failure(), restarted.failure());
            prop_assert_eq!(kept.clock(), restarted.clock());
        }
    }
}
