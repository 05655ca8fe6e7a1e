//! Any HTTP endpoint: the notice as JSON, or a body of the operator's own, signed if there is a key.

use std::time::SystemTime;

use ring::hmac;

use crate::alert::Notice;

use super::http::Post;
use super::text::hex;

/// Everything of a webhook that has been rendered.
#[derive(Debug)]
pub(super) struct Rendered {
    pub(super) url: String,
    pub(super) headers: Vec<(String, String)>,
    /// Instead of the notice.
    pub(super) body: Option<String>,
    pub(super) signing_key: Option<crate::outcome::Secret>,
}

/// The request that tells of `notice`; `id` is the message's.
pub(super) fn request(rendered: Rendered, id: &str, notice: &Notice, now: SystemTime) -> Post {
    let body = match rendered.body {
        Some(body) => body.into_bytes(),
        None => serde_json::to_vec(notice).expect("a notice has only text and numbers in it"),
    };
    let mut headers = vec![("content-type".to_owned(), "application/json".to_owned())];
    headers.extend(rendered.headers);
    headers.push(("x-serinus-key".to_owned(), header_safe(&notice.key)));
    headers.push(("x-serinus-message".to_owned(), header_safe(id)));
    if let Some(key) = rendered.signing_key {
        let seconds = now.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs();
        headers.push(("x-serinus-signature".to_owned(), signature(key.expose().as_bytes(), seconds, &body)));
    }
    Post { url: rendered.url, headers, body }
}

/// `t=SECONDS,v1=HEX`: HMAC-SHA-256 over the seconds, a dot and the body, so that an old request cannot be sent as a new one.
fn signature(key: &[u8], seconds: u64, body: &[u8]) -> String {
    let mut signing = hmac::Context::with_key(&hmac::Key::new(hmac::HMAC_SHA256, key));
    signing.update(format!("{seconds}.").as_bytes());
    signing.update(body);
    format!("t={seconds},v1={}", hex(signing.sign().as_ref()))
}

/// Visible ASCII as it is, everything else percent-encoded.
fn header_safe(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_graphic() && byte != b'%' {
            safe.push(char::from(byte));
        } else {
            safe.push('%');
            safe.push_str(&hex(&[byte]).to_uppercase());
        }
    }
    safe
}
