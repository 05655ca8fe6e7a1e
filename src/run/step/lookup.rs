//! A look-up of a name by a step: it needs a free file and reports its events.

use std::error::Error;
use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;

use crate::outcome::Reason;
use crate::run::dns::{Dns, LookUp, Unresolved};

use super::resources::{self, out_of_resources};

/// A name could not be resolved. Its own type, so that it can be told from other errors.
#[derive(Debug)]
pub(super) struct ResolveError {
    name: String,
    why: Unresolved,
}

impl ResolveError {
    /// Whether it was not even tried, because this process had no permit for it.
    pub(super) fn is_ours(&self) -> bool {
        matches!(self.why, Unresolved::NoPermit(_))
    }

    /// The closed word for it.
    pub(super) fn reason(&self) -> Reason {
        let starved = self.source().and_then(|error| error.downcast_ref()).is_some_and(out_of_resources);
        if self.is_ours() || starved { Reason::Resources } else { Reason::Dns }
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
            // The error itself and not its `Arc`, so that `out_of_resources` recognises it.
            Unresolved::Unreachable(_, error) | Unresolved::Starved(error) => Some(&**error),
            _ => None,
        }
    }
}

/// A moment of a look-up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum LookUpEvent {
    /// It waits for one of this process's permits for look-ups, which is nothing that phases count.
    Queued,
    /// Name servers are asked.
    Asked,
    /// It has ended.
    Over,
}

/// Looks up a name in lower case and calls `tell` at each event.
///
/// # Errors
/// The name does not resolve, or could not be looked up.
pub(super) async fn look_up(dns: &Dns, host: &str, tell: impl Fn(LookUpEvent)) -> Result<Arc<[IpAddr]>, ResolveError> {
    let found = match dns.look_up(host) {
        LookUp::Known(addresses) => {
            tell(LookUpEvent::Asked);
            Ok(addresses)
        }
        LookUp::Asked { asked, mut answer } => {
            let starved = |error| ResolveError { name: host.to_owned(), why: Unresolved::Starved(Arc::new(error)) };
            resources::ensure_file_available().map_err(starved)?;
            tell(LookUpEvent::Queued);
            tokio::select! {
                biased;
                () = asked.wait() => {
                    tell(LookUpEvent::Asked);
                    answer.await
                }
                found = &mut answer => found,
            }
        }
    };
    tell(LookUpEvent::Over);
    found.map_err(|why| ResolveError { name: host.to_owned(), why })
}
