//! Soft bounds: what a `warn` says is kept and marks a run that passes as degraded, and changes nothing else.

use std::time::Duration;

use proptest::prelude::*;
use serinus::outcome::{Held, Reason, RunReport, Verdict};

use super::ok;
use crate::journey::{Journey, Ran};
use crate::target::{Answer, Target};

/// A run of one step with these keys beside its name and request.
async fn ran(target: &Target, keys: &str) -> Ran {
    Journey::new(target).run(&step("read", keys)).await
}

fn step(name: &str, keys: &str) -> String {
    format!("[[step]]\nname = \"{name}\"\nhttp.get = \"{{{{ api }}}}/x\"\n{keys}\n")
}

/// What the run is degraded by, in the words of its messages.
fn told(report: &RunReport) -> Vec<String> {
    report.degraded_by().map(|(step, warning)| format!("{}: {}", step.name, warning.message())).collect()
}

/// Whether each `warn` of a step held.
fn held(report: &RunReport, step: usize) -> Vec<bool> {
    report.steps[step].warnings.iter().map(|warning| warning.held == Held::Yes).collect()
}

#[tokio::test]
async fn a_run_that_is_slow_but_fine_passes_and_says_so_in_its_authors_words() {
    let target = Target::start(|_| Answer::json(200, r#"{"n":1}"#).after(Duration::from_millis(60))).await;
    let keys = r#"expect = ["status == 200"]
warn = ["json.n == 1", { that = "latency < 0.05", say = "the search drags" }, "json.gone > 5"]"#;
    let ran = ran(&target, keys).await;
    ran.assert_passed();
    assert!(ran.report.is_degraded());
    assert_eq!(held(&ran.report, 0), [true, false, false]);
    let [slow, gone] = &*told(&ran.report) else { panic!("{:?}", told(&ran.report)) };
    assert!(slow.starts_with("read: the search drags: `latency < 0.05` does not hold: `latency` was 0.0"), "{slow}");
    assert!(gone.starts_with("read: `json.gone > 5` could not be evaluated: "), "{gone}");
    let slow = &ran.report.steps[0].warnings[1];
    assert_eq!((slow.say.as_deref(), slow.location.line), (Some("the search drags"), slow.location.line));
    assert!(ran.report.cause.is_none() && ran.report.steps[0].attempts[0].failure.is_none());
    let json = ran.report.to_json(None);
    assert_eq!((&json["verdict"], &json["degraded"]), (&"passed".into(), &true.into()));
    assert_eq!(json["degraded_by"].as_array().unwrap().len(), 2);
    assert_eq!((&json["degraded_by"][0]["step"], &json["degraded_by"][0]["say"]), (&"read".into(), &"the search drags".into()));
    assert_eq!(json["steps"][0]["warnings"].as_array().unwrap().len(), 3);
}

#[tokio::test]
async fn where_all_holds_nothing_is_degraded_and_every_warning_is_kept_all_the_same() {
    let target = Target::start(ok(r#"{"n":1}"#)).await;
    let ran = ran(&target, "expect = [\"status == 200\"]\nwarn = [\"json.n == 1\", \"latency < 10\"]").await;
    ran.assert_passed();
    assert_eq!((ran.report.is_degraded(), held(&ran.report, 0)), (false, vec![true, true]));
    assert_eq!(ran.report.to_json(None)["degraded_by"], serde_json::json!([]));
}

#[tokio::test]
async fn a_failed_run_keeps_what_its_warnings_said_and_is_not_degraded() {
    let target = Target::start(ok(r#"{"n":1}"#)).await;
    let steps = step("first", "expect = [\"status == 200\"]\nwarn = [\"json.n == 2\"]")
        + &step("second", "expect = [\"status == 500\"]\nwarn = [\"json.n == 3\"]");
    let ran = Journey::new(&target).run(&steps).await;
    assert_eq!((ran.reason(), ran.cause().step.as_deref()), (Reason::Expectation, Some("second")));
    assert_eq!((held(&ran.report, 0), held(&ran.report, 1)), (vec![false], vec![false]));
    assert!(!ran.report.is_degraded() && told(&ran.report).is_empty());
    assert_eq!(ran.report.to_json(None)["degraded"], false);
}

#[tokio::test]
async fn a_warning_is_no_expectation_and_alone_lets_no_run_pass() {
    let target = Target::start(ok(r#"{"n":1}"#)).await;
    // The one step that expects something is not made.
    let steps = step("skipped", "when = \"1 == 2\"\nexpect = [\"status == 200\"]") + &step("warns", "warn = [\"json.n == 1\"]");
    let ran = Journey::new(&target).run(&steps).await;
    assert_eq!((ran.report.verdict, ran.reason()), (Verdict::Failed, Reason::NotEvaluable));
}

#[tokio::test]
async fn of_a_poll_the_attempt_that_passed_is_judged() {
    let counting = |seen: &crate::target::Seen| Answer::json(200, &format!("{{\"n\":{}}}", seen.nth));
    for (more, warn, expected) in [
        // Those before it were not yet there, and those after it only confirm it.
        ("", "json.n == 3", vec![true]),
        ("", "json.n < 3", vec![false]),
        ("consistently = { for = \"100ms\", poll = \"20ms\" }", "json.n == 3", vec![true]),
        ("consistently = { for = \"100ms\", poll = \"20ms\" }", "json.n > 3", vec![false]),
    ] {
        let target = Target::start(counting).await;
        let keys = format!(
            "eventually = {{ within = \"10s\", poll = \"5ms\" }}\n{more}\nexpect = [\"json.n >= 3\"]\nwarn = [\"{warn}\"]"
        );
        let ran = ran(&target, &keys).await;
        ran.assert_passed();
        assert_eq!(held(&ran.report, 0), expected, "{more} {warn}");
    }
    let target = Target::start(counting).await;
    let keys = "eventually = { within = \"200ms\", poll = \"20ms\" }\nexpect = [\"json.n < 0\"]\nwarn = [\"json.n == 0\"]";
    let ran = ran(&target, keys).await;
    assert_eq!((ran.reason(), held(&ran.report, 0)), (Reason::Expectation, vec![false]), "the last one");
}

#[tokio::test]
async fn each_round_and_each_parallel_step_warns_by_itself() {
    let target = Target::start(|seen| Answer::json(200, &format!("{{\"n\":{}}}", seen.nth))).await;
    let looped = step(
        "each",
        "for_each = \"item in range(4) | list\"\nexpect = [\"status == 200\"]\nwarn = [\"json.n != item or item == 1\"]",
    );
    let ran = Journey::new(&target).run(&looped).await;
    ran.assert_passed();
    let rounds: Vec<_> = ran.report.degraded_by().map(|(step, _)| step.round).collect();
    assert_eq!(rounds, [Some(1), Some(3), Some(4)]);
    assert_eq!(ran.report.to_json(None)["degraded_by"][1]["round"], 3);

    let entry = |name: &str, warn: &str| {
        format!(
            "[[step.parallel]]\nname = \"{name}\"\nhttp.get = \"{{{{ api }}}}/{name}\"\nexpect = [\"status == 200\"]\nwarn = [\"{warn}\"]\n"
        )
    };
    let parallel = format!("[[step]]\nname = \"both\"\n{}{}", entry("one", "json.n == 0"), entry("two", "json.n == 9"));
    let ran = Journey::new(&target).run(&parallel).await;
    ran.assert_passed();
    assert_eq!(told(&ran.report), ["two: `json.n == 9` does not hold: `json.n` was 0"]);
}

#[tokio::test]
async fn of_many_rounds_what_did_not_hold_is_kept_up_to_a_bound_and_never_lost() {
    let target = Target::start(ok("{}")).await;
    for (warn, kept) in [("item < 299", 1), ("item < 90", 200)] {
        let keys = format!(
            "for_each = \"item in range(300) | list\"\nat_once = 32\nexpect = [\"status == 200\"]\nwarn = [\"{warn}\", \"status == 200\"]"
        );
        let ran = Journey::new(&target).run(&step("each", &keys)).await;
        ran.assert_passed();
        assert_eq!((ran.report.degraded_by().count(), ran.report.is_degraded()), (kept, true), "{warn}");
        let warnings: usize = ran.report.steps.iter().map(|step| step.warnings.len()).sum();
        assert!(warnings <= 2 * 200 + kept, "of the rounds after them what held is left out: {warnings}");
    }
}

#[tokio::test]
async fn a_transport_error_leaves_nothing_to_warn_of_and_a_blocked_run_is_not_degraded() {
    let target = Target::start(ok(r#"{"billable":false}"#)).await;
    let address = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let ran =
        Journey::at(&format!("http://{address}")).run(&step("read", "expect = [\"status == 200\"]\nwarn = [\"1 == 2\"]")).await;
    assert_eq!((ran.reason(), held(&ran.report, 0)), (Reason::Connect, vec![]));
    let keys = "guard = [\"json.billable\"]\nexpect = [\"status == 200\"]\nwarn = [\"status == 201\"]";
    let ran = self::ran(&target, keys).await;
    assert_eq!((ran.report.verdict, ran.report.is_degraded(), held(&ran.report, 0)), (Verdict::Blocked, false, vec![false]));
}

#[tokio::test]
async fn what_a_warning_saw_is_redacted() {
    let target = Target::start(ok(r#"{"echo":"sesame-open"}"#)).await;
    let journey = Journey::new(&target).secret("key", Some("sesame-open"));
    let ran = journey
        .run(&step("read", "expect = [\"status == 200\"]\nwarn = [\"json.echo != secret.key\", \"json.echo == 'x'\"]"))
        .await;
    ran.assert_passed();
    let text = format!("{:?} {}", ran.report, ran.report.to_json(None));
    assert!(ran.report.is_degraded() && text.contains("•••") && !text.contains("sesame-open"), "{text}");
}

/// What a run is judged by. Times differ between two runs of the same.
fn outcome(report: &RunReport) -> String {
    let steps: Vec<_> =
        report.steps.iter().map(|step| (&step.name, &step.result, &step.expectations, step.attempts_made)).collect();
    format!("{:?} {:?} {steps:?}", report.verdict, report.cause)
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, cases: 24, ..ProptestConfig::default() })]

    /// Beside any expectations, on any answer: the same verdict, cause and steps with warnings and without.
    #[test]
    fn no_warning_changes_what_becomes_of_a_run(
        body in prop::sample::select(vec!["{\"n\":1}", "{\"n\":null}", "[]", "no json", ""]),
        status in prop::sample::select(vec![200_u16, 404, 500]),
        expect in prop::collection::vec(prop::sample::select(vec!["status == 200", "json.n == 1", "json.n > 0", "body != ''"]), 1..3),
        warn in prop::collection::vec(prop::sample::select(vec!["status == 201", "json.n == 1", "json.n.x.y", "latency < 0", "status"]), 1..4),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let (plain, soft) = runtime.block_on(async {
            let target = Target::start(move |_| Answer::json(status, body)).await;
            let expect = format!("expect = {expect:?}");
            // One column for all, so that positions are the same.
            let (plain, soft) = (format!("{expect}\n"), format!("{expect}\nwarn = {warn:?}\n"));
            let journey = Journey::new(&target);
            (journey.run(&step("read", &plain)).await, journey.run(&step("read", &soft)).await)
        });
        prop_assert_eq!(outcome(&plain.report), outcome(&soft.report));
        prop_assert_eq!(soft.report.steps[0].warnings.len(), warn.len());
        prop_assert_eq!(soft.report.is_degraded(), soft.report.verdict == Verdict::Passed && !held(&soft.report, 0).iter().all(|held| *held));
    }
}

#[tokio::test]
async fn a_secret_that_only_a_warning_misses_is_not_what_an_expectation_failed_for() {
    let target = Target::start(|_| Answer::json(200, r#"{"a":1}"#)).await;
    let probe = "[[step]]\nname = \"first\"\nhttp.get = \"{{ api }}/x\"\nexpect = [\"status == 200\"]\nwarn = [\"json.a == secret.gone\"]\n\
                 [[step]]\nname = \"second\"\nhttp.get = \"{{ api }}/x\"\nexpect = [\"json.items | length > 0\"]\nwarn = [\"json.a == secret.gone\"]\n";
    let ran = Journey::new(&target).secret("gone", None).run(probe).await;
    assert_eq!((ran.report.verdict, ran.reason()), (Verdict::Failed, Reason::NotEvaluable), "{:?}", ran.report.cause);
    assert!(!ran.cause().message.contains("secret"), "{}", ran.cause().message);
}
