//! Connecting to one of several addresses, in the manner of RFC 8305.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::pin;
use std::time::Duration;

use futures::future::{Either, select};
use tokio::net::{TcpSocket, TcpStream};

use crate::outcome::Reason;
use crate::run::step::TransportError;
use crate::run::step::resources::{self, out_of_resources};

/// How long the second family of addresses waits for the first (RFC 8305, section 8, gives 250 ms; what HTTP's steps wait is 300).
const HEAD_START: Duration = Duration::from_millis(300);

/// Addresses that a message tells of.
const MOST_TOLD: usize = 4;

/// An address that could not be connected to, and why.
type FailedAddress = (SocketAddr, io::Error);

type Connected = Result<(TcpStream, SocketAddr), Vec<FailedAddress>>;

/// Connects to the first address that accepts: those of the first one's family in turn, and those of the other family in parallel
/// if that takes long. `each` is how long one address may delay the next one of its family.
pub(super) async fn dial(
    addresses: &[SocketAddr],
    local: Option<IpAddr>,
    each: Option<Duration>,
) -> Result<(TcpStream, SocketAddr), TransportError> {
    let fits = |address: &&SocketAddr| local.is_none_or(|local| local.is_ipv4() == address.is_ipv4());
    let addresses: Vec<SocketAddr> = addresses.iter().filter(fits).copied().collect();
    let Some(first) = addresses.first() else {
        return Err(TransportError::unsent(Reason::Connect, "it has no address of the family of `local_address`".to_owned()));
    };
    let (same, other): (Vec<_>, Vec<_>) = addresses.iter().partition(|address| address.is_ipv4() == first.is_ipv4());
    let mut same = pin!(in_turn(same, local, each));
    let other = pin!(in_turn(other, local, each));
    let refused = |mut refusals: Vec<FailedAddress>, more| {
        refusals.extend(more);
        failure(&refusals)
    };
    match tokio::time::timeout(HEAD_START, &mut same).await {
        Ok(Ok(connected)) => return Ok(connected),
        Ok(Err(refusals)) => return other.await.map_err(|more| refused(refusals, more)),
        Err(_elapsed) => {}
    }
    match select(same, other).await {
        Either::Left((Ok(connected), _)) | Either::Right((Ok(connected), _)) => Ok(connected),
        Either::Left((Err(refusals), other)) => other.await.map_err(|more| refused(refusals, more)),
        Either::Right((Err(refusals), same)) => same.await.map_err(|more| refused(refusals, more)),
    }
}

async fn in_turn(addresses: Vec<SocketAddr>, local: Option<IpAddr>, each: Option<Duration>) -> Connected {
    let mut refusals = Vec::new();
    let last = addresses.last().copied();
    for address in addresses {
        let connecting = connect(address, local);
        // No other address waits for the last one.
        let connected = match each.filter(|_| Some(address) != last) {
            None => connecting.await,
            Some(each) => tokio::time::timeout(each, connecting).await.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into())),
        };
        match connected {
            Ok(stream) => return Ok((stream, address)),
            Err(error) => refusals.push((address, error)),
        }
    }
    Err(refusals)
}

async fn connect(address: SocketAddr, local: Option<IpAddr>) -> io::Result<TcpStream> {
    resources::ensure_file_available()?;
    let socket = if address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    if let Some(local) = local {
        socket.bind((local, 0).into())?;
    }
    socket.set_nodelay(true)?;
    socket.connect(address).await
}

fn failure(refusals: &[FailedAddress]) -> TransportError {
    let starved = refusals.iter().any(|(_, error)| out_of_resources(error));
    let told: Vec<String> = refusals.iter().take(MOST_TOLD).map(|(address, error)| format!("{address}: {error}")).collect();
    let more = refusals.len().saturating_sub(MOST_TOLD);
    let more = if more > 0 { format!("; and {more} more") } else { String::new() };
    let reason = if starved { Reason::Resources } else { Reason::Connect };
    TransportError::unsent(reason, format!("it cannot be connected to: {}{more}", told.join("; ")))
}
