//! What is written comes back.

use std::os::unix::fs::PermissionsExt;
use std::sync::Arc;
use std::time::Duration;

use super::super::testing::{
    LONG, at, at_ms, attempt, canary, entry, incident, open, outcome, reopen, run, runs, settings, settle, state, states, step,
    timeline,
};
use super::super::{Commit, IncidentFilter, KeptState, KeptTick, OpenError, Record, RunFilter, Store, TryState};
use crate::outcome::{
    AttemptDetail, CleanupReport, CleanupResult, Ledger, OutcomeSink, Reason, RunReport, StepResult, Trigger, Verdict,
};
use crate::plan::{Bodies, StoreSettings};

fn last_tick(slot: u32, due_ms: i64) -> KeptTick {
    KeptTick { canary: "p/eu".to_owned(), slot, due_ms }
}

fn kept(kind: &str, key: &str, json: &str) -> KeptState {
    KeptState { kind: kind.to_owned(), key: key.to_owned(), json: json.to_owned() }
}

#[test]
fn a_new_store_remembers_nothing_and_its_file_is_for_its_owner_alone() {
    let directory = tempfile::tempdir().unwrap();
    let (store, remembered) = open(directory.path());
    assert!(remembered.states.is_empty() && remembered.incidents.is_empty() && remembered.damaged.is_none());
    let path = settings(directory.path()).path;
    settle(&store);
    for suffix in ["", "-wal", ".lock"] {
        let file = format!("{}{suffix}", path.display());
        assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600, "{file}");
    }
    assert_eq!(std::fs::metadata(path.parent().unwrap()).unwrap().permissions().mode() & 0o777, 0o700);
}

#[test]
fn everything_is_remembered_over_a_restart() {
    let directory = tempfile::tempdir().unwrap();
    let (store, _) = open(directory.path());
    let eu = canary("p", "eu");
    let mut commit = runs([run(&eu, Verdict::Failed, 60)]);
    commit.states = vec![state("canary", "p/eu", Some("{\"streak\":2}")), state("generation", "probe/p", Some("4"))];
    commit.incidents = vec![incident("I2", None), incident("I1", Some(10))];
    commit.timeline = vec![timeline("I2", 1, "opened"), timeline("I2", 2, "paged")];
    commit.tries = vec![attempt("T2", &["I2"], 1), attempt("T1", &["I2"], 2)];
    assert!(commit.is_urgent());
    store.commit(commit).blocking_recv().unwrap();

    let (_store, remembered) = reopen(&store, directory.path());
    assert_eq!(remembered.states, [kept("canary", "p/eu", "{\"streak\":2}"), kept("generation", "probe/p", "4")]);
    assert_eq!(remembered.incidents, [incident("I1", Some(10)), incident("I2", None)]);
    let tries: Vec<_> = remembered.tries.iter().map(|row| row.id.as_str()).collect();
    assert_eq!(tries, ["T2", "T1"], "in the order of their making");
    assert_eq!(remembered.last_ticks, [last_tick(0, at_ms(60))]);
}

#[test]
fn a_tick_that_overlaps_a_run_does_not_hide_that_run_from_a_restart_and_is_there_once() {
    let directory = tempfile::tempdir().unwrap();
    let (store, _) = open(directory.path());
    let eu = canary("p", "eu");
    let missed = |due, reason| {
        let mut report = run(&eu, Verdict::Missed, due);
        report.cause.as_mut().unwrap().reason = reason;
        report
    };
    // The run of second 120 was going when the process ended.
    let commit = runs([run(&eu, Verdict::Passed, 60), missed(180, Reason::Overlap)]);
    store.commit(commit).blocking_recv().unwrap();
    let (store, remembered) = reopen(&store, directory.path());
    assert_eq!(remembered.last_ticks, [last_tick(0, at_ms(60))]);
    let thought_lost = runs([missed(120, Reason::Crashed), missed(180, Reason::Crashed), missed(180, Reason::Down)]);
    store.commit(thought_lost).blocking_recv().unwrap();
    let all = store.reader().runs(&RunFilter::default(), 10, None).unwrap().items;
    let mut ticks: Vec<_> = all.iter().map(|run| (run.due_ms, run.reason)).collect();
    ticks.sort_unstable();
    assert_eq!(ticks, [(at_ms(60), None), (at_ms(120), Some("crashed")), (at_ms(180), Some("overlap"))]);
}

#[test]
fn what_is_only_offered_is_written_soon_without_anyone_asking() {
    let directory = tempfile::tempdir().unwrap();
    let (store, _) = open(directory.path());
    store.offer(runs([run(&canary("p", "eu"), Verdict::Passed, 1)]));
    let reader = store.reader();
    let begun = std::time::Instant::now();
    while reader.runs(&RunFilter::default(), 10, None).unwrap().items.is_empty() {
        assert!(begun.elapsed() < LONG, "the batch was never written");
        std::thread::yield_now();
    }
}

#[test]
fn the_newest_of_a_state_stays_also_where_offers_and_commits_mix() {
    let directory = tempfile::tempdir().unwrap();
    let (store, _) = open(directory.path());
    for number in 0..500 {
        let row = |key: &str| state("canary", key, Some(&number.to_string()));
        if number % 3 == 0 {
            drop(store.commit(states([row("a")])));
        } else {
            store.offer(states([row("a"), row("b")]));
        }
    }
    store.offer(states([state("canary", "b", None)]));
    let (_store, remembered) = reopen(&store, directory.path());
    assert_eq!(remembered.states, [kept("canary", "a", "499")]);
}

#[test]
fn replaying_a_commit_changes_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let (store, _) = open(directory.path());
    let mut commit = runs([run(&canary("p", "eu"), Verdict::Failed, 60)]);
    commit.incidents = vec![incident("I1", None)];
    commit.timeline = vec![timeline("I1", 1, "opened")];
    let row = attempt("T1", &["I1"], 1);
    commit.tries = vec![row.clone()];
    store.commit(commit.clone()).blocking_recv().unwrap();
    let outcomes = vec![outcome(&row, TryState::Taken)];
    store.commit(Commit { outcomes, ..Commit::default() }).blocking_recv().unwrap();
    store.commit(commit).blocking_recv().unwrap();

    let reader = store.reader();
    assert_eq!(reader.runs(&RunFilter::default(), 10, None).unwrap().items.len(), 1);
    let told = reader.incident("I1").unwrap().unwrap();
    assert_eq!(told.timeline.len(), 1);
    assert_eq!(told.tries.len(), 1);
    assert_eq!(told.tries[0].state, "taken", "one that was taken does not wait again");
}

#[test]
fn the_last_tick_goes_by_the_order_of_ticks_and_not_by_the_clock_or_by_completion() {
    let directory = tempfile::tempdir().unwrap();
    let (store, _) = open(directory.path());
    let eu = canary("p", "eu");
    let tick = |due: u64, order: u64| {
        let mut report = run(&eu, Verdict::Passed, due);
        report.tick.order = order;
        report
    };
    store.commit(runs([tick(7_200, 1)])).blocking_recv().unwrap();
    // The clock was set back by an hour; and an earlier, slower run ends later.
    store.commit(runs([tick(3_660, 3)])).blocking_recv().unwrap();
    store.commit(runs([tick(3_600, 2)])).blocking_recv().unwrap();
    let mut by_hand = tick(9_999, 4);
    by_hand.trigger = Trigger::Manual;
    store.offer(Commit { runs: vec![Record { report: by_hand.into(), counted: false }], ..Commit::default() });
    let (_store, remembered) = reopen(&store, directory.path());
    assert_eq!(remembered.last_ticks, [last_tick(0, at_ms(3_660))]);
}

#[test]
fn each_slot_has_a_last_tick_of_its_own() {
    let directory = tempfile::tempdir().unwrap();
    let (store, _) = open(directory.path());
    let eu = canary("p", "eu");
    for (due, slot) in [(10, 0), (70, 2), (40, 1)] {
        let mut report = run(&eu, Verdict::Passed, due);
        report.tick.slot = slot;
        store.commit(runs([report])).blocking_recv().unwrap();
    }
    let (_store, remembered) = reopen(&store, directory.path());
    assert_eq!(remembered.last_ticks, [last_tick(0, at_ms(10)), last_tick(1, at_ms(40)), last_tick(2, at_ms(70))]);
}

#[test]
fn runs_are_found_by_what_they_are_and_paged_newest_first() {
    let store = Store::in_memory();
    let canaries = [canary("p", "eu"), canary("p", "us"), canary("q", "eu")];
    for second in 0..40 {
        for (at, canary) in canaries.iter().enumerate() {
            let verdict = if second % 10 == 0 && at == 1 { Verdict::Failed } else { Verdict::Passed };
            store.offer(runs([run(canary, verdict, second)]));
        }
    }
    settle(&store);
    let reader = store.reader();
    let count = |filter: RunFilter| reader.runs(&filter, 500, None).unwrap().items.len();
    assert_eq!(count(RunFilter::default()), 120);
    assert_eq!(count(RunFilter { canary: Some("p/us".to_owned()), ..RunFilter::default() }), 40);
    assert_eq!(count(RunFilter { probe: Some("p".to_owned()), ..RunFilter::default() }), 80);
    assert_eq!(count(RunFilter { region: Some("eu".to_owned()), ..RunFilter::default() }), 80);
    assert_eq!(count(RunFilter { not_passed: true, ..RunFilter::default() }), 4);
    assert_eq!(count(RunFilter { verdict: Some(Verdict::Passed), ..RunFilter::default() }), 116);
    assert_eq!(count(RunFilter { verdict: Some(Verdict::Missed), ..RunFilter::default() }), 0);
    assert_eq!(count(RunFilter { since_ms: Some(at_ms(10)), until_ms: Some(at_ms(12)), ..RunFilter::default() }), 6);
    assert_eq!(count(RunFilter { canary: Some("nobody".to_owned()), ..RunFilter::default() }), 0);

    let (mut seen, mut after) = (Vec::new(), None);
    loop {
        let page = reader.runs(&RunFilter::default(), 7, after.as_deref()).unwrap();
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
    assert!(reader.runs(&RunFilter::default(), 7, Some("nonsense")).is_err());
}

#[test]
fn only_what_passed_or_failed_counts() {
    let store = Store::in_memory();
    let eu = canary("p", "eu");
    store.offer(runs(Verdict::ALL.into_iter().zip(0..).map(|(verdict, second)| run(&eu, verdict, second))));
    settle(&store);
    for view in store.reader().runs(&RunFilter::default(), 10, None).unwrap().items {
        assert_eq!(view.counted, ["passed", "failed"].contains(&view.verdict), "{}", view.verdict);
    }
}

#[test]
fn what_became_of_a_cleanup_is_kept_beside_its_run_also_if_it_comes_first() {
    let store = Store::in_memory();
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
    settle(&store);
    store.offer(runs([RunReport::clone(&passed), RunReport::clone(&failed)]));
    settle(&store);
    store.cleanup_finished(&cleanup(&failed, CleanupResult::Leaked(vec![failed.cause.clone().unwrap()])));
    settle(&store);
    let details = |run: &RunReport| store.reader().run(&run.run_id.to_string()).unwrap().unwrap().details.unwrap();
    let clean = details(&passed);
    assert_eq!((&clean["cleanup"]["result"], &clean["steps"]), (&"clean".into(), &serde_json::Value::Null));
    assert_eq!(clean["cleanup"]["steps"][0]["result"], "passed");
    let leaked = details(&failed);
    assert_eq!((&leaked["cleanup"]["result"], &leaked["cause"]["reason"]), (&"leaked".into(), &"expectation".into()));
    assert_eq!(leaked["cleanup"]["leaks"][0]["reason"], "expectation");
    let delete = &leaked["cleanup"]["steps"][0];
    assert_eq!((&delete["name"], &delete["result"]), (&"delete".into(), &"failed".into()));
}

#[test]
fn a_passed_run_keeps_the_times_of_its_steps_and_a_failed_one_everything() {
    let store = Store::in_memory();
    let eu = canary("p", "eu");
    let (passed, failed) = (run(&eu, Verdict::Passed, 1), run(&eu, Verdict::Failed, 2));
    let ids = [passed.run_id.to_string(), failed.run_id.to_string()];
    store.offer(runs([passed, failed]));
    settle(&store);
    let reader = store.reader();
    let passed = reader.run(&ids[0]).unwrap().unwrap();
    assert_eq!((passed.run.verdict, passed.run.reason, passed.run.started_ms), ("passed", None, at_ms(1) + 3));
    assert_eq!(passed.steps[1].name, "read on the second device");
    assert_eq!((passed.steps[1].started_us, passed.steps[1].duration_us), (1_250, 30_000));
    assert_eq!((passed.steps[0].convergence_us, passed.steps[1].convergence_us), (None, Some(29_000)));
    assert_eq!(passed.details, None);

    let failed = reader.run(&ids[1]).unwrap().unwrap();
    assert_eq!((failed.run.verdict, failed.run.reason), ("failed", Some("expectation")));
    let details = failed.details.unwrap();
    assert_eq!(details["cause"]["seen"][0]["value"], "\"pending\"");
    assert_eq!(details["vars"]["title"], "canary 1");
    assert_eq!(details["steps"][1]["expectations"][0]["held"], "no");
    assert_eq!(details["steps"][1]["attempts"][0]["exchange"]["response_body"], "{\"status\":\"pending\"}");
    assert_eq!(details["truncated"], false);
    assert!(reader.run("no id").unwrap().is_none());
}

#[test]
fn a_store_that_keeps_no_bodies_has_everything_else() {
    let directory = tempfile::tempdir().unwrap();
    let settings = StoreSettings { bodies: Bodies::Never, ..settings(directory.path()) };
    let (store, _) = Store::open(&settings, at(0)).unwrap();
    let failed = run(&canary("p", "eu"), Verdict::Failed, 2);
    let id = failed.run_id.to_string();
    store.offer(runs([failed]));
    settle(&store);
    let details = store.reader().run(&id).unwrap().unwrap().details.unwrap();
    let exchange = &details["steps"][1]["attempts"][0]["exchange"];
    assert_eq!((&exchange["response_body"], &exchange["request_body"]), (&"•••".into(), &"".into()), "there was one answer");
    assert_eq!(details["cause"]["seen"][0]["value"], "\"pending\"", "what was judged is no body");
    assert!(store.close(LONG));
    let file = std::fs::read(&settings.path).unwrap();
    assert!(!file.windows(9).any(|bytes| bytes == b"{\"status\""), "nor has the file");
}

#[test]
fn the_details_of_a_run_are_bounded_and_the_cause_always_stays() {
    let store = Store::in_memory();
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
    store.offer(runs([failed]));
    settle(&store);
    let details = store.reader().run(&id).unwrap().unwrap().details.unwrap();
    assert!(details.to_string().len() <= 256 << 10);
    assert_eq!(details["truncated"], true);
    assert_eq!(details["cause"]["reason"], "expectation");
    assert!(!details["steps"].as_array().unwrap().is_empty());
}

#[test]
fn incidents_are_listed_and_told() {
    let store = Store::in_memory();
    let all = [incident("I1", Some(5)), incident("I2", None), incident("I3", None)];
    store.commit(Commit { incidents: all.into(), ..Commit::default() });
    // The clock goes back between the two.
    let happened = vec![timeline("I2", 9, "opened"), timeline("I2", 3, "paged")];
    store.offer(Commit { timeline: happened, tries: vec![attempt("T1", &["I2"], 4)], ..Commit::default() });
    settle(&store);
    let reader = store.reader();
    let ids = |filter: &IncidentFilter, limit, after: Option<&str>| {
        let page = reader.incidents(filter, limit, after).unwrap();
        (page.items.into_iter().map(|row| row.id).collect::<Vec<_>>(), page.next)
    };
    let (everything, open) = (IncidentFilter::default(), IncidentFilter { open: true, ..IncidentFilter::default() });
    assert_eq!(ids(&everything, 2, None), (vec!["I3".to_owned(), "I2".to_owned()], Some("I2".to_owned())));
    assert_eq!(ids(&everything, 2, Some("I2")), (vec!["I1".to_owned()], None));
    assert_eq!(ids(&open, 10, None).0, ["I3", "I2"]);
    let other = IncidentFilter { probe: Some("q".to_owned()), ..IncidentFilter::default() };
    assert_eq!(ids(&other, 10, None).0, [""; 0]);
    let told = reader.incident("I2").unwrap().unwrap();
    assert_eq!(told.incident.details["note"], 1);
    assert_eq!(told.timeline.iter().map(|row| row.what.as_str()).collect::<Vec<_>>(), ["opened", "paged"]);
    assert_eq!(told.tries[0].message["title"], "p fails");
    assert!(reader.incident("I9").unwrap().is_none());
}

#[test]
fn an_incident_that_was_resolved_long_ago_is_not_remembered() {
    let directory = tempfile::tempdir().unwrap();
    let (store, _) = open(directory.path());
    store.commit(Commit { incidents: vec![incident("I1", Some(5)), incident("I2", None)], ..Commit::default() });
    assert!(store.close(LONG));
    let later = at(5) + Duration::from_hours(25);
    let (_store, remembered) = Store::open(&settings(directory.path()), later).unwrap();
    assert_eq!(remembered.incidents, [incident("I2", None)]);
}

#[test]
fn a_closed_store_says_so_to_whoever_waits() {
    let store = Store::in_memory();
    assert!(store.close(LONG));
    assert!(store.commit(states([state("canary", "a", Some("1"))])).blocking_recv().is_err());
    assert!(futures::executor::block_on(store.intend(entry("L1"))).is_err());
    assert!(store.housekeep(at(0)).blocking_recv().is_err());
}

#[test]
fn a_second_process_is_refused_and_the_first_goes_on() {
    let directory = tempfile::tempdir().unwrap();
    let (store, _) = open(directory.path());
    let refused = Store::open(&settings(directory.path()), at(0)).unwrap_err();
    assert!(matches!(refused, OpenError::InUse { .. }), "{refused}");
    assert!(refused.to_string().contains("in use by another process"));
    settle(&store);
    let _ = reopen(&store, directory.path());
}

#[test]
fn steps_of_a_long_loop_are_cut() {
    let store = Store::in_memory();
    let mut long = run(&canary("p", "eu"), Verdict::Passed, 1);
    long.steps = (0..1_000).map(|at| step("check", at, 1)).collect();
    let id = long.run_id.to_string();
    store.offer(runs([long]));
    settle(&store);
    assert_eq!(store.reader().run(&id).unwrap().unwrap().steps.len(), 200);
}
