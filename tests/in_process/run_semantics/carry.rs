//! What attempts of a step hand on to each other: `carry` and `collect`.

use std::sync::Arc;

use serde_json::json;
use serinus::outcome::{Reason, Verdict};

use crate::book::Book;
use crate::journey::{Journey, Ran};
use crate::target::{Answer, Target};

const FOLLOW: &str = r#"
    [[step]]
    name = "follow"
    http.get = "{{ api }}/sync"
    http.query = { since = "{{ cursor }}" }
    carry = { cursor = { from = "'s0'", next = "json.next" } }
    collect = { events = "json.events", numbers = "json.number" }
    eventually = { within = "20s", poll = "10ms" }
    expect = ["status == 200", "events | length == 3"]
    capture = { asked_with = "cursor" }
    [[step]]
    name = "use"
    http.get = "{{ api }}/use"
    http.query = { cursor = "{{ cursor }}", asked = "{{ asked_with }}", events = "{{ events | join }}", numbers = "{{ numbers | join }}" }
    expect = ["status == 200"]
"#;

/// Queries of a path, in their order.
fn queries(target: &Target, path: &str) -> Vec<String> {
    target.seen().into_iter().filter(|seen| seen.path == path).map(|seen| seen.query).collect()
}

#[tokio::test]
async fn a_cursor_goes_from_answer_to_answer_and_lists_grow_until_the_step_holds() {
    let target = Target::start(|seen| match (seen.path.as_str(), seen.nth) {
        ("/sync", 0) => Answer::json(200, r#"{"events":["a"],"next":"s1","number":1}"#),
        // What has no cursor, or null, or is an error, leaves the cursor where it was.
        ("/sync", 1) => Answer::json(500, "{}"),
        ("/sync", 2) => Answer::json(200, r#"{"events":[],"next":null,"number":null}"#),
        ("/sync", 3) => Answer::json(502, r#"{"events":["b"],"next":"s2"}"#),
        ("/sync", _) => Answer::json(200, r#"{"events":["c"],"next":"s3","number":2}"#),
        _ => Answer::json(200, "{}"),
    })
    .await;
    let ran = Journey::new(&target).run(FOLLOW).await;
    ran.assert_passed();
    assert_eq!(queries(&target, "/sync"), ["since=s0", "since=s1", "since=s1", "since=s1", "since=s2"]);
    assert_eq!(queries(&target, "/use"), ["cursor=s3&asked=s2&events=abc&numbers=12"]);
    let shown = &ran.report.steps[0].captures;
    let shown: Vec<_> = shown.iter().map(|(name, value)| (&**name, value.as_str())).collect();
    assert_eq!(shown, [("asked_with", "\"s2\""), ("cursor", "\"s3\""), ("events", r#"["a","b","c"]"#), ("numbers", "[1,2]")]);
}

#[tokio::test]
async fn attempts_without_an_answer_hand_on_what_they_were_handed() {
    let steps = r#"
        [[step]]
        name = "count"
        exec.command = ["/bin/sh", "-c", '[ "$1" -lt 3 ] || exec sleep 300; echo "$1"', "sh", "{{ n }}"]
        timeout = "2s"
        carry = { n = { from = "1", next = "n + 1" } }
        collect = { seen = "stdout | trim | int" }
        eventually = { within = "5s", poll = "10ms" }
        expect = ["seen == []"]
        "#;
    let target = Target::start(|_| Answer::json(200, "{}")).await;
    let ran = Journey::new(&target).run(steps).await;
    assert_eq!((ran.report.verdict, ran.reason()), (Verdict::Failed, Reason::Timeout), "{:?}", ran.report.cause);
    let step = &ran.report.steps[0];
    assert!(step.attempts_made > 3 && step.captures.is_empty());
    assert_eq!(step.attempts[1].failure.as_ref().unwrap().0, Reason::Expectation);
    assert!(step.attempts[2..].iter().all(|attempt| attempt.failure.as_ref().unwrap().0 == Reason::Timeout), "{step:#?}");
}

#[tokio::test]
async fn what_goes_on_holding_is_handed_on_too_and_each_round_of_a_loop_begins_anew() {
    let target = Target::start(|seen| Answer::json(200, &format!(r#"{{"next":{}}}"#, seen.nth + 1))).await;
    let steps = r#"
        [[step]]
        name = "each"
        for_each = "letter in ['a', 'b']"
        http.get = "{{ api }}/{{ letter }}"
        http.query = { n = "{{ n }}" }
        carry = { n = { from = "0", next = "json.next" } }
        collect = { all = "json.next" }
        consistently = { for = "60ms", poll = "20ms" }
        expect = ["json.next == n + 1", "all | length == attempt"]
        [[step]]
        name = "lists"
        http.get = "{{ api }}/lists"
        expect = ["n | length == 2", "all | length == 2", "all[0][:2] == [1, 2]", "n[1] == all[1] | last", "n[1] >= 2"]
        "#;
    Journey::new(&target).run(steps).await.assert_passed();
    for path in ["/a", "/b"] {
        assert_eq!(queries(&target, path)[..2], ["n=0", "n=1"]);
    }
}

#[tokio::test]
async fn what_cannot_be_handed_on_is_a_failed_attempt_like_any_other() {
    let target = Target::start(|seen| match (seen.path.as_str(), seen.nth) {
        ("/late", 0) => Answer::text(200, "<html>"),
        ("/text", _) => Answer::json(200, r#"{"next":"a","events":"b"}"#),
        _ => Answer::json(200, r#"{"next":{"at":1},"events":["a"]}"#),
    })
    .await;
    let step = |path: &str, keys: &str| {
        format!(
            "[[step]]\nname = \"read\"\nhttp.get = \"{{{{ api }}}}/{path}\"\neventually = {{ within = \"1s\", poll = \"20ms\" }}\n\
             expect = [\"status == 200\"]\n{keys}\n"
        )
    };
    let carry = "carry = { at = { from = \"0\", next = \"json.next.at\" } }";
    let ran = Journey::new(&target).run(&step("late", carry).replace("1s", "20s")).await;
    ran.assert_passed();
    let (reason, message) = ran.report.steps[0].attempts[0].failure.clone().unwrap();
    assert_eq!((reason, ran.report.steps[0].attempts_made), (Reason::NotEvaluable, 2));
    assert!(message.contains("`carry.at.next = \"json.next.at\"` could not be evaluated"), "{message}");
    assert!(message.contains("is not JSON"), "{message}");

    for (keys, what) in [
        (carry, "carry.at.next = json.next.at"),
        ("collect = { events = \"json.events.all\" }", "collect.events = json.events.all"),
    ] {
        let ran = Journey::new(&target).run(&step("text", keys)).await;
        let cause = ran.cause();
        assert_eq!((cause.reason, cause.expectation.as_deref()), (Reason::NotEvaluable, Some(what)));
        assert!(cause.attempts > 1 && cause.message.contains("it did not hold within 1s"), "{}", cause.message);
        let location = cause.location.as_ref().unwrap();
        assert!(location.line > 1 && location.column > 1, "{location:?}");
        // What an expectation says of the answer is worth more.
        let refused = step("text", keys).replace("status == 200", "status == 201");
        assert_eq!(Journey::new(&target).run(&refused).await.reason(), Reason::Expectation);
    }

    for from in ["[none][0]", "[1][5]"] {
        let keys = format!("carry = {{ at = {{ from = \"{from}\", next = \"json.next\" }} }}");
        let before = target.lines().len();
        let ran = Journey::new(&target).run(&step("never", &keys)).await;
        assert_eq!((ran.reason(), ran.report.steps[0].attempts_made), (Reason::NotEvaluable, 0));
        assert!(ran.cause().message.contains("carry.at.from"), "{}", ran.cause().message);
        assert_eq!(target.lines().len(), before, "nothing was sent");
    }
}

/// A step that collects for a minute, and what came of it.
async fn collecting(body: String) -> Ran {
    let target = Target::start(move |_| Answer::json(200, &body)).await;
    Journey::new(&target)
        .deadline("50s")
        .run(
            "[[step]]\nname = \"read\"\nhttp.get = \"{{ api }}/x\"\neventually = { within = \"40s\", poll = \"10ms\" }\n\
             collect = { few = \"json.few\", many = \"json.many\" }\nexpect = [\"many | length == 1\"]\n",
        )
        .await
}

#[tokio::test]
async fn lists_are_bounded_and_a_full_one_ends_the_step_at_once_and_says_so() {
    let items = vec!["1"; 3_000].join(",");
    let ran = collecting(format!(r#"{{"few":[1],"many":[{items}]}}"#)).await;
    let cause = ran.cause();
    assert_eq!((ran.report.verdict, cause.reason, cause.attempts), (Verdict::Failed, Reason::NotEvaluable, 4));
    assert_eq!(cause.expectation.as_deref(), Some("collect.many = json.many"));
    assert_eq!(
        cause.message,
        "`collect.many = \"json.many\"`: all attempts together gave more than 10000 items; collect less of each answer; and of this \
         answer: `many | length == 1` does not hold: `many | length` was 9000"
    );
    let ran = collecting(format!(r#"{{"few":"{}","many":[1, 2]}}"#, "x".repeat(1 << 20))).await;
    assert_eq!((ran.reason(), ran.cause().attempts), (Reason::NotEvaluable, 4));
    assert!(ran.cause().message.contains("is larger than 4 MiB"), "{}", ran.cause().message);
}

#[tokio::test]
async fn nothing_carried_that_is_made_of_a_secret_is_written_down_or_shown() {
    let target = Target::start(|seen| match seen.method.as_str() {
        "PUT" => Answer::json(201, r#"{"next":"other","token":"t0k3n-of-the-answer"}"#),
        _ => Answer::json(200, "{}"),
    })
    .await;
    let book = Arc::new(Book::default());
    let step = r#"
        [[step]]
        name = "create"
        http.put = "{{ api }}/x"
        http.headers = { x-login = "{{ login }}", x-next = "{{ sid }}" }
        carry = { login = { from = "secret.pass ~ '!'", next = "json.next" }, sid = { from = "'first'", next = "json.token" } }
        collect = { given = "json.token", deep = "[[json.token]]" }
        consistently = { for = "30ms", poll = "20ms" }
        expect = ["status == 201"]
        capture = { again = "sid" }
          [step.cleanup]
          http.delete = "{{ api }}/x"
          http.headers = { x-next = "{{ again }}" }
          expect = ["status == 200"]
        "#;
    let finished = Journey::new(&target).ledger(&book).secret("pass", Some("hunter22")).start(step).await;
    assert!(finished.cleanup.is_some() && !book.entries().is_empty());
    for entry in book.entries() {
        assert_eq!(entry.names, json!({}), "neither the secret nor what is called a token");
    }
    let report = format!("{:?}", finished.report);
    assert!(!report.contains("hunter22") && !report.contains("sid, \"t0k3n"), "{report}");
    let shown = &finished.report.steps[0].captures;
    for credential in ["sid", "given", "deep", "again"] {
        let (_, shown) = shown.iter().find(|(name, _)| &**name == credential).unwrap();
        assert!(!shown.contains("t0k3n"), "{credential}: {shown}");
    }
}

#[tokio::test]
async fn a_credential_that_went_from_name_to_name_is_neither_written_down_nor_shown_whatever_their_order() {
    let target = Target::start(|_| Answer::json(201, r#"{"token":"t0k3n-of-the-answer","id":"i1"}"#)).await;
    let book = Arc::new(Book::default());
    let step = r#"
        [[step]]
        name = "create"
        http.put = "{{ api }}/x"
        carry = { a = { from = "'a'", next = "b" }, b = { from = "'b'", next = "c | last" }, id = { from = "'i0'", next = "json.id" } }
        collect = { c = "json.token", d = "a", f = "[a, b]" }
        eventually = { within = "20s", poll = "10ms" }
        expect = ["attempt == 5"]
        capture = { e = "d | last" }
          [step.cleanup]
          http.delete = "{{ api }}/x/{{ e }}"
          expect = ["status == 201"]
        [[step]]
        name = "compare"
        http.get = "{{ api }}/x"
        expect = ["e == 'another'"]
        "#;
    let finished = Journey::new(&target).ledger(&book).start(step).await;
    assert!(finished.cleanup.is_some() && !book.entries().is_empty());
    for entry in book.entries() {
        assert_eq!(entry.names, json!({}));
    }
    let cause = finished.report.cause.as_ref().unwrap();
    assert_eq!((cause.reason, cause.step.as_deref()), (Reason::Expectation, Some("compare")));
    let shown = format!("{:?} {cause:?}", finished.report.steps[0].captures);
    assert!(!shown.contains("t0k3n") && shown.contains("(\"id\", \"\\\"i1\\\"\")"), "{shown}");
}
