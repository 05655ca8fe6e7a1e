//! The address of a request's host: overrides first, then the device's cache, then the process's resolver.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use reqwest::dns::{Addrs, Name, Resolve, Resolving};

use crate::run::dns::Dns;
use crate::run::step::lookup::{LookUpEvent, look_up};

use super::timings::{TimingEvent, note};

/// What takes the place of looking a host name up.
#[derive(Debug, Clone)]
pub(super) enum HostOverride {
    /// An address.
    Address(SocketAddr),
    /// The addresses of another name.
    Host(String),
}

/// Resolver of one device.
#[derive(Debug, Clone)]
pub(super) struct Resolver {
    overrides: Arc<HashMap<String, HostOverride>>,
    dns: Dns,
}

impl Resolver {
    /// A resolver with overrides by lower-case host name.
    pub(super) fn new(overrides: HashMap<String, HostOverride>, dns: Dns) -> Self {
        Self { overrides: Arc::new(overrides), dns }
    }

    /// The same with one more lead.
    pub(super) fn with(&self, host: &str, target: HostOverride) -> Self {
        let mut overrides = HashMap::clone(&self.overrides);
        overrides.insert(host.to_ascii_lowercase(), target);
        Self::new(overrides, self.dns.clone())
    }
}

impl Resolve for Resolver {
    fn resolve(&self, name: Name) -> Resolving {
        let Self { overrides, dns } = self.clone();
        Box::pin(async move {
            let asked = name.as_str().to_ascii_lowercase();
            let host = match overrides.get(&asked) {
                Some(HostOverride::Address(address)) => return Ok(Box::new(std::iter::once(*address)) as Addrs),
                Some(HostOverride::Host(host)) => host.clone(),
                None => asked,
            };
            if let Some(HostOverride::Address(address)) = overrides.get(&host) {
                return Ok(Box::new(std::iter::once(*address)) as Addrs);
            }
            if let Ok(address) = host.parse() {
                return Ok(Box::new(std::iter::once(SocketAddr::new(address, 0))) as Addrs);
            }
            let found = look_up(&dns, &host, record_event).await?;
            let addresses: Vec<_> = found.iter().map(|address| SocketAddr::new(*address, 0)).collect();
            Ok(Box::new(addresses.into_iter()) as Addrs)
        })
    }
}

/// What a moment of a look-up is for whoever asks for phases.
fn record_event(moment: LookUpEvent) {
    note(match moment {
        LookUpEvent::Queued => TimingEvent::DnsQueued,
        LookUpEvent::Asked => TimingEvent::DnsStart,
        LookUpEvent::Over => TimingEvent::DnsEnd,
    });
}

/// Addresses that a device has looked up in its run, by host name. Most requests connect anew, and would look up the same name
/// each time, which no user's machine does. Cheap to clone; clones share the addresses.
#[derive(Debug, Clone, Default)]
pub(super) struct AddressCache(Arc<Mutex<HashMap<String, Vec<SocketAddr>>>>);

/// A resolver that asks another one for names that are not in the cache.
#[derive(Debug)]
pub(super) struct CachingResolver<R> {
    pub(super) cache: AddressCache,
    pub(super) resolver: R,
}

impl AddressCache {
    fn known(&self) -> MutexGuard<'_, HashMap<String, Vec<SocketAddr>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Forgets all: an address may be what is wrong.
    pub(super) fn clear(&self) {
        self.known().clear();
    }
}

impl<R: Resolve> Resolve for CachingResolver<R> {
    fn resolve(&self, name: Name) -> Resolving {
        if let Some(known) = self.cache.known().get(name.as_str()) {
            let addresses: Addrs = Box::new(known.clone().into_iter());
            return Box::pin(std::future::ready(Ok(addresses)));
        }
        let cache = self.cache.clone();
        let host = name.as_str().to_owned();
        let looking_up = self.resolver.resolve(name);
        Box::pin(async move {
            let found: Vec<SocketAddr> = looking_up.await?.collect();
            cache.known().insert(host, found.clone());
            Ok(Box::new(found.into_iter()) as Addrs)
        })
    }
}
