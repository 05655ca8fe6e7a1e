//! The feed, and lists in pages.

use std::time::{Duration, Instant};

use serde_json::{Value, json};
use serinus::sandbox::SandboxConfig;

use super::client::{Answer, Client, Product};

fn texts(answer: &Answer) -> Vec<&str> {
    answer.json["events"].as_array().unwrap().iter().filter_map(|event| event["text"].as_str()).collect()
}

async fn send(client: &Client, room: &str, text: &str) {
    let sent = client.post("/v1/feed", json!({ "room": room, "text": text })).await;
    assert_eq!((sent.status, sent.text("room"), sent.text("text")), (201, room.to_owned(), text.to_owned()));
}

#[tokio::test]
async fn what_is_sent_appears_once_behind_the_cursor_and_only_in_its_room() {
    let Product { sandbox, client } = Product::start().await;
    let start = client.get("/v1/feed").await;
    assert_eq!((start.status, texts(&start), start.text("next_batch")), (200, vec![], "c0".to_owned()));
    for (room, text) in [("a", "one"), ("b", "other"), ("a", "two"), ("a", "three")] {
        send(&client, room, text).await;
    }
    let all = client.until("/v1/feed?since=c0", |answer| texts(answer).len() == 4).await;
    assert_eq!(texts(&all), ["one", "other", "two", "three"]);
    let first = client.get("/v1/feed?since=c0&room=a&limit=2").await;
    assert_eq!(texts(&first), ["one", "two"]);
    let second = client.get(&format!("/v1/feed?since={}&room=a&limit=2", first.text("next_batch"))).await;
    assert_eq!((texts(&second), second.text("next_batch")), (vec!["three"], "c4".to_owned()));
    assert_eq!(texts(&client.get("/v1/feed?since=c4&room=a").await), [""; 0]);
    assert_eq!((client.delete("/v1/feed?room=a").await.status, client.delete("/v1/feed?room=a").await.status), (204, 204));
    assert_eq!(texts(&client.get("/v1/feed").await), ["other"]);
    assert_eq!(client.get("/healthz").await.json["entities"]["events"], 1);
    sandbox.shutdown().await;
}

#[tokio::test]
async fn who_waits_is_answered_with_the_event_or_when_the_time_is_up() {
    let Product { sandbox, client } = Product::start_with(SandboxConfig { speed: 1.0, ..SandboxConfig::default() }).await;
    let began = Instant::now();
    let (heard, ()) = tokio::join!(client.get("/v1/feed?since=c0&room=a&timeout=60000"), async {
        tokio::time::sleep(Duration::from_millis(50)).await;
        send(&client, "b", "not for them").await;
        send(&client, "a", "hello").await;
    });
    assert_eq!(texts(&heard), ["hello"]);
    assert!(began.elapsed() < Duration::from_secs(30), "it was told at once and not at the end: {:?}", began.elapsed());
    let began = Instant::now();
    let nothing = client.get(&format!("/v1/feed?since={}&timeout=300", heard.text("next_batch"))).await;
    assert_eq!((texts(&nothing), nothing.text("next_batch")), (vec![], heard.text("next_batch")));
    assert!(began.elapsed() >= Duration::from_millis(300));
    sandbox.shutdown().await;
}

#[tokio::test]
async fn what_makes_no_sense_is_refused() {
    let Product { sandbox, client } = Product::start().await;
    for query in ["since=x", "since=c1", "since=", "limit=0", "limit=101", "timeout=60001"] {
        let answer = client.get(&format!("/v1/feed?{query}")).await;
        assert_eq!((answer.status, answer.code()), (422, "invalid"), "{query}");
    }
    for query in ["limit=many", "sicne=c0"] {
        assert_eq!(client.get(&format!("/v1/feed?{query}")).await.status, 400, "{query}");
    }
    for (room, text) in [("", "x"), ("a", ""), (&*"a".repeat(129), "x"), ("a", &*"x".repeat(1_025))] {
        assert_eq!(client.post("/v1/feed", json!({ "room": room, "text": text })).await.status, 422);
    }
    assert_eq!(client.delete("/v1/feed").await.status, 400);
    sandbox.shutdown().await;
}

#[tokio::test]
async fn a_list_in_pages_is_the_whole_list() {
    let Product { sandbox, client } = Product::start().await;
    let ids = |answer: &Answer| -> Vec<Value> {
        answer.json["segments"].as_array().unwrap().iter().map(|each| each["id"].clone()).collect()
    };
    let whole = client.get("/v1/segments").await;
    assert_eq!((ids(&whole).len(), &whole.json["next_page_token"]), (12, &Value::Null));
    let (mut paged, mut sizes, mut token) = (Vec::new(), Vec::new(), String::new());
    loop {
        let page = client.get(&format!("/v1/segments?page_size=5&page_token={token}")).await;
        sizes.push(ids(&page).len());
        paged.extend(ids(&page));
        match page.json["next_page_token"].as_str() {
            Some(next) => next.clone_into(&mut token),
            None => break,
        }
    }
    assert_eq!((paged, sizes), (ids(&whole), vec![5, 5, 2]));
    assert_eq!(client.get("/v1/segments?page_size=12").await.json["next_page_token"], Value::Null, "a full page may be the last");
    let gone = client.get("/v1/segments?page_size=5&page_token=seg-nobody").await;
    assert_eq!((gone.status, gone.code()), (410, "page_gone"));
    assert_eq!(client.get("/v1/segments?page_size=0").await.status, 422);
    sandbox.shutdown().await;
}
