//! Failures without an answer, and whose fault they are.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use crate::outcome::Reason;
use crate::run::dns::QueryError;
use crate::run::step::TransportError;
use crate::run::step::resources::out_of_resources;

use super::progress::QueryStage;

impl TransportError {
    /// No socket could be opened, because the process is out of files.
    pub(super) fn of_no_socket(error: &io::Error) -> Self {
        Self::unsent(Reason::Resources, format!("no socket could be opened: {error}"))
    }

    /// The attempt's bound passed.
    pub(super) fn of_a_late_answer(bound: Duration, stage: Option<QueryStage>) -> Self {
        let waiting_for = stage.map_or("the answer", |stage| stage.waiting_for());
        let bound = humantime::format_duration(bound);
        let after = if stage.is_some_and(|stage| stage.is_truncated()) { TRUNCATED } else { "" };
        of_stage(Reason::Timeout, format!("{after}no answer within {bound}: waiting for {waiting_for}"), stage)
    }

    /// The failures of the servers that were asked, in their order. Each server was waited for so long and asked so often; the
    /// last one gives the reason.
    pub(super) fn of_servers(
        failed: &[(SocketAddr, QueryError)],
        patience: Duration,
        rounds: usize,
        stage: Option<QueryStage>,
    ) -> Self {
        let mut reason = Reason::Timeout;
        let mut told = Vec::with_capacity(failed.len());
        for (server, why) in failed {
            let (of_one, what) = of_one(why, patience, rounds);
            reason = of_one;
            told.push(if failed.len() == 1 { what } else { format!("{server}: {what}") });
        }
        let after = if stage.is_some_and(|stage| stage.is_truncated()) { TRUNCATED } else { "" };
        of_stage(reason, format!("{after}{}", told.join("; ")), stage)
    }
}

/// What a message begins with where the answer that failed was one over TCP.
const TRUNCATED: &str = "the answer over UDP was truncated, and over TCP: ";

fn of_stage(reason: Reason, message: String, stage: Option<QueryStage>) -> TransportError {
    let (sent, got_byte) = stage.map_or((false, false), |stage| (stage.sent, stage.answered));
    TransportError { reason, message, sent, got_byte }
}

fn of_one(why: &QueryError, patience: Duration, rounds: usize) -> (Reason, String) {
    let waited = || {
        let times = if rounds == 1 { String::new() } else { format!(", {rounds} times") };
        (Reason::Timeout, format!("no answer: it was waited for {}{times}", humantime::format_duration(patience)))
    };
    match why {
        QueryError::Silent => waited(),
        QueryError::Unreachable(error) if error.kind() == io::ErrorKind::TimedOut => waited(),
        QueryError::Unreachable(error) | QueryError::Broken(error) if out_of_resources(error) => {
            (Reason::Resources, format!("it cannot be asked: {error}"))
        }
        QueryError::Unreachable(error) => (Reason::Connect, format!("it cannot be asked: {error}")),
        QueryError::Broken(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
            (Reason::Protocol, "the connection was closed before the answer's end".to_owned())
        }
        QueryError::Broken(error) => (Reason::Protocol, format!("what came is no answer: {error}")),
    }
}
