//! Where host names lead: the look-ups of runs.
//!
//! Owns a stub resolver that asks the name servers of `/etc/resolv.conf` itself, so that a look-up can be cut, costs one file and
//! no thread. Equal look-ups that overlap are one; nothing is kept beyond that, so that each run sees what a new user sees.
//! `settings` reads the machine's configuration of names, `client` asks a name server a `question`, `addresses` looks all
//! addresses of a host up with these, `limiter` keeps one dead zone from taking the permits of all others, `order` says which
//! address is tried first. It must not know of HTTP, and says nothing about whose fault a failure is. The self check and the
//! pages look names up in other ways, so that runs cannot keep them waiting.
//!
//! Steps of the kind `dns` use `client`, `question` and `settings` alone: they share no look-up and no permit with anybody.

mod addresses;
mod client;
mod limiter;
mod order;
mod question;
mod settings;

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use futures::future::{BoxFuture, FutureExt as _, Shared, WeakShared};
use hickory_proto::op::ResponseCode;
use tokio::sync::SetOnce;

use limiter::LookUpLimiter;
use settings::Watched;

pub(super) use client::{QueryError, QueryEvent, QueryOptions, ask_server};
pub(super) use question::Question;
pub use settings::NameSources;
pub(super) use settings::Settings;

/// How long a look-up waits for its permit. Healthy look-ups take milliseconds, so a longer wait is for look-ups that hang.
const PATIENCE: Duration = Duration::from_secs(2);

/// How often the machine's files are looked at for changes.
const FRESH: Duration = Duration::from_secs(1);

/// A look-up that takes longer hangs. Its zone then shares the permits of all zones that hung, so that many dead zones are no worse
/// than one.
const HANGS: Duration = Duration::from_secs(1);

/// How long a zone shares those permits. A look-up that waits for one of them finds out nothing about its zone.
const HUNG_FOR: Duration = Duration::from_secs(30);

/// Zones that hung which are remembered; at one more, all are forgotten.
const MOST_HUNG: usize = 4096;

/// The zone that those share.
const HUNG: &str = "";

/// Why a name has no address.
#[derive(Debug, Clone, thiserror::Error)]
pub(super) enum Unresolved {
    #[error("it is no host name: {0}")]
    NoName(String),
    #[error("there is no such name, says {0}")]
    NoSuchName(SocketAddr),
    #[error("it has no address, says {0}")]
    NoAddress(SocketAddr),
    #[error("the name server {0} answered \"{1}\"")]
    Refused(SocketAddr, ResponseCode),
    #[error("no name server answered: {0}")]
    Silent(String),
    #[error("the name server {0} cannot be asked: {1}")]
    Unreachable(SocketAddr, Arc<std::io::Error>),
    /// The prober's own want of files.
    #[error("name servers cannot be asked: {0}")]
    Starved(Arc<std::io::Error>),
    /// The prober's own look-ups are too many.
    #[error("{0} other look-ups of this prober took all the places for {PATIENCE:?}, because name servers do not answer them")]
    NoPermit(usize),
}

type LookUpResult = Result<Arc<[IpAddr]>, Unresolved>;
type LookUpFuture = BoxFuture<'static, LookUpResult>;

/// The resolver of a process. Cheap to clone; clones share look-ups and permits.
#[derive(Debug, Clone)]
pub(super) struct Dns(Arc<SharedDns>);

#[derive(Debug)]
struct SharedDns {
    limiter: LookUpLimiter,
    state: Mutex<LookUps>,
}

#[derive(Debug)]
struct LookUps {
    watched: Watched,
    looked: Instant,
    under_way: HashMap<Arc<str>, PendingLookUp>,
    /// Zones whose last look-up hung, and when that ended.
    hung: HashMap<Box<str>, tokio::time::Instant>,
}

#[derive(Debug)]
struct PendingLookUp {
    asked: Arc<SetOnce<()>>,
    answer: WeakShared<LookUpFuture>,
}

/// A look-up, perhaps together with others. Dropping the last of them ends it.
#[derive(Debug)]
pub(super) enum LookUp {
    /// Known without asking anybody.
    Known(Arc<[IpAddr]>),
    /// Name servers are asked.
    Asked {
        /// Set when the look-up has its permit and the first question leaves.
        asked: Arc<SetOnce<()>>,
        /// What they say.
        answer: Shared<LookUpFuture>,
    },
}

impl Dns {
    /// A resolver that reads `sources`.
    pub(super) fn new(sources: NameSources) -> Self {
        let limiter = LookUpLimiter::new(sources.max_look_ups.unwrap_or_else(limiter::affordable));
        let state =
            LookUps { watched: Watched::new(sources), looked: Instant::now(), under_way: HashMap::new(), hung: HashMap::new() };
        Self(Arc::new(SharedDns { limiter, state: Mutex::new(state) }))
    }

    /// Looks `host` up, which is in lower case.
    pub(super) fn look_up(&self, host: &str) -> LookUp {
        let mut state = self.0.state.lock().unwrap_or_else(PoisonError::into_inner);
        let settings = state.settings();
        if let Some(addresses) = settings.known(host) {
            return LookUp::Known(addresses);
        }
        if let Some(PendingLookUp { asked, answer }) = state.under_way.get(host)
            && let Some(answer) = answer.upgrade()
        {
            return LookUp::Asked { asked: Arc::clone(asked), answer };
        }
        let (host, asked): (Arc<str>, _) = (host.into(), Arc::new(SetOnce::new()));
        let entry = LookUpEntry {
            shared: Arc::clone(&self.0),
            host: Arc::clone(&host),
            asked: Arc::clone(&asked),
            since: None,
            found: false,
        };
        let hung = state.hung.get(limiter::zone(&host)).is_some_and(|at| at.elapsed() < HUNG_FOR);
        let zone = if hung { HUNG } else { limiter::zone(&host) };
        let answer = entry.answer(zone.to_owned(), settings).boxed().shared();
        if let Some(weak) = answer.downgrade() {
            state.under_way.insert(host, PendingLookUp { asked: Arc::clone(&asked), answer: weak });
        }
        LookUp::Asked { asked, answer }
    }

    /// What the machine says about names.
    pub(super) fn settings(&self) -> Arc<Settings> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner).settings()
    }

    /// Look-ups under way.
    #[cfg(test)]
    fn under_way(&self) -> usize {
        self.0.state.lock().unwrap().under_way.len()
    }
}

impl LookUps {
    fn settings(&mut self) -> Arc<Settings> {
        if self.looked.elapsed() > FRESH {
            self.watched.renew();
            self.looked = Instant::now();
        }
        Arc::clone(self.watched.settings())
    }
}

/// A look-up's entry among those under way. It is removed when the look-up has ended or was cut.
struct LookUpEntry {
    shared: Arc<SharedDns>,
    host: Arc<str>,
    asked: Arc<SetOnce<()>>,
    /// When it was asked.
    since: Option<tokio::time::Instant>,
    /// Whether it found addresses. A look-up that did is not taken for a hang, however long it took: a datagram may have been
    /// lost.
    found: bool,
}

impl LookUpEntry {
    async fn answer(mut self, zone: String, settings: Arc<Settings>) -> LookUpResult {
        let taking = self.shared.limiter.acquire(&zone);
        let Ok(_permit) = tokio::time::timeout(PATIENCE, taking).await else {
            return Err(Unresolved::NoPermit(self.shared.limiter.all()));
        };
        self.since = Some(tokio::time::Instant::now());
        // Only the first time counts, and there is only one.
        let _ = self.asked.set(());
        let mut addresses = addresses::resolve(&self.host, &settings).await?;
        self.found = true;
        order::sort(&mut addresses);
        Ok(addresses.into())
    }
}

impl Drop for LookUpEntry {
    fn drop(&mut self) {
        let mut state = self.shared.state.lock().unwrap_or_else(PoisonError::into_inner);
        // After a cut, an equal look-up may have replaced the entry.
        if state.under_way.get(&self.host).is_some_and(|entry| Arc::ptr_eq(&entry.asked, &self.asked)) {
            state.under_way.remove(&self.host);
        }
        let zone = limiter::zone(&self.host);
        match self.since.map(|since| !self.found && since.elapsed() > HANGS) {
            Some(true) => {
                if state.hung.len() >= MOST_HUNG {
                    state.hung.clear();
                }
                state.hung.insert(zone.into(), tokio::time::Instant::now());
            }
            Some(false) => {
                state.hung.remove(zone);
            }
            None => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A resolver whose only name server takes everything and says nothing.
    fn silent() -> (Dns, std::net::UdpSocket, tempfile::TempDir) {
        let server = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
        let directory = tempfile::tempdir().unwrap();
        let resolv_conf = directory.path().join("resolv.conf");
        std::fs::write(&resolv_conf, "nameserver 127.0.0.1\n").unwrap();
        let (hosts, port) = (directory.path().join("hosts"), server.local_addr().unwrap().port());
        (Dns::new(NameSources { resolv_conf, hosts, port, max_look_ups: Some(8) }), server, directory)
    }

    fn answer(dns: &Dns, host: &str) -> Shared<LookUpFuture> {
        match dns.look_up(host) {
            LookUp::Asked { answer, .. } => answer,
            LookUp::Known(addresses) => panic!("{host} is known: {addresses:?}"),
        }
    }

    #[tokio::test]
    async fn a_look_up_ends_with_the_last_who_wants_it_and_gives_its_place_back() {
        let (dns, _server, _directory) = silent();
        let (mut one, mut other) = (answer(&dns, "a.test"), answer(&dns, "a.test"));
        assert!((&mut one).now_or_never().is_none() && (&mut other).now_or_never().is_none());
        assert_eq!((dns.under_way(), dns.0.limiter.taken()), (1, 1));
        drop(one);
        assert_eq!((dns.under_way(), dns.0.limiter.taken()), (1, 1));
        drop(other);
        assert_eq!((dns.under_way(), dns.0.limiter.taken()), (0, 0));
    }

    #[tokio::test(start_paused = true)]
    async fn zones_that_hung_share_the_room_of_one_from_then_on() {
        let (dns, _server, _directory) = silent();
        let begun = |number: usize| {
            let mut answer = answer(&dns, &format!("api.zone{number}.test"));
            assert!((&mut answer).now_or_never().is_none());
            answer
        };
        let dead: Vec<_> = (0..8).map(begun).collect();
        assert_eq!(dns.0.limiter.taken(), 8, "nothing is known of them yet");
        tokio::time::advance(HANGS * 2).await;
        drop(dead);
        assert_eq!(dns.0.limiter.taken(), 0);
        let _dead: Vec<_> = (0..8).map(begun).collect();
        assert_eq!(dns.0.limiter.taken(), 4);
        let _healthy = begun(99);
        assert_eq!(dns.0.limiter.taken(), 5);
    }

    #[tokio::test]
    async fn what_was_never_begun_leaves_nothing_and_does_not_end_a_later_one() {
        let (dns, _server, _directory) = silent();
        drop(answer(&dns, "a.test"));
        assert_eq!(dns.under_way(), 0);
        let mut later = answer(&dns, "a.test");
        assert!((&mut later).now_or_never().is_none());
        assert_eq!(dns.under_way(), 1);
    }
}
