//! Degraded runs of a real service: a target that is slower than it should be, and fine. They are shown everywhere and page nobody;
//! only an objective tells of them.

use serde_json::Value;

use crate::cli_support::{assert_exit, run, stdout, until};
use crate::service_support::{Double, Service, ask, channel, edit, folder};

const SLOW: &str = r#"{"state": "ok", "took": 0.7}"#;
const QUICK: &str = r#"{"state": "ok", "took": 0.1}"#;
const TOKEN: &str = "authorization: Bearer sesame-open";

/// A folder whose probe warns of an answer that took long.
fn soft(target: &Double, more: &str) -> tempfile::TempDir {
    let folder = folder(target, more);
    let warn = "\nwarn = [{ that = \"json.took < 0.3\", say = \"the front page drags\" }]\n";
    edit(folder.path(), "probes/p.toml", "\"json.state == 'ok'\"]\n", &format!("\"json.state == 'ok'\"]{warn}"));
    folder
}

fn degraded_total(service: &Service<'_>) -> u64 {
    let metrics = ask(&service.address, "GET /metrics", &[TOKEN], "").body;
    let line = metrics.lines().find_map(|line| line.strip_prefix("serinus_degraded_total{probe=\"p\",region=\"eu\"} "));
    line.expect("the metric is there").parse().unwrap()
}

fn runs(service: &Service<'_>, query: &str) -> Vec<Value> {
    service.get(&format!("/api/v1/runs?{query}"))["items"].as_array().unwrap().clone()
}

#[test]
fn a_service_that_is_slow_but_fine_says_so_everywhere_and_pages_nobody() {
    let (target, receiver) = (Double::start(200, QUICK), Double::start(200, "{}"));
    let folder = soft(&target, &channel("hook", &receiver));
    let service = Service::start(folder.path());
    until("a run that is well", || runs(&service, "").first().cloned());
    assert_eq!(degraded_total(&service), 0, "it is there from the start");
    target.answer(200, SLOW);
    until("four degraded runs", || Some(runs(&service, "degraded=true")).filter(|runs| runs.len() >= 4));
    let found = runs(&service, "degraded=true");
    assert!(found.iter().all(|run| run["verdict"] == "passed" && run["degraded"] == true && run["counted"] == true), "{found:?}");
    assert!(runs(&service, "verdict=passed").iter().any(|run| run["degraded"] == false), "the first one was well");
    assert!(degraded_total(&service) >= 4);

    let id = found[0]["run_id"].as_str().unwrap();
    let kept = service.get(&format!("/api/v1/runs/{id}"));
    let told = "the front page drags: `json.took < 0.3` does not hold: `json.took` was 0.7";
    assert_eq!(kept["details"]["degraded_by"][0]["message"], told);
    assert!(stdout(&service.command(&["runs", "p"])).contains("passed, degraded"));
    let alone = stdout(&service.command(&["runs", "--degraded"]));
    assert!(alone.lines().count() >= 4 && alone.lines().all(|line| line.contains("passed, degraded")), "{alone}");
    let page = stdout(&service.command(&["runs", id]));
    assert!(
        page.starts_with("✓ passed (degraded) p/eu in ") && page.contains(&format!("degraded: front page: {told}")),
        "{page}"
    );
    let output = service.command(&["status"]);
    assert_exit(&output, 0);
    assert!(stdout(&output).contains("\ndegraded   p: "), "{}", stdout(&output));
    let probe = &service.status()["probes"][0];
    assert!(probe["degraded_1h"].as_f64().is_some_and(|share| share > 0.0 && share < 1.0), "{probe}");
    assert_eq!((&probe["verdict"], &probe["success_1h"], &probe["severity"]), (&"passing".into(), &1.0.into(), &Value::Null));
    assert_eq!(service.get("/api/v1/incidents")["items"], serde_json::json!([]));
    assert_eq!(service.stop(), Some(0));
    assert!(receiver.received().is_empty(), "{:?}", receiver.received());
}

#[test]
fn an_objective_of_degraded_runs_pages_in_the_words_of_its_author_and_goes_on_after_a_restart() {
    let (target, receiver) = (Double::start(200, SLOW), Double::start(200, "{}"));
    let folder = soft(&target, &channel("hook", &receiver));
    edit(folder.path(), "probes/p.toml", "[[step]]", "[slo]\ndegraded = \"5%\"\nwindow = \"24h\"\n\n[[step]]");
    let service = Service::start(folder.path());
    let page = receiver.page("ring");
    let title = page["title"].as_str().unwrap();
    assert!(title.starts_with("p: ") && title.contains(" passed runs over ") && title.contains(" were degraded, "), "{title}");
    assert!(title.contains("the 5 % that may be; the last: front page: the front page drags: "), "{title}");
    assert_eq!((&page["severity"], &page["members"][0]["name"]), (&"page".into(), &"degraded/p".into()));
    let key = page["key"].clone();
    assert_eq!(service.stop(), Some(0));

    let service = Service::start(folder.path());
    let open = until("the incident goes on", || service.status()["open_incidents"].as_array().unwrap().first().cloned());
    assert_eq!((&open["key"], open["unanswered"].as_u64()), (&key, Some(1)), "{open}");
    assert_eq!(receiver.pages().iter().filter(|page| page["action"] == "ring").count(), 1, "nobody is rung again for it");
    assert_eq!(service.stop(), Some(0));
}

#[test]
fn a_run_by_hand_tells_of_it_in_each_form() {
    let target = Double::start(200, SLOW);
    let folder = soft(&target, "[notify]\nnone = true\n");
    let output = run(folder.path(), &["test", "probes/p.toml"]);
    assert_exit(&output, 0);
    let page = stdout(&output);
    assert!(page.contains("degraded: front page: the front page drags: `json.took < 0.3` does not hold"), "{page}");
    let output = run(folder.path(), &["test", "probes/p.toml", "--output", "json"]);
    let json: Value = serde_json::from_str(stdout(&output).trim()).unwrap();
    assert_eq!((&json["verdict"], &json["degraded"]), (&"passed".into(), &true.into()));
    assert_eq!(json["degraded_by"][0]["say"], "the front page drags");
}
