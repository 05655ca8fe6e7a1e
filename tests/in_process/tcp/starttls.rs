//! STARTTLS of each protocol, and servers that refuse it, talk nonsense, or slip something in before it.

use serinus::outcome::Reason;

use super::{Act, Hang, Hear, Say, journey, play, server, step};
use crate::http_pki::{Authority, server as tls_server};
use crate::http_server::{Stream, Target, raw};

/// A server that begins TLS after these acts, and then answers one line.
async fn upgrading(authority: &Authority, acts: &'static [Act]) -> Target {
    let acceptor = tls_server(&authority.leaf(&["localhost"]));
    raw(None, move |visit| {
        let acceptor = acceptor.clone();
        Box::pin(async move {
            let mut plain = visit.stream;
            play(&mut plain, acts).await;
            let Ok(secure) = acceptor.accept(plain).await else { return };
            let mut secure: Stream = tokio::io::BufReader::new(Box::new(secure));
            play(&mut secure, &[Hear("hello\r\n"), Say("secret\r\n"), Hang]).await;
        })
    })
    .await
}

fn keys(target: &Target, protocol: &str, expect: &str) -> String {
    let connect = format!("tcp.connect = \"localhost:{}\"", target.address.port());
    let starttls = format!("tcp.starttls = \"{protocol}\"");
    step("secure", &[&connect, &starttls, "tcp.send = \"hello\\r\\n\"", "tcp.read = { until = \"\\n\" }", expect])
}

const SMTP: &[Act] = &[
    Say("220-mail.example\r\n220 ready\r\n"),
    Hear("EHLO serinus\r\n"),
    Say("250-mail.example\r\n250-starttls\r\n250 SIZE 1000\r\n"),
    Hear("STARTTLS\r\n"),
    Say("220 go ahead\r\n"),
];

#[tokio::test]
async fn tls_begins_as_each_protocol_says() {
    let authority = Authority::new();
    let head = format!("[devices.default]\ntls.ca = \"{}\"", authority.pem().0.display());
    let protocols: [(&str, &'static [Act], &str); 5] = [
        ("smtp", SMTP, "greeting == '220-mail.example\\r\\n220 ready\\r\\n'"),
        (
            "imap",
            &[Say("* OK ready\r\n"), Hear("s1 STARTTLS\r\n"), Say("* CAPABILITY IMAP4rev2\r\ns1 OK begin\r\n")],
            "greeting == '* OK ready\\r\\n'",
        ),
        ("pop3", &[Say("+OK ready\r\n"), Hear("STLS\r\n"), Say("+OK begin\r\n")], "greeting == '+OK ready\\r\\n'"),
        ("ftp", &[Say("220 ready\r\n"), Hear("AUTH TLS\r\n"), Say("234 begin\r\n")], "greeting == '220 ready\\r\\n'"),
        ("postgres", &[], "greeting is undefined"),
    ];
    for (protocol, acts, greeting) in protocols {
        let target = match protocol {
            "postgres" => postgres(&authority, b"S").await,
            _ => upgrading(&authority, acts).await,
        };
        let expect = format!(
            "expect = [\"received == 'secret\\r\\n'\", \"tls.version == '1.3'\", \"phases.starttls > 0\", \"phases.tls > 0\", \"{greeting}\"]"
        );
        let ran = journey(&target).head(&head).run(&keys(&target, protocol, &expect)).await;
        assert!(ran.report.cause.is_none(), "{protocol}: {:#?}", ran.report.cause);
    }
}

/// A server that reads `SSLRequest`, answers with this, and begins TLS.
async fn postgres(authority: &Authority, answer: &'static [u8]) -> Target {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    let acceptor = tls_server(&authority.leaf(&["localhost"]));
    raw(None, move |mut visit| {
        let acceptor = acceptor.clone();
        Box::pin(async move {
            let mut request = [0; 8];
            visit.stream.read_exact(&mut request).await.unwrap();
            assert_eq!(request, [0, 0, 0, 8, 4, 210, 22, 47]);
            visit.stream.write_all(answer).await.unwrap();
            let Ok(secure) = acceptor.accept(visit.stream).await else { return };
            let mut secure: Stream = tokio::io::BufReader::new(Box::new(secure));
            play(&mut secure, &[Hear("hello\r\n"), Say("secret\r\n"), Hang]).await;
        })
    })
    .await
}

#[tokio::test]
async fn who_says_no_has_failed_tls_and_who_says_anything_else_broke_the_protocol() {
    let cases: [(&str, &'static [Act], Reason, &str); 9] = [
        ("smtp", &[Say("554 go away\r\n"), Hang], Reason::Tls, "it does not begin TLS: it answered \"554 go away\\r\\n\""),
        (
            "smtp",
            &[Say("220 a\r\n"), Hear("EHLO serinus\r\n"), Say("250-a\r\n250 SIZE\r\n"), Hang],
            Reason::Tls,
            "it does not offer STARTTLS",
        ),
        (
            "smtp",
            &[
                Say("220 a\r\n"),
                Hear("EHLO serinus\r\n"),
                Say("250 STARTTLS\r\n"),
                Hear("STARTTLS\r\n"),
                Say("454 not now\r\n"),
                Hang,
            ],
            Reason::Tls,
            "454 not now",
        ),
        ("smtp", &[Say("220 a\r\n")], Reason::Protocol, "the target closed the connection after 0 bytes"),
        ("imap", &[Say("* OK a\r\n"), Hear("s1 STARTTLS\r\n"), Say("s1 BAD no\r\n"), Hang], Reason::Tls, "s1 BAD no"),
        (
            "imap",
            &[Say("SSH-2.0-OpenSSH\r\n"), Hang],
            Reason::Protocol,
            "it does not speak imap: it answered \"SSH-2.0-OpenSSH\\r\\n\"",
        ),
        ("pop3", &[Say("+OK a\r\n"), Hear("STLS\r\n"), Say("-ERR no\r\n"), Hang], Reason::Tls, "-ERR no"),
        ("postgres", &[Say("N"), Hang], Reason::Tls, "it does not take TLS"),
        ("postgres", &[Say("HTTP/1.1 400 Bad Request\r\n"), Hang], Reason::Protocol, "it does not speak postgres"),
    ];
    for (protocol, acts, reason, says) in cases {
        let target = server(acts).await;
        let ran = journey(&target).run(&keys(&target, protocol, "expect = [\"bytes > 0\"]")).await;
        assert_eq!(ran.reason(), reason, "{protocol}: {}", ran.cause().message);
        assert!(ran.cause().message.contains(says), "{protocol}: {}", ran.cause().message);
    }
}

#[tokio::test]
async fn what_was_slipped_in_before_tls_is_not_taken_for_what_came_under_it() {
    let authority = Authority::new();
    let head = format!("[devices.default]\ntls.ca = \"{}\"", authority.pem().0.display());
    let target = upgrading(&authority, &[Say("+OK a\r\n"), Hear("STLS\r\n"), Say("+OK begin\r\nsecret\r\n")]).await;
    let ran = journey(&target).head(&head).run(&keys(&target, "pop3", "expect = [\"received == 'secret\\r\\n'\"]")).await;
    assert_eq!(ran.reason(), Reason::Protocol);
    assert!(
        ran.cause().message.contains("8 bytes came in plain text just before TLS: \"secret\\r\\n\""),
        "{}",
        ran.cause().message
    );
}
