//! The check of the prober's own network: endpoints that do not fail together are tried all the time. If most of them do not
//! answer, the network is down.
//!
//! Owns a thread with a runtime of its own, so that neither the runs nor their look-ups can starve it, and connections that are
//! new each time. It says whether the network is down, never whose fault a failure is: the engine decides that, and asks only for
//! failures without a byte of an answer. A stall of the process looks like an outage; the clock tells them apart.

use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use futures::future::join_all;
use metrics::gauge;
use tokio::sync::{Notify, watch};
use tokio_util::sync::CancellationToken;
use url::Url;

use crate::plan::SelfCheckSettings;

use super::step::http::HttpClients;

/// The least time between the starts of two rounds, whoever asks for them.
const APART: Duration = Duration::from_millis(500);
/// The longest a try may take. Two rounds of tries must end before a question is given up.
const LONGEST_TRY: Duration = Duration::from_secs(2);
/// The longest a question waits.
const LONGEST_QUESTION: Duration = Duration::from_secs(5);
/// A round that takes so much longer than its tries may take was stalled.
const STOOD_STILL: Duration = Duration::from_millis(250);
/// Threads for look-ups, which cannot be cut when they hang.
const LOOK_UPS: usize = 32;

const UP: &str = "serinus_self_check_up";
const ENDPOINT_UP: &str = "serinus_self_check_endpoint_up";

/// Tells whether the prober's own network is down. Cheap to clone.
#[derive(Clone)]
pub struct SelfCheck {
    shared: Arc<CheckHandle>,
}

struct CheckHandle {
    seen: watch::Receiver<CheckState>,
    ask: Notify,
    stop: CancellationToken,
    thread: Mutex<Option<JoinHandle<()>>>,
}

/// What the rounds have shown.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct CheckState {
    /// When the last round began; none has ended yet if absent.
    began: Option<Instant>,
    /// Rounds in a row in which most endpoints were away.
    away: u32,
    /// When the round began that found the network up again after it was last down.
    back: Option<Instant>,
}

/// What a round means to somebody who asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum NetworkState {
    Up,
    /// One round failed, which one more must confirm.
    Doubtful,
    Down,
}

impl CheckState {
    /// After a round that began at `began`, of which so many of all endpoints were away.
    fn after(self, began: Instant, away: usize, all: usize) -> Self {
        let most = away * 2 > all;
        let back = if self.network() == NetworkState::Down && !most { Some(began) } else { self.back };
        Self { began: Some(began), away: if most { self.away.saturating_add(1) } else { 0 }, back }
    }

    fn network(self) -> NetworkState {
        match self.away {
            0 => NetworkState::Up,
            1 => NetworkState::Doubtful,
            _ => NetworkState::Down,
        }
    }
}

impl SelfCheck {
    /// Starts trying the endpoints.
    ///
    /// # Errors
    /// The thread or its runtime cannot be started.
    pub fn start(settings: &SelfCheckSettings, clients: HttpClients) -> io::Result<Self> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().max_blocking_threads(LOOK_UPS).build()?;
        let (told, seen) = watch::channel(CheckState::default());
        let shared = Arc::new(CheckHandle { seen, ask: Notify::new(), stop: CancellationToken::new(), thread: Mutex::new(None) });
        let rounds = CheckLoop { settings: settings.clone(), clients, told, up: vec![true; settings.endpoints.len()] };
        let handle = Arc::clone(&shared);
        let thread = std::thread::Builder::new().name("self-check".to_owned()).spawn(move || {
            runtime.block_on(rounds.go_on(&handle));
            // A look-up that hangs holds a thread that nothing can end.
            runtime.shutdown_background();
        })?;
        *shared.thread.lock().unwrap_or_else(PoisonError::into_inner) = Some(thread);
        Ok(Self { shared })
    }

    /// Whether the network was down while something was tried from `began` to `failed_at`: most endpoints do not answer in a
    /// round that began later, nor in the round before that; or the network came back only after `began`. False if that is not
    /// known within 5 seconds.
    pub async fn excuses(&self, began: Instant, failed_at: Instant) -> bool {
        let mut seen = self.shared.seen.clone();
        let answer = async {
            loop {
                let now = *seen.borrow_and_update();
                match now.network() {
                    _ if now.began.is_none_or(|round| round < failed_at) => {}
                    NetworkState::Up => return now.back.is_some_and(|back| began < back),
                    NetworkState::Down => return true,
                    NetworkState::Doubtful => {}
                }
                self.shared.ask.notify_one();
                if seen.changed().await.is_err() {
                    // It was stopped.
                    return false;
                }
            }
        };
        tokio::time::timeout(LONGEST_QUESTION, answer).await.unwrap_or(false)
    }

    /// Whether the last two rounds say that the network is down.
    pub fn is_down(&self) -> bool {
        self.shared.seen.borrow().network() == NetworkState::Down
    }

    /// Ends the thread and waits for it. Blocks for as long as cutting a round takes, which is next to nothing.
    pub fn stop(&self) {
        self.shared.stop.cancel();
        let thread = self.shared.thread.lock().unwrap_or_else(PoisonError::into_inner).take();
        if thread.is_some_and(|thread| thread.join().is_err()) {
            tracing::error!("the self check panicked; this is a defect of the prober");
        }
    }
}

/// The thread's own.
struct CheckLoop {
    settings: SelfCheckSettings,
    clients: HttpClients,
    told: watch::Sender<CheckState>,
    /// Whether each endpoint answered the last time, to log changes only.
    up: Vec<bool>,
}

impl CheckLoop {
    async fn go_on(mut self, shared: &CheckHandle) {
        tokio::select! {
            () = shared.stop.cancelled() => {}
            () = self.rounds(shared) => {}
        }
    }

    async fn rounds(&mut self, shared: &CheckHandle) {
        loop {
            let began = Instant::now();
            self.round(began).await;
            let soon = began + APART;
            tokio::time::sleep_until(soon.into()).await;
            if self.told.borrow().network() != NetworkState::Doubtful {
                let rest = (self.settings.every).saturating_sub(soon.elapsed() + APART);
                let _ = tokio::time::timeout(rest, shared.ask.notified()).await;
            }
        }
    }

    async fn round(&mut self, began: Instant) {
        let bound = self.settings.timeout.min(LONGEST_TRY);
        let tries = self.settings.endpoints.iter().map(|endpoint| reach(&self.clients, endpoint, bound));
        let results = join_all(tries).await;
        if began.elapsed() > bound + STOOD_STILL {
            // The process stood still meanwhile: the bounds that passed say nothing.
            return;
        }
        let away = results.iter().filter(|result| result.is_err()).count();
        for ((endpoint, up), result) in self.settings.endpoints.iter().zip(&mut self.up).zip(&results) {
            note(endpoint, up, result);
        }
        let before = *self.told.borrow();
        let after = before.after(began, away, results.len());
        log(before.network(), after.network(), away, results.len());
        gauge!(UP).set(if after.network() == NetworkState::Down { 0.0 } else { 1.0 });
        self.told.send_replace(after);
    }
}

fn note(endpoint: &Url, up: &mut bool, result: &Result<(), String>) {
    let name = shown(endpoint);
    gauge!(ENDPOINT_UP, "endpoint" => name.clone()).set(if result.is_ok() { 1.0 } else { 0.0 });
    match (*up, result) {
        (true, Err(why)) => tracing::warn!(endpoint = name, why, "an endpoint of the self check does not answer"),
        (false, Ok(())) => tracing::info!(endpoint = name, "an endpoint of the self check answers again"),
        (true, Ok(())) | (false, Err(_)) => {}
    }
    *up = result.is_ok();
}

fn log(before: NetworkState, after: NetworkState, away: usize, all: usize) {
    match (before == NetworkState::Down, after == NetworkState::Down) {
        (false, true) => tracing::error!(
            away,
            all,
            "the prober's own network is down: runs that get no byte of an answer are errored until it is back"
        ),
        (true, false) => tracing::info!("the prober's own network is back"),
        (true, true) | (false, false) => {}
    }
}

/// The endpoint without what may be a credential.
fn shown(endpoint: &Url) -> String {
    let mut shown = endpoint.clone();
    // Only URLs without a host refuse this, and an endpoint without one never answers.
    let _ = shown.set_username("").and_then(|()| shown.set_password(None));
    shown.set_query(None);
    shown.into()
}

/// Whether the endpoint is there: any answer of a web server, or a connection where it is `tcp`.
async fn reach(clients: &HttpClients, endpoint: &Url, bound: Duration) -> Result<(), String> {
    let trying = async {
        match (endpoint.scheme(), endpoint.host_str(), endpoint.port()) {
            ("tcp", Some(host), Some(port)) => {
                let host = host.trim_matches(['[', ']']);
                tokio::net::TcpStream::connect((host, port)).await.map(drop).map_err(|error| error.to_string())
            }
            _ => clients.reach(endpoint).await,
        }
    };
    let late = || Err(format!("no answer within {}", humantime::format_duration(bound)));
    tokio::time::timeout(bound, trying).await.unwrap_or_else(|_elapsed| late())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn the_network_is_down_only_after_two_rounds_in_a_row_without_most_endpoints(
            rounds in prop::collection::vec(0_usize..=5, 1..20),
        ) {
            let mut seen = CheckState::default();
            for (at, away) in rounds.iter().enumerate() {
                seen = seen.after(Instant::now(), *away, 5);
                let bad = |at: usize| rounds[at] >= 3;
                prop_assert_eq!(seen.network() == NetworkState::Down, at > 0 && bad(at) && bad(at - 1));
                prop_assert_eq!(seen.network() == NetworkState::Up, !bad(at));
            }
        }
    }

    #[test]
    fn half_of_the_endpoints_is_not_most_of_them() {
        let seen = CheckState::default();
        assert_eq!(seen.after(Instant::now(), 1, 2).network(), NetworkState::Up);
        assert_eq!(seen.after(Instant::now(), 2, 2).network(), NetworkState::Doubtful);
    }

    #[test]
    fn what_may_be_a_credential_is_not_shown() {
        let url = Url::parse("https://user:pass@example.com/x?key=1").unwrap();
        assert_eq!(shown(&url), "https://example.com/x");
    }
}
