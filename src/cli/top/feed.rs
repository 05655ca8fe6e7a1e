//! The stream of a service, kept up: it is asked for again whenever it ends.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::task::AbortHandle;
use tokio::time::{Instant, sleep_until};

use crate::cli::client::Client;
use crate::cli::exit::Failure;

use super::data::{Head, Incident, Probe};
use super::sse::{SseEvent, SseReader};

/// How long a service that says nothing is listened to: it says something at least every five seconds.
const SILENT: Duration = Duration::from_secs(12);
/// How long after a failure it is asked again, at first and at most.
const AGAIN: (Duration, Duration) = (Duration::from_millis(500), Duration::from_secs(5));
/// Events that wait to be looked at.
const WAITING: usize = 64;

/// What is heard.
#[derive(Debug)]
pub(super) enum Heard {
    /// What is so of all.
    Head(Head),
    /// Every open incident.
    Incidents(Vec<Incident>),
    /// Every probe that was asked for.
    Probes(Vec<Probe>),
    /// That it goes on.
    Beat,
    /// Why nothing comes just now.
    Lost(String),
}

/// Listens until it is dropped.
pub(super) struct Feed {
    client: Arc<Client>,
    query: Vec<(&'static str, String)>,
    heard: mpsc::Receiver<Heard>,
    listening: AbortHandle,
    /// When it is begun anew, since what listened has died.
    again_at: Option<Instant>,
}

impl Feed {
    /// Listens to a service; the first answer, where there is one already, saves asking.
    pub(super) fn start(client: Arc<Client>, query: Vec<(&'static str, String)>, first: Option<reqwest::Response>) -> Self {
        let (tell, heard) = mpsc::channel(WAITING);
        let listening = tokio::spawn(listen(Arc::clone(&client), query.clone(), first, tell)).abort_handle();
        Self { client, query, heard, listening, again_at: None }
    }

    /// What comes next. It may be dropped and asked for again.
    pub(super) async fn next(&mut self) -> Heard {
        loop {
            if let Some(heard) = self.heard.recv().await {
                return heard;
            }
            // It goes on until it is dropped, so that only a panic has ended it.
            match self.again_at {
                None => {
                    self.again_at = Some(Instant::now() + AGAIN.1);
                    return Heard::Lost("what listens to the service died, which is a defect; it is begun anew".to_owned());
                }
                Some(at) => {
                    sleep_until(at).await;
                    *self = Self::start(Arc::clone(&self.client), self.query.clone(), None);
                }
            }
        }
    }
}

impl Drop for Feed {
    fn drop(&mut self) {
        self.listening.abort();
    }
}

/// Asks for the stream.
pub(super) async fn ask(client: &Client, query: &[(&'static str, String)]) -> Result<reqwest::Response, Failure> {
    client.follow(&["stream"], query).await
}

async fn listen(
    client: Arc<Client>,
    query: Vec<(&'static str, String)>,
    mut first: Option<reqwest::Response>,
    tell: mpsc::Sender<Heard>,
) {
    let mut wait = AGAIN.0;
    loop {
        let answer = match first.take() {
            Some(answer) => Ok(answer),
            None => ask(&client, &query).await,
        };
        let why = match answer {
            Ok(answer) => match hear(answer, &tell).await {
                Ended::Unheard => return,
                // A stream ends now and then, and that is no failure.
                Ended::Well => {
                    wait = AGAIN.0;
                    None
                }
                Ended::Lost(why) => Some(why),
            },
            Err(failure) => Some(failure.message),
        };
        if let Some(why) = why {
            if tell.send(Heard::Lost(why)).await.is_err() {
                return;
            }
            tokio::time::sleep(wait).await;
            wait = (wait * 2).min(AGAIN.1);
        } else {
            tokio::time::sleep(AGAIN.0).await;
        }
    }
}

enum Ended {
    /// By the service.
    Well,
    Lost(String),
    /// Nobody wants to hear it any more.
    Unheard,
}

async fn hear(mut answer: reqwest::Response, tell: &mpsc::Sender<Heard>) -> Ended {
    let mut reader = SseReader::default();
    let mut has_heard = false;
    loop {
        let piece = match tokio::time::timeout(SILENT, answer.chunk()).await {
            Ok(Ok(Some(piece))) => piece,
            Ok(Ok(None)) if has_heard => return Ended::Well,
            Ok(Ok(None)) => return Ended::Lost("the service ended the stream at once".to_owned()),
            Ok(Err(_broken)) => return Ended::Lost("the connection broke".to_owned()),
            Err(_late) => return Ended::Lost("the service says nothing".to_owned()),
        };
        let Ok(events) = reader.take(&piece) else {
            return Ended::Lost("what answers is no serinus service".to_owned());
        };
        for event in events {
            let heard = match read(&event) {
                Ok(Some(heard)) => heard,
                Ok(None) => continue,
                Err(error) => return Ended::Lost(format!("the service tells what this version cannot read: {error}")),
            };
            has_heard = true;
            if tell.send(heard).await.is_err() {
                return Ended::Unheard;
            }
        }
    }
}

/// What an event says; nothing where this version does not know it.
fn read(event: &SseEvent) -> serde_json::Result<Option<Heard>> {
    Ok(match &*event.name {
        "head" => Some(Heard::Head(serde_json::from_str(&event.data)?)),
        "incidents" => Some(Heard::Incidents(serde_json::from_str(&event.data)?)),
        "probes" => Some(Heard::Probes(serde_json::from_str(&event.data)?)),
        "beat" => Some(Heard::Beat),
        _ => None,
    })
}

#[cfg(test)]
mod tests {
    use crate::cli::args::ServiceArgs;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn what_listens_and_dies_is_said_and_begun_anew() {
        let args = ServiceArgs { url: Some("http://127.0.0.1:1".to_owned()), token: None };
        let client = Arc::new(Client::new(&args, None).unwrap());
        let mut feed = Feed::start(client, Vec::new(), None);
        feed.listening.abort();
        while !feed.listening.is_finished() {
            tokio::task::yield_now().await;
        }
        assert!(matches!(feed.next().await, Heard::Lost(why) if why.contains("is begun anew")));
        let died = Instant::now();
        // Whoever draws asks again and again.
        let heard = loop {
            tokio::select! {
                heard = feed.next() => break heard,
                () = tokio::time::sleep(Duration::from_secs(1)) => {}
            }
        };
        assert!(matches!(heard, Heard::Lost(why) if why.contains("the service at http://127.0.0.1:1")));
        assert!(died.elapsed() >= AGAIN.1);
    }

    #[test]
    fn an_event_that_this_version_does_not_know_is_passed_over_and_a_broken_one_is_not() {
        let event = |name: &str, data: &str| SseEvent { name: name.to_owned(), data: data.to_owned() };
        assert!(matches!(read(&event("head", r#"{"at_ms": 7}"#)), Ok(Some(Heard::Head(Head { at_ms: 7, .. })))));
        assert!(matches!(read(&event("weather", "{}")), Ok(None)));
        assert!(read(&event("probes", "{")).is_err());
    }
}
