//! Keys of alert rules and of maintenance windows, which a probe and the service's file may have.

use crate::plan::SubjectGone;

use super::super::declaration::{Key, Rule, Section};
use super::super::section::{DeclaredSection, Field, OneOrList, Table, TableOrFalse, part, section, sentence, words};
use super::super::value_kind::{
    Bool, Choice, Cron, Duration, DurationOrFalse, Integer, Moment, Slug, Timezone, Title, Value, Words,
};

section! {
    /// `[alert]` of a probe and `[alerting.defaults]` of the service.
    Alert as AlertKeys: "alert", "`alert`" {
        /// Whether its failures page; otherwise they only warn.
        page: Bool [over true],
        /// Counted failures in a row after which a canary fails.
        page_after: Integer<1, 1_000> [over 2],
        /// Failures among the last counted runs; instead of `page_after`.
        window: Table<Window>,
        /// Failures among the last counted runs of all its canaries; beside the rule for each.
        across: TableOrFalse<Across> [over false],
        /// Passes in a row after which a canary is settled.
        resolve_after: Integer<1, 1_000> [over 2],
        /// When what fails becomes critical; `false` is never.
        critical: TableOrFalse<Critical>,
        /// How long after a ring Slack, e-mail and webhooks are reminded of what nobody acknowledged.
        remind: DurationOrFalse [over false],
        /// Failures in a row after which a subject fails.
        subject_after: Integer<1, 1_000> [over 1],
        /// Subjects with an incident of their own; the rest share one.
        max_subjects: Integer<1, 1_000> [over 20],
        /// Whether a subject's incident becomes critical when several regions see it fail.
        subject_critical: Bool [over false],
        /// What it means that a subject is no longer found.
        subject_gone: Choice<SubjectGone> [over "fail"],
        /// Whether the budgets of `[slo]`, of failed and of degraded runs, warn and page as they burn.
        burn_rate: Bool [over true],
    }
    rules: &[Rule::AtMostOne(&["page_after", "window"])];
}

section! {
    /// `window`.
    Window as WindowKeys: "alert_window", "`window`" {
        /// So many of them failed.
        failures: Integer<1, 1_000> [required],
        /// The last counted runs of a canary.
        of: Integer<1, 1_000> [required],
    }
}

section! {
    /// `across`.
    Across as AcrossKeys: "alert_across", "`across`" {
        /// So many of them failed.
        failures: Integer<1, 1_000> [required],
        /// The last counted runs of the probe, whichever canary made them.
        of: Integer<1, 1_000> [required],
    }
}

section! {
    /// `critical`.
    Critical as CriticalKeys: "alert_critical", "`critical`" {
        /// Regions that fail.
        regions: Integer<2, 1_000> [over 2],
        /// The time in which they failed, and after which it is over.
        within: Duration [over "10m"],
    }
}

section! {
    /// A window of the service, which names what it is for.
    Maintenance as MaintenanceKeys: "maintenance", "a maintenance window" {
        /// What people call it.
        name: Title [required],
        /// When it begins; instead of `cron`.
        from: Moment,
        /// When it ends.
        until: Moment,
        /// When it begins, again and again; instead of `from`.
        cron: Cron,
        /// How long it lasts each time.
        lasts: Duration,
        /// The zone of `cron`, and of times without an offset.
        timezone: Timezone [default "UTC with `cron`"],
        /// Only for these probes.
        probes: OneOrList<Slug> [default "all"],
        /// Only in these regions.
        regions: OneOrList<Slug> [default "all"],
        /// Only for probes with one of these tags.
        tags: OneOrList<Slug> [default "all"],
    }
    rules: RULES;
}

part! {
    /// A window of one probe.
    ProbeMaintenance of Maintenance: "maintenance", "a maintenance window" { name, from, until, cron, lasts, timezone }
    rules: RULES;
}

const RULES: &[Rule] = &[
    Rule::ExactlyOne(&["from", "cron"]),
    Rule::Needs("from", "until"),
    Rule::Needs("until", "from"),
    Rule::Needs("cron", "lasts"),
    Rule::Needs("lasts", "cron"),
];

words! {
    SubjectGone { "fail" => Fail, "retire" => Retire }
}
