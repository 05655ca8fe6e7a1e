//! Connections that stay open for later steps, attempts over them, and what is undone.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use serinus::outcome::{CleanupResult, Reason, Verdict};
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _};

use super::{Act, CONNECT, Hang, Hear, Say, journey, server, step};
use crate::http_server::{Target, raw};

/// Answers each line with its number on this connection, and the line.
async fn counting() -> Target {
    raw(None, |mut visit| {
        Box::pin(async move {
            for count in 1.. {
                let mut line = String::new();
                if visit.stream.read_line(&mut line).await.unwrap_or(0) == 0 {
                    return;
                }
                visit.stream.write_all(format!("{count} {line}").as_bytes()).await.unwrap();
            }
        })
    })
    .await
}

const READ: &str = "tcp.read = { until = \"\\n\" }";

fn says(text: &str) -> String {
    format!("tcp.send = \"{text}\\n\"\n{READ}")
}

#[tokio::test]
async fn a_connection_stays_open_for_the_later_steps_of_its_device() {
    let target = counting().await;
    let other = "[devices.other]";
    let steps = [
        step("open", &[CONNECT]),
        step("first", &[&says("a"), "expect = [\"received == '1 a\\n'\", \"phases.connect is undefined\"]"]),
        step("second", &[&says("b"), "expect = [\"received == '2 b\\n'\"]"]),
        step("named", &[CONNECT, "tcp.connection = \"second\"", &says("c"), "expect = [\"received == '1 c\\n'\"]"]),
        step("of another device", &["device = \"other\"", CONNECT, &says("d"), "expect = [\"received == '1 d\\n'\"]"]),
        step("third", &[&says("e"), "expect = [\"received == '3 e\\n'\"]"]),
        step("anew", &[CONNECT, &says("f"), "expect = [\"received == '1 f\\n'\"]"]),
    ];
    journey(&target).head(other).run(&steps.concat()).await.assert_passed();
    assert_eq!(target.connections(), 4);
}

#[tokio::test]
async fn a_connection_is_closed_at_the_runs_end_or_when_a_step_says_so() {
    let ended = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&ended);
    let target = raw(None, move |mut visit| {
        let count = Arc::clone(&count);
        Box::pin(async move {
            let _ = visit.stream.read_to_end(&mut Vec::new()).await;
            count.fetch_add(1, Ordering::SeqCst);
        })
    })
    .await;
    let all_ended = |wanted: usize| {
        let ended = Arc::clone(&ended);
        crate::waiting::until("the connection's end", move || {
            let there = (ended.load(Ordering::SeqCst) == wanted).then_some(());
            async move { there }
        })
    };
    journey(&target).run(&step("open", &[CONNECT, "expect = [\"latency < 10\"]"])).await.assert_passed();
    all_ended(1).await;
    let closed =
        [step("open", &[CONNECT, "tcp.close = true", "expect = [\"latency < 10\"]"]), step("again", &["tcp.send = \"a\""])];
    let ran = journey(&target).run(&closed.concat()).await;
    assert_eq!(ran.reason(), Reason::NotEvaluable);
    assert!(ran.cause().message.ends_with("the connection `default` was closed by a step before"), "{}", ran.cause().message);
    all_ended(2).await;
}

#[tokio::test]
async fn a_poll_goes_on_over_the_open_connection_or_connects_each_time() {
    let target = counting().await;
    let poll = "eventually = { within = \"10s\", poll = \"10ms\" }";
    let steps = [
        step("open", &[CONNECT]),
        step("poll", &[&says("a"), poll, "expect = [\"received == '5 a\\n'\"]"]),
        step("stays", &[&says("a"), "consistently = { for = \"50ms\", poll = \"10ms\" }", "expect = [\"bytes >= 4\"]"]),
    ];
    let ran = journey(&target).run(&steps.concat()).await;
    ran.assert_passed();
    assert_eq!((target.connections(), ran.report.steps[1].attempts_made), (1, 5));
    let anew = step(
        "poll",
        &[CONNECT, &says("a"), "eventually = { within = \"100ms\", poll = \"20ms\" }", "expect = [\"received == '2 a\\n'\"]"],
    );
    let ran = journey(&target).run(&anew).await;
    assert_eq!(ran.reason(), Reason::Expectation);
    assert_eq!(target.connections(), 1 + ran.report.steps[0].attempts_made as usize);
}

#[tokio::test]
async fn a_retry_connects_again_and_never_sends_twice() {
    let target = server(&[]).await;
    let retry = "retry = { attempts = 3, backoff = \"10ms\" }\nexpect = [\"bytes == 1\"]";
    let ran = journey(&target).run(&step("read", &[CONNECT, READ, retry])).await;
    assert_eq!((ran.reason(), target.connections()), (Reason::Protocol, 3));
    let target = server(&[Hear("a\n")]).await;
    let ran = journey(&target).run(&step("send", &[CONNECT, &says("a"), retry])).await;
    assert_eq!((ran.reason(), target.connections()), (Reason::Protocol, 1));
}

#[tokio::test]
async fn steps_beside_each_other_take_turns_over_one_connection() {
    let target = counting().await;
    let beside = |name: &str| {
        let keys = says(name);
        step(name, &[&keys, &format!("expect = [\"received is endingwith(' {name}\\n')\"]")])
            .replace("[[step]]", "[[step.parallel]]")
    };
    let both = format!("{}{}{}", step("both", &["repeat = 5"]), beside("left"), beside("right"));
    journey(&target).run(&format!("{}{both}", step("open", &[CONNECT]))).await.assert_passed();
    assert_eq!(target.connections(), 1);
}

#[tokio::test]
async fn after_a_failure_the_connection_is_gone_and_the_next_step_says_why() {
    let target = server(&[Hear("a\n"), Say("half")]).await;
    let steps = [
        step("open", &[CONNECT]),
        step("half", &[&says("a"), "allow_failure = true"]),
        step("next", &[&says("b"), "expect = [\"bytes > 0\"]"]),
    ];
    let ran = journey(&target).run(&steps.concat()).await;
    assert_eq!((ran.report.verdict, ran.reason()), (Verdict::Failed, Reason::Protocol));
    let message = &ran.cause().message;
    assert!(
        message.contains(
            "the connection `default` is gone since an earlier attempt failed: the target closed the connection after 4 bytes"
        ),
        "{message}"
    );
    assert!(ran.report.steps[2].attempts[0].detail.as_ref().unwrap().is_answered(), "it was answered before");
}

#[tokio::test]
async fn nothing_is_sent_while_there_are_bytes_that_nobody_read() {
    const EARLY: &[Act] = &[Hear("a\n"), Say("1 a\nstale\n"), Hear("b\n"), Say("2 b\n"), Hang];
    let target = server(EARLY).await;
    let steps = [
        step("open", &[CONNECT]),
        step("first", &[&says("a"), "expect = [\"received == '1 a\\n'\"]"]),
        step("second", &[&says("b"), "expect = [\"bytes > 0\"]"]),
    ];
    let ran = journey(&target).run(&steps.concat()).await;
    assert_eq!(ran.reason(), Reason::Protocol);
    assert!(
        ran.cause().message.contains("6 bytes came before anything was sent, so that they are no answer to it: \"stale\\n\"")
    );
    let read = steps[1].clone() + &step("more", &[READ]);
    journey(&target).run(&[&steps[0], &read, &steps[2]].map(String::as_str).concat()).await.assert_passed();
}

#[tokio::test]
async fn a_connection_that_the_target_closed_meanwhile_is_told_before_anything_is_sent() {
    let target = server(&[Hear("a\n"), Say("1 a\n")]).await;
    let steps = [
        step("open", &[CONNECT]),
        step("first", &[&says("a"), "expect = [\"bytes > 0\"]"]),
        // Read to its end first, so that it is known to be closed.
        step("end", &["tcp.read = { until_close = true }", "expect = [\"bytes == 0\"]"]),
        step("second", &[&says("b"), "expect = [\"bytes > 0\"]"]),
    ];
    let ran = journey(&target).run(&steps.concat()).await;
    assert_eq!(ran.reason(), Reason::Protocol);
    assert!(ran.cause().message.ends_with("the target has closed the connection"), "{}", ran.cause().message);
}

#[tokio::test]
async fn what_may_have_been_created_is_undone_and_what_was_never_sent_is_not() {
    let target = counting().await;
    let cleanup = format!("[step.cleanup]\n{CONNECT}\n{}\nexpect = [\"received == '1 delete\\n'\"]", says("delete"));
    let create = |expect: &str| step("create", &[CONNECT, &says("create"), expect, &cleanup]);
    let ran = journey(&target).run(&create("expect = [\"received == 'yes\\n'\"]")).await;
    assert_eq!(ran.reason(), Reason::Expectation);
    assert_eq!(ran.cleanup.unwrap().result, CleanupResult::Clean);
    assert_eq!(target.connections(), 2);
    let refused = "unless_created = \"received == '1 create\\n'\"\nexpect = [\"received == 'yes\\n'\"]";
    assert!(journey(&target).run(&create(refused)).await.cleanup.is_none());
    let nobody = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let unsent = create("expect = [\"bytes > 0\"]").replace("{{ api }}", &nobody.to_string());
    let ran = journey(&target).run(&unsent).await;
    assert!(ran.reason() == Reason::Connect && ran.cleanup.is_none());
}
