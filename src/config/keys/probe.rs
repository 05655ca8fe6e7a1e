//! Keys of a probe file outside its steps.

use super::super::shape::{Key, Kind, Rule, Section};
use super::alert::{ALERT, PROBE_MAINTENANCE};
use super::http::DEVICE;
use super::step::STEP;

/// A probe file.
pub(crate) static PROBE: Section = Section {
    id: "probe",
    title: "a probe",
    keys: &[
        Key::new("name", Kind::Slug, "The probe's name, unique among all probes; a metric label value.").required(),
        Key::new("summary", Kind::Text, "One sentence on what is proven when it passes."),
        Key::new("owner", Kind::Text, "Who is responsible."),
        Key::new("runbook", Kind::Url(&["https://", "http://"]), "Where it is written what to do when it fails."),
        Key::new("tags", Kind::List(&Kind::Slug), "Free labels for selection.").default("[]"),
        Key::new("enabled", Kind::Bool, "Whether it is scheduled.").default("true"),
        Key::new("every", Kind::Duration, "Interval between ticks; instead of `cron`."),
        Key::new("cron", Kind::Cron, "Moments of its ticks, five fields, or six with seconds first; instead of `every`."),
        Key::new("timezone", Kind::Timezone, "The zone `cron` is read in.").default("\"UTC\""),
        Key::new("runs", Kind::Integer { min: 1, max: 1_000 }, "Independent runs per interval, spread evenly over `every`.")
            .default("1"),
        Key::new(
            "confirm",
            Kind::Duration,
            "So long after a failure another run is made; if it fails too it takes the place of the next tick, and if it passes that comes as ever.",
        ),
        Key::new(
            "overlap",
            Kind::Choice(&["skip", "allow"]),
            "What happens to a tick while the same slot's earlier run goes on.",
        )
        .default("\"skip\""),
        Key::new("deadline", Kind::Duration, "Bound on the whole run, from the start of its first step.").required(),
        Key::new("regions", Kind::List(&Kind::Slug), "The regions it runs in.").default("all regions of the service"),
        Key::new(
            "matrix",
            Kind::Names(&Kind::List(&Kind::Scalar)),
            "Values to combine: each combination is a canary of its own.",
        ),
        Key::new("vars", Kind::Names(&Kind::Json), "Values by name, evaluated once a run, in order, before the first step."),
        Key::new("devices", Kind::Map(&Kind::Table(&DEVICE)), "Isolated clients inside a run, by name."),
        Key::new("step", Kind::Tables(&STEP), "The steps of the journey, in order.").required(),
        Key::new("cleanup", Kind::Table(&UNDOING), "How steps that create something are undone."),
        Key::new("slo", Kind::Table(&SLO), "What the probe promises over time."),
        Key::new("alert", Kind::Table(&ALERT), "When it pages.").default("`[alerting.defaults]` of the service"),
        Key::new("needs", Kind::List(&Kind::Slug), "Probes whose failures explain this one's while somebody was told.")
            .default("[]"),
        Key::new("redact", Kind::Table(&REDACT), "What is personal in its runs, beside what the service's `[redact]` names."),
        Key::new("maintenance", Kind::OneOrMore(&PROBE_MAINTENANCE), "Windows in which it is not run."),
    ],
    rules: &[Rule::ExactlyOne(&["every", "cron"]), Rule::Needs("timezone", "cron"), Rule::Needs("runs", "every")],
    later: &["observe", "sweep"],
};

static UNDOING: Section = Section {
    id: "probe_cleanup",
    title: "`cleanup`",
    keys: &[Key::new(
        "unjournalled",
        Kind::Choice(&["refuse", "allow"]),
        "What a run does that is about to create something, where the store does not write down within a second how to undo it.",
    )
    .default("\"refuse\"")],
    rules: &[],
    later: &[],
};

static SLO: Section = Section {
    id: "slo",
    title: "`slo`",
    keys: &[
        Key::new("success", Kind::Share, "Share of counted runs that must pass."),
        Key::new("latency", Kind::Table(&LATENCY), "Bounds on how long something takes."),
        Key::new("window", Kind::Duration, "Over how long it is judged.").default("\"28d\""),
    ],
    rules: &[],
    later: &[],
};

static LATENCY: Section = Section {
    id: "slo_latency",
    title: "`slo.latency`",
    keys: &[
        Key::new("step", Kind::Title, "The step it is about.").default("the whole run"),
        Key::new(
            "of",
            Kind::Choice(&["duration", "convergence"]),
            "Which duration: its own, or how long until an `eventually` step held.",
        )
        .default("\"duration\""),
        Key::new("mean", Kind::Duration, "Bound on the mean."),
        Key::new("p95", Kind::Duration, "Bound on the 95th percentile."),
        Key::new("p99", Kind::Duration, "Bound on the 99th percentile."),
    ],
    rules: &[],
    later: &[],
};

/// `[redact]`, of a probe and of the service.
pub(super) static REDACT: Section = Section {
    id: "redact",
    title: "`redact`",
    keys: &[
        Key::new(
            "json",
            Kind::List(&Kind::Text),
            "Paths of personal values in JSON bodies, such as \"$.user.email\"; they are masked wherever they turn up in the run.",
        )
        .default("[]"),
        Key::new("patterns", Kind::List(&Kind::Text), "Regular expressions of what is masked in every text.").default("[]"),
    ],
    rules: &[],
    later: &[],
};
