//! Keys of alert rules and of maintenance windows, which a probe and the service's file may have.

use super::super::shape::{Key, Kind, Rule, Section};

/// `[alert]` of a probe and `[alerting.defaults]` of the service.
pub(crate) static ALERT: Section = Section {
    id: "alert",
    title: "`alert`",
    keys: &[
        Key::new("page", Kind::Bool, "Whether its members are of level page; otherwise of level warn.").default("true"),
        Key::new("page_after", Kind::Integer { min: 1, max: 1_000 }, "Counted failures in a row after which a canary fails.")
            .default("2"),
        Key::new("window", Kind::Table(&WINDOW), "Failures among the last counted runs; instead of `page_after`."),
        Key::new(
            "across",
            Kind::TableOrFalse(&ACROSS),
            "Failures among the last counted runs of all its canaries; beside the rule for each.",
        )
        .default("false"),
        Key::new("resolve_after", Kind::Integer { min: 1, max: 1_000 }, "Passes in a row after which a canary is settled.")
            .default("2"),
        Key::new("critical", Kind::TableOrFalse(&CRITICAL), "When what fails becomes critical; `false` is never."),
        Key::new(
            "remind",
            Kind::DurationOrFalse,
            "After this long Slack, e-mail and webhook are rung again for what nobody acknowledged.",
        )
        .default("false"),
        Key::new("subject_after", Kind::Integer { min: 1, max: 1_000 }, "Failures in a row after which a subject fails.")
            .default("1"),
        Key::new(
            "max_subjects",
            Kind::Integer { min: 1, max: 1_000 },
            "Subjects with an incident of their own; the rest share one.",
        )
        .default("20"),
        Key::new(
            "subject_critical",
            Kind::Bool,
            "Whether a subject's incident can become critical, by the regions that saw it fail.",
        )
        .default("false"),
        Key::new("subject_gone", Kind::Choice(&["fail", "retire"]), "What a subject means that is no longer found.")
            .default("\"fail\""),
        Key::new("burn_rate", Kind::Bool, "Whether the error budget of `[slo]` warns and pages as it burns.").default("true"),
    ],
    rules: &[Rule::AtMostOne(&["page_after", "window"])],
    later: &[],
};

static WINDOW: Section = Section {
    id: "alert_window",
    title: "`window`",
    keys: &[
        Key::new("failures", Kind::Integer { min: 1, max: 1_000 }, "So many of them failed.").required(),
        Key::new("of", Kind::Integer { min: 1, max: 1_000 }, "The last counted runs of a canary.").required(),
    ],
    rules: &[],
    later: &[],
};

static ACROSS: Section = Section {
    id: "alert_across",
    title: "`across`",
    keys: &[
        Key::new("failures", Kind::Integer { min: 1, max: 1_000 }, "So many of them failed.").required(),
        Key::new("of", Kind::Integer { min: 1, max: 1_000 }, "The last counted runs of the probe, whichever canary made them.")
            .required(),
    ],
    rules: &[],
    later: &[],
};

static CRITICAL: Section = Section {
    id: "alert_critical",
    title: "`critical`",
    keys: &[
        Key::new("regions", Kind::Integer { min: 2, max: 1_000 }, "Regions that fail.").default("2"),
        Key::new("within", Kind::Duration, "The time in which they failed, and after which it is over.").default("\"10m\""),
    ],
    rules: &[],
    later: &[],
};

const NAME: Key = Key::new("name", Kind::Title, "What people call it.").required();
const FROM: Key = Key::new("from", Kind::Moment, "When it begins; instead of `cron`.");
const UNTIL: Key = Key::new("until", Kind::Moment, "When it ends.");
const CRON: Key = Key::new("cron", Kind::Cron, "When it begins, again and again; instead of `from`.");
const LASTS: Key = Key::new("lasts", Kind::Duration, "How long it lasts each time.");
const TIMEZONE: Key =
    Key::new("timezone", Kind::Timezone, "The zone of `cron`, and of times without an offset.").default("UTC with `cron`");
const RULES: &[Rule] = &[
    Rule::ExactlyOne(&["from", "cron"]),
    Rule::Needs("from", "until"),
    Rule::Needs("until", "from"),
    Rule::Needs("cron", "lasts"),
    Rule::Needs("lasts", "cron"),
];

/// A window of one probe.
pub(crate) static PROBE_MAINTENANCE: Section = Section {
    id: "maintenance",
    title: "a maintenance window",
    keys: &[NAME, FROM, UNTIL, CRON, LASTS, TIMEZONE],
    rules: RULES,
    later: &[],
};

/// A window of the service, which says whom it is for.
pub(crate) static MAINTENANCE: Section = Section {
    id: "maintenance",
    title: "a maintenance window",
    keys: &[
        NAME,
        FROM,
        UNTIL,
        CRON,
        LASTS,
        TIMEZONE,
        Key::new("probes", Kind::OneOrList(&Kind::Slug), "Only for these probes.").default("all"),
        Key::new("regions", Kind::OneOrList(&Kind::Slug), "Only in these regions.").default("all"),
        Key::new("tags", Kind::OneOrList(&Kind::Slug), "Only for probes with one of these tags.").default("all"),
    ],
    rules: RULES,
    later: &[],
};
