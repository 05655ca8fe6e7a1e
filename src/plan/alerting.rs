//! How incidents become pages: channels, routes, and the process-wide settings around them.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use super::{Severity, StorePlace, Template};

/// `[alerting]` and `[[notify.*]]`.
#[derive(Debug, Clone)]
pub struct Alerting {
    /// Where pages can go, by unique name. Empty only with `[notify] none = true`.
    pub channels: Vec<Arc<Channel>>,
    /// First match wins; without any, all channels get everything. What fails at page level and matches none goes to all channels,
    /// whatever their `least`.
    pub routes: Vec<Route>,
    /// The part of incident keys that distinguishes this process from others with the same probes: its region's name if `region` is
    /// set, because other processes then run the other regions; otherwise nothing.
    pub origin: Option<Arc<str>>,
    /// When a canary is without data: after this many ticks without a counted run, and no sooner than after this time.
    pub blind: BlindRule,
    /// When a member that comes and goes rings less often.
    pub flapping: FlapRule,
    /// Where people look at this service, without a slash at its end; links start with it.
    pub public_url: Option<String>,
    /// Where a trace is looked at; `trace_id` is in scope.
    pub trace_url: Option<Template>,
    /// A page-level member that is due for so long, and that no waking channel took, goes to all channels, and the heartbeat stops.
    pub escalate_after: Duration,
}

/// When a canary is without data.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BlindRule {
    /// Whether what is without data, and a process that starts again and again, is of level page; otherwise warn.
    pub page: bool,
    /// Ticks in a row without a counted run.
    pub intervals: u32,
    /// And at least so long.
    pub at_least: Duration,
}

/// A member that began `opens` episodes within `within` rings at most once each `hold`. It does not delay the end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FlapRule {
    /// Episodes, counted over incidents.
    pub opens: u32,
    /// The window they begin in.
    pub within: Duration,
    /// The least time between two rings then.
    pub hold: Duration,
}

/// Which incidents go where. Empty lists match everything.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Route {
    /// Severities.
    pub severities: Vec<Severity>,
    /// Owners.
    pub owners: Vec<Arc<str>>,
    /// Tags, one of which the probe must have.
    pub tags: Vec<Arc<str>>,
    /// Regions, one of which must be the member's; what is about no single region matches no region.
    pub regions: Vec<Arc<str>>,
    /// Probes.
    pub probes: Vec<Arc<str>>,
    /// Names of channels; empty means that nobody is rung, which is a match all the same.
    pub channels: Vec<Arc<str>>,
}

/// A way out for pages.
#[derive(Debug)]
pub struct Channel {
    /// Its unique name.
    pub name: Arc<str>,
    /// The least severity that it is told of.
    pub least: Severity,
    /// Whether it wakes somebody, or only informs. What is owed to nobody who wakes goes to all channels after
    /// [`Alerting::escalate_after`], and only what a waking channel took explains others.
    pub wakes: bool,
    /// Bound on one delivery.
    pub timeout: Duration,
    /// What it speaks.
    pub kind: ChannelKind,
}

/// What a channel speaks. Secrets are named, never held.
#[derive(Debug)]
pub enum ChannelKind {
    /// Alertmanager's API v2.
    Alertmanager {
        /// Base URLs of all peers; each gets every alert, as its documentation asks.
        urls: Vec<String>,
        /// Request headers.
        headers: Vec<(String, Template)>,
        /// Labels added to each alert.
        labels: Vec<(String, String)>,
        /// How often what is open is sent again; `endsAt` is 15 minutes ahead, or four of these where that is longer.
        resend: Duration,
    },
    /// PagerDuty's Events API v2.
    PagerDuty {
        /// Secret that is the routing key.
        routing_key: Arc<str>,
        /// Base URL.
        url: String,
    },
    /// Slack's incoming webhook.
    Slack {
        /// Secret that is the webhook's URL.
        url: Arc<str>,
        /// Channel to post to, where the webhook allows it.
        channel: Option<String>,
    },
    /// Any HTTP endpoint.
    Webhook {
        /// URL; `secret` is in scope.
        url: Template,
        /// Request headers.
        headers: Vec<(String, Template)>,
        /// Body instead of the documented JSON; the message's fields and `secret` are in scope.
        body: Option<Template>,
        /// Secret whose HMAC-SHA-256 signs each request.
        signing_key: Option<Arc<str>>,
    },
    /// SMTP.
    Email {
        /// Server.
        host: String,
        /// Its port.
        port: u16,
        /// How the connection is protected.
        tls: SmtpTls,
        /// User and the secret that is the password.
        login: Option<(String, Arc<str>)>,
        /// Sender.
        from: String,
        /// Recipients, at least one.
        to: Vec<String>,
        /// A private authority's certificate (PEM).
        ca: Option<PathBuf>,
    },
}

impl ChannelKind {
    /// The word used in configuration, metrics and messages.
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Alertmanager { .. } => "alertmanager",
            Self::PagerDuty { .. } => "pagerduty",
            Self::Slack { .. } => "slack",
            Self::Webhook { .. } => "webhook",
            Self::Email { .. } => "email",
        }
    }

    /// What the receiver makes of what it is sent.
    pub fn receiver(&self) -> ReceiverKind {
        match self {
            Self::Alertmanager { .. } => ReceiverKind::Alerts,
            Self::PagerDuty { .. } => ReceiverKind::Incidents,
            Self::Slack { .. } | Self::Webhook { .. } | Self::Email { .. } => ReceiverKind::Posts,
        }
    }

    /// Whether it wakes somebody, where the configuration does not say so and some channel does.
    pub fn wakes_by_default(&self) -> bool {
        self.receiver() != ReceiverKind::Posts
    }

    /// Labels that the configuration gives to each alert; only Alertmanager has them.
    pub fn labels(&self) -> Option<&[(String, String)]> {
        match self {
            Self::Alertmanager { labels, .. } => Some(labels),
            Self::PagerDuty { .. } | Self::Slack { .. } | Self::Webhook { .. } | Self::Email { .. } => None,
        }
    }
}

/// What a receiver makes of what it is sent. Whom to tell what and when differs from channel to channel by this alone; how it is
/// said is the channel's own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReceiverKind {
    /// Alerts with labels. They end by themselves unless they are repeated, and each repetition may change their texts. It groups,
    /// reminds and mutes by itself (Alertmanager).
    Alerts,
    /// Incidents with a key each, by which they are changed, acknowledged and ended. It reminds by itself (PagerDuty).
    Incidents,
    /// Posts that are read once and stay as they are (Slack, e-mail, webhook).
    Posts,
}

/// How an SMTP connection is protected.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum SmtpTls {
    /// STARTTLS, required.
    #[default]
    StartTls,
    /// TLS from the first byte.
    Implicit,
    /// None: only for a relay on the same machine.
    None,
}

/// `[store]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoreSettings {
    /// Where it is.
    pub place: StorePlace,
    /// How long what is kept.
    pub retention: Retention,
}

/// The part of a process in a fleet: the processes that share a database.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FleetSettings {
    /// What instances of which one probes are called: the region, or the regions where it is several.
    pub member: Arc<str>,
    /// Within how long a process that is gone is replaced.
    pub lease: Duration,
    /// After how long without an answer of the store a process speaks for its own region.
    pub alone_after: Duration,
    /// The file on this process's own disk for what cannot wait until the store answers.
    pub journal: PathBuf,
}

/// What the store keeps, and for how long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Retention {
    /// How long passed runs are kept with their steps.
    pub passed: Duration,
    /// How long runs that did not pass are kept, with everything.
    pub others: Duration,
    /// How long hourly rollups and resolved incidents are kept.
    pub rollups: Duration,
    /// Of which runs bodies are kept.
    pub bodies: Bodies,
}

impl Retention {
    /// All that there is, for ever.
    pub const EVERYTHING: Self =
        Self { passed: Duration::MAX, others: Duration::MAX, rollups: Duration::MAX, bodies: Bodies::Failed };
}

/// Of which runs the store keeps what was sent and answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Bodies {
    /// Of those that did not pass.
    #[default]
    Failed,
    /// Of none.
    Never,
}

/// `[self_check]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SelfCheckSettings {
    /// `http(s)://…` (any answer counts) or `tcp://HOST:PORT`; two or more.
    pub endpoints: Vec<url::Url>,
    /// Pause between two rounds.
    pub every: Duration,
    /// Bound on one try.
    pub timeout: Duration,
}

/// `[heartbeat]`.
#[derive(Debug)]
pub struct Heartbeat {
    /// What is asked for; `secret` is in scope.
    pub url: Template,
    /// What each process of a fleet that probes asks for; `secret` and `region` are in scope. Nothing without a fleet.
    pub region_url: Option<Template>,
    /// How often.
    pub every: Duration,
    /// Bound on one request.
    pub timeout: Duration,
}

impl Default for Alerting {
    /// No channels, and the usual rules.
    fn default() -> Self {
        Self {
            channels: Vec::new(),
            routes: Vec::new(),
            origin: None,
            blind: BlindRule { page: true, intervals: 3, at_least: Duration::from_mins(5) },
            flapping: FlapRule { opens: 3, within: Duration::from_hours(1), hold: Duration::from_mins(30) },
            public_url: None,
            trace_url: None,
            escalate_after: Duration::from_mins(5),
        }
    }
}
