//! Steps that probes share, and what holds for all steps of a probe.

use std::fs;
use std::path::Path;

use serinus::config;
use serinus::outcome::{CleanupResult, Reason, StepResult};

use super::ok;
use crate::journey::Journey;
use crate::target::{Answer, Target};

const SIGN_IN: &str = "[parameters]\nuser = {}\npassword = {}\nplan = { default = \"free\" }\n\
    [[step]]\nname = \"sign in\"\nhttp.post = \"{{ api }}/sessions\"\n\
    http.json = { user = \"{{ user }}\", password = \"{{ password }}\", plan = \"{{ plan }}\" }\n\
    expect = [\"status == 200\", \"json.user == user\"]\ncapture = { session = \"json.id\" }\n\
    [[step.cleanup]]\nhttp.delete = \"{{ api }}/sessions/{{ session }}\"\nhttp.json = { user = \"{{ user }}\", password = \"{{ password }}\" }\n\
    expect = [\"status == 200\"]\n\
    [[step]]\nname = \"is there\"\nhttp.get = \"{{ api }}/sessions/{{ session }}\"\neventually = { within = \"5s\", poll = \"10ms\", since = \"sign in\" }\n\
    expect = [\"status == 200\"]\n";

/// A target whose sessions are called after whoever signs in.
async fn sessions() -> Target {
    Target::start(|seen| {
        let body: serde_json::Value = serde_json::from_str(&seen.body).unwrap_or_default();
        let user = body["user"].as_str().unwrap_or("nobody");
        Answer::json(200, &format!(r#"{{"id": "of-{user}", "user": "{user}"}}"#))
    })
    .await
}

#[tokio::test]
async fn a_library_is_used_twice_under_two_words_each_on_its_device() {
    let target = sessions().await;
    let head = "[vars]\nname = \"ann\"\n[devices.phone]\nheaders = { x-device = \"phone\" }\n[devices.tablet]\nheaders = { x-device = \"tablet\" }\n";
    let steps = "[[step]]\nuse = \"sign_in.toml\"\nas = \"phone\"\ndevice = \"phone\"\nwith = { user = \"{{ name }}\", password = \"{{ secret.pass }}\" }\n\
        [[step]]\nuse = \"sign_in.toml\"\nas = \"tablet\"\ndevice = \"tablet\"\nwith = { user = \"not-{{ name }}\", password = \"{{ secret.pass }}\", plan = [1, 2] }\n\
        [[step]]\nname = \"both\"\nhttp.get = \"{{ api }}/both/{{ phone_session }}/{{ tablet_session }}\"\nexpect = [\"status == 200\"]\n";
    let ran = Journey::new(&target).secret("pass", Some("hunter22")).file("sign_in.toml", SIGN_IN).head(head).run(steps).await;
    ran.assert_passed();
    let names: Vec<&str> = ran.report.steps.iter().map(|step| &*step.name).collect();
    assert_eq!(names, ["phone: sign in", "phone: is there", "tablet: sign in", "tablet: is there", "both"]);
    assert_eq!(ran.cleanup.unwrap().result, CleanupResult::Clean);
    let seen: Vec<String> = target
        .seen()
        .iter()
        .map(|seen| format!("{} {} {} {}", seen.method, seen.path, seen.header("x-device"), seen.body))
        .collect();
    assert_eq!(
        seen,
        [
            r#"POST /sessions phone {"user":"ann","password":"hunter22","plan":"free"}"#,
            "GET /sessions/of-ann phone ",
            r#"POST /sessions tablet {"user":"not-ann","password":"hunter22","plan":[1,2]}"#,
            "GET /sessions/of-not-ann tablet ",
            "GET /both/of-ann/of-not-ann  ",
            r#"DELETE /sessions/of-not-ann tablet {"user":"not-ann","password":"hunter22"}"#,
            r#"DELETE /sessions/of-ann phone {"user":"ann","password":"hunter22"}"#,
        ]
    );
}

#[tokio::test]
async fn a_library_uses_another_one_and_hands_its_captures_on() {
    let target = sessions().await;
    let twice = "[parameters]\nfirst = {}\nwanted = { default = true }\n\
        [[step]]\nuse = \"sign_in.toml\"\nas = \"one\"\nwith = { user = \"{{ first }}\", password = \"p\" }\n\
        [[step]]\nuse = \"sign_in.toml\"\nas = \"two\"\nwhen = \"wanted\"\nwith = { user = \"after-{{ one_session }}\", password = \"p\" }\n\
        [[step]]\nname = \"last\"\nwhen = \"one_session == 'of-ann'\"\nhttp.get = \"{{ api }}/{{ one_session }}\"\nexpect = [\"status == 200\"]\n";
    let journey = Journey::new(&target).file("sign_in.toml", SIGN_IN).file("twice.toml", twice);
    let last = "[[step]]\nname = \"read\"\nhttp.get = \"{{ api }}/{{ all_two_session | default('none') }}\"\nexpect = [\"status == 200\"]\n";
    let with = |rest: &str| format!("[[step]]\nuse = \"twice.toml\"\nas = \"all\"\nwith = {{ first = \"ann\"{rest} }}\n{last}");
    journey.run(&with("")).await.assert_passed();
    assert_eq!(target.lines()[5..7], ["GET /of-after-of-ann", "DELETE /sessions/of-after-of-ann"]);
    assert_eq!(target.lines()[4], "GET /of-ann");
    let ran = journey.run(&with(", wanted = false")).await;
    ran.assert_passed();
    let made = |name: &str| ran.report.steps.iter().any(|step| &*step.name == name && step.result == StepResult::Passed);
    assert!(made("all: one: sign in") && !made("all: two: sign in") && made("all: last") && made("read"));
}

#[tokio::test]
async fn what_a_library_expects_is_told_in_its_words_and_by_its_place() {
    let target = Target::start(ok(r#"{"id": "i", "user": "bob"}"#)).await;
    let steps = "[[step]]\nuse = \"sign_in.toml\"\nwith = { user = \"ann\", password = \"p\" }\n";
    let ran = Journey::new(&target).file("sign_in.toml", SIGN_IN).run(steps).await;
    assert_eq!(ran.reason(), Reason::Expectation);
    assert_eq!(ran.cause().message, "`json.user == user` does not hold: `json.user` was \"bob\", `user` was \"ann\"");
}

#[tokio::test]
async fn defaults_hold_for_steps_that_do_not_say_otherwise() {
    let target = Target::start(|seen| match &*seen.path {
        "/slow" => Answer::json(200, "{}").after(std::time::Duration::from_secs(5)),
        _ => Answer::json(200, "{}"),
    })
    .await;
    let head = "[devices.phone]\nheaders = { x-device = \"phone\" }\n[defaults]\ndevice = \"phone\"\ntimeout = \"300ms\"\nretry = { attempts = 2, backoff = \"1ms\" }\n";
    let journey = || {
        Journey::new(&target)
            .head(head)
            .file("read.toml", "[[step]]\nname = \"read\"\nhttp.get = \"{{ api }}/x\"\nexpect = [\"status == 200\"]\n")
    };
    let slow = |keys: &str| {
        format!("[[step]]\nname = \"slow\"\nhttp.get = \"{{{{ api }}}}/slow\"\nexpect = [\"status == 200\"]\n{keys}")
    };
    for (keys, attempts) in [("", 2), ("retry = false", 1), ("retry = { attempts = 3, backoff = \"1ms\" }", 3)] {
        let ran = journey().run(&slow(keys)).await;
        assert_eq!((ran.reason(), ran.report.steps[0].attempts.len()), (Reason::Timeout, attempts), "{keys}");
    }
    let steps = "[[step]]\nuse = \"read.toml\"\n\
        [[step]]\nname = \"side by side\"\n[[step.parallel]]\nname = \"own\"\ndevice = \"default\"\nhttp.get = \"{{ api }}/own\"\nexpect = [\"status == 200\"]\n\
        [[step.parallel]]\nname = \"polls\"\nhttp.get = \"{{ api }}/polls\"\neventually = { within = \"5s\" }\nexpect = [\"status == 200\"]\n";
    journey().run(steps).await.assert_passed();
    let mut seen: Vec<String> = target
        .seen()
        .iter()
        .filter(|seen| seen.path != "/slow")
        .map(|seen| format!("{} {}", seen.path, seen.header("x-device")))
        .collect();
    seen.sort();
    assert_eq!(seen, ["/own ", "/polls phone", "/x phone"]);
}

#[test]
fn a_library_is_watched_and_its_folder_holds_no_probes() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| {
        let path = folder.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    };
    write("lib/serinus.toml", "probes = [\"probes/**/*.toml\"]\nnotify.none = true\n[vars]\napi = \"http://127.0.0.1:1\"\n");
    write("lib/probes/lib/sign_in.toml", SIGN_IN);
    write(
        "lib/probes/a/probe.toml",
        "name = \"a\"\nowner = \"o\"\nrunbook = \"https://x.example.com\"\nevery = \"1m\"\ndeadline = \"9s\"\n\
         [[step]]\nuse = \"../lib/sign_in.toml\"\nwith = { user = \"ann\", password = \"p\" }\n",
    );
    let config = folder.path().join("lib/serinus.toml");
    let load = || config::load(&config, std::iter::empty());
    let loaded = load();
    assert!(loaded.diagnostics.is_empty(), "{}", loaded.diagnostics.render(false));
    let shared = folder.path().join("lib/probes/lib/sign_in.toml");
    assert!(loaded.files.contains(&shared), "{:?}", loaded.files);
    assert_eq!(loaded.service.unwrap().plan.probes[0].steps.len(), 2);
    // It is watched also while it is gone.
    fs::remove_file(&shared).unwrap();
    let loaded = load();
    assert!(loaded.diagnostics.has_errors() && loaded.files.contains(&shared));
    // Where somebody names the folder, its files are meant, and are no probes.
    write("lib/probes/lib/sign_in.toml", SIGN_IN);
    let given = config::load_probes(&[shared.parent().unwrap().to_owned()], Some(&config), std::iter::empty());
    assert!(given.diagnostics.iter().any(|found| found.code == config::Code::NoProbe), "{}", given.diagnostics.render(false));
    let given =
        config::load_probes(&[Path::new(&folder.path().join("lib/probes")).to_owned()], Some(&config), std::iter::empty());
    assert!(given.diagnostics.is_empty(), "{}", given.diagnostics.render(false));
}
