//! The metrics of alerting about itself.
//!
//! Owns the names and labels of these metrics; all labels but channel names are closed sets. Their help is in
//! `telemetry::metrics::process`. The state of canaries and probes goes to [`AlertStateSink`](crate::outcome::AlertStateSink),
//! since those series have the labels of a plan. A new metric is a function here, a help text there and a row in
//! `config/README.md`.

use std::time::Duration;

use metrics::{counter, gauge};

use crate::plan::Severity;

use super::Scope;
use super::tries::{Action, Outcome};

const NOTIFICATIONS: &str = "serinus_notifications_total";
const RINGS: &str = "serinus_rings_total";
const GATHERED: &str = "serinus_rings_gathered_total";
const REPEATED: &str = "serinus_tries_repeated_total";
const OWED: &str = "serinus_owed";
const OWED_SINCE: &str = "serinus_owed_oldest_timestamp_seconds";
const WAITING: &str = "serinus_tries_waiting";
const INCIDENTS: &str = "serinus_incidents";

/// Every value of the label `result`: what may become of a request.
const RESULTS: [&str; 3] = ["taken", "refused", "unknown"];

/// Creates all series of a channel with zero; existing ones stay. Called for each channel at a start and after a reload.
pub fn channel(name: &str) {
    for what in Action::ALL {
        for result in RESULTS {
            counter!(NOTIFICATIONS, "channel" => name.to_owned(), "what" => what.as_str(), "result" => result).increment(0);
        }
    }
    for scope in Scope::KINDS {
        counter!(RINGS, "channel" => name.to_owned(), "scope" => scope).increment(0);
    }
    counter!(GATHERED, "channel" => name.to_owned()).increment(0);
    counter!(REPEATED, "channel" => name.to_owned()).increment(0);
    gauge!(OWED, "channel" => name.to_owned()).increment(0);
    gauge!(OWED_SINCE, "channel" => name.to_owned()).increment(0);
    gauge!(WAITING, "channel" => name.to_owned()).increment(0);
}

/// A channel was removed: nothing is owed to it any more, and nothing waits.
pub fn channel_gone(name: &str) {
    owed(name, 0, None);
    waiting(name, 0);
}

/// A ring of this scope was made for a channel. Each incident of a gathered ring counts; a repetition does not.
pub fn rang(channel: &str, scope: &Scope) {
    counter!(RINGS, "channel" => channel.to_owned(), "scope" => scope.kind()).increment(1);
}

/// This many rings leave together at the end of a minute with too many.
pub fn gathered(channel: &str, rings: usize) {
    counter!(GATHERED, "channel" => channel.to_owned()).increment(rings as u64);
}

/// A try of unknown outcome is repeated with the same id; its reader may see it twice.
pub fn repeated(channel: &str) {
    counter!(REPEATED, "channel" => channel.to_owned()).increment(1);
}

/// The result of a request to a channel. A repeated try has several.
pub fn notified(channel: &str, what: Action, outcome: &Outcome) {
    let result = match outcome {
        Outcome::Taken => RESULTS[0],
        Outcome::Refused(_) => RESULTS[1],
        Outcome::Unknown(_) => RESULTS[2],
    };
    counter!(NOTIFICATIONS, "channel" => channel.to_owned(), "what" => what.as_str(), "result" => result).increment(1);
}

/// How many incidents are owed to a channel, and since when the oldest of them (steady).
pub fn owed(channel: &str, incidents: usize, since: Option<Duration>) {
    gauge!(OWED, "channel" => channel.to_owned()).set(number(incidents));
    gauge!(OWED_SINCE, "channel" => channel.to_owned()).set(since.map_or(0.0, |since| since.as_secs_f64()));
}

/// How many tries of a channel have no answer yet, or wait to be repeated.
pub fn waiting(channel: &str, tries: usize) {
    gauge!(WAITING, "channel" => channel.to_owned()).set(number(tries));
}

/// Open incidents by severity. An incident has none if all its failing members are muted or explained.
pub fn incidents(open: impl Fn(Option<Severity>) -> usize) {
    for severity in std::iter::once(None).chain(Severity::ALL.map(Some)) {
        gauge!(INCIDENTS, "severity" => severity.map_or("none", Severity::as_str)).set(number(open(severity)));
    }
}

#[expect(clippy::cast_precision_loss, reason = "there are fewer of anything than 2⁵²")]
fn number(count: usize) -> f64 {
    count as f64
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use metrics_exporter_prometheus::PrometheusBuilder;

    use super::super::tries::{Refusal, RefusalKind};
    use super::*;

    /// What a scraper sees after `act`, by series.
    fn seen(act: impl FnOnce()) -> BTreeMap<String, f64> {
        let recorder = PrometheusBuilder::new().build_recorder();
        metrics::with_local_recorder(&recorder, act);
        let sample = |line: &str| line.rsplit_once(' ').map(|(name, value)| (name.to_owned(), value.parse().expect("a number")));
        recorder.handle().render().lines().filter(|line| !line.starts_with('#')).filter_map(sample).collect()
    }

    fn refusal() -> Refusal {
        Refusal { message: "503".to_owned(), kind: RefusalKind::Unreachable }
    }

    #[test]
    fn every_result_of_every_kind_of_notification_is_there_at_zero_before_anything_is_sent() {
        let seen = seen(|| channel("chat"));
        for what in ["ring", "change", "acknowledge", "end"] {
            for result in ["taken", "refused", "unknown"] {
                let series = format!("serinus_notifications_total{{channel=\"chat\",what=\"{what}\",result=\"{result}\"}}");
                assert_eq!(seen.get(&series), Some(&0.0), "{series} in {seen:#?}");
            }
        }
        assert_eq!(seen.get("serinus_rings_total{channel=\"chat\",scope=\"blind\"}"), Some(&0.0));
        assert_eq!(seen.get("serinus_owed{channel=\"chat\"}"), Some(&0.0));
        assert_eq!(seen.len(), 12 + 9 + 5, "{seen:#?}");
    }

    #[test]
    fn what_happens_is_counted_and_a_reload_that_names_the_channel_again_loses_nothing() {
        let seen = seen(|| {
            channel("chat");
            rang("chat", &Scope::Blind("eu".into()));
            rang("chat", &Scope::Probe("checkout".into()));
            rang("chat", &Scope::Probe("search".into()));
            gathered("chat", 2);
            notified("chat", Action::Ring, &Outcome::Unknown(refusal()));
            repeated("chat");
            notified("chat", Action::Ring, &Outcome::Taken);
            notified("chat", Action::End, &Outcome::Refused(refusal()));
            owed("chat", 3, Some(Duration::from_millis(1_763_725_500_500)));
            waiting("chat", 2);
            incidents(|severity| if severity == Some(Severity::Page) { 4 } else { 0 });
            channel("chat");
        });
        for (series, expected) in [
            ("serinus_rings_total{channel=\"chat\",scope=\"blind\"}", 1.0),
            ("serinus_rings_total{channel=\"chat\",scope=\"probe\"}", 2.0),
            ("serinus_rings_gathered_total{channel=\"chat\"}", 2.0),
            ("serinus_notifications_total{channel=\"chat\",what=\"ring\",result=\"unknown\"}", 1.0),
            ("serinus_notifications_total{channel=\"chat\",what=\"ring\",result=\"taken\"}", 1.0),
            ("serinus_notifications_total{channel=\"chat\",what=\"end\",result=\"refused\"}", 1.0),
            ("serinus_tries_repeated_total{channel=\"chat\"}", 1.0),
            ("serinus_owed{channel=\"chat\"}", 3.0),
            ("serinus_owed_oldest_timestamp_seconds{channel=\"chat\"}", 1_763_725_500.5),
            ("serinus_tries_waiting{channel=\"chat\"}", 2.0),
            ("serinus_incidents{severity=\"page\"}", 4.0),
            ("serinus_incidents{severity=\"critical\"}", 0.0),
            ("serinus_incidents{severity=\"none\"}", 0.0),
        ] {
            assert_eq!(seen.get(series), Some(&expected), "{series} in {seen:#?}");
        }
    }

    #[test]
    fn nothing_is_owed_to_a_channel_that_is_gone() {
        let seen = seen(|| {
            owed("chat", 3, Some(Duration::from_secs(5)));
            waiting("chat", 2);
            channel_gone("chat");
        });
        assert!(!seen.is_empty() && seen.values().all(|value| *value == 0.0), "{seen:#?}");
    }
}
