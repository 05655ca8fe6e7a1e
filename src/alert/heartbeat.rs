//! The dead-man's switch: somebody else's service that pages when nothing is heard of this one any more.
//!
//! It is pinged only while this process does its work. A ping that comes although pages do not get through would hide exactly
//! what the switch is for.

use std::sync::Arc;

use metrics::counter;
use tokio::time::MissedTickBehavior;

use crate::outcome::Secrets;
use crate::plan::Heartbeat;
use crate::plan::expr::Place;

use super::notify::{HttpClient, Trouble, render, scope};

/// Signs of life.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Signs {
    /// Ticks start when they are due.
    pub ticks_on_time: bool,
    /// Finished runs reach the alert rules.
    pub alerts_evaluated: bool,
    /// No page waits for too long, and no channel refuses them.
    pub pages_delivered: bool,
}

impl Signs {
    /// What is not as it should be; nothing if the switch may be pinged.
    pub fn missing(self) -> Vec<&'static str> {
        let signs = [
            (self.ticks_on_time, "ticks are late"),
            (self.alerts_evaluated, "alerts are not evaluated"),
            (self.pages_delivered, "pages are not delivered"),
        ];
        signs.into_iter().filter(|(is_there, _)| !is_there).map(|(_, what)| what).collect()
    }
}

/// Pings for as long as it is polled. `secrets` gives those of the day, `signs` how things stand.
pub async fn beat(
    client: HttpClient,
    heartbeat: Arc<Heartbeat>,
    secrets: impl Fn() -> Arc<Secrets> + Send,
    signs: impl Fn() -> Signs + Send,
) {
    let mut ticks = tokio::time::interval(heartbeat.every);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut last: Option<String> = None;
    loop {
        ticks.tick().await;
        let missing = signs().missing();
        let (result, trouble) = if missing.is_empty() {
            match ping(&client, &heartbeat, &secrets()).await {
                Ok(()) => ("sent", None),
                Err(trouble) => ("failed", Some(format!("it could not be sent: {trouble}"))),
            }
        } else {
            ("withheld", Some(format!("it is withheld: {}", missing.join(", "))))
        };
        counter!("serinus_heartbeats_total", "result" => result).increment(1);
        if trouble != last {
            if let Some(trouble) = &trouble {
                tracing::warn!("no heartbeat; {trouble}");
            } else {
                tracing::info!("the heartbeat is sent");
            }
            last = trouble;
        }
    }
}

async fn ping(client: &HttpClient, heartbeat: &Heartbeat, secrets: &Arc<Secrets>) -> Result<(), Trouble> {
    let url = render(&heartbeat.url, Place::Url, &scope(None, secrets), secrets)?;
    client.get(&url, heartbeat.timeout, secrets.redactor()).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_missing_sign_is_enough_to_stay_silent() {
        let well = Signs { ticks_on_time: true, alerts_evaluated: true, pages_delivered: true };
        assert!(well.missing().is_empty());
        assert_eq!(Signs { ticks_on_time: false, ..well }.missing(), ["ticks are late"]);
        assert_eq!(Signs { alerts_evaluated: false, ..well }.missing(), ["alerts are not evaluated"]);
        assert_eq!(Signs { pages_delivered: false, ..well }.missing(), ["pages are not delivered"]);
    }
}
