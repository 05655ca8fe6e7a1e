//! Signatures of what this program hands out and takes back unchanged: cookies, links, tokens of forms.
//!
//! A key is for one purpose: what is signed for another one does not verify. Texts are signed with their lengths, so that no two
//! lists of texts have the same signature. It keeps no key: that is up to whoever asks.

use ring::hmac;
use ring::rand::{SecureRandom as _, SystemRandom};
use subtle::ConstantTimeEq as _;

/// A key for HMAC-SHA256. Prints as dots.
#[derive(Clone)]
pub struct SigningKey(hmac::Key);

impl SigningKey {
    /// Bytes of a key.
    pub const BYTES: usize = 32;

    /// Uses these bytes.
    pub fn new(bytes: &[u8; Self::BYTES]) -> Self {
        Self(hmac::Key::new(hmac::HMAC_SHA256, bytes))
    }

    /// A key of its own for a purpose, which further texts may narrow. Who knows it learns nothing of this one.
    #[must_use]
    pub fn derived(&self, purpose: &str, texts: &[&str]) -> Self {
        let mut whole = vec!["derived", purpose];
        whole.extend(texts);
        Self::new(&self.sign(&whole))
    }

    /// The signature of some texts.
    pub fn sign(&self, texts: &[&str]) -> [u8; 32] {
        let mut context = hmac::Context::with_key(&self.0);
        for text in texts {
            context.update(&(text.len() as u64).to_be_bytes());
            context.update(text.as_bytes());
        }
        let mut signature = [0; 32];
        signature.copy_from_slice(context.sign().as_ref());
        signature
    }

    /// Whether `offered` is the signature of these texts, or its first half, compared in constant time.
    pub fn verifies(&self, texts: &[&str], offered: &[u8]) -> bool {
        matches!(offered.len(), 16 | 32) && self.sign(texts)[..offered.len()].ct_eq(offered).into()
    }
}

impl std::fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SigningKey(…)")
    }
}

/// Bytes that nobody can guess.
pub fn random<const BYTES: usize>() -> [u8; BYTES] {
    let mut bytes = [0; BYTES];
    SystemRandom::new().fill(&mut bytes).expect("the system has random bytes");
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signature_is_of_these_texts_by_this_key_for_this_purpose_only() {
        let key = SigningKey::new(&random());
        let link = key.derived("link", &[]);
        let signature = link.sign(&["a", "bc"]);
        assert!(link.verifies(&["a", "bc"], &signature) && link.verifies(&["a", "bc"], &signature[..16]));
        assert!(!link.verifies(&["ab", "c"], &signature) && !link.verifies(&["a", "bc", ""], &signature));
        for other in [&key, &key.derived("form", &[]), &key.derived("link", &[""]), &SigningKey::new(&random())] {
            assert!(!other.verifies(&["a", "bc"], &signature));
        }
        for part in [&signature[..0], &signature[..15], &signature[..31]] {
            assert!(!link.verifies(&["a", "bc"], part), "too short a part of it can be guessed");
        }
        assert!(!format!("{key:?}").contains('['), "{key:?}");
    }
}
