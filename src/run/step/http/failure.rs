//! What went wrong below HTTP, and whose fault it is.

use std::error::Error;
use std::io;

use crate::outcome::Reason;
use crate::run::step::TransportError;

use super::marks::Marks;
use super::resolver::ResolveError;

impl TransportError {
    /// What a client's error means. `got_byte` says whether an answer had begun.
    pub(super) fn of(error: &reqwest::Error, marks: &Marks, got_byte: bool) -> Self {
        let reason = reason_of(error, marks);
        // Whoever cannot connect has sent nothing, unless it was asked before.
        let unsent = error.is_builder() || (error.is_connect() && !got_byte);
        let message = if error.is_connect() && error.is_timeout() {
            format!("connecting took too long: waiting for {}", marks.waiting_for())
        } else {
            match marks.unread_upload().filter(|_| !unsent && !got_byte) {
                Some(unread) => format!("{}; {unread}", told(error)),
                None => told(error),
            }
        };
        Self { reason, message, sent: marks.sent_before() || !unsent, got_byte }
    }
}

/// Errors of the operating system that mean this machine has run out of something. Numbers of Linux, where the service
/// runs; elsewhere they are other errors and read as `connect`.
const OUT_OF_RESOURCES: [i32; 4] = [
    12,  // ENOMEM
    23,  // ENFILE
    24,  // EMFILE
    105, // ENOBUFS
];

/// No port is left to connect from, or the address is none this machine can use: only the first is want of something.
const EADDRNOTAVAIL: i32 = 99;

/// Whether this machine or process has run out of something.
pub(in crate::run::step) fn out_of_resources(error: &io::Error) -> bool {
    match error.raw_os_error() {
        Some(EADDRNOTAVAIL) => no_port_is_left(),
        Some(code) => OUT_OF_RESOURCES.contains(&code),
        None => false,
    }
}

/// Tried out, since the error alone would excuse a target that can never be reached from here.
fn no_port_is_left() -> bool {
    let any = std::net::SocketAddr::from(([0, 0, 0, 0], 0));
    tokio::net::TcpSocket::new_v4().and_then(|socket| socket.bind(any)).is_err()
}

fn reason_of(error: &reqwest::Error, marks: &Marks) -> Reason {
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
        return match (error.is_timeout(), marks.in_tls()) {
            // The target was not even looked up.
            (true, _) if marks.in_queue() => Reason::Resources,
            (true, _) => Reason::Timeout,
            (false, true) => Reason::Tls,
            (false, false) => Reason::Connect,
        };
    }
    Reason::Protocol
}

/// The error and what is behind it, in one line, without repetitions and without the URL, which is told elsewhere.
pub(super) fn told(error: &reqwest::Error) -> String {
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
