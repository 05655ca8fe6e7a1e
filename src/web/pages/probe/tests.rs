//! The page as it is rendered, from answers made by hand.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use askama::Template as _;

use super::content::{Content, Given};
use super::*;
use crate::alert::Status;
use crate::alert::status::CanaryStatus;
use crate::history::{EventView, RollupView, RunCounts, RunView, Sketch, StepHour};
use crate::plan::{Cell, CellValue, Probe, Slo, testing};
use crate::web::model::Snapshot;
use crate::web::model::probe::answers::Answers;
use crate::web::model::recent::Mark;
use crate::web::model::recent::MarkKind;
use crate::web::pages::frame::{Alarm, Viewer};

const HOUR: i64 = 3_600_000;
const NOW: i64 = 500_000 * HOUR + 20 * 60_000;
const HOSTILE: &str = "<script>alert(1)</script>\"'&";

fn hour(hour_ms: i64, passed: u64, failed: u64, steps: &[&str]) -> RollupView {
    let mut durations = Sketch::default();
    (0..passed).for_each(|at| durations.add(1_000_000 + at * 50_000));
    let step = |name: &&str| StepHour {
        name: (*name).to_owned(),
        reached: passed + failed,
        failed,
        lost: failed,
        durations: durations.clone(),
        convergence: durations.clone(),
    };
    RollupView {
        start_ms: hour_ms,
        counts: RunCounts { passed, failed, ..RunCounts::default() },
        reasons: BTreeMap::from([("expectation".to_owned(), failed)]),
        steps: steps.iter().map(step).collect(),
        durations,
    }
}

fn probe(hostile: bool) -> Probe {
    let text = |text: &str| if hostile { format!("{text}{HOSTILE}") } else { text.to_owned() };
    let cell = Cell(vec![("platform".into(), CellValue::Text(text("ios").into()))]);
    Probe {
        summary: Some(text("Lists reach both devices")),
        owner: Some(text("ann")),
        tags: vec![text("core")],
        cells: vec![Arc::new(cell)],
        steps: vec![testing::step(&text("create")), testing::step("read")].into(),
        slo: Some(Slo { success: Some(0.9), degraded: None, latency: None, window: Duration::from_hours(24) }),
        ..testing::probe("p")
    }
}

/// The page of a probe with these hours.
fn rendered(probe: Option<Probe>, hours: Vec<(String, RollupView)>, query: ProbeQuery) -> String {
    let plan = testing::plan(probe.into_iter().collect(), &["eu", "us"]);
    let known = plan.probes.first().cloned();
    let canaries = plan.canaries.iter().map(|canary| CanaryStatus {
        canary: canary.id.as_str().to_owned(),
        probe: "p".to_owned(),
        region: canary.region.name.to_string(),
        cell: canary.cell.to_string(),
        standing: crate::alert::status::Health::Passing,
        since_ms: None,
        without_data_since_ms: None,
        of: 0,
        failures: 0,
        paging: false,
        last_verdict: None,
        last_ms: None,
        step: None,
        incident: None,
    });
    let status = Status { canaries: canaries.collect(), ..Status::default() };
    let snapshot = Arc::new(Snapshot { at_ms: NOW, status });
    let is_new = hours.is_empty();
    let marks: BTreeMap<String, Vec<Mark>> = plan
        .canaries
        .iter()
        .map(|canary| {
            let mark =
                Mark { due_ms: NOW - 60_000, duration_us: 900_000, convergence_us: None, kind: MarkKind::Passed, counted: true };
            (canary.id.as_str().to_owned(), if is_new { Vec::new() } else { vec![mark] })
        })
        .collect();
    let question = query.question("p", known.as_deref(), NOW);
    let event = EventView {
        id: "01A".to_owned(),
        at_ms: NOW - 10 * 60_000,
        kind: "annotation",
        probe: None,
        incident: None,
        by: Some(HOSTILE.to_owned()),
        what: "deploy".to_owned(),
        text: HOSTILE.to_owned(),
    };
    let run = RunView {
        run_id: "01R".to_owned(),
        canary: format!("p/eu/platform=ios{HOSTILE}"),
        probe: "p".to_owned(),
        region: "eu".to_owned(),
        due_ms: NOW - 60_000,
        slot: 0,
        started_ms: NOW - 60_000,
        duration_us: 1_000,
        verdict: "failed",
        reason: Some("expectation"),
        degraded: false,
        trace_id: String::new(),
        counted: true,
    };
    let answers = Answers {
        before: hours.iter().map(|(id, view)| (id.clone(), view.clone())).collect(),
        hours,
        events: vec![event],
        runs: vec![run],
        ..Answers::default()
    };
    let given = Given { plan, snapshot, probe: known, question, answers, marks };
    let content = Content::of(given);
    let frame = Frame {
        base: "/".to_owned(),
        title: "p".to_owned(),
        here: "probes/p".to_owned(),
        alarm: Alarm::Well,
        open: 0,
        as_of_ms: NOW,
        stale: None,
        live: None,
        is_still: true,
        viewer: Viewer { may_act: true, ..Viewer::default() },
        said: None,
    };
    let page = ProbePage {
        frame,
        name: "p".to_owned(),
        target: "p".to_owned(),
        is_paused: false,
        cards: Vec::new(),
        ranges: Range::ALL.iter().map(|range| query.chip("p", "range", range.word(), range.word().to_owned())).collect(),
        narrow: query.narrow("p", &content),
        run_chips: Vec::new(),
        all_runs: query.all_runs("p"),
        query,
        content,
        source: Some(Source { path: "p.toml".to_owned(), text: Ok(HOSTILE.to_owned()), is_cut: false }),
    };
    page.render().unwrap()
}

fn query(range: &str) -> ProbeQuery {
    ProbeQuery { range: range.to_owned(), ..ProbeQuery::default() }
}

/// So many hours up to the present one.
fn hours(canary: &str, count: i64, of: impl Fn(i64) -> (u64, u64), steps: &[&str]) -> Vec<(String, RollupView)> {
    let now = NOW / HOUR;
    (now - count + 1..=now)
        .map(|at| {
            let (passed, failed) = of(at);
            (canary.to_owned(), hour(at * HOUR, passed, failed, steps))
        })
        .collect()
}

#[test]
fn names_and_texts_of_others_are_data_wherever_they_stand() {
    let canary = format!("p/eu/platform=ios{HOSTILE}");
    let step = format!("create{HOSTILE}");
    for range in ["1h", "24h", "90d"] {
        let page = rendered(
            Some(probe(true)),
            hours(&canary, 30, |at| (10, u64::try_from(at % 3).unwrap()), &[&step, "gone<b>"]),
            query(range),
        );
        assert!(!page.contains("<script>alert") && !page.contains("<b>"), "{range}");
        assert!(page.contains("&#60;script&#62;alert"), "{range}");
        assert!(!page.contains("style="), "{range}");
    }
}

#[test]
fn each_range_renders_with_an_empty_history_with_one_run_and_with_lost_runs_alone() {
    for range in Range::ALL {
        let empty = rendered(Some(probe(false)), Vec::new(), query(range.word()));
        assert!(!empty.contains("Nothing failed"), "nothing ran either");
        assert!(empty.contains("No run of this time is counted") && empty.contains("What it checks"), "{range:?}");
        let one = rendered(Some(probe(false)), hours("p/eu/platform=ios", 1, |_| (1, 0), &["create"]), query(range.word()));
        assert!(one.contains("class=\"line\""), "{range:?}");
        let lost = rendered(Some(probe(false)), hours("p/eu/platform=ios", 1, |_| (0, 4), &["create"]), query(range.word()));
        assert!(range == Range::Hour || lost.contains("class=\"lost\""), "{range:?}");
    }
}

#[test]
fn a_probe_that_was_removed_says_so_and_shows_its_history() {
    let page = rendered(None, hours("p/eu", 30, |_| (10, 1), &["create"]), query("24h"));
    assert!(page.contains("not configured any more") && page.contains("not a step any more") && !page.contains("Run now"));
    assert!(page.contains("runs?canary=p%2Feu&#38;since="), "strips lead to their runs");
}

#[test]
fn what_is_asked_of_the_store_reaches_over_the_window_of_the_objective_and_keeps_the_address() {
    let known = probe(false);
    let question = query("1h").question("p", Some(&known), NOW);
    assert_eq!((question.counted_since_ms, question.failed_runs), (Some(NOW - 24 * HOUR), true));
    let earlier = question.earlier.unwrap();
    assert_eq!((earlier.since_ms, earlier.until_ms), (NOW - 24 * HOUR, (NOW / HOUR - 1) * HOUR), "marks tell of the rest");
    let narrowed = ProbeQuery { canary: "p/eu".to_owned(), ..query("7d") };
    let question = narrowed.question("p", Some(&known), NOW);
    assert_eq!((question.counted_since_ms, question.failed_runs), (None, false));
    assert_eq!(narrowed.with("p", "range", "30d"), "probes/p?range=30d&canary=p%2Feu");
    assert_eq!(narrowed.with("p", "region", "us"), "probes/p?range=7d&region=us");
    assert_eq!(query("").with("a b/c", "range", ""), "probes/a%20b%2Fc");
}
