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

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::super::testing::{monster, notice};
    use super::*;
    use crate::outcome::Secret;

    fn rendered(body: Option<&str>, key: Option<&str>) -> Rendered {
        Rendered {
            url: "https://hooks.example.com/".to_owned(),
            headers: vec![("x-team".to_owned(), "music".to_owned())],
            body: body.map(str::to_owned),
            signing_key: key.map(Secret::new),
        }
    }

    fn header<'a>(post: &'a Post, name: &str) -> Option<&'a str> {
        post.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    #[test]
    fn the_body_is_the_notice_and_reads_back_as_it() {
        for notice in [notice("k/1"), monster()] {
            let post = request(rendered(None, None), "m1", &notice, SystemTime::now());
            assert_eq!(serde_json::from_slice::<Notice>(&post.body).unwrap(), notice);
            assert_eq!(header(&post, "content-type"), Some("application/json"));
            assert_eq!(header(&post, "x-serinus-message"), Some("m1"));
            assert!(header(&post, "x-serinus-signature").is_none());
            assert!(post.headers.iter().all(|(_, value)| http::HeaderValue::try_from(value).is_ok()));
        }
    }

    #[test]
    fn the_signature_is_over_time_and_body_and_is_what_anybody_else_computes() {
        // The expected digest was computed with openssl: printf '1700000000.hello' | openssl dgst -sha256 -hmac key
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_000);
        let post = request(rendered(Some("hello"), Some("key")), "m1", &notice("k/1"), now);
        assert_eq!(post.body, b"hello");
        let wanted = "t=1700000000,v1=4d583a269f4f276a3fa80ff31b5a01879a848096983222a17893d198418939aa";
        assert_eq!(header(&post, "x-serinus-signature"), Some(wanted));
    }

    #[test]
    fn a_key_cannot_add_a_header() {
        let post = request(rendered(None, None), "m1", &notice("subject/p/a b\r\nx: y/é%"), SystemTime::now());
        assert_eq!(header(&post, "x-serinus-key"), Some("subject/p/a%20b%0D%0Ax:%20y/%C3%A9%25"));
    }
}
