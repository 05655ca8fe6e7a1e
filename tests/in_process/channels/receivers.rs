//! Receivers that are ill, slow or hostile, and requests as they arrive.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use ring::hmac;
use serinus::alert::channel::{HttpClient, Sender, send_test};
use serinus::alert::message::{Action, Message};
use serinus::alert::tries::{Outcome, RefusalKind};
use serinus::plan::ChannelKind;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use super::support::{
    alerting, as_what, attempt, channel, client, end, hurried, open, ring, secrets, sender, sent, short, template, webhook, why,
};
use crate::http_server::{Seen, Target, Visit, answer, answering, flood, raw, read_request, silence};
use crate::programs::free_port;

/// A receiver that gives these answers, and 200 from then on.
async fn scripted(answers: Vec<Vec<u8>>) -> Target {
    let next = AtomicUsize::new(0);
    answering(None, move |_| answers.get(next.fetch_add(1, Ordering::SeqCst)).cloned().unwrap_or_else(|| answer(200, &[], "ok")))
        .await
}

/// A receiver that reads the whole request, writes this, and hangs up or is silent.
async fn saying(bytes: &'static [u8], hangs_up: bool) -> Target {
    raw(None, move |mut visit: Visit| {
        Box::pin(async move {
            read_request(&mut visit.stream).await;
            if visit.stream.write_all(bytes).await.is_ok() && !hangs_up {
                silence().await;
            }
        })
    })
    .await
}

fn json(seen: &Seen) -> serde_json::Value {
    serde_json::from_slice(&seen.body).expect("the body is JSON")
}

async fn outcome_at(url: &str) -> Outcome {
    let hook = hurried("hook", Duration::from_millis(700), webhook(url));
    sent(&sender(vec![hook], &secrets(&[])), "hook", &ring(1)).await
}

#[tokio::test]
async fn every_answer_and_every_silence_has_its_outcome() {
    let busy = |seconds| Some(RefusalKind::Busy(Some(Duration::from_secs(seconds))));
    for (status, headers, expected) in [
        (200, &[][..], ("taken", None)),
        (202, &[], ("taken", None)),
        (204, &[], ("taken", None)),
        (301, &[("location", "http://127.0.0.1:9/")], ("refused", Some(RefusalKind::Rejected))),
        (400, &[], ("refused", Some(RefusalKind::Unreadable))),
        (401, &[], ("refused", Some(RefusalKind::Rejected))),
        (404, &[], ("refused", Some(RefusalKind::Rejected))),
        (408, &[], ("refused", Some(RefusalKind::Unreachable))),
        (413, &[], ("refused", Some(RefusalKind::Unreadable))),
        (422, &[], ("refused", Some(RefusalKind::Unreadable))),
        (429, &[("retry-after", "3")], ("refused", busy(3))),
        (429, &[], ("refused", Some(RefusalKind::Busy(None)))),
        (500, &[], ("unknown", Some(RefusalKind::Unreachable))),
        (502, &[], ("unknown", Some(RefusalKind::Unreachable))),
        (503, &[("retry-after", "7")], ("unknown", busy(7))),
    ] {
        let receiver = answering(None, move |_| answer(status, headers, "")).await;
        assert_eq!(short(&outcome_at(&receiver.url("/")).await), expected, "{status}");
    }
    let unreachable = |word| (word, Some(RefusalKind::Unreachable));
    for (bytes, hangs_up, expected) in [
        // The request is there and nobody knows what became of it.
        (&b""[..], false, unreachable("unknown")),
        (b"", true, unreachable("unknown")),
        (b"HTTP/1.1 20", true, unreachable("unknown")),
        (b"HTTP/1.1 200 OK\r\ncontent-le", false, unreachable("unknown")),
        (b"this is no HTTP at all\r\n\r\n", true, unreachable("unknown")),
        // Its head says that it was taken, whatever becomes of the rest.
        (b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nhal", true, ("taken", None)),
    ] {
        let receiver = saying(bytes, hangs_up).await;
        let outcome = outcome_at(&receiver.url("/")).await;
        assert_eq!(short(&outcome), expected, "{}: {outcome:?}", String::from_utf8_lossy(bytes));
    }
}

#[tokio::test]
async fn where_there_is_no_connection_nothing_was_taken() {
    let refused = ("refused", Some(RefusalKind::Unreachable));
    assert_eq!(short(&outcome_at(&format!("http://127.0.0.1:{}/", free_port())).await), refused, "nobody listens");
    assert_eq!(short(&outcome_at("http://no-such-host.invalid/").await), refused, "there is no such name");
    let mute = raw(None, |visit: Visit| {
        Box::pin(async move {
            silence().await;
            drop(visit);
        })
    })
    .await;
    let outcome = outcome_at(&mute.url("/").replace("http:", "https:")).await;
    assert_eq!(short(&outcome), refused, "it never answers the handshake");
    assert_eq!(why(&outcome), "no connection within 700ms");
    let authority = crate::http_pki::Authority::new();
    let foreign = answering(Some(crate::http_pki::server(&authority.leaf(&["localhost"]))), |_| answer(200, &[], "")).await;
    let outcome = outcome_at(&format!("https://localhost:{}/", foreign.address.port())).await;
    assert_eq!(short(&outcome), refused, "its certificate is nobody's");
    assert!(why(&outcome).contains("certificate"), "{outcome:?}");
    assert!(foreign.seen().is_empty());
}

#[tokio::test]
async fn a_request_that_left_in_part_is_unknown() {
    // A large body, of which the receiver takes a little and then closes.
    let receiver = raw(None, |mut visit: Visit| {
        Box::pin(async move {
            let mut some = [0; 100];
            // Whatever comes of it.
            let _ = visit.stream.read(&mut some).await;
        })
    })
    .await;
    assert_eq!(short(&outcome_at(&receiver.url("/")).await), ("unknown", Some(RefusalKind::Unreachable)));
}

#[tokio::test]
async fn an_endless_answer_costs_a_try_and_no_memory() {
    let receiver = raw(None, |mut visit: Visit| {
        Box::pin(async move {
            read_request(&mut visit.stream).await;
            let head = b"HTTP/1.1 500 No\r\ncontent-length: 999999999999\r\n\r\n";
            if visit.stream.write_all(head).await.is_ok() {
                flood(&mut visit, &[b'x'; 1_024]).await;
            }
        })
    })
    .await;
    let outcome = outcome_at(&receiver.url("/")).await;
    assert_eq!(short(&outcome), ("unknown", Some(RefusalKind::Unreachable)));
    assert!(why(&outcome).len() < 400, "{outcome:?}");
    assert!(receiver.written() < 50 << 20, "{} bytes of an answer were taken that nobody reads", receiver.written());
}

#[tokio::test]
async fn a_secret_that_is_missing_sends_nothing_and_waits_for_whoever_mends_it() {
    let receiver = scripted(Vec::new()).await;
    let kind = ChannelKind::Webhook {
        url: template(&receiver.url("/")),
        headers: vec![("Authorization".to_owned(), template("Bearer {{ secret.token }}"))],
        body: None,
        signing_key: None,
    };
    let slack = ChannelKind::Slack { url: "slack_url".into(), channel: None };
    let sender = sender(vec![channel("hook", kind), channel("chat", slack)], &secrets(&[]));
    for name in ["hook", "chat", "no-such-channel"] {
        let outcome = sent(&sender, name, &ring(1)).await;
        assert_eq!(short(&outcome), ("refused", Some(RefusalKind::Rejected)), "{name}");
    }
    assert_eq!(receiver.connections(), 0);
}

#[tokio::test]
async fn a_webhook_is_the_message_in_json_with_the_tries_id_which_a_repeat_keeps_and_a_signature() {
    let receiver = scripted(vec![answer(500, &[], "oops")]).await;
    let kind = ChannelKind::Webhook {
        url: template(&receiver.url("/hook")),
        headers: vec![("X-Team".to_owned(), template("music"))],
        body: None,
        signing_key: Some("signing".into()),
    };
    let sender = sender(vec![channel("hook", kind)], &secrets(&[("signing", "shared key")]));
    let (ring, attempt) = (ring(1), attempt("01KAJ8QA", "hook", &ring(1)));
    let outcome = sender.send(&attempt, &ring, &[], false).await;
    assert_eq!((short(&outcome).0, why(&outcome)), ("unknown", "it answered 500 Internal Server Error: oops"));
    assert_eq!(sender.send(&attempt, &ring, &[], false).await, Outcome::Taken);
    for seen in receiver.seen() {
        assert_eq!(seen.header("x-serinus-try"), Some("01KAJ8QA"));
        assert_eq!(seen.header("x-serinus-key"), Some("probe/premium-registration/1"));
        assert_eq!((seen.header("x-serinus-version"), seen.header("x-team")), (Some("2"), Some("music")));
        assert_eq!(serde_json::from_slice::<Message>(&seen.body).unwrap(), ring);
        // As a receiver checks it.
        let (time, digest) = seen.header("x-serinus-signature").unwrap()[2..].split_once(",v1=").unwrap();
        let digest: Vec<u8> =
            (0..digest.len()).step_by(2).map(|at| u8::from_str_radix(&digest[at..at + 2], 16).unwrap()).collect();
        let key = hmac::Key::new(hmac::HMAC_SHA256, b"shared key");
        hmac::verify(&key, &[time.as_bytes(), b".", &seen.body].concat(), &digest).expect("the signature holds");
    }
}

#[tokio::test]
async fn a_webhook_with_a_body_of_its_own_is_rendered_and_keeps_its_secrets() {
    let receiver = scripted(vec![answer(400, &[], "bad token: tops3cret!")]).await;
    let kind = ChannelKind::Webhook {
        url: template(&receiver.url("/hook?token={{ secret.token }}")),
        headers: vec![
            ("Authorization".to_owned(), template("Bearer {{ secret.token }}")),
            ("Content-Type".to_owned(), template("text/plain")),
        ],
        body: Some(template("{{ title }} ({{ severity }}, {{ action }}), saw {{ evidence[0].seen[0][1] }}")),
        signing_key: None,
    };
    let sender = sender(vec![channel("hook", kind)], &secrets(&[("token", "tops3cret!")]));
    let outcome = sent(&sender, "hook", &ring(1)).await;
    assert_eq!(why(&outcome), "it answered 400 Bad Request: bad token: •••");
    let seen = receiver.seen().remove(0);
    assert_eq!(
        seen.text(),
        "premium-registration fails in eu, and its last runs in us failed, too (5 of 9 canaries) (page, ring), saw \"pending\""
    );
    assert_eq!((seen.header("authorization"), seen.header("content-type")), (Some("Bearer tops3cret!"), Some("text/plain")));
    assert_eq!(seen.path(), "/hook?token=tops3cret!");
}

#[tokio::test]
async fn a_webhook_whose_templates_have_no_value_for_a_message_sends_it_all_the_same_and_says_so() {
    let receiver = scripted(Vec::new()).await;
    let kind = ChannelKind::Webhook {
        url: template(&receiver.url("/hook")),
        headers: vec![("X-Subject".to_owned(), template("{{ subject }}"))],
        body: Some(template("{{ title }}: {{ evidence[7].run }}")),
        signing_key: None,
    };
    let sender = sender(vec![channel("hook", kind)], &secrets(&[]));
    assert_eq!(sent(&sender, "hook", &ring(1)).await, Outcome::Taken);
    let seen = receiver.seen().remove(0);
    let body: Message = serde_json::from_slice(&seen.body).expect("the usual body");
    assert_eq!((body.title, seen.header("x-subject")), (ring(1).title, None));
    assert_eq!(body.why.iter().filter(|why| why.contains("has no value")).count(), 2, "{:?}", body.why);
}

#[tokio::test]
async fn pagerduty_gets_each_try_under_its_own_key() {
    let receiver = scripted(Vec::new()).await;
    let pager = ChannelKind::PagerDuty { routing_key: "key".into(), url: receiver.url("") };
    let sender = sender(vec![channel("pager", pager)], &secrets(&[("key", "0123456789abcdef")]));
    let (one, two) = ("probe/premium-registration/1", "probe/premium-registration/2");
    let (first, second) = (open(one), open(two));
    let opens = [first, second];
    let keyed = |key: &str, message: Message| Message { key: key.to_owned(), ..message };
    let tries = [
        keyed(two, ring(2)),
        as_what(Action::Change, keyed(two, ring(2))),
        as_what(Action::Acknowledge, keyed(one, ring(1))),
        keyed(one, end()),
        keyed(two, end()),
    ];
    for message in &tries {
        assert_eq!(sender.send(&attempt("t", "pager", message), message, &opens, false).await, Outcome::Taken);
    }
    let said: Vec<(String, String)> =
        receiver.seen().iter().map(json).map(|event| (word(&event, "event_action"), word(&event, "dedup_key"))).collect();
    let expected = [("trigger", two), ("trigger", two), ("acknowledge", one), ("resolve", one), ("resolve", two)];
    assert_eq!(said, expected.map(|(action, key)| (action.to_owned(), key.to_owned())));
    assert_eq!(receiver.seen()[0].path(), "/v2/enqueue");
    assert_eq!(word(&json(&receiver.seen()[0]), "routing_key"), "0123456789abcdef");
}

fn word(value: &serde_json::Value, name: &str) -> String {
    value[name].as_str().unwrap_or_default().to_owned()
}

#[tokio::test]
async fn what_a_channel_has_no_word_for_is_not_sent_there() {
    let receiver = scripted(Vec::new()).await;
    let chat = ChannelKind::Slack { url: "slack_url".into(), channel: None };
    let sender = sender(vec![channel("chat", chat)], &secrets(&[("slack_url", &receiver.url("/x"))]));
    assert_eq!(sent(&sender, "chat", &as_what(Action::Change, ring(1))).await, Outcome::Taken);
    assert_eq!(receiver.connections(), 0);
}

#[tokio::test]
async fn the_shortest_text_is_title_severity_and_nothing_that_a_receiver_may_dislike() {
    let receiver = scripted(Vec::new()).await;
    let chat = ChannelKind::Slack { url: "slack_url".into(), channel: None };
    let pager = ChannelKind::PagerDuty { routing_key: "key".into(), url: receiver.url("") };
    let values = secrets(&[("slack_url", &receiver.url("/x")), ("key", "0123456789abcdef")]);
    let sender = sender(vec![channel("chat", chat), channel("pager", pager)], &values);
    for name in ["chat", "pager"] {
        let message = ring(1);
        assert_eq!(sender.send(&attempt("t", name, &message), &message, &[], true).await, Outcome::Taken);
    }
    let seen = receiver.seen();
    let headline = "[PAGE] premium-registration fails in eu, and its last runs in us failed, too (5 of 9 canaries)";
    let link = ring(1).url.expect("there are pages to link to");
    let slack = serde_json::json!({ "text": format!("{headline} <{link}>"), "unfurl_links": false, "unfurl_media": false });
    assert_eq!(json(&seen[0]), slack);
    let payload = &json(&seen[1])["payload"];
    assert_eq!((&payload["summary"], &payload["severity"]), (&ring(1).title.into(), &"error".into()));
    assert!(seen[1].body.len() < 1_500, "{}", seen[1].text());
}

#[tokio::test]
async fn a_channel_that_was_removed_still_ends_what_it_took_with_its_last_secrets() {
    let receiver = scripted(Vec::new()).await;
    let pager = ChannelKind::PagerDuty { routing_key: "key".into(), url: receiver.url("") };
    let sender = sender(vec![channel("pager", pager)], &secrets(&[("key", "0123456789abcdef")]));
    sender.apply(&alerting(Vec::new()), &secrets(&[]));
    assert_eq!(sent(&sender, "pager", &end()).await, Outcome::Taken);
    assert_eq!(json(&receiver.seen()[0])["routing_key"], "0123456789abcdef");
    sender.forget("pager");
    assert_eq!(short(&sent(&sender, "pager", &end()).await), ("refused", Some(RefusalKind::Rejected)));
}

#[tokio::test]
async fn a_new_secret_is_used_from_the_next_try_on() {
    let receiver = scripted(Vec::new()).await;
    let pager = ChannelKind::PagerDuty { routing_key: "key".into(), url: receiver.url("") };
    let channels = alerting(vec![channel("pager", pager)]);
    let sender = Sender::new(client(), &channels, &secrets(&[("key", "first key")]));
    assert_eq!(sent(&sender, "pager", &ring(1)).await, Outcome::Taken);
    sender.apply(&channels, &secrets(&[("key", "second key")]));
    assert_eq!(sent(&sender, "pager", &ring(1)).await, Outcome::Taken);
    let keys: Vec<_> = receiver.seen().iter().map(|seen| json(seen)["routing_key"].clone()).collect();
    assert_eq!(keys, ["first key", "second key"]);
}

#[tokio::test]
async fn a_receiver_behind_a_private_authority_is_trusted_only_if_its_root_is() {
    let authority = crate::http_pki::Authority::new();
    let leaf = authority.leaf(&["localhost"]);
    let receiver = answering(Some(crate::http_pki::server(&leaf)), |_| answer(200, &[], "")).await;
    let hook = alerting(vec![channel("hook", webhook(&format!("https://localhost:{}/", receiver.address.port())))]);
    let roots = [authority.pem().0.as_path().to_owned()];
    for (extra, arrives) in [(&[][..], false), (&roots[..], true)] {
        let client = HttpClient::new(extra).unwrap();
        let tested = send_test(&client, &hook, &secrets(&[]), None).await.unwrap();
        assert_eq!(tested[0].result.is_ok(), arrives, "{:?}", tested[0].result);
    }
    let seen = receiver.seen();
    assert_eq!(seen.len(), 2, "the test and its end");
    assert_eq!((json(&seen[0])["test"].as_bool(), json(&seen[1])["action"].as_str()), (Some(true), Some("end")));
    assert_eq!(json(&seen[0])["key"], json(&seen[1])["key"]);
}

#[tokio::test]
async fn a_test_of_a_channel_that_is_not_there_says_which_are() {
    let hook = alerting(vec![channel("hook", webhook("http://127.0.0.1:9/"))]);
    let unknown = send_test(&client(), &hook, &secrets(&[]), Some("chat")).await.unwrap_err();
    assert_eq!(unknown.to_string(), "there is no channel `chat`; there are `hook`");
    let none = send_test(&client(), &alerting(Vec::new()), &secrets(&[]), None).await.unwrap_err();
    assert!(none.to_string().contains("no channel is configured"));
    let refused = send_test(&client(), &hook, &secrets(&[]), Some("hook")).await.unwrap();
    assert!(refused[0].result.is_err() && Arc::ptr_eq(&refused[0].channel, &hook.channels[0]));
}
