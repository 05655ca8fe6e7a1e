//! What is judged, how strictly, and what becomes of it.

use serinus::outcome::{Held, Reason, StepResult, Verdict};

use super::ok;
use crate::journey::Journey;
use crate::target::{Answer, Target};

#[tokio::test]
async fn a_journey_whose_expectations_hold_passes() {
    let target = Target::start(ok(r#"{"status":"activated"}"#)).await;
    let ran = Journey::new(&target)
        .run(
            r#"
            [[step]]
            name = "read"
            http.get = "{{ api }}/x"
            expect = ["status == 200", "json.status == 'activated'"]
            "#,
        )
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
        .run(
            r#"
            [[step]]
            name = "read"
            http.get = "{{ api }}/x"
            when = "1 == 2"
            expect = ["status == 200"]
            "#,
        )
        .await;
    assert_eq!(ran.reason(), Reason::NotEvaluable);
    assert_eq!(ran.report.verdict, Verdict::Failed);
    assert!(target.lines().is_empty());
}

#[tokio::test]
async fn the_first_failed_step_ends_the_run_and_says_what_it_saw() {
    let target = Target::start(ok(r#"{"status":"pending"}"#)).await;
    let ran = Journey::new(&target)
        .run(
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
        )
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
        .run(
            r#"
            [[step]]
            name = "read"
            http.get = "{{ api }}/x"
            expect = ["json.a == 2", "status == 200", "json.b.c == 1"]
            "#,
        )
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
            .run(&format!("[[step]]\nname = \"read\"\nhttp.get = \"{{{{ api }}}}/x\"\nexpect = [\"{expectation}\"]\n"))
            .await;
        assert_eq!(ran.reason(), Reason::NotEvaluable, "{expectation}");
    }
}

#[tokio::test]
async fn an_answer_that_is_not_json_says_so() {
    let target = Target::start(|_| Answer::text(502, "<html>bad gateway</html>")).await;
    let ran =
        Journey::new(&target).run("[[step]]\nname = \"read\"\nhttp.get = \"{{ api }}/x\"\nexpect = [\"json.a == 1\"]\n").await;
    assert_eq!(ran.reason(), Reason::NotEvaluable);
    assert!(ran.cause().message.contains("status 502, is not JSON"), "{}", ran.cause().message);
}

#[tokio::test]
async fn a_capture_that_is_null_has_failed() {
    // Otherwise `json.id == id` would hold later, of two nulls.
    let target = Target::start(ok(r#"{"id":null}"#)).await;
    let probe = |capture: &str| {
        format!(
            "[[step]]\nname = \"read\"\nhttp.get = \"{{{{ api }}}}/x\"\nexpect = [\"status == 200\"]\ncapture = {{ id = \"{capture}\" }}\n"
        )
    };
    let ran = Journey::new(&target).run(&probe("json.id")).await;
    assert_eq!(ran.reason(), Reason::NotEvaluable);
    assert!(ran.cause().message.contains("it is null"), "{}", ran.cause().message);
    Journey::new(&target).run(&probe("json.id | default('none', true)")).await.assert_passed();
}

#[tokio::test]
async fn captures_keep_their_type_on_their_way_into_the_next_request() {
    let target = Target::start(ok(r#"{"id":"007","big":12345678901234567890,"list":[1,2],"yes":true,"x":1.5}"#)).await;
    let ran = Journey::new(&target)
        .run(r#"
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
            "#)
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
        format!(
            "[[step]]\nname = \"read\"\nhttp.get = \"{{{{ api }}}}/read\"\nexpect = [\"status == 200\"]\ncapture = {{ id = \"json.id\" }}\n\
             [[step]]\nname = \"use\"\nhttp.get = \"{url}\"\nexpect = [\"status == 200\"]\n"
        )
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
        .run(
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
        )
        .await;
    assert_eq!((ran.reason(), ran.cause().step.as_deref()), (Reason::NotEvaluable, Some("uses")));
    assert_eq!(target.lines(), ["GET /broken", "GET /good"]);
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
        format!(
            "[[step]]\nname = \"plan\"\nhttp.get = \"{{{{ api }}}}{path}\"\nexpect = [\"status == 200\"]\nguard = [\"json.test\"]\n\
             [[step]]\nname = \"buy\"\nhttp.post = \"{{{{ api }}}}/buy\"\nexpect = [\"status == 200\"]\n"
        )
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
        .run("[[step]]\nname = \"read\"\nhttp.get = \"{{ api }}/x\"\nexpect = [\"status == 200\"]\ncontract = \"schema.json\"\n")
        .await;
    assert_eq!(ran.reason(), Reason::Contract, "a format is asserted");
    let ran = Journey::new(&target)
        .file("schema.json", r#"{"type":"object","required":["id"],"properties":{"id":{"type":"string"}}}"#)
        .run("[[step]]\nname = \"read\"\nhttp.get = \"{{ api }}/x\"\nexpect = [\"status == 200\"]\ncontract = \"schema.json\"\n")
        .await;
    assert_eq!(ran.reason(), Reason::Contract);
    assert_eq!(ran.report.steps[0].expectations.len(), 2);
    assert!(ran.cause().message.contains("/id"), "{}", ran.cause().message);
}

#[tokio::test]
async fn a_missing_secret_is_the_probers_fault_and_a_present_one_is_never_shown() {
    let target = Target::start(|seen| Answer::json(200, &format!(r#"{{"echo":"{}"}}"#, seen.header("authorization")))).await;
    let step = "[[step]]\nname = \"read\"\nhttp.get = \"{{ api }}/x\"\nhttp.headers = { authorization = \"Bearer {{ secret.token }}\" }\nexpect = [\"json.echo == 'x'\"]\ncapture = { echo = \"json.echo\" }\n";
    let missing = Journey::new(&target).secret("token", None).run(step).await;
    assert_eq!((missing.report.verdict, missing.reason()), (Verdict::Errored, Reason::Secret));
    let present = Journey::new(&target).secret("token", Some("s3cr3t-value")).run(step).await;
    assert_eq!(present.reason(), Reason::Expectation);
    let shown = format!("{:?}", present.report);
    assert!(!shown.contains("s3cr3t-value"), "{shown}");
    assert!(shown.contains("•••"));
}

#[tokio::test]
async fn when_decides_about_a_step_and_must_be_a_truth_value() {
    let target = Target::start(ok("{}")).await;
    let probe = |when: &str| {
        format!(
            "[[step]]\nname = \"maybe\"\nhttp.get = \"{{{{ api }}}}/maybe\"\nwhen = \"{when}\"\nexpect = [\"status == 200\"]\n\
             [[step]]\nname = \"always\"\nhttp.get = \"{{{{ api }}}}/always\"\nexpect = [\"status == 200\"]\n"
        )
    };
    let ran = Journey::new(&target).run(&probe("region == 'nowhere'")).await;
    ran.assert_passed();
    assert_eq!(ran.report.steps[0].result, StepResult::NotNeeded);
    assert_eq!(target.lines(), ["GET /always"]);
    let ran = Journey::new(&target).run(&probe("region")).await;
    assert_eq!(ran.reason(), Reason::NotEvaluable);
}

#[tokio::test]
async fn what_is_called_a_token_is_shown_nowhere() {
    let target = Target::start(|_| Answer::json(200, r#"{"access_token":"t0p-of-the-morning","kind":"bearer"}"#)).await;
    let ran = Journey::new(&target)
        .head("[vars]\nown_password = \"{{ 't0p-' ~ 'of-the-morning' }}\"\n")
        .run(
            r#"
            [[step]]
            name = "sign in"
            http.post = "{{ api }}/login"
            expect = ["status == 200"]
            capture = { login_token = "json.access_token", kind = "json.kind" }
            [[step]]
            name = "use it"
            http.post = "{{ api }}/x"
            http.query = { access_token = "{{ login_token }}" }
            http.headers = { x-api-key = "{{ login_token }}" }
            http.json = { password = "{{ own_password }}" }
            expect = ["json.access_token != login_token", "json.kind == 'other'"]
            "#,
        )
        .await;
    assert_eq!(target.seen()[1].header("x-api-key"), "t0p-of-the-morning");
    let shown = format!("{:?}", ran.report);
    assert!(!shown.contains("t0p-of"), "{shown}");
    assert!(shown.contains(r#"("kind", "\"bearer\"")"#), "{shown}");
    assert!(shown.contains("access_token=•••"), "{shown}");
}
