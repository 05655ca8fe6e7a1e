//! Where the host of a request leads: overrides first, then what the process's resolver says.

use std::collections::HashMap;
use std::error::Error;
use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;

use reqwest::dns::{Addrs, Name, Resolve, Resolving};

use crate::run::dns::{Dns, LookUp, Unresolved};

use super::marks::{Mark, note};
use super::room;

/// A name could not be resolved. Its own type, so that it can be told from other errors.
#[derive(Debug)]
pub(super) struct ResolveError {
    name: String,
    why: Unresolved,
}

impl ResolveError {
    /// Whether it was not even tried, for want of something of our own.
    pub(super) fn is_ours(&self) -> bool {
        matches!(self.why, Unresolved::NoPlace(_))
    }
}

impl fmt::Display for ResolveError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, why } = self;
        let what = if self.is_ours() { "was not looked up" } else { "does not resolve" };
        write!(f, "the name `{name}` {what}: {why}")
    }
}

impl Error for ResolveError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match &self.why {
            // Itself and not its `Arc`, so that want of files is recognised.
            Unresolved::Unreachable(_, error) | Unresolved::Starved(error) => Some(&**error),
            _ => None,
        }
    }
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
#[derive(Debug, Clone)]
pub(super) struct Resolver {
    leads: Arc<HashMap<String, Lead>>,
    dns: Dns,
}

impl Resolver {
    /// A resolver with overrides by lower-case host name.
    pub(super) fn new(leads: HashMap<String, Lead>, dns: Dns) -> Self {
        Self { leads: Arc::new(leads), dns }
    }

    /// The same with one more lead.
    pub(super) fn with(&self, host: &str, lead: Lead) -> Self {
        let mut leads = HashMap::clone(&self.leads);
        leads.insert(host.to_ascii_lowercase(), lead);
        Self::new(leads, self.dns.clone())
    }
}

impl Resolve for Resolver {
    fn resolve(&self, name: Name) -> Resolving {
        let Self { leads, dns } = self.clone();
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
            match look_up(&dns, &host).await {
                Ok(addresses) => {
                    let addresses: Vec<_> = addresses.iter().map(|address| SocketAddr::new(*address, 0)).collect();
                    Ok(Box::new(addresses.into_iter()) as Addrs)
                }
                Err(why) => Err(ResolveError { name: host, why }.into()),
            }
        })
    }
}

/// Looks a name up and notes when it was asked for and when it was known. The wait for a place is no part of that.
async fn look_up(dns: &Dns, host: &str) -> Result<Arc<[std::net::IpAddr]>, Unresolved> {
    let found = match dns.look_up(host) {
        LookUp::Known(addresses) => {
            note(Mark::DnsStart);
            Ok(addresses)
        }
        LookUp::Asked { asked, mut answer } => {
            room::for_one_more().map_err(|error| Unresolved::Starved(Arc::new(error)))?;
            note(Mark::DnsQueued);
            tokio::select! {
                biased;
                () = asked.wait() => {
                    note(Mark::DnsStart);
                    answer.await
                }
                found = &mut answer => found,
            }
        }
    };
    note(Mark::DnsEnd);
    found
}
