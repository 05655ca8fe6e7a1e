//! A tunnel through a proxy: CONNECT of HTTP (RFC 9110, section 9.3.6) and SOCKS 5 (RFC 1928 and 1929).
//!
//! Nothing is read beyond what the proxy itself says, as many targets speak first.

use std::net::SocketAddr;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use regex::bytes::Regex;
use url::Url;

use crate::outcome::Reason;
use crate::plan::TcpTarget;
use crate::run::step::TransportError;
use crate::run::step::user_info::user_info;

use super::connection::{Connection, quoted};
use super::progress::Progress;
use super::request::ReadEnd;

/// Bytes of a proxy's answer.
const LONGEST_ANSWER: usize = 16 << 10;

/// What the numbers of SOCKS's answers mean.
const REPLIES: [&str; 9] = [
    "it succeeded",
    "it failed",
    "its rules do not allow it",
    "the network cannot be reached",
    "the host cannot be reached",
    "the connection was refused",
    "it took too long",
    "it does not know the command",
    "it does not know such addresses",
];

/// Asks a proxy of HTTP for a tunnel; it looks the name up itself.
pub(super) async fn tunnel(
    connection: &mut Connection,
    proxy: &Url,
    target: &TcpTarget,
    aside: &Progress,
) -> Result<(), TransportError> {
    let credential = user_info(proxy).map(|(user, password)| STANDARD.encode(format!("{user}:{password}")));
    let credential = credential.map(|credential| format!("Proxy-Authorization: Basic {credential}\r\n")).unwrap_or_default();
    send(connection, format!("CONNECT {target} HTTP/1.1\r\nHost: {target}\r\n{credential}\r\n").as_bytes(), aside).await?;
    let empty_line = Regex::new("^$").map_err(|error| refused(&error.to_string()))?;
    let answer = receive(connection, &ReadEnd::Line(empty_line), aside).await?;
    let status = answer.split(|byte| *byte == b'\r' || *byte == b'\n').next().unwrap_or_default();
    let is_success = status.starts_with(b"HTTP/1.") && status.get(8..10) == Some(b" 2");
    if is_success { Ok(()) } else { Err(refused(&format!("it answered {}", quoted(status)))) }
}

/// Asks a proxy of SOCKS 5 for a tunnel.
pub(super) async fn socks(
    connection: &mut Connection,
    proxy: &Url,
    address: SocketAddr,
    aside: &Progress,
) -> Result<(), TransportError> {
    let credential = user_info(proxy);
    send(connection, if credential.is_some() { &[5, 2, 0, 2] } else { &[5, 1, 0] }, aside).await?;
    match (&receive(connection, &ReadEnd::Bytes(2), aside).await?[..], credential) {
        ([5, 0], _) => {}
        ([5, 2], Some((user, password))) => {
            let mut login = vec![1];
            for text in [user, password] {
                login.push(u8::try_from(text.len()).map_err(|_| refused("its user or password is too long"))?);
                login.extend(text.as_bytes());
            }
            send(connection, &login, aside).await?;
            if receive(connection, &ReadEnd::Bytes(2), aside).await?[1] != 0 {
                return Err(refused("it does not accept the user and password"));
            }
        }
        ([5, 255], _) => return Err(refused("it wants a user and password")),
        (other, _) => return Err(refused(&format!("it does not speak SOCKS 5: it answered {other:?}"))),
    }
    let mut request = vec![5, 1, 0];
    match address {
        SocketAddr::V4(address) => {
            request.push(1);
            request.extend(address.ip().octets());
        }
        SocketAddr::V6(address) => {
            request.push(4);
            request.extend(address.ip().octets());
        }
    }
    request.extend(address.port().to_be_bytes());
    send(connection, &request, aside).await?;
    let reply = receive(connection, &ReadEnd::Bytes(2), aside).await?[1];
    if reply != 0 {
        return Err(refused(REPLIES.get(usize::from(reply)).copied().unwrap_or("it failed in a way of its own")));
    }
    let answer = receive(connection, &ReadEnd::Bytes(3), aside).await?;
    let rest = match answer[1] {
        // The first byte of the address was read already.
        1 => 3 + 2,
        4 => 15 + 2,
        3 => usize::from(answer[2]) + 2,
        _ => return Err(refused(&format!("it does not speak SOCKS 5: it answered {:?}", &answer[..]))),
    };
    receive(connection, &ReadEnd::Bytes(rest), aside).await.map(drop)
}

async fn send(connection: &mut Connection, bytes: &[u8], aside: &Progress) -> Result<(), TransportError> {
    connection.write(bytes, aside, Progress::wrote_negotiation).await.map_err(unconnected)
}

async fn receive(connection: &mut Connection, end: &ReadEnd, aside: &Progress) -> Result<bytes::Bytes, TransportError> {
    connection.read(end, LONGEST_ANSWER, aside).await.map_err(unconnected)
}

/// Any failure of the proxy means that there is no connection to the target.
fn unconnected(failure: TransportError) -> TransportError {
    match failure.reason {
        Reason::Resources => TransportError::unsent(Reason::Resources, failure.message),
        _ => TransportError::unsent(Reason::Connect, failure.message),
    }
}

fn refused(why: &str) -> TransportError {
    TransportError::unsent(Reason::Connect, why.to_owned())
}
