//! The addresses of a host, as resolv.conf(5) says: which names are tried (`ndots`, `search` and the closing dot), and for each name
//! each server in turn, each as often as `attempts`. Both families are asked for at once.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use hickory_proto::op::ResponseCode;
use hickory_proto::rr::{Name, RData, RecordType};
use tokio::time::Instant;

use super::Unresolved;
use super::client::{QueryError, QueryOptions, ask_server};
use super::question::Question;
use super::settings::Settings;

/// The addresses of the first name that has some.
pub(super) async fn resolve(host: &str, settings: &Settings) -> Result<Vec<IpAddr>, Unresolved> {
    let mut found_nothing: Option<Unresolved> = None;
    for name in candidates(host, settings)? {
        match ask(&name, settings).await {
            Ok(addresses) => return Ok(addresses),
            Err(error @ Unresolved::Refused(..)) => found_nothing = Some(error),
            // A server that refused says more than a name that does not exist.
            Err(error @ (Unresolved::NoSuchName(_) | Unresolved::NoAddress(_))) => found_nothing = found_nothing.or(Some(error)),
            // If no server answers for one name, the next name must not be tried.
            Err(error) => return Err(error),
        }
    }
    Err(found_nothing.unwrap_or_else(|| Unresolved::NoName("it is too long".to_owned())))
}

/// Names to try, in order.
fn candidates(host: &str, settings: &Settings) -> Result<Vec<Name>, Unresolved> {
    let mut alone = Name::from_ascii(host).map_err(|error| Unresolved::NoName(error.to_string()))?;
    if alone.num_labels() == 0 {
        return Err(Unresolved::NoName("it is empty".to_owned()));
    }
    if alone.is_fqdn() {
        return Ok(vec![alone]);
    }
    // What would be too long with a suffix is no name.
    let mut names: Vec<Name> = settings.search.iter().filter_map(|suffix| alone.clone().append_domain(suffix).ok()).collect();
    alone.set_fqdn(true);
    let enough_dots = host.matches('.').count() >= settings.ndots;
    names.insert(if enough_dots { 0 } else { names.len() }, alone);
    Ok(names)
}

/// All addresses of `name`, which is complete.
async fn ask(name: &Name, settings: &Settings) -> Result<Vec<IpAddr>, Unresolved> {
    let kinds: &[RecordType] = if settings.no_six { &[RecordType::A] } else { &[RecordType::A, RecordType::AAAA] };
    let mut questions = kinds.iter().map(|kind| question(name, *kind)).collect::<Result<Vec<_>, _>>()?;
    let mut failure = None;
    let mut last = settings.servers[0];
    let first = if settings.rotate { next_server() } else { 0 };
    'asking: for _ in 0..settings.attempts {
        for at in 0..settings.servers.len() {
            last = settings.servers[(first + at) % settings.servers.len()];
            match ask_one(last, &mut questions, settings).await {
                Ok(()) => break 'asking,
                // With addresses of one family there is no need to wait for a server that does not answer for the other.
                Err(_) if questions.iter().any(|question| !addresses(question).is_empty()) => break 'asking,
                Err(error) => failure = Some(error),
            }
        }
    }
    conclude(&questions, last, failure)
}

fn question(name: &Name, kind: RecordType) -> Result<Question, Unresolved> {
    Question::new(name, kind, |flags| flags.recursion_desired = true).map_err(|error| Unresolved::NoName(error.to_string()))
}

fn next_server() -> usize {
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    NEXT.fetch_add(1, Ordering::Relaxed)
}

fn conclude(questions: &[Question], last: SocketAddr, failure: Option<Unresolved>) -> Result<Vec<IpAddr>, Unresolved> {
    let found: Vec<IpAddr> = questions.iter().flat_map(addresses).collect();
    let is_open = questions.iter().any(|question| question.answer.is_none());
    let exists = questions.iter().filter_map(code).any(|code| code == ResponseCode::NoError);
    match failure {
        _ if !found.is_empty() => Ok(found),
        Some(failure) if is_open => Err(failure),
        _ if exists => Err(Unresolved::NoAddress(last)),
        _ => Err(Unresolved::NoSuchName(last)),
    }
}

/// Asks one server once for what is not known yet. An answer with another code than NOERROR and NXDOMAIN does not count: the next
/// server may know.
async fn ask_one(server: SocketAddr, questions: &mut [Question], settings: &Settings) -> Result<(), Unresolved> {
    let deadline = Instant::now() + settings.timeout;
    let options = QueryOptions { server, from: None, tcp: settings.tcp, deadline, fail_on_malformed: false, note: &|_| {} };
    let asked = ask_server(questions, &options).await;
    let mut refused = None;
    for question in questions {
        if let Some(code) = code(question).filter(|code| !matches!(code, ResponseCode::NoError | ResponseCode::NXDomain)) {
            refused = Some(Unresolved::Refused(server, code));
            question.answer = None;
        }
    }
    match (asked, refused) {
        (Ok(()) | Err(QueryError::Silent), Some(refused)) => Err(refused),
        (Ok(()), None) => Ok(()),
        (Err(QueryError::Silent), None) => {
            let waited = humantime::format_duration(settings.timeout);
            Err(Unresolved::Silent(format!("{server} was waited for {waited}, {} times", settings.attempts)))
        }
        (Err(QueryError::Unreachable(error) | QueryError::Broken(error)), _) => {
            Err(Unresolved::Unreachable(server, Arc::new(error)))
        }
    }
}

fn code(question: &Question) -> Option<ResponseCode> {
    question.answer.as_ref().map(|answer| answer.metadata.response_code)
}

/// The addresses that a question's answer gives.
fn addresses(question: &Question) -> Vec<IpAddr> {
    let address = |data: &RData| match data {
        RData::A(address) => Some(IpAddr::V4(address.0)),
        RData::AAAA(address) => Some(IpAddr::V6(address.0)),
        _ => None,
    };
    question.records().into_iter().filter_map(|record| address(&record.data)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_search_list_comes_before_or_after_the_name_alone_by_its_dots_and_never_after_a_closing_dot() {
        let tried = |host: &str, ndots: usize| {
            let settings = Settings::parse(&format!("search a.test b.test\noptions ndots:{ndots}"), "", 53);
            candidates(host, &settings).unwrap().iter().map(ToString::to_string).collect::<Vec<_>>()
        };
        assert_eq!(tried("db", 1), ["db.a.test.", "db.b.test.", "db."]);
        assert_eq!(tried("db.x", 1), ["db.x.", "db.x.a.test.", "db.x.b.test."]);
        assert_eq!(tried("db.x", 5), ["db.x.a.test.", "db.x.b.test.", "db.x."]);
        assert_eq!(tried("db.x.", 5), ["db.x."]);
        assert!(candidates("", &Settings::parse("", "", 53)).is_err());
        assert!(candidates(&"a".repeat(64), &Settings::parse("", "", 53)).is_err());
    }
}
