//! One-time codes: whoever brings one may log in once, within ten minutes.
//!
//! They are in memory only, so that a restart ends them.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;

use crate::base::signing::random;

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

/// Those that nobody has used.
#[derive(Debug, Default)]
pub(super) struct Codes(Mutex<BTreeMap<String, (Instant, Admitted)>>);

impl Codes {
    /// A new one.
    pub(super) fn new_code(&self, admitted: Admitted, now: Instant) -> String {
        let code = BASE64_URL_SAFE_NO_PAD.encode(random::<32>());
        let mut codes = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        codes.retain(|_, (until, _)| now < *until);
        while codes.len() >= MOST {
            let oldest = codes.iter().min_by_key(|(_, (until, _))| *until).map(|(code, _)| code.clone());
            oldest.and_then(|oldest| codes.remove(&oldest));
        }
        codes.insert(code.clone(), (now + LASTS, admitted));
        code
    }

    /// Uses one up. A code has 256 random bits, so that how long looking it up takes tells nobody another one.
    pub(super) fn take(&self, code: &str, now: Instant) -> Option<Admitted> {
        let mut codes = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        codes.remove(code).filter(|(until, _)| now < *until).map(|(_, admitted)| admitted)
    }
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
        assert!(code.len() >= 43);
        assert_eq!(codes.take("x", now), None);
        assert_eq!(codes.take(&code, now), Some(ann()));
        assert_eq!(codes.take(&code, now), None);
        let code = codes.new_code(ann(), now);
        assert_eq!(codes.take(&code, now + LASTS), None);
    }

    #[test]
    fn there_are_never_many_and_the_oldest_gives_way() {
        let (codes, now) = (Codes::default(), Instant::now());
        let all: Vec<String> = (0..150).map(|at| codes.new_code(ann(), now + Duration::from_millis(at))).collect();
        assert_eq!(codes.0.lock().unwrap().len(), MOST);
        assert!(codes.take(&all[49], now).is_none() && codes.take(&all[50], now).is_some());
    }
}
