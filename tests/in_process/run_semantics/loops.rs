//! Loops, subjects and barriers.

use std::time::Duration;

use serinus::outcome::{Reason, StepResult, Verdict};

use super::ok;
use crate::journey::Journey;
use crate::target::{Answer, Target};

#[tokio::test]
async fn a_loop_is_sequential_counts_from_one_and_its_captures_become_a_list() {
    let target = Target::start(|seen| Answer::json(200, &format!(r#"{{"path":"{}"}}"#, seen.path))).await;
    let ran = Journey::new(&target)
        .run(
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
        )
        .await;
    ran.assert_passed();
    assert_eq!(target.lines(), ["GET /1/a", "GET /2/b", "GET /3/c", "GET /check"]);
    assert_eq!(ran.report.steps.iter().filter_map(|step| step.round).collect::<Vec<_>>(), [1, 2, 3]);
}

#[tokio::test]
async fn an_empty_loop_has_failed_unless_it_may_be_empty() {
    let target = Target::start(ok(r#"{"items":[]}"#)).await;
    let probe = |allow: &str| {
        format!(
            "[[step]]\nname = \"read\"\nhttp.get = \"{{{{ api }}}}/x\"\nexpect = [\"status == 200\"]\ncapture = {{ items = \"json.items\" }}\n\
             [[step]]\nname = \"each\"\nfor_each = \"item in items\"\n{allow}http.get = \"{{{{ api }}}}/{{{{ item }}}}\"\nexpect = [\"status == 200\"]\n"
        )
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
            .run(&format!(
                "[[step]]\nname = \"read\"\nhttp.get = \"{{{{ api }}}}/x\"\nexpect = [\"status == 200\"]\ncapture = {{ items = \"json.items\" }}\n\
                 [[step]]\nname = \"each\"\nfor_each = \"item in {items}\"\nhttp.get = \"{{{{ api }}}}/{{{{ item }}}}\"\nexpect = [\"status == 200\"]\n"
            ))
            .await;
        assert_eq!(ran.reason(), Reason::NotEvaluable, "{items}");
    }
}

#[tokio::test]
async fn a_list_that_is_far_too_long_is_not_looped_over() {
    let target = Target::start(|_| Answer::json(200, &format!(r#"{{"items":[0{}]}}"#, ",0".repeat(10_000)))).await;
    let probe = (r#"
        [[step]]
        name = "read"
        http.get = "{{ api }}/x"
        expect = ["status == 200"]
        capture = { items = "json.items" }
        [[step]]
        name = "each"
        for_each = "item in items"
        http.get = "{{ api }}/{{ item }}"
        expect = ["status == 200"]
        "#)
    .to_owned();
    let ran = Journey::new(&target).run(&probe).await;
    assert_eq!((ran.reason(), target.lines().len()), (Reason::NotEvaluable, 1));
    assert!(ran.cause().message.contains("`items` has more than 10000 items"), "{}", ran.cause().message);
}

#[tokio::test]
async fn one_failed_subject_does_not_stop_the_loop() {
    let target = Target::start(|seen| Answer::json(if seen.path == "/b" { 500 } else { 200 }, "{}")).await;
    let ran = Journey::new(&target)
        .run(
            r#"
            [[step]]
            name = "each"
            for_each = "item in ['a', 'b', 'c']"
            subject = "segment {{ item }}"
            http.get = "{{ api }}/{{ item }}"
            expect = ["status == 200"]
            "#,
        )
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
        .run("[[step]]\nname = \"each\"\nfor_each = \"item in ['a', 'b', 'c']\"\nhttp.get = \"{{ api }}/{{ item }}\"\nexpect = [\"status == 200\"]\n")
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
        .run(
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
        )
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
async fn a_parallel_step_that_is_refused_is_told_inside_its_parallel() {
    let target = Target::start(ok("{}")).await;
    let ran = Journey::new(&target)
        .head("[vars]\nflag = \"yes\"\n")
        .run(
            r#"
            [[step]]
            name = "both"
            repeat = 2
              [[step.parallel]]
              name = "one"
              http.get = "{{ api }}/1"
              when = "flag"
              expect = ["status == 200"]
              [[step.parallel]]
              name = "two"
              http.get = "{{ api }}/2"
              expect = ["status == 200"]
            "#,
        )
        .await;
    assert_eq!((ran.reason(), ran.cause().step.as_deref()), (Reason::NotEvaluable, Some("one")));
    let step = |name: &str| ran.report.steps.iter().find(|step| &*step.name == name).expect("it is in the report");
    assert_eq!((step("one").parent, step("one").round), (Some(step("both").span_id), Some(1)));
}

#[tokio::test]
async fn a_parallel_step_that_fails_lets_the_others_finish() {
    let target = Target::start(|seen| match seen.path.as_str() {
        "/bad" => Answer::json(500, "{}"),
        _ => Answer::json(200, "{}").after(Duration::from_millis(200)),
    })
    .await;
    let ran = Journey::new(&target)
        .run(
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
        )
        .await;
    assert_eq!((ran.reason(), ran.cause().step.as_deref()), (Reason::Expectation, Some("bad")));
    let slow = ran.report.steps.iter().find(|step| &*step.name == "slow").unwrap();
    assert_eq!(slow.result, StepResult::Passed);
}
