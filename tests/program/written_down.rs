//! What a running service keeps of what people do and say: annotations, notes, the audit log; and what they can have done to an
//! incident, to the ledger and to a channel. The built program, a target and a receiver on loopback.

use serde_json::{Value, json};

use crate::cli_support::{assert_exit, stderr, until};
use crate::service_support::{Double, Service, ask, channel, edit, folder};

const OK: &str = r#"{"state": "ok"}"#;
const BROKEN: &str = r#"{"state": "broken"}"#;
const HEAD: [&str; 2] = ["authorization: Bearer sesame-open", "content-type: application/json"];

fn post(service: &Service<'_>, path: &str, body: &Value) -> (u16, Value) {
    let answer = ask(&service.address, &format!("POST /api/v1/{path}"), &HEAD, &body.to_string());
    (answer.status, serde_json::from_str(&answer.body).unwrap())
}

/// Texts of the events of a kind, the newest first.
fn texts(service: &Service<'_>, query: &str) -> Vec<String> {
    let page = service.get(&format!("/api/v1/events?{query}"));
    page["items"].as_array().unwrap().iter().map(|event| event["text"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn what_is_annotated_is_listed_with_its_probe_and_time_and_outlives_a_restart() {
    let target = Double::start(200, OK);
    let folder = folder(&target, "[notify]\nnone = true\n");
    let service = Service::start(folder.path());
    let output = service.command(&["annotate", "shop 4711 \u{1b}[2J<script>", "--probe", "p", "--at", "10m", "--by", "ann"]);
    assert_exit(&output, 0);
    assert!(stderr(&output).contains("annotated deploy about p at "), "{}", stderr(&output));
    assert_exit(&service.command(&["annotate", "flag on", "--what", "flag"]), 0);
    let unknown = service.command(&["annotate", "x", "--probe", "q"]);
    assert_exit(&unknown, 2);
    assert!(stderr(&unknown).contains("`q`"), "{}", stderr(&unknown));
    assert_exit(&service.command(&["annotate", "x", "--at", "40days"]), 2);
    for body in [
        json!({ "text": " " }),
        json!({ "text": "x".repeat(501) }),
        json!({ "text": "x", "what": "w".repeat(41) }),
        json!({ "text": "x", "at_ms": 99_999_999_999_999_i64 }),
    ] {
        assert_eq!(post(&service, "annotations", &body).0, 400, "{body}");
    }
    assert_eq!(service.stop(), Some(0));

    let service = Service::start(folder.path());
    let page = service.get("/api/v1/annotations");
    let items = page["items"].as_array().unwrap();
    assert_eq!(items.len(), 2, "{items:?}");
    assert_eq!((&items[0]["what"], &items[0]["text"], &items[0]["probe"]), (&json!("flag"), &json!("flag on"), &Value::Null));
    assert_eq!(items[1]["text"], "shop 4711 \\u001b[2J<script>");
    assert_eq!((&items[1]["by"], &items[1]["probe"]), (&json!("ann"), &json!("p")));
    assert!(items[1]["at_ms"].as_i64().unwrap() < items[0]["at_ms"].as_i64().unwrap() - 500_000);
    let since = items[0]["at_ms"].as_i64().unwrap() - 1_000;
    assert_eq!(service.get(&format!("/api/v1/annotations?since_ms={since}"))["items"].as_array().unwrap().len(), 1);
    assert_eq!(texts(&service, "kind=annotation&probe=p").len(), 2, "those about everything are about it as well");
    assert_eq!(service.stop(), Some(0));
}

#[test]
fn everything_somebody_does_is_in_the_audit_log_with_what_came_of_it() {
    let (target, receiver) = (Double::start(200, BROKEN), Double::start(200, "{}"));
    let folder = folder(&target, &channel("hook", &receiver));
    let service = Service::start(folder.path());
    let page = receiver.page("ring");
    let incident = page["incident"].as_str().unwrap();
    for (path, body) in [
        ("pause", json!({ "target": "p/eu", "by": "ann", "why": "the shop moves", "for_seconds": 60 })),
        ("resume", json!({ "target": "p/eu", "by": "ann" })),
        ("mutes", json!({ "probe": "p", "reason": "timeout", "by": "bob" })),
        ("mutes/end", json!({ "probe": "p", "reason": "timeout" })),
        ("trigger", json!({ "target": "p" })),
        ("annotations", json!({ "text": "4711", "by": "ann" })),
        ("sweep", json!({ "by": "ann" })),
        (&format!("incidents/{incident}/notes"), json!({ "text": "the payment worker hung\nrestarted", "by": "ann" })),
        (&format!("incidents/{incident}/ack"), json!({ "by": "ann", "reason": "looking" })),
        ("channels/hook/test", json!({ "by": "ann" })),
        ("reload", json!({})),
    ] {
        let (status, answer) = post(&service, path, &body);
        assert_eq!(status, 200, "{path}: {answer}");
    }
    assert_eq!(post(&service, "pause", &json!({ "target": "q" })).0, 404);
    assert_eq!(post(&service, "channels/nobody/test", &json!({})).0, 404);
    assert_eq!(post(&service, &format!("incidents/{incident}/close"), &json!({ "by": "ann", "why": "x" })).0, 409);
    let logged = until("all of it is kept", || Some(texts(&service, "kind=action")).filter(|logged| logged.len() >= 11));
    let wanted = [
        "reload asked for by token: the configuration was loaded again (no file changed): 0 canaries added, 0 removed, 1 kept",
        "a test page sent by ann through hook: delivered",
        "acknowledged by ann: 1 member: looking",
        &format!("noted by ann on incident {incident}"),
        "swept by ann: 0 gone, 0 left",
        "annotated by ann: deploy, about everything",
        "a run of `p` started by token",
        "reason timeout of `p` unmuted by token",
        "reason timeout of `p` muted by bob",
        "`p/eu` resumed by ann",
    ];
    assert_eq!(logged[..10], wanted, "what was refused is not in it");
    assert!(logged[10].starts_with("`p/eu` paused by ann until 20") && logged[10].ends_with("Z: the shop moves"), "{logged:?}");
    assert_eq!(texts(&service, &format!("incident={incident}&kind=note")), ["the payment worker hung\nrestarted"]);
    assert_eq!(texts(&service, &format!("incident={incident}&kind=action")).len(), 2);
    assert_eq!(post(&service, "events?kind=gossip", &json!({})).0, 405);
    let unknown = ask(&service.address, "GET /api/v1/events?kind=gossip", &HEAD, "");
    assert!(unknown.status == 400 && unknown.error().contains("annotation, action"), "{unknown:?}");
    assert_eq!(service.stop(), Some(0));
}

#[test]
fn a_reload_is_an_event_however_it_came_and_whether_it_is_in_force() {
    let target = Double::start(200, OK);
    let folder = folder(&target, "[notify]\nnone = true\n");
    let service = Service::start(folder.path());
    edit(folder.path(), "probes/p.toml", "name = \"p\"", "name = \"q\"");
    let found = until("the file is seen", || texts(&service, "kind=reload").first().cloned());
    assert!(found.contains("1 canary added, 1 removed, 0 kept; probes added: q; probes removed: p"), "{found}");
    edit(folder.path(), "probes/p.toml", "name = \"q\"", "nome = \"q\"");
    let refused = until("the next as well", || Some(texts(&service, "kind=reload")).filter(|texts| texts.len() == 2));
    assert!(refused[0].contains("was not loaded again"), "{refused:?}");
    let words = service.get("/api/v1/events?kind=reload");
    assert_eq!((&words["items"][0]["what"], &words["items"][1]["what"]), (&json!("refused"), &json!("applied")));
    assert_eq!(service.stop(), Some(0));
}

#[test]
fn a_note_can_be_written_on_an_incident_that_is_over() {
    let (target, receiver) = (Double::start(200, BROKEN), Double::start(200, "{}"));
    let folder = folder(&target, &channel("hook", &receiver));
    let service = Service::start(folder.path());
    let page = receiver.page("ring");
    let incident = page["incident"].as_str().unwrap();
    target.answer(200, OK);
    receiver.page("end");
    let output = service.command(&["note", incident, "it was the worker", "--by", "ann"]);
    assert_exit(&output, 0);
    let notes = service.get(&format!("/api/v1/events?kind=note&incident={incident}"));
    assert_eq!((&notes["items"][0]["by"], &notes["items"][0]["probe"]), (&json!("ann"), &json!("p")));
    let unknown = service.command(&["note", "01HS8JJEFV000000000000001A", "x"]);
    assert_exit(&unknown, 2);
    assert!(stderr(&unknown).contains("serinus incidents --all"), "{}", stderr(&unknown));
    assert_eq!(post(&service, &format!("incidents/{incident}/notes"), &json!({ "text": "x".repeat(2_001) })).0, 400);
    assert_eq!(service.stop(), Some(0));
}

#[test]
fn verifying_runs_what_fails_now_and_tells_how_it_went_and_when_the_next_tick_comes() {
    let (target, receiver) = (Double::start(200, BROKEN), Double::start(200, "{}"));
    let folder = folder(&target, &channel("hook", &receiver));
    edit(folder.path(), "probes/p.toml", "[[step]]", "[matrix]\nn = [1, 2]\n\n[[step]]");
    let service = Service::start(folder.path());
    let page = receiver.page("ring");
    let incident = page["incident"].as_str().unwrap().to_owned();
    let verified = until("both fail and a place is free", || {
        let (status, answer) = post(&service, &format!("incidents/{incident}/verify"), &json!({ "by": "ann" }));
        Some(answer).filter(|answer| status == 200 && answer["started"] == 2)
    });
    let canaries = verified["canaries"].as_array().unwrap();
    assert_eq!((canaries.len(), &verified["canaries_total"]), (2, &json!(2)), "{verified}");
    let (first, since) = (&canaries[0], verified["since_ms"].as_i64().unwrap());
    assert_eq!((&first["canary"], &first["why"], &first["last_verdict"]), (&json!("p/eu/n=1"), &Value::Null, &json!("failed")));
    assert!(first["next_tick_ms"].as_i64().unwrap() >= since, "{first}");
    let shown = until("the runs are there", || {
        let shown = service.get(&format!("/api/v1/incidents/{incident}/verify?since_ms={since}"));
        let all = shown["canaries"].as_array().unwrap().iter().all(|canary| canary["run"]["verdict"] == "failed");
        all.then_some(shown)
    });
    assert_eq!(shown["canaries"].as_array().unwrap().len(), 2);
    let ahead = service.get(&format!("/api/v1/incidents/{incident}/verify?since_ms={}", since + 3_600_000));
    assert_eq!(ahead["canaries"][0]["run"], Value::Null);
    assert!(texts(&service, "kind=action")[0].starts_with("verified by ann: "), "{:?}", texts(&service, "kind=action"));
    target.answer(200, OK);
    receiver.page("end");
    let over = service.get(&format!("/api/v1/incidents/{incident}/verify?since_ms={since}"));
    assert_eq!(over["canaries"].as_array().unwrap().len(), 2, "how it went can be looked at when it is over");
    assert_eq!(post(&service, &format!("incidents/{incident}/verify"), &json!({})).0, 404);
    assert_eq!(service.stop(), Some(0));
}

#[test]
fn a_channel_that_refuses_a_test_page_is_told_with_what_it_said() {
    let (target, receiver) = (Double::start(200, OK), Double::start(403, "no such key"));
    let folder = folder(&target, &channel("hook", &receiver));
    let service = Service::start(folder.path());
    let (status, answer) = post(&service, "channels/hook/test", &json!({}));
    assert_eq!((status, &answer["delivered"], &answer["kind"]), (200, &json!(false), &json!("webhook")));
    assert!(answer["error"].as_str().unwrap().contains("403"), "{answer}");
    assert_eq!(service.stop(), Some(0));
}
