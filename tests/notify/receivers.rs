//! Receivers that are ill, slow or hostile, and requests as they arrive.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use ring::hmac;
use serinus::alert::Notice;
use serinus::alert::notify::News;
use serinus::history::DeliveryState;
use serinus::plan::{Alerting, ChannelKind};
use tokio::io::AsyncWriteExt as _;

use crate::http_server::{Seen, Visit, answer, answering, flood, raw, read_request, silence};
use crate::support::{Desk, alerting, channel, hurried, notice, resolved, row, secrets, template, webhook};

/// A receiver that gives these answers, and 200 from then on.
async fn scripted(answers: Vec<Vec<u8>>) -> crate::http_server::Target {
    let next = AtomicUsize::new(0);
    answering(None, move |_| answers.get(next.fetch_add(1, Ordering::SeqCst)).cloned().unwrap_or_else(|| answer(200, &[], "ok")))
        .await
}

fn json(seen: &Seen) -> serde_json::Value {
    serde_json::from_slice(&seen.body).expect("the body is JSON")
}

#[tokio::test]
async fn a_receiver_that_recovers_gets_the_page_and_then_its_end() {
    let receiver = scripted(vec![answer(500, &[], "oops"), answer(503, &[], "")]).await;
    let hook = alerting(vec![channel("hook", webhook(&receiver.url("/")))]);
    let mut desk = Desk::start(&hook, &secrets(&[]), Vec::new());
    let page = notice("probe/a/1");
    desk.dispatcher.offer(vec![row("1", "hook", &page), row("2", "hook", &resolved(&page))]);
    assert_eq!((desk.delivered().await, desk.delivered().await), ("1".to_owned(), "2".to_owned()));
    let ids: Vec<String> = receiver.seen().iter().map(|seen| seen.header("x-serinus-message").unwrap().to_owned()).collect();
    assert_eq!(ids, ["1", "1", "1", "2"]);
    assert!(receiver.seen().iter().all(|seen| seen.header("x-serinus-key") == Some("probe/a/1")));
    let retried = desk.commits.recv().await.unwrap().deliveries.remove(0);
    assert_eq!((retried.state, retried.attempts), (DeliveryState::Pending, 1));
    assert_eq!(retried.error.as_deref(), Some("it answered 500 Internal Server Error: oops"));
    assert_eq!(desk.dispatcher.stop(Duration::from_secs(5)).await, 0);
}

#[tokio::test]
async fn a_receiver_that_asks_for_time_gets_it() {
    let receiver = scripted(vec![answer(429, &[("retry-after", "3")], "slow down")]).await;
    let hook = alerting(vec![channel("hook", webhook(&receiver.url("/")))]);
    let mut desk = Desk::start(&hook, &secrets(&[]), Vec::new());
    let begin = Instant::now();
    desk.dispatcher.offer(vec![row("1", "hook", &notice("k"))]);
    desk.delivered().await;
    assert!(begin.elapsed() >= Duration::from_secs(3), "the first pause would have been two seconds at most");
}

#[tokio::test]
async fn a_redirect_is_not_followed_and_is_final() {
    let elsewhere = scripted(Vec::new()).await;
    for status in [301, 302, 307, 308] {
        let receiver = scripted(vec![answer(status, &[("location", &elsewhere.url("/"))], "")]).await;
        let hook = alerting(vec![channel("hook", webhook(&receiver.url("/")))]);
        let mut desk = Desk::start(&hook, &secrets(&[]), Vec::new());
        desk.dispatcher.offer(vec![row("1", "hook", &notice("k"))]);
        assert!(desk.dead().await.contains("redirects are not followed"));
    }
    assert_eq!(elsewhere.connections(), 0);
}

#[tokio::test]
async fn a_receiver_that_hangs_closes_or_babbles_costs_a_try_and_no_memory() {
    let visits = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&visits);
    let receiver = raw(None, move |mut visit: Visit| {
        let number = count.fetch_add(1, Ordering::SeqCst);
        Box::pin(async move {
            let Some(_request) = read_request(&mut visit.stream).await else { return };
            let bytes: &[u8] = match number {
                0 => return silence().await,
                1 => return,
                2 => b"HTTP/1.1 500 No\r\ncontent-length: 999999999999\r\n\r\n",
                3 => b"this is no HTTP at all\r\n\r\n",
                _ => b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: close\r\n\r\nok",
            };
            if visit.stream.write_all(bytes).await.is_ok() && number == 2 {
                flood(&mut visit, &[b'x'; 1_024]).await;
            }
        })
    })
    .await;
    let hook = alerting(vec![hurried("hook", Duration::from_millis(300), webhook(&receiver.url("/")))]);
    let mut desk = Desk::start(&hook, &secrets(&[]), Vec::new());
    let pages = ["1", "2", "3", "4"].map(|id| row(id, "hook", &Notice { incident: id.to_owned(), ..notice(id) }));
    desk.dispatcher.offer(pages.into());
    for _ in 0..4 {
        desk.delivered().await;
    }
    assert_eq!(visits.load(Ordering::SeqCst), 8);
    assert!(receiver.written() < 50 << 20, "{} bytes of an answer were taken that nobody reads", receiver.written());
    let mut errors = Vec::new();
    while let Ok(commit) = desk.commits.try_recv() {
        errors.extend(commit.deliveries.into_iter().filter_map(|row| row.error));
    }
    assert!(errors.iter().any(|error| error.contains("no answer within 300ms")), "{errors:?}");
    assert_eq!(errors.len(), 4);
    assert!(errors.iter().all(|error| error.len() < 400), "{errors:?}");
}

#[tokio::test]
async fn a_channel_that_refuses_a_page_is_dead_and_the_others_are_told_and_hear_of_the_end() {
    let refusing = answering(None, |_| answer(404, &[], "no_team")).await;
    let other = scripted(Vec::new()).await;
    let channels = vec![
        channel("chat", ChannelKind::Slack { url: "slack_url".into(), channel: None }),
        channel("hook", webhook(&other.url("/"))),
    ];
    let url = refusing.url("/services/T0/B0/verysecret");
    let secrets = secrets(&[("slack_url", &url)]);
    let mut desk = Desk::start(&alerting(channels), &secrets, Vec::new());
    let page = notice("k");
    desk.dispatcher.offer(vec![row("1", "chat", &page)]);
    let News::Undelivered { dead: true, error, told, .. } = desk.next().await else { panic!("it is not dead") };
    assert_eq!(error, "it answered 404 Not Found: no_team");
    assert_eq!(told.iter().map(|name| &**name).collect::<Vec<_>>(), ["hook"]);
    assert_eq!(desk.delivered().await, "1-hook");
    let body: Notice = serde_json::from_slice(&other.seen()[0].body).unwrap();
    assert_eq!((body.key.as_str(), body.notes.len()), ("k", 1));
    assert!(!desk.dispatcher.backlog().is_healthy(), "a channel that refuses pages stops the heartbeat");
    desk.dispatcher.offer(vec![row("2", "chat", &resolved(&page))]);
    let news = [desk.next().await, desk.next().await];
    assert!(news.iter().any(|news| matches!(news, News::Delivered { message, .. } if message == "2-hook")), "{news:?}");
    let everything = format!("{news:?}{error}{body:?}");
    assert!(!everything.contains("verysecret"), "{everything}");
}

#[tokio::test]
async fn a_page_that_is_late_goes_to_the_others_and_still_arrives_in_the_end() {
    let well = Arc::new(AtomicUsize::new(0));
    let switch = Arc::clone(&well);
    let ill = answering(None, move |_| answer(if switch.load(Ordering::SeqCst) == 0 { 502 } else { 202 }, &[], "")).await;
    let other = scripted(Vec::new()).await;
    let pager = ChannelKind::PagerDuty { routing_key: "key".into(), url: ill.url("") };
    let channels = vec![channel("pager", pager), channel("hook", webhook(&other.url("/")))];
    let settings = Alerting { channels, escalate_after: Duration::from_secs(2), ..Alerting::default() };
    let mut desk = Desk::start(&Arc::new(settings), &secrets(&[("key", "0123456789abcdef")]), Vec::new());
    desk.dispatcher.offer(vec![row("1", "pager", &notice("k"))]);
    assert!(matches!(desk.next().await, News::Undelivered { dead: false, .. }));
    assert_eq!(desk.delivered().await, "1-hook");
    assert!(!desk.dispatcher.backlog().is_healthy());
    well.store(1, Ordering::SeqCst);
    assert_eq!(desk.delivered().await, "1");
    assert!(desk.dispatcher.watch().wait_for(serinus::alert::notify::Backlog::is_healthy).await.is_ok());
    assert_eq!(other.seen().len(), 1, "once is enough");
    let event = json(ill.seen().last().unwrap());
    assert_eq!((&event["dedup_key"], &event["routing_key"]), (&"k".into(), &"0123456789abcdef".into()));
    assert_eq!(ill.seen()[0].path(), "/v2/enqueue");
}

#[tokio::test]
async fn a_webhook_with_a_body_of_its_own_is_rendered_signed_and_keeps_its_secrets() {
    let receiver = scripted(vec![answer(400, &[], "bad token: tops3cret!")]).await;
    let kind = ChannelKind::Webhook {
        url: template(&receiver.url("/hook?token={{ secret.token }}")),
        headers: vec![
            ("Authorization".to_owned(), template("Bearer {{ secret.token }}")),
            ("Content-Type".to_owned(), template("text/plain")),
        ],
        body: Some(template("{{ title }} ({{ severity }}), {{ members_total }} canary, saw {{ failure.seen[0][1] }}")),
        signing_key: Some("signing".into()),
    };
    let secrets = secrets(&[("token", "tops3cret!"), ("signing", "shared key")]);
    let mut desk = Desk::start(&alerting(vec![channel("hook", kind)]), &secrets, Vec::new());
    desk.dispatcher.offer(vec![row("1", "hook", &notice("k"))]);
    assert_eq!(desk.dead().await, "it answered 400 Bad Request: bad token: •••");
    let seen = receiver.seen().remove(0);
    assert_eq!(seen.text(), "playlist-sync fails in eu (page), 1 canary, saw 9");
    assert_eq!((seen.header("authorization"), seen.header("content-type")), (Some("Bearer tops3cret!"), Some("text/plain")));
    assert_eq!(seen.path(), "/hook?token=tops3cret!");
    // As a receiver checks it.
    let signature = seen.header("x-serinus-signature").unwrap();
    let (time, digest) = signature.strip_prefix("t=").unwrap().split_once(",v1=").unwrap();
    let digest: Vec<u8> = (0..digest.len()).step_by(2).map(|at| u8::from_str_radix(&digest[at..at + 2], 16).unwrap()).collect();
    let key = hmac::Key::new(hmac::HMAC_SHA256, b"shared key");
    hmac::verify(&key, &[time.as_bytes(), b".", &seen.body].concat(), &digest).expect("the signature holds");
}

#[tokio::test]
async fn a_webhook_whose_templates_have_no_value_for_a_page_sends_the_page_all_the_same() {
    let receiver = scripted(Vec::new()).await;
    let kind = ChannelKind::Webhook {
        url: template(&receiver.url("/hook")),
        headers: vec![
            ("X-Owner".to_owned(), template("{{ owner }}")),
            ("Authorization".to_owned(), template("Bearer {{ secret.token }}")),
        ],
        body: Some(template("{{ title }}: {{ failure.seen[7][1] }}")),
        signing_key: None,
    };
    let mut desk = Desk::start(&alerting(vec![channel("hook", kind)]), &secrets(&[("token", "tops3cret!")]), Vec::new());
    let page = Notice { owner: None, ..notice("k") };
    desk.dispatcher.offer(vec![row("1", "hook", &page)]);
    assert_eq!(desk.delivered().await, "1");
    let seen = receiver.seen().remove(0);
    let body: Notice = serde_json::from_slice(&seen.body).expect("the usual body");
    assert_eq!((body.key.as_str(), body.title.as_str()), ("k", page.title.as_str()));
    assert_eq!(body.notes.len(), 2, "{:?}", body.notes);
    assert!(body.notes.iter().all(|note| note.contains("has no value")), "{:?}", body.notes);
    assert_eq!((seen.header("authorization"), seen.header("x-owner")), (Some("Bearer tops3cret!"), None));
}

#[tokio::test]
async fn a_receiver_behind_a_private_authority_is_trusted_only_if_its_root_is() {
    let authority = crate::http_pki::Authority::new();
    let leaf = authority.leaf(&["localhost"]);
    let receiver = answering(Some(crate::http_pki::server(&leaf)), |_| answer(200, &[], "")).await;
    let hook = alerting(vec![channel("hook", webhook(&format!("https://localhost:{}/", receiver.address.port())))]);
    let roots = [authority.pem().0.as_path().to_owned()];
    for (extra, arrives) in [(&[][..], false), (&roots[..], true)] {
        let client = serinus::alert::notify::HttpClient::new(extra).unwrap();
        let tested = serinus::alert::notify::send_test(&client, &hook, &secrets(&[]), None).await.unwrap();
        assert_eq!(tested[0].result.is_ok(), arrives, "{:?}", tested[0].result);
    }
    let seen = receiver.seen();
    assert_eq!(seen.len(), 2, "the page and its end");
    assert_eq!((json(&seen[0])["test"].as_bool(), json(&seen[1])["action"].as_str()), (Some(true), Some("resolve")));
}
