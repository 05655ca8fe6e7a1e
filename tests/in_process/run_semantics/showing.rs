//! What a run shows of what came from outside.

use serinus::outcome::{Exchange, RunReport, StepResult, is_steering};

use crate::journey::Journey;
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
            attempt.http().iter().for_each(|http| line("url", &http.url));
            attempt.failure.iter().for_each(|(_, message)| line("failure", message));
            if let Some(exchange) = attempt.exchange() {
                let Exchange { request_headers, request_body, response_headers, response_body, .. } = exchange;
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
        .run(
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
        )
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

/// A target that knows a person, and says the same whatever it is asked.
async fn registry() -> Target {
    Target::start(|_| {
        Answer::json(
            200,
            r#"{"user":{"email":"ada@example.com","age":37,"name":"Ada L\u00f6velace"},"id":"u-1","note":"call +49 30 1234567 or ada@example.com"}"#,
        )
    })
    .await
}

const PERSONAL: &str = r#"
    [redact]
    json     = ["$.user.email", "$.user.age", "$..name"]
    patterns = ['\+49[0-9 ]{6,}', '[a-z]+@corp\.example']
"#;

#[tokio::test]
async fn what_is_personal_leaves_no_run_by_whatever_way_it_goes_on() {
    let target = registry().await;
    let ran = Journey::new(&target)
        .head(&format!("{PERSONAL}\n[vars]\nmine = \"ada@corp.example\"\nearly = \"Ada Lövelace\"\n"))
        .run(r#"
            [[step]]
            name = "read"
            http.post = "{{ api }}/users"
            http.json = { user = { email = "sent@example.com" }, other = "{{ mine }}" }
            expect = ["status == 200"]
            capture = { mail = "json.user.email", whole = "json", age = "json.user.age" }
            [[step]]
            name = "go on"
            for_each = "user in [mail]"
            subject = "of {{ user }}"
            http.get = "{{ api }}/users/{{ mail | urlencode }}"
            http.headers = { x-mail = "{{ mail }}", x-sent = "sent@example.com" }
            expect = ["json.user.email == 'grace@example.com'", "json.user.age == 38", "json == 1", "mail == 'ada@example.com' and json.x == 1"]
            "#)
        .await;
    let (lines, blocks) = texts(&ran.report);
    let (everything, shown) = (format!("{:?}", ran.report), format!("{lines:?}{blocks:?}"));
    for personal in ["ada@", "ada%40", "vela", "1234567", "sent@", "corp.example", "Ada L"] {
        assert!(!shown.contains(personal), "{personal}: {lines:#?} {blocks:#?}");
        // Where the author of a probe wrote it is in the canary, which is the configuration.
        let reported = everything.split("steps: [").nth(1).unwrap_or_default();
        assert!(!reported.contains(personal) || !shown.contains(personal), "{personal}");
    }
    let captures = &ran.report.steps[0].captures;
    assert_eq!(captures[0].1, "\"•••\"");
    assert_eq!(captures[2].1, "•••", "a value too short to be looked for is masked where it stands alone");
    assert!(captures[1].1.contains(r#""age":•••"#) && captures[1].1.contains("u-1"), "{}", captures[1].1);
    assert!(blocks.iter().any(|body| body.contains(r#""age":•••"#) && body.contains("u-1")), "{blocks:#?}");
    assert_eq!(ran.report.steps[1].subject.as_deref(), Some("of •••"));
    assert!(target.lines()[1].contains("/users/ada%40example.com"), "what is sent is not masked: {:?}", target.lines());
}

#[tokio::test]
async fn what_is_personal_is_not_written_down_for_a_cleanup() {
    let target = registry().await;
    let ledger = std::sync::Arc::new(crate::book::Book::default());
    Journey::new(&target)
        .head(PERSONAL)
        .ledger(&ledger)
        .start(
            r#"
            [[step]]
            name = "create"
            http.post = "{{ api }}/users"
            expect = ["status == 200"]
            capture = { id = "json.id", mail = "json.user.email" }
              [step.cleanup]
              http.delete = "{{ api }}/users/{{ id }}"
              expect = ["status == 200"]
            "#,
        )
        .await;
    let names = format!("{:?}", ledger.entries());
    assert!(names.contains("u-1") && !names.contains("ada@"), "{names}");
}

#[tokio::test]
async fn an_answer_with_more_personal_values_than_can_be_known_shows_nothing() {
    let target = Target::start(|_| {
        let people: Vec<String> = (0..1_500).map(|n| format!(r#"{{"name":"person {n}"}}"#)).collect();
        Answer::json(200, &format!("[{}]", people.join(",")))
    })
    .await;
    let ran = Journey::new(&target)
        .head(PERSONAL)
        .run("[[step]]\nname = \"read\"\nhttp.get = \"{{ api }}/x\"\nexpect = [\"json[3].name == 'x'\"]\n")
        .await;
    let (lines, blocks) = texts(&ran.report);
    assert!(!format!("{lines:?}{blocks:?}").contains("person"), "{lines:?}");
    assert_eq!(ran.cause().message, "•••");
}
