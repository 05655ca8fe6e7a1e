//! The environment of a simulation: three probes in three regions, one of which needs another; what is broken; and when runs are
//! due.

use std::collections::BTreeSet;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use crate::alert::testing;
use crate::plan::{
    AlertPolicy, Alerting, Cadence, Canary, Channel, ChannelKind, FlapRule, PageRule, Plan, Probe, Severity, Template,
};

/// Regions of every probe.
pub(super) const REGIONS: [&str; 3] = ["eu", "us", "ap"];

/// Probes: name, seconds between ticks, platforms, and what each needs.
pub(super) const PROBES: [(&str, u64, &[&str], &[&str]); 3] = [
    ("sign-in", 60, &[], &[]),
    ("shop", 60, &["ios", "android"], &["sign-in"]),
    ("sync", 120, &["ios", "android", "web", "tv", "car", "watch"], &[]),
];

/// The channels: a PagerDuty, an Alertmanager, and a webhook whose reader is a chat.
pub(super) const DUTY: &str = "duty";
pub(super) const PROM: &str = "prom";
pub(super) const CHAT: &str = "chat";
pub(super) const CHANNELS: [&str; 3] = [DUTY, PROM, CHAT];

/// The reason of every failed run.
pub(super) const REASON: &str = "expectation";

/// What is broken: of a probe, in some regions, for some platforms, in so many of five runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Fault {
    pub(super) probe: usize,
    /// Everywhere if absent.
    pub(super) region: Option<usize>,
    /// For everybody if absent.
    pub(super) platform: Option<usize>,
    /// Of five runs; five is all.
    pub(super) share: u8,
}

impl Fault {
    fn hits(&self, canary: &Canary, order: u64) -> bool {
        let (name, _, platforms, _) = PROBES[self.probe];
        let platform = self.platform.and_then(|at| platforms.get(at % platforms.len().max(1)));
        &*canary.probe.name == name
            && self.region.is_none_or(|at| *REGIONS[at] == *canary.region.name)
            && platform.is_none_or(|platform| canary.cell.to_string() == format!("platform={platform}"))
            && (canary.id.stable_hash().wrapping_add(order.wrapping_mul(0x9E37_79B9_7F4A_7C15)) >> 33) % 5 < u64::from(self.share)
    }
}

/// The state of the environment.
#[derive(Debug, Clone, Default)]
pub(super) struct Environment {
    pub(super) faults: Vec<Fault>,
    /// Probes and regions in which no run is possible, because a secret is missing.
    pub(super) blocked: BTreeSet<(usize, usize)>,
    /// Probes that are not in the plan.
    pub(super) removed: BTreeSet<usize>,
    pub(super) paused: BTreeSet<usize>,
    pub(super) muted: BTreeSet<usize>,
}

impl Environment {
    /// Whether a run of a canary that starts now fails, by a fault of its own or of what it needs.
    pub(super) fn fails(&self, canary: &Canary, order: u64) -> bool {
        let needed = |fault: &Fault| {
            canary.probe.needs.iter().any(|root| **root == *PROBES[fault.probe].0)
                && fault.region.is_none_or(|at| *REGIONS[at] == *canary.region.name)
                && fault.share >= 5
        };
        self.faults.iter().any(|fault| fault.hits(canary, order) || needed(fault))
    }

    /// Whether a run of a canary is possible.
    pub(super) fn is_blocked(&self, canary: &Canary) -> bool {
        self.blocked
            .iter()
            .any(|(probe, region)| *PROBES[*probe].0 == *canary.probe.name && *REGIONS[*region] == *canary.region.name)
    }

    /// The plan without the probes that are removed.
    pub(super) fn plan(&self) -> Arc<Plan> {
        let there = PROBES.iter().enumerate().filter(|(at, _)| !self.removed.contains(at));
        testing::plan(there.map(|(_, probe)| self::probe(probe)).collect(), &REGIONS)
    }
}

fn probe(&(name, every, platforms, needs): &(&str, u64, &[&str], &[&str])) -> Probe {
    const TWO: NonZeroU32 = NonZeroU32::new(2).unwrap();
    let policy = AlertPolicy { rule: PageRule::Consecutive(TWO), resolve_after: TWO, burn_rate: false, ..AlertPolicy::default() };
    let mut probe = testing::probe(vec![testing::step("read", false)], policy);
    probe.name = name.into();
    probe.owner = Some("music-sync".to_owned());
    probe.cadence = Cadence::Every(Duration::from_secs(every));
    probe.cells = testing::cells(platforms);
    probe.needs = needs.iter().map(|name| (*name).into()).collect();
    probe
}

/// When a canary's runs are due: an offset within its interval, and the interval.
pub(super) fn schedule(canary: &Canary) -> (Duration, Duration) {
    let every = PROBES.iter().find(|(name, ..)| **name == *canary.probe.name).map_or(60, |(_, every, ..)| *every);
    (Duration::from_millis(canary.id.stable_hash() % (every * 1_000)), Duration::from_secs(every))
}

/// The channels, all of which get everything.
pub(super) fn alerting(flapping: bool) -> Arc<Alerting> {
    let duty = ChannelKind::PagerDuty { routing_key: "key".into(), url: "http://duty.invalid".to_owned() };
    let prom = ChannelKind::Alertmanager {
        urls: vec!["http://prom.invalid".to_owned()],
        headers: Vec::new(),
        labels: Vec::new(),
        resend: Duration::from_mins(1),
    };
    let url = Template::parse("http://chat.invalid", testing::location()).unwrap();
    let chat = ChannelKind::Webhook { url, headers: Vec::new(), body: None, signing_key: None };
    let channel = |name: &str, wakes, kind| {
        Arc::new(Channel { name: name.into(), least: Severity::Warn, wakes, timeout: Duration::from_secs(10), kind })
    };
    let flapping = if flapping {
        FlapRule { ..Alerting::default().flapping }
    } else {
        FlapRule { opens: 10_000, ..Alerting::default().flapping }
    };
    let channels = vec![channel(DUTY, true, duty), channel(PROM, true, prom), channel(CHAT, false, chat)];
    Arc::new(Alerting { channels, flapping, ..Alerting::default() })
}
