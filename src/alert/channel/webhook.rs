//! Any HTTP endpoint: the message as JSON, or a body of the operator's own, signed if there is a key.

use std::sync::Arc;
use std::time::SystemTime;

use data_encoding::{HEXLOWER, HEXUPPER};
use ring::hmac;

use crate::alert::message::{Message, line};
use crate::base::time::since_epoch;
use crate::outcome::{Secret, Secrets};
use crate::plan::Template;
use crate::plan::expr::Destination;

use super::http::Post;
use super::template::{NoValue, context, render, secret};

/// A channel's settings.
#[derive(Debug)]
pub(super) struct Webhook<'a> {
    pub(super) url: &'a Template,
    pub(super) headers: &'a [(String, Template)],
    pub(super) body: Option<&'a Template>,
    pub(super) signing_key: Option<&'a str>,
}

/// The request that tells of `message`; `id` is the try's.
pub(super) fn request(
    webhook: &Webhook<'_>,
    secrets: &Arc<Secrets>,
    id: &str,
    message: &Message,
    now: SystemTime,
) -> Result<Post, NoValue> {
    let context = context(Some(message), secrets);
    // A template without a value must not cost the message: it is left out, and the message says so.
    let mut message = message.clone();
    let mut headers = vec![("content-type".to_owned(), "application/json".to_owned())];
    for (name, value) in webhook.headers {
        let value = optional(render(value, Destination::Header, &context, secrets), &mut message)?;
        headers.extend(value.map(|value| (name.clone(), value)));
    }
    let own = webhook
        .body
        .map(|body| optional(render(body, Destination::Text, &context, secrets), &mut message))
        .transpose()?
        .flatten();
    let body = match own {
        Some(body) => body.into_bytes(),
        None => serde_json::to_vec(&message).expect("a message has only text and numbers in it"),
    };
    headers.push(("x-serinus-key".to_owned(), header_safe(&message.key)));
    headers.push(("x-serinus-try".to_owned(), header_safe(id)));
    headers.push(("x-serinus-version".to_owned(), message.version.to_string()));
    if let Some(name) = webhook.signing_key {
        let seconds = since_epoch(now).as_secs();
        headers.push(("x-serinus-signature".to_owned(), signature(&secret(name, secrets)?, seconds, &body)));
    }
    Ok(Post { url: render(webhook.url, Destination::Url, &context, secrets)?, headers, body })
}

/// Renders an optional part. If it has no value, the message says so. A missing secret is an error, so that the try waits for it.
fn optional(rendered: Result<String, NoValue>, message: &mut Message) -> Result<Option<String>, NoValue> {
    match rendered {
        Ok(text) => Ok(Some(text)),
        Err(missing) if missing.is_secret => Err(missing),
        Err(missing) => {
            tracing::error!(key = message.key, "a webhook is sent without what its configuration asks for: {missing}");
            message.why.push(line(&format!("This message is not as configured: {missing}"), 500));
            Ok(None)
        }
    }
}

/// `t=SECONDS,v1=HEX`: HMAC-SHA-256 over the seconds, a dot and the body, so that an old request cannot be sent as a new one.
fn signature(key: &Secret, seconds: u64, body: &[u8]) -> String {
    let mut signing = hmac::Context::with_key(&hmac::Key::new(hmac::HMAC_SHA256, key.expose().as_bytes()));
    signing.update(format!("{seconds}.").as_bytes());
    signing.update(body);
    format!("t={seconds},v1={}", HEXLOWER.encode(signing.sign().as_ref()))
}

/// Visible ASCII as it is, everything else percent-encoded.
fn header_safe(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_graphic() && byte != b'%' {
            safe.push(char::from(byte));
        } else {
            safe.push('%');
            safe.push_str(&HEXUPPER.encode(&[byte]));
        }
    }
    safe
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::super::super::message::cases::{cases, monster};
    use super::*;

    fn location() -> crate::source::Location {
        crate::source::Location { path: std::path::Path::new("serinus.toml").into(), line: 1, column: 1 }
    }

    fn posted(message: &Message, body: Option<&str>, now: SystemTime) -> Post {
        let url = Template::parse("https://hooks.example.com/", location()).unwrap();
        let body = body.map(|body| Template::parse(body, location()).unwrap());
        let webhook = Webhook { url: &url, headers: &[], body: body.as_ref(), signing_key: Some("key") };
        let secrets = Arc::new(Secrets::new([("key".into(), Ok(Secret::new("shared key")))].into()));
        request(&webhook, &secrets, "m1", message, now).unwrap()
    }

    fn header<'a>(post: &'a Post, name: &str) -> Option<&'a str> {
        post.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    #[test]
    fn the_body_is_the_message_and_reads_back_as_it() {
        for message in cases().into_iter().map(|case| case.message).chain([monster()]) {
            let post = posted(&message, None, SystemTime::now());
            assert_eq!(serde_json::from_slice::<Message>(&post.body).unwrap(), message);
            assert_eq!((header(&post, "x-serinus-try"), header(&post, "x-serinus-version")), (Some("m1"), Some("2")));
            assert!(post.headers.iter().all(|(_, value)| http::HeaderValue::try_from(value).is_ok()));
        }
    }

    #[test]
    fn the_signature_is_over_time_and_body_and_is_what_anybody_else_computes() {
        // The expected digest was computed with openssl: printf '1700000000.hello' | openssl dgst -sha256 -hmac key
        let wanted = "t=1700000000,v1=4d583a269f4f276a3fa80ff31b5a01879a848096983222a17893d198418939aa";
        assert_eq!(signature(&Secret::new("key"), 1_700_000_000, b"hello"), wanted);
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_000);
        let post = posted(&cases()[0].message, Some("hello"), now);
        assert_eq!(
            (post.body.as_slice(), header(&post, "x-serinus-signature").map(|text| &text[..13])),
            (&b"hello"[..], Some("t=1700000000,"))
        );
    }

    #[test]
    fn a_key_cannot_add_a_header() {
        let message = Message { key: "subject/p/a b\r\nx: y/é%".to_owned(), ..cases()[0].message.clone() };
        let post = posted(&message, None, SystemTime::now());
        assert_eq!(header(&post, "x-serinus-key"), Some("subject/p/a%20b%0D%0Ax:%20y/%C3%A9%25"));
    }
}
