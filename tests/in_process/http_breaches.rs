//! Breaches of TLS (RFC 8446) and of HTTP/2 (RFC 9113): each ends as a failure of the right kind, and nothing half is taken for
//! an answer.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use serinus::outcome::Reason;
use serinus::plan::{DeviceSettings, HttpVersion, TlsSettings};
use serinus::run::step::TransportError;
use serinus::run::step::http::HttpResponse;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf};
use tokio::net::TcpStream;

use crate::http_client::{SHORT, device, get, post, send, send_within};
use crate::http_frames::{
    Act, DATA, END_HEADERS, END_STREAM, HEADERS, INTERNAL_ERROR, NO_ERROR, REFUSED_STREAM, STATUS_200, fine, frame, goaway,
    h2_target, reset,
};
use crate::http_pki::{Authority, acceptor, server};
use crate::http_server::{Target, Visit, answer, answering, raw, read_request, silence};

fn https(target: &Target) -> String {
    format!("https://localhost:{}/", target.address.port())
}

fn trusting(authority: &Authority) -> DeviceSettings {
    DeviceSettings { tls: TlsSettings { ca: Some(authority.pem()), ..TlsSettings::default() }, ..DeviceSettings::default() }
}

async fn got(settings: DeviceSettings, url: &str) -> Result<Arc<HttpResponse>, TransportError> {
    send(&device(settings), &post(url)).await.result
}

#[tokio::test]
async fn an_alert_instead_of_a_handshake_is_named_and_nothing_was_sent() {
    let alerts = [(40, "HandshakeFailure"), (70, "ProtocolVersion"), (80, "InternalError"), (112, "UnrecognisedName")];
    for (code, name) in alerts {
        let target = raw(None, move |mut visit: Visit| {
            Box::pin(async move {
                let _ = visit.stream.read(&mut [0; 4096]).await;
                let _ = visit.stream.write_all(&[21, 3, 3, 0, 2, 2, code]).await;
                silence().await;
            })
        })
        .await;
        let failure = got(DeviceSettings::default(), &https(&target)).await.unwrap_err();
        assert_eq!(failure.reason, Reason::Tls, "{failure:?}");
        assert!(failure.message.contains(name) && !failure.sent && !failure.got_byte, "{failure:?}");
    }
}

#[tokio::test]
async fn a_handshake_that_is_broken_off_is_tls_and_unsent() {
    let target = raw(None, |mut visit: Visit| {
        Box::pin(async move {
            let _ = visit.stream.read(&mut [0; 4096]).await;
        })
    })
    .await;
    let failure = got(DeviceSettings::default(), &https(&target)).await.unwrap_err();
    assert!(failure.reason == Reason::Tls && !failure.sent, "{failure:?}");
}

/// A TCP connection that, once told so, spoils what is written to it.
struct Spoiling {
    tcp: TcpStream,
    spoils: Arc<std::sync::atomic::AtomicBool>,
}

impl AsyncRead for Spoiling {
    fn poll_read(mut self: Pin<&mut Self>, context: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.tcp).poll_read(context, buffer)
    }
}

impl AsyncWrite for Spoiling {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<std::io::Result<usize>> {
        let mut bytes = bytes.to_vec();
        if self.spoils.load(std::sync::atomic::Ordering::SeqCst) {
            // The record's tag is at its end.
            *bytes.last_mut().unwrap() ^= 1;
        }
        Pin::new(&mut self.tcp).poll_write(context, &bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.tcp).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.tcp).poll_shutdown(context)
    }
}

#[tokio::test]
async fn a_record_that_was_spoiled_under_way_is_tls_and_sent() {
    let authority = Authority::new();
    let tls = server(&authority.leaf(&["localhost"]));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("https://localhost:{}/", listener.local_addr().unwrap().port());
    let serving = tokio::spawn(async move {
        let spoils = Arc::default();
        let (tcp, _) = listener.accept().await.unwrap();
        let mut stream = tls.accept(Spoiling { tcp, spoils: Arc::clone(&spoils) }).await.unwrap();
        let _ = stream.read(&mut [0; 4096]).await;
        spoils.store(true, std::sync::atomic::Ordering::SeqCst);
        let _ = stream.write_all(&answer(200, &[], "ok")).await;
        let _ = stream.flush().await;
        silence().await;
    });
    let failure = got(trusting(&authority), &url).await.unwrap_err();
    serving.abort();
    assert!(failure.reason == Reason::Tls && failure.sent, "{failure:?}");
}

#[tokio::test]
async fn an_encrypted_answer_is_whole_only_if_its_length_or_a_close_notify_says_so() {
    let authority = Authority::new();
    let leaf = authority.leaf(&["localhost"]);
    let cases = [
        ("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok", false, Some("ok")),
        ("HTTP/1.1 200 OK\r\n\r\nok", true, Some("ok")),
        ("HTTP/1.1 200 OK\r\n\r\nok", false, None),
        ("HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\nok", true, None),
    ];
    for (bytes, notifies, whole) in cases {
        let target = raw(Some(server(&leaf)), move |mut visit: Visit| {
            Box::pin(async move {
                read_request(&mut visit.stream).await;
                let _ = visit.stream.write_all(bytes.as_bytes()).await;
                let _ = visit.stream.flush().await;
                if notifies {
                    let _ = visit.stream.shutdown().await;
                }
            })
        })
        .await;
        match (got(trusting(&authority), &https(&target)).await, whole) {
            (Ok(response), Some(whole)) => assert_eq!(response.text(), whole),
            (Err(failure), None) => assert_eq!(failure.reason, Reason::Protocol, "{bytes:?}: {failure:?}"),
            (result, _) => panic!("{bytes:?}, close_notify {notifies}: {result:?}"),
        }
    }
}

#[tokio::test]
async fn a_certificate_for_a_name_is_none_for_an_address() {
    let authority = Authority::new();
    let target = answering(Some(server(&authority.leaf(&["localhost"]))), |_| answer(200, &[], "ok")).await;
    let failure = got(trusting(&authority), &format!("https://{}/", target.address)).await.unwrap_err();
    assert!(failure.reason == Reason::Tls && !failure.sent, "{failure:?}");
}

#[tokio::test]
async fn a_target_that_agrees_on_http_2_and_speaks_another_breaks_the_protocol() {
    let authority = Authority::new();
    let leaf = authority.leaf(&["localhost"]);
    let target = raw(Some(acceptor(&leaf, rustls::ALL_VERSIONS, None, &[b"h2"])), |mut visit: Visit| {
        Box::pin(async move {
            let _ = visit.stream.read(&mut [0; 4096]).await;
            let _ = visit.stream.write_all(&answer(200, &[], "ok")).await;
            let _ = visit.stream.flush().await;
            silence().await;
        })
    })
    .await;
    let failure = got(trusting(&authority), &https(&target)).await.unwrap_err();
    assert_eq!(failure.reason, Reason::Protocol, "{failure:?}");
}

fn http2() -> DeviceSettings {
    DeviceSettings { version: HttpVersion::Http2, ..DeviceSettings::default() }
}

/// A literal header field without indexing (RFC 7541, section 6.2.2).
fn literal(name: &str, value: &str) -> Vec<u8> {
    let text = |text: &str| [&[u8::try_from(text.len()).unwrap()], text.as_bytes()].concat();
    [vec![0], text(name), text(value)].concat()
}

/// Status 200 and these fields, and more to come on the stream.
fn headers(fields: &[(&str, &str)]) -> Vec<u8> {
    let fields: Vec<u8> = fields.iter().flat_map(|(name, value)| literal(name, value)).collect();
    frame(HEADERS, END_HEADERS, 1, &[&[STATUS_200][..], &fields].concat())
}

fn data(text: &str, flags: u8) -> Vec<u8> {
    frame(DATA, flags, 1, text.as_bytes())
}

#[tokio::test]
async fn what_http_2_forbids_is_no_answer() {
    let status = frame(HEADERS, END_HEADERS, 1, &[STATUS_200]);
    // 200 fields of 4,000 bytes each: one literal with indexing, and references to it (RFC 7541, section 2.3.3).
    let value = [&[0x40, 1, b'x', 0x7F, 0xA1, 0x1E][..], &[b'y'; 4000]].concat();
    let bomb = frame(HEADERS, END_HEADERS | END_STREAM, 1, &[&[STATUS_200][..], &value, &[0xBE; 200]].concat());
    let cases: [(&str, Vec<u8>); 15] = [
        ("an answer to a request nobody made", fine(3)),
        ("a push that was refused", frame(5, END_HEADERS, 1, &[0, 0, 0, 2, 0x82, 0x86, 0x84])),
        ("no status", frame(HEADERS, END_HEADERS | END_STREAM, 1, &literal("x", "y"))),
        ("a name in upper case", headers(&[("X-Upper", "y")])),
        ("a header of HTTP/1.1", headers(&[("transfer-encoding", "chunked")])),
        ("a body before its headers", data("ok", END_STREAM)),
        ("a body that is too short", [headers(&[("content-length", "5")]), data("ok", END_STREAM)].concat()),
        ("a body that is too long", [headers(&[("content-length", "1")]), data("ok", END_STREAM)].concat()),
        ("a reset in the body", [status.clone(), data("ok", 0), reset(1, INTERNAL_ERROR)].concat()),
        ("a refusal in the body", [status.clone(), data("ok", 0), reset(1, REFUSED_STREAM)].concat()),
        ("a frame without end", vec![0xFF, 0xFF, 0xFF, DATA, 0, 0, 0, 0, 1]),
        ("settings on a stream", frame(4, 0, 1, &[])),
        ("a window beyond its bound", frame(8, 0, 0, &0x7FFF_FFFF_u32.to_be_bytes())),
        ("a goodbye for this request", goaway(0, NO_ERROR)),
        ("headers that unfold to 800 KB", bomb),
    ];
    for (name, frames) in cases {
        let target = h2_target(move |_, _| Act::Say(frames.clone())).await;
        let failure = match send_within(&device(http2()), &post(&target.url("/")), 4 * SHORT).await.result {
            Err(failure) => failure,
            Ok(response) => panic!("{name} was taken for an answer: {} {:?}", response.status, response.text()),
        };
        assert_eq!(failure.reason, Reason::Protocol, "{name}: {failure:?}");
        assert!(failure.sent, "{name}");
        assert_eq!(target.connections(), 1, "{name}: a first request is not made anew");
    }
}

#[tokio::test]
async fn a_body_of_http_2_whose_connection_closes_is_cut() {
    let target = h2_target(|_, _| Act::Close([headers(&[]), data("half", 0)].concat())).await;
    let failure = got(http2(), &target.url("/")).await.unwrap_err();
    assert!(failure.reason == Reason::Protocol && failure.got_byte, "{failure:?}");
}

#[tokio::test]
async fn what_http_2_allows_is_an_answer() {
    let trailers = frame(HEADERS, END_HEADERS | END_STREAM, 1, &literal("x-end", "1"));
    let unknown = frame(0x42, 0xFF, 0, b"whatever");
    let cases = [
        ("trailers", [headers(&[]), data("ok", 0), trailers].concat()),
        ("no more of the request is wanted", [headers(&[]), data("ok", END_STREAM), reset(1, NO_ERROR)].concat()),
        ("a frame nobody knows", [unknown, headers(&[("content-length", "2")]), data("ok", END_STREAM)].concat()),
        ("a goodbye after this request", [goaway(1, NO_ERROR), headers(&[]), data("ok", END_STREAM)].concat()),
    ];
    for (name, frames) in cases {
        let target = h2_target(move |_, _| Act::Say(frames.clone())).await;
        let result = send(&device(http2()), &get(&target.url("/"))).await.result;
        let response = result.unwrap_or_else(|failure| panic!("{name}: {failure:?}"));
        assert_eq!(response.text(), "ok", "{name}");
        assert!(response.headers.get("x-end").is_none(), "{name}");
    }
}
