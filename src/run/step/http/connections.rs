//! Which connection a request goes over.
//!
//! Nothing in an answer of HTTP/1.1 says which request it is for: what a target left on a connection, or sends late, would be taken
//! for the answer to the next request and could make a failing step pass. reqwest does not let anybody look at what waits on a
//! connection, and what arrives just after a request was written cannot be told from its answer by anyone. So a connection of
//! HTTP/1.1 serves one request, without exception: each request gets a client of its own, and a client makes one connection
//! ([`OneConnection`](super::timings::OneConnection)).
//!
//! Answers of HTTP/2 carry the number of their request. A client whose answer came over HTTP/2 is kept for the rest of the run
//! and shared by the device's requests to that origin; it can never turn to HTTP/1.1, since it cannot connect again. A change
//! here must keep both halves of this.

use std::error::Error;
use std::io;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use url::{Origin, Url};

use super::failure::Chain;
use super::timings::ConnectionUsed;

/// How long a kept connection may have been idle to be used for a request that must not be sent twice. The longer it was idle,
/// the likelier the target is just closing it.
const TRUSTED: Duration = Duration::from_secs(2);

/// The kept connections of a device, by origin. A run asks few of them.
#[derive(Debug, Default)]
pub(super) struct Connections(Mutex<Vec<Http2Connection>>);

#[derive(Debug)]
struct Http2Connection {
    origin: Origin,
    client: reqwest::Client,
    used: Instant,
}

impl Connections {
    fn kept(&self) -> MutexGuard<'_, Vec<Http2Connection>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The kept connection to the origin of `url`, if a request may go over it. It may be closed all the same.
    pub(super) fn get(&self, url: &Url, idempotent: bool, now: Instant) -> Option<reqwest::Client> {
        let mut kept = self.kept();
        let known = find(&mut kept, url)?;
        if !trusted(now.saturating_duration_since(known.used), idempotent) {
            return None;
        }
        known.used = now;
        Some(known.client.clone())
    }

    /// Keeps the connection of a client that has just answered over HTTP/2, instead of an older one.
    pub(super) fn keep(&self, url: &Url, client: reqwest::Client, now: Instant) {
        let mut kept = self.kept();
        match find(&mut kept, url) {
            Some(known) => (known.client, known.used) = (client, now),
            None => kept.push(Http2Connection { origin: url.origin(), client, used: now }),
        }
    }

    /// An answer has ended: from `now` on the connection is idle.
    pub(super) fn rest(&self, url: &Url, now: Instant) {
        if let Some(known) = find(&mut self.kept(), url) {
            known.used = now;
        }
    }

    /// Forgets all kept connections. Exchanges under way go on.
    pub(super) fn clear(&self) {
        self.kept().clear();
    }
}

fn find<'a>(kept: &'a mut [Http2Connection], url: &Url) -> Option<&'a mut Http2Connection> {
    // Most devices keep none, and an origin has to be made.
    if kept.is_empty() {
        return None;
    }
    let origin = url.origin();
    kept.iter_mut().find(|known| known.origin == origin)
}

/// Whether a request may go over a connection that was idle for so long.
fn trusted(idle: Duration, idempotent: bool) -> bool {
    idempotent || idle <= TRUSTED
}

/// Whether a request that ended in `error` over a kept connection is sent again over a new one. It is if the connection had
/// ended, which is no failure of the target, and the target has not processed the request or may process it twice.
pub(super) fn ask_again(error: &reqwest::Error, idempotent: bool) -> bool {
    Chain::of(error).any(|error| unprocessed(error) || (idempotent && lost(error)))
}

/// The target cannot have seen the request, or says that it did not act on it (RFC 9113, sections 6.8 and 8.7).
fn unprocessed(error: &(dyn Error + 'static)) -> bool {
    let refused =
        |error: &h2::Error| error.is_remote() && (error.is_go_away() || error.reason() == Some(h2::Reason::REFUSED_STREAM));
    error.is::<ConnectionUsed>() || error.downcast_ref().is_some_and(refused)
}

/// The connection came to an end.
fn lost(error: &(dyn Error + 'static)) -> bool {
    use io::ErrorKind::{BrokenPipe, ConnectionAborted, ConnectionReset, NotConnected, UnexpectedEof};
    let ended = |error: &io::Error| {
        matches!(error.kind(), BrokenPipe | ConnectionAborted | ConnectionReset | NotConnected | UnexpectedEof)
    };
    let closed = |error: &hyper::Error| error.is_closed() || error.is_canceled() || error.is_incomplete_message();
    error.downcast_ref().is_some_and(ended)
        || error.downcast_ref::<h2::Error>().and_then(h2::Error::get_io).is_some_and(ended)
        || error.downcast_ref().is_some_and(closed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_may_be_sent_twice_goes_over_a_connection_that_was_idle_for_long() {
        let long = TRUSTED + Duration::from_millis(1);
        assert!(trusted(TRUSTED, false) && trusted(long, true));
        assert!(!trusted(long, false));
    }
}
