//! The API of a running service, and the commands that ask it: the built program, a target and a receiver on loopback.

use std::collections::BTreeSet;

use serde_json::Value;
use serinus::web::ROUTES;

use crate::cli_support::{assert_exit, run, stderr, stdout, until};
use crate::service_support::{Answer, Double, Service, ask, channel, edit, folder, write};

const OK: &str = r#"{"state": "ok"}"#;
const BROKEN: &str = r#"{"state": "broken"}"#;
const TOKEN: &str = "authorization: Bearer sesame-open";
const JSON: &str = "content-type: application/json";

#[test]
fn every_route_is_documented_and_every_documented_route_exists() {
    let text = std::fs::read_to_string("config/README.md").unwrap();
    let documented: BTreeSet<String> = text
        .lines()
        .filter_map(|line| line.strip_prefix("| `")?.split('`').next())
        .filter(|cell| cell.contains(" /api/v1/"))
        .map(str::to_owned)
        .collect();
    let known: BTreeSet<String> = ROUTES.iter().map(|(method, path)| format!("{method} {path}")).collect();
    assert_eq!(documented, known);
    let source = std::fs::read_to_string("src/web/api/mod.rs").unwrap();
    let routed = source.split(".route(\"").skip(1).map(|rest| {
        let (path, rest) = rest.split_once('"').unwrap();
        let method = if rest.starts_with(", get(") { "GET" } else { "POST" };
        format!("{method} {path}")
    });
    assert_eq!(routed.collect::<BTreeSet<_>>(), known);
}

#[test]
fn without_a_token_the_api_can_be_read_from_this_machine_by_address_and_changed_by_nobody() {
    let target = Double::start(200, OK);
    let folder = folder(&target, "[notify]\nnone = true\n");
    edit(folder.path(), "serinus.toml", "token = \"token\"\n", "");
    let service = Service::start(folder.path());
    // A stream has no end that could be waited for; `top` listens to it.
    for (method, path) in ROUTES.into_iter().filter(|(_, path)| !path.ends_with("/stream")) {
        let path = path.replace("{id}", "x").replace("{name}", "x");
        let answer = ask(&service.address, &format!("{method} {path}"), &[JSON], "{}");
        if method == "GET" {
            assert!(
                answer.status == 200
                    || ["no run", "no incident", "no probe", "no status page"]
                        .iter()
                        .any(|word| answer.error().to_lowercase().contains(word)),
                "{answer:?}"
            );
        } else {
            assert_eq!(answer.status, 403, "{path}");
            assert!(answer.error().contains("`listen.token`"), "{answer:?}");
        }
        // What a page in a browser that was led here by a name of its own would send.
        let foreign = ask(&service.address, &format!("{method} {path}"), &["host: evil.example.com", JSON], "{}");
        assert_eq!(foreign.status, 403, "{path}");
        assert!(foreign.error().contains("`listen.hosts`"), "{foreign:?}");
    }
    let local = ask(&service.address, "GET /api/v1/status", &["host: localhost:9464", "origin: http://evil.example.com"], "");
    assert_eq!(local.status, 200);
    assert!(!local.head.to_lowercase().contains("access-control"), "{local:?}");
    let url = format!("http://{}", service.address);
    let output = run(folder.path(), &["pause", "p", "--url", &url]);
    assert_exit(&output, 2);
    assert!(stderr(&output).contains("name a secret in `listen.token`"), "{}", stderr(&output));
    assert_eq!(service.stop(), Some(0));
}

#[test]
fn no_route_answers_to_a_name_that_nobody_has_allowed_token_or_not() {
    let target = Double::start(200, OK);
    let folder = folder(
        &target,
        "hosts = [\"Prober.internal\"]\n[alerting]\npublic_url = \"https://prober.example.com/\"\n[notify]\nnone = true\n",
    );
    let service = Service::start(folder.path());
    let routes = ROUTES.iter().map(|(method, path)| format!("{method} {}", path.replace("{id}", "x").replace("{name}", "x")));
    let others = ["/metrics", "/healthz", "/readyz", "/", "/nothing"].map(|path| format!("GET {path}"));
    for request in routes.chain(others) {
        let name = format!("host: evil.example.com:{}", service.address.rsplit(':').next().unwrap());
        let refused = ask(&service.address, &request, &[TOKEN, JSON, &name], "{}");
        assert_eq!(refused.status, 403, "{request}");
        assert!(refused.error().contains("`listen.hosts`") && refused.error().contains("evil.example.com"), "{refused:?}");
    }
    for host in ["host: prober.internal:9464", "host: prober.example.com", "host: localhost", "host: [::1]:80", "host: 10.0.0.1"]
    {
        assert_eq!(ask(&service.address, "GET /metrics", &[TOKEN, host], "").status, 200, "{host}");
        assert_eq!(ask(&service.address, "GET /healthz", &[host], "").status, 200, "{host}");
    }
    let there = "https://prober.example.com/";
    edit(folder.path(), "serinus.toml", there, "https://moved.example.com/");
    assert_exit(&service.command(&["reload"]), 0);
    let moved = ask(&service.address, "GET /healthz", &["host: moved.example.com"], "");
    assert_eq!(moved.status, 200, "a reload changes the name by which people reach it");
    assert_eq!(service.stop(), Some(0));
}

#[test]
fn every_refusal_is_json_with_a_sentence_and_a_fitting_status() {
    let target = Double::start(200, OK);
    let folder = folder(&target, "[notify]\nnone = true\n");
    let service = Service::start(folder.path());
    // Who has used a token is listened to also after he was wrong too often.
    service.status();
    for (at, (method, path)) in ROUTES.iter().enumerate() {
        for wrong in [&[JSON][..], &[JSON, "authorization: Bearer sesame"], &[JSON, "authorization: Basic sesame-open"]] {
            let answer = ask(&service.address, &format!("{method} {path}"), wrong, "{}");
            let expected = if wrong.contains(&"authorization: Bearer sesame") && at >= 10 { 429 } else { 401 };
            assert_eq!((answer.status, answer.error().contains("token")), (expected, true), "{answer:?}");
        }
    }
    let large = format!("{{\"target\": \"{}\"}}", "p".repeat(100_000));
    let cases: [(&str, &[&str], &str, u16, &str); 39] = [
        ("POST /api/v1/pause", &[JSON], "{", 400, "JSON"),
        ("POST /api/v1/pause", &[JSON], r#"{"target": 5}"#, 422, "target"),
        ("POST /api/v1/pause", &[JSON], r#"["p", null, null, null]"#, 422, "a JSON object"),
        ("POST /api/v1/pause", &[JSON], r#"{"target": "p", "fore": 1}"#, 422, "fore"),
        ("POST /api/v1/pause", &[JSON], r#"{"target": "p", "for_seconds": -1}"#, 400, "a year"),
        ("POST /api/v1/pause", &[JSON], r#"{"target": "p", "for_seconds": 1e300}"#, 400, "a year"),
        ("POST /api/v1/pause", &[JSON], r#"{"target": "q"}"#, 404, "`q`"),
        ("POST /api/v1/pause", &[JSON], &large, 413, "limit"),
        ("POST /api/v1/pause", &["content-type: text/plain"], r#"{"target": "p"}"#, 415, "application/json"),
        ("POST /api/v1/resume", &[JSON], r#"{"target": "p"}"#, 409, "not paused"),
        ("POST /api/v1/trigger", &[JSON], r#"{"target": "p/us"}"#, 404, "did you mean `p/eu`?"),
        ("POST /api/v1/incidents/x/ack", &[JSON], "{}", 404, "`x`"),
        ("POST /api/v1/incidents/x/close", &[JSON], r#"{"by": "ann", "why": "over"}"#, 404, "`x`"),
        ("POST /api/v1/incidents/x/close", &[JSON], r#"{"by": "ann", "why": " "}"#, 400, "`why`"),
        ("POST /api/v1/mutes", &[JSON], r#"{"probe": "p"}"#, 400, "`reason` or `subject`"),
        ("POST /api/v1/mutes", &[JSON], r#"{"probe": "p", "reason": "dns", "subject": "s"}"#, 400, "one of them"),
        ("POST /api/v1/mutes", &[JSON], r#"{"probe": "p", "reason": "timeuot"}"#, 400, "did you mean `timeout`?"),
        ("POST /api/v1/mutes", &[JSON], r#"{"probe": "p", "reason": "subject"}"#, 400, "by its name"),
        ("POST /api/v1/mutes", &[JSON], r#"{"probe": "p", "reason": "guard"}"#, 400, "expectation"),
        ("POST /api/v1/mutes", &[JSON], r#"{"probe": "p", "subject": "s", "for_seconds": 0}"#, 400, "for_seconds"),
        ("POST /api/v1/mutes", &[JSON], r#"{"probe": "p/eu", "reason": "dns"}"#, 400, "the whole probe `p`"),
        ("POST /api/v1/mutes", &[JSON], r#"{"probe": "q", "reason": "dns"}"#, 404, "`q`"),
        ("POST /api/v1/mutes/end", &[JSON], r#"{"probe": "p", "reason": "dns"}"#, 409, "not muted"),
        ("POST /api/v1/mutes/end", &[JSON], r#"{"probe": "q", "reason": "dns"}"#, 404, "`q`"),
        ("POST /api/v1/status", &[JSON], "{}", 405, "Method"),
        ("DELETE /api/v1/runs", &[], "", 405, "Method"),
        ("OPTIONS /api/v1/runs", &[], "", 405, "Method"),
        ("GET /api/v1/nothing", &[], "", 404, "config/README.md"),
        ("GET /api/v1/runs?limit=0", &[], "", 400, "500"),
        ("GET /api/v1/runs?limit=many", &[], "", 400, "limit"),
        ("GET /api/v1/runs?after=x", &[], "", 400, "cursor"),
        ("GET /api/v1/runs?verdict=bad", &[], "", 400, "passed, failed"),
        ("GET /api/v1/runs?probe=q", &[], "", 404, "`q`"),
        ("GET /api/v1/runs?reason=timeuot", &[], "", 400, "did you mean `timeout`?"),
        ("GET /api/v1/runs?format=xml", &[], "", 400, "csv"),
        ("GET /api/v1/probes/q", &[], "", 404, "`q`"),
        ("GET /api/v1/probes/p?range=1y", &[], "", 400, "30d"),
        ("GET /api/v1/canaries?standing=bad", &[], "", 400, "passing"),
        ("GET /api/v1/runs/%ff", &[], "", 400, "UTF-8"),
    ];
    for (request, headers, body, status, word) in cases {
        let answer = ask(&service.address, request, &[&[TOKEN], headers].concat(), body);
        assert_eq!(answer.status, status, "{request} {body:.80}: {answer:?}");
        assert!(answer.error().contains(word), "{request}: {answer:?}");
    }
    let head = ask(&service.address, "HEAD /api/v1/status", &[TOKEN], "");
    assert_eq!((head.status, head.body.as_str()), (200, ""));
    assert_eq!(service.stop(), Some(0));
}

/// Spellings in which a secret must not be found.
pub(crate) fn spellings(secret: &str) -> Vec<String> {
    use base64::Engine as _;
    use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};
    let encoded: String = secret
        .bytes()
        .map(|byte| if byte.is_ascii_alphanumeric() { char::from(byte).to_string() } else { format!("%{byte:02X}") })
        .collect();
    let escaped = serde_json::to_string(secret).unwrap();
    vec![
        secret.to_owned(),
        escaped.trim_matches('"').to_owned(),
        encoded,
        STANDARD_NO_PAD.encode(secret),
        URL_SAFE_NO_PAD.encode(secret),
    ]
}

#[test]
fn no_answer_of_any_route_holds_a_secret_that_went_through_a_failed_run() {
    const SECRET: &str = "gr\"een/f+ish?ü";
    let (target, receiver) = (Double::start(200, "echo"), Double::start(200, "{}"));
    let public = "[status_page]\ntitle = \"Shop\"\n[[status_page.component]]\nname = \"Basket\"\nprobes = [\"p\"]\n";
    let folder = folder(&target, &format!("{}{public}", channel("hook", &receiver)));
    std::fs::write(folder.path().join("deep"), SECRET).unwrap();
    edit(folder.path(), "serinus.toml", "[secrets]\n", "[secrets]\ndeep = { file = \"deep\" }\n");
    let more = format!(
        "[vars]\nnote = \"it is {{{{ secret.deep }}}}\"\n[[step]]\nname = \"front page\"\n\
         http.post = \"http://{}/a?q={{{{ secret.deep | urlencode }}}}\"\n\
         http.headers = {{ x-key = \"{{{{ secret.deep | urlencode }}}}\" }}\nhttp.basic = {{ user = \"u\", password = \"{{{{ secret.deep }}}}\" }}\n\
         http.json = {{ p = \"{{{{ secret.deep }}}}\" }}\n",
        target.address
    );
    let text = std::fs::read_to_string(folder.path().join("probes/p.toml")).unwrap();
    let (head, _) = text.split_once("[[step]]").unwrap();
    write(folder.path(), "probes/p.toml", &format!("{head}{more}expect = [\"status == 200\", \"json.echo == note\"]\n"));
    let service = Service::start(folder.path());
    let page = receiver.page("ring");
    let requests = target.received();
    let sent = requests.first().unwrap();
    assert!(sent.body.contains("gr\\\"een/f+ish?ü"), "the run does send it: {sent:?}");
    let incident = page["incident"].as_str().unwrap();
    let runs = service.get("/api/v1/runs?not_passed=true");
    let run = runs["items"][0]["run_id"].as_str().unwrap();
    let mut said = vec![("the page".to_owned(), page.to_string())];
    let paths = ROUTES
        .iter()
        .filter(|(method, path)| *method == "GET" && !path.ends_with("/stream"))
        .map(|(_, path)| *path)
        .chain(["/metrics"]);
    for path in paths {
        let id = if path.contains("runs") { run } else { incident };
        let path = path.replace("{id}", id).replace("{name}", "p");
        let answer = ask(&service.address, &format!("GET {path}"), &[TOKEN], "");
        assert_eq!(answer.status, 200, "{answer:?}");
        said.push((path, answer.body));
    }
    said.push(("runs ID".to_owned(), stdout(&service.command(&["runs", run]))));
    said.push(("incidents ID".to_owned(), stdout(&service.command(&["incidents", incident]))));
    said.push(("reload".to_owned(), stdout(&service.command(&["reload", "-o", "json"]))));
    assert!(said.iter().any(|(_, text)| text.contains("•••")), "the run was kept with what it saw");
    for (what, text) in &said {
        for spelling in spellings(SECRET) {
            assert!(!text.contains(&spelling), "{what} has {spelling}: {text}");
        }
    }
    assert_eq!(service.stop(), Some(0));
}

#[test]
fn lists_are_paged_to_their_end_without_a_gap_or_a_double() {
    let target = Double::start(200, OK);
    let folder = folder(&target, "[notify]\nnone = true\n");
    edit(folder.path(), "probes/p.toml", "[[step]]", "[matrix]\nn = [1, 2, 3, 4, 5]\n\n[[step]]");
    let service = Service::start(folder.path());
    until("five runs are kept", || {
        service.get("/api/v1/runs?limit=500")["items"].as_array().filter(|runs| runs.len() >= 5).cloned()
    });
    for (list, key) in [("canaries?", "canary"), ("runs?until_ms=99999999999999&", "run_id")] {
        let mut seen = Vec::new();
        let mut after = String::new();
        loop {
            let page = service.get(&format!("/api/v1/{list}limit=2{after}"));
            seen.extend(page["items"].as_array().unwrap().iter().map(|item| item[key].as_str().unwrap().to_owned()));
            match page["next"].as_str() {
                Some(next) => after = format!("&after={next}"),
                None => break,
            }
        }
        assert!(seen.len() >= 5, "{seen:?}");
        assert_eq!(seen.iter().collect::<BTreeSet<_>>().len(), seen.len(), "{seen:?}");
    }
    assert_eq!(service.stop(), Some(0));
}

#[test]
fn who_has_an_answer_already_gets_304_and_a_list_is_csv_for_who_wants_that() {
    let target = Double::start(200, OK);
    let folder = folder(&target, "[notify]\nnone = true\n");
    let service = Service::start(folder.path());
    for text in ["=HYPERLINK(\"http://evil.example\")", "one, \"two\"\nthree"] {
        let body = serde_json::json!({ "text": text, "what": "-1" }).to_string();
        assert_eq!(ask(&service.address, "POST /api/v1/annotations", &[TOKEN, JSON], &body).status, 200);
    }
    let get = |path: &str, more: &[&str]| ask(&service.address, &format!("GET {path}"), &[&[TOKEN], more].concat(), "");
    let whole = get("/api/v1/annotations", &[]);
    let line = |answer: &Answer, name: &str| {
        answer.head.lines().find_map(|line| line.strip_prefix(&format!("{name}: "))).map(str::to_owned)
    };
    let tag = line(&whole, "etag").unwrap();
    assert_eq!(line(&whole, "cache-control").as_deref(), Some("private, no-cache"));
    let again = get("/api/v1/annotations", &[&format!("if-none-match: {tag}")]);
    assert_eq!((again.status, again.body.as_str(), line(&again, "etag")), (304, "", Some(tag.clone())));
    assert_eq!(get("/api/v1/annotations?limit=1", &[&format!("if-none-match: {tag}")]).status, 200);
    assert!(line(&get("/api/v1/runs/x", &[]), "etag").is_none());

    let table = get("/api/v1/annotations?limit=1", &["accept: text/csv"]);
    let next = line(&table, "link").unwrap();
    assert_eq!(line(&table, "content-type").as_deref(), Some("text/csv; charset=utf-8"));
    assert_eq!(line(&table, "content-disposition").as_deref(), Some("attachment; filename=\"serinus-events.csv\""));
    assert!(table.body.starts_with("id,at_ms,kind,probe,incident,by,what,text\r\n"), "{table:?}");
    assert!(table.body.ends_with(",'-1,\"one, \"\"two\"\"\\nthree\"\r\n"), "{table:?}");
    let query = next.strip_prefix("<?").and_then(|next| next.strip_suffix(">; rel=\"next\"")).unwrap();
    let rest = get(&format!("/api/v1/annotations?{query}&format=csv"), &[]);
    assert!(rest.body.ends_with(",'-1,\"'=HYPERLINK(\"\"http://evil.example\"\")\"\r\n"), "{rest:?}");
    assert_ne!(line(&table, "etag"), Some(tag));
    for list in ["runs", "canaries", "incidents", "events", "certificates", "maintenance", "mutes"] {
        let table = get(&format!("/api/v1/{list}?format=csv"), &[]);
        assert_eq!((table.status, line(&table, "content-type").as_deref()), (200, Some("text/csv; charset=utf-8")), "{table:?}");
    }
    assert_eq!(service.stop(), Some(0));
}

#[test]
fn what_the_pages_of_an_incident_a_probe_and_a_run_work_out_is_told_by_the_api_too() {
    let (target, receiver) = (Double::start(200, OK), Double::start(200, "{}"));
    let folder = folder(&target, &channel("hook", &receiver));
    let service = Service::start(folder.path());
    until("a passed run is kept", || {
        service.get("/api/v1/runs?verdict=passed")["items"].as_array().filter(|runs| !runs.is_empty()).map(drop)
    });
    target.answer(200, BROKEN);
    let page = receiver.page("ring");
    let incident = page["incident"].as_str().unwrap();
    assert_eq!(service.get("/api/v1/runs?reason=timeout")["items"].as_array().map(Vec::len), Some(0));
    let run = until("a failed run is kept", || {
        let runs = service.get("/api/v1/runs?reason=expectation");
        runs["items"][0]["run_id"].as_str().map(str::to_owned)
    });

    let analysis = service.get(&format!("/api/v1/incidents/{incident}/analysis"));
    assert_eq!((&analysis["incident"], &analysis["members_total"]), (&incident.into(), &1.into()), "{analysis:#}");
    assert_eq!(analysis["members"][0]["standing"], "failing");
    let shared = analysis["shared"]["dimensions"].as_array().unwrap();
    assert!(shared.iter().any(|shared| shared["of"] == "step" && shared["says"] == "front page"), "{analysis:#}");
    assert!(analysis["times"]["began_ms"].is_i64() && analysis["timeline"]["begin"].is_array(), "{analysis:#}");

    let beside = service.get(&format!("/api/v1/runs/{run}/beside"));
    assert!(beside["before"]["run_id"].is_string() && beside["beside"].is_null(), "{beside:#}");

    let probe = until("the last hour is read", || {
        let probe = service.get("/api/v1/probes/p?range=1h");
        (probe["reasons"][0]["reason"] == "expectation").then_some(probe)
    });
    assert_eq!((&probe["probe"], &probe["status"]["verdict"]), (&"p".into(), &"failing".into()), "{probe:#}");
    assert_eq!(probe["description"]["steps"][0]["name"], "front page", "{probe:#}");
    assert_eq!(probe["durations"]["bins"].as_array().map(Vec::len), probe["regions"][0]["bins"].as_array().map(Vec::len));
    assert!(probe["next_ticks"][0]["at_ms"].is_i64() && probe["is_partial"] == false, "{probe:#}");
    assert_eq!(service.get("/api/v1/probes/p?region=us")["regions"].as_array().map(Vec::len), Some(0));
    assert_eq!(service.stop(), Some(0));
}

#[test]
fn the_commands_tell_what_is_wrong_and_do_what_they_are_asked_for() {
    let (target, receiver) = (Double::start(200, BROKEN), Double::start(200, "{}"));
    let folder = folder(&target, &channel("hook", &receiver));
    let service = Service::start(folder.path());
    let page = receiver.page("ring");
    let incident = page["incident"].as_str().unwrap();

    let output = service.command(&["status"]);
    assert_exit(&output, 1);
    let text = stdout(&output);
    assert!(text.contains("canaries   1 failing") && text.contains("incidents  1 page"), "{text}");
    assert!(text.contains(incident) && text.contains("p/eu  ") && text.contains(" failed runs"), "{text}");
    assert!(text.contains("PROBE ") && text.lines().nth(1).is_some_and(|line| line.starts_with("p   ")), "{text}");
    let output = service.command(&["status", "-o", "json"]);
    assert_exit(&output, 1);
    let status: Value = serde_json::from_str(&stdout(&output)).unwrap();
    assert_eq!(status["open_incidents"][0]["id"], incident);

    let output = service.command(&["runs", "p", "--failed", "--limit", "1", "-o", "json"]);
    assert_exit(&output, 0);
    let runs: Value = serde_json::from_str(&stdout(&output)).unwrap();
    let run = runs["items"][0]["run_id"].as_str().unwrap();
    let text = stdout(&service.command(&["runs", run]));
    assert!(text.starts_with("✗ failed (expectation) p/eu in "), "{text}");
    assert!(text.contains("json.state == 'ok'  probes/p.toml:") && text.contains("was \"broken\""), "{text}");
    assert!(text.contains("✗ front page ▕") && text.contains("✓ status == 200"), "{text}");

    let refused = service.command(&["close", incident, "--by", "ann", "--why", "a known bug"]);
    assert_exit(&refused, 2);
    assert!(stderr(&refused).contains("p/eu still fails; only what is muted"), "{}", stderr(&refused));
    let output = service.command(&["ack", incident, "--by", "ann\u{1b}[2J", "--reason", "looking"]);
    assert_exit(&output, 0);
    assert_exit(&service.command(&["status"]), 0);
    assert_eq!(receiver.page("acknowledge")["key"], page["key"]);
    let output = service.command(&["ack", incident, "--by", "bob"]);
    assert_exit(&output, 0);
    assert!(stderr(&output).contains("was acknowledged already, by ann\\u001b[2J "), "{}", stderr(&output));
    assert!(stderr(&output).contains("nothing new is covered"), "{}", stderr(&output));
    let text = until("the acknowledgement is kept", || {
        let text = stdout(&service.command(&["incidents", incident]));
        text.contains("is at it").then_some(text)
    });
    assert!(
        text.contains("p/eu: front page: ") && text.contains(&format!("hook  {}: taken", page["key"].as_str().unwrap())),
        "{text}"
    );
    assert!(text.contains("  acknowledged p/eu  since "), "{text}");
    assert!(text.contains("acknowledged by ann\\u001b[2J") && !text.contains('\u{1b}'), "{text}");

    target.answer(200, OK);
    assert_eq!(receiver.page("end")["key"], page["key"]);
    assert_exit(&service.command(&["status"]), 0);
    let text = stdout(&service.command(&["incidents", "--all"]));
    assert!(text.contains(incident) && text.contains(" until "), "{text}");
    assert!(stderr(&service.command(&["incidents"])).contains("no incident is open"));

    let output = service.command(&["trigger", "p/eu"]);
    assert_exit(&output, 0);
    until("a run by hand counts for nothing", || {
        let text = stdout(&service.command(&["runs", "p/eu"]));
        text.contains("counts for nothing").then_some(())
    });
    for (args, word) in [
        (["trigger", "pp"], "did you mean `p`?"),
        (["runs", "pp"], "did you mean `p`?"),
        (["runs", "01HS8JJEFV000000000000001A"], "store.keep_passed"),
        (["ack", incident], "serinus incidents"),
        (["resume", "p"], "is not paused"),
    ] {
        let output = service.command(&args);
        assert_exit(&output, 2);
        assert!(stderr(&output).contains(word), "{args:?}: {}", stderr(&output));
    }
    assert_eq!(service.stop(), Some(0));
}

#[test]
fn a_kept_run_shows_each_step_of_its_cleanup_with_its_result() {
    let target = Double::start(200, OK);
    let folder = folder(&target, "[notify]\nnone = true\n");
    let text = std::fs::read_to_string(folder.path().join("probes/p.toml")).unwrap();
    let url = format!("http://{}/thing", target.address);
    let step = |name: &str, status: u16| {
        format!("[[step.cleanup]]\nname = \"{name}\"\nhttp.delete = \"{url}\"\nexpect = [\"status == {status}\"]\n")
    };
    write(folder.path(), "probes/p.toml", &format!("{text}\n{}{}", step("empty it", 200), step("delete it", 404)));
    let service = Service::start(folder.path());
    let run = until("a run with its cleanup is kept", || {
        let runs = service.get("/api/v1/runs?verdict=passed");
        let id = runs["items"].as_array()?.last()?["run_id"].as_str()?.to_owned();
        (service.get(&format!("/api/v1/runs/{id}"))["details"]["cleanup"].is_object()).then_some(id)
    });
    let cleanup = &service.get(&format!("/api/v1/runs/{run}"))["details"]["cleanup"];
    let results: Vec<_> = cleanup["steps"].as_array().unwrap().iter().map(|step| (&step["name"], &step["result"])).collect();
    assert_eq!(results, [(&"empty it".into(), &"passed".into()), (&"delete it".into(), &"failed".into())], "{cleanup:#}");
    let text = stdout(&service.command(&["runs", &run]));
    for part in ["cleanup: leaked after ", "✓ empty it ", "✗ delete it ", "`status == 404` does not hold"] {
        assert!(text.contains(part), "{part}\n{text}");
    }
}

#[test]
fn a_service_that_is_not_there_or_takes_no_such_token_is_told_apart() {
    let target = Double::start(200, OK);
    let folder = folder(&target, "[notify]\nnone = true\n");
    let service = Service::start(folder.path());
    let url = format!("http://{}", service.address);
    for args in [&["status", "--url", &url][..], &["status", "--url", &url, "--token", "wrong"]] {
        let output = run(folder.path(), args);
        assert_exit(&output, 2);
        assert!(stderr(&output).contains("SERINUS_TOKEN"), "{}", stderr(&output));
    }
    let output = run(folder.path(), &["status", "--url", &format!("http://{}", target.address)]);
    assert_exit(&output, 3);
    assert!(stderr(&output).contains("no serinus service"), "{}", stderr(&output));
    assert_eq!(service.stop(), Some(0));
    let output = run(folder.path(), &["status", "--url", &url]);
    assert_exit(&output, 3);
    assert!(stderr(&output).contains("is `serinus run` up there?"), "{}", stderr(&output));
}

#[test]
fn a_pause_outlives_a_restart_and_ends_when_it_is_resumed_or_over() {
    let target = Double::start(200, OK);
    let folder = folder(&target, "[notify]\nnone = true\n");
    let service = Service::start(folder.path());
    let standing = |service: &Service<'_>| service.get("/api/v1/canaries")["items"][0]["standing"].as_str().unwrap().to_owned();
    until("it is well", || (standing(&service) == "passing").then_some(()));
    assert_exit(&service.command(&["pause", "p", "--why", "move"]), 0);
    assert_eq!(standing(&service), "muted");
    assert_eq!(service.stop(), Some(0));

    let service = Service::start(folder.path());
    assert_eq!(service.status()["pauses"][0]["why"], "move");
    assert_eq!(standing(&service), "muted");
    let before = target.received().len();
    until("ticks are skipped", || {
        service.get("/api/v1/runs?verdict=skipped")["items"].as_array().filter(|runs| runs.len() >= 2).map(drop)
    });
    assert_eq!(target.received().len(), before, "a paused canary is not run");
    assert_exit(&service.command(&["resume", "p"]), 0);
    until("it runs again", || (standing(&service) == "passing").then_some(()));
    assert_exit(&service.command(&["pause", "p/eu", "--for", "1s"]), 0);
    until("a pause that is over leaves it well", || {
        (service.status()["pauses"].as_array().unwrap().is_empty() && standing(&service) == "passing").then_some(())
    });
    assert_eq!(service.stop(), Some(0));
}

#[test]
fn a_mute_outlives_a_restart_and_ends_when_it_is_unmuted_or_over() {
    let target = Double::start(200, OK);
    let folder = folder(&target, "[notify]\nnone = true\n");
    let service = Service::start(folder.path());
    let output = service.command(&["mute", "p", "--reason", "timeout", "--by", "ann", "--why", "ticket\u{1b} 7"]);
    assert_exit(&output, 0);
    assert!(stderr(&output).contains("muted reason timeout of p until it is unmuted"), "{}", stderr(&output));
    assert_exit(&service.command(&["mute", "p", "--subject", "seg/1", "--for", "10m"]), 0);
    assert_exit(&service.command(&["mute", "p", "--subject", "seg/1", "--for", "1h", "--why", "again"]), 0);
    assert_exit(&service.command(&["mute", "p", "--subject", "seg/2", "--for", "1s"]), 0);
    assert_exit(&service.command(&["mute", "p"]), 2);
    assert_exit(&service.command(&["mute", "p", "--subject", "a", "--reason", "dns"]), 2);
    let muted = |service: &Service<'_>| -> Vec<(Value, Value, Value)> {
        let items = service.get("/api/v1/mutes")["items"].as_array().unwrap().clone();
        items.into_iter().map(|item| (item["reason"].clone(), item["subject"].clone(), item["why"].clone())).collect()
    };
    let both = [("timeout".into(), Value::Null, "ticket\\u001b 7".into()), (Value::Null, "seg/1".into(), "again".into())];
    until("a mute that is over is gone", || (muted(&service) == both).then_some(()));
    assert_eq!(service.stop(), Some(0));

    let service = Service::start(folder.path());
    assert_eq!(muted(&service), both);
    assert_eq!(service.status()["mutes"][0]["by"], "ann");
    let text = stdout(&service.command(&["status"]));
    assert!(text.contains("mutes      reason timeout of p by ann because ticket"), "{text}");
    assert_exit(&service.command(&["unmute", "p", "--reason", "timeout"]), 0);
    assert_exit(&service.command(&["unmute", "p", "--reason", "timeout"]), 2);
    assert_eq!(service.stop(), Some(0));
    let service = Service::start(folder.path());
    assert_eq!(muted(&service), both[1..]);
    assert_eq!(service.stop(), Some(0));
}

#[test]
fn a_known_bug_is_muted_and_its_incident_closed_while_the_probe_goes_on() {
    let (target, receiver) = (Double::start(200, BROKEN), Double::start(200, "{}"));
    // The end of the muting begins an episode, as the beginning and the closing did; it is not what is looked at here.
    let folder = folder(&target, &format!("{}\n[alerting.flapping]\nopens = 1000\n", channel("hook", &receiver)));
    let service = Service::start(folder.path());
    let ring = receiver.page("ring");
    let incident = ring["incident"].as_str().unwrap();
    assert_exit(&service.command(&["status"]), 1);
    assert_exit(&service.command(&["mute", "p", "--reason", "expectation", "--by", "ann", "--why", "ticket 7"]), 0);
    let text = until("it is muted", || {
        let output = service.command(&["status"]);
        (output.status.code() == Some(0)).then(|| stdout(&output))
    });
    assert!(text.contains("muted      p/eu since ") && text.contains("the reason expectation is muted by ann: ticket"), "{text}");
    let page = service.get(&format!("/api/v1/incidents/{incident}"));
    let details = &page["incident"]["details"];
    assert_eq!((&details["members"][0]["standing"], &details["members_total"]), (&"muted".into(), &1.into()), "{page:#}");
    assert_eq!(details["incident"], Value::Null, "how alerting keeps it is nobody else's");
    let output = service.command(&["close", incident, "--by", "ann", "--why", "ticket 7"]);
    assert_exit(&output, 0);
    let end = receiver.page("end");
    assert_eq!((&end["key"], &end["occasion"]), (&ring["key"], &"closed".into()), "{end:#}");
    assert!(end.to_string().contains("ann") && end.to_string().contains("ticket 7"), "{end:#}");
    let before = target.received().len();
    until("the probe goes on", || (target.received().len() > before + 3).then_some(()));
    assert_exit(&service.command(&["status"]), 0);
    assert_eq!(receiver.pages().iter().filter(|page| page["action"] == "ring").count(), 1, "nobody is rung for what is muted");
    assert_exit(&service.command(&["unmute", "p", "--reason", "expectation"]), 0);
    until("it rings again", || (receiver.pages().iter().filter(|page| page["action"] == "ring").count() == 2).then_some(()));
    assert_exit(&service.command(&["status"]), 1);
    assert_eq!(service.stop(), Some(0));
}
