//! Name resolution: overrides first, then the system's resolver.

use std::collections::HashMap;
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::sync::Arc;

use reqwest::dns::{Addrs, Name, Resolve, Resolving};

use super::failure::out_of_resources;
use super::marks::{Mark, note};

/// A name could not be resolved. Its own type, so that it can be told from other errors.
#[derive(Debug, thiserror::Error)]
#[error("the name `{name}` does not resolve")]
pub(super) struct ResolveError {
    name: String,
    #[source]
    error: Option<std::io::Error>,
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
            let found = tokio::net::lookup_host((host.as_str(), 0)).await;
            note(Mark::DnsEnd);
            match found.map(Iterator::collect::<Vec<_>>) {
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
