//! How incidents become pages: channels, routes, and the process-wide settings around them.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use super::{Severity, Template};

/// `[alerting]` and `[[notify.*]]`.
#[derive(Debug)]
pub struct Alerting {
    /// Where pages can go, by unique name. Empty only with `[notify] none = true`.
    pub channels: Vec<Arc<Channel>>,
    /// First match wins; an incident that no route matches goes to every channel that takes its severity.
    pub routes: Vec<Route>,
    /// Distinguishes this process's keys from those of others that probe the same: the region's name where the process was told
    /// which one it is (`region`), since others then run the other ones, known to it or not; otherwise nothing.
    pub origin: Option<Arc<str>>,
    /// Without a counted run for so long a canary is blind: the longer of this many intervals and this time.
    pub blind: BlindRule,
    /// When a problem that comes and goes is held open.
    pub flapping: FlapRule,
    /// Where people look at this service, without a slash at its end; links start with it.
    pub public_url: Option<String>,
    /// Where a trace is looked at; `trace_id` is in scope.
    pub trace_url: Option<Template>,
    /// A page not delivered for so long goes to all other channels, and the heartbeat stops.
    pub escalate_after: Duration,
}

/// When a canary is blind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BlindRule {
    /// Whether blind canaries page.
    pub page: bool,
    /// Intervals of the probe.
    pub intervals: u32,
    /// And at least so long.
    pub at_least: Duration,
}

/// A scope that opened `opens` incidents within `within` is resolved only after `hold` without a problem.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FlapRule {
    /// Openings.
    pub opens: u32,
    /// The window they fall in.
    pub within: Duration,
    /// How long it must be quiet then.
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
    /// Regions, one of which must be in the incident.
    pub regions: Vec<Arc<str>>,
    /// Probes.
    pub probes: Vec<Arc<str>>,
    /// Names of channels; empty means that nobody is told.
    pub channels: Vec<Arc<str>>,
}

/// A way out for pages.
#[derive(Debug)]
pub struct Channel {
    /// Its unique name.
    pub name: Arc<str>,
    /// Severities below this one are not sent there.
    pub least: Severity,
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
        /// How often firing alerts are sent again; `endsAt` is four of these ahead.
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
        /// Body instead of the documented JSON; the notice's fields and `secret` are in scope.
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
    /// The SQLite file.
    pub path: PathBuf,
    /// How long passed runs are kept with their steps.
    pub keep_passed: Duration,
    /// How long runs that did not pass are kept, with everything.
    pub keep_failed: Duration,
    /// How long hourly rollups and resolved incidents are kept.
    pub keep_rollups: Duration,
    /// Of which runs bodies are kept.
    pub bodies: Bodies,
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
