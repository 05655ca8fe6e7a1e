//! Lists: repeated keys of queries and forms, what a comparison of lists tells, and values that may be missing.

use serinus::outcome::Reason;

use super::ok;
use crate::journey::{Journey, Ran};
use crate::target::{Answer, Seen, Target};

/// The `http` keys of a step that is made after one that captures the answer as `from`.
async fn sent(target: &Target, request: &str) -> Ran {
    let probe = format!(
        "[[step]]\nname = \"read\"\nhttp.get = \"{{{{ api }}}}/read\"\nexpect = [\"status == 200\"]\ncapture = {{ from = \"json\" }}\n\
         [[step]]\nname = \"use\"\n{request}\nexpect = [\"status == 200\"]\n"
    );
    Journey::new(target).run(&probe).await
}

fn answering(json: serde_json::Value) -> impl Fn(&Seen) -> Answer + Send + Sync + 'static {
    move |_| Answer::json(200, &json.to_string())
}

const ANSWER: &str =
    r#"{"ids":["a","b c","d&e=1"],"none":[],"mixed":[1,true,"x"],"deep":["a",{"b":1}],"null":["a",null],"one":"x"}"#;

#[tokio::test]
async fn a_list_repeats_its_key_in_a_query() {
    let target = Target::start(ok(ANSWER)).await;
    for (query, path) in [
        ("{ id = \"{{ from.ids }}\" }", "/x?id=a&id=b%20c&id=d%26e%3D1"),
        ("{ a = \"1\", id = [\"{{ from.one }}\", \"z\", \"n{{ from.mixed[0] }}\"], b = \"2\" }", "/x?a=1&id=x&id=z&id=n1&b=2"),
        ("{ id = \"{{ from.mixed }}\" }", "/x?id=1&id=true&id=x"),
        ("{ id = \"{{ from.none }}\", a = \"1\" }", "/x?a=1"),
        ("{ id = \"{{ from.none }}\", b = [] }", "/x"),
    ] {
        let ran = sent(&target, &format!("http.get = \"{{{{ api }}}}/x\"\nhttp.query = {query}")).await;
        ran.assert_passed();
        let asked = &ran.report.steps[1].attempts[0].http().unwrap().url;
        assert_eq!(asked.strip_prefix(&target.url()).unwrap(), path, "{query}");
    }
}

#[tokio::test]
async fn a_list_repeats_its_key_in_a_form() {
    let target = Target::start(ok(ANSWER)).await;
    let form =
        "http.form = { a = \"1\", id = \"{{ from.ids }}\", none = \"{{ from.none }}\", more = [\"y z\", \"{{ from.one }}\"] }";
    let ran = sent(&target, &format!("http.post = \"{{{{ api }}}}/x\"\n{form}")).await;
    ran.assert_passed();
    assert_eq!(target.seen().last().unwrap().body, "a=1&id=a&id=b+c&id=d%26e%3D1&more=y+z&more=x");
    let ran = sent(&target, "http.post = \"{{ api }}/x\"\nhttp.form = { none = \"{{ from.none }}\" }").await;
    ran.assert_passed();
    let last = target.seen().pop().unwrap();
    assert_eq!((&*last.body, last.header("content-type")), ("", "application/x-www-form-urlencoded"));
}

#[tokio::test]
async fn what_cannot_stand_under_a_key_is_an_error_that_names_it() {
    let target = Target::start(ok(ANSWER)).await;
    for (request, why) in [
        (
            "http.query = { songId = \"{{ from.deep }}\" }",
            "the key `songId` of `http.query`: `{{ from.deep }}`: at index 1, a map has no",
        ),
        (
            "http.query = { songId = \"{{ from.null }}\" }",
            "the key `songId` of `http.query`: `{{ from.null }}`: at index 1, null has no",
        ),
        (
            "http.query = { songId = [\"a\", \"{{ from.ids }}\"] }",
            "the key `songId` of `http.query`: `{{ from.ids }}`: a list of 3 has no",
        ),
        (
            "http.query = { songId = \"n{{ from.ids }}\" }",
            "the key `songId` of `http.query`: `{{ from.ids }}`: a list of 3 has no",
        ),
        ("http.query = { songId = \"{{ from }}\" }", "the key `songId` of `http.query`: `{{ from }}`: a map has no"),
        ("http.query = { songId = \"{{ from.gone }}\" }", "the key `songId` of `http.query`: `from.gone` is undefined"),
        (
            "http.query = { a = \"1\", songId = \"{{ from.none }}\" }",
            "the key `songId` of `http.query`: an empty list would leave it out",
        ),
        (
            "http.form = { songId = \"{{ from.deep }}\" }",
            "the key `songId` of `http.form`: `{{ from.deep }}`: at index 1, a map has no",
        ),
    ] {
        let ran = sent(&target, &format!("http.post = \"{{{{ api }}}}/x\"\n{request}")).await;
        assert_eq!(ran.reason(), Reason::NotEvaluable, "{request}");
        assert!(ran.cause().message.contains(why), "{request}: {}", ran.cause().message);
    }
}

#[tokio::test]
async fn what_many_items_make_of_a_request_is_bounded() {
    let target = Target::start(answering(serde_json::json!({ "ids": vec![""; 90_000] }))).await;
    let key = "k".repeat(100);
    let ran = sent(&target, &format!("http.post = \"{{{{ api }}}}/x\"\nhttp.form = {{ {key} = \"{{{{ from.ids }}}}\" }}")).await;
    assert_eq!(ran.reason(), Reason::NotEvaluable);
    assert!(ran.cause().message.contains("larger than"), "{}", ran.cause().message);
}

#[tokio::test]
async fn lists_that_differ_are_reported_by_what_is_missing_and_unexpected() {
    let tracks: Vec<String> =
        (0..500).map(|number| format!("t{number}")).filter(|track| track != "t7").chain(["new".into()]).collect();
    let target = Target::start(answering(serde_json::json!({ "tracks": tracks }))).await;
    let run = async |expect: &str| {
        let step = format!(
            "[vars]\nwanted = \"{{{{ range(500) | map('string') | list }}}}\"\n\
             [[step]]\nname = \"read\"\nhttp.get = \"{{{{ api }}}}/x\"\nexpect = [\"status == 200\", \"{expect}\"]\n"
        );
        Journey::new(&target).run(&step).await
    };
    let ran = run("json.tracks | map('replace', 't', '') | list == wanted").await;
    assert_eq!(ran.reason(), Reason::Expectation);
    let told = "does not hold: `json.tracks | map('replace', 't', '') | list` was a list of 500 (missing \"7\"; unexpected \"new\"), \
                `wanted` was a list of 500";
    assert!(ran.cause().message.ends_with(told), "{}", ran.cause().message);
    let seen: Vec<_> = ran.cause().seen.iter().map(|seen| (&*seen.source, &*seen.value)).collect();
    assert_eq!(seen[1], ("wanted", "a list of 500"));
    assert_eq!(ran.report.steps[0].expectations[1].seen, ran.cause().seen);
    let ran = run("json.tracks is subset(wanted)").await;
    let told = "(unexpected \"t0\", \"t1\", \"t2\", \"t3\", \"t4\" and 495 more), `wanted` was a list of 500";
    assert!(ran.cause().message.ends_with(told), "{}", ran.cause().message);
}
