//! Reading the configuration again, and stopping: the built program, a target and receivers of pages on loopback.

use std::os::unix::fs::symlink;
use std::time::{Duration, Instant};

use crate::cli_support::{assert_exit, run, stderr, stdout, until};
use crate::service_support::{Double, Service, channel, edit, folder, probe, write};

const OK: &str = r#"{"state": "ok"}"#;
const BROKEN: &str = r#"{"state": "broken"}"#;
const AGAIN: &str = "the configuration was loaded again";

/// Ids of the canaries, in their order.
fn canaries(service: &Service<'_>) -> Vec<String> {
    let page = service.get("/api/v1/canaries");
    page["items"].as_array().unwrap().iter().map(|canary| canary["canary"].as_str().unwrap().to_owned()).collect()
}

fn comes_to_have(service: &Service<'_>, wanted: &[&str]) {
    until(&format!("{wanted:?}"), || (canaries(service) == wanted).then_some(()));
}

#[test]
fn an_open_incident_survives_every_kind_of_reload_and_ends_under_its_key() {
    let (target, receiver) = (Double::start(200, BROKEN), Double::start(200, "{}"));
    let folder = folder(&target, &channel("hook", &receiver));
    let service = Service::start(folder.path());
    let page = receiver.page("ring");
    let streak = |service: &Service<'_>| service.get("/api/v1/canaries?probe=p")["items"][0]["failures"].as_u64().unwrap();
    until("the streak grows", || (streak(&service) >= 3).then_some(()));

    edit(folder.path(), "probes/p.toml", "owner = \"nobody\"", "owner = \"somebody\"");
    assert!(service.running.said(AGAIN).contains("(1 file changed): 0 canaries added, 0 removed, 1 kept"));
    assert!(streak(&service) >= 3, "the streak of a canary that stays is kept");
    service.running.signal("HUP");
    assert!(service.running.said(AGAIN).contains("(no file changed)"));
    write(folder.path(), "probes/q.toml", &probe("q", &target).replace("name = \"q\"", "name = \"q\"\nalert.page = false"));
    assert!(service.running.said(AGAIN).contains("(1 file added): 1 canary added, 0 removed, 1 kept"));
    assert_exit(&service.command(&["reload"]), 0);
    assert_eq!(service.status()["open_incidents"][0]["id"], page["incident"]);

    target.answer(200, OK);
    let end = receiver.page("end");
    assert_eq!((&end["key"], &end["incident"]), (&page["key"], &page["incident"]));
    assert_eq!(end["owner"], "somebody", "what is said is as edited");
    let rings = receiver.pages().iter().filter(|page| page["action"] == "ring").count();
    assert_eq!(rings, 1, "no reload rings again: {:?}", receiver.pages());
    assert_eq!(service.stop(), Some(0));
}

#[test]
fn a_runbook_that_is_edited_is_noticed() {
    let target = Double::start(200, OK);
    let folder = folder(&target, "[notify]\nnone = true\n");
    edit(folder.path(), "probes/p.toml", "\"https://runbooks.example.com/p\"", "\"p.md\"");
    write(folder.path(), "probes/p.md", "# restart it");
    let service = Service::start(folder.path());
    write(folder.path(), "probes/p.md", "# do not restart it");
    assert!(service.running.said(AGAIN).contains("(1 file changed)"));
    std::fs::remove_file(folder.path().join("probes/p.md")).unwrap();
    assert!(service.running.said("was not loaded again").contains("it has 1 error"));
    assert_eq!(service.stop(), Some(0));
}

#[test]
fn a_secret_that_is_missing_is_named_at_once_with_the_probes_that_want_it() {
    let target = Double::start(200, OK);
    let folder = folder(&target, "[notify]\nnone = true\n");
    edit(
        folder.path(),
        "serinus.toml",
        "[secrets]\n",
        "[secrets]\nkey = { file = \"key\" }\nunused = { env = \"SERINUS_NOBODY\" }\n",
    );
    let wants = probe("wants", &target).replace("expect", "http.headers = { x-api-key = \"{{ secret.key }}\" }\nexpect");
    write(folder.path(), "probes/wants.toml", &wants);
    let service = Service::start(folder.path());
    let missing = service.status()["missing_secrets"].clone();
    let named: Vec<_> =
        missing.as_array().unwrap().iter().map(|secret| (secret["name"].clone(), secret["probes"].clone())).collect();
    assert_eq!(named, [("key".into(), serde_json::json!(["wants"])), ("unused".into(), serde_json::json!([]))]);
    let text = stdout(&service.command(&["status"])).split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(text.contains("key: ") && text.contains("no run of wants counts"), "{text}");
    let ready = || crate::service_support::ask(&service.address, "GET /readyz", &[], "");
    assert_eq!((ready().status, ready().body.split(':').next().unwrap().to_owned()), (200, "degraded".to_owned()));
    edit(folder.path(), "serinus.toml", "unused = { env = \"SERINUS_NOBODY\" }\n", "");
    write(folder.path(), "key", "open-sesame");
    until("the secret is read", || (ready().body == "ok\n").then_some(()));
    assert_eq!(service.status()["missing_secrets"], serde_json::json!([]));
}

#[test]
fn a_broken_file_changes_nothing_and_everybody_is_told() {
    let target = Double::start(200, OK);
    let folder = folder(&target, "[notify]\nnone = true\n");
    let service = Service::start(folder.path());
    assert_eq!(service.last_reload(), "1");
    edit(folder.path(), "probes/p.toml", "deadline = ", "deedline = ");
    service.running.said("was not loaded again");
    assert_eq!(service.last_reload(), "0");
    assert_eq!(canaries(&service), ["p/eu"]);
    let text = stdout(&service.command(&["status"]));
    assert!(text.contains("is still in force") && text.contains("was refused"), "{text}");
    // The commands find a service by its configuration also while that is broken.
    let port = service.address.clone();
    edit(folder.path(), "serinus.toml", "127.0.0.1:0", &port);
    let output = run(folder.path(), &["reload"]);
    assert_exit(&output, 2);
    assert!(stderr(&output).contains("deedline") && stderr(&output).contains("probes/p.toml:"), "{}", stderr(&output));
    assert!(stderr(&output).contains("stays in force"), "{}", stderr(&output));
    let before = target.received().len();
    until("the plan that is in force goes on", || (target.received().len() > before + 1).then_some(()));

    edit(folder.path(), "probes/p.toml", "deedline = ", "deadline = ");
    until("it is whole again", || (service.last_reload() == "1").then_some(()));
    std::thread::scope(|scope| {
        let folder = folder.path();
        let reloads = [0, 1].map(|_| scope.spawn(|| run(folder, &["reload"])));
        for reload in reloads {
            let output = reload.join().unwrap();
            assert_exit(&output, 0);
            let said = stderr(&output);
            assert!(said.contains("a restart is needed for changes of listen"), "{said}");
        }
    });
    assert_eq!(service.stop(), Some(0));
}

#[test]
fn a_file_that_is_far_too_much_is_refused_and_holds_up_no_reload_after_it() {
    let target = Double::start(200, OK);
    let folder = folder(&target, "[notify]\nnone = true\n");
    let service = Service::start(folder.path());
    let values: Vec<String> = (0..20_000).map(|value| value.to_string()).collect();
    let cells = probe("q", &target).replace("[[step]]", &format!("[matrix]\nk = [{}]\n[[step]]", values.join(", ")));
    let lines = format!("{}{}", probe("r", &target), "\n".repeat(4 << 20));
    for (name, text, code) in [("q", cells, "too-many-cells"), ("r", lines, "too-large")] {
        let path = format!("probes/{name}.toml");
        write(folder.path(), &path, &text);
        service.running.said("was not loaded again");
        service.running.said(code);
        assert_eq!(canaries(&service), ["p/eu"]);
        std::fs::remove_file(folder.path().join(path)).unwrap();
        until("it is whole again", || (service.last_reload() == "1").then_some(()));
    }
    assert_eq!(service.stop(), Some(0));
}

#[test]
fn a_pipe_in_the_place_of_a_file_hangs_neither_a_reload_nor_the_stop() {
    let target = Double::start(200, OK);
    let folder = folder(&target, "[notify]\nnone = true\n");
    let service = Service::start(folder.path());
    let (file, kept) = (folder.path().join("serinus.toml"), folder.path().join("kept"));
    std::fs::rename(&file, &kept).unwrap();
    assert!(std::process::Command::new("mkfifo").arg(&file).status().unwrap().success());
    service.running.said("was not loaded again");
    service.running.said("is no file");
    std::fs::rename(&kept, &file).unwrap();
    until("it is whole again", || (service.last_reload() == "1").then_some(()));
    assert_eq!(service.stop(), Some(0));
}

#[test]
fn files_are_found_however_they_come_and_go() {
    let target = Double::start(200, OK);
    let folder = folder(&target, "[notify]\nnone = true\n");
    let at = |name: &str| folder.path().join(name);
    let service = Service::start(folder.path());
    comes_to_have(&service, &["p/eu"]);
    // A folder that the pattern newly matches, two levels deep.
    std::fs::create_dir_all(at("probes/shop/new")).unwrap();
    write(folder.path(), "probes/shop/new/r.toml", &probe("r", &target));
    comes_to_have(&service, &["p/eu", "r/eu"]);
    // A mounted folder of links, exchanged as a whole.
    for (version, name) in [("..1", "s"), ("..2", "t")] {
        std::fs::create_dir_all(at("mount").join(version)).unwrap();
        write(folder.path(), &format!("mount/{version}/map.toml"), &probe(name, &target));
    }
    symlink("..1", at("mount/..data")).unwrap();
    symlink("..data/map.toml", at("mount/map.toml")).unwrap();
    edit(folder.path(), "serinus.toml", "[\"probes/**/*.toml\"]", "[\"probes/**/*.toml\", \"mount/*.toml\"]");
    comes_to_have(&service, &["p/eu", "r/eu", "s/eu"]);
    symlink("..2", at("mount/..data_tmp")).unwrap();
    std::fs::rename(at("mount/..data_tmp"), at("mount/..data")).unwrap();
    comes_to_have(&service, &["p/eu", "r/eu", "t/eu"]);
    std::fs::remove_dir_all(at("probes/shop")).unwrap();
    comes_to_have(&service, &["p/eu", "t/eu"]);
    assert_eq!(service.stop(), Some(0));
}

#[test]
fn a_library_that_changes_is_read_again_with_the_probes_that_use_it() {
    let target = Double::start(200, OK);
    let folder = folder(&target, "[notify]\nnone = true\n");
    std::fs::create_dir(folder.path().join("probes/lib")).unwrap();
    let library = |path: &str| {
        let step = "expect = [\"status == 200\", \"json.state == state\"]\n";
        format!(
            "[parameters]\nstate = {{}}\n[[step]]\nname = \"shared\"\nhttp.get = \"http://{}/{path}\"\n{step}",
            target.address
        )
    };
    write(folder.path(), "probes/lib/state.toml", &library("before"));
    let p = std::fs::read_to_string(folder.path().join("probes/p.toml")).unwrap();
    let uses = "[[step]]\nuse = \"lib/state.toml\"\nwith = { state = \"ok\" }\n";
    write(folder.path(), "probes/p.toml", &format!("{p}{uses}"));
    let service = Service::start(folder.path());
    let asked = |path: &str| target.received().iter().any(|seen| seen.head.contains(path));
    until("the library's step is made", || asked("/before").then_some(()));
    edit(folder.path(), "probes/lib/state.toml", "before", "after");
    assert!(service.running.said(AGAIN).contains("(1 file changed): 0 canaries added, 0 removed, 1 kept"));
    until("the changed step is made", || asked("/after").then_some(()));
    edit(folder.path(), "probes/lib/state.toml", "json.state == state", "json.state == stat");
    let refused = service.running.said("the configuration was not loaded again, it has 1 error");
    assert!(!refused.is_empty());
    assert_eq!(service.stop(), Some(0));
}

#[test]
fn a_canary_that_is_removed_ends_its_incident_and_one_that_stays_keeps_its_own() {
    let (target, receiver) = (Double::start(200, BROKEN), Double::start(200, "{}"));
    let folder = folder(&target, &channel("hook", &receiver));
    write(folder.path(), "probes/q.toml", &probe("q", &target));
    let service = Service::start(folder.path());
    until("both page", || (receiver.pages().len() == 2).then_some(()));
    std::fs::remove_file(folder.path().join("probes/q.toml")).unwrap();
    // What vanished and was not said to be gone has a minute to come back.
    let end = receiver.page("end");
    assert_eq!((&end["key"], &end["occasion"]), (&"eu/probe/q/1".into(), &"unwatched".into()));
    assert!(end["title"].as_str().unwrap().contains("not known to be well"), "{end}");
    let status = service.status();
    assert_eq!(status["open_incidents"].as_array().unwrap().len(), 1);
    assert_eq!(status["open_incidents"][0]["key"], "eu/probe/p/1");
    assert_eq!(service.stop(), Some(0));
}

#[test]
fn a_reload_that_would_tell_nobody_is_refused_and_one_without_a_told_channel_ends_what_it_has_open() {
    let (target, first, second) = (Double::start(200, BROKEN), Double::start(200, "{}"), Double::start(200, "{}"));
    let (one, two) = (channel("one", &first), channel("two", &second));
    let folder = folder(&target, &format!("{one}{two}"));
    let service = Service::start(folder.path());
    let key = first.page("ring")["key"].clone();
    assert_eq!(second.page("ring")["key"], key);

    edit(folder.path(), "serinus.toml", &format!("{one}{two}"), "");
    let said = service.running.said("was not loaded again");
    assert!(said.contains("nobody would be told"), "{said}");
    let output = service.command(&["reload"]);
    assert_exit(&output, 2);
    assert!(stderr(&output).contains("lint::no-channel"), "{}", stderr(&output));

    let text = std::fs::read_to_string(folder.path().join("serinus.toml")).unwrap();
    write(folder.path(), "serinus.toml", &(text + &two));
    service.running.said("a channel was removed; what it has open is ended with its last configuration");
    assert_eq!(first.page("end")["key"], key, "nothing stays open at a channel that is gone");
    assert!(second.pages().iter().all(|page| page["action"] != "end"), "and nobody else hears an end");
    target.answer(200, OK);
    assert_eq!(second.page("end")["key"], key);
    assert_eq!(service.stop(), Some(0));
}

#[test]
fn a_secret_that_is_renewed_reaches_runs_and_pages_without_a_reload() {
    let (target, receiver) = (Double::start(200, OK), Double::start(200, "{}"));
    let more = channel("hook", &receiver) + "headers = { x-key = \"{{ secret.key }}\" }\n";
    let folder = folder(&target, &more);
    std::fs::write(folder.path().join("key"), "old-key").unwrap();
    edit(folder.path(), "serinus.toml", "[secrets]\n", "[secrets]\nkey = { file = \"key\" }\n");
    edit(folder.path(), "probes/p.toml", "expect = ", "http.headers = { x-key = \"{{ secret.key }}\" }\nexpect = ");
    let service = Service::start(folder.path());
    let sent = |double: &Double, key: &str| double.received().iter().any(|got| got.head.contains(&format!("x-key: {key}")));
    until("runs have the old one", || sent(&target, "old-key").then_some(()));
    write(folder.path(), "key", "new-key");
    until("runs have the new one", || sent(&target, "new-key").then_some(()));
    target.answer(200, BROKEN);
    until("pages have the new one", || sent(&receiver, "new-key").then_some(()));
    assert!(!sent(&receiver, "old-key"));

    // One that has become too short to be kept out of texts is none.
    write(folder.path(), "key", "abc");
    until("runs have no secret", || {
        let runs = service.get("/api/v1/runs");
        runs["items"].as_array()?.iter().find(|run| run["reason"] == "secret" && run["verdict"] == "errored").map(drop)
    });
    assert!(!sent(&target, "abc"));
    assert_eq!(service.stop(), Some(0));
}

#[test]
fn a_page_that_a_hanging_receiver_did_not_take_leaves_at_the_next_start_under_its_key() {
    let (target, receiver) = (Double::start(200, BROKEN), Double::start(200, "{}"));
    receiver.hang();
    let folder = folder(&target, &channel("hook", &receiver).replace("\"1s\"", "\"60s\""));
    let mut service = Service::start(folder.path());
    let tried = receiver.page("ring");
    service.running.signal("TERM");
    let begun = Instant::now();
    service.running.said("still owed something at the end");
    assert_eq!(service.running.wait().code(), Some(0), "nothing is lost");
    assert!(begun.elapsed() < Duration::from_mins(1), "it did not wait for the receiver");

    target.answer(200, OK);
    let before = receiver.received().len();
    receiver.answer(200, "{}");
    let service = Service::start(folder.path());
    let again = until("it is tried again", || receiver.pages().get(before).cloned());
    assert_eq!((&again["key"], &again["action"]), (&tried["key"], &tried["action"]));
    assert_eq!(receiver.page("end")["key"], tried["key"]);
    assert_eq!(service.stop(), Some(0));
}

#[test]
fn a_store_that_cannot_be_written_at_the_end_is_named_and_does_not_hold_the_end_up() {
    let target = Double::start(200, OK);
    let folder = folder(&target, "[notify]\nnone = true\n");
    let mut service = Service::start(folder.path());
    until("a run is kept", || service.get("/api/v1/runs")["items"].as_array().filter(|runs| !runs.is_empty()).map(drop));
    // Another file in its place is not written to.
    let path = folder.path().join("serinus.db");
    std::fs::rename(&path, folder.path().join("kept.db")).unwrap();
    std::fs::write(&path, "").unwrap();
    let before = target.received().len();
    until("there is something to write", || (target.received().len() > before + 1).then_some(()));
    until("the status says so", || (service.status()["store"]["writable"] == false).then_some(()));
    assert!(stdout(&service.command(&["status"])).contains("cannot be written"));
    service.running.signal("TERM");
    service.running.said("rows for the store");
    assert_eq!(service.running.wait().code(), Some(3));
}

#[test]
fn somebody_who_never_finishes_a_request_does_not_hold_the_end_up() {
    use std::io::Write as _;
    let target = Double::start(200, OK);
    let folder = folder(&target, "[notify]\nnone = true\n");
    let service = Service::start(folder.path());
    let mut stream = std::net::TcpStream::connect(&service.address).unwrap();
    stream.write_all(b"GET /api/v1/status HTTP/1.1\r\nhost: loc").unwrap();
    // A request that is answered after it shows that the listener has seen the first one.
    service.status();
    assert_eq!(service.stop(), Some(0));
}
