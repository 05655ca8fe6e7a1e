//! The certificates that probes met, the newest of each host and port.
//!
//! Owns the list, its bounds, and its rows in the store: states of the kind `certificate`, so that a restart forgets nothing. Who
//! listens to finished runs hands each certificate in ([`CertificateList::met`]) and records what comes back.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use axum::Extension;
use axum::extract::Query;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::base::time::{epoch_ms, from_epoch_ms, rfc3339, signed_millis};
use crate::history::{Commit, EventKind, EventRow, Page, RestoredState, StateRow};
use crate::outcome::PeerCertificate;

use super::ApiState;
use super::table::{Asked, FormatQuery, Listing};

const KIND: &str = "certificate";

/// The most hosts that are remembered; the one that was not met for longest makes room.
const HOSTS: usize = 2_000;

/// The most probes that are named for one host.
const PROBES: usize = 50;

/// How often a certificate is written that does not change.
const WRITTEN_EVERY: Duration = Duration::from_hours(1);

/// For how long one that is not met any more wins over an older one that is: several servers behind a name renew one after the
/// other, and then the new one stays; a renewal that was taken back is seen after that.
const ROLLED_OUT_WITHIN: Duration = Duration::from_hours(1);

/// How long something is remembered that nobody meets any more.
const FORGOTTEN_AFTER: Duration = Duration::from_hours(24 * 30);

/// The certificate of a host, for people and programs.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, ToSchema)]
pub struct CertificateView {
    /// The host.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// Its subject's distinguished name.
    pub subject: String,
    /// Its issuer's distinguished name.
    pub issuer: String,
    /// Begin of its validity, milliseconds since the epoch.
    pub not_before_ms: i64,
    /// End of its validity, milliseconds since the epoch.
    pub not_after_ms: i64,
    /// SHA-256 of it in DER.
    pub fingerprint: String,
    /// The probes that met the host, in the order of their names, at most 50.
    pub probes: Vec<String>,
    /// When it was met last, milliseconds since the epoch.
    pub seen_ms: i64,
}

/// A host's certificate, as it is kept.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Kept {
    subject: String,
    issuer: String,
    not_before_ms: i64,
    not_after_ms: i64,
    fingerprint: String,
    /// When each probe met the host last.
    probes: BTreeMap<String, i64>,
    seen_ms: i64,
    #[serde(skip)]
    written_ms: i64,
}

/// Host and port.
type Place = (String, u16);

/// The certificates that probes met. Clones are the same list.
#[derive(Debug, Clone, Default)]
pub struct CertificateList(Arc<Mutex<HashMap<Place, Kept>>>);

impl CertificateList {
    /// Reads what was kept, and says what of it is to be forgotten, because nobody met it for a month.
    pub fn restored(states: &[RestoredState], now: SystemTime) -> (Self, Commit) {
        let (mut list, mut commit) = (HashMap::new(), Commit::default());
        for state in states.iter().filter(|state| state.kind == KIND) {
            let place = state.key.rsplit_once(':').and_then(|(host, port)| Some((host.to_owned(), port.parse().ok()?)));
            let kept = serde_json::from_str::<Kept>(&state.json).ok().filter(|kept| !is_old(kept.seen_ms, epoch_ms(now)));
            match place.zip(kept).filter(|_| list.len() < HOSTS) {
                Some((place, kept)) => drop(list.insert(place, Kept { written_ms: kept.seen_ms, ..kept })),
                None => commit.states.push(StateRow { kind: KIND, key: state.key.clone(), json: None }),
            }
        }
        (Self(Arc::new(Mutex::new(list))), commit)
    }

    /// A probe met this certificate. Says what is to be written, which is mostly nothing.
    pub fn met(&self, met: &PeerCertificate, probe: &str, now: SystemTime) -> Commit {
        let now_ms = epoch_ms(now);
        let (mut list, mut commit) = (self.lock(), Commit::default());
        let place = (met.host.clone(), met.port);
        if !list.contains_key(&place)
            && list.len() >= HOSTS
            && let Some(oldest) = list.iter().min_by_key(|(_, kept)| kept.seen_ms).map(|(place, _)| place.clone())
        {
            list.remove(&oldest);
            commit.states.push(StateRow { kind: KIND, key: key(&oldest), json: None });
        }
        let known = list.get(&place);
        let is_new = known.is_none_or(|known| known.gives_way_to(met, now_ms));
        if is_new && known.is_some() {
            commit.events.push(event(met, known, probe, now_ms));
        }
        let kept = list.entry(place.clone()).or_insert_with(|| Kept::of(met));
        if is_new {
            *kept = Kept { probes: std::mem::take(&mut kept.probes), ..Kept::of(met) };
        }
        if kept.fingerprint == met.fingerprint {
            kept.seen_ms = now_ms;
        }
        kept.note(probe, now_ms);
        if is_new || now_ms.saturating_sub(kept.written_ms) >= signed_millis(WRITTEN_EVERY) {
            kept.written_ms = now_ms;
            let json = serde_json::to_string(kept).expect("texts and numbers have a JSON spelling");
            commit.states.push(StateRow { kind: KIND, key: key(&place), json: Some(json) });
        }
        commit
    }

    /// All of them, the one that ends first first.
    pub fn all(&self) -> Vec<CertificateView> {
        let mut all: Vec<CertificateView> = self.lock().iter().map(|(place, kept)| view(place, kept)).collect();
        all.sort_by(|one, other| (one.not_after_ms, &one.host, one.port).cmp(&(other.not_after_ms, &other.host, other.port)));
        all
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Place, Kept>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Kept {
    fn of(met: &PeerCertificate) -> Self {
        Self {
            subject: met.subject.clone(),
            issuer: met.issuer.clone(),
            not_before_ms: met.not_before_ms,
            not_after_ms: met.not_after_ms,
            fingerprint: met.fingerprint.clone(),
            probes: BTreeMap::new(),
            seen_ms: 0,
            written_ms: 0,
        }
    }

    /// Whether another certificate is the host's from now on.
    fn gives_way_to(&self, met: &PeerCertificate, now_ms: i64) -> bool {
        let is_newer =
            (met.not_before_ms, met.not_after_ms, &met.fingerprint) > (self.not_before_ms, self.not_after_ms, &self.fingerprint);
        let is_gone = now_ms.saturating_sub(self.seen_ms) >= signed_millis(ROLLED_OUT_WITHIN);
        met.fingerprint != self.fingerprint && (is_newer || is_gone)
    }

    fn note(&mut self, probe: &str, now_ms: i64) {
        if let Some(seen) = self.probes.get_mut(probe) {
            *seen = now_ms;
            return;
        }
        self.probes.retain(|_, seen| !is_old(*seen, now_ms));
        if self.probes.len() < PROBES {
            self.probes.insert(probe.to_owned(), now_ms);
        }
    }
}

fn is_old(seen_ms: i64, now_ms: i64) -> bool {
    now_ms.saturating_sub(seen_ms) > signed_millis(FORGOTTEN_AFTER)
}

fn key((host, port): &Place) -> String {
    format!("{host}:{port}")
}

/// `certificate of pay.example.com renewed: ends 2027-01-01, issued by CN=…`
fn event(met: &PeerCertificate, known: Option<&Kept>, probe: &str, now_ms: i64) -> EventRow {
    let is_renewed = known.is_some_and(|known| known.not_after_ms < met.not_after_ms);
    let how = if is_renewed { "renewed" } else { "changed" };
    let port = if met.port == 443 { String::new() } else { format!(":{}", met.port) };
    let ends = rfc3339(from_epoch_ms(met.not_after_ms));
    let day = ends.split('T').next().unwrap_or_default();
    EventRow {
        id: ulid::Ulid::generate().to_string(),
        at_ms: now_ms,
        kind: EventKind::Certificate,
        probe: Some(probe.to_owned()),
        incident: None,
        by: None,
        what: how.to_owned(),
        text: format!("certificate of {}{port} {how}: ends {day}, issued by {}", met.host, met.issuer),
    }
}

fn view((host, port): &Place, kept: &Kept) -> CertificateView {
    CertificateView {
        host: host.clone(),
        port: *port,
        subject: kept.subject.clone(),
        issuer: kept.issuer.clone(),
        not_before_ms: kept.not_before_ms,
        not_after_ms: kept.not_after_ms,
        fingerprint: kept.fingerprint.clone(),
        probes: kept.probes.keys().cloned().collect(),
        seen_ms: kept.seen_ms,
    }
}

/// The newest certificate of each host that probes met over TLS, the one that ends first first.
#[utoipa::path(get, path = "/api/v1/certificates", tag = "events", params(FormatQuery), responses(
    (status = 200, description = "All of them.", content((Page<CertificateView> = "application/json"), (String = "text/csv"))),
))]
pub(in crate::web) async fn list(
    Extension(api): Extension<ApiState>,
    asked: Asked,
    Query(wanted): Query<FormatQuery>,
) -> Listing<CertificateView> {
    Listing::all(api.certificates.all(), wanted.format, &asked)
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: i64 = 86_400_000;

    fn certificate(host: &str, from_day: i64, fingerprint: &str) -> PeerCertificate {
        PeerCertificate {
            host: host.to_owned(),
            port: 443,
            subject: "CN=pay".to_owned(),
            issuer: "CN=Test".to_owned(),
            not_before_ms: from_day * DAY,
            not_after_ms: (from_day + 90) * DAY,
            fingerprint: fingerprint.to_owned(),
        }
    }

    fn hour(hour: i64) -> SystemTime {
        from_epoch_ms(100 * DAY + hour * 3_600_000)
    }

    fn restored(commits: &[Commit], now: SystemTime) -> (CertificateList, Commit) {
        let mut rows: BTreeMap<String, Option<String>> = BTreeMap::new();
        rows.extend(commits.iter().flat_map(|commit| &commit.states).map(|row| (row.key.clone(), row.json.clone())));
        let state = |(key, json): (String, Option<String>)| Some(RestoredState { kind: KIND.to_owned(), key, json: json? });
        CertificateList::restored(&rows.into_iter().filter_map(state).collect::<Vec<_>>(), now)
    }

    #[test]
    fn the_first_sight_is_kept_and_a_renewal_is_an_event() {
        let list = CertificateList::default();
        let first = list.met(&certificate("pay.example.com", 50, "a"), "p", hour(0));
        assert_eq!((first.states.len(), first.events.len()), (1, 0));
        assert_eq!(first.states[0].key, "pay.example.com:443");
        let again = list.met(&certificate("pay.example.com", 50, "a"), "q", hour(0));
        assert!(again.is_empty(), "{again:?}");
        let renewed = list.met(&certificate("pay.example.com", 99, "b"), "p", hour(1));
        assert_eq!((renewed.states.len(), renewed.events.len()), (1, 1));
        let event = &renewed.events[0];
        assert_eq!(event.text, "certificate of pay.example.com renewed: ends 1970-07-09, issued by CN=Test");
        assert_eq!((event.what.as_str(), event.probe.as_deref(), event.at_ms), ("renewed", Some("p"), epoch_ms(hour(1))));
        let all = list.all();
        assert_eq!((all.len(), &*all[0].fingerprint, &all[0].probes[..]), (1, "b", &["p".to_owned(), "q".to_owned()][..]));
    }

    #[test]
    fn servers_behind_a_name_that_renew_one_after_the_other_are_one_event_and_a_renewal_taken_back_is_another() {
        let list = CertificateList::default();
        let (old, new) = (certificate("h", 10, "a"), certificate("h", 99, "b"));
        list.met(&old, "p", hour(0));
        let events: usize = [&new, &old, &new, &old].iter().map(|met| list.met(met, "p", hour(0)).events.len()).sum();
        assert_eq!((events, &*list.all()[0].fingerprint), (1, "b"));
        let back = list.met(&old, "p", hour(2));
        assert_eq!(back.events[0].what, "changed", "{back:?}");
        assert_eq!(list.all()[0].fingerprint, "a");
    }

    #[test]
    fn what_does_not_change_is_written_once_an_hour_and_read_back_until_nobody_meets_it_for_a_month() {
        let list = CertificateList::default();
        let mut commits = vec![list.met(&certificate("h", 10, "a"), "p", hour(0))];
        assert!(list.met(&certificate("h", 10, "a"), "p", from_epoch_ms(epoch_ms(hour(1)) - 1)).is_empty());
        commits.push(list.met(&certificate("h", 10, "a"), "q", hour(2)));
        assert_eq!(commits[1].states.len(), 1);
        let (again, forgotten) = restored(&commits, hour(3));
        assert!(forgotten.is_empty());
        assert_eq!(again.all(), list.all());
        assert!(again.met(&certificate("h", 10, "a"), "p", hour(2)).is_empty(), "a restart is no first sight");
        let (none, forgotten) = restored(&commits, hour(24 * 31));
        assert_eq!((none.all().len(), forgotten.states[0].key.as_str(), &forgotten.states[0].json), (0, "h:443", &None));
    }

    #[test]
    fn a_broken_row_is_forgotten_and_an_address_keeps_its_colons() {
        let broken = RestoredState { kind: KIND.to_owned(), key: "nothing".to_owned(), json: "{".to_owned() };
        let (list, forgotten) = CertificateList::restored(&[broken], hour(0));
        assert_eq!((list.all().len(), forgotten.states.len()), (0, 1));
        let (list, _) = restored(&[list.met(&certificate("[::1]", 1, "a"), "p", hour(0))], hour(1));
        assert_eq!((list.all()[0].host.as_str(), list.all()[0].port), ("[::1]", 443));
    }

    #[test]
    fn hosts_and_probes_are_bounded_and_what_ends_first_comes_first() {
        let list = CertificateList::default();
        list.met(&certificate("oldest", 9, "x"), "p", hour(0));
        for number in 0..HOSTS {
            let days = 10 + i64::try_from(number % 50).unwrap();
            let commit = list.met(&certificate(&format!("h{number}"), days, "a"), "p", hour(1));
            assert_eq!(commit.states.iter().any(|row| row.json.is_none()), number == HOSTS - 1);
        }
        let all = list.all();
        assert_eq!(all.len(), HOSTS);
        assert!(all.iter().all(|view| view.host != "oldest") && all.is_sorted_by_key(|view| view.not_after_ms));
        for probe in 0..2 * PROBES {
            list.met(&certificate("h0", 10, "a"), &format!("p{probe}"), hour(1));
        }
        assert_eq!(list.all().iter().map(|view| view.probes.len()).max(), Some(PROBES));
    }
}
