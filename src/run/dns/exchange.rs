//! Asks one name server once: several questions over one datagram socket of a random port, each over TCP where its answer does not
//! fit, or all over TCP. What an answer means is for whoever asks to say: look-ups of addresses, and steps of the kind `dns`.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use hickory_proto::op::Message;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpSocket, TcpStream, UdpSocket};
use tokio::time::{Instant, timeout_at};

use super::question::Question;

/// Bytes of an answer over UDP. We announce no more than the 512 that every server may send.
const DATAGRAM: usize = 4096;

/// Messages over TCP that answer something else before the server counts as broken. Nobody can slip one in there, so that they
/// are its own.
const MOST_STRANGERS: usize = 16;

/// How a server is asked.
pub(in crate::run) struct Way<'a> {
    pub(in crate::run) server: SocketAddr,
    /// The address to send from; the system's choice if absent.
    pub(in crate::run) from: Option<IpAddr>,
    /// Whether it is asked over TCP from the start.
    pub(in crate::run) tcp: bool,
    pub(in crate::run) deadline: Instant,
    /// Whether a datagram that has a question's id and cannot be read ends it. If not, it is waited on.
    pub(in crate::run) heeds_broken: bool,
    /// Is told how it comes along.
    pub(in crate::run) note: &'a (dyn Fn(Moment) + Sync),
}

/// A moment of an exchange.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::run) enum Moment {
    /// A question leaves over UDP.
    Sent,
    /// An answer over UDP did not fit.
    Truncated,
    /// A TCP connection is being made.
    Connecting,
    /// It is there, and the question leaves over it.
    Connected,
    /// A byte of an answer came; over UDP all of it.
    FirstByte,
}

/// Why there is not an answer to each question. Those that were answered keep their answers.
#[derive(Debug)]
pub(in crate::run) enum Unanswered {
    /// The deadline passed.
    Silent,
    /// The server cannot be asked, or not in time over TCP.
    Unreachable(io::Error),
    /// What came is no answer, or its end never came.
    Broken(io::Error),
}

/// Asks what has no answer yet.
pub(in crate::run) async fn ask_server(questions: &mut [Question], way: &Way<'_>) -> Result<(), Unanswered> {
    let mut open: Vec<usize> = (0..questions.len()).filter(|&at| questions[at].answer.is_none()).collect();
    if way.tcp {
        for at in open {
            questions[at].answer = Some(over_tcp(&questions[at], way).await?);
        }
        return Ok(());
    }
    let socket = socket(way).await.map_err(Unanswered::Unreachable)?;
    (way.note)(Moment::Sent);
    for &at in &open {
        socket.send(&questions[at].bytes).await.map_err(Unanswered::Unreachable)?;
    }
    let mut datagram = vec![0; DATAGRAM];
    while !open.is_empty() {
        let Ok(received) = timeout_at(way.deadline, socket.recv(&mut datagram)).await else { return Err(Unanswered::Silent) };
        let bytes = &datagram[..received.map_err(Unanswered::Unreachable)?];
        // What cannot be read, or answers something else, is not from whom was asked.
        let mut message = match Message::from_vec(bytes) {
            Ok(message) => message,
            Err(error) if way.heeds_broken && open.iter().any(|&at| questions[at].is_meant_by(bytes)) => {
                (way.note)(Moment::FirstByte);
                return Err(Unanswered::Broken(io::Error::other(error)));
            }
            Err(_) => continue,
        };
        let Some(place) = open.iter().position(|&at| questions[at].is_answered_by(&message)) else { continue };
        let question = &mut questions[open.swap_remove(place)];
        if message.metadata.truncation {
            (way.note)(Moment::Truncated);
            message = over_tcp(question, way).await?;
        } else {
            (way.note)(Moment::FirstByte);
        }
        question.answer = Some(message);
    }
    Ok(())
}

/// Connected, so that the kernel lets in what comes from the server only, and says if nobody is there.
async fn socket(way: &Way<'_>) -> io::Result<UdpSocket> {
    let any: IpAddr = if way.server.is_ipv4() { Ipv4Addr::UNSPECIFIED.into() } else { Ipv6Addr::UNSPECIFIED.into() };
    let socket = UdpSocket::bind((way.from.unwrap_or(any), 0)).await?;
    socket.connect(way.server).await?;
    Ok(socket)
}

async fn over_tcp(question: &Question, way: &Way<'_>) -> Result<Message, Unanswered> {
    let asking = async {
        (way.note)(Moment::Connecting);
        let mut stream = connected(way).await.map_err(Unanswered::Unreachable)?;
        (way.note)(Moment::Connected);
        answer_over(&mut stream, question, way).await.map_err(Unanswered::Broken)
    };
    let late = || Err(Unanswered::Unreachable(io::ErrorKind::TimedOut.into()));
    timeout_at(way.deadline, asking).await.unwrap_or_else(|_elapsed| late())
}

async fn connected(way: &Way<'_>) -> io::Result<TcpStream> {
    let Some(from) = way.from else { return TcpStream::connect(way.server).await };
    let socket = if way.server.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    socket.bind((from, 0).into())?;
    socket.connect(way.server).await
}

async fn answer_over(stream: &mut TcpStream, question: &Question, way: &Way<'_>) -> io::Result<Message> {
    let length = u16::try_from(question.bytes.len()).map_err(io::Error::other)?;
    stream.write_all(&[&length.to_be_bytes(), question.bytes.as_slice()].concat()).await?;
    for _ in 0..MOST_STRANGERS {
        let high = stream.read_u8().await?;
        (way.note)(Moment::FirstByte);
        let mut bytes = vec![0; usize::from(u16::from_be_bytes([high, stream.read_u8().await?]))];
        stream.read_exact(&mut bytes).await?;
        let message = Message::from_vec(&bytes).map_err(io::Error::other)?;
        if question.is_answered_by(&message) {
            return Ok(message);
        }
    }
    Err(io::Error::other(format!("it answered {MOST_STRANGERS} other questions")))
}
