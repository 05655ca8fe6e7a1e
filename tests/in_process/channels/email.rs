//! Debian's aiosmtpd: STARTTLS, implicit TLS, logins, refusals; and a server of our own that goes wrong at each step.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;
use serinus::alert::message::Message;
use serinus::alert::tries::{Outcome, RefusalKind};
use serinus::plan::{Channel, ChannelKind, SmtpTls};
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};

use super::support::{attempt, channel, end, hurried, open, ring, secrets, sender, sent, short, why};
use crate::http_pki::Authority;
use crate::programs::{Program, free_port};
use crate::waiting::until;

/// Takes mail as `aiosmtpd` does, writes one JSON object a mail to a file, and refuses the recipients that a test wants refused.
const SERVER: &str = r#"
import asyncio, json, ssl, sys
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult, SMTP

port, mode, cert, key, out = int(sys.argv[1]), sys.argv[2], sys.argv[3], sys.argv[4], sys.argv[5]
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain(cert, key)
busy = set()

class Handler:
    async def handle_RCPT(self, server, session, envelope, address, options):
        if address.startswith("gone@"):
            return "550 5.1.1 no such user"
        if address.startswith("busy@") and address not in busy:
            busy.add(address)
            return "451 4.7.1 come back later"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server, session, envelope):
        mail = {"from": envelope.mail_from, "to": envelope.rcpt_tos, "tls": session.ssl is not None or mode == "implicit",
                "user": str(session.auth_data or ""), "text": envelope.content.decode()}
        with open(out, "a") as file:
            file.write(json.dumps(mail) + "\n")
        return "250 OK"

def authenticate(server, session, envelope, mechanism, data):
    good = data.login == b"serinus" and data.password == b"p\xc3\xa4ss word"
    return AuthResult(success=good, handled=False, auth_data=data.login.decode() if good else None)

class Server(Controller):
    def factory(self):
        if mode == "starttls":
            return SMTP(self.handler, tls_context=context, require_starttls=True, authenticator=authenticate)
        if mode == "login":
            return SMTP(self.handler, tls_context=context, require_starttls=True, authenticator=authenticate, auth_required=True)
        return SMTP(self.handler)

Server(Handler(), hostname="127.0.0.1", port=port, ssl_context=context if mode == "implicit" else None).start()
asyncio.new_event_loop().run_forever()
"#;

struct Smtp {
    _program: Program,
    authority: Authority,
    port: u16,
    out: PathBuf,
}

impl Smtp {
    async fn start(mode: &str) -> Self {
        let authority = Authority::new();
        let (cert, key) = authority.identity(&authority.leaf(&["localhost"]));
        let (port, out, script) = (free_port(), authority.path("mails"), authority.path("server.py"));
        std::fs::write(&script, SERVER).unwrap();
        let number = port.to_string();
        let paths =
            [script.as_path(), cert.0.as_path(), key.0.as_path(), out.as_path()].map(|path| path.to_str().unwrap().to_owned());
        let arguments = [&paths[0], &number, mode, &paths[1], &paths[2], &paths[3]];
        let program = Program::start("/usr/bin/python3", &arguments, "python3-aiosmtpd");
        let listening = || async { tokio::net::TcpStream::connect(("127.0.0.1", port)).await.ok() };
        until("the SMTP server of Debian's package `python3-aiosmtpd` listening", listening).await;
        Self { _program: program, authority, port, out }
    }

    fn kind(&self, tls: SmtpTls, to: &[&str], login: bool) -> ChannelKind {
        ChannelKind::Email {
            host: "localhost".to_owned(),
            port: self.port,
            tls,
            login: login.then(|| ("serinus".to_owned(), "password".into())),
            from: "Serinus <serinus@example.org>".to_owned(),
            to: to.iter().map(|to| (*to).to_owned()).collect(),
            ca: Some(self.authority.pem().0.as_path().to_owned()),
        }
    }

    fn mails(&self) -> Vec<Value> {
        let text = std::fs::read_to_string(&self.out).unwrap_or_default();
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }
}

fn header<'a>(mail: &'a Value, name: &str) -> Vec<&'a str> {
    let head = mail["text"].as_str().unwrap().split("\r\n\r\n").next().unwrap();
    head.split("\r\n").filter_map(|line| line.strip_prefix(name)?.strip_prefix(": ")).collect()
}

#[tokio::test]
async fn an_incidents_messages_are_one_thread_and_a_repeat_is_known_as_one() {
    let smtp = Smtp::start("starttls").await;
    let sender = sender(vec![channel("mail", smtp.kind(SmtpTls::StartTls, &["oncall@example.org"], false))], &secrets(&[]));
    let evil = Message { title: "sync fails\r\nBcc: victim@example.org\r\n\r\nin eu – ö".to_owned(), ..ring(1) };
    let first = open(&evil.key);
    let end = Message { key: ring(2).key, ..end() };
    for (id, message) in [("01A", &evil), ("01A", &evil), ("01B", &ring(2)), ("01C", &end)] {
        let outcome = sender.send(&attempt(id, "mail", message), message, std::slice::from_ref(&first), false).await;
        assert_eq!(outcome, Outcome::Taken);
    }
    let mails = smtp.mails();
    for mail in &mails {
        assert_eq!((&mail["tls"], &mail["from"]), (&true.into(), &"serinus@example.org".into()));
        assert_eq!(mail["to"], serde_json::json!(["oncall@example.org"]));
        assert!(header(mail, "Bcc").is_empty());
        assert_eq!((header(mail, "Subject").len(), header(mail, "Message-ID").len()), (1, 1));
    }
    let id = |at: usize| header(&mails[at], "Message-ID");
    assert_eq!(id(0), id(1), "the same message twice");
    assert!(id(0) != id(2) && id(2) != id(3) && id(0) != id(3));
    assert_eq!([0, 1, 2, 3].map(|at| header(&mails[at], "In-Reply-To")), [vec![], vec![], id(0), id(0)]);
    assert_eq!(header(&mails[3], "References"), id(0));
}

#[tokio::test]
async fn the_password_is_sent_only_under_tls_and_a_wrong_one_is_in_no_error() {
    let smtp = Smtp::start("login").await;
    let kind = || channel("mail", smtp.kind(SmtpTls::StartTls, &["oncall@example.org"], true));
    let right = sender(vec![kind()], &secrets(&[("password", "päss word")]));
    assert_eq!(sent(&right, "mail", &ring(1)).await, Outcome::Taken);
    assert_eq!(smtp.mails()[0]["user"], "serinus");
    let wrong = sender(vec![kind()], &secrets(&[("password", "wrong password")]));
    let outcome = sent(&wrong, "mail", &ring(1)).await;
    assert_eq!(short(&outcome), ("refused", Some(RefusalKind::Rejected)));
    assert!(why(&outcome).contains("535") && !why(&outcome).contains("wrong password"), "{outcome:?}");
    assert_eq!(smtp.mails().len(), 1);
}

#[tokio::test]
async fn implicit_tls_and_a_plain_relay_work_too() {
    for (mode, tls) in [("implicit", SmtpTls::Implicit), ("plain", SmtpTls::None)] {
        let smtp = Smtp::start(mode).await;
        let sender = sender(vec![channel("mail", smtp.kind(tls, &["oncall@example.org"], false))], &secrets(&[]));
        assert_eq!(sent(&sender, "mail", &ring(1)).await, Outcome::Taken, "{mode}");
        assert_eq!(smtp.mails()[0]["tls"], tls == SmtpTls::Implicit);
    }
}

#[tokio::test]
async fn a_server_without_starttls_or_with_a_foreign_certificate_gets_no_message() {
    let plain = Smtp::start("plain").await;
    let strange = Smtp::start("starttls").await;
    let ChannelKind::Email { host, port, tls, login, from, to, .. } =
        strange.kind(SmtpTls::StartTls, &["oncall@example.org"], false)
    else {
        panic!("it is an e-mail channel")
    };
    let foreign = ChannelKind::Email { host, port, tls, login, from, to, ca: None };
    for (smtp, kind) in [(&plain, plain.kind(SmtpTls::StartTls, &["oncall@example.org"], false)), (&strange, foreign)] {
        let outcome = sent(&sender(vec![channel("mail", kind)], &secrets(&[])), "mail", &ring(1)).await;
        assert_eq!(short(&outcome).0, "refused", "{outcome:?}");
        assert!(smtp.mails().is_empty());
    }
}

#[tokio::test]
async fn a_recipient_who_is_gone_or_busy_keeps_the_message_from_nobody_else_and_nobody_gets_it_twice() {
    let smtp = Smtp::start("plain").await;
    let to = ["gone@example.org", "first@example.org", "busy@example.org", "last@example.org"];
    let sender_of = |to: &[&str]| sender(vec![channel("mail", smtp.kind(SmtpTls::None, to, false))], &secrets(&[]));
    let all = sender_of(&to);
    assert_eq!(
        short(&sent(&all, "mail", &ring(1)).await),
        ("unknown", Some(RefusalKind::Unreachable)),
        "two have it, one is to come"
    );
    assert_eq!(sent(&all, "mail", &ring(1)).await, Outcome::Taken, "repeated as it is");
    let taken: Vec<Value> = smtp.mails().into_iter().map(|mail| mail["to"].clone()).collect();
    assert_eq!(taken, [serde_json::json!(["first@example.org", "last@example.org"]), serde_json::json!(["busy@example.org"])]);
    let nobody = sent(&sender_of(&to[..1]), "mail", &ring(1)).await;
    assert_eq!(short(&nobody), ("refused", Some(RefusalKind::Rejected)));
    assert!(why(&nobody).contains("no such user"), "{nobody:?}");
}

/// An outcome in short.
type Short = (&'static str, Option<RefusalKind>);

/// What a server says to each command, and whether it hangs up then.
type Script = fn(&str) -> Option<&'static str>;

/// A server that answers by `script` and hangs up after its end.
async fn server(script: Script) -> Arc<Channel> {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                let mut stream = BufReader::new(stream);
                let (mut said, mut is_data) = ("CONNECT".to_owned(), false);
                loop {
                    match script(said.trim_end()) {
                        Some("") => std::future::pending().await,
                        Some(answer) => stream.write_all(format!("{answer}\r\n").as_bytes()).await?,
                        None => return std::io::Result::Ok(()),
                    }
                    is_data |= said.starts_with("DATA");
                    said.clear();
                    // The data is one thing that is said, up to its dot.
                    while stream.read_line(&mut said).await? > 0 && is_data && !said.ends_with("\r\n.\r\n") {}
                    if said.is_empty() {
                        return Ok(());
                    }
                    if is_data {
                        (said, is_data) = ("DOT".to_owned(), false);
                    }
                }
            });
        }
    });
    let kind = ChannelKind::Email {
        host: "127.0.0.1".to_owned(),
        port,
        tls: SmtpTls::None,
        login: None,
        from: "serinus@example.org".to_owned(),
        to: vec!["oncall@example.org".to_owned()],
        ca: None,
    };
    hurried("mail", Duration::from_secs(2), kind)
}

/// The usual answers; a server that is well hangs up after its goodbye.
fn usual(said: &str) -> Option<&'static str> {
    match said.split([' ', ':']).next()? {
        "CONNECT" => Some("220 hello"),
        "DATA" => Some("354 go on"),
        "QUIT" => None,
        _ => Some("250 fine"),
    }
}

#[tokio::test]
async fn until_the_datas_end_nothing_was_taken_and_from_then_on_nobody_knows() {
    let unreachable = Some(RefusalKind::Unreachable);
    let scripts: [(&str, Script, Short); 12] = [
        ("all is well", usual, ("taken", None)),
        ("it hangs up at once", |_| None, ("refused", unreachable)),
        ("it greets with a refusal", |_| Some("554 not you"), ("refused", Some(RefusalKind::Rejected))),
        ("it is busy", |_| Some("421 later"), ("refused", unreachable)),
        ("it never greets", |_| Some(""), ("refused", unreachable)),
        (
            "no sender",
            |said| if said.starts_with("MAIL") { Some("550 no") } else { usual(said) },
            ("refused", Some(RefusalKind::Rejected)),
        ),
        (
            "it hangs up at the recipient",
            |said| if said.starts_with("RCPT") { None } else { usual(said) },
            ("refused", unreachable),
        ),
        ("it is silent at the data", |said| if said == "DATA" { Some("") } else { usual(said) }, ("refused", unreachable)),
        (
            "it does not like what is said",
            |said| if said == "DOT" { Some("552 too big") } else { usual(said) },
            ("refused", Some(RefusalKind::Unreadable)),
        ),
        ("it is full for now", |said| if said == "DOT" { Some("452 full") } else { usual(said) }, ("refused", unreachable)),
        ("it hangs up after the dot", |said| if said == "DOT" { None } else { usual(said) }, ("unknown", unreachable)),
        ("it is silent after the dot", |said| if said == "DOT" { Some("") } else { usual(said) }, ("unknown", unreachable)),
    ];
    for (name, script, expected) in scripts {
        let sender = sender(vec![server(script).await], &secrets(&[]));
        let outcome = sent(&sender, "mail", &ring(1)).await;
        assert_eq!(short(&outcome), expected, "{name}: {outcome:?}");
    }
    let goodbye: Script = |said| if said == "QUIT" { Some("") } else { usual(said) };
    let sender = sender(vec![server(goodbye).await], &secrets(&[]));
    assert_eq!(sent(&sender, "mail", &ring(1)).await, Outcome::Taken, "a goodbye that never comes changes nothing");
}
