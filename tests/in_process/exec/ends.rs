//! How a program is ended, and that nothing is left of it.

use std::time::{Duration, Instant};

use serinus::outcome::Reason;

use super::{all_gone, expecting, is_running, journey, pids, script};

/// A program and its child, neither of which heeds SIGTERM, that write their numbers into a file and hang.
fn stubborn(file: &std::path::Path) -> String {
    format!("trap '' TERM; sleep 300 & printf '%s\\n%s\\n' $$ $! > {}; wait; sleep 300", file.display())
}

#[tokio::test]
async fn a_timeout_ends_the_whole_group_though_it_does_not_heed_sigterm() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("pids");
    let step = script(&stubborn(&file), "timeout = \"1s\"\nexpect = [\"exit_code == 0\"]");
    assert_eq!(journey().await.run(&step).await.reason(), Reason::Timeout);
    all_gone(&pids(&file, 2).await).await;
}

#[tokio::test]
async fn one_that_heeds_sigterm_can_tidy_up() {
    let folder = tempfile::tempdir().unwrap();
    let (file, tidied) = (folder.path().join("pids"), folder.path().join("tidied"));
    let source = format!("trap 'echo yes > {}; exit' TERM; echo $$ > {}; sleep 300 & wait", tidied.display(), file.display());
    let step = script(&source, "timeout = \"1s\"\nexpect = [\"exit_code == 0\"]");
    assert_eq!(journey().await.run(&step).await.reason(), Reason::Timeout);
    all_gone(&pids(&file, 1).await).await;
    assert_eq!(std::fs::read_to_string(tidied).unwrap(), "yes\n");
}

#[tokio::test]
async fn the_deadline_and_a_stop_of_the_process_end_it_and_tell_what_was_cut() {
    let folder = tempfile::tempdir().unwrap();
    let step = |name: &str| script(&stubborn(&folder.path().join(name)), "expect = [\"exit_code == 0\"]");
    let ran = journey().await.deadline("1s").run(&step("deadline")).await;
    assert_eq!(ran.reason(), Reason::Deadline);
    let message = &ran.cause().message;
    assert!(message.contains("/bin/sh -c") && message.contains("waiting for the program's end"), "{message}");
    all_gone(&pids(&folder.path().join("deadline"), 2).await).await;

    let (journey, file) = (journey().await, folder.path().join("stop"));
    let running = step("stop");
    let (ran, pids) = tokio::join!(journey.run(&running), async {
        let pids = pids(&file, 2).await;
        journey.cancel.cancel();
        pids
    });
    assert_eq!(ran.reason(), Reason::Shutdown);
    all_gone(&pids).await;
}

#[tokio::test]
async fn a_run_that_is_dropped_leaves_no_process() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("pids");
    let (journey, step) = (journey().await, script(&stubborn(&file), "expect = [\"exit_code == 0\"]"));
    let pids = tokio::select! {
        _ = journey.run(&step) => panic!("it hangs"),
        pids = pids(&file, 2) => pids,
    };
    all_gone(&pids).await;
}

#[tokio::test]
async fn what_holds_the_output_open_holds_up_nobody_and_ends_with_the_program() {
    let began = Instant::now();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("pids");
    let source = format!("sleep 300 & echo $! > {}; echo done", file.display());
    journey().await.run(&expecting(&source, &["stdout == 'done\\n'", "exit_code == 0"])).await.assert_passed();
    all_gone(&pids(&file, 1).await).await;
    assert!(began.elapsed() < Duration::from_mins(1));
}

#[tokio::test]
async fn what_leaves_the_group_holds_up_nobody_and_stays() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("pids");
    // It writes its number when it has left, and floods what it still holds.
    let source = format!("setsid sh -c 'echo $$ > {0}; exec yes' & until [ -s {0} ]; do :; done; echo done", file.display());
    let keys = "timeout = \"30s\"\nexpect = [\"exit_code == 0\", \"stdout is endingwith 'done\\n' or 'y' in stdout\"]";
    let ran = journey().await.run(&script(&source, keys)).await;
    let pid = pids(&file, 1).await[0];
    // A pipe that nobody reads any more ends it; what is held here is that nobody waited.
    assert!(ran.report.cause.as_ref().is_none_or(|cause| cause.reason == Reason::ResponseTooLarge), "{:?}", ran.report.cause);
    all_gone(&[pid]).await;

    let quiet = format!("setsid sh -c 'echo $$ > {0}; exec sleep 300' & until [ -s {0} ]; do :; done; echo done", file.display());
    std::fs::remove_file(&file).unwrap();
    journey().await.run(&expecting(&quiet, &["stdout == 'done\\n'"])).await.assert_passed();
    let pid = pids(&file, 1).await[0];
    assert!(is_running(pid), "it asked to stay");
    assert!(std::process::Command::new("kill").arg(pid.to_string()).status().unwrap().success());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_side_by_side_end_each_with_its_own_status() {
    let steps = r#"
        [[step]]
        name = "many"
        for_each = "code in range(60)"
        at_once = 20
        exec.command = ["/bin/sh", "-c", "exit $1", "sh", "{{ code }}"]
        expect = ["exit_code == code"]
    "#;
    journey().await.run(steps).await.assert_passed();
}
