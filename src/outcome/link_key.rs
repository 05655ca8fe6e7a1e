//! Keys in links: whoever has the link of an incident may look at it and at its runs for a while, and at nothing else.
//!
//! A key is its signature and the hour of its end, 26 or so letters that every mail program and chat keeps whole. It is bound to one
//! incident, tells nothing, and cannot be taken back before its end but by another key of the service.

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;

use crate::base::signing::SigningKey;

/// Letters of the signature's first 128 bits.
const SIGNATURE: usize = 22;

/// Keys end at whole hours, so that they are short, and a message that is made again has the same link.
const HOUR_MS: i64 = 3_600_000;

/// What signs links. Cheap to clone.
#[derive(Debug, Clone)]
pub struct LinkKey(SigningKey);

impl LinkKey {
    /// A key of the service's own one.
    pub fn of(root: &SigningKey) -> Self {
        Self(root.derived("link", &[]))
    }

    /// The key for looking at an incident until `expires_ms`, milliseconds since the epoch, or the end of that hour.
    pub fn sign(&self, incident: &str, expires_ms: i64) -> String {
        let hour = u64::try_from(expires_ms.max(0)).unwrap_or(0).div_ceil(HOUR_MS.unsigned_abs());
        let hour = base36(hour);
        let signature = self.0.sign(&[incident, &hour]);
        BASE64_URL_SAFE_NO_PAD.encode(&signature[..16]) + &hour
    }

    /// Whether a key is one for this incident and not over at `now_ms`, milliseconds since the epoch.
    pub fn verify(&self, incident: &str, key: &str, now_ms: i64) -> bool {
        let Some((signature, hour)) = key.split_at_checked(SIGNATURE) else { return false };
        let Ok(signature) = BASE64_URL_SAFE_NO_PAD.decode(signature) else { return false };
        let until = i64::from_str_radix(hour, 36).ok().and_then(|hour| hour.checked_mul(HOUR_MS));
        self.0.verifies(&[incident, hour], &signature) && until.is_some_and(|until| now_ms < until)
    }
}

fn base36(mut number: u64) -> String {
    const DIGITS: &[u8; 36] = b"0123456789abcdefghijklmnopqrstuvwxyz";
    let mut digits = Vec::new();
    loop {
        digits.push(char::from(DIGITS[usize::try_from(number % 36).unwrap_or(0)]));
        number /= 36;
        if number == 0 {
            return digits.into_iter().rev().collect();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: i64 = 1_795_000_000_000;

    fn key() -> LinkKey {
        LinkKey::of(&SigningKey::new(&[7; 32]))
    }

    #[test]
    fn a_key_opens_its_incident_until_the_hour_of_its_end_and_no_other_one() {
        let signed = key().sign("01HS8JJEFV000000000000001A", NOW + 10);
        assert!(signed.len() <= 30 && signed.ends_with(|last: char| last.is_ascii_alphanumeric()), "{signed}");
        assert!(key().verify("01HS8JJEFV000000000000001A", &signed, NOW));
        assert!(!key().verify("01HS8JJEFV000000000000001B", &signed, NOW));
        assert!(!key().verify("01HS8JJEFV000000000000001A", &signed, NOW + 10 + HOUR_MS));
        assert!(!LinkKey::of(&SigningKey::new(&[8; 32])).verify("01HS8JJEFV000000000000001A", &signed, NOW));
    }

    #[test]
    fn a_key_that_was_changed_anywhere_opens_nothing() {
        let signed = key().sign("a", NOW + HOUR_MS);
        for at in 0..signed.len() {
            let mut changed = signed.clone().into_bytes();
            changed[at] = if changed[at] == b'x' { b'y' } else { b'x' };
            assert!(!key().verify("a", &String::from_utf8(changed).unwrap(), NOW), "at {at}");
        }
        for odd in
            ["", "x", &signed[..22], &format!("{signed}0"), &format!("0{signed}"), "ääääääääääääääääääääää1", &"9".repeat(500)]
        {
            assert!(!key().verify("a", odd, NOW), "{odd}");
        }
    }
}
