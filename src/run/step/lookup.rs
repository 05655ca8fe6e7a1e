//! A look-up of a name by a step: with what is left of this process's files, and with its moments told.

use std::error::Error;
use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;

use crate::outcome::Reason;
use crate::run::dns::{Dns, LookUp, Unresolved};

use super::room::{self, out_of_resources};

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
            // Itself and not its `Arc`, so that want of files is recognised.
            Unresolved::Unreachable(_, error) | Unresolved::Starved(error) => Some(&**error),
            _ => None,
        }
    }
}

/// A moment of a look-up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Moment {
    /// It waits for a place among this process's look-ups, which is nothing that phases count.
    Queued,
    /// Name servers are asked.
    Asked,
    /// It has ended.
    Over,
}

/// Looks a name in lower case up and tells of its moments.
///
/// # Errors
/// The name does not resolve, or could not be looked up.
pub(super) async fn look_up(dns: &Dns, host: &str, tell: impl Fn(Moment)) -> Result<Arc<[IpAddr]>, ResolveError> {
    let found = match dns.look_up(host) {
        LookUp::Known(addresses) => {
            tell(Moment::Asked);
            Ok(addresses)
        }
        LookUp::Asked { asked, mut answer } => {
            let starved = |error| ResolveError { name: host.to_owned(), why: Unresolved::Starved(Arc::new(error)) };
            room::for_one_more().map_err(starved)?;
            tell(Moment::Queued);
            tokio::select! {
                biased;
                () = asked.wait() => {
                    tell(Moment::Asked);
                    answer.await
                }
                found = &mut answer => found,
            }
        }
    };
    tell(Moment::Over);
    found.map_err(|why| ResolveError { name: host.to_owned(), why })
}
