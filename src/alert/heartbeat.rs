//! The dead-man's switch: an external service that pages when this one stops sending heartbeats. In a fleet there may be one for each
//! region besides.
//!
//! A heartbeat is sent only while this process does its work and pages get through; otherwise it would hide the very fault that
//! the switch is for.

use std::sync::Arc;
use std::time::Duration;

use metrics::counter;
use tokio::time::MissedTickBehavior;

use crate::alert::channel::{HttpClient, context, of_region, render};
use crate::alert::tries::Outcome;
use crate::outcome::Secrets;
use crate::plan::Heartbeat;
use crate::plan::expr::Destination;

/// What a heartbeat is the sign of life of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BeatOf {
    /// The service, which in a fleet is all of its processes: who evaluates sends it.
    Service,
    /// The region that this process probes, whoever evaluates.
    Region(Arc<str>),
}

impl BeatOf {
    /// The heartbeats of a process that probes: `region` as one of a fleet, if it is, and `is_member` once it has reached the others. One
    /// that stands by does not ask.
    pub fn of_process(heartbeat: &Heartbeat, region: Option<&Arc<str>>, is_member: bool) -> Vec<Self> {
        Self::all(heartbeat.region_url.is_some(), region, is_member)
    }

    fn all(has_region_url: bool, region: Option<&Arc<str>>, is_member: bool) -> Vec<Self> {
        // The switch of the service is the fleet's: a process that has not reached the others does not know how they are.
        let service = (region.is_none() || is_member).then_some(Self::Service);
        let of_region = region.filter(|_| has_region_url).map(|region| Self::Region(Arc::clone(region)));
        service.into_iter().chain(of_region).collect()
    }

    /// Whether only who evaluates sends it.
    pub fn needs_evaluator(&self) -> bool {
        matches!(self, Self::Service)
    }

    /// The word in metrics.
    fn as_str(&self) -> &'static str {
        match self {
            Self::Service => "service",
            Self::Region(_) => "region",
        }
    }
}

/// Signs of life of the whole process. Times are steady.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "each sign is there or not, whatever the others are")]
pub struct Signs {
    /// Whether this process evaluates: the one of its fleet that does, or alone.
    pub evaluates: bool,
    /// Ticks start when they are due.
    pub ticks_on_time: bool,
    /// Finished runs reach the conditions, and timers are handled on time.
    pub conditions_evaluated: bool,
    /// Whether a counted run has ended since the start.
    pub run_ended: bool,
    /// When the first run that was due since the start had its deadline and 10 s; nothing if none was due yet.
    pub run_expected: Option<Duration>,
    /// Canaries that should run: neither paused, nor under maintenance, nor disabled.
    pub should_run: usize,
    /// How many of those are without data.
    pub without_data: usize,
    /// Whether a page-level member fails, due or not, that matches no route.
    pub page_unrouted: bool,
    /// Since when the oldest page-level member is due that no waking channel took.
    pub page_due: Option<Duration>,
}

impl Signs {
    /// The signs that are missing; empty if the heartbeat may be sent. `patience` is how long a page may be due.
    pub fn missing(self, patience: Duration, now: Duration) -> Vec<&'static str> {
        let overdue = |since: Option<Duration>, patience| since.is_some_and(|since| since + patience <= now);
        let signs = [
            (!self.evaluates, "another process of the fleet evaluates"),
            (!self.ticks_on_time, "ticks are late"),
            (!self.conditions_evaluated, "conditions are not evaluated"),
            (!self.run_ended && overdue(self.run_expected, Duration::ZERO), "no run that counts has ended since the start"),
            (self.without_data > self.should_run / 2, "more than half of the canaries are without data"),
            (self.page_unrouted, "a page matches no route"),
            (overdue(self.page_due, patience), "no channel that wakes somebody has taken a page that is due"),
        ];
        signs.into_iter().filter(|(is_missing, _)| *is_missing).map(|(_, what)| what).collect()
    }
}

/// Sends heartbeats for as long as it is polled. `secrets` returns the current secrets, `missing` the missing signs.
pub async fn beat(
    client: HttpClient,
    heartbeat: Arc<Heartbeat>,
    of: BeatOf,
    secrets: impl Fn() -> Arc<Secrets> + Send,
    missing: impl Fn() -> Vec<&'static str> + Send,
) {
    let mut ticks = tokio::time::interval(heartbeat.every);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut last: Option<String> = None;
    loop {
        ticks.tick().await;
        let missing = missing();
        let (result, problem) = if missing.is_empty() {
            match ping(&client, &heartbeat, &of, &secrets()).await {
                Ok(()) => ("sent", None),
                Err(problem) => ("failed", Some(format!("it could not be sent: {problem}"))),
            }
        } else {
            ("withheld", Some(format!("it is withheld: {}", missing.join(", "))))
        };
        counter!("serinus_heartbeats_total", "of" => of.as_str(), "result" => result).increment(1);
        if problem != last {
            if let Some(problem) = &problem {
                tracing::warn!(of = of.as_str(), "no heartbeat; {problem}");
            } else {
                tracing::info!(of = of.as_str(), "the heartbeat is sent");
            }
            last = problem;
        }
    }
}

async fn ping(client: &HttpClient, heartbeat: &Heartbeat, of: &BeatOf, secrets: &Arc<Secrets>) -> Result<(), String> {
    let (template, context) = match of {
        BeatOf::Service => (&heartbeat.url, context(None, secrets)),
        BeatOf::Region(region) => (heartbeat.region_url.as_ref().ok_or("no region has a URL")?, of_region(region, secrets)),
    };
    let url = render(template, Destination::Url, &context, secrets).map_err(|error| error.message)?;
    match client.get(&url, heartbeat.timeout, secrets.redactor()).await {
        Outcome::Taken => Ok(()),
        Outcome::Refused(refusal) | Outcome::Unknown(refusal) => Err(refusal.message),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PATIENCE: Duration = Duration::from_mins(5);

    fn at(second: u64) -> Duration {
        Duration::from_secs(1_000 + second)
    }

    /// Nothing was due yet, and nothing is wrong.
    const STARTED: Signs = Signs {
        ticks_on_time: true,
        conditions_evaluated: true,
        run_ended: false,
        run_expected: None,
        evaluates: true,
        should_run: 9,
        without_data: 0,
        page_unrouted: false,
        page_due: None,
    };

    #[test]
    fn one_missing_sign_is_enough_to_stay_silent() {
        let ended = Signs { run_ended: true, run_expected: Some(at(0)), ..STARTED };
        let no_run = Some("no run that counts has ended since the start");
        let blind = Some("more than half of the canaries are without data");
        let untold = Some("no channel that wakes somebody has taken a page that is due");
        let table = [
            (STARTED, None),
            (ended, None),
            (Signs { ticks_on_time: false, ..ended }, Some("ticks are late")),
            (Signs { conditions_evaluated: false, ..ended }, Some("conditions are not evaluated")),
            (Signs { run_expected: Some(at(301)), ..STARTED }, None),
            (Signs { run_expected: Some(at(300)), ..STARTED }, no_run),
            (Signs { without_data: 4, ..ended }, None),
            (Signs { without_data: 5, ..ended }, blind),
            (Signs { should_run: 10, without_data: 5, ..ended }, None),
            (Signs { should_run: 1, without_data: 1, ..ended }, blind),
            (Signs { should_run: 0, ..ended }, None),
            (Signs { page_unrouted: true, ..ended }, Some("a page matches no route")),
            (Signs { page_due: Some(at(1)), ..ended }, None),
            (Signs { page_due: Some(at(0)), ..ended }, untold),
        ];
        for (signs, missing) in table {
            assert_eq!(signs.missing(PATIENCE, at(300)), Vec::from_iter(missing), "{signs:?}");
        }
    }

    #[test]
    fn who_sends_which_heartbeat() {
        let eu: Arc<str> = "eu".into();
        let of_eu = BeatOf::Region(Arc::clone(&eu));
        let table = [
            // Without a fleet there is one.
            (true, None, false, vec![BeatOf::Service]),
            (false, None, false, vec![BeatOf::Service]),
            (true, Some(&eu), true, vec![BeatOf::Service, of_eu.clone()]),
            (false, Some(&eu), true, vec![BeatOf::Service]),
            // One that started alone probes its region, and knows nothing of the others.
            (true, Some(&eu), false, vec![of_eu.clone()]),
            (false, Some(&eu), false, vec![]),
        ];
        for (has_region_url, region, is_member, sent) in table {
            assert_eq!(BeatOf::all(has_region_url, region, is_member), sent, "{has_region_url} {region:?} {is_member}");
        }
        assert!(BeatOf::Service.needs_evaluator() && !of_eu.needs_evaluator());
    }

    #[test]
    fn all_that_is_missing_is_said() {
        let signs = Signs { ticks_on_time: false, page_unrouted: true, ..STARTED };
        assert_eq!(signs.missing(PATIENCE, at(0)), ["ticks are late", "a page matches no route"]);
    }
}
