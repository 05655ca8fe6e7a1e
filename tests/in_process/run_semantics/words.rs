//! Expectations with their author's words, which lead every message.

use serinus::outcome::{CleanupResult, Held, Reason};

use super::ok;
use crate::journey::{Journey, Ran};
use crate::target::{Answer, Target};

const SEEN: &str = r#"{ that = "json.events | length > 0", say = "Bob never saw the message" }"#;

async fn read(target: &Target, more: &str, expect: &str) -> Ran {
    let step =
        format!("[[step]]\nname = \"read\"\nhttp.get = \"{{{{ api }}}}/x\"\n{more}\nexpect = [\"status == 200\", {expect}]\n");
    Journey::new(target).run(&step).await
}

#[tokio::test]
async fn the_authors_words_lead_and_what_was_expected_follows() {
    let target = Target::start(ok(r#"{"events":[]}"#)).await;
    let ran = read(&target, "", SEEN).await;
    let cause = ran.cause();
    let told = "Bob never saw the message: `json.events | length > 0` does not hold: `json.events | length` was 0";
    assert_eq!((cause.reason, &*cause.message), (Reason::Expectation, told));
    assert_eq!(cause.expectation.as_deref(), Some("json.events | length > 0"));
    let step = &ran.report.steps[0];
    assert_eq!(step.attempts[0].failure, Some((Reason::Expectation, told.to_owned())));
    let [plain, said] = &*step.expectations else { panic!("{step:?}") };
    assert_eq!((&plain.say, plain.held == Held::Yes), (&None, true));
    assert_eq!((said.say.as_deref(), &*said.source), (Some("Bob never saw the message"), "json.events | length > 0"));
    let column = "expect = [\"status == 200\", { that = ".len() + 1;
    assert_eq!((said.location.column as usize, &said.location), (column, cause.location.as_ref().unwrap()));
}

#[tokio::test]
async fn what_has_no_words_or_holds_is_told_without() {
    let target = Target::start(ok(r#"{"events":[1]}"#)).await;
    let ran = read(&target, "", &format!("{SEEN}, \"json.events == []\"")).await;
    assert!(ran.cause().message.starts_with("`json.events == []` does not hold: "), "{}", ran.cause().message);
    read(&target, "", SEEN).await.assert_passed();
}

#[tokio::test]
async fn the_words_lead_also_where_a_window_ends_without_what_was_waited_for() {
    let target = Target::start(ok(r#"{"next":"s1"}"#)).await;
    let window = "eventually = { within = \"100ms\", poll = \"20ms\" }";
    let ran = read(&target, window, SEEN).await;
    let told = "Bob never saw the message: it did not hold within 100ms; at last: `json.events | length > 0` could not be evaluated: \
                `json.events` is undefined: `json` has no `events`";
    assert_eq!((ran.reason(), &*ran.cause().message), (Reason::Expectation, told));
    let last = ran.report.steps[0].attempts.last().unwrap();
    assert_eq!(last.failure, Some((Reason::Expectation, told.to_owned())));
    let or = r#"{ that = "json | at('events', or=[]) | length > 0", say = "Bob never saw the message" }"#;
    let ran = read(&target, window, or).await;
    let told = "Bob never saw the message: it did not hold within 100ms; at last: `json | at('events', or=[]) | length > 0` does not \
                hold: `json | at('events', or=[]) | length` was 0";
    assert_eq!((ran.reason(), &*ran.cause().message), (Reason::Expectation, told));
}

#[tokio::test]
async fn the_words_lead_also_where_it_held_and_then_no_longer_did() {
    let target =
        Target::start(|seen| Answer::json(200, if seen.nth < 2 { r#"{"events":[1]}"# } else { r#"{"events":[]}"# })).await;
    let ran = read(&target, "consistently = { for = \"20s\", poll = \"10ms\" }", SEEN).await;
    let message = &ran.cause().message;
    assert!(
        message.starts_with("Bob never saw the message: it held, and ") && message.contains("no longer did: `json"),
        "{message}"
    );
}

#[tokio::test]
async fn a_cleanup_that_leaks_says_so_in_its_authors_words() {
    let target = Target::start(ok("{}")).await;
    let ran = Journey::new(&target)
        .run(
            "[[step]]\nname = \"create\"\nhttp.post = \"{{ api }}/x\"\nexpect = [\"status == 200\"]\n[step.cleanup]\n\
             http.delete = \"{{ api }}/x\"\nexpect = [{ that = \"status == 204\", say = \"the room is still there\" }]\n",
        )
        .await;
    let cleanup = ran.cleanup.unwrap();
    let CleanupResult::Leaked(causes) = &cleanup.result else { panic!("{cleanup:?}") };
    let told = "`create` left something behind: the room is still there: `status == 204` does not hold: `status` was 200";
    assert_eq!(causes[0].message, told);
}
