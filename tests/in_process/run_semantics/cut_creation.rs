//! Creations whose answer never came, and answers that say that nothing was created.

use std::sync::Arc;
use std::time::{Duration, Instant};

use serinus::outcome::{CleanupResult, Ledger, LedgerEnd, Reason};
use serinus::run::Sweeper;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use crate::book::Book;
use crate::journey::Journey;
use crate::target::{Answer, Seen, Target};

/// An account that is found again by its name.
fn create(expect: &str, more: &str) -> String {
    format!(
        "[[step]]\nname = \"create\"\nhttp.put = \"{{{{ api }}}}/accounts/{{{{ name }}}}\"\n{more}\nexpect = [\"status == 201\"]\n\
         [step.cleanup]\nhttp.delete = \"{{{{ api }}}}/accounts/{{{{ name }}}}\"\nexpect = [\"{expect}\"]\n"
    )
}

const NAME: &str = "[vars]\nname = \"canary\"";
const ADMITTING: &str = "status in [200, 403, 404]";

/// Creations hang; what a deletion is answered is said by its number.
async fn hanging(deleted: impl Fn(usize) -> u16 + Send + Sync + 'static) -> Target {
    Target::start(move |seen: &Seen| match seen.method.as_str() {
        "PUT" => Answer::json(201, "{}").after(Duration::from_mins(10)),
        _ => Answer::json(deleted(seen.nth), "{}"),
    })
    .await
}

/// The minutes at which a process that was started later and sweeps every minute tried something, up to an hour.
async fn swept(journey: &Journey, book: &Arc<Book>, probe: &str) -> Vec<u64> {
    let (plan, start) = (journey.plan(probe), Instant::now());
    let sweeper = Sweeper::new(journey.engine(), Arc::clone(book) as Arc<dyn Ledger>);
    let mut tried = Vec::new();
    for minute in 0..60 {
        let sweep = sweeper.sweep_once(&plan, book.entries(), start + Duration::from_mins(minute)).await;
        tried.extend(sweep.swept.iter().map(|_| minute));
        assert!(sweep.leaks.is_empty());
    }
    tried
}

#[tokio::test]
async fn a_cleanup_that_finds_nothing_is_made_again_after_one_and_five_minutes_where_the_creation_was_cut() {
    let target = hanging(|_| 404).await;
    for (deadline, more) in [("300ms", ""), ("20s", "timeout = \"300ms\"")] {
        let (book, probe) = (Arc::new(Book::default()), create(ADMITTING, more));
        let journey = Journey::new(&target).ledger(&book).head(NAME).deadline(deadline);
        let ran = journey.run(&probe).await;
        assert!(matches!(ran.reason(), Reason::Deadline | Reason::Timeout));
        assert_eq!(ran.cleanup.unwrap().result, CleanupResult::Clean);
        assert_eq!(book.ends(), [LedgerEnd::Again]);
        // What is known is in the ledger: the next process goes on with it.
        assert_eq!(swept(&journey, &book, &probe).await, [1, 6]);
        assert_eq!(book.ends(), [LedgerEnd::Again, LedgerEnd::Again, LedgerEnd::Gone]);
    }
}

#[tokio::test]
async fn an_account_that_comes_after_the_first_cleanup_is_deleted_by_the_second() {
    let target = hanging(|nth| if nth == 1 { 200 } else { 404 }).await;
    let (book, probe) = (Arc::new(Book::default()), create(ADMITTING, "timeout = \"300ms\""));
    let journey = Journey::new(&target).ledger(&book).head(NAME);
    journey.run(&probe).await;
    swept(&journey, &book, &probe).await;
    assert!(book.entries().is_empty());
    assert_eq!(target.lines().iter().filter(|line| line.starts_with("DELETE")).count(), 3);
}

#[tokio::test]
async fn what_is_no_longer_there_to_be_deleted_again_was_deleted_before() {
    for again in [403, 404, 410, 409] {
        let target = hanging(move |nth| if nth == 0 { 200 } else { again }).await;
        let (book, probe) = (Arc::new(Book::default()), create("status == 200", "timeout = \"300ms\""));
        let journey = Journey::new(&target).ledger(&book).head(NAME);
        journey.run(&probe).await;
        assert_eq!(swept(&journey, &book, &probe).await, [1, 6], "{again}");
        assert!(book.entries().is_empty(), "{again}");
    }
    // Where nobody was asked, nothing is known.
    for again in [500, 401, 429] {
        let target = hanging(move |nth| if nth == 0 { 200 } else { again }).await;
        let (book, probe) = (Arc::new(Book::default()), create("status == 200", "timeout = \"300ms\""));
        let journey = Journey::new(&target).ledger(&book).head(NAME);
        journey.run(&probe).await;
        swept(&journey, &book, &probe).await;
        assert_eq!(book.entries().len(), 1, "{again}");
        assert!(matches!(book.ends().last(), Some(LedgerEnd::Retry { .. })), "{again}");
    }
}

#[tokio::test]
async fn a_creation_that_is_only_looked_at_again_is_not_counted_as_left_behind() {
    let target = hanging(|_| 404).await;
    let (book, probe) = (Arc::new(Book::default()), create(ADMITTING, "timeout = \"300ms\""));
    let journey = Journey::new(&target).ledger(&book).head(NAME);
    journey.run(&probe).await;
    let sweeper = Sweeper::new(journey.engine(), Arc::clone(&book) as Arc<dyn Ledger>);
    assert_eq!((book.entries().len(), sweeper.leaked(&book.entries()).len()), (1, 0));
}

#[tokio::test]
async fn long_after_its_run_one_cleanup_that_passes_is_enough() {
    let target = hanging(|_| 404).await;
    let (book, probe) = (Arc::new(Book { forgets: true, ..Book::default() }), create(ADMITTING, ""));
    let journey = Journey::new(&target).ledger(&book).head(NAME).deadline("300ms");
    drop(journey.start(&probe).await);
    let sweeper = Sweeper::new(journey.engine(), Arc::clone(&book) as Arc<dyn Ledger>);
    let mut entries = book.entries();
    assert_eq!(sweeper.sweep_all(&journey.plan(&probe), entries.clone()).await[0].end, LedgerEnd::Again);
    entries[0].started_ms -= 3_600_000;
    assert_eq!(sweeper.sweep_all(&journey.plan(&probe), entries).await[0].end, LedgerEnd::Gone);
}

#[tokio::test]
async fn an_answer_that_came_ends_the_doubt_unless_it_is_a_gateways() {
    for (status, end) in [(500, LedgerEnd::Gone), (200, LedgerEnd::Gone), (502, LedgerEnd::Again), (504, LedgerEnd::Again)] {
        let target = Target::start(move |seen| Answer::json(if seen.method == "PUT" { status } else { 404 }, "{}")).await;
        let book = Arc::new(Book::default());
        Journey::new(&target).ledger(&book).head(NAME).run(&create(ADMITTING, "")).await;
        assert_eq!(book.ends(), [end], "{status}");
    }
}

#[tokio::test]
async fn an_attempt_that_was_cut_stays_in_doubt_when_the_next_one_is_answered() {
    let target = Target::start(|seen| match (seen.method.as_str(), seen.nth) {
        ("PUT", 0) => Answer::json(201, "{}").after(Duration::from_mins(10)),
        ("PUT", _) => Answer::json(201, "{}"),
        _ => Answer::json(200, "{}"),
    })
    .await;
    let (book, probe) = (Arc::new(Book::default()), create(ADMITTING, "timeout = \"300ms\"\nretry = { attempts = 2 }"));
    Journey::new(&target).ledger(&book).head(NAME).run(&probe).await.assert_passed();
    assert_eq!(book.ends(), [LedgerEnd::Again]);
}

#[tokio::test]
async fn a_connection_that_is_reset_after_the_request_was_sent_leaves_the_creation_in_doubt_and_one_before_does_not() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let target = Target::start(|_| Answer::json(404, "{}")).await;
    let server = tokio::spawn(async move {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut sent = [0; 4096];
            while !matches!(stream.read(&mut sent).await, Ok(0) | Err(_)) {
                if sent.windows(4).any(|end| end == b"\r\n\r\n") {
                    break;
                }
            }
            let _ = stream.set_zero_linger();
            let _ = stream.flush().await;
        }
    });
    for (at, ends) in [(address.to_string(), vec![LedgerEnd::Again]), ("127.0.0.1:1".to_owned(), vec![LedgerEnd::Gone])] {
        let book = Arc::new(Book::default());
        let probe = create(ADMITTING, "").replacen("{{ api }}", &format!("http://{at}"), 1);
        let ran = Journey::new(&target).ledger(&book).head(NAME).run(&probe).await;
        assert!(matches!(ran.reason(), Reason::Connect | Reason::Protocol), "{:?}", ran.cause());
        assert_eq!(book.ends(), ends, "{at}");
    }
    server.abort();
}

#[tokio::test]
async fn an_answer_for_which_unless_created_holds_created_nothing() {
    let body = |seen: &Seen| match seen.method.as_str() {
        "PUT" => Answer::json(200, r#"{"status":"failed"}"#),
        _ => Answer::json(500, "{}"),
    };
    let target = Target::start(body).await;
    let probe = |unless: &str| create("status == 200", unless).replace("status == 201", "json.status == 'created'");
    let book = Arc::new(Book::default());
    let ran = Journey::new(&target).ledger(&book).head(NAME).run(&probe("unless_created = \"json.status == 'failed'\"")).await;
    assert_eq!((ran.reason(), ran.cleanup.is_none()), (Reason::Expectation, true));
    assert_eq!((book.ends(), target.lines().len()), (vec![LedgerEnd::Gone], 1));
    // One that does not hold, or cannot be evaluated, says nothing.
    for unless in ["unless_created = \"json.status == 'refused'\"", "unless_created = \"json.missing == 1\"", ""] {
        let book = Arc::new(Book::default());
        let ran = Journey::new(&target).ledger(&book).head(NAME).run(&probe(unless)).await;
        assert!(matches!(ran.cleanup.unwrap().result, CleanupResult::Leaked(_)), "{unless}");
        assert!(matches!(book.ends()[..], [LedgerEnd::Retry { .. }]), "{unless}");
    }
}

#[tokio::test]
async fn unless_created_also_speaks_of_an_answer_that_is_expected_and_not_of_an_attempt_that_was_cut_before() {
    let target = Target::start(|seen| match (seen.method.as_str(), seen.nth) {
        ("PUT", nth) => {
            let cut = seen.path == "/accounts/cut" && nth == 0;
            Answer::json(201, r#"{"status":"failed"}"#).after(if cut { Duration::from_mins(10) } else { Duration::ZERO })
        }
        _ => Answer::json(404, "{}"),
    })
    .await;
    let more = "timeout = \"300ms\"\nretry = { attempts = 2 }\nunless_created = \"json.status == 'failed'\"";
    for (name, ends) in [("fine", LedgerEnd::Gone), ("cut", LedgerEnd::Again)] {
        let book = Arc::new(Book::default());
        let head = NAME.replace("canary", name);
        let ran = Journey::new(&target).ledger(&book).head(&head).run(&create(ADMITTING, more)).await;
        ran.assert_passed();
        assert_eq!((book.ends(), ran.cleanup.is_some()), (vec![ends], name == "cut"), "{name}");
    }
}

#[tokio::test]
async fn what_was_made_before_it_is_not_done_before_it_is_since_its_cleanup_may_sign_in_again() {
    use std::sync::atomic::{AtomicUsize, Ordering};
    const PROBE: &str = r#"
        [[step]]
        name = "sign in"
        http.post = "{{ api }}/sessions"
        expect = ["status == 200"]
          [[step.cleanup]]
          name = "sign in to sign out"
          http.post = "{{ api }}/sessions"
          expect = ["status == 200"]
          [[step.cleanup]]
          name = "sign out everywhere"
          http.delete = "{{ api }}/sessions"
          expect = ["status == 204"]
        [[step]]
        name = "create"
        http.put = "{{ api }}/things/{{ name }}"
        timeout = "300ms"
        expect = ["status == 201"]
          [[step.cleanup]]
          name = "sign in to delete"
          http.post = "{{ api }}/sessions"
          expect = ["status == 200"]
          [[step.cleanup]]
          name = "delete"
          http.delete = "{{ api }}/things/{{ name }}"
          expect = ["status in [204, 404]"]
    "#;
    // The first deletions fail in one case, so that the creation's cleanup is tried again for that.
    for failing in [0, 3] {
        let sessions = Arc::new(AtomicUsize::new(0));
        let known = Arc::clone(&sessions);
        let target = Target::start(move |seen| match (seen.method.as_str(), seen.path.as_str()) {
            ("POST", _) => {
                known.fetch_add(1, Ordering::SeqCst);
                Answer::json(200, "{}")
            }
            ("PUT", _) => Answer::json(201, "{}").after(Duration::from_mins(10)),
            (_, "/sessions") => {
                known.store(0, Ordering::SeqCst);
                Answer::json(204, "")
            }
            _ => Answer::json(if seen.nth < failing { 500 } else { 404 }, "{}"),
        })
        .await;
        let book = Arc::new(Book::default());
        let journey = Journey::new(&target).ledger(&book).head(NAME);
        journey.run(PROBE).await;
        assert_eq!((book.entries().len(), sessions.load(Ordering::SeqCst)), (2, 0));
        let (plan, start) = (journey.plan(PROBE), Instant::now());
        let sweeper = Sweeper::new(journey.engine(), Arc::clone(&book) as Arc<dyn Ledger>);
        for minute in 0..24 * 60 {
            sweeper.sweep_once(&plan, book.entries(), start + Duration::from_mins(minute)).await;
            assert_eq!(sessions.load(Ordering::SeqCst), 0, "minute {minute}: {:?}", book.entries());
        }
        assert!(book.entries().is_empty(), "{:?}", book.entries());
    }
}
