//! Keys of a probe file outside its steps.

use crate::plan::{LatencyOf, Overlap, Unjournalled};

use super::super::declaration::{Key, Rule, Section};
use super::super::section::{DeclaredSection, Field, List, Map, Names, OneOrMore, Table, TablesOr, section, sentence, words};
use super::super::value_kind::{
    Bool, Choice, Cron, Default, Duration, Integer, Json, Lint, Runbook, Scalar, Share, Slug, Text, Timezone, Title,
};
use super::super::value_kind::{Value, Words};
use super::alert::{Alert, ProbeMaintenance};
use super::http::Device;
use super::library::{Defaults, Use};
use super::step::Step;

section! {
    /// A probe file.
    Probe as ProbeKeys: "probe", "a probe" {
        /// The probe's name, unique among all probes; a metric label value.
        name: Slug [required],
        /// One sentence on what is proven when it passes.
        summary: Text,
        /// Who is responsible.
        owner: Text,
        /// Where it is written what to do when it fails: a URL, or a file of Markdown beside the probe, which pages show.
        runbook: Runbook,
        /// How many users an hour take the journey in all, so that an incident can say how many it may have reached.
        users_per_hour: Integer<1, 1_000_000_000>,
        /// Free labels for selection.
        tags: List<Slug> = [],
        /// Whether it is scheduled.
        enabled: Bool = true,
        /// Interval between ticks; instead of `cron`.
        every: Duration,
        /// Moments of its ticks, five fields, or six with seconds first; instead of `every`.
        cron: Cron,
        /// The zone `cron` is read in.
        timezone: Timezone = "UTC",
        /// Independent runs per interval, spread evenly over `every`.
        runs: Integer<1, 1_000> = 1,
        /// After a failed run another one follows this much later, to confirm it. If it fails too, it is the run of the next tick; if it
        /// passes, the next tick comes as usual.
        confirm: Duration,
        /// What happens to a tick while the same slot's earlier run goes on.
        overlap: Choice<Overlap> = "skip",
        /// Bound on the whole run, from the start of its first step.
        deadline: Duration [required],
        /// The regions it runs in.
        regions: List<Slug> [default "all regions of the service"],
        /// Values to combine: each combination is a canary of its own.
        matrix: Names<List<Scalar>>,
        /// Values by name, evaluated once a run, in order, before the first step.
        vars: Names<Json>,
        /// Isolated clients inside a run, by name.
        devices: Map<Table<Device>>,
        /// The steps of the journey, in order.
        step: TablesOr<Step, Use> [required],
        /// What holds for steps that do not say otherwise.
        #[expect(dead_code, reason = "it is put into the steps before they are read")]
        defaults: Table<Defaults>,
        /// How steps that create something are undone.
        cleanup: Table<Undoing> [always],
        /// What the probe promises over time.
        slo: Table<Slo>,
        /// When it pages.
        alert: Table<Alert> [default "`[alerting.defaults]` of the service"],
        /// Probes that this one depends on. While one of them fails and somebody was told of it, failures of this one ring nobody.
        needs: List<Slug> = [],
        /// Personal data in its runs, besides what the service's `[redact]` names.
        redact: Table<Redact> [always],
        /// Windows in which it is not run.
        maintenance: OneOrMore<ProbeMaintenance>,
        /// Lints of `serinus check` that were looked at and are silent in this probe, each by its word, such as "chance-pages".
        allow: List<Lint> = [],
    }
    rules: &[Rule::ExactlyOne(&["every", "cron"]), Rule::Needs("timezone", "cron"), Rule::Needs("runs", "every")];
    later: &["observe", "sweep"];
}

section! {
    /// `cleanup`.
    Undoing as UndoingKeys: "probe_cleanup", "`cleanup`" {
        /// What becomes of a run that is about to create something while the store cannot write down, within a second, how to undo
        /// it.
        unjournalled: Choice<Unjournalled> = "refuse",
    }
}

section! {
    /// `slo`.
    Slo as SloKeys: "slo", "`slo`" {
        /// Share of counted runs that must pass.
        success: Share,
        /// Share of passed runs that may be degraded: a `warn` of one of their steps did not hold.
        degraded: Share,
        /// Bounds on how long something takes.
        latency: Table<Latency>,
        /// The time over which it is judged.
        window: Duration = "28d",
    }
}

section! {
    /// `slo.latency`.
    Latency as LatencyKeys: "slo_latency", "`slo.latency`" {
        /// The step it is about.
        step: Title [default "the whole run"],
        /// Which duration: its own, or how long until an `eventually` step held.
        of: Choice<LatencyOf> = "duration",
        /// Bound on the mean.
        mean: Duration,
        /// Bound on the 95th percentile.
        p95: Duration,
        /// Bound on the 99th percentile.
        p99: Duration,
    }
}

section! {
    /// `[redact]`, of a probe and of the service.
    Redact as RedactKeys: "redact", "`redact`" {
        /// Paths of personal values in JSON bodies, such as "$.user.email"; they are masked wherever they turn up in the run.
        json: List<Text> = [],
        /// Regular expressions of what is masked in every text.
        patterns: List<Text> = [],
    }
}

words! {
    Overlap { "skip" => Skip, "allow" => Allow }
    Unjournalled { "refuse" => Refuse, "allow" => Allow }
    LatencyOf { "duration" => Duration, "convergence" => Convergence }
}
