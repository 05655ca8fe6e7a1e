//! The key that everything else is derived from: of the secret that `listen.key` names, or one that is made at the first start and kept
//! in the store, so that sessions and links in pages outlive a restart. All processes of a fleet have the same.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;

use crate::base::signing::{SigningKey, random};
use crate::history::{Commit, Fleet, ReadError, RestoredState, StateRow};
use crate::outcome::{LinkKey, Secret};

/// The kind of its state.
const KIND: &str = "web_key";

/// The service's own key.
#[derive(Debug, Clone)]
pub struct RootKey(pub(super) SigningKey);

impl RootKey {
    /// Characters that its secret must have at least. A shorter one could be found by trying, since whoever has a link can check a guess.
    pub const SHORTEST: usize = 32;

    /// The key that a secret stands for.
    pub fn of_secret(secret: &Secret) -> Self {
        Self(SigningKey::new(&[0; SigningKey::BYTES]).derived("listen.key", &[secret.expose()]))
    }

    /// The key of links in pages.
    pub fn links(&self) -> LinkKey {
        LinkKey::of(&self.0)
    }
}

/// The key that was kept; or else a new one, and what is to be kept of it.
pub fn restored_root_key(states: &[RestoredState]) -> (RootKey, Option<Commit>) {
    let kept = states.iter().find(|state| state.kind == KIND).and_then(|state| read(&state.json));
    let bytes: [u8; SigningKey::BYTES] = kept.unwrap_or_else(random);
    let row = StateRow { kind: KIND, key: String::new(), json: Some(json(&bytes)) };
    let commit = kept.is_none().then(|| Commit { states: vec![row], ..Commit::default() });
    (RootKey(SigningKey::new(&bytes)), commit)
}

/// The key that the processes of a fleet share. Of several that start for the first time, all get that of whoever was first.
///
/// # Errors
/// Where the store does not answer.
pub async fn shared_root_key(fleet: &dyn Fleet) -> Result<(RootKey, Option<Commit>), ReadError> {
    let kept = fleet.first_state(KIND, json(&random())).await?;
    Ok(restored_root_key(&[RestoredState { kind: KIND.to_owned(), key: String::new(), json: kept }]))
}

fn read(json: &str) -> Option<[u8; SigningKey::BYTES]> {
    let text: String = serde_json::from_str(json).ok()?;
    BASE64_STANDARD.decode(text).ok()?.try_into().ok()
}

fn json(bytes: &[u8; SigningKey::BYTES]) -> String {
    serde_json::Value::from(BASE64_STANDARD.encode(bytes)).to_string()
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

    #[test]
    fn a_secret_is_the_same_key_everywhere_and_another_one_another() {
        let of = |secret: &str| RootKey::of_secret(&Secret::new(secret));
        let signature = of("one").0.sign(&["a"]);
        assert!(of("one").0.verifies(&["a"], &signature) && !of("other").0.verifies(&["a"], &signature));
    }
}
