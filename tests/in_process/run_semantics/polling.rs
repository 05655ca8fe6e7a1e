//! `eventually`, `consistently` and `retry`.

use std::time::Duration;

use serinus::outcome::{Reason, Verdict};

use super::ok;
use crate::journey::Journey;
use crate::target::{Answer, Target};

#[tokio::test]
async fn eventually_polls_until_it_holds_and_reports_the_convergence_from_the_write_on() {
    let target = Target::start(|seen| match (seen.method.as_str(), seen.nth) {
        ("POST", _) => Answer::json(201, "{}").after(Duration::from_millis(300)),
        (_, 0..=2) => Answer::json(404, "{}"),
        _ => Answer::json(200, "{}"),
    })
    .await;
    let ran = Journey::new(&target)
        .run(
            r#"
            [[step]]
            name = "write"
            http.post = "{{ api }}/x"
            expect = ["status == 201"]
            [[step]]
            name = "read"
            http.get = "{{ api }}/x"
            eventually = { within = "20s", poll = "50ms", since = "write" }
            expect = ["status == 200"]
            "#,
        )
        .await;
    ran.assert_passed();
    let read = &ran.report.steps[1];
    assert_eq!(read.attempts_made, 4);
    let convergence = read.convergence.unwrap();
    // From the end of the write, so the write's own 300 ms are not in it; three pauses of 50 ms are.
    assert!(
        convergence >= Duration::from_millis(150) && convergence <= read.duration + Duration::from_millis(50),
        "{convergence:?}"
    );
}

#[tokio::test]
async fn when_the_window_ends_the_reason_is_the_last_attempts() {
    let target = Target::start(ok(r#"{"state":"lagging"}"#)).await;
    let ran = Journey::new(&target)
        .run(
            r#"
            [[step]]
            name = "read"
            http.get = "{{ api }}/x"
            eventually = { within = "200ms", poll = "50ms" }
            expect = ["json.state == 'there'"]
            "#,
        )
        .await;
    assert_eq!(ran.reason(), Reason::Expectation);
    assert!(ran.cause().attempts >= 2);
    assert!(ran.cause().message.contains("did not hold within 200ms"), "{}", ran.cause().message);
}

#[tokio::test]
async fn a_transport_error_means_poll_again() {
    let target = Target::start(ok("{}")).await;
    let ran = Journey::new(&target)
        .run(
            r#"
            [[step]]
            name = "read"
            http.get = "http://127.0.0.1:1/x"
            eventually = { within = "150ms", poll = "50ms" }
            expect = ["status == 200"]
            "#,
        )
        .await;
    assert_eq!(ran.reason(), Reason::Connect);
    assert!(ran.cause().attempts >= 2, "{}", ran.cause().attempts);
}

#[tokio::test]
async fn an_answer_that_comes_after_the_window_does_not_hold_and_the_message_says_how_late() {
    let target = Target::start(|_| Answer::json(200, "{}").after(Duration::from_millis(600))).await;
    let read = |within: &str| {
        format!(
            "[[step]]\nname = \"read\"\nhttp.get = \"{{{{ api }}}}/x\"\neventually = {{ within = \"{within}\", poll = \"50ms\" }}\n\
             expect = [\"status == 200\"]\n"
        )
    };
    let ran = Journey::new(&target).run(&read("100ms")).await;
    let cause = ran.cause();
    assert_eq!((ran.report.verdict, cause.reason, cause.attempts), (Verdict::Failed, Reason::Expectation, 1));
    let late = cause
        .message
        .strip_prefix("it held, but only ")
        .and_then(|rest| rest.strip_suffix(" after the 100ms in which it should have"));
    let late = humantime::parse_duration(late.unwrap_or_else(|| panic!("{}", cause.message))).unwrap();
    assert!(late >= Duration::from_millis(490), "{late:?}");
    let step = &ran.report.steps[0];
    assert_eq!(
        (step.convergence, step.attempts[0].failure.as_ref().map(|(reason, _)| *reason)),
        (None, Some(Reason::Expectation))
    );
    Journey::new(&target).run(&read("20s")).await.assert_passed();
}

#[tokio::test]
async fn what_was_created_by_an_answer_that_came_too_late_is_cleaned_up() {
    let target = Target::start(|seen| match seen.method.as_str() {
        "POST" => Answer::json(201, r#"{"id":"a"}"#).after(Duration::from_millis(400)),
        _ => Answer::json(200, "{}"),
    })
    .await;
    let ran = Journey::new(&target)
        .run(
            "[[step]]\nname = \"create\"\nhttp.post = \"{{ api }}/x\"\neventually = { within = \"100ms\", poll = \"50ms\" }\n\
             expect = [\"status == 201\"]\ncapture = { id = \"json.id\" }\n\
             [step.cleanup]\nhttp.delete = \"{{ api }}/x/{{ id }}\"\nexpect = [\"status == 200\"]\n",
        )
        .await;
    assert_eq!(ran.report.verdict, Verdict::Failed);
    assert_eq!(target.lines(), ["POST /x", "DELETE /x/a"]);
}

#[tokio::test]
async fn what_was_not_there_yet_when_the_window_ends_is_no_flaw_of_the_expectation() {
    let target = Target::start(ok(r#"{"items":[],"job":{},"n":null}"#)).await;
    let reason = async |expect: &str, within: &str| {
        let step = format!("[[step]]\nname = \"read\"\nhttp.get = \"{{{{ api }}}}/x\"\n{within}\nexpect = [\"{expect}\"]\n");
        Journey::new(&target).run(&step).await.cause().clone()
    };
    let within = "eventually = { within = \"100ms\", poll = \"20ms\" }";
    for absent in [
        "json.job.state == 'done'",
        "json.items[0].id == 1",
        "json.items | first == 1",
        "json.missing",
        "json | at('job', 'state') == 'done'",
        "json | at('items', 0, 'id', or=[]) | last == 1",
    ] {
        let cause = reason(absent, within).await;
        assert_eq!(cause.reason, Reason::Expectation, "{absent}: {}", cause.message);
        assert!(cause.message.contains("did not hold within 100ms") && cause.message.contains("undefined"), "{}", cause.message);
        assert_eq!(reason(absent, "").await.reason, Reason::NotEvaluable, "{absent}, where nothing is waited for");
    }
    for flaw in ["json.n > 5", "json.items > 5", "json.items"] {
        assert_eq!(reason(flaw, within).await.reason, Reason::NotEvaluable, "{flaw}");
    }
}

#[tokio::test]
async fn a_read_that_goes_backwards_is_a_failure_of_its_own() {
    let target = Target::start(|seen| Answer::json(200, if seen.nth == 2 { r#"{"n":1}"# } else { r#"{"n":2}"# })).await;
    let ran = Journey::new(&target)
        .run(
            r#"
            [[step]]
            name = "read"
            http.get = "{{ api }}/x"
            eventually = { within = "5s", poll = "20ms" }
            consistently = { for = "5s", poll = "20ms" }
            expect = ["json.n == 2"]
            "#,
        )
        .await;
    assert_eq!(ran.reason(), Reason::Expectation);
    assert!(ran.cause().message.contains("no longer did"), "{}", ran.cause().message);
    assert_eq!(target.lines().len(), 3);
}

#[tokio::test]
async fn retry_is_for_transport_errors_only() {
    let target = Target::start(|_| Answer::json(500, "{}")).await;
    let ran = Journey::new(&target)
        .run("[[step]]\nname = \"read\"\nhttp.get = \"{{ api }}/x\"\nretry = { attempts = 3, backoff = \"10ms\" }\nexpect = [\"status == 200\"]\n")
        .await;
    assert_eq!(ran.reason(), Reason::Expectation);
    assert_eq!(target.lines().len(), 1);

    let ran = Journey::new(&target)
        .run("[[step]]\nname = \"read\"\nhttp.post = \"http://127.0.0.1:1/x\"\nretry = { attempts = 3, backoff = \"10ms\" }\nexpect = [\"status == 200\"]\n")
        .await;
    assert_eq!((ran.reason(), ran.cause().attempts), (Reason::Connect, 3));
}

#[tokio::test]
async fn a_write_that_may_have_arrived_is_not_sent_again() {
    let target = Target::start(|_| Answer::json(200, "{}").after(Duration::from_mins(10))).await;
    let step = |method: &str| {
        format!(
            "[[step]]\nname = \"x\"\nhttp.{method} = \"{{{{ api }}}}/x\"\ntimeout = \"100ms\"\nretry = {{ attempts = 3, backoff = \"10ms\" }}\nexpect = [\"status == 200\"]\n"
        )
    };
    let ran = Journey::new(&target).run(&step("post")).await;
    assert_eq!((ran.reason(), ran.cause().attempts), (Reason::Timeout, 1));
    let ran = Journey::new(&target).run(&step("get")).await;
    assert_eq!((ran.reason(), ran.cause().attempts), (Reason::Timeout, 3));
}

#[tokio::test]
async fn an_answer_that_is_too_much_is_no_transport_error() {
    let target = Target::start(|seen| match seen.path.as_str() {
        "/round" => Answer::text(302, "").header("location", "/round"),
        _ => Answer::text(200, "more than ten bytes"),
    })
    .await;
    for (path, asked, reason) in [("round", 2, Reason::Redirects), ("large", 1, Reason::ResponseTooLarge)] {
        let before = target.lines().len();
        let ran = Journey::new(&target)
            .run(&format!(
                "[[step]]\nname = \"read\"\nhttp.get = \"{{{{ api }}}}/{path}\"\nhttp.redirects = 1\nhttp.max_response = \"10B\"\n\
                 retry = {{ attempts = 3 }}\nexpect = [\"status == 200\"]\n"
            ))
            .await;
        assert_eq!((ran.reason(), target.lines().len() - before), (reason, asked), "{path}");
    }
}

#[tokio::test]
async fn a_token_endpoints_no_is_an_answer_that_retry_does_not_repeat() {
    let target = Target::start(|_| Answer::json(503, "{}")).await;
    let ran = Journey::new(&target)
        .run("[[step]]\nname = \"create\"\nhttp.post = \"{{ api }}/x\"\nretry = { attempts = 3, backoff = \"10ms\" }\n\
             http.oauth2 = { token_url = \"{{ api }}/token\", client_id = \"a\", client_secret = \"b\" }\nexpect = [\"status == 200\"]\n\
             [step.cleanup]\nhttp.delete = \"{{ api }}/x\"\nexpect = [\"status == 200\"]\n")
        .await;
    assert_eq!(ran.reason(), Reason::Protocol);
    assert_eq!(target.lines(), ["POST /token"], "nor was anything created");
    assert!(ran.cleanup.is_none());
}
