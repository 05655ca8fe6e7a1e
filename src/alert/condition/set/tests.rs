//! All conditions together: starts, reloads, restarts, and that well canaries cost nothing.

use std::collections::BTreeMap;

use proptest::collection::vec;
use proptest::prelude::*;

use super::*;
use crate::alert::Scope;
use crate::alert::condition::testing::{Harness, named, plan};
use crate::alert::fact::{Level, Objective};
use crate::alert::testing::{cause, made, moment, step};
use crate::outcome::Verdict::{Errored, Failed, Passed};
use crate::outcome::testing::warned;
use crate::outcome::{Reason, StepReport, StepResult, Trigger};
use crate::plan::{AcrossPolicy, AlertPolicy, LatencyOf, LatencySlo, Slo};
use crate::source::SourceFile;

const PAGE: State = State::Failing(Level::Page);

fn one() -> Harness {
    Harness::new(plan(vec![named("p", AlertPolicy::default())], &["eu", "us"], &[]))
}

fn keys(changed: &[Changed]) -> Vec<String> {
    let spelt = |changed: &Changed| match &changed.fact {
        None => format!("{} removed", changed.key),
        Some(fact) => format!("{} {:?}", changed.key, fact.state).to_lowercase(),
    };
    changed.iter().map(spelt).collect()
}

#[test]
fn well_staying_well_says_nothing_and_what_is_not_well_says_each_run() {
    let mut harness = one();
    assert_eq!(keys(&harness.run(0, Passed, 60)), [""; 0]);
    assert_eq!(keys(&harness.run(0, Failed, 120)), ["canary/p/eu suspect"]);
    assert_eq!(keys(&harness.run(0, Failed, 180)), ["canary/p/eu failing(page)"]);
    assert_eq!(keys(&harness.run(0, Passed, 240)), ["canary/p/eu failing(page)"], "its last run is news");
    assert_eq!(keys(&harness.run(0, Passed, 300)), ["canary/p/eu well"]);
    assert_eq!(keys(&harness.run(0, Passed, 360)), [""; 0]);
    assert_eq!(harness.conditions.due(), None);
}

#[test]
fn a_canary_that_is_removed_is_not_well_and_one_that_comes_back_within_a_minute_is_as_it_was() {
    let both = plan(vec![named("p", AlertPolicy::default())], &["eu", "us"], &[]);
    let less = plan(vec![named("p", AlertPolicy::default())], &["us"], &[]);
    for (seconds, back) in [(59, PAGE), (60, State::Well)] {
        let mut harness = Harness::new(Arc::clone(&both));
        harness.run(0, Failed, 60);
        harness.run(0, Failed, 120);
        assert_eq!(keys(&harness.apply(Arc::clone(&less), 130)), ["canary/p/eu removed"]);
        harness.clock(130 + seconds);
        let key = ("canary".to_owned(), "p/eu".to_owned());
        assert_eq!(harness.store.contains_key(&key), back == PAGE, "its row goes with it");
        harness.apply(Arc::clone(&both), 130 + seconds);
        assert_eq!(harness.state(&harness.canary_key(0)), back, "after {seconds} s");
    }
}

#[test]
fn what_is_gone_at_a_start_is_kept_for_a_minute_too() {
    let both = plan(vec![named("p", AlertPolicy::default())], &["eu", "us"], &[]);
    let less = plan(vec![named("p", AlertPolicy::default())], &["us"], &[]);
    let mut harness = Harness::new(Arc::clone(&both));
    harness.run(0, Failed, 60);
    harness.run(0, Failed, 120);
    let mut harness = Harness::with(less, harness.store, 130);
    assert!(harness.facts.is_empty());
    harness.apply(both, 150);
    assert_eq!(harness.state(&harness.canary_key(0)), PAGE);
}

#[test]
fn a_reload_keeps_what_is_unchanged_and_judges_by_the_new_rules() {
    let mut harness = one();
    harness.run(0, Failed, 60);
    harness.run(0, Failed, 120);
    let quiet = AlertPolicy { page: false, ..AlertPolicy::default() };
    assert_eq!(keys(&harness.apply(plan(vec![named("p", quiet)], &["eu", "us"], &[]), 130)), ["canary/p/eu failing(warn)"]);
    let other = plan(vec![named("q", AlertPolicy::default())], &["eu", "us"], &[]);
    assert_eq!(keys(&harness.apply(other, 140)), ["canary/p/eu removed"], "renamed");
}

#[test]
fn a_rule_that_a_probe_has_no_more_takes_its_fact_along() {
    let two = 2.try_into().unwrap();
    let across = AlertPolicy { across: Some(AcrossPolicy { failures: two, of: two }), ..AlertPolicy::default() };
    let mut harness = Harness::new(plan(vec![named("p", across)], &["eu", "us"], &[]));
    harness.run(0, Failed, 60);
    harness.run(1, Failed, 61);
    assert_eq!(harness.state(&FactKey::Across("p".into())), PAGE);
    let changed = harness.apply(plan(vec![named("p", AlertPolicy::default())], &["eu", "us"], &[]), 70);
    assert!(keys(&changed).contains(&"across/p removed".to_owned()), "{changed:?}");
}

#[test]
fn a_run_for_somebody_who_needs_it_fails_at_once() {
    let mut harness = one();
    let mut report = harness.report(0, Failed, Some(Reason::Timeout));
    report.trigger = Trigger::Needed;
    harness.take(Input::Run(&report), 60);
    assert_eq!(harness.state(&harness.canary_key(0)), PAGE);
}

#[test]
fn runs_by_hand_and_of_strangers_change_nothing() {
    let mut harness = one();
    let mut stranger = Harness::new(plan(vec![named("q", AlertPolicy::default())], &["eu"], &[]));
    for trigger in [Trigger::Manual, Trigger::Test] {
        let mut report = harness.report(0, Failed, Some(Reason::Timeout));
        report.trigger = trigger;
        assert!(harness.take(Input::Run(&report), 60).is_empty());
    }
    let report = stranger.report(0, Failed, Some(Reason::Timeout));
    assert!(harness.take(Input::Run(&report), 60).is_empty());
    assert_eq!(harness.store, BTreeMap::new());
}

#[test]
fn runs_that_gave_way_break_a_row_and_count_as_ticks_without_data() {
    let mut harness = one();
    harness.run(0, Failed, 60);
    let ticks = harness.missed(0, Reason::Resources, 4);
    harness.take(Input::Lost { ticks: &ticks, passed: 3 }, 120);
    harness.run(0, Failed, 180);
    assert_eq!(harness.state(&harness.canary_key(0)), State::Suspect);
    let ticks = harness.missed(0, Reason::Resources, 4);
    harness.take(Input::Lost { ticks: &ticks, passed: 0 }, 190);
    harness.clock(190 + 300);
    assert_eq!(harness.state(&harness.no_data_key(0)), PAGE);
}

#[test]
fn closing_makes_exactly_that_well() {
    let mut harness = one();
    for canary in [0, 1] {
        harness.run(canary, Failed, 60);
        harness.run(canary, Failed, 120);
    }
    let key = harness.canary_key(0);
    assert_eq!(keys(&harness.conditions.close(&[key], moment(130))), ["canary/p/eu well"]);
    assert_eq!(harness.conditions.facts().len(), 1);
    assert_eq!(harness.conditions.close(&[harness.canary_key(0)], moment(140)), [], "it is well already");
}

#[test]
fn how_a_canary_stands_is_known_for_status_also_after_a_restart() {
    let mut harness = one();
    let id = harness.plan.canaries[0].id.clone();
    assert_eq!(harness.conditions.canary(&id, moment(0)), CanarySnapshot::default());
    harness.run(0, Passed, 60);
    harness.run(0, Failed, 120);
    harness.run(0, Errored, 180);
    let known = harness.conditions.canary(&id, moment(200));
    assert_eq!((known.known, known.state, known.failures), (true, State::Suspect, 1));
    assert_eq!(known.last, Some(("errored", moment(180).steady)));
    assert_eq!((known.hour.failed, known.hour.counted), (1, 2));
    assert!(!harness.conditions.canary(&id, moment(120 + 3_601)).known, "forgotten");
    assert_eq!(harness.conditions.canaries(moment(200)).filter(|(_, known)| known.known).count(), 1);
    harness.restart(200);
    let known = harness.conditions.canary(&id, moment(200));
    assert_eq!((known.known, known.state, known.failures, known.last), (true, State::Suspect, 1, None));
}

#[test]
fn the_last_hours_convergence_and_the_budget_that_is_left_are_known() {
    let waits = || {
        let eventually =
            crate::plan::Eventually { within: Duration::from_secs(10), poll: Duration::from_millis(100), since: None };
        crate::plan::Step { eventually: Some(eventually), ..step("wait", false) }
    };
    let slo = Slo { success: Some(0.9), degraded: None, latency: None, window: Duration::from_hours(24) };
    let probe = Probe { steps: vec![waits()].into(), slo: Some(slo), ..named("p", AlertPolicy::default()) };
    let mut harness = Harness::new(plan(vec![probe], &["eu"], &[]));
    assert_eq!(
        harness.conditions.objectives("p", moment(0)),
        ObjectivesNow { convergence_1h: None, degraded_1h: None, budget_left: Some(1.0) }
    );
    for run in 0..40 {
        let mut report = harness.report(0, if run == 0 { Failed } else { Passed }, (run == 0).then_some(Reason::Expectation));
        let result = if run == 0 { StepResult::Failed(cause(Reason::Expectation, "wait", None)) } else { StepResult::Passed };
        let convergence = (run != 0).then(|| Duration::from_secs(2));
        report.steps = vec![StepReport { convergence, ..made("wait", None, result) }];
        harness.take(Input::Run(&report), 60 + run * 60);
    }
    let now = harness.conditions.objectives("p", moment(60 * 40));
    assert!(now.convergence_1h.is_some_and(|p95| (2.0..2.2).contains(&p95)), "{now:?}");
    assert!(now.budget_left.is_some_and(|left| (left - 0.75).abs() < 1e-9), "one of 40 where 10 % may: {now:?}");
    // Where more are lost than one in twenty, no duration says how long it takes.
    for run in 40..45 {
        let mut report = harness.report(0, Failed, Some(Reason::Expectation));
        report.steps = vec![made("wait", None, StepResult::Failed(cause(Reason::Expectation, "wait", None)))];
        harness.take(Input::Run(&report), 60 + run * 60);
    }
    let now = harness.conditions.objectives("p", moment(60 * 45));
    assert_eq!(now.convergence_1h, Some(f64::INFINITY));
    assert!(now.budget_left.is_some_and(|left| left < 1e-9), "{now:?}");
}

#[test]
fn a_state_that_cannot_be_read_begins_anew_and_the_others_stay() {
    let mut harness = one();
    harness.run(0, Failed, 60);
    harness.run(1, Failed, 60);
    harness.store.insert(("canary".to_owned(), "p/eu".to_owned()), "no state".to_owned());
    harness.restart(70);
    assert_eq!([0, 1].map(|canary| harness.state(&harness.canary_key(canary))), [State::Well, State::Suspect]);
}

/// A probe with every kind of condition.
fn everything() -> Arc<Plan> {
    let number = |number: u32| number.try_into().unwrap();
    let alert = AlertPolicy {
        across: Some(AcrossPolicy { failures: number(4), of: number(8) }),
        max_subjects: number(1),
        ..AlertPolicy::default()
    };
    let latency = LatencySlo { step: None, of: LatencyOf::Duration, mean: None, p95: Some(Duration::from_secs(2)), p99: None };
    let slo = Slo { success: Some(0.9), degraded: Some(0.1), latency: Some(latency), window: Duration::from_hours(24) };
    let steps = vec![step("loop", true)];
    let full = Probe { steps: steps.into(), slo: Some(slo), ..named("p", alert) };
    plan(vec![full, named("q", AlertPolicy::default())], &["eu", "us"], &[])
}

/// A run that passed although a `warn` did not hold.
fn degraded(harness: &mut Harness, canary: usize, second: u64) -> Vec<Changed> {
    let report = harness.report(canary, Passed, None);
    harness.take(Input::Run(&RunReport { steps: vec![warned("read", "latency < 0.3")], ..report }), second)
}

/// A run that found the subjects a and b, of which some failed.
fn finding(harness: &mut Harness, canary: usize, failed: [bool; 2]) -> RunReport {
    let any = failed.contains(&true);
    let mut report = harness.report(canary, if any { Failed } else { Passed }, any.then_some(Reason::Subject));
    let round = |(name, failed)| {
        let broken = || StepResult::Failed(cause(Reason::Expectation, "loop", Some(name)));
        made("loop", Some(name), if failed { broken() } else { StepResult::Passed })
    };
    report.steps = ["a", "b"].into_iter().zip(failed).map(round).collect();
    report
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, cases: 64, ..ProptestConfig::default() })]

    /// The harness itself asserts after each step that the emitted facts add up to the current ones.
    #[test]
    fn what_was_said_adds_up_and_a_restart_at_any_point_keeps_what_is_so(
        steps in vec((0..4_usize, 0..9_u8, 1..400_u64, any::<bool>()), 1..80),
    ) {
        let mut worlds = [Harness::new(everything()), Harness::new(everything()), Harness::new(everything())];
        let mut second = 0;
        for (canary, kind, pause, restart) in steps {
            second += pause;
            for (at, harness) in worlds.iter_mut().enumerate() {
                harness.clock(second);
                match at {
                    1 if restart => harness.restart(second),
                    2 if restart => harness.restart_exactly(second),
                    _ => {}
                }
                match kind {
                    0 | 1 => drop(harness.run(canary, Passed, second)),
                    2 | 3 => drop(harness.run(canary, Failed, second)),
                    4 => drop(harness.run(canary, Errored, second)),
                    5 | 6 => {
                        let report = finding(harness, canary / 2, [kind == 5, true]);
                        harness.take(Input::Run(&report), second);
                    }
                    7 => drop(degraded(harness, canary, second)),
                    _ => {
                        let missed = harness.missed(canary, Reason::Down, 3);
                        harness.take(Input::TicksMissed(&missed), second);
                    }
                }
            }
            let those = |harness: &Harness, which: fn(&FactKey) -> bool| -> BTreeMap<FactKey, Arc<Fact>> {
                let facts = harness.conditions.facts().into_iter().filter(|fact| which(&fact.key));
                facts.map(|fact| (fact.key.clone(), fact)).collect()
            };
            // Canaries and subjects are written down with each run; the others now and then. A start gives each canary time for
            // a run before it is without data.
            let written = |key: &FactKey| matches!(key, FactKey::Canary(_) | FactKey::Subject(..) | FactKey::OtherSubjects(_));
            prop_assert_eq!(those(&worlds[0], written), those(&worlds[1], written));
            let exact = |key: &FactKey| !matches!(key, FactKey::NoData(_));
            prop_assert_eq!(those(&worlds[0], exact), those(&worlds[2], exact));
        }
    }

    /// Unless it is promised how many may be degraded, no fact ever tells one pass from another.
    #[test]
    fn no_warning_changes_what_is_so(runs in vec((0..4_usize, 0..3_u8, 1..400_u64, any::<bool>()), 1..80)) {
        let mut plain = Harness::new(without_promise_of_degraded());
        let mut soft = Harness::new(without_promise_of_degraded());
        let mut second = 0;
        for (canary, kind, pause, warns) in runs {
            second += pause;
            let changed = [&mut plain, &mut soft].map(|harness| harness.clock(second));
            prop_assert_eq!(&changed[0], &changed[1]);
            let verdict = if kind == 0 { Failed } else { Passed };
            let changed = plain.run(canary, verdict, second);
            if warns && kind != 0 {
                prop_assert_eq!(changed, degraded(&mut soft, canary, second));
            } else {
                prop_assert_eq!(changed, soft.run(canary, verdict, second));
            }
            prop_assert_eq!(plain.conditions.due(), soft.conditions.due());
            prop_assert_eq!(&plain.store, &soft.store);
        }
    }
}

/// [`everything`] but `slo.degraded`.
fn without_promise_of_degraded() -> Arc<Plan> {
    let all = everything();
    let probes = all.probes.iter().map(|probe| {
        let slo = probe.slo.clone().map(|slo| Slo { degraded: None, ..slo });
        Probe { steps: vec![step("loop", true)].into(), slo, ..named(&probe.name, probe.alert.clone()) }
    });
    plan(probes.collect(), &["eu", "us"], &[])
}

#[test]
fn the_share_of_degraded_runs_of_the_last_hour_is_known_where_a_step_warns() {
    let condition = || crate::plan::Condition::parse("latency < 0.3", SourceFile::new("p.toml", "").location(0)).unwrap();
    let warns = crate::plan::Step { warn: vec![condition()], ..step("read", false) };
    let probe = |step| Probe { steps: vec![step].into(), ..named("p", AlertPolicy::default()) };
    let mut harness = Harness::new(plan(vec![probe(warns)], &["eu"], &[]));
    let share = |harness: &Harness, second| harness.conditions.objectives("p", moment(second)).degraded_1h;
    assert_eq!(share(&harness, 0), None, "nothing passed yet");
    for run in 0..4 {
        harness.run(0, Passed, 60 + run * 60);
    }
    harness.run(0, Failed, 310);
    degraded(&mut harness, 0, 320);
    let seen = share(&harness, 400).unwrap();
    assert_eq!((seen.failed, seen.counted), (1, 5));
    let plan = plan(vec![probe(step("read", false))], &["eu"], &[]);
    harness.apply(plan, 410);
    assert_eq!(share(&harness, 420), None, "it does not warn any more");
    assert_eq!(share(&harness, 9_000), None);
}

#[test]
fn ten_thousand_canaries_that_pass_leave_nothing_on_the_agenda() {
    let probes = (0..500).map(|number| named(&format!("p{number:03}"), AlertPolicy::default())).collect();
    let platforms = ["a", "b", "c", "d", "e", "f", "g", "h", "i", "j"];
    let plan = plan(probes, &["eu", "us"], &platforms);
    assert_eq!(plan.canaries.len(), 10_000);
    let alerting = Arc::new(Alerting::default());
    let (mut conditions, _) = Conditions::new(Arc::clone(&plan), alerting, &[], moment(0));
    let mut harness = Harness::new(Arc::clone(&plan));
    for canary in 0..10_000 {
        let report = harness.report(canary, Passed, None);
        assert!(conditions.take(Input::Run(&report), moment(60)).is_empty());
    }
    assert_eq!(conditions.due(), None);
    assert_eq!(conditions.take_rows(moment(60)).len(), 10_000, "when each last ran");
    for canary in 0..10_000 {
        let report = harness.report(canary, Passed, None);
        conditions.take(Input::Run(&report), moment(120));
    }
    assert_eq!(conditions.take_rows(moment(120)), [], "and not again for a while");
}

#[test]
fn a_store_of_the_version_before_keeps_what_was_failing() {
    let now = moment(1_000);
    let ago = |seconds: i64| now.wall_ms() - seconds * 1_000;
    let row = |kind: &str, key: &str, json: String| ((kind.to_owned(), key.to_owned()), json);
    let bucket = r#"{"width_ms":1800000,"newest_ms":WALL,"buckets":[[12,14]]}"#.replace("WALL", &ago(600).to_string());
    let burn = r#"{"rate":9.0,"long":{"secs":7200,"nanos":0},"recent":9.0,"bad":12,"runs":14}"#;
    let lag = r#"{"measure":"p95","bound":{"secs":2,"nanos":0},"seen":{"secs":9,"nanos":0},"recent":{"secs":9,"nanos":0},"samples":30}"#;
    let durations = format!(
        r#"{{"width_ms":3600000,"newest_ms":{},"buckets":[{{"counts":[[180,30]],"sum":270.0,"squares":2430.0}}]}}"#,
        ago(600)
    );
    let streak = format!(r#"{{"last":{0},"failures":2,"since":{1},"paging":{1}}}"#, ago(60), ago(120));
    let store = [
        row("canary", "p/eu", format!(r#"{{"runs":{streak}}}"#)),
        row("canary", "p/us", format!(r#"{{"runs":{{"last":{}}},"clock":{},"ticks":9,"reason":"secret"}}"#, ago(900), ago(800))),
        row("blind", "p/us", "true".to_owned()),
        row("across", "p", format!(r#"{{"runs":2,"last":{0},"failed":[[0,{0},"p/eu"]],"crossed":true}}"#, ago(60))),
        row(
            "subject",
            "p",
            format!(
                r#"{{"failing":{{"a":{{"summary":false,"canaries":{{"p/eu":{streak}}},"failure":null}},"b":{{"summary":true,"canaries":{{"p/eu":{streak}}},"failure":null}}}},"rest":{{"summary":null,"canaries":{{}},"failure":null}}}}"#
            ),
        ),
        row("subject", "p/eu", r#"{"loop":["a","b"]}"#.to_owned()),
        row(
            "budget",
            "p",
            format!(
                r#"{{"rings":[{bucket},{bucket},{bucket}],"latches":[{{"seen":{burn},"at_ms":{},"runs":0}},null,null]}}"#,
                ago(600)
            ),
        ),
        row(
            "latency",
            "p",
            format!(r#"{{"ring":{durations},"page":null,"warn":{{"seen":{lag},"at_ms":{},"runs":3}}}}"#, ago(600)),
        ),
        row("leak", "01ENTRY", format!(r#"{{"probe":"gone","since_ms":{}}}"#, ago(5_000))),
    ];
    let harness = Harness::with(everything(), store.into_iter().collect(), 1_000);
    let failing: BTreeMap<String, (State, Scope)> =
        harness.facts.iter().map(|(key, fact)| (key.to_string(), (fact.state, fact.scope.clone()))).collect();
    let probe = || Scope::Probe("p".into());
    let expected = [
        ("canary/p/eu", PAGE, probe()),
        ("no_data/p/us", PAGE, Scope::NoData("p".into())),
        ("across/p", PAGE, probe()),
        ("subject/p/a", PAGE, Scope::Subject("p".into(), "a".into())),
        ("subject/p/b", PAGE, Scope::Subjects("p".into())),
        ("burn_rate/p", PAGE, probe()),
        ("latency/p", State::Failing(Level::Warn), probe()),
        ("leak/gone/01ENTRY", State::Failing(Level::Warn), Scope::Leak("gone".into())),
    ];
    let expected = expected.into_iter().map(|(key, state, scope)| (key.to_owned(), (state, scope))).collect();
    assert_eq!(failing, expected);
    let reason = harness.facts[&harness.no_data_key(1)].reason.clone();
    assert_eq!(reason.as_deref(), Some("secret"));
    assert!(harness.facts.contains_key(&FactKey::Objective("p".into(), Objective::Latency)));
}
