//! The key that everything else is derived from. It is made at the first start and kept in the store, so that sessions and links in
//! pages outlive a restart.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;

use crate::base::signing::{SigningKey, random};
use crate::history::{Commit, RestoredState, StateRow};
use crate::outcome::LinkKey;

/// The kind of its state.
const KIND: &str = "web_key";

/// The service's own key.
#[derive(Debug, Clone)]
pub struct RootKey(pub(super) SigningKey);

impl RootKey {
    /// The key of links in pages.
    pub fn links(&self) -> LinkKey {
        LinkKey::of(&self.0)
    }
}

/// The key that was kept; or else a new one, and what is to be kept of it.
pub fn restored_root_key(states: &[RestoredState]) -> (RootKey, Option<Commit>) {
    let kept = states.iter().find(|state| state.kind == KIND).and_then(|state| {
        let text: String = serde_json::from_str(&state.json).ok()?;
        BASE64_STANDARD.decode(text).ok()?.try_into().ok()
    });
    let bytes: [u8; SigningKey::BYTES] = kept.unwrap_or_else(random);
    let json = serde_json::Value::from(BASE64_STANDARD.encode(bytes)).to_string();
    let row = StateRow { kind: KIND, key: String::new(), json: Some(json) };
    let commit = kept.is_none().then(|| Commit { states: vec![row], ..Commit::default() });
    (RootKey(SigningKey::new(&bytes)), commit)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_made_once_and_found_again() {
        let (made, commit) = restored_root_key(&[]);
        let row = commit.unwrap().states.remove(0);
        let state = RestoredState { kind: row.kind.to_owned(), key: row.key, json: row.json.unwrap() };
        let (found, commit) = restored_root_key(std::slice::from_ref(&state));
        assert!(commit.is_none() && found.0.verifies(&["a"], &made.0.sign(&["a"])));
        let (other, commit) = restored_root_key(&[RestoredState { json: "\"damaged\"".to_owned(), ..state }]);
        assert!(commit.is_some() && !other.0.verifies(&["a"], &made.0.sign(&["a"])));
    }
}
