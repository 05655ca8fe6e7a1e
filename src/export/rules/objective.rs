//! What `[slo]` promises, as multi-window, multi-burn-rate alerts and bounds on latency: the rules that the service itself follows.
//!
//! After "The Site Reliability Workbook" (Google, 2018), chapter 5: a budget burns at 14.4 times its rate over an hour and over five
//! minutes, at 6 times over six hours and over 30 minutes, or at its rate over three days and over six hours, of a window of 30 days;
//! other windows are scaled. Canaries run seldom, so a long window must hold more bad runs than chance yields once in a million if
//! the budget is spent at exactly that rate (Bernstein's inequality), which are ten at least. What the service told of explains what
//! is lost meanwhile, until the short window has forgotten it.

use std::time::Duration;

use crate::plan::{LatencyOf, LatencySlo, Probe, Service, Severity, Slo};

use super::super::text::{duration, edge, quoted};
use super::selector::{by_probe, canaries, increase, interval, named, runs, unless_told};
use super::{Group, Rule, SCRAPE, SHORTEST, annotations, labels};

/// Level, rate, and the SLO's window divided by the long one.
const RATES: [(Severity, f64, u32); 3] = [(Severity::Page, 14.4, 720), (Severity::Page, 6.0, 120), (Severity::Warn, 1.0, 10)];

/// Longest window that is asked of Prometheus, which keeps 15 days unless it is told otherwise.
const LONGEST: Duration = Duration::from_hours(7 * 24);

/// With fewer runs nothing is decided.
const LEAST_RUNS: u32 = 10;

pub(super) fn group(service: &Service) -> Group {
    let mut rules = Vec::new();
    for probe in &service.plan.probes {
        let Some(slo) = &probe.slo else { continue };
        let burns_tell = probe.alert.burn_rate;
        if let Some(success) = slo.success.filter(|_| burns_tell) {
            rules.extend(burns(service, probe, slo, &Budget::of_success(probe, success)));
        }
        if let Some(share) = slo.degraded.filter(|_| burns_tell) {
            rules.extend(burns(service, probe, slo, &Budget::of_degraded(probe, share)));
        }
        if let Some(latency) = &slo.latency {
            rules.extend(bounds(service, probe, slo, latency));
        }
    }
    Group {
        name: "serinus-objectives",
        about: "What `[slo]` promises. A promise of 100 % has no budget that could burn, and no rule here.",
        rules,
    }
}

/// What may be bad of what.
struct Budget {
    alert: &'static str,
    /// The share that may be.
    share: f64,
    bad: String,
    all: String,
    words: &'static str,
}

impl Budget {
    fn of_success(probe: &Probe, success: f64) -> Self {
        Self {
            alert: "SerinusBudgetBurning",
            share: 1.0 - success,
            bad: runs(probe, "failed"),
            all: runs(probe, "passed|failed"),
            words: "runs of {{ $labels.probe }} failed",
        }
    }

    fn of_degraded(probe: &Probe, share: f64) -> Self {
        Self {
            alert: "SerinusDegradedBudgetBurning",
            share,
            bad: format!("serinus_degraded_total{{probe={}}}", quoted(&probe.name)),
            all: runs(probe, "passed"),
            words: "passed runs of {{ $labels.probe }} were degraded",
        }
    }
}

fn burns(service: &Service, probe: &Probe, slo: &Slo, budget: &Budget) -> Vec<Rule> {
    // A share that even a total outage does not reach cannot be burnt so fast.
    let possible = RATES.into_iter().filter(|(_, rate, _)| budget.share > 0.0 && rate * budget.share < 1.0);
    possible.map(|(level, rate, part)| burn(service, probe, slo, budget, (level, rate, part))).collect()
}

fn burn(service: &Service, probe: &Probe, slo: &Slo, budget: &Budget, (level, rate, part): (Severity, f64, u32)) -> Rule {
    let (long, short) = windows(service, probe, (slo.window / part).min(LONGEST));
    let share = rate * budget.share;
    let by = by_probe(service);
    let expr = format!(
        "(\n{}\n)\nand {}\n  > {share:.6} * {}\n{}",
        by_chance(&increase(by, &budget.bad, long), share, &increase(by, &budget.all, long)),
        increase(by, &budget.bad, short),
        increase(by, &budget.all, short),
        unless_told(service, probe, short),
    );
    let summary = format!("{{{{ $value | printf \"%.0f\" }}}} {} in {}", budget.words, duration(long));
    let description = format!(
        "The budget of {} % in {} burns at {rate} times the rate that it lasts at, or faster.",
        percent(budget.share),
        duration(slo.window)
    );
    let severity = if probe.alert.page { level } else { Severity::Warn };
    Rule {
        alert: budget.alert,
        expr,
        lasting: None,
        keep: None,
        severity,
        labels: telling_labels(probe, long, ("rate", rate.to_string())),
        annotations: annotations(service, probe, &summary, &description),
    }
}

/// The rules of a probe differ by their window and by one label more.
fn telling_labels(probe: &Probe, long: Duration, more: (&'static str, String)) -> Vec<(&'static str, String)> {
    labels(probe).into_iter().chain([("window", duration(long)), more]).collect()
}

/// A long window that holds ten runs or more, and the short one of a twelfth of it, which is two intervals long or more.
fn windows(service: &Service, probe: &Probe, long: Duration) -> (Duration, Duration) {
    let interval = interval(probe);
    let ten_runs = interval * LEAST_RUNS / canaries(service, probe);
    let two_intervals = interval * 2 + SCRAPE;
    let long = long.max(SHORTEST).max(ten_runs).max(two_intervals);
    (long, (long / 12).max(SHORTEST).max(two_intervals))
}

/// More of `all` are bad than chance yields once in a million if `share` of them are: expected + t with exp(−t² ÷ (2·(expected + t/3)))
/// of that. At least 9.2.
fn by_chance(bad: &str, share: f64, all: &str) -> String {
    format!("  {bad}\n  > {share:.6} * {all} + 4.605\n    + sqrt(21.21 + 27.631 * {share:.6} * {all})")
}

fn percent(share: f64) -> String {
    let text = format!("{:.4}", share * 100.0);
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

/// The histogram that a bound is about, as name and labels.
fn histogram(probe: &Probe, latency: &LatencySlo) -> (&'static str, String) {
    let name = match (latency.of, &latency.step) {
        (LatencyOf::Convergence, _) => "serinus_convergence_seconds",
        (LatencyOf::Duration, Some(_)) => "serinus_step_duration_seconds",
        (LatencyOf::Duration, None) => "serinus_run_duration_seconds",
    };
    let step = latency.step.as_deref().map(|step| format!(",step={}", quoted(step))).unwrap_or_default();
    (name, format!("probe={}{step}", quoted(&probe.name)))
}

fn bounds(service: &Service, probe: &Probe, slo: &Slo, latency: &LatencySlo) -> Vec<Rule> {
    let (long, short) = windows(service, probe, slo.window.min(LONGEST));
    let (name, labels) = histogram(probe, latency);
    let by = by_probe(service);
    let unless = unless_told(service, probe, short);
    let mut rules = Vec::new();
    let mut add = |level: Severity, measure: &str, bound: Duration, expr: String| {
        let severity = if probe.alert.page { level } else { Severity::Warn };
        let of =
            latency.step.as_deref().map_or("whole runs".to_owned(), |step| format!("`{}`", super::super::text::literal(step)));
        let summary = format!("{} is slow: the {measure} of {of} is above {} s", named(service), edge(bound));
        let description = format!("Over {} and still over {}.", duration(long), duration(short));
        let labels = telling_labels(probe, long, ("objective", measure.to_owned()));
        let annotations = annotations(service, probe, &summary, &description);
        let expr = format!("{expr}\n{unless}");
        rules.push(Rule { alert: "SerinusTooSlow", expr, lasting: None, keep: None, severity, labels, annotations });
    };
    if let Some(bound) = latency.mean {
        let over = |window| {
            let [sum, count] = ["sum", "count"].map(|part| increase(by, &format!("{name}_{part}{{{labels}}}"), window));
            format!("{sum}\n  > {} * {count}", edge(bound))
        };
        let enough = increase(by, &format!("{name}_count{{{labels}}}"), long);
        add(Severity::Warn, "mean", bound, format!("{}\nand {}\nand {enough} >= {LEAST_RUNS}", over(long), over(short)));
    }
    for (measure, share, bound) in [("p95", 0.05, latency.p95), ("p99", 0.01, latency.p99)] {
        let Some(bound) = bound else { continue };
        let count = |window| increase(by, &format!("{name}_count{{{labels}}}"), window);
        let within = |window| increase(by, &format!("{name}_bucket{{{labels},le=\"{}\"}}", edge(bound)), window);
        let above = |window| format!("({} - {})", count(window), within(window));
        let broken = |window| format!("(\n{}\n)", by_chance(&above(window), share, &count(window)));
        let plain = format!("{} > {share} * {}", above(short), count(short));
        add(Severity::Warn, measure, bound, format!("{}\nand {plain}", broken(long)));
        add(Severity::Page, measure, bound, format!("{}\nand {}", broken(long), broken(short)));
    }
    rules
}
