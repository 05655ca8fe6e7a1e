//! The section "Exact meanings" of the design, sentence by sentence, on the real engine against a real server.

#[path = "support/journey.rs"]
mod journey;
#[path = "support/target.rs"]
mod target;

use std::time::Duration;

use journey::{Journey, steps};
use serinus::outcome::{CleanupResult, Held, Reason, StepResult, Verdict};
use target::{Answer, Target};

fn ok(body: &'static str) -> impl Fn(&target::Seen) -> Answer + Send + Sync + 'static {
    move |_| Answer::json(200, body)
}

#[tokio::test]
async fn a_journey_whose_expectations_hold_passes() {
    let target = Target::start(ok(r#"{"status":"activated"}"#)).await;
    let ran = Journey::new(&target)
        .run(&steps(
            r#"
            [[step]]
            name = "read"
            http.get = "{{ api }}/x"
            expect = ["status == 200", "json.status == 'activated'"]
            "#,
        ))
        .await;
    assert_eq!(ran.report.verdict, Verdict::Passed);
    assert_eq!(ran.report.cause, None);
    assert_eq!(ran.report.steps[0].expectations.len(), 2);
}

#[tokio::test]
async fn a_run_that_expected_nothing_cannot_pass() {
    let target = Target::start(ok("{}")).await;
    // The only expectation stands in a step that is not needed.
    let ran = Journey::new(&target)
        .run(&steps(
            r#"
            [[step]]
            name = "read"
            http.get = "{{ api }}/x"
            when = "1 == 2"
            expect = ["status == 200"]
            "#,
        ))
        .await;
    assert_eq!(ran.reason(), Reason::NotEvaluable);
    assert_eq!(ran.report.verdict, Verdict::Failed);
    assert!(target.lines().is_empty());
}

#[tokio::test]
async fn the_first_failed_step_ends_the_run_and_says_what_it_saw() {
    let target = Target::start(ok(r#"{"status":"pending"}"#)).await;
    let ran = Journey::new(&target)
        .run(&steps(
            r#"
            [[step]]
            name = "first"
            http.get = "{{ api }}/first"
            expect = ["status == 200", "json.status == 'activated'"]
            [[step]]
            name = "second"
            http.get = "{{ api }}/second"
            expect = ["status == 200"]
            "#,
        ))
        .await;
    let cause = ran.cause();
    assert_eq!((cause.reason, cause.step.as_deref()), (Reason::Expectation, Some("first")));
    assert_eq!(cause.expectation.as_deref(), Some("json.status == 'activated'"));
    assert!(cause.message.contains(r#"`json.status` was "pending""#), "{}", cause.message);
    assert!(cause.location.as_ref().is_some_and(|at| at.to_string().contains("probe.toml:")));
    assert_eq!(target.lines(), ["GET /first"]);
}

#[tokio::test]
async fn every_expectation_is_kept_held_or_not() {
    let target = Target::start(ok(r#"{"a":1}"#)).await;
    let ran = Journey::new(&target)
        .run(&steps(
            r#"
            [[step]]
            name = "read"
            http.get = "{{ api }}/x"
            expect = ["json.a == 2", "status == 200", "json.b.c == 1"]
            "#,
        ))
        .await;
    let held: Vec<bool> = ran.report.steps[0].expectations.iter().map(|report| report.held == Held::Yes).collect();
    assert_eq!(held, [false, true, false]);
    assert!(matches!(ran.report.steps[0].expectations[2].held, Held::NotEvaluable(_)));
}

#[tokio::test]
async fn what_cannot_be_evaluated_has_failed() {
    let target = Target::start(ok(r#"{"size":null}"#)).await;
    for expectation in ["json.size < 5", "json.nothing", "json.size", "status", "json.size + 1 == 2", "'abc' > 5"] {
        let ran = Journey::new(&target)
            .run(&steps(&format!("[[step]]\nname = \"read\"\nhttp.get = \"{{{{ api }}}}/x\"\nexpect = [\"{expectation}\"]\n")))
            .await;
        assert_eq!(ran.reason(), Reason::NotEvaluable, "{expectation}");
    }
}

#[tokio::test]
async fn an_answer_that_is_not_json_says_so() {
    let target = Target::start(|_| Answer::text(502, "<html>bad gateway</html>")).await;
    let ran = Journey::new(&target)
        .run(&steps("[[step]]\nname = \"read\"\nhttp.get = \"{{ api }}/x\"\nexpect = [\"json.a == 1\"]\n"))
        .await;
    assert_eq!(ran.reason(), Reason::NotEvaluable);
    assert!(ran.cause().message.contains("status 502, is not JSON"), "{}", ran.cause().message);
}

#[tokio::test]
async fn captures_keep_their_type_on_their_way_into_the_next_request() {
    let target = Target::start(ok(r#"{"id":"007","big":12345678901234567890,"list":[1,2],"yes":true,"x":1.5}"#)).await;
    let ran = Journey::new(&target)
        .run(&steps(
            r#"
            [[step]]
            name = "read"
            http.get = "{{ api }}/read"
            expect = ["status == 200"]
            capture = { id = "json.id", big = "json.big", list = "json.list", yes = "json.yes", x = "json.x" }
            [[step]]
            name = "write"
            http.post = "{{ api }}/write"
            http.json = { id = "{{ id }}", big = "{{ big }}", list = "{{ list }}", yes = "{{ yes }}", x = "{{ x }}", text = "n{{ big }}" }
            expect = ["status == 200"]
            "#,
        ))
        .await;
    ran.assert_passed();
    let sent = target.seen()[1].body.clone();
    assert_eq!(sent, r#"{"id":"007","big":12345678901234567890,"list":[1,2],"yes":true,"x":1.5,"text":"n12345678901234567890"}"#);
}

#[tokio::test]
async fn a_captured_value_cannot_break_out_of_the_url() {
    let target = Target::start(ok(r#"{"id":"../admin?x=1"}"#)).await;
    let journey = Journey::new(&target);
    let probe = |url: &str| {
        steps(&format!(
            "[[step]]\nname = \"read\"\nhttp.get = \"{{{{ api }}}}/read\"\nexpect = [\"status == 200\"]\ncapture = {{ id = \"json.id\" }}\n\
             [[step]]\nname = \"use\"\nhttp.get = \"{url}\"\nexpect = [\"status == 200\"]\n"
        ))
    };
    let ran = journey.run(&probe("{{ api }}/item/{{ id }}")).await;
    assert_eq!(ran.reason(), Reason::NotEvaluable);
    assert!(ran.cause().message.contains("urlencode"), "{}", ran.cause().message);
    let ran = journey.run(&probe("{{ api }}/item/{{ id | urlencode }}")).await;
    ran.assert_passed();
    assert_eq!(target.lines().last().unwrap(), "GET /item/..%2Fadmin%3Fx%3D1");
}

#[tokio::test]
async fn an_allowed_failure_goes_on_and_its_captures_are_undefined() {
    let target = Target::start(|seen| match seen.path.as_str() {
        "/broken" => Answer::json(500, r#"{"id":1}"#),
        _ => Answer::json(200, "{}"),
    })
    .await;
    let ran = Journey::new(&target)
        .run(&steps(
            r#"
            [[step]]
            name = "broken"
            http.get = "{{ api }}/broken"
            expect = ["status == 200"]
            capture = { id = "json.id" }
            allow_failure = true
            [[step]]
            name = "good"
            http.get = "{{ api }}/good"
            expect = ["status == 200"]
            [[step]]
            name = "uses"
            http.get = "{{ api }}/uses/{{ id }}"
            expect = ["status == 200"]
            "#,
        ))
        .await;
    assert_eq!((ran.reason(), ran.cause().step.as_deref()), (Reason::NotEvaluable, Some("uses")));
    assert_eq!(target.lines(), ["GET /broken", "GET /good"]);
}

#[tokio::test]
async fn a_capture_that_is_null_has_failed() {
    // Otherwise `json.id == id` would hold later, of two nulls.
    let target = Target::start(ok(r#"{"id":null}"#)).await;
    let probe = |capture: &str| {
        steps(&format!(
            "[[step]]\nname = \"read\"\nhttp.get = \"{{{{ api }}}}/x\"\nexpect = [\"status == 200\"]\ncapture = {{ id = \"{capture}\" }}\n"
        ))
    };
    let ran = Journey::new(&target).run(&probe("json.id")).await;
    assert_eq!(ran.reason(), Reason::NotEvaluable);
    assert!(ran.cause().message.contains("it is null"), "{}", ran.cause().message);
    Journey::new(&target).run(&probe("json.id | default('none', true)")).await.assert_passed();
}

#[tokio::test]
async fn eventually_polls_until_it_holds_and_reports_the_convergence_from_the_write_on() {
    let target = Target::start(|seen| match (seen.method.as_str(), seen.nth) {
        ("POST", _) => Answer::json(201, "{}").after(Duration::from_millis(300)),
        (_, 0..=2) => Answer::json(404, "{}"),
        _ => Answer::json(200, "{}"),
    })
    .await;
    let ran = Journey::new(&target)
        .run(&steps(
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
        ))
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
        .run(&steps(
            r#"
            [[step]]
            name = "read"
            http.get = "{{ api }}/x"
            eventually = { within = "200ms", poll = "50ms" }
            expect = ["json.state == 'there'"]
            "#,
        ))
        .await;
    assert_eq!(ran.reason(), Reason::Expectation);
    assert!(ran.cause().attempts >= 2);
    assert!(ran.cause().message.contains("did not hold within 200ms"), "{}", ran.cause().message);
}

#[tokio::test]
async fn a_transport_error_means_poll_again() {
    let target = Target::start(ok("{}")).await;
    let ran = Journey::new(&target)
        .run(&steps(
            r#"
            [[step]]
            name = "read"
            http.get = "http://127.0.0.1:1/x"
            eventually = { within = "150ms", poll = "50ms" }
            expect = ["status == 200"]
            "#,
        ))
        .await;
    assert_eq!(ran.reason(), Reason::Connect);
    assert!(ran.cause().attempts >= 2, "{}", ran.cause().attempts);
}

#[tokio::test]
async fn an_attempt_counts_if_it_started_inside_the_window() {
    let target = Target::start(|_| Answer::json(200, "{}").after(Duration::from_millis(400))).await;
    let ran = Journey::new(&target)
        .run(&steps(
            r#"
            [[step]]
            name = "read"
            http.get = "{{ api }}/x"
            eventually = { within = "100ms", poll = "50ms" }
            expect = ["status == 200"]
            "#,
        ))
        .await;
    ran.assert_passed();
}

#[tokio::test]
async fn a_read_that_goes_backwards_is_a_failure_of_its_own() {
    let target = Target::start(|seen| Answer::json(200, if seen.nth == 2 { r#"{"n":1}"# } else { r#"{"n":2}"# })).await;
    let ran = Journey::new(&target)
        .run(&steps(
            r#"
            [[step]]
            name = "read"
            http.get = "{{ api }}/x"
            eventually = { within = "5s", poll = "20ms" }
            consistently = { for = "5s", poll = "20ms" }
            expect = ["json.n == 2"]
            "#,
        ))
        .await;
    assert_eq!(ran.reason(), Reason::Expectation);
    assert!(ran.cause().message.contains("no longer did"), "{}", ran.cause().message);
    assert_eq!(target.lines().len(), 3);
}

#[tokio::test]
async fn the_deadline_cuts_a_hanging_step_and_cleanup_still_runs() {
    let target = Target::start(|seen| match seen.path.as_str() {
        "/hang" => Answer::json(200, "{}").after(Duration::from_mins(10)),
        _ => Answer::json(200, r#"{"id":"a"}"#),
    })
    .await;
    let ran = Journey::new(&target)
        .deadline("400ms")
        .run(&steps(
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
        ))
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
        .run(&steps(
            r#"
            [[step]]
            name = "read"
            http.get = "{{ api }}/x"
            eventually = { within = "10s", poll = "50ms" }
            expect = ["json.state == 'there'"]
            "#,
        ))
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
        .run(&steps("[[step]]\nname = \"read\"\nhttp.get = \"{{ api }}/x\"\ntimeout = \"200ms\"\nexpect = [\"status == 200\"]\n"))
        .await;
    assert_eq!(ran.reason(), Reason::Timeout);
}

#[tokio::test]
async fn a_bound_that_passes_while_the_prober_stands_still_is_the_probers_fault() {
    let target = Target::start(|_| Answer::json(200, "{}").after(Duration::from_mins(10))).await;
    let journey = Journey::new(&target).deadline("900ms");
    // The watchdog beats once and never again: the process has stood still ever since.
    journey.stalls.beat(std::time::Instant::now(), Duration::from_millis(50));
    let ran = journey.run(&steps("[[step]]\nname = \"read\"\nhttp.get = \"{{ api }}/x\"\nexpect = [\"status == 200\"]\n")).await;
    assert_eq!((ran.report.verdict, ran.reason()), (Verdict::Errored, Reason::Stall));
}

#[tokio::test]
async fn retry_is_for_transport_errors_only() {
    let target = Target::start(|_| Answer::json(500, "{}")).await;
    let ran = Journey::new(&target)
        .run(&steps(
            "[[step]]\nname = \"read\"\nhttp.get = \"{{ api }}/x\"\nretry = { attempts = 3, backoff = \"10ms\" }\nexpect = [\"status == 200\"]\n",
        ))
        .await;
    assert_eq!(ran.reason(), Reason::Expectation);
    assert_eq!(target.lines().len(), 1);

    let ran = Journey::new(&target)
        .run(&steps(
            "[[step]]\nname = \"read\"\nhttp.post = \"http://127.0.0.1:1/x\"\nretry = { attempts = 3, backoff = \"10ms\" }\nexpect = [\"status == 200\"]\n",
        ))
        .await;
    assert_eq!((ran.reason(), ran.cause().attempts), (Reason::Connect, 3));
}

#[tokio::test]
async fn a_write_that_may_have_arrived_is_not_sent_again() {
    let target = Target::start(|_| Answer::json(200, "{}").after(Duration::from_mins(10))).await;
    let step = |method: &str| {
        steps(&format!(
            "[[step]]\nname = \"x\"\nhttp.{method} = \"{{{{ api }}}}/x\"\ntimeout = \"100ms\"\nretry = {{ attempts = 3, backoff = \"10ms\" }}\nexpect = [\"status == 200\"]\n"
        ))
    };
    let ran = Journey::new(&target).run(&step("post")).await;
    assert_eq!((ran.reason(), ran.cause().attempts), (Reason::Timeout, 1));
    let ran = Journey::new(&target).run(&step("get")).await;
    assert_eq!((ran.reason(), ran.cause().attempts), (Reason::Timeout, 3));
}

#[tokio::test]
async fn a_loop_is_sequential_counts_from_one_and_its_captures_become_a_list() {
    let target = Target::start(|seen| Answer::json(200, &format!(r#"{{"path":"{}"}}"#, seen.path))).await;
    let ran = Journey::new(&target)
        .run(&steps(
            r#"
            [[step]]
            name = "each"
            for_each = "item in ['a', 'b', 'c']"
            http.get = "{{ api }}/{{ round }}/{{ item }}"
            expect = ["status == 200"]
            capture = { paths = "json.path" }
            [[step]]
            name = "check"
            http.get = "{{ api }}/check"
            expect = ["paths == ['/1/a', '/2/b', '/3/c']"]
            "#,
        ))
        .await;
    ran.assert_passed();
    assert_eq!(target.lines(), ["GET /1/a", "GET /2/b", "GET /3/c", "GET /check"]);
    assert_eq!(ran.report.steps.iter().filter_map(|step| step.round).collect::<Vec<_>>(), [1, 2, 3]);
}

#[tokio::test]
async fn an_empty_loop_has_failed_unless_it_may_be_empty() {
    let target = Target::start(ok(r#"{"items":[]}"#)).await;
    let probe = |allow: &str| {
        steps(&format!(
            "[[step]]\nname = \"read\"\nhttp.get = \"{{{{ api }}}}/x\"\nexpect = [\"status == 200\"]\ncapture = {{ items = \"json.items\" }}\n\
             [[step]]\nname = \"each\"\nfor_each = \"item in items\"\n{allow}http.get = \"{{{{ api }}}}/{{{{ item }}}}\"\nexpect = [\"status == 200\"]\n"
        ))
    };
    let ran = Journey::new(&target).run(&probe("")).await;
    assert_eq!((ran.reason(), ran.report.verdict), (Reason::Empty, Verdict::Failed));
    let ran = Journey::new(&target).run(&probe("allow_empty = true\n")).await;
    ran.assert_passed();
}

#[tokio::test]
async fn what_is_no_list_cannot_be_looped_over() {
    let target = Target::start(ok(r#"{"items":"abc"}"#)).await;
    for items in ["items", "items.missing", "5"] {
        let ran = Journey::new(&target)
            .run(&steps(&format!(
                "[[step]]\nname = \"read\"\nhttp.get = \"{{{{ api }}}}/x\"\nexpect = [\"status == 200\"]\ncapture = {{ items = \"json.items\" }}\n\
                 [[step]]\nname = \"each\"\nfor_each = \"item in {items}\"\nhttp.get = \"{{{{ api }}}}/{{{{ item }}}}\"\nexpect = [\"status == 200\"]\n"
            )))
            .await;
        assert_eq!(ran.reason(), Reason::NotEvaluable, "{items}");
    }
}

#[tokio::test]
async fn one_failed_subject_does_not_stop_the_loop() {
    let target = Target::start(|seen| Answer::json(if seen.path == "/b" { 500 } else { 200 }, "{}")).await;
    let ran = Journey::new(&target)
        .run(&steps(
            r#"
            [[step]]
            name = "each"
            for_each = "item in ['a', 'b', 'c']"
            subject = "segment {{ item }}"
            http.get = "{{ api }}/{{ item }}"
            expect = ["status == 200"]
            "#,
        ))
        .await;
    assert_eq!(ran.reason(), Reason::Subject);
    assert_eq!(target.lines(), ["GET /a", "GET /b", "GET /c"]);
    assert!(ran.cause().message.contains("1 of 3 subjects failed (segment b)"), "{}", ran.cause().message);
    let subjects: Vec<_> =
        ran.report.steps.iter().map(|step| (step.subject.as_deref(), step.result == StepResult::Passed)).collect();
    assert_eq!(subjects, [(Some("segment a"), true), (Some("segment b"), false), (Some("segment c"), true)]);
}

#[tokio::test]
async fn without_a_subject_a_failed_iteration_ends_the_loop() {
    let target = Target::start(|seen| Answer::json(if seen.path == "/b" { 500 } else { 200 }, "{}")).await;
    let ran = Journey::new(&target)
        .run(&steps(
            "[[step]]\nname = \"each\"\nfor_each = \"item in ['a', 'b', 'c']\"\nhttp.get = \"{{ api }}/{{ item }}\"\nexpect = [\"status == 200\"]\n",
        ))
        .await;
    assert_eq!(ran.reason(), Reason::Expectation);
    assert_eq!(target.lines(), ["GET /a", "GET /b"]);
}

#[tokio::test]
async fn parallel_steps_are_in_flight_together_round_by_round() {
    // Each answer takes 300 ms; the second request of a round can only have arrived before the first was answered if both
    // were sent together.
    let target = Target::start(|_| Answer::json(200, r#"{"n":1}"#).after(Duration::from_millis(300))).await;
    let ran = Journey::new(&target)
        .run(&steps(
            r#"
            [[step]]
            name = "both"
            repeat = 2
              [[step.parallel]]
              name = "one"
              http.post = "{{ api }}/one/{{ round }}"
              expect = ["status == 200"]
              capture = { n = "json.n" }
              [[step.parallel]]
              name = "two"
              http.post = "{{ api }}/two/{{ round }}"
              expect = ["status == 200"]
            [[step]]
            name = "check"
            http.get = "{{ api }}/check"
            expect = ["n == [1, 1]"]
            "#,
        ))
        .await;
    ran.assert_passed();
    let seen = target.seen();
    for round in [&seen[0..2], &seen[2..4]] {
        let apart = round[1].at.duration_since(round[0].at);
        assert!(apart < Duration::from_millis(300), "{apart:?} apart");
    }
    assert!(seen[2].path.ends_with("/2") && seen[3].path.ends_with("/2"));
}

#[tokio::test]
async fn a_parallel_step_that_fails_lets_the_others_finish() {
    let target = Target::start(|seen| match seen.path.as_str() {
        "/bad" => Answer::json(500, "{}"),
        _ => Answer::json(200, "{}").after(Duration::from_millis(200)),
    })
    .await;
    let ran = Journey::new(&target)
        .run(&steps(
            r#"
            [[step]]
            name = "both"
              [[step.parallel]]
              name = "bad"
              http.get = "{{ api }}/bad"
              expect = ["status == 200"]
              [[step.parallel]]
              name = "slow"
              http.get = "{{ api }}/slow"
              expect = ["status == 200"]
            "#,
        ))
        .await;
    assert_eq!((ran.reason(), ran.cause().step.as_deref()), (Reason::Expectation, Some("bad")));
    let slow = ran.report.steps.iter().find(|step| &*step.name == "slow").unwrap();
    assert_eq!(slow.result, StepResult::Passed);
}

#[tokio::test]
async fn only_exactly_false_blocks() {
    let target = Target::start(|seen| match seen.path.as_str() {
        "/billable" => Answer::json(200, r#"{"test":false}"#),
        "/broken" => Answer::json(500, r#"{"test":false}"#),
        "/odd" => Answer::json(200, r#"{"test":"no"}"#),
        _ => Answer::json(200, "{}"),
    })
    .await;
    let guarded = |path: &str| {
        steps(&format!(
            "[[step]]\nname = \"plan\"\nhttp.get = \"{{{{ api }}}}{path}\"\nexpect = [\"status == 200\"]\nguard = [\"json.test\"]\n\
             [[step]]\nname = \"buy\"\nhttp.post = \"{{{{ api }}}}/buy\"\nexpect = [\"status == 200\"]\n"
        ))
    };
    let journey = Journey::new(&target);
    let blocked = journey.run(&guarded("/billable")).await;
    assert_eq!((blocked.report.verdict, blocked.reason()), (Verdict::Blocked, Reason::Guard));
    let failed = journey.run(&guarded("/broken")).await;
    assert_eq!((failed.report.verdict, failed.reason()), (Verdict::Failed, Reason::Expectation));
    for path in ["/odd", "/missing"] {
        let unclear = journey.run(&guarded(path)).await;
        assert_eq!((unclear.report.verdict, unclear.reason()), (Verdict::Failed, Reason::NotEvaluable), "{path}");
    }
    assert!(!target.lines().contains(&"POST /buy".to_owned()));
}

#[tokio::test]
async fn contract_and_expectations_are_judged_together() {
    let target = Target::start(ok(r#"{"id":5}"#)).await;
    let when = r#"{"type":"object","properties":{"id":{"type":"string","format":"date-time"}}}"#;
    let text = Target::start(ok(r#"{"id":"yesterday"}"#)).await;
    let ran = Journey::new(&text)
        .file("schema.json", when)
        .run(&steps(
            "[[step]]\nname = \"read\"\nhttp.get = \"{{ api }}/x\"\nexpect = [\"status == 200\"]\ncontract = \"schema.json\"\n",
        ))
        .await;
    assert_eq!(ran.reason(), Reason::Contract, "a format is asserted");
    let ran = Journey::new(&target)
        .file("schema.json", r#"{"type":"object","required":["id"],"properties":{"id":{"type":"string"}}}"#)
        .run(&steps(
            "[[step]]\nname = \"read\"\nhttp.get = \"{{ api }}/x\"\nexpect = [\"status == 200\"]\ncontract = \"schema.json\"\n",
        ))
        .await;
    assert_eq!(ran.reason(), Reason::Contract);
    assert_eq!(ran.report.steps[0].expectations.len(), 2);
    assert!(ran.cause().message.contains("/id"), "{}", ran.cause().message);
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
    let ran = Journey::new(&target).run(&steps(&(create("a") + &create("b")))).await;
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
            .run(&steps(&format!(
                "[[step]]\nname = \"create\"\nhttp.post = \"{url}\"\nexpect = [\"status == 201\"]\ncapture = {{ id = \"json.id\" }}\n\
                 [step.cleanup]\nhttp.delete = \"{{{{ api }}}}/{{{{ id }}}}\"\nexpect = [\"status == 200\"]\n"
            )))
            .await;
        assert_eq!(ran.report.verdict, Verdict::Failed);
        assert!(ran.cleanup.is_none(), "{url}");
    }
}

#[tokio::test]
async fn a_creation_with_an_unknown_end_that_cannot_be_undone_is_a_leak() {
    let target = Target::start(|_| Answer::json(200, "{}").after(Duration::from_mins(10))).await;
    let ran = Journey::new(&target)
        .run(&steps(
            "[[step]]\nname = \"create\"\nhttp.post = \"{{ api }}/x\"\ntimeout = \"200ms\"\nexpect = [\"status == 201\"]\ncapture = { id = \"json.id\" }\n\
             [step.cleanup]\nhttp.delete = \"{{ api }}/{{ id }}\"\nexpect = [\"status == 200\"]\n",
        ))
        .await;
    let CleanupResult::Leaked(leaked) = &ran.cleanup.as_ref().unwrap().result else { panic!("nothing leaked") };
    assert!(leaked[0].message.contains("may have created something"), "{}", leaked[0].message);
}

#[tokio::test]
async fn devices_have_their_own_cookies_and_headers() {
    let target = Target::start(|seen| match seen.path.as_str() {
        "/login" => Answer::json(200, "{}").header("set-cookie", &format!("who={}; Path=/", seen.header("user-agent"))),
        _ => Answer::json(200, "{}"),
    })
    .await;
    let ran = Journey::new(&target)
        .head("[devices.phone]\nheaders = { user-agent = \"phone\" }\n[devices.tablet]\nheaders = { user-agent = \"tablet\" }\n")
        .run(&steps(
            r#"
            [[step]]
            name = "sign in"
            for_each = "which in ['phone', 'tablet']"
            device = "{{ which }}"
            http.post = "{{ api }}/login"
            expect = ["status == 200"]
            [[step]]
            name = "phone"
            device = "phone"
            http.get = "{{ api }}/me"
            expect = ["status == 200"]
            [[step]]
            name = "nobody"
            http.get = "{{ api }}/me"
            expect = ["status == 200"]
            "#,
        ))
        .await;
    ran.assert_passed();
    let seen = target.seen();
    assert_eq!(seen[2].header("cookie"), "who=phone");
    assert_eq!(seen[3].header("cookie"), "");
}

#[tokio::test]
async fn a_missing_secret_is_the_probers_fault_and_a_present_one_is_never_shown() {
    let target = Target::start(|seen| Answer::json(200, &format!(r#"{{"echo":"{}"}}"#, seen.header("authorization")))).await;
    let step = "[[step]]\nname = \"read\"\nhttp.get = \"{{ api }}/x\"\nhttp.headers = { authorization = \"Bearer {{ secret.token }}\" }\nexpect = [\"json.echo == 'x'\"]\ncapture = { echo = \"json.echo\" }\n";
    let missing = Journey::new(&target).secret("token", None).run(&steps(step)).await;
    assert_eq!((missing.report.verdict, missing.reason()), (Verdict::Errored, Reason::Secret));
    let present = Journey::new(&target).secret("token", Some("s3cr3t-value")).run(&steps(step)).await;
    assert_eq!(present.reason(), Reason::Expectation);
    let shown = format!("{:?}", present.report);
    assert!(!shown.contains("s3cr3t-value"), "{shown}");
    assert!(shown.contains("•••"));
}

#[tokio::test]
async fn every_request_carries_the_run_and_the_attempt() {
    let target = Target::start(ok("{}")).await;
    let ran = Journey::new(&target)
        .run(&steps("[[step]]\nname = \"read\"\nhttp.get = \"{{ api }}/x\"\nexpect = [\"status == 200\"]\n"))
        .await;
    let seen = &target.seen()[0];
    assert_eq!(seen.header("x-canary-run-id"), ran.report.run_id.to_string());
    let span = ran.report.steps[0].attempts[0].span_id;
    assert_eq!(seen.header("traceparent"), format!("00-{}-{span}-01", ran.report.trace_id));
}

#[tokio::test]
async fn a_run_that_shutdown_cuts_is_the_probers_fault() {
    let target = Target::start(|_| Answer::json(200, "{}").after(Duration::from_mins(10))).await;
    let journey = Journey::new(&target);
    journey.cancel.cancel();
    let ran = journey.run(&steps("[[step]]\nname = \"read\"\nhttp.get = \"{{ api }}/x\"\nexpect = [\"status == 200\"]\n")).await;
    assert_eq!((ran.report.verdict, ran.reason()), (Verdict::Errored, Reason::Shutdown));
}

#[tokio::test]
async fn a_panic_inside_a_run_becomes_that_runs_errored() {
    let target = Target::start(ok("{}")).await;
    let ran = Journey::new(&target)
        .panicking_var("boom")
        .run(&steps("[[step]]\nname = \"read\"\nhttp.get = \"{{ api }}/{{ boom.now }}\"\nexpect = [\"status == 200\"]\n"))
        .await;
    assert_eq!((ran.report.verdict, ran.reason()), (Verdict::Errored, Reason::Internal));
}

#[tokio::test]
async fn when_decides_about_a_step_and_must_be_a_truth_value() {
    let target = Target::start(ok("{}")).await;
    let probe = |when: &str| {
        steps(&format!(
            "[[step]]\nname = \"maybe\"\nhttp.get = \"{{{{ api }}}}/maybe\"\nwhen = \"{when}\"\nexpect = [\"status == 200\"]\n\
             [[step]]\nname = \"always\"\nhttp.get = \"{{{{ api }}}}/always\"\nexpect = [\"status == 200\"]\n"
        ))
    };
    let ran = Journey::new(&target).run(&probe("region == 'nowhere'")).await;
    ran.assert_passed();
    assert_eq!(ran.report.steps[0].result, StepResult::NotNeeded);
    assert_eq!(target.lines(), ["GET /always"]);
    let ran = Journey::new(&target).run(&probe("region")).await;
    assert_eq!(ran.reason(), Reason::NotEvaluable);
}
