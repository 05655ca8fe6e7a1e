//! Keys of the service's file about pages: where they go, and what may keep them from going.

use super::super::shape::{Key, Kind, Rule, Section};
use super::alert::ALERT;

const HTTP: &[&str] = &["https://", "http://"];
const SEVERITIES: Kind = Kind::Choice(&["warn", "page", "critical"]);

/// `[alerting]`.
pub(crate) static ALERTING: Section = Section {
    id: "alerting",
    title: "`alerting`",
    keys: &[
        Key::new("defaults", Kind::Table(&ALERT), "What `[alert]` of every probe begins with."),
        Key::new("route", Kind::Tables(&ROUTE), "Which incidents go where; the first that matches decides.")
            .default("all channels get everything"),
        Key::new("blind", Kind::Table(&BLIND), "When a canary is without data, and how bad that is."),
        Key::new("flapping", Kind::Table(&FLAPPING), "When what comes and goes rings less often."),
        Key::new("public_url", Kind::Url(HTTP), "Where people reach this service; links in pages begin with it."),
        Key::new("trace_url", Kind::Template, "Where a trace is looked at; `trace_id` is in scope."),
        Key::new(
            "escalate_after",
            Kind::Duration,
            "What fails at page level, is due for so long and woke nobody goes to all channels.",
        )
        .default("\"5m\""),
    ],
    rules: &[],
    later: &[],
};

static ROUTE: Section = Section {
    id: "route",
    title: "a route",
    keys: &[
        Key::new("severity", Kind::OneOrList(&SEVERITIES), "Incidents of these severities.").default("all"),
        Key::new("owner", Kind::OneOrList(&Kind::Text), "Incidents of these owners' probes.").default("all"),
        Key::new("tag", Kind::OneOrList(&Kind::Slug), "Incidents of probes with one of these tags.").default("all"),
        Key::new("region", Kind::OneOrList(&Kind::Slug), "What fails in one of these regions.").default("all"),
        Key::new("probe", Kind::OneOrList(&Kind::Slug), "Incidents of these probes.").default("all"),
        Key::new("channels", Kind::OneOrList(&Kind::Slug), "Names of the channels; an empty list rings nobody.").required(),
    ],
    rules: &[],
    later: &[],
};

static BLIND: Section = Section {
    id: "blind",
    title: "`blind`",
    keys: &[
        Key::new("page", Kind::Bool, "Whether it is of level page; otherwise warn.").default("true"),
        Key::new("intervals", Kind::Integer { min: 1, max: 1_000 }, "Ticks in a row without a counted run.").default("3"),
        Key::new("at_least", Kind::Duration, "And no sooner than after this long.").default("\"5m\""),
    ],
    rules: &[],
    later: &[],
};

static FLAPPING: Section = Section {
    id: "flapping",
    title: "`flapping`",
    keys: &[
        Key::new("opens", Kind::Integer { min: 2, max: 1_000 }, "Times that a canary, subject or objective began to fail.")
            .default("3"),
        Key::new("within", Kind::Duration, "The time in which it did.").default("\"1h\""),
        Key::new("hold", Kind::Duration, "The least time between two rings for it then.").default("\"30m\""),
    ],
    rules: &[],
    later: &[],
};

/// `[notify]` and its channels.
pub(crate) static NOTIFY: Section = Section {
    id: "notify",
    title: "`notify`",
    keys: &[
        Key::new("none", Kind::Bool, "Nobody is to be told: without a channel, `run` wants to be told so.").default("false"),
        Key::new("alertmanager", Kind::OneOrMore(&ALERTMANAGER), "Prometheus' Alertmanager, version 2 of its API."),
        Key::new("pagerduty", Kind::OneOrMore(&PAGERDUTY), "PagerDuty, version 2 of its Events API."),
        Key::new("slack", Kind::OneOrMore(&SLACK), "Slack, by an incoming webhook."),
        Key::new("webhook", Kind::OneOrMore(&WEBHOOK), "Any HTTP endpoint."),
        Key::new("email", Kind::OneOrMore(&EMAIL), "E-mail over SMTP."),
    ],
    rules: &[],
    later: &[],
};

const NAME: Key = Key::new("name", Kind::Slug, "Its unique name, which routes use.").default("the kind's");
const LEAST: Key = Key::new("least", SEVERITIES, "Nobody is rung there for what is less severe.").default("\"warn\"");
const WAKES_ALWAYS: Key = Key::new("wakes", Kind::Bool, "Whether it wakes somebody, or only informs.").default("true");
const WAKES_ALONE: Key = Key::new("wakes", Kind::Bool, "Whether it wakes somebody, or only informs.")
    .default("true where there is neither PagerDuty nor Alertmanager");
const TIMEOUT: Key = Key::new("timeout", Kind::Duration, "Bound on one delivery.").default("\"10s\"");
const HEADERS: Key = Key::new("headers", Kind::Map(&Kind::Template), "Request headers; `secret.NAME` is in scope.");

static ALERTMANAGER: Section = Section {
    id: "notify_alertmanager",
    title: "an Alertmanager channel",
    keys: &[
        NAME,
        LEAST,
        WAKES_ALWAYS,
        TIMEOUT,
        Key::new("urls", Kind::OneOrList(&Kind::Url(HTTP)), "Base URLs of all its peers; each gets every alert.").required(),
        HEADERS,
        Key::new("labels", Kind::Map(&Kind::Text), "Labels added to each alert."),
        Key::new("resend", Kind::Duration, "How often what is open is sent again.").default("\"1m\""),
    ],
    rules: &[],
    later: &[],
};

static PAGERDUTY: Section = Section {
    id: "notify_pagerduty",
    title: "a PagerDuty channel",
    keys: &[
        NAME,
        Key::new("least", SEVERITIES, "Nobody is rung there for what is less severe.").default("\"page\""),
        WAKES_ALWAYS,
        TIMEOUT,
        Key::new("routing_key", Kind::Secret, "Name of the secret that is the integration's key.").required(),
        Key::new("url", Kind::Url(HTTP), "Base URL of the API.").default("\"https://events.pagerduty.com\""),
    ],
    rules: &[],
    later: &[],
};

static SLACK: Section = Section {
    id: "notify_slack",
    title: "a Slack channel",
    keys: &[
        NAME,
        LEAST,
        WAKES_ALONE,
        TIMEOUT,
        Key::new("url", Kind::Secret, "Name of the secret that is the webhook's URL.").required(),
        Key::new("channel", Kind::Text, "Where to post, if the webhook allows to choose.").default("the webhook's"),
    ],
    rules: &[],
    later: &[],
};

static WEBHOOK: Section = Section {
    id: "notify_webhook",
    title: "a webhook channel",
    keys: &[
        NAME,
        LEAST,
        WAKES_ALONE,
        TIMEOUT,
        Key::new("url", Kind::Template, "Where it is posted to; `secret.NAME` is in scope.").required(),
        HEADERS,
        Key::new("body", Kind::Template, "The body; the notice's fields and `secret.NAME` are in scope.")
            .default("the notice as JSON"),
        Key::new("signing_key", Kind::Secret, "Name of the secret whose HMAC-SHA-256 signs each request."),
    ],
    rules: &[],
    later: &[],
};

static EMAIL: Section = Section {
    id: "notify_email",
    title: "an e-mail channel",
    keys: &[
        NAME,
        LEAST,
        WAKES_ALONE,
        TIMEOUT,
        Key::new("host", Kind::Text, "The SMTP server.").required(),
        Key::new("port", Kind::Integer { min: 1, max: 65_535 }, "Its port.").default("587, 465 or 25, as `tls` says"),
        Key::new("tls", Kind::Choice(&["starttls", "implicit", "none"]), "How the connection is protected.")
            .default("\"starttls\""),
        Key::new("user", Kind::Text, "User to sign in as."),
        Key::new("password", Kind::Secret, "Name of the secret that is the user's password."),
        Key::new("from", Kind::Mailbox, "Sender.").required(),
        Key::new("to", Kind::OneOrList(&Kind::Mailbox), "Recipients.").required(),
        Key::new("ca", Kind::File, "PEM file of the authority to trust beside the machine's."),
    ],
    rules: &[Rule::Needs("user", "password"), Rule::Needs("password", "user")],
    later: &[],
};

/// `[store]`.
pub(crate) static STORE: Section = Section {
    id: "store",
    title: "`store`",
    keys: &[
        Key::new("url", Kind::Text, "The file everything is kept in, relative to the working directory.")
            .default("\"sqlite:serinus.db\""),
        Key::new("keep_passed", Kind::Duration, "How long passed runs are kept with their steps.").default("\"3d\""),
        Key::new("keep_failed", Kind::Duration, "How long runs that did not pass are kept.").default("\"30d\""),
        Key::new("keep_rollups", Kind::Duration, "How long hourly sums and resolved incidents are kept.").default("\"365d\""),
        Key::new("bodies", Kind::Choice(&["failed", "never"]), "Of which runs bodies are kept.").default("\"failed\""),
    ],
    rules: &[],
    later: &[],
};

/// `[self_check]`.
pub(crate) static SELF_CHECK: Section = Section {
    id: "self_check",
    title: "`self_check`",
    keys: &[
        Key::new(
            "endpoints",
            Kind::List(&Kind::Url(&["https://", "http://", "tcp://"])),
            "Two or more places that are up unless this machine's network is not; any answer will do.",
        )
        .required(),
        Key::new("every", Kind::Duration, "Pause between two rounds.").default("\"5s\""),
        Key::new("timeout", Kind::Duration, "Bound on one try.").default("\"2s\""),
    ],
    rules: &[],
    later: &[],
};

/// `[heartbeat]`.
pub(crate) static HEARTBEAT: Section = Section {
    id: "heartbeat",
    title: "`heartbeat`",
    keys: &[
        Key::new("url", Kind::Template, "The dead-man's switch, asked with GET; `secret.NAME` is in scope.").required(),
        Key::new("every", Kind::Duration, "How often.").default("\"1m\""),
        Key::new("timeout", Kind::Duration, "Bound on one request.").default("\"10s\""),
    ],
    rules: &[],
    later: &[],
};
