//! Sessions: who logged in, in a cookie that is signed and kept nowhere.
//!
//! It is signed with a key made of the service's own and of the secret that its owner logged in with, so that another value of that
//! secret, or its removal, ends it. A session that may act lasts for half a day and is renewed while it is used, for a week at most;
//! one that may only look is for wall screens, and lasts as long as browsers keep a cookie. Whom a proxy
//! named does not outlast that by more than a week, since nobody tells when the proxy forgets him.

use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};

use crate::base::signing::{SigningKey, random};

use super::caller::Role;

/// How long a session that may act lasts without being used.
const ACTS: Duration = Duration::from_hours(12);
/// How long it lasts in all.
const ACTS_AT_MOST: Duration = Duration::from_hours(24 * 7);
/// How long one that may only look lasts: no browser keeps a cookie for longer.
const READS: Duration = Duration::from_hours(24 * 400);
/// How old such a one is at least when it is renewed.
const READS_RENEWED: Duration = Duration::from_hours(24);

/// Bytes of a cookie that is looked at.
const LONGEST: usize = 2_000;

/// What a session stands and falls with.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Source {
    /// The token of this name.
    Token(Arc<str>),
    /// The user whom a trusted proxy named.
    Proxy,
    /// The service itself, which gave somebody a code.
    Service,
}

/// Somebody who logged in. Times are seconds since the epoch.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Session {
    pub(super) name: Arc<str>,
    pub(super) source: Source,
    acts: bool,
    begun: u64,
    issued: u64,
    until: u64,
    /// Tells this one from others of the same name.
    pub(super) id: String,
}

impl Session {
    /// Begins at `now`, seconds since the epoch.
    pub(super) fn begin(name: Arc<str>, source: Source, role: Role, now: u64) -> Self {
        let (acts, id) = (role == Role::Act, BASE64_URL_SAFE_NO_PAD.encode(random::<12>()));
        let lasts = match (&source, acts) {
            (_, true) => ACTS,
            (Source::Proxy, false) => ACTS_AT_MOST,
            (Source::Token(_) | Source::Service, false) => READS,
        };
        Self { name, source, acts, begun: now, issued: now, until: now + lasts.as_secs(), id }
    }

    /// What it allows.
    pub(super) fn role(&self) -> Role {
        if self.acts { Role::Act } else { Role::Read }
    }

    /// Seconds for which its cookie is to be kept.
    pub(super) fn lasts(&self, now: u64) -> u64 {
        self.until.saturating_sub(now)
    }

    /// The same for longer, where it is time for that.
    pub(super) fn renewed(&self, now: u64) -> Option<Self> {
        let (due, until) = if self.acts {
            let most = self.begun.saturating_add(ACTS_AT_MOST.as_secs());
            (self.lasts(now) < ACTS.as_secs() / 2, most.min(now + ACTS.as_secs()))
        } else if self.source == Source::Proxy {
            return None;
        } else {
            (now >= self.issued.saturating_add(READS_RENEWED.as_secs()), now + READS.as_secs())
        };
        (due && until > self.until).then(|| Self { issued: now, until, ..self.clone() })
    }

    /// The cookie's value.
    pub(super) fn sealed(&self, key: &SigningKey) -> String {
        let text = serde_json::to_string(self).expect("texts and numbers have a JSON spelling");
        let signature = key.sign(&[&text]);
        [BASE64_URL_SAFE_NO_PAD.encode(text), BASE64_URL_SAFE_NO_PAD.encode(signature)].join(".")
    }

    /// Reads a cookie's value; `key` gives the key for what the session says it stands and falls with.
    pub(super) fn opened(value: &str, now: u64, key: impl FnOnce(&Source) -> Option<SigningKey>) -> Option<Self> {
        let (text, signature) = value.split_once('.').filter(|_| value.len() <= LONGEST)?;
        let text = String::from_utf8(BASE64_URL_SAFE_NO_PAD.decode(text).ok()?).ok()?;
        let signature = BASE64_URL_SAFE_NO_PAD.decode(signature).ok()?;
        let claimed: Self = serde_json::from_str(&text).ok()?;
        let is_signed = signature.len() == 32 && key(&claimed.source)?.verifies(&[&text], &signature);
        (is_signed && claimed.issued <= now.saturating_add(60) && now < claimed.until).then_some(claimed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: u64 = 1_795_000_000;
    const HOUR: u64 = 3_600;

    fn key() -> SigningKey {
        SigningKey::new(&[7; 32])
    }

    fn opened(value: &str, now: u64) -> Option<Session> {
        Session::opened(value, now, |_| Some(key()))
    }

    #[test]
    fn a_session_is_read_back_until_it_ends_and_only_as_it_was_given() {
        let session = Session::begin("ann".into(), Source::Token("ops".into()), Role::Act, NOW);
        let value = session.sealed(&key());
        assert_eq!(opened(&value, NOW + 12 * HOUR - 1), Some(session));
        assert_eq!(opened(&value, NOW + 12 * HOUR), None);
        assert_eq!(Session::opened(&value, NOW, |_| Some(SigningKey::new(&[8; 32]))), None);
        assert_eq!(Session::opened(&value, NOW, |_| None), None, "its token is gone");
        for at in 0..value.len() {
            let mut changed = value.clone().into_bytes();
            changed[at] = if changed[at] == b'A' { b'B' } else { b'A' };
            assert_eq!(opened(&String::from_utf8(changed).unwrap(), NOW), None, "at {at}");
        }
        for odd in ["", ".", "a.b", &value[..value.len() - 22], &"a".repeat(10_000)] {
            assert_eq!(opened(odd, NOW), None, "{odd}");
        }
    }

    #[test]
    fn a_session_that_acts_is_renewed_while_it_is_used_and_ends_after_a_week() {
        let mut session = Session::begin("ann".into(), Source::Service, Role::Act, NOW);
        assert_eq!(session.renewed(NOW + 6 * HOUR), None);
        let mut now = NOW;
        while session.lasts(now) > 0 {
            now += 5 * HOUR;
            session = session.renewed(now).unwrap_or(session);
        }
        assert_eq!(session.until, NOW + 7 * 24 * HOUR);
    }

    #[test]
    fn a_wall_screen_that_looks_once_in_a_while_never_logs_in_again() {
        let mut session = Session::begin("wall".into(), Source::Token("wall".into()), Role::Read, NOW);
        assert_eq!(session.renewed(NOW + 23 * HOUR), None);
        for year in 1..20 {
            let now = NOW + year * 365 * 24 * HOUR;
            let value = session.sealed(&key());
            session = opened(&value, now).unwrap().renewed(now).unwrap();
        }
        assert_eq!(session.role(), Role::Read);
    }
}
