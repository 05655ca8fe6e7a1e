//! What cuts a run, and what is undone after it.

use std::time::Duration;

use serinus::outcome::{CleanupResult, Reason, Verdict};

use super::ok;
use crate::journey::Journey;
use crate::target::{Answer, Target};

#[tokio::test]
async fn the_deadline_cuts_a_hanging_step_and_cleanup_still_runs() {
    let target = Target::start(|seen| match seen.path.as_str() {
        "/hang" => Answer::json(200, "{}").after(Duration::from_mins(10)),
        _ => Answer::json(200, r#"{"id":"a"}"#),
    })
    .await;
    let ran = Journey::new(&target)
        .deadline("400ms")
        .run(
            r#"
            [[step]]
            name = "create"
            http.post = "{{ api }}/create"
            expect = ["status == 200"]
            capture = { id = "json.id" }
              [step.cleanup]
              http.delete = "{{ api }}/items/{{ id }}"
              expect = ["status == 200"]
            [[step]]
            name = "hang"
            http.get = "{{ api }}/hang"
            expect = ["status == 200"]
            "#,
        )
        .await;
    assert_eq!((ran.reason(), ran.cause().step.as_deref()), (Reason::Deadline, Some("hang")));
    assert_eq!(ran.report.verdict, Verdict::Failed);
    assert_eq!(ran.cleanup.as_ref().unwrap().result, CleanupResult::Clean);
    assert_eq!(target.lines(), ["POST /create", "GET /hang", "DELETE /items/a"]);
}

#[tokio::test]
async fn deadline_is_the_reason_when_the_runs_bound_cuts_a_poll() {
    let target = Target::start(ok(r#"{"state":"lagging"}"#)).await;
    let ran = Journey::new(&target)
        .deadline("300ms")
        .run(
            r#"
            [[step]]
            name = "read"
            http.get = "{{ api }}/x"
            eventually = { within = "10s", poll = "50ms" }
            expect = ["json.state == 'there'"]
            "#,
        )
        .await;
    assert_eq!(ran.reason(), Reason::Deadline);
    // What the last attempt saw is told all the same.
    assert_eq!(ran.cause().expectation.as_deref(), Some("json.state == 'there'"));
    assert!(ran.cause().message.contains("lagging"), "{}", ran.cause().message);
}

#[tokio::test]
async fn an_attempts_timeout_is_not_the_deadline() {
    let target = Target::start(|_| Answer::json(200, "{}").after(Duration::from_mins(10))).await;
    let ran = Journey::new(&target)
        .run("[[step]]\nname = \"read\"\nhttp.get = \"{{ api }}/x\"\ntimeout = \"200ms\"\nexpect = [\"status == 200\"]\n")
        .await;
    assert_eq!(ran.reason(), Reason::Timeout);
}

#[tokio::test]
async fn a_run_that_is_cut_keeps_the_attempt_that_was_under_way() {
    let target = Target::start(|seen| match seen.nth {
        0 | 1 => Answer::json(200, r#"{"state":"lagging"}"#),
        _ => Answer::json(200, "{}").after(Duration::from_mins(10)),
    })
    .await;
    let ran = Journey::new(&target)
        .deadline("900ms")
        .run(
            r#"
            [[step]]
            name = "read"
            http.post = "{{ api }}/x?page=2"
            http.json = { asked = "for" }
            eventually = { within = "10s", poll = "20ms" }
            expect = ["json.state == 'there'"]
            "#,
        )
        .await;
    let cause = ran.cause();
    assert_eq!((cause.reason, cause.attempts), (Reason::Deadline, 3));
    let asked = format!("during attempt 3, POST {}/x?page=2, which was waiting for the answer's headers", target.url());
    assert!(cause.message.contains(&asked) && cause.message.contains("lagging"), "{}", cause.message);
    let step = &ran.report.steps[0];
    assert_eq!((step.attempts_made, step.attempts.len()), (3, 3));
    let cut = &step.attempts[2];
    let http = cut.http().unwrap();
    assert_eq!((http.method.as_str(), http.status), ("POST", None));
    assert!(http.phases.reused || http.phases.connect.is_some(), "{:?}", http.phases);
    assert_eq!(cut.failure.as_ref().map(|(reason, _)| *reason), Some(Reason::Deadline));
    assert_eq!(cut.exchange().unwrap().request_body, r#"{"asked":"for"}"#);
    assert!(cut.duration > Duration::ZERO && cut.started + cut.duration <= ran.report.duration);
}

#[tokio::test]
async fn an_attempt_that_is_cut_in_the_middle_of_its_answer_says_so() {
    let target = Target::start(|_| Answer::json(200, "{}").endless()).await;
    let ran = Journey::new(&target)
        .deadline("900ms")
        .run("[[step]]\nname = \"read\"\nhttp.get = \"{{ api }}/x\"\nexpect = [\"status == 200\"]\n")
        .await;
    assert_eq!((ran.reason(), ran.cause().attempts), (Reason::Deadline, 1));
    assert!(ran.cause().message.contains("attempt 1, GET "), "{}", ran.cause().message);
    assert!(ran.cause().message.contains("waiting for the body's end"), "{}", ran.cause().message);
    assert_eq!(ran.report.steps[0].attempts[0].http().unwrap().status, Some(200));
}

#[tokio::test]
async fn a_cleanup_that_its_budget_cuts_shows_the_attempt_that_hung() {
    let target = Target::start(|seen| match seen.method.as_str() {
        "DELETE" => Answer::json(200, "{}").after(Duration::from_mins(10)),
        _ => Answer::json(200, "{}"),
    })
    .await;
    let ran = Journey::new(&target)
        .cleanup_budget(Duration::from_millis(400))
        .run(
            "[[step]]\nname = \"create\"\nhttp.post = \"{{ api }}/x\"\nexpect = [\"status == 200\"]\n\
             [step.cleanup]\nname = \"delete\"\nhttp.delete = \"{{ api }}/x\"\nexpect = [\"status == 200\"]\n",
        )
        .await;
    let steps = &ran.cleanup.as_ref().unwrap().steps;
    assert_eq!((&*steps[0].name, steps[0].attempts_made), ("delete", 1));
    assert_eq!(steps[0].attempts[0].http().unwrap().method, "DELETE");
}

#[tokio::test]
async fn cleanup_runs_last_in_first_out_and_never_changes_the_verdict() {
    let target = Target::start(|seen| match seen.method.as_str() {
        "DELETE" => Answer::json(500, "{}"),
        _ => Answer::json(200, "{}"),
    })
    .await;
    let create = |name: &str| {
        format!(
            "[[step]]\nname = \"{name}\"\nhttp.post = \"{{{{ api }}}}/{name}\"\nexpect = [\"status == 200\"]\n\
             [step.cleanup]\nhttp.delete = \"{{{{ api }}}}/{name}\"\nexpect = [\"status == 200\"]\n"
        )
    };
    let ran = Journey::new(&target).run(&(create("a") + &create("b"))).await;
    ran.assert_passed();
    assert_eq!(target.lines(), ["POST /a", "POST /b", "DELETE /b", "DELETE /a"]);
    let CleanupResult::Leaked(leaked) = &ran.cleanup.as_ref().unwrap().result else { panic!("nothing leaked") };
    assert_eq!(leaked.len(), 2);
}

#[tokio::test]
async fn nothing_is_cleaned_up_that_was_never_sent_or_was_refused() {
    let target = Target::start(|_| Answer::json(422, "{}")).await;
    for url in ["http://127.0.0.1:1/x", "{{ api }}/x"] {
        let ran = Journey::new(&target)
            .run(&format!(
                "[[step]]\nname = \"create\"\nhttp.post = \"{url}\"\nexpect = [\"status == 201\"]\ncapture = {{ id = \"json.id\" }}\n\
                 [step.cleanup]\nhttp.delete = \"{{{{ api }}}}/{{{{ id }}}}\"\nexpect = [\"status == 200\"]\n"
            ))
            .await;
        assert_eq!(ran.report.verdict, Verdict::Failed);
        assert!(ran.cleanup.is_none(), "{url}");
    }
}

#[tokio::test]
async fn a_creation_with_an_unknown_end_that_cannot_be_undone_is_a_leak() {
    let target = Target::start(|_| Answer::json(200, "{}").after(Duration::from_mins(10))).await;
    let ran = Journey::new(&target)
        .run("[[step]]\nname = \"create\"\nhttp.post = \"{{ api }}/x\"\ntimeout = \"200ms\"\nexpect = [\"status == 201\"]\ncapture = { id = \"json.id\" }\n\
             [step.cleanup]\nhttp.delete = \"{{ api }}/{{ id }}\"\nexpect = [\"status == 200\"]\n")
        .await;
    let CleanupResult::Leaked(leaked) = &ran.cleanup.as_ref().unwrap().result else { panic!("nothing leaked") };
    assert!(leaked[0].message.contains("may have created something"), "{}", leaked[0].message);
}

#[tokio::test]
async fn a_run_that_shutdown_cuts_is_the_probers_fault() {
    let target = Target::start(|_| Answer::json(200, "{}").after(Duration::from_mins(10))).await;
    let journey = Journey::new(&target);
    journey.cancel.cancel();
    let ran = journey.run("[[step]]\nname = \"read\"\nhttp.get = \"{{ api }}/x\"\nexpect = [\"status == 200\"]\n").await;
    assert_eq!((ran.report.verdict, ran.reason()), (Verdict::Errored, Reason::Shutdown));
}

#[tokio::test]
async fn a_panic_inside_a_run_becomes_that_runs_errored() {
    let target = Target::start(ok("{}")).await;
    let ran = Journey::new(&target)
        .panicking_var("boom")
        .run("[[step]]\nname = \"read\"\nhttp.get = \"{{ api }}/{{ boom.now }}\"\nexpect = [\"status == 200\"]\n")
        .await;
    assert_eq!((ran.report.verdict, ran.reason()), (Verdict::Errored, Reason::Internal));
}
