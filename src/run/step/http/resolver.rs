//! Name resolution: overrides first, then the system's resolver.

use std::collections::HashMap;
use std::io;
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::sync::Arc;

use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use tokio::sync::Semaphore;

use super::failure::out_of_resources;
use super::marks::{Mark, note};
use super::room;

/// A name could not be resolved. Its own type, so that it can be told from other errors.
#[derive(Debug, thiserror::Error)]
#[error("the name `{name}` does not resolve")]
pub(super) struct ResolveError {
    name: String,
    #[source]
    error: Option<io::Error>,
}

/// Where a host name leads.
#[derive(Debug, Clone)]
pub(super) enum Lead {
    /// To an address.
    Address(SocketAddr),
    /// To wherever another name does.
    Host(String),
}

/// Resolver of one device.
#[derive(Debug, Clone, Default)]
pub(super) struct Resolver {
    leads: Arc<HashMap<String, Lead>>,
}

impl Resolver {
    /// A resolver with overrides by lower-case host name.
    pub(super) fn new(leads: HashMap<String, Lead>) -> Self {
        Self { leads: Arc::new(leads) }
    }

    /// The same with one more lead.
    pub(super) fn with(&self, host: &str, lead: Lead) -> Self {
        let mut leads = HashMap::clone(&self.leads);
        leads.insert(host.to_ascii_lowercase(), lead);
        Self::new(leads)
    }
}

impl Resolve for Resolver {
    fn resolve(&self, name: Name) -> Resolving {
        let leads = Arc::clone(&self.leads);
        Box::pin(async move {
            let asked = name.as_str().to_ascii_lowercase();
            let host = match leads.get(&asked) {
                Some(Lead::Address(address)) => return Ok(Box::new(std::iter::once(*address)) as Addrs),
                Some(Lead::Host(host)) => host.clone(),
                None => asked,
            };
            if let Some(Lead::Address(address)) = leads.get(&host) {
                return Ok(Box::new(std::iter::once(*address)) as Addrs);
            }
            if let Ok(address) = host.parse() {
                return Ok(Box::new(std::iter::once(SocketAddr::new(address, 0))) as Addrs);
            }
            note(Mark::DnsStart);
            let found = look_up(host.clone()).await;
            note(Mark::DnsEnd);
            match found {
                Ok(addresses) if !addresses.is_empty() => Ok(Box::new(addresses.into_iter()) as Addrs),
                Ok(_) => Err(ResolveError { name: host, error: None }.into()),
                Err(error) => {
                    // Without files to spare, the system's resolver says that there is no such name.
                    let starved = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).err().filter(out_of_resources);
                    Err(ResolveError { name: host, error: Some(starved.unwrap_or(error)) }.into())
                }
            }
        })
    }
}

/// Look-ups that may be under way at once. The system's resolver blocks a thread and cannot be cancelled, so that names which
/// hang would take every thread of the runtime's pool; who waits here is cut by the attempt's timeout.
static LOOK_UPS: Semaphore = Semaphore::const_new(256);

async fn look_up(host: String) -> io::Result<Vec<SocketAddr>> {
    let place = LOOK_UPS.acquire().await.map_err(io::Error::other)?;
    room::for_one_more()?;
    // A task of its own keeps the place until the thread is free again, also when nobody waits for the answer any more.
    let looking = tokio::spawn(async move {
        let found = tokio::net::lookup_host((host, 0)).await.map(Iterator::collect);
        drop(place);
        found
    });
    looking.await.map_err(io::Error::other)?
}
