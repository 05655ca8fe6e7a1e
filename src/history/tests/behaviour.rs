//! What is written comes back.

use std::sync::Arc;
use std::time::Duration;

use super::super::testing::{
    LONG, at, at_ms, attempt, canary, entry, incident, outcome, run, runs, state, states, step, timeline,
};
use super::super::{Commit, IncidentFilter, Record, RestoredState, RestoredTick, RunFilter, TryState};
use super::{StoreUnderTest, on_every_store, settle};
use crate::outcome::testing::warned;
use crate::outcome::{AttemptDetail, CleanupReport, CleanupResult, Reason, RunReport, StepResult, Trigger, Verdict};

on_every_store!(
    everything_is_remembered_over_a_restart,
    a_tick_that_overlaps_a_run_does_not_hide_that_run_from_a_restart_and_is_there_once,
    what_is_only_offered_is_written_soon_without_anyone_asking,
    the_newest_of_a_state_stays_also_where_offers_and_commits_mix,
    replaying_a_commit_changes_nothing,
    the_last_tick_goes_by_the_order_of_ticks_and_not_by_the_clock_or_by_completion,
    each_slot_has_a_last_tick_of_its_own,
    runs_are_found_by_what_they_are_and_paged_newest_first,
    only_what_passed_or_failed_counts,
    what_became_of_a_cleanup_is_kept_beside_its_run_also_if_it_comes_first,
    a_passed_run_keeps_the_times_of_its_steps_and_a_failed_one_everything,
    a_degraded_run_is_a_passed_one_that_says_so_and_keeps_why,
    the_details_of_a_run_are_bounded_and_the_cause_always_stays,
    incidents_are_listed_and_told,
    an_incident_that_was_resolved_long_ago_is_not_remembered,
    a_closed_store_says_so_to_whoever_waits,
    steps_of_a_long_loop_are_cut,
);

fn last_tick(slot: u32, due_ms: i64) -> RestoredTick {
    RestoredTick { canary: "p/eu".to_owned(), slot, due_ms }
}

fn restored_state(kind: &str, key: &str, json: &str) -> RestoredState {
    RestoredState { kind: kind.to_owned(), key: key.to_owned(), json: json.to_owned() }
}

async fn everything_is_remembered_over_a_restart(under_test: &StoreUnderTest) {
    let (store, _) = under_test.open().await;
    let eu = canary("p", "eu");
    let mut commit = runs([run(&eu, Verdict::Failed, 60)]);
    commit.states = vec![state("canary", "p/eu", Some("{\"streak\":2}")), state("generation", "probe/p", Some("4"))];
    commit.incidents = vec![incident("I2", None), incident("I1", Some(10))];
    commit.timeline = vec![timeline("I2", 1, "opened"), timeline("I2", 2, "paged")];
    commit.tries = vec![attempt("T2", &["I2"], 1), attempt("T1", &["I2"], 2)];
    assert!(commit.is_urgent());
    store.commit(commit).await.unwrap();

    let (_store, restored) = under_test.reopen(&store).await;
    assert_eq!(
        restored.states,
        [restored_state("canary", "p/eu", "{\"streak\":2}"), restored_state("generation", "probe/p", "4")]
    );
    assert_eq!(restored.incidents, [incident("I1", Some(10)), incident("I2", None)]);
    let tries: Vec<_> = restored.tries.iter().map(|row| row.id.as_str()).collect();
    assert_eq!(tries, ["T2", "T1"], "in the order of their making");
    assert_eq!(restored.last_ticks, [last_tick(0, at_ms(60))]);
}

async fn a_tick_that_overlaps_a_run_does_not_hide_that_run_from_a_restart_and_is_there_once(under_test: &StoreUnderTest) {
    let (store, _) = under_test.open().await;
    let eu = canary("p", "eu");
    let missed = |due, reason| {
        let mut report = run(&eu, Verdict::Missed, due);
        report.cause.as_mut().unwrap().reason = reason;
        report
    };
    // The run of second 120 was going when the process ended.
    let commit = runs([run(&eu, Verdict::Passed, 60), missed(180, Reason::Overlap)]);
    store.commit(commit).await.unwrap();
    let (store, restored) = under_test.reopen(&store).await;
    assert_eq!(restored.last_ticks, [last_tick(0, at_ms(60))]);
    let thought_lost = runs([missed(120, Reason::Crashed), missed(180, Reason::Crashed), missed(180, Reason::Down)]);
    store.commit(thought_lost).await.unwrap();
    let all = store.runs(RunFilter::default(), 10, None).await.unwrap().items;
    let mut ticks: Vec<_> = all.iter().map(|run| (run.due_ms, run.reason)).collect();
    ticks.sort_unstable();
    assert_eq!(ticks, [(at_ms(60), None), (at_ms(120), Some("crashed")), (at_ms(180), Some("overlap"))]);
}

async fn what_is_only_offered_is_written_soon_without_anyone_asking(under_test: &StoreUnderTest) {
    let (store, _) = under_test.open().await;
    store.record(runs([run(&canary("p", "eu"), Verdict::Passed, 1)]));
    let begun = std::time::Instant::now();
    while store.runs(RunFilter::default(), 10, None).await.unwrap().items.is_empty() {
        assert!(begun.elapsed() < LONG, "the batch was never written");
        tokio::task::yield_now().await;
    }
}

async fn the_newest_of_a_state_stays_also_where_offers_and_commits_mix(under_test: &StoreUnderTest) {
    let (store, _) = under_test.open().await;
    for number in 0..500 {
        let row = |key: &str| state("canary", key, Some(&number.to_string()));
        if number % 3 == 0 {
            drop(store.commit(states([row("a")])));
        } else {
            store.record(states([row("a"), row("b")]));
        }
    }
    store.record(states([state("canary", "b", None)]));
    let (_store, restored) = under_test.reopen(&store).await;
    assert_eq!(restored.states, [restored_state("canary", "a", "499")]);
}

async fn replaying_a_commit_changes_nothing(under_test: &StoreUnderTest) {
    let (store, _) = under_test.open().await;
    let mut commit = runs([run(&canary("p", "eu"), Verdict::Failed, 60)]);
    commit.incidents = vec![incident("I1", None)];
    commit.timeline = vec![timeline("I1", 1, "opened")];
    let row = attempt("T1", &["I1"], 1);
    commit.tries = vec![row.clone()];
    store.commit(commit.clone()).await.unwrap();
    let outcomes = vec![outcome(&row, TryState::Taken)];
    store.commit(Commit { outcomes, ..Commit::default() }).await.unwrap();
    store.commit(commit).await.unwrap();

    assert_eq!(store.runs(RunFilter::default(), 10, None).await.unwrap().items.len(), 1);
    let told = store.incident("I1".to_owned()).await.unwrap().unwrap();
    assert_eq!(told.timeline.len(), 1);
    assert_eq!(told.tries.len(), 1);
    assert_eq!(told.tries[0].state, "taken", "one that was taken does not wait again");
}

async fn the_last_tick_goes_by_the_order_of_ticks_and_not_by_the_clock_or_by_completion(under_test: &StoreUnderTest) {
    let (store, _) = under_test.open().await;
    let eu = canary("p", "eu");
    let tick = |due: u64, order: u64| {
        let mut report = run(&eu, Verdict::Passed, due);
        report.tick.order = order;
        report
    };
    store.commit(runs([tick(7_200, 1)])).await.unwrap();
    // The clock was set back by an hour; and an earlier, slower run ends later.
    store.commit(runs([tick(3_660, 3)])).await.unwrap();
    store.commit(runs([tick(3_600, 2)])).await.unwrap();
    let mut by_hand = tick(9_999, 4);
    by_hand.trigger = Trigger::Manual;
    store.record(Commit { runs: vec![Record { report: by_hand.into(), counted: false }], ..Commit::default() });
    let (_store, restored) = under_test.reopen(&store).await;
    assert_eq!(restored.last_ticks, [last_tick(0, at_ms(3_660))]);
}

async fn each_slot_has_a_last_tick_of_its_own(under_test: &StoreUnderTest) {
    let (store, _) = under_test.open().await;
    let eu = canary("p", "eu");
    for (due, slot) in [(10, 0), (70, 2), (40, 1)] {
        let mut report = run(&eu, Verdict::Passed, due);
        report.tick.slot = slot;
        store.commit(runs([report])).await.unwrap();
    }
    let (_store, restored) = under_test.reopen(&store).await;
    assert_eq!(restored.last_ticks, [last_tick(0, at_ms(10)), last_tick(1, at_ms(40)), last_tick(2, at_ms(70))]);
}

async fn runs_are_found_by_what_they_are_and_paged_newest_first(under_test: &StoreUnderTest) {
    let (store, _) = under_test.open().await;
    let canaries = [canary("p", "eu"), canary("p", "us"), canary("q", "eu")];
    for second in 0..40 {
        for (at, canary) in canaries.iter().enumerate() {
            let verdict = if second % 10 == 0 && at == 1 { Verdict::Failed } else { Verdict::Passed };
            store.record(runs([run(canary, verdict, second)]));
        }
    }
    settle(&store).await;
    let count = async |filter: RunFilter| store.runs(filter, 500, None).await.unwrap().items.len();
    assert_eq!(count(RunFilter::default()).await, 120);
    assert_eq!(count(RunFilter { canary: Some("p/us".to_owned()), ..RunFilter::default() }).await, 40);
    assert_eq!(count(RunFilter { probe: Some("p".to_owned()), ..RunFilter::default() }).await, 80);
    assert_eq!(count(RunFilter { region: Some("eu".to_owned()), ..RunFilter::default() }).await, 80);
    assert_eq!(count(RunFilter { not_passed: true, ..RunFilter::default() }).await, 4);
    assert_eq!(count(RunFilter { verdict: Some(Verdict::Passed), ..RunFilter::default() }).await, 116);
    assert_eq!(count(RunFilter { verdict: Some(Verdict::Missed), ..RunFilter::default() }).await, 0);
    assert_eq!(count(RunFilter { reason: Some(Reason::Expectation), ..RunFilter::default() }).await, 4);
    assert_eq!(count(RunFilter { reason: Some(Reason::Timeout), ..RunFilter::default() }).await, 0);
    assert_eq!(count(RunFilter { since_ms: Some(at_ms(10)), until_ms: Some(at_ms(12)), ..RunFilter::default() }).await, 6);
    assert_eq!(count(RunFilter { canary: Some("nobody".to_owned()), ..RunFilter::default() }).await, 0);

    let (mut seen, mut after) = (Vec::new(), None);
    loop {
        let page = store.runs(RunFilter::default(), 7, after).await.unwrap();
        seen.extend(page.items.iter().map(|run| (run.due_ms, run.run_id.clone())));
        after = page.next;
        if after.is_none() {
            break;
        }
    }
    assert_eq!(seen.len(), 120);
    assert!(seen.windows(2).all(|pair| pair[0].0 >= pair[1].0), "newest first");
    seen.sort();
    seen.dedup();
    assert_eq!(seen.len(), 120, "none twice");
    assert!(store.runs(RunFilter::default(), 7, Some("nonsense".to_owned())).await.is_err());
}

async fn only_what_passed_or_failed_counts(under_test: &StoreUnderTest) {
    let (store, _) = under_test.open().await;
    let eu = canary("p", "eu");
    store.record(runs(Verdict::ALL.into_iter().zip(0..).map(|(verdict, second)| run(&eu, verdict, second))));
    settle(&store).await;
    for view in store.runs(RunFilter::default(), 10, None).await.unwrap().items {
        assert_eq!(view.counted, ["passed", "failed"].contains(&view.verdict), "{}", view.verdict);
    }
}

async fn what_became_of_a_cleanup_is_kept_beside_its_run_also_if_it_comes_first(under_test: &StoreUnderTest) {
    let (store, _) = under_test.open().await;
    let eu = canary("p", "eu");
    let cleanup = |run: &Arc<RunReport>, result: CleanupResult| {
        let mut delete = step("delete", 0, 1_000);
        if let CleanupResult::Leaked(causes) = &result {
            delete.result = StepResult::Failed(causes[0].clone());
        }
        let (started, duration) = (Duration::from_millis(40), Duration::from_millis(2));
        Arc::new(CleanupReport { run: Arc::clone(run), started, duration, steps: vec![delete], result })
    };
    let (passed, failed) = (Arc::new(run(&eu, Verdict::Passed, 1)), Arc::new(run(&eu, Verdict::Failed, 2)));
    store.cleanup_finished(&cleanup(&passed, CleanupResult::Clean));
    settle(&store).await;
    store.record(runs([RunReport::clone(&passed), RunReport::clone(&failed)]));
    settle(&store).await;
    store.cleanup_finished(&cleanup(&failed, CleanupResult::Leaked(vec![failed.cause.clone().unwrap()])));
    settle(&store).await;
    let details = async |run: &RunReport| store.run(run.run_id.to_string()).await.unwrap().unwrap().details.unwrap();
    let clean = details(&passed).await;
    assert_eq!((&clean["cleanup"]["result"], &clean["steps"]), (&"clean".into(), &serde_json::Value::Null));
    assert_eq!(clean["cleanup"]["steps"][0]["result"], "passed");
    let leaked = details(&failed).await;
    assert_eq!((&leaked["cleanup"]["result"], &leaked["cause"]["reason"]), (&"leaked".into(), &"expectation".into()));
    assert_eq!(leaked["cleanup"]["leaks"][0]["reason"], "expectation");
    let delete = &leaked["cleanup"]["steps"][0];
    assert_eq!((&delete["name"], &delete["result"]), (&"delete".into(), &"failed".into()));
}

async fn a_passed_run_keeps_the_times_of_its_steps_and_a_failed_one_everything(under_test: &StoreUnderTest) {
    let (store, _) = under_test.open().await;
    let eu = canary("p", "eu");
    let (passed, failed) = (run(&eu, Verdict::Passed, 1), run(&eu, Verdict::Failed, 2));
    let ids = [passed.run_id.to_string(), failed.run_id.to_string()];
    store.record(runs([passed, failed]));
    settle(&store).await;
    let passed = store.run(ids[0].clone()).await.unwrap().unwrap();
    assert_eq!((passed.run.verdict, passed.run.reason, passed.run.started_ms), ("passed", None, at_ms(1) + 3));
    assert_eq!(passed.steps[1].name, "read on the second device");
    assert_eq!((passed.steps[1].started_us, passed.steps[1].duration_us), (1_250, 30_000));
    assert_eq!((passed.steps[0].convergence_us, passed.steps[1].convergence_us), (None, Some(29_000)));
    assert_eq!(passed.details, None);

    let failed = store.run(ids[1].clone()).await.unwrap().unwrap();
    assert_eq!((failed.run.verdict, failed.run.reason), ("failed", Some("expectation")));
    let details = failed.details.unwrap();
    assert_eq!(details["cause"]["seen"][0]["value"], "\"pending\"");
    assert_eq!(details["vars"]["title"], "canary 1");
    assert_eq!(details["steps"][1]["expectations"][0]["held"], "no");
    assert_eq!(details["steps"][1]["attempts"][0]["exchange"]["response_body"], "{\"status\":\"pending\"}");
    assert_eq!(details["truncated"], false);
    assert!(store.run("no id".to_owned()).await.unwrap().is_none());
}

async fn a_degraded_run_is_a_passed_one_that_says_so_and_keeps_why(under_test: &StoreUnderTest) {
    let (store, _) = under_test.open().await;
    let eu = canary("p", "eu");
    let drags = |verdict, due| {
        let mut report = run(&eu, verdict, due);
        report.steps[0].warnings = warned("create", "latency < 0.3").warnings;
        report
    };
    let (degraded, plain, failed) = (drags(Verdict::Passed, 1), run(&eu, Verdict::Passed, 2), drags(Verdict::Failed, 3));
    let ids = [&degraded, &plain, &failed].map(|report| report.run_id.to_string());
    store.record(runs([degraded, plain, failed]));
    settle(&store).await;
    let all = store.runs(RunFilter::default(), 10, None).await.unwrap().items;
    let said: Vec<_> = all.iter().rev().map(|run| (run.verdict, run.degraded)).collect();
    assert_eq!(said, [("passed", true), ("passed", false), ("failed", false)]);
    for filter in [RunFilter::default(), RunFilter { probe: Some("p".to_owned()), ..RunFilter::default() }] {
        let found = store.runs(RunFilter { degraded: true, ..filter }, 10, None).await.unwrap().items;
        assert_eq!(found.iter().map(|run| &run.run_id).collect::<Vec<_>>(), [&ids[0]]);
    }
    let details = async |id: &String| store.run(id.clone()).await.unwrap().unwrap().details;
    let kept = details(&ids[0]).await.unwrap();
    let [why] = kept["degraded_by"].as_array().unwrap().as_slice() else { panic!("{kept}") };
    assert_eq!((&why["step"], &why["say"], &why["held"]), (&"create".into(), &"it drags".into(), &"no".into()));
    assert_eq!(why["message"], "it drags: `latency < 0.3` does not hold: `latency` was 0.7");
    assert_eq!(details(&ids[1]).await, None);
    let failed = details(&ids[2]).await.unwrap();
    assert_eq!(failed["steps"][0]["warnings"][0]["held"], "no", "a failed run keeps what its warnings said");

    store.housekeep(at(300)).await.unwrap();
    store.record(runs([drags(Verdict::Passed, 310)]));
    settle(&store).await;
    store.housekeep(at(400)).await.unwrap();
    let hours = store.rollups("p/eu".to_owned(), at_ms(0), at_ms(3_600)).await.unwrap();
    assert_eq!((hours[0].counts.passed, hours[0].counts.degraded, hours[0].counts.failed), (3, 2, 1));
}

async fn the_details_of_a_run_are_bounded_and_the_cause_always_stays(under_test: &StoreUnderTest) {
    let (store, _) = under_test.open().await;
    let eu = canary("p", "eu");
    let mut failed = run(&eu, Verdict::Failed, 1);
    let model = failed.steps[1].clone();
    for _ in 0..500 {
        let mut more = model.clone();
        let Some(AttemptDetail::Http(http)) = &mut more.attempts[0].detail else { panic!("it is over HTTP") };
        http.exchange.as_mut().unwrap().response_body = "x".repeat(4_096);
        failed.steps.push(more);
    }
    let id = failed.run_id.to_string();
    store.record(runs([failed]));
    settle(&store).await;
    let details = store.run(id).await.unwrap().unwrap().details.unwrap();
    assert!(details.to_string().len() <= 256 << 10);
    assert_eq!(details["truncated"], true);
    assert_eq!(details["cause"]["reason"], "expectation");
    assert!(!details["steps"].as_array().unwrap().is_empty());
}

async fn incidents_are_listed_and_told(under_test: &StoreUnderTest) {
    let (store, _) = under_test.open().await;
    let all = [incident("I1", Some(5)), incident("I2", None), incident("I3", None)];
    store.commit(Commit { incidents: all.into(), ..Commit::default() });
    // The clock goes back between the two.
    let happened = vec![timeline("I2", 9, "opened"), timeline("I2", 3, "paged")];
    store.record(Commit { timeline: happened, tries: vec![attempt("T1", &["I2"], 4)], ..Commit::default() });
    settle(&store).await;
    let ids = async |filter: &IncidentFilter, limit, after: Option<&str>| {
        let page = store.incidents(filter.clone(), limit, after.map(str::to_owned)).await.unwrap();
        (page.items.into_iter().map(|row| row.id).collect::<Vec<_>>(), page.next)
    };
    let (everything, open) = (IncidentFilter::default(), IncidentFilter { open: true, ..IncidentFilter::default() });
    assert_eq!(ids(&everything, 2, None).await, (vec!["I3".to_owned(), "I2".to_owned()], Some("I2".to_owned())));
    assert_eq!(ids(&everything, 2, Some("I2")).await, (vec!["I1".to_owned()], None));
    assert_eq!(ids(&open, 10, None).await.0, ["I3", "I2"]);
    let other = IncidentFilter { probe: Some("q".to_owned()), ..IncidentFilter::default() };
    assert_eq!(ids(&other, 10, None).await.0, [""; 0]);
    let told = store.incident("I2".to_owned()).await.unwrap().unwrap();
    assert_eq!(told.incident.details["note"], 1);
    assert_eq!(told.timeline.iter().map(|row| row.what.as_str()).collect::<Vec<_>>(), ["opened", "paged"]);
    assert_eq!(told.tries[0].message["title"], "p fails");
    assert!(store.incident("I9".to_owned()).await.unwrap().is_none());
}

async fn an_incident_that_was_resolved_long_ago_is_not_remembered(under_test: &StoreUnderTest) {
    let (store, _) = under_test.open().await;
    store.commit(Commit { incidents: vec![incident("I1", Some(5)), incident("I2", None)], ..Commit::default() });
    assert!(store.shut_down(LONG).await);
    let later = at(5) + Duration::from_hours(25);
    let (_store, restored) = under_test.open_at(later).await;
    assert_eq!(restored.incidents, [incident("I2", None)]);
}

async fn a_closed_store_says_so_to_whoever_waits(under_test: &StoreUnderTest) {
    let (store, _) = under_test.open().await;
    assert!(store.shut_down(LONG).await);
    assert!(store.commit(states([state("canary", "a", Some("1"))])).await.is_err());
    assert!(store.intend(entry("L1")).await.is_err());
    assert!(store.housekeep(at(0)).await.is_err());
}

async fn steps_of_a_long_loop_are_cut(under_test: &StoreUnderTest) {
    let (store, _) = under_test.open().await;
    let mut long = run(&canary("p", "eu"), Verdict::Passed, 1);
    long.steps = (0..1_000).map(|at| step("check", at, 1)).collect();
    let id = long.run_id.to_string();
    store.record(runs([long]));
    settle(&store).await;
    assert_eq!(store.run(id).await.unwrap().unwrap().steps.len(), 200);
}
