//! Debian's aiosmtpd: STARTTLS, implicit TLS, logins, refusals.

use std::path::PathBuf;
use std::time::Duration;

use serde_json::Value;
use serinus::alert::Notice;
use serinus::plan::{ChannelKind, SmtpTls};

use crate::http_pki::Authority;
use crate::support::{Desk, Program, alerting, channel, free_port, notice, resolved, row, secrets, until};

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
async fn a_page_and_its_end_are_two_mails_of_one_thread_over_starttls() {
    let smtp = Smtp::start("starttls").await;
    let mail = alerting(vec![channel("mail", smtp.kind(SmtpTls::StartTls, &["oncall@example.org"], false))]);
    let mut desk = Desk::start(&mail, &secrets(&[]), Vec::new());
    let page = Notice { title: "sync fails\r\nBcc: victim@example.org\r\n\r\nin eu – ö".to_owned(), ..notice("k") };
    desk.dispatcher.offer(vec![row("01A", "mail", &page), row("01B", "mail", &resolved(&page))]);
    assert_eq!((desk.delivered().await, desk.delivered().await), ("01A".to_owned(), "01B".to_owned()));
    let mails = smtp.mails();
    assert_eq!(mails.len(), 2);
    for mail in &mails {
        assert_eq!((&mail["tls"], &mail["from"]), (&true.into(), &"serinus@example.org".into()));
        assert_eq!(mail["to"], serde_json::json!(["oncall@example.org"]));
        assert!(header(mail, "Bcc").is_empty());
        assert_eq!(header(mail, "Subject").len(), 1);
        assert!(mail["text"].as_str().unwrap().contains("json.n: 9"));
    }
    assert_eq!(header(&mails[0], "Message-ID"), header(&mails[1], "In-Reply-To"));
    assert_eq!(header(&mails[0], "Message-ID"), header(&mails[1], "References"));
}

#[tokio::test]
async fn the_password_is_sent_only_under_tls_and_a_wrong_one_is_final_and_in_no_error() {
    let smtp = Smtp::start("login").await;
    let mail = alerting(vec![channel("mail", smtp.kind(SmtpTls::StartTls, &["oncall@example.org"], true))]);
    let mut desk = Desk::start(&mail, &secrets(&[("password", "päss word")]), Vec::new());
    desk.dispatcher.offer(vec![row("1", "mail", &notice("k"))]);
    desk.delivered().await;
    assert_eq!(smtp.mails()[0]["user"], "serinus");
    let mut desk = Desk::start(&mail, &secrets(&[("password", "wrong password")]), Vec::new());
    desk.dispatcher.offer(vec![row("2", "mail", &notice("k"))]);
    let error = desk.dead().await;
    assert!(error.contains("535") && !error.contains("wrong password"), "{error}");
}

#[tokio::test]
async fn implicit_tls_and_a_plain_relay_work_too() {
    for (mode, tls) in [("implicit", SmtpTls::Implicit), ("plain", SmtpTls::None)] {
        let smtp = Smtp::start(mode).await;
        let mail = alerting(vec![channel("mail", smtp.kind(tls, &["oncall@example.org"], false))]);
        let mut desk = Desk::start(&mail, &secrets(&[]), Vec::new());
        desk.dispatcher.offer(vec![row("1", "mail", &notice("k"))]);
        assert_eq!(desk.delivered().await, "1", "{mode}");
        assert_eq!(smtp.mails()[0]["tls"], tls == SmtpTls::Implicit);
    }
}

#[tokio::test]
async fn a_server_without_starttls_or_with_a_foreign_certificate_gets_no_page() {
    let plain = Smtp::start("plain").await;
    let strange = Smtp::start("starttls").await;
    let foreign = ChannelKind::Email {
        host: "localhost".to_owned(),
        port: strange.port,
        tls: SmtpTls::StartTls,
        login: None,
        from: "serinus@example.org".to_owned(),
        to: vec!["oncall@example.org".to_owned()],
        ca: None,
    };
    for (smtp, kind) in [(&plain, plain.kind(SmtpTls::StartTls, &["oncall@example.org"], false)), (&strange, foreign)] {
        let mail = alerting(vec![channel("mail", kind)]);
        let mut desk = Desk::start(&mail, &secrets(&[]), Vec::new());
        desk.dispatcher.offer(vec![row("1", "mail", &notice("k"))]);
        let retried = desk.commits.recv().await.unwrap().deliveries.remove(0);
        assert!(retried.error.is_some(), "{retried:?}");
        desk.dispatcher.stop(Duration::ZERO).await;
        assert!(smtp.mails().is_empty());
    }
}

#[tokio::test]
async fn a_recipient_who_is_gone_or_busy_keeps_the_page_from_nobody_else_and_nobody_gets_it_twice() {
    let smtp = Smtp::start("plain").await;
    let to = ["gone@example.org", "first@example.org", "busy@example.org", "last@example.org"];
    let mail = alerting(vec![channel("mail", smtp.kind(SmtpTls::None, &to, false))]);
    let mut desk = Desk::start(&mail, &secrets(&[]), Vec::new());
    desk.dispatcher.offer(vec![row("1", "mail", &notice("k"))]);
    desk.delivered().await;
    let taken: Vec<Value> = smtp.mails().into_iter().map(|mail| mail["to"][0].clone()).collect();
    assert_eq!(taken, ["first@example.org", "last@example.org", "busy@example.org"]);
    let nobody = alerting(vec![channel("mail", smtp.kind(SmtpTls::None, &to[..1], false))]);
    let mut desk = Desk::start(&nobody, &secrets(&[]), Vec::new());
    desk.dispatcher.offer(vec![row("2", "mail", &notice("k"))]);
    assert!(desk.dead().await.contains("no such user"));
}
