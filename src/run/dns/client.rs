//! Asks one name server once: several questions over one datagram socket of a random port, each over TCP where its answer does
//! not fit, or all over TCP. What an answer means is decided by the callers: look-ups of addresses, and steps of the kind `dns`.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use hickory_proto::op::Message;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpSocket, TcpStream, UdpSocket};
use tokio::time::{Instant, timeout_at};

use super::question::Question;

/// Bytes of an answer over UDP. We announce no more than the 512 that every server may send.
const DATAGRAM: usize = 4096;

/// Messages over TCP that answer another question before the server counts as broken. Over TCP nobody else can send them.
const MOST_STRANGERS: usize = 16;

/// How a server is asked.
pub(in crate::run) struct QueryOptions<'a> {
    pub(in crate::run) server: SocketAddr,
    /// The address to send from; the system's choice if absent.
    pub(in crate::run) from: Option<IpAddr>,
    /// Whether it is asked over TCP from the start.
    pub(in crate::run) tcp: bool,
    pub(in crate::run) deadline: Instant,
    /// Whether a malformed datagram with a question's id ends the exchange with an error. Otherwise it is ignored.
    pub(in crate::run) fail_on_malformed: bool,
    /// Is called at each event.
    pub(in crate::run) note: &'a (dyn Fn(QueryEvent) + Sync),
}

/// An event while a server is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::run) enum QueryEvent {
    /// A question leaves over UDP.
    Sent,
    /// An answer over UDP did not fit.
    Truncated,
    /// A TCP connection is being made.
    Connecting,
    /// The connection is made, and the question is sent.
    Connected,
    /// A byte of an answer came; over UDP all of it.
    FirstByte,
}

/// Why there is not an answer to each question. Those that were answered keep their answers.
#[derive(Debug)]
pub(in crate::run) enum QueryError {
    /// The deadline passed.
    Silent,
    /// The server cannot be asked, or not in time over TCP.
    Unreachable(io::Error),
    /// What came is no answer, or its end never came.
    Broken(io::Error),
}

/// Asks what has no answer yet.
pub(in crate::run) async fn ask_server(questions: &mut [Question], options: &QueryOptions<'_>) -> Result<(), QueryError> {
    let mut open: Vec<usize> = (0..questions.len()).filter(|&at| questions[at].answer.is_none()).collect();
    if options.tcp {
        for at in open {
            questions[at].answer = Some(over_tcp(&questions[at], options).await?);
        }
        return Ok(());
    }
    let socket = socket(options).await.map_err(QueryError::Unreachable)?;
    (options.note)(QueryEvent::Sent);
    for &at in &open {
        socket.send(&questions[at].bytes).await.map_err(QueryError::Unreachable)?;
    }
    let mut datagram = vec![0; DATAGRAM];
    while !open.is_empty() {
        let Ok(received) = timeout_at(options.deadline, socket.recv(&mut datagram)).await else { return Err(QueryError::Silent) };
        let bytes = &datagram[..received.map_err(QueryError::Unreachable)?];
        // A message that is malformed or answers something else does not come from the server.
        let mut message = match Message::from_vec(bytes) {
            Ok(message) => message,
            Err(error) if options.fail_on_malformed && open.iter().any(|&at| questions[at].is_meant_by(bytes)) => {
                (options.note)(QueryEvent::FirstByte);
                return Err(QueryError::Broken(io::Error::other(error)));
            }
            Err(_) => continue,
        };
        let Some(at) = open.iter().position(|&at| questions[at].is_answered_by(&message)) else { continue };
        let question = &mut questions[open.swap_remove(at)];
        if message.metadata.truncation {
            (options.note)(QueryEvent::Truncated);
            message = over_tcp(question, options).await?;
        } else {
            (options.note)(QueryEvent::FirstByte);
        }
        question.answer = Some(message);
    }
    Ok(())
}

/// A connected socket: the kernel passes only what comes from the server, and reports if nobody listens there.
async fn socket(options: &QueryOptions<'_>) -> io::Result<UdpSocket> {
    let any: IpAddr = if options.server.is_ipv4() { Ipv4Addr::UNSPECIFIED.into() } else { Ipv6Addr::UNSPECIFIED.into() };
    let socket = UdpSocket::bind((options.from.unwrap_or(any), 0)).await?;
    socket.connect(options.server).await?;
    Ok(socket)
}

async fn over_tcp(question: &Question, options: &QueryOptions<'_>) -> Result<Message, QueryError> {
    let asking = async {
        (options.note)(QueryEvent::Connecting);
        let mut stream = connected(options).await.map_err(QueryError::Unreachable)?;
        (options.note)(QueryEvent::Connected);
        answer_over(&mut stream, question, options).await.map_err(QueryError::Broken)
    };
    let late = || Err(QueryError::Unreachable(io::ErrorKind::TimedOut.into()));
    timeout_at(options.deadline, asking).await.unwrap_or_else(|_elapsed| late())
}

async fn connected(options: &QueryOptions<'_>) -> io::Result<TcpStream> {
    let Some(from) = options.from else { return TcpStream::connect(options.server).await };
    let socket = if options.server.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    socket.bind((from, 0).into())?;
    socket.connect(options.server).await
}

async fn answer_over(stream: &mut TcpStream, question: &Question, options: &QueryOptions<'_>) -> io::Result<Message> {
    let length = u16::try_from(question.bytes.len()).map_err(io::Error::other)?;
    stream.write_all(&[&length.to_be_bytes(), question.bytes.as_slice()].concat()).await?;
    for _ in 0..MOST_STRANGERS {
        let high = stream.read_u8().await?;
        (options.note)(QueryEvent::FirstByte);
        let mut bytes = vec![0; usize::from(u16::from_be_bytes([high, stream.read_u8().await?]))];
        stream.read_exact(&mut bytes).await?;
        let message = Message::from_vec(&bytes).map_err(io::Error::other)?;
        if question.is_answered_by(&message) {
            return Ok(message);
        }
    }
    Err(io::Error::other(format!("it answered {MOST_STRANGERS} other questions")))
}
