//! Names that expressions can rely on, which nothing a user declares may shadow.

/// In scope in every expression of a run.
///
/// `device` is not among them: a loop over devices calls its item that.
pub const RUN_NAMES: &[&str] = &["run", "cell", "region", "secret", "round", "vars", "env", "probe", "subject"];

/// In scope where a step's own result is looked at (`expect`, `guard`, `capture`), and kept for kinds and features to come.
pub const RESULT_NAMES: &[&str] = &[
    "status",
    "headers",
    "body",
    "json",
    "latency",
    "phases",
    "url",
    "version",
    "tls",
    "redirects",
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
