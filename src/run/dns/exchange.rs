//! Asks name servers for the addresses of one name, as resolv.conf(5) says: each server in turn, each as often as `attempts`,
//! over UDP and, where the answer does not fit, over TCP. Both families are asked for at once over one socket of a random port.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use hickory_proto::op::{Message, MessageType, Query, ResponseCode};
use hickory_proto::rr::{Name, RData, RecordType};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpStream, UdpSocket};
use tokio::time::{Instant, timeout_at};

use super::Unresolved;
use super::settings::Settings;

/// Bytes of an answer over UDP. We announce no more than the 512 that every server may send.
const DATAGRAM: usize = 4096;

/// Names that an answer may lead through.
const LONGEST_CHAIN: usize = 16;

/// What was asked and what is known of it.
struct Question {
    id: u16,
    query: Query,
    bytes: Vec<u8>,
    said: Option<Said>,
}

/// What a server said that settles a question.
enum Said {
    Addresses(Vec<IpAddr>),
    NoSuchName,
    NoAddress,
}

/// All addresses of `name`, which is complete.
pub(super) async fn ask(name: &Name, settings: &Settings) -> Result<Vec<IpAddr>, Unresolved> {
    let kinds: &[RecordType] = if settings.no_six { &[RecordType::A] } else { &[RecordType::A, RecordType::AAAA] };
    let mut questions = kinds.iter().map(|kind| Question::new(name, *kind)).collect::<Result<Vec<_>, _>>()?;
    let mut trouble = None;
    let mut last = settings.servers[0];
    let first = if settings.rotate { next_server() } else { 0 };
    'asking: for _ in 0..settings.attempts {
        for turn in 0..settings.servers.len() {
            last = settings.servers[(first + turn) % settings.servers.len()];
            match ask_server(last, &mut questions, settings).await {
                Ok(()) => break 'asking,
                // Who has some addresses need not wait for a server that is silent about the other family.
                Err(_) if questions.iter().any(|question| matches!(question.said, Some(Said::Addresses(_)))) => break 'asking,
                Err(error) => trouble = Some(error),
            }
        }
    }
    conclude(questions, last, trouble)
}

fn next_server() -> usize {
    static TURN: AtomicUsize = AtomicUsize::new(0);
    TURN.fetch_add(1, Ordering::Relaxed)
}

fn conclude(questions: Vec<Question>, last: SocketAddr, trouble: Option<Unresolved>) -> Result<Vec<IpAddr>, Unresolved> {
    let mut addresses = Vec::new();
    let (mut open, mut exists) = (false, false);
    for question in questions {
        match question.said {
            Some(Said::Addresses(some)) => addresses.extend(some),
            Some(Said::NoAddress) => exists = true,
            Some(Said::NoSuchName) => {}
            None => open = true,
        }
    }
    match trouble {
        _ if !addresses.is_empty() => Ok(addresses),
        Some(trouble) if open => Err(trouble),
        _ if exists => Err(Unresolved::NoAddress(last)),
        _ => Err(Unresolved::NoSuchName(last)),
    }
}

/// Asks one server once for what is not known yet.
async fn ask_server(server: SocketAddr, questions: &mut [Question], settings: &Settings) -> Result<(), Unresolved> {
    let unreachable = |error: io::Error| Unresolved::Unreachable(server, Arc::new(error));
    let deadline = Instant::now() + settings.timeout;
    let mut open: Vec<usize> = (0..questions.len()).filter(|&at| questions[at].said.is_none()).collect();
    let mut refused = None;
    if settings.tcp {
        for at in open {
            let question = &mut questions[at];
            let message = over_tcp(server, question, deadline).await.map_err(unreachable)?;
            question.take(&message, server)?;
        }
        return Ok(());
    }
    let socket = socket(server).await.map_err(unreachable)?;
    for &at in &open {
        socket.send(&questions[at].bytes).await.map_err(unreachable)?;
    }
    let mut datagram = vec![0; DATAGRAM];
    while !open.is_empty() {
        let Ok(received) = timeout_at(deadline, socket.recv(&mut datagram)).await else {
            let waited = humantime::format_duration(settings.timeout);
            let silent = Unresolved::Silent(format!("{server} was waited for {waited}, {} times", settings.attempts));
            return Err(refused.unwrap_or(silent));
        };
        let bytes = &datagram[..received.map_err(unreachable)?];
        // What cannot be read, or answers something else, is not from whom was asked.
        let Ok(mut message) = Message::from_vec(bytes) else { continue };
        let Some(place) = open.iter().position(|&at| questions[at].is_answered_by(&message)) else { continue };
        let question = &mut questions[open.swap_remove(place)];
        if message.metadata.truncation {
            message = over_tcp(server, question, deadline).await.map_err(unreachable)?;
        }
        if let Err(error) = question.take(&message, server) {
            refused = Some(error);
        }
    }
    refused.map_or(Ok(()), Err)
}

/// Connected, so that the kernel lets in what comes from the server only, and says if nobody is there.
async fn socket(server: SocketAddr) -> io::Result<UdpSocket> {
    let any: IpAddr = if server.is_ipv4() { Ipv4Addr::UNSPECIFIED.into() } else { Ipv6Addr::UNSPECIFIED.into() };
    let socket = UdpSocket::bind((any, 0)).await?;
    socket.connect(server).await?;
    Ok(socket)
}

async fn over_tcp(server: SocketAddr, question: &Question, deadline: Instant) -> io::Result<Message> {
    let asking = async {
        let mut stream = TcpStream::connect(server).await?;
        let length = u16::try_from(question.bytes.len()).map_err(io::Error::other)?;
        stream.write_all(&[&length.to_be_bytes(), question.bytes.as_slice()].concat()).await?;
        let mut bytes = vec![0; usize::from(stream.read_u16().await?)];
        stream.read_exact(&mut bytes).await?;
        let message = Message::from_vec(&bytes).map_err(io::Error::other)?;
        if question.is_answered_by(&message) { Ok(message) } else { Err(io::Error::other("it answered another question")) }
    };
    timeout_at(deadline, asking).await.unwrap_or_else(|_elapsed| Err(io::ErrorKind::TimedOut.into()))
}

impl Question {
    fn new(name: &Name, kind: RecordType) -> Result<Self, Unresolved> {
        let mut message = Message::query();
        message.metadata.recursion_desired = true;
        let query = Query::query(name.clone(), kind);
        message.add_query(query.clone());
        let bytes = message.to_vec().map_err(|error| Unresolved::NoName(error.to_string()))?;
        Ok(Self { id: message.metadata.id, query, bytes, said: None })
    }

    fn is_answered_by(&self, message: &Message) -> bool {
        message.metadata.id == self.id
            && message.metadata.message_type == MessageType::Response
            && matches!(message.queries.as_slice(), [query] if *query == self.query)
    }

    fn take(&mut self, message: &Message, server: SocketAddr) -> Result<(), Unresolved> {
        let code = message.metadata.response_code;
        self.said = Some(match code {
            ResponseCode::NoError => match addresses(&self.query, message) {
                addresses if addresses.is_empty() => Said::NoAddress,
                addresses => Said::Addresses(addresses),
            },
            ResponseCode::NXDomain => Said::NoSuchName,
            _ => return Err(Unresolved::Refused(server, code)),
        });
        Ok(())
    }
}

/// The addresses that the answer gives to the name that was asked for, or to what it is an alias of.
fn addresses(query: &Query, message: &Message) -> Vec<IpAddr> {
    let mut owner = query.name();
    for _ in 0..LONGEST_CHAIN {
        let records = || message.answers.iter().filter(|record| record.name == *owner);
        let found: Vec<IpAddr> = records()
            .filter_map(|record| match &record.data {
                RData::A(address) => Some(IpAddr::V4(address.0)),
                RData::AAAA(address) => Some(IpAddr::V6(address.0)),
                _ => None,
            })
            .collect();
        let alias = records().find_map(|record| match &record.data {
            RData::CNAME(alias) => Some(&alias.0),
            _ => None,
        });
        match alias {
            Some(alias) if found.is_empty() => owner = alias,
            Some(_) | None => return found,
        }
    }
    Vec::new()
}
