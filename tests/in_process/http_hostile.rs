//! Targets that mean no good: each ends in a failure with the right reason, in bounded time and memory, and says rightly whether
//! the request may have arrived.

use std::io::Write as _;
use std::time::Duration;

use serinus::outcome::Reason;
use serinus::plan::{DeviceSettings, HttpAction, HttpVersion, Redirects, Resolve};
use serinus::run::step::TransportError;
use serinus::run::step::http::HttpAttempt;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::http_client::{SHORT, action, device, get, post, rendered, send, send_within};
use crate::http_frames::{Act, END_HEADERS, END_STREAM, HEADERS, INTERNAL_ERROR, fine, frame, goaway, h2_target, reset};
use crate::http_server::{Target, Visit, answer, answering, flood, raw, read_request, silence};

/// Bytes that may be under way beyond what was accepted: buffers of the kernel and of hyper.
const SLACK: u64 = 16 << 20;

/// A target that reads a request and then writes `bytes` and is silent.
async fn saying(bytes: impl Into<Vec<u8>>) -> Target {
    let bytes = bytes.into();
    raw(None, move |mut visit| {
        let bytes = bytes.clone();
        Box::pin(async move {
            read_request(&mut visit.stream).await;
            // The other side may have had enough of it.
            let _ = visit.stream.write_all(&bytes).await;
            silence().await;
        })
    })
    .await
}

/// Holds a connection open and says nothing.
async fn holding(_visit: Visit) {
    silence().await;
}

/// A target that reads a request, writes `bytes` and closes the connection.
async fn saying_goodbye(bytes: impl Into<Vec<u8>>) -> Target {
    let bytes = bytes.into();
    raw(None, move |mut visit| {
        let bytes = bytes.clone();
        Box::pin(async move {
            read_request(&mut visit.stream).await;
            let _ = visit.stream.write_all(&bytes).await;
            let _ = visit.stream.shutdown().await;
        })
    })
    .await
}

fn failure(attempt: &HttpAttempt) -> &TransportError {
    attempt.result.as_ref().expect_err("this cannot succeed")
}

async fn failing(target: &Target) -> TransportError {
    failure(&send(&device(DeviceSettings::default()), &get(&target.url("/"))).await).clone()
}

async fn timing_out(target: &Target) -> TransportError {
    failure(&send_within(&device(DeviceSettings::default()), &post(&target.url("/")), SHORT).await).clone()
}

#[tokio::test]
async fn a_target_that_accepts_and_never_begins_tls_times_out_with_nothing_sent() {
    let target = raw(None, |visit| Box::pin(holding(visit))).await;
    let url = format!("https://{}/", target.address);
    let attempt = send_within(&device(DeviceSettings::default()), &post(&url), SHORT).await;
    let failure = failure(&attempt);
    assert_eq!(failure.reason, Reason::Timeout);
    assert!(!failure.sent, "{failure:?}");
    assert!(failure.message.contains("the TLS handshake"), "{failure:?}");
    assert!(attempt.answer.phases.connect.is_some() && attempt.answer.phases.tls.is_none() && !attempt.answer.phases.reused);
}

#[tokio::test]
async fn a_bound_on_connecting_strikes_before_the_attempt_s_own() {
    let target = raw(None, |visit| Box::pin(holding(visit))).await;
    let url = format!("https://{}/", target.address);
    let device = device(DeviceSettings { connect_timeout: Some(SHORT), ..DeviceSettings::default() });
    let failure = failure(&send(&device, &post(&url)).await).clone();
    assert_eq!(failure.reason, Reason::Timeout);
    assert!(!failure.sent, "{failure:?}");
    assert!(failure.message.contains("connecting took too long: waiting for the TLS handshake"), "{failure:?}");
}

#[tokio::test]
async fn a_target_that_never_sends_headers_times_out_and_the_request_may_have_arrived() {
    let failure = timing_out(&saying("").await).await;
    assert_eq!(failure.reason, Reason::Timeout);
    assert!(failure.sent && !failure.got_byte);
    assert!(failure.message.contains("the answer's headers"), "{failure:?}");
}

#[tokio::test]
async fn a_body_that_never_ends_times_out() {
    let failure = timing_out(&saying("HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nabc").await).await;
    assert_eq!(failure.reason, Reason::Timeout);
    assert!(failure.sent && failure.got_byte);
    assert!(failure.message.contains("the body's end (3 bytes had come)"), "{failure:?}");
}

#[tokio::test]
async fn a_body_that_drips_times_out() {
    let target = raw(None, |mut visit: Visit| {
        Box::pin(async move {
            read_request(&mut visit.stream).await;
            let _ = visit.stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 100000\r\n\r\n").await;
            while visit.stream.write_all(b"x").await.is_ok() {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        })
    })
    .await;
    let failure = timing_out(&target).await;
    assert_eq!(failure.reason, Reason::Timeout);
    assert!(failure.got_byte);
}

#[tokio::test]
async fn a_post_over_an_open_connection_counts_as_sent_when_it_times_out() {
    let target = h2_target(|_, stream| Act::Say(if stream == 1 { fine(stream) } else { Vec::new() })).await;
    let device = device(DeviceSettings { version: HttpVersion::Http2, ..DeviceSettings::default() });
    assert!(send(&device, &get(&target.url("/first"))).await.result.is_ok());
    let attempt = send_within(&device, &post(&target.url("/second")), SHORT).await;
    assert!(attempt.answer.phases.reused && failure(&attempt).sent);
    assert_eq!(target.connections(), 1);
}

#[tokio::test]
async fn a_post_beside_another_request_is_unsent_while_its_own_connection_is_being_made() {
    let target = raw(None, |visit| Box::pin(holding(visit))).await;
    let url = format!("https://{}/", target.address);
    let device = device(DeviceSettings::default());
    let request = post(&url);
    let (first, second) = tokio::join!(send_within(&device, &request, SHORT), send_within(&device, &request, SHORT));
    assert!(!failure(&first).sent && !failure(&second).sent, "nobody else's connection can carry it");
}

#[tokio::test]
async fn an_address_this_machine_cannot_use_is_no_want_of_resources() {
    // An address of a documentation range is no address of this machine.
    let settings = DeviceSettings { local_address: Some("192.0.2.1".parse().unwrap()), ..DeviceSettings::default() };
    let attempt = send(&device(settings), &get("http://127.0.0.1:9/")).await;
    assert_eq!(failure(&attempt).reason, Reason::Connect, "{attempt:?}");
}

#[tokio::test]
async fn a_refused_connection_is_unsent() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    drop(listener);
    let failure = failure(&send(&device(DeviceSettings::default()), &post(&url)).await).clone();
    assert_eq!(failure.reason, Reason::Connect);
    assert!(!failure.sent && !failure.got_byte);
    assert!(failure.message.contains("refused"), "{failure:?}");
}

#[tokio::test]
async fn a_name_that_does_not_resolve_is_unsent() {
    let failure = failure(&send(&device(DeviceSettings::default()), &post("http://nowhere.invalid/")).await).clone();
    assert_eq!(failure.reason, Reason::Dns);
    assert!(!failure.sent);
    assert!(failure.message.contains("`nowhere.invalid` does not resolve"), "{failure:?}");
}

#[tokio::test]
async fn a_connection_reset_after_the_request_is_a_broken_protocol_and_sent() {
    let target = raw(None, |mut visit: Visit| {
        Box::pin(async move {
            // One byte is read and the rest left, so that closing resets.
            let _ = visit.stream.get_mut().read(&mut [0]).await;
        })
    })
    .await;
    let failure = failure(&send(&device(DeviceSettings::default()), &post(&target.url("/"))).await).clone();
    assert_eq!(failure.reason, Reason::Protocol);
    assert!(failure.sent, "{failure:?}");
}

#[tokio::test]
async fn an_endless_body_is_cut_at_the_cap() {
    let target = raw(None, |mut visit: Visit| {
        Box::pin(async move {
            read_request(&mut visit.stream).await;
            let _ = visit.stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await;
            flood(&mut visit, &vec![b'x'; 65_536]).await;
        })
    })
    .await;
    let attempt = send(&device(DeviceSettings::default()), &get(&target.url("/"))).await;
    assert_eq!(failure(&attempt).reason, Reason::ResponseTooLarge);
    assert!(attempt.answer.body_bytes < (1 << 20) + SLACK / 8, "{}", attempt.answer.body_bytes);
    assert!(target.written() < (1 << 20) + SLACK, "{}", target.written());
    assert_eq!(attempt.answer.status, Some(200));
}

#[tokio::test]
async fn a_gigantic_announced_length_is_refused_before_it_comes() {
    let target = saying("HTTP/1.1 200 OK\r\ncontent-length: 1000000000000\r\n\r\n").await;
    let attempt = send(&device(DeviceSettings::default()), &get(&target.url("/"))).await;
    assert_eq!(failure(&attempt).reason, Reason::ResponseTooLarge);
    assert_eq!(attempt.answer.body_bytes, 0);
}

#[tokio::test]
async fn a_length_beyond_numbers_is_a_broken_protocol() {
    let target = saying("HTTP/1.1 200 OK\r\ncontent-length: 99999999999999999999999999\r\n\r\n").await;
    assert_eq!(failing(&target).await.reason, Reason::Protocol);
}

fn zeros() -> Vec<u8> {
    vec![0; 64 << 20]
}

#[tokio::test]
async fn compression_bombs_are_cut_at_the_cap_after_decompression() {
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    gzip.write_all(&zeros()).unwrap();
    let mut brotli = Vec::new();
    brotli::CompressorWriter::new(&mut brotli, 4096, 5, 22).write_all(&zeros()).unwrap();
    // 2,000 frames of one block each that repeats a byte 128 KiB long (RFC 8878, sections 3.1.1 and 3.1.1.2).
    let zstd = [0x28, 0xB5, 0x2F, 0xFD, 0x00, 0x48, 0x03, 0x00, 0x10, b'x'].repeat(2_000);
    for (name, bomb) in [("gzip", gzip.finish().unwrap()), ("br", brotli), ("zstd", zstd)] {
        assert!(bomb.len() < 100_000, "{name} is no bomb: {}", bomb.len());
        let target = saying(answer(200, &[("content-encoding", name)], bomb)).await;
        let attempt = send(&device(DeviceSettings::default()), &get(&target.url("/"))).await;
        assert_eq!(failure(&attempt).reason, Reason::ResponseTooLarge, "{name}: {:?}", failure(&attempt));
        assert!(attempt.answer.body_bytes < 2 << 20, "{name}: {}", attempt.answer.body_bytes);
    }
}

#[tokio::test]
async fn what_breaks_the_protocol_is_called_so() {
    let long_header = format!("HTTP/1.1 200 OK\r\nx: {}\r\n\r\n", "y".repeat(10 << 20));
    let cases: [(&str, Vec<u8>); 7] = [
        ("broken chunking", b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nzz\r\nabc\r\n".to_vec()),
        ("a chunk longer than numbers", b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nfffffffffffffffff\r\n".to_vec()),
        ("a header line of 10 MB", long_header.into_bytes()),
        ("HTTP/0.9", b"<html>hello</html>\r\n\r\n".to_vec()),
        ("garbage", vec![0; 1000]),
        ("not gzip", answer(200, &[("content-encoding", "gzip")], "plain text")),
        ("two lengths", b"HTTP/1.1 200 OK\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\nab".to_vec()),
    ];
    for (name, bytes) in cases {
        let failure = failing(&saying(bytes).await).await;
        assert_eq!(failure.reason, Reason::Protocol, "{name}: {failure:?}");
        assert!(failure.sent, "{name}");
    }
}

#[tokio::test]
async fn what_ends_too_early_is_a_broken_protocol() {
    let cases = [
        "",
        "HTTP/1.1 200 OK\r\nx: y",
        "HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nabc",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n",
    ];
    for bytes in cases {
        let failure = failing(&saying_goodbye(bytes).await).await;
        assert_eq!(failure.reason, Reason::Protocol, "{bytes:?}: {failure:?}");
        assert!(failure.sent, "{bytes:?}");
    }
}

#[tokio::test]
async fn a_million_headers_are_refused_early() {
    let target = raw(None, |mut visit: Visit| {
        Box::pin(async move {
            read_request(&mut visit.stream).await;
            let _ = visit.stream.write_all(b"HTTP/1.1 200 OK\r\n").await;
            flood(&mut visit, "x-header: value\r\n".repeat(1_000).as_bytes()).await;
        })
    })
    .await;
    assert_eq!(failing(&target).await.reason, Reason::Protocol);
    assert!(target.written() < SLACK, "{}", target.written());
}

#[tokio::test]
async fn endless_interim_answers_time_out() {
    let target = raw(None, |mut visit: Visit| {
        Box::pin(async move {
            read_request(&mut visit.stream).await;
            flood(&mut visit, &b"HTTP/1.1 103 Early Hints\r\nlink: </x>\r\n\r\n".repeat(100)).await;
        })
    })
    .await;
    assert_eq!(timing_out(&target).await.reason, Reason::Timeout);
}

#[tokio::test]
async fn a_redirect_loop_ends_at_the_bound() {
    let target = answering(None, |_| answer(302, &[("location", "/again")], "")).await;
    let device = device(DeviceSettings::default());
    let request = rendered(&HttpAction { redirects: Some(Redirects::Follow(3)), ..action("GET", &target.url("/")) });
    let attempt = send(&device, &request).await;
    assert_eq!(failure(&attempt).reason, Reason::Redirects);
    assert!(failure(&attempt).sent);
    assert_eq!(target.seen().len(), 4);
    assert_eq!(attempt.answer.status, Some(302));
}

#[tokio::test]
async fn a_redirect_to_a_dead_end_counts_as_sent() {
    let target = answering(None, |_| answer(307, &[("location", "http://nowhere.invalid/")], "")).await;
    let failure = failure(&send(&device(DeviceSettings::default()), &post(&target.url("/"))).await).clone();
    assert_eq!(failure.reason, Reason::Dns);
    assert!(failure.sent, "the first hop got the request");
}

#[tokio::test]
async fn json_nested_100_000_deep_is_an_error_and_no_crash() {
    let target = answering(None, |_| answer(200, &[], "[".repeat(100_000) + &"]".repeat(100_000))).await;
    let attempt = send(&device(DeviceSettings::default()), &get(&target.url("/"))).await;
    let response = attempt.result.unwrap();
    assert!(response.json().unwrap_err().contains("recursion limit"), "{:?}", response.json());
    assert!(response.lookup("json").is_none());
}

/// A target of HTTP/2 that says `frames` to each request.
async fn h2_saying(frames: Vec<u8>) -> Target {
    h2_target(move |_, _| Act::Say(frames.clone())).await
}

#[tokio::test]
async fn resets_and_goodbyes_of_http_2_break_the_protocol() {
    let cases = [
        ("RST_STREAM", reset(1, INTERNAL_ERROR)),
        ("GOAWAY", goaway(0, INTERNAL_ERROR)),
        ("nonsense", b"HTTP/1.1 400 Bad Request\r\n\r\n".to_vec()),
        ("headers that are none", frame(HEADERS, END_HEADERS | END_STREAM, 1, &[0xFF; 40])),
    ];
    for (name, frames) in cases {
        let target = h2_saying(frames).await;
        let device = device(DeviceSettings { version: HttpVersion::Http2, ..DeviceSettings::default() });
        let failure = failure(&send(&device, &post(&target.url("/"))).await).clone();
        assert_eq!(failure.reason, Reason::Protocol, "{name}: {failure:?}");
        assert!(failure.sent, "{name}");
    }
}

#[tokio::test]
async fn endless_interim_answers_of_http_2_time_out() {
    // `:status: 103` as a literal with an indexed name (RFC 7541, section 6.2.2).
    let interim = frame(HEADERS, END_HEADERS, 1, &[0x08, 0x03, b'1', b'0', b'3']);
    let target = h2_saying(interim.repeat(100_000)).await;
    let device = device(DeviceSettings { version: HttpVersion::Http2, ..DeviceSettings::default() });
    let failure = failure(&send_within(&device, &post(&target.url("/")), SHORT).await).clone();
    assert!(matches!(failure.reason, Reason::Timeout | Reason::Protocol), "{failure:?}");
    assert!(failure.sent);
}

#[tokio::test]
async fn a_listener_that_is_full_times_out_with_nothing_sent() {
    let socket = tokio::net::TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let listener = socket.listen(0).unwrap();
    let address = listener.local_addr().unwrap();
    // The queue holds one; once a connection hangs, all others do.
    let mut held = Vec::new();
    while let Ok(connected) = tokio::time::timeout(SHORT, tokio::net::TcpStream::connect(address)).await {
        held.push(connected.unwrap());
    }
    let device =
        device(DeviceSettings { resolve: vec![Resolve { host: "full.test".to_owned(), address }], ..DeviceSettings::default() });
    let failure = failure(&send_within(&device, &post("http://full.test/"), SHORT).await).clone();
    assert_eq!(failure.reason, Reason::Timeout);
    assert!(!failure.sent);
    assert!(failure.message.contains("waiting for the connection"), "{failure:?}");
}
