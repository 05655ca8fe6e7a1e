//! Failures below HTTP, and whose fault they are.

use std::error::Error;
use std::io;

use crate::outcome::Reason;
use crate::run::step::TransportError;
use crate::run::step::lookup::ResolveError;
use crate::run::step::resources::out_of_resources;

use super::timings::Timings;

impl TransportError {
    /// What a client's error means. `got_byte` says whether an answer had begun.
    pub(super) fn of(error: &reqwest::Error, timings: &Timings, got_byte: bool) -> Self {
        let reason = reason_of(error, timings);
        // Without a connection nothing was sent, unless an earlier request of the exchange was.
        let unsent = error.is_builder() || (error.is_connect() && !got_byte);
        let message = if error.is_connect() && error.is_timeout() {
            format!("connecting took too long: waiting for {}", timings.waiting_for())
        } else {
            match timings.unread_upload().filter(|_| !unsent && !got_byte) {
                Some(unread) => format!("{}; {unread}", error_chain(error)),
                None => error_chain(error),
            }
        };
        Self { reason, message, sent: timings.sent_before() || !unsent, got_byte }
    }
}

fn reason_of(error: &reqwest::Error, timings: &Timings) -> Reason {
    let found = |test: fn(&(dyn Error + 'static)) -> bool| Chain::of(error).any(test);
    if found(|error| error.downcast_ref().is_some_and(out_of_resources)) {
        return Reason::Resources;
    }
    if error.is_builder() {
        return Reason::NotEvaluable;
    }
    if found(|error| error.downcast_ref().is_some_and(ResolveError::is_ours)) {
        return Reason::Resources;
    }
    if found(<dyn Error>::is::<ResolveError>) {
        return Reason::Dns;
    }
    if found(<dyn Error>::is::<rustls::Error>) {
        return Reason::Tls;
    }
    if error.is_connect() {
        return match (error.is_timeout(), timings.in_tls()) {
            // The name was not even looked up.
            (true, _) if timings.in_queue() => Reason::Resources,
            (true, _) => Reason::Timeout,
            (false, true) => Reason::Tls,
            (false, false) => Reason::Connect,
        };
    }
    Reason::Protocol
}

/// The error and what is behind it, in one line, without repetitions and without the URL, which is told elsewhere.
pub(super) fn error_chain(error: &reqwest::Error) -> String {
    let mut told: Vec<String> = Vec::new();
    // The client's own wrapper says no more than the reason does.
    let causes = Chain::of(error).skip(1).filter(|error| !error.is::<hyper_util::client::legacy::Error>());
    for error in causes {
        let text = error.to_string();
        if told.last().is_none_or(|last| !last.contains(&text)) {
            told.push(text);
        }
    }
    if told.is_empty() { "the request failed".to_owned() } else { told.join(": ") }
}

/// An error and everything behind it. Steps into what an `io::Error` wraps, which `source` skips.
pub(super) struct Chain<'a>(Option<&'a (dyn Error + 'static)>);

impl<'a> Chain<'a> {
    /// The chain that begins with `error`.
    pub(super) fn of(error: &'a reqwest::Error) -> Self {
        Self(Some(error))
    }
}

impl<'a> Iterator for Chain<'a> {
    type Item = &'a (dyn Error + 'static);

    fn next(&mut self) -> Option<Self::Item> {
        let current = self.0?;
        let wrapped = current.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
        self.0 = match wrapped {
            Some(inner) => Some(inner),
            None => current.source(),
        };
        Some(current)
    }
}
