//! The prober's own metrics, through the `metrics` façade.
//!
//! Owns the one recorder of the process and the translation of its text. Any module may count with `metrics::counter!` and
//! find its numbers on the same `/metrics`. Counters' names end in `_total`. There must be few of them: the exporter is slow to render.
//!
//! A new one is counted where it happens, has its help in `describe`, is zero from the start if its labels are a closed set, and is a
//! row in `config/README.md`; a test asks for help and row.

use std::sync::OnceLock;
use std::time::{Duration, SystemTime};

use metrics::{counter, describe_counter, describe_gauge, gauge};
use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle};

use crate::base::time::since_epoch;

/// Buckets of any histogram that is recorded through the façade, seconds; without them it would become a summary.
const BUCKETS: [f64; 10] = [0.001, 0.005, 0.025, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0, 60.0];

pub(in crate::telemetry) const TRACES_DROPPED: &str = "serinus_traces_dropped_total";
pub(in crate::telemetry) const TRACES_EXPORTED: &str = "serinus_traces_exported_total";
pub(in crate::telemetry) const TRACES_QUEUED: &str = "serinus_traces_queued";
pub(in crate::telemetry) const SPANS_REJECTED: &str = "serinus_trace_spans_rejected_total";
pub(in crate::telemetry) const LOG_LINES_DROPPED: &str = "serinus_log_lines_dropped_total";
pub(super) const RUNS_UNCOUNTED: &str = "serinus_runs_uncounted_total";
const RELOAD_SUCCESSFUL: &str = "serinus_config_last_reload_successful";
const RELOAD_TIME: &str = "serinus_config_last_reload_success_timestamp_seconds";
const STALLS: &str = "serinus_runtime_stalls_total";
/// Counted by the runs.
const UNJOURNALLED: &str = "serinus_cleanup_unjournalled_total";
/// Counted by the task that evaluates alerts.
const RUNS_DROPPED: &str = "serinus_alert_runs_dropped_total";
const LATE_RESULTS: &str = "serinus_alert_late_results_total";
const LATE_COMMITS: &str = "serinus_store_late_commits_total";
const LAST_STALL: &str = "serinus_runtime_last_stall_seconds";

/// Why a finished run is in no canary series: a closed set, the values of a label of `serinus_runs_uncounted_total`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Uncounted {
    /// Asked for by hand.
    Manual,
    /// `serinus test`.
    Test,
    /// Its canary left the plan while it ran.
    Removed,
}

impl Uncounted {
    /// Every one, in the order of the declaration.
    pub(super) const ALL: [Self; 3] = [Self::Manual, Self::Test, Self::Removed];

    /// The word used in the label.
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Manual => "manual",
            Self::Test => "test",
            Self::Removed => "removed",
        }
    }
}

/// The process's recorder, installed at the first call. If the process already has another recorder, that one keeps getting
/// the numbers, and `/metrics` shows the canary series alone.
pub(in crate::telemetry) fn recorder() -> &'static PrometheusHandle {
    static RECORDER: OnceLock<PrometheusHandle> = OnceLock::new();
    RECORDER.get_or_init(|| {
        let builder = PrometheusBuilder::new().set_buckets(&BUCKETS).expect("the bucket edges are a constant that is not empty");
        let recorder = builder.build_recorder();
        let handle = recorder.handle();
        if metrics::set_global_recorder(recorder).is_err() {
            tracing::warn!("the process has a metrics recorder already: the prober's own metrics go there and not to /metrics");
        }
        describe();
        handle
    })
}

/// Says how the last load of the configuration went; to be called once there are [`Metrics`](super::Metrics). The first load of
/// a running service is a successful one and need not be told.
pub fn config_reloaded(successful: bool) {
    gauge!(RELOAD_SUCCESSFUL).set(if successful { 1.0 } else { 0.0 });
    if successful {
        gauge!(RELOAD_TIME).set(since_epoch(SystemTime::now()).as_secs_f64());
    }
}

/// Counts a moment at which this process stood still, for so long; to be called once there are [`Metrics`](super::Metrics).
pub fn runtime_stalled(lasting: Duration) {
    counter!(STALLS).increment(1);
    gauge!(LAST_STALL).set(lasting.as_secs_f64());
}

fn describe() {
    describe_counter!(TRACES_DROPPED, "Runs whose trace was not delivered.");
    describe_counter!(TRACES_EXPORTED, "Runs whose trace was delivered.");
    describe_counter!(SPANS_REJECTED, "Spans that the receiver of traces did not take from requests that it took.");
    describe_gauge!(TRACES_QUEUED, "Runs whose trace waits for export.");
    describe_counter!(LOG_LINES_DROPPED, "Log lines that standard error did not take in time.");
    describe_counter!(RUNS_UNCOUNTED, "Finished runs that are in no other series: by hand, or of a canary that is gone.");
    describe_gauge!(RELOAD_SUCCESSFUL, "Whether the configuration in force is the one that was last read.");
    describe_gauge!(RELOAD_TIME, "When the configuration was last taken over.");
    describe_counter!(STALLS, "Moments at which this process stood still.");
    describe_gauge!(LAST_STALL, "How long the last of them lasted; absent before the first.");
    describe_counter!(
        UNJOURNALLED,
        "Creations that were allowed to go on without an entry in the cleanup ledger, which did not take it in time."
    );
    describe_gauge!("serinus_cleanup_unreadable", "Entries of the cleanup ledger that cannot be read and were set aside.");
    describe_gauge!("serinus_self_check_up", "Whether the prober's own network is up; absent without a self check.");
    describe_gauge!("serinus_self_check_endpoint_up", "Whether an endpoint of the self check answered the last time.");
    describe_gauge!("serinus_incidents", "Open incidents, by how bad they are.");
    describe_counter!("serinus_rings_total", "Rings that were made for a channel, by what they are about.");
    describe_counter!("serinus_rings_gathered_total", "Rings that were too many for their minute and left as one.");
    describe_counter!("serinus_tries_repeated_total", "Tries that left again with the same id, their outcome being unknown.");
    describe_gauge!("serinus_owed", "Incidents of which a channel is owed something.");
    describe_gauge!("serinus_owed_oldest_timestamp_seconds", "Since when the oldest of that is owed; 0 where nothing is.");
    describe_gauge!("serinus_tries_waiting", "Tries of a channel without an answer.");
    describe_counter!(RUNS_DROPPED, "Runs that the alert rules were too far behind to look at.");
    describe_counter!(LATE_RESULTS, "Results that came after something had been decided without them, by whether they counted.");
    describe_counter!("serinus_notifications_total", "Requests to channels, by what came of them.");
    describe_counter!("serinus_heartbeats_total", "Pings of the dead-man's switches, by whose it is and what came of them.");
    describe_counter!(LATE_COMMITS, "Pages that left before the store had written them down.");
    describe_counter!("serinus_store_dropped_total", "Runs, or their details, that the store could not be given.");
    describe_counter!("serinus_listener_cut_total", "Connections to the listener that were cut, by why.");
    describe_counter!("serinus_store_damaged_total", "Damaged files that were set aside.");
    describe_gauge!("serinus_store_writable", "Whether the last try to write to the store succeeded.");
    describe_gauge!("serinus_fleet_evaluates", "Whether this process evaluates for its fleet.");
    describe_gauge!("serinus_fleet_alone", "Whether this process tells by itself, because the fleet's store does not answer.");
    describe_gauge!("serinus_fleet_clock_skew_seconds", "By how much this machine's clock is ahead of the store's.");
    describe_gauge!("serinus_build_info", "1, with the version as a label.");
    gauge!("serinus_build_info", "version" => env!("CARGO_PKG_VERSION")).set(1.0);
    counter!(UNJOURNALLED).absolute(0);
    counter!(STALLS).absolute(0);
    counter!(RUNS_DROPPED).absolute(0);
    for counted in ["as_newest", "no"] {
        counter!(LATE_RESULTS, "counted" => counted).absolute(0);
    }
    counter!(LATE_COMMITS).absolute(0);
    counter!(LOG_LINES_DROPPED).absolute(0);
    for why in Uncounted::ALL {
        counter!(RUNS_UNCOUNTED, "why" => why.as_str()).absolute(0);
    }
    config_reloaded(true);
}

/// Appends families in Prometheus text as OpenMetrics: a counter's family loses its `_total`, empty lines go.
pub(super) fn to_open_metrics(text: &str, out: &mut String) {
    let mut help: Option<&str> = None;
    for line in text.lines().filter(|line| !line.is_empty()) {
        if line.starts_with("# HELP ") {
            // Only the type line that follows says whether this is a counter.
            help = Some(line);
        } else if let Some(typed) = line.strip_prefix("# TYPE ") {
            let (name, kind) = typed.split_once(' ').unwrap_or((typed, "unknown"));
            let family = if kind == "counter" { name.strip_suffix("_total").unwrap_or(name) } else { name };
            let described = help.take().and_then(|help| help.strip_prefix("# HELP ")?.strip_prefix(name));
            if let Some(description) = described {
                out.extend(["# HELP ", family, description, "\n"]);
            }
            out.extend(["# TYPE ", family, " ", kind, "\n"]);
        } else {
            out.extend([line, "\n"]);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_counter_loses_its_total_in_open_metrics_and_nothing_else_changes() {
        let prometheus = "# HELP a_total What a is.\n# TYPE a_total counter\na_total{x=\"# TYPE\"} 1\n\n# TYPE b gauge\nb 2\n\n";
        let mut open_metrics = String::new();
        to_open_metrics(prometheus, &mut open_metrics);
        assert_eq!(open_metrics, "# HELP a What a is.\n# TYPE a counter\na_total{x=\"# TYPE\"} 1\n# TYPE b gauge\nb 2\n");
    }
}
