//! What a run shows of what came from outside.

use serinus::outcome::{Exchange, RunReport, StepResult, is_steering};

use crate::journey::{Journey, steps};
use crate::target::{Answer, Target};

/// Every line of text in a report, with its place; and the bodies.
fn texts(report: &RunReport) -> (Vec<(String, String)>, Vec<String>) {
    let (mut lines, mut blocks) = (Vec::new(), Vec::new());
    let mut line = |place: &str, text: &str| lines.push((place.to_owned(), text.to_owned()));
    let steps = report.steps.iter().filter_map(|step| match &step.result {
        StepResult::Failed(cause) | StepResult::Blocked(cause) => Some(cause),
        StepResult::Passed | StepResult::NotNeeded => None,
    });
    for cause in report.cause.iter().chain(steps) {
        line("cause", &cause.message);
        cause.subject.iter().chain(&cause.expectation).for_each(|text| line("cause", text));
        cause.seen.iter().for_each(|seen| line("seen", &format!("{} {}", seen.source, seen.value)));
    }
    report.vars.iter().for_each(|(_, text)| line("var", text));
    for step in &report.steps {
        step.subject.iter().for_each(|text| line("subject", text));
        step.captures.iter().for_each(|(_, text)| line("capture", text));
        step.expectations.iter().for_each(|each| {
            line("expectation", &each.source);
            line("held", &format!("{:?}", each.held).replace("\\n", "\n"));
            each.seen.iter().for_each(|seen| line("seen", &seen.value));
        });
        for attempt in &step.attempts {
            attempt.http.iter().for_each(|http| line("url", &http.url));
            attempt.failure.iter().for_each(|(_, message)| line("failure", message));
            if let Some(exchange) = &attempt.exchange {
                let Exchange { request_headers, request_body, response_headers, response_body, .. } = &**exchange;
                request_headers.iter().chain(response_headers).for_each(|(_, value)| line("header", value));
                blocks.extend([request_body.clone(), response_body.clone()]);
            }
        }
    }
    (lines, blocks)
}

#[tokio::test]
async fn what_a_target_says_can_forge_no_line_and_steer_no_terminal() {
    let target = Target::start(|_| {
        Answer::json(200, "{\"items\":[\"a\\n2026-01-01 ERROR forged\",\"b\\u202e\\u001b[2J\"],\"raw\":\"x\u{202e}y\u{200b}z\"}")
    })
    .await;
    let ran = Journey::new(&target)
        .head("[vars]\nodd = \"{{ 'a\\nb\\u202e' }}\"\n")
        .run(&steps(
            r#"
            [[step]]
            name = "list"
            http.get = "{{ api }}/items"
            expect = ["status == 200"]
            capture = { items = "json.items" }
            [[step]]
            name = "each"
            for_each = "item in items"
            subject = "{{ item }}"
            http.post = "{{ api }}/{{ item | urlencode }}"
            http.json = { item = "{{ item }}" }
            expect = ["json.raw == item", "json.raw == 'a\n\u001b'"]
            capture = { raw = "json.raw" }
            "#,
        ))
        .await;
    let (lines, blocks) = texts(&ran.report);
    let subjects: Vec<&str> = ran.report.steps.iter().filter_map(|step| step.subject.as_deref()).collect();
    assert_eq!(subjects, ["a\\n2026-01-01 ERROR forged", "b\\u202e\\u001b[2J"]);
    assert!(lines.iter().any(|(_, text)| text.contains("x\\u202ey\\u200bz")), "{lines:#?}");
    for (place, text) in lines {
        assert!(!text.contains(is_steering), "{place}: {text:?}");
    }
    assert!(blocks.iter().any(|body| body.contains("x\\u202ey\\u200bz")), "{blocks:?}");
    assert!(blocks.iter().all(|body| !body.replace(['\n', '\t'], "").contains(is_steering)), "{blocks:?}");
}
