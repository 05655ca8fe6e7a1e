//! E-mail: one plain text, a copy to each recipient, threaded by key.
//!
//! Each recipient has a delivery of its own, since a server that knows one of them no more would otherwise refuse the page for
//! all.

use std::path::Path;
use std::time::{Duration, SystemTime};

use lettre::address::Envelope;
use lettre::message::header::{ContentType, HeaderName, HeaderValue};
use lettre::message::{Mailbox, Message};
use lettre::transport::smtp::authentication::Credentials;
use lettre::transport::smtp::client::{Certificate, Tls, TlsParameters};
use lettre::transport::smtp::extension::ClientId;
use lettre::{Address, AsyncSmtpTransport, AsyncTransport as _, Tokio1Executor};
use ring::digest;

use crate::alert::{Action, Notice, Occasion};
use crate::outcome::{Redactor, Secret};
use crate::plan::SmtpTls;

use super::http::chain;
use super::letter::{Letter, Trouble};
use super::text::{headline, hex, line, plain};

/// Characters of a subject.
const SUBJECT: usize = 200;

type Transport = AsyncSmtpTransport<Tokio1Executor>;

/// A channel's settings with its password.
#[derive(Debug)]
pub(super) struct Mail<'a> {
    pub(super) host: &'a str,
    pub(super) port: u16,
    pub(super) tls: SmtpTls,
    pub(super) login: Option<(&'a str, Secret)>,
    pub(super) from: &'a str,
    pub(super) to: &'a [String],
    pub(super) ca: Option<&'a Path>,
    pub(super) timeout: Duration,
}

/// Delivers to every recipient who has not got it yet.
pub(super) async fn send(mail: &Mail<'_>, letter: &Letter, redactor: &Redactor) -> Result<(), Trouble> {
    let message = message(mail.from, mail.to, &letter.id, &letter.notice, SystemTime::now())?;
    let bytes = message.formatted();
    let from = mailbox(mail.from)?.email;
    let transport = transport(mail).await?;
    let mut taken = Vec::new();
    let mut refused = Vec::new();
    let mut passing: Option<String> = None;
    for to in mail.to.iter().filter(|to| !letter.taken.contains(to)) {
        match deliver(&transport, &from, mailbox(to)?.email, &bytes, mail.timeout).await {
            Ok(()) => taken.push(to.clone()),
            Err(failure) => {
                let message = redactor.redact(&failure.message).into_owned();
                match failure.kind {
                    Kind::Refused => refused.push(format!("for <{to}>: {message}")),
                    Kind::Later => passing = Some(format!("for <{to}>: {message}")),
                    Kind::Unreachable => {
                        passing = Some(message);
                        break;
                    }
                }
            }
        }
    }
    let any = !taken.is_empty() || !letter.taken.is_empty();
    match (passing, refused.is_empty()) {
        (Some(message), _) => Err(Trouble { taken, ..Trouble::passing(message) }),
        (None, true) => Ok(()),
        (None, false) if any => {
            tracing::warn!("a page by e-mail was taken for some recipients only; {}", refused.join("; "));
            Ok(())
        }
        (None, false) => Err(Trouble::lasting(refused.join("; "))),
    }
}

struct Failure {
    kind: Kind,
    message: String,
}

enum Kind {
    /// The server will never take it.
    Refused,
    /// The server will take it later.
    Later,
    /// There is no server to talk to: the other recipients need not be tried.
    Unreachable,
}

async fn deliver(transport: &Transport, from: &Address, to: Address, bytes: &[u8], timeout: Duration) -> Result<(), Failure> {
    let envelope = Envelope::new(Some(from.clone()), vec![to])
        .map_err(|error| Failure { kind: Kind::Refused, message: error.to_string() })?;
    match tokio::time::timeout(timeout, transport.send_raw(&envelope, bytes)).await {
        Ok(Ok(_)) => Ok(()),
        Ok(Err(error)) => {
            let kind = if error.is_permanent() {
                Kind::Refused
            } else if error.is_transient() {
                Kind::Later
            } else {
                Kind::Unreachable
            };
            Err(Failure { kind, message: line(&chain(&error), 300) })
        }
        Err(_) => Err(Failure { kind: Kind::Unreachable, message: format!("not taken within {timeout:?}") }),
    }
}

async fn transport(mail: &Mail<'_>) -> Result<Transport, Trouble> {
    let tls = match mail.tls {
        SmtpTls::None => Tls::None,
        SmtpTls::StartTls => Tls::Required(parameters(mail).await?),
        SmtpTls::Implicit => Tls::Wrapper(parameters(mail).await?),
    };
    let name = mail.from.rsplit('@').next().unwrap_or_default().trim_end_matches('>');
    let mut builder = Transport::builder_dangerous(mail.host)
        .port(mail.port)
        .tls(tls)
        .hello_name(ClientId::Domain(line(name, 255)))
        .timeout(Some(mail.timeout));
    if let Some((user, password)) = &mail.login {
        builder = builder.credentials(Credentials::new((*user).to_owned(), password.expose().to_owned()));
    }
    Ok(builder.build())
}

/// Reads the certificates off the runtime's thread.
async fn parameters(mail: &Mail<'_>) -> Result<TlsParameters, Trouble> {
    let host = mail.host.to_owned();
    let ca = mail.ca.map(Path::to_owned);
    let made = tokio::task::spawn_blocking(move || {
        let mut builder = TlsParameters::builder(host);
        if let Some(path) = ca {
            let unusable = |error: &dyn std::fmt::Display| format!("cannot read the certificate `{}`: {error}", path.display());
            let pem = std::fs::read(&path).map_err(|error| unusable(&error))?;
            builder = builder.add_root_certificate(Certificate::from_pem(&pem).map_err(|error| unusable(&error))?);
        }
        builder.build_rustls().map_err(|error| format!("cannot set TLS up: {error}"))
    });
    match made.await {
        // A file that is being replaced may be there the next time.
        Ok(parameters) => parameters.map_err(Trouble::passing),
        Err(error) => Err(Trouble::passing(format!("cannot set TLS up: {error}"))),
    }
}

fn mailbox(text: &str) -> Result<Mailbox, Trouble> {
    text.parse().map_err(|error| Trouble::lasting(format!("`{}` is no e-mail address: {error}", line(text, 100))))
}

/// The e-mail that tells of `notice`; `id` is the message's.
pub(super) fn message(from: &str, to: &[String], id: &str, notice: &Notice, now: SystemTime) -> Result<Message, Trouble> {
    let from = mailbox(from)?;
    let domain = from.email.domain().to_owned();
    let root = thread(&notice.key, &domain);
    let opens = notice.action == Action::Trigger && notice.occasion == Occasion::Opened;
    let mut builder = Message::builder().date(now).subject(headline(notice, SUBJECT)).from(from);
    for to in to {
        builder = builder.to(mailbox(to)?);
    }
    let before = notice.previous.as_deref().map(|previous| thread(previous, &domain));
    if opens {
        builder = builder.message_id(Some(root));
        if let Some(before) = before {
            builder = builder.in_reply_to(before.clone()).references(before);
        }
    } else {
        let own: String = id.chars().filter(|char| char.is_ascii_alphanumeric() || *char == '-').collect();
        let references = before.into_iter().chain([root.clone()]).collect::<Vec<_>>().join(" ");
        builder = builder.message_id(Some(format!("<{own}.serinus@{domain}>"))).in_reply_to(root).references(references);
    }
    builder
        // Out-of-office replies are asked not to come.
        .raw_header(HeaderValue::new(HeaderName::new_from_ascii_str("Auto-Submitted"), "auto-generated".to_owned()))
        .header(ContentType::TEXT_PLAIN)
        .body(plain(notice))
        .map_err(|error| Trouble::lasting(format!("cannot write the e-mail: {error}")))
}

/// The id of the first e-mail of a key; a critical key is in its page's thread.
fn thread(key: &str, domain: &str) -> String {
    let key = key.strip_suffix("/critical").unwrap_or(key);
    let digest = digest::digest(&digest::SHA256, key.as_bytes());
    let hash = hex(&digest.as_ref()[..16]);
    format!("<{hash}.serinus@{domain}>")
}

#[cfg(test)]
mod tests {
    use super::super::testing::{monster, notice};
    use super::*;

    fn written(notice: &Notice) -> String {
        let to = ["On Call <oncall@example.com>".to_owned(), "second@example.com".to_owned()];
        let message = message("Serinus <serinus@example.org>", &to, "01HF", notice, SystemTime::UNIX_EPOCH).unwrap();
        String::from_utf8(message.formatted()).unwrap()
    }

    /// Names of the headers, and the values of one of them.
    fn header(mail: &str, wanted: &str) -> Option<String> {
        let head = mail.split("\r\n\r\n").next().unwrap().replace("\r\n ", " ");
        head.split("\r\n").find_map(|line| line.strip_prefix(&format!("{wanted}: ")).map(str::to_owned))
    }

    #[test]
    fn nothing_that_a_target_says_becomes_a_header() {
        let mail = written(&monster());
        let head = mail.split("\r\n\r\n").next().unwrap();
        assert_eq!(head.matches("\r\nSubject: ").count() + usize::from(head.starts_with("Subject: ")), 1);
        assert!(!head.to_lowercase().contains("\r\nbcc"), "{head}");
        assert!(head.split("\r\n").all(|line| line.len() <= 998), "a line is longer than SMTP allows");
        assert!(mail.split("\r\n").all(|line| line.len() <= 998 && !line.contains(['\r', '\n'])));
    }

    #[test]
    fn an_incident_is_one_thread_and_its_critical_key_is_in_it() {
        let first = written(&notice("probe/a/1"));
        let root = header(&first, "Message-ID").unwrap();
        assert!(root.ends_with(".serinus@example.org>"), "{root}");
        assert_eq!(header(&first, "In-Reply-To"), None);
        let resolve = Notice { action: Action::Resolve, occasion: Occasion::Resolved, ..notice("probe/a/1") };
        for later in [resolve, Notice { occasion: Occasion::Critical, ..notice("probe/a/1/critical") }] {
            let later = written(&later);
            assert_eq!(header(&later, "In-Reply-To"), Some(root.clone()));
            assert_eq!(header(&later, "References"), Some(root.clone()));
            assert_eq!(header(&later, "Message-ID"), Some("<01HF.serinus@example.org>".to_owned()));
        }
        let next = written(&Notice { previous: Some("probe/a/1".to_owned()), ..notice("probe/a/2") });
        assert_eq!(header(&next, "References"), Some(root.clone()));
        assert_ne!(header(&next, "Message-ID"), Some(root));
    }

    #[test]
    fn it_is_plain_text_in_utf_8_with_one_line_of_subject() {
        let mail = written(&notice("k"));
        assert_eq!(header(&mail, "Subject").as_deref(), Some("[PAGE] playlist-sync fails in eu"));
        assert_eq!(header(&mail, "Content-Type").as_deref(), Some("text/plain; charset=utf-8"));
        assert_eq!(header(&mail, "Auto-Submitted").as_deref(), Some("auto-generated"));
        for fact in ["Runbook:  https://runbooks.example.com/playlist-sync", "  json.tracks | length: 9", "Owner:    music-sync"]
        {
            assert!(mail.contains(fact), "{fact} is not in {mail}");
        }
    }

    #[test]
    fn an_address_that_is_none_is_a_lasting_trouble() {
        assert!(!message("nobody", &[], "1", &notice("k"), SystemTime::now()).unwrap_err().again);
    }
}
