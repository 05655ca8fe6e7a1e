//! What is printed, with fixed answers.

use std::time::Duration;

use serde_json::json;

use super::*;

const NOW_S: u64 = 1_763_725_440;

fn now() -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(NOW_S)
}

/// So many seconds ago.
fn since(seconds: u64) -> Value {
    json!((NOW_S - seconds) * 1_000)
}

/// A service of which there is nothing to tell.
fn quiet() -> Value {
    json!({
        "version": "9", "started_ms": since(7_200), "unanswered": 0,
        "probes": [{ "probe": "sync", "verdict": "passing", "since_ms": null, "severity": null, "success_1h": 1.0,
                     "convergence_1h": null, "budget_left": 1.0, "canaries": { "passing": 3, "failing": 0 } }],
        "probes_total": 1,
        "canaries": { "passing": 3, "failing": 0, "no_data": 0 },
        "incidents": { "warn": 0, "page": 0, "critical": 0, "held": 0 },
        "open_incidents": [], "without_data": [], "muted": [], "explained": [], "owed": [], "leaks": [],
        "channels": [{ "channel": "pager", "kind": "pagerduty", "wakes": true, "owed": 0, "owed_since_ms": null, "tries": 0,
                       "taken_ms": since(90), "trouble": null }],
        "self_check": null, "missing_secrets": [],
        "store": { "writable": true, "damaged": null },
        "config": { "loaded_ms": since(7_200), "last_reload": null },
        "pauses": [], "mutes": [], "problems": [], "problems_total": 0,
    })
}

/// It with some answers changed.
fn with(changes: Value) -> Value {
    let (mut status, Value::Object(changes)) = (quiet(), changes) else { panic!("an object") };
    status.as_object_mut().unwrap().extend(changes);
    status
}

fn printed(status: &Value) -> String {
    human(status, now(), Style::PLAIN)
}

#[test]
fn where_all_is_well_there_is_a_line_for_each_probe_and_little_else() {
    assert_eq!(
        printed(&quiet()),
        "PROBE                    VERDICT CANARIES SINCE         1 H OK 1 H P95 BUDGET
sync                     passing        3              100.0 %       –  100 %

canaries   3 passing
incidents  none
channel    pager: pagerduty, wakes, took something 1 min ago
store      well
config     loaded 2025-11-21T09:44:00.000Z (2 h ago)
running    since 2025-11-21T09:44:00.000Z (2 h ago), version 9
"
    );
}

#[test]
fn what_is_wrong_is_listed_within_80_columns_with_whom_it_is_owed_to_and_why_nobody_is_rung() {
    let muted = |name: &str, what: &str| {
        json!({ "name": name, "probe": "cart", "since_ms": since(600), "reason": "timeout",
                "why": { "what": what, "by": ["ann"], "because": "ticket 7", "until_ms": since(0) } })
    };
    let silent = |region: &str, ago: u64| json!({ "name": format!("search/{region}"), "canary": format!("search/{region}"), "probe": "search", "since_ms": since(ago), "reason": "secret", "why": null });
    let status = with(json!({
        "unanswered": 9,
        "incidents": { "warn": 0, "page": 1, "critical": 1, "held": 1 },
        "open_incidents": [
            { "id": "01JD5X0000000000000000000A", "severity": "critical", "since_ms": since(300), "unanswered": 9,
              "title": "premium-registration fails in eu, us and ap (9 of 9 canaries)\u{1b}", "acknowledged": [] },
            { "id": "01JD5X0000000000000000000B", "severity": "page", "since_ms": since(7_300), "unanswered": 0,
              "title": "cart fails in eu (2 of 3 canaries)", "acknowledged": [{ "by": "ann", "at_ms": since(3_600), "reason": "looking" }] },
        ],
        "without_data": [silent("eu", 400), silent("us", 500)],
        "muted": [muted("cart/eu/platform=ios", "reason"), muted("cart/eu/platform=tv", "reason"), muted("subject seg-1", "subject")],
        "explained": [{ "name": "wish/eu", "probe": "wish", "since_ms": since(60), "why": { "by": ["sign-in"] } }],
        "explained_total": 4,
        "owed": [{ "scope": "probe/premium-registration", "channel": "pager", "since_ms": since(120) }],
        "leaks": [{ "probe": "order", "owner": "shop", "entries": 1, "since_ms": since(90_000) }],
        "channels": [{ "channel": "pager", "kind": "pagerduty", "wakes": true, "owed": 1, "owed_since_ms": since(120), "tries": 0,
                       "taken_ms": since(9_000), "trouble": "403: the routing key is not known there" },
                     { "channel": "chat", "kind": "slack", "wakes": false, "owed": 0, "tries": 0, "taken_ms": null, "trouble": null }],
        "self_check": "down",
        "missing_secrets": [{ "name": "key", "error": "KEY is not set", "probes": ["search"] }],
        "store": { "writable": false, "damaged": "serinus.db.damaged-1" },
        "pauses": [{ "target": "sync", "until_ms": null, "by": "ops", "why": "move" }],
        "mutes": [{ "probe": "cart", "reason": "timeout", "subject": null, "until_ms": since(0), "by": "ann", "why": "ticket 7" }],
        "problems": [{ "canary": "cart/eu", "standing": "failing", "failures": 3 }, { "canary": "q/eu", "standing": "no_data", "failures": 0 }],
        "problems_total": 5,
    }));
    let text = printed(&status);
    let expected = "\
canaries   3 passing
incidents  1 critical, 1 page, 1 held
           critical since 5 min ago  01JD5X0000000000000000000A
             premium-registration fails in eu, us and ap (9 of 9 canaries)\\u001b
           page     since 2 h ago  01JD5X0000000000000000000B
             cart fails in eu (2 of 3 canaries)
             acknowledged by ann 1 h ago: looking
no data    search: 2 canaries since 8 min ago: secret
muted      cart: 2 members since 10 min ago: the reason timeout is muted by ann
           until 2025-11-21T11:44:00.000Z: ticket 7
muted      subject seg-1 since 10 min ago: it is muted by ann until
           2025-11-21T11:44:00.000Z: ticket 7
explained  wish/eu since 1 min ago: because of sign-in
           … and 3 more
owed       pager of probe/premium-registration since 2 min ago
leaks      order (shop): 1 thing left behind since 25 h ago; `serinus sweep`
channel    pager: pagerduty, wakes, 1 incident owed since 2 min ago, takes
           nothing: 403: the routing key is not known there
channel    chat: slack, informs
self check down: the network is away
secret     key: KEY is not set; without it no run of search counts
store      cannot be written; what happens is kept in memory until it can; it
           was damaged at the start and put to serinus.db.damaged-1
config     loaded 2025-11-21T09:44:00.000Z (2 h ago)
running    since 2025-11-21T09:44:00.000Z (2 h ago), version 9
paused     sync by ops because move
mutes      reason timeout of cart until 2025-11-21T11:44:00.000Z by ann because
           ticket 7
failing    cart/eu  3 failed runs
no data    q/eu
           … and 3 more; `serinus incidents ID` names the members of one
";
    let (_, below) = text.split_once("\n\n").unwrap();
    assert_eq!(below, expected);
    assert!(text.lines().all(|line| line.chars().count() <= 80), "{text}");
}

#[test]
fn the_exit_code_is_1_exactly_while_a_page_is_unanswered_and_an_older_service_is_not_taken_for_well() {
    assert_eq!(exit(&with(json!({ "unanswered": 0, "incidents": { "critical": 7 } }))).unwrap(), Exit::Well);
    assert_eq!(exit(&with(json!({ "unanswered": 1, "incidents": { "warn": 1 } }))).unwrap(), Exit::ProbeFailed);
    assert_eq!(exit(&with(json!({ "unanswered": null }))).unwrap_err().exit, Exit::Prober);
}

#[test]
fn a_service_that_tells_nobody_says_so() {
    let text = printed(&with(json!({ "channels": [] })));
    assert!(text.contains("channel    there is none: nobody is told\n"), "{text}");
}

#[test]
fn a_refused_reload_says_which_configuration_is_in_force() {
    let config = json!({ "loaded_ms": 0, "last_reload": { "applied": false, "at_ms": 1000, "message": "1 error" } });
    let text = printed(&with(json!({ "config": config })));
    let said = "config     of 1970-01-01T00:00:00.000Z is still in force: the one read at\n           1970-01-01T00:00:01.000Z was refused: 1 error\n";
    assert!(text.contains(said), "{text}");
}

#[test]
fn degraded_runs_have_a_line_for_each_probe_that_had_some() {
    let probe = |name: &str, share: Value| json!({ "probe": name, "verdict": "passing", "canaries": { "passing": 1 }, "degraded_1h": share });
    let status =
        with(json!({ "probes": [probe("search", json!(0.125)), probe("cart", json!(0.0)), probe("sync", json!(null))] }));
    let text = printed(&status);
    assert!(text.contains("\ndegraded   search: 12.5 % of the passed runs of the last hour\n"), "{text}");
    assert_eq!(text.matches("degraded").count(), 1, "{text}");
}

#[test]
fn a_fleet_has_a_line_for_each_region_and_names_who_stands_by_and_who_differs() {
    let instance = |instance: &str, region: &str, role: &str, differs: Value| {
        json!({ "instance": instance, "host": format!("node-{instance}"), "regions": [region], "version": "9", "role": role,
                "heard_ms": since(2), "is_this": role == "stands by", "differs": differs })
    };
    let fleet = json!({
        "trouble": null,
        "regions": [
            { "region": "ap", "instance": "A", "heard_ms": since(3), "is_unknown": false },
            { "region": "eu", "instance": "B", "heard_ms": since(2), "is_unknown": false },
            { "region": "us", "instance": "C", "heard_ms": since(190), "is_unknown": true },
            { "region": "za", "instance": null, "heard_ms": null, "is_unknown": true },
        ],
        "instances": [
            instance("B", "eu", "evaluates", json!([])),
            instance("A", "ap", "probes", json!(["alerting", "probes"])),
            instance("D", "eu", "stands by", json!([])),
        ],
    });
    let text = printed(&with(json!({ "fleet": fleet })));
    let (_, said) = text.split_once("version 9\n").unwrap();
    assert_eq!(
        said,
        "region     us: unknown, last heard 3 min ago
region     za: unknown, never heard of
region     ap: last heard 3 s ago, on node-A
region     eu: last heard 2 s ago, on node-B, evaluates
instance   ap on node-A: probes, has other channels, routes or regions and other
           probes (version 9); who evaluates goes by its own
instance   eu on node-D (this one): stands by
"
    );
}
