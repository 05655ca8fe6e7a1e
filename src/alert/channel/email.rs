//! What an e-mail says: one plain text, threaded by incident.
//!
//! The `Message-ID` is made of the key or the try, so a repeated message has the same id. All messages of an incident answer to
//! its first one.

use std::time::SystemTime;

use data_encoding::HEXLOWER;
use lettre::message::header::{ContentType, HeaderName, HeaderValue};
use lettre::message::{Mailbox, Message as Mail};
use ring::digest;

use crate::alert::message::{Action, Message, headline, line, plain};

/// Bytes of a subject.
const SUBJECT: usize = 200;

/// Makes the e-mail for `message`. `id` is the try's, `first` the key of the incident's first message at this channel. The error
/// says what is no valid e-mail.
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
    // A ring has the id of its key, to which others refer; anything else has the id of its try.
    let own = if message.action == Action::Ring { message_id(&message.key, &domain) } else { message_id(id, &domain) };
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
    format!("<{}.serinus@{domain}>", HEXLOWER.encode(&digest.as_ref()[..16]))
}

#[cfg(test)]
mod tests {
    use super::super::super::message::cases::{cases, monster};
    use super::*;

    fn written(id: &str, first: Option<&str>, message: &Message) -> String {
        let to = ["On Call <oncall@example.com>".to_owned(), "second@example.com".to_owned()];
        let mail = mail("Serinus <serinus@example.org>", &to, id, first, message, SystemTime::UNIX_EPOCH).unwrap();
        String::from_utf8(mail.formatted()).unwrap()
    }

    /// The value of a header.
    fn header(mail: &str, wanted: &str) -> Option<String> {
        let head = mail.split("\r\n\r\n").next().unwrap().replace("\r\n ", " ");
        head.split("\r\n").find_map(|line| line.strip_prefix(&format!("{wanted}: ")).map(str::to_owned))
    }

    #[test]
    fn nothing_that_a_target_says_becomes_a_header() {
        let mail = written("1", None, &monster());
        let head = mail.split("\r\n\r\n").next().unwrap();
        assert_eq!(head.matches("\r\nSubject: ").count() + usize::from(head.starts_with("Subject: ")), 1);
        assert!(!head.to_lowercase().contains("\r\nbcc"), "{head}");
        assert!(mail.is_ascii(), "a server need not know 8BITMIME");
        assert!(mail.split("\r\n").all(|line| line.len() <= 998 && !line.contains(['\r', '\n'])));
    }

    #[test]
    fn each_message_has_an_id_of_its_own_and_all_but_the_first_answer_to_that() {
        let case = |name: &str| cases().into_iter().find(|case| case.name == name).unwrap().message;
        let (ring, spread, well) = (case("one_region"), case("spread"), case("well"));
        let first = written("1", Some(&ring.key), &ring);
        let root = header(&first, "Message-ID").unwrap();
        assert!(root.ends_with(".serinus@example.org>"), "{root}");
        assert_eq!(header(&first, "In-Reply-To"), None);
        let later = [written("2", Some(&ring.key), &spread), written("3", Some(&ring.key), &well)];
        let ids: Vec<Option<String>> = later.iter().map(|mail| header(mail, "Message-ID")).collect();
        assert!(ids[0] != ids[1] && ids.iter().all(|id| id.as_ref() != Some(&root)));
        for mail in &later {
            assert_eq!((header(mail, "In-Reply-To"), header(mail, "References")), (Some(root.clone()), Some(root.clone())));
        }
        assert_eq!(header(&written("2", Some(&ring.key), &spread), "Message-ID"), ids[0], "the same try is the same message");
        // If the first message is unknown, the previous one will do.
        assert_eq!(header(&written("2", None, &spread), "In-Reply-To"), Some(root));
    }

    #[test]
    fn an_address_that_is_none_says_so() {
        assert!(mail("nobody", &[], "1", None, &monster(), SystemTime::UNIX_EPOCH).unwrap_err().contains("no e-mail address"));
    }
}
