//! What is shown of an attempt, and what never is.

use std::sync::Arc;

use serinus::outcome::{FactValue, Redactor, Transcripts};

use super::{CONNECT, Hang, Hear, Say, journey, server, step};

const LINE: &str = "tcp.read = { until = \"\\n\" }";

#[tokio::test]
async fn an_attempt_tells_what_was_asked_where_it_went_how_long_it_took_and_what_was_said() {
    let target = server(&[Say("hi\n"), Hear("a\n"), Say("b\n"), Hang]).await;
    let greeting = "tcp.greeting = { until = \"\\n\" }";
    let steps = step("ask", &[CONNECT, greeting, "tcp.send = \"a\\n\"", LINE, "expect = [\"received == 'c'\"]"]);
    let ran = journey(&target).run(&steps).await;
    let attempt = &ran.report.steps[0].attempts[0];
    let observed = &attempt.to_json(Transcripts::Whole)["observed"];
    assert_eq!(observed["kind"], "tcp");
    assert_eq!(observed["asked"], format!("connect to {}", target.address));
    assert_eq!(observed["answered"], true);
    let facts = serde_json::json!({
        "connection": "default", "reused": false, "transport": "tcp", "host": "127.0.0.1", "port": target.address.port(),
        "remote": "127.0.0.1", "remote_port": target.address.port(), "sent_bytes": 2, "received_bytes": 5,
    });
    assert_eq!(observed["facts"], facts);
    assert_eq!(observed["transcript"], serde_json::json!({ "sent": "a\n", "received": "hi\nb\n", "truncated": false }));
    let detail = attempt.detail.as_ref().unwrap();
    let phases: Vec<&str> = detail.phases().map(|(name, _)| name).collect();
    assert_eq!(phases, ["connect", "greeting", "first_byte", "transfer"]);
    let attributes = detail.attributes();
    assert!(attributes.contains(&("network.transport", FactValue::Text("tcp".into()))));
    assert!(attributes.contains(&("server.port", FactValue::Integer(target.address.port().into()))));
}

#[tokio::test]
async fn no_secret_is_shown_however_it_was_sent_or_came_back() {
    const SECRET: &str = "correct-horse-battery";
    let echo = Arc::new(format!("535 {SECRET} is wrong\n"));
    let target = crate::http_server::raw(None, move |mut visit| {
        let echo = Arc::clone(&echo);
        Box::pin(async move {
            tokio::io::AsyncWriteExt::write_all(&mut visit.stream, echo.as_bytes()).await.unwrap();
            crate::http_server::silence().await;
        })
    })
    .await;
    for send in ["'PASS {{ secret.word }}'", "{ base64 = \"{{ ('user:' ~ secret.word) | b64encode }}\" }"] {
        let keys = [CONNECT, &format!("tcp.send = {send}"), LINE, "expect = [\"received == 'x'\", \"received_hex == 'x'\"]"];
        let ran = journey(&target).secret("word", Some(SECRET)).run(&step("sign in", &keys)).await;
        let shown = format!("{:#?} {}", ran.report.cause, ran.report.steps[0].attempts[0].to_json(Transcripts::Whole));
        assert!(shown.contains(Redactor::MASK) && !shown.contains("horse"), "{shown}");
        // `correct-` in hexadecimal digits, as what was received is compared in.
        assert!(!shown.contains("636f72726563742d"), "{shown}");
    }
}

#[tokio::test]
async fn what_steers_a_terminal_is_spelled_out() {
    let target = server(&[Say("250 \u{1b}[2J\u{202e}ok\n"), Hang]).await;
    let ran = journey(&target).run(&step("read", &[CONNECT, LINE, "expect = [\"received == 'x'\"]"])).await;
    let shown = ran.report.steps[0].attempts[0].to_json(Transcripts::Whole)["observed"]["transcript"]["received"].to_string();
    assert!(shown.contains("\\\\u001b[2J\\\\u202eok"), "{shown}");
}
