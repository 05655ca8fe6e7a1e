//! Steps with a cleanup that make several attempts: what is undone, and what that may cost.

use std::sync::Arc;
use std::time::Duration;

use serinus::outcome::{CleanupResult, LedgerEnd, Reason, Verdict};
use tokio::io::AsyncBufReadExt as _;

use crate::book::Book;
use crate::http_server::raw;
use crate::journey::{Journey, Ran};
use crate::target::{Answer, Target};

/// What was asked with this method, in its order.
fn asked(target: &Target, method: &str) -> Vec<String> {
    target.seen().into_iter().filter(|seen| seen.method == method).map(|seen| seen.path).collect()
}

fn assert_clean(ran: &Ran) {
    let cleanup = ran.cleanup.as_ref().expect("there was something to undo");
    assert!(matches!(cleanup.result, CleanupResult::Clean), "{:?}", cleanup.result);
}

/// A step that creates, for as long as `within`, and deletes `path`.
fn create(within: &str, put: &str, keys: &str, path: &str) -> String {
    format!(
        "[[step]]\nname = \"create\"\nhttp.put = \"{{{{ api }}}}{put}\"\neventually = {{ within = \"{within}\", poll = \"10ms\" }}\n\
         expect = [\"status == 201\"]\n{keys}\n\
         [step.cleanup]\nhttp.delete = \"{{{{ api }}}}{path}\"\nexpect = [\"status == 200\"]\n"
    )
}

#[tokio::test]
async fn what_an_attempt_captured_is_not_forgotten_by_one_that_created_nothing() {
    let target = Target::start(|seen| match (seen.method.as_str(), seen.nth) {
        ("PUT", 0) => Answer::json(500, r#"{"id":"7"}"#),
        ("PUT", _) => Answer::json(422, "{}"),
        _ => Answer::json(200, "{}"),
    })
    .await;
    let ran = Journey::new(&target).run(&create("200ms", "/x", "capture = { id = \"json.id\" }", "/x/{{ id }}")).await;
    assert_eq!(ran.reason(), Reason::Expectation);
    assert_eq!(asked(&target, "DELETE"), ["/x/7"]);
    assert_clean(&ran);
}

#[tokio::test]
async fn what_draws_its_values_is_retried_only_if_that_does_no_harm() {
    let asked = Arc::new(std::sync::Mutex::new(Vec::new()));
    let lines = Arc::clone(&asked);
    // Whoever asks is hung up on.
    let target = raw(None, move |mut visit| {
        let lines = Arc::clone(&lines);
        Box::pin(async move {
            let mut line = String::new();
            visit.stream.read_line(&mut line).await.unwrap();
            lines.lock().unwrap().push(line.split(' ').next().unwrap_or_default().to_owned());
        })
    })
    .await;
    for (request, times) in [
        ("http.put = \"http://{{ api }}/same\"", 3),
        ("http.put = \"http://{{ api }}/{{ uuid() }}\"", 1),
        ("http.put = \"http://{{ api }}/x\"\nhttp.json = { lines = [{ id = \"{{ random_hex(8) }}\" }] }", 1),
        ("http.delete = \"http://{{ api }}/{{ attempt }}\"", 1),
        ("http.put = \"http://{{ api }}/x\"\ndevice = \"phone\"", 1),
        ("http.get = \"http://{{ api }}/x?fresh={{ uuid() }}\"", 3),
    ] {
        asked.lock().unwrap().clear();
        let head = "[devices.default]\n[devices.phone]\nheaders = { idempotency-key = \"{{ uuid() }}\" }\n";
        let step = format!(
            "[[step]]\nname = \"send\"\n{request}\nretry = {{ attempts = 3, backoff = \"1ms\" }}\nexpect = [\"status == 200\"]\n"
        );
        let ran = Journey::at(&target.address.to_string()).head(head).run(&step).await;
        assert_eq!(ran.report.verdict, Verdict::Failed);
        assert_eq!(asked.lock().unwrap().len(), times, "{request}");
    }
}

#[tokio::test]
async fn waiting_for_the_ledger_is_not_held_against_the_target() {
    let target = Target::start(|seen| match (seen.method.as_str(), seen.nth) {
        ("PUT", 3) => Answer::json(201, "{}"),
        ("PUT", _) => Answer::json(500, "{}").after(Duration::from_millis(200)),
        _ => Answer::json(200, "{}"),
    })
    .await;
    let book = Arc::new(Book { takes: Duration::from_millis(900), ..Book::default() });
    let ran = Journey::new(&target).ledger(&book).run(&create("1500ms", "/x", "", "/x")).await;
    ran.assert_passed();
    let step = &ran.report.steps[0];
    assert_eq!(step.attempts_made, 4);
    let limit = Duration::from_millis(1500);
    assert!(step.convergence.unwrap() < limit && step.duration < limit, "{:?} {:?}", step.convergence, step.duration);
}

#[tokio::test]
async fn what_an_answer_told_is_undone_though_the_run_is_cut_before_the_next_attempt() {
    let target = Target::start(|seen| match seen.method.as_str() {
        "PUT" => Answer::json(500, r#"{"id":"7"}"#),
        _ => Answer::json(200, "{}"),
    })
    .await;
    let book = Arc::new(Book::default());
    let keys = "capture = { id = \"json.id\" }";
    let steps = create("20s", "/x", keys, "/x/{{ id }}").replace("poll = \"10ms\"", "poll = \"10s\"");
    let ran = Journey::new(&target).deadline("500ms").ledger(&book).run(&steps).await;
    assert_eq!(ran.reason(), Reason::Deadline);
    assert_eq!((asked(&target, "PUT").len(), asked(&target, "DELETE")), (1, vec!["/x/7".to_owned()]));
    assert_clean(&ran);
    assert_eq!(book.ends(), [LedgerEnd::Again], "whether another attempt was under way is not known, so it is looked again");
}
