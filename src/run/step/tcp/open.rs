//! A new connection: the name is looked up, a connection made, through the device's proxy if it has one, and TLS begun.

use std::net::{IpAddr, SocketAddr};

use rustls::pki_types::ServerName;
use url::{Host, Url};

use crate::outcome::Reason;
use crate::plan::TcpTarget;
use crate::run::step::TransportError;
use crate::run::step::lookup::look_up;

use super::connection::Connection;
use super::device::TcpDevice;
use super::dial::dial;
use super::progress::{Activity, Progress};
use super::proxy;
use super::request::{TcpRequest, TlsRequest};
use super::starttls;

/// Where proxies of SOCKS listen (RFC 1928, section 3).
const SOCKS_PORT: u16 = 1080;

/// What a connection was opened with.
pub(super) struct Opened {
    pub(super) connection: Connection,
    /// What the target said before TLS was asked for.
    pub(super) greeting: Option<bytes::Bytes>,
}

impl TcpDevice {
    /// Opens a connection to `target`, with what the request says of TLS.
    pub(super) async fn open(
        &self,
        target: &TcpTarget,
        request: &TcpRequest,
        progress: &Progress,
    ) -> Result<Opened, TransportError> {
        let opening = self.opened(target, request, progress);
        match self.settings.connect_timeout {
            None => opening.await,
            Some(bound) => {
                tokio::time::timeout(bound, opening).await.unwrap_or_else(|_elapsed| Err(progress.connected_late(bound)))
            }
        }
    }

    async fn opened(&self, target: &TcpTarget, request: &TcpRequest, progress: &Progress) -> Result<Opened, TransportError> {
        let connection = match &self.settings.proxy {
            None => self.dialled(target, progress).await?,
            Some(proxy) => self.tunnelled(proxy, target, progress).await?,
        };
        progress.connected(connection.peer, None);
        let mut opened = Opened { connection, greeting: None };
        if let Some(protocol) = request.starttls {
            progress.enter(Activity::StartTls);
            opened.greeting = starttls::asked(protocol, &mut opened.connection, request.most, progress).await?;
        }
        if let Some(tls) = &request.tls {
            opened.connection = self.secured(opened.connection, tls, progress).await?;
        }
        Ok(opened)
    }

    /// Begins TLS over a connection.
    pub(super) async fn secured(
        &self,
        connection: Connection,
        request: &TlsRequest,
        progress: &Progress,
    ) -> Result<Connection, TransportError> {
        if connection.tls.is_some() {
            return Err(TransportError::unsent(Reason::NotEvaluable, "TLS was begun over this connection before".to_owned()));
        }
        let name = request.settings.server_name.clone().unwrap_or_else(|| connection.host.clone());
        let connection = connection.secured(self.pool.tls(request)?, server_name(&name)?, progress).await?;
        progress.connected(connection.peer, connection.tls.clone());
        Ok(connection)
    }

    async fn dialled(&self, target: &TcpTarget, progress: &Progress) -> Result<Connection, TransportError> {
        let addresses = self.addresses(target, progress).await?;
        progress.enter(Activity::Connect);
        let most = u32::try_from(addresses.len()).unwrap_or(u32::MAX);
        let each = self.settings.connect_timeout.map(|bound| bound / most.max(1));
        let (stream, peer) = dial(&addresses, self.settings.local_address, each).await?;
        Ok(Connection::new(Box::new(stream), (bare(&target.host), target.port), peer))
    }

    async fn tunnelled(&self, proxy: &Url, target: &TcpTarget, progress: &Progress) -> Result<Connection, TransportError> {
        let through = |failure: TransportError| TransportError {
            message: format!("through the proxy {}: {}", proxy.host_str().unwrap_or_default(), failure.message),
            ..failure
        };
        let port = proxy.port_or_known_default().unwrap_or(SOCKS_PORT);
        let host = match proxy.host() {
            // The URL of a scheme that is not the web's keeps addresses as names.
            Some(Host::Domain(name)) => name.parse().map_or_else(|_| Host::Domain(name.to_owned()), Host::Ipv4),
            Some(Host::Ipv4(address)) => Host::Ipv4(address),
            Some(Host::Ipv6(address)) => Host::Ipv6(address),
            None => Host::Domain(String::new()),
        };
        // Bytes to and from the proxy do not belong to the target's transcript.
        let aside = Progress::default();
        let socks = proxy.scheme() == "socks5";
        let address = if socks { self.addresses(target, progress).await?.first().copied() } else { None };
        let mut connection = self.dialled(&TcpTarget { host, port }, progress).await.map_err(through)?;
        progress.enter(Activity::Proxy);
        if proxy.scheme() == "https" {
            let tls = TlsRequest { settings: self.settings.tls.clone(), alpn: Vec::new() };
            let name = server_name(&connection.host)?;
            connection = connection.secured(self.pool.tls(&tls)?, name, &aside).await.map_err(through)?;
            connection.tls = None;
        }
        let tunnelled = match address {
            Some(address) => proxy::socks(&mut connection, proxy, address, &aside).await,
            None => proxy::tunnel(&mut connection, proxy, target, &aside).await,
        };
        tunnelled.map_err(through)?;
        (connection.host, connection.port) = (bare(&target.host), target.port);
        Ok(connection)
    }

    /// The addresses of a target: what the device says, or else what the name's look-up does.
    async fn addresses(&self, target: &TcpTarget, progress: &Progress) -> Result<Vec<SocketAddr>, TransportError> {
        let host = bare(&target.host);
        if let Some(known) = self.settings.resolve.iter().find(|known| known.host == host) {
            let port = if known.address.port() == 0 { target.port } else { known.address.port() };
            return Ok(vec![SocketAddr::new(known.address.ip(), port)]);
        }
        let addresses: Vec<IpAddr> = match &target.host {
            Host::Ipv4(address) => vec![(*address).into()],
            Host::Ipv6(address) => vec![(*address).into()],
            Host::Domain(name) => {
                let found = look_up(&self.pool.dns, name, |moment| progress.look_up_event(moment)).await;
                found.map_err(|error| TransportError::unsent(error.reason(), error.to_string()))?.to_vec()
            }
        };
        Ok(addresses.into_iter().map(|address| SocketAddr::new(address, target.port)).collect())
    }
}

/// A host without the brackets that an address of IPv6 has before a port.
fn bare(host: &Host<String>) -> String {
    match host {
        Host::Ipv6(address) => address.to_string(),
        host => host.to_string(),
    }
}

/// The name that a certificate must be for.
fn server_name(name: &str) -> Result<ServerName<'static>, TransportError> {
    // A name that says that it is complete is in no certificate.
    let name = name.strip_suffix('.').unwrap_or(name);
    ServerName::try_from(name.to_owned()).map_err(|error| {
        TransportError::unsent(Reason::NotEvaluable, format!("`{name}` cannot be the name of a certificate: {error}"))
    })
}
