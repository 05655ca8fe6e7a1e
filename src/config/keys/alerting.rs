//! Keys of the service's file about pages: where they go, and what may keep them from going.

use crate::plan::{Bodies, Severity, SmtpTls};

use super::super::declaration::{Key, Rule, Section};
use super::super::section::{
    DeclaredSection, Field, List, Map, OneOrList, OneOrMore, Table, Tables, schemes, section, sentence, words,
};
use super::super::value_kind::{
    Bool, Choice, Default, Duration, File, Integer, Mailbox, Schemes, Secret, Slug, Template, Text, Url,
};
use super::super::value_kind::{Value, Words};
use super::alert::Alert;

section! {
    /// `[alerting]`.
    Alerting as AlertingKeys: "alerting", "`alerting`" {
        /// Defaults for `[alert]` of every probe.
        defaults: Table<Alert>,
        /// Which incidents go where; the first that matches decides.
        route: Tables<Route> [default "all channels get everything"],
        /// When a canary is without data, and how bad that is.
        blind: Table<Blind> [always],
        /// What counts as flapping, which rings less often.
        flapping: Table<Flapping> [always],
        /// Where people reach this service; links in pages begin with it.
        public_url: Url<Web>,
        /// Where a trace is looked at; `trace_id` is in scope.
        trace_url: Template,
        /// A page that no waking channel has taken for this long goes to all channels.
        escalate_after: Duration = "5m",
    }
}

section! {
    /// A route.
    Route as RouteKeys: "route", "a route" {
        /// Incidents of these severities.
        severity: OneOrList<Choice<Severity>> [default "all"],
        /// Incidents of these owners' probes.
        owner: OneOrList<Text> [default "all"],
        /// Incidents of probes with one of these tags.
        tag: OneOrList<Slug> [default "all"],
        /// What fails in one of these regions.
        region: OneOrList<Slug> [default "all"],
        /// Incidents of these probes.
        probe: OneOrList<Slug> [default "all"],
        /// Names of the channels; an empty list rings nobody.
        channels: OneOrList<Slug> [required],
    }
}

section! {
    /// `blind`.
    Blind as BlindKeys: "blind", "`blind`" {
        /// Whether it pages; otherwise it only warns.
        page: Bool = true,
        /// Ticks in a row without a counted run.
        intervals: Integer<1, 1_000> = 3,
        /// The least time without a counted run, however many ticks that is.
        at_least: Duration = "5m",
    }
}

section! {
    /// `flapping`.
    Flapping as FlappingKeys: "flapping", "`flapping`" {
        /// How often a canary, subject or objective began to fail.
        opens: Integer<2, 1_000> = 3,
        /// The time in which it did so.
        within: Duration = "1h",
        /// The least time between two rings for what flaps.
        hold: Duration = "30m",
    }
}

section! {
    /// `[notify]` and its channels.
    Notify as NotifyKeys: "notify", "`notify`" {
        /// Confirms that nobody is told. Without a channel, `run` starts only with this.
        none: Bool = false,
        /// Prometheus' Alertmanager, version 2 of its API.
        alertmanager: OneOrMore<Alertmanager>,
        /// PagerDuty, version 2 of its Events API.
        pagerduty: OneOrMore<Pagerduty>,
        /// Slack, by an incoming webhook.
        slack: OneOrMore<Slack>,
        /// Any HTTP endpoint.
        webhook: OneOrMore<Webhook>,
        /// E-mail over SMTP.
        email: OneOrMore<Email>,
    }
}

/// What a channel has whatever its kind.
pub(in crate::config) struct Common<'t> {
    pub(in crate::config) name: Field<'t, Option<&'t str>>,
    pub(in crate::config) least: Severity,
    /// Nothing where that depends on which channels there are.
    pub(in crate::config) wakes: Option<bool>,
    pub(in crate::config) timeout: std::time::Duration,
}

/// A section of a kind of channel: the keys that all of them have, and before its own what differs of them.
macro_rules! channel {
    (
        $(#[doc = $about:literal])+
        $section:ident as $keys:ident: $id:literal, $title:literal, least ($($least:tt)+), wakes ($($wakes:tt)+) { $($own:tt)+ }
        $($rest:tt)*
    ) => {
        section! {
            $(#[doc = $about])+
            $section as $keys: $id, $title {
                /// Its unique name, which routes use.
                name: Slug [default "the kind's"],
                /// The least severity that it is told of.
                least: Choice<Severity> $($least)+,
                /// Whether it wakes somebody, or only informs.
                wakes: Bool $($wakes)+,
                /// Bound on one delivery.
                timeout: Duration = "10s",
                $($own)+
            }
            $($rest)*
        }

        impl<'t> $keys<'t> {
            /// What every channel has.
            pub(in crate::config) fn common(&self) -> Common<'t> {
                let name = Field { value: self.name.value, entry: self.name.entry };
                Common { name, least: self.least.value, wakes: self.wakes.value.into(), timeout: self.timeout.value }
            }
        }
    };
}

channel! {
    /// A channel to Alertmanager.
    Alertmanager as AlertmanagerKeys: "notify_alertmanager", "an Alertmanager channel", least (= "warn"), wakes (= true) {
        /// Base URLs of all its peers; each gets every alert.
        urls: OneOrList<Url<Web>> [required],
        /// Request headers; `secret.NAME` is in scope.
        headers: Map<Template>,
        /// Labels added to each alert.
        labels: Map<Text>,
        /// How often what is open is sent again.
        resend: Duration = "1m",
    }
}

channel! {
    /// A channel to PagerDuty.
    Pagerduty as PagerdutyKeys: "notify_pagerduty", "a PagerDuty channel", least (= "page"), wakes (= true) {
        /// Name of the secret that is the integration's key.
        routing_key: Secret [required],
        /// Base URL of the API.
        url: Url<Web> = "https://events.pagerduty.com",
    }
}

channel! {
    /// A channel to Slack.
    Slack as SlackKeys: "notify_slack", "a Slack channel", least (= "warn"), wakes ([default "true where there is neither PagerDuty nor Alertmanager"]) {
        /// Name of the secret that is the webhook's URL.
        url: Secret [required],
        /// Where to post, if the webhook allows to choose.
        channel: Text [default "the webhook's"],
    }
}

channel! {
    /// A channel to any HTTP endpoint.
    Webhook as WebhookKeys: "notify_webhook", "a webhook channel", least (= "warn"), wakes ([default "true where there is neither PagerDuty nor Alertmanager"]) {
        /// Where it is posted to; `secret.NAME` is in scope.
        url: Template [required],
        /// Request headers; `secret.NAME` is in scope.
        headers: Map<Template>,
        /// The body; the message's fields and `secret.NAME` are in scope.
        body: Template [default "the message as JSON"],
        /// Name of the secret whose HMAC-SHA-256 signs each request.
        signing_key: Secret,
    }
}

channel! {
    /// A channel by e-mail.
    Email as EmailKeys: "notify_email", "an e-mail channel", least (= "warn"), wakes ([default "true where there is neither PagerDuty nor Alertmanager"]) {
        /// The SMTP server.
        host: Text [required],
        /// Its port.
        port: Integer<1, 65_535> [default "587, 465 or 25, as `tls` says"],
        /// How the connection is protected.
        tls: Choice<SmtpTls> = "starttls",
        /// User to sign in as.
        user: Text,
        /// Name of the secret that is the user's password.
        password: Secret,
        /// Sender.
        from: Mailbox [required],
        /// Recipients.
        to: OneOrList<Mailbox> [required],
        /// PEM file of the authority to trust beside the machine's.
        ca: File,
    }
    rules: &[Rule::Needs("user", "password"), Rule::Needs("password", "user")];
}

section! {
    /// `[store]`.
    Store as StoreKeys: "store", "`store`" {
        /// The file that everything is kept in, relative to the working directory.
        url: Text = "sqlite:serinus.db",
        /// How long passed runs are kept with their steps.
        keep_passed: Duration = "3d",
        /// How long runs that did not pass are kept.
        keep_failed: Duration = "30d",
        /// How long hourly sums, resolved incidents and what people did are kept.
        keep_rollups: Duration = "365d",
        /// The runs whose bodies are kept.
        bodies: Choice<Bodies> = "failed",
    }
}

section! {
    /// `[fleet]`.
    Fleet as FleetKeys: "fleet", "`fleet`" {
        /// Within how long another process takes over from one that is gone: its region, or the evaluation of incidents.
        lease: Duration = "15s",
        /// After how long without an answer of the store a process pages by itself for its own region.
        alone_after: Duration = "60s",
        /// A file on the process's own disk, for what cannot wait until the store answers.
        journal: Text = "serinus-journal.db",
    }
}

section! {
    /// `[self_check]`.
    SelfCheck as SelfCheckKeys: "self_check", "`self_check`" {
        /// Two or more places that are up unless this machine's network is not; any answer will do.
        endpoints: List<Url<Reachable>> [required],
        /// Pause between two rounds.
        every: Duration = "5s",
        /// Bound on one try.
        timeout: Duration = "2s",
    }
}

section! {
    /// `[heartbeat]`.
    Heartbeat as HeartbeatKeys: "heartbeat", "`heartbeat`" {
        /// The dead-man's switch, asked with GET; `secret.NAME` is in scope.
        url: Template [required],
        /// Another one, which each process of a fleet that probes asks, with the names `secret.NAME` and `region` in scope.
        region_url: Template,
        /// How often.
        every: Duration = "1m",
        /// Bound on one request.
        timeout: Duration = "10s",
    }
}

words! {
    Severity { "warn" => Warn, "page" => Page, "critical" => Critical }
    SmtpTls { "starttls" => StartTls, "implicit" => Implicit, "none" => None }
    Bodies { "failed" => Failed, "never" => Never }
}

schemes! {
    /// Those of the web.
    Web: "https://", "http://";
    /// Those of what a self check can reach.
    Reachable: "https://", "http://", "tcp://";
}
