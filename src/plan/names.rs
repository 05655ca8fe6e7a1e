//! Names that expressions can rely on, which nothing a user declares may shadow.

use super::StepKind;

/// In scope in every expression of a run.
///
/// `device` is not among them: a loop over devices calls its item that.
pub const RUN_NAMES: &[&str] = &["run", "cell", "region", "secret", "round", "vars", "env", "probe", "subject"];

/// Reserved for future kinds and features. Nobody may declare them, and in a step's own result they are not reported as unknown.
pub const KEPT_NAMES: &[&str] = &[
    "rows",
    "rows_affected",
    "convergence",
    "attempt",
    "value",
    "expected",
    "last",
    "median",
    "mean",
    "std",
    "z",
    "drop",
    "ratio",
    "contract",
];

/// Whether it is a name that some step's result has or may come to have.
pub fn is_result_name(name: &str) -> bool {
    StepKind::knowing(name).next().is_some() || KEPT_NAMES.contains(&name)
}

/// Metric labels a matrix key may not be called.
pub const LABEL_NAMES: &[&str] =
    &["probe", "region", "step", "le", "job", "instance", "verdict", "reason", "phase", "quantile", "name", "subject", "channel"];

/// In scope in the body of a webhook: the fields of a message, as they are called in the documented JSON.
pub const MESSAGE_NAMES: &[&str] = &[
    "version",
    "key",
    "number",
    "previous",
    "action",
    "occasion",
    "severity",
    "incident",
    "scope",
    "origin",
    "title",
    "probe",
    "subject",
    "promised",
    "owner",
    "runbook",
    "tags",
    "since_ms",
    "at_ms",
    "ended_ms",
    "regions",
    "cell",
    "critical",
    "why",
    "failing",
    "apart",
    "evidence",
    "members",
    "members_total",
    "incidents",
    "incidents_total",
    "url",
    "test",
];
