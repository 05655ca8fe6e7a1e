//! Bodies that are broken, that nobody reads, or that come with odd framing: what is wrong with them is said, and what is merely
//! odd is taken as the specifications say (RFC 9110, 9112 and 9113).

use std::io::Write as _;
use std::sync::Arc;

use serinus::outcome::Reason;
use serinus::plan::{Body, DeviceSettings, HttpAction, Redirects};
use serinus::run::step::TransportError;
use serinus::run::step::http::{HttpRequest, HttpResponse};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::http_client::{SHORT, action, device, get, post, rendered, send, send_within};
use crate::http_server::{Target, Visit, answer, answering, raw, read_request, silence};

/// Reads a request's head, writes `bytes`, and closes the connection or holds it open.
async fn saying(bytes: impl Into<Vec<u8>>, closes: bool) -> Target {
    let bytes = bytes.into();
    raw(None, move |mut visit: Visit| {
        let bytes = bytes.clone();
        Box::pin(async move {
            read_request(&mut visit.stream).await;
            let _ = visit.stream.write_all(&bytes).await;
            if closes {
                let _ = visit.stream.shutdown().await;
            } else {
                silence().await;
            }
        })
    })
    .await
}

async fn got(target: &Target) -> Result<Arc<HttpResponse>, TransportError> {
    send_within(&device(DeviceSettings::default()), &get(&target.url("/")), SHORT).await.result
}

fn packed(encoding: &str, text: &[u8]) -> Vec<u8> {
    match encoding {
        "gzip" | "x-gzip" | "GZIP" => {
            let mut writer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
            writer.write_all(text).unwrap();
            writer.finish().unwrap()
        }
        "deflate" => {
            let mut writer = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::default());
            writer.write_all(text).unwrap();
            writer.finish().unwrap()
        }
        "br" => {
            let mut packed = Vec::new();
            brotli::CompressorWriter::new(&mut packed, 4096, 5, 22).write_all(text).unwrap();
            packed
        }
        // A frame with one raw block (RFC 8878, section 3.1.1): single segment, length in one byte.
        "zstd" => {
            let length = u8::try_from(text.len()).unwrap();
            let block = (u32::from(length) << 3 | 1).to_le_bytes();
            [&[0x28, 0xB5, 0x2F, 0xFD, 0x20, length], &block[..3], text].concat()
        }
        other => panic!("{other} is no encoding"),
    }
}

const TEXT: &[u8] = b"the quick brown fox jumps over the lazy dog, again and again and again and again";

#[tokio::test]
async fn each_encoding_is_unpacked_and_stays_visible() {
    for encoding in ["gzip", "x-gzip", "GZIP", "deflate", "br", "zstd"] {
        let target = saying(answer(200, &[("content-encoding", encoding)], packed(encoding, TEXT)), false).await;
        let response = got(&target).await.unwrap_or_else(|failure| panic!("{encoding}: {failure:?}"));
        assert_eq!(&*response.body, TEXT, "{encoding}");
        assert_eq!(response.headers["content-encoding"], encoding);
    }
}

#[tokio::test]
async fn a_body_that_cannot_be_decompressed_names_its_encoding() {
    for encoding in ["gzip", "deflate", "br", "zstd"] {
        let whole = packed(encoding, TEXT);
        let cut = whole[..whole.len() - 5].to_vec();
        for (what, body) in [("garbage", b"\x07plain text, not packed at all".to_vec()), ("cut", cut)] {
            let target = saying(answer(200, &[("content-encoding", encoding)], body), false).await;
            let failure = got(&target).await.expect_err(what);
            assert_eq!(failure.reason, Reason::Protocol, "{encoding}, {what}: {failure:?}");
            let says = format!("cannot be decompressed (content-encoding {encoding})");
            assert!(failure.message.contains(&says) && failure.got_byte, "{encoding}, {what}: {failure:?}");
        }
    }
}

#[tokio::test]
async fn a_packed_body_whose_connection_breaks_is_not_blamed_on_its_encoding() {
    let whole = packed("gzip", TEXT);
    let head = format!("HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\ncontent-length: {}\r\n\r\n", whole.len());
    let target = saying([head.as_bytes(), &whole[..20]].concat(), true).await;
    let failure = got(&target).await.unwrap_err();
    assert_eq!(failure.reason, Reason::Protocol);
    assert!(!failure.message.contains("decompressed"), "{failure:?}");
}

#[tokio::test]
async fn a_few_bytes_of_zstd_cannot_ask_for_a_huge_window() {
    // A window of 128 MiB (RFC 8878, section 3.1.1.1.2) and a block that repeats one byte.
    let body = [0x28, 0xB5, 0x2F, 0xFD, 0x00, 0x88, 0x53, 0x00, 0x00, b'x'];
    let failure = got(&saying(answer(200, &[("content-encoding", "zstd")], body), false).await).await.unwrap_err();
    assert!(failure.reason == Reason::Protocol && failure.message.contains("(content-encoding zstd)"), "{failure:?}");
}

#[tokio::test]
async fn an_encoding_without_a_body_or_that_nobody_asked_for_is_left_alone() {
    for (method, bytes, body) in [
        ("HEAD", "HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\ncontent-length: 90\r\n\r\n", ""),
        ("GET", "HTTP/1.1 204 No Content\r\ncontent-encoding: br\r\n\r\n", ""),
        ("GET", "HTTP/1.1 200 OK\r\ncontent-encoding: zstd\r\ncontent-length: 0\r\n\r\n", ""),
        ("GET", "HTTP/1.1 200 OK\r\ncontent-encoding: compress\r\ncontent-length: 3\r\n\r\nabc", "abc"),
        ("GET", "HTTP/1.1 200 OK\r\ncontent-encoding: gzip, br\r\ncontent-length: 3\r\n\r\nabc", "abc"),
    ] {
        let target = saying(bytes, false).await;
        let request = rendered(&action(method, &target.url("/")));
        let response = send(&device(DeviceSettings::default()), &request).await.result.unwrap();
        assert_eq!(response.text(), body, "{bytes:?}");
    }
}

/// A body larger than every buffer on its way.
fn upload(url: &str) -> HttpRequest {
    let content = bytes::Bytes::from(vec![b'x'; 32 << 20]);
    rendered(&HttpAction { body: Body::File { name: "f".to_owned(), content }, ..action("POST", url) })
}

#[tokio::test]
async fn an_upload_that_is_not_read_says_so() {
    let hung = raw(None, |visit: Visit| {
        Box::pin(async move {
            let _held = visit;
            silence().await;
        })
    })
    .await;
    let resetting = raw(None, |mut visit: Visit| {
        Box::pin(async move {
            let _ = visit.stream.read_exact(&mut vec![0; 1 << 20]).await;
        })
    })
    .await;
    let device = device(DeviceSettings::default());
    for (target, reason) in [(&hung, Reason::Timeout), (&resetting, Reason::Protocol)] {
        let failure = send_within(&device, &upload(&target.url("/")), 2 * SHORT).await.result.unwrap_err();
        assert_eq!(failure.reason, reason, "{failure:?}");
        let told = failure.message.contains("the target had not read the request's body: ");
        assert!(told && failure.message.contains(" of 33554432 bytes had left") && failure.sent, "{failure:?}");
    }
}

#[tokio::test]
async fn an_answer_before_the_upload_is_read_is_the_answer() {
    let target = raw(None, |mut visit: Visit| {
        Box::pin(async move {
            let _ = visit.stream.read_exact(&mut vec![0; 1 << 16]).await;
            let _ = visit.stream.write_all(&answer(413, &[("connection", "close")], "too much")).await;
            silence().await;
        })
    })
    .await;
    let response = send(&device(DeviceSettings::default()), &upload(&target.url("/"))).await.result.unwrap();
    assert_eq!((response.status, response.text().as_str()), (413, "too much"));
}

#[tokio::test]
async fn an_upload_arrives_whole_with_its_length_however_large() {
    for size in [0, 1, 65_536, 65_537, 3 << 20] {
        let content: bytes::Bytes = (0..size).map(|at| u8::try_from(at % 251).unwrap()).collect::<Vec<_>>().into();
        let target = answering(None, |_| answer(200, &[], "")).await;
        let body = Body::File { name: "f".to_owned(), content: content.clone() };
        let request = rendered(&HttpAction { body, ..action("PUT", &target.url("/")) });
        send(&device(DeviceSettings::default()), &request).await.result.unwrap();
        let seen = target.seen().remove(0);
        assert!(seen.body == content && seen.header("transfer-encoding").is_none(), "{size} bytes");
    }
}

#[tokio::test]
async fn a_redirect_that_fails_names_the_hop() {
    let closed = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let dead = format!("http://{closed}/dead");
    let target = answering(None, move |seen| match seen.path() {
        "/" => answer(307, &[("location", "/next")], ""),
        "/next" => answer(307, &[("location", &dead)], ""),
        "/loop" => answer(302, &[("location", "/loop?token=hunter2")], ""),
        "/slow" => answer(302, &[("location", "/never")], ""),
        _ if seen.path().starts_with("/loop") => answer(302, &[("location", "/loop?token=hunter2")], ""),
        _ => Vec::new(),
    })
    .await;
    let device = device(DeviceSettings::default());
    let failing = async |path: &str| {
        let action = HttpAction { redirects: Some(Redirects::Follow(2)), ..action("POST", &target.url(path)) };
        send_within(&device, &rendered(&action), SHORT).await.result.unwrap_err()
    };
    let failure = failing("/").await;
    assert_eq!(failure.reason, Reason::Connect);
    assert!(failure.message.starts_with(&format!("redirect 2, to POST http://{closed}/dead: ")), "{failure:?}");
    let failure = failing("/slow").await;
    assert_eq!(failure.reason, Reason::Timeout);
    assert!(
        failure.message.starts_with(&format!("redirect 1, to GET http://{}/never: no answer", target.address)),
        "{failure:?}"
    );
    let failure = failing("/loop").await;
    assert_eq!(failure.reason, Reason::Redirects);
    assert!(failure.message.starts_with("redirect 2, to GET http://"), "{failure:?}");
    assert!(!failure.message.contains("hunter2"), "a credential in a query is shown nowhere: {failure:?}");
}

#[tokio::test]
async fn odd_framing_that_the_specification_allows_is_read() {
    let long = "x".repeat(100_000);
    let cases: [(&str, String, &str); 10] = [
        (
            "an interim answer",
            "HTTP/1.1 103 Early Hints\r\nlink: </x>\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok".into(),
            "ok",
        ),
        ("100 unasked", "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok".into(), "ok"),
        ("no reason phrase", "HTTP/1.1 200 \r\ncontent-length: 2\r\n\r\nok".into(), "ok"),
        ("one length twice", "HTTP/1.1 200 OK\r\ncontent-length: 2\r\ncontent-length: 2\r\n\r\nok".into(), "ok"),
        ("more than was announced", "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nokHTTP/1.1 500 X\r\n\r\n".into(), "ok"),
        ("trailers", "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nok\r\n0\r\nx-end: 1\r\n\r\n".into(), "ok"),
        (
            "an extension of a chunk",
            "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2;a=\"b\"\r\nok\r\n0\r\n\r\n".into(),
            "ok",
        ),
        (
            "many chunks",
            format!("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n{}0\r\n\r\n", "1\r\nx\r\n".repeat(100_000)),
            &long,
        ),
        ("lines that end in LF", "HTTP/1.1 200 OK\ncontent-length: 2\n\nok".into(), "ok"),
        (
            "chunks and a length",
            "HTTP/1.1 200 OK\r\ncontent-length: 9\r\ntransfer-encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n".into(),
            "ok",
        ),
    ];
    for (name, bytes, body) in cases {
        let target = saying(bytes, false).await;
        let result = send(&device(DeviceSettings::default()), &get(&target.url("/"))).await.result;
        let response = result.unwrap_or_else(|failure| panic!("{name}: {failure:?}"));
        assert_eq!((response.status, response.text() == body), (200, true), "{name}");
        assert!(response.lookup("headers").unwrap().get_attr("x-end").unwrap().is_undefined(), "trailers are no headers");
    }
}

#[tokio::test]
async fn a_body_that_ends_with_the_connection_is_whole_without_a_length() {
    for bytes in ["HTTP/1.0 200 OK\r\n\r\nok", "HTTP/1.1 200 OK\r\n\r\nok", "HTTP/1.1 200 OK\r\nconnection: close\r\n\r\nok"] {
        assert_eq!(got(&saying(bytes, true).await).await.unwrap().text(), "ok", "{bytes:?}");
    }
}

#[tokio::test]
async fn broken_framing_is_a_broken_protocol_and_no_answer() {
    let heads = [
        "HTTP/1.1 200 OK\r\ncontent-length: -1\r\n\r\nok",
        "HTTP/1.1 200 OK\r\ncontent-length: +2\r\n\r\nok",
        "HTTP/1.1 200 OK\r\ncontent-length: 0x2\r\n\r\nok",
        "HTTP/1.1 200 OK\r\ncontent-length: 2 2\r\n\r\nok",
        "HTTP/1.1 200 OK\r\ncontent-length: 2, 3\r\n\r\nok",
        "HTTP/1.1 20 OK\r\ncontent-length: 2\r\n\r\nok",
        "HTTP/1.1 2000 OK\r\ncontent-length: 2\r\n\r\nok",
        "HTTP/1.1 abc OK\r\ncontent-length: 2\r\n\r\nok",
        "HTTP/2.0 200 OK\r\ncontent-length: 2\r\n\r\nok",
        "HTTP/1.1 200 OK\r\nx : y\r\ncontent-length: 2\r\n\r\nok",
        "HTTP/1.1 200 OK\r\nx: a\0b\r\ncontent-length: 2\r\n\r\nok",
        "HTTP/1.1 200 OK\r\n folded: y\r\ncontent-length: 2\r\n\r\nok",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n-2\r\nok\r\n0\r\n\r\n",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nokay\r\n0\r\n\r\n",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nok\r\n0\r\nx-end",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nok\r\n",
        "SSH-2.0-OpenSSH_9.2p1\r\n",
        "\x15\x03\x03\x00\x02\x02\x28",
    ];
    for bytes in heads {
        let failure = match got(&saying(bytes, true).await).await {
            Err(failure) => failure,
            Ok(response) => panic!("{bytes:?} was taken for an answer: {} {:?}", response.status, response.text()),
        };
        assert_eq!(failure.reason, Reason::Protocol, "{bytes:?}: {failure:?}");
        assert!(failure.sent, "{bytes:?}");
    }
}

#[tokio::test]
async fn a_post_that_a_target_resets_unread_counts_as_sent() {
    let target = raw(None, |visit: Visit| {
        Box::pin(async move {
            drop(visit);
        })
    })
    .await;
    for _ in 0..20 {
        let failure = send(&device(DeviceSettings::default()), &post(&target.url("/"))).await.result.unwrap_err();
        assert!(failure.sent || failure.reason == Reason::Connect, "{failure:?}");
    }
}
