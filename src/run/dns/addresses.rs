//! The addresses of one name, as resolv.conf(5) says: each server in turn, each as often as `attempts`. Both families are asked for
//! at once.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use hickory_proto::op::ResponseCode;
use hickory_proto::rr::{Name, RData, RecordType};
use tokio::time::Instant;

use super::Unresolved;
use super::exchange::{Unanswered, Way, ask_server};
use super::question::Question;
use super::settings::Settings;

/// All addresses of `name`, which is complete.
pub(super) async fn ask(name: &Name, settings: &Settings) -> Result<Vec<IpAddr>, Unresolved> {
    let kinds: &[RecordType] = if settings.no_six { &[RecordType::A] } else { &[RecordType::A, RecordType::AAAA] };
    let mut questions = kinds.iter().map(|kind| question(name, *kind)).collect::<Result<Vec<_>, _>>()?;
    let mut trouble = None;
    let mut last = settings.servers[0];
    let first = if settings.rotate { next_server() } else { 0 };
    'asking: for _ in 0..settings.attempts {
        for turn in 0..settings.servers.len() {
            last = settings.servers[(first + turn) % settings.servers.len()];
            match ask_one(last, &mut questions, settings).await {
                Ok(()) => break 'asking,
                // Who has some addresses need not wait for a server that is silent about the other family.
                Err(_) if questions.iter().any(|question| !addresses(question).is_empty()) => break 'asking,
                Err(error) => trouble = Some(error),
            }
        }
    }
    conclude(&questions, last, trouble)
}

fn question(name: &Name, kind: RecordType) -> Result<Question, Unresolved> {
    Question::new(name, kind, |flags| flags.recursion_desired = true).map_err(|error| Unresolved::NoName(error.to_string()))
}

fn next_server() -> usize {
    static TURN: AtomicUsize = AtomicUsize::new(0);
    TURN.fetch_add(1, Ordering::Relaxed)
}

fn conclude(questions: &[Question], last: SocketAddr, trouble: Option<Unresolved>) -> Result<Vec<IpAddr>, Unresolved> {
    let found: Vec<IpAddr> = questions.iter().flat_map(addresses).collect();
    let is_open = questions.iter().any(|question| question.answer.is_none());
    let exists = questions.iter().filter_map(code).any(|code| code == ResponseCode::NoError);
    match trouble {
        _ if !found.is_empty() => Ok(found),
        Some(trouble) if is_open => Err(trouble),
        _ if exists => Err(Unresolved::NoAddress(last)),
        _ => Err(Unresolved::NoSuchName(last)),
    }
}

/// Asks one server once for what is not known yet. An answer that says neither that there is something nor that there is nothing
/// is none: the next server may know.
async fn ask_one(server: SocketAddr, questions: &mut [Question], settings: &Settings) -> Result<(), Unresolved> {
    let deadline = Instant::now() + settings.timeout;
    let way = Way { server, from: None, tcp: settings.tcp, deadline, heeds_broken: false, note: &|_| {} };
    let asked = ask_server(questions, &way).await;
    let mut refused = None;
    for question in questions {
        if let Some(code) = code(question).filter(|code| !matches!(code, ResponseCode::NoError | ResponseCode::NXDomain)) {
            refused = Some(Unresolved::Refused(server, code));
            question.answer = None;
        }
    }
    match (asked, refused) {
        (Ok(()) | Err(Unanswered::Silent), Some(refused)) => Err(refused),
        (Ok(()), None) => Ok(()),
        (Err(Unanswered::Silent), None) => {
            let waited = humantime::format_duration(settings.timeout);
            Err(Unresolved::Silent(format!("{server} was waited for {waited}, {} times", settings.attempts)))
        }
        (Err(Unanswered::Unreachable(error) | Unanswered::Broken(error)), _) => {
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
