//! One rule a probe on counts of runs alone, for the day on which the service's own alerting does not work.
//!
//! It is coarser, and says so: it knows nothing of other canaries, subjects, mutes and `across`, and waits until no pass is left in
//! the time of as many ticks. Each canary is judged by the probe's own rule. It is silent while the service tells of it by itself.

use std::num::NonZeroU32;
use std::time::Duration;

use crate::plan::{PageRule, Probe, Service};

use super::selector::{by_probe, canary_labels, increase, interval, longest_interval, named, rises, runs, unless_told};
use super::{Group, Rule, SCRAPE, SHORTEST, annotations, labels, wakes};

/// What is said of what such a rule does not know.
const BLIND_TO: &str = "Told by the counts of runs alone, since Serinus tells nothing of it. They know nothing of mutes, nor \
                        whether only subjects failed: look why it does not.";

pub(super) fn group(service: &Service) -> Group {
    Group {
        name: "serinus-runs",
        about: "One rule a probe that needs nothing of Serinus but its counters, for when it says nothing by itself.",
        rules: service.plan.probes.iter().map(|probe| rule(service, probe)).collect(),
    }
}

fn rule(service: &Service, probe: &Probe) -> Rule {
    let ((failing, over), words) = match probe.alert.rule {
        PageRule::Consecutive(failures) => (in_a_row(probe, failures), format!("have failed {failures} or more times in a row")),
        PageRule::Window { failures, of } => (share(probe, failures, of), format!("have failed {failures} of {of} runs or more")),
    };
    let summary = format!("{{{{ $value }}}} canaries of {} {words}", named(service));
    Rule {
        alert: "SerinusRunsFailing",
        expr: format!("count by ({}) (\n{failing}\n)\n{}", by_probe(service), unless_told(service, probe, over)),
        lasting: None,
        keep: None,
        severity: wakes(probe),
        labels: labels(probe),
        annotations: annotations(service, probe, &summary, BLIND_TO),
    }
}

/// So many failed runs and not one that passed, over the time from before the first of them until the last is scraped; and how long it
/// may go on after what explained them is over: until the next run has passed.
fn in_a_row(probe: &Probe, failures: NonZeroU32) -> (String, Duration) {
    let over = (interval(probe) * failures.get() + probe.deadline + SCRAPE * 2).max(SHORTEST);
    let by = canary_labels(probe);
    let (failed, passed) = (rises(&by, &runs(probe, "failed"), over), rises(&by, &runs(probe, "passed"), over));
    let next = longest_interval(probe) + probe.deadline + SCRAPE * 2;
    (format!("  {failed} >= {failures}\n  and {passed} == 0"), over.max(next))
}

/// At least this share of the runs, over the time of so many ticks, where most of them came; and that time.
fn share(probe: &Probe, failures: NonZeroU32, of: NonZeroU32) -> (String, Duration) {
    let over: Duration = (interval(probe) * of.get()).max(SHORTEST);
    let by = canary_labels(probe);
    let (failed, counted) = (increase(&by, &runs(probe, "failed"), over), increase(&by, &runs(probe, "passed|failed"), over));
    // A hair less than the share, since it is a quotient of two estimates, and four fifths of the runs, since some come late.
    let (least, most) = (f64::from(failures.get()) / f64::from(of.get()) * 0.999, f64::from(of.get()) * 0.8);
    (format!("  {failed} >= {least:.4} * {counted}\n  and {counted} >= {most:.1}"), over + SCRAPE * 2)
}
