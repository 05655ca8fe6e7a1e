//! Feeds that misbehave: nothing that `collect` cannot take in may pass by unseen.

use serinus::outcome::{Reason, Verdict};

use crate::journey::Journey;
use crate::target::{Answer, Target};

const SINCE: &str =
    "http.query = { since = \"{{ cursor }}\" }\ncarry = { cursor = { from = \"'start'\", next = \"json.next\" } }\n";

/// A step that polls `/feed` for a second.
fn follow(keys: &str) -> String {
    format!(
        "[[step]]\nname = \"follow\"\nhttp.get = \"{{{{ api }}}}/feed\"\neventually = {{ within = \"1s\", poll = \"20ms\" }}\n{keys}\n"
    )
}

/// The same with time enough.
fn patient(keys: &str) -> String {
    follow(keys).replace("1s", "20s")
}

#[tokio::test]
async fn one_odd_item_of_a_batch_is_no_empty_batch_and_the_cursor_stays_before_it() {
    let target = Target::start(|seen| match seen.query.as_str() {
        "since=start" => Answer::json(200, r#"{"events":[{"id":"a"},{"id":"a"},{}],"next":"s1"}"#),
        _ => Answer::json(200, r#"{"events":[{"id":"b"}],"next":"s1"}"#),
    })
    .await;
    for ids in ["json.events | map(attribute='id')", "json.events | selectattr('id') | list", "[json.events[0].id, json.last.id]"]
    {
        let keys = format!("{SINCE}collect = {{ ids = \"{ids}\" }}\nexpect = [\"ids | unique | length == ids | length\"]");
        let ran = Journey::new(&target).run(&follow(&keys)).await;
        assert_eq!((ran.report.verdict, ran.reason()), (Verdict::Failed, Reason::NotEvaluable), "{ids}");
        assert_eq!(ran.cause().expectation.as_deref(), Some(&*format!("collect.ids = {ids}")));
        assert!(ran.cause().attempts > 1);
    }
    assert!(target.seen().iter().all(|seen| seen.query == "since=start"), "what could not be collected is not passed over");
}

#[tokio::test]
async fn a_batch_before_a_cursor_that_cannot_be_read_is_not_kept_either() {
    let target = Target::start(|seen| match seen.nth {
        0 => Answer::json(200, r#"{"events":["a"],"next":"x"}"#),
        _ => Answer::json(200, r#"{"events":["b"],"next":"7"}"#),
    })
    .await;
    let keys = "carry = { at = { from = \"0\", next = \"json.next | int\" } }\ncollect = { events = \"json.events\" }\n\
                expect = [\"events == ['b']\"]";
    let ran = Journey::new(&target).run(&patient(keys)).await;
    ran.assert_passed();
    assert_eq!(ran.report.steps[0].attempts_made, 2);
}

#[tokio::test]
async fn a_list_that_no_answer_ever_had_is_no_empty_list() {
    let forbidden = Target::start(|_| Answer::json(200, r#"{"events":["forbidden"]}"#)).await;
    let collecting = |what: &str| format!("collect = {{ events = \"{what}\" }}\nexpect = [\"'forbidden' not in events\"]");
    let ran = Journey::new(&forbidden).run(&follow(&collecting("json.evnts"))).await;
    assert_eq!((ran.report.verdict, ran.reason()), (Verdict::Failed, Reason::NotEvaluable));
    assert_eq!(ran.cause().expectation.as_deref(), Some("collect.events = json.evnts"));
    for part in ["no answer had it", "but `events`", "| default([])"] {
        assert!(ran.cause().message.contains(part), "{part}: {}", ran.cause().message);
    }
    // Who says that it may be missing is believed, and so is an answer that has it at last, or had it once.
    Journey::new(&forbidden).run(&follow(&collecting("json.evnts | default([])"))).await.assert_passed();
    let late = Target::start(|seen| Answer::json(200, if seen.nth == 1 { r#"{"events":null}"# } else { "{}" })).await;
    let keys = format!("{}\nconsistently = {{ for = \"60ms\", poll = \"20ms\" }}", collecting("json.events"));
    let ran = Journey::new(&late).run(&patient(&keys)).await;
    ran.assert_passed();
    assert_eq!(ran.report.steps[0].attempts[0].failure.as_ref().unwrap().0, Reason::NotEvaluable);
    assert!(ran.report.steps[0].attempts[1..].iter().all(|attempt| attempt.failure.is_none()));
}

#[tokio::test]
async fn the_page_before_a_cursor_that_stays_is_collected_once_and_what_it_gains_is_added() {
    let target = Target::start(|seen| match (seen.query.as_str(), seen.nth) {
        ("since=start", _) => Answer::json(200, r#"{"events":["a","b"],"next":"s1"}"#),
        (_, 1) => Answer::json(200, r#"{"events":["b"]}"#),
        (_, 2) => Answer::json(200, r#"{"events":["b","c","c"],"next":null}"#),
        _ => Answer::json(200, r#"{"events":[]}"#),
    })
    .await;
    let keys = format!(
        "{SINCE}collect = {{ events = \"json.events\" }}\nconsistently = {{ for = \"60ms\", poll = \"20ms\" }}\n\
         expect = [\"events == ['a', 'b', 'b', 'c', 'c']\"]"
    );
    let ran = Journey::new(&target).run(&patient(&keys)).await;
    ran.assert_passed();
    assert!(ran.report.steps[0].attempts_made > 3, "and it stays so");
}

#[tokio::test]
async fn a_guard_that_says_no_does_not_hide_what_could_not_be_collected() {
    let target = Target::start(|_| Answer::json(200, r#"{"events":[{}],"open":false}"#)).await;
    let keys = "collect = { ids = \"json.events | map(attribute='id')\" }\nguard = [\"json.open\"]\nexpect = [\"status == 200\"]";
    let ran = Journey::new(&target).run(&follow(keys)).await;
    assert_eq!((ran.report.verdict, ran.reason()), (Verdict::Failed, Reason::NotEvaluable));
}

#[tokio::test]
async fn what_comes_again_although_the_target_said_where_to_go_on_is_a_duplicate() {
    let target = Target::start(|_| Answer::json(200, r#"{"events":[{"id":"e1"},{"id":"e2"}],"next":"c0"}"#)).await;
    let ran = Journey::new(&target)
        .run(
            "[[step]]\nname = \"read\"\nhttp.get = \"{{ api }}/feed\"\nhttp.query = { since = \"{{ cursor }}\" }\n\
             carry = { cursor = { from = \"'c0'\", next = \"json.next\" } }\ncollect = { events = \"json.events\" }\n\
             eventually = { within = \"1s\", poll = \"10ms\" }\nconsistently = { for = \"100ms\", poll = \"10ms\" }\n\
             expect = [\"events | map(attribute='id') | list == ['e1', 'e2']\"]\n",
        )
        .await;
    assert_eq!((ran.report.verdict, ran.reason()), (Verdict::Failed, Reason::Expectation), "a client would get both for ever");
}
