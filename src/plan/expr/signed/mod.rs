//! Hashes, signatures and one-time codes: what a request is signed with.
//!
//! Owns how bytes are spelled ([`Encoding`]) and which key a text stands for. `digest` hashes, `totp` and `jwt` make what they are
//! named after. What any of them makes of a secret is a credential: the evaluation tells the run of it, which masks it.
//!
//! One more algorithm is a word in the list of its file, and an arm there.

mod digest;
mod jwt;
mod totp;

use base64::Engine as _;
use base64::engine::DecodePaddingMode;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig, STANDARD, URL_SAFE_NO_PAD};
use base64::{DecodeError, alphabet};
use data_encoding::HEXLOWER;

pub(super) use digest::{HASH_RULES, HMAC_RULES, hmac, md5, sha1, sha256, sha512};
pub(super) use jwt::{JWT_RULES, jwt, jwt_claims};
pub(super) use totp::{TOTP_RULES, totp};

/// How bytes are spelled as text.
pub(super) const ENCODINGS: &[&str] = &["hex", "base64", "base64url"];

/// What the text of a key spells.
pub(super) const KEY_ENCODINGS: &[&str] = &["text", "hex", "base64"];

/// Bytes as text: hexadecimal digits, base64 of RFC 4648 section 4, or that of section 5 without padding.
fn encoded(bytes: &[u8], encoding: Option<&str>) -> Result<String, String> {
    match encoding.unwrap_or("hex") {
        "hex" => Ok(HEXLOWER.encode(bytes)),
        "base64" => Ok(STANDARD.encode(bytes)),
        "base64url" => Ok(URL_SAFE_NO_PAD.encode(bytes)),
        other => Err(super::rule::none_of("encoding", other, ENCODINGS)),
    }
}

/// The bytes that a key's text stands for. Nothing of the key is in a message.
fn key_bytes(key: &str, encoding: Option<&str>) -> Result<Vec<u8>, String> {
    match encoding.unwrap_or("text") {
        "text" => Ok(key.as_bytes().to_vec()),
        "hex" => unhex(key.trim()).ok_or_else(|| "the key is not made of pairs of hexadecimal digits".into()),
        "base64" => base64_bytes(key.trim()).map_err(|_| "the key is not base64".into()),
        other => Err(super::rule::none_of("encoding of a key", other, KEY_ENCODINGS)),
    }
}

fn unhex(text: &str) -> Option<Vec<u8>> {
    let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    let (pairs, rest) = text.as_bytes().as_chunks::<2>();
    let bytes = pairs.iter().map(|[high, low]| Some(digit(*high)? << 4 | digit(*low)?)).collect::<Option<Vec<_>>>();
    bytes.filter(|_| rest.is_empty())
}

/// What base64 of either alphabet, padded or not, encodes.
pub(super) fn base64_bytes(text: &str) -> Result<Vec<u8>, DecodeError> {
    let alphabet = if text.contains(['-', '_']) { &alphabet::URL_SAFE } else { &alphabet::STANDARD };
    let config = GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent);
    GeneralPurpose::new(alphabet, config).decode(text)
}
