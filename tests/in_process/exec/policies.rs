//! What steps do with programs: polls, retries, loops, parallels, captures, contracts and cleanups.

use std::sync::Arc;
use std::time::{Duration, Instant};

use serinus::outcome::{LedgerEnd, Reason, Verdict};
use serinus::run::{BEAT, StallLog};

use super::{expecting, journey, script};
use crate::book::Book;

#[tokio::test]
async fn it_is_polled_captured_looped_over_and_run_side_by_side() {
    let folder = tempfile::tempdir().unwrap();
    let count = folder.path().join("count");
    let steps = r#"
        [[step]]
        name = "poll"
        exec.command = ["/bin/sh", "-c", 'echo x >> "$1"; wc -l < "$1"', "sh", "{{ file }}"]
        exec.inherit = ["PATH"]
        eventually = { within = "15s", poll = "10ms" }
        expect = ["stdout | trim | int >= 3"]
        capture = { seen = "stdout | trim | int" }
        [[step]]
        name = "hold"
        exec.command = ["/bin/true"]
        consistently = { for = "100ms", poll = "20ms" }
        expect = ["exit_code == 0"]
        [[step]]
        name = "each"
        for_each = "word in ['a', 'b']"
        subject = "{{ word }}"
        exec.command = ["/bin/echo", "{{ word }}", "{{ seen }}"]
        expect = ["lines == [word ~ ' 3']"]
        capture = { said = "lines | first" }
        [[step]]
        name = "both"
          [[step.parallel]]
          name = "left"
          exec.command = ["/bin/echo", '"{{ said | join }}"']
          expect = ["json == 'a 3b 3'"]
          contract = "schema.json"
          allow_failure = true
          [[step.parallel]]
          name = "right"
          exec.command = ["/bin/echo", '{"ok": true}']
          expect = ["exit_code == 0"]
          guard = ["json.ok"]
          contract = "schema.json"
        "#;
    let journey = journey()
        .await
        .file("schema.json", r#"{"type": "object", "required": ["ok"]}"#)
        .head(&format!("[vars]\nfile = {count:?}\n"));
    let ran = journey.run(steps).await;
    ran.assert_passed();
    assert_eq!(ran.report.steps[0].attempts_made, 3);
    assert!(ran.report.steps[0].convergence.is_some());
    let left = ran.report.steps.iter().find(|step| &*step.name == "left").unwrap();
    assert!(format!("{:?}", left.result).contains("Contract"), "{:?}", left.result);
}

#[tokio::test]
async fn retry_runs_nothing_again_that_was_started() {
    let folder = tempfile::tempdir().unwrap();
    let count = folder.path().join("count");
    let keys = "timeout = \"300ms\"\nretry = { attempts = 3, backoff = \"1ms\" }\nexpect = [\"exit_code == 0\"]";
    let ran = journey().await.run(&script(&format!("echo x >> {}; sleep 300", count.display()), keys)).await;
    assert_eq!((ran.reason(), ran.cause().attempts), (Reason::Timeout, 1));
    assert_eq!(std::fs::read_to_string(&count).unwrap(), "x\n");
    let missing = format!("[[step]]\nname = \"run\"\nexec.command = [\"/nowhere\"]\n{keys}");
    assert_eq!(journey().await.run(&missing).await.cause().attempts, 3, "it was never started");
}

#[tokio::test]
async fn what_it_may_have_created_is_written_down_and_undone() {
    let folder = tempfile::tempdir().unwrap();
    let made = folder.path().join("made");
    let step = |source: &str, keys: &str| {
        let undo = "[step.cleanup]\nexec.command = [\"/bin/rm\", \"{{ file }}\"]\nexpect = [\"exit_code == 0\"]";
        script(&format!("{source} {}", made.display()), &format!("{keys}\n{undo}"))
    };
    let head = format!("[vars]\nfile = {made:?}\n");
    for (source, keys, verdict, end) in [
        ("touch", "expect = [\"exit_code == 0\"]", Verdict::Passed, LedgerEnd::Gone),
        ("touch", "expect = [\"exit_code == 1\"]", Verdict::Failed, LedgerEnd::Gone),
        (
            "exec sh -c 'touch $0; sleep 300'",
            "timeout = \"1s\"\nexpect = [\"exit_code == 0\"]",
            Verdict::Failed,
            LedgerEnd::Again,
        ),
    ] {
        let book = Arc::new(Book::default());
        let ran = journey().await.head(&head).ledger(&book).run(&step(source, keys)).await;
        assert_eq!(ran.report.verdict, verdict, "{source}: {:?}", ran.report.cause);
        assert_eq!(book.ends(), [end], "{source}");
        assert!(!made.exists(), "{source}");
    }
    let book = Arc::new(Book::default());
    let refused = step("test -e", "expect = [\"exit_code == 0\"]\nunless_created = \"exit_code == 1\"");
    let ran = journey().await.head(&head).ledger(&book).run(&refused).await;
    assert!(ran.cleanup.is_none());
    assert_eq!(book.ends(), [LedgerEnd::Gone]);
}

#[tokio::test]
async fn the_time_in_which_this_process_stood_still_is_no_part_of_its_latency() {
    let stalls = Arc::new(StallLog::default());
    let mut journey = journey().await;
    journey.stalls = Arc::clone(&stalls);
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("pids");
    let step = expecting(&format!("echo $$ > {}; sleep 1", file.display()), &["latency < 0.7", "phases.run < 0.7"]);
    // Of the second that it sleeps, this process stands still for 600 ms.
    let (ran, ()) = tokio::join!(journey.run(&step), async {
        super::pids(&file, 1).await;
        let now = Instant::now();
        stalls.beat(now);
        stalls.beat(now + Duration::from_millis(650));
        (1..200).for_each(|beat| drop(stalls.beat(now + Duration::from_millis(650) + BEAT * beat)));
    });
    ran.assert_passed();
    assert!(super::observed(&ran).phases[1].1 >= Duration::from_secs(1), "reports keep what happened");
}
