//! What a process says of itself to the others, and the task that says it for as long as the process is there.

use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, SystemTime};

use serde::{Deserialize, Serialize};
use tokio::task::JoinHandle;
use tokio::time::MissedTickBehavior;

use crate::base::time::epoch_ms;
use crate::history::Fleet;
use crate::plan::Fingerprints;

/// How often a process says that it is there.
const SAYS: Duration = Duration::from_secs(5);

/// What a process says of itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct InstanceInfo {
    /// The regions that it probes from, or would.
    pub regions: Vec<Arc<str>>,
    /// Its version.
    pub version: String,
    /// The machine's name.
    pub host: String,
    /// When it began by its own clock, milliseconds since the epoch.
    #[serde(default)]
    pub started_ms: i64,
    /// The fingerprint of its channels, routes and regions; empty if it does not say.
    #[serde(default)]
    pub alerting: String,
    /// That of its probes, likewise.
    #[serde(default)]
    pub probes: String,
}

impl InstanceInfo {
    /// This process, but for the fingerprints of its configuration.
    pub(super) fn of_this(regions: Vec<Arc<str>>) -> Self {
        let host = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default().trim().to_owned();
        let (version, started_ms) = (env!("CARGO_PKG_VERSION").to_owned(), epoch_ms(SystemTime::now()));
        Self { regions, version, host, started_ms, alerting: String::new(), probes: String::new() }
    }

    /// What it says, with the configuration that is in force now.
    pub(super) fn json(&self, in_force: &RwLock<Fingerprints>) -> String {
        let Fingerprints { alerting, probes } = in_force.read().unwrap_or_else(PoisonError::into_inner).clone();
        serde_json::to_string(&Self { alerting, probes, ..self.clone() }).unwrap_or_default()
    }

    /// What of this one differs from another one, in closed words: "version", or else "alerting" and "probes". Fingerprints of
    /// different versions say nothing about each other.
    pub fn differs(&self, from: &Self) -> Vec<&'static str> {
        if self.version != from.version {
            return vec!["version"];
        }
        let differ = |own: &str, other: &str| !own.is_empty() && !other.is_empty() && own != other;
        let all = [("alerting", &self.alerting, &from.alerting), ("probes", &self.probes, &from.probes)];
        all.into_iter().filter(|(_, own, other)| differ(own, other)).map(|(word, ..)| word).collect()
    }
}

/// What a word of [`InstanceInfo::differs`] is called.
pub fn differing(word: &str) -> &'static str {
    match word {
        "version" => "another version",
        "alerting" => "other channels, routes or regions",
        _ => "other probes",
    }
}

/// The task that says that this process is there. It ends when it is dropped.
pub struct Announcing(JoinHandle<()>);

impl Announcing {
    /// Says so from now on, on the runtime it is called on; `info` is what it says each time.
    pub(super) fn start(fleet: Arc<dyn Fleet>, holder: String, info: impl Fn() -> String + Send + 'static) -> Self {
        Self(tokio::spawn(async move {
            let mut rounds = tokio::time::interval(SAYS);
            rounds.set_missed_tick_behavior(MissedTickBehavior::Delay);
            loop {
                rounds.tick().await;
                // Whoever keeps the leases, or waits for one, says that the store does not answer.
                let _asked = fleet.announce(holder.clone(), info()).await;
            }
        }))
    }

    /// Says it no more.
    pub(super) async fn stop(mut self) {
        self.0.abort();
        // That it was cut is what was asked for.
        let _cut = (&mut self.0).await;
    }
}

impl Drop for Announcing {
    fn drop(&mut self) {
        self.0.abort();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn info(version: &str, alerting: &str, probes: &str) -> InstanceInfo {
        let of_this = InstanceInfo::of_this(vec!["eu".into()]);
        InstanceInfo { version: version.to_owned(), alerting: alerting.to_owned(), probes: probes.to_owned(), ..of_this }
    }

    #[test]
    fn what_differs_is_told_in_words_and_fingerprints_of_another_version_say_nothing() {
        let own = info("1", "a", "p");
        for (other, expected) in [
            (info("1", "a", "p"), &[][..]),
            (info("1", "b", "p"), &["alerting"]),
            (info("1", "b", "q"), &["alerting", "probes"]),
            (info("2", "b", "q"), &["version"]),
            (info("1", "", "q"), &["probes"]),
        ] {
            assert_eq!(other.differs(&own), expected);
        }
    }

    #[test]
    fn what_one_says_has_the_configuration_in_force_and_is_read_back() {
        let in_force = RwLock::new(Fingerprints { alerting: "a".to_owned(), probes: "p".to_owned() });
        let own = info("1", "", "");
        let read: InstanceInfo = serde_json::from_str(&own.json(&in_force)).unwrap();
        assert_eq!(read, info("1", "a", "p").with_start_of(&own));
        let before: InstanceInfo = serde_json::from_str(r#"{"regions":["eu"],"version":"1","host":"h"}"#).unwrap();
        assert_eq!(before.differs(&read), [""; 0], "one that does not say does not differ");
    }

    impl InstanceInfo {
        fn with_start_of(self, other: &Self) -> Self {
            Self { started_ms: other.started_ms, ..self }
        }
    }
}
