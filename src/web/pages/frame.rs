//! What all pages have around their content: title, icon, navigation, who looks, and as of when.

use crate::alert::Status;
use crate::alert::status::ProbeStatus;
use crate::plan::Severity;
use crate::web::access::{Caller, FormToken, Via};
use crate::web::model::overview::encoded;
use crate::web::model::words;

use super::assets;
use super::said::Said;

/// The worst that is open, as title and icon tell it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Alarm {
    /// Nothing is open.
    Well,
    /// Something is open, at this severity.
    Open(Severity),
    /// Nothing is known: no canary has a result that counts, or there is no page.
    Unknown,
}

impl Alarm {
    /// The worst of what is open. Where nothing is, but no canary has a result that counts, nobody knows that all is well.
    pub(super) fn of(status: &Status) -> Self {
        let all = [Severity::Critical, Severity::Page, Severity::Warn];
        let worst = all.into_iter().find(|severity| status.counts.of(*severity) > 0);
        let knows = |probe: &ProbeStatus| probe.canaries.passing + probe.canaries.suspect + probe.canaries.failing > 0;
        match worst {
            Some(severity) => Self::Open(severity),
            None if status.probes.is_empty() || status.probes.iter().any(knows) => Self::Well,
            None => Self::Unknown,
        }
    }

    /// The name of its icon.
    pub(super) fn icon(self) -> &'static str {
        match self {
            Self::Well => "icon-well.svg",
            Self::Open(Severity::Warn) => "icon-warn.svg",
            Self::Open(Severity::Page) => "icon-page.svg",
            Self::Open(Severity::Critical) => "icon-critical.svg",
            Self::Unknown => "icon-stale.svg",
        }
    }
}

impl Viewer {
    /// Somebody who is known, or nobody in particular.
    pub(super) fn of(caller: Option<&Caller>, form: FormToken) -> Self {
        let Some(caller) = caller else { return Self::default() };
        let key = caller.link().map(|scope| format!("?key={}&incident={}", encoded(&scope.key), encoded(&scope.incident)));
        Self {
            name: (caller.via != Via::Open).then(|| caller.name.to_string()),
            may_act: caller.may_act(),
            can_log_out: caller.via == Via::Session,
            can_log_in: matches!(caller.via, Via::Link(_)),
            form: form.0,
            key: key.unwrap_or_default(),
        }
    }
}

/// Who looks at a page.
#[derive(Debug, Clone, Default)]
pub(super) struct Viewer {
    /// By which name, if he has said.
    pub(super) name: Option<String>,
    /// Whether he may act.
    pub(super) may_act: bool,
    /// Whether there is a session to end.
    pub(super) can_log_out: bool,
    /// Whether he would see more after he logged in.
    pub(super) can_log_in: bool,
    /// What a form must carry.
    pub(super) form: String,
    /// What links to runs must carry for who has only the link of an incident, with its `?`; empty for all others.
    pub(super) key: String,
}

/// The frame of a page.
#[derive(Debug, Clone)]
pub(super) struct Frame {
    /// What all links are relative to; ends with a slash.
    pub(super) base: String,
    /// The page's own name, without the program's.
    pub(super) title: String,
    /// The page's own address, relative to the base.
    pub(super) here: String,
    /// The worst that is open.
    pub(super) alarm: Alarm,
    /// Open incidents that ring somebody.
    pub(super) open: usize,
    /// Milliseconds since the epoch.
    pub(super) as_of_ms: i64,
    /// Why what is shown may be over.
    pub(super) stale: Option<String>,
    /// Where its updates come from, relative to the base; none come if absent.
    pub(super) live: Option<String>,
    /// Whether its content stands still meanwhile, and only the state of the prober is updated.
    pub(super) is_still: bool,
    /// Who looks.
    pub(super) viewer: Viewer,
    /// What an action has to say.
    pub(super) said: Option<Said>,
}

/// The pages of the bar: name, address, and the first segments of the addresses below it.
const NAV: [(&str, &str, &[&str]); 7] = [
    ("Overview", "./", &[""]),
    ("Incidents", "incidents", &["incidents"]),
    ("Probes", "probes", &["probes", "runs"]),
    ("Maintenance", "maintenance", &["maintenance"]),
    ("Certificates", "certificates", &["certificates"]),
    ("Channels", "channels", &["channels"]),
    ("Log", "log", &["log"]),
];

impl Frame {
    pub(super) fn nav(&self) -> impl Iterator<Item = (&'static str, &'static str, bool)> {
        let path = self.here.split('?').next().unwrap_or_default().trim_start_matches("./");
        let first = path.split('/').next().unwrap_or_default().to_owned();
        NAV.into_iter().map(move |(name, href, below)| (name, href, below.contains(&first.as_str())))
    }

    /// `(2) critical · `, where something is open.
    pub(super) fn alarm_words(&self) -> String {
        match self.alarm {
            Alarm::Open(severity) => format!("({}) {} · ", self.open, severity.as_str()),
            Alarm::Well | Alarm::Unknown => String::new(),
        }
    }

    /// `(2) critical · Overview · Serinus`.
    pub(super) fn tab_title(&self) -> String {
        format!("{}{} · Serinus", self.alarm_words(), self.title)
    }

    pub(super) fn as_of_iso(&self) -> String {
        words::iso(self.as_of_ms)
    }

    pub(super) fn as_of_clock(&self) -> String {
        words::clock(self.as_of_ms)
    }

    #[expect(clippy::unused_self, reason = "templates call what belongs to a value")]
    pub(super) fn style(&self) -> &'static str {
        assets::STYLE.name()
    }

    #[expect(clippy::unused_self, reason = "templates call what belongs to a value")]
    pub(super) fn script(&self) -> &'static str {
        assets::SCRIPT.name()
    }
}
