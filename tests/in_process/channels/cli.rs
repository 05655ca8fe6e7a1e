//! `serinus notify-test` as a user types it.

use std::path::Path;
use std::process::{Command, Output};

use serde_json::Value;

use crate::http_server::{answer, answering};

fn notify_test(folder: &Path, arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_serinus"));
    for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("SERINUS_")) {
        command.env_remove(name);
    }
    command.env("HOOK_KEY", "shared key").current_dir(folder).arg("notify-test").args(arguments).output().unwrap()
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_test_page_takes_the_true_path_and_the_exit_code_tells_whether_it_arrived() {
    let well = answering(None, |_| answer(200, &[], "")).await;
    let ill = answering(None, |_| answer(403, &[], "no such hook")).await;
    let folder = tempfile::tempdir().unwrap();
    let config = format!(
        "[secrets]\nhook_key = {{ env = \"HOOK_KEY\" }}\n\
         [[notify.webhook]]\nname = \"good\"\nurl = \"{}\"\nsigning_key = \"hook_key\"\n\
         [[notify.webhook]]\nname = \"bad\"\nurl = \"{}\"\nleast = \"critical\"\n",
        well.url("/"),
        ill.url("/")
    );
    std::fs::write(folder.path().join("serinus.toml"), config).unwrap();

    let output = notify_test(folder.path(), &["good"]);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    assert_eq!(text(&output.stdout), "good (webhook): delivered a test page of severity warn, and its end\n");
    let seen = well.seen();
    let bodies: Vec<Value> = seen.iter().map(|seen| serde_json::from_slice(&seen.body).unwrap()).collect();
    assert_eq!(bodies.len(), 2);
    assert_eq!((&bodies[0]["action"], &bodies[1]["action"]), (&"ring".into(), &"end".into()));
    assert_eq!((&bodies[0]["test"], &bodies[0]["key"]), (&true.into(), &bodies[1]["key"]));
    assert_eq!(bodies[0]["title"], "a test of the channel good, nothing is broken");
    assert_eq!((&bodies[0]["occasion"], &bodies[0]["version"]), (&"test".into(), &2.into()));
    assert!(seen[0].header("x-serinus-signature").is_some());

    let output = notify_test(folder.path(), &["--output", "json"]);
    assert_eq!(output.status.code(), Some(3), "{}", text(&output.stderr));
    let told: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(told["delivered"], false);
    let bad = told["channels"].as_array().unwrap().iter().find(|channel| channel["channel"] == "bad").unwrap();
    assert_eq!((&bad["kind"], &bad["severity"]), (&"webhook".into(), &"critical".into()));
    assert_eq!(bad["error"], "it answered 403 Forbidden: no such hook");

    let output = notify_test(folder.path(), &["ugly"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(text(&output.stderr).contains("there is no channel `ugly`; there are `good`, `bad`"), "{}", text(&output.stderr));
}
