//! What an e-mail says: one plain text, threaded by incident.
//!
//! Each message has one `Message-ID`, made of what it is about, so that one that is sent again is known as the same; all but an
//! incident's first one answer to that.

use std::time::SystemTime;

use lettre::message::header::{ContentType, HeaderName, HeaderValue};
use lettre::message::{Mailbox, Message as Mail};
use ring::digest;

use crate::alert::message::{Message, What, headline, hex, line, plain};

/// Bytes of a subject.
const SUBJECT: usize = 200;

/// The e-mail that tells of `message`. `id` is the try's, `first` the key of the incident's first message at this channel. The
/// error says what of it is no e-mail.
pub(super) fn mail(
    from: &str,
    to: &[String],
    id: &str,
    first: Option<&str>,
    message: &Message,
    now: SystemTime,
) -> Result<Mail, String> {
    let from = mailbox(from)?;
    let domain = from.email.domain().to_owned();
    // A ring is known by its key, which others refer to; all else by the try.
    let own = if message.action == What::Ring { message_id(&message.key, &domain) } else { message_id(id, &domain) };
    let root = first.map(|key| message_id(key, &domain)).filter(|root| *root != own);
    let before = message.previous.as_deref().map(|key| message_id(key, &domain)).filter(|before| *before != own);
    let mut builder = Mail::builder().date(now).subject(headline(message, SUBJECT)).from(from).message_id(Some(own));
    for to in to {
        builder = builder.to(mailbox(to)?);
    }
    if let Some(root) = root.or(before) {
        builder = builder.in_reply_to(root.clone()).references(root);
    }
    builder
        // Out-of-office replies are asked not to come.
        .raw_header(HeaderValue::new(HeaderName::new_from_ascii_str("Auto-Submitted"), "auto-generated".to_owned()))
        .header(ContentType::TEXT_PLAIN)
        .body(plain(&headline(message, 500), message))
        .map_err(|error| format!("cannot write the e-mail: {error}"))
}

/// An address with or without a name.
pub(super) fn mailbox(text: &str) -> Result<Mailbox, String> {
    text.parse().map_err(|error| format!("`{}` is no e-mail address: {error}", line(text, 100)))
}

fn message_id(of: &str, domain: &str) -> String {
    let digest = digest::digest(&digest::SHA256, of.as_bytes());
    format!("<{}.serinus@{domain}>", hex(&digest.as_ref()[..16]))
}
