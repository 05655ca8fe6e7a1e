//! What scrapers see: names, labels, zeros, edges, streaks, and reloads. Both formats, as text.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use serinus::outcome::{AlertStateSink as _, AttemptDetail, Cause, MissedTicks, Reason, RunReport, StepResult, Trigger, Verdict};
use serinus::plan::{Canary, Cell, LatencyOf, LatencySlo, Plan, Severity};
use serinus::telemetry::{Format, Metrics};

use crate::report;

/// Values, as they are written, by all that stands before them. The process's own are shared by all tests.
fn samples(metrics: &Metrics) -> BTreeMap<String, String> {
    metrics
        .encode(Format::Prometheus)
        .lines()
        .filter(|line| !line.starts_with('#'))
        .filter_map(|line| line.rsplit_once(' '))
        .map(|(series, value)| (series.to_owned(), value.to_owned()))
        .collect()
}

fn two_cells() -> Vec<Cell> {
    vec![report::cell(&[("platform", "ios")]), report::cell(&[("platform", "android")])]
}

fn one_canary() -> (Plan, Arc<Metrics>, Arc<Canary>) {
    let plan = report::plan(vec![report::probe("sync", vec![report::cell(&[("platform", "ios")])])], &["eu"]);
    let metrics = Metrics::new(&plan);
    let canary = Arc::clone(&plan.canaries[0]);
    (plan, metrics, canary)
}

fn due(minutes_ago: u64) -> SystemTime {
    SystemTime::now() - Duration::from_mins(minutes_ago)
}

#[test]
fn every_canary_has_every_verdict_at_zero_from_the_start_and_no_failure_series() {
    let plan =
        report::plan(vec![report::probe("sync", two_cells()), report::probe("plain", vec![Cell::default()])], &["eu", "us"]);
    let samples = samples(&Metrics::new(&plan));
    for verdict in Verdict::ALL {
        for region in ["eu", "us"] {
            let bare = format!("serinus_runs_total{{probe=\"plain\",region=\"{region}\",verdict=\"{verdict}\"}}");
            assert_eq!(samples.get(&bare), Some(&"0".to_owned()), "{bare}");
            for platform in ["ios", "android"] {
                let name = format!(
                    "serinus_runs_total{{probe=\"sync\",region=\"{region}\",platform=\"{platform}\",verdict=\"{verdict}\"}}"
                );
                assert_eq!(samples.get(&name), Some(&"0".to_owned()), "{name}");
            }
        }
    }
    assert!(!samples.keys().any(|name| name.starts_with("serinus_failures_total")), "failures appear with the first one");
    assert!(!samples.keys().any(|name| name.starts_with("serinus_canary_healthy")), "nobody knows yet");
    assert_eq!(samples["serinus_consecutive_failures{probe=\"plain\",region=\"eu\"}"], "0");
    assert_eq!(samples["serinus_ticks_missed_total{why=\"overload\"}"], "0");
    assert_eq!(samples["serinus_cleanup_leaked{probe=\"plain\",region=\"us\"}"], "0");
}

#[test]
fn a_run_is_in_the_series_of_its_canary_its_steps_and_its_phases() {
    let (_plan, metrics, canary) = one_canary();
    metrics.record(&report::passed(&canary, due(2)));
    metrics.record(&report::failed(&canary, due(1)));
    let samples = samples(&metrics);
    let run = "probe=\"sync\",region=\"eu\",platform=\"ios\"";
    for (series, expected) in [
        (format!("serinus_runs_total{{{run},verdict=\"passed\"}}"), "1"),
        (format!("serinus_runs_total{{{run},verdict=\"failed\"}}"), "1"),
        (format!("serinus_failures_total{{{run},verdict=\"failed\",reason=\"expectation\"}}"), "1"),
        (format!("serinus_run_duration_seconds_count{{{run}}}"), "2"),
        (format!("serinus_run_duration_seconds_sum{{{run}}}"), "3.0"),
        ("serinus_step_duration_seconds_count{probe=\"sync\",region=\"eu\",step=\"create\"}".into(), "2"),
        ("serinus_http_phase_seconds_count{probe=\"sync\",region=\"eu\",phase=\"first_byte\"}".into(), "6"),
        ("serinus_http_phase_seconds_sum{probe=\"sync\",region=\"eu\",phase=\"first_byte\"}".into(), "0.12"),
        ("serinus_tick_lateness_seconds_count".into(), "2"),
    ] {
        assert_eq!(samples.get(&series).map(String::as_str), Some(expected), "{series}");
    }
    assert!(!samples.keys().any(|series| series.contains("phase=\"tls\"")), "a phase appears with the first attempt that had it");
}

#[test]
fn a_canary_of_one_step_has_at_most_40_series() {
    for deadline in [10, 20, 60] {
        let (_plan, _metrics, of_two_steps) = one_canary();
        let mut probe = report::probe("sync", vec![report::cell(&[("platform", "ios")])]);
        probe.deadline = Duration::from_secs(deadline);
        probe.steps = vec![report::step("read", None)].into();
        probe.slo = None;
        let plan = report::plan(vec![probe], &["eu"]);
        let metrics = Metrics::new(&plan);
        let mut run = report::passed(&of_two_steps, due(1));
        run.canary = Arc::clone(&plan.canaries[0]);
        run.steps.remove(0);
        for attempt in run.steps.iter_mut().flat_map(|step| &mut step.attempts) {
            let Some(AttemptDetail::Http(http)) = &mut attempt.detail else { panic!("an HTTP attempt") };
            // Over TLS and a new connection, by name: there are no more phases than these.
            http.answer.phases.tls = Some(Duration::from_millis(5));
        }
        metrics.record(&run);
        metrics.canary_state(&plan.canaries[0].id, 0, Some(true));
        let samples = samples(&metrics);
        let of_canary = samples.keys().filter(|series| series.contains("probe=\"sync\"")).count();
        assert!(of_canary <= 40, "{of_canary} with a deadline of {deadline} s: {:#?}", samples.keys());
        assert_eq!(samples.keys().filter(|series| series.starts_with("serinus_http_phase_seconds_count")).count(), 5);
    }
}

#[test]
fn bucket_edges_are_exactly_the_deadline_and_the_promised_bounds() {
    let mut probe = report::probe("sync", vec![Cell::default()]);
    probe.deadline = Duration::from_millis(7_300);
    let read = samples(&Metrics::new(&report::plan(vec![probe], &["eu"])));
    let edges = |samples: &BTreeMap<String, String>, family: &str| -> HashSet<String> {
        let named = samples.keys().filter(|name| name.starts_with(&format!("{family}_bucket")));
        named.map(|name| name.split("le=\"").nth(1).expect("a bucket has an edge").trim_end_matches("\"}").to_owned()).collect()
    };
    let run = edges(&read, "serinus_run_duration_seconds");
    assert!(run.contains("7.3") && run.contains("5.0") && run.contains("+Inf"), "{run:?}");
    assert!(!run.contains("10.0"), "nothing round lies beyond the deadline: {run:?}");
    let convergence = edges(&read, "serinus_convergence_seconds");
    assert!(convergence.contains("2.0") && convergence.contains("10.0"), "{convergence:?}");

    let mut probe = report::probe("sync", vec![Cell::default()]);
    let bounds = [Some(Duration::from_millis(1_234)), Some(Duration::from_secs(9)), Some(Duration::from_secs(25))];
    let [mean, p95, p99] = bounds;
    probe.slo.as_mut().expect("it has one").latency = Some(LatencySlo { step: None, of: LatencyOf::Duration, mean, p95, p99 });
    let run = edges(&samples(&Metrics::new(&report::plan(vec![probe], &["eu"]))), "serinus_run_duration_seconds");
    for edge in ["1.234", "9.0", "20.0", "25.0"] {
        assert!(run.contains(edge), "{edge} in {run:?}");
    }
}

#[test]
fn a_run_that_takes_exactly_its_deadline_is_inside_the_deadlines_bucket() {
    let (_plan, metrics, canary) = one_canary();
    for over in [Duration::ZERO, Duration::from_nanos(1)] {
        let mut run = report::passed(&canary, due(1));
        run.duration = canary.probe.deadline + over;
        metrics.record(&run);
    }
    let samples = samples(&metrics);
    let bucket = |edge: &str| {
        samples[&format!("serinus_run_duration_seconds_bucket{{probe=\"sync\",region=\"eu\",platform=\"ios\",le=\"{edge}\"}}")]
            .as_str()
    };
    assert_eq!((bucket("10.0"), bucket("20.0"), bucket("+Inf")), ("0", "1", "2"));
}

/// What becomes of a run.
type Change<'a> = &'a dyn Fn(&mut RunReport);

#[test]
fn what_never_converged_is_above_every_edge_and_our_own_stalls_are_no_part_of_it() {
    let because = |reason: Reason| {
        move |report: &mut RunReport| {
            let cause = Cause { reason, ..report.cause.clone().expect("a failed run has one") };
            (report.verdict, report.cause) = (Verdict::of(reason), Some(cause.clone()));
            report.steps[1].result = StepResult::Failed(cause);
        }
    };
    let late = Duration::from_millis(2_600);
    // Numbers within 1 s, within the promised 2 s, within the 10 s that are waited, and of all; and the sum.
    let failed = true;
    let cases: [(&str, bool, Change<'_>, [&str; 5]); 8] = [
        ("it converged", !failed, &|_| {}, ["0", "1", "1", "1", "1.2"]),
        ("it was waited for in vain", failed, &|_| {}, ["0", "0", "0", "1", "10.0"]),
        ("so it was until the deadline", failed, &because(Reason::Deadline), ["0", "0", "0", "1", "10.0"]),
        ("the prober's own network was gone", failed, &because(Reason::SelfCheck), ["0", "0", "0", "0", "0.0"]),
        (
            "it converged and did not stay so",
            failed,
            &|report| report.steps[1].convergence = Some(Duration::from_millis(700)),
            ["1", "1", "1", "1", "0.7"],
        ),
        ("the step before failed", failed, &|report| report.steps[1].result = StepResult::NotNeeded, ["0", "0", "0", "0", "0.0"]),
        (
            "some of it was ours",
            !failed,
            &move |report| (report.steps[1].convergence, report.steps[1].convergence_stalled) = (Some(late), late / 4),
            ["0", "1", "1", "1", "1.95"],
        ),
        (
            "most of it was ours",
            !failed,
            &move |report| (report.steps[1].convergence, report.steps[1].convergence_stalled) = (Some(late), late),
            ["0", "0", "0", "0", "0.0"],
        ),
    ];
    for (case, fails, change, expected) in cases {
        let (_plan, metrics, canary) = one_canary();
        let mut run = if fails { report::failed(&canary, due(1)) } else { report::passed(&canary, due(1)) };
        change(&mut run);
        metrics.record(&run);
        let samples = samples(&metrics);
        let labels = "probe=\"sync\",region=\"eu\",platform=\"ios\",step=\"read\"";
        let within = |edge: &str| &*samples[&format!("serinus_convergence_seconds_bucket{{{labels},le=\"{edge}\"}}")];
        let whole = |what: &str| &*samples[&format!("serinus_convergence_seconds_{what}{{{labels}}}")];
        let seen = [within("1.0"), within("2.0"), within("10.0"), whole("count"), whole("sum")];
        assert_eq!(seen, expected, "{case}");
    }
}

#[test]
fn degraded_runs_are_counted_from_zero_where_a_step_warns_and_nowhere_else() {
    let mut soft = report::warning(report::probe("soft", vec![Cell::default()]));
    soft.slo.as_mut().expect("it has one").degraded = Some(0.05);
    let plan = report::plan(vec![soft, report::probe("plain", vec![Cell::default()])], &["eu", "us"]);
    let metrics = Metrics::new(&plan);
    let counted = || -> Vec<String> {
        let found = samples(&metrics).into_iter().filter(|(series, _)| series.starts_with("serinus_degraded_total"));
        found.map(|(series, value)| format!("{series} {value}")).collect()
    };
    let [eu, us] = ["eu", "us"].map(|region| format!("serinus_degraded_total{{probe=\"soft\",region=\"{region}\"}}"));
    assert_eq!(counted(), [format!("{eu} 0"), format!("{us} 0")]);
    let canary = plan.canaries.iter().find(|canary| canary.id.as_str() == "soft/eu").expect("it is in the plan");
    for run in [report::degraded(canary, due(3)), report::passed(canary, due(2)), report::failed(canary, due(1))] {
        metrics.record(&run);
    }
    metrics.apply(&plan);
    assert_eq!(counted(), [format!("{eu} 1"), format!("{us} 0")], "also after a reload");
    let samples = samples(&metrics);
    assert_eq!(samples["serinus_runs_total{probe=\"soft\",region=\"eu\",verdict=\"passed\"}"], "2");
    assert_eq!(samples["serinus_slo_objective{probe=\"soft\",objective=\"degraded\"}"], "0.05");
    assert!(!samples.contains_key("serinus_slo_objective{probe=\"plain\",objective=\"degraded\"}"));
}

#[test]
fn a_probe_has_its_files_words_and_its_promises_as_series() {
    let mut sync = report::probe("sync", vec![Cell::default()]);
    sync.owner = Some("music".into());
    sync.summary = Some("A \"list\" is complete".into());
    let mut whole = report::probe("whole", vec![Cell::default()]);
    let slo = whole.slo.as_mut().expect("it has one");
    slo.success = None;
    let (p95, p99) = (Some(Duration::from_millis(1_500)), Some(Duration::from_secs(4)));
    slo.latency = Some(LatencySlo { step: None, of: LatencyOf::Duration, mean: None, p95, p99 });
    let mut none = report::probe("none", vec![Cell::default()]);
    none.slo = None;
    let samples = samples(&Metrics::new(&report::plan(vec![sync, whole, none], &["eu", "us"])));
    let of = |name: &str| -> Vec<String> {
        let found = samples.iter().filter(|(series, _)| series.starts_with(name));
        found.map(|(series, value)| format!("{} {value}", &series[name.len()..])).collect()
    };
    assert_eq!(
        of("serinus_probe_info"),
        [
            r#"{probe="none",owner="",summary="",runbook=""} 1"#,
            r#"{probe="sync",owner="music",summary="A \"list\" is complete",runbook=""} 1"#,
            r#"{probe="whole",owner="",summary="",runbook=""} 1"#,
        ]
    );
    assert_eq!(of("serinus_slo_objective"), [r#"{probe="sync",objective="success"} 0.95"#]);
    assert_eq!(
        of("serinus_slo_latency_objective_seconds"),
        [
            r#"{probe="sync",objective="mean",of="convergence",step="read"} 2.0"#,
            r#"{probe="whole",objective="p95",of="duration"} 1.5"#,
            r#"{probe="whole",objective="p99",of="duration"} 4.0"#,
        ]
    );
    assert_eq!(of("serinus_probe_severity"), [r#"{probe="none"} 0"#, r#"{probe="sync"} 0"#, r#"{probe="whole"} 0"#]);
}

#[test]
fn canaries_and_probes_stand_as_they_are_said_to_whatever_was_run_and_so_they_do_after_a_reload() {
    let (plan, metrics, canary) = one_canary();
    for (failures, healthy, severity, expected) in [
        (3, Some(false), Some(Severity::Critical), "healthy 0, failures 3, severity 3"),
        (2, Some(false), Some(Severity::Page), "healthy 0, failures 2, severity 2"),
        (0, Some(true), Some(Severity::Warn), "healthy 1, failures 0, severity 1"),
        (0, None, None, "healthy -, failures 0, severity 0"),
        (1, Some(false), None, "healthy 0, failures 1, severity 0"),
    ] {
        metrics.canary_state(&canary.id, failures, healthy);
        metrics.probe_severity("sync", severity);
        let seen =
            |metrics| format!("{}, severity {}", standing(metrics), samples(metrics)["serinus_probe_severity{probe=\"sync\"}"]);
        assert_eq!(seen(&metrics), expected);
        metrics.record(&report::failed(&canary, due(1)));
        metrics.apply(&plan);
        assert_eq!(seen(&metrics), expected, "after a run and a reload");
    }
    // What is not in the plan is no one's.
    metrics.apply(&report::plan(vec![report::probe("other", vec![Cell::default()])], &["eu"]));
    metrics.canary_state(&canary.id, 5, Some(false));
    metrics.probe_severity("sync", Some(Severity::Page));
    assert!(!samples(&metrics).keys().any(|series| series.contains("\"sync\"")));
}

/// Health and consecutive failures, `-` where nothing is said.
fn standing(metrics: &Metrics) -> String {
    let samples = samples(metrics);
    let labels = "{probe=\"sync\",region=\"eu\",platform=\"ios\"}";
    let healthy = samples.get(&format!("serinus_canary_healthy{labels}")).map_or("-", String::as_str);
    format!("healthy {healthy}, failures {}", samples[&format!("serinus_consecutive_failures{labels}")])
}

#[test]
fn runs_by_hand_are_in_no_canary_series() {
    let (_plan, metrics, canary) = one_canary();
    let before = samples(&metrics);
    metrics.record(&RunReport { trigger: Trigger::Manual, ..report::failed(&canary, due(1)) });
    let after = samples(&metrics);
    assert_eq!(before.get("serinus_tick_lateness_seconds_count"), after.get("serinus_tick_lateness_seconds_count"));
    assert!(!after.iter().any(|(name, value)| name.starts_with("serinus_runs_total") && value != "0"));
    assert_ne!(after["serinus_runs_uncounted_total{why=\"manual\"}"], "0");
}

#[test]
fn missed_ticks_are_counted_by_their_reason_and_have_no_lateness() {
    let (_plan, metrics, canary) = one_canary();
    metrics.record(&report::ended(&canary, due(3), Reason::Overload));
    metrics.record(&report::ended(&canary, due(2), Reason::Overlap));
    metrics.record(&report::ended(&canary, due(1), Reason::Overlap));
    let samples = samples(&metrics);
    assert_eq!(samples["serinus_ticks_missed_total{why=\"overlap\"}"], "2");
    assert_eq!(samples["serinus_ticks_missed_total{why=\"overload\"}"], "1");
    assert_eq!(samples["serinus_ticks_missed_total{why=\"slept\"}"], "0");
    assert_eq!(samples["serinus_tick_lateness_seconds_count"], "0");
    let run = "probe=\"sync\",region=\"eu\",platform=\"ios\"";
    assert_eq!(samples[&format!("serinus_failures_total{{{run},verdict=\"missed\",reason=\"overlap\"}}")], "2");
}

#[test]
fn missed_ticks_without_reports_count_for_their_canary_as_well() {
    let (_plan, metrics, canary) = one_canary();
    let (first, before) = (due(9), due(1));
    metrics.record_missed(&MissedTicks { canary: Arc::clone(&canary), reason: Reason::Slept, first, before, count: 8 });
    let samples = samples(&metrics);
    let run = "probe=\"sync\",region=\"eu\",platform=\"ios\"";
    assert_eq!(samples["serinus_ticks_missed_total{why=\"slept\"}"], "8");
    assert_eq!(samples[&format!("serinus_runs_total{{{run},verdict=\"missed\"}}")], "8");
    assert_eq!(samples[&format!("serinus_failures_total{{{run},verdict=\"missed\",reason=\"slept\"}}")], "8");
}

#[test]
fn what_a_cleanup_leaves_behind_is_counted_thing_by_thing() {
    let (_plan, metrics, canary) = one_canary();
    let run = Arc::new(report::failed(&canary, due(1)));
    let cause = run.cause.clone().expect("a failed run has one");
    metrics.record_cleanup(&report::cleanup(&run, Vec::new()));
    metrics.record_cleanup(&report::cleanup(&run, vec![cause.clone(), cause]));
    assert_eq!(samples(&metrics)["serinus_cleanup_leaked{probe=\"sync\",region=\"eu\"}"], "2");
}

#[test]
fn what_the_ledger_says_is_left_behind_takes_the_place_of_what_was_counted() {
    let (_plan, metrics, canary) = one_canary();
    let run = Arc::new(report::failed(&canary, due(1)));
    let cause = run.cause.clone().expect("a failed run has one");
    metrics.record_cleanup(&report::cleanup(&run, vec![cause]));
    let series = "serinus_cleanup_leaked{probe=\"sync\",region=\"eu\"}";
    for (left, shown) in [(7, "7"), (0, "0")] {
        let leaked = [(("sync".to_owned(), "eu".to_owned()), left)].into_iter().filter(|(_, left)| *left > 0).collect();
        metrics.set_leaked(&leaked);
        // Rendered anew: a body for scrapers may be a second old.
        let text = metrics.encode(Format::Prometheus);
        assert!(text.contains(&format!("{series} {shown}\n")), "{text}");
    }
}

#[test]
fn a_reload_keeps_unchanged_canaries_adds_new_ones_and_removes_what_is_gone() {
    let before = report::plan(vec![report::probe("sync", two_cells()), report::probe("old", vec![Cell::default()])], &["eu"]);
    let metrics = Metrics::new(&before);
    for canary in &before.canaries {
        metrics.record(&report::failed(canary, due(1)));
        metrics.canary_state(&canary.id, 1, Some(false));
    }
    let mut changed = report::probe("sync", vec![report::cell(&[("platform", "ios")]), report::cell(&[("platform", "web")])]);
    changed.deadline = Duration::from_secs(33);
    let after = report::plan(vec![changed], &["eu"]);
    metrics.apply(&after);
    let samples = samples(&metrics);
    let ios = "probe=\"sync\",region=\"eu\",platform=\"ios\"";
    assert_eq!(samples[&format!("serinus_runs_total{{{ios},verdict=\"failed\"}}")], "1", "counters live on");
    assert_eq!(samples[&format!("serinus_consecutive_failures{{{ios}}}")], "1", "streaks live on");
    assert_eq!(samples[&format!("serinus_run_duration_seconds_count{{{ios}}}")], "0", "edges moved: a new histogram");
    assert_eq!(samples[&format!("serinus_run_duration_seconds_bucket{{{ios},le=\"33.0\"}}")], "0");
    assert!(samples.contains_key("serinus_runs_total{probe=\"sync\",region=\"eu\",platform=\"web\",verdict=\"passed\"}"));
    assert!(!samples.keys().any(|name| name.contains("android") || name.contains("\"old\"")), "removed canaries are gone");

    let removed = Arc::clone(&before.canaries[2]);
    metrics.record(&report::passed(&removed, due(0)));
    assert_ne!(self::samples(&metrics)["serinus_runs_uncounted_total{why=\"removed\"}"], "0");
}

/// The lines of a body by family, which both formats want together, each family once and described.
fn families(body: &str) -> Vec<(String, String)> {
    let mut families = Vec::new();
    let mut seen = HashSet::new();
    let mut described = "";
    for line in body.lines().filter(|line| *line != "# EOF") {
        if let Some(help) = line.strip_prefix("# HELP ") {
            described = help.split(' ').next().expect("a name");
        } else if let Some(typed) = line.strip_prefix("# TYPE ") {
            let (name, kind) = typed.split_once(' ').expect("name and kind");
            assert_eq!(described, name, "help comes before type");
            assert!(seen.insert(name.to_owned()), "{name} is there twice");
            families.push((name.to_owned(), kind.to_owned()));
        } else {
            let (name, _) = families.last().expect("a sample has a family");
            assert!(line.starts_with(name.as_str()), "{line} is not of {name}");
        }
    }
    families
}

#[test]
fn both_formats_have_each_family_once_with_its_own_name_for_counters() {
    let (_plan, metrics, canary) = one_canary();
    metrics.record(&report::failed(&canary, due(1)));
    let prometheus = metrics.encode(Format::Prometheus);
    let open_metrics = metrics.encode(Format::OpenMetrics);
    assert!(open_metrics.ends_with("\n# EOF\n") && !prometheus.contains("# EOF"));
    assert!(!open_metrics.contains("\n\n"), "OpenMetrics has no empty lines");
    let (prometheus, open_metrics) = (families(&prometheus), families(&open_metrics));
    assert!(prometheus.contains(&("serinus_runs_total".into(), "counter".into())), "{prometheus:?}");
    assert!(open_metrics.contains(&("serinus_runs".into(), "counter".into())), "{open_metrics:?}");
    for name in ["serinus_build_info", "serinus_config_last_reload_successful", "serinus_canary_healthy"] {
        assert!(prometheus.contains(&(name.into(), "gauge".into())) && open_metrics.contains(&(name.into(), "gauge".into())));
    }
    assert_eq!(prometheus.len(), open_metrics.len());
}

#[test]
fn exemplars_are_the_last_failed_and_the_slowest_run_and_only_in_open_metrics() {
    let (_plan, metrics, canary) = one_canary();
    let mut slow = report::passed(&canary, due(3));
    slow.duration = Duration::from_secs(15);
    let first = report::failed(&canary, due(2));
    let last = report::failed(&canary, due(1));
    for run in [&slow, &first, &last, &report::passed(&canary, due(0))] {
        metrics.record(run);
    }
    assert!(!metrics.encode(Format::Prometheus).contains("trace_id"));
    let body = metrics.encode(Format::OpenMetrics);
    let lines: Vec<&str> = body.lines().filter(|line| line.contains("trace_id")).collect();
    assert_eq!(lines.len(), 2, "{lines:#?}");
    let link = |run: &RunReport| format!("# {{trace_id=\"{}\",run_id=\"{}\"}}", run.trace_id, run.run_id);
    assert!(lines[0].contains("le=\"2.5\"") && lines[0].contains(&format!("{} 1.5 ", link(&last))), "{lines:#?}");
    assert!(lines[1].contains("le=\"20.0\"") && lines[1].contains(&format!("{} 15.0 ", link(&slow))), "{lines:#?}");
}

#[test]
fn a_body_is_given_again_for_a_second_and_freed_by_upkeep() {
    let (_plan, metrics, canary) = one_canary();
    let first = metrics.render(Format::Prometheus);
    metrics.record(&report::passed(&canary, due(1)));
    assert_eq!(metrics.render(Format::Prometheus), first, "a scrape right after another gets the same body");
    let deadline = std::time::Instant::now() + Duration::from_secs(30);
    while metrics.render(Format::Prometheus) == first {
        assert!(std::time::Instant::now() < deadline, "the body is never made anew");
        std::thread::sleep(Duration::from_millis(20));
        metrics.maintain();
    }
}
