//! The machine against a plain reference: all runs kept, sorted, and gone through from the first one after each.

use proptest::collection::vec;
use proptest::prelude::*;

use super::super::*;
use super::tables::{FAILING, new, number, rule, take};
use crate::alert::condition::count::Count;
use crate::alert::testing::{moment, moment_ms};

/// One tick: what became of it, when it started (seconds), and how long its result took (seconds).
#[derive(Debug, Clone, Copy)]
struct Ran {
    order: u64,
    start: u64,
    took: u64,
    count: Count,
}

/// A run as the reference keeps it: order, start, whether it failed, and whether it was told at it that the canary fails.
#[derive(Debug, Clone, Copy)]
struct RecordedRun {
    order: u64,
    start: u64,
    failed: bool,
    told: bool,
}

/// All that was ever counted.
#[derive(Default)]
struct Reference {
    runs: Vec<RecordedRun>,
}

fn span(rule: &Rule) -> u64 {
    u64::try_from(rule.span().as_millis()).unwrap()
}

impl Reference {
    /// How it stands after all runs.
    fn state(&self, rule: &Rule) -> (State, u32) {
        let (mut suspect, mut failing) = (false, false);
        // Where the rows begin to be looked at, and the window.
        let (mut row, mut window) = (0, 0);
        for (at, run) in self.runs.iter().enumerate() {
            if at > 0 && run.start - self.runs[at - 1].start > rule.memory.as_secs() {
                (row, window, suspect) = (at, at, false);
            }
            let fails = self.runs[row..=at].iter().rev().take_while(|run| run.failed).count();
            let passes = self.runs[row..=at].iter().rev().take_while(|run| !run.failed).count();
            suspect |= run.failed;
            failing |= run.told
                || match rule.page {
                    PageRule::Consecutive(of) => fails >= of.get() as usize,
                    PageRule::Window { failures, of } => {
                        let looked_at = self.runs[window..=at].iter().rev().take(of.get() as usize);
                        looked_at.filter(|run| run.failed).count() >= failures.get() as usize
                    }
                };
            let last_failed = self.runs[..=at].iter().filter(|run| run.failed).map(|run| run.start).max();
            let spans = last_failed.is_none_or(|failed| (run.start - failed) * 1_000 >= span(rule));
            if !run.failed && passes >= rule.passes() as usize && spans && (suspect || failing) {
                (suspect, failing, window) = (false, false, at + 1);
            }
        }
        let failures = self.runs[row..].iter().rev().take_while(|run| run.failed).count();
        let state = if failing {
            FAILING
        } else if suspect {
            State::Suspect
        } else {
            State::Well
        };
        (state, u32::try_from(failures).unwrap())
    }

    /// Whether enough passes in a row came after a failed run of that order, which started then.
    fn was_settled_after(&self, rule: &Rule, order: u64, start: u64) -> bool {
        let after: Vec<&RecordedRun> = self.runs.iter().filter(|run| run.order > order).collect();
        (0..after.len()).any(|at| {
            let together = |run: usize| after[run].start - after[run - 1].start <= rule.memory.as_secs();
            let mut begin = at;
            while begin > 0 && !after[begin - 1].failed && together(begin) {
                begin -= 1;
            }
            let last_failed = after[..=at].iter().filter(|run| run.failed).map(|run| run.start).max().unwrap_or(start);
            !after[at].failed
                && at + 1 - begin >= rule.passes() as usize
                && after[at].start.saturating_sub(last_failed) * 1_000 >= span(rule)
        })
    }

    fn take(&mut self, rule: &Rule, ran: Ran) {
        let Some(failed) = ran.count.failed() else { return };
        let was = self.state(rule).0;
        let (order, start) = match self.runs.last() {
            Some(last) if failed && self.was_settled_after(rule, ran.order, ran.start) => (last.order, last.start),
            _ => (ran.order, ran.start),
        };
        self.runs.push(RecordedRun { order, start, failed, told: false });
        self.runs.sort_by_key(|run| run.order);
        if was != FAILING && self.state(rule).0 == FAILING {
            self.runs.last_mut().unwrap().told = true;
        }
    }
}

fn counts() -> impl Strategy<Value = Count> {
    prop_oneof![5 => Just(Count::Pass), 5 => Just(Count::Failure), 1 => Just(Count::Result), 1 => Just(Count::NoResult)]
}

/// Ticks a minute apart, now and then after a long silence; runs may take longer than several intervals.
fn histories(longest: u64) -> impl Strategy<Value = Vec<Ran>> {
    let pause = prop_oneof![20 => Just(60_u64), 4 => Just(20), 1 => Just(3_600), 1 => Just(3_601), 1 => Just(20_000)];
    vec((counts(), pause, 0..=longest), 0..60).prop_map(|ticks| {
        let mut start = 0;
        let runs = (1..).zip(ticks).map(|(order, (count, pause, took))| {
            start += pause;
            Ran { order, start, took, count }
        });
        runs.collect()
    })
}

fn rules() -> impl Strategy<Value = Rule> {
    let page = prop_oneof![
        (1..4_u32).prop_map(|failures| PageRule::Consecutive(number(failures))),
        (1..12_u32, 0..6_u32)
            .prop_map(|(of, less)| PageRule::Window { failures: number(of.saturating_sub(less).max(1)), of: number(of) }),
    ];
    (page, 1..4_u32).prop_map(|(page, passes)| Rule {
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

fn feed(runs: &mut Runs, rule: &Rule, ran: Ran, now: Moment) -> State {
    take(runs, rule, (ran.order, ran.count, ran.took), now)
}

fn end(ran: Ran) -> Moment {
    moment(ran.start + ran.took)
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_machine_agrees_with_the_reference_after_every_run(rule in rules(), runs in histories(250)) {
        let (mut machine, mut reference) = (new(), Reference::default());
        for ran in by_end(runs) {
            let state = feed(&mut machine, &rule, ran, end(ran));
            reference.take(&rule, ran);
            prop_assert_eq!((state, machine.failures()), reference.state(&rule), "{:?}", ran);
            let fact = machine.fact(&rule);
            prop_assert_eq!(fact.state, state);
            prop_assert!(state == State::Well || (fact.evidence.is_some() && fact.failed > 0 && fact.last_failed >= Some(fact.since)));
        }
    }

    #[test]
    fn the_order_of_completion_never_loses_a_failure_and_never_changes_the_row(rule in rules(), runs in histories(110)) {
        // Nothing is decided meanwhile: passes two intervals after a failure come after any run that is under way.
        let (mut ordered, mut late) = (new(), new());
        let (mut failed, mut late_failed) = (false, false);
        for &ran in &runs {
            failed |= feed(&mut ordered, &rule, ran, end(ran)) == FAILING;
        }
        for ran in by_end(runs) {
            late_failed |= feed(&mut late, &rule, ran, end(ran)) == FAILING;
        }
        prop_assert_eq!(ordered.failures(), late.failures());
        prop_assert_eq!(ordered.last(), late.last());
        prop_assert!(ordered.state() != FAILING || late.state() == FAILING);
        prop_assert!(!failed || late_failed);
    }

    #[test]
    fn results_are_kept_apart_no_longer_than_runs_may_take(rule in rules(), runs in histories(70)) {
        let few = Rule { late_by: Duration::from_secs(70), ..rule };
        let (mut many_kept, mut few_kept) = (new(), new());
        for ran in by_end(runs) {
            prop_assert_eq!(feed(&mut many_kept, &rule, ran, end(ran)), feed(&mut few_kept, &few, ran, end(ran)));
            prop_assert_eq!(many_kept.fact(&rule), few_kept.fact(&few));
        }
    }

    #[test]
    fn what_does_not_count_changes_nothing_wherever_it_comes(rule in rules(), runs in histories(0)) {
        let (mut with, mut without) = (new(), new());
        for ran in runs {
            feed(&mut with, &rule, ran, moment(ran.start));
            if ran.count.failed().is_some() {
                feed(&mut without, &rule, ran, moment(ran.start));
            }
            prop_assert_eq!(&with.track, &without.track);
            prop_assert_eq!(with.fact(&rule), without.fact(&rule));
        }
    }

    #[test]
    fn setting_the_wall_clock_by_an_hour_changes_nothing(rule in rules(), runs in histories(100), hours in vec(-1..=1_i64, 60)) {
        let (mut steady, mut set) = (new(), new());
        for (ran, hours) in by_end(runs).into_iter().zip(hours) {
            let millis = (ran.start + ran.took) * 1_000;
            feed(&mut steady, &rule, ran, moment_ms(millis, 0));
            feed(&mut set, &rule, ran, moment_ms(millis, hours));
            prop_assert_eq!(steady.fact(&rule), set.fact(&rule));
        }
    }

    #[test]
    fn a_restart_at_any_point_changes_nothing(rule in rules(), runs in histories(0), restarts in vec(any::<bool>(), 60)) {
        let (mut kept, mut restarted) = (new(), new());
        let mut before = 0;
        for (ran, restart) in runs.into_iter().zip(restarts) {
            let now = moment(ran.start);
            if restart {
                let json = restarted.to_json(now);
                restarted = new();
                restarted.restore(&json, now).unwrap();
                before = ran.order - 1;
            }
            feed(&mut kept, &rule, ran, now);
            // Orders begin again with each process.
            feed(&mut restarted, &rule, Ran { order: ran.order - before, ..ran }, now);
            prop_assert_eq!(kept.fact(&rule), restarted.fact(&rule));
            prop_assert_eq!(kept.failures(), restarted.failures());
        }
    }
}
