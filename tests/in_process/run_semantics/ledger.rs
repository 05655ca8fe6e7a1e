//! What is written down before something is created, and what is undone from it after a crash.

use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::json;
use serinus::outcome::{Ledger, LedgerEnd, Reason, Verdict};
use serinus::run::Sweeper;

use crate::book::Book;
use crate::journey::Journey;
use crate::target::{Answer, Target};

const CREATE: &str = r#"
    [[step]]
    name = "create"
    http.post = "{{ api }}/items"
    expect = ["status == 201"]
    capture = { id = "json.id" }
      [step.cleanup]
      http.delete = "{{ api }}/items/{{ id }}"
      expect = ["status == 200"]
"#;

async fn shop() -> Target {
    Target::start(|seen| match seen.method.as_str() {
        "POST" => Answer::json(201, r#"{"id":"a"}"#),
        _ => Answer::json(200, "{}"),
    })
    .await
}

#[tokio::test]
async fn the_intent_is_in_the_ledger_before_the_creating_request_is_sent_and_gone_after_the_cleanup() {
    let book = Arc::new(Book::default());
    let known = Arc::clone(&book);
    let target = Target::start(move |seen| {
        let [entry] = &known.entries()[..] else { panic!("there is one intent") };
        if seen.method == "POST" {
            assert!(!entry.created, "its answer has not come yet");
            assert_eq!(entry.names, json!({ "title": "x" }));
            return Answer::json(201, r#"{"id":"a"}"#);
        }
        assert!(entry.created);
        assert_eq!(entry.names, json!({ "title": "x", "id": "a" }));
        Answer::json(200, "{}")
    })
    .await;
    let ran = Journey::new(&target).ledger(&book).head("[vars]\ntitle = \"x\"").run(CREATE).await;
    ran.assert_passed();
    assert_eq!(target.lines(), ["POST /items", "DELETE /items/a"]);
    assert_eq!(book.ends(), [LedgerEnd::Gone]);
}

#[tokio::test]
async fn a_step_without_a_cleanup_is_not_journalled() {
    let (target, book) = (shop().await, Arc::new(Book::default()));
    let step = "[[step]]\nname = \"read\"\nhttp.get = \"{{ api }}/x\"\nexpect = [\"status == 200\"]\n";
    Journey::new(&target).ledger(&book).run(step).await.assert_passed();
    assert!(book.entries().is_empty() && book.ends().is_empty());
}

#[tokio::test]
async fn what_the_target_refused_is_over_without_a_cleanup() {
    let (target, book) = (Target::start(|_| Answer::json(422, "{}")).await, Arc::new(Book::default()));
    let ran = Journey::new(&target).ledger(&book).run(CREATE).await;
    assert_eq!(ran.reason(), Reason::Expectation);
    assert!(ran.cleanup.is_none());
    assert_eq!(book.ends(), [LedgerEnd::Gone]);
}

#[tokio::test]
async fn a_cleanup_that_failed_stays_in_the_ledger_with_what_it_saw() {
    let target = Target::start(|seen| Answer::json(if seen.method == "POST" { 201 } else { 500 }, r#"{"id":"a"}"#)).await;
    let book = Arc::new(Book::default());
    Journey::new(&target).ledger(&book).run(CREATE).await.assert_passed();
    let [LedgerEnd::Retry { message }] = &book.ends()[..] else { panic!("{:?}", book.ends()) };
    assert!(message.contains("500"), "{message}");
    assert_eq!(book.entries()[0].attempts, 1);
}

#[tokio::test]
async fn no_secret_and_nothing_made_of_one_is_written_down() {
    let target = Target::start(|seen| match seen.method.as_str() {
        "POST" => Answer::json(201, r#"{"id":"a","echo":"hunter22","token":"t0k3n"}"#),
        _ => Answer::json(200, "{}"),
    })
    .await;
    let book = Arc::new(Book::default());
    let head = "[vars]\npublic = \"p\"\nlogin = \"{{ secret.pass }}\"\nderived = \"{{ login | length }}\"\n";
    let create = CREATE.replace(
        "{ id = \"json.id\" }",
        "{ id = \"json.id\", echo = \"json.echo\", made = \"login ~ 'x' | length\", sid = \"json.token\" }",
    );
    let finished = Journey::new(&target).ledger(&book).secret("pass", Some("hunter22")).head(head).start(&create).await;
    assert!(finished.cleanup.is_some());
    assert_eq!(book.entries()[0].names, json!({ "public": "p", "id": "a" }));
    assert!(!format!("{:?}", book.entries()).contains("hunter"));
}

#[tokio::test]
async fn the_wait_for_the_ledger_does_not_count_into_the_deadline() {
    let target = shop().await;
    let book = Arc::new(Book { takes: Duration::from_millis(600), ..Book::default() });
    let ran = Journey::new(&target).ledger(&book).deadline("400ms").run(CREATE).await;
    ran.assert_passed();
    // The bound itself still holds.
    let slow = Target::start(|_| Answer::json(201, "{}").after(Duration::from_mins(10))).await;
    let ran = Journey::new(&slow).ledger(&book).deadline("400ms").run(CREATE).await;
    assert_eq!(ran.reason(), Reason::Deadline);
}

#[tokio::test]
async fn a_run_whose_intent_is_not_written_down_in_time_creates_nothing_and_is_the_probers_fault() {
    for book in [Book { full: true, ..Book::default() }, Book { takes: Duration::from_mins(10), ..Book::default() }] {
        let (target, book) = (shop().await, Arc::new(book));
        let before = "[[step]]\nname = \"read\"\nhttp.get = \"{{ api }}/x\"\nexpect = [\"status == 200\"]\n";
        let ran = Journey::new(&target).ledger(&book).deadline("500ms").run(&format!("{before}{CREATE}")).await;
        assert_eq!((ran.report.verdict, ran.reason()), (Verdict::Errored, Reason::Resources));
        assert_eq!(ran.cause().step.as_deref(), Some("create"));
        assert!(ran.cause().message.contains("nothing was created"), "{}", ran.cause().message);
        assert_eq!(target.lines(), ["GET /x"]);
        assert!(ran.cleanup.is_none());
        // The store may come to write it down later.
        assert_eq!(book.ends(), [LedgerEnd::Gone]);
    }
}

#[tokio::test]
async fn a_probe_may_allow_to_create_what_is_not_written_down() {
    for book in [Book { full: true, ..Book::default() }, Book { takes: Duration::from_mins(10), ..Book::default() }] {
        let (target, book) = (shop().await, Arc::new(book));
        let journey = Journey::new(&target).ledger(&book).head("cleanup.unjournalled = \"allow\"");
        journey.run(CREATE).await.assert_passed();
        assert_eq!(target.lines(), ["POST /items", "DELETE /items/a"]);
    }
}

/// A probe that signs in with a secret; what signs in again in its cleanup is all that works on a new device.
const SIGNED_IN: &str = r#"
    [[step]]
    name = "create"
    http.post = "{{ api }}/items"
    http.headers = { authorization = "{{ login }}" }
    expect = ["status == 201"]
    capture = { id = "json.id" }
      [[step.cleanup]]
      name = "delete"
      http.delete = "{{ api }}/items/{{ id }}/{{ title }}"
      http.headers = { authorization = "{{ login }}" }
      expect = ["status == 200"]
"#;

const VARS: &str = "[vars]\ntitle = \"{{ random_hex(8) }}\"\nlogin = \"Basic {{ secret.pass }}\"\n";

#[tokio::test]
async fn after_a_crash_the_cleanup_is_made_from_the_ledger_with_the_secrets_of_the_day() {
    let (target, book) = (shop().await, Arc::new(Book::default()));
    let crashed = Journey::new(&target).ledger(&book).secret("pass", Some("old-secret")).head(VARS);
    // The process is gone before the cleanup begins.
    drop(crashed.start(SIGNED_IN).await);
    let [entry] = &book.entries()[..] else { panic!("it is left") };
    let title = entry.names["title"].as_str().unwrap().to_owned();

    let next = Journey::new(&target).secret("pass", Some("new-secret")).head(VARS);
    let ledger = Arc::clone(&book) as Arc<dyn Ledger>;
    let sweeper = Sweeper::new(next.engine(), ledger);
    let sweep = sweeper.sweep_once(&next.plan(SIGNED_IN), book.entries(), Instant::now()).await;
    assert_eq!(sweep.swept.len(), 1);
    assert_eq!(book.ends(), [LedgerEnd::Gone]);
    let seen = target.seen().pop().unwrap();
    assert_eq!((seen.path.as_str(), seen.header("authorization")), (&*format!("/items/a/{title}"), "Basic new-secret"));
    assert_eq!(seen.header("x-canary-run-id"), entry.run_id);
}

#[tokio::test]
async fn a_random_variable_that_was_not_written_down_is_not_drawn_again_after_a_crash() {
    let target = Target::start(|seen| Answer::json(if seen.method == "POST" { 201 } else { 404 }, "{}")).await;
    let book = Arc::new(Book::default());
    // It is personal, and so nothing of it is stored: what another draw names is not there, and proves nothing.
    let head = "[vars]\nmail = \"c{{ random_hex(8) }}@example.com\"\n[redact]\npatterns = ['[a-z0-9]+@[a-z.]+']\n";
    let step = "[[step]]\nname = \"create\"\nhttp.post = \"{{ api }}/items\"\nhttp.json = { mail = \"{{ mail }}\" }\nexpect = [\"status == 201\"]\n\
        [step.cleanup]\nhttp.delete = \"{{ api }}/items/{{ mail | urlencode }}\"\nexpect = [\"status in [200, 404]\"]\n";
    let journey = Journey::new(&target).ledger(&book).head(head);
    drop(journey.start(step).await);
    let sweeper = Sweeper::new(journey.engine(), Arc::clone(&book) as Arc<dyn Ledger>);
    sweeper.sweep_once(&journey.plan(step), book.entries(), Instant::now()).await;
    assert!(matches!(&book.ends()[..], [LedgerEnd::Retry { message }] if message.contains("mail")), "{:?}", book.ends());
    assert_eq!(target.lines(), ["POST /items"], "nothing else is removed in its place");
}

#[tokio::test]
async fn an_entry_of_a_run_that_is_still_going_is_not_touched() {
    let (target, book) = (shop().await, Arc::new(Book::default()));
    let journey = Journey::new(&target).ledger(&book);
    let (engine, plan) = (journey.engine(), journey.plan(CREATE));
    let request = serinus::run::RunRequest {
        trigger: serinus::outcome::Trigger::Schedule,
        tick: serinus::outcome::Tick { due: std::time::SystemTime::now(), slot: 0, order: 0 },
        detail: serinus::run::Detail::Failures,
        cancel: journey.cancel.clone(),
    };
    let finished = engine.run(Arc::clone(&plan.canaries[0]), request).await;
    let sweeper = Sweeper::new(engine, Arc::clone(&book) as Arc<dyn Ledger>);
    assert!(sweeper.leaked(&book.entries()).is_empty());
    assert!(sweeper.sweep_once(&plan, book.entries(), Instant::now()).await.swept.is_empty());
    drop(finished);
    // The next process finds it.
    let sweeper = Sweeper::new(journey.engine(), Arc::clone(&book) as Arc<dyn Ledger>);
    assert_eq!(sweeper.leaked(&book.entries()).into_values().sum::<u64>(), 1);
    assert_eq!(sweeper.sweep_once(&plan, book.entries(), Instant::now()).await.swept.len(), 1);
    assert_eq!(target.lines(), ["POST /items", "DELETE /items/a"]);
}

#[tokio::test]
async fn what_cannot_be_removed_is_tried_less_and_less_often_and_given_up_with_an_incident() {
    let target = Target::start(|seen| Answer::json(if seen.method == "POST" { 201 } else { 500 }, r#"{"id":"a"}"#)).await;
    let book = Arc::new(Book::default());
    let journey = Journey::new(&target).ledger(&book);
    drop(journey.start(CREATE).await);
    let sweeper = Sweeper::new(journey.engine(), Arc::clone(&book) as Arc<dyn Ledger>);
    let plan = journey.plan(CREATE);
    let (start, mut tried, mut leaks) = (Instant::now(), Vec::new(), Vec::new());
    // A sweep every minute for two days.
    for minute in 0..2 * 24 * 60 {
        let sweep = sweeper.sweep_once(&plan, book.entries(), start + Duration::from_mins(minute)).await;
        tried.extend(sweep.swept.iter().map(|_| minute));
        leaks.extend(sweep.leaks);
        if !leaks.is_empty() {
            break;
        }
    }
    assert_eq!(tried, [0, 1, 6, 36, 156, 516, 876, 1236]);
    assert_eq!((leaks[0].probe.as_str(), leaks[0].entries.len()), ("probe", 1));
    assert!(leaks[0].message.contains("500"), "{}", leaks[0].message);
    assert!(matches!(book.ends().last(), Some(LedgerEnd::GivenUp { .. })));
}

#[tokio::test]
async fn an_entry_whose_probe_is_gone_is_kept_and_says_what_to_do() {
    let (target, book) = (shop().await, Arc::new(Book::default()));
    let journey = Journey::new(&target).ledger(&book);
    drop(journey.start(CREATE).await);
    let sweeper = Sweeper::new(journey.engine(), Arc::clone(&book) as Arc<dyn Ledger>);
    let mut entries = book.entries();
    entries[0].canary = "gone/test".to_owned();
    let swept = sweeper.sweep_all(&journey.plan(CREATE), entries.clone()).await;
    let LedgerEnd::Retry { message } = &swept[0].end else { panic!("{:?}", swept[0].end) };
    assert!(message.contains("gone/test") && message.contains("by hand"), "{message}");
    entries[0].canary = "probe/test".to_owned();
    entries[0].step = "renamed".to_owned();
    let swept = sweeper.sweep_all(&journey.plan(CREATE), entries).await;
    let LedgerEnd::Retry { message } = &swept[0].end else { panic!("{:?}", swept[0].end) };
    assert!(message.contains("no step `renamed`"), "{message}");
}
