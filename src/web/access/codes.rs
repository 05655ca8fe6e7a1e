//! One-time codes: whoever brings one may log in once, within ten minutes.
//!
//! They are in memory only, so that a restart ends them. In a fleet they are in the store, by their hashes, so that each is good on any
//! instance, and once in all.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use ring::digest::{SHA256, digest};
use serde::{Deserialize, Serialize};

use crate::base::signing::random;
use crate::history::Fleet;

use super::caller::Role;
use super::session::Source;

/// How long one is good.
pub(super) const LASTS: Duration = Duration::from_mins(10);

/// Codes there may be at once; the oldest gives way.
const MOST: usize = 100;

/// Whom a code lets in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Admitted {
    pub(super) name: Arc<str>,
    pub(super) role: Role,
    /// What ends his session.
    pub(super) source: Source,
}

/// The same, as a fleet keeps it.
#[derive(Serialize, Deserialize)]
struct StoredCode {
    name: Arc<str>,
    acts: bool,
    source: Source,
}

impl From<Admitted> for StoredCode {
    fn from(Admitted { name, role, source }: Admitted) -> Self {
        Self { name, acts: role == Role::Act, source }
    }
}

impl From<StoredCode> for Admitted {
    fn from(StoredCode { name, acts, source }: StoredCode) -> Self {
        Self { name, role: if acts { Role::Act } else { Role::Read }, source }
    }
}

/// Letters of a code.
const LETTERS: usize = 43;

/// Those that nobody has used.
#[derive(Default)]
pub(super) struct Codes {
    own: Mutex<BTreeMap<String, (Instant, Admitted)>>,
    fleet: Option<Arc<dyn Fleet>>,
}

impl fmt::Debug for Codes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Codes(…)")
    }
}

impl Codes {
    /// Those of a fleet, or of this process alone.
    pub(super) fn of(fleet: Option<Arc<dyn Fleet>>) -> Self {
        Self { own: Mutex::default(), fleet }
    }

    /// A new one that is good on this instance.
    pub(super) fn new_code(&self, admitted: Admitted, now: Instant) -> String {
        let code = BASE64_URL_SAFE_NO_PAD.encode(random::<32>());
        let mut codes = self.own.lock().unwrap_or_else(PoisonError::into_inner);
        codes.retain(|_, (until, _)| now < *until);
        while codes.len() >= MOST {
            let oldest = codes.iter().min_by_key(|(_, (until, _))| *until).map(|(code, _)| code.clone());
            oldest.and_then(|oldest| codes.remove(&oldest));
        }
        codes.insert(code.clone(), (now + LASTS, admitted));
        code
    }

    /// A new one that is good on all instances of a fleet.
    pub(super) async fn shared_code(&self, admitted: Admitted, now: Instant) -> String {
        let Some(fleet) = &self.fleet else { return self.new_code(admitted, now) };
        let code = BASE64_URL_SAFE_NO_PAD.encode(random::<32>());
        let json = serde_json::to_string(&StoredCode::from(admitted.clone())).expect("texts have a JSON spelling");
        match fleet.keep_code(hash(&code), json, LASTS).await {
            Ok(()) => code,
            Err(error) => {
                let error = &error as &dyn std::error::Error;
                tracing::warn!(error, "a code to log in with cannot be kept in the store; it is good on this instance alone");
                // The other one may be in the store, and nobody knows it.
                self.new_code(admitted, now)
            }
        }
    }

    /// Uses one up, wherever it was made.
    pub(super) async fn take(&self, code: &str, now: Instant) -> Option<Admitted> {
        if let Some(admitted) = self.take_own(code, now) {
            return Some(admitted);
        }
        let fleet = self.fleet.as_ref().filter(|_| code.len() == LETTERS)?;
        match fleet.take_code(hash(code)).await {
            Ok(stored) => serde_json::from_str::<StoredCode>(&stored?).ok().map(Admitted::from),
            Err(error) => {
                let error = &error as &dyn std::error::Error;
                tracing::warn!(error, "whether a code to log in with is good cannot be asked of the store");
                None
            }
        }
    }

    /// Uses up one of this instance's. A code has 256 random bits, so that how long looking it up takes tells nobody another one.
    fn take_own(&self, code: &str, now: Instant) -> Option<Admitted> {
        let mut codes = self.own.lock().unwrap_or_else(PoisonError::into_inner);
        codes.remove(code).filter(|(until, _)| now < *until).map(|(_, admitted)| admitted)
    }
}

/// What of a code is kept: nobody finds a code of 256 random bits by its hash.
fn hash(code: &str) -> String {
    BASE64_URL_SAFE_NO_PAD.encode(digest(&SHA256, code.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ann() -> Admitted {
        Admitted { name: "ann".into(), role: Role::Act, source: Source::Service }
    }

    #[test]
    fn a_code_is_good_once_and_for_ten_minutes() {
        let (codes, now) = (Codes::default(), Instant::now());
        let code = codes.new_code(ann(), now);
        assert_eq!(code.len(), LETTERS);
        assert_eq!(codes.take_own("x", now), None);
        assert_eq!(codes.take_own(&code, now), Some(ann()));
        assert_eq!(codes.take_own(&code, now), None);
        let code = codes.new_code(ann(), now);
        assert_eq!(codes.take_own(&code, now + LASTS), None);
    }

    #[test]
    fn there_are_never_many_and_the_oldest_gives_way() {
        let (codes, now) = (Codes::default(), Instant::now());
        let all: Vec<String> = (0..150).map(|at| codes.new_code(ann(), now + Duration::from_millis(at))).collect();
        assert_eq!(codes.own.lock().unwrap().len(), MOST);
        assert!(codes.take_own(&all[49], now).is_none() && codes.take_own(&all[50], now).is_some());
    }
}
