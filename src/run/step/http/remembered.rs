//! Addresses that a device has looked up in its run. Most requests connect anew, and would ask for the same name each time, which
//! no user's machine does.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use reqwest::dns::{Addrs, Name, Resolve, Resolving};

/// What a device remembers, by host name. Cheap to clone; clones remember together.
#[derive(Debug, Clone, Default)]
pub(super) struct Remembered(Arc<Mutex<HashMap<String, Vec<SocketAddr>>>>);

/// A resolver that asks another one for what is not remembered.
#[derive(Debug)]
pub(super) struct Remembering<R> {
    pub(super) remembered: Remembered,
    pub(super) resolver: R,
}

impl Remembered {
    fn known(&self) -> MutexGuard<'_, HashMap<String, Vec<SocketAddr>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Forgets all: an address may be what is wrong.
    pub(super) fn clear(&self) {
        self.known().clear();
    }
}

impl<R: Resolve> Resolve for Remembering<R> {
    fn resolve(&self, name: Name) -> Resolving {
        if let Some(known) = self.remembered.known().get(name.as_str()) {
            let addresses: Addrs = Box::new(known.clone().into_iter());
            return Box::pin(std::future::ready(Ok(addresses)));
        }
        let remembered = self.remembered.clone();
        let host = name.as_str().to_owned();
        let looking_up = self.resolver.resolve(name);
        Box::pin(async move {
            let found: Vec<SocketAddr> = looking_up.await?.collect();
            remembered.known().insert(host, found.clone());
            Ok(Box::new(found.into_iter()) as Addrs)
        })
    }
}
