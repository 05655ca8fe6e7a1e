//! Where the host of a request leads: overrides first, then what the process's resolver says.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Arc;

use reqwest::dns::{Addrs, Name, Resolve, Resolving};

use crate::run::dns::Dns;
use crate::run::step::lookup::{Moment, look_up};

use super::marks::{Mark, note};

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
            let found = look_up(&dns, &host, noted).await?;
            let addresses: Vec<_> = found.iter().map(|address| SocketAddr::new(*address, 0)).collect();
            Ok(Box::new(addresses.into_iter()) as Addrs)
        })
    }
}

/// What a moment of a look-up is for whoever asks for phases.
fn noted(moment: Moment) {
    note(match moment {
        Moment::Queued => Mark::DnsQueued,
        Moment::Asked => Mark::DnsStart,
        Moment::Over => Mark::DnsEnd,
    });
}
