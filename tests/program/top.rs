//! `serinus top` on a real terminal, and the other commands that look into a running service, against that service.

use std::io::{Read as _, Write as _};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::{Arc, Mutex};

use serde_json::Value;

use crate::cli_support::{Running, assert_exit, run, serinus, stderr, stdout, until};
use crate::service_support::{Double, Service, channel, folder};

const OK: &str = r#"{"state": "ok"}"#;
const BROKEN: &str = r#"{"state": "broken"}"#;
/// Leaves the second screen of a terminal.
const BACK: &str = "\x1b[?1049l";

/// `top` on a terminal of 80 × 24, which `script` makes.
struct TopScreen {
    script: Child,
    keys: ChildStdin,
    shown: Arc<Mutex<Vec<u8>>>,
}

impl TopScreen {
    fn start(service: &Service<'_>) -> Self {
        let program = env!("CARGO_BIN_EXE_serinus");
        let top =
            format!("stty rows 24 cols 80; exec {program} top --url http://{} --token sesame-open --by ann", service.address);
        let mut script = Command::new("script")
            .args(["-qfec", &top, "/dev/null"])
            .current_dir(service.folder)
            .env("TERM", "xterm-256color")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("script is there");
        let keys = script.stdin.take().unwrap();
        let mut stdout = script.stdout.take().unwrap();
        let shown: Arc<Mutex<Vec<u8>>> = Arc::default();
        let written = Arc::clone(&shown);
        std::thread::spawn(move || {
            let mut piece = [0; 4096];
            while let Ok(length @ 1..) = stdout.read(&mut piece) {
                written.lock().unwrap().extend_from_slice(&piece[..length]);
            }
        });
        Self { script, keys, shown }
    }

    fn text(&self) -> String {
        String::from_utf8_lossy(&self.shown.lock().unwrap()).into_owned()
    }

    #[track_caller]
    fn shows(&self, word: &str) {
        until(word, || self.text().contains(word).then_some(()));
    }

    fn types(&mut self, keys: &str) {
        self.shown.lock().unwrap().clear();
        self.keys.write_all(keys.as_bytes()).unwrap();
        self.keys.flush().unwrap();
    }

    /// Waits for its end and returns what it left on the terminal, with its exit code.
    fn end(mut self) -> (Option<i32>, String) {
        let status = until("its end", || self.script.try_wait().unwrap());
        until("the terminal being given back", || self.text().contains(BACK).then_some(()));
        (status.code(), self.text())
    }
}

#[test]
fn top_shows_what_fails_acknowledges_it_and_gives_the_terminal_back() {
    let (target, receiver) = (Double::start(200, BROKEN), Double::start(200, "{}"));
    let folder = folder(&target, &channel("hook", &receiver));
    let service = Service::start(folder.path());
    receiver.page("ring");
    let mut top = TopScreen::start(&service);
    top.shows("serinus top");
    top.shows("nobody has it");
    top.types("a");
    top.shows("acknowledge");
    top.types("y");
    top.shows("acknowledged with 1 member");
    until("it is acknowledged", || {
        let status = service.status();
        (status["open_incidents"][0]["acknowledged"][0]["by"] == "ann").then_some(())
    });
    top.types("\r");
    // Cells that stay as they are, such as blanks, are not written again, so that one word is looked for.
    top.shows("happened");
    top.types("qq");
    assert_eq!(top.end().0, Some(0));

    let top = TopScreen::start(&service);
    top.shows("has it");
    let sent = Command::new("pkill").args(["-TERM", "-P", &top.script.id().to_string()]).status().unwrap();
    assert!(sent.success());
    assert!(top.end().1.contains(BACK));
    assert_eq!(service.stop(), Some(0));
}

#[test]
fn top_without_a_terminal_says_what_to_use_instead() {
    let folder = tempfile::tempdir().unwrap();
    let output = run(folder.path(), &["top", "--url", "http://127.0.0.1:1"]);
    assert_exit(&output, 2);
    assert!(stderr(&output).contains("serinus status"), "{}", stderr(&output));
}

#[test]
fn a_run_by_hand_that_is_waited_for_says_how_it_ended() {
    let target = Double::start(200, OK);
    let folder = folder(&target, "[notify]\nnone = true\n");
    let service = Service::start(folder.path());
    let passed = service.command(&["trigger", "p/eu", "--wait"]);
    assert_exit(&passed, 0);
    assert!(stdout(&passed).contains("passed") && stdout(&passed).contains("p/eu"), "{}", stdout(&passed));
    target.answer(200, BROKEN);
    let failed = service.command(&["trigger", "p", "--wait", "--output", "json"]);
    assert_exit(&failed, 1);
    let runs: Value = serde_json::from_str(&stdout(&failed)).unwrap();
    assert_eq!((&runs["runs"][0]["verdict"], &runs["runs"][0]["counted"]), (&"failed".into(), &false.into()));
    assert_eq!(service.stop(), Some(0));
}

#[test]
fn runs_are_chosen_by_time_verdict_and_cell_and_followed_without_a_double() {
    let target = Double::start(200, OK);
    let folder = folder(&target, "[notify]\nnone = true\n");
    let service = Service::start(folder.path());
    let runs = |args: &[&str]| -> Vec<Value> {
        let output = service.command(&[&["runs", "p", "--output", "json"][..], args].concat());
        assert_exit(&output, 0);
        serde_json::from_str::<Value>(&stdout(&output)).unwrap()["items"].as_array().unwrap().clone()
    };
    until("two runs", || (runs(&["--since", "1h"]).len() >= 2).then_some(()));
    assert!(runs(&["--until", "1h"]).is_empty());
    assert!(
        runs(&["--verdict", "failed"]).is_empty()
            && runs(&["--cell", "os=ios"]).is_empty()
            && runs(&["--region", "us"]).is_empty()
    );
    assert_exit(&service.command(&["runs", "--verdict", "good"]), 2);

    let mut command = serinus(folder.path());
    let url = format!("http://{}", service.address);
    command.args(["runs", "p", "--follow", "--limit", "1", "--output", "json", "--url", &url, "--token", "sesame-open"]);
    let following = Running::start(command);
    let told: Vec<String> = (0..4)
        .map(|_| serde_json::from_str::<Value>(&following.first_line()).unwrap()["run_id"].as_str().unwrap().to_owned())
        .collect();
    let kept: Vec<String> = until("they are kept", || {
        let kept: Vec<String> = runs(&["--limit", "100"]).iter().map(|run| run["run_id"].as_str().unwrap().to_owned()).collect();
        told.iter().all(|id| kept.contains(id)).then_some(kept)
    });
    let first = kept.iter().position(|id| *id == told[0]).unwrap();
    let in_order: Vec<&String> = kept[..=first].iter().rev().take(4).collect();
    assert_eq!(told.iter().collect::<Vec<_>>(), in_order, "none is missing and none comes twice");
    assert_eq!(service.stop(), Some(0));
}

#[test]
fn objectives_and_what_is_left_behind_are_told_for_people_and_programs() {
    let target = Double::start(200, OK);
    let folder = folder(&target, "[notify]\nnone = true\n");
    let service = Service::start(folder.path());
    let output = service.command(&["slo", "p", "--by", "month", "--periods", "2", "--output", "json"]);
    assert_exit(&output, 0);
    let answer: Value = serde_json::from_str(&stdout(&output)).unwrap();
    let periods = answer["items"][0]["periods"].as_array().unwrap();
    assert_eq!((periods.len(), &periods[0]["is_partial"], &periods[1]["is_partial"]), (2, &true.into(), &false.into()));
    assert_exit(&service.command(&["slo", "q"]), 2);
    let leaks = service.command(&["leaks"]);
    assert_exit(&leaks, 0);
    assert_eq!(stderr(&leaks), "nothing is left behind\n");
    assert_exit(&service.command(&["incidents", "--since", "1h"]), 0);
    assert_eq!(service.stop(), Some(0));
}
