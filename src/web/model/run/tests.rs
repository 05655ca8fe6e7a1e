//! The run of a page on reports as the store has them.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use serde_json::json;

use super::*;
use crate::history::StepView;
use crate::outcome::testing as made;
use crate::outcome::{
    AttemptDetail, AttemptReport, Cause, Exchange, ExpectationReport, Held, HttpAnswer, HttpDetail, Phases, Reason, RunReport,
    SeenValue, SpanId, StepReport, StepResult, Transcripts, Verdict,
};
use crate::plan::testing::{canary, probe};
use crate::source::SourceFile;

/// What somebody who owns the target would like to see on our page.
const HOSTILE: &str = "<script>alert(1)</script>\" onload=x ']]>--><svg/onload=x>\0\u{202e}\x1b[2J";

fn view(verdict: &'static str) -> RunView {
    RunView {
        run_id: "01M82B6PCJ7B9NQZY538S6FATS".to_owned(),
        canary: "p/eu/platform=ios,size=large".to_owned(),
        probe: "p".to_owned(),
        region: "eu".to_owned(),
        due_ms: 1_000,
        slot: 0,
        started_ms: 1_010,
        duration_us: 20_000_000,
        verdict,
        reason: (verdict != "passed").then_some("expectation"),
        degraded: false,
        trace_id: "1".repeat(32),
        counted: true,
    }
}

fn poll(at: u64, body: &str) -> AttemptReport {
    let exchange = Exchange {
        request_headers: vec![("x-hostile".to_owned(), HOSTILE.to_owned())],
        response_headers: vec![("content-type".to_owned(), "application/json".to_owned())],
        response_body: body.to_owned(),
        ..Exchange::default()
    };
    let answer = HttpAnswer {
        method: "GET".to_owned(),
        url: format!("http://a.example/{HOSTILE}"),
        status: Some(200),
        version: Some("1.1"),
        body_bytes: body.len() as u64,
        phases: Phases {
            connect: Some(Duration::from_millis(1)),
            first_byte: Some(Duration::from_millis(9)),
            ..Phases::default()
        },
        withheld: Vec::new(),
    };
    AttemptReport {
        certificate: None,
        span_id: SpanId(8),
        started: Duration::from_millis(100 * at),
        duration: Duration::from_millis(10),
        detail: Some(AttemptDetail::Http(HttpDetail { answer, exchange: Some(Box::new(exchange)) })),
        failure: Some((Reason::Expectation, "it does not hold".to_owned())),
        alike: 0,
    }
}

/// A step that was polled so often and saw the same each time.
fn polled(name: &str, times: u64, body: &str) -> StepReport {
    let cause = Cause {
        step: Some(name.into()),
        attempts: u32::try_from(times).unwrap(),
        expectation: Some("json.status == 'active'".to_owned()),
        location: Some(SourceFile::new("/etc/serinus/probes/p.toml", "text").location(0)),
        seen: vec![SeenValue { source: "json.status".to_owned(), value: "\"pending\"".to_owned() }],
        ..made::cause(Reason::Expectation, "it did not hold within 20 s")
    };
    let expectation = ExpectationReport {
        source: "json.status == 'active'".into(),
        say: None,
        location: SourceFile::new("probes/p.toml", "text").location(0),
        held: Held::No,
        seen: cause.seen.clone(),
    };
    StepReport {
        duration: Duration::from_secs(20),
        attempts: (0..times).map(|at| poll(at, body)).collect(),
        attempts_made: cause.attempts,
        expectations: vec![expectation],
        captures: vec![("token".into(), HOSTILE.to_owned())],
        result: StepResult::Failed(cause),
        ..made::step(name)
    }
}

/// As the store keeps it.
fn kept(steps: Vec<StepReport>) -> RunDetail {
    let cause = steps.iter().find_map(|step| match &step.result {
        StepResult::Failed(cause) => Some(cause.clone()),
        StepResult::Passed | StepResult::NotNeeded | StepResult::Blocked(_) => None,
    });
    let canary = canary(&Arc::new(probe("p")), "eu");
    let report = RunReport {
        cause,
        steps,
        vars: vec![("user".into(), HOSTILE.to_owned())],
        ..made::run(&canary, Verdict::Failed, SystemTime::UNIX_EPOCH)
    };
    let details = Some(report.details_to_json(|_| true, Transcripts::Whole));
    RunDetail { run: view("failed"), steps: Vec::new(), details }
}

/// A hostile run of two hundred polls, for the test of the page.
pub(in crate::web) fn hostile() -> RunModel {
    model(&kept(vec![made::step(HOSTILE), polled("account is active", 200, &format!("{{\"a\":{:?}}}", "x".repeat(500)))]), None)
}

#[test]
fn a_cause_is_told_in_a_sentence_with_both_sides_and_where_it_is_written() {
    let model = model(&kept(vec![made::step("submit"), polled("account is active", 19, "{}")]), None);
    let cause = model.cause.unwrap();
    assert_eq!((cause.at.as_str(), cause.short.as_str()), ("account is active", "json.status was \"pending\", not \"active\""));
    assert_eq!((cause.location.as_str(), cause.full_location.as_str()), ("probes/p.toml:1:1", "/etc/serinus/probes/p.toml:1:1"));
    assert_eq!(cause.long, "it did not hold within 20 s");
    let step = &model.steps[1];
    assert!(step.is_decisive && !model.steps[0].is_decisive);
    assert_eq!((step.polls_in_words.as_str(), step.polls.len(), step.messages.len()), ("19 × 200, same answer", 1, 1));
    assert_eq!(step.expectations[0].why, "json.status was \"pending\", not \"active\"");
    assert!(model.curl.unwrap().contains("curl --globoff"));
}

#[test]
fn only_a_plain_comparison_is_told_as_one() {
    let seen = |value: &str| vec![("json.n".to_owned(), value.to_owned())];
    assert_eq!(contrast("json.n == 3", &seen("4")), Some("json.n was 4, not 3".to_owned()));
    for source in ["json.n == 3 and json.m == 4", "json.n == json.m", "json.x == 3", "json.n < 3", "status == 'a' or json.n == 3"]
    {
        assert_eq!(contrast(source, &seen("4")), None, "{source}");
    }
    assert_eq!(contrast("json.n == 3", &[]), None);
}

#[test]
fn nothing_that_steers_is_in_any_text_of_a_model() {
    let text = format!("{:?}", hostile());
    assert!(!text.contains("\\u{202e}") && !text.contains("\\0") && !text.contains("\\u{1b}"), "{text}");
}

#[test]
fn another_version_is_said_to_be_one_and_shown_as_it_is() {
    let detail = RunDetail { run: view("failed"), steps: Vec::new(), details: Some(json!({ "version": 9, "all": "new" })) };
    let model = model(&detail, None);
    assert!(model.missing[0].contains("(version 9)"), "{:?}", model.missing);
    assert!(model.raw.unwrap().contains("\"all\": \"new\"") && model.steps.is_empty());
    let nothing = RunDetail { details: None, ..detail };
    assert!(self::model(&nothing, None).raw.is_none());
}

#[test]
fn of_a_passed_run_there_are_the_times_of_its_steps_or_all_of_it_where_it_is_the_newest() {
    let steps = vec![StepView { name: "s".to_owned(), started_us: 0, duration_us: 1_000, convergence_us: Some(900) }];
    let detail = RunDetail { run: view("passed"), steps, details: None };
    let bare = model(&detail, None);
    assert_eq!((bare.steps.len(), bare.missing.len()), (1, 1));
    assert_eq!(bare.steps[0].notes, ["converged after 900 µs"]);
    let details = json!({ "version": 1, "steps": [{ "name": "s", "result": "passed", "captures": { "a": "1" } }] });
    let pass = PassView { run_id: detail.run.run_id.clone(), canary: String::new(), due_ms: 0, details };
    let whole = model(&detail, Some(&pass));
    assert_eq!((whole.steps[0].captures.len(), whole.missing.len()), (1, 0));
    let other = PassView { run_id: "another".to_owned(), ..pass };
    assert_eq!(model(&detail, Some(&other)).missing.len(), 1, "it is another run's");
}

#[test]
fn of_many_steps_those_that_failed_are_shown_and_the_others_counted() {
    let mut steps = vec![made::step("round"); 500];
    steps.push(polled("last", 1, ""));
    let model = model(&kept(steps), None);
    assert_eq!((model.steps.len(), model.left_out), (61, 440));
    assert_eq!(model.steps.last().map(|step| (step.number, step.is_decisive)), Some((501, true)));
}

#[test]
fn cleanup_says_what_is_left_and_why() {
    let leak = json!({ "reason": "timeout", "message": "no answer to DELETE", "step": "delete" });
    let cleanup = json!({ "result": "leaked", "leaks": [leak], "duration_seconds": 5, "steps": [{ "name": "delete", "result": "failed" }] });
    let detail = RunDetail { run: view("passed"), steps: Vec::new(), details: Some(json!({ "cleanup": cleanup })) };
    let cleanup = model(&detail, None).cleanup.unwrap();
    assert_eq!((cleanup.words.as_str(), cleanup.is_leaked), ("leaked, 1 step in 5.00 s", true));
    assert_eq!(cleanup.leaks[0].short, "no answer to DELETE");
}

#[test]
fn a_place_is_the_region_and_the_values_of_the_cell() {
    assert_eq!(place(&view("passed")), "eu · ios, large");
    assert_eq!(place(&RunView { canary: "p/eu".to_owned(), ..view("passed") }), "eu");
}
