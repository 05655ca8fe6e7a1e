//! Servers that never answer, trickle, flood, stop in the middle, reset, or talk out of turn.

use std::time::{Duration, Instant};

use serinus::outcome::{Reason, Verdict};
use tokio::io::AsyncWriteExt as _;

use super::{CONNECT, Hang, Hear, Say, journey, server, step};
use crate::http_server::{Target, flood, raw, silence};
use crate::journey::Ran;
use crate::self_check::{closed, network_down};

const LINE: &str = "tcp.read = { until = \"\\n\" }";
const SOON: &str = "timeout = \"300ms\"";
/// Long enough for a busy machine to receive what was said at once.
const LATER: &str = "timeout = \"1500ms\"";
const EXPECT: &str = "expect = [\"bytes > 0\"]";

/// A step with these keys has failed for this reason, and says so.
async fn fails(target: &Target, keys: &[&str], reason: Reason, says: &str) -> Ran {
    let began = Instant::now();
    let ran = journey(target).run(&step("step", keys)).await;
    assert_eq!((ran.report.verdict, ran.reason()), (Verdict::Failed, reason), "{}", ran.cause().message);
    assert!(ran.cause().message.contains(says), "{}", ran.cause().message);
    assert!(began.elapsed() < Duration::from_secs(15));
    ran
}

#[tokio::test]
async fn who_never_answers_is_waited_for_within_the_bound_and_what_was_waited_for_is_told() {
    let target = server(&[Hang]).await;
    let told = format!("connect to {}: no answer within 300ms: waiting for", target.address);
    fails(&target, &[CONNECT, LINE, SOON, EXPECT], Reason::Timeout, &format!("{told} the answer")).await;
    let greeting = "tcp.greeting = { until = \"\\n\" }";
    fails(&target, &[CONNECT, greeting, SOON, EXPECT], Reason::Timeout, &format!("{told} the greeting's end")).await;
    let tls = "tcp.tls = true";
    fails(&target, &[CONNECT, tls, SOON, EXPECT], Reason::Timeout, &format!("{told} the TLS handshake")).await;
    let starttls = "tcp.starttls = \"smtp\"";
    fails(&target, &[CONNECT, starttls, SOON, EXPECT], Reason::Timeout, &format!("{told} the answers that lead to TLS")).await;
}

#[tokio::test]
async fn who_trickles_is_cut_by_the_bound_and_an_end_that_comes_in_pieces_is_found() {
    let target = raw(None, |mut visit| {
        Box::pin(async move {
            while visit.stream.write_all(b"a").await.is_ok() {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        })
    })
    .await;
    fails(&target, &[CONNECT, LINE, LATER, EXPECT], Reason::Timeout, "waiting for the answer's end (").await;
    let pieces = raw(None, |mut visit| {
        Box::pin(async move {
            for byte in "250-a\r\n250 b\r\n".bytes() {
                visit.stream.write_all(&[byte]).await.unwrap();
                tokio::task::yield_now().await;
            }
            silence().await;
        })
    })
    .await;
    let line = [CONNECT, "tcp.read = { until_line = '^250 b$' }", "expect = [\"bytes == 14\"]"];
    journey(&pieces).run(&step("line", &line)).await.assert_passed();
    let text = [CONNECT, "tcp.read = { until = \"\\r\\n250 b\\r\\n\" }", "expect = [\"bytes == 14\"]"];
    journey(&pieces).run(&step("text", &text)).await.assert_passed();
}

#[tokio::test]
async fn who_floods_is_read_up_to_the_bound_and_no_further() {
    let lines = raw(None, |mut visit| Box::pin(async move { flood(&mut visit, &b"250-more\r\n".repeat(1000)).await })).await;
    let most = "tcp.max_response = \"1MiB\"";
    for read in ["until = \"\\n250 \"", "until_line = '^250 '", "until_close = true"] {
        let read = format!("tcp.read = {{ {read} }}");
        fails(&lines, &[CONNECT, &read, most, EXPECT], Reason::ResponseTooLarge, "more than 1048576 bytes came before").await;
    }
    // What the sockets hold comes to that as well.
    assert!(lines.written() < 4 * (16 << 20), "{}", lines.written());
    journey(&lines).run(&step("short", &[CONNECT, LINE, "expect = [\"bytes == 10\"]"])).await.assert_passed();
}

#[tokio::test]
async fn an_answer_of_exactly_the_bound_is_taken() {
    let target = server(&[Say("1234\n")]).await;
    for read in ["until = \"\\n\"", "until_line = '4$'", "until_close = true", "bytes = 5"] {
        let read = format!("tcp.read = {{ {read} }}");
        journey(&target).run(&step("fits", &[CONNECT, &read, "tcp.max_response = 5", EXPECT])).await.assert_passed();
        if !read.contains("bytes") {
            fails(&target, &[CONNECT, &read, "tcp.max_response = 4", EXPECT], Reason::ResponseTooLarge, "more than 4 bytes")
                .await;
        }
    }
}

#[tokio::test]
async fn who_closes_in_the_middle_broke_the_protocol() {
    let target = server(&[Say("half")]).await;
    let says = "the target closed the connection after 4 bytes, before the text \"\\n\"";
    let ran = fails(&target, &[CONNECT, LINE, EXPECT], Reason::Protocol, says).await;
    assert!(ran.report.steps[0].attempts[0].detail.as_ref().unwrap().is_answered());
    let bytes = "tcp.read = { bytes = 5 }";
    fails(&target, &[CONNECT, bytes, EXPECT], Reason::Protocol, "before the 5 bytes that are read").await;
    let line = "tcp.read = { until_line = 'half' }";
    fails(&target, &[CONNECT, line, EXPECT], Reason::Protocol, "before a line that matches `half`").await;
}

#[tokio::test]
async fn a_reset_is_no_end() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let serving = tokio::spawn(async move {
        let (stream, _) = listener.accept().await.unwrap();
        // Who closes a connection with bytes in it that were not read resets it.
        stream.peek(&mut [0]).await.unwrap();
    });
    let keys = [CONNECT, "tcp.send = \"a\"", "tcp.read = { until_close = true }", EXPECT];
    let ran = crate::journey::Journey::at(&address.to_string()).run(&step("step", &keys)).await;
    serving.await.unwrap();
    assert_eq!(ran.reason(), Reason::Protocol);
    assert!(ran.cause().message.contains("the connection was lost: Connection reset by peer"), "{}", ran.cause().message);
}

#[tokio::test]
async fn who_does_not_read_is_waited_for_and_told_of() {
    let target = server(&[Hang]).await;
    let head = "[vars]\nlong = \"{{ 'a' * 1000000 }}\"";
    let send = "tcp.send = '{{ long }}'";
    let mut steps = step("open", &[CONNECT, "expect = [\"latency < 10\"]"]);
    steps += &step("send", &[send, "repeat = 60", SOON]);
    let ran = journey(&target).head(head).run(&steps).await;
    assert_eq!(ran.reason(), Reason::Timeout);
    assert!(ran.cause().message.contains("waiting for the target to read what is sent"), "{}", ran.cause().message);
}

#[tokio::test]
async fn a_run_that_is_cut_tells_what_it_was_waiting_for_and_what_had_come() {
    let target = server(&[Say("half"), Hang]).await;
    let ran = journey(&target).deadline("1500ms").run(&step("read", &[CONNECT, LINE, EXPECT])).await;
    assert_eq!(ran.reason(), Reason::Deadline);
    let told = format!("during attempt 1, connect to {}, which was waiting for the answer's end", target.address);
    assert!(ran.cause().message.contains(&told), "{}", ran.cause().message);
    let attempt = ran.report.steps[0].attempts[0].to_json(serinus::outcome::Transcripts::Whole);
    assert_eq!(attempt["observed"]["transcript"]["received"], "half");
}

#[tokio::test]
async fn only_what_got_no_byte_is_the_probers_own_network() {
    let check = network_down();
    let run = async |target: &Target, connect: &str| {
        let ran = journey(target).self_check(&check).run(&step("read", &[connect, LINE, LATER, EXPECT])).await;
        ran.reason()
    };
    let (silent, half) = (server(&[Hang]).await, server(&[Say("half"), Hang]).await);
    assert_eq!(run(&silent, &format!("tcp.connect = \"{}\"", closed())).await, Reason::SelfCheck);
    assert_eq!(run(&silent, CONNECT).await, Reason::SelfCheck);
    assert_eq!(run(&half, CONNECT).await, Reason::Timeout, "a byte came");
    let closes = server(&[]).await;
    assert_eq!(run(&closes, CONNECT).await, Reason::Protocol, "there was somebody");
    check.stop();
}

#[tokio::test]
async fn nobody_is_there() {
    let address = closed();
    let target = server(&[]).await;
    let connect = format!("tcp.connect = \"{address}\"");
    let says = format!("connect to {address}: it cannot be connected to: {address}: Connection refused");
    fails(&target, &[&connect, EXPECT], Reason::Connect, &says).await;
}

#[tokio::test]
async fn garbage_is_an_answer_like_any_other() {
    let target = raw(None, |mut visit| {
        Box::pin(async move { visit.stream.write_all(&[0xff, 0xfe, 0, b'\r', 0x1b, b'\n']).await.unwrap() })
    })
    .await;
    let keys = [CONNECT, LINE, "expect = [\"received_hex == 'fffe000d1b0a'\", \"bytes == 6\", \"received | length == 6\"]"];
    journey(&target).run(&step("garbage", &keys)).await.assert_passed();
    fails(&target, &[CONNECT, "tcp.tls = true", EXPECT], Reason::Tls, "TLS cannot be made").await;
}

#[tokio::test]
async fn an_echo_out_of_turn_is_no_answer() {
    // It answers before it was asked, and then says nothing.
    let target = server(&[Say("early\n"), Hear("a\n"), Say("late\n"), Hang]).await;
    let steps = [
        step("open", &[CONNECT, "tcp.read = { bytes = 1 }", "expect = [\"received == 'e'\"]"]),
        step("ask", &["tcp.send = \"a\\n\"", LINE, "expect = [\"received == 'arly\\n'\"]"]),
    ];
    let ran = journey(&target).run(&steps.concat()).await;
    assert_eq!(ran.reason(), Reason::Protocol, "{}", ran.cause().message);
}
