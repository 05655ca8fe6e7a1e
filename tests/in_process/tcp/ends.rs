//! What is read, how far, and what expressions know of it.

use std::time::Duration;

use serinus::outcome::Reason;
use tokio::io::AsyncReadExt as _;

use super::{CONNECT, Hang, Hear, Say, journey, server, step};
use crate::http_server::raw;

#[tokio::test]
async fn a_greeting_is_read_before_anything_is_sent_and_the_answer_after_it() {
    let target = server(&[Say("220 mail ready\r\n"), Hear("NOOP\r\n"), Say("250 ok\r\n"), Hang]).await;
    let ran = journey(&target)
        .run(&step(
            "noop",
            &[
                CONNECT,
                "tcp.greeting = { until = \"\\r\\n\" }",
                "tcp.send = \"NOOP\\r\\n\"",
                "tcp.read = { until = \"\\r\\n\" }",
                "expect = [\"greeting is startingwith('220 ')\", \"received == '250 ok\\r\\n'\", \"bytes == 8\", \
                 \"received_hex == '323530206f6b0d0a'\", \"remote == api\", \"latency > 0 and latency < 10\", \
                 \"phases.connect >= 0\", \"phases.greeting > 0\", \"phases.first_byte > 0\", \"phases.transfer >= 0\"]",
                "capture = { code = \"received[:3]\" }",
            ],
        ))
        .await;
    ran.assert_passed();
    assert_eq!(ran.report.steps[0].captures[0].1, "\"250\"");
}

#[tokio::test]
async fn an_answer_ends_where_it_is_said_to_end_and_the_rest_is_the_next_steps() {
    let target = server(&[
        Say("250-mail\r\n250-SIZE 100\r\n250 HELP\r\nabcd"),
        Say("e|f"),
        Say("g and the rest"),
        // The server closes the connection.
    ])
    .await;
    let ran = journey(&target)
        .run(
            &[
                step(
                    "lines",
                    &[
                        CONNECT,
                        "tcp.read = { until_line = '^250 ' }",
                        "expect = [\"received is endingwith('250 HELP\\r\\n')\", \"bytes == 34\"]",
                    ],
                ),
                step("bytes", &["tcp.read = { bytes = 2 }", "expect = [\"received == 'ab'\"]"]),
                step("text", &["tcp.read = { until = '{{ \"e\" }}|' }", "expect = [\"received == 'cde|'\"]"]),
                step("rest", &["tcp.read = { until_close = true }", "expect = [\"received == 'fg and the rest'\"]"]),
            ]
            .concat(),
        )
        .await;
    ran.assert_passed();
}

#[tokio::test]
async fn what_is_read_can_be_json_and_have_a_contract() {
    let target = server(&[Say("{\"id\": 7}\n"), Hang]).await;
    let keys = [CONNECT, "tcp.read = { until = \"\\n\" }", "contract = \"line.json\"", "expect = [\"json.id == 7\"]"];
    let schema = |kind: &str| format!("{{\"type\": \"object\", \"properties\": {{\"id\": {{\"type\": \"{kind}\"}}}}}}");
    journey(&target).file("line.json", &schema("integer")).run(&step("line", &keys)).await.assert_passed();
    let ran = journey(&target).file("line.json", &schema("string")).run(&step("line", &keys)).await;
    assert_eq!(ran.reason(), Reason::Contract);
    let text = server(&[Say("hello\n"), Hang]).await;
    let ran = journey(&text).run(&step("line", &[keys[0], keys[1], keys[3]])).await;
    assert_eq!(ran.reason(), Reason::NotEvaluable);
    assert!(ran.cause().message.contains("what was received is not JSON"), "{}", ran.cause().message);
}

#[tokio::test]
async fn bytes_arrive_as_they_are_spelled() {
    let target = raw(None, |mut visit| {
        Box::pin(async move {
            let mut heard = [0; 6];
            visit.stream.read_exact(&mut heard).await.unwrap();
            let said = if heard == [0, 0xff, 0x0a, 1, 2, 3] { "yes" } else { "no!" };
            tokio::io::AsyncWriteExt::write_all(&mut visit.stream, said.as_bytes()).await.unwrap();
        })
    })
    .await;
    let head = "[vars]\ntail = \"010203\"";
    let read = "tcp.read = { until_close = true }\nexpect = [\"received == 'yes'\"]";
    let hex = step("hex", &[CONNECT, "tcp.send = { hex = '00 FF 0a {{ tail }}' }", read]);
    journey(&target).head(head).run(&hex).await.assert_passed();
    journey(&target).run(&step("base64", &[CONNECT, "tcp.send = { base64 = 'AP8KAQID' }", read])).await.assert_passed();
    let odd = step("odd", &[CONNECT, "tcp.send = { hex = '{{ tail }}0' }", read]);
    let ran = journey(&target).head(head).run(&odd).await;
    assert_eq!(ran.reason(), Reason::NotEvaluable);
    assert!(ran.cause().message.contains("the TCP exchange could not be evaluated: `tcp.send`"), "{}", ran.cause().message);
}

#[tokio::test]
async fn what_was_not_read_is_not_evaluable_and_a_connection_alone_can_be_expected_of() {
    let target = server(&[Hang]).await;
    journey(&target)
        .run(&step("open", &[CONNECT, "expect = [\"remote == api\", \"phases.connect < 10\"]"]))
        .await
        .assert_passed();
    let ran = journey(&target).run(&step("open", &[CONNECT, "expect = [\"received == ''\"]"])).await;
    assert_eq!(ran.reason(), Reason::NotEvaluable);
}

#[tokio::test]
async fn a_stall_of_the_prober_is_taken_out_of_what_expressions_see() {
    let stalls = std::sync::Arc::new(serinus::run::StallLog::default());
    let log = std::sync::Arc::clone(&stalls);
    let target = raw(None, move |mut visit| {
        let log = std::sync::Arc::clone(&log);
        Box::pin(async move {
            // Written ahead: a stall of the coming milliseconds is one like any other when they have passed.
            let now = std::time::Instant::now();
            drop(log.beat(now));
            drop(log.beat(now + Duration::from_millis(650)));
            (1..1000).for_each(|beat| drop(log.beat(now + Duration::from_millis(650) + serinus::run::BEAT * beat)));
            tokio::time::sleep(Duration::from_millis(800)).await;
            tokio::io::AsyncWriteExt::write_all(&mut visit.stream, b"late\n").await.unwrap();
        })
    })
    .await;
    let keys = [
        CONNECT,
        "tcp.read = { until = \"\\n\" }",
        "expect = [\"latency < 0.7\", \"phases.first_byte < 0.7\", \"latency > 0.1\"]",
    ];
    let mut journey = journey(&target);
    journey.stalls = stalls;
    journey.run(&step("read", &keys)).await.assert_passed();
}
